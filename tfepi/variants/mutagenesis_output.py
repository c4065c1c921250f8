"""Files of saturation mutagenesis: numbered parts, and scores.h5 with Basenji's names and shapes.

A part holds a run of positions, counted through all sequences: for each statistic float32
[positions * 4, targets], letter by letter, and the sequences' own letters, uint8 [positions].
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.mutagenesis_scores import centred, no_effect
from tfepi.variants.mutagenesis_sites import Site, Span
from tfepi.variants.numbered import Plan, unreadable_part
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target

NAME = "scores.h5"
FORMAT = "tfepi-mutagenesis-scores"
FORMAT_VERSION = 1
LETTERS = 4
_OWN = "own"
_CHUNK_BYTES = 1 << 20
_HELD_BYTES = 16 << 20


@dataclass(frozen=True)
class Layout:
    """What the scores are of.

    Attributes:
        sites: the sequences.
        span: the mutated part of each.
        targets: what the last axis holds.
        stats: names of statistics.
        part_positions: positions per part.
    """

    sites: Sequence[Site]
    span: Span
    targets: tuple[Target, ...]
    stats: tuple[str, ...]
    part_positions: int

    @property
    def positions(self) -> int:
        """Number of mutated positions of all sequences."""
        return len(self.sites) * self.span.length

    @property
    def parts(self) -> int:
        """Number of parts."""
        return -(-self.positions // self.part_positions)

    def part(self, number: int) -> range:
        """Return the positions of a part."""
        low = number * self.part_positions
        return range(low, min(low + self.part_positions, self.positions))

    def asked(self, positions: range) -> np.ndarray:
        """Return which positions are mutated, bool; others of a window are of no region."""
        length = self.span.length
        first, last = positions.start // length, (positions.stop - 1) // length
        masks = np.concatenate([site.mask(self.span) for site in self.sites[first : last + 1]])
        return masks[positions.start - first * length :][: len(positions)]


class PartWriter:
    """An open part; what is not written has no effect, and where nothing is asked is NaN."""

    def __init__(
        self,
        file: h5py.File,
        check: Callable[[], None],
        layout: Layout,
        own: np.ndarray,
        asked: np.ndarray,
    ):
        self._file, self._check, self._stats = file, check, layout.stats
        self._left_out = np.repeat(~asked, LETTERS)
        file[_OWN] = own
        shape = (len(own) * LETTERS, len(layout.targets))
        for name in layout.stats:
            file.create_dataset(name, shape, np.float32, fillvalue=no_effect(name))
            for stretch in np.split(np.arange(len(own)), np.flatnonzero(np.diff(asked)) + 1):
                if not asked[stretch[0]]:
                    file[name][stretch[0] * LETTERS : (stretch[-1] + 1) * LETTERS] = np.nan

    def write(self, rows: np.ndarray, values: dict[str, np.ndarray]) -> None:
        """Write statistics of changes.

        Args:
            rows: position in the part * 4 + letter of each, ascending.
            values: float32 [changes, targets] by name.
        """
        low, high = int(rows[0]), int(rows[-1]) + 1
        for name in self._stats:
            block = np.full((high - low, values[name].shape[1]), no_effect(name), np.float32)
            block[self._left_out[low:high]] = np.nan
            block[rows - low] = values[name]
            self._file[name][low:high] = block
        self._check()


@contextmanager
def written_part(
    path: Path, layout: Layout, own: np.ndarray, asked: np.ndarray
) -> Iterator[PartWriter]:
    """Yield a writer of a part that is there, whole, only if the block succeeds.

    Args:
        path: of the part.
        layout: of the run.
        own: the sequences' letters at its positions, uint8; 4 is N.
        asked: which of the positions are mutated, bool.
    """
    with written_hdf5(path) as (file, check):
        yield PartWriter(file, check, layout, own, asked)


def write_scores(
    path: Path, layout: Layout, plan: Plan, folder: Path, options: dict, labels: bool
) -> None:
    """Write scores.h5 from all parts.

    Args:
        path: of the file.
        layout: of the run.
        plan: names the parts.
        folder: of the results.
        options: kept as an attribute, JSON.
        labels: write what each sequence is called.
    """
    sites, span, length = layout.sites, layout.span, layout.span.length
    with written_hdf5(path) as (file, check):
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["options"] = json.dumps(options)
        texts = {
            "chr": [s.chrom for s in sites],
            "strand": [s.strand for s in sites],
            "target_ids": [t.identifier for t in layout.targets],
            "target_labels": [t.description or t.identifier for t in layout.targets],
        } | ({"label": [s.label or "." for s in sites]} if labels else {})
        for name, values in texts.items():
            file[name] = np.array([v.encode() for v in values])
        file["target_index"] = np.array([t.index for t in layout.targets], np.int64)
        start = np.array([s.start(span) for s in sites], np.int64)
        file["start"], file["end"] = start, start + length
        seqs = file.create_dataset("seqs", (len(sites), length, LETTERS), bool)
        if any(site.asked for site in sites):
            mutated = file.create_dataset("mutated", (len(sites), length), bool)
            for number, site in enumerate(sites):
                mutated[number] = site.mask(span)
        shape = (length, LETTERS, len(layout.targets))
        row_bytes = 4 * LETTERS * len(layout.targets)
        chunk = (1, max(1, min(length, _CHUNK_BYTES // row_bytes)), *shape[1:])
        for name in layout.stats:
            file.create_dataset(name, (len(sites), *shape), np.float32, chunks=chunk)
        for number in range(layout.parts):
            for site, low, high, part, at in _pieces(layout, plan, folder, number, row_bytes):
                seqs[site, low:high] = one_hot(part[_OWN][at : at + high - low]).astype(bool)
                rows = slice(at * LETTERS, (at + high - low) * LETTERS)
                for name in layout.stats:
                    values = part[name][rows].reshape(high - low, *shape[1:])
                    file[name][site, low:high] = centred(name, values)
                check()


def first_statistic(file: h5py.File) -> str:
    """Return the statistic of an open scores.h5 that figures and tracks are of."""
    return json.loads(file.attrs["options"])["stats"][0]


def _pieces(
    layout: Layout, plan: Plan, folder: Path, number: int, row_bytes: int
) -> Iterator[tuple[int, int, int, h5py.File, int]]:
    """Yield stretches of one sequence: its number, first and stop position, part, place in it."""
    path, length = plan.part(folder, number), layout.span.length
    positions = layout.part(number)
    most = max(1, _HELD_BYTES // row_bytes)
    try:
        with h5py.File(path, "r") as part:
            position = positions.start
            while position < positions.stop:
                site, low = divmod(position, length)
                high = min(length, low + most, low + positions.stop - position)
                yield site, low, high, part, position - positions.start
                position += high - low
    except (OSError, KeyError) as error:
        raise unreadable_part(path, error) from None
