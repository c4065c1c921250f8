"""Statistics that compare predictions for REF with predictions for ALT.

Each takes predictions float32 [variants, bins, targets], accumulates in float64 over bins and
returns float32 [variants, targets]; REF and ALT give back [variants, bins, targets]. Formulas
as in Basenji (Kelley et al. 2018); JS is its half symmetrised Kullback-Leibler divergence,
JSD the Jensen-Shannon divergence, both in nats.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np

from tfrecords_tools.errors import ConfigError, unknown

_Statistic = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
_PSEUDO_PERCENTILE = 25
_logger = logging.getLogger(__name__)


def _log(values: np.ndarray) -> np.ndarray:
    return np.log2(values + 1)


def _identity(values: np.ndarray) -> np.ndarray:
    return values


def _sad(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    return alt.sum(axis=1) - ref.sum(axis=1)


def _sax(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    change = alt - ref
    largest = np.abs(change).argmax(axis=1)[:, None]
    return np.take_along_axis(change, largest, axis=1)[:, 0]


def _d1(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    return np.abs(alt - ref).sum(axis=1)


def _d2(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(alt - ref).sum(axis=1))


def _shapes(ref: np.ndarray, alt: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both as distributions over bins, with REF's 25th percentile as pseudocount."""
    pseudo = np.percentile(ref, _PSEUDO_PERCENTILE, axis=1, keepdims=True)
    ref, alt = ref + pseudo, alt + pseudo
    return ref / ref.sum(axis=1, keepdims=True), alt / alt.sum(axis=1, keepdims=True)


def _divergence(p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """KL(p‖q) over axis 1; 0·log 0 is 0."""
    return np.where(p == 0, 0.0, p * np.log(p / q)).sum(axis=1)


def _js(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    p, q = _shapes(ref, alt)
    return (_divergence(p, q) + _divergence(q, p)) / 2


def _jsd(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    p, q = _shapes(ref, alt)
    middle = (p + q) / 2
    return (_divergence(p, middle) + _divergence(q, middle)) / 2


def _on(transform: Callable, compare: Callable) -> _Statistic:
    return lambda ref, alt, center: compare(transform(ref), transform(alt))


def _log_sed(ref: np.ndarray, alt: np.ndarray, center: int) -> np.ndarray:
    return _log(alt.sum(axis=1)) - _log(ref.sum(axis=1))


def _ref_ratio(ref: np.ndarray, alt: np.ndarray, center: int) -> np.ndarray:
    return ref[:, center] / (ref[:, center] + alt[:, center])


BY_BIN: dict[str, tuple[Callable, Callable]] = {
    "SAD": (_identity, _sad),
    "logSAD": (_log, _sad),
    "sqrtSAD": (np.sqrt, _sad),
    "SUM": (_identity, _sad),
    "logSUM": (_log, _sad),
    "sqrtSUM": (np.sqrt, _sad),
    "SAX": (_identity, _sax),
    "D1": (_identity, _d1),
    "logD1": (_log, _d1),
    "sqrtD1": (np.sqrt, _d1),
    "D2": (_identity, _d2),
    "logD2": (_log, _d2),
    "sqrtD2": (np.sqrt, _d2),
}
"""Transform and comparison of statistics to which a bin without change adds nothing."""
STATISTICS: dict[str, _Statistic] = {name: _on(*parts) for name, parts in BY_BIN.items()} | {
    "logSED": _log_sed,
    "JS": _on(_identity, _js),
    "logJS": _on(_log, _js),
    "JSD": _on(_identity, _jsd),
    "logJSD": _on(_log, _jsd),
    "REF_RATIO": _ref_ratio,
}
PREDICTIONS = ("REF", "ALT")
NAMES = (*STATISTICS, *PREDICTIONS)
NO_EFFECT = {"REF_RATIO": 0.5}
"""What a statistic is where the alleles do not differ, if not 0."""
OF_SHAPE = ("JS", "logJS", "JSD", "logJSD")
"""Statistics of how predictions are spread over bins, whatever their sum."""


def check_names(names: Sequence[str], known: Sequence[str] = NAMES) -> None:
    """Check the names of statistics against those there are.

    Raises:
        ConfigError: none, an unknown one, or one named twice.
    """
    if not names:
        raise ConfigError(f"no statistic is named: choose from {', '.join(known)}")
    for name in names:
        if name not in known:
            raise unknown("statistic", name, known)
    if len(set(names)) < len(names):
        raise ConfigError(f"statistics {','.join(names)} name one more than once")


def warn_of_one_bin(names: Sequence[str], bins: int) -> None:
    """Log a warning if statistics are 0 whatever changes: one bin has no shape.

    Args:
        names: of statistics.
        bins: that a model predicts.
    """
    of_shape = [name for name in names if name in OF_SHAPE]
    if bins == 1 and of_shape:
        _logger.warning(
            "%s: 0 whatever changes, since the model predicts one bin, which has no shape; choose "
            "another of --stats, as SAD or logSED",
            ", ".join(of_shape),
        )


def score(
    names: Sequence[str], ref: np.ndarray, alt: np.ndarray, center: int
) -> dict[str, np.ndarray]:
    """Return the statistics named, by name.

    Args:
        names: of statistics.
        ref, alt: predictions, float [variants, bins, targets].
        center: the bin that holds the variant.

    Returns:
        float32 [variants, targets] each; [variants, bins, targets] for REF and ALT. What is
        not defined (a logarithm or root of a negative number, a shape of zeros) is NaN.

    Raises:
        ConfigError: an unknown statistic.
    """
    check_names(names)
    exact_ref, exact_alt = ref.astype(np.float64), alt.astype(np.float64)
    found: dict[str, np.ndarray] = {}
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for name in names:
            if name in PREDICTIONS:
                found[name] = (ref if name == "REF" else alt).astype(np.float32)
            else:
                values = STATISTICS[name](exact_ref, exact_alt, center)
                found[name] = values.astype(np.float32)
    return found
