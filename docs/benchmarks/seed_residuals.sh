#!/bin/bash
# Which loss fits the yeast ATAC-seq tracks, of a model trained on them with the Poisson loss.
# Usage: seed_residuals.sh YEAST OUT [RUN DATA]
# YEAST has sacCer3.fa.gz, atac_open.bw and atac_nucleosome.bw; without RUN and DATA the model is
# trained first.
set -euo pipefail
in=$1 out=$2 run=${3:-$2/run} data=${4:-$2/data}
mkdir -p "$out"
if [ ! -e "$run" ]; then
  printf '\tidentifier\tfile\tsum_stat\tdescription\n' > "$out/targets.txt"
  printf '0\tatac_open\t%s/atac_open.bw\tsum\tTn5 cuts, fragments < 120 bp\n' "$in" >> "$out/targets.txt"
  printf '1\tatac_nucleosome\t%s/atac_nucleosome.bw\tsum\tmidpoints, 150-250 bp\n' "$in" >> "$out/targets.txt"
  tfepi_data.py -o "$data" -l 768 -w 192 -c 288 --stride 192 --stride_test 192 -r 4096 \
    --chroms chrI,chrII,chrIII,chrIV,chrV,chrVI,chrVII,chrVIII,chrIX,chrX -v chrIX -t chrX \
    "$in/sacCer3.fa.gz" "$out/targets.txt"
  tfepi_train.py -o "$run" --epochs 13 basset_small "$data"
fi
tfepi_test.py basset_small "$run" "$data" -o "$out/test" --rc --save --no_figures --overwrite -q
tfepi_residuals.py "$out/test" -o "$out/residuals" --overwrite -q
