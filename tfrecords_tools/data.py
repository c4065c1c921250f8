"""A data folder: its statistics, targets, windows and shards, and records as numpy arrays."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import inside, read_json
from tfrecords_tools.intervals import Interval, read_bed
from tfrecords_tools.manifest import read_manifest
from tfrecords_tools.records import (
    feature_offsets,
    is_compressed,
    parse_example,
    read_frames,
    unpack,
)
from tfrecords_tools.targets import Target, read_targets, strand_order

_EMPTY = 8  # bytes of the empty ZLIB shards that other tools write
_NEEDED = ("num_targets", "seq_length", "pool_width", "crop_bp", "target_length")


@dataclass(frozen=True)
class Data:
    """A folder of TFRecords, written here or by a tool of the Basenji ecosystem.

    Attributes:
        folder: where it lies.
        seq_length, crop_bp, pool_width: bp.
        target_length: bins.
        targets: the table's rows; without targets.txt, numbered ones.
        encoding: "index" or "packed".
        compressed: whether the shards are ZLIB.
        counts: records by label.
        manifest_sha256: of the manifest's content hashes, or None.
        layout: feature → (offset, size) in every record's bytes, where the records were written
            here and so are all alike; else None.
    """

    folder: Path
    seq_length: int
    crop_bp: int
    pool_width: int
    target_length: int
    targets: tuple[Target, ...]
    encoding: str
    compressed: bool
    counts: dict[str, int]
    manifest_sha256: str | None
    layout: dict[str, tuple[int, int]] | None = None

    @classmethod
    def open(cls, folder: str | os.PathLike) -> "Data":
        """Open a data folder.

        Raises:
            InputFileError: no statistics.json, a key it lacks, a shard that is missing or not
                of the size that statistics.json states, an unfinished build.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputFileError(f"data folder {folder} does not exist: check the path")
        if (folder / ".build").exists():
            raise InputFileError(
                f"data folder {folder} holds an unfinished build: run tfepi_data.py --resume first"
            )
        stats = read_json(folder / "statistics.json")
        for key in _NEEDED:
            if not isinstance(stats.get(key), int):
                raise InputFileError(
                    f"{folder / 'statistics.json'} has {key} = {stats.get(key)!r}: "
                    "want a whole number"
                )
        counts = {k.removesuffix("_seqs"): v for k, v in stats.items() if k.endswith("_seqs")}
        path = folder / "targets.txt"
        targets = (
            read_targets(path)
            if path.exists()
            else tuple(Target(i, f"t{i}") for i in range(stats["num_targets"]))
        )
        if len(targets) != stats["num_targets"]:
            raise InputFileError(
                f"{path} has {len(targets)} targets, statistics.json says {stats['num_targets']}"
            )
        shards = sorted(
            p for p in (folder / "tfrecords").glob("*-*.tfr") if p.stat().st_size > _EMPTY
        )
        if not shards:
            raise InputFileError(f"data folder {folder} has no tfrecords/*.tfr")
        manifest = read_manifest(folder)
        data = cls(
            folder,
            stats["seq_length"],
            stats["crop_bp"],
            stats["pool_width"],
            stats["target_length"],
            targets,
            stats.get("encoding", "index"),
            is_compressed(shards[0]),
            counts,
            None if manifest is None else _content_hash(manifest),
        )
        data._check_shards(manifest)
        features = data._checked_record(shards[0])
        if manifest is None:
            return data
        offsets = feature_offsets(features)
        return replace(data, layout={n: (offsets[n], len(v)) for n, v in features.items()})

    def _check_shards(self, manifest: dict | None) -> None:
        for entry in (manifest or {}).get("shards", []):
            path = inside(self.folder / "tfrecords", entry["file"])
            if not path.exists():
                raise InputFileError(f"shard {path} is missing: rebuild it with --resume")
            if path.stat().st_size != entry["bytes"]:
                raise InputFileError(
                    f"shard {path} has {path.stat().st_size} bytes, the manifest says "
                    f"{entry['bytes']}: it is damaged, rebuild it with --resume"
                )

    def _checked_record(self, shard: Path) -> dict[str, bytes]:
        """Return the features of a shard's first record, which must have the stated sizes."""
        frame = next(read_frames(shard), None)
        if frame is None:
            raise InputFileError(f"shard {shard} has no record")
        features = _features(frame, shard, 0)
        want = 2 * self.target_length * len(self.targets)
        if len(features.get("target", b"")) != want:
            raise InputFileError(
                f"shard {shard} has targets of {len(features.get('target', b''))} bytes; "
                f"statistics.json makes them {want}: the two are not of the same data"
            )
        self._sequence(features, shard, 0)
        return features

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that records come from."""
        return (self.folder,)

    @property
    def labels(self) -> list[str]:
        """Labels that have shards."""
        return list(self.counts)

    @property
    def strand_order(self) -> tuple[int, ...] | None:
        """Positions that swap strand pairs among the targets; None if unstranded."""
        return strand_order(self.targets)

    def shards(self, label: str) -> list[Path]:
        """Return a label's shards in the order of their numbers.

        Raises:
            ConfigError: no such label.
        """
        found = [
            p
            for p in (self.folder / "tfrecords").glob(f"{label}-*.tfr")
            if p.stem.removeprefix(f"{label}-").isdigit() and p.stat().st_size > _EMPTY
        ]
        if not found:
            raise unknown("label", label, self.labels, f"in data folder {self.folder}")
        return sorted(found, key=lambda p: int(p.stem.rpartition("-")[2]))

    def windows(self, label: str) -> list[Interval]:
        """Return a label's windows (without crop) in record order."""
        return [w for w in read_bed(self.folder / "sequences.bed") if w.label == label]

    def records(self, label: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (uint8 base indices [seq_length], float16 targets [bins, targets]), verified.

        Raises:
            InputFileError: a damaged shard, named, with the record's number.
        """
        for shard in self.shards(label):
            for number, frame in enumerate(read_frames(shard)):
                features = _features(frame, shard, number)
                target = np.frombuffer(features["target"], np.float16)
                yield (
                    self._sequence(features, shard, number),
                    target.reshape(self.target_length, len(self.targets)),
                )

    def arrays(
        self, label: str, start: int = 0, stop: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return records [start, stop) of a label as (uint8 [n, seq_length], float16 targets)."""
        sequences, targets = [], []
        for row, (sequence, target) in enumerate(self.records(label)):
            if stop is not None and row >= stop:
                break
            if row >= start:
                sequences.append(sequence)
                targets.append(target)
        if not sequences:
            raise ConfigError(f"label {label!r} of {self.folder} has no record from {start}")
        return np.stack(sequences), np.stack(targets)

    def _sequence(self, features: dict[str, bytes], shard: Path, number: int) -> np.ndarray:
        if self.encoding == "packed":
            data = features.get("sequence_packed", b"")
            mask = features.get("sequence_n", b"")
            if len(data) == -(-self.seq_length // 4) and len(mask) == -(-self.seq_length // 8):
                return unpack(data, mask, self.seq_length)
        else:
            data = features.get("sequence", b"")
            if len(data) == self.seq_length:
                return np.frombuffer(data, np.uint8)
        raise InputFileError(
            f"shard {shard} record {number} has a sequence of {len(data)} bytes; "
            f"statistics.json says {self.seq_length} bp, {self.encoding}-coded"
        )


def _features(frame: bytes, shard: Path, number: int) -> dict[str, bytes]:
    try:
        return parse_example(frame)
    except ValueError as error:
        raise InputFileError(
            f"shard {shard} record {number} is no tf.train.Example ({error}): the shard is "
            "corrupt or another tool's"
        ) from None


def _content_hash(manifest: dict) -> str:
    import hashlib

    text = json.dumps([s["sha256"] for s in manifest["shards"]])
    return hashlib.sha256(text.encode()).hexdigest()
