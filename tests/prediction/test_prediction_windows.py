import numpy as np
import pytest

from tfepi.prediction.windows import Centred, Place, Site, Tiles
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome


@pytest.fixture
def genome(fasta):
    with Genome(fasta) as opened:
        yield opened


def spans(windows, numbers=None):
    numbers = np.arange(len(windows)) if numbers is None else numbers
    chrom, start = windows.block(numbers)
    names = [windows.chroms[c] for c in chrom]
    return list(zip(names, start.tolist(), strict=True))


def in_order(windows, size):
    blocks = list(windows.in_order(size))
    assert all(len(b) <= size for b in blocks)
    for block in blocks:
        assert len({name for name, _ in spans(windows, block)}) == 1
    numbers = np.concatenate(blocks)
    assert sorted(numbers.tolist()) == list(range(len(windows)))
    return spans(windows, numbers)


def test_a_site_is_all_bins_or_the_middle(toy):
    assert Site.of(toy.spec()) == Site(8, 0, 6, 8, 64)
    assert Site.of(toy.spec(), 32) == Site(16, 1, 4, 8, 64)
    assert Site.of(toy.spec(), 32).length == 32


def test_an_odd_site_is_said_to_lie_beside_the_centre(toy, caplog):
    assert Site.of(toy.spec(), 24) == Site(24, 2, 3, 8, 64)
    assert "3 of 6 bins have no middle: sites lie half a bin (4 bp)" in caplog.text


@pytest.mark.parametrize("length", [0, 4, 12, 56, -8])
def test_bad_site_length(toy, length):
    with pytest.raises(ConfigError, match=f"site length is {length} bp: want a multiple of"):
        Site.of(toy.spec(), length)


def test_centred_windows_keep_the_order_of_the_bed(genome, bed, toy):
    path = bed(("chr2", 500, 601), ("chr10", 0, 1), ("chr2", 10, 12), ("chr2", 520, 521))
    windows = Centred(path, genome, Site.of(toy.spec()))
    wanted = [("chr2", 550 - 24), ("chr10", -24), ("chr2", 11 - 24), ("chr2", 520 - 24)]
    assert spans(windows) == wanted
    ordered = [("chr10", -24), ("chr2", -13), ("chr2", 496), ("chr2", 526)]
    assert in_order(windows, 2) == ordered
    assert windows.overlapping == 1


def test_windows_that_touch_do_not_overlap(genome, bed, toy):
    path = bed(("chr2", 100, 100), ("chr2", 148, 148))
    assert Centred(path, genome, Site.of(toy.spec())).overlapping == 0


@pytest.mark.parametrize(
    ("interval", "message"),
    [
        (("chr10", 200, 301), r"chr10:200-301 ends past the end of chr10 \(300 bp"),
        (("chr3", 1, 2), "has no chromosome 'chr3'"),
        (("10", 1, 2), "differ by the 'chr' prefix"),
    ],
)
def test_bad_intervals(genome, bed, toy, interval, message):
    with pytest.raises(InputFileError, match=message):
        Centred(bed(("chr2", 1, 2), interval), genome, Site.of(toy.spec()))


def test_an_empty_bed(genome, bed, toy):
    with pytest.raises(InputFileError, match="has no intervals"):
        Centred(bed(), genome, Site.of(toy.spec()))


def test_tiles_cover_every_base_once(genome, toy):
    windows = Place().windows(genome, Site.of(toy.spec()))
    assert isinstance(windows, Tiles)
    assert len(windows) == 21 + 7 + 1  # 1003, 300 and 40 bp in steps of 48
    wanted = [
        (name, start) for name, length in toy.chroms.items() for start in range(0, length, 48)
    ]
    assert spans(windows) == wanted
    assert in_order(windows, 4) == sorted(wanted)


def test_limits_keep_the_grid(genome, bed, toy):
    limit = bed(("chr2", 50, 60), ("chr2", 90, 97), ("chr2", 480, 481), ("chr10", 288, 300))
    windows = Place(limit=limit).windows(genome, Site.of(toy.spec()))
    starts = [("chr2", 48), ("chr2", 96), ("chr2", 480), ("chr10", 288)]
    assert spans(windows) == starts
    assert in_order(windows, 1) == sorted(starts)
    only = Place(chroms=("chr10",), limit=limit).windows(genome, Site.of(toy.spec()))
    assert spans(only) == [("chr10", 288)]


def test_chroms_in_the_order_named(genome, toy):
    windows = Place(chroms=("chr1", "chr10")).windows(genome, Site.of(toy.spec(), 16))
    assert windows.chroms == ("chr1", "chr10")
    assert spans(windows)[:4] == [("chr1", 0), ("chr1", 16), ("chr1", 32), ("chr10", 0)]


def test_bad_places(genome, bed, toy):
    site = Site.of(toy.spec())
    limit = bed(("chr2", 5, 9))
    for place in ({"genome": True}, {"chroms": ("chr1",)}, {"limit": limit}):
        with pytest.raises(ConfigError, match="are asked for at once"):
            Place(bed=limit, **place)
    with pytest.raises(ConfigError, match="names one more than once"):
        Place(chroms=("chr1", "chr1"))
    with pytest.raises(InputFileError, match="has no chromosome 'chr7'"):
        Place(chroms=("chr7",)).windows(genome, site)
    with pytest.raises(InputFileError, match="has no chromosome 'chrX'"):
        Place(limit=bed(("chrX", 5, 9))).windows(genome, site)
    with pytest.raises(InputFileError, match="ends past the end of chr2"):
        Place(limit=bed(("chr2", 5, 1004))).windows(genome, site)
    empty = bed(name="empty.bed")
    for place in (Place(bed=empty), Place(limit=empty)):
        with pytest.raises(InputFileError, match=r"no intervals: want .* for the whole genome"):
            place.windows(genome, site)
    with pytest.raises(ConfigError, match="no tile touches"):
        Place(chroms=("chr1",), limit=bed(("chr2", 5, 9))).windows(genome, site)
    assert Place(bed=limit).files == {"bed": limit}
    assert Place(limit=limit).files == {"limit": limit}
