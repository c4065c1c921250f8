"""Are scores of mQTL variants higher than those of matched variants: odds ratios and AUROC."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact
from scipy.stats.contingency import odds_ratio

from tfepi.evaluation.bootstrap import (
    Blocks,
    estimate,
    multiplicities,
    position_blocks,
)
from tfepi.evaluation.controls import Cells, Controls, draw_controls
from tfepi.evaluation.ranks import Ranking
from tfrecords_tools.errors import ConfigError

COLUMNS = (
    *("tissue", "score", "statistic", "top", "threshold", "value", "low", "high", "p"),
    *("block_low", "block_high", "cases", "controls", "cases_above", "controls_above", "unmatched"),
)
_log = logging.getLogger(__name__)
_EXACT_BELOW = 10  # smallest of four counts, of which the log interval would be too rough
_LEVEL = 0.95


@dataclass(frozen=True)
class Comparison:
    """How mQTL variants are compared with others.

    Attributes:
        per_case: most controls of each mQTL variant (`controls.draw_controls`).
        lead: only the strongest variant of each CpG is a case; else every mQTL variant.
        tops: shares of the scored variants that count as high scores.
        resamples: of blocks of the genome, for intervals; 0 for none.
        seed: of draws.
    """

    per_case: int = 10
    lead: bool = True
    tops: tuple[float, ...] = (0.01, 0.05, 0.1)
    resamples: int = 200
    seed: int = 44

    def __post_init__(self):
        if self.per_case < 1:
            raise ConfigError(f"{self.per_case} controls per mQTL variant: want at least 1")
        if not self.tops or any(not 0 < top < 1 for top in self.tops):
            raise ConfigError(f"top shares are {self.tops}: want numbers between 0 and 1")
        if 0 < self.resamples < 20 or self.resamples < 0:
            raise ConfigError(
                f"{self.resamples} resamples: want 0 for no intervals, or at least 20"
            )


def significant(mqtl: pd.DataFrame, fdr: float) -> tuple[np.ndarray, str]:
    """Return which rows of a table are mQTLs, bool [rows], and how they were chosen.

    Args:
        mqtl: table with column fdr.
        fdr: largest; of a table without, all rows are mQTLs.

    Raises:
        ConfigError: a limit out of range, or no row within it.
    """
    if not 0 < fdr <= 1:
        raise ConfigError(f"mQTL FDR limit is {fdr:g}: want more than 0, up to 1")
    if mqtl["fdr"].isna().all():
        return np.ones(len(mqtl), bool), "every line of a table without FDR"
    found = (mqtl["fdr"] <= fdr).to_numpy()
    if not found.any():
        raise ConfigError(f"no mQTL has an FDR up to {fdr:g} (--fdr): name a higher limit")
    return found, f"FDR up to {fdr:g}"


def strongest(mqtl: pd.DataFrame) -> tuple[np.ndarray, str]:
    """Return which rows have the smallest p of their CpG in their tissue, bool [rows], and so.

    Rows with equal p are all the strongest. Without CpGs or p all rows are taken.

    Args:
        mqtl: table with columns chrom, cpg_pos, tissue, p.
    """
    if mqtl["cpg_pos"].isna().any() or mqtl["p"].isna().any():
        return np.ones(len(mqtl), bool), "all variants, as the table lacks CPG_POS or P"
    cpg = mqtl.groupby(["chrom", "cpg_pos", "tissue"], observed=True, dropna=False)["p"]
    return (mqtl["p"] == cpg.transform("min")).to_numpy(), "the smallest p of each CpG"


def enrichment(
    variants: pd.DataFrame,
    mqtls: Mapping[str, np.ndarray],
    eligible: np.ndarray,
    columns: Mapping[str, Sequence[str]],
    cells: Cells,
    comparison: Comparison,
) -> list[dict]:
    """Return odds ratios and AUROC of each tissue's mQTL variants against matched controls.

    Every case has the same number of controls, drawn from its cell.

    Args:
        variants: columns chrom, pos and those of scores; in the order of the cells.
        mqtls: tissue → which variants are its mQTLs, bool [variants].
        eligible: which variants may be controls, bool [variants].
        columns: tissue → names of the columns of scores to test.
        cells: of the variants that may be compared.
        comparison: how.

    Returns:
        One dict per tissue, column and statistic, with the keys of `COLUMNS`: of "odds_ratio"
        the interval is Fisher's exact one where a count is below 10, else that of its logarithm,
        and p is Fisher's; of "auroc" it is the bootstrap's. block_low and block_high are the
        bootstrap's over blocks of the genome. None is undefined.
    """
    rows = []
    for tissue, cases in mqtls.items():
        controls = draw_controls(cases, eligible, cells.of, comparison.per_case, comparison.seed)
        if controls.unmatched:
            _log.warning(
                f"{tissue}: {controls.unmatched} of {cases.sum()} mQTL variants are left out: they "
                "have no score, or too few variants lie alike"
            )
        chosen = np.concatenate([controls.cases, controls.controls.ravel()])
        there = variants.iloc[chosen]
        blocks = position_blocks(there["chrom"], there["pos"] - 1) if len(there) else None
        for column in columns[tissue]:
            score = variants[column].to_numpy(float)
            fixed = {"tissue": tissue, "score": column, **_counts(controls)}
            rows += [
                dict.fromkeys(COLUMNS) | fixed | found
                for found in _compare(score, chosen, controls, cells, blocks, comparison)
            ]
    return rows


def _counts(controls: Controls) -> dict[str, int]:
    return {
        "cases": len(controls.cases),
        "controls": controls.controls.size,
        "unmatched": controls.unmatched,
    }


def _compare(
    score: np.ndarray,
    chosen: np.ndarray,
    controls: Controls,
    cells: Cells,
    blocks: Blocks | None,
    comparison: Comparison,
) -> list[dict]:
    """Return the statistics of one column of scores, each a dict."""
    if blocks is None:
        return [{"statistic": "auroc"}]
    case = np.arange(len(chosen)) < len(controls.cases)
    drawn = np.zeros((0, blocks.count))
    if comparison.resamples and blocks.enough:
        drawn = multiplicities(blocks.count, comparison.resamples, comparison.seed).astype(float)
    ranking = Ranking(score[chosen])
    resampled = np.array([_auroc(ranking, case, row[blocks.index]) for row in drawn])
    found = estimate(_auroc(ranking, case, np.ones(len(case))), resampled, _LEVEL)
    low, high = found["interval"] or (None, None)
    ends = {"low": low, "high": high, "block_low": low, "block_high": high}
    rows = [{"statistic": "auroc", "value": found["value"]} | ends]
    pool = score[cells.of >= 0]
    for top in comparison.tops:
        threshold = float(np.nanquantile(pool, 1 - top))
        kind = np.where(case, 0, 2) + np.where(score[chosen] >= threshold, 0, 1)
        counts = np.bincount(4 * blocks.index + kind, minlength=4 * blocks.count).reshape(-1, 4)
        a, b, c, d = (drawn @ counts).T + 0.5  # of a resample without one of them, too
        spread = estimate(1, a * d / (b * c), _LEVEL)["interval"] or (None, None)
        rows.append(
            {"statistic": "odds_ratio", "top": top, "threshold": threshold}
            | odds(counts.sum(axis=0).reshape(2, 2))
            | {"block_low": spread[0], "block_high": spread[1]}
        )
    return rows


def _auroc(ranking: Ranking, case: np.ndarray, weights: np.ndarray) -> float:
    """Return the share of pairs of a case and a control whose scores are in order; ties half."""
    cases, controls = ranking.weight(weights * case), ranking.weight(weights * ~case)
    pairs = cases.sum() * controls.sum()
    below = np.cumsum(controls) - controls / 2
    return float(cases @ below / pairs) if pairs else float("nan")


def odds(counts: np.ndarray) -> dict:
    """Return the odds ratio of four counts with its interval, and the p of Fisher's test.

    Args:
        counts: [[cases above, cases below], [controls above, controls below]].

    Returns:
        "value", "low", "high", "p", "cases_above", "controls_above"; None is undefined.
    """
    exact = counts.min() < _EXACT_BELOW
    found = odds_ratio(counts, kind="conditional" if exact else "sample")
    interval = found.confidence_interval(_LEVEL)
    numbers = (found.statistic, interval.low, interval.high)
    value, low, high = (float(x) if np.isfinite(x) else None for x in numbers)
    return {
        "value": value,
        "low": low,
        "high": high,
        "p": float(fisher_exact(counts).pvalue),
        "cases_above": int(counts[0, 0]),
        "controls_above": int(counts[1, 0]),
    }
