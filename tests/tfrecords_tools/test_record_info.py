import csv
import io
import json

import numpy as np
import pytest

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.record_info import as_json, as_table, as_text, describe
from tfrecords_tools.target_summary import TargetSums
from tfrecords_tools.targets import Target


def spoiled(row):
    rng = np.random.default_rng(row)
    y = rng.gamma(0.5, 9, (24, 4)).astype(np.float16)
    y[rng.random((24, 4)) < 0.2] = 0
    y[:3, 1] = np.nan
    y[0, 2] = np.inf
    y[:, 3] = np.nan
    y[5, 0] = 40
    return y


def test_statistics_are_those_of_all_values_at_once(write_records):
    data = write_records(values=spoiled)
    found = describe(data, statistics=True, quiet=True)
    values = np.concatenate([data.arrays(label)[1] for label in data.labels]).astype(np.float64)
    values = values.reshape(-1, 4)
    assert found["labels"] == [
        {"label": "train", "stated": 9, "listed": 9, "records": 9, "shards": 3},
        {"label": "valid", "stated": 3, "listed": 3, "records": 3, "shards": 1},
    ]
    assert found["features"] == {"sequence": 512, "target": 192}
    for column, row in enumerate(found["targets"][:3]):
        y = values[:, column]
        known = y[np.isfinite(y)]
        target = data.targets[column]
        assert row["identifier"] == target.identifier
        assert row["bins"] == len(y)
        assert row["mean"] == pytest.approx(known.mean(), rel=1e-12)
        assert row["sd"] == pytest.approx(known.std(), rel=1e-12)
        assert (row["min"], row["max"]) == (known.min(), known.max())
        assert row["zero_share"] == (known == 0).mean()
        assert row["nan_share"] == np.isnan(y).mean()
        assert row["infinite"] == np.isinf(y).sum()
        assert row["at_clip"] == (known >= target.clip).sum()
        assert row["above_clip_soft"] == (known > target.clip_soft).sum()
    assert [r["infinite"] for r in found["targets"]] == [0, 0, 12, 0]
    assert found["targets"][0]["at_clip"] >= 12
    assert found["targets"][3]["mean"] is None
    assert found["targets"][3]["nan_share"] == 1
    json.dumps(as_json([found]), allow_nan=False)


def test_moments_keep_their_digits():
    rng = np.random.default_rng(1)
    values = (2048 + rng.integers(0, 3, (200, 50, 1))).astype(np.float16)
    sums = TargetSums((Target(0, "t"),))
    for block in values:
        sums.add(block)
    assert sums.summaries()[0].sd == pytest.approx(values.astype(np.float64).std(), rel=1e-12)


def test_clips_of_the_old_style_are_of_unscaled_values():
    target = Target(0, "t", clip=10.0, clip_soft=4.0, scale=3.0)
    values = np.array([3, 12.5, 30, -30], np.float16)[:, None]
    for style, at_clip, above in (("current", 3, 2), ("old", 2, 2)):
        sums = TargetSums((target,), style)
        sums.add(values)
        summary = sums.summaries()[0]
        assert (summary.at_clip, summary.above_clip_soft) == (at_clip, above)


def test_what_is_stated_and_what_is_there(write_records):
    data = write_records({"train": 5, "valid": 2, "test": 1})
    (data.folder / "tfrecords/test-0.tfr").unlink()
    (data.folder / "manifest.json").unlink()
    stats = data.folder / "statistics.json"
    stats.write_text(stats.read_text().replace('"train_seqs": 5', '"train_seqs": 7'))
    data = Data.open(data.folder)
    found = describe(data, quiet=True)
    assert [tuple(row.values()) for row in found["labels"]] == [
        ("train", 7, 5, 5, 2),
        ("valid", 2, 2, 2, 1),
        ("test", 1, 1, 0, 0),
    ]
    quick = describe(data, ["valid"], count=False, quiet=True)
    assert [tuple(row.values()) for row in quick["labels"]] == [("valid", 2, 2, None, 1)]
    assert quick["features"] == {"sequence": 512, "target": 192}
    with pytest.raises(ConfigError, match=r"label 'test'.* has 1 record by statistics"):
        describe(data, ["test"], quiet=True)
    with pytest.raises(ConfigError, match="unknown style 'odd'"):
        describe(data, style="odd", quiet=True)


def test_text_and_table(write_records):
    data = write_records(values=spoiled)
    found = describe(data, statistics=True, quiet=True)
    text = as_text(found)
    assert "4 targets, stranded" in text
    assert "sequence 512 bp, index-coded; 24 bins of 16 bp, crop 64 bp" in text
    lines = text.splitlines()
    assert lines[4].split() == ["label", "stated", "listed", "records", "shards"]
    assert lines[5].split() == ["train", "9", "9", "9", "3"]
    row = next(line for line in lines if line.startswith("top"))
    assert row.split()[:4] == ["top", "max", "-", "-"]
    table = list(csv.DictReader(io.StringIO(as_table([found, found])), delimiter="\t"))
    assert len(table) == 8
    assert table[4]["data"] == str(data.folder)
    assert float(table[1]["mean"]) == found["targets"][1]["mean"]
    assert table[3]["mean"] == ""
    counts = as_table([describe(data, quiet=True)]).splitlines()
    assert counts[1] == f"{data.folder}\ttrain\t9\t9\t9\t3"


def test_fixtures_of_other_tools(test_data):
    folder = test_data / "fixtures/basenji/hound_full"
    found = describe(Data.open(folder), statistics=True, quiet=True)
    assert found["features"] == {"sequence": 16384, "target": 576, "umap": 96}
    assert [tuple(row.values()) for row in found["labels"]] == [
        ("train", 176, 176, 176, 2),
        ("valid", 2, 2, 2, 1),
        ("test", 1, 1, 1, 1),
    ]
    assert found["manifest"] is None
