"""Links in bins, against sets and dictionaries."""

from collections import Counter

import numpy as np
import pytest

from tfepi.qtl.bins import GenomeBins
from tfepi.qtl.connectivity import Counting, connect, distinct
from tfepi.qtl.links import Links

BINS = GenomeBins.of({"a": 1_005, "b": 400}, 100)


@pytest.fixture
def drawn():
    """Random links, many of them equal: places of 12 targets, and (target, position, alleles)."""
    rng = np.random.default_rng(2)
    chrom = np.repeat([0, 1], 6)
    length = np.array(BINS.lengths)[chrom]
    start = rng.integers(0, length - 60)
    end = start + rng.integers(1, 240, 12).clip(max=length - start)
    target = rng.integers(0, 12, 2000)
    position = rng.integers(0, 60, 2000) * length[target] // 60
    return np.stack([chrom, start, end]), np.stack([target, position, rng.integers(0, 3, 2000)])


def links_of(place, rows):
    parts = [[], []]
    for block in np.array_split(rows.astype(np.int32), 7, axis=1):
        for c in range(2):
            parts[c].append(block[:, place[0][block[0]] == c])
    return Links({"rows": rows.shape[1]}, place, parts)


@pytest.mark.parametrize("snps", [False, True])
@pytest.mark.parametrize("where", ["midpoint", "start", "overlap"])
def test_against_sets(drawn, where, snps):
    place, rows = drawn
    unique = {tuple(r) for r in rows.T.tolist()}
    links = Counter()
    seen = set()
    for target, position, alleles in sorted(unique):
        c, start, end = place[:, target].tolist()
        middle = {"midpoint": (start + end) // 2, "start": start}.get(where)
        into = range(start // 100, (end - 1) // 100 + 1) if middle is None else [middle // 100]
        for bin_number in into:
            key = (c, bin_number, position, alleles)
            if not (snps and key in seen):
                first = int(BINS.first[c])
                links[first + bin_number, first + position // 100] += 1
            seen.add(key)
    found = connect(links_of(place, rows), BINS, Counting(where, snps), 2000)
    assert found.links == len(unique)
    assert found.duplicates == 2000 - len(unique)
    assert found.targets == len({t for t, _, _ in unique})
    dense = np.zeros((len(BINS), len(BINS)), int)
    for (target, source), count in links.items():
        dense[target, source] = count
    np.testing.assert_array_equal(found.adjacency.toarray(), dense)
    np.testing.assert_array_equal(found.connected, dense.sum(axis=1))
    np.testing.assert_array_equal(found.binned, (dense > 0).sum(axis=1))
    assert found.adjacency.dtype == np.int32
    anchor = [place[1, t] if where == "start" else place[1:, t].sum() // 2 for t, _, _ in unique]
    away = [p - a for (_, p, _), a in zip(unique, anchor, strict=True)]
    np.testing.assert_array_equal(found.distances, np.histogram(away, found.edges)[0])
    assert found.distances.sum() == len(unique)


def test_a_chromosome_without_links():
    place = np.array([[1], [0], [50]])
    found = connect(links_of(place, np.array([[0], [399], [0]])), BINS, Counting(), 500)
    assert found.connected.tolist() == [0] * 11 + [1, 0, 0, 0]
    assert found.adjacency.indices.tolist() == [14]


def test_links_are_used_up(drawn):
    links = links_of(*drawn)
    connect(links, BINS, Counting(), 2000)
    assert links.parts == [[], []]


@pytest.mark.parametrize("seed", range(3))
def test_distinct(seed):
    rng = np.random.default_rng(seed)
    columns = [rng.integers(0, high, 3000).astype(np.int32) for high in (5, 40, 4)]
    columns[1] += 2_000_000_000  # as far as a chromosome goes
    found = list(zip(*(c.tolist() for c in distinct(*columns)), strict=True))
    want = set(zip(*(c.tolist() for c in columns), strict=True))
    assert len(found) == len(want)
    assert set(found) == want
    assert [f[:2] for f in found] == sorted(f[:2] for f in found)
    assert all(c.dtype == np.int32 for c in distinct(*columns))


def test_distinct_of_none():
    none = np.zeros(0, np.int32)
    assert [len(c) for c in distinct(none, none, none)] == [0, 0, 0]
