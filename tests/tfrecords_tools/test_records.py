import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.records import (
    RecordWriter,
    example,
    is_compressed,
    pack,
    parse_example,
    read_frames,
    sequence_features,
    unpack,
)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=70))
def test_pack_unpack(bases):
    indices = np.array(bases, np.uint8)
    packed, mask = pack(indices)
    assert len(packed) == -(-len(bases) // 4)
    assert len(mask) == -(-len(bases) // 8)
    assert unpack(packed, mask, len(bases)).tolist() == bases


@given(
    st.dictionaries(st.text("abc_", min_size=1, max_size=9), st.binary(max_size=300), max_size=4)
)
def test_example_round_trip(features):
    assert parse_example(example(features)) == features


@pytest.fixture
def records():
    rng = np.random.default_rng(1)
    return [
        sequence_features(rng.integers(0, 5, 200, dtype=np.uint8), "index")
        | {"target": rng.normal(size=(5, 3)).astype(np.float16).tobytes()}
        for _ in range(7)
    ]


def written(path, records, compressed=True):
    with RecordWriter(path, compressed) as writer:
        for features in records:
            writer.write(features)
    return path


@pytest.mark.parametrize("compressed", [True, False])
def test_tensorflow_reads_what_is_written(tmp_path, records, compressed):
    import tensorflow as tf

    path = written(tmp_path / "a.tfr", records, compressed)
    assert is_compressed(path) == compressed
    found = list(tf.data.TFRecordDataset(str(path), "ZLIB" if compressed else None))
    assert len(found) == 7
    for serialized, features in zip(found, records, strict=True):
        message = tf.train.Example.FromString(serialized.numpy())
        assert {k: v.bytes_list.value[0] for k, v in message.features.feature.items()} == features


@pytest.mark.parametrize("compressed", [True, False])
def test_what_tensorflow_writes_is_read(tmp_path, records, compressed):
    import tensorflow as tf

    path = tmp_path / "a.tfr"
    options = tf.io.TFRecordOptions(compression_type="ZLIB" if compressed else "")
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for features in records:
            value = {
                k: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v]))
                for k, v in features.items()
            }
            writer.write(
                tf.train.Example(features=tf.train.Features(feature=value)).SerializeToString()
            )
    assert [parse_example(f) for f in read_frames(path)] == records


def damaged(path, kind):
    raw = zlib.decompress(path.read_bytes())
    size = len(raw) // 7
    if kind == "truncated file":
        path.write_bytes(path.read_bytes()[:-200])
        return
    if kind == "flipped":
        raw = raw[: 3 * size + 60] + bytes([raw[3 * size + 60] ^ 1]) + raw[3 * size + 61 :]
    if kind == "length":
        raw = raw[: 2 * size] + b"\xff" + raw[2 * size + 1 :]
    if kind == "short record":
        raw = raw[:-9]
    if kind == "short header":
        raw = raw[: 6 * size + 5]
    path.write_bytes(b"hello world, no record" if kind == "garbage" else zlib.compress(raw))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated file", "truncated|ends inside"),
        ("flipped", "record 3, byte .* checksum"),
        ("length", "record 2, byte .* length's checksum"),
        ("short record", "record 6, byte .* ends inside the record"),
        ("short header", "record 6, byte .* ends inside its length"),
        ("garbage", "neither a ZLIB nor a plain"),
    ],
)
def test_damage_is_named(tmp_path, records, kind, message):
    path = written(tmp_path / "a.tfr", records)
    damaged(path, kind)
    with pytest.raises(InputFileError, match=message):
        list(read_frames(path))


def test_a_message_that_is_no_example_is_refused():
    with pytest.raises(ValueError, match="wire type"):
        parse_example(b"\x08\x01")
    with pytest.raises(ValueError, match="longer than its message"):
        parse_example(b"\x0a\x7f\x00")


def test_an_empty_file_has_no_records(tmp_path):
    path = tmp_path / "a.tfr"
    path.write_bytes(b"")
    assert list(read_frames(path)) == []
