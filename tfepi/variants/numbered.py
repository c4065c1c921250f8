"""Numbered parts of long work, and the plan that all of them follow.

`manifest.json` in the folder of results holds the facts that decide their every byte, `parts/`
the numbered files, each renamed to its name when whole. So a run that was stopped goes on with the
parts that are missing, and one with other facts is refused.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.errors import InputFileError, UnfinishedError, why_unread
from tfrecords_tools.files import read_json, remove_parts, same_identity, write_json
from tfrecords_tools.output import MARKER, claim_folder

NAME = "manifest.json"
FOLDER = "parts"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Plan:
    """What results are made from.

    Attributes:
        format: of manifest.json.
        inputs: label → identity of each input file (`files.identity`).
        facts: everything else that decides the results, by name; JSON values.
        parts: how many parts there are.
        suffix: of their files.
    """

    format: str
    inputs: Mapping[str, dict]
    facts: Mapping[str, object]
    parts: int
    suffix: str

    def to_json(self) -> dict:
        """Return the JSON value of manifest.json."""
        value = {
            "format": self.format,
            "format_version": FORMAT_VERSION,
            "inputs": dict(self.inputs),
            "facts": dict(self.facts),
            "parts": self.parts,
        }
        return json.loads(json.dumps(value))  # tuples as lists, as they are read again

    def claim(self, folder: str | Path, resume: bool = False, overwrite: bool = False) -> None:
        """Make the folder ready for parts: new, or with those of the same plan.

        Raises:
            UnfinishedError: results are there and neither `resume` nor `overwrite` was asked
                for, or they were made from something else (naming what).
            InputFileError: manifest.json is damaged.
        """
        folder = claim_folder(folder, resume, overwrite, self.inputs)
        (folder / FOLDER).mkdir(exist_ok=True)
        remove_parts(folder)
        remove_parts(folder / FOLDER)
        if (folder / NAME).exists():
            self.check_same(folder)
            return
        own = (MARKER, "run.json", FOLDER)
        others = sorted(p.name for p in folder.iterdir() if p.name not in own)
        if others:
            raise UnfinishedError(
                f"{folder} has {others[0]} but no {NAME}: it holds other results; name another"
            )
        write_json(folder / NAME, self.to_json())

    def check_same(self, folder: str | Path) -> None:
        """Refuse a folder whose manifest.json is of something else.

        Raises:
            UnfinishedError: naming what changed.
            InputFileError: manifest.json is missing or damaged.
        """
        folder = Path(folder)
        old, new = read_json(folder / NAME), self.to_json()
        found = (old.get("format"), old.get("format_version"))
        if found != (self.format, FORMAT_VERSION) or not isinstance(old.get("facts"), dict):
            raise UnfinishedError(
                f"{folder / NAME} has format {found[0]!r} version {found[1]!r}, want "
                f"{self.format!r} version {FORMAT_VERSION}: name another folder"
            )
        changed = changed_inputs(new["inputs"], old["inputs"])
        mine, theirs = new["facts"], old["facts"]
        changed += [k for k in dict.fromkeys([*mine, *theirs]) if mine.get(k) != theirs.get(k)]
        if changed:
            raise other_run(folder, ", ".join(changed))

    def part(self, folder: str | Path, number: int) -> Path:
        """Return the path of a part."""
        return Path(folder) / FOLDER / f"{number:07d}{self.suffix}"

    def missing(self, folder: str | Path) -> list[int]:
        """Return the numbers of the parts that are not there."""
        return [n for n in range(self.parts) if not self.part(folder, n).exists()]


def changed_inputs(new: Mapping[str, dict], old: Mapping[str, dict]) -> list[str]:
    """Return "input LABEL" of each whose content differs, of identities by label."""
    return [
        f"input {label}"
        for label in dict.fromkeys([*new, *old])
        if not same_identity(new.get(label, {}), old.get(label, {}))
    ]


def other_run(folder: str | Path, changed: str) -> UnfinishedError:
    """Return the error for parts that were made from something else."""
    return UnfinishedError(
        f"cannot go on in {folder}: {changed} changed since its parts were written; use the same "
        "inputs and options, or --overwrite to start again"
    )


def remove_all_parts(folder: str | Path) -> None:
    """Remove the parts of a finished run."""
    shutil.rmtree(Path(folder) / FOLDER, ignore_errors=True)


def unreadable_part(path: Path, error: Exception) -> InputFileError:
    """Return the error for a part that cannot be read."""
    return InputFileError(
        f"part {path} is missing or damaged ({why_unread(error)}): remove it and use --resume"
    )
