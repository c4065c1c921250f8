#!/usr/bin/env bash
# Make an environment with the extra `io` (tensorflow-io, which loads with TensorFlow 2.17 and no
# later one) and run the tests of reading records in place there; arguments go to pytest.
#
#   scripts/test_io.sh [pytest arguments]
#
# The environment is TFEPI_IO_VENV, made if absent (2.7 GB), else a temporary one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

environment=${TFEPI_IO_VENV:-}
if [ -z "$environment" ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  environment=$scratch/venv
fi
python=$environment/bin/python
[ -x "$python" ] || "${PYTHON:-python3.11}" -m venv "$environment"
"$python" -m pip install --quiet --disable-pip-version-check -c constraints-io.txt -e '.[io,remote,test]'
"$python" -c 'import sys, tensorflow as tf
assert tf.__version__.startswith("2.17."), f"TensorFlow is {tf.__version__}, want 2.17"' 2>/dev/null
if [ $# -gt 0 ]; then
  "$python" -m pytest "$@"
else
  # Records in place, commands' exit status, and the same records and commands by copy.
  "$python" -m pytest -m 'slow or not slow' tests/tfrecords_tools/test_remote_records.py \
    tests/tfrecords_tools/test_dataset.py tests/scripts/test_tfepi_test.py
fi
