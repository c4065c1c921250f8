"""Values that no block can have: one line with the place, the key, the value, what is wanted."""

import json

import pytest

from tfepi.models.basenji import basenji
from tfepi.models.blocks import BLOCKS
from tfepi.models.blocks.arguments import block_arguments, check_arguments
from tfepi.models.blocks.values import check_value
from tfrecords_tools.errors import ConfigError

FINAL = {"name": "final", "units": 2}
TOWER = {"name": "conv_tower", "filters_init": 4, "filters_mult": 2}
ATTENTION = {"name": "transformer_tower", "key_size": 4}
DILATED = {"name": "dilated_residual", "filters": 4}
WHOLE = "want a whole number of at least 1"
RATE = "want a number of at least 0 and below 1"
# Read by the step that knows the names.
NAMES = {"activation", "activation_end", "block_type", "conv_type", "norm_type", "pool_type"}
NAMES |= {"scale_fun", "transform", "padding", "kernel_initializer", "mha_initializer"}
NAMES |= {"norm_gamma"}


def refusal(*blocks, head=FINAL):
    with pytest.raises(ConfigError) as error:
        basenji(seq_length=16, trunk=list(blocks), heads={"output": head})
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("block", "key", "values", "want"),
    [
        ({"name": "conv_block"}, "filters", ["48", 0, -3, 4.5, [4], True], WHOLE),
        ({"name": "conv_block"}, "kernel_size", [-1, 0, "5", [5]], WHOLE),
        ({"name": "conv_block"}, "pool_size", [0, -2, 2.0, "2", True], WHOLE),
        ({"name": "conv_block"}, "stride", [0, "2"], WHOLE),
        ({"name": "conv_block"}, "dropout", [2, 1, -0.1, "0.1", True], RATE),
        ({"name": "conv_block"}, "bn_momentum", [2, 1, -0.5, "0.9"], RATE),
        ({"name": "conv_block"}, "l2_scale", [-1, "1e-4"], "want a number of at least 0"),
        ({"name": "conv_block"}, "residual", ["no", 1], "want true or false"),
        (TOWER, "repeat", [0, -2, 2.5, "2"], WHOLE),
        (TOWER, "divisible_by", [0, -4, 2.5, "8"], WHOLE),
        (TOWER, "filters_init", [0, -4, "4"], "want a number above 0"),
        (TOWER, "filters_mult", [0, -1, float("inf")], "want a number above 0"),
        ({**TOWER, "name": "res_tower"}, "repeat", [0, -1], WHOLE),
        ({**TOWER, "name": "convnext_tower"}, "repeat", [0, -1], WHOLE),
        ({**TOWER, "name": "conv_tower_nac"}, "repeat", [0, -1], WHOLE),
        ({**TOWER, "name": "res_tower"}, "num_convs", [0], WHOLE),
        (ATTENTION, "repeat", [0, -1, "2", 1.5], WHOLE),
        (ATTENTION, "heads", [0, "2"], WHOLE),
        (ATTENTION, "dense_expansion", ["2", -1], "want a number of at least 0"),
        (ATTENTION, "num_position_features", [-2, "4"], "want a whole number of at least 0"),
        (DILATED, "repeat", [0, -1], WHOLE),
        ({**DILATED, "name": "dilated_residual_nac"}, "repeat", [0, -1], WHOLE),
        ({**DILATED, "name": "dilated_dense"}, "repeat", [0, -1], WHOLE),
        (DILATED, "rate_mult", [0, -2, "2"], "want a number above 0"),
        ({"name": "exp"}, "base", ["e", -1, 0], "want a number above 0"),
        ({"name": "exp"}, "minus", ["1"], "want a number"),
        ({"name": "concat_position"}, "power", ["2", 0], WHOLE),
        ({"name": "center_slice"}, "center", [0, "4", 2.5], WHOLE),
        ({"name": "factor_inverse"}, "components_file", [3], "want the name of a file"),
        ({"name": "Conv1D", "kernel_size": 3}, "filters", ["4", 0], WHOLE),
        ({"name": "Conv1D", "filters": 3}, "kernel_size", [-1, "3"], WHOLE),
        ({"name": "Cropping1D"}, "cropping", [-1, "x", [1, -1]], "want a whole number of at least"),
    ],
    ids=lambda v: v if isinstance(v, str) else None,
)
def test_values_out_of_range(block, key, values, want):
    place = f"model.trunk[1], {block['name']}: "
    for value in values:
        line = refusal({"name": "conv_dna", "filters": 8}, {**block, key: value})
        assert line.startswith(f"{place}{key} is {value!r}, {want}")


def test_values_in_heads_and_null():
    line = refusal(head=[{"name": "dense_nac"}, {"name": "final", "units": "3"}])
    assert line == f"model.head[1], final: units is '3', {WHOLE}"
    # The originals' Keras would take 0.01 for it.
    assert refusal({"name": "conv_block", "l2_scale": None}) == (
        "model.trunk[0], conv_block: l2_scale is null: give it a value, or leave it out"
    )
    for name, key in (("final", "units"), ("dense_block", "dropout"), ("conv_block", "pool_size")):
        with pytest.raises(ConfigError, match=f"{key} is null"):
            check_arguments(
                BLOCKS[name], name, {"units": 2, key: None} if key == "units" else {key: None}
            )


def test_null_where_it_means_something():
    blocks = [
        {"name": "conv_block", "activation": None, "filters": None, "norm_gamma": None},
        {"name": "conv_block", "kernel_initializer": None, "norm_type": None},
        {"name": "concat_position", "transform": None},
        {"name": "exp", "base": None, "minus": None},
    ]
    model = basenji(seq_length=16, trunk=blocks, heads={"output": FINAL})
    assert model.output_shape == (None, 16, 2)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            [{"name": "conv_dna", "filters": 8}, {"name": "conv_block", "filters": 4,
                                                  "residual": True}],
            "model.trunk[1], conv_block: 16 positions × 8 channels and 16 positions × 4 channels",
        ),
        ([{"name": "conv_block", "pool_size": 17}], "pool_size is 17, want at most the length 16"),
        ([{"name": "conv_block", "padding": "vald"}], "padding 'vald': did you mean 'valid'"),
        ([{"name": "conv_block", "norm_gamma": "zeross"}], "did you mean 'zeros'"),
        ([{**TOWER, "divisible_by": 100}], "step 1 of 1 comes to 4 filters, to be rounded to a"),
        ([{**TOWER, "filters_mult": 1e300, "repeat": 4}], "step 3 of 4 comes to inf filters"),
        ([{**DILATED, "rate_mult": 0.1, "repeat": 2}], "dilation of step 2 of 2 comes to 0.1"),
        ([{**DILATED, "rate_mult": 1e200, "repeat": 3}], "dilation of step 3 of 3 comes to inf"),
        ([{"name": "conv_next", "dense_expansion": 0.5}], "dense_expansion is 0.5, want at least"),
        (
            [{"name": "conv_dna", "filters": 8}, {**ATTENTION, "dense_expansion": 0.1}],
            "dense_expansion is 0.1: of 8 channels it leaves no units",
        ),
        ([{"name": "Flatten"}, {"name": "conv_block"}], "a Flatten before it leaves no positions"),
        ([{"name": "Conv1D", "filters": 3, "kernel_size": 17}], "output size would be zero"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_each_other(blocks, message):
    assert message in refusal(*blocks)


def test_every_argument_is_checked():
    for name, block in BLOCKS.items():
        if name[0].islower():
            for argument in set(block_arguments(block)) - NAMES:
                with pytest.raises(ConfigError, match=f"{argument} is "):
                    check_value(argument, {})


def test_every_default_is_a_value():
    for block in BLOCKS.values():
        for argument, parameter in block_arguments(block).items():
            if parameter.default not in (parameter.empty, None):
                check_value(argument, parameter.default)


def test_keras_layers_take_lists_and_paddings_of_their_own():
    block = {"name": "Conv1D", "filters": 3, "kernel_size": [5], "padding": "causal"}
    crop = {"name": "Cropping1D", "cropping": [1, 3]}
    model = basenji(seq_length=16, trunk=[block, crop], heads={"output": FINAL})
    assert model.output_shape == (None, 12, 2)


def test_values_of_json_are_those_checked():
    block = json.loads('{"name": "conv_block", "filters": 4, "dropout": 1e999}')
    assert refusal(block) == f"model.trunk[0], conv_block: dropout is inf, {RATE}"
