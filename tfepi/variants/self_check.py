"""Incremental predictions that are compared with whole ones before they are used."""

import logging
from collections.abc import Mapping

import numpy as np

from tfepi.variants.alternatives import Along, Alternatives, Around, References
from tfepi.variants.engine import SOURCE
from tfepi.variants.incremental import IncrementalEvaluator

TOLERANCE = 1e-5  # of the output's scale
_NOISE = 3  # times the difference of two whole predictions
_MOST, _FEWEST = 8, 2  # changes that are compared
_WORK = 4e11  # multiply-adds of a comparison, where fewest are not more
_log = logging.getLogger(__name__)


class CheckedEvaluator(Around):
    """Predicts incrementally if a sample of the first changes agrees with whole predictions.

    The sample is of the changes that are asked for and of the first and last base of a window.
    Predictions agree that differ by at most 1e-5 of the output's scale (the largest absolute
    prediction of the sample), or by at most three times what two whole predictions in batches of
    different sizes differ by. Else every sequence is predicted as a whole, and a warning says so.

    Args:
        evaluator: the incremental one.
    """

    def __init__(self, evaluator: IncrementalEvaluator):
        super().__init__(evaluator)
        self._agrees: bool | None = None

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
            found = self._checked(references, np.asarray(of), sequences, bins)
            if self._agrees:
                return found
        if self._agrees:
            return self._evaluator.alternatives(references, of, sequences, bins)
        inputs = {k: v[of] for k, v in references.inputs.items()} | {SOURCE: sequences}
        values = self._evaluator.whole(inputs)
        return Alternatives(np.asarray(of), np.zeros(len(of), np.int64), values)

    def _checked(
        self,
        references: References,
        of: np.ndarray,
        sequences: np.ndarray,
        bins: np.ndarray | None,
    ) -> Alternatives:
        """Return the alternatives, of which a sample was compared, with changed ends beside."""
        rows, ends = self._sample(references, sequences)
        count, sample = len(of), np.concatenate([rows, len(of) + np.arange(len(ends))])
        of = np.concatenate([of, np.zeros(len(ends), of.dtype)])
        sequences = np.concatenate([sequences, ends])
        if bins is not None:
            whole = np.tile([0, references.predictions.shape[1]], (len(ends), 1))
            bins = np.concatenate([bins, whole])
        found = self._evaluator.alternatives(references, of, sequences, bins)
        wanted = None if bins is None else bins[sample]
        self._agrees = self._check(references, found.rows(sample), sequences[sample], wanted)
        return found.rows(np.arange(count))

    def _check(
        self,
        references: References,
        alternatives: Alternatives,
        sequences: np.ndarray,
        bins: np.ndarray | None,
    ) -> bool:
        found, of = alternatives.whole(references), alternatives.of
        at = np.arange(found.shape[1])
        unwanted = np.zeros(found.shape[:2], bool)
        if bins is not None:
            unwanted = (at < bins[:, :1]) | (at >= bins[:, 1:])

        def whole(size: int | None = None) -> np.ndarray:
            inputs = {k: v[of] for k, v in references.inputs.items()} | {SOURCE: sequences}
            return np.where(unwanted[:, :, None], found, self._evaluator.whole(inputs, size))

        wanted = whole()
        scale = np.nanmax(np.abs(wanted), initial=0)
        if not np.isfinite(scale) or not scale:
            return bool(np.array_equal(found, wanted, equal_nan=True))
        apart = _difference(found, wanted) / scale
        limit = TOLERANCE
        if apart > limit:
            limit = max(limit, _NOISE * _difference(whole(size=1), wanted) / scale)
        if apart <= limit:
            _log.info(
                "incremental: %.1f times fewer multiply-adds a change; %d compared with whole "
                "predictions: %s",
                self._evaluator.gain,
                len(of),
                f"at most {apart:.1e} of their scale apart"
                if apart
                else "the same to the last bit",
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
        self, references: References, sequences: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of the sequences to compare, and a reference with its ends changed."""
        count = int(np.clip(_WORK // self._evaluator.engine.work, _FEWEST, _MOST))
        rows = np.unique(np.linspace(0, len(sequences) - 1, max(1, count - 2)).astype(int))
        ends = references.inputs[SOURCE][np.zeros(2, int)]
        ends[[0, 1], [0, -1]] = (ends[[0, 1], [0, -1]] + 1) % 4
        return rows, ends[: max(1, count - len(rows))]


def _difference(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference; infinity where one alone is no finite number."""
    finite = np.isfinite(a)
    if not np.array_equal(finite, np.isfinite(b)):
        return float("inf")
    return float(np.abs(a[finite] - b[finite]).max(initial=0))
