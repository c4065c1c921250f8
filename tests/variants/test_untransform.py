import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfepi.spec import Head, ModelSpec
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.untransform import check_style, untransform
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target, numbered

values = st.floats(0, 1e4)


def current(x, target):
    """The forward transform, one number at a time."""
    y = x * target.scale
    if target.sum_stat.endswith("_sqrt"):
        y = -1 + (1 + y) ** 0.5
    elif target.sum_stat.endswith("_exp75"):
        y = -1 + (1 + y) ** 0.75
    c = target.clip_soft
    return c - 1 + (y - c + 1) ** 0.5 if c is not None and y > c else y


def old(x, target):
    y = x**0.75 if target.sum_stat.endswith("_sqrt") else x
    c = target.clip_soft
    y = c + (y - c) ** 0.5 if c is not None and y > c else y
    return y * target.scale


TARGETS = (
    Target(0, "a", sum_stat="sum_sqrt", clip_soft=32.0, scale=2.0),
    Target(1, "b", sum_stat="sum"),
    Target(2, "c", sum_stat="mean_sqrt"),
    Target(3, "d", sum_stat="mean", clip_soft=5.0, scale=0.3),
)
EXP = (*TARGETS, Target(4, "e", sum_stat="sum_exp75", clip_soft=40.0, scale=3.0))


@given(x=values)
@pytest.mark.parametrize(("style", "forward"), [("current", current), ("old", old)])
def test_undoes_the_forward_transform(style, forward, x):
    targets = EXP if style == "current" else TARGETS
    y = np.array([[forward(x, t) for t in targets]])
    found = untransform(y, targets, style)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, x, rtol=1e-5, atol=1e-4)


def test_basenji_sad_takes_square_roots_for_powers_of_three_quarters():
    target = Target(0, "a", sum_stat="sum_sqrt", clip_soft=4.0, scale=2.0)
    found = untransform(np.array([[3.0], [6.0]]), (target,), "basenji_sad")
    np.testing.assert_allclose(found[:, 0], [4 ** (4 / 3) - 1, 13 ** (4 / 3) - 1], rtol=1e-6)
    assert untransform(np.ones((1, 1)), (Target(0, "a", scale=2.0),), "basenji_sad") == 1


@pytest.mark.parametrize(
    ("target", "style", "message"),
    [
        (Target(0, "a", sum_stat="peak"), "current", "'peak' has no inverse in style 'current'"),
        (Target(0, "a", sum_stat="sum_exp75"), "old", "no inverse in style 'old'"),
        (Target(0, "a"), "new", "unknown untransform style 'new'"),
    ],
)
def test_what_cannot_be_undone(target, style, message):
    with pytest.raises(ConfigError, match=message):
        untransform(np.ones((1, 1)), (target,), style)


def test_targets_that_are_only_numbered_are_refused():
    with pytest.raises(ConfigError, match=r"only the number is known: give the targets table"):
        check_style("current", numbered(2))
    paired = [Target(0, "t0", strand_pair=1), Target(1, "t1", strand_pair=0)]
    with pytest.raises(ConfigError, match="only the number is known"):
        check_style("current", paired)


def test_names_are_not_looked_for_where_there_are_none():
    heads = (Head("main", numbered(2)),)
    spec = ModelSpec("toy", {"sequence": (64, 4)}, 8, 0, heads)
    with pytest.raises(ConfigError, match=r"outputs are only numbered .*tfepi_convert.py -t"):
        HeadTargets.of(spec, None, [Target(0, "DNASE")], None)
    assert HeadTargets.of(spec, None, [Target(1, "t1", scale=2.0)], None).columns == [1]
