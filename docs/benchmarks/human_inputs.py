#!/usr/bin/env python3
"""Write split.bed and targets.txt of human DNase-seq of ten cell types on 55 stretches of hg38.

Usage: human_inputs.py FOLDER OUT
FOLDER holds dnase/*.bw and windows_contigs.tsv (contig, chrom, start, end, signal_start,
signal_end, split). The ten `valid` contigs are the test set; nine of the other 45, drawn with
seed 44, are for early stopping.
"""

import csv
import random
import sys
from pathlib import Path

folder, out = map(Path, sys.argv[1:])
with open(folder / "windows_contigs.tsv") as table:
    rows = list(csv.DictReader(table, delimiter="\t"))
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
