#!/usr/bin/env bash
# Yeast: does the model of yeast.sh know the motifs of Reb1, Abf1, Rap1 and Cbf1? chrX is the test.
# Usage: motifs.sh FOLDER RUN OUT
#   FOLDER: sacCer3.fa.gz, atac_open.bw, chipexo/{Reb1,Abf1,Rap1,Cbf1}.bed; RUN: run of yeast.sh
set -euo pipefail
in=$(realpath "$1") run=$2 out=$3
here=$(dirname "$(realpath "$0")")
python "$here/motif_places.py" "$in" "$out"
for where in genome shuffled; do
  fasta="$in/sacCer3.fa.gz"
  if [ $where = shuffled ]; then fasta="$out/shuffled.fa"; fi
  tfepi_ism.py -o "$out/ism_$where" -f "$fasta" -l 80 --rc --no_plots "$run/params.json" "$run" "$out/$where.bed"
  tfepi_attribute.py -o "$out/gradient_$where" -f "$fasta" -l 80 --rc --method corrected --per_target --figures 0 \
    "$run/params.json" "$run" "$out/$where.bed"
done
python "$here/motif_recovery.py" "$in" "$out" | tee "$out/tables.md"
