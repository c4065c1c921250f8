"""Predictions along haplotypes, beside text that is cut and spliced by hand."""

import numpy as np
import pytest

from tfepi.report.page.haplotype_tiles import MOST_BINS, REACH, haplotypes
from tfepi.variants.alleles import AllelePair, Window
from tfrecords_tools.genome import Genome, encode

LENGTH = 6000


@pytest.fixture(scope="module")
def letters():
    return "".join(np.random.default_rng(8).choice(list("ACGT"), LENGTH))


@pytest.fixture(scope="module")
def genome(tmp_path_factory, letters):
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    path.write_text(f">chr1\n{letters}\n")
    with Genome(path) as genome:
        yield genome


def model_of(window):
    """A model whose bins depend on their bases, their flanks and where they lie in the window."""
    weights = np.random.default_rng(1).standard_normal((window.length, 5))

    def predict(sequences):
        values = np.take_along_axis(weights[None], sequences[..., None].astype(int), 2)[..., 0]
        sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
        flank = min(window.crop, 7)
        starts = window.crop + window.bin_width * np.arange(window.bins)
        own = sums[:, starts + window.bin_width + flank] - sums[:, starts - flank]
        return own.astype(np.float32)

    return predict


def pair_of(letters, position, ref, alt):
    assert letters[position : position + len(ref)] == ref
    return AllelePair("chr1", position, ".", ref, alt, ref, 0, 0)


def by_hand(letters, window, pair, allele, starts, predict, stitch=True):
    """Every tile of a haplotype: its text with the left flank in place, and with the right one."""
    pad = "N" * 400
    at, after = pair.position + 400, pair.position + 400 + len(pair.host)
    padded = pad + letters + pad
    edited = padded[:at] + allele + padded[after:]
    grown = len(allele) - len(pair.host)
    found = []
    for start in starts:
        left = edited[start + 400 : start + 400 + window.length]
        right = edited[start + 400 + grown : start + 400 + grown + window.length]
        left, right = (predict(encode(t)[None])[0] for t in (left, right))
        for b in range(window.bins):
            low = start + window.crop + b * window.bin_width
            high = low + window.bin_width
            if high <= pair.position or not grown or not stitch:
                found.append(left[b])
            elif low >= pair.position + len(pair.host):
                found.append(right[b])
            else:
                found.append((left[b] + right[b]) / 2)
    return np.array(found)


ONE = Window(100, 40, 30, 1)
FEW = Window(160, 20, 30, 5)
MANY = Window(260, 20, 30, 10)


@pytest.mark.parametrize("window", [ONE, FEW, MANY], ids=["one bin", "five", "ten"])
@pytest.mark.parametrize("change", [(1, 1), (1, 9), (12, 1), (3, 70), (90, 2)])
def test_both_haplotypes(genome, letters, window, change):
    position, (ref, alt) = 3001, change
    ref = letters[position : position + ref]
    alt = ("TGCA"["ACGT".index(ref[0])] if alt == 1 else ref[0]) + "ACGGT" * 20
    pair = pair_of(letters, position, ref, alt[: change[1]])
    predict = model_of(window)
    found = haplotypes(genome, pair, window, predict)
    first = window.start(position)
    reach = 0 if window.bins >= 8 else -(-REACH // window.covered)
    starts = [first + k * window.covered for k in range(-reach, reach + 1)]
    wanted = np.concatenate([
        s + window.crop + window.bin_width * np.arange(window.bins) for s in starts
    ])  # fmt: skip
    assert found.starts.tolist() == wanted.tolist()
    assert found.windows == len(starts)
    assert (np.diff(found.starts) == window.bin_width).all()
    for values, allele in ((found.ref, pair.ref), (found.alt, pair.alt)):
        expected = by_hand(letters, window, pair, allele, starts, predict)
        np.testing.assert_allclose(values, expected, atol=1e-4)
    assert found.starts[found.center].tolist() == wanted.reshape(-1, window.bins)[reach].tolist()


def test_only_the_left_register_where_the_run_asked_for_that(genome, letters):
    pair = pair_of(letters, 3001, letters[3001], letters[3001] + "ACGT")
    predict = model_of(MANY)
    found = haplotypes(genome, pair, MANY, predict, stitch=False)
    starts = [MANY.start(3001)]
    wanted = by_hand(letters, MANY, pair, pair.alt, starts, predict, stitch=False)
    np.testing.assert_allclose(found.alt, wanted, atol=1e-4)


def test_the_genome_may_hold_alt(genome, letters):
    ref = "ACGT".replace(letters[3001], "")[0]
    pair = AllelePair("chr1", 3001, ".", ref, letters[3001], letters[3001], 0, 0)
    found = haplotypes(genome, pair, ONE, model_of(ONE))
    other = AllelePair("chr1", 3001, ".", letters[3001], ref, letters[3001], 0, 0)
    swapped = haplotypes(genome, other, ONE, model_of(ONE))
    np.testing.assert_array_equal(found.ref, swapped.alt)
    np.testing.assert_array_equal(found.alt, swapped.ref)


@pytest.mark.parametrize("position", [3, LENGTH - 5])
def test_tiles_stay_on_the_chromosome(genome, letters, position):
    pair = pair_of(letters, position, letters[position], "ACGT".replace(letters[position], "")[0])
    found = haplotypes(genome, pair, ONE, model_of(ONE))
    scored = found.starts[found.center]
    others = np.setdiff1d(found.starts, scored)
    assert (others >= 0).all()
    assert (others + ONE.bin_width <= LENGTH).all()
    assert scored.tolist() == [ONE.start(position) + ONE.crop]
    assert len(found.starts) < 2 * REACH / ONE.bin_width


def test_of_very_many_bins_those_around_the_variant_are_shown(genome, letters):
    window = Window(4100, 4, 50, 1000)
    pair = pair_of(letters, 3001, letters[3001], "ACGT".replace(letters[3001], "")[0])
    found = haplotypes(genome, pair, window, model_of(window))
    assert len(found.starts) == len(found.ref) == len(found.alt) == MOST_BINS
    assert found.starts[0] < 3001 < found.starts[-1]
    assert abs(found.starts.mean() - 3001) < 8
    whole = by_hand(letters, window, pair, pair.alt, [window.start(3001)], model_of(window))
    first = (found.starts[0] - window.start(3001) - window.crop) // 4
    np.testing.assert_allclose(found.alt, whole[first : first + MOST_BINS], atol=1e-4)
    assert found.center == slice(0, MOST_BINS)
