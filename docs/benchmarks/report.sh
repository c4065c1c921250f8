#!/usr/bin/env bash
# The pages of the runs of yeast.sh, human.sh, basenji.sh, conditioning_*.sh and motifs.sh.
# Usage: report.sh YEAST HUMAN RECORDS CONDITIONING_YEAST CONDITIONING_HUMAN MOTIFS OUT
#   each the OUT folder of its script; then the folder for the pages
set -euo pipefail
mkdir -p "$7"
tfepi_report.py -o "$7/yeast.html" "$1"
tfepi_report.py -o "$7/human.html" "$2"
tfepi_report.py -o "$7/records.html" "$3"
tfepi_report.py -o "$7/conditioning_yeast.html" "$4" "$4"/models/models/*
tfepi_report.py -o "$7/conditioning_human.html" "$5" "$5"/models/models/*
tfepi_report.py -o "$7/motifs.html" "$1/run" "$6"
