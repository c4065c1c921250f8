"""Which layers of a model are trained, and how fast, by the names of the layers.

Patterns are those of the shell ("conv*"). They are held against the layers that have weights,
since the others have nothing to train.
"""

from fnmatch import fnmatchcase

import keras

from tfepi.models.layer_names import layer_group
from tfepi.transfer_params import TransferParams
from tfrecords_tools.errors import ConfigError

_NORMS = (
    keras.layers.BatchNormalization,
    keras.layers.LayerNormalization,
    keras.layers.GroupNormalization,
)
_VECTORS = ("bias", "gamma", "beta")  # in the name of a weight that no matrix multiplies with


def layer_groups(model: keras.Model) -> list[str]:
    """Return the groups of a model's layers with weights, from the input to the heads."""
    groups = dict.fromkeys(layer_group(layer.name) for layer in _weighted(model))
    return sorted(groups, key=lambda group: group == "head")


def frozen_layers(model: keras.Model, patterns: tuple[str, ...]) -> set[str]:
    """Return the names of the layers that `transfer.freeze` names.

    Raises:
        ConfigError: a pattern of no layer, or patterns of all.
    """
    layers = _weighted(model)
    frozen = set()
    for pattern in patterns:
        frozen |= set(_matching(model, layers, pattern, "freeze"))
    if layers and frozen == {layer.name for layer in layers}:
        raise ConfigError(
            f"transfer.freeze {', '.join(map(repr, patterns))} leaves no layer to train: leave "
            "out the patterns of those that should be"
        )
    return frozen


def variable_rates(model: keras.Model, transfer: TransferParams) -> dict[str, float]:
    """Return the factor on the learning rate of each weight that has another than 1, by path.

    Args:
        model: with its layers frozen, if any are.
        transfer: with `rates`, of which the first pattern that matches a layer holds, or
            `layer_decay`, to the power of the number of groups between a layer and the heads:
            1 for the heads, `layer_decay` for the group before them.

    Raises:
        ConfigError: a pattern of no layer that is trained, or of none that an earlier pattern
            has left.
    """
    factors: dict[str, float] = {}
    layers = [layer for layer in _weighted(model) if layer.trainable_weights]
    for pattern, factor in transfer.rates.items():
        matching = _matching(model, layers, pattern, "rates")
        left = [name for name in matching if name not in factors]
        if not left:
            raise ConfigError(
                f"transfer.rates has no layer left for {pattern!r}, since the patterns before it "
                "match all of its layers: put it first, or leave it out"
            )
        factors |= dict.fromkeys(left, float(factor))
    if transfer.layer_decay is not None:
        groups = layer_groups(model)
        for layer in layers:
            depth = len(groups) - 1 - groups.index(layer_group(layer.name))
            factors[layer.name] = float(transfer.layer_decay) ** depth
    return {
        weight.path: factors[layer.name]
        for layer in layers
        for weight in layer.trainable_weights
        if factors.get(layer.name, 1.0) != 1.0
    }


def undecayed_variables(model: keras.Model) -> tuple[str, ...]:
    """Return the paths of the weights that `weight_decay_on` "kernels" leaves out.

    These are biases, all weights of norms, whatever their shape, and other vectors and numbers.
    """
    return tuple(
        weight.path
        for layer in _weighted(model)
        for weight in layer.trainable_weights
        if isinstance(layer, _NORMS)
        or len(weight.shape) < 2
        or any(word in weight.name for word in _VECTORS)
    )


def _weighted(model: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in model.layers if layer.weights]


def _matching(model: keras.Model, layers: list, pattern: str, key: str) -> list[str]:
    """Return the names of the layers that match, at least one."""
    found = [layer.name for layer in layers if fnmatchcase(layer.name, pattern)]
    if not found:
        names = [layer.name for layer in layers]
        members = {
            group: [n for n in names if layer_group(n) == group] for group in layer_groups(model)
        }
        shown = [f"{g}*" if m != [g] else g for g, m in members.items() if m]
        raise ConfigError(
            f"transfer.{key} has {pattern!r}, which matches no layer that can be trained; there "
            f"are {', '.join(shown)}"
        )
    return found
