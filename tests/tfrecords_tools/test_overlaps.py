from collections import defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tfrecords_tools.overlaps import averaged, windows_at_once


def plain_mean(windows, width, length=400):
    """Per-base mean over windows (start, values), base by base."""
    seen = defaultdict(list)
    for start, values in windows:
        for number, value in enumerate(values):
            for base in range(start + number * width, start + (number + 1) * width):
                if np.isfinite(value):
                    seen[base].append(float(value))
    return {base: np.mean(v) for base, v in seen.items()}


def bases(spans):
    found = {}
    for _, start, end, values in spans:
        for low, high, value in zip(start.tolist(), end.tolist(), values.tolist(), strict=True):
            for base in range(low, high):
                assert base not in found
                if np.isfinite(value):
                    found[base] = value
    return found


@settings(max_examples=60, deadline=None)
@given(
    starts=st.lists(st.integers(-20, 200), min_size=1, max_size=12),
    width=st.integers(1, 7),
    bins=st.integers(1, 4),
    size=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_overlaps_are_averaged_base_by_base(starts, width, bins, size, seed):
    rng = np.random.default_rng(seed)
    starts = np.sort(starts)
    values = rng.normal(0, 100, (len(starts), bins)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    blocks = [
        ("chr1", starts[i : i + size], values[i : i + size]) for i in range(0, len(starts), size)
    ]
    found = bases(averaged(blocks, width))
    wanted = plain_mean(zip(starts.tolist(), values, strict=True), width)
    assert found.keys() == wanted.keys()
    np.testing.assert_allclose(
        [found[b] for b in wanted], list(wanted.values()), rtol=1e-12, atol=1e-12
    )


def test_windows_apart_pass_unchanged():
    values = np.array([[1e30, 1e-30], [3, 4]], np.float32)
    spans = list(averaged([("a", np.array([0, 20]), values), ("b", np.array([5]), values[:1])], 10))
    assert [s[0] for s in spans] == ["a", "b"]
    assert spans[0][3].tolist() == values.ravel().tolist()
    assert spans[1][1].tolist() == [5, 15]


def test_blocks_are_smaller_where_windows_overlap():
    assert windows_at_once(100, False) > windows_at_once(100, True) > 1
    assert windows_at_once(1 << 30, False) == 1
