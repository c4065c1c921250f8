"""Learning rates and decay by weight: plain numpy optimisers, saved files, loss scaling."""

import keras
import numpy as np
import pytest

from tfepi.train_params import TrainParams
from tfepi.training.layer_rates import undecayed_variables
from tfepi.training.rated_optimizers import RATED, RatedAdamW
from tfepi.training.schedules import make_optimizer

RATES = {"kernel": 0.25, "gamma": 0.5}
ADAMW = {"optimizer": "adamw", "weight_decay": 0.3, "learning_rate": 0.05}


def variables():
    rng = np.random.default_rng(2)
    shapes = {"kernel": (3, 2), "table": (4, 2), "gamma": (3, 2), "bias": (2,)}
    return [keras.Variable(rng.normal(size=s).astype("float32"), name=n) for n, s in shapes.items()]


def gradient(w):
    return w * 0.8 + 0.3


def plain_adamw(w, steps, rate, decay, beta1=0.9, beta2=0.999):
    """Return weights after steps of AdamW, whose decay is rate × decay × weight."""
    w, m, v = w.astype(np.float64), 0.0, 0.0
    for step in range(1, steps + 1):
        g = gradient(w)
        w = w - rate * decay * w
        m, v = beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g**2
        moved = rate * np.sqrt(1 - beta2**step) / (1 - beta1**step)
        w = w - moved * m / (np.sqrt(v) + 1e-7)
    return w


def four_steps(optimizer, weights):
    for _ in range(4):
        optimizer.apply_gradients([(gradient(w), w) for w in weights])


def test_adamw_with_rates_and_without_decay_is_plain_numpys():
    weights = variables()
    before = {w.path: w.numpy() for w in weights}
    optimizer = make_optimizer(TrainParams(**ADAMW), 10, RATES, ("gamma", "bias"))
    assert type(optimizer) is RatedAdamW
    four_steps(optimizer, weights)
    for w in weights:
        rate = 0.05 * RATES.get(w.path, 1)
        decay = 0.3 if w.path in ("kernel", "table") else 0
        want = plain_adamw(before[w.path], 4, rate, decay)
        np.testing.assert_allclose(w.numpy(), want, atol=2e-6, err_msg=w.path)


def test_momentum_scales_with_the_rate():
    weights = variables()[:2]
    want = []
    for w, factor in zip(weights, (0.25, 1), strict=True):
        value, moved = w.numpy().astype(float), 0.0
        for _ in range(4):
            moved = 0.9 * moved - 0.05 * factor * gradient(value)
            value = value + moved
        want.append(value)
    train = TrainParams(optimizer="sgd", momentum=0.9, learning_rate=0.05)
    four_steps(make_optimizer(train, 10, RATES), weights)
    for w, value in zip(weights, want, strict=True):
        np.testing.assert_allclose(w.numpy(), value, atol=2e-7)


@pytest.mark.parametrize("keys", [ADAMW, {"optimizer": "adam"}, {"agc_clip": 0.1}], ids=str)
def test_without_rates_it_is_keras_to_the_bit(keys):
    train = TrainParams(**keys)
    ours, theirs = variables(), variables()
    plain = make_optimizer(train, 10)
    rated = make_optimizer(train, 10, {"none": 0.5})
    assert type(rated) in RATED.values()
    assert type(plain) is not type(rated)
    four_steps(rated, ours)
    four_steps(plain, theirs)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_a_clipped_gradient_is_clipped_before_its_rate():
    weights = variables()
    before = [w.numpy() for w in weights]
    train = TrainParams(optimizer="sgd", momentum=0.0, learning_rate=0.1, global_clipnorm=0.01)
    four = make_optimizer(train, 10, RATES)
    four.apply_gradients([(gradient(w), w) for w in weights])
    gradients = [gradient(w) for w in before]
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    for w, b, g in zip(weights, before, gradients, strict=True):
        want = b - 0.1 * RATES.get(w.path, 1) * g * 0.01 / norm
        np.testing.assert_allclose(w.numpy(), want, atol=1e-7)


def test_loss_scaling_reaches_the_rates():
    weights, scaled = variables(), variables()
    further = (10, RATES, ("gamma", "bias"))
    four_steps(make_optimizer(TrainParams(**ADAMW), *further), weights)
    outer = keras.optimizers.LossScaleOptimizer(
        make_optimizer(TrainParams(**ADAMW), *further), initial_scale=1024.0
    )
    for _ in range(4):
        outer.apply_gradients([(gradient(w) * 1024.0, w) for w in scaled])
    for a, b in zip(weights, scaled, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-7)


def small_model(attention=False):
    inputs = keras.Input((5, 3), name="sequence")
    x = keras.layers.Conv1D(4, 2, name="conv1")(inputs)
    x = keras.layers.LayerNormalization(axis=(1, 2), name="conv1_norm")(x)
    x = keras.layers.BatchNormalization(name="conv1_batch")(x)
    if attention:
        x = keras.layers.MultiHeadAttention(2, 3, name="transformer0_attention")(x, x)
    return keras.Model(inputs, keras.layers.Dense(2, name="head")(x))


def test_kernels_are_what_decays():
    model = small_model(attention=True)
    left_out = undecayed_variables(model)
    decayed = {w.path for w in model.trainable_weights} - set(left_out)
    attention = {f"transformer0_attention/{n}/kernel" for n in ("query", "key", "value")}
    attention.add("transformer0_attention/attention_output/kernel")
    assert decayed == {"conv1/kernel", "head/kernel", *attention}
    assert "conv1_norm/gamma" in left_out  # a matrix
    assert "transformer0_attention/query/bias" in left_out  # too


def test_training_goes_on_from_a_saved_file(tmp_path):
    rng = np.random.default_rng(1)
    x, y = rng.random((8, 5, 3), np.float32), rng.random((8, 4, 2), np.float32)

    def fit(model, steps):
        for _ in range(steps):
            model.train_on_batch(x, y)

    keras.utils.set_random_seed(1)
    models = [small_model() for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    for model in models:
        train = TrainParams(warmup_steps=2, clip_norm=1.0, **ADAMW)
        rates = {"conv1/kernel": 0.1}
        optimizer = make_optimizer(train, 2, rates, undecayed_variables(model))
        model.compile(optimizer, "mse", run_eagerly=True)
    fit(models[0], 3)
    fit(models[1], 1)
    models[1].save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    again.run_eagerly = True
    assert type(again.optimizer) is RatedAdamW
    assert again.optimizer.rates == {"conv1/kernel": 0.1}
    assert again.optimizer.undecayed == models[0].optimizer.undecayed
    fit(again, 2)
    for a, b in zip(again.get_weights(), models[0].get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
