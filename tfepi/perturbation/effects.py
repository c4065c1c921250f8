"""What decides the scores of changed sequences, and the scores themselves, read from parts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.variants.numbered import Plan, unreadable_part
from tfepi.variants.options import check_incremental, check_predicting
from tfepi.variants.scores import STATISTICS, check_names
from tfrecords_tools.targets import Target

NAMES = (*STATISTICS, "center")
_BLOCK_BYTES = 32 << 20


@dataclass(frozen=True)
class Effects:
    """The options that decide scores.

    Attributes:
        stats: names of statistics (`NAMES`), changed against unchanged sequence; `center` is SAD
            of the middle bin or two.
        rc: average predictions over both strands.
        shifts: average predictions over these shifts, bp.
        head: the model's output; None where it has one.
        untransform: undo the targets' transforms first (`untransform.STYLES`), or None.
        batch_size: sequences per call of the model.
        incremental: how changed sequences are predicted (`evaluators.make_evaluator`).

    Raises:
        ConfigError: an unknown name or a value out of range.
    """

    stats: tuple[str, ...] = ("SAD",)
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    head: str | None = None
    untransform: str | None = None
    batch_size: int = 64
    incremental: str = "auto"

    def __post_init__(self):
        check_names(self.stats, NAMES)
        check_predicting(self.shifts, self.untransform, self.batch_size)
        check_incremental(self.incremental)


@dataclass(frozen=True)
class Rows:
    """Statistics of all rows, in parts on disk.

    Attributes:
        plan: names the parts.
        folder: of the results.
        part_rows: rows per part.
        count: number of rows.
        targets: of the last axis.
        stats: names of statistics.
    """

    plan: Plan
    folder: Path
    part_rows: int
    count: int
    targets: tuple[Target, ...]
    stats: tuple[str, ...]

    def read(self, name: str, low: int, high: int, columns: slice = slice(None)) -> np.ndarray:
        """Return a statistic of the rows [low, high): float32 [rows, targets].

        Args:
            name: of the statistic, or "differ" for the number of changed bases, int32 [rows].
            low: first row.
            high: the row behind the last.
            columns: of the targets.

        Raises:
            InputFileError: a part that is missing or damaged.
        """
        found = []
        while low < high:
            number, start = divmod(low, self.part_rows)
            stop = min(self.part_rows, start + high - low)
            path = self.plan.part(self.folder, number)
            try:
                with h5py.File(path, "r") as part:
                    data = part[name]
                    place = (slice(start, stop), columns)[: data.ndim]
                    found.append(data[place])
            except (OSError, KeyError) as error:
                raise unreadable_part(path, error) from None
            low += stop - start
        return np.concatenate(found)

    def blocks(self, first: int, last: int, unit: int = 1) -> Iterator[range]:
        """Yield stretches of rows that fit into memory, cut between units of so many rows."""
        row_bytes = 4 * len(self.targets) * max(1, len(self.stats))
        size = max(1, _BLOCK_BYTES // (row_bytes * unit)) * unit
        for low in range(first, last, size):
            yield range(low, min(low + size, last))


def mean_and_sd(values: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and sample standard deviation, float32; of one value there is no deviation."""
    exact = values.astype(np.float64)
    count = exact.shape[axis]
    deviation = (
        exact.std(axis=axis, ddof=1) if count > 1 else np.full(exact.mean(axis).shape, np.nan)
    )
    return exact.mean(axis=axis).astype(np.float32), deviation.astype(np.float32)


def labels(targets: Sequence[Target]) -> list[str]:
    """Return the identifiers of targets."""
    return [t.identifier for t in targets]
