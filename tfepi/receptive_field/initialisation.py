"""An untrained model beside a trained one, and the variables that begin as zeros.

What is multiplied by zeros passes nothing on. Enformer's attention outputs and the last batch norm
of Basenji's dilated residual blocks begin so, and hide what comes through them until training has
moved them.
"""

from collections.abc import Sequence

import keras
import numpy as np

_ADDED = ("bias", "beta", "mean", "offset")  # zeros that are added hide nothing


def untrained(model: keras.Model, seed: int = 44) -> keras.Model:
    """Return a copy of a model with the first weights that its layers' initialisers draw.

    Args:
        model: functional.
        seed: of the weights.
    """
    keras.utils.set_random_seed(seed)
    return keras.models.clone_model(model)


def zero_variables(model: keras.Model) -> list:
    """Return the variables of a model that are all zero and are not merely added."""
    return [
        v
        for v in model.variables
        if keras.backend.is_float_dtype(v.dtype)
        and not any(word in v.name for word in _ADDED)
        and not keras.ops.convert_to_numpy(v).any()
    ]


def draw_zeros(model: keras.Model, seed: int = 44) -> list[str]:
    """Draw the variables that are zero, in place; return their paths.

    Factors of channels are drawn from 0.5 … 1.5. Kernels are normal with a variance of
    1 / (inputs of an output), so that values keep their size.

    Args:
        model: whose variables are changed.
        seed: of the draws.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    found = zero_variables(model)
    for variable in found:
        shape = tuple(variable.shape)
        if len(shape) > 1:
            variable.assign(rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape))
        else:
            variable.assign(rng.uniform(0.5, 1.5, shape))
    return [v.path for v in found]


def shown(paths: Sequence[str], most: int = 2) -> str:
    """Return the first names of variables, and how many there are."""
    more = f", … ({len(paths)} in all)" if len(paths) > most else ""
    return ", ".join(paths[:most]) + more
