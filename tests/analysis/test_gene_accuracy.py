"""Accuracy across genes against scipy, and tables that are none."""

import gzip
import json
from dataclasses import dataclass

import h5py
import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from tfepi.analysis.expression_file import FORMAT, NAME, Expression
from tfepi.analysis.gene_accuracy import measure, resampling, summary
from tfepi.analysis.observed_expression import match_genes, match_tracks, read_observed
from tfepi.evaluation.bootstrap import multiplicities
from tfrecords_tools.errors import ConfigError, InputFileError

GENES, TRACKS = 60, 5
IDS = ("C+", "C-", "D1", "D2", "C")
LABELS = ("cage", "cage", "dnase", "dnase", "cage")
STRANDS = ("+", "-", ".", ".", "sense")


@dataclass(frozen=True)
class Made:
    """A folder of predictions, and what was put there."""

    folder: object
    values: dict
    names: list


@pytest.fixture
def made(tmp_path):
    """Predictions of 60 genes on two chromosomes, the last two of which share a name."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "out"
    folder.mkdir()
    names = [f"N{i}" for i in range(GENES - 2)] + ["twice", "twice"]
    values = {
        k: rng.gamma(0.5, 8, (GENES, TRACKS)).astype(np.float32)
        for k in ("tss_bin", "with_neighbours")
    }
    with h5py.File(folder / NAME, "w") as file:
        file.attrs["format"], file.attrs["format_version"] = FORMAT, 1
        file["number"] = np.arange(GENES)
        file["position"] = np.arange(GENES) * 400_000
        file["gene"] = np.array([f"ENSG{i:03}.{i % 4}".encode() for i in range(GENES)])
        file["name"] = np.array([n.encode() for n in names])
        file["chrom"] = np.array([b"chr1", b"chr2"])[np.arange(GENES) // 40]
        for key, texts in (("ids", IDS), ("labels", LABELS), ("strand", STRANDS)):
            file[f"track_{key}"] = np.array([t.encode() for t in texts])
        for key, data in values.items():
            file[key] = data
    return Made(folder, values, names)


@pytest.fixture
def write(tmp_path):
    def table(rows, columns, name="observed.tsv", sep="\t"):
        path = tmp_path / name
        lines = [sep.join(["gene", *columns])]
        lines += [sep.join([g, *("" if v is None else f"{v}" for v in vs)]) for g, vs in rows]
        text = ("\n".join(lines) + "\n").encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return table


def noisy(made, rng, track, genes):
    return made.values["with_neighbours"][genes, track] * np.exp(rng.normal(0, 0.7, len(genes)))


def test_correlations_and_intervals(made, write):
    rng = np.random.default_rng(1)
    genes = rng.permutation(GENES - 5)
    truth = np.stack([noisy(made, rng, t, genes) for t in (0, 4)], axis=1)
    truth[3, 0] = np.nan
    # by identifier with another version, without one, by name; and two that are not there
    names = [(f"ENSG{g:03}.9", f"ENSG{g:03}", f"N{g}")[g % 3] for g in genes]
    rows = [
        (n, [None if np.isnan(v) else repr(float(v)) for v in vs])
        for n, vs in zip(names, truth, strict=True)
    ]
    rows += [("nosuch", [1, 2]), ("twice", [5, 5])]
    path = write(rows, ["C+", "cage"])
    found = measure(made.folder, read_observed(path), resampling(100, 3))
    value = json.loads((made.folder / "accuracy.json").read_text())
    assert value == found.value
    assert (value["format"], value["format_version"]) == ("tfepi-gene-accuracy", 1)
    assert (value["genes"], value["genes_observed"]) == (GENES - 5, GENES - 3)
    assert (value["bootstrap"]["resamples"], value["bootstrap"]["rank_resamples"]) == (100, 100)
    assert value["notes"] == []
    block = np.array([(g >= 40, g * 400_000 // value["bootstrap"]["block_bp"]) for g in genes])
    _, block = np.unique(block, axis=0, return_inverse=True)
    assert block.max() + 1 == value["bootstrap"]["blocks"] >= 20
    means = {}
    for number, track in enumerate((0, 4)):
        entry = value["tracks"][number]
        assert (entry["track"], entry["description"]) == (IDS[track], "cage")
        seen = ~np.isnan(truth[:, number])
        assert entry["genes"] == seen.sum()
        for key, predicted in made.values.items():
            x, y = truth[seen, number], predicted[genes[seen], track].astype(float)
            wanted = {
                "pearsonr_log1p": pearsonr(np.log1p(x), np.log1p(y))[0],
                "spearmanr": spearmanr(x, y)[0],
            }
            for name, r in wanted.items():
                assert entry[key][name]["value"] == pytest.approx(r, abs=1e-9)
                low, high = entry[key][name]["interval"]
                assert low < r < high
                means.setdefault((key, name), []).append(r)
    for (key, name), values in means.items():
        mean = value["mean"][key][name]
        assert mean["value"] == pytest.approx(np.mean(values), abs=1e-9)
        assert mean["tracks"] == 2
        assert mean["interval"][0] < mean["value"] < mean["interval"][1]

    # One interval by hand: genes repeated as often as their block was drawn.
    order = {}  # blocks are numbered as they come
    place = np.array([order.setdefault(b, len(order)) for b in block.tolist()])
    x, y = np.log1p(truth[:, 1]), np.log1p(made.values["tss_bin"][genes, 4].astype(float))
    resampled = []
    for times in multiplicities(len(order), 100, 3):
        rows = np.repeat(np.arange(len(x)), times[place])
        resampled.append(np.corrcoef(x[rows], y[rows])[0, 1])
    entry = value["tracks"][1]["tss_bin"]["pearsonr_log1p"]
    np.testing.assert_allclose(entry["interval"], np.quantile(resampled, (0.025, 0.975)), rtol=1e-6)

    header, *lines = (made.folder / "accuracy.tsv").read_text().splitlines()
    cells = dict(zip(header.split("\t"), lines[1].split("\t"), strict=True))
    assert cells["sample"] == "cage"
    assert float(cells["tss_bin_pearsonr_log1p"]) == pytest.approx(entry["value"], abs=1e-5)
    assert float(cells["tss_bin_pearsonr_log1p_low"]) == pytest.approx(
        entry["interval"][0], abs=1e-5
    )
    text = summary(found).splitlines()
    assert text[0] == f"{GENES - 5} genes"
    assert [line.split("  ")[0] for line in text[2:]] == ["C+", "cage", "mean over 2 tracks"]
    assert [c.name for c in found.clouds] == ["C+", "cage"] or found.clouds[0].name == "cage"
    assert (
        len(found.clouds[0].observed)
        == value["tracks"][["C+", "cage"].index(found.clouds[0].name)]["genes"]
    )


def test_genes_are_those_with_both_values(made, write):
    with h5py.File(made.folder / NAME, "r+") as file:
        file["with_neighbours"][4, 2] = file["tss_bin"][4, 2] = np.nan
    rows = [(f"N{g}", [None if g == 7 else g + 1, g + 1]) for g in range(20)]
    found = measure(made.folder, read_observed(write(rows, ["D1", "D2"])), resampling(0, 0))
    assert [e["genes"] for e in found.value["tracks"]] == [18, 20]


def test_few_blocks_and_constant_values(made, write):
    genes = np.arange(4)
    rows = [(f"N{g}", [1 + g, 7]) for g in genes]
    found = measure(made.folder, read_observed(write(rows, ["C+", "D2"])), resampling(100, 3))
    assert found.value["notes"] == [
        "the genes lie in 4 blocks of the genome, fewer than 5: no intervals"
    ]
    assert found.value["tracks"][0]["tss_bin"]["spearmanr"]["interval"] is None
    assert found.value["tracks"][1]["tss_bin"]["spearmanr"] == {"value": None, "interval": None}
    assert found.value["mean"]["tss_bin"]["spearmanr"]["tracks"] == 1
    assert "undefined" in summary(found)
    found = measure(made.folder, read_observed(write(rows, ["C+", "D2"])), resampling(0, 3))
    assert found.value["notes"] == []
    only = measure(
        made.folder, read_observed(write([(g, v[1:]) for g, v in rows], ["D2"])), resampling(0, 3)
    )
    assert only.value["mean"]["tss_bin"]["spearmanr"] == {
        "tracks": 0,
        "value": None,
        "interval": None,
    }


def test_many_tracks_are_cut_short_for_people(made, write):
    from tfepi.analysis.gene_accuracy import GeneAccuracy

    rows = [(f"N{g}", [1 + g]) for g in range(9)]
    found = measure(made.folder, read_observed(write(rows, ["D1"])), resampling(0, 3))
    many = found.value | {"tracks": found.value["tracks"] * 25}
    lines = summary(GeneAccuracy(many, ())).splitlines()
    assert len(lines) == 2 + 20 + 1
    assert lines[-1].startswith("mean over 25 tracks")


def test_tables_of_any_kind(write):
    rows = [("a", ["some text", 1, None]), ("b", ["other", "NA", 2.5])]
    for name, sep in (("x.tsv", "\t"), ("x.txt.gz", "\t"), ("x.csv", ","), ("x.csv.gz", ",")):
        found = read_observed(write(rows, ["about", "s1", "s2"], name, sep))
        assert (found.genes, found.samples, found.texts) == (("a", "b"), ("s1", "s2"), ("about",))
        np.testing.assert_array_equal(found.values, [[1, np.nan], [np.nan, 2.5]])
    found = read_observed(write([("1", [2]), ("2", [3])], ["s"]))
    assert found.genes == ("1", "2")


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([("a", [1]), ("a", [2])], ["s"], "has gene 'a' in two rows"),
        ([("a", ["x"])], ["s"], "has no column of numbers beside its first; 's' is text: want"),
        ([("a", [])], [], "has no column of numbers beside its first: want"),
        ([("a", [1]), ("b", [-0.5])], ["s"], "s of gene b is -0.5: want finite counts or TPM"),
        ([("a", [1]), ("b", ["inf"])], ["s"], "s of gene b is inf"),
        ([("a", [1]), ("b", [1, 2, 3])], ["s"], "is no table of genes by samples"),
    ],
)
def test_tables_that_are_none(write, rows, columns, message):
    with pytest.raises(InputFileError, match=message):
        read_observed(write(rows, columns))


def test_files_that_are_no_tables(tmp_path):
    with pytest.raises(InputFileError, match=r"observed expression .* does not exist"):
        read_observed(tmp_path / "nosuch")
    for data in (b"", b"\xff\xfe\x00", b"\x1f\x8b\x08\x00no"):
        path = tmp_path / ("x.tsv.gz" if data[:1] == b"\x1f" else "x.tsv")
        path.write_bytes(data)
        with pytest.raises(InputFileError, match="is no table of genes by samples"):
            read_observed(path)


def test_which_tracks_samples_are(made, write, caplog):
    expression = Expression.read(made.folder)

    def pairs(*columns):
        return match_tracks(read_observed(write([("a", range(len(columns)))], columns)), expression)

    assert pairs("D2", "x", "cage", "C-") == [(0, 3), (2, 4), (3, 1)]
    assert not caplog.records
    assert pairs("dnase", "C") == [(1, 4)]
    assert "left out 1 column of several tracks" in caplog.text
    assert "as 'dnase' (D1, D2): name them by identifier" in caplog.text
    with pytest.raises(
        ConfigError, match=r"no column of .* \(x, y\) is the identifier or .* \(C\+,"
    ):
        pairs("x", "y")
    with pytest.raises(InputFileError, match="column 'D1' has cells that are no numbers"):
        match_tracks(
            read_observed(write([("a", ["1", 2]), ("b", ["?", 2])], ["D1", "D2"])), expression
        )


def test_which_genes_rows_are(made, write, caplog):
    expression = Expression.read(made.folder)

    def found(*genes):
        observed = read_observed(write([(g, [1]) for g in genes], ["D1"]))
        rows, numbers = match_genes(observed, expression)
        return list(zip(rows.tolist(), numbers.tolist(), strict=True))

    assert found("N3", "x", "ENSG001.1", "ENSG002.77", "ENSG005") == [
        (0, 3),
        (2, 1),
        (3, 2),
        (4, 5),
    ]
    assert not caplog.records
    assert found("twice", "N1", "N2", "N3") == [(1, 1), (2, 2), (3, 3)]
    assert "left out 1 gene of a name that several have" in caplog.text
    with pytest.raises(
        InputFileError, match=r"rows 'N1' and 'ENSG001' are both of gene ENSG001\.1"
    ):
        found("N1", "N2", "ENSG001", "N3")
    with pytest.raises(
        InputFileError, match=r"2 of the 3 genes of .* \(N1, N2, x, …\) are among the 60"
    ):
        found("N1", "N2", "x")


def test_resamples_that_are_too_few():
    with pytest.raises(ConfigError, match="bootstrap has 5 resamples"):
        resampling(5, 1)
