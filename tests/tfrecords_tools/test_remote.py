"""Names with a scheme: which are remote, where their copies lie, what of them may be written."""

import argparse
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools import remote
from tfrecords_tools.command import Parser
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import atomic_path, existing, write_json
from tfrecords_tools.output import check_folder, check_report, run_record


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("s3://lab/a.bw", "s3://lab/a.bw"),
        (Path("s3://lab/a.bw"), "s3://lab/a.bw"),
        (Path("gs://lab") / "data", "gs://lab/data"),
        ("https://host:80/x/y.fa.gz", "https://host:80/x/y.fa.gz"),
        (Path("http://host/x"), "http://host/x"),
        ("a/s3://lab/a.bw", None),
        ("tcp://host:80", None),
        ("s3:", None),
        ("s3:///lab", None),
        ("folder/x", None),
        ("https://tfhub.dev/deepmind/enformer/1", None),
        (Path("https://www.kaggle.com/models/deepmind/enformer"), None),
    ],
)
def test_names_with_a_scheme_are_remote_also_after_path(name, url):
    assert remote.as_url(name) == url


_PARTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0?#"), min_size=1, max_size=20)


@given(st.sampled_from(remote.SCHEMES), st.lists(_PARTS, min_size=2, max_size=5))
def test_a_place_in_the_cache_names_its_url(scheme, parts):
    if "@" in parts[0] or any(p in (".", "..") for p in parts):
        return
    url = f"{scheme}://{'/'.join(parts)}"
    path = remote.place(url)
    assert path.is_relative_to(remote.cache_folder())
    assert remote.url_of(path) == url
    assert remote.named(f"file {path} is") == f"file {url} is"


@pytest.mark.parametrize(
    "url", ["s3://lab/../x", "s3://lab//x", "s3://../x", "gs://lab/./x", f"s3://lab/{'a' * 256}"]
)
def test_a_name_that_no_file_can_have_is_refused(cache, url):
    with pytest.raises(InputFileError, match="between its slashes"):
        remote.place(url)


def test_passwords_in_a_url_are_refused_and_not_shown():
    with pytest.raises(ConfigError) as refused:
        remote.place("https://me:secret@host/x.bw")
    assert "secret" not in str(refused.value)


def test_what_follows_a_question_mark_is_no_part_of_a_path(cache):
    one, other = (remote.place(f"https://host/x/y.bw?key={key}") for key in ("a", "b"))
    assert one != other
    assert one.name == other.name == "y.bw"
    assert remote.url_of(one) is None
    assert remote.shown("https://host/y.bw?key=a") == "https://host/y.bw?…"
    assert remote.place("s3://lab/y?a.bw").name == "y?a.bw"


def test_local_paths_have_no_url(cache):
    for path in ("/etc/hosts", cache, cache / "s3", cache / "copies" / "x", "s3"):
        assert remote.url_of(path) is None


def test_the_cache_is_where_the_variable_says(monkeypatch, tmp_path):
    monkeypatch.setenv(remote.CACHE, str(tmp_path / "here"))
    assert remote.cache_folder() == tmp_path.resolve() / "here"
    monkeypatch.delenv(remote.CACHE)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert remote.cache_folder() == tmp_path.resolve() / ".cache" / "tfepi"


def test_urls_inside_a_word_are_placed(cache):
    words = ["NAME=s3://lab/a.bed", "@gs://lab/names", "s3://lab/a,s3://lab/b", "-x", "a=b"]
    placed, places = remote.placed([*words, "https://tfhub.dev/x/1", "see s3://lab/c"])
    root = remote.cache_folder()
    assert placed == [
        f"NAME={root}/s3/lab/a.bed",
        f"@{root}/gs/lab/names",
        f"{root}/s3/lab/a,{root}/s3/lab/b",
        "-x",
        "a=b",
        "https://tfhub.dev/x/1",
        "see s3://lab/c",
    ]
    assert set(places) == {"s3://lab/a.bed", "gs://lab/names", "s3://lab/a", "s3://lab/b"}


def test_a_key_with_a_space_is_placed_whole(cache):
    placed, places = remote.placed(["NAME=s3://lab/my file.bed,mean"])
    assert placed == [f"NAME={remote.cache_folder()}/s3/lab/my file.bed,mean"]
    assert set(places) == {"s3://lab/my file.bed"}


@pytest.mark.parametrize(
    "words",
    [
        ["--cluster", "https://h:1"],
        ["--cluster=https://h:1"],
        ["--clus", "s3://h"],
        ["--url", "grpc://h:1"],
        ["--url=https://h"],
    ],
)
def test_the_address_of_a_server_is_no_input(cache, words):
    assert remote.placed(words) == (words, {})
    placed, places = remote.placed([*words, "s3://lab/a"])
    assert placed == [*words, str(remote.place("s3://lab/a"))]
    assert set(places) == {"s3://lab/a"}


@pytest.mark.parametrize("url", ["S3://lab/a.bw", "ftp://host/a.bw", "s3:///a.bw", "file:///a.bw"])
def test_what_only_looks_like_a_url_is_refused_with_those_that_are(cache, capsys, url):
    with pytest.raises(ConfigError, match="want s3://BUCKET/KEY, gs://BUCKET/KEY, https://HOST"):
        existing(url)
    parser = Parser()
    parser.add_argument("track")
    with pytest.raises(SystemExit) as left:
        parser.parse_args([f"NAME={url}"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {url} cannot be read: want s3://BUCKET/KEY")
    assert said.count("\n") == 1


@pytest.mark.parametrize("name", ["s3://lab/out", Path("gs://lab/out"), "https://host/out"])
def test_nothing_is_written_to_a_url(cache, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for write in (
        lambda: check_folder(name),
        lambda: check_folder(remote.place("s3://lab/out")),
        lambda: check_report(f"{name}.json", (".json",), False),
        lambda: write_json(name, {}),
    ):
        with pytest.raises(ConfigError, match=r"is remote: .* name a local path"):
            write()
    assert not list(tmp_path.iterdir())


def test_a_command_refuses_to_write_to_a_url_before_it_reads_one(cache, capsys):
    parser = Parser()
    parser.add_argument("data")
    parser.add_argument("-o", dest="out")
    with pytest.raises(SystemExit) as left:
        parser.parse_args(["s3://lab/data", "-o", "s3://lab/out"])
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("error: output s3://lab/out is remote")
    assert said.count("\n") == 1
    assert not cache.exists()


def test_what_a_parser_does_not_know_is_not_fetched(cache):
    parser = Parser(add_help=False)
    parser.add_argument("--kind")
    found, rest = parser.parse_known_args(["--kind", "a", "s3://lab/data"])
    assert found == argparse.Namespace(kind="a")
    assert len(rest) == 1
    assert not cache.exists()


def test_secrets_do_not_go_into_run_json(tmp_path, cache, monkeypatch):
    monkeypatch.setattr("sys.argv", ["x.py", "https://host/y.bw?key=secret", "-o", "out"])
    with run_record(tmp_path, {}) as record:
        assert record["command"] == ["x.py", "https://host/y.bw?…", "-o", "out"]


def test_local_names_need_no_cache(tmp_path, cache):
    with atomic_path(tmp_path / "x.json") as part:
        part.write_text("{}")
    assert not cache.exists()
    assert os.listdir(tmp_path) == ["x.json"]
