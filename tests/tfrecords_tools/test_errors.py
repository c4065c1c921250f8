"""The line about a name that is none of the choices, and why a file of arrays is unread."""

import numpy as np
import pytest

from tfrecords_tools.errors import ConfigError, unknown, why_unread

NUMBERS = [f"number{i:02}" for i in range(12)]


@pytest.mark.parametrize(
    ("name", "choices", "message"),
    [
        ("relo", ["tanh", "relu"], "unknown key 'relo': did you mean 'relu'?"),
        # Two that are as near: both.
        (
            "pool_width",
            ["pool_type", "pool_size", "units"],
            "unknown key 'pool_width': did you mean 'pool_type' or 'pool_size'?",
        ),
        # Few common letters are no typing error.
        (
            "pool_width",
            ["total_weight", "loss"],
            "unknown key 'pool_width': choose from loss, total_weight",
        ),
        (3, ["b", "a"], "unknown key 3: choose from a, b"),
        ("x", NUMBERS[:10], f"unknown key 'x': choose from {', '.join(NUMBERS[:10])}"),
        ("x", NUMBERS, f"unknown key 'x': choose from {', '.join(NUMBERS[:10])}, … (12 in all)"),
    ],
)
def test_a_near_name_or_the_first_ten(name, choices, message):
    error = unknown("key", name, choices)
    assert isinstance(error, ConfigError)
    assert str(error) == message


def test_the_place_is_named():
    error = unknown("block", "x", ["a"], "in model.trunk[2]")
    assert str(error) == "unknown block 'x' in model.trunk[2]: choose from a"


def test_the_advice_to_unpickle_is_not_passed_on(tmp_path):
    objects, text = tmp_path / "objects.npy", tmp_path / "text.npz"
    np.save(objects, np.array([{}], object))
    text.write_text("no array")
    for path in (objects, text):
        with pytest.raises(ValueError, match="pickle") as told:
            np.load(path, allow_pickle=False)
        assert why_unread(told.value) == "it holds no plain arrays"
    assert why_unread(KeyError("mean")) == "'mean'"
