#!/usr/bin/env bash
# Human DNase-seq, ten cell types on 55 stretches of hg38: multitask and single task.
# Usage: human.sh FOLDER OUT
#   FOLDER: windows.fa.gz, dnase/*.bw, windows_contigs.tsv (contig, chrom, start, end,
#   signal_start, signal_end, split). The ten `valid` contigs are the test set; nine of the other
#   45, drawn with seed 44, are for early stopping.
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
with open(out / "targets.txt", "w") as table:
    print("", "identifier", "file", "sum_stat", "description", sep="\t", file=table)
    for i, path in enumerate(sorted((folder / "dnase").glob("*.bw"))):
        print(i, path.stem, path, "mean", "DNASE:" + path.stem, sep="\t", file=table)
PY
tfepi_data.py -o "$out/data" -l 1344 -w 192 -c 576 --stride 192 --stride_test 192 -r 4096 \
  --split_bed "$out/split.bed" "$in/windows.fa.gz" "$out/targets.txt"
tfepi_train.py -o "$out/multitask" basset_small_1344 "$out/data"
tfepi_test.py -o "$out/test_multitask" --rc --shifts "1,0,-1" basset_small_1344 "$out/multitask" "$out/data"
tfepi_train.py -o "$out/single" --targets HepG2 basset_small_1344 "$out/data"
tfepi_test.py -o "$out/test_single" --rc --shifts "1,0,-1" basset_small_1344 "$out/single" "$out/data"
