"""Models as a command line names them: NAME=PARAMS,MODEL,option=value,… or NAME=FOLDER of scores.

Imports nothing heavy, so that what is misspelt is told at once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from tfrecords_tools.errors import ConfigError, unknown

VALUES = (
    "head",
    "query",
    "table",
    "cell",
    "tracks",
    "accessibility",
    "untransform",
    "batch_size",
    "scores",
)
FLAGS = ("rc", "mean")
_OF_SCORES = ("query", "mean")  # what can be said of a folder that is scored already
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
_FORM = "NAME=PARAMS,MODEL, or NAME=FOLDER of scores"


@dataclass(frozen=True)
class Named:
    """One model of a command line.

    Attributes:
        name: that it has in tables and figures, and of its folder.
        paths: params and model, or a folder of scores.
        options: of `VALUES` those given, as text; of `FLAGS` those given, as True.
    """

    name: str
    paths: tuple[str, ...]
    options: dict[str, str | bool] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> "Named":
        """Return the model of an argument.

        A comma within double quotes separates nothing.

        Raises:
            ConfigError: no such form, or an option that is unknown, empty or given twice.
        """
        name, sign, rest = text.partition("=")
        if not sign or not _NAME.fullmatch(name):
            raise ConfigError(
                f"model {text!r}: want {_FORM}, with a name of letters, digits and . _ + -"
            )
        pieces = _split(rest, text)
        paths = [p for p in pieces[:2] if not _option(p)]
        if pieces[:1] != paths[:1] or not all(paths):
            raise ConfigError(f"model {text!r} lacks a path: want {_FORM}")
        options: dict[str, str | bool] = {}
        for piece in pieces[len(paths) :]:
            key, sign, value = piece.partition("=")
            if key not in (FLAGS if not sign else VALUES):
                choices = [*FLAGS, *(f"{v}=…" for v in VALUES)]
                raise unknown("option", piece, choices, f"of model {name}")
            if key in options or (sign and not value):
                what = "is given twice" if key in options else "has no value"
                raise ConfigError(f"model {name}: {key} {what}")
            options[key] = value if sign else True
        if len(paths) == 1 and (odd := [k for k in options if k not in _OF_SCORES]):
            raise ConfigError(
                f"model {name} is a folder of scores, of which {odd[0]} cannot be said: want "
                "NAME=PARAMS,MODEL,…"
            )
        return cls(name, tuple(paths), options)


def _option(text: str) -> bool:
    """Tell whether a piece is meant as an option, not as a path."""
    key, sign, _ = text.partition("=")
    return key in (VALUES if sign else FLAGS)


def _split(text: str, whole: str) -> list[str]:
    """Return what commas separate that are not in quotes."""
    pieces, quoted = [""], False
    for letter in text:
        quoted ^= letter == '"'
        if letter == "," and not quoted:
            pieces.append("")
        else:
            pieces[-1] += letter
    if quoted:
        raise ConfigError(f"model {whole!r} has a quotation mark without a second one: close it")
    return [p.strip() for p in pieces]


def parse_models(texts: Sequence[str]) -> tuple[Named, ...]:
    """Return the models of a command line.

    Raises:
        ConfigError: as `Named.parse`; fewer than two, or two of one name.
    """
    models = tuple(Named.parse(text) for text in texts)
    if len(models) < 2:
        raise ConfigError(f"{len(models)} model is named, want at least two: add {_FORM}")
    seen: dict[str, str] = {}
    for model in models:
        key = model.name.casefold()  # folders of disks that do not tell capitals apart
        if key in seen:
            if seen[key] == model.name:
                raise ConfigError(
                    f"two models are named {model.name!r}: give each a name of its own"
                )
            raise ConfigError(
                f"two models are named {seen[key]!r} and {model.name!r}, which some disks take for "
                "one folder: give them names that differ in more than capitals"
            )
        seen[key] = model.name
    return models
