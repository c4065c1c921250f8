"""Bins that would not lie evenly on the sequence, beside what each base really reaches."""

import numpy as np
import pytest

from tfepi.geometry import bin_width
from tfepi.models import basenji, make_model
from tfepi.params import parse_params
from tfrecords_tools.errors import ConfigError

FINAL = {"name": "final", "units": 1, "activation": "linear"}
PLAIN = {"filters": 1, "activation": None, "kernel_initializer": "ones"}


def conv(name="conv_block", **arguments):
    return {"name": name, **PLAIN, **arguments}


def crop(name, **arguments):
    return [{"name": name, **arguments}, FINAL]


def outside(trunk, head, length):
    """Return the bases that no bin sees before the first and after the last, and their width."""
    model = basenji(seq_length=length, trunk=trunk, heads={"output": head}, activation=None)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, weight.name == "kernel"))
    x = 5 * np.eye(length, dtype=np.float32)[:, :, None].repeat(4, 2)
    seen = np.asarray(model({"sequence": x}))[:, :, 0] > 0
    bases = np.flatnonzero(seen.any(axis=1))
    first, last = np.flatnonzero(seen[:, 0]), np.flatnonzero(seen[:, -1])
    return bases[0], length - 1 - bases[-1], (len(first), len(last), bin_width(model))


@pytest.mark.parametrize(
    ("length", "trunk", "head", "message"),
    [
        (64, [conv(pool_size=4)], FINAL, None),
        (64, [conv(pool_size=4, padding="valid")], crop("Cropping1D", cropping=3), None),
        # 66 bp in 22 bins, one too many at either end, which are then left out.
        (64, [conv(pool_size=3)], crop("center_slice", center=20), None),
        (64, [conv(pool_size=3)], FINAL, r"trunk\[0\], conv_block: pool_size 3 .* length 64, so"),
        (64, [conv(pool_size=5)], FINAL, "pool_size 5 does not divide length 64"),
        (64, [conv(pool_size=5)], crop("Cropping1D", cropping=1), "pool_size 5 does not divide"),
        (65, [conv(pool_size=4)], crop("center_slice", center=15), "pool_size 4 does not divide"),
        (64, [conv(pool_size=3, padding="valid")], FINAL, "the 21 bins of 3 bp would not lie"),
        (
            64,
            [conv(), conv("conv_nac", kernel_size=5, pool_size=8, padding="valid")],
            FINAL,
            r"trunk\[1\], conv_nac: pool_size 8 does not divide length 60",
        ),
        (64, [conv()], crop("center_slice", center=31), r"head\[0\], center_slice: center 31 leav"),
        (64, [conv()], crop("Cropping1D", cropping=[1, 2]), r"head\[0\], Cropping1D: cropping is"),
        (64, [conv(pool_size=4), conv("tconv_nac", stride=2, kernel_size=2)], FINAL, None),
    ],
)
def test_bins_lie_evenly_or_are_refused(length, trunk, head, message):
    params = parse_params({"model": {"seq_length": length, "trunk": trunk, "head": head}})
    left, right, (first, last, width) = outside(trunk, head, length)
    if message is None:
        assert make_model(params.model, None).output_shape[2] == 1
        assert left == right
        assert first == last
    else:
        with pytest.raises(ConfigError, match=message) as error:
            make_model(params.model, None)
        assert "\n" not in str(error.value)
        assert left != right or first != last or first < width


def test_strides_count_as_pooling():
    model = {"seq_length": 64, "trunk": [conv(stride=3, kernel_size=3)], "head": FINAL}
    with pytest.raises(ConfigError, match="stride 3 does not divide length 64"):
        make_model(parse_params({"model": model}).model, None)


def test_a_head_that_joins_all_positions_has_no_bins():
    tower = {"name": "conv_tower", "filters_init": 2, "filters_mult": 1, "repeat": 3}
    for head in (
        [{"name": "dense_block", "flatten": True, "units": 3}, FINAL],
        crop("center_average", center=2),
        [{"name": "Flatten"}, FINAL],
    ):
        model = {"seq_length": 50, "trunk": [{**tower, "pool_size": 3}], "head": head}
        assert make_model(parse_params({"model": model}).model, 1).output_shape == (None, 1, 1)


def test_the_head_that_is_uneven_is_named():
    heads = {"head_a": FINAL, "head_b": [conv(pool_size=3), FINAL]}
    model = {"seq_length": 64, "trunk": [conv(pool_size=2)], **heads}
    with pytest.raises(ConfigError, match=r"^model.head_b\[0\], conv_block: pool_size 3 does not"):
        make_model(parse_params({"model": model}).model, None)
    model["head_b"] = FINAL
    assert set(make_model(parse_params({"model": model}).model, None).output) == {"a", "b"}


def test_windows_of_attention_are_no_cropping():
    attention = {"name": "swin_transformer", "key_size": 2}
    model = {"seq_length": 64, "trunk": [conv(filters=4), attention], "head": FINAL}
    assert make_model(parse_params({"model": model}).model, None).output_shape == (None, 64, 1)


def test_bins_of_no_whole_number_of_bases():
    trunk = [conv(pool_size=2), conv("tconv_nac", stride=3)]
    model = {"seq_length": 64, "trunk": trunk, "head": FINAL}
    with pytest.raises(ConfigError, match=r"^model.head: 96 bins on 64 bp have no whole number"):
        make_model(parse_params({"model": model}).model, None)
