#!/usr/bin/env bash
# Human DNase-seq of ten cell types, HepG2 held out: a vector of the cell type against the average.
# Usage: conditioning_human.sh FOLDER OUT
#   FOLDER: windows.fa.gz, dnase/*.bw, windows_contigs.tsv (contig, chrom, start, end,
#   signal_start, signal_end, split). The ten `valid` contigs are the test set; nine of the other
#   45, drawn with seed 44, are for validation.
set -euo pipefail
in=$(realpath "$1") out=$2
mkdir -p "$out"
python "$(dirname "$0")/human_inputs.py" "$in" "$out"
# The same tracks as labels with a threshold, and as inputs
awk -v OFS='\t' 'NR == 1 { print "", "identifier", "file", "sum_stat", "cell", "mark", "threshold"; next }
  { print $1, $2, $3, $4, $2, "DNase", 0.5 }' FS='\t' "$out/targets.txt" > "$out/marks.txt"
awk -v OFS='\t' 'NR == 1 { print "", "identifier", "file", "cell", "assay"; next }
  { print $1, $2, $3, $2, "DNase" }' FS='\t' "$out/targets.txt" > "$out/tracks.txt"
tfepi_data.py -o "$out/data" -l 2048 -w 64 --stride 512 --stride_test 2048 -r 4096 \
  --split_bed "$out/split.bed" --tracks "$out/tracks.txt" --track_width 64 \
  "$in/windows.fa.gz" "$out/marks.txt"
tfepi_conditioning.py "$out/data" -o "$out/models" --seeds 3 -p 2 --hold_out HepG2 \
  --models dsg_model_a,conditioned_state \
  --set model.filters=8 --set model.decoder_depth=2 --set train.batch_size=32 --set train.steps_per_epoch=100 \
  --set train.train_epochs_max=14 --set train.learning_rate=0.002 --set train.best_by=loss \
  --set model.augment_rc=true
