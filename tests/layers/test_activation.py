import math

import numpy as np
import pytest

from tfepi.layers import ACTIVATIONS, Exp, Gelu, PolyReLU, Softplus, activation
from tfrecords_tools.errors import ConfigError

X = np.linspace(-6, 6, 241).astype(np.float32)
FORMULAS = {
    "tanh": lambda x: 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "erf": lambda x: 0.5 * x * (1 + math.erf(x / math.sqrt(2))),
    "sigmoid": lambda x: x / (1 + math.exp(-1.702 * x)),
}


@pytest.mark.parametrize("variant", FORMULAS)
def test_gelu_follows_its_formula(variant):
    want = [FORMULAS[variant](float(x)) for x in X]
    np.testing.assert_allclose(np.asarray(Gelu(variant)(X)), want, atol=2e-6)
    assert Gelu.from_config(Gelu(variant).get_config()).variant == variant


def test_the_variants_differ():
    values = [np.asarray(Gelu(v)(X)) for v in FORMULAS]
    assert np.abs(values[0] - values[1]).max() > 1e-4
    assert np.abs(values[0] - values[2]).max() > 1e-2


def test_names():
    assert activation("gelu").variant == "tanh"
    assert activation("gelu_sigmoid").variant == "sigmoid"
    np.testing.assert_array_equal(np.asarray(activation("relu")(X)), np.maximum(X, 0))
    np.testing.assert_array_equal(np.asarray(activation("linear")(X)), X)
    with pytest.raises(ConfigError, match="did you mean 'relu'"):
        activation("rellu")
    with pytest.raises(ConfigError, match="GELU variant"):
        Gelu("fast")


NUMPY = {
    "relu": lambda x: np.maximum(x, 0),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "tanh": np.tanh,
    "exp": np.exp,
    "softplus": lambda x: np.log1p(np.exp(x)),
    "polyrelu": lambda x: np.maximum((x - 2) ** 3, 0),
    "linear": lambda x: x,
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_every_name_has_a_layer_with_its_name_and_precision(name):
    layer = activation(name, "a", "mixed_bfloat16")
    assert (layer.name, layer.compute_dtype) == ("a", "bfloat16")
    if name in NUMPY:
        want = NUMPY[name](X.astype(np.float64))
        np.testing.assert_allclose(activation(name)(X), want, rtol=2e-6, atol=1e-6)
    else:
        assert name.startswith("gelu")


def test_softplus_is_clipped():
    y = np.asarray(Softplus()(np.array([-2e4, 2e4, 9e3], np.float32)))
    np.testing.assert_allclose(y, [0, 1e4, 9e3])
    np.testing.assert_allclose(Softplus(limit=3)(np.float32([5])), [np.log1p(np.exp(3))], rtol=1e-6)


@pytest.mark.parametrize("base", [None, 2.5])
@pytest.mark.parametrize("minus", [None, 1.5])
def test_exp_has_a_base_and_a_difference(base, minus):
    want = (base or np.e) ** X.astype(np.float64) - (minus or 0)
    np.testing.assert_allclose(Exp(base, minus)(X), want, rtol=1e-5)


@pytest.mark.parametrize("layer", [Gelu("erf"), PolyReLU(), Softplus(4), Exp(2.0, 1.0)])
def test_layers_come_back_from_their_configuration(layer):
    again = type(layer).from_config(layer.get_config())
    np.testing.assert_array_equal(again(X), layer(X))
    assert again.compute_output_shape((None, 3, 2)) == (None, 3, 2)
    assert layer.geometry == "pointwise"
