"""Seqlets of a run and the known motifs that they match: tables, BED, and mean contributions."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas

from tfepi.analysis.attribution_file import NAME, AttributedWindow, read_outputs, read_windows
from tfepi.analysis.attribution_matches import Scorer, background, indices
from tfepi.analysis.attribution_motifs import Matches, match, motif_table
from tfepi.analysis.attribution_seqlets import (
    Seqlet,
    SeqletOptions,
    Thresholds,
    call,
    controls,
    thresholds,
)
from tfepi.analysis.meme import KnownMotif
from tfrecords_tools.files import atomic_path, identity, write_json
from tfrecords_tools.genome import UNKNOWN, decode
from tfrecords_tools.progress import progress

SEQLETS, SEQLETS_BED, FACTS = "seqlets.tsv", "seqlets.bed", "seqlets.json"
MATCHES, MOTIFS = "matches.tsv", "motifs.tsv"
FORMAT, FORMAT_VERSION = "tfepi-seqlets", 1
FLANK = 3  # bp on either side of a match whose mean contributions are drawn
_MOST_LOGOS = 24


@dataclass(frozen=True)
class MotifLogo:
    """A motif and the mean contributions where it is a seqlet's best match.

    Attributes:
        output: name of the output.
        motif: the motif.
        matches: how many were averaged.
        mean: of contributions along the motif, with 3 bp on either side: float64
            [3 + positions + 3, 4].
    """

    output: str
    motif: KnownMotif
    matches: int
    mean: np.ndarray


@dataclass(frozen=True)
class SeqletReport:
    """What was found.

    Attributes:
        seqlets: how many, of all outputs.
        motifs: rows of motifs.tsv.
        logos: of the motifs that are the best match most often.
    """

    seqlets: int
    motifs: pandas.DataFrame
    logos: list[MotifLogo]


def report_seqlets(
    folder: Path,
    options: SeqletOptions = SeqletOptions(),  # noqa: B008 frozen
    motifs: Sequence[KnownMotif] = (),
    database: str | Path | None = None,
    quiet: bool = False,
) -> SeqletReport:
    """Find the seqlets of a folder with attributions.h5, match them, and write the tables.

    Args:
        folder: of the run.
        options: of seqlets; their fdr is the bound of q-values, too.
        motifs: known ones; empty for seqlets alone.
        database: the file that they came from, for seqlets.json.
        quiet: no progress bars.
    """
    tables, matches, rows, logos, beds, told = [], [], [], [], [], []
    first = 0
    for number, (output, _) in enumerate(read_outputs(folder / NAME)):
        found = _Found.of(folder / NAME, number, options, max(map(_half, motifs), default=0))
        table = found.table(output, first)
        if motifs:
            scorers = [Scorer.of(m, background(found.letters)) for m in motifs]
            matched = found.match(scorers, options.fdr, quiet)
            sums, means = found.means(folder / NAME, number, scorers, matched)
            rows.append(motif_table(scorers, matched, table["score"].to_numpy(), sums))
            rows[-1].insert(0, "output", output)
            matches.append(_match_table(matched, scorers, sums, table))
            _name_best(table, matched, scorers)
            order = sorted(means, key=lambda m: -means[m][0])[:_MOST_LOGOS]
            logos += [MotifLogo(output, motifs[m], *means[m]) for m in order]
        tables.append(table)
        beds.append(_bed(table))
        first += len(table)
        told.append({"output": output, "seqlets": len(table)} | found.least.to_json())
    seqlets = pandas.concat(tables, ignore_index=True)
    _write(folder / SEQLETS, seqlets)
    with atomic_path(folder / SEQLETS_BED) as part:
        bed = pandas.concat(beds).sort_values(["chrom", "start"], kind="stable")
        bed.to_csv(part, sep="\t", index=False, header=False)
    found_motifs = pandas.concat(rows, ignore_index=True) if rows else pandas.DataFrame()
    for name in (MATCHES, MOTIFS):  # of other seqlets
        (folder / name).unlink(missing_ok=True)
    if motifs:
        _write(folder / MATCHES, pandas.concat(matches, ignore_index=True))
        _write(folder / MOTIFS, found_motifs)
    facts = {"format": FORMAT, "format_version": FORMAT_VERSION} | asdict(options)
    facts |= {"motifs": None if database is None else identity(database), "outputs": told}
    write_json(folder / FACTS, facts)
    return SeqletReport(len(seqlets), found_motifs, logos)


def _half(motif: KnownMotif) -> int:
    return len(motif.shares) // 2 + 1


def _write(path: Path, table: pandas.DataFrame) -> None:
    with atomic_path(path) as part:
        table.to_csv(part, sep="\t", index=False, float_format="%.6g", na_rep="NA")


@dataclass(frozen=True)
class _Found:
    """The seqlets of one output, where they lie, and their letters.

    Attributes:
        seqlets: in the order of windows and bases.
        places: chromosome, lowest position, strand and label of each.
        stretches: base indices with flanks, uint8 [seqlets, flank + size + flank].
        controls: the same of control stretches.
        letters: counts of A, C, G, T in all windows.
        least: the thresholds.
        flank: bp.
        size: of a seqlet, bp.
    """

    seqlets: list[Seqlet]
    places: list[tuple[str, int, str, str]]
    stretches: np.ndarray
    controls: np.ndarray
    letters: np.ndarray
    least: Thresholds
    flank: int
    size: int

    @classmethod
    def of(cls, path: Path, output: int, options: SeqletOptions, flank: int) -> "_Found":
        size = options.size

        least = thresholds((window.of(output) for window in read_windows(path)), options)
        seqlets, places, stretches, others = [], [], [], []
        letters = np.zeros(4, np.int64)
        for window in read_windows(path):
            letters += window.own.sum(axis=0)
            here = call(window.of(output), window.number, least, options)
            bases = np.pad(indices(window.own), flank, constant_values=UNKNOWN)
            for s in here:
                low = window.place(s.first, size)
                places.append((window.chrom, low, window.strand, window.label))
            seqlets += here
            length = size + 2 * flank
            stretches += [bases[s.first : s.first + length] for s in here]
            at = controls(len(window.own), here, options)
            others += [bases[first : first + length] for first in at]
        shape = (-1, size + 2 * flank)
        both = (np.array(x, np.uint8).reshape(shape) for x in (stretches, others))
        return cls(seqlets, places, *both, letters, least, flank, size)

    def table(self, output: str, first: int) -> pandas.DataFrame:
        """Return the rows of seqlets.tsv, numbered from `first`."""
        chroms, lows, strands, labels = zip(*self.places, strict=True) if self.places else ((),) * 4
        inner = self.stretches[:, self.flank : self.flank + self.size]
        return pandas.DataFrame(
            {
                "seqlet": np.arange(first, first + len(self.seqlets)),
                "output": output,
                "chrom": chroms,
                "start": np.array(lows, np.int64),
                "end": np.array(lows, np.int64) + self.size,
                "strand": strands,
                "window": np.array([s.window for s in self.seqlets], np.int64),
                "label": labels,
                "score": np.array([s.score for s in self.seqlets], float),
                "z": np.array([s.z for s in self.seqlets], float),
                "sequence": [decode(row) for row in inner],
            }
        )

    def match(self, scorers: Sequence[Scorer], bound: float, quiet: bool) -> Matches:
        """Return the matches of the seqlets."""

        def shown(motifs: Sequence[Scorer]):
            return progress(motifs, total=len(motifs), unit="motifs", label="match", quiet=quiet)

        return match(scorers, self.stretches, self.controls, self.flank, bound, shown)

    def means(
        self, path: Path, output: int, scorers: Sequence[Scorer], matched: Matches
    ) -> tuple[np.ndarray, dict[int, tuple[int, np.ndarray]]]:
        """Return the sum of contributions in each match, and means of the best ones by motif.

        Bases beyond the window count as ones that contribute nothing.
        """
        table = matched.table
        by_window: dict[int, list] = {}
        for row in table.itertuples():
            by_window.setdefault(self.seqlets[row.seqlet].window, []).append(row)
        sums = np.zeros(len(table))
        counts: dict[int, int] = {}
        totals: dict[int, np.ndarray] = {}
        for window in read_windows(path):
            for row in by_window.get(window.number, ()):
                width = scorers[row.motif].width
                first = self.seqlets[row.seqlet].first + row.offset
                own = _along(window, output, first - FLANK, width + 2 * FLANK)
                sums[row.Index] = own[FLANK : FLANK + width].sum()
                if row.best:
                    turned = own[::-1, ::-1] if row.strand == "-" else own
                    counts[row.motif] = counts.get(row.motif, 0) + 1
                    totals[row.motif] = totals.get(row.motif, 0) + turned
        return sums, {m: (n, totals[m] / n) for m, n in counts.items()}


def _along(window: AttributedWindow, output: int, first: int, length: int) -> np.ndarray:
    """Return contributions of a stretch's own letters, float64 [length, 4]; 0 beyond the window."""
    out = np.zeros((length, 4))
    low, high = max(0, first), min(len(window.own), first + length)
    if low < high:
        values = np.where(window.own[low:high], window.hypothetical[low:high, :, output], 0)
        out[low - first : high - first] = values
    return out


def _match_table(
    matched: Matches, scorers: Sequence[Scorer], sums: np.ndarray, seqlets: pandas.DataFrame
) -> pandas.DataFrame:
    """Return the rows of matches.tsv, where matches lie on the genome."""
    rows = matched.table
    at = seqlets.iloc[rows["seqlet"]].reset_index(drop=True)
    width = np.array([scorers[m].width for m in rows["motif"]], np.int64)
    # Along a window of the other strand, offsets run down the chromosome.
    forward = (at["strand"] == "+").to_numpy(bool)
    start = np.where(forward, at["start"] + rows["offset"], at["end"] - rows["offset"] - width)
    same = (rows["strand"] == at["strand"]).to_numpy(bool)
    columns: dict[str, object] = {
        "seqlet": at["seqlet"],
        "output": at["output"],
        "chrom": at["chrom"],
        "start": start.astype(np.int64),
        "end": start.astype(np.int64) + width,
        "strand": np.where(same, "+", "-"),
        "motif": [scorers[m].motif.name for m in rows["motif"]],
        "bits": rows["bits"],
        "attribution": sums,
        "p": rows["p"],
        "q": rows["q"],
        "best": rows["best"].astype(int),
    }
    return pandas.DataFrame(columns)


def _name_best(table: pandas.DataFrame, matched: Matches, scorers: Sequence[Scorer]) -> None:
    """Add each seqlet's best match to its row."""
    best = matched.table[matched.table["best"]].set_index("seqlet")
    names = {s: scorers[m].motif.name for s, m in best["motif"].items()}
    table["motif"] = [names.get(i) for i in range(len(table))]
    table["q"] = [best["q"].get(i, np.nan) for i in range(len(table))]


def _bed(table: pandas.DataFrame) -> pandas.DataFrame:
    """Return the rows of seqlets.bed: named by number, of score 0 and the window's strand."""
    names: Callable[[object], str] = "seqlet_{}".format
    return pandas.DataFrame(
        {
            "chrom": table["chrom"],
            "start": table["start"].clip(lower=0),
            "end": table["end"],
            "name": table["seqlet"].map(names),
            "score": 0,
            "strand": table["strand"],
        }
    )
