"""Which law a tail of whole numbers follows: a power law or another with a light or heavy tail.

Laws are fitted by maximum likelihood to the same tail and compared by Vuong's likelihood ratio test
(Clauset, Shalizi and Newman 2009, SIAM Review 51:661, §5 and appendix C).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import erfc, log_ndtr, zeta

from tfepi.qtl.power_law import P_FIT, Fitted, counted, fit, fit_and_test

ALTERNATIVES = ("lognormal", "exponential", "stretched_exponential")
P_RATIO = 0.1  # a ratio's sign is trusted below (§5)
_NAMES = {"lognormal": "log-normal", "stretched_exponential": "stretched exponential"}


@dataclass(frozen=True)
class Law:
    """A law fitted to a tail.

    Attributes:
        name: "power_law" or one of `ALTERNATIVES`.
        parameters: by name.
        log_likelihood: of each distinct value of the tail.
    """

    name: str
    parameters: dict[str, float]
    log_likelihood: np.ndarray

    def above(self, x: np.ndarray, xmin: int) -> np.ndarray:
        """Return the share of values that are x or more, of a tail that begins at xmin."""
        p, edge = self.parameters, np.append(x, xmin).astype(float)
        if self.name == "power_law":
            log = np.log(zeta(p["alpha"], edge))
        elif self.name == "exponential":
            log = -p["rate"] * edge
        elif self.name == "lognormal":
            log = log_ndtr((p["mu"] - np.log(edge - 0.5)) / p["sigma"])
        else:
            log = -np.exp(p["shape"] * (np.log(edge - 0.5) - p["log_scale"]))
        return np.exp(log[:-1] - log[-1])


@dataclass(frozen=True)
class Ratio:
    """A power law against an alternative on the same tail.

    Attributes:
        law: the alternative.
        power_law: itself.
        ratio: log likelihood of the power law minus the alternative's; negative: the alternative
            is likelier.
        normalised: `ratio` over its standard deviation.
        p: two-sided: how likely a ratio so far from 0 is of laws that are equally near.
    """

    law: Law
    power_law: Law
    ratio: float
    normalised: float
    p: float

    @property
    def favours(self) -> str | None:
        """The law that is nearer, or None where the data do not say."""
        if not self.p < P_RATIO:
            return None
        return "power_law" if self.ratio > 0 else self.law.name

    def to_json(self) -> dict:
        """Return a JSON value."""
        numbers = {"ratio": self.ratio, "normalised": self.normalised, "p": self.p}
        return {**numbers, "favours": self.favours, "parameters": self.law.parameters}


def power_law(x: np.ndarray, alpha: float) -> Law:
    """Return a power law on the tail that begins at x[0]."""
    value = -alpha * np.log(x) - np.log(zeta(alpha, float(x[0])))
    return Law("power_law", {"alpha": alpha}, value)


def exponential(x: np.ndarray, count: np.ndarray) -> Law:
    """Fit p(x) = (1 − e^−λ) e^−λ(x − xmin) to a tail: distinct values and how often each occurs."""
    mean = (count * (x - x[0])).sum() / count.sum()
    rate = np.log1p(1 / mean)
    value = np.log(-np.expm1(-rate)) - rate * (x - x[0])
    return Law("exponential", {"rate": float(rate)}, value)


def lognormal(x: np.ndarray, count: np.ndarray) -> Law:
    """Fit a log-normal, rounded to whole numbers and cut off below xmin, to a tail.

    p(x) is the mass of (x − ½, x + ½] over that above xmin − ½.
    """
    log = np.log(x)
    mean = np.average(log, weights=count)
    spread = max(0.1, float(np.sqrt(np.average((log - mean) ** 2, weights=count))))

    def survival(edge: np.ndarray, mu: float, log_sigma: float) -> np.ndarray:
        return log_ndtr((mu - np.log(edge)) / np.exp(log_sigma))

    starts = [(mean, np.log(spread)), (mean - 2 * spread, np.log(2 * spread))]
    (mu, log_sigma), value = _fitted(x, count, survival, starts)
    return Law("lognormal", {"mu": mu, "sigma": float(np.exp(log_sigma))}, value)


def stretched_exponential(x: np.ndarray, count: np.ndarray) -> Law:
    """Fit a stretched exponential, rounded and cut off as `lognormal`, to a tail.

    Its mass above x is exp(−(x / scale)^shape); a heavy tail has a scale near 0, so that its
    logarithm is given.
    """
    mean = np.average(x, weights=count)

    def survival(edge: np.ndarray, log_scale: float, log_shape: float) -> np.ndarray:
        return -np.exp(np.exp(log_shape) * (np.log(edge) - log_scale))

    starts = [(np.log(mean), 0.0), (np.log(mean) - 2, np.log(0.4))]
    (log_scale, log_shape), value = _fitted(x, count, survival, starts)
    parameters = {"log_scale": log_scale, "shape": float(np.exp(log_shape))}
    return Law("stretched_exponential", parameters, value)


def _fitted(
    x: np.ndarray, count: np.ndarray, survival: Callable, starts: list[tuple[float, float]]
) -> tuple[tuple[float, float], np.ndarray]:
    """Return the likeliest parameters of a rounded law and the log likelihood of each value.

    Args:
        x: distinct values, ascending.
        count: of each.
        survival: (edges, parameters) → logarithm of the mass above each edge.
        starts: parameters to begin from; the best end is kept.
    """
    low, high = x - 0.5, x + 0.5

    def values(parameters) -> np.ndarray:
        above, behind = survival(low, *parameters), survival(high, *parameters)
        with np.errstate(all="ignore"):
            return above + np.log(-np.expm1(behind - above)) - survival(low[:1], *parameters)

    def cost(parameters) -> float:
        if np.abs(parameters).max() > 200:
            return 1e300
        with np.errstate(all="ignore"):
            total = -(count * values(parameters)).sum()
        return float(total) if np.isfinite(total) else 1e300

    options = {"maxiter": 4000, "maxfev": 8000, "xatol": 1e-6, "fatol": 1e-6}
    ends = [minimize(cost, s, method="Nelder-Mead", options=options) for s in starts]
    best = min(ends, key=lambda end: end.fun)
    return tuple(best.x.tolist()), values(best.x)


_FITS = {
    "lognormal": lognormal,
    "exponential": exponential,
    "stretched_exponential": stretched_exponential,
}


def compare(x: np.ndarray, count: np.ndarray, alpha: float) -> dict[str, Ratio]:
    """Return name → a power law against that alternative on a tail (Vuong 1989).

    Args:
        x: distinct values, ascending; the tail begins at the first.
        count: of each.
        alpha: exponent of the power law.
    """
    ours, n, found = power_law(x, alpha), count.sum(), {}
    for name in ALTERNATIVES:
        law = _FITS[name](x.astype(float), count)
        each = ours.log_likelihood - law.log_likelihood
        ratio = float((count * each).sum())
        deviation = float(np.sqrt((count * (each - ratio / n) ** 2).sum()))
        normalised = ratio / deviation if deviation > 0 else 0.0
        p = float(erfc(abs(normalised) / np.sqrt(2)))
        found[name] = Ratio(law, ours, ratio, normalised, p)
    return found


def _nearest(ratios: dict[str, Ratio]) -> str | None:
    """Return the likeliest alternative, in words, if it is nearer than the power law."""
    best = min(ratios.values(), key=lambda r: r.ratio)
    name = best.law.name
    return _NAMES.get(name, name) if best.favours == name else None


@dataclass(frozen=True)
class ScaleFree:
    """Is a distribution of degrees that of a scale-free network?

    Attributes:
        values: number of degrees above 0.
        fitted: the power law of the tail.
        tail: name → that power law against an alternative.
        whole_alpha: exponent of a power law over all degrees from the smallest on.
        whole: name → that against an alternative.
    """

    values: int
    fitted: Fitted
    tail: dict[str, Ratio]
    whole_alpha: float
    whole: dict[str, Ratio]

    @property
    def verdict(self) -> str:
        """What the tests say, in a sentence, and no more than the resamples can tell."""
        f, law = self.fitted, self.fitted.law
        nearer, over_all = _nearest(self.tail), _nearest(self.whole)
        p = f.p_shown
        if f.p is None:
            text = "not tested whether a power law fits its tail"
            p = "--resamples 0"
        elif f.rejected is None:
            text = "not decided whether a power law fits its tail"
            low, high = f.p_interval
            p += (
                f": {low:.2g} to {high:.2g} at 95%, and the limit is {P_FIT}; give more --resamples"
            )
        elif f.rejected:
            text = "a power law is rejected even in its tail"
        elif nearer:
            text = "another law than a power law is nearer in its tail"
        else:
            text = "a power law is not rejected in its tail"
        text += f" (from {law.xmin} on, {law.tail / self.values:.1%} of connected bins; "
        text += f"exponent {law.alpha:.3g}; {p})"
        text += f"; nearest there: {nearer}" if nearer else ""
        return text + (f"; over all degrees nearer: {over_all}" if over_all else "")

    def to_json(self) -> dict:
        """Return a JSON value."""
        law, f = self.fitted.law, self.fitted
        return {
            "values": self.values,
            "xmin": law.xmin,
            "xmin_interval": f.xmin_interval,
            "alpha": law.alpha,
            "alpha_interval": f.alpha_interval,
            "tail": law.tail,
            "ks": law.ks,
            "p": f.p,
            "p_interval": f.p_interval,
            "rejected": f.rejected,
            "resamples": f.resamples,
            "alternatives": {name: ratio.to_json() for name, ratio in self.tail.items()},
            "whole": {
                "alpha": self.whole_alpha,
                "alternatives": {name: ratio.to_json() for name, ratio in self.whole.items()},
            },
            "verdict": self.verdict,
        }


def scale_free(
    degrees: np.ndarray, resamples: int, seed: int, label: str = "", quiet: bool = True
) -> ScaleFree:
    """Test whether degrees follow a power law, and against which other law.

    Args:
        degrees: whole numbers; those below 1 are left out.
        resamples: of the bootstraps.
        seed: of the random numbers.
        label: of the progress bar.
        quiet: no progress bar.

    Raises:
        ConfigError: too few degrees.
    """
    fitted = fit_and_test(degrees, resamples, seed, label, quiet)
    x, count = counted(degrees)
    whole = fit(x, count, int(x[0]))
    begin = int(np.searchsorted(x, fitted.law.xmin))
    return ScaleFree(
        int(count.sum()),
        fitted,
        compare(x[begin:], count[begin:], fitted.law.alpha),
        whole.alpha,
        compare(x, count, whole.alpha),
    )
