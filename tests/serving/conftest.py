"""A small model of two heads with attention and strand pairs, and its export."""

from dataclasses import replace

import keras
import pytest

from tfepi.spec import Head, ModelSpec
from tfepi.startup import import_tensorflow
from tfepi.variants.scores import NAMES
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


@pytest.fixture(scope="session")
def served(attentive, tmp_path_factory):
    """The model with both strands averaged and every statistic: its folder and signatures."""
    tf = import_tensorflow()
    from tfepi.serving.export import export_model
    from tfepi.serving.options import ExportOptions

    model, spec = attentive
    folder = tmp_path_factory.mktemp("served")
    source = folder / "model.keras"
    source.write_bytes(b"weights")
    spec = replace(spec, data="d" * 64)
    options = ExportOptions(stats=NAMES, rc=True, licence="CC0-1.0")
    report = export_model(model, spec, folder / "saved", source, options=options)
    assert report["relative_difference"] <= 1e-5
    loaded = tf.saved_model.load(str(folder / "saved"))
    yield folder / "saved", loaded.signatures
    del loaded  # held until now, since signatures do not hold it
