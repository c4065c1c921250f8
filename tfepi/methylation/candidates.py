"""Variants of a locus ranked by what the association says and by what the score says.

Without credible sets the association is summed up as if one variant of the locus were causal:
the approximate Bayes factor of each (Wakefield 2009, Genetic Epidemiology 33:79) over their sum.
"""

import numpy as np
import pandas as pd

EFFECT_VARIANCE = 0.04  # prior variance of an effect: 0.2², of a log odds ratio
COLUMNS = (
    *("locus", "rank", "variant", "chrom", "pos", "ref", "alt", "p", "beta", "frq", "pip"),
    *("pip_from", "score", "quantile", "matched", "score_task", "score_cpg", "score_diff", "cpgs"),
    *("prior", "posterior", "rank_p", "rank_pip", "rank_score", "rank_posterior"),
)


def single_causal_pip(beta: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Return the probability of each variant to be the one causal one of its locus.

    Args:
        beta: effects; NaN is missing.
        se: their standard errors.

    Returns:
        float64 [variants]: 0 where either is missing, NaN everywhere if they all are.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        known = np.isfinite(beta) & np.isfinite(se) & (se > 0)
        variance = np.where(known, se, 1) ** 2
        shrink = EFFECT_VARIANCE / (variance + EFFECT_VARIANCE)
        log_factor = 0.5 * (np.log1p(-shrink) + np.where(known, beta, 0) ** 2 / variance * shrink)
    if not known.any():
        return np.full(len(beta), np.nan)
    factor = np.where(known, np.exp(log_factor - log_factor[known].max()), 0)
    return factor / factor.sum()


def posterior(pip: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Return PIP × prior, scaled to the sum that the PIPs have; NaN counts as 0, and stays.

    Each is at most 1: where a locus has several signals, the sum is larger.
    """
    product = pip * prior
    total = np.nansum(product)
    return np.minimum(product * (np.nansum(pip) / total), 1) if total > 0 else product


def ranked(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return a locus's candidates with their ranks, best first.

    Ranks are from 1, by each of p, PIP, score and posterior; equal values share the better rank,
    and a missing value has none. `rank` is that by posterior, or by score where there is no
    PIP, or by p where there is neither; of equals the smaller p and then the position goes
    first, and it has no ties.

    Args:
        candidates: columns log10p, pip, score, posterior, pos and others.
    """
    found = candidates.assign(
        rank_p=candidates["log10p"].rank(ascending=False, method="min"),
        rank_pip=candidates["pip"].rank(ascending=False, method="min"),
        rank_score=candidates["score"].rank(ascending=False, method="min"),
        rank_posterior=candidates["posterior"].rank(ascending=False, method="min"),
    )
    order = np.lexsort(
        [found["pos"]]
        + [-found[c].fillna(-np.inf).to_numpy() for c in ("log10p", "score", "posterior")]
    )
    found = found.iloc[order]
    return found.assign(rank=np.arange(1, len(found) + 1))
