"""Correlation between donors, and the table of their tracks."""

from itertools import combinations

import numpy as np
import pytest

from tfepi.evaluation.bootstrap import Blocks, Bootstrap
from tfepi.specificity.replicate_table import read_replicates, replicate_signals
from tfepi.specificity.replicates import ceiling
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

NAMES, CELLS = ("ubiquitous", "a"), ("x", "y", "z")


def draw(seed=0, n=300):
    rng = np.random.default_rng(seed)
    shared = rng.gamma(2, 3, (n, 1))
    signals = {"x": shared * rng.gamma(4, 0.25, (n, 3)), "z": shared * rng.gamma(4, 0.25, (n, 2))}
    signals["x"][rng.random((n, 3)) < 0.1] = np.nan
    return signals, rng.integers(-1, 2, n), Blocks(rng.integers(0, 12, n), 12, 1000)


def test_the_mean_over_pairs_of_donors():
    signals, cluster, blocks = draw()
    found = ceiling(signals, cluster, NAMES, CELLS, blocks, Bootstrap(50))
    for g, rows in ((0, cluster == 0), (1, cluster == 1), (2, cluster == 1), (3, cluster >= 0)):
        for c, cell in ((0, "x"), (2, "z")):
            logs = np.log2(signals[cell][rows] + 1)
            each = []
            for i, j in combinations(range(logs.shape[1]), 2):
                seen = ~np.isnan(logs[:, [i, j]]).any(axis=1)
                each.append(np.corrcoef(logs[seen][:, i], logs[seen][:, j])[0, 1])
            assert found.value[g, c] == pytest.approx(np.mean(each))
    assert np.isnan(found.value[:, 1]).all()
    assert found.notes["a", "y"] == "no replicates of this cell type"
    table = found.table().set_index(["group", "cell_type"])
    assert table.loc[("a", "x"), "low"] < found.value[1, 0] < table.loc[("a", "x"), "high"]
    assert table.loc[("a", "mean"), "pearsonr_log2"] == pytest.approx(np.nanmean(found.value[1]))


def test_signal_that_is_of_other_positions():
    signals, cluster, blocks = draw()
    for wrong in (signals["x"][:5], signals["x"][:, :1]):
        with pytest.raises(ConfigError, match=r"replicates of 'x' are of shape"):
            ceiling({"x": wrong}, cluster, NAMES, CELLS, blocks)


TARGETS = (Target(0, "x", scale=2.0, sum_stat="mean"), Target(1, "y", sum_stat="sum"))


def test_donors_are_summarised_as_their_cell_type(tmp_path, write_bigwig):
    values = np.repeat(np.random.default_rng(4).gamma(1, 3, (2, 50)), 4, axis=1).astype(np.float32)
    for i in range(2):
        write_bigwig(tmp_path / f"d{i}.bw", {"chr1": values[i]})
    table = tmp_path / "donors.tsv"
    rows = [
        ("d0.bw", "x", "one"),
        ("d1.bw", "x", "two"),
        ("d1.bw", "y", "one"),
        ("d0.bw", "y", "two"),
    ]
    table.write_text("file\tcell_type\tdonor\n" + "".join("\t".join(r) + "\n" for r in rows))
    found = read_replicates(table, TARGETS)
    assert [t.identifier for t in found["x"]] == ["one", "two"]
    bins = [Interval("chr1", 16, 48), Interval("chr1", 100, 132)]
    signals = replicate_signals(found, bins)
    for row, b in enumerate(bins):
        cut = values[:, b.start : b.end]
        assert signals["x"][row] == pytest.approx(2 * cut.mean(axis=1), rel=2e-3)
        assert signals["y"][row] == pytest.approx(cut.sum(axis=1)[::-1], rel=2e-3)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (["x\tone\ta.bw"], ConfigError, "one donor of 'x'"),
        (["x\tone\ta.bw", "x\tone\ta.bw"], ConfigError, "donor 'one' of 'x' twice"),
        (["q\tone\ta.bw"], ConfigError, "unknown cell type 'q'"),
        (["x\tone\tnone.bw"], InputFileError, "line 2: track .* does not exist"),
        (["x\t\ta.bw"], InputFileError, "line 2 has an empty cell"),
        ([], InputFileError, "no rows below its header"),
    ],
)
def test_tables_of_replicates_that_are_wrong(tmp_path, rows, error, message):
    (tmp_path / "a.bw").write_text("")
    table = tmp_path / "donors.tsv"
    table.write_text("\n".join(["cell_type\tdonor\tfile", *rows]) + "\n")
    with pytest.raises(error, match=message):
        read_replicates(table, TARGETS)


def test_a_table_of_other_columns(tmp_path):
    table = tmp_path / "donors.tsv"
    table.write_text("cell\tdonor\tfile\nx\tone\ta.bw\n")
    with pytest.raises(InputFileError, match="want cell_type, donor, file"):
        read_replicates(table, TARGETS)
