#!/usr/bin/env bash
# Simulate a genome whose truth is known, and run the whole way from its files to scored variants.
#
#   scripts/quickstart.sh [FOLDER]        results; default quickstart_out
#
# Uses the active virtual environment, else .venv (made if absent). Safe to run again: results of
# an earlier run in FOLDER are replaced, an installation that is there is kept.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
out=${1:-quickstart_out}
case $out in
  -h | --help) sed -n '2,7s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; exit 0 ;;
  -*) echo "error: unknown option $out: give a folder for the results" >&2; exit 2 ;;
esac
if [ -e "$out" ] && [ ! -f "$out/.quickstart" ] && [ -n "$(ls -A "$out" 2>/dev/null || echo file)" ]; then
  echo "error: $out is not a quickstart's folder: name an empty or a new one" >&2
  exit 2
fi

say() { printf '\n== %s\n' "$*"; }
started=$SECONDS
if [ -n "${VIRTUAL_ENV:-}" ]; then
  environment=$VIRTUAL_ENV
else
  environment=$here/.venv
  [ -x "$environment/bin/python" ] || "${PYTHON:-python3}" -m venv "$environment"
fi
python=$environment/bin/python
say "install into $environment"
rm -rf "$here/build/lib"  # an earlier build's modules would be installed again
"$python" -m pip install --quiet --disable-pip-version-check -c "$here/constraints.txt" "$here"
# Without compiled bytecode TensorFlow takes 10 s to import instead of 3, and not every pip run
# leaves it. What is compiled already is passed over.
site=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')
env -u PYTHONDONTWRITEBYTECODE "$python" -m compileall -q -j 0 "$site" >/dev/null 2>&1 || true
installed=$SECONDS

export PATH="$environment/bin:$PATH"
mkdir -p "$out"
touch "$out/.quickstart"
rm -rf "${out:?}"/{genome,check,data,model,test,exported,variants,report.html,report.json}
genome=$out/genome
windows=(-l 768 -w 192 -c 288 --stride 256 --stride_test 192 -v chr4 -t chr5)
regions=(-g "$genome/gaps.bed" -b "$genome/blacklist.bed" -u "$genome/unmappable.bed")

say "simulate a genome with three cell types and 400 variants"
tfepi_simulate.py -o "$genome"
say "check the inputs"
tfepi_check.py "$genome/genome.fa" "$genome/targets.txt" --vcf "$genome/variants.vcf" \
  "${windows[@]}" "${regions[@]}" -o "$out/check"
say "write windows and targets as TFRecords"
tfepi_data.py "$genome/genome.fa" "$genome/targets.txt" "${windows[@]}" "${regions[@]}" \
  -p 2 -o "$out/data"
say "train"
tfepi_train.py quickstart "$out/data" -o "$out/model"
say "test on chr5"
tfepi_test.py --rc --save -o "$out/test" quickstart "$out/model" "$out/data"
say "export as SavedModel"
tfepi_export.py "$out/model" -o "$out/exported"
say "score variants with the exported model"
tfepi_variants.py --rc --stats SAD,logSAD -f "$genome/genome.fa" -o "$out/variants" \
  quickstart "$out/exported" "$genome/variants.vcf"

say "results"
"$python" -m tfepi.report.quickstart_table "$out"
tfepi_report.py -q --title "The quickstart's simulated genome" -o "$out/report.html" "$out"
printf '\ninstallation %d s, main job %d s\n' $((installed - started)) $((SECONDS - installed))
