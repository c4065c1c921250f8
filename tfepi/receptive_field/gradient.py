"""The field by gradient: how one output position changes with every base of random sequences."""

from collections.abc import Callable, Mapping, Sequence

import keras
import numpy as np

from tfepi.analysis.attribution_gradient import scalar_of
from tfepi.receptive_field.asked import Asked
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.places import Phases
from tfepi.receptive_field.profile import GRADIENT, Collector, Measured
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot


def measure_gradient(
    model: keras.Model,
    phases: Phases,
    grid: OutputGrid,
    *,
    head: str | None = None,
    target: int | None = None,
    others: Mapping[str, tuple[int, ...]] | None = None,
    fill: str = "random",
    repeats: int = 8,
    batch_size: int = 4,
    seed: int = 44,
    advance: Callable[[int], object] = lambda rows: None,
) -> Measured:
    """Return which bases the gradient of output positions is not zero on.

    The number is the sum of a position's values over targets, or one target's. Of the gradients on
    the four letters of a base the largest in size counts.

    Args:
        model: functional, with inputs by name.
        phases: output positions, one of each phase.
        grid: of the output.
        head: which output, of several.
        target: place of one target; None for the sum of all.
        others: shapes of the inputs besides the sequence, by name, without the batch.
        fill: of these, as of `Asked`.
        repeats: random sequences, the same as a perturbation has with this seed.
        batch_size: sequences per call.
        seed: of the sequences.
        advance: called with the number of gradients taken.

    Raises:
        ConfigError: no repeats, no such target, or gradients that are no finite numbers.
    """
    if repeats < 1:
        raise ConfigError(f"repeats is {repeats}: want at least 1 random sequence")
    output = model.output[head] if isinstance(model.output, dict) else model.output
    bins, values = output.shape[1:]
    if target is not None and not 0 <= target < values:
        raise ConfigError(f"target {target} is none of the model's {values}, counted from 0")
    weights = np.ones((1, values), np.float32)
    if target is not None:
        weights[:] = np.arange(values) == target
    scalar = scalar_of(model, head, 1, values, bins)
    asked = Asked(lambda inputs: inputs, grid.length, others or {}, fill)
    size = -(-repeats // -(-repeats // max(1, batch_size)))
    collector = Collector(len(phases.positions), np.arange(grid.length), 1, 1, repeats)
    for low in range(0, repeats, size):
        numbers = [min(n, repeats - 1) for n in range(low, low + size)]
        inputs = _stacked([asked.drawn(_rng(seed, n)) for n in numbers])
        for row, position in enumerate(phases.positions):
            _, gradient = scalar.gradient(inputs, weights, position)
            if not np.isfinite(gradient).all():
                raise ConfigError(
                    "the gradient of the model is no finite number on a random sequence: its "
                    "weights are damaged, or too large"
                )
            sizes = np.abs(gradient).max(axis=2)
            for number, effect in zip(numbers[: repeats - low], sizes, strict=False):
                collector.add(row, number, effect)
            advance(size)
    at = [grid.middle(q) for q in phases.positions]
    return collector.measured(GRADIENT, phases.place, phases.numbers, at, at)


def _rng(seed: int, repeat: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(repeat,)))


def _stacked(drawn: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
    found = {name: np.stack([d[name] for d in drawn]) for name in drawn[0]}
    return found | {"sequence": one_hot(found["sequence"])}
