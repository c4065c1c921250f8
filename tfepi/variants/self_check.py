"""Incremental predictions that are compared with whole ones before they are used."""

import logging
from collections.abc import Mapping

import numpy as np

from tfepi.variants.alternatives import Along, Alternatives, References
from tfepi.variants.engine import SOURCE
from tfepi.variants.incremental import IncrementalEvaluator

TOLERANCE = 1e-5  # of the output's scale
_NOISE = 3  # times the difference of two whole predictions
_MOST, _FEWEST = 8, 2  # changes that are compared
_WORK = 4e11  # multiply-adds of a comparison, where fewest are not more
_log = logging.getLogger(__name__)


class CheckedEvaluator:
    """Predicts incrementally if a sample of the first changes agrees with whole predictions.

    The sample is of the changes that are asked for and of the first and last base of a window.
    Predictions agree that differ by at most 1e-5 of the output's scale (the largest absolute
    prediction of the sample), or by at most three times what two whole predictions in batches of
    different sizes differ by. Else every sequence is predicted as a whole, and a warning says so.

    Args:
        evaluator: the incremental one.
    """

    def __init__(self, evaluator: IncrementalEvaluator):
        self.spec = evaluator.spec
        self._evaluator = evaluator
        self._agrees: bool | None = None

    @property
    def shared_step(self) -> int:
        """How far apart references on a stretch share activations, bp; 0 where none do."""
        return self._evaluator.shared_step

    @property
    def windows(self) -> int:
        """How many references a call is best asked for."""
        return self._evaluator.windows

    @property
    def changes(self) -> int:
        """How many changed sequences a call is best asked for."""
        return self._evaluator.changes

    def references(
        self, inputs: Mapping[str, np.ndarray], along: Along | None = None
    ) -> References:
        """As `alternatives.Evaluator.references`."""
        return self._evaluator.references(inputs, along if self._agrees is not False else None)

    def alternatives(
        self,
        references: References,
        of: np.ndarray,
        sequences: np.ndarray,
        bins: np.ndarray | None = None,
    ) -> Alternatives:
        """As `alternatives.Evaluator.alternatives`."""
        if self._agrees is None:
            self._agrees = self._check(references, np.asarray(of), sequences)
        if self._agrees:
            return self._evaluator.alternatives(references, of, sequences, bins)
        inputs = {k: v[of] for k, v in references.inputs.items()} | {SOURCE: sequences}
        values = self._evaluator.whole(inputs)
        return Alternatives(np.asarray(of), np.zeros(len(of), np.int64), values)

    def _check(self, references: References, of: np.ndarray, sequences: np.ndarray) -> bool:
        of, changed = self._sample(references, of, sequences)
        whole = {k: v[of] for k, v in references.inputs.items()} | {SOURCE: changed}
        wanted = self._evaluator.whole(whole)
        found = self._evaluator.alternatives(references, of, changed).whole(references)
        scale = np.nanmax(np.abs(wanted), initial=0)
        if not np.isfinite(scale) or not scale:
            return bool(np.array_equal(found, wanted, equal_nan=True))
        apart = _difference(found, wanted) / scale
        limit = TOLERANCE
        if apart > limit:
            again = self._evaluator.whole(whole, size=1)
            limit = max(limit, _NOISE * _difference(again, wanted) / scale)
        if apart <= limit:
            _log.info(
                "incremental: %.1f times fewer multiply-adds a change; %d compared with whole "
                "predictions, at most %.1e of their scale apart",
                self._evaluator.gain,
                len(of),
                apart,
            )
            return True
        _log.warning(
            "incremental predictions are up to %.1e of the output's scale off whole ones, more "
            "than %.1e: every sequence is predicted as a whole; a layer may depend on what its "
            "kind does not tell",
            apart,
            limit,
        )
        return False

    def _sample(
        self, references: References, of: np.ndarray, sequences: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        count = int(np.clip(_WORK // self._evaluator.engine.work, _FEWEST, _MOST))
        rows = np.unique(np.linspace(0, len(of) - 1, max(1, count - 2)).astype(int))
        ends = references.inputs[SOURCE][np.zeros(2, int)]
        ends[[0, 1], [0, -1]] = (ends[[0, 1], [0, -1]] + 1) % 4
        ends = ends[: max(1, count - len(rows))]
        changed = np.concatenate([sequences[rows], ends])
        return np.concatenate([of[rows], np.zeros(len(ends), of.dtype)]), changed


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference; infinity where one alone is no finite number."""
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)):
        return float("inf")
    return float(np.abs(a[finite] - b[finite]).max(initial=0))
