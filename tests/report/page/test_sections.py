"""Sections of a real job, beside what its files hold; and each check, passed and failed."""

import csv
import json
import shutil

import h5py
import numpy as np
import pytest

from tfepi.report.page import top_hits as top
from tfepi.report.page.accuracy import accuracy_section
from tfepi.report.page.content import Table
from tfepi.report.page.data import data_section
from tfepi.report.page.folders import find
from tfepi.report.page.limits import limits_section
from tfepi.report.page.meaning import meaning
from tfepi.report.page.models import model_section
from tfepi.report.page.others import MOST_ROWS, other_section
from tfepi.report.page.provenance import provenance
from tfepi.report.page.training import training_section
from tfepi.report.page.variants import variant_section
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.scores import STATISTICS
from tfrecords_tools.errors import InputFileError


def tables(section) -> dict[str, Table]:
    return {b.name: b for b in section.blocks if isinstance(b, Table)}


def statuses(section) -> dict[str, str]:
    return {c.name: c.status for c in section.checks}


@pytest.fixture
def copied(job, tmp_path):
    """Return a function that copies folders of the job and changes a JSON file of one."""

    def copy(*names, change=None):
        for name in names:
            shutil.copytree(job / name, tmp_path / name)
        if change:
            file, edit = change
            path = tmp_path / file
            value = json.loads(path.read_text())
            edit(value)
            path.write_text(json.dumps(value))
        return find([tmp_path])

    return copy


def test_data(job):
    section = data_section(find([job]))
    found = tables(section)
    windows = [line.split() for line in (job / "data/sequences.bed").read_text().splitlines()]
    for row in found["splits_0"].rows:
        own = [w for w in windows if w[3] == row["label"]]
        assert row["windows"] == len(own)
        covered = {(w[0], p) for w in own for p in range(int(w[1]), int(w[2]))}
        assert row["kb"] == round(len(covered) / 1000)
        black = [b.split()[:3] for b in (job / "genome/blacklist.bed").read_text().splitlines()]
        hit = {(c, p) for c, a, b in black for p in range(int(a), int(b))} & covered
        assert row["blacklisted"] == pytest.approx(100 * len(hit) / len(covered))
    manifest = json.loads((job / "data/manifest.json").read_text())
    bins = len(windows) * manifest["statistics"]["target_length"]
    for row, track in zip(found["targets_0"].rows, manifest["tracks"], strict=True):
        assert (row["identifier"], row["mean"]) == (track["identifier"], track["mean"])
        assert row["clipped"] == 100 * track["clipped_bins"] / bins
    checked = json.loads((job / "check/check.json").read_text())["tracks"]
    for row, track in zip(found["coverage_0"].rows, checked, strict=True):
        shares = [p["covered"] for p in track["coverage"]]
        bases = [p["bases"] for p in track["coverage"]]
        assert row["covered"] == pytest.approx(100 * np.average(shares, weights=bases))
        assert row["largest"] == max(p["largest"] for p in track["coverage"])
    assert set(statuses(section).values()) == {"pass"}
    assert data_section(find([job / "run"])) is None


@pytest.mark.parametrize(
    ("shift", "status", "words"),
    [(0, "fail", "have bins that train has too"), (70, "warn", "share some sequence with train")],
)
def test_leakage_is_found(copied, tmp_path, shift, status, words):
    copied("data")
    path = tmp_path / "data" / "sequences.bed"
    rows = [line.split("\t") for line in path.read_text().splitlines()]
    chrom, start, end, _ = next(r for r in rows if r[3] == "train")
    low, high = int(start) + shift, int(end) + shift
    held = [r for r in rows if r[3] == "test"]
    rows = [r for r in rows if r[0] != chrom] + [[chrom, start, end, "train"]]
    rows[rows.index(held[0])] = [chrom, str(low), str(high), "test"]
    path.write_text("".join("\t".join(r) + "\n" for r in rows))
    [check, *_] = data_section(find([tmp_path])).checks
    assert (check.status, words in check.found) == (status, True)
    assert check.advice


@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("clipped_bins", 10**9, "Targets are hardly clipped"),
        ("missing_share", 0.7, "Targets are measured"),
        ("sd", 0.0, "Targets vary"),
    ],
)
def test_tracks_that_are_odd_are_named(copied, key, value, name):
    runs = copied(
        "data", change=("data/manifest.json", lambda m: m["tracks"][1].update({key: value}))
    )
    [check] = [c for c in data_section(runs).checks if c.name == name]
    assert check.status == "warn"
    assert "cell2" in check.found


def test_training(job, copied, tmp_path):
    lines = [json.loads(x) for x in (job / "run/metrics.jsonl").read_text().splitlines()]
    section = training_section(find([job]))
    assert [r["loss"] for r in tables(section)["epochs_0"].rows] == [x["loss"] for x in lines]

    def edit(state):
        state["best_epoch"] = 0

    runs = copied("run", change=("run/state.json", edit))
    assert statuses(training_section(runs))["Training went on long enough"] == "pass"
    epochs = [x | {"pearsonr": 0.9, "valid_pearsonr": 0.2} for x in lines]
    (tmp_path / "run/metrics.jsonl").write_text("".join(json.dumps(e) + "\n" for e in epochs))
    assert statuses(training_section(runs))["No gap between training and validation"] == "warn"
    (tmp_path / "run/bad_batch.json").write_text("{}")
    assert statuses(training_section(runs))["Loss stayed a number"] == "fail"
    (tmp_path / "run/metrics.jsonl").write_text("")
    assert not tables(training_section(runs))


def test_a_best_epoch_that_is_the_last_is_told(copied):
    runs = copied("run", change=("run/state.json", lambda s: s.update(best_epoch=1)))
    [check] = [c for c in training_section(runs).checks if "long enough" in c.name]
    assert (check.status, "is the last of 2" in check.found) == ("warn", True)


def test_model(job):
    from tfepi.predictors import load_keras

    section = model_section(find([job]), True)
    [row] = tables(section)["models"].rows
    model = load_keras(job / "run")
    assert row["parameters"] == sum(int(np.prod(w.shape)) for w in model.weights)
    assert row["trainable"] == sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert (row["window"], row["bins"], row["bin_width"], row["targets"]) == (256, 1, 64, 3)
    # Dense layers read the whole of what is left of the sequence.
    assert row["field"] == 256
    assert tables(section)["layers_0"].rows[0]["name"] == "stem_conv"
    without = model_section(find([job]), False)
    assert "parameters" not in tables(without)["models"].rows[0]
    assert statuses(without) == {"Model sees its window": "unknown"}


def test_a_model_that_is_damaged_fails(copied, tmp_path):
    copied("run")
    (tmp_path / "run/model_best.keras").write_bytes(b"no archive")
    section = model_section(find([tmp_path]), True)
    assert statuses(section) == {"Model can be loaded": "fail"}


def test_accuracy(job):
    section = accuracy_section(find([job]))
    found = tables(section)
    metrics = json.loads((job / "test/metrics.json").read_text())
    for row, entry in zip(
        found["accuracy_0"].rows, metrics["across_positions"]["targets"], strict=True
    ):
        assert row["pearsonr"] == entry["pearsonr"]["value"]
        assert [row["pearsonr_low"], row["pearsonr_high"]] == entry["pearsonr"]["interval"]
        assert row["r2"] == entry["r2"]["value"]
    assert (found["accuracy_0"].sort, found["accuracy_0"].descending) == ("pearsonr", False)
    mean = metrics["across_positions"]["mean"]["pearsonr"]["value"]
    assert [(r["folder"], r["value"] == mean) for r in found["tests"].rows] == [
        ("test", True),
        ("ridge", False),
    ]
    compared = json.loads((job / "ridge/comparison.json").read_text())
    for row, entry in zip(found["comparison_1"].rows, compared["targets"], strict=True):
        assert row["difference"] == entry["pearsonr_log2"]["difference"]["value"]
    assert statuses(section)["test is of held-out windows"] == "pass"


@pytest.mark.parametrize(("label", "status"), [("train", "fail"), ("valid", "warn")])
def test_windows_that_were_trained_on_are_told(copied, label, status):
    runs = copied("run", "test", change=("test/metrics.json", lambda m: m.update(label=label)))
    assert statuses(accuracy_section(runs))["test is of held-out windows"] == status


def set_intervals(*ends):
    def edit(metrics):
        entries = metrics["across_positions"]["targets"]
        for entry, end in zip(entries, ends, strict=True):
            entry["pearsonr"] = {"value": end, "interval": end and [end - 0.1, end + 0.1]}
        metrics["bootstrap"]["blocks"] = 12

    return edit


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ((0.5, 0.6, 0.7), "pass"),
        ((0.5, 0.05, 0.7), "warn"),
        ((0.05,) * 3, "fail"),
        ((0.5, None, 0.5), "warn"),
        ((None,) * 3, "fail"),
    ],
)
def test_accuracy_is_judged_by_intervals(copied, values, status):
    runs = copied("test", change=("test/metrics.json", set_intervals(*values)))
    found = statuses(accuracy_section(runs))
    assert found["test predicts its targets"] == status
    assert found["test has enough test windows"] == "warn"


@pytest.mark.parametrize(
    ("low", "high", "status"), [(0.1, 0.2, "pass"), (-0.1, 0.1, "warn"), (-0.2, -0.1, "fail")]
)
def test_a_baseline_that_is_as_good_is_told(copied, low, high, status):
    def edit(value):
        for target in value["targets"]:
            target["pearsonr_log2"]["difference"] = {"value": 0.0, "interval": [low, high]}

    runs = copied("ridge", change=("ridge/comparison.json", edit))
    [found] = [s for n, s in statuses(accuracy_section(runs)).items() if "baseline" in n]
    assert found == status


def test_variants(job):
    section = variant_section(find([job]), False)
    found = tables(section)
    assert found["variant_counts_0"].rows[:2] == [
        {"what": "records in the VCF", "count": 20},
        {"what": "alleles scored", "count": 20},
    ]
    with h5py.File(job / "scores/scores.h5") as file:
        scores, names = file["logSED"][:], file["target_ids"].asstr()[:]
        positions = file["pos"][:]
    size = np.abs(scores)
    order = np.argsort(-size.max(axis=1), kind="stable")
    rows = found["hits_0"].rows
    assert [r["pos"] for r in rows] == positions[order].tolist()
    for row, number in zip(rows, order, strict=True):
        column = int(size[number].argmax())
        assert row["target"] == names[column]
        assert row["score"] == pytest.approx(scores[number, column])
        assert row["share"] == (size[:, column] < size[number, column]).mean()
    assert set(statuses(section).values()) == {"pass"}


def test_top_hits_in_stretches_and_without_numbers(job, copied, tmp_path, monkeypatch):
    copied("scores")
    with h5py.File(tmp_path / "scores/scores.h5", "r+") as file:
        values = file["SAD"][:]
        values[3], values[5, 0], values[7] = np.nan, np.inf, 0
        file["SAD"][:] = values
    whole = top.top_hits(ScoreFile.of(tmp_path / "scores", "SAD"), 6)
    monkeypatch.setattr(top, "_VALUES", 9)
    parts = top.top_hits(ScoreFile.of(tmp_path / "scores", "SAD"), 6)
    assert parts.rows == whole.rows
    assert (len(whole.rows), whole.undefined, whole.none) == (6, 1, 1)
    assert whole.counts.sum() == 18


def test_skipped_records_are_counted_by_reason(copied, tmp_path):
    copied("scores")
    with open(tmp_path / "scores/skipped.tsv") as handle:
        header = next(csv.reader(handle, delimiter="\t"))
    reasons = [
        "REF is A, the genome has G",
        "REF is AC, the genome has TT",
        "ALT <DEL> is symbolic",
    ]
    lines = ["\t".join([*["."] * (len(header) - 1), r]) for r in reasons for _ in range(10)]
    (tmp_path / "scores/skipped.tsv").write_text("\n".join(["\t".join(header), *lines]) + "\n")
    section = variant_section(find([tmp_path]), False)
    rows = {r["what"]: r["count"] for r in tables(section)["variant_counts_0"].rows}
    assert rows["left out: REF is not what the genome has"] == 20
    assert rows["left out: ALT is symbolic"] == 10
    [check] = [c for c in section.checks if c.name.startswith("REF")]
    assert (check.status, "20 of 40" in check.found) == ("warn", True)


def test_a_background_gives_quantiles(job, copied, tmp_path):
    from tfrecords_tools.files import sha256

    copied("scores")
    (tmp_path / "calibrated").mkdir()
    entry = {"path": "scores.h5", "sha256": sha256(tmp_path / "scores/scores.h5")}
    manifest = {"format": "tfepi-calibration", "inputs": {"scores": entry}}
    (tmp_path / "calibrated/manifest.json").write_text(json.dumps(manifest))
    record = {"command": ["tfepi_calibrate.py"], "outcome": "finished"}
    (tmp_path / "calibrated/run.json").write_text(json.dumps(record))
    values = np.random.default_rng(1).random((20, 3)).astype(np.float32)
    with h5py.File(tmp_path / "calibrated/calibrated.h5", "w") as file:
        file["quantile"] = values
    table = tables(variant_section(find([tmp_path]), False))["hits_0"]
    assert table.columns[-1].key == "quantile"
    for row in table.rows:
        assert row["quantile"] == values[row["number"], row["column"]]
    with h5py.File(tmp_path / "calibrated/calibrated.h5", "r+") as file:
        del file["quantile"]
    with pytest.raises(InputFileError, match="is damaged"):
        variant_section(find([tmp_path]), False)


def test_provenance(job, copied, tmp_path):
    section = provenance(find([job]))
    record = json.loads((job / "run/run.json").read_text())
    [row] = [r for r in tables(section)["runs"].rows if r["folder"] == "run"]
    assert row["command"] == "tfepi_train.py -q -o run --epochs 2 params.json data"
    assert (row["seconds"], row["seed"]) == (record["duration_s"], record["seed"])
    rows = tables(section)["inputs"].rows
    [model] = [r for r in rows if (r["folder"], r["label"]) == ("test", "model")]
    assert (
        model["sha256"]
        == json.loads((job / "test/run.json").read_text())["inputs"]["model"]["sha256"]
    )
    found = statuses(section)
    assert found["scores is of the model trained here"] == "pass"
    assert found["test used the data shown"] == "pass"

    def edit(record):
        record["outcome"] = "failed"
        record["versions"]["numpy"] = "1.0"
        record["inputs"]["model"] |= {"path": str(job / "genome/genome.fa"), "sha256": "0" * 64}
        record["data_sha256"] = "0" * 64

    runs = copied("run", "data", "test", change=("test/run.json", edit))
    found = statuses(provenance(runs))
    assert found["Every run finished"] == "fail"
    for name in (
        "One set of versions",
        "Inputs are as they were",
        "test is of the model trained here",
        "test used the data shown",
    ):
        assert found[name] == "warn", name


def test_other_folders_show_their_tables_and_figures(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps({"command": ["tfepi_rf.py"]}))
    rows = "".join(f"m{i}\t{i / 3}\t\n" for i in range(MOST_ROWS + 7))
    (tmp_path / "fields.tsv").write_text("model\tbp\tnote\n" + rows)
    (tmp_path / "empty.tsv").write_text("model\tbp\n")
    svg = '<?xml version="1.0"?><svg><text>receptive <b>field</b></text><text>12</text></svg>'
    (tmp_path / "fields.svg").write_text(svg)
    (tmp_path / "fields.png").write_bytes(b"png")
    section = other_section(find([tmp_path]))
    note, table, figure = section.blocks
    assert "tfepi_rf" in note.text
    assert (len(table.rows), table.omitted) == (MOST_ROWS, 7)
    assert table.rows[3] == {"model": "m3", "bp": 1.0, "note": None}
    assert "receptive field" in figure.text
    assert figure.svg.startswith("<svg>")
    (tmp_path / "fields.tsv").write_bytes(b"\xff\xfe\t")
    with pytest.raises(InputFileError, match="is no table"):
        other_section(find([tmp_path]))


def test_limits_name_what_is_missing(job):
    [note] = limits_section(find([job / "test"])).blocks
    assert any("No baseline" in p for p in note.points)
    [note] = limits_section(find([job])).blocks
    assert not any("No baseline" in p for p in note.points)
    assert any("one strand" in p for p in note.points)
    [note] = limits_section(find([job / "check"])).blocks
    assert len(note.points) == 1


def test_every_statistic_has_a_meaning():
    for name in STATISTICS:
        assert len(meaning(name)) > 40, name
    assert meaning("logD2").startswith("of log2(x + 1) of the bins: the length")
