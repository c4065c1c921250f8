"""A remote file that is read once from its start, without a copy."""

from collections.abc import Iterator
from dataclasses import replace

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.remote_failures import Failures, NoRanges, is_missing, missing
from tfrecords_tools.remote_server import Entry, Server

_FIRST, _AHEAD = 1 << 16, 1 << 20  # bytes that are asked for at once: a record, then many


class Reader:
    """A remote file, open to be read.

    Args:
        url: its name.
        entry: what its server tells of it, where that is known.

    Raises:
        InputFileError: it is missing, or cannot be read, then or later.
    """

    def __init__(self, url: str, entry: Entry | None = None):
        self._url, self._server = url, Server.of(url)
        found = entry or self._server.entry(url)
        if found is None:
            raise missing(url)
        self._entry, self._failures = found, Failures(url, found.size)
        self._at, self._buffer, self._pieces = 0, b"", self._from(0, _FIRST)

    def read(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end."""
        while len(self._buffer) < count and (data := self._next()):
            self._buffer += data
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _next(self) -> bytes:
        while True:
            try:
                data = next(self._pieces, b"")
            except InputFileError:
                raise
            except NoRanges:
                self._entry = replace(self._entry, ranges=False)
                self._pieces = self._from(self._at, _AHEAD)
            except Exception as error:  # of aiohttp, botocore, google.auth, …
                if is_missing(error):
                    raise missing(self._url) from None
                self._failures.wait(error, self._at)
                self._pieces = self._from(self._at, _AHEAD)
            else:
                if data and not self._at:
                    self._pieces = self._from(len(data), _AHEAD)
                self._at += len(data)
                return data

    def _from(self, start: int, count: int) -> Iterator[bytes]:
        """Yield what follows a byte; of a server of whole files what precedes it is passed over."""
        if self._entry.ranges and self._entry.size is not None:
            yield from self._server.pieces(self._url, start, count, self._entry)
            return
        for data in self._server.pieces(self._url, 0, count, self._entry):
            passed = min(start, len(data))
            start -= passed
            if passed < len(data):
                yield data[passed:]

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self._pieces.close()
