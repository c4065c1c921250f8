"""The windows that motifs are looked for in: those of a data folder, or around sites."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfepi.methylation.cpg_places import bed_places
from tfepi.methylation.motifs import Batch, chosen, evenly
from tfepi.spec import METHYLATION, ModelSpec
from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError, unknown
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import bed_rows


class RecordWindows:
    """Windows of a label of a data folder, with what was measured.

    Args:
        data: the folder.
        label: of the windows.
        columns: of the targets that are the model's tasks, or None if the data lack one.
        most: windows; None for all.

    Raises:
        ConfigError: no such label.
    """

    def __init__(self, data: Data, label: str, columns: list[int] | None, most: int | None):
        if label not in data.labels:
            raise unknown("label", label, data.labels, "of the data")
        self._data, self._label, self._columns = data, label, columns
        self._numbers = evenly(data.counts[label], most)

    def __len__(self) -> int:
        return len(self._numbers)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield batches of windows."""
        records = chosen(self._data.records(self._label), self._numbers)
        while batch := list(itertools.islice(records, size)):
            values = None
            if self._columns is not None:
                measured = np.stack([t for _, t in batch])[:, :, self._columns]
                values = known_mean(measured.astype(np.float64).swapaxes(1, 2))
            yield np.stack([s for s, _ in batch]), values


class SiteWindows:
    """Windows around the sites of a BED.

    Args:
        fasta: the genome.
        bed: the sites.
        spec: the model's contract. Of a model of methylation a site begins with the C of a CpG,
            which is put in the middle; of another model the site's middle is.
        most: windows; None for all.

    Raises:
        InputFileError: no sites, one that is no CpG, or one beyond its chromosome.
    """

    def __init__(self, fasta: str | Path, bed: str | Path, spec: ModelSpec, most: int | None):
        self._genome, self._bed, self._length = Genome(fasta), bed, spec.seq_length
        self._cpgs = spec.kind == METHYLATION
        count = sum(1 for _ in self._middles())
        if not count:
            raise InputFileError(
                f"BED {bed} has no intervals: want lines of chromosome, start, end"
            )
        self._numbers = evenly(count, most)

    def __len__(self) -> int:
        return len(self._numbers)

    def batches(self, size: int) -> Iterator[Batch]:
        """Yield batches of windows."""
        middles = chosen(self._middles(), self._numbers)
        while batch := list(itertools.islice(middles, size)):
            starts = [(chrom, middle - self._length // 2) for chrom, middle in batch]
            spans = [(chrom, start, start + self._length) for chrom, start in starts]
            yield self._genome.windows(spans), None

    def _middles(self) -> Iterator[tuple[str, int]]:
        if self._cpgs:
            for place in bed_places(self._bed, self._genome):
                yield place.chrom, place.position
            return
        for interval, _ in bed_rows(self._bed):
            length = self._genome.length(interval.chrom)
            if interval.end > length:
                raise InputFileError(
                    f"BED {self._bed}: interval {interval} ends past the end of {interval.chrom} "
                    f"({length} bp in {self._genome.path}): is it of another build?"
                )
            yield interval.chrom, (interval.start + interval.end) // 2


def known_mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over the last axis of what is known: float64; NaN where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0).sum(axis=-1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
