"""Bin widths by arithmetic, beside what the shapes say."""

import keras
import pytest

from tfepi.geometry import bin_width
from tfepi.models import basset, make_model
from tfepi.params import parse_params


def model_of(trunk, **changes):
    section = {"seq_length": 256, "trunk": trunk, "head": {"name": "final", "units": 2}} | changes
    return make_model(parse_params({"model": section}).model, None)


POOLED = [{"name": "conv_dna", "filters": 4, "pool_size": 2}]


@pytest.mark.parametrize(
    ("trunk", "width"),
    [
        (POOLED, 2),
        (
            [
                *POOLED,
                {
                    "name": "conv_tower",
                    "filters_init": 4,
                    "filters_mult": 1,
                    "pool_size": 2,
                    "repeat": 3,
                },
            ],
            16,
        ),
        ([{"name": "conv_block", "filters": 4, "kernel_size": 5, "stride": 4}], 4),
        ([*POOLED, {"name": "Cropping1D", "cropping": 16}], 2),
        ([*POOLED, {"name": "dilated_residual", "filters": 4, "repeat": 2}], 2),
        (
            [
                *POOLED,
                {
                    "name": "conv_tower",
                    "filters_init": 4,
                    "filters_mult": 1,
                    "pool_size": 2,
                    "repeat": 3,
                },
                {"name": "unet_conv", "kernel_size": 3},
            ],
            8,
        ),
        ([*POOLED, {"name": "squeeze_excite", "bottleneck_ratio": 2}], 2),
        ([*POOLED, {"name": "center_slice", "center": 8}], 2),
    ],
)
def test_bin_width(trunk, width):
    assert bin_width(model_of(trunk)) == width


def test_a_joined_sequence_says_nothing():
    model = basset(targets=2)
    assert bin_width(model) is None
    assert bin_width(model, through_flatten=True) == 192


def test_each_head_has_its_own():
    heads = {
        "head_a": {"name": "final", "units": 2},
        "head_b": [
            {"name": "conv_block", "filters": 3, "pool_size": 4},
            {"name": "final", "units": 5},
        ],
    }
    section = {"seq_length": 256, "trunk": POOLED, **heads}
    model = make_model(parse_params({"model": section}).model, None)
    assert [bin_width(model, head) for head in ("a", "b")] == [2, 8]


def test_a_width_that_is_no_whole_number():
    inputs = keras.Input((30, 4), name="sequence")
    x = keras.layers.MaxPooling1D(3)(inputs)
    x = keras.layers.UpSampling1D(2)(x)
    assert bin_width(keras.Model({"sequence": inputs}, x)) is None
