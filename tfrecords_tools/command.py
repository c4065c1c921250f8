"""What every command does around its work: one-line errors, exit status, quiet start-up.

Imports nothing heavy, so that `--help` answers at once.
"""

import errno
import logging
import sys
from collections.abc import Callable

from tfrecords_tools.errors import TfepiError

BAD_INPUT = 2
INTERRUPTED = 130


def run(work: Callable[[], object], quiet: bool = False) -> int:
    """Call `work` and turn what can go wrong into one line on stderr and an exit status.

    Returns:
        0 on success, 2 after a TfepiError or an error of the operating system (file,
        permission, disk full), 130 after Ctrl-C. Any other exception is a bug and propagates.
    """
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO,
        format="%(levelname)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        work()
        sys.stdout.flush()
    except TfepiError as error:
        return _fail(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _fail(
                f"no space left on the device while writing {error.filename or 'the output'}: "
                "free some space, then run the same command with --resume"
            )
        if error.errno is None and not error.filename:
            raise
        return _fail(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: run the same command with --resume to go on\n")
        return INTERRUPTED
    return 0


def _fail(message: str) -> int:
    sys.stderr.write("error: " + " ".join(message.split()) + "\n")
    return BAD_INPUT


def add_common(parser, seed: bool = True) -> None:
    """Add the options every command shares: -q, --seed, --resume, --overwrite."""
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress bars or notes")
    if seed:
        parser.add_argument("--seed", type=int, default=44, help="random seed [%(default)s]")
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--resume", action="store_true", help="go on where a run was stopped")
    again.add_argument("--overwrite", action="store_true", help="remove earlier results first")
