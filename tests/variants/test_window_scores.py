"""Statistics from the bins that a change can reach, against those of all bins."""

import numpy as np
import pytest

from tfepi.variants import window_scores
from tfepi.variants.alternatives import Alternatives
from tfepi.variants.mutagenesis_scores import NAMES as MUTAGENESIS
from tfepi.variants.mutagenesis_scores import Comparison, middle_bins
from tfepi.variants.scores import NAMES, score
from tfepi.variants.window_scores import WindowScores
from tfrecords_tools.errors import ConfigError

BINS, TARGETS, CENTER, WIDTH = 9, 2, 4, 3


@pytest.fixture
def references():
    return np.random.default_rng(1).gamma(1, 2, (3, BINS, TARGETS)).astype(np.float32)


@pytest.fixture
def changed():
    rng = np.random.default_rng(2)
    of = np.array([0, 0, 1, 2, 2, 1, 0])
    starts = np.array([0, 6, 3, 2, 5, 0, 4])
    return Alternatives(of, starts, rng.gamma(1, 2, (7, WIDTH, TARGETS)).astype(np.float32))


def filled(references, changed):
    """Predictions in all bins, one sequence and one bin at a time."""
    whole = [references[of].copy() for of in changed.of]
    for sequence, start, values in zip(whole, changed.starts, changed.values, strict=True):
        for n, value in enumerate(values):
            sequence[start + n] = value
    return np.stack(whole)


@pytest.mark.parametrize("name", NAMES)
def test_windows_give_what_all_bins_give(references, changed, name):
    found = WindowScores(references, CENTER).score((name,), changed)[name]
    whole = filled(references, changed)
    for row, of in enumerate(changed.of):
        wanted = score((name,), references[[of]], whole[[row]], CENTER)[name][0]
        np.testing.assert_allclose(found[row], wanted, rtol=1e-6, atol=1e-7)
    assert found.dtype == np.float32


def test_several_at_once_are_in_their_order(references, changed, monkeypatch):
    each = {n: WindowScores(references, CENTER).score((n,), changed)[n] for n in NAMES}
    monkeypatch.setattr(window_scores, "_GROUP_BYTES", 200)
    found = WindowScores(references, CENTER).score(NAMES, changed)
    assert list(found) == list(NAMES)
    for name in NAMES:
        np.testing.assert_array_equal(found[name], each[name])


def test_whole_predictions_give_the_same_bytes_as_score(references, changed):
    whole = filled(references, changed)
    of_all = Alternatives(changed.of, np.zeros(7, int), whole)
    found = WindowScores(references, CENTER).score(NAMES, of_all)
    for row, of in enumerate(changed.of):
        wanted = score(NAMES, references[[of]], whole[[row]], CENTER)
        for name in NAMES:
            np.testing.assert_array_equal(found[name][row], wanted[name][0])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -2.0])
@pytest.mark.parametrize("place", [1, 7])
def test_a_reference_that_is_not_defined_spoils_what_it_spoils(references, changed, bad, place):
    references[0, place, 1] = bad
    names = [n for n in NAMES if n not in ("REF", "ALT")]
    found = WindowScores(references, CENTER).score(names, changed)
    whole = filled(references, changed)
    spoiled = 0
    for row, of in enumerate(changed.of):
        with np.errstate(all="ignore"):
            wanted = score(names, references[[of]], whole[[row]], CENTER)
        for name in names:
            missing = np.isnan(wanted[name][0])
            if name != "logSED" or np.isfinite(bad):  # inf - inf, where a sum is not
                assert np.array_equal(np.isnan(found[name][row]), missing), (name, row)
            spoiled += missing.sum()
    assert spoiled


def test_bins_that_are_asked_for(references, changed):
    ref, alt = WindowScores(references, CENTER).at([0, 5, 8], changed)
    whole = filled(references, changed)
    np.testing.assert_array_equal(alt, whole[:, [0, 5, 8]])
    np.testing.assert_array_equal(ref, references[changed.of][:, [0, 5, 8]])


@pytest.mark.parametrize("name", MUTAGENESIS)
def test_statistics_of_mutagenesis(references, changed, name):
    found = Comparison(references).compare((name,), changed)[name]
    whole = filled(references, changed)
    of_all = Alternatives(changed.of, np.zeros(7, int), whole)
    wanted = Comparison(references).compare((name,), of_all)[name]
    np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-6)
    assert np.abs(wanted).max() > 0


def test_middle_bins():
    assert [middle_bins(n) for n in (1, 5, 6)] == [[0], [2], [3, 4]]


def test_an_unknown_name_is_refused(references, changed):
    with pytest.raises(ConfigError, match="unknown statistic 'SADD'"):
        WindowScores(references, CENTER).score(("SADD",), changed)
