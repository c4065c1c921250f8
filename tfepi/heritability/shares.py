"""Shares of heritability of cell-type-specific and ubiquitous clusters, with standard errors.

With the jackknife's values of a regression (.part_delete) the standard error of any function of
shares is exact: the function of each block's values, sqrt((n − 1)/n·Σ(g_b − ḡ)²) over n blocks,
which is how LDSC's own are made. Without them shares are taken as independent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

Z = 1.959963984540054  # of a normal's central 95%
JACKKNIFE, INDEPENDENT = "jackknife", "independent"


@dataclass(frozen=True)
class Trait:
    """Shares of one trait's heritability.

    Attributes:
        name: of the trait.
        clusters: names.
        prop_snps: share of SNPs of each cluster [clusters].
        share: share of heritability of each [clusters].
        covariance: of the shares [clusters, clusters].
        delete: shares with each block of the jackknife left out [blocks, clusters], or None.
    """

    name: str
    clusters: tuple[str, ...]
    prop_snps: np.ndarray
    share: np.ndarray
    covariance: np.ndarray
    delete: np.ndarray | None

    @property
    def method(self) -> str:
        """Where the standard errors of sums and ratios come from."""
        return INDEPENDENT if self.delete is None else JACKKNIFE


@dataclass(frozen=True)
class Comparison:
    """Specific clusters together beside the ubiquitous one, of a trait or on average.

    Attributes:
        name: of the trait, or "mean".
        specific, specific_se: share of heritability of the specific clusters together.
        ubiquitous, ubiquitous_se: of the ubiquitous cluster; NaN without one.
        ratio: specific over ubiquitous; NaN where either share is not above 0.
        interval: 95% of the ratio, made on its logarithm; NaN where undefined.
        specific_snps, ubiquitous_snps: shares of SNPs.
        method: where the standard errors come from.
    """

    name: str
    specific: float
    specific_se: float
    ubiquitous: float
    ubiquitous_se: float
    ratio: float
    interval: tuple[float, float]
    specific_snps: float
    ubiquitous_snps: float
    method: str

    def to_json(self) -> dict:
        """Return a JSON value; what is undefined is null."""

        def number(value: float) -> float | None:
            return float(value) if np.isfinite(value) else None

        def group(share: float, error: float, snps: float) -> dict:
            value = {"share": share, "se": error, "share_of_snps": snps}
            value |= {"enrichment": share / snps, "enrichment_se": error / snps}
            return {k: number(v) for k, v in value.items()}

        return {
            "name": self.name,
            "specific": group(self.specific, self.specific_se, self.specific_snps),
            "ubiquitous": group(self.ubiquitous, self.ubiquitous_se, self.ubiquitous_snps),
            "ratio": number(self.ratio),
            "ratio_interval": [number(v) for v in self.interval],
            "method": self.method,
        }


def jackknife_covariance(values: np.ndarray) -> np.ndarray:
    """Return the covariance of statistics from their values with each block left out.

    Args:
        values: [blocks, statistics].
    """
    away = values - values.mean(axis=0)
    return (len(values) - 1) / len(values) * away.T @ away


def compare(trait: Trait, ubiquitous: str | None) -> Comparison:
    """Compare the specific clusters, together, with the ubiquitous one.

    The interval of the ratio is exp(log r ± 1.96·SE): SE by the jackknife of the logarithm where
    there is one and every block's shares are above 0, or else by the delta method from the shares'
    covariance.

    Args:
        trait: with its shares.
        ubiquitous: name of that cluster; None: there is none.
    """
    weights = np.array([[c != ubiquitous, c == ubiquitous] for c in trait.clusters], float)
    share, covariance = trait.share @ weights, weights.T @ trait.covariance @ weights
    error, snps = np.sqrt(np.diag(covariance)), trait.prop_snps @ weights
    if ubiquitous is None:
        share[1] = error[1] = snps[1] = np.nan
    log_error = _log_ratio_error(share, covariance)
    if trait.delete is not None and ubiquitous is not None:
        blocks = trait.delete @ weights
        if (blocks > 0).all():
            log_ratio = np.log(blocks[:, :1] / blocks[:, 1:])
            log_error = float(np.sqrt(jackknife_covariance(log_ratio)[0, 0]))
    ratio, interval = _ratio(share, log_error)
    return Comparison(
        *(trait.name, share[0], error[0], share[1], error[1], ratio, interval),
        *(snps[0], snps[1], trait.method),
    )


def mean_of(traits: Sequence[Comparison]) -> Comparison:
    """Return the mean of each share over traits, with standard errors from their spread.

    The ratio is that of the means, of all traits: to leave out those whose own ratio is undefined,
    a share being 0 or less, would make the mean too large. It is undefined where a mean is not
    above 0; its interval is by the delta method from the covariance of both
    shares between traits. Traits measured in the same people are less than independent, which
    these errors do not show.

    Args:
        traits: at least two.
    """
    both = np.array([[t.specific, t.ubiquitous] for t in traits])
    share, covariance = both.mean(axis=0), np.cov(both.T) / len(both)
    error = np.sqrt(np.diag(covariance))
    ratio, interval = _ratio(share, _log_ratio_error(share, covariance))
    snps = np.mean([[t.specific_snps, t.ubiquitous_snps] for t in traits], axis=0)
    first = replace(traits[0], name="mean", specific=share[0], specific_se=error[0])
    return replace(
        first,
        ubiquitous=share[1],
        ubiquitous_se=error[1],
        ratio=ratio,
        interval=interval,
        specific_snps=snps[0],
        ubiquitous_snps=snps[1],
        method="between traits",
    )


def _log_ratio_error(share: np.ndarray, covariance: np.ndarray) -> float:
    """Return the standard error of log(share[0] / share[1]) by the delta method."""
    if not (share > 0).all():
        return np.nan
    gradient = np.array([1, -1]) / share
    return float(np.sqrt(max(gradient @ covariance @ gradient, 0)))


def _ratio(share: np.ndarray, log_error: float) -> tuple[float, tuple[float, float]]:
    if not (share > 0).all():
        return np.nan, (np.nan, np.nan)
    ratio = float(share[0] / share[1])
    return ratio, (ratio * np.exp(-Z * log_error), ratio * np.exp(Z * log_error))
