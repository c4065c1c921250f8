import numpy as np
import pytest

from tfrecords_tools import splits
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval, merged
from tfrecords_tools.windows import Windowing, make_windows, overlapping, unmappable_bins

CHROMS = {"chr1": 1000, "chr2": 500, "chr3": 90}


def test_contigs_leave_out_gaps_and_short_ones():
    gaps = [Interval("chr1", 400, 450), Interval("chr1", 0, 10)]
    found = splits.make_contigs(CHROMS, 100, gaps)
    assert sorted(found) == [
        Interval("chr1", 10, 400),
        Interval("chr1", 450, 1000),
        Interval("chr2", 0, 500),
    ]


def test_contigs_are_cut_to_the_limit():
    found = splits.make_contigs(
        CHROMS, 100, (), [Interval("chr1", 100, 300), Interval("chr2", 9, 50)]
    )
    assert found == [Interval("chr1", 100, 300)]


def test_long_contigs_are_halved_and_none_is_lost():
    found = splits.make_contigs(CHROMS, 50, (), None, 200)
    assert max(map(len, found)) <= 200
    assert sum(map(len, found)) == sum(CHROMS.values())
    assert splits.rejoin(sorted(found)) == [Interval(c, 0, n) for c, n in CHROMS.items()]


def test_no_contig_is_an_error():
    with pytest.raises(ConfigError, match="the longest is 1000 bp"):
        splits.make_contigs(CHROMS, 5000)


def test_fractions_are_about_right_and_keep_every_contig():
    contigs = [Interval("c", i * 100, i * 100 + 100) for i in range(500)]
    parts = splits.split_fractions(contigs, 0.2, 0.1, seed=44)
    assert sorted(c for part in parts.values() for c in part) == contigs
    assert len(parts["valid"]) == pytest.approx(100, abs=15)
    assert len(parts["test"]) == pytest.approx(50, abs=12)
    assert parts == splits.split_fractions(contigs, 0.2, 0.1, seed=44)
    assert parts != splits.split_fractions(contigs, 0.2, 0.1, seed=45)


def test_folds_are_about_equal():
    contigs = [Interval("c", i * 100, i * 100 + 100) for i in range(300)]
    parts = splits.split_folds(contigs, 3, seed=44)
    assert [len(p) for p in parts.values()] == pytest.approx([100] * 3, abs=10)
    assert list(parts) == ["fold0", "fold1", "fold2"]


def test_chromosome_lists():
    contigs = splits.make_contigs(CHROMS, 50)
    parts = splits.split_chroms(contigs, ["chr2"], ["chr3"])
    assert {k: [c.chrom for c in v] for k, v in parts.items()} == {
        "train": ["chr1"],
        "valid": ["chr2"],
        "test": ["chr3"],
    }


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: splits.split_chroms(c, ["chrX"], []), "chromosome 'chrX'"),
        (lambda c: splits.split_chroms(c, ["chr2"], ["chr2"]), "both -v and -t"),
        (lambda c: splits.split_fractions(c, 1.5, 0, 1), "valid fraction is 1.5"),
        (lambda c: splits.split_fractions(c, 0.6, 0.6, 1), "valid plus test"),
        (lambda c: splits.split_folds(c, 1, 1), "folds is 1"),
        (lambda c: splits.split_regions(c, [Interval("chr1", 0, 9, "../x")]), "label '../x'"),
        (
            lambda c: splits.split_regions(
                c, [Interval("chr1", 0, 9, "train"), Interval("chr1", 5, 9, "test")]
            ),
            "must not overlap",
        ),
        (lambda c: Windowing(100, 0, 30), "not a multiple of the bin width"),
        (lambda c: Windowing(100, 50, 10), "crop 50"),
        (lambda c: Windowing(100, -5, 10), "crop is -5, want 0 or more"),
        (lambda c: splits.split_chroms(c, ["0.1"], ["chr2"]), "-v/-t has '0.1': want two shares"),
        (lambda c: Windowing(100, 0, 10, snap=30), "multiple of snap"),
        (lambda c: Windowing(0), "seq_length is 0"),
        (lambda c: make_windows({}, Windowing(64, 0, 32), 1, 0.0), "sample is 0.0"),
    ],
)
def test_bad_options_are_refused(call, message):
    with pytest.raises(ConfigError, match=message):
        call(splits.make_contigs(CHROMS, 50))


def test_regions_with_labels():
    labelled = [Interval("chr1", 0, 300, "train"), Interval("chr1", 300, 600, "ood")]
    parts = splits.split_regions(splits.make_contigs(CHROMS, 50), labelled)
    assert parts == {"train": [Interval("chr1", 0, 300)], "ood": [Interval("chr1", 300, 600)]}


def test_windows_start_on_the_snap_and_stay_inside():
    windowing = Windowing(128, 16, 32, stride_train=64, stride_test=32, snap=32)
    parts = {"train": [Interval("a", 5, 400)], "test": [Interval("b", 64, 192)]}
    windows = make_windows(parts, windowing, seed=44)
    train = sorted(w for w in windows if w.label == "train")
    assert [w.start for w in train] == [32, 96, 160, 224, 288]
    assert all(len(w) == 96 and w.end <= 400 for w in train)
    assert [w.start for w in sorted(windows) if w.label == "test"] == [64, 96]
    assert windows == make_windows(parts, windowing, seed=44)
    assert len(make_windows(parts, windowing, 44, sample=0.5)) == 3
    spare = make_windows(parts, windowing, seed=44, spare=1)
    assert [w.start for w in sorted(spare) if w.label == "test"] == [64]


def test_unmappable_bins_against_a_loop():
    windows = [Interval("c", start, start + 64) for start in (0, 10, 50)]
    spans = merged([Interval("c", 3, 9), Interval("c", 30, 71), Interval("c", 95, 97)])
    got = unmappable_bins(windows, spans, 16)
    for row, w in enumerate(windows):
        expected = np.zeros(4, bool)
        for start, end in spans["c"].tolist():
            low, high = max(start, w.start) - w.start, min(end, w.end) - w.start
            if low >= high:
                continue
            touched = [b for b in range(4) if low < (b + 1) * 16 and high > b * 16]
            for b in touched:
                minor_first = b == touched[0] and (b + 1) * 16 - low < 1.6
                minor_last = b == touched[-1] and high - b * 16 < 1.6
                expected[b] |= not (minor_first or minor_last)
        assert got[row].tolist() == expected.tolist()


def test_overlapping_windows():
    windows = [Interval("a", 0, 10), Interval("b", 0, 10), Interval("a", 20, 30)]
    assert overlapping(windows, merged([Interval("a", 9, 20)])).tolist() == [
        True,
        False,
        False,
    ]
