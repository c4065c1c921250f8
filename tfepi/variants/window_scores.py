"""Statistics of changed sequences from the bins that a change can reach.

Elsewhere the predictions are the reference's. To most statistics such bins add nothing, so that the
window of bins gives what all bins would; those that need all of them (the shapes of JS and JSD) are
computed of predictions that are filled up.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tfepi.variants.alternatives import Alternatives
from tfepi.variants.scores import BY_BIN, check_names, score

_GROUP_BYTES = 16 << 20  # predictions compared at once


class WindowScores:
    """References, and what statistics need of all their bins, which is computed once.

    Args:
        references: predictions float32 [references, bins, targets].
        center: the bin of REF_RATIO.
    """

    def __init__(self, references: np.ndarray, center: int):
        self._references, self._center = references, center
        self._totals: np.ndarray | None = None
        self._undefined: dict[Callable, np.ndarray] = {}

    def score(self, names: Sequence[str], changed: Alternatives) -> dict[str, np.ndarray]:
        """Return the statistics named (`scores.score`), of all bins.

        Args:
            names: of statistics.
            changed: predictions for changed sequences; `of` numbers the references.

        Returns:
            float32 [changes, targets] each; [changes, bins, targets] for REF and ALT.

        Raises:
            ConfigError: an unknown statistic.
        """
        check_names(names)
        whole = changed.values.shape[1] == self._references.shape[1]
        width = changed.values.shape[1]
        if not whole and not all(name in _BY_WINDOW for name in names):
            width = self._references.shape[1]
        size = max(1, _GROUP_BYTES // (4 * width * self._references.shape[2]))
        groups = []
        for low in range(0, len(changed.of), size):
            part = slice(low, low + size)
            group = Alternatives(changed.of[part], changed.starts[part], changed.values[part])
            groups.append(self._whole(names, group) if whole else self._window(names, group))
        return {name: np.concatenate([g[name] for g in groups]) for name in names}

    def at(self, bins: Sequence[int], changed: Alternatives) -> tuple[np.ndarray, np.ndarray]:
        """Return references and changed sequences in some bins: [changes, bins, targets] each.

        Args:
            bins: of all.
            changed: predictions for changed sequences.
        """
        ref = self._references[:, bins][changed.of]
        alt, width = ref.copy(), changed.values.shape[1]
        place = np.asarray(bins) - changed.starts[:, None]
        row, column = np.nonzero((place >= 0) & (place < width))
        alt[row, column] = changed.values[row, place[row, column]]
        return ref, alt

    def _whole(self, names: Sequence[str], changed: Alternatives) -> dict[str, np.ndarray]:
        """Return statistics of predictions that are there in all bins, reference by reference."""
        cuts = np.flatnonzero(np.diff(changed.of)) + 1
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for of, values in zip(
            np.split(changed.of, cuts), np.split(changed.values, cuts), strict=True
        ):
            one = score(names, self._references[of[:1]], values, self._center)
            for name, scores in one.items():  # REF is one for all
                found[name].append(np.broadcast_to(scores, (len(values), *scores.shape[1:])))
        return {name: np.concatenate(each) for name, each in found.items()}

    def _window(self, names: Sequence[str], changed: Alternatives) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        rest = [name for name in names if name not in _BY_WINDOW]
        if rest:
            alt = self._references[changed.of]
            alt[np.arange(len(alt))[:, None], changed.bins] = changed.values
            filled = Alternatives(changed.of, np.zeros_like(changed.starts), alt)
            found |= self._whole(rest, filled)
        if "REF_RATIO" in names:
            found |= score(("REF_RATIO",), *self.at([self._center], changed), 0)
        ref = self._references[changed.of[:, None], changed.bins].astype(np.float64)
        alt = changed.values.astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            for name in names:
                if name == "logSED":
                    total = self._reference_totals()[changed.of]
                    more = total + (alt - ref).sum(axis=1)
                    found[name] = (np.log2(more + 1) - np.log2(total + 1)).astype(np.float32)
                elif name in BY_BIN:
                    transform, compare = BY_BIN[name]
                    own = transform(ref)
                    values = compare(own, transform(alt))
                    outside = self._undefined_bins(transform)[changed.of]
                    if outside.any():
                        outside = outside - (~np.isfinite(own)).sum(axis=1)
                        values = np.where(outside > 0, np.nan, values)
                    found[name] = values.astype(np.float32)
        return {name: found[name] for name in names}

    def _reference_totals(self) -> np.ndarray:
        """Return the references' sums over bins, float64 [references, targets]."""
        if self._totals is None:
            self._totals = self._references.sum(axis=1, dtype=np.float64)
        return self._totals

    def _undefined_bins(self, transform: Callable) -> np.ndarray:
        """Return in how many bins each reference is not defined, int [references, targets].

        The difference of such a bin from itself is not 0 but NaN.
        """
        if transform not in self._undefined:
            values = [transform(r.astype(np.float64)) for r in self._references]
            self._undefined[transform] = np.stack([(~np.isfinite(v)).sum(axis=0) for v in values])
        return self._undefined[transform]


_BY_WINDOW = frozenset((*BY_BIN, "logSED", "REF_RATIO"))
