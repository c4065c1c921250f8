"""Which of a model's predictions are attributed: bins, and targets or a sum of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.cell_predictor import cell_spec, cell_values
from tfepi.spec import ModelSpec
from tfepi.variants.head_targets import HeadTargets
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

SUM = "sum"


@dataclass(frozen=True)
class Bins:
    """Consecutive bins of a prediction.

    Attributes:
        first: the first, from 0.
        count: how many.
        total: how many the model has.
    """

    first: int
    count: int
    total: int

    @classmethod
    def parse(cls, text: str, total: int) -> "Bins":
        """Return the bins of a text.

        Args:
            text: "all"; "centre", the middle bin, of an even number both; or "i-j", from i to
                before j, from 0.
            total: bins of the model.

        Raises:
            ConfigError: another text, or bins that the model does not have.
        """
        if text == "all":
            return cls(0, total, total)
        if text == "centre":
            return cls((total - 1) // 2, 2 - total % 2, total)
        match = re.fullmatch(r"(\d+)-(\d+)", text.strip())
        if not match:
            raise ConfigError(f"bins are {text!r}: want all, centre, or i-j as 3-5 (bins 3 and 4)")
        first, stop = int(match[1]), int(match[2])
        if not first < stop <= total:
            raise ConfigError(
                f"bins are {text!r} of a model with {total}: want i-j with i < j and j up to "
                f"{total}; j itself is left out"
            )
        return cls(first, stop - first, total)

    @property
    def mirrored(self) -> int:
        """The first of the same bins in the reverse complement."""
        return self.total - self.first - self.count


@dataclass(frozen=True)
class Output:
    """A weighted sum of the values that a model's head has in each bin.

    Attributes:
        name: identifier of the target, or "sum".
        stem: of its files.
        weights: float32 [values].
        partners: the same in the reverse complement, where strand pairs change places.
    """

    name: str
    stem: str
    weights: np.ndarray
    partners: np.ndarray


def outputs_of(
    spec: ModelSpec,
    head: str | None = None,
    targets: Sequence[Target] | None = None,
    each: bool = False,
    cell: str | None = None,
) -> list[Output]:
    """Return the outputs of a model that are attributed.

    Args:
        spec: the model's contract.
        head: name of its output.
        targets: of its targets, by identifier; None for all.
        each: every target by itself instead of their sum.
        cell: the cell type that a conditioned model is asked about, or None.

    Raises:
        ConfigError: an unknown head, target or cell type.
    """
    asked = spec if cell is None else cell_spec(spec, cell)
    chosen = HeadTargets.of(asked, head, targets, None)
    found = asked.head(chosen.head)
    rows = np.eye(len(found.targets), dtype=np.float32)
    if chosen.columns is not None:
        rows = rows[chosen.columns]
    names = [(t.identifier, f"t{t.index}") for t in chosen.targets]
    if not each and len(rows) > 1:
        rows, names = rows.sum(axis=0, keepdims=True), [(SUM, SUM)]
    order = found.strand_order
    partners = rows if order is None else rows[:, order]
    if cell is not None:
        # What a cell type is predicted is linear in the values: the identity shows how.
        values = np.eye(head_values(spec, cell), dtype=np.float32)
        marks = cell_values(values[None], spec.conditioning, cell)[0]
        rows, partners = rows @ marks.T, partners @ marks.T
    return [
        Output(name, stem, np.ascontiguousarray(w), np.ascontiguousarray(p))
        for (name, stem), w, p in zip(names, rows, partners, strict=True)
    ]


def head_values(spec: ModelSpec, cell: str | None, head: str | None = None) -> int:
    """Return how many values a model's head has in each bin.

    Args:
        spec: the model's contract.
        cell: the cell type asked about, of a conditioned model.
        head: name of the output.
    """
    if cell is None:
        return len(spec.head(head).targets)
    conditioning = spec.conditioning
    cells = len(conditioning.cells) if conditioning.outputs == "cells" else 1
    return cells * len(conditioning.marks)
