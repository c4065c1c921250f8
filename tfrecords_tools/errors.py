"""The errors both packages raise: one line that says what is wrong, what came, what to do."""

import difflib
from collections.abc import Iterable

_SHOWN = 10  # names of a long list of choices


class TfepiError(ValueError):
    """Base of every error a user can cause; commands print its line and exit with its status."""

    status = 2


class InputFileError(TfepiError):
    """A file is missing, truncated, of the wrong format, or disagrees with another file."""


class ConfigError(TfepiError):
    """An option, a params.json key or a name is unknown or has a value out of range."""


class Terminated(TfepiError):
    """The command was told to end (SIGTERM), and has kept where it stands."""

    status = 143  # as shells tell it: 128 and the signal's number


class WorkerLostError(TfepiError):
    """Another process of the run is gone: the same command may succeed."""

    status = 75  # sysexits' EX_TEMPFAIL


class UnfinishedError(TfepiError):
    """A folder or file holds results, or part of them, that the command would overwrite."""


def why_unread(error: Exception) -> str:
    """Return why a file of arrays cannot be read, as an error says.

    Of what is no array NumPy says how to unpickle it, which would run code of the file's maker:
    that advice is not passed on.
    """
    return "it holds no plain arrays" if "pickle" in str(error) else str(error)


def unknown(kind: str, name: object, choices: Iterable[str], where: str = "") -> ConfigError:
    """Return the error for a name that is none of the choices.

    It suggests the nearest; where none is near, it lists the first ten.

    Args:
        kind: what the name names ("loss", "block", "params key").
        name: the value received.
        choices: the names that are understood.
        where: optional place ("in model.trunk[2]").
    """
    choices = sorted(str(c) for c in choices)
    near = difflib.get_close_matches(str(name), choices)
    if near:
        alike = [difflib.SequenceMatcher(None, c, str(name)).ratio() for c in near]
        best = [repr(c) for c, ratio in zip(near, alike, strict=True) if ratio == alike[0]]
        advice = f"did you mean {' or '.join(best)}?"
    else:
        more = f", … ({len(choices)} in all)" if len(choices) > _SHOWN else ""
        advice = f"choose from {', '.join(choices[:_SHOWN])}{more}"
    place = f" {where}" if where else ""
    return ConfigError(f"unknown {kind} {name!r}{place}: {advice}")
