import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.pooling import Pooling, window_values
from tfrecords_tools.rewindow import (
    RewindowOptions,
    lay_out,
    pool,
    rewindow,
    rewindowed,
    shuffled,
)
from tfrecords_tools.targets import Target
from tfrecords_tools.transforms import forward, inverse
from tfrecords_tools.validate import validate

SHORT = RewindowOptions(128, 32, shuffle_mib=0)


def everything(data: Data) -> dict:
    """Label → (windows, sequences, targets), of windows in order of their place."""
    found = {}
    for label in data.labels:
        windows = data.windows(label)
        order = np.argsort([w.start for w in windows])
        sequences, targets = data.arrays(label)
        found[label] = ([windows[i] for i in order], sequences[order], targets[order])
    return found


def plainly(values, target, ratio, style):
    """New bins of one target from one record's old bins, number by number."""
    found = []
    for low in range(0, len(values) - ratio + 1, ratio):
        bins = [float(inverse(v, target, style)) for v in values[low : low + ratio]]
        known = [b for b in bins if b == b]
        if len(known) < ratio / 2:
            found.append(np.nan)
            continue
        base = target.sum_stat.partition("_")[0]
        mean = sum(known) / len(known)
        pooled = {"sum": mean * ratio, "max": max(known)}.get(base, mean)
        found.append(float(forward(np.array(pooled), target, style)))
    return np.array(found, np.float16)


@pytest.mark.parametrize("style", ["current", "old"])
def test_bins_are_those_of_plain_loops(write_records, style):
    targets = tuple(
        Target(i, f"t{i}", sum_stat=s, clip=30.0, clip_soft=c, scale=k)
        for i, (s, c, k) in enumerate(
            [
                ("sum", 8.0, 0.5),
                ("mean", None, 3.0),
                ("max", 5.0, 1.0),
                ("sum_sqrt", 6.0, 2.0),
                ("avg_sqrt", None, 0.3),
                ("max_sqrt", 2.0, 1.0),
            ]
        )
    )
    data = write_records({"train": 1}, targets=targets)
    layout = lay_out(data, RewindowOptions(144, 48, crop=0, stride=64))
    assert layout.offsets.tolist() == [0, 4, 8, 12]
    rng = np.random.default_rng(3)
    values = np.minimum(rng.gamma(0.5, 9, (24, 6)), 29).astype(np.float16)
    values[rng.random((24, 6)) < 0.3] = np.nan
    found = rewindowed(values, layout, targets, style)
    assert found.shape == (4, 3, 6)
    assert np.isnan(found).any()
    for row, offset in enumerate(layout.offsets):
        for column, target in enumerate(targets):
            wanted = plainly(values[offset : offset + 9, column], target, 3, style)
            np.testing.assert_array_equal(found[row, :, column], wanted)


def test_a_negative_scale_turns_the_largest_into_the_least():
    x = np.array([[1.0, 5.0, np.nan]])
    target = Target(0, "t", sum_stat="max", scale=-1.0)
    assert pool(x, target, "current") == 1
    assert pool(x, target, "old") == 5
    assert pool(x, replace(target, scale=2.0), "current") == 5


def test_half_observed_is_enough():
    target = Target(0, "t", sum_stat="sum")
    x = np.array([[1, np.nan, 3, np.nan], [1, np.nan, np.nan, np.nan], [np.nan] * 4])
    np.testing.assert_array_equal(pool(x, target, "current"), [8, np.nan, np.nan])


def test_the_same_geometry_gives_the_same_records(write_records, tmp_path):
    data = write_records()
    options = RewindowOptions(512, 16, crop=64, shuffle_mib=0, records_per_shard=4)
    rewindow(data, tmp_path / "out", options, quiet=True)
    again = Data.open(tmp_path / "out")
    for label in data.labels:
        assert again.windows(label) == data.windows(label)
        for ours, theirs in zip(again.arrays(label), data.arrays(label), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for name in ("statistics.json", "sequences.bed", "targets.txt"):
        assert (again.folder / name).read_bytes() == (data.folder / name).read_bytes()


@pytest.mark.parametrize(
    ("length", "crop", "stride", "firsts"),
    [
        (128, 0, None, [0, 128, 256]),
        (128, 0, 0.5, [0, 64, 128, 192, 256]),
        (192, 32, 128, [0, 128, 256]),
        (320, 96, 128, [32, 160]),
        (512, 192, None, [128]),
    ],
)
def test_windows_lie_where_sequence_and_targets_fit(
    write_records, tmp_path, length, crop, stride, firsts
):
    data = write_records({"train": 3})
    options = RewindowOptions(length, 32, crop, stride, shuffle_mib=0)
    rewindow(data, tmp_path / "out", options, quiet=True)
    made = Data.open(tmp_path / "out")
    old, new = data.arrays("train")[0], made.arrays("train")[0]
    row = 0
    for window, sequence in zip(data.windows("train"), old, strict=True):
        for first in firsts:
            place = made.windows("train")[row]
            start = window.start + first
            assert place == Interval("chr1", start, start + length - 2 * crop, "train")
            low = 64 + first - crop
            np.testing.assert_array_equal(new[row], sequence[low : low + length])
            row += 1
    assert row == len(new)
    assert not validate(made.folder, quiet=True).problems


def test_equals_building_with_wider_bins(small_data, genome_values, tmp_path):
    """Up to what float16 and the untransformed values lose; T1 has gaps, as 0, in both."""
    data = Data.open(small_data)
    rewindow(data, tmp_path / "out", RewindowOptions(128, 64), quiet=True)
    sequences, tracks = genome_values
    count = 0
    for label, (windows, codes, targets) in everything(Data.open(tmp_path / "out")).items():
        assert len(windows) == data.counts[label]
        for window, code, found in zip(windows, codes, targets, strict=True):
            letters = sequences[window.chrom][window.start : window.end].upper()
            assert code.tolist() == ["ACGT".find(b) if b in "ACGT" else 4 for b in letters]
            for column, target in enumerate(data.targets):
                values = tracks[column][window.chrom][window.start : window.end]
                wanted = window_values(values, Pooling(64, target))
                hit = np.abs(found[:, column]) >= target.clip * 0.95
                np.testing.assert_allclose(found[~hit, column], wanted[~hit], rtol=4e-3, atol=2e-3)
                count += (~hit).sum()
    assert count > 1000


def test_order_is_the_seeds_and_a_labels_own(write_records, tmp_path):
    data = write_records()
    kept = replace(SHORT, records_per_shard=8)
    runs = {
        "kept": (kept, None),
        "first": (replace(kept, shuffle_mib=0.01), None),
        "again": (replace(kept, shuffle_mib=0.01), ["valid"]),
        "other": (replace(kept, shuffle_mib=0.01, seed=3), None),
    }
    found = {}
    for name, (options, labels) in runs.items():
        rewindow(data, tmp_path / name, options, labels, quiet=True)
        found[name] = Data.open(tmp_path / name)
    starts = {n: [w.start for w in d.windows("valid")] for n, d in found.items()}
    assert starts["kept"] == sorted(starts["kept"])
    assert starts["first"] == starts["again"]
    assert len({tuple(s) for s in starts.values()}) == 3
    assert not found["again"].windows("train")
    for label in data.labels:
        whole = [everything(found[n])[label] for n in ("kept", "first", "other")]
        for other in whole[1:]:
            for ours, theirs in zip(whole[0], other, strict=True):
                np.testing.assert_array_equal(ours, theirs)
    first = [(found["first"].folder / "tfrecords" / f"valid-{i}.tfr").read_bytes() for i in (0, 1)]
    assert first == [
        (found["again"].folder / "tfrecords" / f"valid-{i}.tfr").read_bytes() for i in (0, 1)
    ]


def test_the_buffer_holds_no_more_than_its_size():
    taken = 0

    def items():
        nonlocal taken
        for number in range(5000):
            taken += 1
            yield number, {"target": bytes(1024)}

    options = replace(SHORT, shuffle_mib=0.5)
    seen = []
    for number, _ in shuffled(items(), options, "train"):
        seen.append(number)
        assert taken - len(seen) <= 512
    assert sorted(seen) == list(range(5000))
    moved = np.abs(np.array(seen) - np.arange(5000))
    assert np.median(moved) > 100


def test_clipped_bins_are_counted(write_records, tmp_path, caplog):
    def values(row):
        y = np.zeros((24, 4), np.float16)
        y[0, 2] = 32  # its clip
        y[1, 2] = -32
        y[2, 2] = 31
        y[row, 0] = 40
        return y

    data = write_records({"train": 3}, values=values)
    manifest = rewindow(data, tmp_path / "out", SHORT, quiet=True)
    assert manifest["source"]["clipped_bins"] == {"plus": 3, "dnase": 6}
    assert "dnase: 6 bins at the hard clip" in caplog.text
    assert json.loads((tmp_path / "out/manifest.json").read_text()) == manifest
    assert manifest["options"] == asdict(SHORT) | {"labels": ["train"]}


def test_the_map_of_unmappable_bins_is_joined(write_records, tmp_path):
    def change(features, row):
        mask = np.zeros(24, bool)
        mask[[3, 10, 11]] = True
        return features | {"umap": mask.tobytes()}

    data = write_records({"train": 1}, change=change)
    rewindow(data, tmp_path / "out", RewindowOptions(192, 64, shuffle_mib=0), quiet=True)
    found = [f["umap"] for _, _, f in Data.open(tmp_path / "out").frames("train")]
    assert found == [b"\1\0\1", b"\0\0\0"]


def test_packed_and_rounded(write_records, tmp_path):
    data = write_records()
    options = replace(SHORT, encoding="packed", decimals=1)
    rewindow(data, tmp_path / "packed", options, quiet=True)
    rewindow(data, tmp_path / "index", SHORT, quiet=True)
    packed, index = Data.open(tmp_path / "packed"), Data.open(tmp_path / "index")
    assert (packed.encoding, packed.compressed) == ("packed", False)
    for label in data.labels:
        np.testing.assert_array_equal(packed.arrays(label)[0], index.arrays(label)[0])
        wanted = np.around(index.arrays(label)[1].astype(np.float32), 1).astype(np.float16)
        np.testing.assert_array_equal(packed.arrays(label)[1], wanted)


def test_data_of_the_old_style_is_undone_as_such(write_records, tmp_path):
    data = write_records({"train": 2})
    for style in ("current", "old"):
        rewindow(data, tmp_path / style, replace(SHORT, style=style), quiet=True)
    one, two = (Data.open(tmp_path / s).arrays("train")[1] for s in ("current", "old"))
    np.testing.assert_array_equal(one[..., 3], two[..., 3])
    assert not np.allclose(one[..., 0], two[..., 0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bin_width": 24}, "bin width 24 is not a multiple of the records' 16"),
        ({"bin_width": 0}, "bin width 0 is not a multiple"),
        ({"bin_width": 48}, "128 bp .* is not a multiple of the bin width 48"),
        ({"stride": 24}, "stride 24 bp is not a multiple of the records' 16-bp bins"),
        ({"seq_length": 416}, r"no window of 416 bp with crop 0 fits into records of 512 bp"),
        ({"seq_length": 544, "crop": 64}, "no window of 544 bp"),
        *[({"stride": s}, f"stride is {s:g}, want above 0.*end to end") for s in (-1, 0, np.nan)],
        ({"stride": np.inf}, "stride is inf"),
        ({"stride": 0.001}, "stride 0 bp is not a multiple of the .* bins: use 16"),
        ({"shuffle_mib": np.nan}, "shuffle buffer is nan MiB"),
        ({"decimals": -1}, r"decimals \(-d\) is -1, want 0 to 6"),
        ({"decimals": 7}, r"decimals \(-d\) is 7"),
        ({"encoding": "onehote"}, "unknown encoding 'onehote'"),
        ({"shuffle_mib": -1}, "shuffle buffer is -1 MiB"),
        ({"records_per_shard": 0}, "records per shard is 0"),
        ({"style": "ancient"}, "unknown untransform style 'ancient'"),
    ],
)
def test_refused_options(write_records, tmp_path, changes, message):
    data = write_records()
    with pytest.raises(ConfigError, match=message):
        rewindow(data, tmp_path / "out", replace(SHORT, **changes), quiet=True)
    assert not (tmp_path / "out").exists()


def test_refused_targets_labels_and_folders(write_records, tmp_path):
    peaks = write_records(name="peaks", targets=(Target(0, "p", sum_stat="peak"),))
    with pytest.raises(ConfigError, match="'p': sum_stat 'peak' has no inverse"):
        rewindow(peaks, tmp_path / "out", SHORT, quiet=True)
    data = write_records()
    with pytest.raises(ConfigError, match=r"unknown label 'trian'.*did you mean 'train'"):
        rewindow(data, tmp_path / "out", SHORT, ["trian"], quiet=True)
    for place in (data.folder, data.folder / "short", tmp_path):
        with pytest.raises(ConfigError, match="overlap: name another"):
            rewindow(data, place, SHORT, overwrite=True, quiet=True)
    rewindow(data, tmp_path / "out", SHORT, quiet=True)
    with pytest.raises(UnfinishedError, match="has results"):
        rewindow(data, tmp_path / "out", SHORT, quiet=True)
    rewindow(data, tmp_path / "out", SHORT, ["valid"], overwrite=True, quiet=True)
    assert Data.open(tmp_path / "out").labels == ["valid"]


@pytest.mark.parametrize(
    ("edit", "windows"), [(lambda rows: rows[1:], 8), (lambda r: r + r[:1], 10)]
)
def test_places_that_are_not_known(write_records, tmp_path, edit, windows):
    """Told before any work where a manifest tells it, else when the records have been read."""
    data = write_records()
    bed = data.folder / "sequences.bed"
    bed.write_text("\n".join(edit(bed.read_text().splitlines())) + "\n")
    told = f"lists {windows} windows of train, .* 9 records"
    with pytest.raises(InputFileError, match=told):
        rewindow(data, tmp_path / "out", SHORT, quiet=True)
    assert not (tmp_path / "out").exists()
    (data.folder / "manifest.json").unlink()
    stats = data.folder / "statistics.json"
    stats.write_text(stats.read_text().replace('"train_seqs": 9', '"train_seqs": 12'))
    data = Data.open(data.folder)
    with pytest.raises(InputFileError, match=told):
        rewindow(data, tmp_path / "out", SHORT, quiet=True)
    with pytest.raises(InputFileError, match=r"statistics\.json does not exist"):
        Data.open(tmp_path / "out")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr1\t64\t449\ttrain", "has window chr1:64-449 of 385 bp, .* makes them 384"),
        ("chr1\t64\tx\ttrain", "line 1 is no BED interval"),
        ("chr1\t64\t448", "has chr1:64-448 with label '': want"),
        ("chr1\t64\t64\ttrain", "has chr1:64-64 with label 'train': want"),
    ],
)
def test_windows_that_are_none(write_records, tmp_path, line, message):
    data = write_records()
    bed = data.folder / "sequences.bed"
    bed.write_text("\n".join([line, *bed.read_text().splitlines()[1:]]) + "\n")
    with pytest.raises(InputFileError, match=message):
        rewindow(data, tmp_path / "out", SHORT, quiet=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [(-2, r"train-0.tfr record 1: target 'plus' has a value of -2"), (np.inf, "infinite value")],
)
def test_values_that_cannot_be(write_records, tmp_path, value, message):
    data = write_records({"train": 2}, values=lambda row: np.full((24, 4), value * row, np.float16))
    with pytest.raises(InputFileError, match=message):
        rewindow(data, tmp_path / "out", SHORT, quiet=True)
    assert not list((tmp_path / "out").rglob("*.part*"))
    assert not list((tmp_path / "out/tfrecords").iterdir())


def test_human_records_agree_with_the_tracks_they_hold(test_data, tmp_path):
    """Every DNase bin equals what the same stored values give as bigWigs; sequences the FASTA."""
    import pyBigWig
    import pysam

    human = test_data / "data/human"
    data = Data.open(human / "basenji_records")
    rewindow(data, tmp_path / "out", RewindowOptions(1344, 192), ["valid"], quiet=True)
    made = Data.open(tmp_path / "out")
    assert made.counts == {"valid": 480}
    contigs = [r.split("\t") for r in (human / "windows_contigs.tsv").read_text().splitlines()[1:]]
    tracks = {"HepG2": "ENCFF136DBS", "A172": "ENCFF385DEA"}
    columns = {t.identifier: i for i, t in enumerate(made.targets)}
    bigwigs = {n: pyBigWig.open(str(human / f"dnase/{n}.bw")) for n in tracks}
    fasta = pysam.FastaFile(str(human / "windows.fa.gz"))
    sequences, targets = made.arrays("valid")
    for window, code, found in zip(made.windows("valid"), sequences, targets, strict=True):
        name, start = next(
            (c[0], int(c[2]))
            for c in contigs
            if c[1] == window.chrom and int(c[2]) <= window.start and window.end <= int(c[3])
        )
        low, high = window.start - start, window.end - start
        letters = fasta.fetch(name, low, high).upper()
        assert code.tolist() == ["ACGT".find(b) if b in "ACGT" else 4 for b in letters]
        for track, identifier in tracks.items():
            target = made.targets[columns[identifier]]
            stored = bigwigs[track].values(name, low, high, numpy=True)[::32]
            means = inverse(stored, target, "current").reshape(7, 6).mean(axis=1)
            wanted = forward(means, target, "current").astype(np.float16)
            np.testing.assert_array_equal(found[:, columns[identifier]], wanted)
