"""Seqlets against plain loops, and on contributions whose seqlets are known."""

from itertools import pairwise

import numpy as np
import pytest

from tfepi.analysis.attribution_seqlets import (
    Seqlet,
    SeqletOptions,
    Thresholds,
    call,
    chance_sums,
    controls,
    permuted,
    stretch_sums,
    thresholds,
)
from tfrecords_tools.errors import ConfigError

OPTIONS = SeqletOptions(size=5, fdr=0.1)


def planted(count=30, length=200, seed=0):
    """Noise with a run of 5 bp that contributes 6 each, and in every third window −6 each."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (count, length)).astype(np.float32)
    places = rng.integers(5, length - 15, count)
    for i, place in enumerate(places):
        values[i, place : place + 5] += -6 if i % 3 == 0 else 6
    return values, places


def test_sums_of_stretches():
    values = np.random.default_rng(1).normal(size=(2, 12)).astype(np.float32)
    found = stretch_sums(values, 4)
    assert found.shape == (2, 9)
    for row in range(2):
        for i in range(9):
            assert found[row, i] == pytest.approx(values[row, i : i + 4].sum(), abs=1e-5)
    assert stretch_sums(values[:, :3], 4).shape[-1] == 0


def test_permutations_stay_in_their_block():
    values = np.arange(23.0)
    found = permuted(values, 10, np.random.default_rng(0))
    for low in (0, 10, 20):
        assert sorted(found[low : low + 10]) == values[low : low + 10].tolist()
    assert (found != values).sum() > 15


def test_thresholds_against_counting():
    values, _ = planted()
    found = thresholds(iter(values), OPTIONS)
    observed, chance = [], []
    for number, row in enumerate(values):
        null = chance_sums(row, number, OPTIONS)
        assert null.shape == (10, 196)
        scale = np.sqrt((null**2).mean())
        observed.append(stretch_sums(row, 5) / scale)
        chance.append(null.ravel() / scale)
    observed, chance = np.concatenate(observed), np.concatenate(chance)
    for sign, least in ((1, found.positive), (-1, found.negative)):
        grid = np.arange(0, np.abs(observed).max(), 1 / 256)
        ratio = [
            (sign * chance >= t).sum() / 10 / max(1, (sign * observed >= t).sum()) for t in grid
        ]
        good = [t for t, r in zip(grid, ratio, strict=True) if r <= OPTIONS.fdr]
        assert least == pytest.approx(good[0], abs=1e-9)


def test_planted_runs_are_called():
    values, places = planted()
    least = thresholds(iter(values), OPTIONS)
    hits, false = 0, 0
    for i, row in enumerate(values):
        found = call(row, i, least, OPTIONS)
        assert [s.first for s in found] == sorted(s.first for s in found)
        for one, other in pairwise(found):
            assert other.first >= one.first + 5
        near = [s for s in found if abs(s.first - places[i]) <= 1]
        hits += len(near) == 1 and (near[0].score < 0) == (i % 3 == 0)
        false += sum(abs(s.first - places[i]) > 4 for s in found)
        for s in found:
            assert s.score == pytest.approx(row[s.first : s.first + 5].sum(), rel=1e-5)
            assert np.sign(s.z) == np.sign(s.score)
    assert hits == 30
    assert false <= 6


def test_calls_against_a_plain_greedy_loop():
    values, _ = planted(count=3)
    least = Thresholds(1.0, 1.2)
    for number, row in enumerate(values):
        scale = np.sqrt((chance_sums(row, number, OPTIONS) ** 2).mean())
        z = {i: row[i : i + 5].sum(dtype=float) / scale for i in range(196)}
        left = {i for i, v in z.items() if v >= 1 or v <= -1.2}
        slow = []
        while left:
            best = max(left, key=lambda i: abs(z[i]))
            slow.append(best)
            left = {i for i in left if abs(i - best) >= 5}
        assert [s.first for s in call(row, number, least, OPTIONS)] == sorted(slow)


def test_noise_has_no_seqlets_to_speak_of():
    values = np.random.default_rng(2).normal(size=(30, 200)).astype(np.float32)
    least = thresholds(iter(values), OPTIONS)
    assert sum(len(call(v, i, least, OPTIONS)) for i, v in enumerate(values)) <= 6


@pytest.mark.parametrize("values", [np.zeros((2, 50)), np.ones((2, 3)), np.zeros((0, 50))])
def test_no_seqlets_where_there_is_nothing(values):
    least = thresholds(iter(values), OPTIONS)
    assert least == Thresholds(np.inf, np.inf)
    assert [call(v, i, least, OPTIONS) for i, v in enumerate(values)] == [[]] * len(values)


def test_controls_touch_no_seqlet():
    seqlets = [Seqlet(3, 10, 1.0, 5), Seqlet(3, 40, 1.0, 5)]
    found = controls(60, seqlets, OPTIONS)
    assert len(found) == 2
    assert found == controls(60, seqlets, OPTIONS)
    for seed in range(20):
        for first in controls(60, seqlets, SeqletOptions(5, 0.1, seed)):
            assert 0 <= first <= 55
            assert all(abs(first - s.first) >= 5 for s in seqlets)
    assert controls(60, [], OPTIONS) == []
    assert controls(12, [Seqlet(0, 4, 1.0, 5)], OPTIONS) == []  # no room


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 1}, "seqlet_size is 1: want at least 2 bp"),
        ({"fdr": 0.0}, "fdr is 0.0: want a number above 0 and below 1"),
        ({"fdr": 1.0}, "fdr is 1.0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError) as error:
        SeqletOptions(**options)
    assert message in str(error.value)
