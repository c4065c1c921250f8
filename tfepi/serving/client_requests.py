"""Requests in flight: how many at once, how often again, and in which order answers come back."""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from tfepi.serving.client_transport import ServerLostError, Unavailable
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.number_text import number_of

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 10.0
_DOUBTFUL = 3  # attempts at a request at which the server itself fails
_LOOK_S = 0.5
_AHEAD = 2  # times the requests in flight that wait to be sent or to be taken
Job = TypeVar("Job")
Answer = TypeVar("Answer")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Waiting:
    """How requests are sent.

    Attributes:
        in_flight: most at once.
        timeout: seconds that the server has for each.
        patience: seconds for which a request is repeated while there is no answer.

    Raises:
        ConfigError: a value out of range.
    """

    in_flight: int = 4
    timeout: float = 60.0
    patience: float = 300.0

    def __post_init__(self):
        if self.in_flight < 1:
            raise ConfigError(f"--in_flight is {self.in_flight}: want at least 1")
        if not 0 < self.timeout < float("inf"):
            raise ConfigError(f"--timeout is {self.timeout:g} s: want more than 0")
        if not self.patience >= 0:
            raise ConfigError(f"--patience is {self.patience:g} s: want 0 or more")


class _Stopped(Exception):
    """The work that a request is of has ended."""


class Flow:
    """Lets a number of requests pass at once: fewer after the server was busy, then more again.

    The number is halved for what was sent before it was last halved, and grows by one in the time
    of that many answers, as TCP does it.
    """

    def __init__(self, most: int):
        self._most, self._limit, self._held, self._halved = most, float(most), 0, 0
        self._changed = threading.Condition()

    @property
    def limit(self) -> int:
        """How many pass at once now."""
        return int(self._limit)

    def enter(self, ended: threading.Event) -> int:
        """Wait until there is room; return a mark for `busy`."""
        with self._changed:
            self._changed.wait_for(lambda: ended.is_set() or self._held < self.limit)
            if ended.is_set():
                raise _Stopped
            self._held += 1
            return self._halved

    def leave(self) -> None:
        """Make room."""
        with self._changed:
            self._held -= 1
            self._changed.notify_all()

    def answered(self) -> None:
        """Count an answer."""
        with self._changed:
            self._limit = min(float(self._most), self._limit + 1 / self._limit)

    def busy(self, mark: int) -> None:
        """Halve the number, unless that was done since the mark."""
        with self._changed:
            if mark == self._halved:
                self._limit = max(1.0, self._limit / 2)
                self._halved += 1

    def end(self, ended: threading.Event) -> None:
        """Let those go that wait with this event."""
        with self._changed:
            ended.set()
            self._changed.notify_all()


class Requests:
    """Sends what is asked, again where it fails for a while.

    Args:
        how: many, and for how long.
        clock: returns seconds.
        draw: returns a number from 0 to 1, of the pauses.
    """

    def __init__(
        self,
        how: Waiting,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ):
        self.how = how
        self.flow = Flow(how.in_flight)
        self.repeated = 0
        self._clock, self._draw = clock, draw
        self._pool = ThreadPoolExecutor(how.in_flight, "request")

    def one(
        self, ask: Callable[[float], Answer], where: str, ended: threading.Event | None = None
    ) -> Answer:
        """Return what `ask` does of the seconds it has, as often as it takes.

        Args:
            ask: sends the request.
            where: it is sent, and what is asked, for an error.
            ended: set where the answer is not wanted any more.

        Raises:
            ServerLostError: no answer for as long as there is patience.
            TfepiError: as `ask`.
        """
        ended = ended or threading.Event()
        began, attempts, doubts = self._clock(), 0, 0
        while True:
            mark = self.flow.enter(ended)
            try:
                answer = ask(self.how.timeout)
                self.flow.answered()
                return answer
            except Unavailable as error:
                failure = error
                if error.busy:
                    self.flow.busy(mark)
            finally:
                self.flow.leave()
            attempts += 1
            doubts += failure.doubtful
            pause = self._pause(attempts, failure)
            waited = self._clock() - began
            if doubts >= _DOUBTFUL or waited + pause > self.how.patience:
                raise ServerLostError(
                    f"{where}: {failure}, {number_of(attempts, 'time')} in {waited:.0f} s; see the "
                    "server's log, or wait longer with --patience or --timeout"
                )
            if not self.repeated:
                _log.warning("%s: %s; such requests are repeated", where, failure)
            self.repeated += 1
            if ended.wait(pause):
                raise _Stopped

    def _pause(self, attempts: int, failure: Unavailable) -> float:
        """Return seconds before the next attempt: up to twice as long each time, at random.

        So clients that failed at one moment do not come back at one moment.
        """
        most = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(attempts, 10))
        return (failure.after or 0.0) + self._draw() * most

    def each(
        self, jobs: Iterable[Job], ask: Callable[[Job, threading.Event], Answer]
    ) -> Iterator[Answer]:
        """Yield what `ask` returns of each job, in their order, several at a time.

        No more jobs are taken than may soon be sent, and no more answers kept.

        Args:
            jobs: taken by the caller's thread.
            ask: passes the event on to `one`.

        Raises:
            as `ask`, of the job that fails first; what else is under way is ended.
        """
        ended, failures = threading.Event(), []
        waiting: deque[Future[Answer]] = deque()

        def asked(job: Job) -> Answer:
            try:
                return ask(job, ended)
            except _Stopped:
                raise
            except BaseException as error:
                failures.append(error)
                self.flow.end(ended)
                raise

        try:
            for job in jobs:
                waiting.append(self._pool.submit(asked, job))
                if len(waiting) >= _AHEAD * self.how.in_flight:
                    yield _result(waiting.popleft(), failures)
            while waiting:
                yield _result(waiting.popleft(), failures)
        except _Stopped:
            raise failures[0] from None
        finally:
            self.flow.end(ended)
            for future in waiting:
                future.cancel()

    def close(self) -> None:
        """Take no more jobs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _result(future: Future[Answer], failures: list[BaseException]) -> Answer:
    """Return the result of a job, but do not wait for it after another job has failed."""
    while not wait([future], _LOOK_S).done:
        if failures:
            raise failures[0]
    return future.result()
