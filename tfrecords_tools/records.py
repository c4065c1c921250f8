"""The one place that knows a record's features and bytes.

A record is a tf.train.Example in a TFRecord file: `sequence` (uint8 base indices; in data written
before 2022 uint8 or bool [length, 4], one-hot, N all zeros) or `sequence_packed` (2 bits per base,
four bases a byte, first base in the lowest bits) with `sequence_n` (one bit per base, set where
the base is none of ACGT); `target` float16 [target_length, targets]; optionally `umap` bool
[target_length], `tracks` float16 [track_length, tracks], `coverage` float16 [target_length,
targets], the reads that each target was measured with, 0 where it is missing.
TensorFlow is not imported: Example bytes are written here, and framed by `framing`.
"""

import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.framing import frame
from tfrecords_tools.genome import UNKNOWN

ENCODINGS = ("index", "packed")  # that are written; "onehot" is read too
MOST_DECIMALS = 6
FEATURES = ("sequence", "sequence_packed", "sequence_n", "target", "umap", "tracks", "coverage")
_PACK_WEIGHTS = np.array([1, 4, 16, 64], np.uint8)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def _head(field: int, size: int) -> bytes:
    """Return what precedes a message's field of so many bytes."""
    return bytes((field << 3 | 2,)) + _varint(size)


def example(features: dict[str, bytes]) -> bytes:
    """Return the bytes of a tf.train.Example with one bytes value per feature."""
    parts = [p for name, value in features.items() for p in (_before(name, len(value)), value)]
    return b"".join((_head(1, sum(map(len, parts))), *parts))


@lru_cache(maxsize=256)
def _before(name: str, size: int) -> bytes:
    """Return what precedes a feature's value of so many bytes; records are mostly alike."""
    key = _head(1, len(name.encode())) + name.encode()
    head = b""
    for field in (1, 1, 2):  # the value in its list, the list in the feature, the feature
        head = _head(field, len(head) + size) + head
    return _head(1, len(key) + len(head) + size) + key + head


def feature_offsets(features: dict[str, bytes]) -> dict[str, int]:
    """Return the byte at which each feature's value starts in the `example` of such features."""
    sizes = {n: len(_before(n, len(value))) + len(value) for n, value in features.items()}
    end, found = len(example(features)) - sum(sizes.values()), {}
    for name, value in features.items():
        end += sizes[name]
        found[name] = end - len(value)
    return found


def pack(indices: np.ndarray) -> tuple[bytes, bytes]:
    """Return (two bits per base, one bit per base that is no ACGT)."""
    unknown = indices == UNKNOWN
    bases = np.zeros(-(-len(indices) // 4) * 4, np.uint8)
    bases[: len(indices)] = np.where(unknown, 0, indices)
    packed = (bases.reshape(-1, 4) * _PACK_WEIGHTS).sum(axis=1, dtype=np.uint8)
    return packed.tobytes(), np.packbits(unknown, bitorder="little").tobytes()


def unpack(packed: bytes, mask: bytes, length: int) -> np.ndarray:
    """Return base indices uint8 [length] of what `pack` made."""
    data = np.frombuffer(packed, np.uint8)
    out = (data[:, None] >> np.array([0, 2, 4, 6], np.uint8) & 3).ravel()[:length]
    unknown = np.unpackbits(np.frombuffer(mask, np.uint8), bitorder="little")[:length]
    out[unknown.astype(bool)] = UNKNOWN
    return out


def sequence_features(indices: np.ndarray, encoding: str) -> dict[str, bytes]:
    """Return the features of a sequence in one of `ENCODINGS`."""
    if encoding == "index":
        return {"sequence": indices.tobytes()}
    packed, mask = pack(indices)
    return {"sequence_packed": packed, "sequence_n": mask}


def sequence_sizes(encoding: str, length: int) -> dict[str, int]:
    """Return the features of a sequence and their sizes, bytes."""
    if encoding == "packed":
        return {"sequence_packed": -(-length // 4), "sequence_n": -(-length // 8)}
    return {"sequence": 4 * length if encoding == "onehot" else length}


def check_writing(encoding: str, records_per_shard: int, decimals: int | None = None) -> None:
    """Check how records are to be written.

    Raises:
        ConfigError: an unknown encoding, fewer than one record per shard, or decimals that
            float16 cannot have.
    """
    if encoding not in ENCODINGS:
        raise unknown("encoding", encoding, ENCODINGS)
    if records_per_shard < 1:
        raise ConfigError(f"records per shard is {records_per_shard}, want at least 1")
    if decimals is not None and not 0 <= decimals <= MOST_DECIMALS:
        raise ConfigError(
            f"decimals (-d) is {decimals}, want 0 to {MOST_DECIMALS}: targets are float16, which "
            "has about 3 digits"
        )


def decode_sequence(features: dict[str, bytes], encoding: str, length: int) -> np.ndarray:
    """Return base indices uint8 [length] of features of the sizes of `sequence_sizes`.

    Raises:
        ValueError: a value that is no base, and where.
    """
    if encoding == "packed":
        return unpack(features["sequence_packed"], features["sequence_n"], length)
    if encoding == "index":
        indices = np.frombuffer(features["sequence"], np.uint8)
        if indices.max() > UNKNOWN:
            at = int((indices > UNKNOWN).argmax())
            raise ValueError(f"base {at} is {indices[at]}, want 0 to {UNKNOWN}")
        return indices
    rows = np.frombuffer(features["sequence"], "<u4")  # four bytes each
    indices = np.full(length, 255, np.uint8)
    for index, row in enumerate((1, 1 << 8, 1 << 16, 1 << 24, 0)):
        indices[rows == row] = index
    if indices.max() > UNKNOWN:
        at = int(indices.argmax())
        values = list(features["sequence"][4 * at : 4 * at + 4])
        raise ValueError(f"base {at} is {values}, want one 1 among zeros, or zeros alone")
    return indices


class RecordWriter:
    """Writes a TFRecord file, ZLIB over the whole file if compressed.

    Huffman coding without string matching is used: on base indices it is several times
    faster than level 6, smaller, and any reader of the format inflates it.

    Args:
        path: the file.
        compressed: ZLIB, or plain.
    """

    def __init__(self, path: str | Path, compressed: bool = True):
        self._file = open(path, "wb")  # noqa: SIM115 - closed in close()
        self._deflate = (
            zlib.compressobj(6, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY) if compressed else None
        )
        self.records = 0

    def write(self, features: dict[str, bytes]) -> None:
        """Append one record."""
        data = frame(example(features))
        self._file.write(self._deflate.compress(data) if self._deflate else data)
        self.records += 1

    def close(self) -> None:
        """Finish the file."""
        if self._deflate:
            self._file.write(self._deflate.flush())
        self._file.close()

    def __enter__(self) -> "RecordWriter":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (number, bytes) of a message's length-delimited fields."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        if key & 7 != 2:
            raise ValueError(f"wire type {key & 7}")
        size, at = _read_varint(data, at)
        if at + size > len(data):
            raise ValueError("a field is longer than its message")
        yield key >> 3, data[at : at + size]
        at += size


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError("a number runs past its message")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def parse_example(data: bytes) -> dict[str, bytes]:
    """Return the bytes features of a tf.train.Example.

    Raises:
        ValueError: not such a message.
    """
    features = {}
    for number, body in _fields(data):
        if number != 1:
            continue
        for _, entry in _fields(body):
            name = value = b""
            for field, part in _fields(entry):
                if field == 1:
                    name = part
                else:
                    value = part
            for kind, listed in _fields(value):
                if kind == 1:
                    features[name.decode()] = next((v for _, v in _fields(listed)), b"")
    return features
