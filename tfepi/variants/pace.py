"""How long a run over variants takes, from the rate of its first batches."""

import logging
import time
from collections.abc import Callable

from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import shown_size

_WARM_S, _MEASURED_S = 2.0, 10.0

_log = logging.getLogger(__name__)


class Pace:
    """Logs once, when the rate is known, what is left and how long that takes.

    What is done in the first seconds does not count: what runs once, such as compilation, is in
    them. Runs that end sooner than the rate is known say nothing.

    Args:
        records: still to do.
        rows: pairs of REF and ALT per record.
        size: bytes of the results, where that is known.
        clock: returns seconds.
    """

    def __init__(
        self,
        records: int,
        rows: float,
        size: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._left, self._rows, self._size, self._clock = records, rows, size, clock
        self._began = clock()
        self._since: float | None = None
        self._done = 0

    def update(self, count: int) -> None:
        """Count records that are done."""
        now = self._clock()
        self._left -= count
        if self._since is None:
            if now - self._began >= _WARM_S:
                self._since = now
            return
        self._done += count
        if now - self._since < _MEASURED_S or self._left <= 0 or self._done <= 0:
            return
        rate = self._done / (now - self._since)
        size = "" if self._size is None else f", {shown_size(self._size)} in all"
        _log.info(
            "%s to go%s: %s at %.3g rows/s",
            *(
                number_of(round(self._left * self._rows), "row"),
                size,
                shown_time(self._left / rate),
            ),
            rate * self._rows,
        )
        self.update = lambda count: None


def shown_time(seconds: float) -> str:
    """Return a duration for a person: "about 40 s", "about 12 min", "about 3.5 h"."""
    for limit, unit, name, digits in (
        (90, 1, "s", 0),
        (5400, 60, "min", 0),
        (172_800, 3600, "h", 1),
    ):
        if seconds < limit:
            return f"about {seconds / unit:.{digits}f} {name}"
    return f"about {seconds / 86_400:.1f} days"
