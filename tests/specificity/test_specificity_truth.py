"""Simulated truth: planted clusters, accuracies and overcorrelations are found again."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from tfepi.evaluation.bootstrap import Blocks, Bootstrap
from tfepi.specificity.accuracy import correlations
from tfepi.specificity.averages import averages
from tfepi.specificity.cluster_run import ClusterOptions, cluster_peaks
from tfepi.specificity.clustering import Search
from tfepi.specificity.overcorrelation import overcorrelation
from tfepi.specificity.replicates import ceiling
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval

CELLS = ("B", "T", "NK", "liver", "lung")
PLANTED = {
    "ubiquitous": (CELLS, 300),
    "liver": (("liver",), 150),
    "lung": (("lung",), 120),
    "T+NK": (("T", "NK"), 130),
    "B": (("B",), 100),
}
DEPTH = np.array([0.5, 1, 2, 1, 4])


class PlantedSignal:
    """Reads in peaks of known kinds: heights vary by peak, depth by cell type, noise is Poisson."""

    def __init__(self, seed=0):
        rng = np.random.default_rng(seed)
        self.cell_types, self.files = CELLS, {}
        self.kind = np.repeat(list(PLANTED), [n for _, n in PLANTED.values()])
        openness = np.array([[c in PLANTED[k][0] for c in CELLS] for k in self.kind])
        height = rng.gamma(5, 8, (len(self.kind), 1))
        rate = DEPTH * (2 + openness * height * rng.gamma(12, 1 / 12, openness.shape))
        self.signal = rng.poisson(rate).astype(np.float32)
        self.peaks = [Interval("chr1", 500 * i, 500 * i + 200) for i in range(len(self.kind))]

    def at(self, peaks):
        return self.signal[[p.start // 500 for p in peaks]]


def regions(peaks):
    return {"chr1": np.array([(p.start, p.end) for p in peaks])}


@pytest.mark.parametrize("normalise", ["quantile", "scale"])
def test_planted_clusters_are_found_and_named(normalise):
    source = PlantedSignal()
    found, left = cluster_peaks(source, regions(source.peaks), ClusterOptions(normalise))
    names = np.array(found.peaks.names)[found.peaks.cluster]
    assert not left
    assert set(found.peaks.names) == {
        "ubiquitous",
        "liver",
        "lung",
        "B",
        *_either("T", "NK", names),
    }
    assert found.summary["k"] == 5
    assert adjusted_rand_score(source.kind, names) > 0.97
    assert found.summary["ubiquitous"] == "ubiquitous"
    of = {c.name: set(c.cell_types) for c in found.clusters}
    assert of["ubiquitous"] == set(CELLS)
    assert {"T", "NK"} in of.values()


def _either(a, b, names):
    return {n for n in names if n in (f"{a}+{b}", f"{b}+{a}")}


def test_without_ubiquitous_peaks_no_cluster_is_called_so():
    source = PlantedSignal()
    kept = [p for p, kind in zip(source.peaks, source.kind, strict=True) if kind != "ubiquitous"]
    found, _ = cluster_peaks(
        source, regions(kept), ClusterOptions(search=Search(numbers=(3, 4, 5)))
    )
    assert found.summary["ubiquitous"] is None
    assert "ubiquitous" not in found.peaks.names
    assert found.summary["k"] == 4


def test_peaks_without_values_are_listed():
    source = PlantedSignal()
    source.signal[3, 2] = np.nan
    source.signal[5] = 0
    options = ClusterOptions(search=Search(("kmeans",), (5,)))
    found, left = cluster_peaks(source, regions(source.peaks), options)
    assert [(str(p), p.label) for p in left] == [
        ("chr1:1500-1700", "missing"),
        ("chr1:2500-2700", "empty"),
    ]
    assert found.summary["left_out"] == {"missing": 1, "empty": 1}
    assert len(found.peaks) == len(source.peaks) - 2


def test_peaks_of_each_cell_type_say_where_they_are_open():
    source = PlantedSignal()
    sets = {
        c: regions(
            [p for p, k in zip(source.peaks, source.kind, strict=True) if c in PLANTED[k][0]]
        )
        for c in CELLS
    }
    options = ClusterOptions(search=Search(("kmeans",), (5,)))
    found, _ = cluster_peaks(source, sets, options)
    assert len(found.peaks) == len(source.peaks)
    assert found.open.tolist() == [[c in PLANTED[k][0] for c in CELLS] for k in source.kind]
    chosen = ClusterOptions(search=Search(("kmeans",), (5,)), chroms=("chr9",))
    with pytest.raises(ConfigError, match="no peak is on chr9: --chroms names others"):
        cluster_peaks(source, sets, chosen)


def test_one_cell_type_is_not_enough():
    source = PlantedSignal()
    source.cell_types = CELLS[:1]
    with pytest.raises(ConfigError, match=r"one cell type \(B\)"):
        cluster_peaks(source, regions(source.peaks))


NAMES = ("ubiquitous", "a", "b", "c")
ACCURACY = {"ubiquitous": 0.7, "a": 0.3, "b": 0.45, "c": 0.1}
ALIKE = {"ubiquitous": (0.8, 0.85), "a": (0.1, 0.7), "b": (0.0, 0.8), "c": (-0.1, 0.6)}


def planted_values(seed, n=1600, cells=4, blocks=60):
    """Log-normal values in which correlations of logs are planted, by cluster.

    Measured values of two cell types correlate by `ALIKE[0]`, predictions by `ALIKE[1]`, and a
    cell type's prediction with what was measured by `ACCURACY` (not all at once: the accuracies are
    of a second draw).
    """
    rng = np.random.default_rng(seed)
    cluster = rng.integers(0, 4, n)
    truth, prediction = np.empty((n, cells)), np.empty((n, cells))
    for number, name in enumerate(NAMES):
        rows = cluster == number
        for values, r in zip((truth, prediction), ALIKE[name], strict=True):
            covariance = np.full((cells, cells), r) + (1 - r) * np.eye(cells)
            values[rows] = rng.multivariate_normal(np.zeros(cells), covariance, rows.sum())
    block = Blocks(rng.integers(0, blocks, n), blocks, 1000)
    accurate = np.empty((n, cells))
    for number, name in enumerate(NAMES):
        rows, r = cluster == number, ACCURACY[name]
        noise = rng.normal(0, 1, (rows.sum(), cells))
        accurate[rows] = r * truth[rows] + np.sqrt(1 - r * r) * noise
    return *(2 ** (8 + v) - 1 for v in (truth, prediction, accurate)), cluster, block


def test_planted_accuracies_are_within_their_intervals():
    truth, _, accurate, cluster, block = planted_values(1)
    found = correlations(truth, accurate, cluster, NAMES, tuple("wxyz"), block, Bootstrap(400))
    table = found.table()
    planted = table["group"].map(ACCURACY)
    own = table[planted.notna()]
    inside = (own["low"] <= planted[own.index]) & (planted[own.index] <= own["high"])
    assert len(own) == 20
    assert inside.sum() >= 18
    means = averages(found).set_index("average")
    for name, true in (
        ("specific clusters", np.mean([0.3, 0.45, 0.1])),
        ("ubiquitous peaks", 0.7),
        ("ubiquitous less specific", 0.7 - np.mean([0.3, 0.45, 0.1])),
    ):
        assert means.loc[name, "low"] < true < means.loc[name, "high"]


def test_planted_overcorrelations_are_within_their_intervals():
    truth, prediction, _, cluster, block = planted_values(5)
    inside = 0
    for number, name in enumerate(NAMES):
        rows = cluster == number
        blocks = Blocks(block.index[rows], block.count, 1000)
        found = overcorrelation(truth[rows], prediction[rows], blocks, Bootstrap(400))
        true = ALIKE[name][1] - ALIKE[name][0]
        value, low, high = found.means["overcorrelation"]
        assert low < true < high
        assert value == pytest.approx(true, abs=0.1)
        upper = np.triu_indices(4, 1)
        inside += ((found.low <= true) & (true <= found.high))[upper].sum()
    assert inside >= 21  # of 24


def test_a_planted_correlation_between_donors_is_within_its_interval():
    rng = np.random.default_rng(3)
    n, r = 900, 0.6
    covariance = np.full((3, 3), r) + (1 - r) * np.eye(3)
    signal = 2 ** (8 + rng.multivariate_normal(np.zeros(3), covariance, n)) - 1
    block = Blocks(rng.integers(0, 50, n), 50, 1000)
    found = ceiling({"w": signal}, np.zeros(n, int), ("a",), ("w", "x"), block, Bootstrap(300))
    row = found.table().iloc[0]
    assert row["low"] < r < row["high"]
    assert row["high"] - row["low"] < 0.15
