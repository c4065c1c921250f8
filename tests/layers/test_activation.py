import math

import numpy as np
import pytest

from tfepi.layers import Gelu, activation
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
