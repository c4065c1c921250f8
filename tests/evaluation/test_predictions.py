"""Parts on disk: what is written comes back, and only what belongs together."""

import h5py
import numpy as np
import pytest

from tfepi.evaluation.predictions import (
    Layout,
    PredictionError,
    PredictionParts,
    SavedPredictions,
)
from tfrecords_tools.errors import InputFileError, UnfinishedError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target


@pytest.fixture
def layout():
    windows = tuple(Interval("chr1", 100 * i, 100 * i + 64) for i in range(23))
    return Layout(windows, 4, 16, (Target(3, "a", description="first"), Target(5, "b")), "valid")


@pytest.fixture
def values(layout):
    rng = np.random.default_rng(0)
    truth = rng.gamma(1, 1, (23, 4, 2)).astype(np.float16)
    truth[3, 1, 0] = np.nan
    return truth, rng.gamma(1, 1, (23, 4, 2)).astype(np.float32)


def filled(folder, layout, values, **options):
    parts = PredictionParts(folder, layout, part_bytes=8 * 4 * 2 * 5, **options)
    parts.claim(resume=True)
    for start, stop in parts.spans:
        parts.write(start, *(v[start:stop] for v in values))
    return parts


def test_columns_and_rows_come_back(tmp_path, layout, values):
    parts = filled(tmp_path, layout, values)
    assert parts.part_windows == 5
    assert not parts.plan.missing(parts.folder)
    assert len(list((tmp_path / "parts").glob("*.npy"))) == 5
    for t in range(2):
        for found, want in zip(parts.column(t), values, strict=True):
            np.testing.assert_array_equal(found, want[:, :, t].astype(np.float32))
    for step in (8, 24, 10**6):
        pieces = list(parts.rows(step))
        np.testing.assert_array_equal(np.concatenate([y for _, y, _ in pieces]), values[0])
        np.testing.assert_array_equal(np.concatenate([p for _, _, p in pieces]), values[1])
        starts = np.cumsum([0] + [len(y) for _, y, _ in pieces])
        assert [s for s, _, _ in pieces] == starts[:-1].tolist()


def test_only_missing_parts_are_wanted_again(tmp_path, layout, values):
    filled(tmp_path, layout, values)
    (tmp_path / "parts" / "0000002.npy").unlink()
    (tmp_path / "parts" / ".0000004.npy.77.part.npy").write_bytes(b"cut")
    parts = PredictionParts(tmp_path, layout, part_bytes=320)
    with pytest.raises(UnfinishedError, match="--resume"):
        parts.claim()
    parts.claim(resume=True)
    assert [parts.spans[n] for n in parts.plan.missing(parts.folder)] == [(10, 15)]
    assert not list((tmp_path / "parts").glob(".*part*"))


def test_parts_of_another_plan_are_refused(tmp_path, layout, values):
    filled(tmp_path, layout, values, inputs={"model": {"path": "a", "sha256": "1"}})
    other = {"model": {"path": "a", "sha256": "2"}}
    with pytest.raises(UnfinishedError, match=r"input model changed .*--overwrite"):
        PredictionParts(tmp_path, layout, other, part_bytes=320).claim(resume=True)
    moved = {"model": {"path": "b", "sha256": "1"}}
    PredictionParts(tmp_path, layout, moved, part_bytes=320).claim(resume=True)
    with pytest.raises(UnfinishedError, match=r"part_windows, rc changed .*--overwrite"):
        PredictionParts(tmp_path, layout, moved, {"rc": True}).claim(resume=True)


def test_saved_files_come_back(tmp_path, layout, values):
    parts = filled(tmp_path, layout, values)
    parts.save(tmp_path)
    with h5py.File(tmp_path / "preds.h5") as file:
        assert file["preds"].shape == (23, 4, 2)
        assert file["preds"].dtype == np.float32
        assert file.attrs["format"] == "tfepi-predictions"
        np.testing.assert_array_equal(file["preds"], values[1])
    with h5py.File(tmp_path / "targets.h5") as file:
        assert file["targets"].dtype == np.float16
        np.testing.assert_array_equal(file["targets"], values[0])
    saved = SavedPredictions(tmp_path)
    assert saved.layout == layout
    for found, want in zip(saved.column(1), parts.column(1), strict=True):
        np.testing.assert_array_equal(found, want)
    before = (tmp_path / "preds.h5").read_bytes()
    parts.save(tmp_path)
    assert (tmp_path / "preds.h5").read_bytes() == before
    parts.remove()
    assert not (tmp_path / "parts").exists()


def test_write_refuses_what_is_no_number(tmp_path, layout, values):
    parts = PredictionParts(tmp_path, layout)
    parts.claim()
    truth, prediction = values
    bad = prediction.copy()
    bad[7, 0, 1] = np.nan
    with pytest.raises(PredictionError, match="predicts nan for target 'b' in window chr1:700-764"):
        parts.write(0, truth, bad)
    bad = truth.copy()
    bad[1, 0, 0] = np.inf
    with pytest.raises(InputFileError, match="observed as inf for target 'a' in window chr1:100"):
        parts.write(0, bad, prediction)
    with pytest.raises(PredictionError, match=r"the model gave values of shape \(23, 1, 2\)"):
        parts.write(0, truth, prediction[:, :1])
    with pytest.raises(PredictionError, match="the data gave values of shape"):
        parts.write(0, truth[:, :1], prediction)
    assert parts.plan.missing(parts.folder)


def test_saved_predictions_errors(tmp_path, layout, values):
    with pytest.raises(InputFileError, match=r"has no targets.h5: test again with --save"):
        SavedPredictions(tmp_path)
    parts = filled(tmp_path, layout, values)
    parts.save(tmp_path)
    with h5py.File(tmp_path / "preds.h5", "a") as file:
        file["start"][0] = 5
    with pytest.raises(InputFileError, match="other windows or targets"):
        SavedPredictions(tmp_path)
    with h5py.File(tmp_path / "preds.h5", "a") as file:
        del file["start"]
    with pytest.raises(InputFileError, match=r"preds.h5 is damaged"):
        SavedPredictions(tmp_path)
    with h5py.File(tmp_path / "preds.h5", "a") as file:
        file.attrs["format"] = "basenji"
    with pytest.raises(InputFileError, match="has format 'basenji'"):
        SavedPredictions(tmp_path)
    (tmp_path / "targets.h5").write_bytes(b"cut")
    with pytest.raises(InputFileError, match=r"targets.h5 is damaged"):
        SavedPredictions(tmp_path)


def test_a_damaged_part_is_named(tmp_path, layout, values):
    parts = filled(tmp_path, layout, values)
    part = tmp_path / "parts" / "0000001.npy"
    whole = part.read_bytes()
    for damaged in (b"cut", whole[: len(whole) // 2], b"PK\x03\x04", b""):
        part.write_bytes(damaged)
        with pytest.raises(InputFileError, match=r"0000001.npy.*--resume"):
            parts.column(0)
