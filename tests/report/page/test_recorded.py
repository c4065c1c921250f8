"""A recorded input is taken only as what it was."""

import pytest

from tfepi.report.page.recorded import name_in, recorded_file
from tfrecords_tools.files import identity


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A run's folder, a file that it recorded by a relative path, and the record."""
    (tmp_path / "work" / "run").mkdir(parents=True)
    path = tmp_path / "work" / "model.keras"
    path.write_bytes(b"weights")
    monkeypatch.chdir(tmp_path / "work")
    inputs = {"model": identity("model.keras")}
    monkeypatch.chdir(tmp_path)
    return tmp_path / "work" / "run", path, inputs


def test_it_is_found_from_the_folders_above_the_run(made):
    folder, path, inputs = made
    assert recorded_file(inputs, "model", folder) == (path, "")
    inputs["model"]["path"] = str(path)
    assert recorded_file(inputs, "model", folder) == (path, "")


def test_one_of_the_same_name_and_other_content_is_passed_over(made, tmp_path):
    folder, path, inputs = made
    (tmp_path / "model.keras").write_bytes(b"other")  # where this process is
    assert recorded_file(inputs, "model", folder) == (path, "")


def test_what_changed_or_went_is_not_taken(made):
    folder, path, inputs = made
    digest = inputs["model"]["sha256"][:12]
    path.write_bytes(b"others!")
    found, reason = recorded_file(inputs, "model", folder)
    assert found is None
    assert f"model.keras has changed: its SHA-256 was {digest}…, and is " in reason
    path.unlink()
    wanted = "the model model.keras is not there any more"
    assert recorded_file(inputs, "model", folder) == (None, wanted)
    wanted = "the run did not record its genome"
    assert recorded_file(inputs, "genome", folder) == (None, wanted)
    assert recorded_file({"model": {}}, "model", folder)[0] is None


def test_a_large_file_that_was_touched_is_named_so(made):
    folder, _path, inputs = made
    inputs["model"]["mtime_ns"] = 1  # as of a file whose ends alone are hashed
    reason = "the model model.keras was copied or touched since the run"
    assert recorded_file(inputs, "model", folder) == (None, reason)


def test_names_differ_between_folders(tmp_path):
    names = {name_in(tmp_path / a, b) for a in "ab" for b in ("locus1", "locus2")}
    assert len(names) == 4
    assert all(name.replace("_", "").isalnum() for name in names)
