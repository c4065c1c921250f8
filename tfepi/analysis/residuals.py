"""How residuals grow with the predicted value, beside what counting laws say.

Positions of a target are put into bins of equal number by predicted value. In each, the variance
of the residuals is compared with that of a Poisson law, whose variance is the mean; of a negative
binomial, mean + dispersion * mean²; and of a Gaussian, constant. A loss whose law is far from the
residuals weighs positions wrongly.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import ConfigError

LAWS = ("poisson", "negative_binomial", "gaussian")
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_BINS = 20
FEWEST_POSITIONS = 30


@dataclass(frozen=True)
class Residuals:
    """Residuals, observed minus predicted, of one target by predicted value.

    Attributes:
        identifier: of the target.
        count: positions in each bin, int [bins].
        predicted: mean predicted value [bins].
        low, high: ends of each bin's predicted values [bins].
        observed_mean, observed_variance: of observed values [bins].
        residual_mean, residual_variance: of residuals [bins].
        quantiles: of residuals, at `QUANTILES` [bins, 5].
        variance: law → variance it gives, averaged over each bin's predicted values [bins]; NaN
            for the counting laws where a predicted value is negative.
        dispersion: of the negative binomial.
    """

    identifier: str
    count: np.ndarray
    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray
    observed_mean: np.ndarray
    observed_variance: np.ndarray
    residual_mean: np.ndarray
    residual_variance: np.ndarray
    quantiles: np.ndarray
    variance: dict[str, np.ndarray]
    dispersion: float

    @property
    def misfit(self) -> dict[str, float | None]:
        """Law → root mean square over bins of log10(residual variance / the law's).

        0.3 is a factor of two; None where no bin is defined.
        """
        found = {}
        for law in LAWS:
            with np.errstate(divide="ignore", invalid="ignore"):
                off = np.log10(self.residual_variance / self.variance[law])
            off = off[np.isfinite(off)]
            found[law] = float(np.sqrt((off**2).mean())) if len(off) else None
        return found

    def to_json(self) -> dict:
        """Return the summary as a JSON value."""
        return {
            "identifier": self.identifier,
            "observed": int(self.count.sum()),
            "dispersion": self.dispersion,
            "misfit": self.misfit,
        }


def fitted_dispersion(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the dispersion of a negative binomial by moments, at least 0.

    It is the slope, without intercept, of ((y - μ)² - y) / μ on μ (Cameron and Trivedi 1990,
    Journal of Econometrics 46:347): the sum of (y - μ)² - y over the sum of μ².
    """
    excess = (observed - predicted) ** 2 - observed
    scale = (predicted**2).sum()
    return float(max(excess.sum() / scale, 0)) if scale > 0 else 0.0


def residuals_of(
    identifier: str,
    observed: np.ndarray,
    predicted: np.ndarray,
    bins: int = MOST_BINS,
    dispersion: float | None = None,
) -> Residuals:
    """Return residuals by predicted value of one target.

    Args:
        identifier: of the target.
        observed: any shape; NaN is missing.
        predicted: likewise.
        bins: of equal number of positions; equal predictions stay together, so there may be fewer.
        dispersion: of the negative binomial, as a model learned it; None: fitted.

    Raises:
        ConfigError: too few positions, or a number of bins below 1.
    """
    seen = ~(np.isnan(observed) | np.isnan(predicted))
    y, p = observed[seen].astype(float), predicted[seen].astype(float)
    if bins < 1:
        raise ConfigError(f"bins is {bins}: want at least 1")
    if len(y) < FEWEST_POSITIONS:
        raise ConfigError(
            f"target {identifier!r} has {len(y)} observed positions, too few for residuals by "
            f"value (at least {FEWEST_POSITIONS}): test more windows"
        )
    bins = min(bins, len(y) // 10)
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1])
    number = np.searchsorted(edges, p, side="right")
    parts = [np.flatnonzero(number == n) for n in np.unique(number)]
    if dispersion is None:
        dispersion = fitted_dispersion(y, p)
    residual = y - p

    def each(function, values: np.ndarray) -> np.ndarray:
        return np.array([function(values[part]) for part in parts])

    mean = each(np.mean, p)
    counting = np.where(each(np.min, p) >= 0, mean, np.nan)
    return Residuals(
        identifier,
        np.array([len(part) for part in parts]),
        mean,
        each(np.min, p),
        each(np.max, p),
        each(np.mean, y),
        each(np.var, y),
        each(np.mean, residual),
        each(np.var, residual),
        each(lambda values: np.quantile(values, QUANTILES), residual),
        {
            "poisson": counting,
            "negative_binomial": counting + dispersion * each(np.mean, p**2),
            "gaussian": np.full(len(parts), residual.var()),
        },
        float(dispersion),
    )


def residuals_table(found: Iterable[Residuals]) -> str:
    """Return a tab-separated table, one line per target and bin; undefined numbers are empty."""
    names = ("predicted", "low", "high", "observed_mean", "observed_variance")
    names += ("residual_mean", "residual_variance")
    header = ["identifier", "count", *names, *(f"{law}_variance" for law in LAWS)]
    header += [f"residual_q{round(100 * q):02d}" for q in QUANTILES]
    lines = ["\t".join(header)]
    for target in found:
        columns = [getattr(target, n) for n in names] + [target.variance[law] for law in LAWS]
        numbers = np.column_stack([*columns, target.quantiles])
        for count, row in zip(target.count.tolist(), numbers.tolist(), strict=True):
            cells = ("" if np.isnan(v) else f"{v:.6g}" for v in row)
            lines.append("\t".join((target.identifier, str(count), *cells)))
    return "\n".join(lines) + "\n"
