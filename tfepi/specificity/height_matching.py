"""Accuracy in specific and in ubiquitous peaks of the same heights.

Source: Kathail et al., section 3.2 and Figure S1c: specific peaks may be predicted worse only
because they are lower, which leaves less to correlate. Heights are log2(x + 1) of what was
measured in the cell type; both kinds are brought to the same heights, in bins, and compared again.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import ks_2samp

from tfepi.evaluation.accuracy import block_sums, statistics
from tfepi.evaluation.bootstrap import FEWEST_BLOCKS, Blocks, Bootstrap
from tfepi.evaluation.matched_sets import equal_histograms
from tfepi.specificity.accuracy import MEAN, SPECIFIC, check_shapes, ends_of, groups, resamples_of
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfrecords_tools.errors import ConfigError

PAPER_EDGES = tuple((2.5 + 0.5 * np.arange(17)).tolist())
MATCHINGS = ("none", "sampled", "equal")
OWN = "own"
FEWEST = 10  # positions of either kind
_WITHIN = 0.5  # share of heights that lie between the paper's edges, or others are taken
_BINS = 16  # as many as the paper's
_STREAM = 6  # spawn key: this module's own random stream
_VALUES = ("specific", "ubiquitous", "difference")


@dataclass(frozen=True)
class Matching:
    """How heights are matched.

    Attributes:
        edges: of the bins of log2(x + 1), rising; None: `PAPER_EDGES` (2.5 to 10.5 by 0.5), or,
            where less than half of the heights lie between these, 16 bins from the 1st to the 99th
            percentile of the heights.
        draws: random choices that are averaged.
        seed: of them.
    """

    edges: tuple[float, ...] | None = None
    draws: int = 20
    seed: int = 44

    def __post_init__(self):
        if self.draws < 1:
            raise ConfigError(f"draws is {self.draws}: want at least 1")
        if self.edges is not None and (len(self.edges) < 2 or (np.diff(self.edges) <= 0).any()):
            raise ConfigError(f"edges are {list(self.edges)}: want at least two, rising")


def height_edges(heights: np.ndarray) -> tuple[float, ...]:
    """Return the edges of bins that suit heights (`Matching.edges`).

    Args:
        heights: log2(x + 1); NaN is left out.

    Raises:
        ConfigError: all heights are the same, or there are none.
    """
    heights = heights[np.isfinite(heights)]
    inside = (heights >= PAPER_EDGES[0]) & (heights <= PAPER_EDGES[-1])
    if len(heights) and inside.mean() >= _WITHIN:
        return PAPER_EDGES
    low, high = np.quantile(heights, (0.01, 0.99)) if len(heights) else (0.0, 0.0)
    if not high > low:
        raise ConfigError(f"the heights of {len(heights)} peaks are alike: nothing to match")
    return tuple(np.linspace(low, high, _BINS + 1).tolist())


def parse_edges(text: str | None) -> tuple[float, ...] | None:
    """Return the edges that an option names: numbers separated by commas, or "paper".

    Raises:
        ConfigError: something else.
    """
    if text is None or text == "paper":
        return None if text is None else PAPER_EDGES
    try:
        return tuple(float(t) for t in text.split(","))
    except ValueError:
        raise ConfigError(f"edges {text!r}: want numbers separated by commas, or paper") from None


def height_matched(
    truth: np.ndarray,
    prediction: np.ndarray,
    peak_cluster: np.ndarray,
    names: Sequence[str],
    cell_types: Sequence[str],
    blocks: Blocks,
    bootstrap: Bootstrap | None = None,
    matching: Matching | None = None,
    belongs: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Return the table of `height_matched_resamples`, which see."""
    values = (truth, prediction, peak_cluster, names, cell_types, blocks)
    return height_matched_resamples(*values, bootstrap, matching, belongs)[0]


def height_matched_resamples(
    truth: np.ndarray,
    prediction: np.ndarray,
    peak_cluster: np.ndarray,
    names: Sequence[str],
    cell_types: Sequence[str],
    blocks: Blocks,
    bootstrap: Bootstrap | None = None,
    matching: Matching | None = None,
    belongs: Mapping[str, Sequence[str]] | None = None,
) -> tuple[pd.DataFrame, dict[tuple[str, str], np.ndarray]]:
    """Return accuracy in specific and in ubiquitous peaks, as they are and matched in height.

    Matchings: "none"; "sampled", the paper's: specific peaks stay (those between the edges), and
    in each bin as many ubiquitous ones are drawn, or all where there are fewer; "equal": in each
    bin as many of both are drawn, so that the histograms are the same. Values are means over
    draws. A resample of blocks takes one of the draws, so that intervals hold both.

    Args:
        truth, prediction, peak_cluster, names, cell_types, blocks, bootstrap: as of
            `accuracy.correlations`.
        matching: bins and draws; None: the defaults.
        belongs: specific cluster → its cell types; with it, peaks of a cell type's own clusters
            are compared, too.

    Returns:
        A table, and (set, matching) → resamples of its means over cell types: specific,
        ubiquitous and difference, float64 [3, resamples]; no columns without intervals.
        The table has a row per set ("specific": all specific peaks; "own": those of the cell
        type's clusters), matching and cell type, and their mean. Columns: set, matching, cell_type,
        n_specific, n_ubiquitous (of the first draw), specific, ubiquitous and difference (Pearson
        of log2(x + 1), ubiquitous less specific), each with _low and _high, height_specific and
        height_ubiquitous (means), ks (largest distance of the heights' cumulative distributions),
        note ("" for none). NaN where either has fewer than ten; a mean, and its numbers, are of
        the other cell types, and its note says which are left out.

    Raises:
        ConfigError: no ubiquitous cluster, or as `accuracy.correlations`.
    """
    bootstrap, matching = bootstrap or Bootstrap(), matching or Matching()
    check_shapes(truth, prediction, peak_cluster, cell_types, blocks)
    if UBIQUITOUS not in names:
        raise ConfigError(
            "no cluster is named ubiquitous: there is nothing to compare specific peaks with"
        )
    heights = _heights(truth)
    members = groups(np.asarray(peak_cluster), names)
    ubiquitous, specific = members[UBIQUITOUS], members[SPECIFIC]
    edges = np.asarray(matching.edges or height_edges(heights[np.r_[specific, ubiquitous]]))
    drawn = resamples_of(blocks, bootstrap)
    rows, drawn_means = [], {}
    for kind in (SPECIFIC, OWN) if belongs else (SPECIFIC,):
        for how in MATCHINGS:
            found = []
            for c, cell in enumerate(cell_types):
                chosen = specific if kind == SPECIFIC else own_rows(members, belongs, cell)
                values = (truth[:, c], prediction[:, c], heights[:, c])
                pairs = _draws(how, heights[:, c], chosen, ubiquitous, edges, matching)
                found.append(_compared(values, pairs, blocks, drawn, bootstrap.level))
                rows.append({"set": kind, "matching": how, "cell_type": cell} | found[-1][0])
            mean, drawn_means[kind, how] = _mean(found, cell_types, bootstrap.level)
            rows.append({"set": kind, "matching": how, "cell_type": MEAN} | mean)
    return pd.DataFrame(rows), drawn_means


def _heights(truth: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log2(np.asarray(truth, np.float64) + 1)
    return np.where(np.isfinite(found), found, np.nan)


def own_rows(
    members: Mapping[str, np.ndarray], belongs: Mapping[str, Sequence[str]], cell: str
) -> np.ndarray:
    """Return the positions in the specific clusters that are a cell type's own, ascending.

    Args:
        members: cluster → positions (`accuracy.groups`).
        belongs: specific cluster → its cell types.
        cell: the cell type.
    """
    of = [members[g] for g, cells in belongs.items() if cell in cells and g != UBIQUITOUS]
    return np.sort(np.concatenate(of)) if of else np.zeros(0, np.int64)


def _draws(
    how: str, heights: np.ndarray, first: np.ndarray, second: np.ndarray, edges, matching: Matching
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows of specific and of ubiquitous peaks, of each draw."""
    first, second = (rows[~np.isnan(heights[rows])] for rows in (first, second))
    if how == "none":
        yield first, second
        return
    for draw in range(matching.draws):
        if how == "equal":
            seed = matching.seed + draw
            one, two = equal_histograms(heights[first], heights[second], edges, seed)
            yield first[one], second[two]
        else:
            key = (_STREAM, draw)
            rng = np.random.default_rng(np.random.SeedSequence(matching.seed, spawn_key=key))
            yield _sampled(heights, first, second, edges, rng)


def _sampled(heights, first, second, edges, rng) -> tuple[np.ndarray, np.ndarray]:
    """Return the first's rows between the edges and, per bin, as many of the second's, or all."""
    inside = (heights[first] >= edges[0]) & (heights[first] <= edges[-1])
    kept = first[inside]
    inner = edges[1:-1]
    wanted = np.bincount(np.searchsorted(inner, heights[kept], "right"), minlength=len(inner) + 1)
    within = second[(heights[second] >= edges[0]) & (heights[second] <= edges[-1])]
    of = np.searchsorted(inner, heights[within], "right")
    taken = [rng.permutation(np.flatnonzero(of == b))[:n] for b, n in enumerate(wanted)]
    return kept, within[np.sort(np.concatenate(taken))]


def _compared(values, pairs, blocks: Blocks, drawn: np.ndarray, level: float):
    """Return a row of the table, and resamples [3, resamples], of one cell type."""
    truth, prediction, heights = values
    every, sums, first = [], [], None
    for pair in pairs:
        first = first or pair
        if min(map(len, pair)) < FEWEST:
            continue
        both = [block_sums(truth[r], prediction[r], blocks.index[r], blocks.count) for r in pair]
        r = [float(statistics(s.sum(axis=0))["pearsonr_log2"]) for s in both]
        every.append((*r, r[1] - r[0]))
        sums.append(both)
    row = {"n_specific": len(first[0]), "n_ubiquitous": len(first[1])}
    value = np.mean(every, axis=0) if every else np.full(3, np.nan)
    again = np.full((3, len(drawn)), np.nan)
    for d, both in enumerate(sums):
        part = drawn[d :: len(sums)]
        if len(part):
            r = [statistics(part @ s)["pearsonr_log2"] for s in both]
            again[:, d :: len(sums)] = (*r, r[1] - r[0])
    held = [(s[:, 0] > 0).sum() for both in sums for s in both]
    few = not held or min(held) < FEWEST_BLOCKS
    row |= _ends(value, again[:, :0] if few else again, level)
    a, b = (heights[r] for r in first)
    some = len(a) and len(b)
    row["height_specific"] = float(a.mean()) if len(a) else np.nan
    row["height_ubiquitous"] = float(b.mean()) if len(b) else np.nan
    row["ks"] = float(ks_2samp(a, b).statistic) if some else np.nan
    row["note"] = "" if every else f"fewer than {FEWEST} positions"
    return row, value, again


def _ends(value: np.ndarray, again: np.ndarray, level: float) -> dict[str, float]:
    row = {}
    for name, v, resampled in zip(_VALUES, value, again, strict=True):
        row[name] = float(v)
        row[f"{name}_low"], row[f"{name}_high"] = ends_of(v, resampled, level)
    return row


def _mean(found: list, cell_types: Sequence[str], level: float) -> tuple[dict, np.ndarray]:
    """Return the mean over cell types of a set and matching, those that are undefined left out."""
    rows = [r for r, v, _ in found if not np.isnan(v).any()]
    defined = [(v, again) for _, v, again in found if not np.isnan(v).any()]
    gone = [c for c, (_, v, _) in zip(cell_types, found, strict=True) if np.isnan(v).any()]
    n = {k: sum(r[k] for r in rows) for k in ("n_specific", "n_ubiquitous")}
    value, again = np.full(3, np.nan), np.full((3, 0), np.nan)
    if defined:
        value = np.mean([v for v, _ in defined], axis=0)
        every = np.stack([a for _, a in defined])
        seen = ~np.isnan(every)
        with np.errstate(invalid="ignore"):
            again = np.where(seen, every, 0).sum(axis=0) / seen.sum(axis=0)
    rest = {}
    for name in ("height_specific", "height_ubiquitous", "ks"):
        each = [r[name] for r in rows if not np.isnan(r[name])]
        rest[name] = float(np.mean(each)) if each else np.nan
    rest["note"] = f"without {', '.join(gone)}" if gone else ""
    return n | _ends(value, again, level) | rest, again
