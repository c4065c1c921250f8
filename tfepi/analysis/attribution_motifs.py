"""Which known motifs seqlets match, more than other stretches of the same windows do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas
from scipy.stats import false_discovery_control, fisher_exact

from tfepi.analysis.attribution_matches import Scorer, best


@dataclass(frozen=True)
class Matches:
    """Matches of seqlets with motifs.

    Attributes:
        table: a row for each with q up to the bound, by seqlet and then p: number of the seqlet
            and of the motif, offset of the match from the seqlet's first base, strand along the
            window, bits, p, q, and whether no other motif matches the seqlet as well.
        controls: of each motif, how many control stretches match as well as its last row here.
        stretches: how many control stretches there were.
    """

    table: pandas.DataFrame
    controls: np.ndarray
    stretches: int


def match(
    scorers: Sequence[Scorer],
    seqlets: np.ndarray,
    controls: np.ndarray,
    flank: int,
    bound: float,
    progress=lambda motifs: motifs,
) -> Matches:
    """Match seqlets and control stretches with motifs.

    q is Benjamini and Hochberg's over the seqlets, for each motif by itself, as FIMO's: whether a
    motif is there more than by chance is what its row of `motif_table` says.

    Args:
        scorers: of the motifs.
        seqlets: base indices with flanks, uint8 [seqlets, flank + size + flank].
        controls: the same of other stretches.
        flank: bp.
        bound: of q.
        progress: wraps the motifs.
    """
    rows, counts = [], np.zeros(len(scorers), np.int64)
    for number, scorer in enumerate(progress(scorers)):
        found = best(scorer, seqlets, flank)
        q = false_discovery_control(found.p) if len(found.p) else found.p
        kept = np.flatnonzero(q <= bound)
        if not len(kept):
            continue
        rows.append(
            pandas.DataFrame(
                {
                    "seqlet": kept,
                    "motif": number,
                    "offset": found.offset[kept],
                    "strand": np.where(found.reverse[kept], "-", "+"),
                    "bits": found.bits[kept],
                    "p": found.p[kept],
                    "q": q[kept],
                }
            )
        )
        other = best(scorer, controls, flank).p
        counts[number] = (other <= found.p[kept].max()).sum()
    columns = ("seqlet", "motif", "offset", "strand", "bits", "p", "q")
    table = pandas.concat(rows) if rows else pandas.DataFrame({c: [] for c in columns})
    table = table.astype({"seqlet": np.int64, "motif": np.int64, "offset": np.int64})
    table = table.sort_values(["seqlet", "p", "motif"], kind="stable", ignore_index=True)
    table["best"] = ~table.duplicated("seqlet")
    return Matches(table, counts, len(controls))


def motif_table(
    scorers: Sequence[Scorer], found: Matches, scores: np.ndarray, sums: np.ndarray
) -> pandas.DataFrame:
    """Return a row for each motif that matches a seqlet, those that match most of them first.

    Args:
        scorers: of the motifs.
        found: their matches.
        scores: of the seqlets, float [seqlets].
        sums: of contributions in each match, float [rows of the table].

    Returns:
        Columns motif, name, seqlets (that match it), best (that match no other motif as well),
        positive (share of `seqlets` with a score above 0), mean_attribution (sum over a match, mean
        of matches), controls (stretches that match it as well as the worst of these),
        enrichment ((seqlets + 1) / (all + 1) over the same of controls), p of Fisher's exact test
        that seqlets match more often than controls, q.
    """
    rows = []
    total = len(scores)
    for number, part in found.table.groupby("motif"):
        matched, other = len(part), int(found.controls[number])
        ratio = (matched + 1) / (total + 1) / ((other + 1) / (found.stretches + 1))
        cells = [[matched, total - matched], [other, found.stretches - other]]
        motif = scorers[number].motif
        rows.append(
            {
                "motif": motif.name,
                "name": motif.also or "NA",
                "seqlets": matched,
                "best": int(part["best"].sum()),
                "positive": float((scores[part["seqlet"]] > 0).mean()),
                "mean_attribution": float(sums[part.index].mean()),
                "controls": other,
                "enrichment": ratio,
                "p": float(fisher_exact(cells, "greater")[1]),
            }
        )
    columns = ("motif", "name", "seqlets", "best", "positive", "mean_attribution")
    columns += ("controls", "enrichment", "p", "q")
    if not rows:
        return pandas.DataFrame(columns=list(columns))
    table = pandas.DataFrame(rows)
    unmatched = np.ones(len(scorers) - len(rows))  # their tests count, too
    table["q"] = false_discovery_control(np.append(table["p"], unmatched))[: len(rows)]
    order = ["best", "seqlets", "p"]
    return table.sort_values(order, ascending=[False, False, True], kind="stable")
