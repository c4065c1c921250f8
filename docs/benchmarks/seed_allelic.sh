#!/usr/bin/env bash
# Allelic imbalance: K562 counts by a model of other cell types, and simulated counts.
# Usage: seed_allelic.sh FOLDER MULTITASK OUT [CLUSTERS]
#   FOLDER: windows.fa.gz and k562_dnase_allele_counts.tsv.
#   MULTITASK: what human.sh made: data and the run folder multitask.
#   CLUSTERS: peaks of the windows by tfepi_specificity.py clusters.
set -euo pipefail
in=$(realpath "$1") made=$(realpath "$2") out=$3
mkdir -p "$out"
predict=(--model "$made/multitask/params.json" "$made/multitask" --rc --shifts "1,0,-1"
  --data "$made/data" ${4:+--clusters "$4"})
for how in "dosage" "betabinomial --test betabinomial" "binomial --no_dosage" \
  "coarse --no_dosage --match_bins 1"; do
  read -r name options <<< "$how"
  echo "== K562, $name"
  # shellcheck disable=SC2086  # options are words
  tfepi_allelic.py -q "$in/k562_dnase_allele_counts.tsv" -f "$in/windows.fa.gz" \
    -o "$out/k562_$name" --overwrite "${predict[@]}" $options
done
python "$(dirname "$0")/seed_allelic_simulated.py" "$out/simulated.tsv"
