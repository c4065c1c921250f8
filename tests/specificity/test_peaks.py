"""Peaks found again among the bins of windows, and united."""

import numpy as np
import pytest

from tfepi.specificity.cluster_file import peak_clusters
from tfepi.specificity.peaks import open_in, overlaps, peak_bins, read_peaks, union
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval, merged

WIDTH = 10


def plain(peaks, windows, bins, width, rule):
    """The peak of every bin, by comparing each with each."""
    out = np.full((len(windows), bins), -1)
    for row, window in enumerate(windows):
        for b in range(bins):
            start = window.start + b * width
            best = 0
            for number, peak in enumerate(peaks.intervals()):
                if peak.chrom != window.chrom:
                    continue
                if rule == "centre":
                    shared = 1 if peak.start <= start + width // 2 < peak.end else 0
                    enough = shared
                else:
                    shared = min(start + width, peak.end) - max(start, peak.start)
                    enough = 2 * shared >= min(width, len(peak))
                if shared > best and enough:
                    best, out[row, b] = shared, number
    return out


@pytest.mark.parametrize("rule", ["overlap", "centre"])
def test_bins_of_random_peaks(rule):
    rng = np.random.default_rng(3)
    edges = {c: np.sort(rng.choice(2000, 120, replace=False)) for c in ("chr1", "chr2")}
    chrom = np.repeat(["chr1", "chr2"], 60)
    start = np.concatenate([edges[c][::2] for c in edges])
    end = np.concatenate([edges[c][1::2] for c in edges])
    peaks = peak_clusters(chrom, start, end, rng.choice(["a", "b", "ubiquitous"], 120))
    names = rng.choice(["chr1", "chr2", "chr3"], 50)
    windows = [
        Interval(str(c), int(s), int(s) + 40)
        for c, s in zip(names, rng.integers(0, 1900, 50), strict=True)
    ]
    found = peak_bins(peaks, windows, 4, WIDTH, rule)
    expected = plain(peaks, windows, 4, WIDTH, rule)
    assert found.peak.tolist() == expected.tolist()
    assert (found.peak >= 0).sum() > 40
    inside = found.peak >= 0
    assert (found.cluster[inside] == peaks.cluster[found.peak[inside]]).all()
    assert (found.cluster[~inside] == -1).all()


def test_a_peak_narrower_than_a_bin_has_one():
    peaks = peak_clusters(["chr1"] * 2, [8, 31], [13, 34], ["a", "b"])
    window = [Interval("chr1", 0, 40)]
    assert peak_bins(peaks, window, 4, WIDTH).peak.tolist() == [[-1, 0, -1, 1]]
    assert peak_bins(peaks, window, 4, WIDTH, "centre").peak.tolist() == [[-1, -1, -1, -1]]


def test_bins_that_cannot_be_found():
    peaks = peak_clusters(["chr1"] * 2, [0, 5], [10, 20], ["a", "b"])
    with pytest.raises(ConfigError, match="chr1:0-10 and chr1:5-20 overlap"):
        peak_bins(peaks, [Interval("chr1", 0, 40)], 4, WIDTH)
    with pytest.raises(InputFileError, match=r"the clusters have chr1, the data 1"):
        peak_bins(peaks, [Interval("1", 0, 40)], 4, WIDTH)
    with pytest.raises(ConfigError, match="unknown rule 'middle'"):
        peak_bins(peaks, [Interval("chr1", 0, 40)], 4, WIDTH, "middle")


def test_overlaps_of_no_spans():
    row, hit, shared = overlaps(np.array([0, 10]), 10, np.zeros((0, 2), np.int64))
    assert len(row) == len(hit) == len(shared) == 0


def test_union_and_where_it_is_open(tmp_path):
    first = merged([Interval("chr2", 0, 10), Interval("chr1", 5, 20)])
    second = merged([Interval("chr1", 15, 30), Interval("chr1", 50, 60)])
    peaks = union([first, second])
    assert [str(p) for p in peaks] == ["chr1:5-30", "chr1:50-60", "chr2:0-10"]
    assert open_in(peaks, [first, second]).tolist() == [[True, True], [False, True], [True, False]]
    # touching is no overlap
    assert not open_in([Interval("chr1", 20, 25)], [first]).any()


def test_a_bed_without_peaks(tmp_path):
    path = tmp_path / "none.bed"
    path.write_text("# nothing\n")
    with pytest.raises(InputFileError, match="has no peak"):
        read_peaks(path)
