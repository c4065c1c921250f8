#!/usr/bin/env bash
# Existing records of 55 stretches of hg38 (74 targets, 32-bp bins), as another tool wrote them:
# check, set nine windows aside, train a transformer U-Net, test, predict tracks; then the same
# records as 1344-bp windows of one 192-bp bin, and Basset on these.
# Usage: basenji.sh RECORDS WINDOWS OUT
#   RECORDS: statistics.json, targets.txt, sequences.bed, tfrecords/; its `valid` records are the
#   test set, nine of the 45 `train` ones, drawn with seed 44, are for early stopping.
#   WINDOWS: windows.fa.gz and windows_contigs.tsv (contig, chrom, start, end, …, split).
set -euo pipefail
records=$(realpath "$1") windows=$(realpath "$2") out=$3
mkdir -p "$out"
tfepi_records.py validate "$records"
tfepi_records.py select "$records" -o "$out/data" --relabel valid=test --hold_out valid=9 --from train
tfepi_train.py -o "$out/run" transformer_unet_small "$out/data"
tfepi_test.py -o "$out/test" --save --rc transformer_unet_small "$out/run" "$out/data"
awk -F '\t' '$7 == "valid" { print $1 "\t0\t" $4 - $3 }' "$windows/windows_contigs.tsv" > "$out/test.bed"
tfepi_predict.py -o "$out/predicted" -f "$windows/windows.fa.gz" --rc -b all --no_h5 \
  transformer_unet_small "$out/run" "$out/test.bed"
tfepi_records.py to-bigwig "$out/data" -o "$out/observed" --label test
tfepi_records.py rewindow "$out/data" -o "$out/short" -l 1344 -w 192 -c 576
tfepi_train.py -o "$out/basset" basset_small_1344 "$out/short"
tfepi_test.py -o "$out/test_basset" --rc --shifts "1,0,-1" basset_small_1344 "$out/basset" "$out/short"
