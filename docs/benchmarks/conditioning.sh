#!/usr/bin/env bash
# Models A-D, 1a-1c on a simulated genome: four cell types, the fourth held out.
# Usage: conditioning.sh OUT   (90 minutes on two cores; see conditioning.md for the budget)
set -euo pipefail
out=$1
mkdir -p "$out"
tfepi_simulate.py --marks --length 10000000 -o "$out/genome"
tfepi_normalize.py quantile "$out/genome/tracks.txt" --hold_out cell4 -o "$out/normalized"
tfepi_data.py -o "$out/data" -l 2048 -w 32 --stride 1024 --stride_test 2048 -v chr4 -t chr5 \
  -g "$out/genome/gaps.bed" -b "$out/genome/blacklist.bed" -u "$out/genome/unmappable.bed" \
  --tracks "$out/normalized/tracks.txt" --track_width 16 --track_context 3072 \
  "$out/genome/genome.fa" "$out/genome/targets.txt"
tfepi_conditioning.py "$out/data" -o "$out/compared" --hold_out cell4 --seeds 3 --leopard -p 2 \
  --models dsg_model_a,dsg_model_b,dsg_model_c,dsg_model_d,conditioned_stems,conditioned_wide,conditioned_state \
  --set model.filters=8 --set model.decoder_depth=2 --set model.augment_rc=true --set train.batch_size=32 \
  --set train.steps_per_epoch=100 --set train.train_epochs_max=14 --set train.learning_rate=0.002 \
  --set train.best_by=loss --set conditioning.missing=mask \
  --variants "$out/genome/variants.vcf" --effects "$out/genome/effects.tsv" \
  -f "$out/genome/genome.fa" --tracks "$out/normalized/tracks.txt"
