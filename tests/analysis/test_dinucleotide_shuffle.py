from collections import Counter
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from tfepi.analysis.dinucleotide_shuffle import dinucleotides, shuffled
from tfrecords_tools.genome import encode


def pairs(letters):
    return Counter(zip(letters[:-1].tolist(), letters[1:].tolist(), strict=True))


@given(st.text("ACGT", min_size=0, max_size=80), st.integers(0, 9))
def test_dinucleotides_and_ends_are_kept(text, seed):
    sequence = encode(text)
    found = shuffled(sequence, np.random.default_rng(seed))
    assert found.dtype == np.uint8
    assert pairs(found) == pairs(sequence)
    if text:
        assert (found[0], found[-1]) == (sequence[0], sequence[-1])


@given(st.text("ACGTN", min_size=1, max_size=80), st.integers(0, 9))
def test_n_stays_and_stretches_are_shuffled_by_themselves(text, seed):
    sequence = encode(text)
    found = shuffled(sequence, np.random.default_rng(seed))
    np.testing.assert_array_equal(found == 4, sequence == 4)
    assert pairs(found) == pairs(sequence)
    place = 0
    for stretch in text.split("N"):
        part = slice(place, place + len(stretch))
        assert pairs(found[part]) == pairs(sequence[part])
        place += len(stretch) + 1


@pytest.mark.parametrize("text", ["AACATAGA", "ACATAGCA", "ACACAGCG", "AACAACTC"])
def test_every_sequence_is_as_likely(text):
    sequence = encode(text)
    wanted = pairs(sequence)
    every = {p for p in permutations(sequence.tolist()) if pairs(np.array(p)) == wanted}
    # Same dinucleotides do not always mean same ends: of a closed walk they may turn.
    every = {p for p in every if (p[0], p[-1]) == (sequence[0], sequence[-1])}
    rng = np.random.default_rng(1)
    found = Counter(tuple(shuffled(sequence, rng).tolist()) for _ in range(200 * len(every)))
    assert set(found) == every
    assert len(every) > 3
    assert chisquare(list(found.values())).pvalue > 1e-3


def test_the_same_stream_gives_the_same_sequence():
    sequence = np.random.default_rng(0).integers(0, 4, 3000).astype(np.uint8)
    one, again, other = (shuffled(sequence, np.random.default_rng(s)) for s in (3, 3, 4))
    np.testing.assert_array_equal(one, again)
    assert (one != other).mean() > 0.5
    assert (one != sequence).mean() > 0.5
    np.testing.assert_array_equal(dinucleotides(one), dinucleotides(sequence))


def test_a_rare_way_out_of_a_repeat():
    sequence = encode("AC" * 2000 + "G" + "T" * 50 + "A")
    found = shuffled(sequence, np.random.default_rng(2))
    assert pairs(found) == pairs(sequence)


def test_counts_against_a_loop():
    sequence = encode("ACNNGGTACGGNT")
    slow = np.zeros((4, 4), int)
    for a, b in pairwise(sequence):
        if a < 4 and b < 4:
            slow[a, b] += 1
    np.testing.assert_array_equal(dinucleotides(sequence), slow)
