"""Several data folders as one."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.joined import join, pool_labels


@pytest.fixture
def parts(small_data, tmp_path):
    """Two folders: the second has no manifest and no test."""
    copy = tmp_path / "copy"
    shutil.copytree(small_data, copy)
    (copy / "manifest.json").unlink()
    for path in (copy / "tfrecords").glob("test-*"):
        path.unlink()
    return Data.open(small_data), Data.open(copy)


def test_a_single_folder_is_itself(parts):
    assert join(parts[:1]) is parts[0]


def test_records_windows_and_counts_follow_one_another(parts):
    both = join(parts)
    assert both.labels == ["train", "valid", "test"]
    assert both.counts["valid"] == parts[0].counts["valid"] + parts[1].counts["valid"]
    assert both.counts["test"] == parts[0].counts["test"]
    assert both.stated["test"] == 2 * parts[0].stated["test"]
    assert both.folders == (parts[0].folder, parts[1].folder)
    assert (both.layout, both.manifest_sha256) == (None, None)
    for label in ("valid", "test"):
        found = [(s.tobytes(), t.tobytes()) for s, t in both.records(label)]
        one = [(s.tobytes(), t.tobytes()) for s, t in parts[0].records(label)]
        assert found == one * (2 if label == "valid" else 1)
        assert len(both.windows(label)) == len(found) == both.counts[label]
    assert next(both.frames("test"))[0].parent.parent == parts[0].folder


def test_tf_data_reads_them_all(parts):
    from tfrecords_tools.dataset import eval_dataset

    one, both = (
        np.concatenate([y for _, y in eval_dataset(data, "valid", 16)])
        for data in (parts[0], join(parts))
    )
    np.testing.assert_array_equal(both, np.concatenate([one, one]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crop_bp": 32}, "crop_bp is 64 in .* and 32 in .*: build both alike"),
        ({"encoding": "onehot"}, "encoding is index in .* and onehot in"),
        ({"targets": ()}, "want the same in the same order"),
    ],
)
def test_folders_that_differ(parts, changes, message):
    with pytest.raises(ConfigError, match=message):
        join([parts[0], replace(parts[1], **changes)])


def test_bad_requests(parts):
    with pytest.raises(ConfigError, match="named twice: name each once"):
        join([parts[0], parts[0]])
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        join(parts).shards("trian")


def test_labels_are_pooled(parts):
    data = parts[0]
    pooled = pool_labels(data, ("valid,test", "train"))
    assert pooled.counts == data.counts | {"valid,test": data.counts["valid"] + data.counts["test"]}
    for read in ("records", "windows"):
        found = [repr(x) for x in getattr(pooled, read)("valid,test")]
        wanted = [repr(x) for n in ("valid", "test") for x in getattr(data, read)(n)]
        assert found == wanted
    assert pooled.windows("train") == data.windows("train")
    assert pooled.folders == data.folders
    assert pool_labels(data, ("train", "valid")) is data
    assert len(list(pool_labels(join(parts), ("valid,test", "train")).records("valid,test"))) == (
        2 * data.counts["valid"] + data.counts["test"]
    )


def test_labels_that_cannot_be_pooled(parts):
    with pytest.raises(ConfigError, match="unknown label 'vald'"):
        pool_labels(parts[0], ("train,vald", "test"))
    for labels in (("train,valid", "valid"), ("train,train", "valid")):
        with pytest.raises(ConfigError, match="is named twice in"):
            pool_labels(parts[0], labels)


def test_targets_that_were_made_otherwise(parts):
    for changes, message in (
        ({"scale": 7.0}, r"scale of target '\w+' is 1.0 in .* and 7.0 in .*: build both alike"),
        ({"sum_stat": "max"}, "sum_stat of target"),
        ({"clip_soft": 3.0}, "clip_soft of target"),
    ):
        targets = (replace(parts[1].targets[0], **changes), *parts[1].targets[1:])
        with pytest.raises(ConfigError, match=message):
            join([parts[0], replace(parts[1], targets=targets)])


def test_strands_that_are_paired_otherwise(write_records):
    one, two = write_records(), write_records(name="two")
    targets = tuple(replace(t, strand_pair=t.index) for t in two.targets)
    with pytest.raises(ConfigError, match="pair the strands of their targets differently"):
        join([one, replace(two, targets=targets)])
