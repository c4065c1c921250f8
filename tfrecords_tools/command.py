"""What every command does around its work: one-line errors, exit status, quiet start-up.

Imports nothing heavy, so that `--help` answers at once.
"""

import argparse
import atexit
import contextlib
import errno
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import TypeVar

from tfrecords_tools import remote
from tfrecords_tools.errors import TfepiError

BAD_INPUT = 2
Result = TypeVar("Result")
_OUTPUTS = ("out", "report")
_ADVICE = {
    errno.ENOENT: "does not exist: check the path",
    errno.EACCES: "may not be used by you: check its permissions",
    errno.EPERM: "may not be used by you: check its permissions",
    errno.EROFS: "is on a read-only disk: name another place",
    errno.EISDIR: "is a folder: name a file",
    errno.ENOTDIR: "is no folder, or lies in a file: check the path",
}
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that says what is wrong in one line, as every other error is said."""

    def error(self, message: str):
        """Write the line and exit with status 2."""
        raise SystemExit(_fail(f"{message} (see {self.prog} --help)"))

    def parse_known_args(self, args=None, namespace=None):
        """Parse arguments, after which remote ones (`remote`) are paths of copies.

        What is not understood is not copied. An error of that is one line, and status 2.
        """
        words, places = _or_exit(lambda: remote.placed(sys.argv[1:] if args is None else args))
        found, rest = super().parse_known_args(words, namespace)
        used = [u for u, p in places.items() if not any(str(p) in word for word in rest)]
        if used:
            _or_exit(lambda: _copied(used, found))
        return found, rest


def _copied(urls: Sequence[str], found: argparse.Namespace) -> None:
    """Copy what URLs stand for, but refuse those to be written to."""
    for name in _OUTPUTS:
        if isinstance(getattr(found, name, None), str):
            remote.refuse_output(getattr(found, name))
    from tfrecords_tools.remote_files import fetch

    quiet = getattr(found, "quiet", False)
    _set_log(quiet)
    fetch(urls, quiet)


def _or_exit(work: Callable[[], Result]) -> Result:
    """Return what `work` does; exit as a command does where it cannot."""
    try:
        return work()
    except TfepiError as error:
        raise SystemExit(_fail(str(error))) from None
    except OSError as error:
        if error.errno is None:
            raise
        raise SystemExit(_fail(str(error))) from None
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: run the same command again, which goes on\n")
        raise SystemExit(INTERRUPTED) from None


def _set_log(quiet: bool) -> None:
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO,
        format="%(levelname)s: %(message)s",
        stream=sys.stderr,
    )


def whole_seed(text: str) -> int:
    """Return a random seed from 0 to 2^32 − 1, which every generator takes."""
    if not text.isdecimal() or int(text) >= 1 << 32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to 4294967295")
    return int(text)


def run(work: Callable[[], object], quiet: bool = False, resumable: bool = True) -> int:
    """Call `work` and turn what can go wrong into one line on stderr and an exit status.

    Args:
        work: what the command does.
        quiet: log warnings and errors only.
        resumable: whether the command has --resume, which is then advised.

    Returns:
        0 on success, 2 (or its own status) after a TfepiError, 2 after an error of the operating
        system (file, permission, disk full), 130 after Ctrl-C. Any other exception is a bug and
        propagates.
    """
    _set_log(quiet)
    leaving = _Leaving()
    leaving.status = _status(work, resumable)
    return leaving.status


class _Leaving:
    """Ends the process itself where tensorflow-io was loaded, whose own end aborts it.

    It is asked first, so that it comes last: what else is done at exit is done before.
    """

    def __init__(self):
        self.status = 1  # of an error that is a bug
        atexit.register(self)

    def __call__(self) -> None:
        if "tensorflow_io" not in sys.modules:
            return
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()
        os._exit(self.status)


def _status(work: Callable[[], object], resumable: bool) -> int:
    again = "with --resume to go on" if resumable else "with --overwrite"
    try:
        work()
        sys.stdout.flush()
    except TfepiError as error:
        _fail(str(error))
        return error.status
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _fail(
                f"no space left on the device while writing {error.filename or 'the output'}: "
                f"free some space, then run the same command {again}"
            )
        if error.errno is None and not error.filename:
            raise
        if error.filename and error.errno in _ADVICE:
            return _fail(f"{error.filename} {_ADVICE[error.errno]}")
        return _fail(str(error))
    except KeyboardInterrupt:
        sys.stderr.write(f"interrupted: run the same command {again}\n")
        return INTERRUPTED
    return 0


def _fail(message: str) -> int:
    text = " ".join(message.split())
    if (said := remote.named(text)) != text:
        said += f" (copies are in {remote.cache_folder()})"
    sys.stderr.write(f"error: {said}\n")
    return BAD_INPUT


def add_seed(parser) -> None:
    """Add --seed."""
    parser.add_argument("--seed", type=whole_seed, default=44, help="random seed [%(default)s]")


def add_common(parser, seed: bool = True) -> None:
    """Add the options every command shares: -q, --seed, --resume, --overwrite."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    if seed:
        add_seed(parser)
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on where a run was stopped")
    again.add_argument("--overwrite", action="store_true", help="remove earlier results first")
