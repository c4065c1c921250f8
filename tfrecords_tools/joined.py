"""Several data folders as one, and several labels as one, to train on all of their records."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.intervals import Interval

_ALIKE = (
    "seq_length",
    "crop_bp",
    "pool_width",
    "target_length",
    "encoding",
    "compressed",
    "track_width",
    "track_length",
    "kind",
    "has_coverage",
)
_TARGETS_ALIKE = ("cell", "mark", "clip", "clip_soft", "scale", "sum_stat", "threshold", "tissue")
_TRACKS_ALIKE = ("cell", "assay", "clip", "clip_soft", "scale", "sum_stat", "threshold", "nan")


@dataclass(frozen=True)
class JoinedData(Data):
    """Data folders of the same windows' sizes and targets, read one after the other.

    Attributes:
        parts: the folders; `folder` is the first one's.
    """

    parts: tuple[Data, ...] = ()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Every folder."""
        return tuple(part.folder for part in self.parts)

    def shards(self, label: str) -> list[Path]:
        """Return a label's shards, folder by folder.

        Raises:
            ConfigError: no folder has the label.
        """
        if label not in self.counts:
            raise unknown("label", label, self.labels, "in the data folders")
        return [s for part in self.parts if label in part.counts for s in part.shards(label)]

    def windows(self, label: str) -> list[Interval]:
        """Return a label's windows (without crop) in record order."""
        parts = [part for part in self.parts if label in part.counts]
        return [window for part in parts for window in part.windows(label)]


def join(parts: Sequence[Data]) -> Data:
    """Return data folders as one; a single one as it is.

    Raises:
        ConfigError: they differ in lengths, encoding, targets or input tracks, or in how these
            were made.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    seen = {first.folder.resolve()}
    for part in parts[1:]:
        if part.folder.resolve() in seen:
            raise ConfigError(f"data folder {part.folder} is named twice: name each once")
        seen.add(part.folder.resolve())
        for name in _ALIKE:
            ours, theirs = getattr(first, name), getattr(part, name)
            if ours != theirs:
                raise ConfigError(
                    f"{name} is {ours} in {first.folder} and {theirs} in {part.folder}: "
                    "build both alike to train on both"
                )
        _check_alike(first, part, "targets", _TARGETS_ALIKE)
        _check_alike(first, part, "tracks", _TRACKS_ALIKE)
        if first.strand_order != part.strand_order:
            raise ConfigError(
                f"{first.folder} and {part.folder} pair the strands of their targets differently: "
                "write the same strand_pair into both tables"
            )
    values = {f.name: getattr(first, f.name) for f in fields(Data)}
    hashes = [part.manifest_sha256 for part in parts]
    for name in ("counts", "stated"):
        found = [getattr(part, name) for part in parts]
        labels = dict.fromkeys(label for numbers in found for label in numbers)
        values[name] = {n: sum(numbers.get(n, 0) for numbers in found) for n in labels}
    values["readable"] = {path: n for part in parts for path, n in part.readable.items()}
    values["manifest_sha256"] = None if None in hashes else "+".join(hashes)
    if any(part.layout != first.layout for part in parts):
        values["layout"] = None
    return JoinedData(**values, parts=tuple(parts))


def _check_alike(first: Data, part: Data, kind: str, columns: Sequence[str]) -> None:
    """Check that two folders have the same targets, or input tracks, made in the same way."""
    ours, theirs = getattr(first, kind), getattr(part, kind)
    names = [", ".join(t.identifier for t in rows) or "none" for rows in (ours, theirs)]
    if names[0] != names[1]:
        raise ConfigError(
            f"{first.folder} has {kind} {names[0][:80]}, {part.folder} has {names[1][:80]}: "
            "want the same in the same order"
        )
    for one, other in zip(ours, theirs, strict=True):
        for name in columns:
            values = [getattr(t, name) for t in (one, other)]
            if values[0] != values[1]:
                raise ConfigError(
                    f"{name} of {kind.removesuffix('s')} {one.identifier!r} is {values[0]} in "
                    f"{first.folder} and {values[1]} in {part.folder}: build both alike to train "
                    "on both"
                )


@dataclass(frozen=True)
class PooledData(Data):
    """A data folder in which "fold0,fold1" is a label: the records of one after the other's.

    Attributes:
        inner: the data without such labels.
    """

    inner: Data | None = None

    @property
    def folders(self) -> tuple[Path, ...]:
        """The folders that records come from."""
        return self.inner.folders

    def shards(self, label: str) -> list[Path]:
        """Return the shards of each label of a comma-separated list.

        Raises:
            ConfigError: no such label.
        """
        return [shard for name in label.split(",") for shard in self.inner.shards(name)]

    def windows(self, label: str) -> list[Interval]:
        """Return the windows (without crop) of each label in record order."""
        return [window for name in label.split(",") for window in self.inner.windows(name)]


def pool_labels(data: Data, labels: Sequence[str]) -> Data:
    """Return data in which comma-separated lists of labels are labels too.

    Args:
        data: folders.
        labels: plain ones, or lists such as "fold0,fold1".

    Raises:
        ConfigError: a label that is not there, or is in two of the lists or twice in one.
    """
    lists = [label.split(",") for label in labels]
    names = [name for names in lists for name in names]
    for name in names:
        data.shards(name)
        if names.count(name) > 1:
            raise ConfigError(
                f"label {name!r} is named twice in {' and '.join(labels)}: use each for one purpose"
            )
    if len(names) == len(labels):
        return data
    values = {f.name: getattr(data, f.name) for f in fields(Data)}
    pooled = {",".join(ns): sum(data.counts[n] for n in ns) for ns in lists}
    return PooledData(**(values | {"counts": data.counts | pooled}), inner=data)
