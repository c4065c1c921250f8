"""A small model of two heads with attention and strand pairs, and what a server would say."""

import keras
import pytest

from tfepi.spec import Head, ModelSpec
from tfrecords_tools.targets import Target

LENGTH = 64  # bp


@pytest.fixture(scope="session")
def attentive():
    """A model of 6 bins of 8 bp after a crop of 8, two heads, the first stranded; its contract."""
    keras.utils.set_random_seed(3)
    sequence = keras.Input((LENGTH, 4), name="sequence")
    x = keras.layers.Conv1D(6, 5, padding="same", activation="relu")(sequence)
    x = keras.layers.AveragePooling1D(8)(x)
    x = keras.layers.Add()([x, keras.layers.MultiHeadAttention(2, 3)(x, x)])
    x = keras.layers.Cropping1D(1)(x)
    outputs = {
        name: keras.layers.Dense(units, activation="softplus")(x)
        for name, units in (("a", 2), ("b", 3))
    }
    heads = (
        Head("a", (Target(0, "plus", strand_pair=1), Target(1, "minus", strand_pair=0))),
        Head("b", tuple(Target(i, f"b{i}", description=f"track {i}") for i in range(3))),
    )
    spec = ModelSpec("attentive", {"sequence": (LENGTH, 4)}, 8, 8, heads)
    return keras.Model({"sequence": sequence}, outputs), spec
