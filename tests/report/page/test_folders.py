"""Which folders are runs, of which kind, and which belong together."""

import shutil

import pytest

from tfepi.report.page.folders import find
from tfrecords_tools.errors import InputFileError


def test_a_folder_of_runs_is_its_runs(job):
    runs = find([job])
    assert [(f.name, f.kind) for f in runs.folders] == [
        ("check", "check"),
        ("data", "data"),
        ("genome", "other"),
        ("ridge", "baseline"),
        ("run", "train"),
        ("saved", "export"),
        ("scores", "variants"),
        ("test", "test"),
    ]
    assert runs.folders[1].command == "tfepi_data"


def test_a_run_named_twice_is_one(job):
    assert len(find([job / "data", job, job / "data" / ".." / "data"]).folders) == 8


def test_names_are_unique(job, tmp_path):
    shutil.copytree(job / "check", tmp_path / "other" / "check")
    runs = find([job / "check", tmp_path / "other"])
    assert [f.name for f in runs.folders] == [f"{job.name}/check", "other/check"]


def test_what_belongs_together_is_found_by_hash(job):
    runs = find([job])
    by_name = {f.name: f for f in runs.folders}
    for name in ("test", "saved", "scores"):  # the scores are of the SavedModel
        assert runs.model_of(by_name[name]).name == "run"
    assert runs.data_of(by_name["test"].record["data_sha256"]).name == "data"
    assert runs.data_of("0" * 64) is None
    assert runs.data_of(None) is None
    assert find([job / "test"]).model_of(by_name["test"]) is None


def test_data_of_another_tool_has_no_record(job, tmp_path):
    for name in ("statistics.json", "sequences.bed", "targets.txt"):
        (tmp_path / "theirs").mkdir(exist_ok=True)
        shutil.copy(job / "data" / name, tmp_path / "theirs" / name)
    [folder] = find([tmp_path / "theirs"]).folders
    assert (folder.kind, folder.command, folder.inputs) == ("data", "", {})


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (None, "", "holds no run.json, nor does a folder in it"),
        ("run.json", "[]", "want an object"),
        ("run.json", "{", "run.json"),
    ],
)
def test_what_is_no_run(tmp_path, name, text, message):
    if name:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputFileError, match=message):
        find([tmp_path])


def test_a_path_that_is_no_folder(tmp_path):
    with pytest.raises(InputFileError, match="is no folder"):
        find([tmp_path / "absent"])
