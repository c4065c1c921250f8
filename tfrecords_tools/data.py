"""A data folder: its statistics, targets, windows and shards, and records as numpy arrays."""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing_folder
from tfrecords_tools.framing import read_frames
from tfrecords_tools.input_tracks import TABLE, read_tracks
from tfrecords_tools.intervals import Interval, read_bed
from tfrecords_tools.manifest import check_shards, content_hash, read_manifest
from tfrecords_tools.number_text import number_of
from tfrecords_tools.record_sizes import checked_features
from tfrecords_tools.records import FEATURES, decode_sequence, feature_offsets
from tfrecords_tools.remote_records import is_waiting, ready
from tfrecords_tools.shards import all_compressed, count_records, find_shards
from tfrecords_tools.statistics import Statistics
from tfrecords_tools.targets import Target, numbered, read_targets, strand_order


@dataclass(frozen=True)
class Data:
    """A folder of TFRecords, written here or by a tool of the Basenji ecosystem.

    Attributes:
        folder: where it lies, of a remote one where the copy does.
        seq_length, crop_bp, pool_width: bp.
        target_length: bins.
        targets: the table's rows; without targets.txt, numbered ones.
        encoding: of the bases: "index", "packed" or "onehot".
        compressed: whether the shards are ZLIB.
        counts: records by label, of the labels that have any. Of another tool's folder, as many
            as sequences.bed lists windows; without it, they are counted.
        stated: what statistics.json says of each label; the original tools count before they
            leave out unmappable windows.
        tracks: the rows of tracks.txt, of the input tracks that every record has; () without.
        track_width: bp per bin of an input track.
        track_length: bins of an input track, centred on the sequence.
        kind: of the data, "coverage" of the genome by tracks or "methylation" at CpGs.
        has_coverage: whether records hold the number of reads of every target.
        manifest_sha256: of the manifest's content hashes, or None.
        readable: path → records of damaged shards that come before the damage; those behind it
            are left out (`readable_part`).
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
    stated: dict[str, int] = field(default_factory=dict)
    tracks: tuple[Target, ...] = ()
    track_width: int = 0
    track_length: int = 0
    kind: str = "coverage"
    has_coverage: bool = False
    readable: dict[str, int] = field(default_factory=dict)

    @classmethod
    def open(cls, folder: str | os.PathLike, damaged: bool = False) -> "Data":
        """Open a data folder: a path, or a URL such as s3://bucket/data.

        Args:
            folder: the folder.
            damaged: take shards of another size than the manifest says, for `readable_part`.

        Raises:
            InputFileError: an unfinished build, statistics.json missing or not in keeping with
                itself, the targets table, the windows or the records; a shard that is missing,
                of another size than the manifest says, or not in it.
        """
        folder = existing_folder(folder, "data folder")
        if (folder / ".build").exists():
            raise InputFileError(
                f"data folder {folder} holds an unfinished build: run tfepi_data.py --resume first"
            )
        stats = Statistics.read(folder / "statistics.json")
        path = folder / "targets.txt"
        targets = read_targets(path, extra=True) if path.exists() else numbered(stats.num_targets)
        if len(targets) != stats.num_targets:
            raise InputFileError(
                f"{path} has {len(targets)} targets, statistics.json says {stats.num_targets}"
            )
        tracks = _tracks(folder, stats)
        manifest = read_manifest(folder)
        shards = find_shards(folder)
        if manifest is not None:
            check_shards(folder, manifest, shards, sizes=not damaged)
        data = cls(
            folder,
            stats.seq_length,
            stats.crop_bp,
            stats.pool_width,
            stats.target_length,
            targets,
            stats.encoding,
            all_compressed(_at_hand(shards)),
            {},
            None if manifest is None else content_hash(manifest),
            stated=stats.stated,
            tracks=tracks,
            track_width=stats.track_width,
            track_length=stats.track_length,
            kind=stats.kind,
            has_coverage=stats.coverage,
        )
        firsts = [data._checked(paths[0]) for paths in shards.values()]
        counts = count_records(folder, shards, stats.stated, manifest)
        layouts = [_layout(features) for features in firsts]
        if manifest is None or layouts.count(layouts[0]) < len(layouts):
            return replace(data, counts=counts)
        return replace(data, counts=counts, layout=layouts[0])

    def _checked(self, shard: Path) -> dict[str, bytes]:
        """Return the features of a shard's first record, which must have the stated sizes."""
        frame = next(read_frames(shard), None)
        if frame is None:
            raise InputFileError(f"shard {shard} has no record")
        return checked_features(frame, self, f"shard {shard} record 0")

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that records come from."""
        return (self.folder,)

    @property
    def labels(self) -> list[str]:
        """Labels that have records."""
        return list(self.counts)

    @property
    def strand_order(self) -> tuple[int, ...] | None:
        """Positions that swap strand pairs among the targets; None if unstranded."""
        return strand_order(self.targets)

    @property
    def strand_step(self) -> int:
        """Bases that the other strand's sequence moves right, so that its middle is alike.

        The other C of a CpG is one base before the middle of the reverse complement.
        """
        return 1 if self.kind == "methylation" else 0

    def shards(self, label: str) -> list[Path]:
        """Return a label's shards in the order of their numbers; remote ones are copied first.

        Raises:
            ConfigError: no such label.
            InputFileError: a shard is missing, or cannot be copied from its server, or is other
                than the manifest says.
        """
        if label not in self.counts:
            raise self._no_label(label)
        shards = find_shards(self.folder)[label]
        ready(self.folder, shards)
        return shards

    def _no_label(self, label: str) -> ConfigError:
        stated = self.stated.get(label)
        if stated:
            records = number_of(stated, "record")
            return ConfigError(
                f"label {label!r} of {self.folder} has {records} by statistics.json, but "
                f"no tfrecords/{label}-*.tfr has any: fetch them, or use another label "
                f"({', '.join(self.labels)})"
            )
        if all(name.startswith("fold") for name in self.labels):
            return ConfigError(
                f"{self.folder} has no label {label!r}, it has {', '.join(self.labels)}: name a "
                "fold, or several as one label, such as fold0,fold1"
            )
        return unknown("label", label, self.labels, f"in data folder {self.folder}")

    def windows(self, label: str) -> list[Interval]:
        """Return a label's windows (without crop) in record order.

        Raises:
            InputFileError: no sequences.bed, or a window of another length.
        """
        rows = read_bed(windows_file(self.folder))
        return [self.cropped(w) for w in rows if w.label == label]

    def cropped(self, window: Interval) -> Interval:
        """Return a row of sequences.bed as the stretch of the genome that its bins are of.

        Until 2021 the original tools listed windows with their crop.

        Raises:
            InputFileError: its length is neither that of the bins nor that of the sequence.
        """
        if len(window) == self.seq_length - 2 * self.crop_bp:
            return window
        if len(window) == self.seq_length:
            start, end = window.start + self.crop_bp, window.end - self.crop_bp
            return replace(window, start=start, end=end)
        raise InputFileError(
            f"{self.folder / 'sequences.bed'} has window {window} of {len(window)} bp, "
            f"statistics.json makes them {self.seq_length - 2 * self.crop_bp}: the two are not "
            "of the same data"
        )

    def frames(self, label: str) -> Iterator[tuple[Path, int, dict[str, bytes]]]:
        """Yield (shard, number in it, feature → bytes) of each record, sizes verified.

        `sequence`, `target` and `track_values` decode the features; `umap`, where there is one,
        has a byte per bin, 1 where it is unmappable. Known features come in the order of
        `records.FEATURES`.

        Raises:
            InputFileError: a damaged shard or a record of another size, named, with the record's
                number.
        """
        for shard in self.shards(label):
            frames = islice(read_frames(shard), self.readable.get(str(shard)))
            for number, frame in enumerate(frames):
                features = checked_features(frame, self, f"shard {shard} record {number}")
                ordered = {name: features[name] for name in FEATURES if name in features}
                yield shard, number, ordered | features

    def records(self, label: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield (uint8 base indices [seq_length], float16 targets [bins, targets]), verified.

        Raises:
            InputFileError: a damaged shard or record, named, with the record's number; or, after
                the last, another number of records than the folder's files tell.
        """
        for shard, number, features in self._counted(label):
            yield self.sequence(features, shard, number), self.target(features, shard, number)

    def shard_sequences(self, shard: Path) -> Iterator[np.ndarray]:
        """Yield uint8 base indices [seq_length] of each record of a shard, verified.

        Raises:
            InputFileError: a damaged shard or record, named, with the record's number.
        """
        for number, frame in enumerate(read_frames(shard)):
            features = checked_features(frame, self, f"shard {shard} record {number}")
            yield self.sequence(features, shard, number)

    def records_with_tracks(
        self, label: str
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Yield `records`' two and float16 input tracks [track_length, tracks], verified.

        Raises:
            ConfigError: the data have no input tracks.
            InputFileError: as `records`.
        """
        for shard, number, features in self._counted(label):
            yield (
                self.sequence(features, shard, number),
                self.target(features, shard, number),
                self.track_values(features, shard, number),
            )

    def _counted(self, label: str) -> Iterator[tuple[Path, int, dict[str, bytes]]]:
        """Yield `frames`, and refuse another number of them than the folder's files tell."""
        count = 0
        for frame in self.frames(label):
            yield frame
            count += 1
        if count != self.counts[label]:
            raise InputFileError(
                f"the shards of {label} in {self.folder} hold {count} records, sequences.bed or "
                f"the manifest tells {self.counts[label]}: fetch the shards that are missing, or "
                "the file that belongs to these"
            )

    def sequence(self, features: dict[str, bytes], shard: Path, number: int) -> np.ndarray:
        """Return the base indices, uint8 [seq_length], of a record that `frames` gave.

        Raises:
            InputFileError: a value that is no base.
        """
        try:
            return decode_sequence(features, self.encoding, self.seq_length)
        except ValueError as error:
            raise InputFileError(f"shard {shard} record {number}: {error}") from None

    def target(self, features: dict[str, bytes], shard: Path, number: int) -> np.ndarray:
        """Return the targets, float16 [bins, targets], of a record that `frames` gave."""
        values = np.frombuffer(features["target"], np.float16)
        return values.reshape(self.target_length, len(self.targets))

    def coverage(self, features: dict[str, bytes], shard: Path, number: int) -> np.ndarray:
        """Return the reads of each target of a record that `frames` gave.

        Returns:
            float16 [bins, targets]; 0 where the target is missing.

        Raises:
            ConfigError: the data have no coverage.
        """
        if not self.has_coverage:
            raise ConfigError(
                f"data folder {self.folder} has no coverage: build it with --store_coverage"
            )
        values = np.frombuffer(features["coverage"], np.float16)
        return values.reshape(self.target_length, len(self.targets))

    def track_values(self, features: dict[str, bytes], shard: Path, number: int) -> np.ndarray:
        """Return the input tracks of a record that `frames` gave.

        Returns:
            float16 [track_length, tracks]; NaN where a track was not measured.

        Raises:
            ConfigError: the data have no input tracks.
        """
        if not self.tracks:
            raise ConfigError(
                f"data folder {self.folder} has no input tracks: build it with --tracks"
            )
        values = np.frombuffer(features["tracks"], np.float16)
        return values.reshape(self.track_length, len(self.tracks))

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


def _tracks(folder: Path, stats: Statistics) -> tuple[Target, ...]:
    """Return the rows of tracks.txt, where records have input tracks."""
    path = folder / TABLE
    if not stats.num_tracks:
        return ()
    tracks = read_tracks(path, extra=True)
    if len(tracks) != stats.num_tracks:
        raise InputFileError(
            f"{path} has {len(tracks)} tracks, statistics.json says {stats.num_tracks}"
        )
    return tracks


def windows_file(folder: Path) -> Path:
    """Return the path of a data folder's sequences.bed.

    Raises:
        InputFileError: there is none.
    """
    path = folder / "sequences.bed"
    if not path.exists():
        raise InputFileError(
            f"data folder {folder} has no sequences.bed, which says where on the genome its "
            "records lie: fetch it with the records"
        )
    return path


def _at_hand(shards: dict[str, list[Path]]) -> list[Path]:
    """Return the shards that are there, and of every label the first one."""
    return [s for of in shards.values() for n, s in enumerate(of) if not n or not is_waiting(s)]


def _layout(features: dict[str, bytes]) -> dict[str, tuple[int, int]]:
    """Return feature → (offset, size) in a record's bytes."""
    offsets = feature_offsets(features)
    return {name: (offsets[name], len(value)) for name, value in features.items()}
