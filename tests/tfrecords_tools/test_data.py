"""Data folders of other tools: every encoding, and what is wrong with one."""

import json
import logging
import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError
from tfrecords_tools.framing import frame
from tfrecords_tools.genome import one_hot, reverse_complement
from tfrecords_tools.intervals import Interval
from tfrecords_tools.records import RecordWriter, sequence_features

CROP, WIDTH, BINS = 8, 10, 7
LENGTH = 2 * CROP + WIDTH * BINS  # no multiple of four
IDENTIFIERS = ("a+", "a-", "b")
TABLE = (
    "\tidentifier\tfile\tclip\tstrand_pair\tdescription\n"
    "0\ta+\ta.bw\t384\t1\tx\n1\ta-\tb.bw\t384\t0\ty\n2\tb\tc.bw\t\t2\tz\n"
)


def sequence_bytes(indices: np.ndarray, encoding: str) -> dict[str, bytes]:
    """Return the features of a sequence, one-hot too."""
    if encoding == "onehot":
        return {"sequence": one_hot(indices).astype(np.uint8).tobytes()}
    return sequence_features(indices, encoding)


@dataclass(frozen=True)
class Content:
    """Records by label: base indices [n, LENGTH], float16 targets, bool umap [n, BINS]."""

    labels: dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]

    def features(self, label: str, row: int, encoding: str, umap: bool) -> dict[str, bytes]:
        sequences, targets, unmappable = self.labels[label]
        # TensorFlow writes features in no fixed order.
        found = {"target": targets[row].tobytes()} if row % 2 else {}
        found |= sequence_bytes(sequences[row], encoding)
        if umap:
            found["umap"] = unmappable[row].tobytes()
        return found | {"target": targets[row].tobytes()}


@pytest.fixture(scope="session")
def content() -> Content:
    """25 records of train, 3 of valid."""
    rng = np.random.default_rng(3)
    labels = {}
    for label, count in (("train", 25), ("valid", 3)):
        sequences = rng.integers(0, 4, (count, LENGTH), dtype=np.uint8)
        sequences[rng.random(sequences.shape) < 0.1] = 4
        sequences[0] = 4
        sequences[1] %= 4
        targets = rng.normal(size=(count, BINS, len(IDENTIFIERS))).astype(np.float16)
        targets[0, 0, 0] = np.nan
        labels[label] = sequences, targets, rng.random((count, BINS)) < 0.3
    return Content(labels)


@pytest.fixture
def other_folder(tmp_path, content):
    """Return the function that writes `content` as a folder without manifest."""

    def write(
        encoding: str = "index",
        name: str = "other",
        umap: bool = False,
        compressed: bool = True,
        per_shard: int = 2,
        table: str | None = TABLE,
        windows: bool = True,
        prefix: str = "{label}",
        **statistics,
    ) -> Path:
        folder = tmp_path / name
        (folder / "tfrecords").mkdir(parents=True)
        rows = []
        for label, (sequences, _, _) in content.labels.items():
            for row in range(len(sequences)):
                if row % per_shard == 0:
                    stem = prefix.format(label=label)
                    path = folder / "tfrecords" / f"{stem}-{row // per_shard}.tfr"
                    writer = RecordWriter(path, compressed)
                writer.write(content.features(label, row, encoding, umap))
                if row % per_shard == per_shard - 1 or row == len(sequences) - 1:
                    writer.close()
                rows.append(f"chr1\t{100 * len(rows)}\t{100 * len(rows) + WIDTH * BINS}\t{label}\n")
        value = {"num_targets": len(IDENTIFIERS), "seq_length": LENGTH, "pool_width": WIDTH}
        value |= {"crop_bp": CROP, "target_length": BINS, "train_seqs": 30, "valid_seqs": 3}
        value |= {"index": {"seq_1hot": True}, "packed": {"encoding": "packed"}}.get(encoding, {})
        (folder / "statistics.json").write_text(json.dumps(value | statistics))
        if windows:
            (folder / "sequences.bed").write_text("".join(rows))
        if table:
            (folder / "targets.txt").write_text(table)
        return folder

    return write


ENCODINGS = ("index", "packed", "onehot")


def assert_same(data, content, label):
    sequences, targets, _ = content.labels[label]
    found = list(data.records(label))
    assert len(found) == len(sequences)
    np.testing.assert_array_equal(np.stack([s for s, _ in found]), sequences)
    np.testing.assert_array_equal(np.stack([t for _, t in found]), targets)
    arrays = data.arrays(label, 1, 3)
    np.testing.assert_array_equal(arrays[0], sequences[1:3])
    np.testing.assert_array_equal(arrays[1], targets[1:3])


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("umap", [True, False])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_encoding_gives_the_same(other_folder, content, encoding, umap, compressed):
    data = Data.open(other_folder(encoding, umap=umap, compressed=compressed))
    assert (data.encoding, data.compressed) == (encoding, compressed)
    assert data.layout is None
    # 30 are stated, as other tools count, and 25 listed
    assert (data.counts, data.stated["train"]) == ({"train": 25, "valid": 3}, 30)
    assert data.strand_order == (1, 0, 2)
    for label in ("train", "valid"):
        assert_same(data, content, label)


def test_seq_1hot_false_is_one_hot(other_folder, content):
    assert_same(Data.open(other_folder("onehot", seq_1hot=False)), content, "valid")


@pytest.mark.parametrize("encoding", ["index", "onehot"])
def test_what_tensorflow_writes(tmp_path, other_folder, content, encoding):
    """With the genome's number, as older data of several genomes have it."""
    import tensorflow as tf

    folder = other_folder(encoding)
    options = tf.io.TFRecordOptions(compression_type="ZLIB")
    with tf.io.TFRecordWriter(str(folder / "tfrecords" / "valid-0.tfr"), options) as writer:
        for row in range(3):
            features = content.features("valid", row, encoding, umap=True)
            value = {
                k: tf.train.Feature(bytes_list=tf.train.BytesList(value=[v]))
                for k, v in features.items()
            }
            value["genome"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))
            example = tf.train.Example(features=tf.train.Features(feature=value))
            writer.write(example.SerializeToString())
    (folder / "tfrecords" / "valid-1.tfr").unlink()
    assert_same(Data.open(folder), content, "valid")


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_frames_are_in_one_order_whatever_the_writer(other_folder, content, encoding):
    data = Data.open(other_folder(encoding, umap=True))
    frames = list(data.frames("train"))
    assert [(p.name, n) for p, n, _ in frames[:3]] == [
        ("train-0.tfr", 0),
        ("train-0.tfr", 1),
        ("train-1.tfr", 0),
    ]
    names = [list(features) for _, _, features in frames]
    assert names == names[:1] * 25
    assert names[0][-2:] == ["target", "umap"]
    for (shard, number, features), sequence, mask in zip(
        frames, content.labels["train"][0], content.labels["train"][2], strict=True
    ):
        np.testing.assert_array_equal(data.sequence(features, shard, number), sequence)
        np.testing.assert_array_equal(np.frombuffer(features["umap"], bool), mask)


def test_shards_are_in_the_order_of_their_numbers(other_folder):
    data = Data.open(other_folder())
    assert [p.name for p in data.shards("train")] == [f"train-{i}.tfr" for i in range(13)]


def test_shards_of_a_genome_have_its_number(other_folder, content):
    data = Data.open(other_folder(prefix="{label}-1"))
    assert data.labels == ["train", "valid"]
    assert [p.name for p in data.shards("train")] == [f"train-1-{i}.tfr" for i in range(13)]
    assert_same(data, content, "train")


def test_folds_are_labels(test_data):
    data = Data.open(test_data / "fixtures/basenji/basenji_folds")
    assert data.counts == {"fold0": 183, "fold1": 192, "fold2": 182}
    assert len(list(data.records("fold2"))) == len(data.windows("fold2")) == 182


def test_a_label_beside_folds_is_advised_on(other_folder):
    folder = other_folder()
    for old, new in (("train", "fold0"), ("valid", "fold1")):
        for name in ("sequences.bed", "statistics.json"):
            (folder / name).write_text((folder / name).read_text().replace(old, new))
        for path in (folder / "tfrecords").glob(f"{old}-*.tfr"):
            path.rename(path.with_name(path.name.replace(old, new)))
    wanted = r"no label 'train', it has fold0, fold1: .* such as fold0,fold1"
    with pytest.raises(ConfigError, match=wanted):
        Data.open(folder).shards("train")


def test_labels_without_shards_are_told(test_data, caplog):
    with caplog.at_level(logging.INFO):
        data = Data.open(test_data / "data/human/basenji_records")
    assert "has no records of label 'test', 10 are stated" in caplog.text
    assert data.counts == {"train": 45, "valid": 10}
    assert [p.name for p in data.shards("train")][2] == "train-2.tfr"
    with pytest.raises(ConfigError, match=r"'test' .* has 10 records by statistics.json, but no"):
        data.shards("test")
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        data.shards("trian")


def test_empty_shards_are_passed_over(other_folder, content):
    folder = other_folder()
    (folder / "tfrecords" / "train-13.tfr").write_bytes(zlib.compress(b""))
    (folder / "tfrecords" / ".train-14.tfr").write_bytes(b"what another system left")
    assert_same(Data.open(folder), content, "train")


def test_tables_are_not_needed(other_folder, content):
    data = Data.open(other_folder(table=None, windows=False))
    assert [t.identifier for t in data.targets] == ["t0", "t1", "t2"]
    assert data.counts == {"train": 25, "valid": 3}
    assert data.strand_order is None
    assert_same(data, content, "valid")
    with pytest.raises(InputFileError, match=r"has no sequences\.bed, which says where"):
        data.windows("train")


def test_windows_are_those_of_the_bins(other_folder):
    folder = other_folder()
    first = Data.open(folder).windows("train")[1]
    assert first == Interval("chr1", 100, 170, "train")
    # Until 2021 they were listed with the crop.
    rows = (folder / "sequences.bed").read_text().splitlines()
    wide = [r.split("\t") for r in rows]
    lines = [f"{c}\t{int(s) + 1000}\t{int(e) + 1016}\t{n}\n" for c, s, e, n in wide]
    (folder / "sequences.bed").write_text("".join(lines))
    assert Data.open(folder).windows("train")[1] == Interval("chr1", 1108, 1178, "train")
    (folder / "sequences.bed").write_text("chr1\t0\t71\ttrain\n")
    with pytest.raises(InputFileError, match=r"of 71 bp, statistics.json makes them 70"):
        Data.open(folder).windows("train")


def test_numbers_may_have_a_point(other_folder, content):
    data = Data.open(other_folder(seq_length=86.0, pool_width=10.0, train_seqs=25.0))
    assert (type(data.seq_length), data.seq_length) == (int, 86)
    assert_same(data, content, "valid")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seq_length": 88}, "record 0 has a sequence of 86 bytes; statistics.json makes it 88 "),
        ({"num_targets": 4}, "targets.txt has 3 targets, statistics.json says 4"),
        ({"target_length": 8}, "target_length 8, but seq_length 86 less twice crop_bp 8 makes 7"),
        ({"crop_bp": 3}, "target_length 7, but seq_length 86 less twice crop_bp 3 makes 8"),
        ({"train_seqs": 24}, "states 24 records of label 'train', but there are 25"),
        ({"train_seqs": "many"}, "train_seqs = 'many': want a whole number from 0"),
        ({"pool_width": 0}, "pool_width = 0: want a whole number from 1"),
        ({"crop_bp": True}, "crop_bp = True: want a whole number from 0"),
        ({"seq_length": 86.5}, "seq_length = 86.5: want"),
        ({"seq_1hot": False}, '86 bytes; .* makes it 344 .*"seq_1hot" is not true.* indices'),
        ({"seq_depth": 5}, "seq_depth 5"),
        ({"diagonal_offset": 2}, "contact maps"),
        ({"encoding": "pakced"}, "did you mean 'packed'"),
        ({"encoding": "packed"}, "no bytes feature 'sequence_packed': it has sequence, target"),
        ({"encoding": "onehot"}, "unknown encoding 'onehot'"),
    ],
)
def test_statistics_that_disagree(other_folder, changes, message):
    folder = other_folder()
    path = folder / "statistics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(TfepiError, match=message):
        Data.open(folder)


def test_one_hot_where_indices_are_stated(other_folder):
    with pytest.raises(InputFileError, match=r'344 bytes; .* 86 .*"seq_1hot" is true.* one-hot'):
        Data.open(other_folder("onehot", seq_1hot=True))


def test_targets_of_another_size(other_folder):
    folder = other_folder(table=None, num_targets=4)
    message = r"target of 42 bytes; .* makes it 56 \(7 bins of 4 float16 targets\)"
    with pytest.raises(InputFileError, match=message):
        Data.open(folder)


@pytest.mark.parametrize("text", ["{", '{"a": 1,}', "[1]", "\xff"])
def test_statistics_that_are_no_json(other_folder, text):
    folder = other_folder()
    (folder / "statistics.json").write_bytes(text.encode("latin1"))
    with pytest.raises(
        InputFileError, match=r"statistics.json (is no text|is not valid JSON|holds a JSON)"
    ):
        Data.open(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: (f / "train-7.tfr").unlink(), r"train-7.tfr is missing, train-8.tfr is there"),
        (lambda f: (f / "train-0.tfr").unlink(), r"train-0.tfr is missing, train-1.tfr is there"),
        (lambda f: (f / "train-05.tfr").write_bytes(b""), "train-5.tfr has the number of another"),
        (lambda f: (f / "train-b.tfr").write_bytes(b""), r"train-b.tfr has no number"),
        (
            lambda f: (f / "train-3.tfr").write_bytes(b"x\x9c"),
            r"train-3.tfr is truncated.* 2 bytes",
        ),
        (lambda f: (f / "train-3.tfr").write_bytes(b""), r"train-3.tfr is truncated.* 0 bytes"),
        (lambda f: (f / "train-3.tfr").write_bytes(b"\x1f\x8b" + bytes(20)), "3.tfr is gzip-comp"),
        (lambda f: (f / "train-3.tfr").write_bytes(b"a" * 20), "3.tfr is neither a ZLIB nor"),
        (
            lambda f: (f / "train-3.tfr").write_bytes(frame(b"abc")),
            "3.tfr is not compressed, .*-0.tfr is: write all alike",
        ),
        (lambda f: [p.unlink() for p in f.glob("*")], "has no tfrecords/.* with records"),
    ],
)
def test_shards_that_are_missing_or_strange(other_folder, change, message):
    folder = other_folder()
    change(folder / "tfrecords")
    with pytest.raises(InputFileError, match=message):
        Data.open(folder)


def test_a_truncated_shard_names_record_and_byte(other_folder):
    folder = other_folder(per_shard=5)
    shard = folder / "tfrecords" / "train-1.tfr"
    size = len(zlib.decompress(shard.read_bytes())) // 5
    shard.write_bytes(shard.read_bytes()[:-60])
    data = Data.open(folder)
    with pytest.raises(
        InputFileError, match=rf"train-1.tfr is corrupt at record 4, byte {4 * size}: "
    ):
        list(data.records("train"))


@pytest.mark.parametrize(
    ("encoding", "change", "message"),
    [
        ("index", {"sequence": bytes([0] * 9 + [7] + [0] * 76)}, "record 1: base 9 is 7, want 0"),
        (
            "onehot",
            {"sequence": bytes([1, 1] + [0] * 342)},
            r"record 1: base 0 is \[1, 1, 0, 0\], want one",
        ),
        (
            "onehot",
            {"sequence": bytes([0] * 340 + [0, 0, 2, 0])},
            r"record 1: base 85 is \[0, 0, 2, 0\]",
        ),
        ("index", {"sequence": bytes(85)}, "record 1 has a sequence of 85 bytes; .* makes it 86"),
        (
            "packed",
            {"sequence_n": bytes(10)},
            "record 1 has a sequence_n of 10 bytes; .* makes it 11",
        ),
        ("index", {"target": bytes(44)}, "record 1 has a target of 44 bytes; .* makes it 42"),
        ("index", {"umap": bytes(6)}, "record 1 has a umap of 6 bytes; .* makes it 7 .7 bins"),
        (
            "index",
            {"target": None},
            "record 1 has no bytes feature 'target': it has sequence, umap",
        ),
    ],
)
def test_a_record_that_is_wrong_is_named(other_folder, content, encoding, change, message):
    folder = other_folder(encoding, umap=True)
    path = folder / "tfrecords" / "valid-0.tfr"
    features = content.features("valid", 0, encoding, umap=True)
    with RecordWriter(path) as writer:
        writer.write(features)
        writer.write({k: v for k, v in (features | change).items() if v is not None})
    with pytest.raises(InputFileError, match=rf"valid-0.tfr {message}"):
        list(Data.open(folder).records("valid"))


def test_what_is_no_example_is_named(other_folder):
    folder = other_folder()
    path = folder / "tfrecords" / "valid-1.tfr"
    path.write_bytes(zlib.compress(frame(b"\x0a\x7f\x00")))
    with pytest.raises(InputFileError, match=r"valid-1.tfr record 0 is no tf.train.Example"):
        list(Data.open(folder).records("valid"))


def test_labels_without_windows_are_counted(other_folder, caplog):
    folder = other_folder()
    text = (folder / "sequences.bed").read_text()
    (folder / "sequences.bed").write_text(text.replace("\tvalid", "\tother"))
    with caplog.at_level(logging.INFO):
        assert Data.open(folder).counts == {"train": 25, "valid": 3}
    assert "lists no windows of label 'valid': counting its records" in caplog.text


def test_counts_of_our_own_are_the_manifests(small_data, tmp_path):
    """Under --compat statistics.json states windows that were left out."""
    copy = tmp_path / "d"
    copy.mkdir()
    for path in small_data.iterdir():
        os.symlink(path, copy / path.name)
    stats = json.loads((copy / "statistics.json").read_text())
    (copy / "statistics.json").unlink()
    (copy / "statistics.json").write_text(json.dumps(stats | {"train_seqs": 10_000}))
    found, data = Data.open(copy), Data.open(small_data)
    assert found.counts == data.counts
    assert found.stated["train"] == 10_000
    assert replace(found, folder=data.folder, stated={}) == replace(data, stated={})


@pytest.mark.parametrize("umap", [True, False])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_tf_data_gives_the_same(other_folder, content, encoding, umap):
    from tfrecords_tools.dataset import Augmentation, eval_dataset, train_dataset

    data = Data.open(other_folder(encoding, umap=umap))
    sequences, targets, _ = content.labels["train"]
    batches = list(eval_dataset(data, "train", 8))
    np.testing.assert_array_equal(
        np.concatenate([x["sequence"] for x, _ in batches]), one_hot(sequences)
    )
    np.testing.assert_array_equal(
        np.concatenate([y for _, y in batches]), targets.astype(np.float32)
    )
    known = {}
    for indices, target in zip(sequences, targets.astype(np.float32), strict=True):
        for shift in (-1, 0, 1):
            moved = np.full_like(indices, 4)
            moved[max(0, shift) : LENGTH + min(0, shift)] = indices[
                max(0, -shift) : LENGTH - max(0, shift)
            ]
            known[one_hot(moved).tobytes()] = target
            flipped = one_hot(reverse_complement(moved)).tobytes()
            known.setdefault(flipped, target[::-1, [1, 0, 2]])
    seen = 0
    for x, y in train_dataset(data, "train", 5, 1, 0, Augmentation(rc=True, shift=1)):
        for sequence, target in zip(x["sequence"].numpy(), y.numpy(), strict=True):
            if sequence.any():  # windows of N alone look the same on both strands
                np.testing.assert_array_equal(known[sequence.tobytes()], target)
            seen += 1
    assert seen == 25


@pytest.mark.parametrize(
    ("encoding", "value"),
    [
        ("index", bytes([4] * 85 + [8])),
        ("onehot", bytes([0, 1, 0, 1] + [0] * 340)),
        ("onehot", bytes([2, 0, 0, 0] + [0] * 340)),
    ],
)
def test_tf_data_refuses_what_is_no_base(other_folder, content, encoding, value):
    import tensorflow as tf

    from tfrecords_tools.dataset import eval_dataset

    folder = other_folder(encoding)
    with RecordWriter(folder / "tfrecords" / "valid-1.tfr") as writer:
        writer.write(content.features("valid", 2, encoding, umap=False) | {"sequence": value})
    data = Data.open(folder)
    with pytest.raises(tf.errors.InvalidArgumentError, match="assertion failed"):
        list(eval_dataset(data, "valid", 3))
    with pytest.raises(InputFileError, match=r"valid-1.tfr record 0: base (85|0) is"):
        list(data.records("valid"))


def test_records_that_are_missing_are_told_at_the_end(write_records):
    """Other tools' folders do not say how many records a shard has."""
    folder = write_records().folder
    (folder / "manifest.json").unlink()
    (folder / "tfrecords/train-2.tfr").unlink()
    data = Data.open(folder)
    assert data.counts["train"] == 9
    with pytest.raises(InputFileError, match=r"train in .* hold 8 records, .* tells 9: fetch"):
        list(data.records("train"))


def test_a_manifest_that_does_not_fit(write_records):
    folder = write_records().folder
    path, stats = folder / "manifest.json", folder / "statistics.json"
    text, stated = path.read_text(), stats.read_text()
    extra = folder / "tfrecords/train-3.tfr"
    extra.write_bytes((folder / "tfrecords/train-0.tfr").read_bytes())
    with pytest.raises(InputFileError, match=r"train-3\.tfr is not in the manifest"):
        Data.open(folder)
    extra.unlink()
    stats.write_text(stated.replace('"train_seqs": 9', '"train_seqs": 5'))
    with pytest.raises(InputFileError, match="states 5 records of label 'train', but there are 9"):
        Data.open(folder)
    stats.write_text(stated)
    value = json.loads(text)
    for shards in (None, "x", [1], [{"file": "train-0.tfr"}]):
        path.write_text(json.dumps(value | {"shards": shards}))
        with pytest.raises(InputFileError, match=r"manifest.json has shards = .*: want a list"):
            Data.open(folder)


def test_what_is_no_data_folder(write_records, tmp_path):
    folder = write_records().folder
    with pytest.raises(InputFileError, match="is a file: name the folder that holds it"):
        Data.open(folder / "statistics.json")
    with pytest.raises(InputFileError, match=r"does not exist: name a data folder"):
        Data.open(folder / "tfrecords")
    stats = folder / "statistics.json"
    stats.write_text('{"num_targets": 4, "seq_length": 512, "crop_bp": 64}')
    with pytest.raises(InputFileError, match="json lacks pool_width, target_length: copy it"):
        Data.open(folder)
