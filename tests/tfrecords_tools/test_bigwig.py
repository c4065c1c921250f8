import numpy as np
import pyBigWig
import pytest

from tfrecords_tools import bigwig, bigwig_index
from tfrecords_tools.bigwig import BigWigWriter
from tfrecords_tools.errors import ConfigError

CHROMS = {"chr2": 90_000, "chr10": 700_000, "chrX": 2_500, "chrEmpty": 10}


def random_bins(rng, length, most=60):
    """Sorted bins with gaps, of several widths."""
    edges = np.cumsum(rng.integers(1, most, 3 * length // most))
    edges = edges[edges < length]
    starts, ends = edges[:-1], edges[1:].copy()
    keep = rng.random(len(starts)) < 0.8
    values = rng.normal(2, 3, keep.sum()).astype(np.float32).astype(np.float64)
    values[rng.random(len(values)) < 0.1] = np.nan
    return starts[keep], ends[keep], values


@pytest.fixture(scope="module")
def content():
    rng = np.random.default_rng(8)
    return {name: random_bins(rng, CHROMS[name]) for name in ("chr10", "chr2", "chrX")}


def write(path, content, chroms=CHROMS, pieces=7):
    writer = BigWigWriter(path, chroms, 30)
    for name in sorted(content):
        starts, ends, values = content[name]
        for part in np.array_split(np.arange(len(starts)), pieces):
            writer.add(name, starts[part], ends[part], values[part])
    writer.close()
    return pyBigWig.open(str(path))


def per_base(content, name):
    y = np.full(CHROMS[name], np.nan)
    for start, end, value in zip(*content[name], strict=True):
        y[start:end] = value
    return y


@pytest.mark.parametrize("small", [False, True])
def test_another_reader_reads_every_base(tmp_path, content, monkeypatch, small):
    """Also with blocks and nodes so small that the indexes have several levels."""
    if small:
        for name, value in (("_ITEMS", 5), ("_BATCH", 50)):
            monkeypatch.setattr(bigwig, name, value)
        monkeypatch.setattr(bigwig_index, "_CHILDREN", 3)
    found = write(tmp_path / "a.bw", content)
    assert found.chroms() == CHROMS
    for name in content:
        np.testing.assert_array_equal(
            found.values(name, 0, CHROMS[name], numpy=True),
            per_base(content, name).astype(np.float32),
        )
        middle = CHROMS[name] // 2
        np.testing.assert_array_equal(
            found.values(name, middle, middle + 77, numpy=True),
            per_base(content, name)[middle : middle + 77].astype(np.float32),
        )
    assert found.intervals("chrEmpty") is None
    header = found.header()
    whole = np.concatenate([per_base(content, name) for name in content])
    known = whole[~np.isnan(whole)]
    assert header["nBasesCovered"] == len(known)
    assert header["sumData"] == int(known.sum())
    assert header["sumSquared"] == int((known**2).sum())
    assert header["nLevels"] == 6


def test_zoom_levels_hold_the_sums_of_their_cells(tmp_path, content, monkeypatch):
    monkeypatch.setattr(bigwig, "_ITEMS", 7)
    found = write(tmp_path / "a.bw", content)
    y = per_base(content, "chr10")
    for width in (2400, 9600, 38_400, 153_600, 614_400):  # of whole cells of every level used
        end = 700_000 // width * width
        bins = y[:end].reshape(-1, width)
        for kind, wanted in (
            ("mean", np.nanmean(bins, axis=1)),
            ("max", np.nanmax(bins, axis=1)),
            ("min", np.nanmin(bins, axis=1)),
            ("coverage", (~np.isnan(bins)).mean(axis=1)),
            ("std", np.nanstd(bins, axis=1, ddof=1)),
        ):
            stats = found.stats("chr10", 0, end, type=kind, nBins=len(bins))
            np.testing.assert_allclose(stats, wanted, rtol=2e-3)


def test_how_bins_are_handed_over_does_not_matter(tmp_path, content):
    one = write(tmp_path / "a.bw", content, pieces=1)
    two = write(tmp_path / "b.bw", content, pieces=400)
    assert one.chroms() == two.chroms()
    assert (tmp_path / "a.bw").read_bytes() == (tmp_path / "b.bw").read_bytes()


def test_nothing_to_write(tmp_path):
    found = write(tmp_path / "a.bw", {})
    assert found.chroms() == CHROMS
    assert found.intervals("chr2") is None
    assert found.header()["nBasesCovered"] == 0


def test_our_own_reader_takes_it(tmp_path, content):
    from tfrecords_tools.tracks import BigWigTrack

    write(tmp_path / "a.bw", content).close()
    track = BigWigTrack(tmp_path / "a.bw")
    wanted = per_base(content, "chr2")[100:900].astype(np.float32)
    np.testing.assert_array_equal(track.values("chr2", 100, 900), wanted)


def test_equal_bins_take_less_room(tmp_path):
    """End to end, apart, and of two widths: each way of storing them gives the same bins."""
    rng = np.random.default_rng(3)
    starts = 32 * np.arange(20_000)
    kept = np.sort(rng.permutation(20_000)[:15_000])
    values = rng.random(20_000).astype(np.float32)
    sizes = []
    for name, first, last, y in (
        ("fixed", starts, starts + 32, values),
        ("spaced", starts, starts + 8, values),
        ("variable", starts[kept], starts[kept] + 32, values[kept]),
        ("bedgraph", starts[kept], starts[kept] + rng.integers(20, 33, 15_000), values[kept]),
    ):
        path = tmp_path / f"{name}.bw"
        with BigWigWriter(path, {"a": 640_000}, 32) as writer:
            writer.add("a", first, last, y)
        with pyBigWig.open(str(path)) as file:
            wanted = zip(first.tolist(), last.tolist(), y.tolist(), strict=True)
            assert file.intervals("a") == tuple(wanted)
            sizes.append(path.stat().st_size / len(y))
    assert sizes[0] < 7
    assert sizes[0] < sizes[2] - 1
    assert sizes[2] < sizes[3]


def test_a_failed_block_leaves_no_open_file(tmp_path):
    def fail():
        with BigWigWriter(tmp_path / "a.bw", {"a": 100}, 10) as writer:
            opened.append(writer)
            writer.add("a", np.array([0]), np.array([10]), np.ones(1))
            raise RuntimeError

    opened: list[BigWigWriter] = []
    with pytest.raises(RuntimeError):
        fail()
    assert opened[0]._file.closed
    assert all(zoom.spool.closed for zoom in opened[0]._zooms)


@pytest.mark.parametrize(
    ("spans", "message"),
    [
        ([("a", 10, 20), ("a", 15, 30)], "bins of a from 10 are not sorted or overlap"),
        ([("a", 10, 10)], "not sorted or overlap"),
        ([("b", 10, 20), ("a", 30, 40)], "bins of a from 30 are not sorted"),
        ([("a", 90, 101)], "a bin of a ends at 101, the chromosome at 100"),
    ],
)
def test_refused_bins(tmp_path, spans, message):
    writer = BigWigWriter(tmp_path / "a.bw", {"a": 100, "b": 100}, 10)
    with pytest.raises(ConfigError, match=message):  # noqa: PT012 - it writes when it must
        for chrom, start, end in spans:
            writer.add(chrom, np.array([start]), np.array([end]), np.ones(1))
        writer.close()


def test_refused_chromosomes(tmp_path):
    for chroms in ({}, {str(n): 10 for n in range(65_536)}):
        with pytest.raises(ConfigError, match=f"{len(chroms)} chromosomes for a bigWig, want 1"):
            BigWigWriter(tmp_path / "a.bw", chroms, 10)


def test_memory_does_not_grow_with_the_number_of_bins(tmp_path):
    import tracemalloc

    peaks = []
    for count in (40, 400):
        starts = np.arange(2048) * 32
        writer = BigWigWriter(tmp_path / "a.bw", {"a": count * 65_536}, 32)
        tracemalloc.start()
        for number in range(count):
            low = number * 65_536
            values = np.random.default_rng(number).random(2048)
            writer.add("a", low + starts, low + starts + 32, values)
        writer.close()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 1_000_000  # of 737,280 more bins
