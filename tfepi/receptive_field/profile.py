"""A measured field: sizes of effects by position, the spans of those that are not zero, widths.

A *perturbation* changes one base and looks at all output positions; a *scan* changes one base after
the other and looks at one output position; a *gradient* is of one output position on every base.
In each an effect has a size at every position: of the largest of the targets, or of the four
letters. Repeats are random sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import ConfigError

PERTURBATION, SCAN, GRADIENT = METHODS = ("perturbation", "scan", "gradient")
THRESHOLDS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
MASSES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class Measured:
    """What random sequences say of a field, at one place.

    Positions are counted by their place in `positions`.

    Attributes:
        method: one of `METHODS`.
        place: where on the sequence.
        phases: of each row that follows, position modulo the model's period [phases].
        at: base that is changed, or the middle of the bin that is predicted, bp [phases].
        anchor: where distance 0 is: `at`, or of wide bins the start of the bin that holds it.
        positions: where each position of the profile begins, bp, 0-based [positions].
        step: bp from one to the next.
        extent: bp that each covers.
        mean: size of the effect, mean over repeats [phases, positions].
        most: the largest over repeats.
        first, last: positions of the first and last effect that is not zero, −1 of none
            [phases, repeats].
        widths: bp from the first to the last effect of at least each of `THRESHOLDS` of the
            repeat's largest [phases, repeats, thresholds].
        floor: size up to which an effect cannot be told from noise: what the same sequence gives
            in different rows of a batch. 0 as a rule.
        scale: largest size of a prediction; NaN of a gradient.
    """

    method: str
    place: str
    phases: np.ndarray
    at: np.ndarray
    anchor: np.ndarray
    positions: np.ndarray
    step: int
    extent: int
    mean: np.ndarray
    most: np.ndarray
    first: np.ndarray
    last: np.ndarray
    widths: np.ndarray
    floor: float = 0.0
    scale: float = float("nan")

    @property
    def repeats(self) -> int:
        """Random sequences."""
        return self.first.shape[1]

    @property
    def spans(self) -> np.ndarray:
        """Length of the non-zero effect of each repeat, bp [phases, repeats]."""
        found = (self.last - self.first) * self.step + self.extent
        return np.where(self.first < 0, 0, found)

    @property
    def union(self) -> np.ndarray:
        """Length of the stretch in which any repeat has an effect, bp [phases]."""
        return np.array([self._length(row > self.floor) for row in self.most])

    def grown(self, repeats: int) -> np.ndarray:
        """Return the union of the first repeats only, bp [phases]."""
        seen = self.first[:, :repeats] >= 0
        low = np.where(seen, self.first[:, :repeats], len(self.positions)).min(axis=1)
        high = np.where(seen, self.last[:, :repeats], -1).max(axis=1)
        return np.where(high < 0, 0, (high - low) * self.step + self.extent)

    def _length(self, held: np.ndarray) -> int:
        return length_of(held, self.step, self.extent)

    def offsets(self, row: int) -> np.ndarray:
        """Return the distance of each position from the change or the prediction, bp, signed."""
        return self.positions - self.anchor[row]

    def aligned(self) -> "Profile":
        """Return the profile over all phases, at the distances that all of them have."""
        shift = (self.anchor - self.anchor[0]) // self.step
        low, high = -shift.min(), len(self.positions) - shift.max()
        if high <= low:
            raise ConfigError(
                f"phases {self.phases.min()} to {self.phases.max()} have no distance in common: "
                "use fewer phases"
            )
        parts = [slice(low + s, high + s) for s in shift.tolist()]
        mean = np.mean([m[part] for m, part in zip(self.mean, parts, strict=True)], axis=0)
        most = np.max([m[part] for m, part in zip(self.most, parts, strict=True)], axis=0)
        offsets = self.positions[low:high] - self.anchor[0]
        return Profile(offsets, mean, most, self.step, self.extent)

    def profile(self, row: int) -> "Profile":
        """Return the profile of one phase."""
        return Profile(self.offsets(row), self.mean[row], self.most[row], self.step, self.extent)

    def summary(self, row: int | None = None) -> dict[str, float | None]:
        """Return the numbers of a row of widths.tsv.

        Args:
            row: of `phases`; None for all phases together.

        Returns:
            span_max, span_mean: of repeats, bp; union: of what any repeat affects, the largest
            over phases; peak: of the mean profile; above_<t>: width of the mean profile at t times
            its largest; largest_<t>: the largest of the repeats' widths; mass_<percent>: distance
            within which so much of the mean profile lies, None without any effect.
        """
        rows = slice(None) if row is None else slice(row, row + 1)
        profile = self.aligned() if row is None else self.profile(row)
        spans = self.spans[rows]
        found = {
            "span_max": int(spans.max()),
            "span_mean": float(spans.mean()),
            "union": int(self.union[rows].max()),
            "peak": float(profile.mean.max()),
        }
        found |= {f"above_{t:.0e}": profile.width(t) for t in THRESHOLDS}
        largest = self.widths[rows].max(axis=(0, 1))
        found |= {f"largest_{t:.0e}": int(w) for t, w in zip(THRESHOLDS, largest, strict=True)}
        return found | {f"mass_{share:.0%}": profile.mass_within(share) for share in MASSES}


@dataclass(frozen=True)
class Profile:
    """Sizes of effects by distance.

    Attributes:
        offsets: distance of each position from the change or the prediction, bp, ascending.
        mean, most: size of effects, mean and largest of repeats.
        step, extent: as of `Measured`.
    """

    offsets: np.ndarray
    mean: np.ndarray
    most: np.ndarray
    step: int
    extent: int

    def width(self, threshold: float) -> int:
        """Return the width of the mean profile at a share of its largest, bp."""
        peak = self.mean.max(initial=0)
        return length_of(self.mean >= threshold * peak, self.step, self.extent) if peak > 0 else 0

    def cumulative(self) -> tuple[np.ndarray, np.ndarray]:
        """Return distances |d|, ascending, and the share of the mean profile no further away.

        The share is NaN where there is no effect at all.
        """
        distance = np.abs(self.offsets)
        places, index = np.unique(distance, return_inverse=True)
        mass = np.bincount(index, self.mean, len(places))
        total = mass.sum()
        return places, np.cumsum(mass) / total if total > 0 else np.full(len(places), np.nan)

    def mass_within(self, share: float) -> int | None:
        """Return the distance within which a share of the mean profile lies, bp; None of none."""
        distance, held = self.cumulative()
        # A sum of shares may end at 1 − 1e-16.
        known = np.flatnonzero(held >= share * (1 - 1e-12))
        return int(distance[known[0]]) if len(known) else None


def length_of(held: np.ndarray, step: int, extent: int) -> int:
    """Return bp from the first to the last position that is held, 0 of none."""
    places = np.flatnonzero(held)
    return int(places[-1] - places[0]) * step + extent if len(places) else 0


class Collector:
    """Gathers the effects of repeats into a `Measured`, without keeping them.

    Args:
        rows: phases.
        positions, step, extent: as of `Measured`.
        repeats: random sequences.
    """

    def __init__(self, rows: int, positions: np.ndarray, step: int, extent: int, repeats: int):
        self._positions, self._step, self._extent = positions, step, extent
        self._total = np.zeros((rows, len(positions)))
        self._most = np.zeros((rows, len(positions)))
        self._first = np.full((rows, repeats), -1)
        self._last = np.full((rows, repeats), -1)
        self._widths = np.zeros((rows, repeats, len(THRESHOLDS)), np.int64)
        self._counts = np.zeros(rows, np.int64)

    def add(self, row: int, repeat: int, effect: np.ndarray, floor: float = 0.0) -> None:
        """Add one repeat of one phase.

        Args:
            row: of the phase.
            repeat: its number.
            effect: sizes, float [positions].
            floor: size up to which they are noise in this repeat.
        """
        effect = effect.astype(np.float64)
        self._total[row] += effect
        np.maximum(self._most[row], effect, out=self._most[row])
        self._counts[row] += 1
        places = np.flatnonzero(effect > floor)
        if not len(places):
            return
        self._first[row, repeat], self._last[row, repeat] = places[0], places[-1]
        peak = effect.max()
        for number, threshold in enumerate(THRESHOLDS):
            held = effect >= max(threshold * peak, np.nextafter(floor, np.inf))
            self._widths[row, repeat, number] = length_of(held, self._step, self._extent)

    def measured(
        self,
        method: str,
        place: str,
        phases: Sequence[int],
        at: Sequence[int],
        anchor: Sequence[int],
        floor: float = 0.0,
        scale: float = float("nan"),
    ) -> Measured:
        """Return what was gathered; arguments as of `Measured`."""
        mean = self._total / np.maximum(self._counts, 1)[:, None]
        named = (method, place, *map(np.asarray, (phases, at, anchor)))
        where = (self._positions, self._step, self._extent)
        held = (mean, self._most, self._first, self._last, self._widths)
        return Measured(*named, *where, *held, floor, scale)
