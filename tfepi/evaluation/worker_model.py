"""The model that a command line names, opened in another process."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from tfepi.evaluation.named_model import CellChoice, NamedModel
from tfepi.spec import Condition, Predictor
from tfrecords_tools.workers import absolute


def opener(
    of_model: Sequence, query: str | None
) -> Callable[[], tuple[Predictor, Condition | None]]:
    """Return a function, which can be pickled, that opens a model as `NamedModel.of` names it.

    Args:
        of_model: params, model, table, head, batch size and `CellChoice`.
        query: of the targets, or None.
    """
    params, model, table, head, batch_size, choice = of_model
    placed = (_placed(params), absolute(str(model)), table and absolute(str(table)))
    return partial(_open, *placed, head, batch_size, _placed_choice(choice), query)


def _placed(params: str) -> str:
    """Return params as another process finds them: a preset by its name, a file by its path."""
    return os.path.abspath(params) if os.path.exists(params) else str(params)


def _placed_choice(choice: CellChoice) -> CellChoice:
    paths = {n: getattr(choice, n) for n in ("tracks", "accessibility", "fasta")}
    return replace(choice, **{n: absolute(str(p)) for n, p in paths.items() if p is not None})


def _open(*named) -> tuple[Predictor, Condition | None]:
    found = NamedModel.of(*named)
    return found.load(), found.condition
