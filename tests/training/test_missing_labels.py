"""Training with labels missing: no step ever meets a gradient that is no number."""

import keras
import numpy as np
import tensorflow as tf

from tfepi.layers import Dispersion
from tfepi.models import leopard_unet
from tfepi.train_params import TrainParams
from tfepi.training.losses import NegativeBinomial, make_loss
from tfepi.training.schedules import make_optimizer

STEPS, BATCHES = 1000, 50


def test_a_thousand_steps_with_three_labels_of_ten_missing():
    # One U-Net, of whose eight outputs each loss trains two, for the sake of time.
    keras.utils.set_random_seed(7)
    dispersion = Dispersion()
    dispersion.build((None, None, 2))
    losses = [make_loss(name) for name in ("bce", "poisson", "mse")]
    losses.append(NegativeBinomial(dispersion))
    ends = [keras.ops.sigmoid] + 3 * [keras.ops.softplus]
    model = leopard_unet(input_length=32, depth=1, filters=3, outputs=8, output_activation="linear")
    rng = np.random.default_rng(7)
    x = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (BATCHES, 4, 32))]
    y = rng.poisson(0.7, (BATCHES, 4, 32, 8)).astype(np.float32)
    y[..., :2] = np.minimum(y[..., :2], 1)
    y[rng.random(y.shape) < 0.3] = np.nan
    y[3] = np.nan  # a batch without any label
    y[5, 1], y[6, :, :, ::2] = np.nan, np.nan  # an example, targets
    trained = [*model.trainable_variables, *dispersion.trainable_variables]
    train = TrainParams(optimizer="adam", learning_rate=0.01, inverse_decay=1e-5)
    optimizer = make_optimizer(train, 1)
    optimizer.build(trained)

    @tf.function
    def train_all():
        bad, seen = tf.zeros((), tf.int32), tf.TensorArray(tf.float32, STEPS)
        for step in tf.range(STEPS):
            with tf.GradientTape() as tape:
                output = model({"sequence": tf.gather(x, step % BATCHES)}, training=True)
                truth = tf.split(tf.gather(y, step % BATCHES), 4, axis=-1)
                parts = [end(p) for end, p in zip(ends, tf.split(output, 4, axis=-1), strict=True)]
                values = [f(t, p) for f, t, p in zip(losses, truth, parts, strict=True)]
                total = tf.add_n(values)
            gradients = tape.gradient(total, [w.value for w in trained])
            finite = [tf.reduce_all(tf.math.is_finite(g)) for g in gradients]
            bad += tf.cast(not tf.reduce_all(finite), tf.int32)
            optimizer.apply(gradients)
            seen = seen.write(step, tf.stack(values))
        return bad, seen.stack()

    bad, values = (v.numpy() for v in train_all())
    assert bad == 0
    assert np.isfinite(values).all()
    assert (values[3::BATCHES] == 0).all()
    assert (values[-BATCHES:].mean(axis=0) < values[:BATCHES].mean(axis=0) - 0.005).all()
    assert int(optimizer.iterations) == STEPS
