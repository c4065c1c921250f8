"""Predictions on disk while a run goes on: numbered .npy arrays [targets, windows, bins].

Target first, because a track asks for one target at a time and memory must hold no more.
"""

from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tfepi.variants.numbered import Plan, unreadable_part
from tfrecords_tools.files import atomic_path


class PredictedParts:
    """The parts of a run, each of `size` consecutive windows.

    Args:
        folder: of the results.
        plan: of the run.
        count: number of windows.
        size: windows per part.
    """

    def __init__(self, folder: str | Path, plan: Plan, count: int, size: int):
        self.folder, self.plan, self.count, self.size = Path(folder), plan, count, size

    def numbers(self, part: int) -> np.ndarray:
        """Return the numbers of a part's windows."""
        return np.arange(part * self.size, min((part + 1) * self.size, self.count))

    def write(self, part: int, values: np.ndarray) -> None:
        """Write a part, float32 [targets, windows, bins]."""
        with (
            atomic_path(self.plan.part(self.folder, part)) as path,
            open(path, "wb") as handle,
        ):
            np.save(handle, values.astype(np.float32, copy=False), allow_pickle=False)

    def read(self, part: int) -> np.ndarray:
        """Return a part, mapped from disk: float32 [targets, windows, bins].

        Raises:
            InputFileError: missing or damaged.
        """
        path = self.plan.part(self.folder, part)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise unreadable_part(path, error) from None

    def target(self, target: int, numbers: np.ndarray) -> np.ndarray:
        """Return one target's values for windows in any order: float32 [windows, bins]."""
        parts, rows = np.divmod(numbers, self.size)
        found = np.unique(parts)
        values = [self.read(part)[target, rows[parts == part]] for part in found.tolist()]
        out = np.empty((len(numbers), values[0].shape[1]), np.float32)
        out[np.argsort(parts, kind="stable")] = np.concatenate(values)
        return out

    def rows(self, values: int = 1 << 20) -> Iterator[tuple[int, np.ndarray]]:
        """Yield stretches of windows: the first one's number, float32 [windows, bins, targets].

        Args:
            values: rough number of values of a stretch.
        """
        for number in range(self.plan.parts):
            part = self.read(number)
            step = max(1, values // (part.shape[0] * part.shape[2]))
            for low in range(0, part.shape[1], step):
                yield number * self.size + low, np.moveaxis(part[:, low : low + step], 0, -1)
