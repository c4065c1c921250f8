"""Every record of a data folder against its checksums, statistics.json, windows and manifest."""

import contextlib
from collections import Counter
from pathlib import Path

from tfrecords_tools.errors import InputFileError, TfepiError
from tfrecords_tools.files import existing_folder, inside, sha256
from tfrecords_tools.framing import is_compressed, scan
from tfrecords_tools.input_tracks import TABLE, read_tracks
from tfrecords_tools.manifest import read_manifest
from tfrecords_tools.progress import progress
from tfrecords_tools.record_checks import RecordChecks, Shape
from tfrecords_tools.record_report import Report
from tfrecords_tools.record_windows import WINDOWS, stream_windows
from tfrecords_tools.records import parse_example
from tfrecords_tools.remote_records import ready, shard_paths
from tfrecords_tools.shards import EMPTY, shard_name, unlike
from tfrecords_tools.statistics import Statistics
from tfrecords_tools.targets import Target, numbered, read_targets


def validate(folder: str | Path, shown: int = 5, quiet: bool = False) -> Report:
    """Read everything of a data folder and tell all that is wrong with it.

    Args:
        folder: written here or by a tool of the Basenji ecosystem.
        shown: how many problems of each kind to keep; all are counted.
        quiet: no progress bar.

    Returns:
        The report; level "error" is what makes the data wrong, "note" what does not.

    Raises:
        InputFileError: there is no such folder.
    """
    folder = existing_folder(folder, "data folder")
    ready(folder, shard_paths(folder))
    report = Report(folder, shown)
    statistics = _attempt(report, "statistics", Statistics.read, folder / "statistics.json")
    manifest = _attempt(report, "manifest", read_manifest, folder)
    targets = _targets(folder, statistics, report)
    tracks = _tracks(folder, statistics, report)
    shape = _shape(statistics, targets, manifest, tracks)
    if shape is None:
        report.add("note", "not checked", "the contents of records: their sizes are not known")
    checks = None if shape is None else RecordChecks(shape)
    shards = _shards(folder, report)
    _check_compression(shards, report)
    if manifest is not None:
        _check_manifest(folder, manifest, shards, report, quiet)
    stated = statistics.stated if statistics else {}
    with progress(total=sum(stated.values()) or None, unit="record", quiet=quiet) as bar:
        for label, paths in shards.items():
            for path in paths:
                found = _attempt(report, "shards", _check_shard, path, checks, report, bar)
                report.records[label] += found or 0
    _check_counts(folder, statistics, shards, report)
    for row, target in enumerate(shape.targets if shape else ()):
        found = {name: int(count[row]) for name, count in checks.counts.items() if count[row]}
        if found:
            report.targets[target.identifier] = found
    return report


def _attempt(report: Report, kind: str, function, *args):
    try:
        return function(*args)
    except (TfepiError, OSError) as error:
        report.add("error", kind, str(error))
        return None


def _targets(
    folder: Path, statistics: Statistics | None, report: Report
) -> tuple[Target, ...] | None:
    path, stated = folder / "targets.txt", statistics and statistics.num_targets
    if not path.exists():
        report.add("note", "targets table", "no targets.txt: targets are known by number only")
        return numbered(stated or 0) or None
    targets = _attempt(report, "targets table", read_targets, path, False, True)
    if targets is not None and stated not in (None, len(targets)):
        detail = f"targets.txt has {len(targets)} targets, statistics.json says {stated}"
        report.add("error", "targets table", detail)
        return numbered(stated)
    return targets


def _tracks(folder: Path, statistics: Statistics | None, report: Report) -> tuple[Target, ...]:
    """Return the input tracks, if there are any and their table can be read."""
    stated = statistics.num_tracks if statistics else 0
    if not stated:
        return ()
    tracks = _attempt(report, "table of input tracks", read_tracks, folder / TABLE, True) or ()
    if tracks and len(tracks) != stated:
        detail = f"{TABLE} has {len(tracks)} tracks, statistics.json says {stated}"
        report.add("error", "table of input tracks", detail)
        return ()
    return tracks


def _shape(
    statistics: Statistics | None,
    targets: tuple[Target, ...] | None,
    manifest: dict | None,
    inputs: tuple[Target, ...],
) -> Shape | None:
    """Return what records should be like, or None where that is not known."""
    if statistics is None or targets is None:
        return None
    tracks = (manifest or {}).get("tracks", [])
    missing = tuple(t.get("missing_share", 0) > 0 for t in tracks)
    return Shape(
        statistics.seq_length,
        statistics.target_length,
        targets,
        statistics.encoding,
        missing if len(missing) == len(targets) else (False,) * len(targets),
        inputs,
        statistics.track_length,
        statistics.kind,
        statistics.coverage,
    )


def _shards(folder: Path, report: Report) -> dict[str, list[Path]]:
    """Return label → shards in the order of their numbers, whatever is wrong with them."""
    found: dict[str, dict[tuple[int, ...], Path]] = {}
    for path in sorted((folder / "tfrecords").glob("*.tfr")):
        parsed = shard_name(path)
        if path.name.startswith("."):
            report.add("note", "leftover", "of a command that was stopped", file=path.name)
        elif parsed is None:
            detail = "its name is not LABEL-NUMBER.tfr: it is not read"
            report.add("error", "file name", detail, file=path.name)
        else:
            label, numbers = parsed
            first = found.setdefault(label, {}).setdefault(numbers, path)
            if first != path:
                detail = f"it has the number of {first.name}: it is not read"
                report.add("error", "file name", detail, file=path.name)
    if not found:
        report.add("error", "shards", f"there is no {folder / 'tfrecords'}/LABEL-NUMBER.tfr")
    for label, shards in found.items():
        last: dict[tuple[int, ...], int] = {}
        for (*genome, number), path in sorted(shards.items()):
            for absent in range(last.get(tuple(genome), -1) + 1, number):
                name = f"{'-'.join(map(str, (label, *genome, absent)))}.tfr"
                report.add("error", "shard missing", f"{path.name} is there", file=name)
            last[tuple(genome)] = number
    report.shards = sum(map(len, found.values()))
    return {label: [shards[n] for n in sorted(shards)] for label, shards in found.items()}


def _check_compression(shards: dict[str, list[Path]], report: Report) -> None:
    """Tell of shards that are not compressed where the others are, and the other way round."""
    kinds: dict[bool, list[Path]] = {False: [], True: []}
    for path in (p for paths in shards.values() for p in paths):
        with contextlib.suppress(InputFileError):  # of which the scan tells
            kinds[is_compressed(path)].append(path)
    for path, problem in unlike(kinds[False], kinds[True]):
        report.add("error", "compression", problem, file=path.name)


def _check_manifest(
    folder: Path, manifest: dict, shards: dict[str, list[Path]], report: Report, quiet: bool
) -> None:
    listed = {}
    for entry in progress(manifest.get("shards", []), unit="shard", label="SHA-256", quiet=quiet):
        path = _attempt(report, "manifest", inside, folder / "tfrecords", entry["file"])
        if path is None:
            continue
        listed[entry["file"]] = entry
        if not path.is_file():
            report.add("error", "manifest", "the manifest lists it, it is missing", file=path.name)
        elif path.stat().st_size != entry["bytes"]:
            detail = f"{path.stat().st_size} bytes, the manifest says {entry['bytes']}"
            report.add("error", "manifest", detail, file=path.name)
        elif sha256(path) != entry["sha256"]:
            report.add("error", "manifest", "its SHA-256 is not the manifest's", file=path.name)
    for path in (p for paths in shards.values() for p in paths):
        if path.name not in listed:
            report.add("error", "manifest", "not listed in the manifest", file=path.name)


def _check_shard(path: Path, checks: RecordChecks | None, report: Report, bar) -> int:
    """Check a shard's records; return how many could be read."""
    if path.stat().st_size == EMPTY:
        report.add("note", "empty shard", "it holds no record", file=path.name)
    count = 0
    for frame in scan(path):
        bar.update()
        place = {"file": path.name, "record": frame.number, "byte": frame.start}
        if frame.problem:
            report.add("error", "framing", frame.problem, **place)
            continue
        count += 1
        try:
            features = parse_example(frame.data)
        except ValueError as error:
            report.add("error", "example", f"no tf.train.Example ({error})", **place)
            continue
        for level, kind, detail in checks.check(features) if checks else ():
            report.add(level, kind, detail, **place)
    return count


def _check_counts(
    folder: Path, statistics: Statistics | None, shards: dict[str, list[Path]], report: Report
) -> None:
    """Compare the records of each label with statistics.json and sequences.bed."""
    stated = None if statistics is None else statistics.stated
    windows: Counter | None = None
    if (folder / WINDOWS).exists():
        windows = _attempt(report, "windows", _windows, folder, statistics, report)
    else:
        report.add("note", "windows", "no sequences.bed: the places of the records are not known")
    for label in dict.fromkeys((*(stated or ()), *shards, *(windows or ()))):
        records, listed = report.records[label], None if windows is None else windows[label]
        if label not in shards:
            told = []
            if stated is not None:
                told.append(f"statistics.json states {stated.get(label, 0)} records")
            if listed is not None:
                told.append(f"sequences.bed lists {listed} windows")
            report.add("note", "no records", f"label {label} has no shard; {', '.join(told)}")
            continue
        if listed not in (None, records):
            detail = f"label {label}: {records} records, sequences.bed lists {listed} windows"
            report.add("error", "counts", detail)
        if stated is None:  # which is told already
            continue
        if label not in stated:
            report.add("note", "counts", f"label {label} is not in statistics.json")
        elif stated[label] != records:
            detail = f"label {label}: {records} records, statistics.json states {stated[label]}"
            if listed == records < stated[label]:
                detail += " (other tools count before they leave out unmappable windows)"
                report.add("note", "counts", detail)
            else:
                report.add("error", "counts", detail)


def _windows(folder: Path, statistics: Statistics | None, report: Report) -> Counter:
    """Return how many windows are listed of each label."""
    counts: Counter[str] = Counter()
    lengths = None  # with the crop in older data
    if statistics is not None:
        length = statistics.seq_length
        lengths = (length - 2 * statistics.crop_bp, length)
    for window in stream_windows(folder):
        counts[window.label] += 1
        if lengths is not None and len(window) not in lengths:
            detail = f"{window} is {len(window)} bp, statistics.json makes it {lengths[0]} bp"
            report.add("error", "windows", detail)
    return counts
