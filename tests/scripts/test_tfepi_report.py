"""The command: what it writes, and what it refuses before TensorFlow is loaded."""

import json

import pytest


@pytest.fixture
def checked(tmp_path):
    """A folder of a finished command, without models."""
    folder = tmp_path / "check"
    folder.mkdir()
    record = {"command": ["tfepi_check.py", "genome.fa"], "outcome": "finished"}
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "check.json").write_text(json.dumps({"tracks": []}))
    return folder


def test_a_page_is_written(checked, tmp_path, run_script):
    out = tmp_path / "page.html"
    done = run_script("tfepi_report.py", "-q", "--no_models", checked, "-o", out)
    assert done.stdout == f"wrote {out} and {out.with_suffix('.json')}\n"
    assert not done.stderr
    assert "tfepi_check.py genome.fa" in out.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["absent"], "absent is no folder"),
        (["."], "holds no run.json, nor does a folder in it"),
        (["check", "-o", "page.pdf"], "ends in '.pdf': want .html"),
        (["check", "-o", "nowhere/page.html"], "does not exist, make it first"),
        (["check", "-o", "there.html"], "is there: use --overwrite"),
    ],
)
def test_what_is_refused(checked, tmp_path, here, monkeypatch, words, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "there.html").touch()
    monkeypatch.chdir(tmp_path / "empty" if words == ["."] else tmp_path)
    status, out, lines = here("tfepi_report.py", "--no_models", *words)
    assert (status, out) == (2, "")
    assert len(lines) == 1
    assert message in lines[0]
    assert not (tmp_path / "report.html").exists()
