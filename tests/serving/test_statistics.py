"""Statistics of a graph against those of numpy, on values that are hard."""

import numpy as np
import pytest

from tfepi.startup import import_tensorflow
from tfepi.variants import scores

tf = import_tensorflow()
from tfepi.serving import statistics  # noqa: E402


def values(kind: str, bins: int, rng) -> np.ndarray:
    out = rng.gamma(1, 1, (5, bins, 3)).astype(np.float32)
    if kind == "hard":
        out[0] = 0
        out[1, 0] = -2
        out[2, -1] = np.inf
        out[3, bins // 2] = np.nan
        out[4] = np.round(out[4])  # ties
    return out


@pytest.mark.parametrize("kind", ["plain", "hard"])
@pytest.mark.parametrize("bins", [1, 2, 6])
def test_all_statistics_are_those_of_numpy(kind, bins):
    rng = np.random.default_rng(bins)
    ref, alt = values(kind, bins, rng), values(kind, bins, rng)
    alt[-1] = ref[-1] + np.where(np.arange(bins) % 2, 1, -1)[:, None]  # as large, either sign
    want = scores.score(scores.NAMES, ref, alt, bins // 2)
    got = statistics.score(scores.NAMES, tf.constant(ref), tf.constant(alt), bins // 2)
    assert list(got) == list(want)
    for name, value in want.items():
        assert got[name].dtype == tf.float32
        np.testing.assert_allclose(got[name], value, rtol=2e-7, atol=1e-14, err_msg=name)


def test_sums_are_exact_in_double_precision():
    """A float32 sum of these would lose the change."""
    ref = np.full((1, 4096, 1), 1e4, np.float32)
    alt = ref.copy()
    alt[0, 7] += np.float32(0.25)
    found = statistics.score(("SAD",), tf.constant(ref), tf.constant(alt), 0)
    assert float(found["SAD"][0, 0]) == 0.25
