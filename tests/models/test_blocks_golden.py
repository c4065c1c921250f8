"""Every block against calico/baskerville and calico/basenji, run on TensorFlow 2.15.

blocks_golden.json holds the originals' number of parameters, and five outputs, evenly spaced over
all heads', with weights made by the rule below.
"""

import json
from collections import defaultdict
from pathlib import Path

import keras
import numpy as np
import pytest

from tfepi.models.basenji import basenji
from tfepi.models.blocks import BLOCKS, creation_order

GOLDEN = json.loads((Path(__file__).parent / "blocks_golden.json").read_text())


def weights_by_kind(model):
    """Yield (place of the layer among its kind, number in the layer, weight) as Basenji counts."""
    place = defaultdict(int)
    for layer in creation_order(model):
        kind, first = type(layer).__name__, 0
        where = place[kind]
        if "_se_dense" in layer.name:  # two dense layers of ours are one layer of Basenji's
            kind = "SqueezeExcite"
            where, half = divmod(place[kind], 2)
            first = 2 * half
        place[kind] += 1
        for number, weight in enumerate(layer.weights, first):
            yield where, number, weight


def rule(place: int, number: int, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return values for the number-th weight of a kind's place-th layer."""
    i = np.arange(np.prod(shape))
    wave = np.sin(12.9898 * (i + 1) + 7.233 * place + 37.719 * number).reshape(shape)
    scaled = {
        "gamma": 1 + 0.3 * wave,
        "moving_variance": 1 + 0.5 * wave,
        "scale": 0.5 + 0.3 * wave,
        "beta": 0.2 * wave,
        "bias": 0.2 * wave,
        "moving_mean": 0.2 * wave,
    }
    return scaled.get(name, wave * np.sqrt(2 / np.prod(shape[:-1])))


def one_hot(length: int) -> np.ndarray:
    """Return two fixed sequences, [2, length, 4]."""
    i = np.arange(2 * length).reshape(2, length)
    return np.eye(4, dtype=np.float32)[(i**2 * 7 // 5 + np.arange(2)[:, None]) % 4]


@pytest.mark.parametrize("case", GOLDEN)
def test_predictions_are_the_originals(case, monkeypatch):
    made = []
    init = keras.layers.Layer.__init__

    def record(self, *args, **kwargs):
        made.append(self)
        init(self, *args, **kwargs)

    monkeypatch.setattr(keras.layers.Layer, "__init__", record)
    model = basenji(**GOLDEN[case]["params"])
    monkeypatch.undo()

    assert model.count_params() == GOLDEN[case]["parameters"]
    for kind in {type(layer) for layer in model.layers if layer.weights}:
        order = [layer.name for layer in creation_order(model) if type(layer) is kind]
        assert order == [layer.name for layer in made if type(layer) is kind]

    for place, number, weight in weights_by_kind(model):
        weight.assign(rule(place, number, weight.name, weight.shape))
    y = model({"sequence": one_hot(GOLDEN[case]["params"]["seq_length"])})
    heads = [y[n] for n in GOLDEN[case]["params"]["heads"]] if isinstance(y, dict) else [y]
    assert {len(head.shape) for head in heads} == {3}
    y = np.concatenate([np.ravel(head) for head in heads])
    got = y[np.linspace(0, len(y) - 1, 5).astype(int)]
    np.testing.assert_allclose(got, GOLDEN[case]["outputs"], rtol=1e-5, atol=1e-6 * y.max())


def test_all_but_attention_and_gates_are_among_them():
    seen = set()
    for golden in GOLDEN.values():
        seen |= {block["name"] for block in golden["params"]["trunk"]}
        for head in golden["params"]["heads"].values():
            seen |= {block["name"] for block in (head if isinstance(head, list) else [head])}
    elsewhere = {"factor_inverse", "global_context", "squeeze_excite", "swin_transformer"}
    elsewhere |= {"transformer", "transformer_tower", "wheeze_excite"}
    assert seen == set(BLOCKS) - elsewhere
