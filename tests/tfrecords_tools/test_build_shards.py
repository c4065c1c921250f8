"""Builds in shards: the same bytes as one machine's, however the shards and the merge ran."""

import os
import re
import shutil
from dataclasses import replace

import pytest

from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.build_shards import build_shard
from tfrecords_tools.errors import InputFileError, UnfinishedError
from tfrecords_tools.files import read_json
from tfrecords_tools.folder_lock import sole_writer
from tfrecords_tools.merge_build import Asked, merge_shards
from tfrecords_tools.plan import make_plan
from tfrecords_tools.sharding import Shard

OPTIONS = {
    "seq_length": 256,
    "bin_width": 32,
    "stride_train": 256,
    "stride_test": 256,
    "valid": "chr2",
    "test": "chr3",
    "records_per_shard": 64,
    "track_width": 8,
    "track_context": 128,
    "positive_share": 0.9,
    "nan": "keep",
}


@pytest.fixture(scope="module")
def planned(genome_folder, cell_tables):
    """The plan of a build with labels, input tracks, balancing and missing values; its table."""
    targets, tracks = cell_tables
    options = BuildOptions(**OPTIONS, tracks=str(tracks))
    return make_plan(genome_folder / "genome.fa", targets, options), targets


@pytest.fixture(scope="module")
def other(planned, genome_folder):
    """A plan with another seed."""
    options = replace(planned[0].options, seed=1)
    return make_plan(genome_folder / "genome.fa", planned[1], options)


@pytest.fixture(scope="module")
def one(planned, tmp_path_factory):
    out = tmp_path_factory.mktemp("one") / "data"
    build(planned[0], out, quiet=True)
    return content(out)


@pytest.fixture
def run(planned, tmp_path):
    """Return a function that runs shard i of n of a build in tmp_path/d."""

    def shard(number, count, plan=planned[0], **options):
        options = {"resume": True, "quiet": True} | options
        return build_shard(plan, tmp_path / "d", Shard(number, count), planned[1], **options)

    return shard


def content(folder):
    """Bytes of every file but run.json."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


def merge(folder, **options):
    return merge_shards(folder, quiet=True, **options)


@pytest.mark.parametrize("count", [1, 3, 12])
def test_shards_of_both_passes_and_the_merge_equal_one_run(run, tmp_path, one, count):
    """There are 8 tracks, so that with 12 shards some read none."""
    for number in range(count, 1, -1):
        assert f"tracks of shard {number}/{count} are read" in run(number, count)
    assert "wrote" in run(1, count)  # the last to read goes on
    for number in range(2, count + 1):
        assert "wrote" in run(number, count)
    merge(tmp_path / "d")
    assert content(tmp_path / "d") == one
    assert read_json(tmp_path / "d" / "run.json")["merged"] == count


def test_the_merge_writes_records_that_no_shard_has(run, tmp_path, one):
    for number in (1, 2, 3):
        run(number, 3)  # the third alone writes its records
    merge(tmp_path / "d", workers=2)
    assert content(tmp_path / "d") == one


def test_a_merge_that_was_stopped_goes_on(run, tmp_path, one, other, monkeypatch):
    """So do the commands of all tasks, which have nothing left to do then."""
    from tfrecords_tools import merge_build

    for number in (1, 2, 3, 1, 2):
        run(number, 3)
    real, moved = merge_build._move, []

    def stopping(folder, job):
        if len(moved) == 4:
            os.replace(folder / "tfrecords" / job.path.name, job.path)  # killed after it
            raise KeyboardInterrupt
        moved.append(job)
        real(folder, job)

    with monkeypatch.context() as patch:
        patch.setattr(merge_build, "_move", stopping)
        with pytest.raises(KeyboardInterrupt):
            merge(tmp_path / "d")
    with pytest.raises(UnfinishedError, match="merge that was stopped: use --resume"):
        merge(tmp_path / "d")
    with pytest.raises(UnfinishedError, match="unfinished build or merge"):
        run(1, 3, resume=False)
    for number in (1, 2, 3):
        assert "a merge was begun" in run(number, 3)
    with pytest.raises(UnfinishedError, match=r"option seed was 44 when .*1-of-3 was begun, now 1"):
        run(1, 3, other)
    with pytest.raises(UnfinishedError, match="of another split, as 1/3, than shard 1/2"):
        run(1, 2)
    merge(tmp_path / "d", resume=True)
    assert content(tmp_path / "d") == one


def test_all_again_after_success(run, tmp_path, one, other, planned):
    out = tmp_path / "d"
    for number in (1, 2):
        run(number, 2)
    merge(out)
    for number in (1, 2):
        assert run(number, 2) == f"{out} is complete already"
    asked = Asked(planned[0].fasta, planned[1], planned[0].options)
    for what in (None, asked):
        merge(out, asked=what, resume=True)
    assert content(out) == one
    with pytest.raises(UnfinishedError, match="has data: the shards are merged already"):
        merge(out)
    with pytest.raises(UnfinishedError, match="has data, no shards: name another folder"):
        run(1, 2, resume=False)
    with pytest.raises(UnfinishedError, match=r"option seed was 44 when .*d was begun, now 1"):
        run(1, 2, other)
    for what in (Asked(options=BuildOptions(seed=1)), replace(asked, options=other.options)):
        with pytest.raises(UnfinishedError, match=r"option seed was 44 when .*d was begun, now 1"):
            merge(out, asked=what, resume=True)
    (out / "manifest.json").touch()
    os.utime(planned[0].fasta)  # hashed again, then
    assert run(1, 2) == f"{out} is complete already"
    next((out / "tfrecords").iterdir()).unlink()
    with pytest.raises(UnfinishedError, match="lacks files of its data: build it again"):
        merge(out, resume=True)


def test_a_merge_waits_for_no_shard(run, tmp_path):
    run(1, 2)
    with (
        sole_writer(tmp_path / "d", shared=True),
        pytest.raises(UnfinishedError, match="another command writes to output folder"),
    ):
        merge(tmp_path / "d")
    run(2, 2)


def test_a_merge_compares_what_it_is_told(run, tmp_path, one, other, planned):
    for number in (1, 2):
        run(number, 2)
    plan, table = planned
    words = r"option (seed|decimals) was .*1-of-2 was begun.*, or run shard 1/2 again with"
    for asked in (Asked(plan.fasta, table, other.options), Asked(options=BuildOptions(decimals=3))):
        with pytest.raises(UnfinishedError, match=words):
            merge(tmp_path / "d", asked=asked)
    merge(tmp_path / "d", asked=Asked(options=BuildOptions(seq_length=256, stride_test=256)))
    assert content(tmp_path / "d") == one


def test_what_does_not_go_together(run, planned, tmp_path, other):
    out = tmp_path / "d"
    with pytest.raises(InputFileError, match="has no shards: build with --shard"):
        merge(out)
    run(1, 2)
    assert "its records not written; when all shards have read theirs (not yet: 2/2)" in run(1, 2)
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        run(1, 2, resume=False)
    with pytest.raises(InputFileError, match="lacks shard 2 of 2"):
        merge(out)
    for resume in (False, True):
        with pytest.raises(UnfinishedError, match="holds shards of a build: use --merge"):
            build(planned[0], out, resume=resume, quiet=True)
    with pytest.raises(UnfinishedError, match=r"option seed was 44.*or run shard 1/2 again with"):
        run(2, 2, other)  # when it has read its tracks and looks at the other's
    with pytest.raises(UnfinishedError, match=r"option seed was 1 when .*2-of-2 was begun, now 44"):
        merge(out)
    run(2, 2, overwrite=True, resume=False)
    (out / "shards" / "2-of-2" / "done" / "7-0.json").unlink()
    with pytest.raises(InputFileError, match="shard 2/2 has not read its tracks"):
        merge(out)


def test_an_input_that_changes_between_shards(planned, tmp_path, genome_folder):
    copy = tmp_path / "g"
    shutil.copytree(genome_folder, copy)
    options = BuildOptions(**OPTIONS, tracks=str(copy / "cell_tracks.txt"))

    def run(number):
        plan = make_plan(copy / "genome.fa", copy / "cell_targets.txt", options)
        table = copy / "cell_targets.txt"
        build_shard(plan, tmp_path / "d", Shard(number, 2), table, resume=True, quiet=True)

    run(1)
    os.utime(copy / "t2.bw", ns=(1, 1))
    with pytest.raises(UnfinishedError, match=r"t2\.bw\) has changed since .* was begun"):
        run(1)
    with pytest.raises(UnfinishedError, match=r"t2\.bw\) has changed since .* was begun"):
        run(2)
    with pytest.raises(UnfinishedError, match=r"t2\.bw\) has changed since .* was begun"):
        merge(tmp_path / "d")


def test_commands(run_script, genome_folder, tmp_path):
    """Options, and the merge without any."""
    sizes = ["-l", 256, "-w", 32, "-c", 64, "--stride", 128, "--stride_test", 128, "-r", 100]
    inputs = [
        "-v",
        "chr2",
        "-t",
        "chr3",
        genome_folder / "genome.fa",
        genome_folder / "targets.txt",
    ]
    run_script("tfepi_data.py", "-q", "-o", tmp_path / "one", *sizes, *inputs)
    for shard in ("1/2", "2/2", "1/2"):
        command = ["-q", "-o", tmp_path / "d", "--shard", shard, "--resume", *sizes, *inputs]
        run_script("tfepi_data.py", *command)
    merge = ["tfepi_data.py", "-q", "-o", tmp_path / "d", "--merge", "-p", 2]
    for asked in (["-d", 3], ["-d", 3, *sizes, *inputs]):
        done = run_script(*merge, *asked, check=False)
        assert done.returncode == 2
        assert re.fullmatch(r"error: option decimals was None when .*, now 3.*\n", done.stderr)
    for _ in range(2):
        run_script(*merge, "--resume", *sizes, *inputs)
    assert content(tmp_path / "d") == content(tmp_path / "one")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "want genome.fa and targets.txt; or --merge with -o"),
        (["--merge", "--overwrite"], "--merge joins shards that are there: leave --overwrite out"),
        (["--merge", "--shard", "1/2"], "leave --shard out"),
        (["--merge", "g"], "--merge has g, no targets.txt: name both, or neither"),
        (["--shard", "3/2", "g", "t"], "shard is 3/2: want i/n"),
        (["--cluster", "host:1", "g", "t"], "--cluster is 'host:1', want"),
        (["--cluster", "tcp://h:1", "-p", "2", "g", "t"], "-p 2 and --cluster tcp://h:1 exclude"),
        (["--cluster", "tcp://h:1", "--shard", "1/2", "g", "t"], "--shard 1/2 and --cluster"),
        (["--kind", "methylation", "--shard", "1/2", "g", "t"], "does not take --shard"),
    ],
)
def test_options_that_do_not_go_together(run_script, tmp_path, arguments, message):
    done = run_script("tfepi_data.py", "-o", tmp_path / "d", *arguments, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "d").exists()
