#!/usr/bin/env bash
# Run the tests that ask servers in processes of their own: KServe by REST, and one by gRPC.
#
#   scripts/test_serving.sh [pytest arguments]
#
# KServe needs older versions of some libraries, so it gets an environment beside the active one
# (else .venv, made if absent), whose TensorFlow it takes. It is TFEPI_SERVING_VENV, made if absent
# (700 MB), else a temporary one. OpenVINO, which runs the SavedModel without TensorFlow, is there,
# too.
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

beside=${TFEPI_SERVING_VENV:-}
if [ -z "$beside" ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  beside=$scratch/venv
fi
[ -x "$beside/bin/python" ] || "$python" -m venv "$beside"
"$beside/bin/python" -m pip install --quiet --disable-pip-version-check 'kserve==0.21.*' openvino
# Its own packages come first; TensorFlow and what else it lacks are those of the first environment.
"$python" -c 'import importlib.util, pathlib
print(pathlib.Path(importlib.util.find_spec("tensorflow").origin).parents[1])' \
  > "$("$beside/bin/python" -c 'import site; print(site.getsitepackages()[0])')/zz_tensorflow.pth"
export TFEPI_SERVING_PYTHON=$beside/bin/python
"$TFEPI_SERVING_PYTHON" -c 'import kserve, openvino, tensorflow' 2> /dev/null

if [ $# -gt 0 ]; then
  "$python" -m pytest "$@"
else
  "$python" -m pytest -m 'slow or not slow' tests/serving/client
fi
