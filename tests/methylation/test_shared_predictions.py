import numpy as np
import pytest

from tfepi.methylation.shared_predictions import SharedPredictions
from tfepi.methylation.variant_effects import effects
from tfepi.methylation.variant_options import MethylationScoring
from tfepi.variants.alleles import AllelePair
from tfrecords_tools.genome import encode, one_hot


@pytest.fixture(scope="module")
def bases():
    rng = np.random.default_rng(6)
    return encode("".join(rng.choice(list("ACGT"), 6000, p=[0.2, 0.3, 0.3, 0.2])))


@pytest.fixture
def read(bases):
    padded = np.concatenate([np.full(99, 4, np.uint8), bases, np.full(99, 4, np.uint8)])
    return lambda chrom, start, end: padded[start + 99 : end + 99]


@pytest.fixture
def make_shared(cpg_toy):
    """Return a function: predictions that keep each call's windows and the most that was held."""

    class Watched(SharedPredictions):
        most = 0

        def flush(self):
            super().flush()
            self.most = max(self.most, self.held)

    def make():
        calls = []

        def predict(windows):
            calls.append(windows.copy())
            return cpg_toy.toy_values(one_hot(windows))[:, 0]

        found = Watched(predict, cpg_toy.LENGTH, 3, 16, cpg_toy.HALF)
        found.calls = calls
        return found

    return make


@pytest.fixture
def shared(make_shared):
    return make_shared()


def snvs(bases, positions):
    for row, position in enumerate(positions):
        ref = "ACGT"[bases[position]]
        alt = "ACGT"[(bases[position] + 1) % 4]
        yield AllelePair("c", position, ".", ref, alt, ref, row, 0)


def test_every_window_is_predicted_once_in_full_batches(bases, read, shared, cpg_toy):
    scoring = MethylationScoring(cpg_toy.HALF)
    flank = 2 * cpg_toy.HALF + 1
    rows = list(snvs(bases, range(100, 900, 3)))
    got = list(effects(rows, read, shared, scoring, flank))
    assert [e.pair for e in got] == rows
    sizes = [len(c) for c in shared.calls]
    assert set(sizes[:-1]) == {16}
    windows = np.concatenate(shared.calls)
    assert len({w.tobytes() for w in windows}) == len(windows) == shared.ready
    pairs = sum(int(e.cpgs.counts[0]) for e in got)
    reference = len(set(np.concatenate([e.cpgs.position[e.cpgs.kind < 2] for e in got])))
    created = sum(int(e.cpgs.counts[2]) for e in got)
    assert len(windows) == pairs + reference + created
    assert reference < 0.12 * pairs


def test_equal_variants_share_their_windows(bases, read, shared, cpg_toy):
    scoring = MethylationScoring(cpg_toy.HALF)
    one = next(snvs(bases, [500]))
    before = "ACGT"[bases[499]]
    other = AllelePair(
        "c", 499, "longer", before + one.ref, before + one.alt, before + one.ref, 0, 0
    )
    got = list(effects([other, one, one], read, shared, scoring, 2 * cpg_toy.HALF + 1))
    assert len(got[0].ref)
    for effect in got[1:]:
        assert np.array_equal(effect.ref, got[0].ref, equal_nan=True)
        assert np.array_equal(effect.alt, got[0].alt, equal_nan=True)
    counts = got[0].cpgs.counts
    assert shared.ready == 2 * counts[0] + counts[1] + counts[2]


def test_memory_does_not_grow_with_the_number_of_rows(bases, read, make_shared, cpg_toy):
    scoring = MethylationScoring(cpg_toy.HALF)
    flank = 2 * cpg_toy.HALF + 1
    most = []
    for end in (900, 3900):
        shared = make_shared()
        for _ in effects(snvs(bases, range(100, end, 5)), read, shared, scoring, flank):
            pass
        most.append(shared.most)
    assert most[1] <= most[0] * 1.5 < 200
    assert shared.ready > 3000


def test_another_chromosome_is_not_the_same_place(bases, read, shared, cpg_toy):
    scoring = MethylationScoring(cpg_toy.HALF)
    flank = 2 * cpg_toy.HALF + 1
    pair = next(snvs(bases, [500]))
    again = AllelePair(
        "d", *[getattr(pair, n) for n in ("position", "id", "ref", "alt", "host")], 1, 0
    )
    first, second = effects([pair, again], read, shared, scoring, flank)
    assert np.array_equal(first.alt, second.alt, equal_nan=True)
    assert shared.ready == 2 * (2 * first.cpgs.counts[0] + first.cpgs.counts[1:].sum())
