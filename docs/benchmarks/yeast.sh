#!/usr/bin/env bash
# Yeast ATAC-seq from FASTA and bigWig: model against 6-mer ridge, and the BY/RM variants.
# Usage: yeast.sh FOLDER OUT   (FOLDER: sacCer3.fa.gz, atac_open.bw, atac_nucleosome.bw, by_rm_snvs.vcf)
set -euo pipefail
in=$(realpath "$1") out=$2
mkdir -p "$out"
printf '\tidentifier\tfile\tsum_stat\tdescription\n' > "$out/targets.txt"
printf '0\tatac_open\t%s/atac_open.bw\tsum\tTn5 cuts, fragments < 120 bp\n' "$in" >> "$out/targets.txt"
printf '1\tatac_nucleosome\t%s/atac_nucleosome.bw\tsum\tmidpoints, 150-250 bp\n' "$in" >> "$out/targets.txt"
chroms=chrI,chrII,chrIII,chrIV,chrV,chrVI,chrVII,chrVIII,chrIX,chrX
tfepi_data.py -o "$out/data" -l 768 -w 192 -c 288 --stride 192 --stride_test 192 -r 4096 \
  --chroms $chroms -v chrIX -t chrX "$in/sacCer3.fa.gz" "$out/targets.txt"
tfepi_train.py -o "$out/run" --epochs 13 basset_small "$out/data"
tfepi_test.py -o "$out/test" --rc --shifts "1,0,-1" --save basset_small "$out/run" "$out/data"
for transform in log1p none; do
  tfepi_baseline.py -o "$out/ridge_$transform" --transform $transform --compare "$out/test" "$out/data"
done
pyscript='import pysam, sys
with pysam.VariantFile(sys.argv[1]) as vcf, pysam.VariantFile(sys.argv[2], "w", header=vcf.header) as kept:
    for record in vcf:
        if record.chrom in sys.argv[3].split(","):
            kept.write(record)'
python -c "$pyscript" "$in/by_rm_snvs.vcf" "$out/by_rm.vcf" $chroms
tfepi_variants.py -o "$out/variants" -f "$in/sacCer3.fa.gz" --rc --stats SAD,logSAD \
  basset_small "$out/run" "$out/by_rm.vcf"
