import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfepi.comparison.top import Largest, top_statistics


def orders(sizes, k):
    """Every set of k that has the largest sizes, whatever the order of equal ones."""
    threshold = sorted(sizes, reverse=True)[k - 1]
    sure = [i for i, s in enumerate(sizes) if s > threshold]
    tied = [i for i, s in enumerate(sizes) if s == threshold]
    return [{*sure, *c} for c in itertools.combinations(tied, k - len(sure))]


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=7),
    st.data(),
)
def test_the_mean_over_all_orders_of_ties(pairs, data):
    first, second = (np.array(v, float) for v in zip(*pairs, strict=True))
    k = data.draw(st.integers(1, len(pairs)))
    ones = np.ones(len(pairs))
    both = [Largest(s) for s in (first, second)]
    shares = [one.shares(ones, k / len(pairs)) for one in both]
    sets = [orders(list(s), k) for s in (first, second)]
    for share, each in zip(shares, sets, strict=True):
        chance = [np.mean([i in one for one in each]) for i in range(len(pairs))]
        np.testing.assert_allclose(share, chance, atol=1e-12)
    overlap = np.mean([len(a & b) / k for a in sets[0] for b in sets[1]])
    found = top_statistics(*shares, ones, both[0].alone & both[1].alone)
    assert found["overlap"] == pytest.approx(overlap)


def test_without_ties_these_are_sets():
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(2, 60))
    k = 12
    tops = [set(np.argsort(-np.abs(v))[:k].tolist()) for v in (first, second)]
    shares = [Largest(np.abs(v)).shares(np.ones(60), k / 60) for v in (first, second)]
    agree, known = (np.sign(first) == np.sign(second)).astype(float), np.ones(60)
    known[0] = 0
    found = top_statistics(*shares, np.ones(60), np.ones(60, bool), agree, known)
    both, either = tops[0] & tops[1], (tops[0] | tops[1]) - {0}
    assert found["overlap"] == pytest.approx(len(both) / k)
    assert found["jaccard"] == pytest.approx(len(both) / len(tops[0] | tops[1]))
    assert found["signs"] == pytest.approx(len(either))
    assert found["sign"] == pytest.approx(np.mean([agree[i] for i in either]))


def test_weights_are_copies():
    rng = np.random.default_rng(1)
    sizes = rng.integers(0, 9, 30).astype(float)
    weights = rng.integers(0, 4, 30)
    copies = np.repeat(np.arange(30), weights)
    found = Largest(sizes).shares(weights.astype(float), 0.25)
    wanted = Largest(sizes[copies]).shares(np.ones(len(copies)), 0.25)
    np.testing.assert_allclose(found[copies], wanted)
    assert weights @ found == pytest.approx(0.25 * weights.sum())


def test_copies_of_a_variant_are_the_same_ones_in_both_sets():
    """Against copies that are told apart: by their number, in the same order by either score."""
    rng = np.random.default_rng(2)
    for _ in range(20):
        first, second = rng.normal(size=(2, 12))
        weights = rng.integers(0, 4, 12)
        k = int(rng.integers(1, max(2, weights.sum())))
        copies = [(i, c) for i in range(12) for c in range(weights[i])]
        tops = [
            set(sorted(copies, key=lambda ic, v=v: (-abs(v[ic[0]]), ic[1]))[:k])
            for v in (first, second)
        ]
        shares = [
            Largest(np.abs(v)).shares(weights.astype(float), k / weights.sum())
            for v in (first, second)
        ]
        agree = (np.sign(first) == np.sign(second)).astype(float)
        every = np.ones(12)
        found = top_statistics(*shares, weights.astype(float), every > 0, agree, every)
        either = tops[0] | tops[1]
        assert found["overlap"] == pytest.approx(len(tops[0] & tops[1]) / k)
        assert found["jaccard"] == pytest.approx(len(tops[0] & tops[1]) / len(either))
        assert found["sign"] == pytest.approx(np.mean([agree[i] for i, _ in either]))
        assert found["signs"] == pytest.approx(len(either))


def test_nothing_counts():
    zeros = np.zeros(3)
    shares = Largest(np.arange(3.0)).shares(zeros, 0.5)
    found = top_statistics(shares, shares, zeros, zeros == 0, zeros, zeros)
    assert np.isnan([found["overlap"], found["jaccard"], found["sign"]]).all()
