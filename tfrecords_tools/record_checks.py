"""What can be wrong inside a record, given what its folder says of it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.genome import UNKNOWN
from tfrecords_tools.records import FEATURES, sequence_sizes
from tfrecords_tools.targets import Target
from tfrecords_tools.transforms import lowest

_INFINITY, _LARGEST, _ONE, _MINUS = 0x7C00, 0x7BFF, 0x3C00, 0x8000  # the last is -0


@dataclass(frozen=True)
class Shape:
    """What statistics.json and the targets table say of every record.

    Attributes:
        seq_length: bp.
        target_length: bins.
        targets: of each bin.
        encoding: "index", "packed" or "onehot".
        missing: whether each target may have missing values (NaN).
        tracks: input tracks of each record.
        track_length: bins of these.
        kind: of the data; "methylation" has values from 0 to 1.
        coverage: whether each target has the number of its reads beside it.
    """

    seq_length: int
    target_length: int
    targets: tuple[Target, ...]
    encoding: str
    missing: tuple[bool, ...]
    tracks: tuple[Target, ...] = ()
    track_length: int = 0
    kind: str = "coverage"
    coverage: bool = False


class RecordChecks:
    """Checks records one by one.

    Attributes:
        counts: kind of value → int64 [targets], bins of it so far.
    """

    def __init__(self, shape: Shape):
        self._shape = shape
        count = len(shape.targets)
        self.counts = {n: np.zeros(count, np.int64) for n in _KINDS}
        self._lowest = np.array([lowest(t, "current") for t in shape.targets])
        self._labels = np.array([t.threshold is not None for t in shape.targets])

    def check(self, features: dict[str, bytes]) -> Iterator[tuple[str, str, str]]:
        """Yield (level, kind, what is wrong) of a record."""
        yield from self._sequence(features)
        target = features.get("target")
        wanted = 2 * self._shape.target_length * len(self._shape.targets)
        if target is None:
            yield "error", "feature missing", "no feature 'target'"
        elif len(target) != wanted:
            yield (
                "error",
                "size",
                f"target has {len(target)} bytes, statistics.json makes it {wanted} "
                f"({self._shape.target_length} bins of {len(self._shape.targets)} float16 targets)",
            )
        else:
            yield from self._target(np.frombuffer(target, np.uint16))
        mask = features.get("umap")
        if mask is not None and len(mask) != self._shape.target_length:
            yield (
                "error",
                "size",
                f"umap has {len(mask)} bytes, want one per bin, {self._shape.target_length}",
            )
        elif mask is not None and max(mask) > 1:
            yield "error", "umap", f"umap has the byte {max(mask)}, want 0 and 1"
        if self._shape.tracks:
            yield from self._tracks(features.get("tracks"))
        if self._shape.coverage:
            yield from self._coverage(features.get("coverage"))
        for name in features:
            if name not in FEATURES:
                yield "note", "unknown feature", f"feature {name!r}, which is not read"

    def _tracks(self, value: bytes | None) -> Iterator[tuple[str, str, str]]:
        """Look at the input tracks: they may be missing, but neither infinite nor negative."""
        tracks, bins = self._shape.tracks, self._shape.track_length
        wanted = 2 * bins * len(tracks)
        if value is None:
            yield "error", "feature missing", "no feature 'tracks'"
            return
        if len(value) != wanted:
            yield (
                "error",
                "size",
                f"tracks has {len(value)} bytes, statistics.json makes it {wanted} ({bins} bins "
                f"of {len(tracks)} float16 input tracks)",
            )
            return
        values = np.frombuffer(value, np.float16).reshape(bins, -1)
        wrong = np.isinf(values) | (values < 0)
        if wrong.any():
            at, track = np.argwhere(wrong)[0].tolist()
            yield (
                "error",
                "input track",
                f"{int(wrong.sum())} bins are infinite or negative; first track "
                f"{tracks[track].identifier} bin {at}, {values[at, track]}",
            )

    def _coverage(self, value: bytes | None) -> Iterator[tuple[str, str, str]]:
        """Look at the numbers of reads: each is finite and not negative."""
        wanted = 2 * self._shape.target_length * len(self._shape.targets)
        if value is None:
            yield "error", "feature missing", "no feature 'coverage'"
            return
        if len(value) != wanted:
            yield (
                "error",
                "size",
                f"coverage has {len(value)} bytes, statistics.json makes it {wanted} "
                f"({self._shape.target_length} bins of {len(self._shape.targets)} float16 targets)",
            )
            return
        values = np.frombuffer(value, np.float16).reshape(-1, len(self._shape.targets))
        wrong = ~(values >= 0) | np.isinf(values)
        if wrong.any():
            at, target = np.argwhere(wrong)[0].tolist()
            yield (
                "error",
                "coverage",
                f"{int(wrong.sum())} numbers of reads are negative or not finite; first target "
                f"{self._shape.targets[target].identifier} bin {at}, {values[at, target]}",
            )

    def _sequence(self, features: dict[str, bytes]) -> Iterator[tuple[str, str, str]]:
        length, encoding = self._shape.seq_length, self._shape.encoding
        for name, wanted in sequence_sizes(encoding, length).items():
            value = features.get(name)
            if value is None:
                yield "error", "feature missing", f"no feature {name!r}"
            elif len(value) != wanted:
                yield (
                    "error",
                    "size",
                    f"{name} has {len(value)} bytes, statistics.json makes it {wanted} "
                    f"({length} bp, {encoding}-coded)",
                )
            elif encoding == "index":
                codes = np.frombuffer(value, np.uint8)
                wrong = int((codes > UNKNOWN).sum())
                if wrong:
                    at = int((codes > UNKNOWN).argmax())
                    yield (
                        "error",
                        "sequence",
                        f"{wrong} bases have codes above {UNKNOWN}, the first {codes[at]} at "
                        f"base {at}",
                    )
            elif encoding == "onehot":
                rows = np.frombuffer(value, np.uint8).reshape(length, 4).astype(np.int64)
                bad = (rows.sum(axis=1) > 1) | (rows > 1).any(axis=1)
                if bad.any():
                    at = int(bad.argmax())
                    yield (
                        "error",
                        "sequence",
                        f"{int(bad.sum())} bases are not one-hot, the first {rows[at].tolist()} "
                        f"at base {at}",
                    )

    def _target(self, bits: np.ndarray) -> Iterator[tuple[str, str, str]]:
        """Look at float16 bits, which is several times faster than at their values."""
        bits = bits.reshape(self._shape.target_length, -1)
        size = bits & np.uint16(0x7FFF)
        if size.max(initial=0) >= _LARGEST:
            yield from self._told("nan", size > _INFINITY)
            yield from self._told("infinite", size == _INFINITY)
            yield from self._told("limit", size == _LARGEST)
        if (bits >> 15).any() and np.isfinite(self._lowest).any():
            yield from self._told("root", bits.view(np.float16) < self._lowest)
        if self._shape.kind == "methylation" and (bits > _ONE).any():
            # above the bits of 1 are those of larger, negative and missing values
            yield from self._told("beta", (bits > _ONE) & (size <= _INFINITY) & (bits != _MINUS))
        if self._labels.any():
            other = (bits != 0) & (bits != _ONE) & (size <= _INFINITY)
            yield from self._told("label", other & self._labels)

    def _told(self, kind: str, mask: np.ndarray) -> Iterator[tuple[str, str, str]]:
        if not mask.any():
            return
        by_target = mask.sum(axis=0)
        self.counts[kind] += by_target
        targets = np.flatnonzero(by_target)
        strange = [t for t in targets if kind != "nan" or not self._shape.missing[t]]
        level = "note" if kind == "limit" or not strange else "error"
        first = (strange or targets.tolist())[0]
        name = self._shape.targets[first].identifier
        where = f"first target {name} bin {int(mask[:, first].argmax())}"
        count = f"{int(by_target.sum())} bins of {len(targets)} targets"
        what = {
            "nan": "are NaN (missing)",
            "infinite": "are infinite: float16 overflowed",
            "limit": "are at 65504, float16's limit: the true value is lost",
            "root": "are below -1, less than a statistic with a root can give",
            "beta": "are below 0 or above 1, which no share of methylated molecules is",
            "label": "are neither 0 nor 1, the labels that a threshold gives",
        }[kind]
        yield level, _KINDS[kind], f"{count} {what}; {where}"


_KINDS = {
    "nan": "NaN",
    "infinite": "infinity",
    "limit": "float16 limit",
    "root": "impossible value",
    "beta": "beta",
    "label": "label",
}
