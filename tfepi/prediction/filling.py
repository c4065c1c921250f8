"""The values of a part's windows: what a model gives for each, or means of windows that overlap."""

from collections.abc import Callable, Iterator
from itertools import pairwise

import numpy as np

from tfepi.prediction.phases import Phases
from tfepi.prediction.site_values import SiteValues
from tfepi.prediction.windows import Windows


class EachWindow:
    """Fills a part with what the model gives for each window.

    Args:
        values: the model.
        windows: all windows.
        batch_size: windows per call.
    """

    def __init__(self, values: SiteValues, windows: Windows, batch_size: int):
        self._values, self._windows, self._size = values, windows, batch_size

    def part(
        self, numbers: np.ndarray, bins: int, advance: Callable[[int], object]
    ) -> tuple[np.ndarray, int]:
        """Return the values of windows, and how many have some that are no finite number.

        Args:
            numbers: of the windows.
            bins: how many are kept of each; fewer than the site's means their sum.
            advance: told how many windows are done.

        Returns:
            float32 [targets, windows, bins], and the number.
        """
        out = np.empty((self._values.targets, len(numbers), bins), np.float32)
        undefined = 0
        for low in range(0, len(numbers), self._size):
            batch = numbers[low : low + self._size]
            chrom, start = self._windows.block(batch)
            values = self._values([self._windows.chroms[c] for c in chrom], start)
            undefined += int((~np.isfinite(values)).any(axis=(1, 2)).sum())
            if bins < values.shape[1]:
                values = values.sum(axis=1, keepdims=True, dtype=np.float64)
            out[:, low : low + len(batch)] = np.moveaxis(values, 2, 0)
            advance(len(batch))
        return out, undefined


class OverlappingWindows:
    """Fills tiles with means over the windows that overlap them, all of each tile.

    A part asks for every window that its tiles need, also those that the part before asked for, so
    that parts do not depend on one another.

    Args:
        values: the model.
        tiles: of chromosomes, each as long as a site.
        phases: the windows.
        lengths: chromosome → length, bp.
        batch_size: windows per call.
    """

    def __init__(
        self,
        values: SiteValues,
        tiles: Windows,
        phases: Phases,
        lengths: dict[str, int],
        batch_size: int,
    ):
        self._values, self._tiles, self._phases = values, tiles, phases
        self._size = batch_size
        self._bins = np.array([-(-lengths[c] // phases.bin_width) for c in tiles.chroms], np.int64)

    def part(
        self, numbers: np.ndarray, bins: int, advance: Callable[[int], object]
    ) -> tuple[np.ndarray, int]:
        """Return the values of tiles, and how many lack some within their chromosome.

        Args:
            numbers: of the tiles.
            bins: of a tile.
            advance: told how many tiles are done.

        Returns:
            float32 [targets, tiles, bins], NaN beyond the chromosome's end and where no window
            gives a finite number; and the number.
        """
        chrom, start = self._tiles.block(numbers)
        tile = start // self._phases.bin_width
        out = np.zeros((self._values.targets, len(numbers) * bins), np.float32)
        # Of any bin's windows begin `count` in the length of one, and the chromosome's last.
        seen = np.zeros(out.shape, np.min_scalar_type(self._phases.count + 1))
        rows = np.array(list(self._needed(chrom, tile)), np.int64)
        for low in range(0, len(rows), self._size):
            batch = rows[low : low + self._size]
            names = [self._tiles.chroms[c] for c in batch[:, 0]]
            values = self._values(names, batch[:, 1] * self._phases.bin_width)
            for (_, first, begin, end, place), window in zip(batch.tolist(), values, strict=True):
                known = window[begin - first : end - first].T
                finite = np.isfinite(known)
                to = slice(place, place + end - begin)
                out[:, to] += np.where(finite, known, 0)
                seen[:, to] += finite
            done = [len(numbers) * n // len(rows) for n in (low, low + len(batch))]
            advance(done[1] - done[0])
        with np.errstate(invalid="ignore"):
            np.divide(out, seen, out=out)  # 0 / 0 is the NaN wanted where nothing was seen
        shape = (self._values.targets, len(numbers), bins)
        inside = np.minimum(self._bins[chrom] - tile, bins)
        lacking = (seen.reshape(shape) > 0).sum(axis=2) < inside
        return out.reshape(shape), int(lacking.any(axis=0).sum())

    def _needed(self, chrom: np.ndarray, tile: np.ndarray) -> Iterator[tuple[int, ...]]:
        """Yield each window's chromosome, first bin, the bins of it that are wanted, their place.

        Args:
            chrom: of each tile, its place among the tiles' chromosomes.
            tile: first bin of each.
        """
        bins = self._phases.bins
        apart = (chrom[1:] != chrom[:-1]) | (tile[1:] != tile[:-1] + bins)
        edges = [0, *(np.flatnonzero(apart) + 1).tolist(), len(tile)]
        for here, stop in pairwise(edges):
            length = int(self._bins[chrom[here]])
            low, high = int(tile[here]), min(int(tile[stop - 1]) + bins, length)
            start, begin, end = self._phases.touching(length, low, high)
            begin, end = np.maximum(begin, low), np.minimum(end, high)
            for window in zip(start.tolist(), begin.tolist(), end.tolist(), strict=True):
                yield int(chrom[here]), *window, here * bins + window[1] - low
