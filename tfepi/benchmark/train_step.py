"""Training steps of a params-built model and of the same layers written by hand, in turn."""

import statistics
import time

import keras
import numpy as np

from tfepi.benchmark.hand_written import transformer_unet_small
from tfepi.models import make_model
from tfepi.params import read_params
from tfepi.training.losses import make_loss
from tfepi.training.schedules import make_optimizer
from tfrecords_tools.errors import TfepiError

PRESET = "transformer_unet_small"
TARGETS = 74
WARMUP = 2


def compare(repeats: int, steps: int, batch: int) -> dict:
    """Time both models and return seconds per step and their ratios.

    The models have the same weights to start with, and are checked to predict the same.

    Args:
        repeats: alternating runs of each.
        steps: training steps a run.
        batch: examples a step.

    Returns:
        "params" and "hand": lists of (CPU-seconds, seconds) per step of each run; "cpu_ratio"
        and "wall_ratio": medians of hand / params over the runs, above 1 where ours is faster.

    Raises:
        TfepiError: the two models are not the same.
    """
    params = read_params(PRESET)
    length = params.model.keywords["seq_length"]
    models = {
        "params": make_model(params.model, TARGETS),
        "hand": transformer_unet_small(TARGETS, length),
    }
    rng = np.random.default_rng(44)
    x = {"sequence": np.eye(4, dtype=np.float32)[rng.integers(0, 4, (batch, length))]}
    models["hand"].set_weights(models["params"].get_weights())
    outputs = [model.predict_on_batch(x) for model in models.values()]
    difference = float(np.abs(outputs[0] - outputs[1]).max())
    if difference > 1e-4 * float(np.abs(outputs[0]).max()):
        raise TfepiError(f"the two models differ by {difference:.3g}: they are not the same")
    y = rng.gamma(1.0, 1.0, outputs[0].shape).astype(np.float32)
    for model in models.values():
        model.compile(
            optimizer=make_optimizer(params.train, steps),
            loss=make_loss(params.train),
            jit_compile=False,
        )
        for _ in range(WARMUP):
            model.train_on_batch(x, y)
    found: dict = {name: [] for name in models}
    for _ in range(repeats):
        for name, model in models.items():
            found[name].append(_timed(model, x, y, steps))
    for place, kind in enumerate(("cpu_ratio", "wall_ratio")):
        pairs = zip(found["hand"], found["params"], strict=True)
        found[kind] = statistics.median(h[place] / p[place] for h, p in pairs)
    return found | {"parameters": models["params"].count_params(), "difference": difference}


def _timed(model: keras.Model, x, y, steps: int) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(x, y)
    return (time.process_time() - cpu) / steps, (time.perf_counter() - wall) / steps
