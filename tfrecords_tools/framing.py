"""TFRecord framing: records with their lengths and checksums, plain or in one ZLIB stream.

`read_frames` stops at the first damage; `scan` tells of all of it, to validate. TensorFlow is not
imported: lengths and CRC32C are written and checked here.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import google_crc32c

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.remote_records import opened, shard_size

_HEADER = struct.Struct("<QI")
_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_MASK_DELTA = 0xA282EAD8
_READ, _INFLATED = 1 << 16, 1 << 20  # most bytes at once


def masked_crc(data: bytes) -> int:
    """Return the masked CRC32C that TFRecord files store."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


def frame(data: bytes) -> bytes:
    """Return a TFRecord: length, its checksum, the data, its checksum."""
    length = _LENGTH.pack(len(data))
    return b"".join((length, _CRC.pack(masked_crc(length)), data, _CRC.pack(masked_crc(data))))


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


def read_frames(path: str | Path) -> Iterator[bytes]:
    """Yield the data of each record, checking lengths and checksums.

    Raises:
        InputFileError: damage, with the number (from 0) of the first record that cannot be
            read, and the byte of the uncompressed stream at which that starts.
    """
    path = Path(path)
    if not shard_size(path):
        return
    compressed = is_compressed(path)
    with opened(path) as handle:
        stream = _Stream(handle, compressed)
        try:
            for found in stream.frames():
                if found.data is None:
                    raise _Damaged(found.problem)
                yield found.data
        except _Damaged as error:
            raise InputFileError(
                f"shard {path} is corrupt at record {stream.number}, byte {stream.start}: {error}; "
                "fetch or write it again"
            ) from None


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
        try:
            yield from stream.frames()
            stream.check_end()
        except _Damaged as error:
            problem = f"{error}; what follows cannot be read"
            yield Frame(stream.number, stream.start, None, problem)


class _Damaged(Exception):
    """The stream cannot be read further."""


class _Stream:
    """The uncompressed bytes of a shard.

    Attributes:
        number: of the record that is being read, from 0.
        start: byte of the uncompressed stream at which it starts.
    """

    def __init__(self, handle, compressed: bool):
        self.number, self.start = 0, 0
        self._handle, self._extra = handle, b""
        self._pieces = self._inflated() if compressed else self._plain()
        self._buffer = bytearray()

    def frames(self) -> Iterator[Frame]:
        """Yield records, those with a wrong checksum without their data."""
        while header := self._take(_HEADER.size):
            if len(header) < _HEADER.size:
                raise _Damaged("the file ends inside the record's length")
            length, crc = _HEADER.unpack(header)
            if crc != masked_crc(header[:8]):
                raise _Damaged("the length's checksum does not match")
            body = self._take(length + _CRC.size)
            if len(body) < length + _CRC.size:
                raise _Damaged("the file ends inside the record")
            data = body[:length]
            if _CRC.unpack_from(body, length)[0] == masked_crc(data):
                yield Frame(self.number, self.start, data)
            else:
                yield Frame(self.number, self.start, None, "the checksum does not match the data")
            self.number += 1
            self.start += _HEADER.size + length + _CRC.size

    def check_end(self) -> None:
        """Check that nothing follows the end of the compressed stream."""
        extra = len(self._extra) + len(self._handle.read(_INFLATED))
        if extra:
            raise _Damaged(f"{extra} bytes or more follow the end of its ZLIB stream")

    def _take(self, count: int) -> bytes:
        """Return the next bytes, fewer at the end of the file."""
        while len(self._buffer) < count and (piece := next(self._pieces, None)):
            self._buffer += piece
        with memoryview(self._buffer) as view:
            data = view[:count].tobytes()
        del self._buffer[:count]
        return data

    def _plain(self) -> Iterator[bytes]:
        while piece := self._handle.read(_READ):
            yield piece

    def _inflated(self) -> Iterator[bytes]:
        inflate = zlib.decompressobj()
        data = self._handle.read(_READ)
        while data and not inflate.eof:
            before = inflate.copy()
            try:
                piece = inflate.decompress(data, _INFLATED)
            except zlib.error as error:  # it gives nothing of the whole piece: take what precedes
                yield from _salvaged(before, data)
                raise _Damaged(f"it cannot be inflated ({error})") from None
            if piece:
                yield piece
            data = inflate.unconsumed_tail or self._handle.read(_READ)
        if tail := inflate.flush():
            yield tail
        if not inflate.eof:
            raise _Damaged("its ZLIB stream has no end: the file is truncated")
        self._extra = inflate.unused_data


def _salvaged(inflate, data: bytes) -> Iterator[bytes]:
    for byte in data:
        try:
            piece = inflate.decompress(bytes((byte,)))
        except zlib.error:
            return
        if piece:
            yield piece


def is_compressed(path: str | Path) -> bool:
    """Tell whether a TFRecord file is ZLIB-compressed, by its first bytes.

    Raises:
        InputFileError: missing, or no TFRecord file.
    """
    with opened(Path(path)) as handle:
        head = handle.read(_HEADER.size)
    if not head:
        raise InputFileError(f"{path} is empty, it has 0 bytes: fetch or write it again")
    if len(head) == _HEADER.size and _HEADER.unpack(head)[1] == masked_crc(head[:8]):
        return False
    if len(head) > 1 and head[0] & 15 == 8 and (head[0] << 8 | head[1]) % 31 == 0:
        return True
    if head[:2] == b"\x1f\x8b":
        raise InputFileError(
            f"{path} is gzip-compressed, TFRecord files are ZLIB or plain: unpack it (zcat)"
        )
    raise InputFileError(
        f"{path} is neither a ZLIB nor a plain TFRecord file: it starts with {head[:8]!r}"
    )
