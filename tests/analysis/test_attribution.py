"""Methods of attribution against finite differences, plain loops, and functions that are known."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.analysis.attribution import Lines, along, contributions, local
from tfepi.analysis.attribution_gradient import AveragedScalar
from tfepi.analysis.attribution_options import METHODS, AttributionOptions
from tfepi.analysis.attribution_outputs import Bins, outputs_of
from tfepi.analysis.dinucleotide_shuffle import dinucleotides
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_attention.py"))))
SPEC = SMALL.spec()
BINS = Bins.parse("9-14", SMALL.BINS)


@pytest.fixture(scope="module")
def sequences():
    found = np.random.default_rng(3).integers(0, 4, (2, SMALL.LENGTH)).astype(np.uint8)
    found[0, 100:110] = 4
    found[1, :9] = 4
    return found


@pytest.fixture(scope="module")
def smooth():
    return AveragedScalar.of(SMALL.model(), SPEC, "main", BINS, rc=True, shifts=(0, 3))


@pytest.fixture(scope="module")
def output():
    return outputs_of(SPEC, targets=SMALL.TARGETS[:2])[0]


def functions(scalar, output):
    return lambda c: scalar.value(c, output), lambda c: scalar.gradient(c, output)


def plain(sequence, method, options, value, gradient, number=0):
    """Hypothetical contributions, letter by letter from the formulas, a point at a time."""
    own = one_hot(sequence).astype(float)

    def slope(codes):
        return gradient(codes[None].astype(np.float32))[1][0].astype(float)

    if method in ("gradient", "corrected"):
        g = slope(own)
        return g if method == "gradient" else g - g.sum(axis=1, keepdims=True) / 4
    lines = Lines.of(sequence, options, number)
    total = np.zeros_like(own)
    for line, share in zip(lines.line, lines.share, strict=True):
        base = np.zeros_like(own)
        for i, letter in enumerate(lines.baselines[line]):
            if letter == 5:
                base[i] = 0.25
            elif letter < 4:
                base[i, letter] = 1
        g = slope(base + share * (own - base))
        for i in range(len(own)):
            for letter in range(4):
                total[i, letter] += g[i, letter] - sum(base[i, b] * g[i, b] for b in range(4))
    return total / len(lines.line)


def found_of(sequences, options, value, gradient, row=0):
    if options.lines_from is None:
        return local(sequences, gradient, options.method == "corrected")[row]
    return along(Lines.of(sequences[row], options, row), value, gradient, options.batch_size)


OPTIONS = [
    AttributionOptions("gradient"),
    AttributionOptions("corrected"),
    AttributionOptions("integrated", steps=5, batch_size=3),
    AttributionOptions("integrated", steps=4, baseline="zeros"),
    AttributionOptions("integrated", steps=3, baseline="shuffles", shuffles=2, batch_size=4),
    AttributionOptions("expected", shuffles=7, batch_size=3, seed=5),
]


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: f"{o.method}-{o.lines_from}")
def test_methods_against_plain_loops(smooth, output, sequences, options):
    value, gradient = functions(smooth, output)
    for row in range(2):
        found = found_of(sequences, options, value, gradient, row)
        slow = plain(sequences[row], options.method, options, value, gradient, row)
        scale = np.abs(slow).max()
        assert scale > 1e-3
        np.testing.assert_allclose(found.hypothetical, slow, atol=2e-5 * scale)
        own = one_hot(sequences[row : row + 1])
        assert found.prediction == pytest.approx(value(own)[0], rel=1e-5)
        assert found.hypothetical.dtype == np.float32


def test_gradient_against_finite_differences(smooth, output, sequences):
    value, gradient = functions(smooth, output)
    found = local(sequences, gradient, centred=False)[1]
    codes, step = one_hot(sequences[1:]), 0.02
    places = np.r_[0:3, 100:104, 128:132, 253:256]
    slow = np.zeros((len(places), 4))
    for i, place in enumerate(places):
        for letter in range(4):
            up, down = codes.copy(), codes.copy()
            up[0, place, letter] += step
            down[0, place, letter] -= step
            slow[i, letter] = (value(up)[0] - value(down)[0]) / (2 * step)
    largest = np.abs(found.hypothetical).max()
    np.testing.assert_allclose(found.hypothetical[places], slow, atol=2e-3 * largest + 2e-5)


@pytest.mark.parametrize("baseline", ["uniform", "zeros", "shuffles"])
def test_integrated_gradients_are_complete(smooth, output, sequences, baseline):
    value, gradient = functions(smooth, output)
    gaps = []
    for steps in (4, 64):
        more = {"shuffles": 3} if baseline == "shuffles" else {}
        options = AttributionOptions("integrated", steps=steps, baseline=baseline, **more)
        found = found_of(sequences, options, value, gradient)
        lines = Lines.of(sequences[0], options, 0)
        base = np.mean([value(codes)[0] for codes in lines.starts(1)])
        assert found.baseline == pytest.approx(base, rel=1e-5)
        total = contributions(one_hot(sequences[0]) > 0, found.hypothetical).sum(dtype=float)
        gaps.append(abs(total - (found.prediction - found.baseline)))
        difference = abs(found.prediction - found.baseline)
    assert difference > 0.05
    assert gaps[1] < 5e-3 * difference
    assert gaps[1] < gaps[0]


def test_expected_gradients_come_near_completeness(output, sequences):
    # of a model with little curvature, so that few points do
    value, gradient = functions(AveragedScalar.of(SMALL.model(0), SPEC, "main", BINS), output)
    gaps = []
    for shuffles in (2, 400):
        options = AttributionOptions("expected", shuffles=shuffles, batch_size=100)
        found = found_of(sequences, options, value, gradient)
        total = contributions(one_hot(sequences[0]) > 0, found.hypothetical).sum(dtype=float)
        gaps.append(abs(total - (found.prediction - found.baseline)))
    assert gaps[1] < 0.5 * gaps[0]


def linear(length=40, seed=2):
    """A function Σ w x + 3 with known weights, and its gradient."""
    weights = np.random.default_rng(seed).normal(size=(length, 4)).astype(np.float32)

    def value(codes):
        return (codes * weights).sum(axis=(1, 2), dtype=float) + 3

    return weights, value, lambda codes: (value(codes), np.repeat(weights[None], len(codes), 0))


def test_of_a_linear_function_all_methods_are_known():
    weights, value, gradient = linear()
    sequence = np.random.default_rng(0).integers(0, 5, (1, 40)).astype(np.uint8)
    known = sequence[0] < 4
    centred = weights - weights.mean(axis=1, keepdims=True)

    def of(**options):
        return found_of(sequence, AttributionOptions(**options), value, gradient).hypothetical

    np.testing.assert_allclose(of(method="gradient"), weights)
    np.testing.assert_allclose(of(method="corrected"), centred, atol=1e-6)
    np.testing.assert_allclose(of(method="integrated", baseline="zeros"), weights, atol=1e-6)
    uniform = of(method="integrated", steps=1)
    np.testing.assert_allclose(uniform[known], centred[known], atol=1e-6)
    np.testing.assert_allclose(uniform[~known], weights[~known], atol=1e-6)
    # less the weight of the letters that shuffles have at the position, on average
    options = AttributionOptions("expected", shuffles=9, seed=1)
    lines = Lines.of(sequence[0], options, 0)
    mean = np.mean([(one_hot(b) * weights).sum(axis=1) for b in lines.baselines], axis=0)
    expected = of(method="expected", shuffles=9, seed=1)
    np.testing.assert_allclose(expected, weights - mean[:, None], atol=1e-6)
    same = of(method="integrated", baseline="shuffles", shuffles=9, steps=2, seed=1)
    np.testing.assert_allclose(same, expected, atol=1e-6)
    for hypothetical in (uniform, expected):
        own = contributions(one_hot(sequence[0]) > 0, hypothetical)
        assert not own[~known].any()


def test_lines(sequences):
    options = AttributionOptions("expected", shuffles=6, seed=9)
    lines = Lines.of(sequences[0], options, 4)
    again, other = Lines.of(sequences[0], options, 4), Lines.of(sequences[0], options, 5)
    np.testing.assert_array_equal(lines.baselines, again.baselines)
    np.testing.assert_array_equal(lines.share, again.share)
    assert (lines.baselines != other.baselines).any()
    assert (lines.share != other.share).all()
    assert ((lines.share * 6).astype(int) == np.arange(6)).all()  # one in each part of the line
    for baseline in lines.baselines:
        np.testing.assert_array_equal(dinucleotides(baseline), dinucleotides(sequences[0]))
        np.testing.assert_array_equal(baseline == 4, sequences[0] == 4)
    integrated = Lines.of(sequences[0], AttributionOptions("integrated", steps=4), 0)
    np.testing.assert_allclose(integrated.share, [0.125, 0.375, 0.625, 0.875])


def test_options_and_what_they_cost():
    assert AttributionOptions().method == "corrected"
    assert AttributionOptions("integrated").points == 50
    assert AttributionOptions("integrated", baseline="shuffles", steps=7).points == 70
    assert AttributionOptions("expected", shuffles=8).points == 8
    assert [AttributionOptions(m).lines for m in METHODS] == [0, 0, 1, 50]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "gradients"}, "unknown method of attribution 'gradients': did you mean"),
        ({"method": "integrated", "baseline": "zero"}, "unknown baseline 'zero'"),
        ({"ref_policy": "none"}, "unknown ref_policy 'none'"),
        ({"steps": 5}, "--steps 5 means nothing to corrected: leave it out"),
        ({"method": "expected", "steps": 5}, "--steps 5 means nothing to expected gradients"),
        ({"method": "gradient", "baseline": "zeros"}, "--baseline zeros means nothing"),
        (
            {"method": "integrated", "shuffles": 4},
            "--shuffles 4 means nothing to integrated gradients from uniform",
        ),
        ({"method": "integrated", "steps": 0}, "steps is 0: want at least 1"),
        ({"method": "expected", "shuffles": 0}, "shuffles is 0: want at least 1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"shifts": ()}, "want different numbers"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError) as error:
        AttributionOptions(**options)
    assert message in str(error.value)
