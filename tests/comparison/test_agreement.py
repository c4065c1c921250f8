import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from tfepi.comparison.agreement import Draws, agreement
from tfepi.comparison.options import Comparing
from tfepi.evaluation.bootstrap import Bootstrap
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval

QUICK = Bootstrap(200, 100, block_bp=10_000)


def places(count, apart=1000):
    return [Interval("chr1", n * apart, n * apart + 1) for n in range(count)]


def scores(count=400, rho=0.6, seed=0):
    """Scores of two models whose correlation is rho; neighbours in blocks of 10 are alike."""
    rng = np.random.default_rng(seed)

    def noise():
        near = np.repeat(rng.normal(size=count // 10), 10)
        return np.sqrt(0.5) * near + np.sqrt(0.5) * rng.normal(size=count)

    shared = noise()
    return [np.sqrt(rho) * shared + np.sqrt(1 - rho) * noise() for _ in range(2)]


def test_every_number():
    first, second = scores()
    first[:3] = 0
    options = Comparing(top=(5, 40, 400, 1000), floor=0.3)
    found = agreement(first, second, Draws.of(places(400), QUICK), options)
    assert (found["n"], found["of"]) == (400, "scores")
    assert found["pearsonr"]["value"] == pytest.approx(pearsonr(first, second)[0])
    assert found["spearmanr"]["value"] == pytest.approx(spearmanr(first, second)[0])
    sizes = np.abs(first), np.abs(second)
    assert found["spearmanr_of_sizes"]["value"] == pytest.approx(spearmanr(*sizes)[0])
    floors = [np.quantile(s, 0.3) for s in sizes]
    rows = [
        i
        for i in range(400)
        if first[i] != 0 and sizes[0][i] >= floors[0] and sizes[1][i] >= floors[1]
    ]
    equal = [(first[i] > 0) == (second[i] > 0) for i in rows]
    up = [np.mean([v[i] > 0 for i in rows]) for v in (first, second)]
    assert found["sign"]["n"] == len(rows)
    assert found["sign"]["floors"] == pytest.approx(floors)
    assert found["sign"]["agreement"]["value"] == pytest.approx(np.mean(equal))
    assert found["sign"]["expected"] == pytest.approx(up[0] * up[1] + (1 - up[0]) * (1 - up[1]))
    assert [t["k"] for t in found["top"]] == [5, 40]
    for top in found["top"]:
        both = [set(np.argsort(-s)[: top["k"]].tolist()) for s in sizes]
        assert top["expected"] == top["k"] / 400
        assert top["overlap"]["value"] == pytest.approx(len(both[0] & both[1]) / top["k"])
        assert top["jaccard"]["value"] == pytest.approx(
            len(both[0] & both[1]) / len(both[0] | both[1])
        )
        union = [i for i in both[0] | both[1] if first[i] != 0]
        assert top["signs"] == pytest.approx(len(union))
        assert top["sign"]["value"] == pytest.approx(
            np.mean([np.sign(first[i]) == np.sign(second[i]) for i in union])
        )


def test_intervals_are_those_of_repeated_blocks():
    first, second = scores(100)
    draws = Draws.of(places(100), Bootstrap(50, 50, block_bp=10_000))
    found = agreement(first, second, draws, Comparing(top=(10,)))
    each = {"pearsonr": [], "spearmanr": [], "sign": []}
    among = (np.abs(first) >= np.median(np.abs(first))) & (
        np.abs(second) >= np.median(np.abs(second))
    )
    for row in draws.drawn:
        rows = np.concatenate(
            [np.flatnonzero(draws.blocks.index == b) for b in np.repeat(range(10), row)]
        )
        each["pearsonr"].append(pearsonr(first[rows], second[rows])[0])
        each["spearmanr"].append(spearmanr(first[rows], second[rows])[0])
        kept = rows[among[rows]]
        each["sign"].append(np.mean(np.sign(first[kept]) == np.sign(second[kept])))
    for name, values in each.items():
        entry = found["sign"]["agreement"] if name == "sign" else found[name]
        assert entry["interval"] == pytest.approx(np.quantile(values, [0.025, 0.975]).tolist())


def test_truth_lies_within_intervals():
    held = 0
    for seed in range(20):
        first, second = scores(800, seed=seed)
        draws = Draws.of(places(800), QUICK)
        found = agreement(first, second, draws, Comparing(top=(100,), floor=0.0))
        low, high = found["pearsonr"]["interval"]
        held += low <= 0.6 <= high
        # Signs of normal scores agree in 1/2 + asin(rho)/pi (Sheppard 1899).
        low, high = found["sign"]["agreement"]["interval"]
        held += low <= 0.5 + np.arcsin(0.6) / np.pi <= high
    assert held >= 34  # of 40 at 95%


def test_scores_without_direction():
    first, second = scores()
    first = np.abs(first)
    found = agreement(first, second, Draws.of(places(400), QUICK), Comparing(), signed=False)
    assert (found["of"], found["sign"]) == ("sizes", None)
    assert found["pearsonr"]["value"] == pytest.approx(pearsonr(first, np.abs(second))[0])
    assert found["spearmanr"] == found["spearmanr_of_sizes"]
    assert "sign" not in found["top"][0]


def test_the_same_scores_agree():
    first, _ = scores()
    found = agreement(first, 3 * first, Draws.of(places(400), QUICK), Comparing(top=(10,)))
    assert found["pearsonr"]["value"] == pytest.approx(1)
    assert found["pearsonr"]["interval"] == pytest.approx([1, 1])
    assert found["sign"]["agreement"]["value"] == found["top"][0]["overlap"]["value"] == 1
    assert found["top"][0]["overlap"]["interval"] == pytest.approx([1, 1])


def test_constant_scores_are_undefined():
    draws = Draws.of(places(30), Bootstrap(0, 0))
    found = agreement(np.zeros(30), np.arange(30.0), draws, Comparing(top=(10,)))
    nothing = {"value": None, "interval": None}
    assert found["pearsonr"] == found["spearmanr"] == found["sign"]["agreement"] == nothing
    assert found["sign"]["expected"] is None
    assert found["top"][0]["overlap"]["value"] == pytest.approx(10 / 30)


def test_too_few_blocks():
    first, second = scores(40)
    close = places(40, apart=1)
    found = agreement(first, second, Draws.of(close, Bootstrap()), Comparing())
    assert found["pearsonr"]["interval"] is None
    with pytest.raises(ConfigError, match="block_bp 1000000 leaves 1 block"):
        Draws.of(close, Bootstrap(block_bp=1_000_000))
