"""Functions of arrays compiled by Keras's back end."""

from collections.abc import Callable

import keras

ANY_ROWS = keras.backend.backend() != "jax"
"""Whether a compiled function takes any number of rows at once; else each number is compiled."""


def compiled(function: Callable) -> Callable:
    """Return a function of tensors, lists and dicts of them that runs without Python in between.

    Args:
        function: of `keras.ops` and layers, without side effects. The first axis of each tensor
            counts its rows; the other shapes are fixed by the call.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _of_any_rows(function)
    if backend == "jax":
        import jax

        return jax.jit(function)
    if backend == "torch":
        import torch

        return torch.no_grad()(function)
    return function


def _of_any_rows(function: Callable) -> Callable:
    """Return a function of TensorFlow, compiled once for any number of rows."""
    from tfepi.startup import import_tensorflow

    tf = import_tensorflow()
    traced, made = tf.function(function, autograph=False), {}

    def run(*args):
        specs = keras.tree.map_structure(
            lambda t: tf.TensorSpec([None, *t.shape[1:]], t.dtype), args
        )
        key = repr(specs)
        if key not in made:
            made[key] = traced.get_concrete_function(*specs)
        return made[key](*args)

    return run
