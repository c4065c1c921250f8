"""Which evaluator predicts references and their alternatives: the one place that chooses."""

import logging
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from tfepi.cell_predictor import CellPredictor, cell_values
from tfepi.spec import ModelSpec, Predictor
from tfepi.variants.alternatives import (
    Along,
    Alternatives,
    Around,
    Evaluator,
    FullEvaluator,
    References,
)
from tfepi.variants.averaged import AveragedEvaluator, averaged
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.options import check_incremental
from tfrecords_tools.number_text import number_of

_WORTH = 1.2  # times fewer multiply-adds, below which "auto" predicts whole sequences
_LEAST = 1e11  # multiply-adds of all changes: a few seconds, as preparing takes
_log = logging.getLogger(__name__)


def make_evaluator(
    predictor: Predictor,
    spec: ModelSpec,
    chosen: HeadTargets,
    rc: bool = False,
    shifts: Sequence[int] = (0,),
    incremental: str = "auto",
    batch_size: int = 64,
    changes: int | None = None,
) -> AveragedEvaluator:
    """Return what predicts references and alternatives, averaged over strands and shifts.

    Args:
        predictor: the model.
        spec: its contract.
        chosen: the head and the targets, with the style that undoes their transforms.
        rc: average with the reverse complement, strand pairs swapped.
        shifts: bp to average over.
        incremental: "auto": what a change reaches is computed, where the model is a Keras model
            and much of it is local, unless there is less to do than to prepare; "on": wherever
            it is a Keras model; "off": whole sequences.
        batch_size: whole sequences per call of the model.
        changes: how many changed sequences will be asked for; None for many.

    Raises:
        ConfigError: shifts that do not suit the model, or another word for `incremental`.
    """
    check_incremental(incremental)

    def whole(columns: Sequence[int] | None) -> Evaluator:
        return FullEvaluator(predictor, chosen, columns, batch_size)

    make = whole
    if incremental != "off":
        least = (_WORTH, changes) if incremental == "auto" else (0, None)
        make = _incremental(predictor, chosen, *least, batch_size) or whole
    return averaged(make, spec, chosen, rc, shifts)


def _incremental(
    predictor: Predictor,
    chosen: HeadTargets,
    worth: float,
    changes: int | None,
    batch_size: int,
) -> Callable[[Sequence[int] | None], Evaluator] | None:
    """Return what makes incremental evaluators of columns, or None where they save nothing."""
    inner, convert = predictor, None
    if isinstance(predictor, CellPredictor):
        inner, convert = predictor.asked, _cell_of(predictor)
    model = getattr(inner, "model", None)
    if model is None:
        kind = type(inner).__name__
        _log.info("whole sequences are predicted: a %s shows no layers to go through", kind)
        return None

    from tfepi.variants.incremental import IncrementalEvaluator
    from tfepi.variants.self_check import CheckedEvaluator

    def make(columns: Sequence[int] | None) -> Evaluator:
        if convert is None:
            of_head = HeadTargets(chosen.head, chosen.bins, chosen.targets, chosen.columns, None)
        else:
            of_head, columns_of = HeadTargets.of(inner.spec, chosen.head, None, None), columns
            columns = None
        found = CheckedEvaluator(
            IncrementalEvaluator(model, inner.spec, of_head, columns, batch_size)
        )
        return found if convert is None else _Converted(found, convert, columns_of)

    one = HeadTargets.of(inner.spec, chosen.head, None, None)
    probe = IncrementalEvaluator(model, inner.spec, one, [0])
    if changes is not None and changes * probe.engine.work < _LEAST:
        _log.info(
            "whole sequences are predicted: too few changes for this model to prepare: %s",
            number_of(changes, "change"),
        )
        return None
    if probe.gain < worth:
        _log.info(
            "whole sequences are predicted: from layer %s on everything is computed, so that a "
            "change would take %.2f times fewer multiply-adds",
            probe.engine.first_whole,
            probe.gain,
        )
        return None
    return make


def _cell_of(predictor: CellPredictor) -> Callable[[np.ndarray], np.ndarray]:
    conditioning = predictor.asked.spec.conditioning
    return lambda values: cell_values(values, conditioning, predictor.cell)


class _Converted(Around):
    """An evaluator whose values are changed bin by bin.

    Args:
        evaluator: of all targets.
        convert: takes and returns float32 [batch, bins, targets].
        columns: of what it returns; None for all.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        convert: Callable[[np.ndarray], np.ndarray],
        columns: Sequence[int] | None,
    ):
        super().__init__(evaluator)
        self._convert, self._columns = convert, columns

    def _values(self, values: np.ndarray) -> np.ndarray:
        found = self._convert(values)
        return found if self._columns is None else found[..., list(self._columns)]

    def references(
        self, inputs: Mapping[str, np.ndarray], along: Along | None = None
    ) -> References:
        """As `alternatives.Evaluator.references`."""
        kept = self._evaluator.references(inputs, along)
        return References(kept.inputs, self._values(kept.predictions), kept)

    def alternatives(
        self,
        references: References,
        of: np.ndarray,
        sequences: np.ndarray,
        bins: np.ndarray | None = None,
    ) -> Alternatives:
        """As `alternatives.Evaluator.alternatives`."""
        found = self._evaluator.alternatives(references.kept, of, sequences, bins)
        return Alternatives(found.of, found.starts, self._values(found.values))
