#!/usr/bin/env bash
# A U-Net and Enformer on the same variants: do they agree, how far do they see, how far do effects reach?
# Without models: Leopard's U-Net (10,240 bp) and an Enformer of the published length (196,608 bp) with 96
# instead of 1,536 channels and 2 instead of 11 transformer layers, both untrained, zeros drawn. Fields
# follow from kernels, strides and lengths, which are the published ones; the scores mean nothing.
# Usage: seed_compare.sh GENOME VCF OUT [COUNT [NAME=PARAMS,MODEL,… NAME=…]]
#   COUNT: of variants, evenly from the VCF [60]; models as for tfepi_compare.py, as
#   unet=leopard,unet_run,mean enformer=enformer,hub_folder,head=human,query=DNASE:
set -euo pipefail
genome=$(realpath "$1") vcf=$(realpath "$2") out=$3 count=${4:-60}
shift $(($# < 4 ? $# : 4))
mkdir -p "$out"
python - "$vcf" "$genome" "$out/some.vcf" "$count" <<'PYTHON'
import sys
import pysam
from tfrecords_tools.genome import Genome
source, fasta, out, count = sys.argv[1:]
edge = 98_304
with Genome(fasta) as genome, pysam.VariantFile(source) as vcf:
    inside = [r for r in vcf if edge <= r.start < genome.chroms.get(r.chrom, 0) - edge]
    with pysam.VariantFile(out, "w", header=vcf.header) as kept:
        for record in inside[:: max(1, len(inside) // int(count))][: int(count)]:
            kept.write(record)
PYTHON
if [ $# -eq 0 ]; then
  python - "$out" <<'PYTHON'
import json, sys
from pathlib import Path
from tfepi.startup import import_tensorflow
import_tensorflow()
import keras
from tfepi.models import enformer, leopard_unet
from tfepi.receptive_field.initialisation import draw_zeros
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.targets import Target
few = {"channels": 96, "width_rounding": 8, "transformer_layers": 2, "attention_heads": 4, "key_size": 16}
models = {
    "unet": (leopard_unet, {"input_length": 10_240}, {"outputs": 1}, 1, 0),
    "enformer": (enformer, {"input_length": 196_608, "target_length": 896} | few,
                 {"output_heads": 1}, 128, 40_960),
}
for name, (build, keywords, outputs, width, crop) in models.items():
    folder = Path(sys.argv[1]) / name
    if (folder / "params.json").exists():
        continue
    folder.mkdir(exist_ok=True)
    keras.utils.set_random_seed(44)
    model = build(**keywords, **outputs)
    draw_zeros(model)
    model.save(folder / "model_best.keras")
    inputs = {"sequence": (keywords["input_length"], 4)}
    head = Head("main", (Target(0, "untrained"),))
    ModelSpec(build.__name__, inputs, width, crop, (head,)).write(folder / "model.json")
    (folder / "params.json").write_text(json.dumps({"model": {"name": build.__name__} | keywords}))
PYTHON
  set -- "unet=$out/unet/params.json,$out/unet" "enformer=$out/enformer/params.json,$out/enformer"
fi
tfepi_compare.py "$@" --vcf "$out/some.vcf" -f "$genome" -o "$out/compare" --resume
