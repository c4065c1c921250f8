import gzip
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.framing import is_compressed, read_frames
from tfrecords_tools.records import (
    RecordWriter,
    example,
    feature_offsets,
    pack,
    parse_example,
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


@given(
    st.dictionaries(
        st.sampled_from(["sequence", "sequence_packed", "sequence_n", "target", "umap"]),
        st.one_of(st.integers(0, 300), st.integers(300, 40_000)),
    ),
    st.integers(0, 2**32 - 1),
)
def test_feature_offsets_are_where_the_values_lie(sizes, seed):
    rng = np.random.default_rng(seed)
    features = {name: rng.bytes(size) for name, size in sizes.items()}
    data = example(features)
    offsets = feature_offsets({name: bytes(size) for name, size in sizes.items()})
    for name, value in features.items():
        assert data[offsets[name] : offsets[name] + len(value)] == value


@pytest.mark.parametrize("targets", [118, 121, 182, 240])
def test_feature_offsets_of_one_bin_and_a_map(targets):
    features = {"sequence": bytes(1344), "target": bytes(2 * targets), "umap": b"\1"}
    data, offsets = example(features), feature_offsets(features)
    assert data[offsets["umap"] :] == b"\1"
    assert offsets["target"] + 2 * targets < offsets["umap"]


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
    if kind == "gzip":
        path.write_bytes(gzip.compress(raw))
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
        ("truncated file", "record 5, byte .* truncated"),
        ("flipped", "record 3, byte .* checksum"),
        ("length", "record 2, byte .* length's checksum"),
        ("short record", "record 6, byte .* ends inside the record"),
        ("short header", "record 6, byte .* ends inside the record's length"),
        ("garbage", "neither a ZLIB nor a plain"),
        ("gzip", "gzip-compressed, TFRecord files are ZLIB or plain: unpack it"),
    ],
)
def test_damage_is_named(tmp_path, records, kind, message):
    path = written(tmp_path / "a.tfr", records)
    damaged(path, kind)
    with pytest.raises(InputFileError, match=message):
        list(read_frames(path))
    if kind in ("garbage", "gzip"):
        with pytest.raises(InputFileError, match=message):
            is_compressed(path)


def until_damage(path):
    """Return the records that are delivered, and the error's message."""
    found = []
    try:
        for frame in read_frames(path):
            found.append(parse_example(frame))
    except InputFileError as error:
        return found, str(error)
    pytest.fail("no damage was found")


def test_all_records_before_a_damage_are_delivered(tmp_path):
    """Bytes of the file are changed one at a time, up to the end of several 64-kB reads."""
    rng = np.random.default_rng(2)
    records = [{"sequence": rng.integers(0, 4, 9000, dtype=np.uint8).tobytes()} for _ in range(60)]
    whole = written(tmp_path / "a.tfr", records).read_bytes()
    size = len(zlib.decompress(whole)) // len(records)
    uninflatable = 0
    for at in rng.integers(2, len(whole), 150):
        path = tmp_path / "b.tfr"
        path.write_bytes(whole[:at] + bytes((whole[at] ^ 0xFF,)) + whole[at + 1 :])
        found, message = until_damage(path)
        assert found == records[: len(found)]
        assert f"b.tfr is corrupt at record {len(found)}, byte {len(found) * size}: " in message
        # As much as can be inflated before the damage must have been delivered.
        sound = len(zlib.decompressobj().decompress(whole[: at - 1])) // size
        assert len(found) >= sound
        uninflatable += "inflated" in message
    assert uninflatable > 3


def test_pieces_are_inflated_a_little_at_a_time(tmp_path):
    """A megabyte of such a file would be a gigabyte at once."""
    path = tmp_path / "a.tfr"
    with RecordWriter(path) as writer:
        writer._deflate = zlib.compressobj(9)
        for _ in range(8):
            writer.write({"target": bytes(4 << 20)})
    assert path.stat().st_size < 1 << 16
    tracemalloc.start()
    assert [len(parse_example(f)["target"]) for f in read_frames(path)] == [4 << 20] * 8
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 32 << 20


def test_a_truncated_file_gives_the_records_it_has(tmp_path, records):
    path = written(tmp_path / "a.tfr", records)
    path.write_bytes(path.read_bytes()[:-200])
    found, message = until_damage(path)
    assert found == records[:5]
    assert "record 5, byte 1435: " in message
    assert "truncated" in message


def test_a_message_that_is_no_example_is_refused():
    with pytest.raises(ValueError, match="wire type"):
        parse_example(b"\x08\x01")
    with pytest.raises(ValueError, match="longer than its message"):
        parse_example(b"\x0a\x7f\x00")


def test_an_empty_file_has_no_records(tmp_path):
    path = tmp_path / "a.tfr"
    path.write_bytes(b"")
    assert list(read_frames(path)) == []
