"""The parts of a trunk-and-head model that Basenji stores as one layer each.

Most are one layer here too. Gates are several layers here (dense, dense, norm) and one there.
"""

import re
from dataclasses import dataclass

import keras

from tfepi.models.blocks import creation_order
from tfrecords_tools.errors import ConfigError

# Keras 2's names of the layers that hold weights, by the class that holds them here.
KINDS = {
    "Conv1D": "conv1d",
    "Conv1DTranspose": "conv1d_transpose",
    "SeparableConv1D": "separable_conv1d",
    "DepthwiseConv1D": "depthwise_conv1d",
    "Dense": "dense",
    "BatchNorm": "batch_normalization",
    "BatchNormalization": "batch_normalization",
    "LayerNormalization": "layer_normalization",
    "MultiheadAttention": "multihead_attention",
    "SoftmaxPool1D": "softmax_pool1d",
    "Scale": "scale",
}
ALIASES = {"sync_batch_normalization": "batch_normalization"}
# Gates: the parts of each, in the order in which Basenji makes them; a norm may be absent.
_GATES = {
    "squeeze_excite": (re.compile(r"(.*_\d+_.*_se)_(dense|norm)"), ("dense", "dense", "norm")),
    "wheeze_excite": (re.compile(r"(.*_\d+_wheeze_excite)_(dense)"), ("dense", "dense")),
    "global_context": (
        re.compile(r"(.*_\d+_global_context)_(dense|norm)"),
        ("dense", "dense", "norm", "dense"),
    ),
}
WHOLE = ("multihead_attention", "softmax_pool1d", "scale", *_GATES)
"""Kinds whose stored layers hold others; these are one unit."""


@dataclass(frozen=True)
class Unit:
    """What Basenji stores as one layer.

    Attributes:
        name: of the layer here; of a gate, the start of its layers' names.
        kind: Keras 2's name of the kind.
        layers: one, or a gate's.
    """

    name: str
    kind: str
    layers: tuple[keras.layers.Layer, ...]

    @property
    def weights(self) -> list:
        """Variables in Keras 2's order: what is trained, then the rest."""
        return [w for trained in (True, False) for w in self._weights(trained)]

    def _weights(self, trained: bool) -> list:
        lists = (x.trainable_weights if trained else x.non_trainable_weights for x in self.layers)
        return [w for weights in lists for w in weights]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the weights."""
        return [tuple(w.shape) for w in self.weights]


def stored_units(model: keras.Model) -> list[Unit]:
    """Return the units of a model of `tfepi.models.basenji`, in the order of their creation.

    Raises:
        ConfigError: a layer that Basenji does not have, such as an adapter.
    """
    units: list[Unit] = []
    gates: dict[tuple[str, str], dict[str, list]] = {}
    for layer in creation_order(model):
        kind, name, part = _gate(
            layer.name.replace("batch_norm", "norm").replace("layer_norm", "norm")
        )
        if kind:
            if (kind, name) not in gates:
                gates[kind, name] = {"dense": [], "norm": []}
                units.append(Unit(name, kind, ()))  # keeps the place
            gates[kind, name][part].append(layer)
        else:
            class_name = type(layer).__name__
            if class_name not in KINDS:
                raise ConfigError(
                    f"layer {layer.name} is a {class_name}, which Basenji does not have: merge "
                    "adapters first"
                )
            units.append(Unit(layer.name, KINDS[class_name], (layer,)))
    found: list[Unit] = []
    for unit in units:
        found += [unit] if unit.layers else _gates_of(unit, gates[unit.kind, unit.name])
    return found


def _gate(name: str) -> tuple[str | None, str, str]:
    for kind, (pattern, _) in _GATES.items():
        if match := pattern.match(name):
            return kind, match[1], match[2]
    return None, name, ""


def _gates_of(unit: Unit, parts: dict[str, list]) -> list[Unit]:
    """Return the gates of one block, of which a tower has several."""
    left = {part: list(layers) for part, layers in parts.items()}
    found = []
    while left["dense"]:
        order = _GATES[unit.kind][1]
        layers = tuple(left[part].pop(0) for part in order if left[part])
        name = unit.name if not found else f"{unit.name}{len(found) + 1}"
        found.append(Unit(name, unit.kind, layers))
    return found
