"""Widths, spans and mass of profiles, against plain counting."""

import numpy as np
import pytest

from tfepi.receptive_field.profile import MASSES, THRESHOLDS, Collector, Profile, length_of
from tfrecords_tools.errors import ConfigError


def collected(effects, anchor=(4, 5), positions=None, step=1, extent=1, floor=0.0):
    """A `Measured` of effects [phases, repeats, positions]."""
    phases, repeats, count = effects.shape
    positions = np.arange(count) * step if positions is None else positions
    collector = Collector(phases, positions, step, extent, repeats)
    for row in range(phases):
        for repeat in range(repeats):
            collector.add(row, repeat, effects[row, repeat], floor)
    at = anchor[:phases]
    return collector.measured("perturbation", "centre", range(phases), at, at, floor, 1.0)


def random_effects(phases=2, repeats=3, count=10, seed=0):
    rng = np.random.default_rng(seed)
    effects = 10.0 ** rng.uniform(-8, 0, (phases, repeats, count))
    effects[rng.random(effects.shape) < 0.4] = 0
    return effects


def test_numbers_against_plain_counting():
    effects = random_effects()
    measured = collected(effects)
    summary = measured.summary(1)
    spans, widths = [], []
    for effect in effects[1]:
        places = [i for i, e in enumerate(effect) if e != 0]
        spans.append(places[-1] - places[0] + 1 if places else 0)
        for t in THRESHOLDS:
            held = [i for i, e in enumerate(effect) if e >= t * max(effect)]
            widths.append(held[-1] - held[0] + 1)
    assert measured.repeats == 3
    assert (summary["span_max"], summary["span_mean"]) == (max(spans), np.mean(spans))
    mean = effects[1].mean(axis=0)
    np.testing.assert_allclose(measured.mean[1], mean)
    np.testing.assert_allclose(measured.most[1], effects[1].max(axis=0))
    anywhere = np.flatnonzero(effects[1].any(axis=0))
    assert summary["union"] == anywhere[-1] - anywhere[0] + 1
    for number, t in enumerate(THRESHOLDS):
        held = np.flatnonzero(mean >= t * mean.max())
        assert summary[f"above_{t:.0e}"] == held[-1] - held[0] + 1
        assert summary[f"largest_{t:.0e}"] == max(widths[number :: len(THRESHOLDS)])
    for share in MASSES:
        within = summary[f"mass_{share:.0%}"]
        distance = np.abs(np.arange(10) - 5)
        held = [mean[distance <= d].sum() / mean.sum() for d in range(10)]
        assert held[within] >= share - 1e-9
        assert within == 0 or held[within - 1] < share


def test_phases_are_laid_over_each_other():
    effects = np.zeros((2, 1, 10))
    effects[0, 0, 3:6] = (1, 2, 1)  # around 4
    effects[1, 0, 4:7] = (3, 4, 3)  # around 5
    profile = collected(effects).aligned()
    assert profile.offsets.tolist() == list(range(-4, 5))
    assert profile.mean[3:6].tolist() == [2, 3, 2]
    assert profile.most[3:6].tolist() == [3, 4, 3]
    assert not profile.mean[[*range(3), *range(6, 9)]].any()
    with pytest.raises(ConfigError, match="no distance in common"):
        collected(effects, anchor=(0, 40)).aligned()


def test_wide_bins_count_in_bp():
    effects = np.zeros((1, 2, 6))
    effects[0, 0, 2:4] = 1
    effects[0, 1, 3:5] = 1
    measured = collected(effects, anchor=(384,), step=128, extent=128)
    assert measured.spans.tolist() == [[256, 256]]
    assert measured.union.tolist() == [384]
    assert measured.grown(1).tolist() == [256]
    assert measured.profile(0).offsets.tolist() == [-384, -256, -128, 0, 128, 256]
    assert measured.summary()["mass_99%"] == 128


def test_no_effect_at_all():
    measured = collected(np.zeros((1, 2, 5)))
    summary = measured.summary()
    assert summary["span_max"] == summary["union"] == summary["above_1e-06"] == 0
    assert summary["mass_50%"] is None
    assert measured.grown(1).tolist() == [0]
    assert np.isnan(measured.aligned().cumulative()[1]).all()


def test_noise_is_no_effect():
    effects = np.array([[[1e-8, 0.5, 1.0, 1e-8, 2e-8]]])
    measured = collected(effects, anchor=(2,), floor=1e-8)
    assert measured.spans.tolist() == [[4]]
    assert measured.union.tolist() == [4]
    assert measured.widths[0, 0, -1] == 2  # a millionth of the largest is above the noise
    assert measured.mean[0, 0] == 1e-8  # kept as it is


def test_shares_add_up_and_never_fall():
    profile = Profile(np.arange(-3, 4), np.ones(7), np.ones(7), 1, 1)
    distance, share = profile.cumulative()
    assert distance.tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(share, [1 / 7, 3 / 7, 5 / 7, 1])
    assert profile.mass_within(0.5) == 2
    assert profile.mass_within(1.0) == 3
    assert length_of(np.zeros(4, bool), 1, 1) == 0
