"""Clocks that the drivers of both tools use, so that both are timed by the same code.

Standard library only: it is loaded by an interpreter that has none of our dependencies.
"""

import resource
import time


def cpu_seconds() -> float:
    """Return CPU-seconds (user and system) of this process, all threads, and waited children."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def timed_reading(batches, warmup: float, seconds: float) -> dict:
    """Take batches from an endless iterator and return examples per second.

    Args:
        batches: yields (inputs, targets); the targets' first axis counts examples.
        warmup: seconds of reading that are not counted.
        seconds: seconds of reading that are.
    """
    end = time.perf_counter() + warmup
    while time.perf_counter() < end:
        next(batches)
    count, wall = 0, 0.0
    started, cpu = time.perf_counter(), cpu_seconds()
    while wall < seconds:
        count += int(next(batches)[1].shape[0])
        wall = time.perf_counter() - started
    cpu = cpu_seconds() - cpu
    return {
        "examples": count,
        "examples_per_cpu_s": count / cpu,
        "examples_per_s": count / wall,
    }


class Finished(Exception):
    """Enough steps were timed."""


class StepClock:
    """Times training steps: `tick` is called once per step, always at the same place.

    Args:
        warmup: steps that are not counted.
        steps: steps that are.
    """

    def __init__(self, warmup: int, steps: int):
        self._warmup, self._steps = warmup, steps
        self._ticks: list[tuple[float, float]] = []

    @property
    def done(self) -> bool:
        """Whether enough steps were timed."""
        return len(self._ticks) > self._warmup + self._steps

    def tick(self) -> None:
        """Note the time."""
        self._ticks.append((time.perf_counter(), cpu_seconds()))

    def figures(self) -> dict:
        """Return seconds per step."""
        (wall0, cpu0), (wall1, cpu1) = (
            self._ticks[self._warmup],
            self._ticks[self._warmup + self._steps],
        )
        return {
            "steps": self._steps,
            "cpu_s_per_step": (cpu1 - cpu0) / self._steps,
            "wall_s_per_step": (wall1 - wall0) / self._steps,
        }
