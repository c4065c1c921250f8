import shutil

import pytest

from tfepi.variants.merge import merge_shards
from tfepi.variants.options import Scoring, Shard
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import InputFileError, UnfinishedError

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
    run("out", "1/2")
    with pytest.raises(InputFileError, match=r"shards of different splits, of \[2, 3\]"):
        merge_shards(out)
    shutil.rmtree(out / "shards" / "1-of-2")
    (out / "shards" / "x-of-y").mkdir()
    merge_shards(out)


def test_a_shard_alone_is_refused_and_resumed(run):
    run("out", "2/2")
    with pytest.raises(UnfinishedError, match="has results"):
        run("out", "2/2")
    run("out", "2/2", resume=True)
