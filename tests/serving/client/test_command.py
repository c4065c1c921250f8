"""The command: what it prints, writes and refuses, and with which status."""

import json

import h5py
import pytest

from tfepi.serving import client_arguments
from tfrecords_tools.command import Parser
from tfrecords_tools.errors import TfepiError

NAME = "tfepi_serve_client.py"


@pytest.fixture
def command(run_script, serve, vcf, fasta, tmp_path):
    """Return a function that runs the command on a toy server; its attribute is the server."""
    server = serve(("SAD", "D1"))

    def run(*args, **options):
        where = ("--url", server.url, "--model", "toy", "-f", fasta, vcf)
        return run_script(NAME, "-o", tmp_path / "out", *args, *where, **options)

    run.server = server
    return run


def test_scores(command, tmp_path):
    done = command("--stats", "D1", "--query", "T2", "--batch_size", 9, "--in_flight", 2)
    assert done.stdout == f"wrote {tmp_path / 'out'}\n"
    with h5py.File(tmp_path / "out" / "scores.h5") as file:
        assert file["D1"].shape[1] == 1
        assert "SAD" not in file
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    url = command.server.url
    assert record["server"] == f"{url} model toy"
    assert record["requests"] == {"batch_size": 9, "in_flight": 2}
    assert record["inputs"]["model"]["path"] == f"{url} model toy"
    assert record["inputs"]["model"]["sha256"] == command.server.model.metadata["model_sha256"]
    again = command(check=False)
    assert again.returncode == 2
    assert "use --resume" in again.stderr


def test_sizes_shards_and_merge(command, run_script, tmp_path):
    assert "scores.h5\t" in command("--dry_run").stdout
    assert not (tmp_path / "out").exists()
    for shard in ("1/2", "2/2"):
        command("--shard", shard, "--chunk_records", 16)
    done = run_script(NAME, "-o", tmp_path / "out", "--merge")
    assert done.stdout == f"merged {tmp_path / 'out'}\n"
    with h5py.File(tmp_path / "out" / "scores.h5") as file:
        assert len(file["SAD"]) > 60
    done = run_script(NAME, "-o", tmp_path / "out", "--merge", "--stats", "SAD", check=False)
    assert "error: --merge has --stats, but not all that it would be compared with" in done.stderr
    done = command("--merge", "--dry_run", check=False)
    assert "error: --merge joins shards that are there: leave --dry_run out" in done.stderr


def test_a_merge_compares_what_it_is_asked_for(command, tmp_path):
    command("--shard", "1/1")
    done = command("--merge", "--stats", "D1", check=False)
    assert done.returncode == 2
    assert "option stats" in done.stderr
    assert not (tmp_path / "out" / "scores.h5").exists()
    assert command("--merge", "--resume").stdout == f"merged {tmp_path / 'out'}\n"
    assert (tmp_path / "out" / "scores.h5").exists()


def test_a_server_that_is_not_there(command):
    command.server.stop()
    done = command("--patience", 0, check=False)
    assert done.returncode == 75
    assert done.stderr.count("\n") == 1
    assert "no connection" in done.stderr
    command.server.start()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--stats", "JSD"), "unknown statistic 'JSD' of the served model"),
        (("--ref_policy", "guess"), "unknown ref_policy 'guess'"),
        (("--query", "liver"), "liver"),
        (("--in_flight", "0"), "--in_flight is 0"),
        (("--rest_format", "row"), "unknown rest_format"),
        (("--formats", "xml"), "unknown format"),
        (("--model", ""), "the model has no name"),
    ],
)
def test_refusals(serve, args, message, vcf, fasta, tmp_path):
    where = ("--url", serve().url, "--model", "toy", "-f", fasta, vcf, "-o", tmp_path / "out")
    with pytest.raises(TfepiError, match=message):
        client_arguments.work(parsed(*where, *args))
    assert not (tmp_path / "out").exists()


def parsed(*words):
    parser = Parser()
    client_arguments.add(parser)
    return parser.parse_args([*map(str, words)])


def test_what_is_missing(vcf, fasta, tmp_path):
    for args, message in (
        ((), "VCF is missing"),
        ((vcf,), "-f is missing"),
        ((vcf, "-f", fasta), "--url is missing"),
        ((vcf, "-f", fasta, "--url", "ftp://h:1", "--model", "m"), "want http://HOST:PORT"),
        ((vcf, "-f", tmp_path / "no.fa", "--url", "http://h:1"), "does not exist"),
    ):
        with pytest.raises(TfepiError, match=message):
            client_arguments.work(parsed("-o", tmp_path / "out", *args))
    assert not (tmp_path / "out").exists()
