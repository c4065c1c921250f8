"""Files that are whole or absent, JSON input, identities of files."""

import pytest

from tfrecords_tools import files
from tfrecords_tools.errors import InputFileError


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
