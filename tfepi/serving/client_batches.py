"""The rows of one request, and the check of what is answered."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tfepi.serving.client_transport import ALONE, Inputs, ServerRefusedError


@dataclass(frozen=True)
class Batch:
    """One request: rows of every input.

    Attributes:
        inputs: of the signature.
        rows: number of rows.
        what: they are, for errors.
    """

    inputs: Inputs
    rows: int
    what: str


def filled(batch: Batch, size: int) -> Inputs:
    """Return inputs of a fixed number of rows, the first again for those that are missing."""
    found = {}
    for name, value in batch.inputs.items():
        numbers = [*range(batch.rows), *[0] * (size - batch.rows)]
        rows = [value[n] for n in numbers]
        found[name] = np.array(rows, value.dtype) if isinstance(value, np.ndarray) else rows
    return found


def checked(
    answer: Mapping[str, object],
    shapes: Mapping[str, tuple[int, ...]],
    batch: Batch,
    fixed: int | None,
    where: str,
) -> dict[str, np.ndarray]:
    """Return the outputs that are wanted, as float32 arrays of as many rows as were asked.

    Raises:
        ServerRefusedError: one is missing, no number, or of another shape.
    """
    if len(shapes) == 1 and ALONE in answer:
        answer = {next(iter(shapes)): answer[ALONE]}
    found = {}
    for name, shape in shapes.items():
        if name not in answer:
            raise ServerRefusedError(
                f"{where}: the answer has {', '.join(map(repr, answer))}, not {name!r}"
            )
        try:
            values = np.asarray(answer[name], np.float32)
        except (TypeError, ValueError):
            raise ServerRefusedError(f"{where}: {name} of the answer are no numbers") from None
        wanted = (fixed or batch.rows, *shape)
        if values.shape != wanted:
            raise ServerRefusedError(
                f"{where}: {name} of the answer has the shape {values.shape}, want {wanted}"
            )
        found[name] = values[: batch.rows]
    return found
