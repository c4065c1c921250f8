"""A model of 256 bp with convolutions and attention, and its contract, for tests."""

import keras
import numpy as np

from tfepi.layers import MultiheadAttention
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.targets import Target

LENGTH, BIN, CROP, BINS = 256, 8, 32, 24
TARGETS = (
    Target(0, "cage+", description="CAGE:K562", strand_pair=1),
    Target(1, "cage-", description="CAGE:K562", strand_pair=0),
    Target(2, "dnase", description="DNASE:K562", strand_pair=2),
)


def spec(**changes) -> ModelSpec:
    values = {
        "name": "small",
        "inputs": {"sequence": (LENGTH, 4)},
        "bin_width": BIN,
        "crop": CROP,
        "heads": (Head("main", TARGETS),),
    }
    return ModelSpec(**(values | changes))


def model(layers: int = 2, dtype: str = "float32", linear: bool = False) -> keras.Model:
    """Return the model with random weights; with `linear`, one convolution without attention."""
    keras.utils.set_random_seed(5)
    sequence = keras.Input((LENGTH, 4), name="sequence")
    activation = None if linear else "gelu"
    x = keras.layers.Conv1D(6, 21, padding="same", activation=activation, dtype=dtype)(sequence)
    x = keras.layers.AveragePooling1D(BIN, dtype=dtype)(x)
    for number in range(0 if linear else layers):
        attention = MultiheadAttention(
            heads=2,
            key_size=4,
            value_size=3,
            position_features=4,
            name=f"attention{number}",
            kernel_initializer="glorot_normal",
            dtype=dtype,
        )
        y = attention(x)
        x = keras.layers.Add(dtype=dtype)([x, y])
    x = keras.layers.Cropping1D(CROP // BIN, dtype=dtype)(x)
    activation = "linear" if linear else "softplus"
    out = keras.layers.Dense(3, activation=activation, name="main", dtype="float32")(x)
    made = keras.Model({"sequence": sequence}, {"main": out})
    rng = np.random.default_rng(6)
    for weight in made.weights:  # a new attention layer gives nothing
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return made
