"""Run folders, known by the files that they hold, and which of them belong together."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import read_json, sha256
from tfrecords_tools.manifest import content_hash

DATA, TRAIN, TEST, BASELINE, VARIANTS = "data", "train", "test", "baseline", "variants"
CHECK, EXPORT, OTHER = "check", "export", "other"
RECORD, MANIFEST = "run.json", "manifest.json"
_BY_FILE = (
    ("export.json", EXPORT),
    ("state.json", TRAIN),
    ("ridge.json", BASELINE),
    ("metrics.json", TEST),
    ("check.json", CHECK),
    ("statistics.json", DATA),
)
_BY_FORMAT = {"tfepi-data": DATA, "tfepi-variants": VARIANTS}


@dataclass(frozen=True)
class Folder:
    """What a command wrote.

    Attributes:
        path: the folder.
        name: by which the page speaks of it; unique.
        kind: what it holds: DATA, TRAIN, TEST, BASELINE, VARIANTS, CHECK, EXPORT or OTHER.
        record: the value of run.json; empty where there is none.
        manifest: the value of manifest.json; empty where there is none.
    """

    path: Path
    name: str
    kind: str
    record: dict
    manifest: dict

    @property
    def command(self) -> str:
        """Name of the command, without ".py"; "" where nothing tells."""
        words = self.record.get("command") or [""]
        return str(words[0]).removesuffix(".py")

    @property
    def inputs(self) -> dict[str, dict]:
        """Label → identity of each input."""
        found = self.record.get("inputs") or self.manifest.get("inputs") or {}
        return {str(k): v for k, v in found.items() if isinstance(v, dict)}

    def input(self, label: str) -> Path | None:
        """Return where an input file lies now; None if it is not there (`place_of`)."""
        return place_of(self.inputs.get(label, {}), self.path)

    def read(self, name: str) -> dict:
        """Return the JSON value of one of its files.

        Raises:
            InputFileError: it is missing or damaged.
        """
        return read_json(self.path / name)


@dataclass(frozen=True)
class Runs:
    """The folders that a page is of, in the order of `find`."""

    folders: Sequence[Folder]

    def of(self, *kinds: str) -> list[Folder]:
        """Return the folders of some kinds."""
        return [f for f in self.folders if f.kind in kinds]

    def data_of(self, digest: str | None) -> Folder | None:
        """Return the data folder whose shards have this hash, as models and tests tell it."""
        for folder in self.of(DATA):
            if digest and folder.manifest.get("shards") and content_hash(folder.manifest) == digest:
                return folder
        return None

    def trained(self, digest: str | None) -> Folder | None:
        """Return the training run whose best model's file has this SHA-256."""
        for folder in self.of(TRAIN):
            if digest and folder.read("state.json").get("best_sha256") == digest:
                return folder
        return None

    def exported(self, digest: str | None) -> Folder | None:
        """Return the SavedModel whose graph has this SHA-256."""
        for folder in self.of(EXPORT):
            path = folder.path / "saved_model.pb"
            if digest and path.exists() and sha256(path) == digest:
                return folder
        return None

    def model_of(self, folder: Folder) -> Folder | None:
        """Return the training run of the model that a test, scores or an export are of."""
        digest = folder.inputs.get("model", {}).get("sha256")
        if folder.kind != EXPORT and (exported := self.exported(digest)):
            return self.model_of(exported)
        return self.trained(digest)


def find(paths: Iterable[str | Path]) -> Runs:
    """Return the run folders named, or those in the folders named.

    Args:
        paths: run folders; of a folder that is none, the run folders right below it.

    Raises:
        InputFileError: no such folder, or one with no run folder in it.
    """
    found: dict[Path, str] = {}
    for given in map(Path, paths):
        if not given.is_dir():
            raise InputFileError(f"{given} is no folder: name what -o of a command was")
        if _is_run(given):
            found.setdefault(given.resolve(), given.name or given.resolve().name)
            continue
        below = [p for p in sorted(given.iterdir()) if p.is_dir() and _is_run(p)]
        if not below:
            raise InputFileError(
                f"{given} holds no {RECORD}, nor does a folder in it: name what -o of a command was"
            )
        for path in below:
            found.setdefault(path.resolve(), path.name)
    names = list(found.values())
    folders = []
    for path, name in found.items():
        unique = name if names.count(name) == 1 else f"{path.parent.name}/{name}"
        folders.append(_read(path, unique))
    return Runs(folders)


def place_of(identity: dict, folder: Path) -> Path | None:
    """Return where an input file lies now; None if it is not there.

    A relative path is looked for from here, then from beside the run folder, where the command was
    as a rule given.

    Args:
        identity: of the input, as run.json and manifests tell it.
        folder: of the run.
    """
    if not identity.get("path"):
        return None
    path = Path(str(identity["path"]))
    places = (path, folder.parent / path)
    return next((p for p in places if p.is_file()), None)


def _is_run(path: Path) -> bool:
    return any((path / n).is_file() for n in (RECORD, "state.json", "statistics.json")) or (
        (path / MANIFEST).is_file() and _format(path / MANIFEST) in _BY_FORMAT
    )


def _format(path: Path) -> str | None:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    found = value.get("format") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _read(path: Path, name: str) -> Folder:
    record, manifest = (
        read_json(path / n) if (path / n).exists() else {} for n in (RECORD, MANIFEST)
    )
    kind = next((k for file, k in _BY_FILE if (path / file).is_file()), OTHER)
    kind = _BY_FORMAT.get(manifest.get("format"), kind)
    return Folder(path, name, kind, record, manifest)
