"""The originals' arithmetic against numbers that their own commands gave."""

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools import compat
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.pooling import Pooling, extreme_count
from tfrecords_tools.targets import Target
from tfrecords_tools.tracks import open_track

OFFSETS, LENGTH = np.array([0, 64, 128]), 128
# The first two start before the second window, the last before the third.
BLACKLIST = np.array([[40, 90], [60, 104], [98, 250]])
# (tool, options of its data_read.py but -w 16, bins of three windows of 128 bp of `signal`)
BINS = [
    (
        "basenji",
        {"sum_stat": "sum", "scale": 0.3},
        "30.1406 37.8438 29.5625 27.1719 27 29.5781 27.5781 25.4844 "
        "35.0312 65504 65504 24.5625 25.7969 -5.78906 24.8594 26.9375 "
        "35.5938 -8.57031 33.6875 37.0625 17.0938 0 0 12.9844",
    ),
    (
        "hound",
        {"sum_stat": "sum", "scale": 0.3},
        "30.125 37.8438 29.5469 27.1719 27 29.5781 27.5781 25.4844 "
        "35 65504 65504 24.5625 25.7969 -5.78516 24.8594 26.9375 "
        "35.5625 -8.57031 33.6875 37.0625 17.0938 0 0 12.9844",
    ),
    (
        "basenji",
        {"sum_stat": "max", "scale": 0.37, "clip_soft": 2.3, "clip": 4.1},
        "3.21484 3.29688 3.20312 2.51367 2.51367 2.51367 2.51367 2.51367 "
        "3.23047 4.10156 4.10156 2.44727 2.44727 2.44727 2.44727 2.44727 "
        "3.29688 3.10156 3.2832 3.26953 3.17383 0 0 3.24219",
    ),
    (
        "hound",
        {"sum_stat": "max", "scale": 0.37, "clip_soft": 2.3, "clip": 4.1},
        "3.21484 3.29688 3.20117 2.51367 2.51367 2.51367 2.51367 2.51367 "
        "3.22852 4.10156 4.10156 2.44727 2.44727 2.44727 2.44727 2.44727 "
        "3.29688 3.10156 3.2832 3.26953 3.17383 0 0 3.24219",
    ),
    (
        "hound_old",
        {"sum_stat": "max", "scale": 0.37, "clip_soft": 5.3, "clip": 7.9},
        "2.92383 2.92383 2.92383 2.50977 2.50977 2.50977 2.50977 2.50977 "
        "2.92383 2.92383 2.92383 2.45312 2.45312 2.45312 2.45312 2.45312 "
        "2.92383 2.92383 2.92383 2.92383 2.92383 0 0 2.92383",
    ),
]


def signal() -> np.ndarray:
    """256 bases: a spike beyond float16, negative ones, and a gap."""
    i = np.arange(400)
    values = ((i * 37) % 101 / 7).astype(np.float32)
    values[90:97] = 70_000
    values[150:160] *= -1
    values[200:230] = np.nan
    return values[:256]


def signal_in(tool: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        half = signal().astype(np.float16)
    return half if tool == "basenji" else half.astype(np.float32)


@pytest.mark.parametrize(("tool", "options", "wanted"), BINS)
def test_bins_are_the_tools(tool, options, wanted):
    pooling = Pooling(16, Target(0, "t", **options))
    bins = compat.stretch_values(signal_in(tool), OFFSETS, LENGTH, pooling, BLACKLIST, tool)
    limit = compat.extreme_limit(np.sort(bins.ravel())[-extreme_count(bins.size) :], bins.size)
    got = np.clip(bins, np.float16(-limit), np.float16(limit))
    np.testing.assert_array_equal(got.ravel(), np.array(wanted.split(), np.float16))


def test_values_are_left_as_they_were():
    values = signal_in("hound")
    before = values.copy()
    pooling = Pooling(16, Target(0, "t", clip_soft=3))
    compat.stretch_values(values, OFFSETS, LENGTH, pooling, BLACKLIST, "hound")
    np.testing.assert_array_equal(values, before)


def test_a_scale_that_float16_does_not_hold_widens_it():
    """As a number beyond 65,000 did beside a float16 array in NumPy 1."""
    x = np.full(16, 0.25, np.float16)
    target = Target(0, "t", sum_stat="mean", scale=70_000)
    none = np.zeros((0, 2), int)
    assert compat.window_values(x, Pooling(16, target), none, "basenji") == np.float16(17_500)


@pytest.mark.parametrize("width", [128, 9000])
def test_sums_are_taken_8192_at_a_time(width):
    x = np.random.default_rng(1).gamma(0.4, 600, width).astype(np.float32)
    parts = [x[low : low + 8192].sum(dtype=np.float32) for low in range(0, width, 8192)]
    want = sum(parts[1:], start=parts[0])
    got = compat._transformed(x[None], Target(0, "t"), old=False)
    assert got.dtype == np.float32
    assert got[0] == want


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1000, 1000, width=16), min_size=1, max_size=40), st.floats(0, 100))
def test_percentile_of_float64_is_numpys(values, percent):
    x = np.array(values, np.float64)
    np.testing.assert_allclose(
        compat.percentile(x, percent), np.percentile(x, percent), rtol=1e-12, atol=1e-9
    )


def test_percentile_takes_the_difference_in_the_values_type():
    """4096 - 0.5 is 4096 in float16."""
    x = np.array([0.5, 4096], np.float16)
    assert compat.percentile(x, 50.0) == 4096 - 4096 * 0.5
    assert compat.percentile(x.astype(np.float32), 50.0) == (4096 + 0.5) / 2


@pytest.mark.parametrize("size", [1, 2, 1000, 20_000_003])
def test_extreme_limit_is_the_percentile(size):
    x = np.random.default_rng(size).gamma(0.5, 10, size).astype(np.float16)
    largest = np.sort(x)[-extreme_count(size) :]
    want = np.percentile(x.astype(np.float64), 100 * 0.9999999)
    assert compat.extreme_limit(largest, size) == pytest.approx(want, rel=2.0**-11)


@pytest.mark.parametrize("values", [[-3.0, -2.0, -1.0], [0.0, 0.0, -1.0]])
def test_extreme_limit_may_be_below_0(values):
    x = np.array(values, np.float16)
    assert compat.extreme_limit(np.sort(x), 3) == pytest.approx(max(values), abs=1e-5)


def test_unmappable_bins_are_limited_by_a_quantile():
    values = np.array([[0.5, 9], [4096, 1], [7, 3]], np.float16)
    compat.limit_unmappable(values, np.array([True, True, False]), 0.5)
    np.testing.assert_array_equal(values, np.array([[0.5, 3], [7, 1], [7, 3]], np.float16))


@pytest.fixture
def tracks(tmp_path, write_bigwig):
    write_bigwig(tmp_path / "t.bw", {"c": np.array([0.3, 70_000, np.nan, 1], np.float32)})
    (tmp_path / "t.bed").write_text("c\t1\t3\n")
    with h5py.File(tmp_path / "t.h5", "w") as file:
        file["c"] = np.array([0.3, 70_000, -1e6, 1])
    return [open_track(tmp_path / name) for name in ("t.bw", "t.bed", "t.h5")]


def test_tracks_are_read_in_the_types_of_the_tools(tracks):
    hdf5 = tracks[2]
    half = np.array([0.3, np.inf, np.nan, 1], np.float16)
    for tool, kinds in (("basenji", ("f2", "?", "f8")), ("hound", ("f4", "f4", "f4"))):
        found = [compat.read(t, "c", 0, 4, tool) for t in tracks]
        assert [x.dtype for x in found] == [np.dtype(k) for k in kinds]
        np.testing.assert_array_equal(found[0], half.astype(found[0].dtype))
        np.testing.assert_array_equal(found[1], [0, 1, 1, 0])
    np.testing.assert_array_equal(compat.read(hdf5, "c", 0, 4, "basenji"), [0.3, 70_000, -1e6, 1])
    np.testing.assert_array_equal(
        compat.read(hdf5, "c", 0, 4, "hound"), np.array([0.3, 65_504, -65_504, 1], np.float32)
    )


def test_numbers_keep_six_decimals():
    target = compat.given(Target(0, "t", clip=1 / 3, clip_soft=0.25, scale=2e-6), "basenji")
    assert (target.clip, target.clip_soft, target.scale) == (0.333333, 0.25, 0.000002)


@pytest.mark.parametrize(
    ("tool", "changes", "message"),
    [
        ("basenji", {"sum_stat": "sum_exp75"}, "'sum_exp75', which --compat basenji does not"),
        ("hound_old", {"sum_stat": "sum_exp75"}, "'sum_exp75', which --compat hound_old does not"),
        ("hound", {"sum_stat": "max_sqrt"}, "'max_sqrt', which --compat hound does not"),
        ("hound", {"nan": "keep"}, "NaN policy 'keep'"),
        ("hound", {"scale": 1e-7}, "scale 1e-07, of which --compat hound keeps six decimals"),
        ("hound", {"clip": 1e-7}, "clip 1e-07"),
    ],
)
def test_targets_that_a_tool_does_not_take(tool, changes, message):
    with pytest.raises(ConfigError, match=message):
        compat.given(Target(0, "t", **changes), tool)


def test_a_bed_is_refused_where_basenji_stops(tracks):
    target = Target(0, "t", file="t.bed")
    with pytest.raises(ConfigError, match=r"t.bed is a BED: .* fewer than 8 bins only, here 8"):
        compat.check_track(target, tracks[1], 8, "basenji")
    compat.check_track(target, tracks[1], 7, "basenji")
    compat.check_track(target, tracks[1], 8, "hound")
    compat.check_track(target, tracks[0], 8, "basenji")


@pytest.mark.parametrize("sum_stat", ["mean_sqrt", "sum_exp75", "peak"])
def test_a_bin_that_is_no_number_is_an_error(sum_stat):
    pooling = Pooling(16, Target(0, "t", "t.bw", sum_stat=sum_stat))
    values = -signal_in("hound")
    with pytest.raises(InputFileError, match=f"t.bw gives a bin .* '{sum_stat}' takes the root"):
        compat.stretch_values(values, OFFSETS, LENGTH, pooling, BLACKLIST[:0], "hound")


def test_infinities_that_cancel_are_an_error():
    values = np.array([np.inf, -np.inf], np.float16)
    pooling = Pooling(2, Target(0, "t", "t.bw"))
    with pytest.raises(InputFileError, match="infinities cancel"):
        compat.stretch_values(values, np.array([0]), 2, pooling, BLACKLIST[:0], "basenji")


def test_no_tool_has_thresholds():
    with pytest.raises(ConfigError, match=r"threshold 2.0, which --compat hound does not have"):
        compat.given(Target(0, "t", threshold=2.0), "hound")
