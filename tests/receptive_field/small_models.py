"""Small models whose fields are known."""

import keras
import numpy as np

from tfepi.models import enformer, leopard_unet


def local_model(length=64, kernels=(5, 3), pool=2, crop=0, values=1):
    """Convolutions with positive weights and a pooling: nothing is switched off or cancels."""
    inputs = x = keras.Input((length, 4), name="sequence")
    for kernel in kernels:
        x = keras.layers.Conv1D(3, kernel, padding="same")(x)
    if pool > 1:
        x = keras.layers.AveragePooling1D(pool)(x)
    if crop:
        x = keras.layers.Cropping1D(crop)(x)
    x = keras.layers.Dense(values, name="head")(x)
    model = keras.Model({"sequence": inputs}, x)
    rng = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(rng.uniform(0.5, 1.5, weight.shape))
    return model


def small_unet(depth, length, seed=1, **changes):
    keras.utils.set_random_seed(seed)
    sizes = {"filters": 6, "width_factor": 1.0, "outputs": 2} | changes
    return leopard_unet(input_length=length, depth=depth, **sizes)


def small_enformer(seed=1):
    keras.utils.set_random_seed(seed)
    return enformer(
        input_length=4096,
        channels=48,
        width_rounding=8,
        transformer_layers=1,
        key_size=4,
        target_length=20,
        output_heads={"human": 3, "mouse": 2},
    )
