#!/usr/bin/env bash
# Yeast: binding sites and nucleosomes from sequence with and without ATAC-seq; chrX is the test.
# Usage: conditioning_yeast.sh FOLDER OUT
#   FOLDER: sacCer3.fa.gz, atac_open.bw, atac_nucleosome.bw, chipexo/{Reb1,Abf1,Rap1,Sua7}.bed
set -euo pipefail
in=$(realpath "$1") out=$2
mkdir -p "$out"
{
  printf '\tidentifier\tfile\tsum_stat\tcell\tmark\tthreshold\n'
  row=0
  for factor in Reb1 Abf1 Rap1 Sua7; do # a site is the base called and 20 on either side
    awk -v OFS='\t' '{print $1, ($2 > 20 ? $2 - 20 : 0), $3 + 20}' "$in/chipexo/$factor.bed" > "$out/$factor.bed"
    printf '%d\t%s\t%s\tmax\tyeast\t%s\t0.5\n' $row $factor "$(realpath "$out/$factor.bed")" $factor
    row=$((row + 1))
  done
  printf '%d\tnucleosome\t%s/atac_nucleosome.bw\tmean\tyeast\tnucleosome\t1\n' $row "$in"
} > "$out/targets.txt"
printf '\tidentifier\tfile\tcell\tassay\tnan\n0\tatac_open\t%s/atac_open.bw\tyeast\tATAC\tzero\n' "$in" > "$out/tracks.txt"
tfepi_data.py -o "$out/data" -l 2048 -w 32 --stride 512 --stride_test 2048 -r 1024 \
  --chroms chrI,chrII,chrIII,chrIV,chrV,chrVI,chrVII,chrVIII,chrIX,chrX -v chrIX -t chrX \
  --tracks "$out/tracks.txt" --track_width 8 --track_context 3072 "$in/sacCer3.fa.gz" "$out/targets.txt"
tfepi_conditioning.py "$out/data" -o "$out/models" --seeds 3 -p 2 --models D=dsg_model_d,B=dsg_model_b \
  --set model.filters=8 --set model.decoder_depth=2 --set train.batch_size=32 --set train.steps_per_epoch=100 \
  --set train.train_epochs_max=14 --set train.learning_rate=0.002 --set train.best_by=loss \
  --set model.augment_rc=true
