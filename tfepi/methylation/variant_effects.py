"""What a model predicts of every CpG near variants, in either sequence, and the largest effect."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tfepi.methylation.cpgs import CREATED, DESTROYED, CpGs, Read, find_cpgs, haplotype
from tfepi.methylation.shared_predictions import SharedPredictions
from tfepi.methylation.variant_options import MethylationScoring
from tfepi.variants.alleles import AllelePair

_NOT_ASKED = -1
_ANY = 1 << 62  # above every number
# Which CpGs are compared besides those that are kept.
_ALSO = {"kept": (), "all": (CREATED, DESTROYED), "original": (DESTROYED,)}


@dataclass(frozen=True)
class Effect:
    """The predictions around one row.

    Attributes:
        pair: REF and ALT.
        cpgs: the CpGs within reach.
        ref: predictions of REF's sequence, float32 [CpGs, tasks]; NaN where there are none.
        alt: the same of ALT's.
        undefined: whether a prediction that was asked for is no finite number.
    """

    pair: AllelePair
    cpgs: CpGs
    ref: np.ndarray
    alt: np.ndarray
    undefined: bool

    @property
    def diff(self) -> np.ndarray:
        """ALT − REF, float32 [CpGs, tasks]; NaN of a CpG that is not compared."""
        return self.alt - self.ref

    def largest(self) -> np.ndarray:
        """Return the CpG with the largest |ALT − REF| of each task: int64 [tasks], -1 for none."""
        if not len(self.ref):
            return np.full(self.ref.shape[1], _NOT_ASKED)
        sizes = np.abs(self.diff)
        sizes[~np.isfinite(sizes)] = -1
        best = sizes.argmax(axis=0)
        best[sizes.max(axis=0) < 0] = _NOT_ASKED
        return best

    def highest(self, kind: int) -> tuple[float, int]:
        """Return the highest prediction among the CpGs created, or destroyed, and its position.

        Args:
            kind: CREATED, whose predictions are ALT's, or DESTROYED, of REF's.

        Returns:
            NaN and -1 if there are none.
        """
        which = np.flatnonzero(self.cpgs.kind == kind)
        values = (self.alt if kind == CREATED else self.ref)[which]
        if not np.isfinite(values).any():
            return np.nan, _NOT_ASKED
        highest = np.where(np.isfinite(values), values, -np.inf).max(axis=1)
        best = int(highest.argmax())
        return float(highest[best]), int(self.cpgs.position[which[best]])


class _Asked:
    """A row whose windows wait: the number of each CpG's in either sequence."""

    def __init__(self, pair: AllelePair, cpgs: CpGs, ref: np.ndarray, alt: np.ndarray):
        self.pair, self.cpgs, self.ref, self.alt = pair, cpgs, ref, alt
        numbers = np.concatenate([ref, alt])
        numbers = numbers[numbers >= 0]
        self.first = int(numbers.min()) if len(numbers) else _ANY
        self.last = int(numbers.max()) if len(numbers) else _NOT_ASKED


def effects(
    pairs: Iterable[AllelePair],
    read: Read,
    shared: SharedPredictions,
    scoring: MethylationScoring,
    flank: int,
) -> Iterator[Effect]:
    """Yield the effects of rows in their order, as soon as their windows are predicted.

    Args:
        pairs: the rows, sorted.
        read: gives the genome, `flank` bp around each.
        shared: predicts.
        scoring: the options.
        flank: bp at either side of a record, at least the reach, half a window and 1.
    """
    waiting: deque[_Asked] = deque()
    done = shared.ready
    for pair in pairs:
        waiting.append(_ask(pair, read, shared, scoring, flank))
        while waiting and waiting[0].last < shared.ready:
            yield _answered(waiting.popleft(), shared)
        if shared.ready > done:
            done = shared.ready
            shared.forget(pair.chrom, pair.position, (asked.first for asked in waiting))
    shared.flush()
    for asked in waiting:
        yield _answered(asked, shared)


def _ask(
    pair: AllelePair,
    read: Read,
    shared: SharedPredictions,
    scoring: MethylationScoring,
    flank: int,
) -> _Asked:
    published = scoring.compared == "original"
    ref, alt = (haplotype(read, pair, a, flank, published) for a in (pair.ref, pair.alt))
    cpgs = find_cpgs(ref, alt, pair, flank, scoring.reach)
    numbers = []
    for side, at, lacking in ((ref, cpgs.ref, CREATED), (alt, cpgs.alt, DESTROYED)):
        asked = (cpgs.kind != lacking) | (lacking in _ALSO[scoring.compared])
        found = np.full(len(at), _NOT_ASKED)
        found[asked] = shared.ask(side, at[asked])
        numbers.append(found)
    return _Asked(pair, cpgs, *numbers)


def _answered(asked: _Asked, shared: SharedPredictions) -> Effect:
    sides = [shared.values(numbers) for numbers in (asked.ref, asked.alt)]
    finite = (
        np.isfinite(values[numbers >= 0]).all()
        for values, numbers in zip(sides, (asked.ref, asked.alt), strict=True)
    )
    return Effect(asked.pair, asked.cpgs, *sides, undefined=not all(finite))
