import argparse
from dataclasses import replace

import numpy as np
import pytest

from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import open_source
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.record_arguments import amount, parser, renamed
from tfrecords_tools.select_records import (
    HoldOut,
    SelectOptions,
    chosen_targets,
    select_options,
    select_records,
)
from tfrecords_tools.targets import strand_order
from tfrecords_tools.validate import validate

ALL = SelectOptions((0, 1, 2, 3))


def starts(data, label):
    return [w.start for w in data.windows(label)]


def test_targets_keep_their_strands_and_get_new_indexes(write_records, tmp_path):
    data = write_records()
    positions = chosen_targets(data, "dnase,1,plus")
    assert positions == (2, 1, 0)
    manifest = select_records(data, tmp_path / "out", SelectOptions(positions), quiet=True)
    made = Data.open(tmp_path / "out")
    assert [(t.index, t.identifier, t.strand_pair) for t in made.targets] == [
        (0, "dnase", 0),
        (1, "minus", 2),
        (2, "plus", 1),
    ]
    assert strand_order(made.targets) == (0, 2, 1)
    assert made.targets[1].clip_soft == 20
    assert manifest["source"]["indexes"] == [2, 1, 0]
    for label in data.labels:
        assert made.windows(label) == data.windows(label)
        (sequences, targets), (old_sequences, old) = made.arrays(label), data.arrays(label)
        np.testing.assert_array_equal(sequences, old_sequences)
        np.testing.assert_array_equal(targets, old[:, :, [2, 1, 0]])
    assert not validate(made.folder, quiet=True).problems


def test_a_table_names_targets_by_identifier(write_records, tmp_path):
    table = tmp_path / "some.txt"
    table.write_text("\tidentifier\tsum_stat\n7\ttop\tmax\n9\tdnase\tmean\n")
    assert chosen_targets(write_records(), str(table)) == (3, 2)
    assert chosen_targets(write_records(name="b"), None) == (0, 1, 2, 3)


def test_targets_by_a_query_or_by_a_long_list(write_records):
    data = write_records()
    assert chosen_targets(data, None, "identifier=dnase | identifier=plus") == tuple(
        sorted(chosen_targets(data, "dnase,plus"))
    )
    (data.folder / "targets.txt").unlink()
    with pytest.raises(ConfigError, match=r"have no names; add its targets\.txt to the folder$"):
        chosen_targets(Data.open(data.folder), None, "CAGE:")
    with pytest.raises(ConfigError, match="both choose targets: leave one out"):
        chosen_targets(data, "dnase", "dnase")
    with pytest.raises(ConfigError, match="unknown target 'none0'"):
        chosen_targets(data, ",".join(f"none{n}" for n in range(1000)))


def test_labels_are_renamed_joined_and_left_out(write_records, tmp_path):
    data = write_records({"fold0": 3, "fold1": 2, "fold2": 4, "fold3": 1})
    options = replace(
        ALL,
        labels=("fold0", "fold1", "fold2"),
        relabel=(("fold0", "train"), ("fold2", "train"), ("fold1", "valid")),
    )
    select_records(data, tmp_path / "out", options, quiet=True)
    made = Data.open(tmp_path / "out")
    assert made.counts == {"train": 7, "valid": 2}
    assert starts(made, "train") == starts(data, "fold0") + starts(data, "fold2")
    joined = np.concatenate([data.arrays(n)[1] for n in ("fold0", "fold2")])
    np.testing.assert_array_equal(made.arrays("train")[1], joined)
    assert sorted(p.name for p in (made.folder / "tfrecords").iterdir()) == [
        "train-0.tfr",
        "valid-0.tfr",
    ]


def test_names_may_be_exchanged(write_records, tmp_path):
    data = write_records()
    options = replace(ALL, relabel=(("train", "valid"), ("valid", "train")))
    select_records(data, tmp_path / "out", options, quiet=True)
    made = Data.open(tmp_path / "out")
    assert starts(made, "train") == starts(data, "valid")
    assert starts(made, "valid") == starts(data, "train")


def test_as_many_as_asked_are_set_aside_by_the_seed(write_records, tmp_path):
    data = write_records({"train": 45, "valid": 10})
    found = []
    for number, (seed, wanted) in enumerate([(44, 9), (44, 9), (3, 9), (44, 0.2)]):
        options = replace(
            ALL,
            relabel=(("valid", "test"),),
            hold_out=HoldOut("valid", wanted, "train"),
            seed=seed,
        )
        select_records(data, tmp_path / str(number), options, quiet=True)
        made = Data.open(tmp_path / str(number))
        assert made.counts == {"train": 36, "valid": 9, "test": 10}
        assert starts(made, "test") == starts(data, "valid")
        both = starts(made, "train") + starts(made, "valid")
        assert sorted(both) == starts(data, "train")
        assert starts(made, "train") == sorted(starts(made, "train"))
        for label in ("train", "valid"):
            at = [starts(data, "train").index(s) for s in starts(made, label)]
            np.testing.assert_array_equal(made.arrays(label)[1], data.arrays("train")[1][at])
        found.append(tuple(starts(made, "valid")))
    assert found[0] == found[1] == found[3]
    assert found[0] != found[2]


def test_each_record_is_as_likely_to_be_set_aside(write_records, tmp_path):
    from tfrecords_tools.select_records import _set_aside

    times = np.zeros(10)
    for seed in range(3000):
        options = replace(ALL, hold_out=HoldOut("valid", 3, "train"), seed=seed)
        taken = list(_set_aside(options, 10))
        assert sum(taken) == 3
        times += taken
    np.testing.assert_allclose(times / 3000, 0.3, atol=0.04)


def test_windows_set_aside_that_overlap_the_rest_are_told(write_records, tmp_path, caplog):
    data = write_records({"train": 6}, starts=[64, 128, 2000, 4000, 6000, 8000])
    for seed in range(20):
        options = replace(ALL, hold_out=HoldOut("valid", 1, "train"), seed=seed)
        select_records(data, tmp_path / str(seed), options, quiet=True)
        told = "1 of the 1 window set aside in valid overlaps windows of train" in caplog.text
        assert told == (starts(Data.open(tmp_path / str(seed)), "valid")[0] < 2000)
        caplog.clear()


def test_sequences_pass_as_they_are_or_are_coded_anew(write_records, tmp_path):
    def change(features, row):
        return features | {"umap": bytes([row % 2] * 24)}

    data = write_records(encoding="onehot", change=change)
    assert data.encoding == "onehot"
    for encoding in (None, "index", "packed"):
        out = tmp_path / str(encoding)
        select_records(data, out, replace(ALL, encoding=encoding), quiet=True)
        made = Data.open(out)
        assert made.encoding == (encoding or "onehot")
        assert made.compressed == (encoding != "packed")
        for ours, theirs in zip(made.arrays("train"), data.arrays("train"), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        masks = [f["umap"] for _, _, f in made.frames("train")]
        assert masks == [bytes([row % 2] * 24) for row in range(9)]
        assert not validate(out, quiet=True).problems


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("trian",)}, r"unknown label 'trian'.*did you mean 'train'"),
        ({"relabel": (("test", "valid"),)}, "unknown label 'test' in --relabel"),
        ({"hold_out": HoldOut("valid", 2, "train")}, "label 'valid'.* is there already"),
        ({"hold_out": HoldOut("x", 2, "test")}, "unknown label 'test' in --from"),
        ({"hold_out": HoldOut("x", 9, "train")}, "x=9 is 9 of train's 9 records: want"),
        ({"hold_out": HoldOut("x", 0.01, "train")}, "x=0.01 is 0 of train's 9 records: want at"),
        ({"targets": (0, 2)}, r"'plus' is chosen without its other strand 'minus' \(index 1\)"),
    ],
)
def test_refused(write_records, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        select_records(write_records(), tmp_path / "out", replace(ALL, **changes), quiet=True)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"relabel": (("a", "b"), ("a", "c"))}, "label 'a' is renamed twice"),
        ({"relabel": (("a", "../b"),)}, r"label '\.\./b' is no name"),
        ({"hold_out": HoldOut("a/b", 2, "train")}, "label 'a/b' is no name"),
        ({"encoding": "onehot"}, "unknown encoding 'onehot'"),
        ({"records_per_shard": 0}, "records per shard is 0"),
    ],
)
def test_refused_at_once(changes, message):
    with pytest.raises(ConfigError, match=message):
        replace(ALL, **changes)


def test_refused_names_folders_and_places(write_records, tmp_path):
    data = write_records()
    with pytest.raises(ConfigError, match=r"unknown target 'plos'.*did you mean 'plus'"):
        chosen_targets(data, "plos")
    with pytest.raises(ConfigError, match="target 'plus' is named more than once"):
        chosen_targets(data, "plus,0")
    with pytest.raises(ConfigError, match="overlap: name another"):
        select_records(data, data.folder, ALL, overwrite=True, quiet=True)
    select_records(data, tmp_path / "out", ALL, quiet=True)
    with pytest.raises(UnfinishedError, match="has results"):
        select_records(data, tmp_path / "out", ALL, quiet=True)
    bed = data.folder / "sequences.bed"
    bed.write_text("".join(bed.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputFileError, match="lists 2 windows of valid, its shards hold 3 records"):
        select_records(data, tmp_path / "out", ALL, overwrite=True, quiet=True)


def test_the_command_lines_options(write_records):
    line = "select d -o o --targets 2,3 --relabel valid=test --hold_out valid=0.2 --from train"
    args = parser("").parse_args(line.split())
    options = select_options(write_records(), args)
    assert options == SelectOptions(
        (2, 3), relabel=(("valid", "test"),), hold_out=HoldOut("valid", 0.2, "train")
    )
    assert renamed("a=b,c=d") == (("a", "b"), ("c", "d"))
    assert amount("valid=9") == ("valid", 9.0)
    for wrong in ("a", "a=b=c", "=b", "a=b,"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not of the form old=new"):
            renamed(wrong)
    for wrong in ("valid", "valid=0", "valid=1.5", "=3", "valid=x", "valid=nan", "valid=inf"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not of the form label=9"):
            amount(wrong)


@pytest.mark.parametrize("option", ["--targets", "--label"])
@pytest.mark.parametrize("text", ["", ",", "train,,valid"])
def test_empty_names_do_not_mean_all(capsys, option, text):
    with pytest.raises(SystemExit):
        parser("").parse_args(["select", "data", "-o", "out", option, text])
    assert "has an empty name: name some, or leave the option out" in capsys.readouterr().err


def test_targets_of_another_table(write_records, tmp_path):
    data, table = write_records(), tmp_path / "other.txt"
    table.write_text("\tidentifier\tweather\n0\tCAGE\tfine\n")
    with pytest.raises(ConfigError, match=r"'CAGE' of table .*other\.txt in data folder .*/data: "):
        chosen_targets(data, str(table))
    with pytest.raises(ConfigError, match=r"'none\.txt' \(nor is there a table of that name\)"):
        chosen_targets(data, "none.txt")


def test_the_output_folder_is_looked_at_before_the_data(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("")
    with pytest.raises(UnfinishedError, match=r"did not make: .* it holds notes\.txt"):
        open_source(tmp_path / "none", tmp_path / "mine", overwrite=True)
    with pytest.raises(ConfigError, match="overlap: name another"):
        open_source(tmp_path / "none", tmp_path, overwrite=False)
    with pytest.raises(InputFileError, match=r"data folder .*none does not exist"):
        open_source(tmp_path / "none", tmp_path / "out", overwrite=False)
