"""Motifs in MEME's minimal format (meme-suite.org/meme/doc/meme-format.html)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools.files import write_text

LETTERS = "ACGT"


@dataclass(frozen=True)
class CountedMotif:
    """A motif as counts of letters.

    Attributes:
        name: without spaces.
        also: second name, or "".
        counts: of A, C, G, T at each position, int64 [positions, 4]; rows of equal sum.
    """

    name: str
    also: str
    counts: np.ndarray

    @property
    def sites(self) -> int:
        """How many sites were counted."""
        return int(self.counts[0].sum())

    @property
    def frequencies(self) -> np.ndarray:
        """Share of each letter, float64 [positions, 4]."""
        return self.counts / max(1, self.sites)

    @property
    def information(self) -> np.ndarray:
        """Information of each position, bits, of at most 2: Σ p log2(4 p), float64 [positions]."""
        p = self.frequencies
        return (p * np.log2(4 * np.where(p > 0, p, 0.25))).sum(axis=1)

    @property
    def consensus(self) -> str:
        """The letter that at least half of the sites have at each position, else N."""
        p = self.frequencies
        return "".join(LETTERS[row.argmax()] if row.max() >= 0.5 else "N" for row in p)


def write_meme(path: str | Path, motifs: Sequence[CountedMotif], background: np.ndarray) -> None:
    """Write motifs, of which none may lack sites.

    Args:
        path: of the file.
        motifs: to write.
        background: share of A, C, G, T in what was searched, float [4].
    """
    frequencies = " ".join(
        f"{b} {f:.6f}" for b, f in zip(LETTERS, background.tolist(), strict=True)
    )
    parts = [
        "MEME version 4\n",
        f"ALPHABET= {LETTERS}\n",
        "strands: +\n",
        f"Background letter frequencies\n{frequencies}\n",
    ]
    for motif in motifs:
        header = f"MOTIF {motif.name} {motif.also}".rstrip()
        matrix = (
            f"letter-probability matrix: alength= 4 w= {len(motif.counts)} nsites= {motif.sites} "
            "E= 0"
        )
        rows = ["  ".join(f"{p:.6f}" for p in row) for row in motif.frequencies.tolist()]
        parts.append("\n".join([header, matrix, *(f" {row}" for row in rows)]) + "\n")
    write_text(path, "\n".join(parts))
