"""The fast path against the plain one, and the plain one against loops over the definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools.pooling import (
    Pooling,
    extreme_count,
    extreme_limit,
    stretch_values,
    window_values,
)
from tfrecords_tools.targets import SUM_STATS, Target

NO_SPANS = np.zeros((0, 2), np.int64)


def by_loops(values, pooling, blacklist=()):
    """The definition, base by base, in Python's own floats (float64)."""
    t, width = pooling.target, pooling.bin_width
    x = [float(np.float16(v)) for v in values]
    n = len(x)
    if pooling.nan == "interpolate":
        known = [(-1, 0.0)] + [(i, v) for i, v in enumerate(x) if not math.isnan(v)] + [(n, 0.0)]
        for i in range(n):
            if math.isnan(x[i]):
                left = max(k for k in known if k[0] < i)
                right = min(k for k in known if k[0] > i)
                share = (i - left[0]) / (right[0] - left[0])
                x[i] = left[1] + share * (right[1] - left[1])
    whole = not any(map(math.isnan, x))
    base = float(np.median(x)) if whole and n // width >= 8 else 0.0
    for start, end in blacklist:
        for i in range(max(0, start), min(end, n)):
            if not math.isnan(x[i]):
                x[i] = min(max(x[i], -base), base)
    out = []
    for low in range(0, n // width * width, width):
        bases = x[low : low + width]
        seen = [v * t.scale for v in bases if not math.isnan(v)]
        if pooling.nan == "keep" and len(seen) < width / 2:
            out.append(math.nan)
            continue
        if pooling.nan != "keep":
            seen = [0.0 if math.isnan(v) else v * t.scale for v in bases]
        kind, _, power = t.sum_stat.partition("_")
        mean = sum(seen) / len(seen)
        y = {"sum": mean * width, "max": max(seen)}.get(kind, mean)
        if power == "sqrt":
            y = -1 + math.sqrt(1 + y)
        elif power == "exp75":
            y = -1 + (1 + y) ** 0.75
        if kind == "peak":
            y = min(max(math.sqrt(4 * y), 0), 1)
        if t.clip_soft is not None and y > t.clip_soft:
            y = t.clip_soft - 1 + math.sqrt(y - t.clip_soft + 1)
        limit = 65504.0 if t.clip is None else t.clip
        out.append(min(max(y, -limit), limit))
    return np.array(out)


def random_values(seed, length, gaps=True):
    rng = np.random.default_rng(seed)
    x = rng.gamma(0.4, 6, length).astype(np.float32)
    if gaps:
        for start in rng.integers(0, length, 3):
            x[start : start + rng.integers(1, 40)] = np.nan
    return x


@pytest.mark.parametrize("sum_stat", SUM_STATS)
@pytest.mark.parametrize("nan", ["zero", "interpolate", "keep"])
@pytest.mark.parametrize("bins", [4, 12])
def test_window_values_follow_the_definition(sum_stat, nan, bins):
    target = Target(0, "t", clip=40, clip_soft=12, scale=1.5, sum_stat=sum_stat)
    pooling = Pooling(16, target, nan)
    for seed in range(4):
        x = random_values(seed, 16 * bins, gaps=seed % 2 == 0)
        black = np.array([[-5, 9], [30, 47]])
        got = window_values(x, pooling, black)
        want = by_loops(x, pooling, black.tolist())
        assert got.dtype == np.float16
        np.testing.assert_allclose(got, want, rtol=2e-3, atol=2e-3)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 1000),
    st.sampled_from(SUM_STATS),
    st.sampled_from(["zero", "interpolate", "keep"]),
    st.integers(1, 40),
)
def test_stretch_values_equal_window_values_bit_for_bit(seed, sum_stat, nan, step):
    rng = np.random.default_rng(seed)
    length, width = 128, 16
    x = random_values(seed, 700, gaps=bool(seed % 3))
    offsets = np.sort(rng.integers(0, 700 - length + 1, 9)) if step % 2 else np.arange(0, 572, step)
    pooling = Pooling(width, Target(0, "t", clip=64, clip_soft=20, scale=2, sum_stat=sum_stat), nan)
    black = np.array([[90, 130], [400, 405]]) if seed % 2 else NO_SPANS
    got = stretch_values(x, offsets, length, pooling, black)
    for row, start in enumerate(offsets):
        want = window_values(x[start : start + length], pooling, black - start)
        np.testing.assert_array_equal(got[row], want)


def test_sparse_coverage_counts_uncovered_bases():
    """Ten covered bases at 5.0 in a bin of 128: 0.39, where bigWig libraries say 5.0."""
    x = np.full(128, np.nan, np.float32)
    x[40:50] = 5
    got = window_values(x, Pooling(128, Target(0, "t", sum_stat="mean")))
    assert got[0] == np.float16(50 / 128)


def test_values_beyond_float16_become_its_limit():
    x = np.full(32, 1e6, np.float32)
    got = window_values(x, Pooling(16, Target(0, "t", sum_stat="sum")))
    assert (got == np.float16(65504)).all()


@pytest.mark.parametrize("size", [1, 2, 1000, 20_000_003])
def test_extreme_limit_is_the_percentile(size):
    rng = np.random.default_rng(size)
    x = rng.gamma(0.5, 10, size).astype(np.float16)
    count = extreme_count(size)
    got = extreme_limit(np.sort(x)[-count:], size)
    want = np.percentile(x.astype(np.float64), 99.99999)
    assert got == float(np.float16(want))
    assert extreme_limit(np.zeros(0), 0) == 65504


def label_by_loops(values, pooling, threshold):
    """1 above the threshold, else 0, with exact sums of float32 bases in Python's own numbers."""
    from fractions import Fraction

    found = []
    for low in range(0, len(values) - pooling.bin_width + 1, pooling.bin_width):
        bases = [float(v) for v in values[low : low + pooling.bin_width]]
        seen = [Fraction(v) * Fraction(pooling.target.scale) for v in bases if v == v]
        if pooling.nan == "keep" and 2 * len(seen) < pooling.bin_width:
            found.append(math.nan)
            continue
        if pooling.nan == "zero":
            seen += [Fraction(0)] * (pooling.bin_width - len(seen))
        mean = sum(seen) / len(seen)
        pooled = {"sum": mean * pooling.bin_width, "max": max(seen)}
        y = np.float32(float(pooled.get(pooling.target.sum_stat, mean)))
        found.append(float(y > np.float32(threshold)))
    return np.array(found, np.float16)


@pytest.mark.parametrize("sum_stat", ["sum", "mean", "max"])
@pytest.mark.parametrize("nan", ["zero", "keep"])
@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_a_threshold_makes_labels(sum_stat, nan, scale):
    threshold = {"sum": 60.0, "mean": 2.0, "max": 16.0}[sum_stat] * scale
    target = Target(0, "t", sum_stat=sum_stat, scale=scale, threshold=threshold)
    pooling = Pooling(25, target, nan)
    values = random_values(3, 3000)
    offsets = np.array([0, 7, 25, 100, 1700])
    stretched = stretch_values(values, offsets, 1000, pooling, NO_SPANS)
    assert set(np.unique(stretched[~np.isnan(stretched)])) == {0, 1}
    assert np.isnan(stretched).any() == (nan == "keep")
    for row, offset in enumerate(offsets):
        window = values[offset : offset + 1000]
        want = label_by_loops(window, pooling, threshold)
        np.testing.assert_array_equal(stretched[row], want)
        np.testing.assert_array_equal(window_values(window, pooling), want)


@pytest.mark.parametrize("value", [2.0, 0.1, 0.3, 1 / 3, 1e5, -0.7])
@pytest.mark.parametrize("sum_stat", ["mean", "max"])
@pytest.mark.parametrize("nan", ["zero", "keep"])
def test_a_bin_of_exactly_the_threshold_is_not_above_it(value, sum_stat, nan):
    """However the threshold is rounded, and though float16 would round it otherwise."""
    target = Target(0, "t", sum_stat=sum_stat, threshold=value)
    base = np.float32(value)
    for width in (1, 25, 128):
        values = np.stack(
            [
                np.full(width, base, np.float32),
                np.full(width, np.nextafter(base, np.float32(np.inf)), np.float32),
                np.full(width, np.nextafter(base, np.float32(-np.inf)), np.float32),
            ]
        )
        found = window_values(values.ravel(), Pooling(width, target, nan))
        assert found.tolist() == [0, 1, 0]
        values[:, : width // 3] = np.nan
        if nan == "keep" and width > 1:
            assert window_values(values.ravel(), Pooling(width, target, nan)).tolist() == [0, 1, 0]


def test_an_infinite_base_is_above_any_threshold():
    target = Target(0, "t", sum_stat="sum", threshold=1e30)
    values = np.array([np.inf, np.inf, -np.inf, 0, np.nan, np.nan], np.float32)
    found = window_values(values, Pooling(2, target, "keep"))
    np.testing.assert_array_equal(found, np.array([1, 0, np.nan], np.float16))
