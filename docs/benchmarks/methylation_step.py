#!/usr/bin/env python3
"""A training step of INTERACT as tfepi trains it, and of the same network of plain Keras layers.

The plain network has Keras's own layers only, plain AdamW, the mean squared error and no metric:
dense layers in place of weight-normalised ones, an embedding in place of the position layer. Ours
has the losses with masks, metrics and optimiser of `interact_small_pretrain`. Both are given the
same batch in turn; CPU-seconds, so that other work on the machine matters less.

python docs/benchmarks/methylation_step.py [--kernels 64 --hidden 128 --layers 4 …]
"""

import argparse
import statistics
import time
from types import SimpleNamespace

from tfepi.startup import import_tensorflow

import_tensorflow()  # with the kernels that the commands use

import keras  # noqa: E402
import numpy as np  # noqa: E402

from tfepi.models import interact  # noqa: E402
from tfepi.params import read_params  # noqa: E402
from tfepi.training.layer_rates import undecayed_variables  # noqa: E402
from tfepi.training.losses import make_loss  # noqa: E402
from tfepi.training.metrics import make_metrics  # noqa: E402
from tfepi.training.schedules import make_optimizer  # noqa: E402

PRESET = "interact_small_pretrain"
SIZES = {
    "length": 2001,
    "targets": 21,
    "kernels": 32,
    "kernel_size": 10,
    "pool": 20,
    "hidden": 128,
    "layers": 4,
    "attention_heads": 8,
    "feed_forward": 512,
    "positions": 1024,
    "head_hidden": 128,
}


def plain(s: SimpleNamespace) -> keras.Model:
    """Return the network of the same sizes from Keras's layers."""
    layers = keras.layers
    x = inputs = keras.Input((s.length, 4), name="sequence")
    small, large = (s.kernel_size - 1) // 2, s.kernel_size // 2
    for pad in (small, small, large):
        x = layers.ZeroPadding1D(pad)(x)
        x = layers.Conv1D(s.kernels, s.kernel_size, activation="relu")(x)
        x = layers.LayerNormalization(axis=(1, 2))(x)
    x = layers.BatchNormalization()(layers.MaxPooling1D(s.pool)(x))
    x = layers.Dense(s.hidden, use_bias=False)(layers.Dropout(0.5)(x))
    x = x + layers.Embedding(s.positions, s.hidden)(keras.ops.arange(x.shape[1]))
    x = layers.Dropout(0.1)(layers.LayerNormalization()(x))
    for _ in range(s.layers):
        y = layers.MultiHeadAttention(s.attention_heads, s.hidden // s.attention_heads, dropout=0.1)
        x = layers.LayerNormalization()(x + layers.Dropout(0.1)(y(x, x)))
        y = layers.Dense(s.feed_forward, activation="gelu")(x)
        y = layers.Dropout(0.1)(layers.Dense(s.hidden)(y))
        x = layers.LayerNormalization()(x + y)
    x = layers.Dense(s.hidden, activation="tanh")(x[:, :1])
    x = layers.Dropout(0.1)(layers.Dense(s.head_hidden, activation="relu")(x))
    x = layers.Dense(s.targets, activation="sigmoid")(x)
    return keras.Model({"sequence": inputs}, x)


def compiled(s: SimpleNamespace) -> dict[str, keras.Model]:
    """Return both models, ready to train."""
    train = read_params(PRESET).train
    sizes = {k: v for k, v in vars(s).items() if k in SIZES and k != "length"}
    models = {"tfepi": interact(input_length=s.length, **sizes), "plain": plain(s)}
    models["tfepi"].compile(
        optimizer=make_optimizer(train, 1000, undecayed=undecayed_variables(models["tfepi"])),
        loss=make_loss(train),
        metrics=make_metrics(train, s.targets),
    )
    rate = train.learning_rate
    optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01, global_clipnorm=1.0)
    models["plain"].compile(optimizer=optimizer, loss="mse")
    return models


def timed(model: keras.Model, x: dict, y: np.ndarray, steps: int) -> tuple[float, float]:
    """Return CPU-seconds and seconds of a step."""
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(steps):
        model.train_on_batch(x, y)
    return (time.process_time() - cpu) / steps, (time.perf_counter() - wall) / steps


def main() -> None:
    """Time both and print the medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=4, help="training steps of a run")
    parser.add_argument("--runs", type=int, default=5, help="alternating runs of each model")
    options = parser.parse_args()
    models = compiled(options)
    rng = np.random.default_rng(44)
    bases = rng.integers(0, 4, (options.batch, options.length))
    x = {"sequence": np.eye(4, dtype=np.float32)[bases]}
    y = rng.random((options.batch, 1, options.targets)).astype(np.float32)
    for model in models.values():  # traces the step
        timed(model, x, y, 2)
    found: dict[str, list] = {name: [] for name in models}
    for _ in range(options.runs):
        for name, model in models.items():
            found[name].append(timed(model, x, y, options.steps))
    for name, model in models.items():
        cpu, wall = (statistics.median(column) for column in zip(*found[name], strict=True))
        print(
            f"{name}: {cpu:.3f} CPU-s, {wall:.3f} s a step of {options.batch} windows, "
            f"{options.batch / wall:.0f} windows/s, {model.count_params():,} parameters"
        )
    pairs = list(zip(found["tfepi"], found["plain"], strict=True))
    for place, kind in enumerate(("CPU time", "time")):
        ratios = sorted(ours[place] / theirs[place] for ours, theirs in pairs)
        middle = statistics.median(ratios)
        print(f"{kind} tfepi / plain: {middle:.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f})")


if __name__ == "__main__":
    main()
