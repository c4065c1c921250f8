"""One epoch over the heads of a model, each with data of its own.

With several heads their batches are interleaved in an order drawn from (seed, epoch), or in turn,
and a batch moves only the trunk and its own head: every head is a functional model that shares its
layers and the optimiser with the others.
"""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import tensorflow as tf

from tfepi.training.head import HeadTraining
from tfrecords_tools.progress import progress

_HEADS = 1  # spawn key of the order of heads


@dataclass
class EpochState:
    """Where training stands in an epoch.

    Attributes:
        step: steps done, of all heads together.
        losses: of each head, the sum of its steps' losses.
        sums: of each head, those of its metrics.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    sums: list[list[np.ndarray]] = field(default_factory=list)


class Watch(Protocol):
    """What a run does beside the steps of an epoch."""

    def signal(self) -> float:
        """Return what this worker tells the others in the next step."""

    def look(self, head: int, first: int, losses: np.ndarray, told: float) -> bool:
        """See the losses of steps, and the workers' signals; tell whether to keep a state.

        Args:
            head: whose steps they are.
            first: number of the first of them among the head's own in the epoch.
            losses: float32 [steps].
            told: sum of the signals.
        """

    def late(self) -> bool:
        """Tell, when all steps are done, whether to keep a state."""

    def keep(self, state: EpochState) -> None:
        """Keep a state."""


def head_order(steps: Sequence[int], order: str, seed: int, epoch: int) -> np.ndarray:
    """Return which head each step of an epoch is of.

    Args:
        steps: of each head.
        order: "random" or "alternating" (`TrainParams.head_order`).
        seed, epoch: what a random order is a function of.
    """
    numbers = np.repeat(np.arange(len(steps)), steps)
    if order == "alternating":
        # Step i of n stands at (i + 1/2) / n of the epoch.
        places = np.concatenate([(np.arange(n) + 0.5) / n for n in steps])
        return numbers[np.argsort(places, kind="stable")]
    stream = np.random.SeedSequence(seed, spawn_key=(epoch, _HEADS))
    np.random.default_rng(stream).shuffle(numbers)
    return numbers


def train_epoch(
    heads: list[HeadTraining],
    seed: int,
    epoch: int,
    watch: Watch,
    quiet: bool,
    state: EpochState | None = None,
) -> list[dict[str, float]]:
    """Train every head on its batches of one epoch; every worker has to call it.

    Args:
        heads: of one model.
        seed, epoch: order, augmentation and random states are functions of these.
        watch: sees every step.
        quiet: no progress bar.
        state: where the epoch stands.

    Returns:
        Loss and metrics of each head over the epoch.

    Raises:
        InputFileError: a folder has fewer records than its files tell.
    """
    state = state or EpochState()
    state.losses = state.losses or [0.0] * len(heads)
    order = head_order([h.steps for h in heads], heads[0].train.head_order, seed, epoch)
    done = np.bincount(order[: state.step], minlength=len(heads)).tolist()
    for number, head in enumerate(heads):
        head.loop.reset_metrics()
        if state.sums:
            head.loop.set_sums(state.sums[number])
    states = heads[0].loop.states(seed, epoch)
    batches = [h.shared_batches(seed, epoch, n) for h, n in zip(heads, done, strict=True)]
    asked = False
    waiting: list[tuple] = []  # steps whose losses were not looked at

    def look() -> bool:
        number, first, told = waiting.pop(0)
        told = told.numpy()
        losses = told[:, 0]
        state.losses[number] += math.fsum(losses.tolist())
        return watch.look(number, first, losses, float(told[:, 1].max()))

    total = len(order)
    label = f"epoch {epoch}"
    with progress(total=total, unit="step", label=label, quiet=quiet, initial=state.step) as bar:
        for number, steps in _stretches(order[state.step :], heads[0].loop.at_once):
            head = heads[number]
            try:
                told = head.loop.train(batches[number], steps, done[number], states, watch.signal())
            except (tf.errors.OutOfRangeError, StopIteration):
                head.check_trained()
                raise
            waiting.append((number, done[number], told))
            done[number] += steps
            state.step += steps
            # One step later: a device computes while the losses before are looked at.
            asked = look() if len(waiting) > 1 else False
            bar.update(steps)
            if asked or state.step == total:
                asked |= look()
            if asked:
                state.sums = [h.loop.sums() for h in heads]
                watch.keep(state)
    if not asked and watch.late():
        state.sums = [h.loop.sums() for h in heads]
        watch.keep(state)
    return [
        {"loss": loss / head.steps, **head.loop.results()}
        for loss, head in zip(state.losses, heads, strict=True)
    ]


def _stretches(order: np.ndarray, most: int) -> Iterator[tuple[int, int]]:
    """Yield (head, steps) of an order, steps of one head that follow each other together."""
    for number, group in itertools.groupby(order.tolist()):
        left = sum(1 for _ in group)
        while left:
            steps = most if left >= most else 1
            yield number, steps
            left -= steps
