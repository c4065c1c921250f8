"""Models are plain Keras: other back ends give what TensorFlow gives, without it."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys
import keras
import numpy as np
from tfepi.models import enformer
from tfepi.training.rematerialise import rematerialised
model = enformer(
    input_length=1024, channels=48, width_rounding=8, transformer_layers=2, key_size=8,
    target_length=6, output_heads={"human": 5, "mouse": 3},
)
rng = np.random.default_rng(1)
for weight in model.weights:
    positive = "variance" in weight.name or "gamma" in weight.name
    size = 0.3 / max(1, weight.shape[0] ** 0.5)
    draw = rng.uniform(0.5, 1.5, weight.shape) if positive else rng.normal(0, size, weight.shape)
    if "float" in str(weight.dtype):
        weight.assign(draw.astype("float32"))
x = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (2, 1024))]
out = model({"sequence": x}, training=False)
found = {k: keras.ops.convert_to_numpy(v) for k, v in out.items()}
for layer in model.layers:  # whose numbers differ between back ends
    for name in ("rate", "attention_dropout", "position_dropout"):
        if hasattr(layer, name):
            setattr(layer, name, 0.0)
trained = rematerialised(model)
trained.compile(optimizer=keras.optimizers.SGD(0.01), loss="poisson")
y = {k: rng.poisson(1, v.shape).astype("float32") for k, v in found.items()}
losses = [trained.train_on_batch({"sequence": x}, y, return_dict=True)["loss"] for _ in range(3)]
np.savez(sys.argv[1], losses=np.array(losses, np.float32), **found)
print(keras.backend.backend())
"""


def run(backend: str, out: Path) -> dict:
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    environment["TF_CPP_MIN_LOG_LEVEL"] = "3"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(out)], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [backend]
    return dict(np.load(out))


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_enformer_predicts_and_learns_the_same_on_every_back_end(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    found, want = run(backend, tmp_path / "a.npz"), run("tensorflow", tmp_path / "b.npz")
    assert set(want) == {"human", "mouse", "losses"}
    for name, values in want.items():
        assert values.std() > 1e-3
        np.testing.assert_allclose(found[name], values, rtol=2e-4, atol=1e-5)


INCREMENTAL = """
import sys
import runpy
import numpy as np
from tfepi import models
from tfepi.models import make_model
from tfepi.params import parse_params
from tfepi.variants import change_planner
change_planner._SPARED = change_planner._ADDING = 0  # narrow models take these ways, too
random = runpy.run_path(sys.argv[1])
unet = {"input_length": 512, "depth": 3, "filters": 6, "outputs": 2}
enformer = {
    "input_length": 1024, "channels": 48, "width_rounding": 8, "transformer_layers": 1,
    "key_size": 8, "target_length": 4, "output_heads": 3,
}
trunk = [
    {"name": "conv_dna", "filters": 8, "kernel_size": 9, "pool_size": 4},
    {"name": "conv_tower", "filters_init": 8, "filters_mult": 1.2, "pool_size": 2, "repeat": 2},
    {"name": "dilated_residual", "filters": 6, "rate_mult": 2, "repeat": 3},
]
head = {"name": "final", "units": 3, "activation": "softplus"}
section = {"seq_length": 2048, "norm_type": "batch", "trunk": trunk, "head": head}
basenji = make_model(parse_params({"model": section}).model, None)
differences = 0
for model in (models.leopard_unet(**unet), models.enformer(**enformer), basenji):
    evaluator = random["evaluator_of"](random["randomise"](model), batch_size=8)
    references = evaluator.references(random["random_inputs"](evaluator))
    of = np.zeros(4, int)
    positions = np.array([0, 255, 300, evaluator.spec.seq_length - 1])
    changed = random["substituted"](references.inputs["sequence"][of], positions)
    found = evaluator.alternatives(references, of, changed).whole(references)
    wanted = random["whole_of"](evaluator, references, of, changed)
    print(random["difference"](found, wanted))
    differences += sum(p.spread is not None for p in evaluator.engine.plan(1).steps)
print(differences)
"""


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_changes_are_computed_incrementally_on_every_back_end(backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)}
    script = [sys.executable, "-c", INCREMENTAL, str(ROOT / "tests/variants/random_weights.py")]
    done = subprocess.run(script, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    *apart, of_differences = [float(line) for line in done.stdout.split()]
    assert len(apart) == 3
    assert max(apart) < 1e-5
    assert of_differences > 3  # convolutions
