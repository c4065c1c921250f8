"""Untrained copies, and variables that begin as zeros."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np

from tfepi.layers import FiLM
from tfepi.params import parse_params
from tfepi.receptive_field.initialisation import draw_zeros, untrained, zero_variables
from tfepi.receptive_field.subjects import build

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))


def values(model):
    return [keras.ops.convert_to_numpy(w) for w in model.weights]


def test_an_untrained_copy_has_other_weights_and_the_same_layers():
    model = SMALL.small_unet(1, 64)
    for weight in model.weights:
        weight.assign(weight + 1)
    copy, again = untrained(model, 3), untrained(model, 3)
    assert [w.path for w in copy.weights] == [w.path for w in model.weights]
    assert copy.input.keys() == {"sequence"}
    kernels = [i for i, w in enumerate(model.weights) if w.name == "kernel"]
    assert all((values(copy)[i] != values(model)[i]).any() for i in kernels)
    assert all((a == b).all() for a, b in zip(values(copy), values(again), strict=True))
    heads = untrained(SMALL.small_enformer())
    assert heads.output.keys() == {"human", "mouse"}


def test_enformer_begins_with_closed_attention():
    model = SMALL.small_enformer()
    assert [v.path for v in zero_variables(model)] == ["transformer0_attention/output_kernel"]
    before = values(model)
    assert draw_zeros(model, 1) == ["transformer0_attention/output_kernel"]
    changed = [
        w.path for w, b in zip(model.weights, before, strict=True) if (values_of(w) != b).any()
    ]
    assert changed == ["transformer0_attention/output_kernel"]
    kernel = values_of(next(w for w in model.weights if w.path == changed[0]))
    assert abs(kernel.std() * 48**0.5 - 1) < 0.1
    assert zero_variables(model) == []


def values_of(weight):
    return keras.ops.convert_to_numpy(weight)


def test_basenjis_residual_blocks_begin_switched_off():
    section = {
        "seq_length": 128,
        "norm_type": "batch",
        "trunk": [
            {"name": "conv_dna", "filters": 8},
            {"name": "dilated_residual", "filters": 4, "repeat": 2},
        ],
        "head": {"name": "final", "units": 1},
    }
    model = build(parse_params({"model": section}).model, 1)
    paths = [v.path for v in zero_variables(model)]
    assert len(paths) == 2
    assert all(path.endswith("gamma") for path in paths)
    draw_zeros(model)
    drawn = [values_of(w) for w in model.weights if w.path in paths]
    assert all(((w >= 0.5) & (w <= 1.5)).all() for w in drawn)


def test_zeros_that_are_added_hide_nothing():
    x, c = keras.Input((8, 4), name="x"), keras.Input((3,), name="c")
    y = keras.layers.BatchNormalization()(keras.layers.Dense(2)(FiLM()([x, c])))
    model = keras.Model([x, c], y)
    assert [v.path.split("/")[-1] for v in zero_variables(model)] == ["kernel"]
    assert np.prod(zero_variables(model)[0].shape) == 24  # of FiLM, not the dense layer's
