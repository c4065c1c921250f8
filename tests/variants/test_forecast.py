"""Forecast sizes against the files that are then written."""

import numpy as np
import pytest

from tfepi.variants import formats
from tfepi.variants.forecast import Forecast
from tfepi.variants.formats import FORMATS
from tfepi.variants.manifest import Manifest
from tfepi.variants.merge import merge_shards, score_results
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.output import shown_size
from tfrecords_tools.sharding import Shard

NAMES = ("h5", "parquet", "vcf", "summary")


@pytest.fixture
def folder(tmp_path, make_vcf, letters, toy, fasta, predictor):
    """Shards of the scores of 6000 variants."""
    text = letters["chrA"]
    rows = [
        ("chrA", i + 1, f"rs{i}", text[i], toy.other_base(text[i], step))
        for i in range(50, 2150)
        if text[i] != "N"
        for step in (1, 2, 3)
    ]
    inputs = (predictor.spec, make_vcf(rows), fasta, tmp_path / "out")
    scoring = Scoring(stats=("SAD", "D2", "REF"))
    score_vcf(lambda: predictor, *inputs, scoring, shard=Shard(1, 1), quiet=True)
    return tmp_path / "out"


def test_sizes_are_those_of_the_files(folder):
    shard = folder / "shards/1-of-1"
    manifest = Manifest.read(shard)
    forecast = Forecast.of(manifest, NAMES)
    merge_shards(folder, results=score_results(NAMES))
    parts = [p.stat().st_size for p in (shard / "parts").iterdir()]
    assert forecast.rows == manifest.survey.rows > 6000
    assert forecast.parts == len(parts) == 2
    assert forecast.part * 2 == pytest.approx(sum(parts), rel=0.25)
    assert list(forecast.files) == [FORMATS[n].names(manifest)[0] for n in NAMES]
    for name, size in forecast.files.items():
        # Numbers are compressed, and those of a toy model, many of which are alike, very well.
        assert 0.15 < (folder / name).stat().st_size / size < 1.3, name
    numbers = 4 * forecast.rows * (3 + 3 + 6 * 3)
    assert numbers < forecast.files["scores.h5"] < 1.5 * numbers


def test_text_and_peak(folder):
    manifest = Manifest.read(folder / "shards/1-of-1")
    forecast = Forecast.of(manifest)
    first, *lines = forecast.text().splitlines()
    assert first == f"{manifest.survey.rows} rows to score"
    cells = dict(line.split("\t") for line in lines)
    names = [FORMATS[n].names(manifest)[0] for n in formats.DEFAULT]
    assert list(cells) == [*names, "parts, until the end", "in all"]
    assert cells["scores.h5"] == shown_size(forecast.files["scores.h5"])
    assert forecast.peak == 2 * forecast.part + sum(forecast.files.values())
    assert cells["in all"] == shown_size(forecast.peak)
    zarr = Forecast.of(manifest, ("zarr",)).files
    assert list(zarr) == ["scores.zarr"]
    assert np.isclose(zarr["scores.zarr"], forecast.files["scores.h5"], rtol=0.1)


def test_what_is_left_in_the_end(folder, tmp_path):
    manifest = Manifest.read(folder / "shards/1-of-1")
    forecast = Forecast.of(manifest)
    assert forecast.report(tmp_path, manifest, 2, True) == sum(forecast.files.values())
    assert forecast.report(tmp_path, manifest, 2, False) == 2 * forecast.part
