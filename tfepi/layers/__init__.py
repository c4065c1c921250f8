"""Keras layers of this package: one primitive each, plain `keras.ops`, registered as tfepi>…"""

from tfepi.layers.activation import ACTIVATIONS, Exp, Gelu, PolyReLU, Softplus, activation
from tfepi.layers.adapters import IA3Attention, IA3Dense, LoraAttention, LoraConv1D
from tfepi.layers.attention import MultiheadAttention
from tfepi.layers.batch_norm import BatchNorm
from tfepi.layers.center import CenterAverage, CenterSlice
from tfepi.layers.dispersion import Dispersion
from tfepi.layers.factor import FactorInverse
from tfepi.layers.film import FiLM
from tfepi.layers.learned_position import LearnedPosition
from tfepi.layers.pooling import SoftmaxPool1D
from tfepi.layers.position import ConcatPosition
from tfepi.layers.scale import Scale
from tfepi.layers.symmetric_padding import SymmetricPadding1D
from tfepi.layers.weight_norm import WeightNormDense

__all__ = [
    "ACTIVATIONS",
    "BatchNorm",
    "CenterAverage",
    "CenterSlice",
    "ConcatPosition",
    "Dispersion",
    "Exp",
    "FiLM",
    "FactorInverse",
    "Gelu",
    "IA3Attention",
    "IA3Dense",
    "LearnedPosition",
    "LoraAttention",
    "LoraConv1D",
    "MultiheadAttention",
    "PolyReLU",
    "Scale",
    "SoftmaxPool1D",
    "Softplus",
    "SymmetricPadding1D",
    "WeightNormDense",
    "activation",
]
