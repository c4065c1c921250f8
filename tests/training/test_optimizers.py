"""Optimisers and gradient clipping: what four steps do to weights, as the original tools do it."""

import keras
import numpy as np
import pytest

from tfepi.train_params import TrainParams
from tfepi.training.gradient_clipping import (
    ADAPTIVELY_CLIPPED,
    ClippedAdam,
    ClippedSGD,
    clip_by_unit_norms,
)
from tfepi.training.schedules import make_optimizer

KERNEL = np.array(
    [[[0.5, -1.0], [0.002, 0.2]], [[-0.3, 0.7], [0.001, 1.1]], [[1.5, -0.4], [0.0, 0.3]]],
    np.float32,
)
BIAS = np.array([0.1, -0.2], np.float32)


# fmt: off
# Baskerville's on TensorFlow 2.15: learning rate 0.05, gradients 0.8 kernel + 0.3, 2 bias - 1.
ORIGINAL = [
    ({"momentum": 0.9},
     [0.202274, -0.7873386, -0.1262774, 0.0043515, -0.3255194, 0.3342224,
      -0.1269371, 0.5981191, 0.8620157, -0.3914936, -0.1275968, 0.0703257],
     [0.40928, 0.34124]),
    ({},
     [0.1739268, -0.7670907, -0.138491, -0.0142766, -0.3279491, 0.2993958,
      -0.1391183, 0.5503338, 0.8012718, -0.3906836, -0.1397456, 0.0484579],
     [0.4392468, 0.3936818]),
    ({"optimizer": "momentum", "momentum": 0.5, "clip_norm": 1.5},
     [0.367622, -0.9054443, -0.055036, 0.1130088, -0.3113466, 0.5373642,
      -0.0558847, 0.8768486, 1.2163329, -0.3962178, -0.0567334, 0.1978799],
     [0.3044108, 0.1577189]),
    ({"optimizer": "adam"},
     [0.3008967, -0.80142, -0.1949093, 0.0016015, -0.4234962, 0.5006885,
      -0.1958956, 0.9004679, 1.3003535, -0.3892472, -0.1968817, 0.1012739],
     [0.2971979, -0.0012106]),
    ({"optimizer": "adam", "adam_beta1": 0.8, "adam_beta2": 0.99, "global_clipnorm": 0.5},
     [0.3000391, -0.8007127, -0.1951982, 0.0009432, -0.4114094, 0.499766,
      -0.1961813, 0.899472, 1.2993171, -0.3916081, -0.1971642, 0.1005261],
     [0.2975558, -0.0004447]),
    ({"optimizer": "adamw", "weight_decay": 0.1},
     [0.292519, -0.7832619, -0.1934794, -0.0008394, -0.4205934, 0.4883442,
      -0.1944465, 0.880186, 1.272132, -0.3879284, -0.1954135, 0.0968576],
     [0.2937869, 0.0012403]),
    ({"optimizer": "adamw", "weight_decay": 0.1, "clip_norm": 0.3},
     [0.291745, -0.7823179, -0.1946908, -0.0017867, -0.4178387, 0.487631,
      -0.1956598, 0.8795438, 1.27153, -0.389845, -0.1966288, 0.0959855],
     [0.2957759, 0.0026241]),
    ({"momentum": 0.9, "agc_clip": 0.1},
     [0.469455, -0.9709874, 0.0019418, 0.1826311, -0.3026182, 0.6500983,
      0.0009419, 1.055445, 1.4345464, -0.3988395, -5.79e-05, 0.2796104],
     [0.1049985, -0.1912527]),
    ({"optimizer": "adam", "agc_clip": 0.05, "clip_norm": 0.2},
     [0.3008988, -0.8014574, -0.1699368, 0.001907, -0.4234665, 0.5007140,
      -0.1709369, 0.9006802, 1.300351, -0.3890525, -0.1719371, 0.1015566],
     [0.2993495, 0.0001653]),
    ({"optimizer": "adam", "warmup_steps": 3},
     [0.400168, -0.9002453, -0.0975522, 0.1002701, -0.3949822, 0.600134,
      -0.0985507, 1.0000956, 1.4000742, -0.3366236, -0.0995492, 0.2002246],
     [0.199584, -0.1002154]),
]
# fmt: on


@pytest.mark.parametrize(("keys", "kernel", "bias"), ORIGINAL, ids=str)
def test_four_steps_are_the_originals(keys, kernel, bias):
    w, b = keras.Variable(KERNEL), keras.Variable(BIAS)
    optimizer = make_optimizer(TrainParams(learning_rate=0.05, **keys), 10)
    for _ in range(4):
        gradients = [w * 0.8 + 0.3, b * 2.0 - 1.0]
        optimizer.apply_gradients(zip(gradients, [w, b], strict=True))
    np.testing.assert_allclose(w.numpy().ravel(), kernel, atol=5e-7)
    np.testing.assert_allclose(b.numpy(), bias, atol=5e-7)


@pytest.mark.parametrize(
    ("shape", "units"),
    [
        ((4,), [...]),
        ((4, 3), [(slice(None), j) for j in range(3)]),
        ((2, 3, 4), [(slice(None), i, j) for i in range(3) for j in range(4)]),
        ((2, 2, 3, 2), [(..., j) for j in range(2)]),
    ],
    ids=str,
)
def test_gradients_are_clipped_by_unit(shape, units):
    rng = np.random.default_rng(3)
    weights, gradient = (rng.normal(0, s, shape).astype(np.float32) for s in (1, 0.15))
    weights[units[0]] = 0
    got = np.asarray(clip_by_unit_norms(keras.ops.convert_to_tensor(gradient), weights, 0.1))
    clipped = []
    for unit in units:
        largest = 0.1 * max(np.linalg.norm(weights[unit].ravel()), 1e-3)
        norm = np.linalg.norm(gradient[unit].ravel())
        clipped.append(norm > largest)
        np.testing.assert_allclose(
            got[unit], gradient[unit] * min(1, largest / norm), rtol=1e-5, atol=1e-9
        )
    assert clipped[0]
    if len(units) > 2:
        assert not all(clipped)


def test_a_zero_gradient_stays_zero():
    zero = keras.ops.zeros((3, 2))
    assert not np.any(np.asarray(clip_by_unit_norms(zero, zero, 0.1)))


def test_variables_need_not_be_named_each_time():
    ours, other = (keras.Variable(KERNEL) for _ in range(2))
    optimizers = [ClippedSGD(0.1, learning_rate=0.1) for _ in range(2)]
    optimizers[0].build([ours])
    optimizers[0].apply([keras.ops.ones(KERNEL.shape)])
    optimizers[1].apply([keras.ops.ones(KERNEL.shape)], [other])
    np.testing.assert_array_equal(ours.numpy(), other.numpy())
    assert (ours.numpy() != KERNEL).any()


def test_a_variable_without_gradient_stays():
    w, b = keras.Variable(KERNEL), keras.Variable(BIAS)
    with pytest.warns(UserWarning, match="Gradients do not exist"):
        ClippedSGD(0.1, learning_rate=0.1).apply([None, keras.ops.ones(BIAS.shape)], [w, b])
    np.testing.assert_array_equal(w.numpy(), KERNEL)
    assert (b.numpy() != BIAS).all()


def test_loss_scaling_is_undone_before_clipping():
    plain, scaled = (keras.Variable(KERNEL) for _ in range(2))
    gradient = keras.ops.ones(KERNEL.shape) * 0.04
    ClippedSGD(0.1, learning_rate=0.1).apply([gradient], [plain])
    outer = keras.optimizers.LossScaleOptimizer(
        ClippedSGD(0.1, learning_rate=0.1), initial_scale=1024.0
    )
    outer.apply([gradient * 1024.0], [scaled])
    np.testing.assert_allclose(scaled.numpy(), plain.numpy(), rtol=1e-6)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_training_goes_on_from_a_saved_file(name, tmp_path):
    rng = np.random.default_rng(1)
    x, y = rng.random((8, 3), np.float32), rng.random((8, 1), np.float32)

    def fit(model, epochs):
        model.fit(x, y, batch_size=4, epochs=epochs, shuffle=False, verbose=0)

    keras.utils.set_random_seed(1)
    models = [keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(1)]) for _ in range(2)]
    for model in models:
        model.build((None, 3))
        optimizer = make_optimizer(TrainParams(optimizer=name, agc_clip=0.02, warmup_steps=3), 2)
        assert type(optimizer) in ADAPTIVELY_CLIPPED.values()
        model.compile(optimizer, "mse")
    models[1].set_weights(models[0].get_weights())
    fit(models[0], 3)
    fit(models[1], 1)
    models[1].save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert type(again.optimizer) is type(models[0].optimizer)
    assert again.optimizer.agc_clip == 0.02
    fit(again, 2)
    for a, b in zip(again.get_weights(), models[0].get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"optimizer": "sgd", "momentum": 0.98}, keras.optimizers.SGD),
        ({"optimizer": "momentum"}, keras.optimizers.SGD),
        ({"optimizer": "adam", "clip_norm": 2}, keras.optimizers.Adam),
        ({"optimizer": "adamw", "weight_decay": 0.1}, keras.optimizers.AdamW),
        ({"optimizer": "adam", "agc_clip": 0.1}, ClippedAdam),
    ],
)
def test_optimizers_of_a_train_section(keys, kind):
    optimizer = make_optimizer(TrainParams(**keys), 10)
    assert type(optimizer) is kind
    assert optimizer.clipnorm == keys.get("clip_norm")
    if kind is keras.optimizers.SGD:
        assert optimizer.momentum == keys.get("momentum", 0.99)
    if kind is keras.optimizers.AdamW:
        assert optimizer.weight_decay == 0.1
