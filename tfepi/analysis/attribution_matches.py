"""How well stretches of DNA match known motifs, with exact p-values.

A motif's score of a stretch is Σ log2(p / q) over its positions, of the letter that is there: p its
share in the motif, q its share in the windows, on both strands. To p come 0.1 counts in the
proportions of q, so that no letter is impossible (as FIMO does: Grant et al. 2011, Bioinformatics
27:1017). Scores are rounded, position by position, to 1/50 bit. The chance that a random stretch
with letters at q reaches a score is then counted exactly, position by position (Staden 1989,
Computer Applications in the Biosciences 5:89).

Of all placements whose middle lies in a seqlet, on both strands, the best counts: with n of them
the chance is 1 − (1 − p)^n.
"""

from dataclasses import dataclass

import numpy as np

from tfepi.analysis.meme import KnownMotif
from tfrecords_tools.genome import UNKNOWN

UNIT = 1 / 50  # bit
_PSEUDO = 0.1
_NEVER = np.int32(-(1 << 24))  # a placement with N
_BATCH = 1 << 14


@dataclass(frozen=True)
class Scorer:
    """A motif ready to score.

    Attributes:
        motif: what is scored.
        scores: of A, C, G, T at each position in units of 1/50 bit, int32 [positions, 4].
        low: the lowest score of a stretch, units.
        reach: chance that a random stretch reaches low + i, float64 [range + 1].
    """

    motif: KnownMotif
    scores: np.ndarray
    low: int
    reach: np.ndarray

    @classmethod
    def of(cls, motif: KnownMotif, background: np.ndarray) -> "Scorer":
        """Return the scorer of a motif.

        Args:
            motif: the motif.
            background: share of A, C, G, T, float [4], each above 0, A as T and C as G.
        """
        shares = motif.shares * motif.sites + _PSEUDO * background
        shares = shares / (motif.sites + _PSEUDO)
        scores = np.rint(np.log2(shares / background) / UNIT).astype(np.int32)
        return cls(motif, scores, int(scores.min(axis=1).sum()), reached(scores, background))

    @property
    def width(self) -> int:
        """Of the motif, bp."""
        return len(self.scores)

    def p(self, score: np.ndarray) -> np.ndarray:
        """Return the chance that a random stretch reaches scores of whole units; 1 with N."""
        place = np.clip(score - self.low, 0, len(self.reach) - 1)
        return np.where(score <= _NEVER, 1.0, self.reach[place])


def reached(scores: np.ndarray, background: np.ndarray) -> np.ndarray:
    """Return the chance that a random stretch reaches each score, from the lowest to the highest.

    Args:
        scores: whole numbers, of each letter at each position, int [positions, 4].
        background: share of each letter, float [4].

    Returns:
        float64 [highest − lowest + 1].
    """
    chance = np.ones(1)
    for row in scores - scores.min(axis=1, keepdims=True):
        longer = np.zeros(len(chance) + int(row.max()))
        for step, share in zip(row.tolist(), background.tolist(), strict=True):
            longer[step : step + len(chance)] += share * chance
        chance = longer
    return np.minimum(chance[::-1].cumsum()[::-1], 1.0)


@dataclass(frozen=True)
class Best:
    """The best placement of a motif in each of some stretches.

    Attributes:
        p: chance of one as good among all placements, float64 [stretches]; 1 where none is
            without N.
        offset: of the placement's first base from the stretch's, int [stretches].
        reverse: whether the motif is on the other strand, bool [stretches].
        bits: its score, float64 [stretches].
    """

    p: np.ndarray
    offset: np.ndarray
    reverse: np.ndarray
    bits: np.ndarray


def best(scorer: Scorer, stretches: np.ndarray, flank: int) -> Best:
    """Return the best placement of a motif with its middle in each stretch.

    Args:
        scorer: of the motif.
        stretches: base indices with flanks, uint8 [stretches, flank + size + flank].
        flank: bp on either side, at least half of the motif.
    """
    parts = [
        _best(scorer, stretches[low : low + _BATCH], flank)
        for low in range(0, len(stretches), _BATCH)
    ]
    if not parts:
        return Best(np.ones(0), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0))
    return Best(
        *(np.concatenate([getattr(b, n) for b in parts]) for n in Best.__dataclass_fields__)
    )


def _best(scorer: Scorer, stretches: np.ndarray, flank: int) -> Best:
    before = scorer.width // 2
    size = stretches.shape[1] - 2 * flank
    part = stretches[:, flank - before : flank + size + scorer.width - before - 1]
    both = []
    for scores in (scorer.scores, scorer.scores[::-1, ::-1]):
        table = np.concatenate([scores, np.full((len(scores), 1), _NEVER)], axis=1)
        total = np.zeros((len(part), size), np.int32)
        for i, row in enumerate(table):
            total += row[part[:, i : i + size]]
        both.append(total)
    total = np.concatenate(both, axis=1)
    total[total < scorer.low] = _NEVER  # an N, or several
    place = total.argmax(axis=1)
    score = total[np.arange(len(total)), place]
    tried = (total > _NEVER).sum(axis=1)
    p = scorer.p(score)
    with np.errstate(divide="ignore"):
        among = np.where(p < 1, -np.expm1(tried * np.log1p(-np.minimum(p, 1 - 1e-16))), 1.0)
    bits = np.where(score > _NEVER, score * UNIT, np.nan)
    return Best(among, place % size - before, place >= size, bits)


def background(letters: np.ndarray) -> np.ndarray:
    """Return the share of each letter, the same on both strands: float64 [4].

    Args:
        letters: counts of A, C, G, T, [4]; one is added to each.
    """
    both = letters + letters[::-1] + 2.0
    return both / both.sum()


def indices(own: np.ndarray) -> np.ndarray:
    """Return the base indices of one-hot letters, bool [..., length, 4]; N is 4."""
    return np.where(own.any(axis=-1), own.argmax(axis=-1), UNKNOWN).astype(np.uint8)
