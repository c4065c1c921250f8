import struct
import zlib

import pytest

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.framing import frame, read_frames, scan

RECORDS = [bytes([65 + n]) * (300 * n + 1) for n in range(6)]
STARTS = [sum(16 + len(r) for r in RECORDS[:n]) for n in range(7)]


def problems(path):
    return [(f.number, f.start, f.problem) for f in scan(path) if f.problem]


@pytest.fixture
def stream():
    return bytearray(b"".join(map(frame, RECORDS)))


@pytest.mark.parametrize("packed", [True, False])
def test_whole_shards(tmp_path, stream, packed):
    path = tmp_path / "train-0.tfr"
    path.write_bytes(zlib.compress(bytes(stream)) if packed else stream)
    found = list(scan(path))
    assert [f.data for f in found] == RECORDS == list(read_frames(path))
    assert [(f.number, f.start) for f in found] == list(enumerate(STARTS[:6]))
    assert not any(f.problem for f in found)


@pytest.mark.parametrize("packed", [True, False])
def test_every_wrong_checksum_is_told_and_passed_over(tmp_path, stream, packed):
    path = tmp_path / "train-0.tfr"
    for number in (1, 4):
        stream[STARTS[number] + 20] ^= 1
    path.write_bytes(zlib.compress(bytes(stream)) if packed else stream)
    assert [f.data for f in scan(path)] == [
        None if n in (1, 4) else r for n, r in enumerate(RECORDS)
    ]
    told = "the checksum does not match the data"
    assert problems(path) == [(1, STARTS[1], told), (4, STARTS[4], told)]


def test_a_wrong_length_ends_the_shard(tmp_path, stream):
    path = tmp_path / "train-0.tfr"
    stream[STARTS[3] + 1] ^= 1
    path.write_bytes(zlib.compress(bytes(stream)))
    assert len(list(scan(path))) == 4
    [(number, start, told)] = problems(path)
    assert (number, start) == (3, STARTS[3])
    assert told == "the length's checksum does not match; what follows cannot be read"


def test_cut_anywhere(tmp_path, stream):
    path = tmp_path / "train-0.tfr"
    for end in {*range(0, len(stream), 37), *STARTS}:
        path.write_bytes(stream[:end])
        whole = sum(start <= end for start in STARTS[1:])
        found = problems(path)
        if end in STARTS[1:]:
            assert not found
        elif end >= 12:
            assert found[0][:2] == (whole, STARTS[whole])
            assert "the file ends inside the record" in found[0][2]
        elif end:
            assert "neither a ZLIB nor a plain TFRecord file" in found[0][2]
    data = zlib.compress(bytes(stream))
    for end in range(2, len(data), 7):
        path.write_bytes(data[:end])
        found = problems(path)
        assert len(found) == 1, end
        assert "truncated" in found[0][2]


def test_compression_damaged_anywhere_is_told_where_it_is(tmp_path, stream):
    path = tmp_path / "train-0.tfr"
    data = bytearray(zlib.compress(bytes(stream), 0))
    for at in (2, len(data) // 2, len(data) - 1):
        damaged = data.copy()
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        found = problems(path)
        assert found, at
        with pytest.raises(InputFileError) as told:
            list(read_frames(path))
        assert f"record {found[0][0]}" in str(told.value)


def test_what_follows_the_end(tmp_path, stream):
    path = tmp_path / "train-0.tfr"
    path.write_bytes(zlib.compress(bytes(stream)) + b"more")
    [(number, start, told)] = problems(path)
    assert (number, start) == (6, STARTS[6])
    assert "4 bytes or more follow the end" in told


def test_files_that_are_none(tmp_path):
    path = tmp_path / "train-0.tfr"
    for data, told in (
        (b"", "is empty, it has 0 bytes: fetch or write it again"),
        (b"nothing", "neither a ZLIB"),
        (b"\x1f\x8b123456789012", "gzip"),
    ):
        path.write_bytes(data)
        assert told in problems(path)[0][2]
    path.write_bytes(zlib.compress(b""))
    assert list(scan(path)) == []
    with pytest.raises(InputFileError, match="does not exist"):
        list(scan(tmp_path / "no.tfr"))


def test_memory_does_not_grow_with_what_is_inflated(tmp_path):
    """A hundred megabytes of zeros are a file of 100 kB: only one record is held."""
    import tracemalloc

    path = tmp_path / "train-0.tfr"
    pack = zlib.compressobj(9)
    record = frame(bytes(1 << 20))
    with open(path, "wb") as file:
        for _ in range(100):
            file.write(pack.compress(record))
        file.write(pack.flush())
    tracemalloc.start()
    assert sum(len(f.data) for f in scan(path)) == 100 << 20
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


def test_a_length_that_nothing_can_hold(tmp_path):
    from tfrecords_tools.framing import masked_crc

    path = tmp_path / "train-0.tfr"
    header = struct.pack("<Q", 1 << 40)
    path.write_bytes(header + struct.pack("<I", masked_crc(header)) + bytes(50))
    assert "ends inside the record" in problems(path)[0][2]
