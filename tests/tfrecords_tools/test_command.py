"""What every command does with errors: one line, a status."""

import errno
import re

import pytest

from tfrecords_tools import command
from tfrecords_tools.errors import ConfigError


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    ("error", "resumable", "status", "line"),
    [
        (ConfigError("bad\n value"), True, 2, "error: bad value"),
        (
            PermissionError(errno.EACCES, "Permission denied", "x"),
            True,
            2,
            "error: x may not be used by you: check its permissions",
        ),
        (
            NotADirectoryError(errno.ENOTDIR, "", "x"),
            True,
            2,
            "error: x is no folder, or lies in a",
        ),
        (IsADirectoryError(errno.EISDIR, "", "x"), True, 2, "error: x is a folder: name a file"),
        (FileNotFoundError(errno.ENOENT, "", "x"), True, 2, "error: x does not exist: check"),
        (OSError(errno.EIO, "broken", "x"), True, 2, "broken: 'x'"),
        (OSError(errno.ENOSPC, "full", "f"), True, 2, "while writing f: .* with --resume"),
        (OSError(errno.ENOSPC, "full"), False, 2, "writing the output: .* with --overwrite"),
        (KeyboardInterrupt(), True, 130, "interrupted: .* with --resume"),
        (KeyboardInterrupt(), False, 130, "interrupted: .* with --overwrite"),
    ],
)
def test_one_line_and_a_status(capsys, error, resumable, status, line):
    assert command.run(raising(error), resumable=resumable) == status
    (found,) = capsys.readouterr().err.splitlines()
    assert re.search(line, found)


def test_bugs_are_not_hidden():
    for error in (ZeroDivisionError(), ValueError("a bug"), OSError()):
        with pytest.raises(type(error)):
            command.run(raising(error))


@pytest.mark.parametrize(
    "words", [["--seed", "-1"], ["--seed", "4294967296"], ["--seed", "x"], ["--what"]]
)
def test_usage_errors_are_one_line(capsys, words):
    parser = command.Parser(prog="a.py")
    command.add_common(parser)
    with pytest.raises(SystemExit) as caught:
        parser.parse_args(words)
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert line.endswith("(see a.py --help)")
