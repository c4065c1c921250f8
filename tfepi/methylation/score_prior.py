"""How much likelier a variant is to matter, by the quantile of its score.

A rule, not an estimate: the weight of quantile q is 1 / (1 − q + 1/(R − 1)), over its mean ln R.
The higher a score, the fewer score as high, and the weight is the inverse of how many do, so
that each tenfold rarer stretch of scores has the same share of the prior; R is the largest weight
over the smallest. PolyFun bounds its priors by the same ratio, 100 (Weissbrod et al. 2020, Nature
Genetics 52:1355).
"""

import numpy as np

from tfrecords_tools.errors import ConfigError

RATIO = 100.0


def prior_weight(quantile: np.ndarray, ratio: float = RATIO) -> np.ndarray:
    """Return the prior weight of quantiles of scores: float64, of mean 1 over all quantiles.

    Args:
        quantile: share of variants whose score is lower, 0 to 1; NaN (no score) has weight 1.
        ratio: largest weight over the smallest; 1 gives all the same.

    Raises:
        ConfigError: a ratio below 1.
    """
    if not 1 <= ratio < np.inf:
        raise ConfigError(f"prior ratio is {ratio:g}: want 1 or more")
    quantile = np.asarray(quantile, float)
    if ratio == 1:
        return np.ones_like(quantile)
    weight = 1 / (np.log(ratio) * (1 - quantile + 1 / (ratio - 1)))
    return np.where(np.isnan(quantile), 1.0, weight)
