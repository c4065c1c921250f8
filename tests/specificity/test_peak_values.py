"""What a test measured and predicted in peaks, and the file of clusters beside the table."""

import json

import numpy as np
import pytest

from tfepi.evaluation.bootstrap import Bootstrap, genome_blocks
from tfepi.evaluation.predictions import Layout
from tfepi.specificity.accuracy import correlations
from tfepi.specificity.cluster_file import peak_clusters, write_clusters
from tfepi.specificity.peak_values import bins_in_peaks, own_cell_types, peak_values, with_genome
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

WINDOWS = tuple(Interval("chr1", 1000 * i, 1000 * i + 40) for i in range(30))
TARGETS = tuple(Target(i, name) for i, name in enumerate("xyz"))


class Predictions:
    """Values in memory, column by column, as a test has them."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self.layout = Layout(WINDOWS, 4, 10, TARGETS)
        self.truth = rng.gamma(1, 3, (30, 4, 3)).astype(np.float32)
        self.predicted = (self.truth * rng.gamma(3, 0.3, self.truth.shape)).astype(np.float32)

    def column(self, target):
        return self.truth[:, :, target], self.predicted[:, :, target]


@pytest.fixture
def peaks():
    start = [1000 * i + 10 * (i % 4) for i in range(0, 30, 2)]
    return peak_clusters(
        ["chr1"] * 15, start, [s + 10 for s in start], ["a", "ubiquitous", "b"] * 5
    )


def test_values_are_those_of_the_peaks(peaks):
    predictions = Predictions()
    found = peak_values(predictions, peaks, columns=(2, 0), block_bp=2000)
    assert found.cell_types == ("z", "x")
    assert found.names == ("ubiquitous", "a", "b")
    assert list(found.bins) == peaks.intervals()
    assert found.peak.tolist() == list(range(15))
    for row, window in enumerate(range(0, 30, 2)):
        assert found.truth[row].tolist() == predictions.truth[window, window % 4, [2, 0]].tolist()
        assert (found.prediction[row] == predictions.predicted[window, window % 4, [2, 0]]).all()
    blocks = genome_blocks(WINDOWS, 2000)
    assert found.blocks.count == blocks.count == 15
    assert found.blocks.index.tolist() == blocks.index[::2].tolist()


def test_genome_wide_is_of_all_bins(peaks):
    predictions = Predictions()
    how = Bootstrap(30)
    values = peak_values(predictions, peaks, block_bp=2000)
    found = with_genome(correlations(*values.arguments, how), predictions, None, 2000, how)
    g = found.groups.index("genome-wide")
    for c in range(3):
        logs = [np.log2(v[:, :, c].ravel() + 1) for v in (predictions.truth, predictions.predicted)]
        assert found.value[g, c] == pytest.approx(np.corrcoef(*logs)[0, 1], abs=1e-6)
    assert found.n[g].tolist() == [120] * 3
    table = found.table().set_index(["group", "cell_type"])
    assert table.loc[("genome-wide", "x"), "low"] < found.value[g, 0]
    predictions.predicted[:, :, 1] = 2
    found = with_genome(correlations(*values.arguments, how), predictions, None, 2000, how)
    assert "predictions are constant" in found.notes["genome-wide", "y"]


def test_peaks_elsewhere(peaks):
    layout = Layout(
        tuple(Interval("chr1", 9 + 1000 * i, 49 + 1000 * i) for i in (41, 43)), 4, 10, TARGETS
    )
    with pytest.raises(InputFileError, match="none of 15 peaks is in the windows of label 'test'"):
        bins_in_peaks(layout, peaks)
    with pytest.raises(ConfigError, match=r"one cell type \(y\)"):
        peak_values(Predictions(), peaks, columns=(1,))


def test_own_cell_types(tmp_path, peaks):
    table = tmp_path / "clusters.tsv"
    write_clusters(table, peaks)
    assert own_cell_types(table, peaks.names) is None
    beside = tmp_path / "clusters.json"
    value = {"format": "tfepi-peak-clusters", "format_version": 1}
    value["clusters"] = [{"name": n, "cell_types": ["x", "y"]} for n in ("ubiquitous", "a", "b")]
    beside.write_text(json.dumps(value))
    assert own_cell_types(table, peaks.names) == {"a": ("x", "y"), "b": ("x", "y")}
    beside.write_text(json.dumps(value | {"clusters": value["clusters"][:2]}))
    with pytest.raises(InputFileError, match="does not have cluster 'b'"):
        own_cell_types(table, peaks.names)
    beside.write_text(json.dumps(value | {"format_version": 2}))
    with pytest.raises(InputFileError, match="version 2, want 'tfepi-peak-clusters' version 1"):
        own_cell_types(table, peaks.names)
