"""The bootstrap over blocks against resampling the data themselves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import r2_score

from tfepi.evaluation import accuracy, bootstrap
from tfepi.evaluation.ranks import RankedPair
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval


def tiles(chrom, count, width=1000, start=0):
    return [Interval(chrom, start + i * width, start + (i + 1) * width) for i in range(count)]


def test_resampled_sums_equal_resampled_data():
    rng = np.random.default_rng(0)
    truth, prediction = rng.poisson(4, (2, 200)).astype(float)
    prediction += truth
    truth[::9] = np.nan
    block = np.sort(rng.integers(0, 9, 200))
    drawn = bootstrap.multiplicities(9, 25, seed=3)
    found = accuracy.statistics(drawn @ accuracy.block_sums(truth, prediction, block, 9))
    pair = RankedPair(truth, prediction)
    for b, row in enumerate(drawn):
        rows = np.concatenate([np.flatnonzero(block == k) for k in range(9) for _ in range(row[k])])
        y, p = truth[rows], prediction[rows]
        y, p = y[~np.isnan(y)], p[~np.isnan(y)]
        assert found["pearsonr"][b] == pytest.approx(pearsonr(y, p)[0], abs=1e-12)
        assert found["r2"][b] == pytest.approx(r2_score(y, p), abs=1e-12)
        weights = row[block[pair.seen]].astype(float)
        ranked = pair.statistics(weights)["spearmanr"]
        assert ranked == pytest.approx(spearmanr(y, p)[0], abs=1e-12)


def test_multiplicities_are_a_seeded_resample():
    drawn = bootstrap.multiplicities(12, 2000, seed=5)
    assert drawn.shape == (2000, 12)
    assert (drawn.sum(axis=1) == 12).all()
    assert drawn.mean() == 1
    assert drawn.var() == pytest.approx(1 - 1 / 12, rel=0.1)  # binomial(12, 1/12)
    np.testing.assert_array_equal(bootstrap.multiplicities(12, 30, seed=5), drawn[:30])
    assert (bootstrap.multiplicities(12, 30, seed=6) != drawn[:30]).any()
    assert bootstrap.multiplicities(12, 0, seed=5).shape == (0, 12)


def test_the_interval_covers_as_often_as_it_says():
    """Blocks share an effect; an interval of single positions would cover far too seldom."""
    rng = np.random.default_rng(11)
    covered = 0
    trials = 200
    for trial in range(trials):
        effect = np.repeat(rng.normal(size=30), 20)
        truth = effect + rng.normal(size=600)
        prediction = effect + rng.normal(size=600)
        sums = accuracy.block_sums(truth, prediction, np.repeat(np.arange(30), 20), 30)
        drawn = bootstrap.multiplicities(30, 200, seed=trial)
        low, high = bootstrap.interval(accuracy.statistics(drawn @ sums)["pearsonr"])
        covered += low <= 0.5 <= high
    assert 0.85 <= covered / trials <= 0.99


def test_blocks_are_a_grid_over_each_chromosome():
    windows = tiles("chr1", 25, 10_000) + tiles("chr2", 5, 10_000) + tiles("chr1", 1, 10_000)
    blocks = bootstrap.genome_blocks(windows, 50_000)
    assert blocks.count == 6
    assert blocks.block_bp == 50_000
    np.testing.assert_array_equal(blocks.index, [*np.repeat(np.arange(6), 5), 0])


def test_block_size_is_chosen():
    assert bootstrap.genome_blocks(tiles("chr1", 3000, 10_000)).block_bp == 1_000_000
    blocks = bootstrap.genome_blocks(tiles("chrX", 700))
    assert (blocks.block_bp, blocks.count) == (20_000, 35)
    blocks = bootstrap.genome_blocks(tiles("chr1", 6, 60_000))  # none shorter than a window
    assert (blocks.block_bp, blocks.count) == (100_000, 4)
    assert not blocks.enough


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 5_000_000), min_size=1, max_size=60), st.integers(1, 2_000_000))
def test_windows_of_a_block_lie_within_its_size(starts, block_bp):
    windows = [Interval("c", s, s + 100) for s in starts]
    blocks = bootstrap._grid(windows, block_bp)
    middles = np.array(starts) + 50
    assert set(blocks.index) == set(range(blocks.count))
    for number in range(blocks.count):
        assert np.ptp(middles[blocks.index == number]) < block_bp


def test_errors():
    with pytest.raises(ConfigError, match="no windows"):
        bootstrap.genome_blocks([])
    with pytest.raises(ConfigError, match="leaves 2 blocks"):
        bootstrap.genome_blocks(tiles("chr1", 20), 10_000)
    with pytest.raises(ConfigError, match="has 5 resamples"):
        bootstrap.Bootstrap(resamples=5)
    with pytest.raises(ConfigError, match="of rank statistics has -1 resamples"):
        bootstrap.Bootstrap(rank_resamples=-1)
    with pytest.raises(ConfigError, match="block_bp is 0"):
        bootstrap.Bootstrap(block_bp=0)
    with pytest.raises(ConfigError, match="level is 95"):
        bootstrap.Bootstrap(level=95)


def test_interval_and_estimate():
    values = np.arange(101.0)
    assert bootstrap.interval(values) == pytest.approx((2.5, 97.5))
    assert bootstrap.interval(values, 0.5) == pytest.approx((25, 75))
    values[:5] = np.nan
    assert bootstrap.interval(values) == pytest.approx((5 + 95 * 0.025, 5 + 95 * 0.975))
    values[:6] = np.nan
    assert bootstrap.interval(values) is None  # more than 5% undefined
    assert bootstrap.interval(np.array([])) is None
    assert bootstrap.estimate(np.nan, values) == {"value": None, "interval": None}
    assert bootstrap.estimate(0.5, None) == {"value": 0.5, "interval": None}
    found = bootstrap.estimate(50, np.arange(101.0))
    assert found == {"value": 50, "interval": pytest.approx([2.5, 97.5])}
