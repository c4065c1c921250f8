"""Which windows each procedure learns from, and the folders they are written to."""

import numpy as np
import pytest

from tfepi.specificity.cluster_file import peak_clusters
from tfepi.specificity.procedure_data import (
    ALL,
    ON_PEAKS,
    ON_SPECIFIC,
    REGIONS,
    check_counts,
    on_regions,
    write_regions,
)
from tfrecords_tools.errors import ConfigError

ORIGIN = {"folder": "data", "clusters": "none"}


@pytest.fixture
def data(write_records):
    """Records of 512 bp with 24 bins of 16 bp, at starts that leave gaps and overlap."""
    rng = np.random.default_rng(3)
    starts = np.sort(rng.integers(64, 20_000, 60)).tolist()
    return write_records({"train": 40, "valid": 20}, starts=starts)


@pytest.fixture
def clusters():
    """Peaks of 1 to 300 bp, some of which overlap, a third of them ubiquitous."""
    rng = np.random.default_rng(4)
    start = rng.integers(0, 20_500, 60)
    names = rng.choice(["ubiquitous", "a", "b"], 60)
    end = start + rng.integers(1, 300, 60)
    chrom = np.where(np.arange(60) < 55, "chr1", "chr2")
    return peak_clusters(chrom, start, end, names)


def overlaps_one(window, data, peaks) -> bool:
    """Whether a window's centre bin shares a base with a peak, base by base."""
    low = window.start + data.target_length // 2 * data.pool_width
    own = set(range(low, low + data.pool_width))
    return any(own & set(range(p.start, p.end)) for p in peaks if p.chrom == window.chrom)


def test_windows_by_a_plain_loop(data, clusters):
    specific = clusters.specific()
    peaks = clusters.intervals()
    wanted = {
        ALL: None,
        ON_PEAKS: peaks,
        ON_SPECIFIC: [p for p, s in zip(peaks, specific, strict=True) if s],
    }
    shares = {}
    for label in ("train", "valid", "train,valid"):
        for regions, of in wanted.items():
            windows = [w for name in label.split(",") for w in data.windows(name)]
            plain = [of is None or overlaps_one(w, data, of) for w in windows]
            found = on_regions(data, label, clusters, regions)
            np.testing.assert_array_equal(found, plain)
            shares[regions] = found.mean()
    assert 0 < shares[ON_SPECIFIC] < shares[ON_PEAKS] < shares[ALL] == 1


def test_written_sets_are_the_chosen_records(data, clusters, tmp_path):
    rows = {k: on_regions(data, k, clusters, ON_PEAKS) for k in ("train", "valid")}
    folder = tmp_path / "peaks"
    found = write_regions(data, ("train", "valid"), rows, folder, ORIGIN, quiet=True)
    for label, own in rows.items():
        kept = np.flatnonzero(own)
        assert [found.windows(label)[i] for i in range(len(kept))] == [
            data.windows(label)[i] for i in kept
        ]
        ours, theirs = found.arrays(label), data.arrays(label)
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(a, b[kept])
    stamp = (folder / "manifest.json").stat().st_mtime_ns
    again = write_regions(data, ("train", "valid"), rows, folder, ORIGIN, quiet=True)
    assert again.manifest_sha256 == found.manifest_sha256
    assert (folder / "manifest.json").stat().st_mtime_ns == stamp
    (folder / "manifest.json").unlink()  # as if it was stopped: it is written again, alike
    again = write_regions(data, ("train", "valid"), rows, folder, ORIGIN, quiet=True)
    assert again.manifest_sha256 == found.manifest_sha256


def test_several_labels_become_one(data, clusters, tmp_path):
    rows = {
        "train": on_regions(data, "train,valid", clusters, ON_PEAKS),
        "valid": on_regions(data, "valid", clusters, ON_PEAKS),
    }
    labels = ("train,valid", "valid")
    found = write_regions(data, labels, rows, tmp_path / "peaks", ORIGIN, quiet=True)
    assert found.counts == {"train": rows["train"].sum(), "valid": rows["valid"].sum()}


def test_too_few_windows(data, clusters):
    none = {"train": np.zeros(40, bool), "valid": np.ones(20, bool)}
    every = {"train": np.ones(40, bool), "valid": np.ones(20, bool)}
    for regions in REGIONS:
        assert check_counts({regions: every}, data, 40) == {regions: {"train": 40, "valid": 20}}
    with pytest.raises(ConfigError, match=r"none of the 40 training windows .* overlaps a peak"):
        check_counts({ALL: every, ON_PEAKS: none}, data, 4)
    with pytest.raises(ConfigError, match=r"none of the 20 validation .* non-ubiquitous peak"):
        check_counts({ON_SPECIFIC: {"train": every["train"], "valid": ~every["valid"]}}, data, 4)
    few = {"train": np.arange(40) < 3, "valid": np.ones(20, bool)}
    with pytest.raises(ConfigError, match=r"3 training windows .* a batch is 4: use a smaller"):
        check_counts({ON_PEAKS: few}, data, 4)
