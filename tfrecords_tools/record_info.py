"""What a data folder holds: schema, counts by label, statistics per target."""

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import asdict, fields

from tfrecords_tools.data import Data
from tfrecords_tools.errors import unknown
from tfrecords_tools.progress import progress
from tfrecords_tools.record_windows import WINDOWS, chosen_labels, window_counts
from tfrecords_tools.remote import named
from tfrecords_tools.target_summary import TargetSummary, TargetSums
from tfrecords_tools.text_table import text_table
from tfrecords_tools.transforms import STYLES

FORMAT = "tfepi-record-info"
FORMAT_VERSION = 1
_COUNTS = ("label", "stated", "listed", "records", "shards")
_SUMMARY = tuple(f.name for f in fields(TargetSummary))


def describe(
    data: Data,
    labels: Sequence[str] = (),
    count: bool = True,
    statistics: bool = False,
    style: str = "current",
    quiet: bool = False,
) -> dict:
    """Return what a data folder holds, as JSON values.

    Args:
        data: the folder.
        labels: to count and to take statistics of; by default all that have records.
        count: read every record to count them.
        statistics: also take statistics of each target over the labels.
        style: of the targets' transforms, which decides what the clips are.
        quiet: no progress bar.

    Returns:
        `labels` has, by label, how many records statistics.json states, how many windows
        sequences.bed lists, how many records there are (None if not counted) and shards.

    Raises:
        ConfigError: a label without records, an unknown style.
        InputFileError: a damaged shard.
    """
    if style not in STYLES:
        raise unknown("style", style, STYLES)
    chosen = chosen_labels(data, list(labels))
    listed = window_counts(data.folder) if (data.folder / WINDOWS).exists() else {}
    sums = TargetSums(data.targets, style)
    features: dict[str, int] = {}
    rows = []
    for label in dict.fromkeys((*data.stated, *data.labels)):
        if labels and label not in chosen:
            continue
        records = None
        if count or statistics:
            records = 0
            frames = data.frames(label) if label in data.counts else ()
            total = data.counts.get(label)
            for shard, number, found in progress(
                frames, total=total, unit="record", label=label, quiet=quiet
            ):
                records += 1
                features = features or {name: len(value) for name, value in found.items()}
                if statistics:
                    sums.add(data.target(found, shard, number))
        shards = len(data.shards(label)) if label in data.counts else 0
        row = (label, data.stated.get(label), listed.get(label), records, shards)
        rows.append(dict(zip(_COUNTS, row, strict=True)))
    if not features:
        features = {n: len(v) for n, v in next(data.frames(chosen[0]))[2].items()}
    value = {
        "folder": named(str(data.folder)),
        "manifest": data.manifest_sha256,
        "kind": data.kind,
        "encoding": data.encoding,
        "compressed": data.compressed,
        "features": features,
        "seq_length": data.seq_length,
        "crop_bp": data.crop_bp,
        "pool_width": data.pool_width,
        "target_length": data.target_length,
        "num_targets": len(data.targets),
        "stranded": data.strand_order is not None,
        "labels": rows,
    }
    if data.tracks:
        value["track_width"], value["track_length"] = data.track_width, data.track_length
        value["tracks"] = [
            {"identifier": t.identifier, "cell": t.cell, "assay": t.assay} for t in data.tracks
        ]
    if statistics:
        value["targets"] = [
            {"index": t.index, **_plain(asdict(s)), "sum_stat": t.sum_stat, "clip": t.clip}
            | {"clip_soft": t.clip_soft, "scale": t.scale, "description": t.description}
            for t, s in zip(data.targets, sums.summaries(), strict=True)
        ]
    return value


def _plain(value: dict) -> dict:
    return {
        k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in value.items()
    }


def as_json(found: Sequence[dict]) -> dict:
    """Return the value of a JSON report of several folders."""
    return {"format": FORMAT, "format_version": FORMAT_VERSION, "data": list(found)}


def as_text(found: dict) -> str:
    """Return a folder's description for a person."""
    names = ", ".join(f"{name} {size:,} bytes" for name, size in found["features"].items())
    lines = [
        f"{found['folder']}: {found['num_targets']} target"
        + ("" if found["num_targets"] == 1 else "s")
        + (", stranded" if found["stranded"] else ""),
        f"sequence {found['seq_length']:,} bp, {found['encoding']}-coded; "
        f"{found['target_length']:,} bins of {found['pool_width']} bp, "
        f"crop {found['crop_bp']:,} bp",
        *_input_tracks(found),
        f"features: {names}; {'ZLIB' if found['compressed'] else 'not compressed'}; "
        + ("written by tfepi" if found["manifest"] else "no manifest"),
        "",
        text_table(_COUNTS, [[_cell(r[c]) for c in _COUNTS] for r in found["labels"]]),
    ]
    if "targets" in found:
        columns = ("identifier", "sum_stat", *_SUMMARY[2:])
        rows = [[_cell(t[c]) for c in columns] for t in found["targets"]]
        lines += ["", text_table(columns, rows)]
    return "\n".join(lines)


def _input_tracks(found: dict) -> list[str]:
    """Return a line on the input tracks, if there are any."""
    if "tracks" not in found:
        return []
    bins, width = found["track_length"], found["track_width"]
    context = (bins * width - found["seq_length"]) // 2
    shown = ", ".join(t["cell"] for t in found["tracks"])
    return [
        f"{len(found['tracks'])} input tracks, of cells {shown}: {bins:,} bins of {width} bp, "
        f"{context:,} bp beyond the sequence on either side"
    ]


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.5g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def as_table(found: Sequence[dict]) -> str:
    """Return tab-separated text: a row per target if these were described, else per label."""
    part = "targets" if all("targets" in f for f in found) else "labels"
    rows = [{"data": f["folder"], **row} for f in found for row in f[part]]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), delimiter="\t", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
