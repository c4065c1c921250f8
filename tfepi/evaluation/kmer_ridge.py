"""Ridge regression on k-mer counts: what a model must beat.

Features are counts of k-mers on both strands (a k-mer and its reverse complement are one
feature), in the centre and in the whole window apart. The fit is the closed form on
standardised features; sums are gathered in batches, so memory holds features^2 numbers
whatever the number of windows.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from tfepi.evaluation.accuracy import pearson_of_sums
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import UNKNOWN

PENALTIES = tuple(float(10.0 ** (e / 2)) for e in range(14))
LONGEST_K = 8
Batches = Callable[[], Iterable[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class KmerCounter:
    """Counts of k-mers on both strands.

    Attributes:
        k: length of a word, 1 to 8.
        centre: start and end of the centre within the window, bp, or None to count the whole
            window only.

    Raises:
        ConfigError: k out of range.
    """

    k: int = 6
    centre: tuple[int, int] | None = None

    def __post_init__(self):
        if not 1 <= self.k <= LONGEST_K:
            raise ConfigError(f"k is {self.k}: want 1 to {LONGEST_K}")

    @property
    def words(self) -> list[str]:
        """The words counted, alphabetically first of each pair of reverse complements."""
        first, _ = _word_classes(self.k)
        letters = ["".join(w) for w in itertools.product("ACGT", repeat=self.k)]
        return [letters[i] for i in first]

    @property
    def features(self) -> int:
        """Number of features of a window."""
        return len(self.words) * (1 if self.centre is None else 2)

    def count(self, sequence: np.ndarray) -> np.ndarray:
        """Return counts of words without an N, float32 [windows, features].

        Args:
            sequence: base indices [windows, length], 4 = N.
        """
        _, of_word = _word_classes(self.k)
        classes = of_word.max() + 1
        word = _words_at(sequence, self.k)
        found = np.append(of_word, classes)[word]
        blocks = [found]
        if self.centre is not None:
            start, end = self.centre
            blocks.insert(0, found[:, start : max(end - self.k + 1, start)])
        return np.concatenate([_count_rows(b, classes) for b in blocks], axis=1)


def _word_classes(k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return each class's first word and each word's class, words as base-4 numbers."""
    words = np.arange(4**k)
    digits = words[:, None] // 4 ** np.arange(k - 1, -1, -1) % 4
    other = ((3 - digits[:, ::-1]) * 4 ** np.arange(k - 1, -1, -1)).sum(axis=1)
    return np.unique(np.minimum(words, other), return_inverse=True)


def _words_at(sequence: np.ndarray, k: int) -> np.ndarray:
    """Return the word that starts at each position, base 4; 4**k where it has an N."""
    positions = max(sequence.shape[1] - k + 1, 0)
    word = np.zeros((len(sequence), positions), np.int32)
    broken = np.zeros(word.shape, bool)
    for i in range(k):
        base = sequence[:, i : i + positions]
        word = 4 * word + (base & 3)
        broken |= base >= UNKNOWN
    return np.where(broken, 4**k, word)


def _count_rows(classes_at: np.ndarray, classes: int) -> np.ndarray:
    """Return how often each class is in each row; the class past the last is not counted."""
    rows = len(classes_at)
    flat = classes_at + np.arange(rows)[:, None] * (classes + 1)
    counts = np.bincount(flat.ravel(), minlength=rows * (classes + 1))
    return counts.reshape(rows, classes + 1)[:, :classes].astype(np.float32)


@dataclass(frozen=True)
class Ridge:
    """A linear model of k-mer counts.

    Attributes:
        counter: which features.
        weights: float64 [features, targets].
        intercept: float64 [targets].
        penalty: chosen penalty of each target [targets].
        log1p: whether it predicts log(1 + y); predictions are turned back.
        validation: Pearson correlation on the validation windows, on the fitted scale
            [penalties, targets].
    """

    counter: KmerCounter
    weights: np.ndarray
    intercept: np.ndarray
    penalty: np.ndarray
    log1p: bool
    validation: np.ndarray

    def predict(self, sequence: np.ndarray) -> np.ndarray:
        """Return float64 [windows, targets] of base indices [windows, length].

        Predictions of log(1 + y) come back as exp - 1, above -1 and not cut at 0, so that
        their log(1 + x) is the linear prediction.
        """
        fitted = self.counter.count(sequence) @ self.weights + self.intercept
        return np.expm1(fitted) if self.log1p else fitted


def fit_ridge(
    counter: KmerCounter,
    train: Batches,
    valid: Batches,
    log1p: bool = True,
    penalties: tuple[float, ...] = PENALTIES,
) -> Ridge:
    """Fit on training windows; choose each target's penalty on the validation windows.

    The penalty is that on the squared weights of features standardised to mean 0 and
    standard deviation 1, and the intercept is free. Chosen is the one with the highest
    Pearson correlation on the fitted scale; of equals the largest.

    Args:
        counter: which features.
        train: gives an iterator of (base indices [windows, length], targets [windows,
            targets]) each time it is called; NaN is missing.
        valid: likewise.
        log1p: fit log(1 + y).
        penalties: to choose from.

    Raises:
        ConfigError: no penalties or one not above 0, a target without observed or with
            constant training or validation values, values of -1 or less with log1p.
    """
    if not penalties or min(penalties) <= 0:
        raise ConfigError(f"penalties {list(penalties)}: want at least one, all above 0")
    observed = np.concatenate([~np.isnan(y) for _, y in train()])
    targets = observed.shape[1]
    weights = np.zeros((len(penalties), counter.features, targets))
    intercept = np.zeros((len(penalties), targets))
    patterns, pattern_of = np.unique(observed, axis=1, return_inverse=True)
    for number in range(patterns.shape[1]):  # targets that miss the same windows share sums
        members = np.flatnonzero(pattern_of == number)
        if not patterns[:, number].any():
            raise ConfigError(f"target number {members[0]} has no observed training value")
        sums = _gram(counter, train(), members, log1p)
        for p, penalty in enumerate(penalties):
            weights[p][:, members], intercept[p, members] = _solve(*sums, penalty, members)
    score = _validate(counter, valid(), weights, intercept, log1p)
    undefined = np.isnan(score).all(axis=0)
    if undefined.any():
        raise ConfigError(
            f"target number {np.flatnonzero(undefined)[0]} is constant or missing on the "
            "validation windows: its penalty cannot be chosen; leave it out"
        )
    last_best = len(penalties) - 1 - np.argmax(np.nan_to_num(score, nan=-2.0)[::-1], axis=0)
    every = np.arange(targets)
    return Ridge(
        counter,
        weights[last_best, :, every].T,
        intercept[last_best, every],
        np.asarray(penalties)[last_best],
        log1p,
        score,
    )


def _scaled(y: np.ndarray, log1p: bool) -> np.ndarray:
    y = np.asarray(y, float)
    if not log1p:
        return y
    if np.nanmin(y, initial=0) <= -1:
        raise ConfigError(
            f"an observed value is {np.nanmin(y):g}: log(1 + y) needs more than -1; "
            "fit without log1p"
        )
    return np.log1p(y)


def _gram(counter: KmerCounter, batches: Iterator, members: np.ndarray, log1p: bool):
    """Return n, Σx, Σy, Σxx', Σxy and Σyy over windows observed in the member targets."""
    size = counter.features
    n, x_sum, gram = 0, np.zeros(size), np.zeros((size, size))
    y_sum, y_square, cross = (
        np.zeros(s) for s in (len(members), len(members), (size, len(members)))
    )
    for sequence, target in batches:
        y = _scaled(target[:, members], log1p)
        seen = ~np.isnan(y[:, 0])
        x, y = counter.count(sequence[seen]), y[seen]
        n += len(x)
        x_sum += x.sum(axis=0, dtype=float)
        gram += x.T @ x  # float32 products of counts: whole numbers, exact below 2^24
        cross += x.T.astype(float) @ y
        y_sum += y.sum(axis=0)
        y_square += (y * y).sum(axis=0)
    return n, x_sum, y_sum, gram, cross, y_square


def _solve(n, x_sum, y_sum, gram, cross, y_square, penalty: float, members: np.ndarray):
    """Return weights [features, members] and intercepts [members]."""
    x_mean, y_mean = x_sum / n, y_sum / n
    variance = np.diag(gram) / n - x_mean**2
    scale = np.sqrt(np.where(variance > 1e-9, variance, np.inf))  # a constant weighs nothing
    flat = y_square / n - y_mean**2 <= 1e-12 * y_square / n
    if flat.any():
        raise ConfigError(
            f"target number {members[flat][0]} has constant training values: leave it out"
        )
    normal = (gram - n * np.outer(x_mean, x_mean)) / scale / scale[:, None]
    normal[np.diag_indices_from(normal)] += penalty
    right = (cross - n * np.outer(x_mean, y_mean)) / scale[:, None]
    weights = cho_solve(cho_factor(normal, overwrite_a=True), right) / scale[:, None]
    return weights, y_mean - x_mean @ weights


def _validate(counter: KmerCounter, batches: Iterator, weights, intercept, log1p: bool):
    """Return Pearson's r on the validation windows [penalties, targets]."""
    sums = None
    for sequence, target in batches:
        x, y = counter.count(sequence), _scaled(target, log1p)
        p = np.einsum("nf,pft->pnt", x, weights, optimize=True) + intercept[:, None]
        seen = ~np.isnan(y)
        y, p = np.where(seen, y, 0.0), np.where(seen, p, 0.0)
        terms = (np.broadcast_to(seen, p.shape), np.broadcast_to(y, p.shape), p)
        terms += (np.broadcast_to(y * y, p.shape), p * p, y * p)
        added = np.stack([t.sum(axis=1) for t in terms])
        sums = added if sums is None else sums + added
    if sums is None:
        raise ConfigError("there are no validation windows to choose the penalty on")
    return pearson_of_sums(*sums)
