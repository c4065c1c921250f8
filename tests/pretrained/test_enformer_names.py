"""The rule that names Enformer's weights, against the published list."""

import csv

import keras
import numpy as np
import pytest

from tfepi.models import enformer
from tfepi.pretrained.enformer_names import FROM_CHECKPOINT, FROM_TORCH, enformer_names
from tfepi.startup import import_tensorflow

import_tensorflow()


def test_names_are_the_published(test_data):
    table = test_data / "fixtures" / "enformer" / "weight_mapping_full.csv"
    with open(table, newline="") as file:
        rows = [(r["ckpt"], r["torch"], r["to_torch"]) for r in csv.DictReader(file)]
    assert len(rows) == 273
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    assert rows == [
        (f"module/{name.checkpoint}{suffix}", name.torch, name.layout) for name in enformer_names()
    ]


def test_every_weight_of_a_model_has_one_name():
    model = enformer(
        input_length=256,
        channels=24,
        width_rounding=4,
        transformer_layers=3,
        attention_heads=2,
        key_size=4,
        target_length=2,
        output_heads={"a": 2, "b-2.x": 3},
    )
    names = enformer_names(3, ("a", "b-2.x"))
    weights = {(layer.name, w.name) for layer in model.layers for w in layer.weights}
    assert {(n.layer, n.weight) for n in names} == weights
    for field in ("checkpoint", "torch"):
        assert len({getattr(n, field) for n in names}) == len(names) == len(weights)
    assert enformer_names(3, ()) == tuple(n for n in names if not n.layer.startswith("head"))


@pytest.mark.parametrize(
    ("layout", "torch", "here"),
    [
        ("kio->oik", lambda a: np.einsum("kio->oik", a), (5, 2, 3)),
        ("io->oi", lambda a: np.einsum("io->oi", a), (2, 3)),
        ("io->oi11", lambda a: np.einsum("io->oi", a)[:, :, None, None], (3, 3)),
    ],
)
def test_torch_layouts_are_turned_back(layout, torch, here):
    array = np.random.default_rng(0).normal(size=here)
    np.testing.assert_array_equal(FROM_TORCH[layout](torch(array)), array)
    assert layout not in FROM_CHECKPOINT
    with pytest.raises(ValueError, match=r"axes|reshape"):
        FROM_TORCH[layout](np.zeros((2, 2, 2, 2, 2)))


def test_averages_lose_their_axes_of_size_one():
    array = np.arange(3.0)
    np.testing.assert_array_equal(FROM_CHECKPOINT["11c->c"](array.reshape(1, 1, 3)), array)
    with pytest.raises(ValueError, match="reshape"):
        FROM_CHECKPOINT["11c->c"](np.zeros((1, 2, 3)))
    assert keras.ops.shape(array) == (3,)
