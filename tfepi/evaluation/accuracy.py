"""Accuracy that is a function of additive sums: Pearson, R2, Poisson deviance.

Everything is float64 and a NaN, observed or predicted, is a missing position. The sums are
kept per block of the genome, so that a statistic of any resample of blocks is the statistic
of the resampled sums: exact, and independent of the number of positions.
"""

import numpy as np
from scipy.stats import rankdata

ADDITIVE = {
    "pearsonr": "Pearson correlation of observed and predicted values",
    "pearsonr_log2": "Pearson correlation of log2(x + 1) of observed and predicted values",
    "r2": "1 - sum (y - p)^2 / sum (y - mean y)^2",
    "poisson_deviance": "mean of 2 (y ln(y/p) - y + p), p at least 1e-7",
    "poisson_d2": "1 - deviance / deviance of the mean of y: 0 for a constant, 1 for perfection",
}
ACROSS_TARGETS = ("pearsonr", "pearsonr_log2", "spearmanr")
AXES = {
    "across_positions": "per target, over all positions (windows x bins)",
    "across_targets": "per position, over all targets; then the mean over positions",
    "over_all": "over all positions of all targets at once",
}
SMALLEST_RATE = 1e-7
MIN_TARGETS = 3  # two points always lie on a line

_SUMS = ("n", "y", "p", "yy", "pp", "yp", "error", "ly", "lp", "lyy", "lpp", "lyp")
_SUMS += ("raw_y", "deviance", "ylny")


def block_sums(
    truth: np.ndarray, prediction: np.ndarray, block: np.ndarray, blocks: int
) -> np.ndarray:
    """Return the sums that `statistics` needs, per block of the genome.

    Values are centred on their means first: correlation and R2 do not change, and nothing
    cancels where the mean is large against the spread.

    Args:
        truth: observed values of one target [positions]; NaN is missing.
        prediction: predicted values [positions].
        block: block number of each position [positions].
        blocks: number of blocks.

    Returns:
        float64 [blocks, sums]. Sums that only negative values make undefined are NaN.
    """
    seen = ~(np.isnan(truth) | np.isnan(prediction))
    y, p, block = truth[seen].astype(float), prediction[seen].astype(float), block[seen]
    sums = np.zeros((blocks, len(_SUMS)))
    if not len(y):
        return sums
    columns = dict(zip(_SUMS, sums.T, strict=True))

    def add(name: str, values: np.ndarray | None) -> None:
        columns[name][:] = np.bincount(block, values, blocks)

    def add_pair(prefix: str, a: np.ndarray, b: np.ndarray) -> None:
        a, b = _centred(a), _centred(b)
        for name, values in (("y", a), ("p", b), ("yy", a * a), ("pp", b * b), ("yp", a * b)):
            add(prefix + name, values)

    add("n", None)
    add("raw_y", y)
    add("error", (y - p) ** 2)
    add_pair("", y, p)
    if y.min() > -1 and p.min() > -1:
        add_pair("l", np.log2(y + 1), np.log2(p + 1))
    else:
        sums[:, [i for i, n in enumerate(_SUMS) if n.startswith("l")]] = np.nan
    if y.min() >= 0:
        rate = np.maximum(p, SMALLEST_RATE)
        logged = y * np.log(np.where(y > 0, y, 1.0))
        add("ylny", logged)
        add("deviance", 2 * (logged - y * np.log(rate) - y + rate))
    else:
        columns["deviance"][:] = columns["ylny"][:] = np.nan
    return sums


def _centred(values: np.ndarray) -> np.ndarray:
    """Return values minus their mean; exact zeros if they are all the same."""
    low = values.min()
    return values - (low if low == values.max() else values.mean())


def statistics(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Return the additive statistics of sums over blocks.

    Args:
        sums: float64 [..., sums], for instance `block_sums(...).sum(0)` or
            `multiplicities @ block_sums(...)`.

    Returns:
        Statistic (`ADDITIVE`) → float64 [...]; NaN where it is undefined (no position, a
        constant truth, a constant prediction for correlations, values out of its domain).
    """
    s = dict(zip(_SUMS, np.moveaxis(np.asarray(sums, float), -1, 0), strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = _spread(s["n"], s["y"], s["yy"])
        mean = s["raw_y"] / s["n"]
        null = 2 * (s["ylny"] - s["raw_y"] * np.log(mean))
        null = np.where((spread > 0) & (null > 0), null, np.nan)
        return {
            "pearsonr": pearson_of_sums(*(s[k] for k in ("n", "y", "p", "yy", "pp", "yp"))),
            "pearsonr_log2": pearson_of_sums(
                *(s[k] for k in ("n", "ly", "lp", "lyy", "lpp", "lyp"))
            ),
            "r2": 1 - s["error"] / np.where(spread > 0, spread, np.nan),
            "poisson_deviance": s["deviance"] / np.where(s["n"] > 0, s["n"], np.nan),
            "poisson_d2": 1 - s["deviance"] / null,
        }


def _spread(n: np.ndarray, total: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Return the sum of squared deviations from the mean; 0 where only rounding is left."""
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = squares - total * total / n
    return np.where(spread > 1e-12 * squares, spread, 0.0)


def pearson_of_sums(n, x, y, xx, yy, xy) -> np.ndarray:
    """Return Pearson's r of sums n, Σx, Σy, Σx², Σy², Σxy; NaN if a side is constant."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.sqrt(_spread(n, x, xx) * _spread(n, y, yy))
        r = (xy - x * y / n) / np.where(scale > 0, scale, np.nan)
    return np.clip(r, -1, 1)


def accuracy(truth: np.ndarray, prediction: np.ndarray) -> dict[str, float]:
    """Return the additive statistics of one target's observed and predicted values.

    Args:
        truth: observed values, any shape; NaN is missing.
        prediction: predicted values, same shape.
    """
    truth, prediction = np.ravel(truth), np.ravel(prediction)
    sums = block_sums(truth, prediction, np.zeros(len(truth), np.int64), 1)
    return {name: float(value) for name, value in statistics(sums[0]).items()}


def is_binary(truth: np.ndarray) -> bool:
    """Tell whether all observed values are 0 or 1 (and there is one)."""
    seen = truth[~np.isnan(truth)]
    return bool(len(seen)) and bool(np.isin(seen, (0, 1)).all())


def undefined_notes(truth: np.ndarray, prediction: np.ndarray) -> list[str]:
    """Return why statistics of one target are undefined, in words; empty if none is."""
    seen = ~(np.isnan(truth) | np.isnan(prediction))
    y, p = truth[seen], prediction[seen]
    if not len(y):
        return ["no position has an observed value: every statistic is undefined"]
    notes = []
    if y.min() == y.max():
        notes.append("the observed values are constant: correlations, R2, D2, AUROC undefined")
    if p.min() == p.max():
        notes.append("the predictions are constant: correlations undefined")
    if y.min() < 0:
        notes.append("some observed values are negative: Poisson deviance undefined")
    if y.min() <= -1 or p.min() <= -1:
        notes.append("some values are -1 or less: log2(x + 1) undefined")
    return notes


def across_targets(truth: np.ndarray, prediction: np.ndarray) -> dict[str, np.ndarray]:
    """Return each position's correlations over targets.

    Args:
        truth: observed values [positions, targets]; NaN is missing.
        prediction: predicted values [positions, targets].

    Returns:
        Statistic (`ACROSS_TARGETS`) → float64 [positions]; NaN with fewer than three
        observed targets, or where a side is constant.
    """
    seen = ~(np.isnan(truth) | np.isnan(prediction))
    y, p = (np.where(seen, v, np.nan).astype(float) for v in (truth, prediction))
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = [np.log2(np.where(v > -1, v, np.nan) + 1) for v in (y, p)]
    either = np.isnan(logs[0]) | np.isnan(logs[1])
    outside = (either & seen).any(axis=1)
    found = {
        "pearsonr": _row_pearson(y, p, seen),
        "pearsonr_log2": np.where(outside, np.nan, _row_pearson(*logs, seen & ~either)),
        "spearmanr": _row_pearson(_row_ranks(y), _row_ranks(p), seen),
    }
    few = seen.sum(axis=1) < MIN_TARGETS
    return {name: np.where(few, np.nan, r) for name, r in found.items()}


def _row_pearson(a: np.ndarray, b: np.ndarray, seen: np.ndarray) -> np.ndarray:
    n = seen.sum(axis=1)
    centred = []
    for values in (a, b):
        low = np.where(seen, values, np.inf).min(axis=1, initial=np.inf)
        high = np.where(seen, values, -np.inf).max(axis=1, initial=-np.inf)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(low == high, low, np.where(seen, values, 0).sum(axis=1) / n)
        centred.append(np.where(seen, values - mean[:, None], 0.0))
    a, b = centred
    zero = np.zeros(len(n))
    return pearson_of_sums(
        n, zero, zero, (a * a).sum(axis=1), (b * b).sum(axis=1), (a * b).sum(axis=1)
    )


def _row_ranks(values: np.ndarray) -> np.ndarray:
    """Return average ranks within each row, NaN where values are NaN."""
    ranks = np.full(values.shape, np.nan)
    whole = ~np.isnan(values).any(axis=1)
    if whole.any():
        ranks[whole] = rankdata(values[whole], axis=1)
    if not whole.all():
        ranks[~whole] = rankdata(values[~whole], axis=1, nan_policy="omit")
    return ranks
