#!/usr/bin/env bash
# Receptive fields of the report's section 4.3: the U-Net untrained and trained, and every published model.
# Usage: seed_receptive_field.sh FOLDER OUT [RUN]   (six minutes of two cores)
#   FOLDER: sacCer3.fa.gz, atac_open.bw; RUN: a run folder of yeast.sh, whose field is measured too
# FULL=1: also Enformer with all its channels, which takes another hour and 8 GB
set -euo pipefail
in=$(realpath "$1") out=$2 run=${3:-}
mkdir -p "$out"

# The sheet's numbers: base 5,120 of the default U-Net (phase 0), 32 random sequences.
tfepi_rf.py dsg_model_a -o "$out/phase0" --phases 1 --repeats 32

# Trained, briefly: three passes over a third of the yeast genome, coverage at 1 bp.
printf '\tidentifier\tfile\tsum_stat\tdescription\n' > "$out/targets.txt"
printf '0\tatac_open\t%s/atac_open.bw\tsum\tTn5 cuts, fragments < 120 bp\n' "$in" >> "$out/targets.txt"
cat > "$out/unet.json" <<'EOF'
{"train": {"batch_size": 16, "optimizer": "adam", "learning_rate": 0.001, "loss": "poisson", "shuffle_buffer": 512},
 "model": {"name": "leopard_unet", "input_length": 2048, "output_activation": "softplus", "augment_rc": true}}
EOF
tfepi_data.py -o "$out/data" -l 2048 -w 1 -c 0 --stride 2048 --stride_test 2048 \
  --chroms chrI,chrII,chrIV,chrVII,chrIX,chrX -v chrIX -t chrX "$in/sacCer3.fa.gz" "$out/targets.txt"
tfepi_train.py -o "$out/unet" --epochs 3 "$out/unet.json" "$out/data"
tfepi_rf.py "$out/unet/params.json" "$out/unet" -o "$out/trained" --phases 8

# Every model side by side; the large ones with fewer channels.
tfepi_rf.py --published all -o "$out/published" --at centre,edges

if [ -n "$run" ]; then
  tfepi_rf.py "yeast=$run/params.json" "$run" -o "$out/yeast"
fi
if [ -n "${FULL:-}" ]; then
  tfepi_rf.py --published enformer --full -o "$out/enformer" --at centre,edges --repeats 1 --phases 1
fi
