"""Output folders, JSON input, identities of files."""

import json

import pytest

from tfrecords_tools import files
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError


def test_a_claimed_folder_can_be_resumed_and_overwritten(tmp_path):
    out = files.claim_folder(tmp_path / "a" / "out", False, False)
    (out / "result").write_text("1")
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        files.claim_folder(out, False, False)
    with pytest.raises(UnfinishedError, match="has results: use --overwrite to redo"):
        files.claim_folder(out)
    assert files.claim_folder(out, True, False) == out
    assert (out / "result").exists()
    files.claim_folder(out, False, True)
    assert [p.name for p in out.iterdir()] == [".tfepi"]


@pytest.mark.parametrize("how", [(True, False), (False, True)])
def test_files_of_others_are_never_touched(tmp_path, how):
    (tmp_path / "genome.fa").write_text(">c\nA\n")
    with pytest.raises(UnfinishedError, match="files that tfepi did not make"):
        files.claim_folder(tmp_path, *how)
    assert [p.name for p in tmp_path.iterdir()] == ["genome.fa"]


def test_the_working_directory_is_not_removed(tmp_path, monkeypatch):
    out = files.claim_folder(tmp_path / "out", False, False)
    (out / "result").write_text("1")
    (out / "inner").mkdir()
    monkeypatch.chdir(out / "inner")
    with pytest.raises(UnfinishedError, match="holds the working directory"):
        files.claim_folder(out, False, True)
    assert (out / "result").exists()


@pytest.mark.parametrize("name", [".", "statistics.json", "deep/tracks.bw"])
def test_an_input_is_not_removed(tmp_path, name):
    out = files.claim_folder(tmp_path / "out", False, False)
    (out / "deep").mkdir()
    for inner in ("statistics.json", "deep/tracks.bw"):
        (out / inner).write_text("1")
    for inputs in ({"data": str(out / name)}, {"data": {"path": str(out / name), "size": 1}}):
        with pytest.raises(UnfinishedError, match=r"holds the data that is read, .* another"):
            files.claim_folder(out, False, True, inputs)
    assert files.claim_folder(out, True, False, {"data": out / name}) == out
    assert (out / "deep" / "tracks.bw").exists()
    (tmp_path / "genome.fa").write_text("")
    files.claim_folder(out, False, True, {"genome": tmp_path / "genome.fa"})
    assert not (out / "deep").exists()


def test_a_failed_start_does_not_block_the_next(tmp_path):
    with pytest.raises(RuntimeError), files.run_record(tmp_path, {}):
        raise RuntimeError
    assert json.loads((tmp_path / "run.json").read_text())["outcome"] == "failed"
    files.claim_folder(tmp_path, False, False)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UnfinishedError, match="is a file: name a folder"):
        files.check_folder(tmp_path / "x")


def test_a_report_is_not_written_over_or_nowhere(tmp_path):
    there = tmp_path / "a.json"
    there.write_text("")
    files.check_report(None, (".json",), False)
    files.check_report(there, (".json",), True)
    files.check_report(tmp_path / "b.tsv", (".tsv", ".json"), False)
    with pytest.raises(UnfinishedError, match="is there: use --overwrite"):
        files.check_report(there, (".json",), False)
    with pytest.raises(ConfigError, match=r"ends in '\.txt': want \.tsv or \.json"):
        files.check_report(tmp_path / "b.txt", (".tsv", ".json"), False)
    with pytest.raises(ConfigError, match="does not exist, make it first"):
        files.check_report(tmp_path / "no/b.json", (".json",), False)
    (tmp_path / "d.json").mkdir()
    with pytest.raises(UnfinishedError, match="is there"):
        files.check_report(tmp_path / "d.json", (".json",), True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not valid JSON"),
        ("[1]", "holds a JSON list; want an object"),
        ('{"a": NaN}', "has the number NaN: want a finite one"),
        ('{"a": -Infinity}', "has the number -Infinity"),
        ('{"a": {"b": 1, "b": 2}}', "has the key 'b' twice"),
    ],
)
def test_bad_json_is_refused(tmp_path, text, message):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputFileError, match=message):
        files.read_json(tmp_path / "x.json")


def test_an_atomic_file_is_whole_or_absent(tmp_path):
    def fail():
        with files.atomic_path(tmp_path / "x.txt") as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []
    files.write_text(tmp_path / "x.txt", "whole")
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_names_stay_inside(tmp_path):
    assert files.inside(tmp_path, "a/b") == (tmp_path / "a" / "b").resolve()
    for name in ("../x", "/etc/passwd", ".", "a/../.."):
        with pytest.raises(InputFileError, match="leads outside"):
            files.inside(tmp_path, name)


def test_identity_of_a_large_file_is_size_time_and_ends(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WHOLE_HASH_LIMIT", 10)
    monkeypatch.setattr(files, "END_BYTES", 4)
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    one = files.identity(path)
    assert set(one) == {"path", "size", "mtime_ns", "sha256_ends"}
    path.write_bytes(b"012345678X")
    assert not files.same_identity(one, files.identity(path))
    moved = dict(one, path="elsewhere")
    assert files.same_identity(one, moved)


def test_a_folder_says_what_it_holds(tmp_path):
    for name in "edcba":
        (tmp_path / name).write_text("")
    wanted = "files that tfepi did not make: name another folder; it holds a, b, c, d, …"
    with pytest.raises(UnfinishedError, match=wanted):
        files.check_folder(tmp_path)
    with pytest.raises(
        UnfinishedError, match=r"out/x lies in .*/a, which is a file: name a folder"
    ):
        files.check_folder(tmp_path / "a" / "out/x")
    with pytest.raises(InputFileError, match=r"data folder .*/a is a file: name the folder"):
        files.existing_folder(tmp_path / "a", "data folder")
