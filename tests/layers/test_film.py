import keras
import numpy as np

from tfepi.layers import FiLM

RNG = np.random.default_rng(3)
X = RNG.normal(size=(2, 5, 3)).astype(np.float32)
C = RNG.normal(size=(2, 4)).astype(np.float32)


def test_at_first_nothing_changes():
    np.testing.assert_array_equal(FiLM()([X, C]), X)


def test_channels_are_scaled_and_shifted_by_linear_functions_of_the_vector():
    layer = FiLM()
    layer.build([X.shape, C.shape])
    kernel, bias = RNG.normal(size=(4, 6)), RNG.normal(size=6)
    layer.set_weights([kernel, bias])
    want = np.empty_like(X)
    for example in range(2):
        for channel in range(3):
            scale = C[example] @ kernel[:, channel] + bias[channel]
            shift = C[example] @ kernel[:, 3 + channel] + bias[3 + channel]
            want[example, :, channel] = X[example, :, channel] * (1 + scale) + shift
    got = layer([X, C])
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert layer.compute_output_shape([X.shape, C.shape]) == got.shape


def test_it_survives_saving_and_has_the_policys_precision(tmp_path):
    x, c = keras.Input((5, 3)), keras.Input((4,))
    model = keras.Model([x, c], FiLM(dtype="mixed_bfloat16", name="film")([x, c]))
    model.get_layer("film").set_weights([RNG.normal(size=(4, 6)), RNG.normal(size=6)])
    assert model([X, C]).dtype == "bfloat16"
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    got, want = (keras.ops.cast(m([X, C]), "float32") for m in (again, model))
    np.testing.assert_array_equal(got, want)
