"""Predictions of windows that several variants share: each made once, in full batches."""

from collections.abc import Callable, Iterable

import numpy as np

from tfepi.methylation.cpgs import Haplotype


class SharedPredictions:
    """Windows waiting for a full batch, and the predictions that may still be needed.

    A window is asked for and gets a number; its prediction is there once `ready` is above that.

    Args:
        predict: uint8 [windows, length] → float32 [windows, tasks].
        length: of a window, odd, bp.
        tasks: how many values a prediction has.
        batch_size: windows per call; the last one of all may be shorter.
        reach: bp from a C of the genome to the last record that can ask for it.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], np.ndarray],
        length: int,
        tasks: int,
        batch_size: int,
        reach: int,
    ):
        self._predict, self._half, self._reach = predict, length // 2, reach
        self._waiting = np.empty((batch_size, length), np.uint8)
        self._filled = 0
        self._numbers: dict[tuple, tuple[int, int]] = {}
        self._first = 0  # number of the first prediction held
        self._held = np.empty((0, tasks), np.float32)

    @property
    def ready(self) -> int:
        """How many windows have been predicted."""
        return self._first + len(self._held)

    @property
    def held(self) -> int:
        """How many predictions are in memory."""
        return len(self._held)

    def ask(self, haplotype: Haplotype, at: np.ndarray) -> np.ndarray:
        """Return the numbers of the windows around indices of a haplotype: int64 [len(at)]."""
        numbers, new = np.empty(len(at), np.int64), []
        following = self.ready + self._filled
        for i, index in enumerate(at.tolist()):
            place = haplotype.origin + index
            key = (*haplotype.key, place)
            found = self._numbers.get(key)
            if found is None:
                last = place + self._reach if haplotype.last is None else haplotype.last
                found = self._numbers[key] = (following + len(new), last)
                new.append(index)
            numbers[i] = found[0]
        self._add(haplotype, np.array(new, np.int64))
        return numbers

    def _add(self, haplotype: Haplotype, at: np.ndarray) -> None:
        while len(at):
            some = at[: len(self._waiting) - self._filled]
            stop = self._filled + len(some)
            self._waiting[self._filled : stop] = haplotype.windows(some, self._half)
            self._filled = stop
            if stop == len(self._waiting):
                self.flush()
            at = at[len(some) :]

    def flush(self) -> None:
        """Predict what is waiting."""
        if not self._filled:
            return
        found = self._predict(self._waiting[: self._filled])
        self._held = np.concatenate([self._held, found])
        self._filled = 0

    def values(self, numbers: np.ndarray) -> np.ndarray:
        """Return predictions that are ready: float32 [len(numbers), tasks].

        Args:
            numbers: of windows; NaN is returned where it is negative.
        """
        asked = numbers >= 0
        out = np.full((len(numbers), self._held.shape[1]), np.nan, np.float32)
        out[asked] = self._held[numbers[asked] - self._first]
        return out

    def forget(self, chrom: str, position: int, needed: Iterable[int]) -> None:
        """Drop the predictions that no record from a position on can ask for.

        Args:
            chrom: where the next record is.
            position: of that, 0-based.
            needed: numbers of windows that were asked for and are not done with.
        """
        self._numbers = {
            key: (number, last)
            for key, (number, last) in self._numbers.items()
            if key[0] == chrom and last >= position
        }
        lowest = min((n for n, _ in self._numbers.values()), default=self.ready)
        lowest = min(lowest, self.ready, *needed)
        self._held = self._held[lowest - self._first :].copy()
        self._first = lowest
