#!/usr/bin/env bash
# Install the package with its tests' needs and run pytest; arguments go to pytest.
#
#   scripts/test.sh [pytest arguments]
#   scripts/test.sh -m slow            # the few that take long
#
# Uses the active virtual environment, else .venv (made if absent).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ -n "${VIRTUAL_ENV:-}" ]; then
  environment=$VIRTUAL_ENV
else
  environment=$PWD/.venv
  [ -x "$environment/bin/python" ] || "${PYTHON:-python3}" -m venv "$environment"
fi
python=$environment/bin/python

"$python" -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,serving,onnx]'
# Where Python writes no bytecode, every command that a test starts would compile it again.
env -u PYTHONDONTWRITEBYTECODE "$python" -m compileall -q tfepi tfrecords_tools
# Each file in one process; of these no more than four, as each loads TensorFlow.
exec "$python" -m pytest -n auto --maxprocesses 4 --dist loadfile "$@"
