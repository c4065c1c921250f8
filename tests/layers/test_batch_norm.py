import keras
import numpy as np
import pytest

from tfepi.layers import BatchNorm

X = np.random.default_rng(0).normal(3, 2, size=(4, 5, 3)).astype(np.float32)


def make(frozen):
    layer = BatchNorm(frozen, momentum=0.9, epsilon=1e-5)
    layer.build(X.shape)
    rng = np.random.default_rng(1)
    for weight in layer.weights:
        weight.assign(rng.uniform(0.5, 2, size=weight.shape))
    return layer


def formula(layer, mean, variance):
    gamma, beta = np.asarray(layer.gamma), np.asarray(layer.beta)
    return (X - mean) / np.sqrt(variance + 1e-5) * gamma + beta


def test_training_uses_and_keeps_the_batch():
    layer = make(False)
    before = np.asarray(layer.moving_mean).copy()
    y = layer(X, training=True)
    mean, variance = X.mean(axis=(0, 1)), X.var(axis=(0, 1))
    np.testing.assert_allclose(y, formula(layer, mean, variance), atol=1e-5)
    np.testing.assert_allclose(layer.moving_mean, 0.9 * before + 0.1 * mean, rtol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_frozen_statistics_are_used_and_stay(training):
    layer = make(True)
    before = layer.get_weights()
    y = layer(X, training=training)
    np.testing.assert_allclose(y, formula(layer, before[2], before[3]), atol=1e-5)
    for ours, theirs in zip(layer.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(layer.trainable_weights) == 2  # scale and offset


def test_its_config_loads_on_any_back_end():
    layer = make(True)
    config = layer.get_config()
    assert config["frozen"]
    assert "synchronized" not in config
    again = BatchNorm.from_config(config)
    assert again.frozen
    assert again.synchronized == (keras.backend.backend() == "tensorflow")
    # That of Keras's own layer, which a fine-tuned model starts from.
    plain = keras.layers.BatchNormalization(momentum=0.8, synchronized=True)
    assert BatchNorm.from_config(plain.get_config()).momentum == 0.8
