"""Keras layers of this package: one primitive each, plain `keras.ops`, registered as tfepi>…"""

from tfepi.layers.activation import ACTIVATIONS, Gelu, activation

__all__ = ["ACTIVATIONS", "Gelu", "activation"]
