import numpy as np
import pytest

from tfepi.analysis.dinucleotide_shuffle import dinucleotides
from tfepi.analysis.scramble import Replacement, check_pseudocount, log2_ratio, tiles
from tfepi.analysis.tss_windows import TssWindow
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot

WINDOW = TssWindow(256, 8, 32, 24, 3)


@pytest.fixture
def sequence():
    found = np.random.default_rng(2).integers(0, 4, 256).astype(np.uint8)
    found[60:64] = 4
    return found


def test_shuffles(sequence):
    found = Replacement("shuffle", 3, 7).apply(sequence, 40, 120, "chr1", 1000)
    assert (found.shape, found.dtype) == ((3, 256), np.uint8)
    outside = np.r_[0:40, 120:256]
    for row in found:
        np.testing.assert_array_equal(row[outside], sequence[outside])
        assert (row[40:120] != sequence[40:120]).any()
        np.testing.assert_array_equal(dinucleotides(row[40:120]), dinucleotides(sequence[40:120]))
    assert (found[0] != found[1]).any()
    again = Replacement("shuffle", 2, 7).apply(sequence, 40, 120, "chr1", 1000)
    np.testing.assert_array_equal(again, found[:2])
    for other in (
        Replacement("shuffle", 3, 8).apply(sequence, 40, 120, "chr1", 1000),
        Replacement("shuffle", 3, 7).apply(sequence, 40, 120, "chr2", 1000),
    ):
        assert (other != found).any()


def test_an_element_is_scrambled_alike_in_every_window(sequence):
    moved = np.roll(sequence, 30)
    one = Replacement(scrambles=2).apply(sequence, 40, 120, "chr1", 1000)
    two = Replacement(scrambles=2).apply(moved, 70, 150, "chr1", 970)
    np.testing.assert_array_equal(one[:, 40:120], two[:, 70:150])


def test_before_the_chromosome(sequence):
    sequence[:50] = 4
    found = Replacement(scrambles=1).apply(sequence, 0, 90, "chr1", -50)
    np.testing.assert_array_equal(found[0, :50], 4)
    np.testing.assert_array_equal(np.sort(found[0, 50:90]), np.sort(sequence[50:90]))


def test_n_and_mean(sequence):
    replacement = Replacement("n", 5)
    assert replacement.count == 1
    found = replacement.apply(sequence, 40, 120, "chr1", 0)
    assert found.shape == (1, 256)
    assert (found[0, 40:120] == 4).all()
    np.testing.assert_array_equal(found[0, 120:], sequence[120:])
    codes = Replacement("mean").apply(sequence, 40, 120, "chr1", 0)
    assert (codes.shape, codes.dtype) == ((1, 256, 4), np.float32)
    np.testing.assert_array_equal(codes[0, :40], one_hot(sequence[:40]))
    share = np.bincount(sequence[40:120], minlength=5)[:4] / 80
    np.testing.assert_allclose(codes[0, 40:120], np.tile(share, (80, 1)), rtol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("shufle",), "unknown replacement 'shufle': did you mean 'shuffle'"),
        (("shuffle", 0), "scrambles is 0: want at least 1"),
    ],
)
def test_bad_replacements(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Replacement(*arguments)


@pytest.mark.parametrize(("width", "step"), [(16, None), (50, None), (7, None), (50, 20), (8, 30)])
def test_tiles(width, step):
    found = tiles(WINDOW, width, step)
    middle = [t for t in found if t.offset == 0]
    assert [(t.low, t.high) for t in middle] == [(128 - width // 2, 128 - width // 2 + width)]
    whole = [t for t in found if t.high - t.low == width]
    np.testing.assert_array_equal(np.diff([t.offset for t in whole]), step or width)
    assert all(0 <= t.low < t.high <= 256 for t in found)
    if step is None:
        # Side by side they are the window, each base once.
        assert [t.low for t in found[1:]] == [t.high for t in found[:-1]]
        assert (found[0].low, found[-1].high) == (0, 256)
    for tile in found:
        assert tile.offset == (tile.low + tile.high) // 2 - 128


@pytest.mark.parametrize(
    ("width", "step", "message"),
    [
        (0, None, "tiles are 0 bp"),
        (257, None, "tiles are 257 bp: want 1 to 256"),
        (8, 0, "step is"),
    ],
)
def test_bad_tiles(width, step, message):
    with pytest.raises(ConfigError, match=message):
        tiles(WINDOW, width, step)


def test_log2_ratio():
    found = log2_ratio(np.array([1.0, 3, 0, 1]), np.array([3.0, 1, 1, -2]), 1.0)
    np.testing.assert_allclose(found, [1, -1, 1, np.nan])
    assert np.isnan(log2_ratio(np.array([0.0]), np.array([1.0]), 0)).all()


@pytest.mark.parametrize("value", [-0.1, float("nan"), float("inf")])
def test_bad_pseudocounts(value):
    with pytest.raises(ConfigError, match="pseudocount is"):
        check_pseudocount(value)
