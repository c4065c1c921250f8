"""How residuals grow with the predicted value, beside what four losses say of it.

Positions of a target are put into bins of equal number by predicted value. In each, the variance
of the residuals is compared with that of a Poisson law, φ times the mean; of a negative binomial,
φ·mean + dispersion·mean²; of a Gaussian, constant; and of a Gaussian on log(1 + y), which grows
with (1 + mean)². A loss whose law is far from the residuals weighs positions wrongly.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from tfepi.analysis.loss_fit import LossFit, fit_losses
from tfepi.analysis.variance_laws import LAWS, raised
from tfrecords_tools.errors import ConfigError

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
        log_mean, log_variance: of residuals of log(1 + y) [bins]; NaN where values go to −1.
        log_quantiles: of these, likewise [bins, 5].
        variance: law → variance it gives, averaged over each bin's predicted values [bins]; NaN
            for a law that cannot be of such values.
        fit: the laws, and which fits best.
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
    log_mean: np.ndarray
    log_variance: np.ndarray
    log_quantiles: np.ndarray
    variance: dict[str, np.ndarray]
    fit: LossFit

    @property
    def dispersion(self) -> float | None:
        """Dispersion of the negative binomial, None where it cannot be of such values."""
        law = self.fit.laws["negative_binomial"]
        return None if law is None else law.dispersion

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
            "fit": self.fit.to_json(),
        }


def residuals_of(
    identifier: str,
    observed: np.ndarray,
    predicted: np.ndarray,
    bins: int = MOST_BINS,
    dispersion: float | None = None,
    blocks: np.ndarray | None = None,
    seed: int = 44,
) -> Residuals:
    """Return residuals by predicted value of one target.

    Args:
        identifier: of the target.
        observed: any shape; NaN is missing.
        predicted: likewise.
        bins: of equal number of positions; equal predictions stay together, so there may be fewer.
        dispersion: of the negative binomial, as a model learned it; None: fitted.
        blocks: number of each window's block of the genome [first axis], which intervals are made
            from; None: twenty stretches of the positions in order.
        seed: of the resampling of blocks.

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
    block = None
    if blocks is not None:
        block = np.broadcast_to(blocks.reshape(-1, *[1] * (observed.ndim - 1)), observed.shape)[
            seen
        ]
    edges = np.quantile(p, np.linspace(0, 1, bins + 1)[1:-1])
    number = np.searchsorted(edges, p, side="right")
    parts = [np.flatnonzero(number == n) for n in np.unique(number)]
    fit = fit_losses(y, p, block, dispersion, seed)
    residual, held = y - p, raised(p)
    logs = np.full(len(y), np.nan)
    if min(y.min(), p.min()) > -1:
        logs = np.log1p(y) - np.log1p(p)

    def each(function, values: np.ndarray) -> np.ndarray:
        return np.array([function(values[part]) for part in parts])

    def variance(name: str) -> np.ndarray:
        law = fit.laws[name]
        if law is None:
            return np.full(len(parts), np.nan)
        return each(np.mean, law.variance(held))

    def spread(values: np.ndarray) -> np.ndarray:
        return each(lambda part: np.quantile(part, QUANTILES), values)

    return Residuals(
        identifier,
        np.array([len(part) for part in parts]),
        each(np.mean, p),
        each(np.min, p),
        each(np.max, p),
        each(np.mean, y),
        each(np.var, y),
        each(np.mean, residual),
        each(np.var, residual),
        spread(residual),
        each(np.mean, logs),
        each(np.var, logs),
        spread(logs),
        {name: variance(name) for name in LAWS},
        fit,
    )


def residuals_table(found: Iterable[Residuals]) -> str:
    """Return a tab-separated table, one line per target and bin; undefined numbers are empty."""
    names = ("predicted", "low", "high", "observed_mean", "observed_variance")
    names += ("residual_mean", "residual_variance", "log_mean", "log_variance")
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
