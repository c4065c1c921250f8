#!/usr/bin/env bash
# Human DNase-seq, ten cell types on 55 stretches of hg38: multitask and single task.
# Usage: human.sh FOLDER OUT
#   FOLDER: windows.fa.gz, dnase/*.bw, windows_contigs.tsv (contig, chrom, start, end,
#   signal_start, signal_end, split). The ten `valid` contigs are the test set; nine of the other
#   45, drawn with seed 44, are for early stopping.
set -euo pipefail
in=$(realpath "$1") out=$2
mkdir -p "$out"
python "$(dirname "$0")/human_inputs.py" "$in" "$out"
tfepi_data.py -o "$out/data" -l 1344 -w 192 -c 576 --stride 192 --stride_test 192 -r 4096 \
  --split_bed "$out/split.bed" "$in/windows.fa.gz" "$out/targets.txt"
tfepi_train.py -o "$out/multitask" basset_small_1344 "$out/data"
tfepi_test.py -o "$out/test_multitask" --save --rc --shifts "1,0,-1" basset_small_1344 "$out/multitask" "$out/data"
tfepi_train.py -o "$out/single" --targets HepG2 basset_small_1344 "$out/data"
tfepi_test.py -o "$out/test_single" --save --rc --shifts "1,0,-1" basset_small_1344 "$out/single" "$out/data"
