"""Files that a run recorded, if they are still what they were."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from tfrecords_tools.files import identity, same_identity

_HASH_LETTERS = 12


def recorded_file(inputs: Mapping[str, dict], label: str, folder: Path) -> tuple[Path | None, str]:
    """Return where a recorded input lies if it is what it was, else why it cannot be used.

    A relative path is looked for from here, then from the folders above the run's: where the
    command ran is not known.

    Args:
        inputs: label → identity (`files.identity`), of a manifest.
        label: which.
        folder: of the run.

    Returns:
        The path and "", or None and the reason.
    """
    entry = inputs.get(label)
    if not isinstance(entry, dict) or not isinstance(entry.get("path"), str):
        return None, f"the run did not record its {label}"
    path = Path(entry["path"])
    tried = [path] if path.is_absolute() else [path, *(p / path for p in folder.resolve().parents)]
    there = [p for p in tried if p.is_file()]
    if not there:
        return None, f"the {label} {path} is not there any more"
    now = []
    for candidate in there:
        now.append(identity(candidate))
        if same_identity(entry, now[-1]):
            return candidate, ""
    then, found = _digest(entry), _digest(now[0])
    if then == found:
        return None, f"the {label} {path} was copied or touched since the run"
    return None, f"the {label} {path} has changed: its SHA-256 was {then}…, and is {found}… now"


def name_in(folder: Path, what: str) -> str:
    """Return a name of something of a folder that nothing of another folder has."""
    mark = hashlib.sha256(str(folder.resolve()).encode()).hexdigest()
    return f"{what}_{mark[:_HASH_LETTERS]}"


def _digest(entry: Mapping[str, object]) -> str:
    return str(entry.get("sha256") or entry.get("sha256_ends") or "unknown")[:_HASH_LETTERS]
