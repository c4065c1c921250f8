"""A data folder's contract files: statistics.json, sequences.bed, contigs.bed, manifest.json."""

import hashlib
import json
from pathlib import Path

from tfrecords_tools.coverage import TrackSummary
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path, inside, read_json, sha256, write_json
from tfrecords_tools.input_tracks import TABLE
from tfrecords_tools.intervals import Interval, write_bed
from tfrecords_tools.output import versions
from tfrecords_tools.plan import Plan
from tfrecords_tools.remote import in_cache
from tfrecords_tools.remote_records import shard_size
from tfrecords_tools.targets import Target, write_targets

FORMAT = "tfepi-data"
FORMAT_VERSION = 1
_ENTRY = {"file": str, "label": str, "records": int, "bytes": int, "sha256": str}
LAYOUT = ("statistics.json", "sequences.bed", "contigs.bed", "targets.txt")


def statistics(plan: Plan) -> dict:
    """Return statistics.json's value; counts are of the records written.

    Under --compat they are of the windows before any were left out, as the original tools count.
    `seq_1hot` true means index-coded to Basenji's readers; it is left out of packed data,
    which they cannot read.
    """
    options = plan.options
    found: dict[str, object] = {
        "num_targets": len(plan.targets),
        "seq_length": options.seq_length,
    }
    if options.encoding == "index":
        found["seq_1hot"] = True
    else:
        found["encoding"] = options.encoding
    found |= {
        "pool_width": options.bin_width,
        "crop_bp": options.crop,
        "target_length": options.windowing().target_length,
    }
    if plan.tracks:
        found |= {
            "num_tracks": len(plan.tracks),
            "track_width": options.input_bin_width,
            "track_length": options.track_length,
        }
    counts = plan.laid if options.compat else {n: len(plan.rows(n)) for n in plan.labels}
    return found | {f"{label}_seqs": count for label, count in counts.items()}


def write_layout(folder: Path, plan: Plan) -> None:
    """Write sequences.bed, contigs.bed, targets.txt and, of input tracks, tracks.txt."""
    with atomic_path(folder / "sequences.bed") as part:
        write_bed(part, plan.windows)
    write_contigs(folder, plan)
    write_targets(folder / "targets.txt", plan.targets)
    if plan.tracks:
        write_targets(folder / TABLE, plan.tracks)


def write_contigs(folder: Path, plan: Plan) -> None:
    """Write contigs.bed."""
    with atomic_path(folder / "contigs.bed") as part:
        write_bed(
            part,
            (Interval(c.chrom, c.start, c.end, n) for n, cs in plan.contigs.items() for c in cs),
        )


def write_manifest(
    folder: Path, plan: Plan, fingerprint: dict, shards: list[dict], tracks: list[TrackSummary]
) -> None:
    """Write statistics.json, then manifest.json, whose presence says that the folder is whole.

    Args:
        folder: to write to.
        plan: of the build.
        fingerprint: of the plan.
        shards: their `shard_entry`s.
        tracks: summaries of the targets, then of the input tracks.
    """
    inputs = {}
    if plan.tracks:
        found = zip(plan.tracks, tracks[len(plan.targets) :], strict=True)
        inputs = {"input_tracks": [_summary(t, s) for t, s in found]}
    write_json(folder / "statistics.json", statistics(plan))
    write_json(
        folder / "manifest.json",
        {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "versions": {k: v for k, v in versions().items() if k not in ("tensorflow", "keras")},
            "statistics": statistics(plan),
            "dropped": plan.dropped,
            "tracks": [
                _summary(t, s) | {"extreme_limit": s.limit}
                for t, s in zip(plan.targets, tracks[: len(plan.targets)], strict=True)
            ],
            **inputs,
            "shards": shards,
            **fingerprint,
        },
    )


def _summary(target: Target, found: TrackSummary) -> dict:
    return {
        "identifier": target.identifier,
        "mean": found.mean,
        "sd": found.sd,
        "missing_share": found.missing_share,
        "clipped_bins": found.clipped,
    }


def read_manifest(folder: str | Path) -> dict | None:
    """Return a data folder's manifest, or None if it has none (made by another tool).

    Raises:
        InputFileError: another format or version, or shards that are not told in full.
    """
    path = Path(folder) / "manifest.json"
    if not path.exists():
        return None
    value = read_json(path, "manifest of a data folder")
    if value.get("format") != FORMAT or value.get("format_version") != FORMAT_VERSION:
        raise InputFileError(
            f"{path} has format {value.get('format')!r} version {value.get('format_version')!r}, "
            f"want {FORMAT!r} version {FORMAT_VERSION}"
        )
    shards = value.get("shards")
    for entry in shards if isinstance(shards, list) else [None]:
        for key, kind in _ENTRY.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(key), kind):
                raise InputFileError(
                    f"{path} has shards = {str(entry)[:80]}: want a list of {', '.join(_ENTRY)} "
                    "each; copy it again from the data it belongs to"
                )
    return value


def shard_entry(path: Path, label: str, records: int) -> dict:
    """Return a shard's line of the manifest."""
    return {
        "file": path.name,
        "label": label,
        "records": records,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
    }


def check_shards(
    folder: Path, manifest: dict, shards: dict[str, list[Path]], sizes: bool = True
) -> None:
    """Check that a folder's shards are those of its manifest, and, with `sizes`, as large.

    Raises:
        InputFileError: a shard that is missing, of another size, or not in the manifest.
    """
    again = "copy it to the server again" if in_cache(folder) else "rebuild it with --resume"
    listed = {entry["file"] for entry in manifest["shards"]}
    found = {path.name for paths in shards.values() for path in paths}
    for path in (p for paths in shards.values() for p in paths):
        if path.name not in listed:
            raise InputFileError(
                f"shard {path} is not in the manifest, so it is of other data: move it away"
            )
    for entry in manifest["shards"]:
        path = inside(folder / "tfrecords", entry["file"])
        if path.name not in found and not path.exists():
            raise InputFileError(f"shard {path} is missing: {again}")
        size = shard_size(path)
        if sizes and size != entry["bytes"]:
            raise InputFileError(
                f"shard {path} has {size} bytes, the manifest says "
                f"{entry['bytes']}: it is damaged, {again}"
            )


def content_hash(manifest: dict) -> str:
    """Return the SHA-256 of the shards' own, hexadecimal."""
    text = json.dumps([s["sha256"] for s in manifest["shards"]])
    return hashlib.sha256(text.encode()).hexdigest()
