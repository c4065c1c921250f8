"""The exported model by a runtime that is not TensorFlow: an oracle of the SavedModel's graph.

OpenVINO is in an environment of its own: scripts/test_serving.sh makes it and runs this.
"""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tfepi.startup import import_tensorflow
from tfrecords_tools.genome import one_hot

pytestmark = pytest.mark.slow
PYTHON = "TFEPI_SERVING_PYTHON"
SCRIPT = Path(__file__).with_name("openvino_predict.py")


@pytest.mark.parametrize("rc", [False, True])
def test_predictions_are_the_same(own_run, rc, tmp_path):
    if PYTHON not in os.environ:
        pytest.skip(f"{PYTHON} is not set: scripts/test_serving.sh runs this")
    import_tensorflow()
    from tfepi.predictors import load_predictor
    from tfepi.serving.export import export
    from tfepi.serving.options import ExportOptions
    from tfepi.spec import AveragedPredictor

    export(own_run, tmp_path / "saved", options=ExportOptions(rc=rc))
    codes = np.random.default_rng(3).integers(0, 5, (9, 64), dtype=np.uint8)
    wanted = AveragedPredictor(load_predictor(own_run, 9), rc).predict({"sequence": codes})
    np.save(tmp_path / "in.npy", one_hot(codes))
    command = [os.environ[PYTHON], SCRIPT, *(tmp_path / n for n in ("saved", "in.npy", "out.npz"))]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(command, check=True, env=environment, timeout=300)
    with np.load(tmp_path / "out.npz") as found:
        assert set(found) == set(wanted)
        np.testing.assert_allclose(found["output"], wanted["output"], rtol=1e-5, atol=1e-6)
