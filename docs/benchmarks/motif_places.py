#!/usr/bin/env python3
"""Where ChIP-exo sites of yeast have their factor's consensus, and controls of each.

Usage: motif_places.py FOLDER OUT   (FOLDER: sacCer3.fa.gz, chipexo/; see motifs.sh)

A place is a stretch as long as the consensus, on one strand of the test chromosome or of a
shuffled window.
"""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.analysis.dinucleotide_shuffle import shuffled
from tfepi.perturbation.motifs import Motif, consensus_motifs
from tfrecords_tools.genome import Genome, decode

CHROM = "chrX"
TRAINING = ("chrI", "chrII", "chrIII", "chrIV", "chrV", "chrVI", "chrVII", "chrVIII")
CONSENSUS = "Reb1=TTACCCG,Abf1=RTCRYNNNNNACG,Rap1=ACACCCRYACAY,Cbf1=RTCACGTG"
POSITIONS_PER_MISMATCH = 6  # one mismatch is allowed for each six positions that are no N
REACH = 25  # bp from the called base to the middle of a match
AWAY = 100  # bp from controls to ChIP-exo sites, and to each other
CONTROLS = 3  # of each kind for a site
SHUFFLED_BP = 832  # holds the model's window, wherever within REACH of the middle it is centred
SEED = 44
KINDS = SITES, ELSEWHERE, SCRAMBLED, SHUFFLED = (
    "sites",
    "matches elsewhere",
    "scrambled consensus",
    "shuffled windows",
)
TEXTS = dict(text.split("=") for text in CONSENSUS.split(","))
MOTIFS = {motif.name: motif for motif in consensus_motifs(CONSENSUS)}


@dataclass(frozen=True)
class Place:
    """Where a motif, or what stands for it, lies.

    Attributes:
        factor: whose consensus.
        kind: one of `KINDS`.
        chrom: chromosome, or name of the shuffled window.
        start: first base on the forward strand, 0-based.
        end: behind the last.
        strand: "+" or "-".
        mismatches: letters that the consensus does not allow.
        order: position of the consensus that stands at each base along the strand, "0.1.2".
    """

    factor: str
    kind: str
    chrom: str
    start: int
    end: int
    strand: str
    mismatches: int
    order: str

    @property
    def positions(self) -> np.ndarray:
        """The order as numbers: int64 [positions]."""
        return np.array([int(x) for x in self.order.split(".")])


def informative(motif: Motif) -> np.ndarray:
    """Return which positions are no N: bool [positions]."""
    return (motif.frequencies == 0).any(axis=1)


def mismatches(sequence: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
    """Return the mismatches of every placement: int64 [2 strands, length - positions + 1].

    Args:
        sequence: base indices; N never matches.
        frequencies: of A, C, G, T, [positions, 4]; a letter of frequency 0 is a mismatch.
    """
    count = len(sequence) - len(frequencies) + 1
    found = np.zeros((2, count), np.int64)
    for strand, table in enumerate((frequencies, frequencies[::-1, ::-1])):
        wrong = np.append(table == 0, np.ones((len(table), 1), bool), axis=1)
        for i, row in enumerate(wrong):
            found[strand] += row[sequence[i : i + count]]
    return found


def starts_around(base: int, positions: int, count: int) -> range:
    """Return the placements, of `count`, whose middle lies within `REACH` bp of a base."""
    middle = (positions - 1) / 2
    low, high = np.ceil(base - REACH - middle), np.floor(base + REACH - middle) + 1
    return range(max(0, int(low)), min(count, int(high)))


def best_match(found: np.ndarray, base: int, positions: int) -> tuple[int, int, int]:
    """Return mismatches, start and strand (1 is "-") of the best placement around a base.

    Of several as good the nearest is taken, then the one on the forward strand.

    Args:
        found: of `mismatches`.
        base: 0-based.
        positions: of the motif.
    """
    middle = base - (positions - 1) / 2
    around = starts_around(base, positions, found.shape[1])
    least, _, strand, start = min(
        (int(found[s, i]), abs(i - middle), s, i) for i in around for s in (0, 1)
    )
    return least, start, strand


class Controls:
    """Draws placements that look like sites and lie away from them and from each other.

    Args:
        bases: that ChIP-exo calls, 0-based.
        rng: random stream.
    """

    def __init__(self, bases: np.ndarray, rng: np.random.Generator):
        self._others, self._rng = bases, rng

    def draw(self, least: int, found: np.ndarray, positions: int) -> tuple[int, int, int] | None:
        """Return a random placement that would be the match of a site there; None if none is left.

        Args:
            least: its mismatches.
            found: of `mismatches`.
            positions: of the motif.
        """
        for start in self._rng.permutation(np.flatnonzero(found.min(axis=0) == least)).tolist():
            match = best_match(found, start + positions // 2, positions)
            inside = AWAY < start < found.shape[1] - AWAY  # of the chromosome, with its flanks
            away = np.abs(self._others - start).min() > AWAY
            if match[:2] == (least, start) and inside and away:
                self._others = np.append(self._others, start)
                return match
        return None


def places_of(
    motif: Motif, bases: np.ndarray, sequence: np.ndarray, rng: np.random.Generator
) -> tuple[list[Place], dict[str, str], dict]:
    """Return the places of a factor's sites and controls.

    Args:
        motif: the consensus.
        bases: that ChIP-exo calls, 0-based.
        sequence: of the chromosome, base indices.
        rng: draws controls.

    Returns:
        The places, the shuffled windows by name, and counts of sites.
    """
    size, limit = len(motif), int(informative(motif).sum()) // POSITIONS_PER_MISMATCH
    own, found = np.arange(size), mismatches(sequence, motif.frequencies)
    matches = [best_match(found, int(base), size) for base in bases]
    kept = list(dict.fromkeys(m for m in matches if m[0] <= limit))  # two calls may share one
    before = np.append(0, np.cumsum(found.min(axis=0) <= limit))
    around = [starts_around(base, size, found.shape[1]) for base in range(len(sequence))]
    counts = {
        "mismatches": limit,
        "sites": len(bases),
        "with a match": sum(m[0] <= limit for m in matches),
        "share of all bases": float(np.mean([before[a.stop] > before[a.start] for a in around])),
        "different": len(kept),
        "without mismatch": sum(m[0] == 0 for m in kept),
    }
    places, windows = [], {}

    def add(kind: str, match: tuple[int, int, int], order: np.ndarray, chrom: str = CHROM) -> None:
        where = (chrom, match[1], match[1] + size, "+-"[match[2]], match[0])
        places.append(Place(motif.name, kind, *where, ".".join(map(str, order.tolist()))))

    elsewhere, scrambled = Controls(bases, rng), Controls(bases, rng)
    for match in kept:
        add(SITES, match, own)
    for draw in range(CONTROLS):
        controls = [elsewhere.draw(match[0], found, size) for match in kept]
        if draw == 0 or None not in controls:  # else they would have other mismatches than sites
            for control in controls:
                if control is not None:
                    add(ELSEWHERE, control, own)
        for number, match in enumerate(kept):
            control = None
            while control is None:  # some orders have no match on the chromosome
                order = rng.permutation(size)
                table = mismatches(sequence, motif.frequencies[order])
                control = scrambled.draw(match[0], table, size)
            add(SCRAMBLED, control, order)
            low = match[1] + size // 2 - SHUFFLED_BP // 2
            low = min(max(0, low), len(sequence) - SHUFFLED_BP)
            window = shuffled(sequence[low : low + SHUFFLED_BP], rng)
            name, table = f"{motif.name}_{number}_{draw}", mismatches(window, motif.frequencies)
            add(SHUFFLED, best_match(table, SHUFFLED_BP // 2, size), own, name)
            windows[name] = decode(window)
    return places, windows, counts


def write_places(folder: Path, out: Path) -> None:
    """Write places.tsv, counts.json, and BED and FASTA of what is to be mutated."""
    out.mkdir(parents=True, exist_ok=True)
    places, windows, counts = [], {}, {}
    with Genome(folder / "sacCer3.fa.gz") as genome:
        sequence = genome.indices(CHROM, 0, genome.length(CHROM))
    for number, motif in enumerate(MOTIFS.values()):
        bed = pd.read_csv(folder / "chipexo" / f"{motif.name}.bed", sep="\t", header=None)
        bases = np.sort(bed.loc[bed[0] == CHROM, 1].to_numpy())
        rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(number,)))
        more, made, found = places_of(motif, bases, sequence, rng)
        counts[motif.name] = {
            "consensus": TEXTS[motif.name],
            "in training": int(bed[0].isin(TRAINING).sum()),
        } | found
        places += more
        windows |= made
    table = pd.DataFrame([asdict(place) for place in places])
    table.to_csv(out / "places.tsv", sep="\t", index=False)
    bed = table.assign(name=table.index, score=0)
    bed = bed[["chrom", "start", "end", "name", "score", "strand"]]
    for where, rows in (("genome", table.kind != SHUFFLED), ("shuffled", table.kind == SHUFFLED)):
        bed[rows].to_csv(out / f"{where}.bed", sep="\t", header=False, index=False)
    (out / "shuffled.fa").write_text("".join(f">{n}\n{text}\n" for n, text in windows.items()))
    (out / "counts.json").write_text(json.dumps(counts, indent=1) + "\n")


if __name__ == "__main__":
    write_places(Path(sys.argv[1]), Path(sys.argv[2]))
