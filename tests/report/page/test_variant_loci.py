"""Loci of a small job's variants: the middle window's change is the score."""

import json
import shutil

import h5py
import numpy as np
import pytest
from bokeh.models import ColumnDataSource

from tfepi.report.page.content import Note, Plot
from tfepi.report.page.top_hits import top_hits
from tfepi.report.page.variant_loci import MOST_VARIANTS, variant_blocks
from tfepi.variants.score_file import ScoreFile
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity

ROW = {"chrom": "chr1", "pos": 5, "ref": "A", "alt": "C", "column": 0}


@pytest.fixture(scope="module")
def hits(job):
    """Rows of the largest effects, indels first."""
    rows = top_hits(ScoreFile.of(job / "scores", "SAD"), 20).rows
    return sorted(rows, key=lambda r: len(r["ref"]) == len(r["alt"]))


@pytest.fixture
def copied(job, tmp_path):
    for name in ("scores", "saved", "genome"):
        shutil.copytree(job / name, tmp_path / name)
    return tmp_path


def values_of(plot):
    data = next(
        m.data
        for m in plot.model.references()
        if isinstance(m, ColumnDataSource) and "r1_0" in m.data
    )
    bins = data["end"] > data["x"]
    return data["x"][bins], *(data[c][bins] for c in ("r0_0", "r0_1", "r1_0"))


def test_the_window_that_was_scored_changes_by_its_score(job, hits):
    blocks = variant_blocks(job / "scores", hits)
    assert len(blocks) == MOST_VARIANTS
    with h5py.File(job / "scores" / "scores.h5") as file:
        sad = file["SAD"][()]
    for block, row in zip(blocks, hits, strict=False):
        assert isinstance(block, Plot)
        starts, ref, alt, change = values_of(block)
        np.testing.assert_allclose(change, alt - ref, atol=1e-5)
        middle = np.flatnonzero((starts <= row["pos"] - 1) & (row["pos"] - 1 < starts + 64))
        assert change[middle].sum() == pytest.approx(
            sad[row["number"], row["column"]], rel=1e-4, abs=1e-5
        )
        assert starts[0] <= row["pos"] - 1500 or starts[0] < 64
        assert f"{row['chrom']}:{row['pos']:,} " in block.text
        assert row["target"] in block.text
        assert "windows side by side" in block.text
    assert len({b.name for b in blocks}) == len(blocks)


def test_reverse_complement_and_shifts_are_the_runs(copied, hits):
    path = copied / "scores" / "manifest.json"
    value = json.loads(path.read_text())
    value["scoring"] |= {"rc": True, "shifts": [0, 1]}
    path.write_text(json.dumps(value))
    (plot,) = variant_blocks(copied / "scores", hits[:1])
    value["scoring"] |= {"rc": False, "shifts": [0]}
    path.write_text(json.dumps(value))
    (single,) = variant_blocks(copied / "scores", hits[:1])
    assert not np.allclose(values_of(plot)[1], values_of(single)[1])


def test_what_cannot_be_asked_is_said(copied, hits):
    folder = copied / "scores"
    assert variant_blocks(folder, []) == []
    (note,) = variant_blocks(folder, hits, ask_models=False)
    assert note == Note(
        "Left out is what is predicted along the alleles of the variants: models were not asked."
    )
    spec = copied / "saved" / "assets.extra" / "model.json"
    spec.write_text(spec.read_text() + " ")
    (note,) = variant_blocks(folder, hits)
    assert "has changed: its SHA-256 was" in note.text
    (copied / "genome" / "genome.fa").unlink()
    (note,) = variant_blocks(folder, hits)
    assert "genome.fa is not there any more" in note.text


def test_a_run_without_a_model_or_of_cell_types(copied, hits):
    path = copied / "scores" / "manifest.json"
    value = json.loads(path.read_text())
    model = value["inputs"].pop("model")
    path.write_text(json.dumps(value))
    (note,) = variant_blocks(copied / "scores", hits)
    assert "did not record its model and its genome as files" in note.text
    value["inputs"] = {"model": model} | value["inputs"]
    spec = copied / "saved" / "assets.extra" / "model.json"
    contract = json.loads(spec.read_text())
    contract["inputs"]["cell_state"] = [4]
    spec.write_text(json.dumps(contract))
    value["inputs"]["spec"] = identity(spec)
    path.write_text(json.dumps(value))
    (note,) = variant_blocks(copied / "scores", hits)
    assert "the model is asked about cell types" in note.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({k: v for k, v in ROW.items() if k != "alt"}, "a row has no 'alt' but 'chrom', 'pos'"),
        (ROW | {"column": 3}, "column 3 of a row: 3 targets were scored, from 0"),
        (ROW | {"column": -1}, "column -1 of a row"),
        (ROW | {"chrom": "chr99"}, "variant chr99:5 A>C: "),
        (ROW | {"alt": "<DEL>"}, "variant chr1:5 A>"),
    ],
)
def test_rows_that_cannot_be_shown(job, row, message):
    with pytest.raises(ConfigError, match=message):
        variant_blocks(job / "scores", [row])


def test_other_folders_are_refused(job, tmp_path):
    with pytest.raises(InputFileError, match=r"folder of variant scores .* does not exist"):
        variant_blocks(tmp_path / "none", [])
    with pytest.raises(InputFileError, match="has format 'tfepi-test'"):
        variant_blocks(job / "test", [])
