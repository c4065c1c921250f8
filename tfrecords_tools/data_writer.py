"""A data folder written record by record, of records made from other records."""

import contextlib
import hashlib
import math
from pathlib import Path

import numpy as np

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import atomic_path, identity, write_json
from tfrecords_tools.input_tracks import TABLE
from tfrecords_tools.intervals import Interval
from tfrecords_tools.manifest import FORMAT, FORMAT_VERSION, shard_entry
from tfrecords_tools.output import check_folder, claim_folder, versions
from tfrecords_tools.record_windows import WINDOWS
from tfrecords_tools.records import RecordWriter
from tfrecords_tools.remote_records import shard_paths
from tfrecords_tools.statistics import KINDS
from tfrecords_tools.target_summary import TargetSums
from tfrecords_tools.targets import Target, write_targets
from tfrecords_tools.windows import Windowing


class DataWriter:
    """Writes shards and the windows of their records as these come; `finish` makes it a folder.

    The folder cannot be opened before `finish`: statistics.json is written then.

    Args:
        folder: to write to; claimed already.
        windowing: lengths of every record.
        targets: of every record.
        encoding: of the sequence: "index", "packed", or "onehot" where records are passed on.
        records_per_shard: most records of a shard.
        style: of the targets' transforms, to count clipped bins.
        tracks: input tracks of every record; () without.
        track_width: bp per bin of these.
        track_length: bins of these, centred on the sequence.
        kind: of the data (`statistics.KINDS`).
        coverage: whether every record has the reads of its targets.
    """

    def __init__(
        self,
        folder: Path,
        windowing: Windowing,
        targets: tuple[Target, ...],
        encoding: str,
        records_per_shard: int = 256,
        style: str = "current",
        tracks: tuple[Target, ...] = (),
        track_width: int = 0,
        track_length: int = 0,
        kind: str = KINDS[0],
        coverage: bool = False,
    ):
        self._folder, self._windowing = folder, windowing
        self._targets, self._encoding = targets, encoding
        self._most = records_per_shard
        self._sums = TargetSums(targets, style)
        self._tracks, self._track_sums = tracks, TargetSums(tracks) if tracks else None
        self._track_width, self._track_length = track_width, track_length
        self._kind, self._coverage = kind, coverage
        self._digest = hashlib.sha256()
        self._shards: list[dict] = []
        self.counts: dict[str, int] = {}

    @classmethod
    def like(cls, data: Data, folder: Path, windowing: Windowing, **others) -> "DataWriter":
        """Return a writer of records that are those of a data folder but for what is named."""
        same = ("targets", "encoding", "tracks", "track_width", "track_length", "kind")
        own = {name: getattr(data, name) for name in same} | {"coverage": data.has_coverage}
        return cls(folder, windowing, **own | others)

    def __enter__(self) -> "DataWriter":
        (self._folder / "tfrecords").mkdir(exist_ok=True)
        self._bed = _Part(self._folder / WINDOWS, lambda path: path.open("w"))
        self._open: dict[str, _Part] = {}
        return self

    def __exit__(self, *error) -> None:
        for part in (self._bed, *self._open.values()):
            part.close(*error)

    def write(self, label: str, window: Interval, features: dict[str, bytes]) -> None:
        """Append a record to its label.

        Args:
            label: one of the output's.
            window: the part of the genome that the targets are of.
            features: of the record.
        """
        shard = self._open.get(label)
        if shard is None:
            self.counts.setdefault(label, 0)
            number = self.counts[label] // self._most
            path = self._folder / "tfrecords" / f"{label}-{number}.tfr"
            shard = self._open[label] = _Part(path, self._writer)
        shard.file.write(features)
        row = f"{window.chrom}\t{window.start}\t{window.end}\t{label}\n"
        self._bed.file.write(row)
        self._digest.update(row.encode())
        self._sums.add(np.frombuffer(features["target"], np.float16))
        if self._track_sums:
            self._track_sums.add(np.frombuffer(features["tracks"], np.float16))
        self.counts[label] += 1
        if shard.file.records == self._most:
            self._close(label)

    def _writer(self, path: Path) -> RecordWriter:
        return RecordWriter(path, compressed=self._encoding != "packed")

    def _close(self, label: str) -> None:
        shard = self._open.pop(label)
        shard.close()
        self._shards.append(shard_entry(shard.path, label, shard.file.records))

    def finish(self, origin: dict) -> dict:
        """Write what makes the records a data folder, the manifest last, and return it.

        Args:
            origin: the manifest's `made_by`, `options`, `inputs` and `source`.

        Raises:
            InputFileError: no record was written.
        """
        for label in list(self._open):
            self._close(label)
        if not self._shards:
            raise InputFileError(f"no record is left to write to {self._folder}")
        self._bed.close()
        statistics = self._statistics()
        order = {label: n for n, label in enumerate(self.counts)}
        shards = sorted(self._shards, key=lambda s: (order[s["label"]], _number(s["file"])))
        write_targets(self._folder / "targets.txt", self._targets)
        write_json(self._folder / "statistics.json", statistics)
        manifest = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "versions": {k: v for k, v in versions().items() if k not in ("tensorflow", "keras")},
            "statistics": statistics,
            "dropped": {},
            "tracks": _summaries(self._sums),
            "shards": shards,
            "targets": [t.to_json() for t in self._targets],
            "windows": self._digest.hexdigest(),
            **origin,
        }
        if self._tracks:
            write_targets(self._folder / TABLE, self._tracks)
            manifest |= {
                "input_tracks": _summaries(self._track_sums),
                "track_table": [t.to_json() for t in self._tracks],
            }
        write_json(self._folder / "manifest.json", manifest)
        return manifest

    def _statistics(self) -> dict:
        found: dict[str, object] = {
            "num_targets": len(self._targets),
            "seq_length": self._windowing.seq_length,
        }
        if self._encoding == "packed":
            found["encoding"] = "packed"
        else:
            found["seq_1hot"] = self._encoding == "index"
        found |= {
            "pool_width": self._windowing.bin_width,
            "crop_bp": self._windowing.crop,
            "target_length": self._windowing.target_length,
        }
        if self._kind != KINDS[0]:
            found["kind"] = self._kind
        if self._coverage:
            found["coverage"] = True
        if self._tracks:
            found |= {
                "num_tracks": len(self._tracks),
                "track_width": self._track_width,
                "track_length": self._track_length,
            }
        return found | {f"{label}_seqs": count for label, count in self.counts.items()}


def _summaries(sums: TargetSums) -> list[dict]:
    return [
        {
            "identifier": s.identifier,
            "mean": 0.0 if math.isnan(s.mean) else s.mean,
            "sd": 0.0 if math.isnan(s.sd) else s.sd,
            "missing_share": s.nan_share,
            "clipped_bins": s.at_clip,
        }
        for s in sums.summaries()
    ]


class _Part:
    """A file that is being written beside its name, which it gets when it is closed."""

    def __init__(self, path: Path, opened):
        self.path = path
        self._rename = contextlib.ExitStack()
        self.file = opened(self._rename.enter_context(atomic_path(path)))

    def close(self, *error) -> None:
        """Close and rename; after an error, remove. The second time, do nothing."""
        self.file.close()
        self._rename.pop_all().__exit__(*(error or (None, None, None)))


def open_source(folder: str | Path, out: str | Path, overwrite: bool) -> Data:
    """Open a data folder to make another of it, after checking where that goes.

    Raises:
        ConfigError: one of the two folders holds the other.
        UnfinishedError: the output folder has results, or cannot be one.
        InputFileError: as `Data.open`.
    """
    _check_output(out, folder, overwrite)
    return Data.open(folder)


def claim_output(out: str | Path, data: Data, overwrite: bool) -> Path:
    """Claim an output folder that lies apart from the data it is made from.

    Raises:
        ConfigError: one of the two folders holds the other.
        UnfinishedError: it has results.
    """
    _check_output(out, data.folder, overwrite)
    return claim_folder(out, overwrite=overwrite)


def _check_output(out: str | Path, folder: str | Path, overwrite: bool) -> None:
    new, old = Path(out).resolve(), Path(folder).resolve()
    if new == old or new in old.parents or old in new.parents:
        raise ConfigError(f"output {out} and data folder {folder} overlap: name another")
    check_folder(out, overwrite=overwrite)


def describe(folder: str | Path, manifest: dict) -> str:
    """Return a line on what was written."""
    found = manifest["statistics"]
    counts = {k.removesuffix("_seqs"): v for k, v in found.items() if k.endswith("_seqs")}
    return (
        f"wrote {folder}: {found['seq_length']} bp, {found['target_length']} bins of "
        f"{found['pool_width']} bp, {found['num_targets']} "
        f"target{'' if found['num_targets'] == 1 else 's'}, "
        + (f"{found['num_tracks']} input tracks, " if "num_tracks" in found else "")
        + ", ".join(f"{count:,} {label}" for label, count in counts.items())
    )


def _number(name: str) -> int:
    return int(name.removesuffix(".tfr").rpartition("-")[2])


def source_files(data: Data) -> dict[str, dict]:
    """Return what identifies a data folder: its manifest, or else its files one by one."""
    names = ["statistics.json", "targets.txt", TABLE, WINDOWS, "manifest.json"]
    paths = [p for n in names if (p := data.folder / n).exists()]
    if data.manifest_sha256 is None:
        paths += sorted(shard_paths(data.folder))
    return {f"data {p.name}": identity(p) for p in paths}
