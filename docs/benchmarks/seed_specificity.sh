#!/usr/bin/env bash
# Clusters of peaks, and accuracy in them (Kathail et al., Figures 1b, 3, S1), on human DNase-seq of
# ten cell types.
# Usage: seed_specificity.sh FOLDER OUT
#   FOLDER: windows.fa.gz, dnase/*.bw and windows_contigs.tsv (contig, chrom, start, end,
#   signal_start, signal_end, split). The ten `valid` contigs are the test set; nine of the other 45,
#   drawn with seed 44, are for early stopping.
# On two cores with nothing beside it about a quarter of an hour, most of it three trainings.
set -euo pipefail
in=$(realpath "$1") out=$2
mkdir -p "$out"
python "$(dirname "$0")/human_inputs.py" "$in" "$out"
tfepi_data.py -o "$out/data" -l 1344 -w 192 -c 576 --stride 192 --stride_test 192 -r 4096 \
  --split_bed "$out/split.bed" "$in/windows.fa.gz" "$out/targets.txt"
# The clusters, and how they depend on what counts as a peak
tfepi_specificity.py clusters "$out/data" -o "$out/clusters"
for q in 0.97 0.99; do
  tfepi_specificity.py clusters "$out/data" -o "$out/clusters_$q" --quantile "$q" --no_figures
done
# A k-mer ridge, then the reduced Basset with three seeds
tfepi_baseline.py "$out/data" -o "$out/ridge"
tfepi_specificity.py accuracy "$out/clusters" --test "$out/ridge" -o "$out/accuracy_ridge"
for seed in 44 45 46; do
  tfepi_train.py -o "$out/model_$seed" --seed "$seed" basset_reduced "$out/data"
  tfepi_specificity.py accuracy "$out/clusters" "$out/model_$seed/params.json" "$out/model_$seed" \
    "$out/data" -o "$out/accuracy_$seed"
done
python - "$out" <<'PY'
import sys
from pathlib import Path
import pandas as pd
out = Path(sys.argv[1])
runs = {s: out / f"accuracy_{s}" for s in ("ridge", "44", "45", "46")}
def column(run, file, row, value):
    table = pd.read_csv(run / f"{file}.tsv", sep="\t")
    return row(table)[value]
def shown(name, file, row, value):
    table = pd.DataFrame({s: column(r, file, row, value) for s, r in runs.items()})
    table["mean of seeds"] = table[["44", "45", "46"]].mean(axis=1)
    print(f"\n{name}\n{table.round(3).to_string()}")
shown("mean Pearson r of log2(x + 1)", "averages", lambda t: t.set_index("average"), "pearsonr_log2")
def mean(table):
    return table[table["cell_type"] == "mean"].set_index(["set", "matching"])
for value in ("specific", "ubiquitous", "ks"):
    shown(f"heights matched: {value}", "matched", mean, value)
def pairs(table):
    return table[table["first"] == "mean"].set_index("group").loc[["ubiquitous", "specific"]]
for value in ("experimental", "predicted", "overcorrelation"):
    shown(f"between cell types: {value}", "overcorrelation", pairs, value)
PY
