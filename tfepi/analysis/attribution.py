"""How much each base of a window adds to a number that a model predicts.

Of a one-hot code x [length, 4] and a number f(x), with G the gradient ∂f/∂x:

- gradient × input: G(x) at the letter that is there;
- corrected: the same less the mean of G(x) over the four letters of the position. One-hot codes
  always sum to one, so no change of a base moves x along that mean (Majdandzic et al. 2023, Genome
  Biology 24:109);
- integrated: (x − b) × the mean of G along the line from a baseline b to x, here at the middles of
  equal steps; over all bases they sum to f(x) − f(b) (Sundararajan et al. 2017, ICML);
- expected: the same mean over baselines, each at one random point of its line, whose sum is
  f(x) − mean f(b) but for chance (Erion et al. 2021, Nature Machine Intelligence 3:620). The
  baselines are shuffles with the same dinucleotides. Points are drawn one in each of equal parts of
  the line: the mean is the same as of points anywhere on it, and varies less.

The hypothetical contribution of a letter a at a position is what the formula gives with a in place
of the base that is there: G[a], less its mean, or G[a] − Σ b G. At the base's own letter it is the
contribution. Letters that the model reads as nothing (N) stay so in every baseline, and contribute
nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from tfepi.analysis.attribution_options import STEPS, AttributionOptions
from tfepi.analysis.dinucleotide_shuffle import shuffled
from tfrecords_tools.genome import UNKNOWN, one_hot

Value = Callable[[np.ndarray], np.ndarray]
"""Function of one-hot codes float32 [batch, length, 4] to numbers float64 [batch]."""
Gradient = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Function of the same to numbers and their gradients, float32 [batch, length, 4]."""

_UNIFORM = 5  # beside the base indices: a quarter of each letter
_CODES = np.concatenate([one_hot(np.arange(5)), np.full((1, 4), 0.25, np.float32)])
_STREAM = 31


@dataclass(frozen=True)
class Lines:
    """Straight lines from baselines to a sequence, and the points at which gradients are taken.

    Attributes:
        sequence: base indices, uint8 [length].
        baselines: the same of baselines, and 5 for a quarter of each letter: uint8
            [lines, length].
        line: of each point, int [points].
        share: of the way from the baseline, float64 [points].
    """

    sequence: np.ndarray
    baselines: np.ndarray
    line: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, sequence: np.ndarray, options: AttributionOptions, number: int) -> "Lines":
        """Return the lines of a window.

        Args:
            sequence: base indices, uint8 [length].
            options: of integrated or expected gradients.
            number: of the window, which with the seed decides what is drawn.
        """
        stream = np.random.SeedSequence(options.seed, spawn_key=(_STREAM, number))
        rng = np.random.default_rng(stream)
        if options.lines_from == "shuffles":
            baselines = np.stack([shuffled(sequence, rng) for _ in range(options.lines)])
        elif options.lines_from == "zeros":
            baselines = np.full((1, len(sequence)), UNKNOWN, np.uint8)
        else:
            baselines = np.where(sequence == UNKNOWN, UNKNOWN, _UNIFORM).astype(np.uint8)[None]
        count = len(baselines)
        if options.method == "expected":
            share = (np.arange(count) + rng.random(count)) / count
            return cls(sequence, baselines, np.arange(count), share)
        steps = options.steps or STEPS
        share = (np.arange(steps) + 0.5) / steps
        return cls(sequence, baselines, np.repeat(np.arange(count), steps), np.tile(share, count))

    def batches(self, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield codes of the baselines and of points on their lines: float32 [batch, length, 4]."""
        own = one_hot(self.sequence)
        for low in range(0, len(self.line), size):
            begin = _CODES[self.baselines[self.line[low : low + size]]]
            share = self.share[low : low + size].astype(np.float32)[:, None, None]
            yield begin, begin + share * (own - begin)

    def starts(self, size: int) -> Iterator[np.ndarray]:
        """Yield codes of the baselines, each once: float32 [batch, length, 4]."""
        for low in range(0, len(self.baselines), size):
            yield _CODES[self.baselines[low : low + size]]


@dataclass(frozen=True)
class Attribution:
    """What a window's letters contribute to one number.

    Attributes:
        hypothetical: contribution of each letter, were it there: float32 [length, 4].
        prediction: f of the window.
        baseline: mean of f over the baselines; NaN without.
    """

    hypothetical: np.ndarray
    prediction: float
    baseline: float


def along(lines: Lines, value: Value, gradient: Gradient, size: int) -> Attribution:
    """Return integrated or expected gradients.

    Args:
        lines: of the window.
        value: the number.
        gradient: and its gradient.
        size: codes per call.
    """
    total = np.zeros((len(lines.sequence), 4))
    for begin, codes in lines.batches(size):
        slope = gradient(codes)[1]
        total += (slope - (begin * slope).sum(axis=-1, keepdims=True)).sum(axis=0, dtype=float)
    own = value(one_hot(lines.sequence)[None])[0]
    base = np.mean(np.concatenate([value(codes) for codes in lines.starts(size)]))
    hypothetical = (total / len(lines.line)).astype(np.float32)
    return Attribution(hypothetical, float(own), float(base))


def corrected(gradient: np.ndarray) -> np.ndarray:
    """Return gradients less their mean over the four letters: [..., 4, outputs]."""
    return gradient - gradient.mean(axis=-2, keepdims=True)


def at_own(values: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return values at the letters that are there; 0 for N.

    Args:
        values: float [positions, 4, outputs].
        own: one-hot letters, [positions, 4].

    Returns:
        float [positions, outputs].
    """
    return (values * own[:, :, None]).sum(axis=1)


def local(sequences: np.ndarray, gradient: Gradient, centred: bool) -> list[Attribution]:
    """Return gradients at windows as they are.

    Args:
        sequences: base indices, uint8 [batch, length].
        gradient: of the number.
        centred: take off the mean over the four letters.
    """
    values, slopes = gradient(one_hot(sequences))
    if centred:
        slopes = corrected(slopes[..., None])[..., 0]  # which is of several outputs
    return [Attribution(s, float(v), np.nan) for v, s in zip(values, slopes, strict=True)]


def contributions(own: np.ndarray, hypothetical: np.ndarray) -> np.ndarray:
    """Return what each base contributes, 0 at N.

    Args:
        own: one-hot letters, [..., length, 4].
        hypothetical: contributions of each letter, [..., length, 4].

    Returns:
        float32 [..., length].
    """
    return np.where(own, hypothetical, 0).sum(axis=-1, dtype=np.float32)
