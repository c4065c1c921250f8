"""Functions of arrays compiled by Keras's back end."""

from collections.abc import Callable

import keras


def compiled(function: Callable) -> Callable:
    """Return a function of tensors, lists and dicts of them that runs without Python in between.

    Args:
        function: of `keras.ops` and layers, without side effects; shapes are fixed by the call.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        from tfepi.startup import import_tensorflow

        return import_tensorflow().function(function, autograph=False)
    if backend == "jax":
        import jax

        return jax.jit(function)
    if backend == "torch":
        import torch

        return torch.no_grad()(function)
    return function
