"""The loop against Keras's own steps, on one device."""

import keras
import numpy as np
import pytest

from tfepi.startup import import_tensorflow
from tfepi.training.loop import How, Loop
from tfepi.training.losses import make_loss
from tfepi.training.metrics import PearsonR
from tfepi.training.strategy import make_team

tf = import_tensorflow()
ROWS, STEPS = 7, 5


def model(policy="float32"):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((32, 4), name="sequence")
    # Without bias: before batch normalisation its gradient is rounding, of which Adam makes steps.
    conv = {"padding": "same", "kernel_regularizer": "l2", "use_bias": False, "dtype": policy}
    x = keras.layers.Conv1D(6, 5, **conv)(inputs)
    x = keras.layers.BatchNormalization(momentum=0.9, dtype=policy)(x)
    x = keras.layers.MaxPooling1D(8, dtype=policy)(keras.layers.ReLU(dtype=policy)(x))
    x = keras.layers.Dense(3, activation="softplus", dtype="float32")(x)
    return keras.Model({"sequence": inputs}, x)


def batches(weighted=False):
    rng = np.random.default_rng(4)
    found = []
    for _ in range(STEPS):
        x = rng.normal(size=(ROWS, 32, 4)).astype(np.float32)
        y = rng.gamma(1, 2, (ROWS, 4, 3)).astype(np.float32)
        y[rng.random(y.shape) < 0.2] = np.nan
        weight = (rng.random(y.shape).astype(np.float32),) if weighted else ()
        found.append(({"sequence": x}, y, *weight))
    return found


def dataset(found):
    signature = tf.nest.map_structure(
        lambda a: tf.TensorSpec([None, *a.shape[1:]], tf.float32), found[0]
    )
    generated = tf.data.Dataset.from_generator(lambda: iter(found), output_signature=signature)
    return generated.apply(tf.data.experimental.assert_cardinality(len(found)))


def loop_of(made, name, optimizer, how):
    loss = make_loss(name, made)
    loss.reduction = "sum"
    optimizer.build(made.trainable_variables)
    return Loop(make_team(), made, loss, optimizer, [PearsonR(3)], ROWS, how)


def trained(name, make_optimizer, how=How(), weighted=False, policy="float32"):  # noqa: B008
    """Return models and losses of the loop, and of Keras's train_on_batch."""
    found = batches(weighted)
    ours, theirs = model(policy), model(policy)
    loop = loop_of(ours, name, make_optimizer(), how)
    states, iterator = loop.states(1, 0), iter(loop.team.batches(lambda _: dataset(found)))
    losses, done = [], 0
    while done < STEPS:
        steps = how.at_once if STEPS - done >= how.at_once else 1
        told = loop.train(iterator, steps, done, states, 0.0).numpy()
        losses += told[:, 0].tolist()
        done += steps
    theirs.compile(make_optimizer(), make_loss(name, theirs), jit_compile=False)
    expected = []
    for batch in found:
        theirs.reset_metrics()
        expected.append(float(theirs.train_on_batch(*batch)))
    return ours, theirs, losses, expected


OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(0.05, momentum=0.9, clipnorm=0.1),
    "adam": lambda: keras.optimizers.Adam(0.01, global_clipnorm=0.2),
    "adamw": lambda: keras.optimizers.AdamW(0.01, weight_decay=0.1),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("how", [How(), How(at_once=2)])
def test_steps_are_keras_steps(optimizer, how):
    ours, theirs, losses, expected = trained("poisson", OPTIMIZERS[optimizer], how)
    assert losses == pytest.approx(expected, rel=1e-5)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=2e-6)


def test_weights_of_values_are_taken():
    ours, theirs, losses, expected = trained("mse", OPTIMIZERS["sgd"], weighted=True)
    assert losses == pytest.approx(expected, rel=1e-5)
    plain, *_ = trained("mse", OPTIMIZERS["sgd"])
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=2e-6)
    kernel = 0
    assert not np.allclose(np.asarray(ours.weights[kernel]), np.asarray(plain.weights[kernel]))


def test_scaled_losses_are_keras_losses():
    def make():
        return keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.05))

    ours, theirs, losses, expected = trained("mse", make, policy="mixed_float16")
    assert losses == pytest.approx(expected, rel=1e-2)
    for a, b in zip(ours.weights, theirs.weights, strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), atol=2e-3)


def test_evaluation_is_keras_evaluation():
    found = batches()
    found.append(tf.nest.map_structure(lambda a: a[:2], found[0]))  # a smaller last one
    made = model()
    loop = loop_of(made, "mse", OPTIMIZERS["sgd"](), How())
    iterator = iter(loop.team.batches(lambda _: dataset(found)))
    rows = [len(truth) for _, truth in found]
    told = [loop.evaluate(iterator, n) for n in rows]
    metric = PearsonR(3)
    for inputs, truth in found:
        metric.update_state(truth, made(inputs, training=False))
    made.compile(loss=make_loss("mse", made), jit_compile=False)
    expected = made.evaluate(dataset(found), verbose=0)
    assert sum(told) / sum(rows) == pytest.approx(expected, rel=1e-5)
    assert loop.results()["pearsonr"] == pytest.approx(float(metric.result()), rel=1e-5)
    with pytest.raises((StopIteration, tf.errors.OutOfRangeError)):
        loop.evaluate(iterator, ROWS)


def test_sums_are_gone_on_with():
    found = batches()
    made = model()
    loop = loop_of(made, "mse", OPTIMIZERS["sgd"](), How())

    def evaluate(some):
        iterator = iter(loop.team.batches(lambda _: dataset(some)))
        for _ in some:
            loop.evaluate(iterator, ROWS)

    evaluate(found)
    whole = loop.results()
    loop.reset_metrics()
    evaluate(found[:2])
    kept = loop.sums()
    loop.reset_metrics()
    loop.set_sums(kept)
    evaluate(found[2:])
    assert loop.results() == whole
