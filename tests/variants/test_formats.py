"""Final files by format: zarr and summary against scores.h5, and what is written and when."""

import importlib.util
import json
import subprocess
import sys

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from tfepi.variants import formats, output, row_chunks, zarr_output
from tfepi.variants.formats import check_formats, parse_formats
from tfepi.variants.merge import merge_shards, score_results
from tfepi.variants.options import Scoring
from tfepi.variants.score_file import ScoreFile
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.sharding import Shard

STATS = ("SAD", "REF_RATIO", "REF")
HAS_ZARR = importlib.util.find_spec("zarr") is not None
needs_zarr = pytest.mark.skipif(not HAS_ZARR, reason="zarr is not installed (extra zarr)")


@pytest.fixture
def shards(tmp_path, vcf, fasta, predictor):
    """A folder whose two shards are scored; final files are the merge's."""
    for i in (1, 2):
        score_vcf(
            lambda: predictor,
            *(predictor.spec, vcf, fasta, tmp_path / "out"),
            Scoring(stats=STATS),
            shard=Shard(i, 2),
            chunk_records=7,
            quiet=True,
        )
    return tmp_path / "out"


def merged(folder, names, **options):
    return merge_shards(folder, results=score_results(names), **options)


def h5(folder):
    with h5py.File(folder / "scores.h5") as file:
        return {name: file[name][()] for name in file}


def files(folder):
    found = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {
        str(p.relative_to(folder)): p.read_bytes() for p in found if "shards" not in p.parts[-4:]
    }


@needs_zarr
@pytest.mark.parametrize("small", [False, True])
def test_zarr_equals_hdf5(shards, monkeypatch, small):
    import zarr

    if small:
        monkeypatch.setattr(row_chunks, "CHUNK_BYTES", 120)
        monkeypatch.setattr(row_chunks, "TARGETS_PER_CHUNK", 2)
        monkeypatch.setattr(zarr_output, "_SHARD_BYTES", 500)
        monkeypatch.setattr(zarr_output, "_TEXT_ROWS", 9)
    folder = merged(shards, ("h5", "zarr"))
    scores, group = h5(folder), zarr.open_group(folder / "scores.zarr", mode="r")
    for stat in STATS:
        assert group[stat].dtype == np.float32
        assert np.array_equal(group[stat][:], scores[stat]), stat
    if small:
        assert group["SAD"].chunks == (15, 2)
        assert group["SAD"].shards == (30, 4)
    for name, other in (("chrom", "chr"), ("id", "snp"), ("ref", "ref_allele")):
        assert group[name][:].tolist() == [v.decode() for v in scores[other]]
    assert group["alt"][:].tolist() == [v.decode() for v in scores["alt_allele"]]
    assert group["pos"][:].tolist() == scores["pos"].tolist()
    assert group["target"][:].tolist() == ["T0", "T1", "T2"]
    assert group["target_label"][:].tolist() == ["T0", "track 1", "track 2"]
    assert group.metadata.zarr_format == 3
    assert (group.attrs["format"], group.attrs["format_version"]) == (
        "tfepi-variant-scores-zarr",
        1,
    )
    assert Scoring.from_json(dict(group.attrs["scoring"])) == Scoring(stats=STATS)


@needs_zarr
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_xarray_reads_zarr(shards):
    xarray = pytest.importorskip("xarray")
    folder = merged(shards, ("h5", "zarr"))
    data = xarray.open_zarr(folder / "scores.zarr")
    assert dict(data.sizes) == {"variant": len(h5(folder)["SAD"]), "target": 3, "bin": 6}
    assert set(data.coords) == {"target", "target_label", "chrom", "pos", "id", "ref", "alt"}
    assert data["REF"].dims == ("variant", "bin", "target")
    some = data["SAD"].sel(target="T1")[(data["chrom"] == "chrB").values]
    rows = h5(folder)["chr"] == b"chrB"
    assert np.array_equal(some.values, h5(folder)["SAD"][rows, 1])


@pytest.mark.parametrize("part_bytes", [None, 13])
def test_summary_against_a_loop(shards, monkeypatch, part_bytes):
    if part_bytes:
        monkeypatch.setattr(output, "_COPIED_BYTES", part_bytes)
    folder = merged(shards, ("h5", "summary"))
    table, scores = pq.read_table(folder / "summary.parquet"), h5(folder)
    columns = ("mean", "mean_abs", "max", "max_abs", "max_track")
    assert table.column_names == [
        *("chrom", "pos", "id", "ref", "alt"),
        *(f"{s}_{c}" for s in ("SAD", "REF_RATIO") for c in columns),
    ]
    assert table.schema.metadata[b"format"] == b"tfepi-variant-summary"
    assert table["pos"].to_pylist() == scores["pos"].tolist()
    for stat, neutral in (("SAD", 0), ("REF_RATIO", 0.5)):
        for row, values in zip(table.to_pylist(), scores[stat].astype(float), strict=True):
            effects = [v - neutral for v in values]
            best = max(range(3), key=lambda i: abs(effects[i]))
            assert row[f"{stat}_max_track"] == f"T{best}"
            assert row[f"{stat}_max"] == pytest.approx(effects[best], rel=1e-6)
            assert row[f"{stat}_max_abs"] == pytest.approx(abs(effects[best]), rel=1e-6)
            assert row[f"{stat}_mean"] == pytest.approx(sum(effects) / 3, rel=1e-4, abs=1e-6)
            assert row[f"{stat}_mean_abs"] == pytest.approx(sum(map(abs, effects)) / 3, rel=1e-6)


def test_undefined_scores_in_summary(tmp_path, vcf, fasta, predictor):
    plain = predictor.predict

    def some(inputs):
        found = {k: v.copy() for k, v in plain(inputs).items()}
        found["main"][::7] = np.nan
        found["main"][1::7, :, 0] = np.inf
        return found

    predictor.predict = some
    out = tmp_path / "out"
    inputs = (predictor.spec, vcf, fasta, out)
    score_vcf(lambda: predictor, *inputs, shard=Shard(1, 1), quiet=True)
    merged(out, ("summary", "h5"))
    table = pq.read_table(out / "summary.parquet")
    tracks, values = table["SAD_max_track"].to_pylist(), table["SAD_max"].to_numpy()
    seen = np.isfinite(h5(out)["SAD"])
    assert {tuple(row) for row in seen.tolist()} == {(True,) * 3, (False, True, True), (False,) * 3}
    assert [t is None for t in tracks] == (~seen.any(axis=1)).tolist()
    assert (np.isnan(values) == ~seen.any(axis=1)).all()
    assert {t for t, row in zip(tracks, seen, strict=True) if row.sum() == 2} <= {"T1", "T2"}


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (("h5",), {"scores.h5"}),
        (("summary", "vcf"), {"summary.parquet", "scores.vcf.gz", "scores.vcf.gz.tbi"}),
        (formats.DEFAULT, {"scores.h5", "scores.parquet", "scores.vcf.gz", "scores.vcf.gz.tbi"}),
        pytest.param(("zarr",), {"scores.zarr"}, marks=needs_zarr),
    ],
)
def test_only_what_was_asked_for(shards, names, wanted):
    folder = merged(shards, names)
    found = {p.name for p in folder.iterdir() if not p.name.startswith(".")}
    assert found == {*wanted, "skipped.tsv", "manifest.json", "run.json", "shards"}
    assert json.loads((folder / "run.json").read_text())["formats"] == list(names)


@needs_zarr
def test_resumed_and_overwritten(shards, monkeypatch):
    folder = merged(shards, ("zarr", "summary"))
    whole = files(folder)
    assert any(name.startswith("scores.zarr/") for name in whole)
    with pytest.raises(UnfinishedError, match="use --resume to go on"):
        merged(shards, ("zarr", "summary"))

    def stops(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(zarr_output.RowWriter, "close", stops)
    with pytest.raises(KeyboardInterrupt):
        merged(shards, ("summary", "zarr"), overwrite=True)
    assert not (folder / "scores.zarr").exists()
    assert not list(folder.glob(".scores*"))
    assert (folder / "summary.parquet").exists()
    monkeypatch.undo()
    merged(shards, ("summary", "zarr"), resume=True)
    assert files(folder) == whole
    # Of other scores, nothing may be left beside the new ones.
    merged(shards, ("summary",), overwrite=True)
    assert not (folder / "scores.zarr").exists()


def test_zarr_that_is_not_installed(shards, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "zarr" else real(name, *a)
    )
    with pytest.raises(ConfigError, match=r"scores\.zarr needs zarr, .* pip install 'tfepi\[zarr"):
        merged(shards, ("zarr",))
    assert not (shards / "manifest.json").exists()


def test_zarr_is_imported_only_where_it_is_written():
    code = "import sys, tfepi.variants.merge; print('zarr' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h5,parquett", "unknown format 'parquett': did you mean 'parquet'"),
        ("", "unknown format ''"),
        ("h5,h5", "formats are 'h5,h5': want different ones, as h5,parquet"),
    ],
)
def test_formats_that_are_none(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_formats(text)


def test_formats_of_a_command_line():
    assert parse_formats("summary, h5") == ("summary", "h5")
    with pytest.raises(ConfigError, match="formats are ''"):
        check_formats(())


def test_what_reads_scores_says_that_h5_is_not_there(shards):
    folder = merged(shards, ("summary", "vcf"))
    with pytest.raises(InputFileError, match=r"written as summary, vcf, without scores.h5, which"):
        ScoreFile.of(folder)
    (folder / "run.json").unlink()
    with pytest.raises(UnfinishedError, match="are not finished"):
        ScoreFile.of(folder)
