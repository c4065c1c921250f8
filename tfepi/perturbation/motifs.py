"""Motifs to insert, of MEME files or consensus texts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.analysis.meme import read_meme
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.genome import reverse_complement

BEST, SAMPLE = "best", "sample"
DRAWS = (BEST, SAMPLE)
_IUPAC = {
    **{"A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG"},
    **{"W": "AT", "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG"},
    "N": "ACGT",
}


@dataclass(frozen=True)
class Motif:
    """Which letters a motif has.

    Attributes:
        name: without spaces.
        frequencies: share of A, C, G, T at each position, float64 [positions, 4].
    """

    name: str
    frequencies: np.ndarray

    def __len__(self) -> int:
        return len(self.frequencies)

    def best(self, own: np.ndarray) -> np.ndarray:
        """Return the motif's most frequent letters; of several the one that is there, if it is one.

        So an N of a consensus leaves what is there.

        Args:
            own: the letters that are there, uint8 [positions].
        """
        highest = self.frequencies >= self.frequencies.max(axis=1, keepdims=True) - 1e-9
        kept = np.append(highest, np.zeros((len(self), 1), bool), axis=1)[np.arange(len(self)), own]
        return np.where(kept, own, highest.argmax(axis=1)).astype(np.uint8)

    def sample(self, rng: np.random.Generator) -> np.ndarray:
        """Return letters drawn with their frequencies: uint8 [positions]."""
        edges = self.frequencies.cumsum(axis=1)
        drawn = rng.random((len(self), 1)) * edges[:, -1:]
        return (drawn >= edges[:, :3]).sum(axis=1).astype(np.uint8)


def inserted(
    sequence: np.ndarray,
    motif: Motif,
    low: int,
    strand: str = "+",
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """Return a sequence with a motif in place of what is there: uint8 [length].

    Args:
        sequence: base indices, uint8 [length].
        motif: what is inserted.
        low: index of its first base, which with all others lies in the sequence.
        strand: "-" for its reverse complement.
        rng: draw letters from it; None for the best ones.
    """
    part = slice(low, low + len(motif))
    own = sequence[part] if strand == "+" else reverse_complement(sequence[part])
    letters = motif.best(own) if rng is None else motif.sample(rng)
    out = sequence.copy()
    out[part] = letters if strand == "+" else reverse_complement(letters)
    return out


def consensus_motifs(texts: str) -> list[Motif]:
    """Return motifs of texts as "Reb1=TTACCCG,RTCACGTG", by IUPAC letters.

    Raises:
        ConfigError: an empty one, or another letter.
    """
    found = []
    for text in texts.split(","):
        name, sign, letters = (part.strip() for part in text.rpartition("="))
        for letter in letters.upper():
            if letter not in _IUPAC:
                raise ConfigError(
                    f"consensus {letters!r} has the letter {letter!r}: want IUPAC letters, as "
                    "Reb1=TTACCCG"
                )
        if not letters or (sign and not name):
            raise ConfigError(f"consensus is {text!r}: want NAME=LETTERS, as Reb1=TTACCCG")
        rows = [[float(b in _IUPAC[c]) / len(_IUPAC[c]) for b in "ACGT"] for c in letters.upper()]
        found.append(Motif(name or letters.upper(), np.array(rows)))
    return found


def meme_motifs(path: str | Path) -> list[Motif]:
    """Return the motifs of a MEME file.

    Raises:
        InputFileError: as `meme.read_meme`.
    """
    return [Motif(m.name, m.shares) for m in read_meme(path)]


def check_draw(draw: str) -> None:
    """Check how letters are chosen.

    Raises:
        ConfigError: neither best nor sample.
    """
    if draw not in DRAWS:
        raise unknown("draw of letters", draw, DRAWS)


def check_motif_names(motifs: list[Motif]) -> None:
    """Check that motifs are told apart by their names.

    Raises:
        ConfigError: none, or two of one name.
    """
    if not motifs:
        raise ConfigError("no motif is given: name a MEME file with --motifs, or --consensus")
    names = [m.name for m in motifs]
    twice = next((n for n in names if names.count(n) > 1), None)
    if twice is not None:
        raise ConfigError(f"two motifs are called {twice!r}: give one another name")
