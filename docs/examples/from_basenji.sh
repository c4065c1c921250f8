#!/usr/bin/env bash
# A Basenji user's day: data with the original options, trunk-and-head params.json, an .h5 model,
# and every command on that .h5. On a simulated genome; takes about three minutes on two cores.
#
#   docs/examples/from_basenji.sh [FOLDER]       default from_basenji_out; needs an installed tfepi
set -euo pipefail
out=${1:-from_basenji_out}
mkdir -p "$out"
cd "$out"
tfepi_simulate.py -o genome --overwrite

# basenji_data.py --local -p 2 -l 1344 -w 192 -c 576 … genome.fa targets.txt: the same letters.
# --compat basenji makes the very windows and values that tool makes; leave it out for new data.
tfepi_data.py --compat basenji --local -p 2 -l 1344 -w 192 -c 576 --stride .25 --stride_test .25 \
  -g genome/gaps.bed -b genome/blacklist.bed -u genome/unmappable.bed -v chr4 -t chr5 -o data \
  --overwrite genome/genome.fa genome/targets.txt
tfepi_records.py info data
tfepi_records.py validate data

# The params.json of the Basset tutorial, narrower. "loss": "poisson_mm" or "dropuot" would be errors.
cat > params.json <<'JSON'
{
  "train": {
    "batch_size": 64, "shuffle_buffer": 1024, "optimizer": "adam", "learning_rate": 0.002,
    "loss": "poisson", "clip_norm": 2, "patience": 3, "train_epochs_max": 6
  },
  "model": {
    "seq_length": 1344, "augment_rc": true, "augment_shift": 3,
    "activation": "gelu", "norm_type": "batch", "bn_momentum": 0.9,
    "trunk": [
      {"name": "conv_dna", "filters": 48, "kernel_size": 17, "pool_size": 6},
      {"name": "conv_tower", "filters_init": 48, "filters_end": 64, "divisible_by": 16,
       "kernel_size": 5, "pool_size": 2, "repeat": 5},
      {"name": "dense_block", "flatten": true, "units": 64, "dropout": 0.2}
    ],
    "head": [{"name": "final", "units": 3, "activation": "softplus"}]
  }
}
JSON
tfepi_train.py -o train params.json data --overwrite

# Stands for your model_best.h5; basenji_test.py and hound_eval.py read this file too.
tfepi_convert.py params.json train model_best.h5 --overwrite

tfepi_test.py --rc --shifts "1,0,-1" -o test params.json model_best.h5 data --overwrite
head -n 3 test/acc.txt
tfepi_variants.py --compat basenji -f genome/genome.fa --rc --stats SAD,logSAD,D2 -o sad \
  -t data/targets.txt params.json model_best.h5 genome/variants.vcf --overwrite
head -n 2 genome/cell1_peaks.bed | cut -f 1-3 > regions.bed
tfepi_predict.py -f genome/genome.fa --rc -b all -o predicted -t data/targets.txt \
  params.json model_best.h5 regions.bed --overwrite
tfepi_ism.py -f genome/genome.fa -l 60 --rc -o sat_mut -t data/targets.txt \
  params.json model_best.h5 regions.bed --overwrite

# A SavedModel for other software, and a new model that starts from this one's trunk.
tfepi_convert.py -t data/targets.txt params.json model_best.h5 saved_model --overwrite
tfepi_train.py --restore model_best.h5 --trunk --epochs 1 -o transferred params.json data --overwrite
