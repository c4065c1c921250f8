#!/usr/bin/env bash
# Simulated methylation: pre-training, fine-tuning with and without it, variants, loci, polygenic scores, motifs.
# Usage: methylation.sh OUT   (about an hour on two cores; see methylation.md for the budget)
# Smaller, in minutes: SEEDS=1 EPOCHS=7 LENGTH=2000000 VARIANTS=8000 methylation.sh OUT
set -euo pipefail
out=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
seeds=${SEEDS:-1 2 3}
first=${seeds%% *}
export OPENBLAS_NUM_THREADS=1
mkdir -p "$out"

# Three genomes of one law: models learn from the first; variants are those of the others.
for genome in 44 45 46; do
  tfepi_simulate.py --methylation --length "${LENGTH:-15000000}" --variants "${VARIANTS:-60000}" --seed $genome \
    -o "$out/sim$genome"
done
sim=$out/sim44
for data in wgbs=wgbs/samples brain=array/brain blood=array/blood; do
  tfepi_data.py --kind methylation -l 601 -v chr4 -t chr3 -o "$out/${data%=*}" "$sim/genome.fa" "$sim/${data#*=}.txt"
done

# All take the same number of steps, without early stop. From new weights at the rate of pre-training;
# that of fine-tuning does no better.
python - "$out" <<'EOF'
import json, pathlib, sys
from tfepi.params import find_params
for name, preset in (("finetune", "interact_small_finetune"), ("scratch", "interact_small_pretrain")):
    params = json.loads(find_params(preset).read_text())
    params["train"]["patience"] = 1000
    pathlib.Path(sys.argv[1], f"{name}.json").write_text(json.dumps(params))
EOF
tfepi_train.py interact_small_pretrain "$out/wgbs" --epochs "${EPOCHS:-6}" -o "$out/pretrained"
tfepi_test.py interact_small_pretrain "$out/pretrained" "$out/wgbs" -o "$out/test_pretrained"
for tissue in brain blood; do
  for seed in $seeds; do
    tfepi_train.py "$out/finetune.json" "$out/$tissue" --from "$out/pretrained" --head new --seed "$seed" \
      --epochs "${EPOCHS:-6}" -o "$out/${tissue}_pretrained$seed"
    tfepi_train.py "$out/scratch.json" "$out/$tissue" --seed "$seed" \
      --epochs "${EPOCHS:-6}" -o "$out/${tissue}_scratch$seed"
    for start in pretrained scratch; do
      run=${tissue}_$start$seed
      tfepi_test.py "$out/finetune.json" "$out/$run" "$out/$tissue" -o "$out/test_$run"
    done
  done
done

for genome in 45 46; do
  sim=$out/sim$genome
  awk -v OFS='\t' 'NR > 1 {print $2, $3 - 1, $4, $1}' "$sim/loci.tsv" > "$out/loci$genome.bed"
  for tissue in brain blood; do
    tfepi_methylation.py variants -f "$sim/genome.fa" "$out/${tissue}_pretrained$first" "$sim/variants.vcf" \
      -o "$out/mrv_$tissue$genome"
    # The variants that act, of the tissue's mQTLs.
    awk -F '\t' -v t=$tissue 'NR == 1 || ($7 == t && $12 == 1)' "$sim/mqtl.tsv" > "$out/mqtl_$tissue$genome.tsv"
    # What no model can better: the true effects as scores.
    python "$here/methylation_truth.py" "$sim/effects.tsv" "$out/mrv_$tissue$genome" $tissue \
      "$out/true_$tissue$genome.tsv.gz"
    for scores in "mrv_$tissue$genome" "true_$tissue$genome.tsv.gz"; do
      tfepi_methylation.py overlay --scores "$out/$scores" --gwas "$sim/gwas.tsv.gz" --loci "$out/loci$genome.bed" \
        --mqtl "$out/mqtl_$tissue$genome.tsv" --all_mqtls -f "$sim/genome.fa" -o "$out/overlay_${scores%.tsv.gz}"
    done
  done
  for scores in "mrv_brain$genome" "true_brain$genome.tsv.gz"; do
    tfepi_methylation.py prs --gwas "$sim/gwas.tsv.gz" --scores "$out/$scores" --reference "$sim/cohort/discovery" \
      --genotypes same="$sim/cohort/target" --pheno "$sim/cohort/target.pheno" \
      --genotypes other="$sim/cohort/other" --pheno "$sim/cohort/other.pheno" -o "$out/prs_${scores%.tsv.gz}"
  done
done
tfepi_methylation.py motifs "$out/pretrained" "$out/wgbs" -o "$out/motifs"
awk -v OFS='\t' '$4 == "test" && NR % 400 == 0 {print $1, $2, $2 + 2}' "$out/wgbs/sequences.bed" | sort -k1,1 -k2,2n > "$out/cpgs.bed"
tfepi_methylation.py attribute "$out/pretrained" -f "$out/sim44/genome.fa" --cpgs "$out/cpgs.bed" --method ism -l 301 \
  --figures 5 -o "$out/attribution"
python "$here/methylation_tables.py" "$out"
