"""Accuracy by cluster and cell type: values, groups, means, intervals, what is undefined."""

import numpy as np
import pytest

from tfepi.evaluation.bootstrap import Blocks, Bootstrap, multiplicities
from tfepi.specificity.accuracy import by_cluster, correlations, few_bins, groups
from tfepi.specificity.averages import averages, beside_donors
from tfepi.specificity.replicates import ceiling
from tfrecords_tools.errors import ConfigError

NAMES = ("ubiquitous", "a", "b+c")
CELLS = ("x", "y", "z")


def pearson(y, p):
    seen = ~(np.isnan(y) | np.isnan(p))
    return np.corrcoef(np.log2(y[seen] + 1), np.log2(p[seen] + 1))[0, 1]


def draw(n=400, seed=0, blocks=20):
    rng = np.random.default_rng(seed)
    truth = rng.gamma(1, 3, (n, 3))
    prediction = truth * rng.gamma(2, 0.5, (n, 3))
    truth[rng.random(truth.shape) < 0.1] = np.nan
    cluster = rng.integers(-1, 3, n)
    return truth, prediction, cluster, Blocks(rng.integers(0, blocks, n), blocks, 1000)


def test_values_are_those_of_plain_correlations():
    truth, prediction, cluster, blocks = draw()
    table = by_cluster(truth, prediction, cluster, NAMES, CELLS, blocks, Bootstrap(100))
    rows = {"ubiquitous": [0], "a": [1], "b+c": [2], "specific": [1, 2]}
    rows |= {"peaks": [0, 1, 2], "genome-wide": [-1, 0, 1, 2]}
    assert list(dict.fromkeys(table["group"])) == list(rows)
    for group, numbers in rows.items():
        own = np.isin(cluster, numbers)
        values = []
        for c, cell in enumerate(CELLS):
            [row] = table[(table.group == group) & (table.cell_type == cell)].itertuples()
            values.append(pearson(truth[own, c], prediction[own, c]))
            assert row.pearsonr_log2 == pytest.approx(values[-1])
            assert row.n == (~np.isnan(truth[own, c])).sum()
            assert row.low < row.pearsonr_log2 < row.high
        [mean] = table[(table.group == group) & (table.cell_type == "mean")].itertuples()
        assert mean.pearsonr_log2 == pytest.approx(np.mean(values))


def test_resamples_are_those_of_repeated_blocks():
    truth, prediction, cluster, blocks = draw(seed=1)
    found = correlations(truth, prediction, cluster, NAMES, CELLS, blocks, Bootstrap(20, seed=5))
    drawn = multiplicities(20, 20, 5)
    members = groups(cluster, NAMES)
    for b in (0, 7, 19):
        for g, group in enumerate(found.groups):
            times = np.repeat(members[group], drawn[b][blocks.index[members[group]]])
            for c in range(3):
                expected = pearson(truth[times, c], prediction[times, c])
                assert found.resampled[b, g, c] == pytest.approx(expected)


def test_averages_of_the_paper():
    truth, prediction, cluster, blocks = draw(seed=2)
    found = correlations(truth, prediction, cluster, NAMES, CELLS, blocks, Bootstrap(50))
    table = averages(found, {"a": ("x",), "b+c": ("y", "z")}).set_index("average")
    value = dict(zip(found.groups, found.value, strict=True))
    expected = {
        "specific peaks": value["specific"].mean(),
        "specific clusters": np.mean([value["a"], value["b+c"]]),
        "own clusters": np.mean([value["a"][0], *value["b+c"][1:]]),
        "ubiquitous peaks": value["ubiquitous"].mean(),
        "all peaks": value["peaks"].mean(),
        "genome-wide": value["genome-wide"].mean(),
    }
    expected["ubiquitous less specific"] = expected["ubiquitous peaks"] - expected["specific peaks"]
    assert table["pearsonr_log2"].to_dict() == pytest.approx(expected)
    assert table["pairs"].to_dict() == {n: 6 if n == "specific clusters" else 3 for n in expected}
    assert (table["low"] < table["high"]).all()
    assert "own clusters" not in set(averages(found)["average"])


def test_what_is_undefined_says_why():
    truth, prediction, cluster, blocks = draw()
    cluster[cluster == 1] = 2
    prediction[:, 1] = 4
    truth[cluster == 0, 2] = 7
    found = correlations(truth, prediction, cluster, NAMES, CELLS, blocks, Bootstrap(20))
    assert found.notes["a", "x"] == "no position"
    assert found.n[1].tolist() == [0, 0, 0]
    assert "predictions are constant" in found.notes["b+c", "y"]
    assert "observed values are constant" in found.notes["ubiquitous", "z"]
    table = found.table().set_index(["group", "cell_type"])
    for pair in (("a", "x"), ("b+c", "y"), ("ubiquitous", "z"), ("a", "mean")):
        assert table.loc[pair, ["pearsonr_log2", "low", "high"]].isna().all()
    # a mean, and its number, are over what is defined
    assert table.loc[("b+c", "mean"), "note"] == "of 2 of 3 cell types"
    assert table.loc[("b+c", "mean"), "n"] == found.n[2, [0, 2]].sum()
    assert table.loc[("b+c", "mean"), "pearsonr_log2"] == pytest.approx(
        found.value[2, [0, 2]].mean()
    )
    assert averages(found).set_index("average").loc["specific clusters", "pairs"] == 2


def test_few_blocks_give_no_interval():
    truth, prediction, cluster, blocks = draw()
    inside = cluster == 1
    blocks.index[inside] = blocks.index[inside] % 4
    table = by_cluster(truth, prediction, cluster, NAMES, CELLS, blocks, Bootstrap(50))
    own = table[table.group == "a"]
    assert own["pearsonr_log2"].notna().all()
    assert own["low"].isna().all()
    assert set(own["note"]) == {"in 4 blocks of the genome: no interval", ""}
    few = Blocks(blocks.index % 4, 4, 1000)
    table = by_cluster(truth, prediction, cluster, NAMES, CELLS, few, Bootstrap(50))
    assert table["low"].isna().all()


def test_no_resamples_give_no_interval():
    truth, prediction, cluster, blocks = draw()
    table = by_cluster(truth, prediction, cluster, NAMES, CELLS, blocks, Bootstrap(0))
    assert table["low"].isna().all()
    assert table["pearsonr_log2"].notna().all()


def test_one_cell_type_has_no_mean():
    truth, prediction, cluster, blocks = draw()
    table = by_cluster(truth[:, :1], prediction[:, :1], cluster, NAMES, CELLS[:1], blocks)
    assert set(table["cell_type"]) == {"x"}


def test_averages_beside_donors_are_of_the_same_cell_types():
    truth, prediction, cluster, blocks = draw(seed=4)
    how = (cluster, NAMES, CELLS, blocks, Bootstrap(60))
    found = correlations(truth, prediction, *how)
    rng = np.random.default_rng(1)
    signals = {"y": np.stack([truth[:, 1] * rng.gamma(9, 1 / 9, len(truth)) for _ in "ab"], axis=1)}
    donors = ceiling(signals, *how)
    table = beside_donors(found, donors, {"a": ("x",), "b+c": ("y", "z")}).set_index("average")
    value, top = (dict(zip(f.groups, f.value, strict=True)) for f in (found, donors))
    assert set(table["cell_types"]) == {"y"}
    for name, groups_of in (
        ("specific peaks", ["specific"]),
        ("specific clusters", ["a", "b+c"]),
        ("own clusters", ["b+c"]),
        ("ubiquitous peaks", ["ubiquitous"]),
        ("all peaks", ["peaks"]),
    ):
        row = table.loc[name]
        assert row["pairs"] == len(groups_of)
        assert row["pearsonr_log2"] == pytest.approx(np.mean([value[g][1] for g in groups_of]))
        assert row["ceiling"] == pytest.approx(np.mean([top[g][1] for g in groups_of]))
        assert row["difference"] == pytest.approx(row["pearsonr_log2"] - row["ceiling"])
        assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert "genome-wide" not in table.index
    none = beside_donors(found, ceiling({"y": np.full((len(truth), 2), np.nan)}, *how))
    assert not len(none)


def test_few_positions_are_noted():
    truth, prediction, cluster, blocks = draw()
    cluster[np.flatnonzero(cluster == 1)[19:]] = -1
    table = by_cluster(truth, prediction, cluster, NAMES, CELLS, blocks, Bootstrap(20))
    own = table[(table.group == "a") & (table.cell_type != "mean")]
    assert [f"{n} positions, fewer than 20" for n in own["n"]] == own["note"].tolist()
    assert set(table[table.group == "b+c"]["note"]) == {""}
    assert few_bins({"a": 19, "b": 20, "c": 0}) == [
        "fewer than 20 tested bins in 1 of 3 groups of peaks (a 19): r there, and its interval, "
        "say little"
    ]
    assert few_bins({"a": 20}) == []


def test_arrays_of_other_shapes():
    truth, prediction, cluster, blocks = draw()
    with pytest.raises(ConfigError, match=r"want \[positions, cell types\] = \(400, 3\)"):
        correlations(truth[:, :2], prediction, cluster, NAMES, CELLS, blocks)


def test_without_a_ubiquitous_cluster_all_peaks_are_specific():
    cluster = np.array([-1, 0, 1, 0])
    found = groups(cluster, ("a", "b"))
    assert found["specific"].tolist() == found["peaks"].tolist() == [1, 2, 3]
