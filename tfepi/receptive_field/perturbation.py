"""The field by changing one base of random sequences and predicting whole sequences again.

Nothing that theory says is used: incremental predictions, which compute only what a base can
touch, would find what they presuppose. References and changed sequences go through the model in
batches of one size, because sums in another order differ in their last bits; and each repeat's
reference goes through it at least twice, in other rows or calls, which measures how much these
differ.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from tfepi.receptive_field.asked import Asked
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.places import CENTRE, Phases
from tfepi.receptive_field.profile import PERTURBATION, SCAN, Collector, Measured
from tfrecords_tools.errors import ConfigError

Advance = Callable[[int], object]


def measure(
    source: object,
    length: int | None = None,
    places: Sequence[Phases] | None = None,
    *,
    grid: OutputGrid | None = None,
    repeats: int = 8,
    batch_size: int = 16,
    seed: int = 44,
    advance: Advance = lambda rows: None,
) -> list[Measured]:
    """Return which output positions one changed base changes.

    Args:
        source: as of `Asked.of`: any callable can be measured.
        length: of the sequence, bp, of a function.
        places: positions that are changed, one at a time; None: the middle.
        grid: where the output lies; None: bins that fill the sequence.
        repeats: random sequences.
        batch_size: sequences per call, at most.
        seed: of sequences and letters.
        advance: called with the number of sequences predicted.

    Returns:
        One for each place.

    Raises:
        ConfigError: a position beyond the sequence, no repeats, or predictions that do not fit.
    """
    asked = Asked.of(source, length)
    places = [Phases.at(CENTRE, asked.length, 1)] if places is None else places
    at = [p for place in places for p in place.positions]
    _check(asked, at, repeats, batch_size)
    collectors: list[Collector] = []
    floor = scale = 0.0
    for repeat in range(repeats):
        found = _Repeat(asked, at, seed, repeat, batch_size)
        effects = list(found.effects(advance))  # the floor is known after the last
        if grid is None:
            grid = OutputGrid.of_lengths(asked.length, len(effects[0]))
        if len(effects[0]) != grid.bins:
            raise ConfigError(
                f"the model predicts {len(effects[0])} bins, {grid.bins} are expected: give its "
                "own grid"
            )
        starts = grid.crop + grid.width * np.arange(grid.bins)
        if not collectors:
            made = (starts, grid.width, grid.width, repeats)
            collectors = [Collector(len(place.positions), *made) for place in places]
        rows = iter(effects)
        for collector, place in zip(collectors, places, strict=True):
            for row in range(len(place.positions)):
                collector.add(row, repeat, next(rows), found.floor)
        floor, scale = max(floor, found.floor), max(scale, found.scale)
    return [
        collector.measured(
            PERTURBATION,
            place.place,
            place.numbers,
            place.positions,
            [grid.bin_start(p) for p in place.positions],
            floor,
            scale,
        )
        for collector, place in zip(collectors, places, strict=True)
    ]


def scan(
    source: object,
    length: int | None = None,
    *,
    grid: OutputGrid | None = None,
    bin_number: int | None = None,
    step: int = 1,
    repeats: int = 4,
    batch_size: int = 64,
    seed: int = 44,
    advance: Advance = lambda rows: None,
) -> Measured:
    """Return which bases, changed one at a time, change one output position.

    It is the way round that says something of models with one bin.

    Args:
        source, length, grid, repeats, batch_size, seed, advance: as of `measure`.
        bin_number: the output position; None: the one in the middle.
        step: only every so many bases are changed, which is how sharp the field's ends are.

    Raises:
        ConfigError: as `measure`; no such bin, or a step below 1.
    """
    asked = Asked.of(source, length)
    if step < 1:
        raise ConfigError(f"step is {step}: want a number of bp, from 1")
    at = np.arange(asked.length // 2 % step, asked.length, step)
    _check(asked, at, repeats, batch_size)
    collector = Collector(1, at, step, 1, repeats)
    floor = scale = 0.0
    for repeat in range(repeats):
        found = _Repeat(asked, at.tolist(), seed, repeat, batch_size)
        effect = np.zeros(len(at))
        for row, of_bins in enumerate(found.effects(advance)):
            if grid is None:
                grid = OutputGrid.of_lengths(asked.length, len(of_bins))
            number = len(of_bins) // 2 if bin_number is None else bin_number
            if not 0 <= number < len(of_bins):
                raise ConfigError(
                    f"bin {number} is none of the model's {len(of_bins)}, counted from 0"
                )
            effect[row] = of_bins[number]
        collector.add(0, repeat, effect, found.floor)
        floor, scale = max(floor, found.floor), max(scale, found.scale)
    middle = grid.middle(number)
    return collector.measured(SCAN, CENTRE, (0,), (middle,), (middle,), floor, scale)


def passes(changes: int, repeats: int, batch_size: int) -> int:
    """Return how many sequences are predicted, with what fills batches up.

    Args:
        changes: of each random sequence.
        repeats: random sequences.
        batch_size: as of `measure`.
    """
    rows, size = changes + 2, _size(changes + 2, batch_size)
    return repeats * -(-rows // size) * size


def _check(asked: Asked, at: Sequence[int], repeats: int, batch_size: int) -> None:
    if repeats < 1:
        raise ConfigError(f"repeats is {repeats}: want at least 1 random sequence")
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}: want at least 1")
    if not len(at) or min(at) < 0 or max(at) >= asked.length:
        raise ConfigError(
            f"positions {min(at, default=0)} to {max(at, default=0)} are changed, the sequence has "
            f"{asked.length} bp"
        )


def _size(rows: int, batch_size: int) -> int:
    """Return the batch size at which the last batch is as full as the others."""
    return -(-rows // -(-rows // batch_size))


class _Repeat:
    """One random sequence, its changes, and what they do.

    Attributes:
        floor: largest difference between two copies of the reference, known in the end.
        scale: largest size of a prediction.
    """

    def __init__(self, asked: Asked, at: Sequence[int], seed: int, repeat: int, batch_size: int):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(repeat,)))
        self._asked, self._at = asked, at
        self._inputs = asked.drawn(rng)
        self._letters = rng.integers(1, 4, len(at), dtype=np.uint8)
        self._size = _size(len(at) + 2, batch_size)
        self.floor = self.scale = 0.0

    def effects(self, advance: Advance) -> Iterator[np.ndarray]:
        """Yield, change by change, the largest of the values' differences [bins]."""
        reference, own, last = self._inputs["sequence"], None, len(self._at)
        rows = -(-(last + 2) // self._size) * self._size
        for low in range(0, rows, self._size):
            sequences = np.repeat(reference[None], self._size, 0)
            # Row 0 is the reference, then come the changes, then the reference again.
            changes = range(max(low - 1, 0), min(low - 1 + self._size, last))
            for change in changes:
                place = (change + 1 - low, self._at[change])
                sequences[place] = (sequences[place] + self._letters[change]) % 4
            predicted = self._asked.ask(self._inputs, sequences)
            if own is None:
                own = predicted[0]
                self.scale = float(np.abs(own).max())
            difference = np.abs(predicted - own).max(axis=2)
            advance(self._size)
            for change in changes:
                yield difference[change + 1 - low]
            copies = difference[max(0, last + 1 - low) :]
            self.floor = max(self.floor, float(copies.max(initial=0)))
