"""Accuracy at the same peak heights."""

import numpy as np
import pytest

from tfepi.evaluation.bootstrap import Blocks, Bootstrap
from tfepi.specificity.height_matching import (
    PAPER_EDGES,
    Matching,
    height_edges,
    height_matched,
    height_matched_resamples,
    parse_edges,
)
from tfrecords_tools.errors import ConfigError

NAMES, CELLS = ("ubiquitous", "a", "b"), ("x", "y")


def draw(n=3000, seed=0):
    """Ubiquitous peaks are higher; at a given height all are predicted alike."""
    rng = np.random.default_rng(seed)
    cluster = rng.choice([-1, 0, 1, 2], n)
    middle, spread = (
        np.where(cluster == 0, 6.5, 5.0)[:, None],
        np.where(cluster == 0, 1.5, 0.8)[:, None],
    )
    height = np.clip(rng.normal(middle, spread, (n, 2)), 0.1, None)
    prediction = height + rng.normal(0, 1, (n, 2))
    values = [2 ** np.clip(v, 0, None) - 1 for v in (height, prediction)]
    return *values, cluster, NAMES, CELLS, Blocks(rng.integers(0, 40, n), 40, 1000)


def test_heights_explain_the_difference():
    table = height_matched(*draw(), Bootstrap(200), Matching(draws=5))
    mean = table[table.cell_type == "mean"].set_index("matching")
    assert set(table["set"]) == {"specific"}
    assert mean.loc["none", "difference_low"] > 0.1
    assert mean.loc["equal", "difference_low"] < 0 < mean.loc["equal", "difference_high"]
    assert mean.loc["equal", "ks"] < 0.1 < 0.4 < mean.loc["none", "ks"]
    assert abs(mean.loc["equal", "height_specific"] - mean.loc["equal", "height_ubiquitous"]) < 0.05
    each = table[table.matching == "equal"]
    assert (each["n_specific"] == each["n_ubiquitous"]).all()


def test_without_matching_it_is_the_accuracy():
    truth, prediction, cluster, *rest = draw()
    table = height_matched(truth, prediction, cluster, *rest, Bootstrap(0), Matching(draws=2))
    logs = [np.log2(v + 1) for v in (truth, prediction)]
    for c, cell in enumerate(CELLS):
        [row] = table[(table.matching == "none") & (table.cell_type == cell)].itertuples()
        for name, own in (("specific", cluster > 0), ("ubiquitous", cluster == 0)):
            r = np.corrcoef(logs[0][own, c], logs[1][own, c])[0, 1]
            assert getattr(row, name) == pytest.approx(r)
            assert getattr(row, f"n_{name}") == own.sum()
            assert getattr(row, f"height_{name}") == pytest.approx(logs[0][own, c].mean())
        assert row.difference == pytest.approx(row.ubiquitous - row.specific)
        assert np.isnan(row.difference_low)


def test_sampled_keeps_specific_peaks_and_fills_their_histogram():
    truth, prediction, cluster, *rest = draw()
    edges = (4.0, 5.0, 6.0, 7.0)
    table = height_matched(truth, prediction, cluster, *rest, Bootstrap(0), Matching(edges, 3))
    for c, cell in enumerate(CELLS):
        [row] = table[(table.matching == "sampled") & (table.cell_type == cell)].itertuples()
        heights = np.log2(truth[:, c] + 1)
        counts = [np.histogram(heights[rows], edges)[0] for rows in (cluster > 0, cluster == 0)]
        assert row.n_specific == counts[0].sum()
        assert row.n_ubiquitous == np.minimum(*counts).sum()
        kept = (cluster > 0) & (heights >= 4) & (heights <= 7)
        r = np.corrcoef(heights[kept], np.log2(prediction[kept, c] + 1))[0, 1]
        assert row.specific == pytest.approx(r)  # the same in every draw


def test_own_clusters_are_compared_too():
    truth, prediction, cluster, *rest = draw()
    own = {"a": ("x",), "b": ("x", "y"), "ubiquitous": ("x", "y")}
    how = (Bootstrap(0), Matching(draws=2))
    table = height_matched(truth, prediction, cluster, *rest, *how, own)
    rows = table[(table.set == "own") & (table.matching == "none")].set_index("cell_type")
    assert rows.loc["x", "n_specific"] == (cluster > 0).sum()
    assert rows.loc["y", "n_specific"] == (cluster == 2).sum()


def test_too_few_positions_are_counted_only():
    truth, prediction, cluster, *rest = draw()
    cluster = np.where(np.cumsum(cluster > 0) > 9, np.where(cluster > 0, -1, cluster), cluster)
    table = height_matched(truth, prediction, cluster, *rest, Bootstrap(20), Matching(draws=2))
    assert table["specific"].isna().all()
    each = table[table.cell_type != "mean"]
    assert each["n_specific"].max() == 9
    assert each[each.matching == "none"]["n_ubiquitous"].min() > 100
    assert set(each["note"]) == {"fewer than 10 positions"}
    means = table[table.cell_type == "mean"]
    assert means["n_specific"].max() == 0
    assert set(means["note"]) == {"without x, y"}


def test_a_mean_counts_the_cell_types_it_is_of():
    truth, prediction, cluster, *rest = draw()
    truth = truth.copy()
    truth[np.flatnonzero(cluster == 2)[9:], 1] = np.nan  # nine peaks of y's own clusters are left
    own = {"a": ("x",), "b": ("y",)}
    table = height_matched(truth, prediction, cluster, *rest, Bootstrap(20), Matching(None, 2), own)
    rows = table[(table.set == "own") & (table.matching == "none")].set_index("cell_type")
    assert rows.loc["y", "n_specific"] == 9
    assert np.isnan(rows.loc["y", "specific"])
    for column in ("n_specific", "n_ubiquitous", "specific", "height_ubiquitous", "ks"):
        assert rows.loc["mean", column] == rows.loc["x", column]
    assert rows.loc["mean", "note"] == "without y"
    assert set(table[table.set == "specific"]["note"]) == {""}


def test_resamples_of_means_give_their_intervals():
    values = draw()
    table, drawn = height_matched_resamples(*values, Bootstrap(200), Matching(draws=4))
    assert table.equals(height_matched(*values, Bootstrap(200), Matching(draws=4)))
    [row] = table[(table.matching == "sampled") & (table.cell_type == "mean")].itertuples()
    own = drawn["specific", "sampled"]
    assert own.shape == (3, 200)
    assert np.allclose(own[2], own[1] - own[0])
    assert np.quantile(own[2], (0.025, 0.975)) == pytest.approx(
        (row.difference_low, row.difference_high)
    )


def test_edges():
    assert PAPER_EDGES[0] == 2.5
    assert PAPER_EDGES[-1] == 10.5
    assert np.allclose(np.diff(PAPER_EDGES), 0.5)
    rng = np.random.default_rng(1)
    assert height_edges(rng.normal(5, 1, 500)) == PAPER_EDGES
    low = rng.normal(1, 0.3, 500)
    found = height_edges(np.append(low, np.nan))
    assert len(found) == 17
    assert (found[0], found[-1]) == pytest.approx(np.quantile(low, (0.01, 0.99)))
    with pytest.raises(ConfigError, match="nothing to match"):
        height_edges(np.full(9, 0.5))
    assert parse_edges(None) is None
    assert parse_edges("paper") == PAPER_EDGES
    assert parse_edges("1,2.5") == (1, 2.5)
    with pytest.raises(ConfigError, match="edges '1;2'"):
        parse_edges("1;2")


def test_what_cannot_be_matched():
    truth, prediction, cluster, _, *rest = draw()
    with pytest.raises(ConfigError, match="no cluster is named ubiquitous"):
        height_matched(truth, prediction, cluster, ("c", "a", "b"), *rest)
    with pytest.raises(ConfigError, match="draws is 0"):
        Matching(draws=0)
    with pytest.raises(ConfigError, match="at least two, rising"):
        Matching((2.0, 1.0))
