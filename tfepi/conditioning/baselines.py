"""Predictions without a network: what a conditioned model has to beat in a cell type.

Each takes arrays and gives predictions of the same shape as labels. None looks at the labels of
the cell type it predicts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from tfrecords_tools.errors import ConfigError

_SAMPLE = 3  # spawn key: the stream that samples positions


def mean_of_cells(truths: Iterable[np.ndarray], rate: np.ndarray | float) -> np.ndarray:
    """Return the mean over cell types of their observed labels at the same position.

    To predict a cell type, give the labels of the other training cell types only.

    Args:
        truths: labels of each cell type [windows, bins, marks]; NaN is missing.
        rate: what is predicted where none is observed: the positive rate, one number or [marks].

    Returns:
        float32 [windows, bins, marks].

    Raises:
        ConfigError: no cell types.
    """
    total = count = None
    for truth in truths:
        seen = ~np.isnan(truth)
        filled = np.where(seen, truth, 0).astype(np.float32)
        total = filled if total is None else total + filled
        count = seen.astype(np.int32) if count is None else count + seen
    if total is None:
        raise ConfigError("an average needs the labels of at least one other cell type: name some")
    return np.where(count > 0, total / np.maximum(count, 1), rate).astype(np.float32)


@dataclass(frozen=True)
class Neighbours:
    """Accessibility at a target's bin and at those beside it, as features.

    The input track and the target bins have the same centre; widths need not divide each other.

    Attributes:
        track_width: bp per bin of the track.
        track_length: bins of the track.
        bin_width: bp per bin of the target.
        bins: bins of the target.
        beside: bins on either side that are features too.
    """

    track_width: int
    track_length: int
    bin_width: int
    bins: int
    beside: int = 4

    def __post_init__(self):
        if self.beside < 0:
            raise ConfigError(f"beside is {self.beside}: want a number of bins, at least 0")
        if self.track_width * self.track_length < self.bin_width * self.bins:
            raise ConfigError(
                f"the track covers {self.track_width * self.track_length} bp, less than the "
                f"{self.bin_width * self.bins} bp of the targets: build it with more context"
            )

    def features(self, accessibility: np.ndarray) -> np.ndarray:
        """Return log(1 + mean accessibility) over each bin and its neighbours.

        Args:
            accessibility: [windows, track_length]; what is missing, or beyond the track, is 0.

        Returns:
            float32 [windows, bins, 2 * beside + 1], from the left neighbour to the right.

        Raises:
            ConfigError: another length, or negative or infinite accessibility.
        """
        if accessibility.shape[1:] != (self.track_length,):
            raise ConfigError(
                f"accessibility has shape {accessibility.shape}, want [windows, "
                f"{self.track_length}]"
            )
        values = np.where(np.isnan(accessibility), 0, accessibility).astype(float)
        if values.size and not (values.min() >= 0 and np.isfinite(values.max())):
            raise ConfigError(
                f"accessibility reaches from {values.min():g} to {values.max():g}: want finite "
                "values from 0 up"
            )
        covered = self.track_width * self.track_length
        edges = np.arange(-self.beside, self.bins + self.beside + 1) * self.bin_width
        edges = np.clip(edges + (covered - self.bins * self.bin_width) / 2, 0, covered)
        total = np.zeros((len(values), self.track_length + 1))
        np.cumsum(values * self.track_width, axis=1, out=total[:, 1:])
        left = np.minimum((edges // self.track_width).astype(int), self.track_length - 1)
        part = edges / self.track_width - left
        below = total[:, left] + (total[:, left + 1] - total[:, left]) * part
        means = np.log1p(np.maximum(np.diff(below, axis=1), 0) / self.bin_width)
        return (
            np.lib.stride_tricks.sliding_window_view(means, self.bins, axis=1)
            .transpose(0, 2, 1)
            .astype(np.float32)
        )


@dataclass(frozen=True)
class Logistic:
    """Logistic regressions, one per mark, on standardised features.

    Attributes:
        mean: of each feature.
        sd: of each feature, 1 for a constant one.
        weights: [marks, features].
        intercept: [marks].
    """

    mean: np.ndarray
    sd: np.ndarray
    weights: np.ndarray
    intercept: np.ndarray

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return probabilities, float32 [..., marks], of features [..., features]."""
        scaled = (features - self.mean) / self.sd
        return expit(scaled @ self.weights.T + self.intercept).astype(np.float32)


def fit_logistic(
    batches: Iterable[tuple[np.ndarray, np.ndarray]],
    most: int = 200_000,
    seed: int = 44,
    penalty: float = 1e-3,
) -> Logistic:
    """Fit a logistic regression for each mark to a random sample of positions.

    Memory holds the sample and a batch, however many batches there are; the sample is the same
    however positions are cut into batches.

    Args:
        batches: features [..., features] and labels [..., marks]; NaN labels are missing.
        most: positions that are sampled.
        seed: of the sampling.
        penalty: half of it times the squared weights is added to the sum of losses.

    Raises:
        ConfigError: no positions, or a mark (by number) without both labels in the sample.
    """
    features, labels = _sample(batches, most, seed)
    mean, sd = features.mean(axis=0), features.std(axis=0)
    sd = np.where(sd > 0, sd, 1.0)
    scaled = (features - mean) / sd
    fitted = []
    for mark, column in enumerate(labels.T):
        seen = ~np.isnan(column)
        if len(np.unique(column[seen])) < 2:
            raise ConfigError(
                f"mark number {mark} has not both labels among {int(seen.sum())} sampled "
                "positions: sample more, or leave the mark out"
            )
        x, y = scaled[seen], column[seen]
        start = np.zeros(x.shape[1] + 1)
        start[-1] = np.log(y.mean() / (1 - y.mean()))
        found = minimize(
            logistic_loss,
            start,
            (x, y, penalty),
            "L-BFGS-B",
            jac=True,
            options={"maxiter": 500, "ftol": 1e-12, "gtol": 1e-7},
        )
        fitted.append(found.x)
    weights = np.array(fitted)
    return Logistic(mean, sd, weights[:, :-1], weights[:, -1])


def logistic_loss(
    parameters: np.ndarray, x: np.ndarray, y: np.ndarray, penalty: float
) -> tuple[float, np.ndarray]:
    """Return the mean cross-entropy, with a penalty on weights, and its gradient.

    Args:
        parameters: weights, then intercept [features + 1].
        x: [n, features].
        y: labels 0 and 1 [n].
        penalty: half of it times the squared weights is added to the sum of losses.
    """
    weights, score = parameters[:-1], x @ parameters[:-1] + parameters[-1]
    loss = (np.logaddexp(0, score) - y * score).mean()
    slope = (expit(score) - y) / len(y)
    gradient = np.append(x.T @ slope + penalty / len(y) * weights, slope.sum())
    return float(loss + penalty / 2 / len(y) * (weights @ weights)), gradient


def _sample(batches, most: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return up to `most` positions with an observed label, all equally likely."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SAMPLE,)))
    kept: list[tuple[np.ndarray, ...]] = []
    held, limit = 0, np.inf
    for features, labels in batches:
        labels = labels.reshape(-1, labels.shape[-1])
        key = stream.random(len(labels))
        chosen = ~np.isnan(labels).all(axis=1) & (key < limit)
        features = features.reshape(len(labels), -1)[chosen].astype(float)
        kept.append((key[chosen], features, labels[chosen].astype(float)))
        held += len(kept[-1][0])
        if held > 2 * most:
            kept = [_lowest(kept, most)]
            held, limit = most, kept[0][0].max()
    if not held:
        raise ConfigError("there are no observed labels to fit accessibility to: check the mask")
    _, features, labels = _lowest(kept, most)
    return features, labels


def _lowest(parts: list[tuple[np.ndarray, ...]], most: int) -> tuple[np.ndarray, ...]:
    """Return the positions with the lowest keys, in the order of these."""
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0])[:most]
    return tuple(column[order] for column in columns)
