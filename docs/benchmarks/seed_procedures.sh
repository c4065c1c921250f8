#!/usr/bin/env bash
# Four training procedures (Kathail et al., Table 1) on human DNase-seq of ten cell types.
# Usage: seed_procedures.sh FOLDER OUT [more options of tfepi_specificity.py procedures]
#   FOLDER: windows.fa.gz, dnase/*.bw, k562_dnase_allele_counts.tsv and windows_contigs.tsv (contig,
#   chrom, start, end, signal_start, signal_end, split). The ten `valid` contigs are the test set;
#   nine of the other 45, drawn with seed 44, are for early stopping.
# 36 minutes on two cores; "--params basset" is the full size.
set -euo pipefail
in=$(realpath "$1") out=$2
shift 2
mkdir -p "$out"
python "$(dirname "$0")/human_inputs.py" "$in" "$out"
tfepi_data.py -o "$out/data" -l 1344 -w 192 -c 576 --stride 192 --stride_test 192 -r 4096 \
  --split_bed "$out/split.bed" "$in/windows.fa.gz" "$out/targets.txt"
tfepi_specificity.py clusters "$out/data" -o "$out/clusters"
compare() {
  tfepi_specificity.py procedures "$out/data" "$out/clusters" -p 2 \
    --sites "$in/k562_dnase_allele_counts.tsv" -f "$in/windows.fa.gz" "$@"
}
compare -o "$out/epochs" "$@"
# Again with as many steps for the sets of peaks; the models of all windows are the same.
cp -r "$out/epochs" "$out/steps"
rm -r "$out"/steps/plan.json "$out"/steps/{models,predictions,variants}/multitask_*
compare -o "$out/steps" --resume --budget steps "$@"
