"""The errors both packages raise: one line that says what is wrong, what came, what to do."""

import difflib
from collections.abc import Iterable


class TfepiError(ValueError):
    """Base of every error a user can cause; commands print its line and exit with status 2."""


class InputFileError(TfepiError):
    """A file is missing, truncated, of the wrong format, or disagrees with another file."""


class ConfigError(TfepiError):
    """An option, a params.json key or a name is unknown or has a value out of range."""


class UnfinishedError(TfepiError):
    """A folder or file holds results, or part of them, that the command would overwrite."""


def unknown(kind: str, name: object, choices: Iterable[str], where: str = "") -> ConfigError:
    """Return the error for a name that is none of the choices, with the nearest one suggested.

    Args:
        kind: what the name names ("loss", "block", "params key").
        name: the value received.
        choices: the names that are understood.
        where: optional place ("in model.trunk[2]").
    """
    choices = sorted(str(c) for c in choices)
    near = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    place = f" {where}" if where else ""
    return ConfigError(f"unknown {kind} {name!r}{place}: {hint}choose from {', '.join(choices)}")
