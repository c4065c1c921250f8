"""TFRecord files record by record, past damage where the framing allows it.

`records.read_frames` stops at the first damage; `scan` tells of all of it, to validate.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.records import is_compressed, masked_crc

_HEADER = struct.Struct("<QI")
_CRC = struct.Struct("<I")
_PIECE = 1 << 16
_LARGEST = 1 << 20


@dataclass(frozen=True)
class Frame:
    """A record of a shard, or what is wrong at its place.

    Attributes:
        number: of the record in the shard, from 0.
        start: byte of the uncompressed stream at which it starts.
        data: its bytes, or None where they cannot be trusted.
        problem: what is wrong, or "".
    """

    number: int
    start: int
    data: bytes | None
    problem: str = ""


class _Damaged(Exception):
    """The stream cannot be read further."""


def scan(path: str | Path) -> Iterator[Frame]:
    """Yield every record of a shard and every damage.

    A record whose checksum fails is told and passed over; damage to a length or to the
    compression ends the shard. Memory is that of one record.

    Raises:
        InputFileError: the file is missing or cannot be read.
    """
    path = existing(path, "TFRecord shard")
    try:
        compressed = is_compressed(path)
    except InputFileError as error:
        yield Frame(0, 0, None, str(error))
        return
    with open(path, "rb") as handle:
        stream = _Stream(handle, compressed)
        number = 0
        while True:
            start = stream.position
            try:
                header = stream.take(_HEADER.size)
                if not header:
                    return
                frame = _frame(stream, header, number, start)
            except _Damaged as error:
                yield Frame(number, start, None, f"{error}; what follows cannot be read")
                return
            yield frame
            number += 1


def _frame(stream: "_Stream", header: bytes, number: int, start: int) -> Frame:
    if len(header) < _HEADER.size:
        raise _Damaged("the file ends inside the record's length")
    length, crc = _HEADER.unpack(header)
    if crc != masked_crc(header[:8]):
        raise _Damaged("the length's checksum does not match")
    data = stream.take(length)
    tail = stream.take(_CRC.size)
    if len(tail) < _CRC.size:
        raise _Damaged("the file ends inside the record")
    if _CRC.unpack(tail)[0] != masked_crc(data):
        return Frame(number, start, None, "the checksum does not match the data")
    return Frame(number, start, data)


class _Stream:
    """The uncompressed bytes of a shard; `position` is how many were taken."""

    def __init__(self, handle, compressed: bool):
        self._pieces = _inflated(handle) if compressed else _plain(handle)
        self._buffer = bytearray()
        self.position = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end of the file."""
        while len(self._buffer) < count and (piece := next(self._pieces, None)):
            self._buffer += piece
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        self.position += len(data)
        return data


def _plain(handle) -> Iterator[bytes]:
    while piece := handle.read(_PIECE):
        yield piece


def _inflated(handle) -> Iterator[bytes]:
    inflate = zlib.decompressobj()
    data = handle.read(_PIECE)
    while data and not inflate.eof:
        before = inflate.copy()
        try:
            piece = inflate.decompress(data, _LARGEST)
        except zlib.error as error:  # it gives nothing of the whole piece: take what comes before
            yield from _salvaged(before, data)
            raise _Damaged(f"it cannot be inflated ({error})") from None
        if piece:
            yield piece
        data = inflate.unconsumed_tail or handle.read(_PIECE)
    if tail := inflate.flush():
        yield tail
    if not inflate.eof:
        raise _Damaged("its ZLIB stream has no end: the file is truncated")
    extra = len(inflate.unused_data) + len(handle.read(_LARGEST))
    if extra:
        raise _Damaged(f"{extra} bytes or more follow the end of its ZLIB stream")


def _salvaged(inflate, data: bytes) -> Iterator[bytes]:
    for byte in data:
        try:
            piece = inflate.decompress(bytes((byte,)))
        except zlib.error:
            return
        if piece:
            yield piece
