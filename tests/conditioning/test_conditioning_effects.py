"""Statistics of variant effects against plain ones on repeated variants."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from tfepi.conditioning.contrasts import contrasts_of
from tfepi.conditioning.effects import Effects, effect_statistics, effects_json, measure_effects
from tfepi.conditioning.measured import scores_of, seed_draws
from tfepi.evaluation.bootstrap import Bootstrap, interval, multiplicities
from tfrecords_tools.errors import ConfigError

SEEN, UNSEEN, MARKS, COUNT = ("t", "mono"), ("neut",), ("K27",), 90


def make(seed=0, **changes):
    rng = np.random.default_rng(seed)
    truth, predictions = {}, {}
    for cell in (*SEEN, *UNSEEN):
        effect = rng.normal(size=(COUNT, 1)) * (rng.random((COUNT, 1)) < 0.5)
        truth[cell] = effect
        for s in (1, 2):
            predictions["B", s, cell] = effect + rng.normal(size=(COUNT, 1))
            predictions["D", s, cell] = predictions.get(("D", s, "t"), rng.normal(size=(COUNT, 1)))
    fields = {"seen": SEEN, "unseen": UNSEEN, "marks": MARKS}
    return Effects(**(fields | {"truth": truth, "predictions": predictions} | changes))


def plain(truth, prediction, bound):
    has = abs(truth) > bound
    same = np.where(prediction == 0, 0.5, np.sign(truth) == np.sign(prediction))
    return {
        "sign_accuracy": same[has].mean(),
        "spearmanr": spearmanr(truth, prediction)[0],
        "auroc": roc_auc_score(has, abs(prediction)),
        "auprc": average_precision_score(has, abs(prediction)),
        "effect_rate": has.mean(),
    }


@pytest.mark.parametrize("bound", [0.0, 0.4])
def test_weights_equal_repeats(bound):
    rng = np.random.default_rng(3)
    truth = np.round(rng.normal(size=60), 1) * (rng.random(60) < 0.6)
    prediction = np.round(truth + rng.normal(size=60), 1)
    prediction[:6] = 0
    weights = rng.integers(0, 4, (5, 60))
    found = effect_statistics(truth, prediction, weights, bound)
    for number, row in enumerate(weights):
        want = plain(np.repeat(truth, row), np.repeat(prediction, row), bound)
        for name, value in want.items():
            assert found[name][number] == pytest.approx(value, abs=1e-12)


def test_signs_by_hand():
    truth = np.array([1.0, -2, 3, 0.1, 0])
    prediction = np.array([2.0, 1, 0, -1, 9])
    weights = np.ones((1, 5))
    assert (
        effect_statistics(truth, prediction, weights)["sign_accuracy"][0] == (1 + 0 + 0.5 + 0) / 4
    )
    found = effect_statistics(truth, prediction, weights, 0.5)
    assert found["sign_accuracy"][0] == 0.5
    assert found["effect_rate"][0] == 0.6


@pytest.mark.parametrize("blocks", [None, 15])
def test_resampling_of_variants_and_seeds(blocks):
    block = None if blocks is None else np.arange(COUNT) % blocks
    effects = make(block=block)
    found = measure_effects(effects, Bootstrap(rank_resamples=20, seed=4))
    drawn = multiplicities(blocks or COUNT, 20, 4)
    shares = seed_draws(2, 20, 4)

    def replicate(model, row, share):
        values = []
        for s in (1, 2):
            of_cells = []
            for cell in SEEN:
                times = row if block is None else row[block]
                y = np.repeat(effects.truth[cell][:, 0], times)
                p = np.repeat(effects.predictions[model, s, cell][:, 0], times)
                of_cells.append(spearmanr(y, p)[0])
            values.append(np.mean(of_cells))
        return np.dot(share, values)

    b, d = (
        np.array([replicate(m, *pair) for pair in zip(drawn, shares, strict=True)]) for m in "BD"
    )
    row = next(r for r in scores_of(found) if r["model"] == "B")
    assert row["group"] == "seen cells"
    assert row["count"] == 2 * COUNT
    assert row["spearmanr"]["interval"] == pytest.approx(interval(b))
    contrast = contrasts_of(found, [("B", "D")])[0]["spearmanr"]
    assert contrast["interval"] == pytest.approx(interval(b - d))
    json.dumps(effects_json(found, effects), allow_nan=False)


def test_places_are_sets_of_variants():
    places = ["outside", "A", "A"] * (COUNT // 3)
    effects = make(places=places)
    effects.truth["t"][0] = np.nan  # is left out
    found = measure_effects(effects, Bootstrap(rank_resamples=0))
    assert found.sets == ("all", "outside", "A")
    rows = {r["set"]: r for r in scores_of(found) if (r["model"], r["group"]) == ("B", "t")}
    assert [rows[s]["count"] for s in found.sets] == [COUNT - 1, COUNT // 3 - 1, COUNT // 3 * 2]
    inside = np.array(places) == "A"
    want = [
        plain(effects.truth["t"][inside, 0], effects.predictions["B", s, "t"][inside, 0], 0)
        for s in (1, 2)
    ]
    for name in ("sign_accuracy", "spearmanr", "auroc", "auprc", "effect_rate"):
        assert rows["A"][name]["value"] == pytest.approx(np.mean([w[name] for w in want]))


def test_errors():
    effects = make()
    with pytest.raises(ConfigError, match=r"bound of an effect is -1"):
        make(bound=-1)
    with pytest.raises(ConfigError, match=r"predicted by B, seed 1, in t have shape \(90,\)"):
        make(predictions=effects.predictions | {("B", 1, "t"): np.zeros(COUNT)})
    with pytest.raises(ConfigError, match="cell type 'neut' has no true effects"):
        make(truth={c: effects.truth[c] for c in SEEN})
    with pytest.raises(ConfigError, match="3 places of 90 variants"):
        make(places=["a"] * 3)
    effects.truth["t"][...] = np.nan
    with pytest.raises(ConfigError, match="K27 in t has no variant whose true effect is known"):
        measure_effects(effects)
    effects = make()
    effects.predictions["B", 2, "mono"][4] = np.inf
    with pytest.raises(ConfigError, match="B, seed 2, gives no finite effect on K27 in mono of 1"):
        measure_effects(effects, Bootstrap(rank_resamples=0))
    none = {c: np.zeros((0, 1)) for c in (*SEEN, *UNSEEN)}
    with pytest.raises(ConfigError, match="no variants"):
        measure_effects(make(truth=none, predictions={("B", 1, "t"): none["t"]}))
