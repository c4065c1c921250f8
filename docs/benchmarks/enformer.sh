#!/usr/bin/env bash
# A reduced Enformer on existing records of 55 stretches of hg38 (131,072 bp, 74 targets), in bins of
# 128 bp: trained on all targets; then a trunk trained on CAGE and RNA alone, and heads for DNase on it
# frozen, partly frozen, free, free at the rate of new weights, and new weights, with as many steps each.
# Usage: enformer.sh RECORDS OUT
#   RECORDS: statistics.json, targets.txt, sequences.bed, tfrecords/; its `valid` records are the
#   test set, nine of the 45 `train` ones, drawn with seed 44, are for early stopping.
set -euo pipefail
records=$(realpath "$1") out=$2
mkdir -p "$out"
cd "$out"
tfepi_records.py select "$records" -o data32 --relabel valid=test --hold_out valid=9 --from train
tfepi_records.py rewindow data32 -o data -l 131072 -w 128 -c 32768

tfepi_train.py enformer_small data -o all
tfepi_test.py enformer_small all data -o test_all --rc

tfepi_train.py enformer_small data -o expression --query '!description~^DNASE'
write() {  # NAME RATE TRANSFER: params for DNase heads of ten epochs
  python - "$1" "$2" "$3" <<'PYTHON'
import json, sys
from tfepi.params import read_params
name, rate, transfer = sys.argv[1:]
source = read_params("enformer_small").source
source["train"] |= {"train_epochs_max": 10, "patience": 10, "learning_rate": float(rate)}
if transfer:
    source["transfer"] = json.loads(transfer)
with open(f"{name}.json", "w") as handle:
    json.dump(source, handle)
PYTHON
}
write frozen 0.001 '{"mode": "linear"}'
write partly 0.001 '{"freeze": ["stem*", "tower1*", "tower2*", "tower3*", "tower4*"]}'
write free 0.001 '{"mode": "full", "layer_decay": 0.9}'
write equal 0.003 '{"mode": "full"}'
write scratch 0.003 ''
for seed in 44 45 46; do
  for name in frozen partly free equal; do
    tfepi_train.py "$name.json" data -o "$name$seed" --query DNASE: --from expression --head new --seed $seed
    tfepi_test.py "$name.json" "$name$seed" data -o "test_$name$seed" --rc
  done
  tfepi_train.py scratch.json data -o "scratch$seed" --query DNASE: --seed $seed
  tfepi_test.py scratch.json "scratch$seed" data -o "test_scratch$seed" --rc
done
