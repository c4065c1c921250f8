"""How much of a phenotype polygenic scores explain, with intervals from resampling people.

R² is of the linear regression of the phenotype on covariates and one score, less that on the
covariates alone; without covariates it is the squared correlation. All regressions of a resample
come from one matrix of weighted sums of products, so a resample costs no pass over the genotypes.
"""

from dataclasses import dataclass

import numpy as np

from tfepi.evaluation.bootstrap import interval
from tfrecords_tools.errors import ConfigError

_STREAM = 5  # spawn key: this module's own random stream
_BYTES = 64 << 20
_SINGULAR = 1e-10


@dataclass(frozen=True)
class Explained:
    """R² of scores in one set of people.

    Attributes:
        people: how many.
        r: correlation of each score with the phenotype, both less what covariates explain,
            float64 [scores].
        r2: R², or its increment over covariates, float64 [scores].
        covariates: R² of the covariates alone.
        resamples: R² of each resample of people, float64 [resamples, scores].
    """

    people: int
    r: np.ndarray
    r2: np.ndarray
    covariates: float
    resamples: np.ndarray

    def interval(self, score: int, level: float = 0.95) -> tuple[float, float] | None:
        """Return the percentile interval of a score's R²; None without resamples."""
        return interval(self.resamples[:, score], level)

    def difference(self, one: int, other: int) -> tuple[float, tuple[float, float] | None]:
        """Return R² of one score less that of another in the same people, and its interval."""
        paired = self.resamples[:, one] - self.resamples[:, other]
        return float(self.r2[one] - self.r2[other]), interval(paired)


def explained(
    scores: np.ndarray,
    phenotype: np.ndarray,
    covariates: np.ndarray,
    resamples: int = 1000,
    seed: int = 44,
) -> Explained:
    """Return how much of a phenotype each score explains.

    Args:
        scores: float [people, scores].
        phenotype: float [people], no NaN.
        covariates: float [people, covariates]; none is [people, 0].
        resamples: of people, drawn with replacement; 0 for no intervals.
        seed: of the resampling.

    Raises:
        ConfigError: fewer people than needed, or a phenotype that does not vary.
    """
    people, fixed = len(phenotype), covariates.shape[1] + 1
    if people < fixed + 3:
        raise ConfigError(
            f"{people} people have a phenotype, fewer than {fixed + 3}: too few for R² with "
            f"{fixed - 1} covariates"
        )
    if np.ptp(phenotype) == 0:
        raise ConfigError(
            f"the phenotype is {phenotype[0]:g} in all {people} people: want one that varies"
        )
    columns = np.column_stack([np.ones(people), _scaled(covariates), _scaled(scores)])
    columns = np.column_stack([columns, _scaled(phenotype[:, None])])
    products = _products(columns, fixed)
    whole = _r2(np.ones((1, people)) @ products, fixed, scores.shape[1])
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    drawn = []
    step = max(1, _BYTES // (8 * people))
    for low in range(0, resamples, step):
        size = min(step, resamples - low)
        times = rng.multinomial(people, np.full(people, 1 / people), size=size)
        drawn.append(_r2(times @ products, fixed, scores.shape[1])[1] ** 2)
    r, partial, base = whole[0][0], whole[1][0], whole[2][0]
    many = np.concatenate(drawn) if drawn else np.zeros((0, scores.shape[1]))
    return Explained(people, r, partial**2, float(base), many)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Return columns less their mean over their standard deviation, so that sums are of one size.

    A column that does not vary becomes zeros.
    """
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    flat = np.ptp(values, axis=0) == 0 if len(values) else np.ones(values.shape[1], bool)
    return np.where(flat, 0, centred / np.where(spread > 0, spread, 1))


def _products(columns: np.ndarray, fixed: int) -> np.ndarray:
    """Return the products that regressions need, a row per person.

    In order: all pairs of the fixed columns; each score with each fixed column, with itself and
    with the phenotype; the phenotype with each fixed column and with itself.
    """
    base, scores, last = columns[:, :fixed], columns[:, fixed:-1], columns[:, -1:]
    pairs = base[:, :, None] * base[:, None, :]
    parts = [pairs.reshape(len(columns), -1)]
    parts.append((scores[:, :, None] * base[:, None, :]).reshape(len(columns), -1))
    parts += [scores**2, scores * last, base * last, last**2]
    return np.concatenate(parts, axis=1)


def _r2(sums: np.ndarray, fixed: int, scores: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return partial correlations, roots of R² increments, and R² of the fixed columns.

    Args:
        sums: weighted sums of `_products`, [resamples, products].
        fixed: number of fixed columns, the intercept among them.
        scores: number of scores.

    Returns:
        [resamples, scores] twice, and [resamples]; of a score or a phenotype that does not vary
        0 and NaN.
    """
    ends = np.cumsum([fixed * fixed, scores * fixed, scores, scores, fixed, 1])
    pairs, mixed, own, cross, outer, total = np.split(sums, ends[:-1], axis=1)
    rows = len(sums)
    inverse = np.linalg.pinv(pairs.reshape(rows, fixed, fixed), hermitian=True, rcond=_SINGULAR)
    mixed = mixed.reshape(rows, scores, fixed)
    solved = mixed @ inverse
    left = own - (solved * mixed).sum(axis=-1)  # of a score beside the fixed columns
    along = cross - (solved @ outer[:, :, None])[..., 0]
    rest = total[:, 0] - np.einsum("ri,rij,rj->r", outer, inverse, outer)
    intercept = outer[:, 0] ** 2 / pairs[:, 0]
    spread = total[:, 0] - intercept  # about the mean
    counted = left > _SINGULAR * np.maximum(own, 1e-300)
    safe = np.where(counted, left, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        shared = np.where(counted, along / np.sqrt(safe), 0)
        varies = spread > _SINGULAR * total[:, 0]
        r = np.where(varies[:, None], shared / np.sqrt(np.maximum(rest, 1e-300))[:, None], np.nan)
        root = np.where(varies[:, None], shared / np.sqrt(spread)[:, None], np.nan)
        base = np.where(varies, 1 - rest / spread, np.nan)
    return r, root, base
