"""Example loci of a small job's test, beside its files and a gradient taken by hand."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import h5py
import numpy as np
import pytest
from bokeh.models import ColumnDataSource, PlainText

from tfepi import predictors
from tfepi.evaluation.predictions import Layout, PredictionParts, SavedPredictions
from tfepi.report.page.content import Note, Plot
from tfepi.report.page.loci import loci_blocks
from tfepi.report.page.locus_attribution import Attributor, attributor_of
from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import identity, read_json
from tfrecords_tools.genome import one_hot
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target


def source_of(plot, column):
    return next(
        m.data
        for m in plot.model.references()
        if isinstance(m, ColumnDataSource) and column in m.data
    )


def notes(blocks):
    return " ".join(b.text for b in blocks if isinstance(b, Note))


@pytest.fixture(scope="module")
def blocks(job):
    return loci_blocks(job / "test", job / "data")


@pytest.fixture
def copied(job, tmp_path):
    """The test, its model and its data, to be changed."""
    for name in ("test", "run", "data"):
        shutil.copytree(job / name, tmp_path / name)
    return tmp_path


def changed(path, edit):
    value = json.loads(path.read_text())
    edit(value)
    path.write_text(json.dumps(value))


def test_tracks_hold_what_was_saved(job, blocks):
    plots = [b for b in blocks if isinstance(b, Plot) and not b.name.endswith("_letters")]
    assert 1 <= len(plots) <= 4
    saved = SavedPredictions(job / "test")
    metrics = read_json(job / "test" / "metrics.json")["across_positions"]["targets"]
    order = sorted(metrics, key=lambda e: -e["pearsonr"]["value"])
    names = [e["identifier"] for e in order]
    layout = saved.layout
    position = {w.start + b * layout.bin_width: (i, b)
                for i, w in enumerate(layout.windows) for b in range(layout.bins)}  # fmt: skip
    for plot in plots:
        data = source_of(plot, "r0_0")
        bins = np.flatnonzero(data["end"] > data["x"])
        assert len(bins) >= 2
        places = [position[int(x)] for x in data["x"][bins]]
        for row, name in enumerate(names):
            number = [t.identifier for t in layout.targets].index(name)
            for k, values in enumerate(saved.column(number)):
                wanted = [values[place] for place in places]
                np.testing.assert_array_equal(data[f"r{row}_{k}"][bins], wanted)
            assert any(m.text == name for m in plot.model.references() if isinstance(m, PlainText))
            assert name in plot.text
    assert "chosen by rule, not by eye" in notes(blocks)
    texts = " ".join(p.text for p in plots)
    assert all(
        f"the {w} agreement" in texts or f"{w} agreement" in texts for w in ("best", "worst")
    )


def test_letters_are_the_corrected_gradient_at_each_base(job, blocks):
    import tensorflow as tf

    plots = [b for b in blocks if isinstance(b, Plot) and b.name.endswith("_letters")]
    assert plots
    model = predictors.load_keras(job / "run")
    data = Data.open(job / "data")
    windows = {w.start - data.crop_bp: i for i, w in enumerate(data.windows("test"))}
    records = [sequence for sequence, _ in data.records("test")]
    metrics = read_json(job / "test" / "metrics.json")["across_positions"]["targets"]
    best = int(np.argmax([e["pearsonr"]["value"] for e in metrics]))
    for plot in plots:
        shown = source_of(plot, "value")
        sequence = records[windows[int(shown["x"][0])]]
        assert shown["base"] == ["ACGTN"[b] for b in sequence]
        code = tf.constant(one_hot(sequence)[None])
        with tf.GradientTape() as tape:
            tape.watch(code)
            out = model({"sequence": code}, training=False)
            value = (out["output"] if isinstance(out, dict) else out)[0, 0, best]
        slope = tape.gradient(value, code).numpy()[0]
        slope = slope - slope.mean(axis=1, keepdims=True)
        wanted = (slope * one_hot(sequence)).sum(axis=1)
        np.testing.assert_allclose(shown["value"], wanted, atol=1e-5 * np.abs(slope).max())
        assert metrics[best]["identifier"] in plot.text


def test_names_of_plots_are_their_own(blocks):
    names = [b.name for b in blocks if isinstance(b, Plot)]
    assert len(set(names)) == len(names)


def test_without_saved_predictions_there_is_the_command(copied):
    for name in ("preds", "targets"):
        (copied / "test" / f"{name}.h5").unlink()
    (note,) = loci_blocks(copied / "test", copied / "data")
    assert "tfepi_test.py --save --overwrite" in note.text
    (copied / "test" / "run.json").unlink()
    (note,) = loci_blocks(copied / "test", None)
    assert "tfepi_test.py --save --overwrite" in note.text


def test_models_that_are_not_asked_leave_the_letters_out(job):
    found = loci_blocks(job / "test", job / "data", ask_models=False)
    assert "Left out is what each base adds to the predictions: models were not asked." in notes(
        found
    )
    assert all(not b.name.endswith("_letters") for b in found if isinstance(b, Plot))
    assert any(isinstance(b, Plot) for b in found)


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda here: (here / "run/model_best.keras").unlink(), "is not there any more"),
        (
            lambda here: (here / "run/model_best.keras").write_bytes(b"other"),
            "has changed: its SHA",
        ),
        (
            lambda here: changed(
                here / "test/manifest.json", lambda m: m["facts"].update(manifest="0" * 64)
            ),
            "holds other data than were tested",
        ),
        (lambda here: (here / "test/manifest.json").unlink(), "did not record its model"),
    ],
    ids=["gone", "changed", "other data", "not recorded"],
)
def test_letters_are_left_out_with_the_reason(copied, edit, reason):
    edit(copied)
    found = loci_blocks(copied / "test", copied / "data")
    assert reason in notes(found)
    assert any(isinstance(b, Plot) for b in found)
    assert all(not b.name.endswith("_letters") for b in found if isinstance(b, Plot))


def test_what_gives_no_gradients_is_named(job, copied):
    manifest = read_json(copied / "test" / "manifest.json")
    facts = (manifest, copied / "test", copied / "data", "test")
    assert isinstance(attributor_of(*facts), Attributor)
    manifest["inputs"]["model"] = identity(job / "saved" / "saved_model.pb")
    assert attributor_of(*facts) == (
        "the model tested is a SavedModel, which gives no gradients: test the .keras file"
    )
    manifest["inputs"]["model"] = identity(copied / "data" / "targets.txt")
    assert "is a .txt file, which gives no gradients" in attributor_of(*facts)


def test_the_data_are_the_recorded_ones_if_none_are_named(copied):
    manifest = read_json(copied / "test" / "manifest.json")
    found = attributor_of(manifest, copied / "test", None, "test")
    assert found.data.folder == copied / "data"
    reason = attributor_of(manifest, copied / "test", copied / "none", "test")
    assert reason == f"the data folder {copied / 'none'} is not there any more"
    shutil.rmtree(copied / "data")
    assert "is not there any more" in attributor_of(manifest, copied / "test", None, "test")


def test_a_conditioned_model_is_not_asked(copied):
    changed(
        copied / "run" / "model.json",
        lambda m: m["inputs"].update(cell_state=[4]),
    )
    manifest = read_json(copied / "test" / "manifest.json")
    found = attributor_of(manifest, copied / "test", copied / "data", "test")
    assert found.startswith("the model is asked about cell types")


def test_records_that_are_not_there(copied):
    manifest = read_json(copied / "test" / "manifest.json")
    found = attributor_of(manifest, copied / "test", copied / "data", "test")
    with pytest.raises(InputFileError, match=r"has no record 100000 of test: copy it again"):
        found.sequences([0, 100_000])


def test_strand_partners_are_attributed_on_the_other_strand(copied):
    manifest = read_json(copied / "test" / "manifest.json")
    found = attributor_of(manifest, copied / "test", copied / "data", "test")
    head = found.spec.head()
    pair = [replace(t, strand_pair=head.targets[1 - i].index)
            for i, t in enumerate(head.targets[:2])]  # fmt: skip
    rest = [replace(t, strand_pair=t.index) for t in head.targets[2:]]
    paired = replace(
        found, spec=replace(found.spec, heads=(replace(head, targets=(*pair, *rest)),))
    )
    output = paired._output(head.targets[0].identifier)
    assert output.weights.argmax() == 0
    assert output.partners.argmax() == 1
    assert replace(found, rc=True, shifts=(0, 1)).passes == (
        ", averaged over both strands and 2 shifts"
    )
    assert found.passes == ""


def test_files_that_do_not_belong_together(copied):
    metrics = copied / "test" / "metrics.json"
    changed(metrics, lambda m: m["across_positions"]["targets"].pop())
    with pytest.raises(InputFileError, match=r"metrics.json and preds.h5 of .* are of other targe"):
        loci_blocks(copied / "test", None, ask_models=False)
    changed(metrics, lambda m: m.pop("across_positions"))
    with pytest.raises(InputFileError, match=r"metrics.json is damaged: KeyError"):
        loci_blocks(copied / "test", None, ask_models=False)
    (copied / "test" / "preds.h5").unlink()
    with pytest.raises(InputFileError, match=r"has no preds.h5"):
        loci_blocks(copied / "test", None, ask_models=False)
    with pytest.raises(InputFileError, match=r"test folder .* does not exist"):
        loci_blocks(copied / "none", None)


def test_single_bases_make_no_stretches(copied):
    for name in ("preds", "targets"):
        with h5py.File(copied / "test" / f"{name}.h5", "r+") as file:
            file.attrs["bin_width"] = 1
    (note,) = loci_blocks(copied / "test", None)
    assert "no example loci" in note.text


def test_a_window_of_many_bins_is_a_stretch(tmp_path):
    rng = np.random.default_rng(2)
    targets = Data.open

    targets = tuple(Target(i, f"t{i}") for i in range(9))
    windows = tuple(Interval("chr1", i * 50_000, i * 50_000 + 900 * 32) for i in range(3))
    layout = Layout(windows, 900, 32, targets)
    parts = PredictionParts(tmp_path, layout)
    parts.claim()
    truth = rng.random((3, 900, 9)).astype(np.float32)
    parts.write(0, truth, truth + rng.random(truth.shape).astype(np.float32))
    parts.save(tmp_path)
    entries = [
        {"identifier": t.identifier, "pearsonr": {"value": v}}
        for t, v in zip(targets, rng.random(9), strict=True)
    ]
    value = {"across_positions": {"targets": entries}}
    (tmp_path / "metrics.json").write_text(json.dumps(value))
    (tmp_path / "manifest.json").unlink(missing_ok=True)
    found = loci_blocks(tmp_path, None)
    plots = [b for b in found if isinstance(b, Plot)]
    assert len(plots) in (2, 3)
    assert all("Drawn are means of 2 bins." in p.text for p in plots)
    assert "Of 9 targets 6 are shown" in notes(found)
    assert len([c for c in source_of(plots[0], "r0_0") if c.startswith("r")]) == 12


def test_tensorflow_is_not_imported_where_no_model_is_asked(copied):
    (copied / "run" / "model_best.keras").unlink()
    code = (
        "import sys; from pathlib import Path; from tfepi.report.page.loci import loci_blocks; "
        "from tfepi.report.page.variant_loci import variant_blocks; here = Path(sys.argv[1]); "
        "assert len(loci_blocks(here / 'test', here / 'data')) > 1; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(copied)], check=True, timeout=300)
