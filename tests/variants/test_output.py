"""scores.parquet and the annotated VCF; scores.h5 is checked in test_scoring."""

import json

import h5py
import numpy as np
import pyarrow.parquet as pq
import pysam
import pytest

from tfepi.variants import annotate, output, row_chunks
from tfepi.variants.manifest import Manifest
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.sharding import Shard

STATS = ("SAD", "D1", "REF_RATIO", "REF")


@pytest.fixture
def run(tmp_path, vcf, fasta, predictor):
    def score(vcf=vcf, scoring=Scoring(stats=STATS), name="out", **options):  # noqa: B008
        return score_vcf(
            lambda: predictor,
            predictor.spec,
            vcf,
            fasta,
            tmp_path / name,
            scoring,
            chunk_records=16,
            quiet=True,
            **options,
        )

    return score


def h5(folder):
    with h5py.File(folder / "scores.h5") as file:
        return {name: file[name][()] for name in file}


def test_wide_table_equals_hdf5(run):
    folder = run()
    table, scores = pq.read_table(folder / "scores.parquet"), h5(folder)
    assert table.column_names[:5] == ["chrom", "pos", "id", "ref", "alt"]
    assert table.column_names[5:8] == ["SAD_T0", "SAD_T1", "SAD_T2"]
    assert not any(name.startswith("REF_T") for name in table.column_names)
    assert json.loads(table.schema.metadata[b"targets"]) == ["T0", "T1", "T2"]
    assert table.schema.metadata[b"format"] == b"tfepi-variant-table"
    assert table["pos"].to_pylist() == scores["pos"].tolist()
    assert table["alt"].to_pylist() == [a.decode() for a in scores["alt_allele"]]
    for stat in ("SAD", "D1", "REF_RATIO"):
        for t in range(3):
            assert np.array_equal(table[f"{stat}_T{t}"].to_numpy(), scores[stat][:, t])


def test_numbers_are_packed_and_chunks_whole(run):
    with h5py.File(run() / "scores.h5") as file:
        for name in ("SAD", "D1", "REF_RATIO", "REF", "pos"):
            assert (file[name].compression, file[name].shuffle) == ("gzip", True), name
            assert file[name].chunks is not None
        assert file["SAD"].dtype == np.float32


def test_many_targets_become_lists(run, monkeypatch):
    monkeypatch.setattr(output, "WIDE_COLUMNS", 8)
    monkeypatch.setattr(output, "_GROUP_BYTES", 200)
    folder = run()
    file, scores = pq.ParquetFile(folder / "scores.parquet"), h5(folder)
    assert file.metadata.num_row_groups > 1
    table = file.read()
    assert table.column_names == ["chrom", "pos", "id", "ref", "alt", "SAD", "D1", "REF_RATIO"]
    assert np.array_equal(np.array(table["D1"].to_pylist(), np.float32), scores["D1"])


@pytest.mark.parametrize("held", [1, 70 * 4])
def test_percentiles_in_blocks_are_the_same(run, monkeypatch, held):
    """Columns that are never held, and those of which one or two are."""
    whole = h5(run(name="a"))
    assert len(whole["SAD"]) == 70
    monkeypatch.setattr(output, "_HELD_BYTES", held)
    monkeypatch.setattr(output, "_ROWS_AT_ONCE", 7)
    monkeypatch.setattr(output, "_COPIED_BYTES", 100)
    monkeypatch.setattr(row_chunks, "CHUNK_BYTES", 100)
    monkeypatch.setattr(row_chunks, "TARGETS_PER_CHUNK", 2)
    blocks = h5(run(name="b"))
    for name in ("SAD", "D1", "SAD_pct", "D1_pct", "REF", "REF_RATIO_pct"):
        assert np.array_equal(whole[name], blocks[name]), name


@pytest.mark.parametrize("name", ["in.vcf", "x.vcf.gz", "x.bcf"])
def test_annotated_vcf(run, make_vcf, rows, name):
    path = make_vcf(rows, name)
    folder = run(path)
    scores = h5(folder)
    row = 0
    with pysam.VariantFile(str(folder / "scores.vcf.gz")) as file:
        assert file.header.info["TFEPI_SAD"].number == "A"
        assert file.header.contigs["chrB"].length == 700
        assert "TFEPI_REF" not in file.header.info
        found = list(file)
        assert len(found) == len(rows)
        for record, (chrom, pos, identifier, ref, alts) in zip(found, rows, strict=True):
            assert (record.chrom, record.pos, record.ref) == (chrom, pos, ref)
            assert (record.id or ".", ",".join(record.alts)) == (identifier, alts)
            assert record.info["DP"] == 7
            assert list(record.filter) == ["PASS"]
            for i in range(len(record.alts)):
                for stat, neutral in (("SAD", 0), ("D1", 0), ("REF_RATIO", 0.5)):
                    best = np.abs(scores[stat][row] - neutral).argmax()
                    value = scores[stat][row][best]
                    assert record.info[f"TFEPI_{stat}"][i] == pytest.approx(value, rel=1e-5)
                    assert record.info[f"TFEPI_{stat}_TARGET"][i] == f"T{best}"
                row += 1
        assert row == len(scores["SAD"])
        inside = [r.pos for r in file.fetch("chrA", 1000, 2000)]
    assert inside == [p for c, p, *_ in rows if c == "chrA" and 1000 < p <= 2000]


def test_alleles_without_score_are_dots(run, make_vcf, letters):
    ref = letters["chrA"][99]
    path = make_vcf(
        [
            ("chrA", 100, "some", ref, "<DEL>,T"),
            ("chrA", 100, "none", ref, "*"),
        ]
    )
    folder = run(path, Scoring(ref_policy="skip"))
    with pysam.VariantFile(str(folder / "scores.vcf.gz")) as file:
        some, none = file
        assert some.info["TFEPI_SAD_TARGET"][0] == "."
        assert some.info["TFEPI_SAD"][0] is None
        assert some.info["TFEPI_SAD"][1] is not None
        assert "TFEPI_SAD" not in none.info
        assert none.info["DP"] == 7


def test_annotating_an_annotated_vcf_replaces(run, vcf):
    first = run(name="a")
    again = run(first / "scores.vcf.gz", name="b")
    assert (again / "scores.vcf.gz").read_bytes() == (first / "scores.vcf.gz").read_bytes()


def test_names_that_info_cannot_hold():
    assert annotate.info_text("a b;c=d,e\tf") == "a_b_c_d_e_f"


def test_long_chromosomes_get_csi(run, monkeypatch):
    monkeypatch.setattr(annotate, "_TABIX_LIMIT", 4999)
    folder = run()
    assert not (folder / "scores.vcf.gz.tbi").exists()
    with pysam.VariantFile(
        str(folder / "scores.vcf.gz"), index_filename=str(folder / "scores.vcf.gz.csi")
    ) as file:
        assert len(list(file.fetch("chrB"))) == 5


def test_manifest_survives_json(run):
    folder = run()
    manifest = Manifest.read(folder)
    assert Manifest.read(folder) == manifest
    assert manifest.scoring == Scoring(stats=STATS)
    (folder / "manifest.json").write_text('{"format": "tfepi-variants", "format_version": 9}')
    with pytest.raises(InputFileError, match="version 9, want 'tfepi-variants' version 1"):
        Manifest.read(folder)
    (folder / "manifest.json").write_text('{"format": "tfepi-variants", "format_version": 1}')
    with pytest.raises(InputFileError, match=r"manifest.json is damaged"):
        Manifest.read(folder)


def test_vcf_that_shrank(run, make_vcf, rows, tmp_path):
    folder = run(shard=Shard(1, 1))  # a shard keeps its parts
    manifest, short = Manifest.read(folder), make_vcf(rows[:3])
    with pytest.raises(InputFileError, match="ends after 3 records: it has changed"):
        annotate.write_annotated(tmp_path / "x.vcf.gz", manifest, lambda n: folder, short)
    assert not list(tmp_path.glob("*x.vcf*"))


def test_missing_part(run, tmp_path):
    folder = run(shard=Shard(1, 1))
    (folder / "parts" / "0000001.h5").write_bytes(b"")
    manifest = Manifest.read(folder)
    with pytest.raises(InputFileError, match=r"part .*0000001.h5 is missing or damaged"):
        output.write_table(tmp_path / "x.parquet", manifest, lambda number: folder)
    assert not list(tmp_path.glob("*x.parquet*"))
