"""tfepi_specificity.py clusters and accuracy from the command line."""

import json

import h5py
import numpy as np
import pandas as pd
import pytest

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfepi.specificity.cluster_file import read_clusters
from tfepi.specificity.peak_values import NO_OWN
from tfrecords_tools.targets import Target

SCRIPT = "tfepi_specificity.py"
CELLS = ("x", "y", "z")
LENGTH, WIDTH, STEP = 64, 16, 1000
KINDS = ((1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1))  # by window, in turn; then none
OPEN = 2  # the bin of a window that is a peak's


@pytest.fixture
def data(write_records):
    """Records of 200 windows of 4 bins, 1 kb apart: in four of five the third bin is a peak."""
    rng = np.random.default_rng(6)

    def values(row):
        signal = rng.gamma(2, 0.05, (4, 3))
        if row % 5 < 4:
            signal[OPEN] += rng.gamma(4, 4) * np.array(KINDS[row % 5]) * rng.gamma(9, 1 / 9, 3)
        return signal.astype(np.float16)

    targets = tuple(Target(i, cell, sum_stat="mean") for i, cell in enumerate(CELLS))
    starts = [STEP * (i + 1) for i in range(200)]
    sizes = {"seq_length": LENGTH, "crop": 0, "width": WIDTH, "most": 200}
    counts = {"train": 80, "test": 120}
    return write_records(counts, starts=starts, targets=targets, values=values, **sizes)


@pytest.fixture
def peaks(tmp_path):
    """BED of the peaks."""
    places = [STEP * (i + 1) + OPEN * WIDTH for i in range(200) if i % 5 < 4]
    path = tmp_path / "peaks.bed"
    path.write_text("".join(f"chr1\t{p}\t{p + WIDTH}\n" for p in places))
    return path


@pytest.fixture
def clusters(here, data, peaks, tmp_path):
    out = tmp_path / "clusters"
    how = ("--normalise", "scale", "-k", "3-6", "--seed", 2, "-q", "--no_figures")
    status, printed, errors = here(
        SCRIPT, "clusters", data.folder, "-o", out, "--peaks", peaks, *how
    )
    assert (status, errors) == (0, [])
    assert "160 peaks in 4 clusters" in printed
    return out


@pytest.fixture
def model(tmp_path, data, monkeypatch):
    """A run folder of a model of composition."""
    folder = tmp_path / "run"
    folder.mkdir()
    heads = (Head("output", data.targets),)
    spec = ModelSpec("composition", {"sequence": (LENGTH, 4)}, WIDTH, 0, heads)
    spec.write(folder / "model.json")
    (folder / "model_best.keras").write_bytes(b"weights")
    (folder / "params.json").write_text(json.dumps({"model": {"name": "composition"}}))

    def function(one_hot):
        return one_hot.reshape(len(one_hot), 4, WIDTH, 4).sum(axis=2)[:, :, :3]

    monkeypatch.setattr(
        "tfepi.predictors.load_predictor", lambda *_: CallablePredictor(function, spec)
    )
    return folder


def test_clusters(clusters, data, peaks, here):
    found = read_clusters(clusters / "clusters.tsv")
    assert found.names == ("ubiquitous", *CELLS)
    kinds = [("ubiquitous", *CELLS)[i % 5] for i in range(200) if i % 5 < 4]
    right = np.array(found.names)[found.cluster] == np.array(kinds)
    assert right.mean() > 0.95
    table = pd.read_csv(clusters / "clusters.tsv", sep="\t")
    assert {"height", "tau", "signal x", "signal z"} <= set(table.columns)
    summary = json.loads((clusters / "clusters.json").read_text())
    assert (summary["format"], summary["format_version"]) == ("tfepi-peak-clusters", 1)
    assert summary["k"] == 4
    assert len(summary["silhouettes"]) == 12
    assert summary["seed"] == 2
    assert [c["cell_types"] for c in summary["clusters"]][1:] == [[c] for c in CELLS]
    beds = {p.name: p.read_text().count("\n") for p in (clusters / "beds").iterdir()}
    assert beds == {f"{c['name']}.bed": c["peaks"] for c in summary["clusters"]}
    with h5py.File(clusters / "signal.h5") as file:
        assert file.attrs["format"] == "tfepi-peak-signal"
        np.testing.assert_allclose(file["signal"][:, 0], table["signal x"], atol=1e-5)
    arguments = ("clusters", data.folder, "-o", clusters, "--peaks", peaks, "--normalise", "scale")
    arguments += ("-k", "3-6", "--seed", 2, "-q")
    status, _, errors = here(SCRIPT, *arguments)
    assert status == 2
    assert "--overwrite" in errors[0]
    kept = {p: p.read_bytes() for p in clusters.rglob("*") if p.is_file() and p.name != "run.json"}
    assert here(SCRIPT, *arguments, "--overwrite")[0] == 0
    assert all(path.read_bytes() == content for path, content in kept.items())
    for name in ("clusters", "silhouettes"):
        assert (clusters / "figures" / f"{name}.png").stat().st_size > 4000


def test_peaks_called_from_the_records(here, data, peaks, tmp_path):
    out = tmp_path / "called"
    options = ("--threshold", 3, "-k", "4", "--normalise", "none", "-q", "--no_figures")
    status, _, _ = here(SCRIPT, "clusters", data.folder, "-o", out, *options)
    assert status == 0
    found = read_clusters(out / "clusters.tsv")
    assert set(found.end - found.start) == {WIDTH}
    assert set((found.start - OPEN * WIDTH) % STEP) == {0}
    table = pd.read_csv(out / "clusters.tsv", sep="\t")
    assert (table["open_in"].str.split(",").str.len()).between(1, 3).all()
    summary = json.loads((out / "clusters.json").read_text())
    assert summary["peaks_from"]["thresholds"] == dict.fromkeys(CELLS, 3.0)
    # the data's own width may be named; what would do nothing is refused
    again = ("--overwrite", "--width", WIDTH, "-t", "z,x")
    status, printed, _ = here(SCRIPT, "clusters", data.folder, "-o", out, *options, *again)
    assert status == 0
    names = [f"{name}, " for name in ("clusters.json", "clusters.tsv", "run.json", "signal.h5")]
    assert printed.splitlines()[-1] == f"wrote {out}: {''.join(names)}beds/"
    assert json.loads((out / "clusters.json").read_text())["cell_types"] == ["z", "x"]
    for change, message in (
        (("--width", 100), "--width 100 is given, and bins of this data folder are of 16 bp"),
        (("--nan", "keep"), "--nan keep is given, and it is of tracks, while a data folder"),
        (("--quantile", 0.9), "--quantile 0.9 and --threshold 3 are two ways to call peaks"),
        (("--chroms", "chr9"), "no window of"),
        (("--threshold", 1e6), "no bin of a cell type is above its threshold: lower --threshold"),
        (("--peaks", peaks), "--threshold 3.0 is given, and it is of peaks that are called, while"),
    ):
        status, _, errors = here(
            SCRIPT, "clusters", data.folder, "-o", tmp_path / "no", *options, *change
        )
        assert (status, len(errors)) == (2, 1)
        assert message in errors[0]


def test_peaks_left_out_are_counted(here, data, peaks, tmp_path):
    with open(peaks, "a") as file:
        file.write("chr1\t900000\t900100\n")  # in no window
    out = tmp_path / "out"
    how = ("--normalise", "scale", "-k", 4, "-q", "--no_figures", "--peaks", peaks)
    status, printed, _ = here(SCRIPT, "clusters", data.folder, "-o", out, *how)
    assert status == 0
    first = printed.splitlines()[0]
    assert first.startswith("160 of 161 peaks in 4 clusters (")
    assert first.endswith("; 1 without a value in some cell type")
    counts = [int(x.split()[1]) for x in printed.splitlines()[2:-1]]
    assert sum(counts) == 160
    assert (out / "left_out.bed").read_text().count("\n") == 1


def test_accuracy_of_a_model_and_of_its_test(here, clusters, data, model, tmp_path):
    out = tmp_path / "accuracy"
    named = (clusters, model / "params.json", model, data.folder)
    options = ("--bootstrap", 40, "--draws", 3, "-q", "-o")
    status, printed, errors = here(SCRIPT, "accuracy", *named, *options, out)
    assert (status, errors) == (0, [])
    assert "specific clusters" in printed
    first, *_, last = printed.splitlines()
    assert first == (
        "tested: 120 windows of label 'test', in which are 96 of 160 peaks: 24 bins of 24 "
        "ubiquitous peaks, 72 bins of 72 specific peaks"
    )
    names = {p.name + "/" * p.is_dir() for p in out.iterdir() if not p.name.startswith(".")}
    assert set(last.removeprefix(f"wrote {out}: ").split(", ")) == names
    for option in (("--label", "test"), ("--no_rc",), ("--shifts", "0"), ("--batch_size", "8")):
        done = ("--test", out / "test", *option, "-o", tmp_path / "no", "-q")
        status, _, errors = here(SCRIPT, "accuracy", clusters, *done)
        assert (status, len(errors)) == (2, 1)
        assert f"{' '.join(option)} is given, and --test {out / 'test'} is a test" in errors[0]
    table = pd.read_csv(out / "accuracy.tsv", sep="\t").set_index(["group", "cell_type"])
    with h5py.File(out / "test" / "preds.h5") as p, h5py.File(out / "test" / "targets.h5") as t:
        predicted, measured = p["preds"][:].astype(float), t["targets"][:].astype(float)
        starts = p["start"][:]
    of = read_clusters(clusters / "clusters.tsv")
    at = of.at(["chr1"] * len(starts), starts + OPEN * WIDTH)
    for number, name in enumerate(of.names):
        rows = at == number
        for c, cell in enumerate(CELLS):
            r = np.corrcoef(*(np.log2(v[rows, OPEN, c] + 1) for v in (measured, predicted)))[0, 1]
            assert table.loc[(name, cell), "pearsonr_log2"] == pytest.approx(r, abs=1e-4)
            assert table.loc[(name, cell), "n"] == rows.sum()
            own = {} if name == "ubiquitous" else {name: 1}
            if own:
                assert table.loc[(name, cell), "own"] == own.get(cell, 0)
    every = np.corrcoef(*(np.log2(v[:, :, 0].ravel() + 1) for v in (measured, predicted)))[0, 1]
    assert table.loc[("genome-wide", "x"), "pearsonr_log2"] == pytest.approx(every, abs=1e-4)
    over = pd.read_csv(out / "overcorrelation.tsv", sep="\t")
    assert set(over["group"]) == {"ubiquitous", *CELLS, "specific", "peaks"}
    matched = pd.read_csv(out / "matched.tsv", sep="\t")
    assert set(matched["set"]) == {"specific", "own"}
    summary = json.loads((out / "accuracy.json").read_text())
    assert summary["format"] == "tfepi-specificity-accuracy"
    assert sum(t["peaks"] for t in summary["tested"].values()) == 96
    figures = {p.stem for p in (out / "figures").iterdir()}
    wanted = {"reference_accuracy", "accuracy_by_cluster", "averages", "overcorrelation"}
    assert figures == wanted | {"peak_heights", "height_matched"}
    again = tmp_path / "again"
    assert (
        here(SCRIPT, "accuracy", clusters, "--test", out / "test", *options, again, "--no_figures")[
            0
        ]
        == 0
    )
    for name in ("accuracy.tsv", "matched.tsv", "overcorrelation.tsv"):
        assert (again / name).read_bytes() == (out / name).read_bytes()
    # resumed: the test is done, the rest is made again
    (out / "accuracy.json").unlink()
    assert here(SCRIPT, "accuracy", *named, *options, out)[0] == 2
    assert here(SCRIPT, "accuracy", *named, *options, out, "--resume", "--no_figures")[0] == 0
    assert (out / "accuracy.json").read_bytes() == (again / "accuracy.json").read_bytes()


def test_replicates(here, clusters, data, model, tmp_path, write_bigwig):
    rng = np.random.default_rng(3)
    shared = rng.gamma(1, 3, 202)
    for donor in range(2):
        values = np.repeat(shared * rng.gamma(9, 1 / 9, 202), STEP).astype(np.float32)
        write_bigwig(tmp_path / f"{donor}.bw", {"chr1": values})
    table = tmp_path / "donors.tsv"
    table.write_text("cell_type\tdonor\tfile\ny\tone\t0.bw\ny\ttwo\t1.bw\n")
    options = ("--bootstrap", 20, "--draws", 1, "-q", "--no_figures", "--replicates", table, "-o")
    named = (clusters, model / "params.json", model, data.folder)
    out = tmp_path / "accuracy"
    status, printed, _ = here(SCRIPT, "accuracy", *named, *options, out)
    assert status == 0
    found = pd.read_csv(out / "ceiling.tsv", sep="\t").set_index(["group", "cell_type"])
    assert found.loc[("specific", "y"), "pearsonr_log2"] > 0.8
    assert np.isnan(found.loc[("specific", "x"), "pearsonr_log2"])
    assert "genome-wide" not in found.index.get_level_values(0)
    # beside the model in the same cell type, in print, table and json
    beside = pd.read_csv(out / "donors.tsv", sep="\t").set_index("average")
    assert set(beside["cell_types"]) == {"y"}
    own = pd.read_csv(out / "accuracy.tsv", sep="\t").set_index(["group", "cell_type"])
    row = beside.loc["specific peaks"]
    model_in_y = own.loc[("specific", "y"), "pearsonr_log2"]
    assert row["pearsonr_log2"] == pytest.approx(model_in_y, abs=1e-5)
    assert row["ceiling"] == pytest.approx(found.loc[("specific", "y"), "pearsonr_log2"], abs=1e-5)
    assert {"own clusters", "ubiquitous peaks", "all peaks"} <= set(beside.index)
    told = json.loads((out / "accuracy.json").read_text())["donors"]
    assert [r["average"] for r in told] == beside.index.tolist()
    [line] = [x for x in printed.splitlines() if x.startswith("specific peaks (y)")]
    assert f"{model_in_y:.3f}" in line


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"-t": "x"}, "there is one cell type (x)"),
        ({"--label": "valid"}, "unknown label 'valid'"),
        ({"-t": "x,w"}, "unknown target 'w'"),
        ({"--test": "somewhere"}, "leave one out"),
        ({"--rule": "middle"}, "unknown rule 'middle'"),
        ({"--edges": "3,2"}, "at least two, rising"),
        ({"--replicates": "none.tsv"}, "table of replicates none.tsv does not exist"),
    ],
)
def test_accuracy_that_cannot_be_measured(here, clusters, data, model, tmp_path, change, message):
    named = (clusters, model / "params.json", model, data.folder)
    [option] = change.items()
    out = tmp_path / "out"
    status, printed, errors = here(SCRIPT, "accuracy", *named, "-o", out, "-q", *option)
    assert (status, printed, len(errors)) == (2, "", 1)
    assert message in errors[0]
    assert not out.exists()


def test_clusters_of_other_chromosomes_and_of_too_little(here, clusters, data, model, tmp_path):
    named = (model / "params.json", model, data.folder)
    out = ("-o", tmp_path / "out", "-q")
    other = tmp_path / "other.tsv"
    text = (clusters / "clusters.tsv").read_text()
    other.write_text(text.replace("chr1\t", "1\t"))
    (tmp_path / "clusters.json").write_bytes((clusters / "clusters.json").read_bytes())
    status, _, errors = here(SCRIPT, "accuracy", other, *named, *out)
    assert status == 2
    assert "the clusters have 1, the data chr1" in errors[0]
    lines = text.splitlines(keepends=True)
    other.write_text(lines[0] + "".join(x for x in lines[1:] if int(x.split("\t")[1]) < 50_000))
    status, _, errors = here(SCRIPT, "accuracy", other, *named, *out)
    assert status == 2
    assert "is in the windows of label 'test'" in errors[0]
    status, _, errors = here(SCRIPT, "accuracy", other, named[0], *out)
    assert "1 of params.json, model and data are given" in errors[0]
    for options, message in (
        (("-t", "y"), "one cell type (y)"),
        (("--normalise", "median"), "unknown normalisation 'median'"),
        (("-k", "1"), "k is '1'"),
    ):
        status, _, errors = here(SCRIPT, "clusters", data.folder, *out, *options)
        assert status == 2
        assert message in errors[0]
    assert not (tmp_path / "out").exists()


def test_a_cluster_without_tested_peaks_is_counted(here, clusters, data, model, tmp_path, caplog):
    table = tmp_path / "some.tsv"
    lines = (clusters / "clusters.tsv").read_text().splitlines(keepends=True)
    kept = [x for x in lines if "\tx\t" not in x or int(x.split("\t")[1]) < 50_000]
    table.write_text("".join(kept))
    named = (model / "params.json", model, data.folder)
    options = ("--bootstrap", 20, "--draws", 1, "-o", tmp_path / "out", "--no_figures")
    status, printed, errors = here(SCRIPT, "accuracy", table, *named, *options, "-q")
    assert status == 0
    assert "own clusters" not in printed  # there is no clusters.json beside the table
    summary = json.loads((tmp_path / "out" / "accuracy.json").read_text())
    assert summary["tested"]["x"] == {"bins": 0, "peaks": 0}
    assert summary["notes"][0] == (
        "cluster x has no peak among those tested: its accuracy is undefined"
    )
    assert summary["notes"][1] == NO_OWN
    assert "clusters.json" in NO_OWN
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == summary["notes"]
    assert errors == []


def test_constant_predictions_are_undefined_and_said_to_be(
    here, clusters, data, model, tmp_path, monkeypatch
):
    spec = ModelSpec.read(model / "model.json")
    constant = CallablePredictor(lambda x: np.ones((len(x), 4, 3)), spec)
    monkeypatch.setattr("tfepi.predictors.load_predictor", lambda *_: constant)
    named = (clusters, model / "params.json", model, data.folder)
    options = ("--bootstrap", 20, "--draws", 1, "-o", tmp_path / "out")
    status, printed, _ = here(SCRIPT, "accuracy", *named, *options)
    assert status == 0
    assert printed.count("undefined") > 10
    table = pd.read_csv(tmp_path / "out" / "accuracy.tsv", sep="\t")
    assert table["pearsonr_log2"].isna().all()
    notes = json.loads((tmp_path / "out" / "accuracy.json").read_text())["notes"]
    assert notes == [
        "the predictions are constant in some group of peaks, and r is undefined there, for x, y, z"
    ]
    figures = {p.stem for p in (tmp_path / "out" / "figures").iterdir()}
    assert figures == {"reference_accuracy", "peak_heights"}


def test_help_is_quick(run_script):
    for part in ((), ("clusters",), ("accuracy",)):
        assert "usage" in run_script(SCRIPT, *part, "--help").stdout
