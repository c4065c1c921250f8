import math

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.pooling import Pooling, window_values
from tfrecords_tools.targets import SUM_STATS, Target
from tfrecords_tools.transforms import check_stored, check_style, forward, hard_limit, inverse

CURRENT = (
    Target(0, "a", sum_stat="sum_sqrt", clip_soft=32.0, scale=2.0),
    Target(1, "b", sum_stat="max"),
    Target(2, "c", sum_stat="mean_sqrt", clip_soft=0.5),
    Target(3, "d", sum_stat="mean", clip_soft=5.0, scale=0.3),
    Target(4, "e", sum_stat="sum_exp75", clip_soft=40.0, scale=3.0),
)


def one(x, target, style):
    """The transform of one number, as the format's description has it."""
    y = x * target.scale if style == "current" else x
    if target.sum_stat.endswith("_sqrt"):
        y = -1 + math.sqrt(1 + y) if style == "current" else y**0.75
    elif target.sum_stat.endswith("_exp75"):
        y = -1 + (1 + y) ** 0.75
    c = target.clip_soft
    if c is not None and y > c:
        y = c - 1 + math.sqrt(y - c + 1) if style == "current" else c + math.sqrt(y - c)
    if target.clip is not None:
        y = min(max(y, -target.clip), target.clip)
    return y if style == "current" else y * target.scale


@given(x=st.floats(0, 1e4))
@pytest.mark.parametrize(("style", "targets"), [("current", CURRENT), ("old", CURRENT[:4])])
def test_forward_is_the_definition_and_inverse_undoes_it(style, targets, x):
    for target in targets:
        y = forward(np.array([x, np.nan]), target, style)
        assert y[0] == pytest.approx(one(x, target, style), rel=1e-12)
        np.testing.assert_allclose(inverse(y, target, style), [x, np.nan], rtol=1e-9, atol=1e-9)


def test_forward_gives_what_building_does():
    rng = np.random.default_rng(2)
    values = rng.gamma(0.4, 30, 640).astype(np.float16).astype(np.float32)
    for sum_stat in SUM_STATS:
        if sum_stat == "peak":
            continue
        target = Target(0, "t", sum_stat=sum_stat, clip=50.0, clip_soft=16.0, scale=0.7)
        pooled = values.astype(np.float64).reshape(-1, 16)
        pooled = {"sum": pooled.sum, "max": pooled.max}.get(sum_stat[:3], pooled.mean)(axis=1)
        found = forward(pooled, target, "current")
        np.testing.assert_allclose(found, window_values(values, Pooling(16, target)), rtol=1e-3)


def test_both_styles_of_the_original_tool_come_from_the_same_sums(test_data):
    """Undone, its outputs agree but at hard clips and the blacklist, which "old" had not."""
    folder, found = test_data / "fixtures/basenji/stats", {}
    target = Target(0, "t1", sum_stat="sum_sqrt", clip=64.0, clip_soft=32.0, scale=2.0)
    for style, name in (("current", "hound"), ("old", "houndold")):
        with h5py.File(folder / f"{name}_sum_sqrt_opts.h5") as file:
            y = file["targets"][:].astype(np.float64)
        assert y.max() <= hard_limit(target, style)
        found[style] = np.where(y >= hard_limit(target, style), np.nan, inverse(y, target, style))
        again = forward(inverse(y, target, style), target, style)
        np.testing.assert_array_equal(again.astype(np.float16), y.astype(np.float16))
    known = ~np.isnan(found["old"]) & ~np.isnan(found["current"])
    assert known.mean() > 0.9
    current = found["current"][known]
    assert current.max() > 100
    alike = np.isclose(found["old"][known], current, rtol=0.01, atol=0.01)
    assert alike.mean() > 0.98
    assert (found["old"][known][~alike] > current[~alike]).mean() > 0.95


def test_the_hard_limit_is_that_of_the_stored_value():
    target = Target(0, "t", clip=10.0, scale=-3.0)
    assert hard_limit(target, "current") == 10
    assert hard_limit(target, "old") == 30
    assert hard_limit(Target(0, "t"), "current") == 65504


@pytest.mark.parametrize(
    ("target", "style", "message"),
    [
        (Target(0, "a", sum_stat="peak"), "current", "'a'.* 'peak' has no inverse"),
        (Target(0, "a", sum_stat="sum_exp75"), "old", "'sum_exp75' has no inverse in style 'old'"),
        (Target(0, "a"), "older", "unknown untransform style 'older': did you mean 'old'"),
    ],
)
def test_what_cannot_be_undone(target, style, message):
    with pytest.raises(ConfigError, match=message):
        check_style(style, (target,))


def test_impossible_values():
    root = Target(0, "a", sum_stat="sum_sqrt")
    check_stored(np.array([-1.0, np.nan]), root, "current")
    check_stored(np.array([-5.0]), Target(0, "a"), "old")
    with pytest.raises(InputFileError, match=r"'a' has a value of -1\.5, but 'sum_sqrt'"):
        check_stored(np.array([-1.5]), root, "current")
    with pytest.raises(InputFileError, match=r"value of -0\.5.* from 0"):
        check_stored(np.array([-0.5]), root, "old")
    with pytest.raises(InputFileError, match="infinite value"):
        check_stored(np.array([np.inf]), root, "current")
    with pytest.raises(InputFileError, match="has a value of -3"):
        forward(np.array([-3.0]), root, "current")
