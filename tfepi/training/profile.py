"""A profile of a few training steps, which TensorBoard shows."""

import logging
from pathlib import Path

import tensorflow as tf

log = logging.getLogger(__name__)
FIRST, STEPS = 5, 10  # executions before, which compile; and within


class Profile:
    """Profiles some executions of training steps, once; as a context manager, ends in any case.

    Args:
        folder: where the profile goes, `plugins/profile/`; None profiles nothing.
    """

    def __init__(self, folder: Path | None):
        self._folder, self._seen, self._running = folder, 0, False

    def __enter__(self) -> "Profile":
        return self

    def step(self) -> None:
        """Begin an execution."""
        self._seen += 1
        if self._folder is None:
            return
        if self._seen == FIRST + 1:
            tf.profiler.experimental.start(str(self._folder))
            self._running = True
        elif self._seen == FIRST + STEPS + 1:
            self._stop()

    def __exit__(self, *error) -> None:
        self._stop()
        if self._folder is not None and self._seen <= FIRST:
            log.warning(
                "--profile: nothing was profiled, as the run executed steps %d time(s) and the "
                "profile begins after %d: train longer, or with fewer --steps_per_execution",
                self._seen,
                FIRST,
            )

    def _stop(self) -> None:
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
