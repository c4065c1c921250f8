import json
import logging
import shutil

import pytest

from tfepi.variants.merge import merge_shards, score_results
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.folder_lock import sole_writer
from tfrecords_tools.sharding import Shard

SCORING = Scoring(stats=("SAD", "REF", "D2"), batch_size=8)


@pytest.fixture
def run(tmp_path, vcf, fasta, predictor):
    def score(name, shard=None, scoring=SCORING, **options):
        options = {"quiet": True, "chunk_records": 8} | options
        shard = Shard.parse(shard) if shard else None
        spec = predictor.spec
        return score_vcf(
            lambda: predictor, spec, vcf, fasta, tmp_path / name, scoring, shard=shard, **options
        )

    return score


def finals(folder):
    files = (p for p in folder.iterdir() if p.is_file() and p.name != "run.json")
    return {p.name: p.read_bytes() for p in files}


@pytest.mark.parametrize("count", [1, 3, 40])
def test_merged_shards_equal_one_run(run, tmp_path, predictor, count):
    whole = finals(run("whole"))
    asked, predictor.sequences = predictor.sequences, 0
    for i in reversed(range(count)):
        folder = run("split", f"{i + 1}/{count}")
        assert folder == tmp_path / "split" / "shards" / f"{i + 1}-of-{count}"
    assert predictor.sequences == asked
    assert finals(merge_shards(tmp_path / "split")) == whole


def test_a_folder_of_others_is_not_taken_by_a_shard(run, tmp_path):
    """Else --overwrite would remove it as one made here."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("mine")
    for options in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(UnfinishedError, match="has files that tfepi did not make"):
            run("other", "1/2", **options)
        with pytest.raises(UnfinishedError):
            run("other", **options)
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]


def test_merge_again(run, tmp_path):
    run("out", "1/1")
    merge_shards(tmp_path / "out")
    before = finals(tmp_path / "out")
    with pytest.raises(UnfinishedError, match="use --resume to go on"):
        merge_shards(tmp_path / "out")
    (tmp_path / "out" / "scores.vcf.gz").unlink()
    merge_shards(tmp_path / "out", resume=True)
    assert finals(tmp_path / "out") == before
    (tmp_path / "out" / "scores.h5").write_text("damaged")
    merge_shards(tmp_path / "out", overwrite=True)
    assert finals(tmp_path / "out") == before


def test_merge_with_a_vcf_that_moved(run, tmp_path, vcf):
    run("out", "1/1")
    moved = tmp_path / "moved.vcf"
    moved.write_bytes(vcf.read_bytes())
    merge_shards(tmp_path / "out", moved)
    moved.write_text(moved.read_text().replace("DP=7", "DP=8"))
    with pytest.raises(InputFileError, match=r"moved.vcf has changed since it was scored"):
        merge_shards(tmp_path / "out", moved, overwrite=True)


def test_what_cannot_be_merged(run, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputFileError, match="has no shards: score with --shard"):
        merge_shards(out)
    run("out", "1/3")
    run("out", "3/3")
    with pytest.raises(InputFileError, match="lacks shard 2 of 3"):
        merge_shards(out)
    run("out", "2/3", scoring=Scoring(stats=("SAD", "REF"), batch_size=8))
    with pytest.raises(UnfinishedError, match="option stats changed"):
        merge_shards(out)
    run("out", "2/3", overwrite=True)
    part = next((out / "shards" / "2-of-3" / "parts").iterdir())
    part.unlink()
    with pytest.raises(InputFileError, match=r"shard 2/3 is not finished: part \d+ is missing"):
        merge_shards(out)
    run("out", "2/3", resume=True)
    with pytest.raises(UnfinishedError, match="of another split, as 1/3, than shard 1/2"):
        run("out", "1/2")
    (out / "shards" / "1-of-2").mkdir()
    with pytest.raises(InputFileError, match=r"shards of different splits, of \[2, 3\]"):
        merge_shards(out)
    shutil.rmtree(out / "shards" / "1-of-2")
    (out / "shards" / "x-of-y").mkdir()
    merge_shards(out)


def test_one_writer_at_a_time(run, tmp_path):
    """Shards beside each other, of one split; the merge when none is at work."""
    out = run("out", "1/1").parents[1]
    with sole_writer(out, shared=True):
        run("out", "1/1", resume=True)
        with pytest.raises(UnfinishedError, match="another command writes to output folder"):
            merge_shards(out)
    for folder in (out, out / "shards" / "1-of-1"):
        with sole_writer(folder), pytest.raises(UnfinishedError, match="another command"):
            run("out", "1/1", resume=True)
    merge_shards(out)


def test_a_shard_alone_is_refused_and_resumed(run):
    run("out", "2/2")
    with pytest.raises(UnfinishedError, match="has results"):
        run("out", "2/2")
    run("out", "2/2", resume=True)


def test_formats_are_the_shards_unless_named(run, tmp_path):
    whole = finals(run("whole", formats=("summary", "parquet")))
    for shard in ("1/2", "2/2"):
        run("out", shard, formats=("summary", "parquet"))
    folder = merge_shards(tmp_path / "out")
    assert finals(folder) == whole
    assert set(whole) >= {"summary.parquet", "scores.parquet"}
    assert not {"scores.h5", "scores.vcf.gz"} & set(whole)
    assert json.loads((folder / "run.json").read_text())["formats"] == ["summary", "parquet"]
    merge_shards(folder, overwrite=True, results=score_results(("h5",)))
    assert "scores.h5" in finals(folder)
    assert "summary.parquet" not in finals(folder)


def test_shards_asked_for_different_formats(run, tmp_path):
    run("out", "1/2", formats=("summary",))
    run("out", "2/2", formats=("h5", "summary"))
    message = "shard 1-of-2 was asked for summary, 2-of-2 for h5,summary: name .* with --formats"
    with pytest.raises(ConfigError, match=message):
        merge_shards(tmp_path / "out")
    merge_shards(tmp_path / "out", results=score_results(("h5",)))


@pytest.mark.parametrize(
    ("formats", "error", "message"),
    [
        ("h5", InputFileError, r"run.json is damaged: formats are 'h5'; name them with --formats"),
        ([1], InputFileError, r"run.json is damaged: formats are \[1\]"),
        (["h6"], ConfigError, "unknown format 'h6': choose from h5"),
    ],
)
def test_formats_that_no_shard_can_have(run, tmp_path, formats, error, message):
    folder = run("out", "1/1")
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"formats": formats}))
    with pytest.raises(error, match=message):
        merge_shards(tmp_path / "out")


def test_shards_that_do_not_say_formats(run, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    (run("out", "1/1", formats=("summary",)) / "run.json").unlink()
    assert "scores.h5" in finals(merge_shards(tmp_path / "out"))
    assert "the shards do not say in which formats: h5,parquet,vcf" in caplog.text
