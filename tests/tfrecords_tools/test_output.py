"""Output folders, room on the disk, run.json."""

import json

import pytest

from tfrecords_tools import files, output
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError


def test_a_claimed_folder_can_be_resumed_and_overwritten(tmp_path):
    out = output.claim_folder(tmp_path / "a" / "out", False, False)
    (out / "result").write_text("1")
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        output.claim_folder(out, False, False)
    with pytest.raises(UnfinishedError, match="has results: use --overwrite to redo"):
        output.claim_folder(out)
    assert output.claim_folder(out, True, False) == out
    assert (out / "result").exists()
    output.claim_folder(out, False, True)
    assert [p.name for p in out.iterdir()] == [".tfepi"]


@pytest.mark.parametrize("how", [(True, False), (False, True)])
def test_files_of_others_are_never_touched(tmp_path, how):
    (tmp_path / "genome.fa").write_text(">c\nA\n")
    with pytest.raises(UnfinishedError, match="files that tfepi did not make"):
        output.claim_folder(tmp_path, *how)
    assert [p.name for p in tmp_path.iterdir()] == ["genome.fa"]


def test_the_working_directory_is_not_removed(tmp_path, monkeypatch):
    out = output.claim_folder(tmp_path / "out", False, False)
    (out / "result").write_text("1")
    (out / "inner").mkdir()
    monkeypatch.chdir(out / "inner")
    with pytest.raises(UnfinishedError, match="holds the working directory"):
        output.claim_folder(out, False, True)
    assert (out / "result").exists()


@pytest.mark.parametrize("name", [".", "statistics.json", "deep/tracks.bw"])
def test_an_input_is_not_removed(tmp_path, name):
    out = output.claim_folder(tmp_path / "out", False, False)
    (out / "deep").mkdir()
    for inner in ("statistics.json", "deep/tracks.bw"):
        (out / inner).write_text("1")
    for inputs in ({"data": str(out / name)}, {"data": {"path": str(out / name), "size": 1}}):
        with pytest.raises(UnfinishedError, match=r"holds an input \(data\), .* another"):
            output.claim_folder(out, False, True, inputs)
    assert output.claim_folder(out, True, False, {"data": out / name}) == out
    assert (out / "deep" / "tracks.bw").exists()
    (tmp_path / "genome.fa").write_text("")
    output.claim_folder(out, False, True, {"genome": tmp_path / "genome.fa"})
    assert not (out / "deep").exists()


def test_a_failed_start_does_not_block_the_next(tmp_path):
    with pytest.raises(RuntimeError), output.run_record(tmp_path, {}):
        raise RuntimeError
    assert json.loads((tmp_path / "run.json").read_text())["outcome"] == "failed"
    output.claim_folder(tmp_path, False, False)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(UnfinishedError, match="is a file: name a folder"):
        output.check_folder(tmp_path / "x")


def test_a_report_is_not_written_over_or_nowhere(tmp_path):
    there = tmp_path / "a.json"
    there.write_text("")
    output.check_report(None, (".json",), False)
    output.check_report(there, (".json",), True)
    output.check_report(tmp_path / "b.tsv", (".tsv", ".json"), False)
    with pytest.raises(UnfinishedError, match="is there: use --overwrite"):
        output.check_report(there, (".json",), False)
    with pytest.raises(ConfigError, match=r"ends in '\.txt': want \.tsv or \.json"):
        output.check_report(tmp_path / "b.txt", (".tsv", ".json"), False)
    with pytest.raises(ConfigError, match="does not exist, make it first"):
        output.check_report(tmp_path / "no/b.json", (".json",), False)
    (tmp_path / "d.json").mkdir()
    with pytest.raises(UnfinishedError, match="is there"):
        output.check_report(tmp_path / "d.json", (".json",), True)


def test_a_folder_says_what_it_holds(tmp_path):
    for name in "edcba":
        (tmp_path / name).write_text("")
    wanted = "files that tfepi did not make: name another folder; it holds a, b, c, d, …"
    with pytest.raises(UnfinishedError, match=wanted):
        output.check_folder(tmp_path)
    with pytest.raises(
        UnfinishedError, match=r"out/x lies in .*/a, which is a file: name a folder"
    ):
        output.check_folder(tmp_path / "a" / "out/x")
    with pytest.raises(InputFileError, match=r"data folder .*/a is a file: name the folder"):
        files.existing_folder(tmp_path / "a", "data folder")


def test_what_a_folder_holds_is_listed_files_first(tmp_path):
    (tmp_path / "figures").mkdir()
    for name in ("run.json", "b.tsv", ".tfepi"):
        (tmp_path / name).touch()
    assert output.written(tmp_path) == f"wrote {tmp_path}: b.tsv, run.json, figures/"
