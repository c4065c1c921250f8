"""The windows of sorted pairs of alleles, in groups that are predicted together."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.variants.alleles import AllelePair, Stretches, Window
from tfepi.variants.alternatives import Along, Stretch


@dataclass(frozen=True)
class WindowGroup:
    """Windows that are predicted together, and the pairs in them.

    Attributes:
        pairs: numbers of the pairs, consecutive.
        chrom: chromosome of the windows of a stretch, or that of the first.
        windows: (chromosome, start) of each, ascending.
        of: the window of each pair.
        stretch: what all windows are cut from, where they share activations, and where it starts.
    """

    pairs: range
    windows: tuple[tuple[str, int], ...]
    of: tuple[int, ...]
    stretch: tuple[Stretch, int] | None = None

    def along(self) -> Along | None:
        """Return where the windows lie on their stretch."""
        if self.stretch is None:
            return None
        stretch, first = self.stretch
        return Along(stretch, np.array([start - first for _, start in self.windows]))


def window_groups(
    pairs: Sequence[AllelePair], window: Window, size: int, read: Stretches, fewest: int
) -> Iterator[WindowGroup]:
    """Yield groups of at most `size` windows.

    Args:
        pairs: sorted by position.
        window: of the model.
        size: windows.
        read: the genome around the pairs.
        fewest: windows on a stretch of two that share activations; 0: none do.
    """
    places = [(p.chrom, window.start(p.position)) for p in pairs]
    length = window.length
    for low, high, stretched in _runs(places, length, fewest):
        shared = None
        if stretched:
            chrom, first = places[low]
            shared = Stretch(read(chrom, first, first + 2 * length).copy()), first
        while low < high:
            windows: dict[tuple[str, int], int] = {}
            stop, of = low, []
            while stop < high and (places[stop] in windows or len(windows) < size):
                of.append(windows.setdefault(places[stop], len(windows)))
                stop += 1
            yield WindowGroup(range(low, stop), tuple(windows), tuple(of), shared)
            low = stop


def _runs(
    places: Sequence[tuple[str, int]], reach: int, fewest: int
) -> Iterator[tuple[int, int, bool]]:
    """Yield runs of pairs, by number, and whether their windows lie on one stretch."""
    low = begun = 0
    while low < len(places):
        chrom, first = places[low]
        high = low
        while high < len(places) and places[high][0] == chrom and places[high][1] <= first + reach:
            high += 1
        if fewest and len(set(places[low:high])) >= fewest:
            if begun < low:
                yield begun, low, False
            yield low, high, True
            begun = high
        low = high
    if begun < len(places):
        yield begun, len(places), False
