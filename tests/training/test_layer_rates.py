"""Which layers are trained and how fast, by name."""

import keras
import numpy as np
import pytest

from tfepi.models import interact
from tfepi.training.adapters import adapt, parameter_counts
from tfepi.training.layer_rates import layer_group, layer_groups, variable_rates
from tfepi.transfer_params import TransferParams
from tfrecords_tools.errors import ConfigError


@pytest.fixture(scope="module")
def model():
    return interact(
        input_length=41,
        targets={"brain": 2, "blood": 1},
        kernels=4,
        pool=10,
        hidden=4,
        layers=2,
        attention_heads=2,
        feed_forward=6,
        head_hidden=3,
    )


def by_layer(model, transfer):
    """Return layer → factor of the layers of which all weights have one."""
    found = variable_rates(model, transfer)
    factors = {}
    for layer in model.layers:
        seen = {found.get(w.path, 1.0) for w in layer.trainable_weights}
        if seen:
            (factors[layer.name],) = seen
    return factors


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("conv1", "conv1"),
        ("conv1_norm", "conv1"),
        ("transformer10_attention_norm", "transformer10"),
        ("trunk_3_conv_tower", "trunk_3"),
        ("position_norm", "position"),
        ("pooler", "pooler"),
        ("head", "head"),
        ("head_brain_hidden", "head"),
    ],
)
def test_groups_of_layers(name, group):
    assert layer_group(name) == group


def test_depths_are_counted_from_the_head(model):
    groups = ["conv1", "conv2", "conv3", "pool", "embedding", "position"]
    groups += ["transformer0", "transformer1", "pooler", "head"]
    assert layer_groups(model) == groups
    found = by_layer(model, TransferParams(layer_decay=0.5))
    for name, factor in found.items():
        assert factor == 0.5 ** (9 - groups.index(layer_group(name))), name
    assert (found["head_brain_logits"], found["pooler"], found["conv1_norm"]) == (1, 0.5, 0.5**9)


def test_the_first_pattern_that_matches_holds(model):
    rates = {"conv1*": 0.1, "conv*": 0.3, "transformer?_output": 0.5, "head*": 2}
    found = by_layer(model, TransferParams(rates=rates))
    assert {n: f for n, f in found.items() if n.startswith("conv")} == {
        "conv1": 0.1,
        "conv1_norm": 0.1,
        "conv2": 0.3,
        "conv2_norm": 0.3,
        "conv3": 0.3,
        "conv3_norm": 0.3,
    }
    assert found["transformer0_output"] == found["transformer1_output"] == 0.5
    assert found["transformer0_hidden"] == found["embedding"] == 1
    assert found["head_blood_hidden"] == 2


def test_no_rates_are_no_factors(model):
    assert variable_rates(model, TransferParams()) == {}
    assert variable_rates(model, TransferParams(rates={"conv*": 1})) == {}


def test_what_is_frozen_is_not_trained(model):
    transfer = TransferParams(freeze=("conv*", "pool_norm"))
    adapted = adapt(model, transfer)
    frozen = {layer.name for layer in adapted.layers if layer.weights and not layer.trainable}
    assert frozen == {f"conv{i}{end}" for i in (1, 2, 3) for end in ("", "_norm")} | {"pool_norm"}
    trained, every = parameter_counts(adapted)
    assert 0 < trained < every
    rng = np.random.default_rng(3)
    x = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (3, 41))]
    for a, b in zip(
        keras.tree.flatten(adapted({"sequence": x})),
        keras.tree.flatten(model({"sequence": x})),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
    before = adapted.get_layer("pool_norm").get_weights()
    adapted({"sequence": x}, training=True)  # in inference mode: its averages stay
    for a, b in zip(adapted.get_layer("pool_norm").get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    rates = variable_rates(adapted, TransferParams(layer_decay=0.5))
    assert not any(path.startswith("conv") for path in rates)
    assert model.get_layer("conv1").trainable  # the given model is left as it is


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        ({"freeze": ("covn*",)}, r"transfer.freeze has 'covn\*', which matches no layer"),
        ({"freeze": ("pool",)}, r"'pool', which .*; there are conv1\*, .* pool\*, emb.*, head\*"),
        ({"freeze": ("*",)}, r"transfer.freeze '\*' leaves no layer to train"),
    ],
)
def test_freezing_that_means_nothing(model, transfer, message):
    with pytest.raises(ConfigError, match=message) as caught:
        adapt(model, TransferParams(**transfer))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"conv9*": 0.1}, r"transfer.rates has 'conv9\*', which matches no layer"),
        ({"conv*": 0.1, "conv1": 0.5}, r"transfer.rates has no layer left for 'conv1'.*put it fir"),
    ],
)
def test_rates_that_mean_nothing(model, rates, message):
    with pytest.raises(ConfigError, match=message):
        variable_rates(model, TransferParams(rates=rates))


def test_a_rate_of_a_frozen_layer_means_nothing(model):
    frozen = adapt(model, TransferParams(freeze=("conv*",)))
    with pytest.raises(ConfigError, match=r"'conv1\*', which matches no layer that can be trained"):
        variable_rates(frozen, TransferParams(rates={"conv1*": 0.1}))
