#!/usr/bin/env bash
# Human DNase-seq of ten cell types, HepG2 held out: a vector of the cell type against the average.
# Usage: conditioning_human.sh FOLDER OUT
#   FOLDER: windows.fa.gz, dnase/*.bw, windows_contigs.tsv (contig, chrom, start, end,
#   signal_start, signal_end, split). The ten `valid` contigs are the test set; nine of the other
#   45, drawn with seed 44, are for validation.
set -euo pipefail
in=$(realpath "$1") out=$2
mkdir -p "$out"
python - "$in" "$out" <<'PY'
import csv, random, sys
from pathlib import Path
folder, out = map(Path, sys.argv[1:])
rows = list(csv.DictReader(open(folder / "windows_contigs.tsv"), delimiter="\t"))
train = sorted(r["contig"] for r in rows if r["split"] == "train")
held = set(random.Random(44).sample(train, 9))
with open(out / "split.bed", "w") as bed:
    for r in rows:
        label = "test" if r["split"] == "valid" else "valid" if r["contig"] in held else "train"
        print(r["contig"], r["signal_start"], r["signal_end"], label, sep="\t", file=bed)
paths = sorted((folder / "dnase").glob("*.bw"))
with open(out / "targets.txt", "w") as table:
    print("", "identifier", "file", "sum_stat", "cell", "mark", "threshold", sep="\t", file=table)
    for i, path in enumerate(paths):
        print(i, path.stem, path, "mean", path.stem, "DNase", 0.5, sep="\t", file=table)
with open(out / "tracks.txt", "w") as table:
    print("", "identifier", "file", "cell", "assay", sep="\t", file=table)
    for i, path in enumerate(paths):
        print(i, path.stem, path, path.stem, "DNase", sep="\t", file=table)
PY
tfepi_data.py -o "$out/data" -l 2048 -w 64 --stride 512 --stride_test 2048 -r 4096 \
  --split_bed "$out/split.bed" --tracks "$out/tracks.txt" --track_width 64 \
  "$in/windows.fa.gz" "$out/targets.txt"
tfepi_conditioning.py "$out/data" -o "$out/models" --seeds 3 -p 2 --hold_out HepG2 \
  --models dsg_model_a,conditioned_state \
  --set model.filters=8 --set model.decoder_depth=2 --set train.batch_size=32 --set train.steps_per_epoch=100 \
  --set train.train_epochs_max=14 --set train.learning_rate=0.002 --set train.best_by=loss \
  --set model.augment_rc=true
