"""Where everything came from: commands, versions, inputs with their hashes."""

import shlex
import time
from collections.abc import Sequence

from tfepi.report.page.content import Check, Column, Note, Section, Table
from tfepi.report.page.folders import (
    BASELINE,
    DATA,
    EXPORT,
    TEST,
    TRAIN,
    VARIANTS,
    Folder,
    Runs,
    place_of,
)
from tfrecords_tools.output import shown_size

_RUNS = (
    Column("folder", "folder"),
    Column("kind", "holds"),
    Column("command", "command"),
    Column("started", "started (UTC)"),
    Column("seconds", "took, s", 3),
    Column("outcome", "outcome"),
    Column("seed", "seed", None),
    Column("device", "device"),
)
_INPUTS = (
    Column("folder", "folder"),
    Column("label", "input"),
    Column("path", "file"),
    Column("size", "size"),
    Column("sha256", "SHA-256"),
    Column("now", "file now"),
)


def provenance(runs: Runs) -> Section:
    """Return the section on commands, versions and inputs, with the checks that go with it."""
    versions, different = _versions(runs.folders)
    inputs = [row for folder in runs.folders for row in _inputs(folder)]
    blocks = [
        Table(
            "runs", "Folders on this page, and the commands that wrote them.", _RUNS, _rows(runs)
        ),
        Table("inputs", "What was read, as it was then.", _INPUTS, inputs),
        versions,
    ]
    checks = [_finished(runs), _unchanged(inputs), *_belongs(runs)]
    if different:
        checks.append(
            Check(
                "One set of versions",
                "warn",
                f"the folders were written with different versions of {', '.join(different)}",
                "results may differ in the last digits; repeat with one installation to compare",
            )
        )
    blocks.append(Note("A hash of a file of 1 GiB or more is of its first and last 16 MiB."))
    return Section("provenance", "Where it came from", blocks, checks)


def _rows(runs: Runs) -> list[dict]:
    return [
        {
            "folder": f.name,
            "kind": f.kind,
            "command": shlex.join(map(str, f.record.get("command", ()))) or None,
            "started": str(f.record.get("started", "")).rstrip("Z").replace("T", " ") or None,
            "seconds": f.record.get("duration_s"),
            "outcome": f.record.get("outcome"),
            "seed": f.record.get("seed"),
            "device": f.record.get("device"),
        }
        for f in runs.folders
    ]


def _inputs(folder: Folder) -> list[dict]:
    return [
        {
            "folder": folder.name,
            "label": label,
            "path": str(entry.get("path", "")),
            "size": shown_size(entry["size"]) if isinstance(entry.get("size"), int) else None,
            "sha256": entry.get("sha256") or entry.get("sha256_ends"),
            "now": _now(entry, folder),
        }
        for label, entry in folder.inputs.items()
    ]


def _now(entry: dict, folder: Folder) -> str:
    path = place_of(entry, folder.path)
    if path is None:
        return "not here"
    return "same size" if path.stat().st_size == entry.get("size") else "another size"


def _versions(folders: Sequence[Folder]) -> tuple[Table, list[str]]:
    found: dict[str, dict[str, list[str]]] = {}
    for folder in folders:
        for package, version in (folder.record.get("versions") or {}).items():
            found.setdefault(package, {}).setdefault(str(version), []).append(folder.name)
    rows = [
        {"package": package, "version": version, "folders": ", ".join(names)}
        for package, by_version in sorted(found.items())
        for version, names in by_version.items()
    ]
    columns = (
        Column("package", "package"),
        Column("version", "version"),
        Column("folders", "used for"),
    )
    table = Table("versions", "Versions of what shapes results.", columns, rows)
    return table, [package for package, by_version in found.items() if len(by_version) > 1]


def _finished(runs: Runs) -> Check:
    broken = [f.name for f in runs.folders if f.record.get("outcome") != "finished"]
    if not broken:
        return Check("Every run finished", "pass", f"{len(runs.folders)} of {len(runs.folders)}")
    return Check(
        "Every run finished",
        "fail",
        f"not finished, or stopped by an error: {', '.join(broken)}",
        "run the same command with --resume, or again",
    )


def _unchanged(inputs: Sequence[dict]) -> Check:
    changed = [f"{r['label']} of {r['folder']}" for r in inputs if r["now"] == "another size"]
    if changed:
        return Check(
            "Inputs are as they were",
            "warn",
            f"of another size now: {', '.join(changed)}",
            "the results are of the earlier files; run the command again for those of today",
        )
    absent = sum(r["now"] == "not here" for r in inputs)
    text = f"{len(inputs) - absent} of {len(inputs)} files have the size they had"
    if absent:
        text += f", {absent} are not on this machine"
    return Check("Inputs are as they were", "pass" if absent < len(inputs) else "unknown", text)


def _belongs(runs: Runs) -> list[Check]:
    """Tell whether tests and scores are of the models, and models of the data, on this page."""
    checks = []
    for folder in runs.of(TEST, VARIANTS, EXPORT):
        if not runs.of(TRAIN):
            break
        name = f"{folder.name} is of the model trained here"
        digest = folder.inputs.get("model", {}).get("sha256")
        if (run := runs.model_of(folder)) is not None:
            checks.append(Check(name, "pass", f"the best model of {run.name}, by its hash"))
        elif digest is None:
            checks.append(
                Check(name, "unknown", f"{folder.name} does not say which model it is of")
            )
        else:
            checks.append(
                Check(
                    name,
                    "warn",
                    f"its model (SHA-256 {digest[:12]}…) is no training run's on this page",
                    "name the training run it is of too, or run the command again with this model",
                )
            )
    for folder in runs.of(TRAIN, TEST, BASELINE):
        digest = folder.record.get("data_sha256")
        if not runs.of(DATA) or digest is None:
            continue
        if runs.data_of(digest) is None:
            checks.append(
                Check(
                    f"{folder.name} used the data shown",
                    "warn",
                    f"its data (SHA-256 {digest[:12]}…) are no folder's on this page",
                    "name the data folder it was made with too",
                )
            )
        else:
            found = runs.data_of(digest).name
            checks.append(
                Check(f"{folder.name} used the data shown", "pass", f"{found}, by its hash")
            )
    return checks


def written_now() -> str:
    """Return the time, UTC, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
