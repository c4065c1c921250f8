import numpy as np
import pytest

from tfepi.comparison.fields import seen_field
from tfepi.comparison.table import field_text, measured_text, rows
from tfepi.predictors import KerasPredictor
from tfepi.startup import import_tensorflow

import_tensorflow()


def keras_model(length, *convolutions, pool=1, dense=False):
    import keras

    x = inputs = keras.Input((length, 4), name="sequence")
    for kernel in convolutions:
        x = keras.layers.Conv1D(3, kernel, padding="same", activation="softplus")(x)
    if pool > 1:
        x = keras.layers.AveragePooling1D(pool)(x)
    if dense:
        x = keras.layers.Dense(2)(keras.layers.Flatten()(x))
        x = keras.layers.Reshape((1, 2))(x)
    return keras.Model({"sequence": inputs}, {"main": keras.layers.Dense(2, name="main")(x)})


def test_theory_and_measurement_of_convolutions(toys):
    model = keras_model(64, 5, 9, pool=4)
    field = seen_field(KerasPredictor(model, toys.spec_of(64, 4, 0), 8), "main", 2, 8)
    assert field["input"] == 64
    # 4 bp of a bin, and 2 + 4 on each side.
    assert field["theory"] == {"least": 16, "most": 16, "whole": False}
    assert field["measured"]["method"] == "perturbation"
    assert field["measured"]["cut_by"] is None
    assert measured_text(field) == "16"
    assert field["measured"]["span_max"] == 16  # bins of 4 bp that 13 bp touch: 4
    assert field_text(field) == "16"


def test_an_output_that_is_shorter_than_the_field_cuts_it(toys):
    import keras

    x = inputs = keras.Input((64, 4), name="sequence")
    x = keras.layers.Conv1D(3, 31, padding="same", activation="softplus")(x)
    x = keras.layers.Cropping1D(6)(keras.layers.AveragePooling1D(4)(x))
    model = keras.Model({"sequence": inputs}, {"main": keras.layers.Dense(2, name="main")(x)})
    field = seen_field(KerasPredictor(model, toys.spec_of(64, 4, 24), 8), "main", 2, 8)
    assert field["theory"] == {"least": 34, "most": 34, "whole": False}
    assert (field["measured"]["span_max"], field["measured"]["cut_by"]) == (16, "output")
    assert measured_text(field) == "16 (cut by output)"
    measures = {r["measure"]: r["value"] for r in rows(of_field(field))}
    assert measures["perturbation_cut_by_output"] == 1
    assert measures["perturbation_cut_by_input"] == 0
    assert measured_text(None) == measured_text(field | {"measured": None}) == "-"


def of_field(field):
    """Return the least value of compare.json with a field."""
    return {"pairs": [], "distance": [], "fields": [{"model": "m"} | field]}


def test_phases_make_a_range(toys):
    import keras

    x = inputs = keras.Input((64, 4), name="sequence")
    x = keras.layers.MaxPooling1D(4)(keras.layers.Conv1D(3, 5, padding="same")(x))
    x = keras.layers.Conv1DTranspose(2, 4, strides=4, padding="same")(x)
    x = keras.layers.Conv1D(2, 3, padding="same", name="main")(x)
    model = keras.Model({"sequence": inputs}, {"main": x})
    field = seen_field(KerasPredictor(model, toys.spec_of(64, 1, 0), 8), "main", 0)
    # A position whose neighbours lie in one pooled stretch needs 4 + 4 bp, at its ends 8 + 4.
    assert (field["theory"]["least"], field["theory"]["most"]) == (8, 12)
    assert field["measured"] is None
    assert field_text(field) == "8-12"


def test_dense_layers_see_everything(toys):
    model = keras_model(32, 3, dense=True)
    spec = toys.spec_of(32, 32, 0)
    field = seen_field(KerasPredictor(model, spec, 8), "main", 1, 8)
    assert field["theory"]["whole"]
    assert field["measured"]["method"] == "scan"
    assert field["measured"]["span_max"] == 32
    assert measured_text(field) == "32 (cut by input)"
    assert field_text(field) == "all"


def test_a_function_is_only_measured(toys, narrow):
    field = seen_field(narrow, "main", 3, 4)
    assert field["theory"] is None
    # 20 bp to either side of the base that is changed.
    assert field["measured"]["span_max"] == 41
    assert field["measured"]["mass_99%"] <= 20
    assert field_text(field) == field_text(None) == "unknown"


def test_numbers_that_are_not_finite(toys):
    from tfrecords_tools.errors import ConfigError

    broken = toys.Toy(64, 8, 8)
    broken._function = lambda codes: np.full((len(codes), 6, 2), np.nan)
    with pytest.raises(ConfigError, match="not finite"):
        seen_field(broken, "main", 1)
