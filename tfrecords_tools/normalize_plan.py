"""What decides every byte of a folder of tracks: its inputs and options, in a JSON file.

The file is written before the tracks, each of which is renamed to its name when whole. So a run
that was stopped goes on with the tracks that are missing, and one of other inputs is refused.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.errors import UnfinishedError
from tfrecords_tools.files import read_json, remove_parts, same_identity, write_json
from tfrecords_tools.output import MARKER, claim_folder

FORMAT_VERSION = 1


@dataclass(frozen=True)
class TracksPlan:
    """Inputs and options of a folder of tracks.

    Attributes:
        name: of the JSON file.
        format: of the JSON file.
        inputs: label → identity of each input file (`files.identity`).
        options: JSON values.
    """

    name: str
    format: str
    inputs: dict[str, dict]
    options: dict[str, object]

    def finished(self, folder: Path) -> bool:
        """Tell whether a folder holds every track, made from the same.

        Raises:
            UnfinishedError: it has tracks that were made from something else.
            InputFileError: the JSON file is damaged.
        """
        if not (folder / self.name).exists():
            return False
        files = self._same(folder).get("files", ())
        return all((folder / name).exists() for name in files)

    def claim(self, folder: Path, resume: bool, overwrite: bool) -> None:
        """Make a folder ready for tracks: new, or with tracks of the same plan.

        Raises:
            UnfinishedError: it has results, made from something else or not to be touched.
        """
        claim_folder(folder, resume, overwrite, self.inputs)
        remove_parts(folder)
        if (folder / self.name).exists():
            self._same(folder)
            return
        others = sorted(p.name for p in folder.iterdir() if p.name not in (MARKER, "run.json"))
        if others:
            raise UnfinishedError(
                f"{folder} has {others[0]} but no {self.name}: it holds other results; name another"
            )

    def write(self, folder: Path, files: Sequence[str], results: dict) -> None:
        """Write the JSON file, before any track.

        Args:
            folder: as claimed.
            files: names of what will be written.
            results: JSON values to keep.
        """
        write_json(folder / self.name, self._to_json() | results | {"files": list(files)})

    def _to_json(self) -> dict:
        value = {"format": self.format, "format_version": FORMAT_VERSION}
        value |= {"inputs": self.inputs, "options": self.options}
        return json.loads(json.dumps(value))  # tuples as lists, as they are read again

    def _same(self, folder: Path) -> dict:
        """Return the JSON file's value after checking that it is of these inputs and options."""
        old, new = read_json(folder / self.name), self._to_json()
        found = (old.get("format"), old.get("format_version"))
        if found != (self.format, FORMAT_VERSION):
            raise UnfinishedError(
                f"{folder / self.name} has format {found[0]!r} version {found[1]!r}, want "
                f"{self.format!r} version {FORMAT_VERSION}: name another folder"
            )
        mine, theirs = new["inputs"], old.get("inputs", {})
        changed = [
            f"input {label}"
            for label in dict.fromkeys([*mine, *theirs])
            if not same_identity(mine.get(label, {}), theirs.get(label, {}))
        ]
        mine, theirs = new["options"], old.get("options", {})
        changed += [k for k in dict.fromkeys([*mine, *theirs]) if mine.get(k) != theirs.get(k)]
        if changed:
            raise UnfinishedError(
                f"cannot go on in {folder}: {', '.join(changed)} changed since it was begun; use "
                "the same inputs and options, or --overwrite to start again"
            )
        return old
