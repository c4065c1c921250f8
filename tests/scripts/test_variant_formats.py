"""--formats and --dry_run of tfepi_variants.py as a user runs it."""

import json

import pytest

SCRIPT = "tfepi_variants.py"


@pytest.fixture
def arguments(model, genome_folder, here, tmp_path):
    """Arguments for 30 random variants, but the output folder."""
    vcf, fasta = tmp_path / "in.vcf", genome_folder / "genome.fa"
    assert here("tfepi_calibrate.py", "sample", "-f", fasta, "-n", 30, "-o", vcf, "-q")[0] == 0
    return (model / "params.json", model, vcf, "-f", fasta)


def names(folder):
    return {p.name for p in folder.iterdir() if not p.name.startswith(".")}


def test_formats(run_script, here, arguments, tmp_path):
    pytest.importorskip("zarr")
    some = ("--formats", "zarr,summary")
    done = run_script(SCRIPT, *arguments, "-o", tmp_path / "one", *some)
    assert "expected sizes: scores.zarr " in done.stderr
    assert names(tmp_path / "one") == {
        *("scores.zarr", "summary.parquet", "skipped.tsv", "manifest.json", "run.json")
    }
    assert json.loads((tmp_path / "one/run.json").read_text())["formats"] == ["zarr", "summary"]
    many = ("-o", tmp_path / "many", "-q")
    for i in (1, 2):
        shard = ("--shard", f"{i}/2", "--chunk_records", 8, "--formats", "summary")
        assert here(SCRIPT, *arguments, *many, *shard)[0] == 0
    status, printed, _ = here(SCRIPT, "--merge", *many)
    assert (status, printed) == (0, f"merged {tmp_path / 'many'}\n")
    assert (tmp_path / "many/summary.parquet").read_bytes() == (
        tmp_path / "one/summary.parquet"
    ).read_bytes()
    assert not (tmp_path / "many/scores.h5").exists()
    named = ("--formats", "h5,summary", "--overwrite")
    assert here(SCRIPT, "--merge", *many, *named)[0] == 0
    assert (tmp_path / "many/scores.h5").exists()
    status, _, lines = here(
        "tfepi_summaries.py", tmp_path / "one", "-o", tmp_path / "summaries", "-q"
    )
    assert status == 2
    assert "were written as zarr, summary, without scores.h5, which is read" in lines[0]


def test_dry_run_writes_nothing(here, arguments, tmp_path):
    status, printed, _ = here(SCRIPT, *arguments, "-o", tmp_path / "out", "--dry_run", "-q")
    assert status == 0
    first, *lines = printed.splitlines()
    assert first == "30 rows to score"
    assert [line.split("\t")[0] for line in lines] == [
        *("scores.h5", "scores.parquet", "scores.vcf.gz", "parts, until the end", "in all")
    ]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("h5,parket", "unknown format 'parket': did you mean 'parquet'?"),
        ("h5,h5", "formats are 'h5,h5': want different ones"),
    ],
)
def test_refused(refused, arguments, tmp_path, text, message):
    arguments = [*arguments, "-o", tmp_path / "out"]
    refused(SCRIPT, arguments, {"--formats": text}, message)
