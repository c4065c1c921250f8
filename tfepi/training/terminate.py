"""SIGTERM as a question that a training asks where it can stop without loss."""

import contextlib
import signal
import threading
from collections.abc import Iterator


class Terminate:
    """Whether the process was told to end."""

    asked = False

    def __call__(self, number, frame) -> None:
        """Take the signal."""
        self.asked = True

    def take(self) -> None:
        """Let SIGTERM be told here from now on; TensorFlow takes it when processes meet."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self)

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Let SIGTERM be told here within the block, where it does not end the process."""
        before = signal.getsignal(signal.SIGTERM)
        self.take()
        try:
            yield
        finally:
            if threading.current_thread() is threading.main_thread():
                signal.signal(signal.SIGTERM, before)
