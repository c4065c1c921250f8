"""How far two models are apart, against plain sums; models that cannot be compared."""

import math

import numpy as np
import pytest

from tfepi.serving.comparison import Difference, compare
from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

import_tensorflow()


def predictor(function, length=64, bins=4, heads=("a", "b"), targets=2, **inputs):
    rows = tuple(Target(i, f"t{i}") for i in range(targets))
    heads = tuple(Head(name, rows) for name in heads)
    width = length // bins
    return CallablePredictor(
        function, ModelSpec("m", {"sequence": (length, 4)} | inputs, width, 0, heads)
    )


def sums(x):
    """Counts of A and C in each of four bins."""
    return x.reshape(len(x), 4, -1, 4).sum(2)[:, :, :2]


def test_differences_are_those_of_all_values():
    seen = []

    def one(x):
        seen.append(x)
        return {"a": sums(x), "b": 1000 * sums(x)}

    def other(x):
        noise = np.random.default_rng(int(x[0, :, 0].sum())).normal(0, 0.01, (1, 4, 2))
        return {"a": sums(x) + noise, "b": 1000 * sums(x)}

    found = compare(predictor(one), predictor(other), 5)
    x = np.concatenate(seen)
    assert x.shape == (5, 64, 4)
    assert len({row.tobytes() for row in x}) == 5
    ours = np.concatenate([np.float32(other(row[None])["a"]) for row in x]).astype(float)
    theirs = sums(x).astype(float)
    apart = np.abs(ours - theirs)
    a, b = found
    assert (a.head, b.head) == ("a", "b")
    assert a.absolute == apart.max() > 0
    assert a.relative == (apart / np.maximum(np.abs(ours), np.abs(theirs))).max()
    assert math.isclose(a.spread, theirs.std(), rel_tol=1e-9)
    assert (b.absolute, b.relative) == (0, 0)
    assert math.isclose(b.spread, 1000 * a.spread, rel_tol=1e-9)


def test_a_few_bases_are_unknown():
    shares = []

    def function(x):
        shares.append(1 - x.sum() / len(x[0]))
        return {"a": np.zeros((1, 4, 2))}

    both = predictor(function, length=40_000, heads=("a",))
    (found,) = compare(both, both, 1)
    assert (found.absolute, found.relative, found.spread) == (0, 0, 0)
    assert 0.005 < shares[0] < 0.02


@pytest.mark.parametrize(
    ("absolute", "spread", "within"),
    [(1e-4, 0.1, True), (1.1e-4, 0.1, False), (1.9e-4, 2, True), (2.1e-4, 2, False), (0, 0, True)],
)
def test_the_bar_grows_with_the_spread(absolute, spread, within):
    assert Difference("a", absolute, 0, spread).within(1e-4) is within


def test_no_number_is_a_difference():
    good = predictor(lambda x: {"a": sums(x)}, heads=("a",))
    for value in (np.nan, np.inf):
        bad = predictor(lambda x, v=value: {"a": np.where(sums(x) > 3, v, sums(x))}, heads=("a",))
        for pair in ((good, bad), (bad, good)):
            (found,) = compare(*pair, 2)
            assert not found.within(1e9)


def test_models_that_are_not_alike_are_refused():
    def function(x):
        return {"a": np.zeros((1, 4, 2))}

    one = predictor(function)
    with pytest.raises(ConfigError, match="of 64 bp and 4 bins, and of 128 bp and 4 bins: want"):
        compare(one, predictor(function, length=128), 1)
    with pytest.raises(ConfigError, match=r"head 'a' has 2 outputs in one .* and 3 in the other"):
        compare(one, predictor(function, targets=3), 1)
    with pytest.raises(ConfigError, match="'c' is not one of the model's heads: a, b"):
        compare(one, predictor(function, heads=("c",)), 1)
    with pytest.raises(ConfigError, match="takes 'tracks': only models of the sequence alone"):
        compare(one, predictor(function, tracks=(8, 1)), 1)
    assert [d.head for d in compare(one, predictor(function, heads=("a",)), 1)] == ["a"]
