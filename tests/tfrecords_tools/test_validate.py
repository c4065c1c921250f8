import json
import re
import zlib

import numpy as np
import pytest

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.framing import frame, is_compressed, read_frames
from tfrecords_tools.records import RecordWriter, parse_example
from tfrecords_tools.targets import Target
from tfrecords_tools.validate import validate


def kinds(report):
    return {(level, kind): entry[0] for (level, kind), entry in report.problems.items()}


def first(report, kind):
    return next(e[1][0] for (_, k), e in report.problems.items() if k == kind)


def rewrite(path, change):
    """Write a shard again, as it was compressed, with each record's features changed."""
    features = [parse_example(data) for data in read_frames(path)]
    with RecordWriter(path, is_compressed(path)) as writer:
        for number, values in enumerate(features):
            writer.write(change(number, values))


@pytest.fixture
def data(write_records):
    """Nine records of train in three shards, three of valid in one, as of another tool."""
    folder = write_records().folder
    (folder / "manifest.json").unlink()
    return folder


def edit_statistics(folder, **changes):
    path = folder / "statistics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_nothing_to_tell(data, write_records):
    for folder in (
        data,
        write_records(name="ours").folder,
        *[write_records(name=e, encoding=e).folder for e in ("packed", "onehot")],
    ):
        report = validate(folder, quiet=True)
        assert not report.problems
        assert report.records == {"train": 9, "valid": 3}
        assert report.shards == 4
        assert report.lines() == []
        assert "12 records (train 9, valid 3) in 4 shards; 0 errors, 0 notes" in report.summary()


def test_all_damage_is_told_with_exact_counts(data):
    """Three wrong checksums in one shard, a truncated one, one that is no shard."""
    shards = data / "tfrecords"
    stream = bytearray(zlib.decompress((shards / "train-0.tfr").read_bytes()))
    size = len(stream) // 4
    for number in (0, 2, 3):
        stream[number * size + 100] ^= 8
    (shards / "train-0.tfr").write_bytes(zlib.compress(bytes(stream)))
    half = (shards / "train-1.tfr").read_bytes()
    (shards / "train-1.tfr").write_bytes(half[: len(half) // 2])
    (shards / "train-2.tfr").write_bytes(b"no shard at all")
    report = validate(data, shown=2, quiet=True)
    found = kinds(report)
    assert found[("error", "framing")] == 5
    assert report.count("error") == 7
    framing = report.problems[("error", "framing")][1]
    assert framing == [
        {
            "file": "train-0.tfr",
            "record": number,
            "byte": number * size,
            "detail": "the checksum does not match the data",
        }
        for number in (0, 2)
    ]
    assert 1 <= report.records["train"] < 5
    assert found[("error", "counts")] == 2
    lines = report.lines()
    assert f"error: framing: train-0.tfr, record 2, byte {2 * size}: the checksum" in lines[3]
    assert lines[4] == "error: framing: … 5 in all"


@pytest.mark.parametrize(
    ("encoding", "change", "kind", "told"),
    [
        ("index", {"sequence": bytes(500)}, "size", r"sequence has 500 bytes, .* makes it 512"),
        ("index", {"sequence": None}, "feature missing", "no feature 'sequence'"),
        ("index", {"target": None}, "feature missing", "no feature 'target'"),
        ("index", {"target": bytes(190)}, "size", r"target has 190 bytes, .* 192 \(24 bins of 4"),
        ("index", {"umap": bytes(23)}, "size", "umap has 23 bytes, want one per bin, 24"),
        ("index", {"umap": b"\2" * 24}, "umap", "umap has the byte 2, want 0 and 1"),
        ("index", {"sequence": bytes(510) + b"\5\7"}, "sequence", "2 bases .* first 5 at base 510"),
        ("packed", {"sequence_n": bytes(63)}, "size", "sequence_n has 63 bytes, .* 64"),
        ("packed", {"sequence_packed": None}, "feature missing", "no feature 'sequence_packed'"),
        (
            "onehot",
            {"sequence": bytes(2044) + b"\1\1\0\0"},
            "sequence",
            r"1 bases are not one-hot, the first \[1, 1, 0, 0\] at base 511",
        ),
        ("onehot", {"sequence": bytes(2044) + b"\2\0\0\0"}, "sequence", r"first \[2, 0, 0, 0\]"),
        ("onehot", {"sequence": bytes(512)}, "size", "512 bytes, .* 2048 .*onehot-coded"),
        ("index", {"weather": b"fine"}, "unknown feature", "'weather', which is not read"),
    ],
)
def test_contents(write_records, encoding, change, kind, told):
    folder = write_records(encoding=encoding).folder
    (folder / "manifest.json").unlink()

    def spoil(number, features):
        changed = features | change if number == 2 else features
        return {n: v for n, v in changed.items() if v is not None}

    rewrite(folder / "tfrecords/train-1.tfr", spoil)
    report = validate(folder, quiet=True)
    level = "note" if kind == "unknown feature" else "error"
    assert kinds(report) == {(level, kind): 1}
    place = first(report, kind)
    assert re.search(told, place["detail"]), place
    assert (place["file"], place["record"]) == ("train-1.tfr", 2)
    assert place["byte"] > 0


def test_what_is_no_example(data):
    path = data / "tfrecords/valid-0.tfr"
    path.write_bytes(zlib.compress(b"".join(map(frame, [b"\xff\xff", b"", b"\x0a\x05a"]))))
    report = validate(data, quiet=True)
    assert kinds(report) == {("error", "example"): 2, ("error", "feature missing"): 2}


def test_values_by_target(write_records):
    def values(row):
        y = np.ones((24, 4), np.float16)
        if row in (1, 5):
            y[3, 1] = np.nan
            y[4:6, 2] = np.inf
            y[6, 2] = -np.inf
            y[7:10, 3] = 65504
            y[11, 0] = -1.5
            y[12, 2] = -7  # a mean may be negative
        return y

    folder = write_records(values=values).folder
    report = validate(folder, quiet=True)
    wanted = {
        "plus": {"root": 2},
        "minus": {"nan": 2},
        "dnase": {"infinite": 6},
        "top": {"limit": 6},
    }
    assert report.targets == wanted
    # The manifest says that this target has missing values.
    levels = {kind: level for level, kind in report.problems}
    assert levels == {
        "NaN": "note",
        "infinity": "error",
        "float16 limit": "note",
        "impossible value": "error",
    }
    assert first(report, "infinity")["detail"] == (
        "3 bins of 1 targets are infinite: float16 overflowed; first target dnase bin 4"
    )
    (folder / "manifest.json").unlink()
    report = validate(folder, quiet=True)
    assert kinds(report)[("error", "NaN")] == 2
    assert report.targets == wanted
    assert "dnase: bins: 6 infinite" in report.summary()


def test_counts(data):
    edit_statistics(data, train_seqs=12)
    report = validate(data, quiet=True)
    assert kinds(report) == {("note", "counts"): 1}
    assert "9 records, statistics.json states 12 (other tools" in first(report, "counts")["detail"]
    edit_statistics(data, train_seqs=8)
    assert kinds(validate(data, quiet=True)) == {("error", "counts"): 1}
    edit_statistics(data, train_seqs=9)
    bed = data / "sequences.bed"
    bed.write_text("".join(bed.read_text().splitlines(keepends=True)[1:]))
    report = validate(data, quiet=True)
    assert kinds(report) == {("error", "counts"): 1}
    assert "9 records, sequences.bed lists 8 windows" in first(report, "counts")["detail"]
    bed.unlink()
    assert kinds(validate(data, quiet=True)) == {("note", "windows"): 1}


def test_labels_without_records_or_statement(data):
    (data / "tfrecords/valid-0.tfr").unlink()
    report = validate(data, quiet=True)
    assert kinds(report) == {("note", "no records"): 1}
    for name in ("train-0", "train-1", "train-2"):
        (data / f"tfrecords/{name}.tfr").rename(data / f"tfrecords/fold{name[5:]}.tfr")
    bed = data / "sequences.bed"
    bed.write_text(bed.read_text().replace("train", "fold"))
    assert ("note", "counts") in kinds(validate(data, quiet=True))


def test_windows(data):
    bed = data / "sequences.bed"
    rows = bed.read_text().splitlines()
    bed.write_text("\n".join([*rows[:-2], "chr1\t64\t200\tvalid", "chr1\t64\t576\tvalid"]) + "\n")
    report = validate(data, quiet=True)
    assert kinds(report) == {("error", "windows"): 1}
    assert first(report, "windows")["detail"] == (
        "chr1:64-200 is 136 bp, statistics.json makes it 384 bp"
    )
    bed.write_text("chr1 x\n")
    assert "line 1 is no BED interval" in first(validate(data, quiet=True), "windows")["detail"]


def test_shards(data):
    shards = data / "tfrecords"
    (shards / "train-1.tfr").rename(shards / "train-5.tfr")
    (shards / "train.tfr").write_bytes(b"")
    (shards / ".train-7.tfr.12.part.tfr").write_bytes(b"")
    (shards / "train-6.tfr").write_bytes(zlib.compress(b""))
    report = validate(data, quiet=True)
    assert kinds(report) == {
        ("error", "shard missing"): 3,
        ("error", "file name"): 1,
        ("note", "leftover"): 1,
        ("note", "empty shard"): 1,
    }
    assert [e["file"] for e in report.problems[("error", "shard missing")][1]] == [
        "train-1.tfr",
        "train-3.tfr",
        "train-4.tfr",
    ]
    assert report.records["train"] == 9
    for path in shards.iterdir():
        path.unlink()
    assert ("error", "shards") in kinds(validate(data, quiet=True))


def test_shards_of_several_genomes(data):
    shards = data / "tfrecords"
    for old, new in (("train-1", "train-1-0"), ("train-2", "train-1-2"), ("train-0", "train-0-0")):
        (shards / f"{old}.tfr").rename(shards / f"{new}.tfr")
    report = validate(data, quiet=True)
    assert kinds(report) == {("error", "shard missing"): 1}
    assert first(report, "shard missing")["file"] == "train-1-1.tfr"
    assert report.records["train"] == 9


def test_the_manifest(write_records):
    folder = write_records().folder
    shards = folder / "tfrecords"
    data = bytearray((shards / "train-0.tfr").read_bytes())
    rewrite(shards / "train-2.tfr", lambda n, f: f | {"target": bytes(192)})
    (shards / "train-1.tfr").unlink()
    (shards / "valid-1.tfr").write_bytes(data)
    report = validate(folder, quiet=True)
    details = {e["file"]: e["detail"] for e in report.problems[("error", "manifest")][1]}
    assert details["train-1.tfr"] == "the manifest lists it, it is missing"
    assert "bytes, the manifest says" in details["train-2.tfr"]
    assert details["valid-1.tfr"] == "not listed in the manifest"
    (shards / "valid-1.tfr").unlink()
    data[-1] ^= 1  # its ZLIB checksum: same size, another hash
    (shards / "train-0.tfr").write_bytes(data)
    report = validate(folder, quiet=True)
    details = {e["file"]: e["detail"] for e in report.problems[("error", "manifest")][1]}
    assert details["train-0.tfr"] == "its SHA-256 is not the manifest's"
    manifest = folder / "manifest.json"
    manifest.write_text(manifest.read_text().replace("tfepi-data", "other"))
    assert "format 'other'" in first(validate(folder, quiet=True), "manifest")["detail"]
    manifest.write_text(
        manifest.read_text()
        .replace('"other"', '"tfepi-data"')
        .replace('"file": "train-0.tfr"', '"file": "../statistics.json"')
    )
    assert "leads outside" in first(validate(folder, quiet=True), "manifest")["detail"]


def test_statistics_and_tables_that_are_wrong(data):
    edit_statistics(data, num_targets=5)
    report = validate(data, quiet=True)
    assert first(report, "targets table")["detail"] == (
        "targets.txt has 4 targets, statistics.json says 5"
    )
    assert kinds(report)[("error", "size")] == 12
    edit_statistics(data, num_targets=4, target_length=25)
    report = validate(data, quiet=True)
    assert "makes 24 bins" in first(report, "statistics")["detail"]
    assert ("note", "not checked") in kinds(report)
    assert report.records == {"train": 9, "valid": 3}
    (data / "statistics.json").unlink()
    assert "does not exist" in first(validate(data, quiet=True), "statistics")["detail"]


def test_without_a_table_of_targets(data):
    (data / "targets.txt").unlink()
    report = validate(data, quiet=True)
    assert kinds(report) == {("note", "targets table"): 1}
    (data / "targets.txt").write_text("x\n")
    assert ("error", "targets table") in kinds(validate(data, quiet=True))


def test_no_such_folder(tmp_path):
    with pytest.raises(InputFileError, match="does not exist"):
        validate(tmp_path / "no")


def test_the_report_as_json(data):
    rewrite(data / "tfrecords/valid-0.tfr", lambda n, f: f | {"sequence": bytes([9]) * 512})
    value = json.loads(json.dumps(validate(data, shown=1, quiet=True).to_json(), allow_nan=False))
    assert value["format"] == "tfepi-validation"
    assert (value["errors"], value["notes"]) == (3, 0)
    [problem] = value["problems"]
    assert (problem["kind"], problem["count"], len(problem["first"])) == ("sequence", 3, 1)
    assert problem["first"][0]["file"] == "valid-0.tfr"


@pytest.mark.parametrize(
    ("folder", "records", "notes"),
    [
        ("fixtures/basenji/basenji_full", 179, 0),
        ("fixtures/basenji/hound_full", 179, 0),
        ("fixtures/basenji/basenji_folds", 557, 2),
        ("data/human/basenji_records", 55, 1),
    ],
)
def test_data_of_other_tools(test_data, folder, records, notes):
    report = validate(test_data / folder, quiet=True)
    assert report.records.total() == records
    assert (report.count("error"), report.count("note")) == (0, notes)


def test_targets_may_be_of_one_kind(write_records):
    folder = write_records(targets=(Target(0, "t", sum_stat="mean"),)).folder
    assert not validate(folder, quiet=True).problems


def test_a_shard_that_is_compressed_otherwise(data):
    """The fewer are told, whichever comes first."""
    path = data / "tfrecords/train-0.tfr"
    path.write_bytes(zlib.decompress(path.read_bytes()))
    report = validate(data, quiet=True)
    assert kinds(report) == {("error", "compression"): 1}
    assert first(report, "compression") == {
        "file": "train-0.tfr",
        "detail": "is not compressed, train-1.tfr is: write all alike",
    }
    assert report.records == {"train": 9, "valid": 3}
    for name in ("train-1", "train-2"):
        path = data / f"tfrecords/{name}.tfr"
        path.write_bytes(zlib.decompress(path.read_bytes()))
    report = validate(data, quiet=True)
    assert kinds(report) == {("error", "compression"): 1}
    assert first(report, "compression") == {
        "file": "valid-0.tfr",
        "detail": "is ZLIB-compressed, train-0.tfr is not: write all alike",
    }


@pytest.mark.parametrize(
    "text", ["", "no JSON", "[1]", '{"num_targets": 4}', '{"train_seqs": "x"}']
)
def test_unreadable_statistics_are_told_once(data, text):
    (data / "statistics.json").write_text(text)
    report = validate(data, quiet=True)
    assert kinds(report) == {("error", "statistics"): 1, ("note", "not checked"): 1}


def test_labels_without_shards_are_told_by_what_is_known(data):
    edit_statistics(data, fold3_seqs=17)
    told = "label fold3 has no shard; statistics.json states 17 records"
    report = validate(data, quiet=True)
    assert first(report, "no records")["detail"] == f"{told}, sequences.bed lists 0 windows"
    (data / "sequences.bed").unlink()
    assert first(validate(data, quiet=True), "no records")["detail"] == told


def test_shards_that_cannot_be_opened_or_are_there_twice(data):
    shards = data / "tfrecords"
    (shards / "train-00.tfr").write_bytes((shards / "train-0.tfr").read_bytes())
    (shards / "valid-0.tfr").unlink()
    (shards / "valid-0.tfr").mkdir()
    report = validate(data, quiet=True)
    assert kinds(report) == {
        ("error", "file name"): 1,
        ("error", "shards"): 1,
        ("error", "counts"): 2,
    }
    assert first(report, "file name") == {
        "file": "train-00.tfr",
        "detail": "it has the number of train-0.tfr: it is not read",
    }
    assert "valid-0.tfr is a folder" in first(report, "shards")["detail"]
    with pytest.raises(InputFileError, match="is a file: name the folder that holds it"):
        validate(data / "statistics.json")
