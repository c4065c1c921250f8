"""Builds in shards: the same bytes as one machine's, however the shards and the merge ran."""

import os
import shutil

import pytest

from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.build_shards import Shares, build_shard, merge_shards
from tfrecords_tools.errors import InputFileError, UnfinishedError
from tfrecords_tools.files import read_json
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
    return merge_shards(Shares.of(folder), quiet=True, **options)


@pytest.mark.parametrize("count", [1, 3, 12])
def test_shards_of_both_passes_and_the_merge_equal_one_run(run, tmp_path, one, count):
    """There are 8 tracks, so that with 12 shards some read none."""
    for number in range(count, 1, -1):
        assert "read the tracks of shard" in run(number, count)
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


def test_a_merge_that_was_stopped_goes_on(run, tmp_path, one, monkeypatch):
    from tfrecords_tools import build_shards

    for number in (1, 2, 3, 1, 2):
        run(number, 3)
    real, moved = build_shards._move, []

    def stopping(folder, job):
        if len(moved) == 4:
            os.replace(folder / "tfrecords" / job.path.name, job.path)  # killed after it
            raise KeyboardInterrupt
        moved.append(job)
        real(folder, job)

    with monkeypatch.context() as patch:
        patch.setattr(build_shards, "_move", stopping)
        with pytest.raises(KeyboardInterrupt):
            merge(tmp_path / "d")
    with pytest.raises(UnfinishedError, match="merge that was stopped: use --resume"):
        merge(tmp_path / "d")
    with pytest.raises(UnfinishedError, match="unfinished build or merge"):
        run(1, 3)
    merge(tmp_path / "d", resume=True)
    assert content(tmp_path / "d") == one
    with pytest.raises(UnfinishedError, match="has data, no shards: it is merged already"):
        merge(tmp_path / "d")
    with pytest.raises(UnfinishedError, match="has data, no shards: name another folder"):
        run(1, 3)


def test_what_does_not_go_together(run, planned, tmp_path, genome_folder):
    out = tmp_path / "d"
    with pytest.raises(InputFileError, match="has no shards: build with --shard"):
        merge(out)
    run(1, 2)
    with pytest.raises(InputFileError, match=r"shard 1/2 has read its tracks, but 2/2 not yet"):
        run(1, 2)
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        run(1, 2, resume=False)
    with pytest.raises(InputFileError, match="lacks shard 2 of 2"):
        merge(out)
    for resume in (False, True):
        with pytest.raises(UnfinishedError, match="holds shards of a build: use --merge"):
            build(planned[0], out, resume=resume, quiet=True)
    other = BuildOptions(**(OPTIONS | {"seed": 1}), tracks=planned[0].options.tracks)
    plan = make_plan(genome_folder / "genome.fa", planned[1], other)
    with pytest.raises(UnfinishedError, match="option seed was 44"):
        run(2, 2, plan)  # when it has read its tracks and looks at the other's
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
    run_script("tfepi_data.py", "-q", "-o", tmp_path / "d", "--merge", "-p", 2)
    assert content(tmp_path / "d") == content(tmp_path / "one")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "want genome.fa and targets.txt; or --merge with -o"),
        (["--merge", "--overwrite"], "--merge joins shards that are there: leave --overwrite out"),
        (["--merge", "--shard", "1/2"], "leave --shard out"),
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
