"""Motifs in MEME's format: counted ones are written, known ones read.

The format: meme-suite.org/meme/doc/meme-format.html.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing, write_text

LETTERS = "ACGT"
SITES = 20  # where a file does not say, as MEME has it
_TOLERANCE = 0.02
_KEY = re.compile(r"(\w+)\s*=\s*(\S+)")


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
        return _information(self.frequencies)

    @property
    def consensus(self) -> str:
        """The letter that at least half of the sites have at each position, else N."""
        p = self.frequencies
        return "".join(LETTERS[row.argmax()] if row.max() >= 0.5 else "N" for row in p)


@dataclass(frozen=True)
class KnownMotif:
    """A motif as shares of letters.

    Attributes:
        name: unique in its file.
        also: second name, or "".
        shares: of A, C, G, T at each position, float64 [positions, 4]; rows of sum 1.
        sites: how many it was made from.
    """

    name: str
    also: str
    shares: np.ndarray
    sites: float = SITES

    @property
    def information(self) -> np.ndarray:
        """Information of each position, bits, of at most 2: Σ p log2(4 p), float64 [positions]."""
        return _information(self.shares)


def _information(p: np.ndarray) -> np.ndarray:
    return (p * np.log2(4 * np.where(p > 0, p, 0.25))).sum(axis=1)


def write_meme(path: str | Path, motifs: Sequence[CountedMotif], background: np.ndarray) -> None:
    """Write motifs in the minimal format, of which none may lack sites.

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


def read_meme(path: str | Path) -> list[KnownMotif]:
    """Return the motifs of a MEME file, minimal format or full, of DNA.

    Raises:
        InputFileError: no MEME file, another alphabet, a motif without matrix or twice, a row
            that is no four shares of sum 1 (each with its line).
    """
    with open(existing(path, "MEME database"), encoding="utf-8", errors="replace") as handle:
        lines = handle.read().splitlines()
    if not any(line.startswith("MEME version") for line in lines[:50]):
        raise InputFileError(
            f"{path} is no MEME file: its first lines have no 'MEME version'; convert it, or name "
            "another"
        )
    motifs: list[KnownMotif] = []
    name, also, at = None, "", 0
    for number, line in enumerate(lines):
        if line.startswith("ALPHABET") and (found := line.partition("=")[2].split()[:1] or [""]):
            if found[0] != LETTERS:
                raise InputFileError(
                    f"{path} line {number + 1} has the alphabet {found[0]!r}: want {LETTERS}"
                )
        elif line.startswith("MOTIF"):
            if name is not None:
                raise _without(path, name, at)
            words = line.split(maxsplit=2)
            if len(words) < 2:
                raise InputFileError(f"{path} line {number + 1}: the motif has no name")
            name, also, at = words[1], words[2].strip() if len(words) > 2 else "", number
            if name in (m.name for m in motifs):
                raise InputFileError(
                    f"{path} line {number + 1} has the motif {name!r} again: names are unique"
                )
        elif line.startswith("letter-probability matrix") and name is not None:
            keys = dict(_KEY.findall(line))
            rows = list(_rows(path, lines, number + 1))
            wanted = keys.get("w", str(len(rows)))
            if not rows or wanted != str(len(rows)):
                raise InputFileError(
                    f"{path} line {number + 1}: the matrix of {name!r} has {len(rows)} rows, "
                    f"want {wanted if rows else 'at least one'}"
                )
            try:
                sites = float(keys.get("nsites", SITES))
            except ValueError:
                sites = np.nan
            if not sites >= 0 or sites == np.inf:
                raise InputFileError(
                    f"{path} line {number + 1}: nsites is {keys['nsites']!r}, want a number"
                )
            motifs.append(KnownMotif(name, also, np.array(rows), sites or SITES))
            name = None
    if name is not None:
        raise _without(path, name, at)
    if not motifs:
        raise InputFileError(f"{path} has no motifs: want lines 'MOTIF name' with matrices")
    return motifs


def _without(path: str | Path, name: str, line: int) -> InputFileError:
    return InputFileError(
        f"{path} line {line + 1}: the motif {name!r} has no letter-probability matrix; remove it"
    )


def _rows(path: str | Path, lines: list[str], first: int) -> Iterator[np.ndarray]:
    """Yield the rows of a matrix: what follows up to a line that begins with no number."""
    for number, line in enumerate(lines[first:], first + 1):
        words = line.split()
        if not words or not re.match(r"[-+.\d]", words[0]) or words[0].startswith("--"):
            if not words and number == first + 1:
                continue  # an empty line before the matrix
            return
        try:
            row = np.array([float(w) for w in words])
        except ValueError:
            row = np.array([np.nan])
        if len(row) != 4 or not (row >= 0).all() or abs(row.sum() - 1) > _TOLERANCE:
            raise InputFileError(
                f"{path} line {number} is {line.strip()[:40]!r}: want four shares, of A, C, G and "
                "T, that sum to 1"
            )
        yield row / row.sum()
