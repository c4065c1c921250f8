"""The benchmark of motif recovery: where places lie, and what is counted of their effects."""

import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfepi.analysis.dinucleotide_shuffle import dinucleotides
from tfepi.perturbation.motifs import consensus_motifs
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import decode, encode, one_hot, reverse_complement

with pytest.MonkeyPatch.context() as patch:
    patch.syspath_prepend(str(Path(__file__).parent.parent / "docs" / "benchmarks"))
    import motif_places
    import motif_recovery
    from motif_places import KINDS, MOTIFS, SHUFFLED, SITES, Place
    from motif_recovery import BESIDE, FLANK, GAP

    sys.modules.pop("motif_places"), sys.modules.pop("motif_recovery")

ABF1 = MOTIFS["Abf1"]


def random_letters(length, seed=0, unknown=False):
    return np.random.default_rng(seed).integers(0, 5 if unknown else 4, length).astype(np.uint8)


def mismatches_of(letters, frequencies):
    return sum(x == 4 or frequencies[i, x] == 0 for i, x in enumerate(letters))


def own_order(size):
    return ".".join(map(str, range(size)))


class TestMatches:
    def test_mismatches_are_those_counted_one_by_one(self):
        sequence = random_letters(200, unknown=True)
        found = motif_places.mismatches(sequence, ABF1.frequencies)
        for start in range(200 - 13 + 1):
            part = sequence[start : start + 13]
            assert found[0, start] == mismatches_of(part, ABF1.frequencies)
            assert found[1, start] == mismatches_of(reverse_complement(part), ABF1.frequencies)

    @pytest.mark.parametrize(("offset", "strand"), [(-25, 0), (-25, 1), (0, 0), (25, 1)])
    def test_the_middle_of_a_match_lies_within_reach(self, offset, strand):
        found = np.full((2, 300), 3)
        found[strand, 150 + offset - 6] = 0
        assert motif_places.best_match(found, 150, 13) == (0, 150 + offset - 6, strand)

    @pytest.mark.parametrize("offset", [-26, 26])
    def test_beyond_reach_nothing_is_found(self, offset):
        found = np.full((2, 300), 3)
        found[0, 150 + offset - 6] = 0
        assert motif_places.best_match(found, 150, 13) == (3, 144, 0)

    def test_of_equal_matches_the_nearest_is_taken_and_at_a_chromosome_s_end_what_there_is(self):
        found = np.full((2, 40), 1)
        found[0, 10], found[1, 25] = 0, 0
        assert motif_places.best_match(found, 20, 7) == (0, 10, 0)
        assert motif_places.best_match(found, 22, 7) == (0, 25, 1)
        assert motif_places.best_match(found, 2, 7) == (0, 10, 0)

    @pytest.mark.parametrize(("name", "most"), [("Reb1", 1), ("Abf1", 1), ("Rap1", 2), ("Cbf1", 1)])
    def test_a_mismatch_is_allowed_for_six_positions_that_are_no_n(self, name, most):
        counted = motif_places.informative(MOTIFS[name]).sum()
        assert counted // motif_places.POSITIONS_PER_MISMATCH == most


@pytest.fixture(scope="module")
def planted():
    """A sequence with six sites of Reb1, two of them called twice and one not there."""
    sequence = random_letters(40_000, 1)
    starts = np.array([3000, 8000, 13_000, 18_000, 23_000])
    for i, start in enumerate(starts):
        word = encode("TTACCCG")
        sequence[start : start + 7] = reverse_complement(word) if i % 2 else word
    bases = np.sort(np.r_[starts + 3, starts[:2] + 10])
    rng = np.random.default_rng(3)
    return sequence, starts, bases, motif_places.places_of(MOTIFS["Reb1"], bases, sequence, rng)


class TestPlaces:
    def test_sites_are_the_planted_ones_each_once(self, planted):
        _, starts, _, (places, _, counts) = planted
        sites = [p for p in places if p.kind == SITES]
        assert [(p.start, p.strand) for p in sites] == [
            (s, "+-"[i % 2]) for i, s in enumerate(starts)
        ]
        assert (counts["sites"], counts["with a match"], counts["different"]) == (7, 7, 5)

    def test_every_place_has_the_mismatches_it_says_in_its_order(self, planted):
        sequence, _, _, (places, windows, _) = planted
        motif = MOTIFS["Reb1"]
        for p in places:
            letters = encode(windows[p.chrom]) if p.kind == SHUFFLED else sequence
            part = letters[p.start : p.end]
            part = part if p.strand == "+" else reverse_complement(part)
            assert mismatches_of(part, motif.frequencies[p.positions]) == p.mismatches
        assert {p.kind for p in places} == set(KINDS)

    def test_controls_lie_away_and_have_the_mismatches_of_the_sites(self, planted):
        _, _, bases, (places, _, _) = planted
        for kind in KINDS[1:3]:
            these = [p for p in places if p.kind == kind]
            assert {p.mismatches for p in these} == {0}
            starts = np.sort([p.start for p in these])
            assert np.abs(starts[:, None] - bases).min() > motif_places.AWAY
            assert np.diff(starts).min(initial=1000) > motif_places.AWAY

    def test_shuffled_windows_have_the_dinucleotides_of_the_site_s(self, planted):
        sequence, starts, _, (_, windows, _) = planted
        around = sequence[starts[2] + 3 - 416 : starts[2] + 3 + 416]
        window = windows["Reb1_2_1"]
        assert window != decode(around)
        np.testing.assert_array_equal(dinucleotides(encode(window)), dinucleotides(around))

    def test_the_share_of_bases_with_a_match_is_that_counted_one_by_one(self):
        sequence = random_letters(3000, 5)
        motif = MOTIFS["Reb1"]
        found = motif_places.mismatches(sequence, motif.frequencies)
        wanted = np.mean([motif_places.best_match(found, b, 7)[0] <= 1 for b in range(3000)])
        assert 0 < wanted < 1
        bases, rng = np.array([], int), np.random.default_rng(0)
        counts = motif_places.places_of(motif, bases, sequence, rng)[2]
        assert counts["share of all bases"] == pytest.approx(wanted)


class TestStatistics:
    def test_correlation_is_pearson_s_of_all_letters(self):
        logo = np.random.default_rng(0).normal(size=(13, 4))
        logo -= logo.mean(axis=1, keepdims=True)
        r = np.corrcoef(logo.ravel(), ABF1.frequencies.ravel())[0, 1]
        assert motif_recovery.correlation(logo, ABF1) == pytest.approx(r)
        assert motif_recovery.correlation(ABF1.frequencies - 0.25, ABF1) == pytest.approx(1)

    def test_auroc_is_the_share_of_pairs(self):
        rng = np.random.default_rng(2)
        size = 13 + 2 * BESIDE
        letters = one_hot(random_letters(size, 4, unknown=True)).astype(bool)
        effects = rng.normal(size=(size, 4)).round(1)  # with ties
        inside, flanks = [], []
        for i in range(size):
            j = i - BESIDE
            for letter in range(4):
                if letters[i].any() and not letters[i, letter]:
                    change = abs(effects[i, letter] - effects[i][letters[i]][0])
                    if 0 <= j < 13 and "RTCRYNNNNNACG"[j] != "N":
                        inside.append(change)
                    elif j < -GAP or j >= 13 + GAP:
                        assert i < FLANK or i >= size - FLANK
                        flanks.append(change)
        pairs = [(x > y) + 0.5 * (x == y) for x in inside for y in flanks]
        found = motif_recovery.auroc(effects, letters, motif_places.informative(ABF1))
        assert found == pytest.approx(np.mean(pairs))

    def test_scrambled_places_are_read_in_the_consensus_s_order(self):
        motif, rng = MOTIFS["Cbf1"], np.random.default_rng(0)
        places, effects = [], []
        for _ in range(12):
            order = rng.permutation(8)
            block = np.zeros((8 + 2 * BESIDE, 4))
            block[BESIDE:-BESIDE] = motif.frequencies[order] - 0.25
            effects.append(block)
            where = ("Cbf1", KINDS[2], "chrX", 0, 8, "+", 0)
            places.append(Place(*where, ".".join(map(str, order))))
        letters = np.stack([one_hot(e.argmax(axis=1)) for e in effects]).astype(bool)
        found = motif_recovery.recovery(places, np.stack(effects), letters)
        assert found["r"]["value"] == pytest.approx(1)
        assert found["r_beyond"]["value"] == pytest.approx(1)
        assert found["r"]["interval"] == pytest.approx((1, 1))
        # of 24 changes that of R's one letter into the other is 0, as all in the flanks are
        assert found["auroc"]["value"] == pytest.approx(23.5 / 24)
        assert found["letters"] == [True] * 8

    def test_the_flanks_letters_are_no_recovery(self):
        motif, rng = consensus_motifs("Reb1=TTACCCG")[0], np.random.default_rng(0)
        effects = np.tile([-1.0, 1, 1, -1], (30, 7 + 2 * BESIDE, 1))
        effects += rng.normal(scale=0.1, size=effects.shape)
        letters = one_hot(rng.integers(0, 4, effects.shape[:2])).astype(bool)
        places = [Place("Reb1", SITES, "chrX", 0, 7, "+", 0, own_order(7))] * 30
        found = motif_recovery.recovery(places, effects, letters)
        assert found["r"]["value"] == pytest.approx((4 - 3) / np.sqrt(28 * 5.25), abs=0.01)
        assert abs(found["r_beyond"]["value"]) < 0.6  # noise
        assert sum(found["letters"]) < 3
        wanted = effects.mean(axis=0)[BESIDE - 8 : 8 - BESIDE]
        np.testing.assert_allclose(found["logo"], wanted)
        assert motif_recovery.correlation(wanted[8:-8], motif) == pytest.approx(
            found["r"]["value"], abs=0.01
        )


class TestReading:
    @pytest.fixture
    def written(self, tmp_path):
        """A site on each strand; an effect is its position on the chromosome, and A's ten more."""
        sequence = random_letters(1000, 9)
        places = [
            Place("Reb1", SITES, "chrX", start, start + 7, strand, 0, own_order(7))
            for start, strand in ((300, "+"), (600, "-"))
        ]
        sequence[300:307] = encode("TTACCCG")
        sequence[600:607] = reverse_complement(encode("TTACCCG"))
        for where, mine in (("genome", places), ("shuffled", [])):
            (tmp_path / f"ism_{where}").mkdir()
            with h5py.File(tmp_path / f"ism_{where}" / "scores.h5", "w") as file:
                starts = np.array([p.start + 3 - 40 for p in mine], int)
                place = starts[:, None] + np.arange(80)
                letters, place = sequence[place], place.astype(float)
                for i, p in enumerate(mine):
                    if p.strand == "-":
                        letters[i], place[i] = reverse_complement(letters[i]), place[i, ::-1]
                file["label"] = np.array([str(i).encode() for i in range(len(mine))], "S1")
                file["start"], file["end"] = starts, starts + 80
                file["seqs"] = one_hot(letters).astype(bool)
                file["sum"] = (place[..., None] * [3, -1, -1, -1])[..., None].repeat(2, axis=3)
        return tmp_path, places, sequence

    def test_effects_run_along_the_strand_from_the_flank_on(self, written):
        out, places, sequence = written
        effects, letters = motif_recovery.read_effects(out, places, "mutagenesis")
        for p, found, own in zip(places, effects, letters, strict=True):
            place = np.arange(p.start - BESIDE, p.end + BESIDE)
            wanted = sequence[place]
            if p.strand == "-":
                place, wanted = place[::-1], reverse_complement(wanted)
            np.testing.assert_allclose(found[:, 0, 0] * motif_recovery.SPREAD[0], 3 * place)
            np.testing.assert_allclose(found[:, 0, 1] * motif_recovery.SPREAD[1], 3 * place)
            np.testing.assert_array_equal(own, one_hot(wanted).astype(bool))

    def test_effects_of_other_places_are_refused(self, written):
        out, places, _ = written
        other = [Place("Reb1", SITES, "chrX", 302, 309, "+", 0, own_order(7)), places[1]]
        with pytest.raises(InputFileError, match="mismatches at Place"):
            motif_recovery.read_effects(out, other, "mutagenesis")
