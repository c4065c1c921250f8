"""Random sequences with the same dinucleotides, as often: a control for what order means.

A sequence is a walk over its letters in which each dinucleotide is an edge, and every walk that
uses the same edges has the same dinucleotides, first and last letter. Of all those walks one is
drawn, each with the same probability (Altschul and Erickson 1985, Molecular Biology and Evolution
2:526): the edges by which the walk leaves each letter for the last time form a tree that leads to
the last letter; once such a tree is drawn, the other edges come in any order.

Trees are drawn by their number of edges, not by trial and error: of four letters there are at
most 64.
"""

from itertools import product

import numpy as np

from tfrecords_tools.genome import UNKNOWN

_LETTERS = 4


def shuffled(sequence: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random sequence with the dinucleotides of another.

    Each stretch between N is shuffled by itself, and N stays where it is: so do the first and the
    last letter of each stretch.

    Args:
        sequence: base indices, uint8 [length]; 4 is N.
        rng: source of randomness; the same state gives the same sequence.

    Returns:
        uint8 [length].
    """
    out = sequence.copy()
    known = np.flatnonzero(sequence != UNKNOWN)
    if not len(known):
        return out
    breaks = np.flatnonzero(np.diff(known) > 1) + 1
    for stretch in np.split(known, breaks):
        part = slice(stretch[0], stretch[-1] + 1)
        out[part] = _walk(sequence[part], rng)
    return out


def _walk(letters: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random walk over the edges of a sequence without N."""
    counts = dinucleotides(letters)
    last = int(letters[-1])
    tree = _tree(counts, last, rng)
    ways: list[list[int]] = []
    for letter in range(_LETTERS):
        left = counts[letter].copy()
        if letter in tree:
            left[tree[letter]] -= 1
        way = rng.permutation(np.repeat(np.arange(_LETTERS), left)).tolist()
        if letter in tree:
            way.append(tree[letter])
        ways.append(way[::-1])  # taken from the end
    letter = int(letters[0])
    walk = [letter]
    for _ in range(len(letters) - 1):
        letter = ways[letter].pop()
        walk.append(letter)
    return np.array(walk, np.uint8)


def dinucleotides(letters: np.ndarray) -> np.ndarray:
    """Return how often each letter follows each: int64 [4, 4], first letter first.

    Args:
        letters: base indices; what touches N is not counted.
    """
    first, second = letters[:-1].astype(np.int64), letters[1:].astype(np.int64)
    known = (first != UNKNOWN) & (second != UNKNOWN)
    pairs = np.bincount(first[known] * _LETTERS + second[known], minlength=_LETTERS**2)
    return pairs.reshape(_LETTERS, _LETTERS)


def _tree(counts: np.ndarray, last: int, rng: np.random.Generator) -> dict[int, int]:
    """Return the letter to which each letter is left for the last time, but `last`.

    A tree's probability is in proportion to the number of ways to choose its edges.
    """
    letters = [x for x in range(_LETTERS) if x != last and counts[x].sum()]
    choices = [[y for y in range(_LETTERS) if y != x and counts[x, y]] for x in letters]
    trees, weights = [], []
    for ends in product(*choices):
        tree = dict(zip(letters, ends, strict=True))
        if all(_leads(tree, x, last) for x in letters):
            trees.append(tree)
            weights.append(float(np.prod([float(counts[x, y]) for x, y in tree.items()])))
    shares = np.array(weights) / np.sum(weights)
    return trees[rng.choice(len(trees), p=shares)]


def _leads(tree: dict[int, int], letter: int, last: int) -> bool:
    for _ in tree:
        letter = tree.get(letter, last)
    return letter == last
