"""The blocks' arguments against the originals', which blocks_arguments.json lists."""

import inspect
import json
from dataclasses import fields
from pathlib import Path

import pytest

from tfepi.model_params import TRUNK_KEYS
from tfepi.models import MODELS
from tfepi.models.basenji import basenji
from tfepi.models.blocks import BLOCKS
from tfepi.models.blocks.arguments import block_arguments, forwards
from tfepi.models.blocks.towers import tower_filters
from tfepi.train_params import TrainParams
from tfepi.transfer_params import TransferParams
from tfrecords_tools.errors import ConfigError

ORIGINAL = json.loads((Path(__file__).parent / "blocks_arguments.json").read_text())
# Arguments that the originals take and never use.
IGNORED = {
    "conv_dna": {"norm_gamma"},
    "conv_nac": {"norm_gamma"},
    "conv_next": {"norm_type", "bn_momentum"},
    "tconv_nac": {"conv_type", "norm_gamma", "padding"},
    "dilated_dense": {"dropout"},
}
FINAL = {"name": "final", "units": 2}


def build(*blocks, **settings):
    return basenji(seq_length=16, trunk=list(blocks), heads={"output": FINAL}, **settings)


@pytest.mark.parametrize("name", ORIGINAL)
def test_names_and_defaults_are_the_originals(name):
    ours = {
        n: "REQUIRED" if p.default is p.empty else p.default
        for n, p in block_arguments(BLOCKS[name]).items()
    }
    theirs = {k: v for k, v in ORIGINAL[name].items() if k not in IGNORED.get(name, ())}
    assert {k: ours.get(k, "missing") for k in theirs} == theirs
    handed_on = {"tower", "dilated"} & set(name.split("_"))
    assert handed_on or set(ours) == set(theirs)


@pytest.mark.parametrize(
    ("name", "argument"), [(n, a) for n, arguments in IGNORED.items() for a in sorted(arguments)]
)
def test_what_the_originals_ignore_is_an_error(name, argument):
    block = {"name": name, "filters": 4, argument: 0.5}
    with pytest.raises(ConfigError, match=f"unknown argument '{argument}' of block '{name}'"):
        build(block)


@pytest.mark.parametrize(
    ("block", "wanted"),
    [
        ("conv_tower", {"stride", "dilation_rate", "norm_gamma", "padding", "residual"}),
        ("conv_tower_nac", {"se", "padding", "pool_size"}),
        ("res_tower", {"se", "stride", "norm_type"}),
        ("convnext_tower", {"dense_expansion", "l2_scale"}),
        ("dilated_residual", {"activation_end", "bn_momentum"}),
        ("dilated_residual_nac", {"norm_type", "padding"}),
        ("dilated_dense", {"norm_gamma"}),
    ],
)
def test_towers_take_the_arguments_of_what_they_repeat(block, wanted):
    assert wanted <= set(block_arguments(BLOCKS[block]))
    assert "filters" not in block_arguments(BLOCKS["conv_tower"])
    assert "stride" not in block_arguments(BLOCKS["dilated_residual"])


def test_keras_layers_take_keras_arguments():
    assert {"units", "use_bias", "kernel_regularizer"} <= set(block_arguments(BLOCKS["Dense"]))
    assert block_arguments(BLOCKS["Conv1D"])["padding"].default == "valid"
    assert set(block_arguments(BLOCKS["Cropping1D"])) == {"cropping"}
    assert not block_arguments(BLOCKS["Flatten"])


def test_forwarding_shows_the_inner_arguments_once():
    def inner(x, context, *, a=1, b=2, c=3):
        pass

    @forwards(inner, without=["b"])
    def outer(x, context, *, a=5, **rest):
        pass

    shown = inspect.signature(outer).parameters
    assert list(shown) == ["x", "context", "a", "c"]
    assert shown["a"].default == 5


def test_tower_widths():
    assert tower_filters(288, 512, None, 16, 6) == [288, 320, 368, 400, 464, 512]
    assert tower_filters(608, 1536, None, 32, 6) == [608, 736, 896, 1056, 1280, 1536]
    assert tower_filters(339, None, 1.1776, 1, 6) == [339, 399, 470, 554, 652, 768]
    assert tower_filters(7, 9, None, 1, 1) == [7]


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("conv_dna", r"model.trunk\[0\] is 'conv_dna', want"),
        ({"filters": 4}, r"model.trunk\[0\] is \{'filters': 4\}, want"),
        ({"name": "conv_blok"}, r"in model.trunk\[0\]: did you mean 'conv_block'"),
        ({"name": "conv_block_2d"}, "'conv_block_2d' works on contact maps"),
        ({"name": "Cropping2D"}, "'Cropping2D' works on contact maps"),
        ({"name": "concat_unet"}, "fails in the original too: use unet_concat"),
        ({"name": "conv_block", "filter": 4}, "did you mean 'filters'"),
        ({"name": "dilated_residual"}, "block 'dilated_residual' needs filters"),
        ({"name": "conv_block", "kernel_initializer": {"class_name": "Zeros"}}, "want a name"),
        ({"name": "conv_block", "kernel_initializer": "he_norml"}, "did you mean 'he_normal'"),
        ({"name": "conv_block", "activation": "gellu"}, "conv_block: unknown activation 'gellu'"),
        ({"name": "conv_block", "norm_type": "bach"}, "unknown norm_type 'bach'"),
        ({"name": "conv_block", "pool_type": "avg"}, "unknown pool_type 'avg'"),
        ({"name": "conv_block", "conv_type": "seperable"}, "did you mean 'separable'"),
        ({"name": "conv_block", "stride": 2, "dilation_rate": 2}, "only one can be above 1"),
        ({"name": "conv_block", "pool_size": 3, "pool_type": "softmax"}, "length 16 is no mult"),
        ({"name": "Dense", "units": 3, "activation": "polyrelu"}, "unknown activation 'polyrelu'"),
        ({"name": "Cropping1D", "cropping": 9}, r"input_shape=\(None, 16, 4\), cropping=\(9, 9\)$"),
        ({"name": "conv_tower", "filters_init": 4, "repeat": 2}, "needs one of the two"),
        (
            {"name": "conv_tower", "filters_init": 4, "filters_end": 5, "filters_mult": 2},
            "filters_end is 5 and filters_mult is 2",
        ),
        (
            {"name": "conv_tower", "filters_init": 4, "filters_mult": 2, "repeat": 0},
            "repeat is 0",
        ),
        ({"name": "unet_conv"}, "no earlier representation has length 32"),
        ({"name": "unet_conv", "stride": 4}, "stride is 4"),
        ({"name": "center_slice", "center": 17}, "center is 17, want 1 to the length 16"),
        ({"name": "concat_position", "transform": "log"}, "unknown transform 'log'"),
        ({"name": "concat_position", "power": 0.5}, "power is 0.5"),
    ],
)
def test_blocks_that_cannot_be_built_are_named_in_one_line(block, message):
    with pytest.raises(ConfigError, match=message) as error:
        build(block)
    assert "\n" not in str(error.value)
    assert "model.trunk[0]" in str(error.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"norm_type": "bach"}, "unknown norm_type 'bach' in model: did you mean 'batch'"),
        ({"padding": "vald"}, "model: unknown padding 'vald': did you mean 'valid'"),
        ({"activation": "rellu"}, "in model: did you mean 'relu'"),
        ({"bn_momentum": 2}, "model: bn_momentum is 2, want a number of at least 0 and below 1"),
        ({"bn_momentum": 1}, "bn_momentum is 1"),
        ({"l2_scale": -1}, "model: l2_scale is -1, want a number of at least 0"),
        ({"kernel_initializer": "he_norml"}, "model: unknown .* did you mean 'he_normal'"),
    ],
)
def test_model_wide_settings_are_checked(settings, message):
    with pytest.raises(ConfigError, match=message):
        build({"name": "Cropping1D"}, **settings)


def test_errors_in_heads_name_the_head():
    with pytest.raises(
        ConfigError, match=r"model.head_human\[1\], final: block 'final' needs units"
    ):
        basenji(
            seq_length=16, trunk=[], heads={"human": [{"name": "dense_nac"}, {"name": "final"}]}
        )
    shorter = [{"name": "conv_block", "pool_size": 2}, {"name": "unet_conv"}, FINAL]
    with pytest.raises(
        ConfigError, match=r"model.head_human\[1\], unet_conv: .* twice the length 8 here; there"
    ):
        # The trunk's own output is the very last representation, which is left out.
        basenji(seq_length=16, trunk=[{"name": "conv_dna"}], heads={"human": shorter})
    with pytest.raises(ConfigError, match="the model has no head"):
        basenji(seq_length=16, trunk=[], heads={})


def documented(page):
    return (Path(__file__).parents[2] / "docs" / page).read_text()


def test_the_pages_name_every_key_that_is_accepted():
    pages = {"interact": "models_interact.md", "enformer": "models_enformer.md"}
    keywords = {page: set() for page in ("params.md", *pages.values())}
    for name, function in MODELS.items():
        page = pages.get(name.split("_")[0], "params.md")
        if name != "basenji":
            keywords[page] |= set(inspect.signature(function).parameters) - {"dtype"}
    train = {f.name for f in fields(TrainParams)} | {"clipnorm", "num_gpu", "use_gpu"}
    for page, keys in (
        ("params.md", {*TRUNK_KEYS, *MODELS, *keywords["params.md"]}),
        *((page, keywords[page]) for page in pages.values()),
        ("training.md", train),
        ("transfer.md", {f.name for f in fields(TransferParams)}),
    ):
        assert not {key for key in keys if f"`{key}`" not in documented(page)}, page


def test_the_page_names_every_block_and_its_arguments():
    page = documented("params.md")
    for name, block in BLOCKS.items():
        assert f"`{name}`" in page
        if name[0].islower():
            missing = {a for a in block_arguments(block) if f"`{a}`" not in page}
            assert not missing, name
