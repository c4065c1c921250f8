"""Adapting a pretrained model to new data: what is trained, and the few weights that are added.

`adapt` returns a new model and leaves the given one as it is. It works on the graph of any
functional model, so no model knows of adapters.
"""

from dataclasses import dataclass, field

import keras

from tfepi.layers.adapters import (
    PROJECTIONS,
    Adapted,
    IA3Attention,
    IA3Dense,
    LoraAttention,
    LoraConv1D,
)
from tfepi.layers.attention import MultiheadAttention
from tfepi.layers.batch_norm import BatchNorm
from tfepi.models.layer_names import is_head
from tfepi.training.layer_rates import frozen_layers
from tfepi.training.transfer import residual_branches, trunk_layers
from tfepi.transfer_params import TransferParams
from tfrecords_tools.errors import ConfigError

# Baskerville's start of new kernels: close to zero, not zero, as two zero kernels never move.
_SMALL = {"class_name": "TruncatedNormal", "config": {"stddev": 1e-3}}
_MARK = "_adapter"


def adapt(model: keras.Model, transfer: TransferParams) -> keras.Model:
    """Return a copy of a model, set up for transfer; its predictions are the model's at first.

    Heads (layers whose names start with "head") are trained in every mode, unless `freeze` names
    them. Layers of batch norm that are frozen use their moving averages; those of the trunk do so
    too where `batch_norm` is "frozen", and have their scales and offsets trained. Dropout has no
    weights and stays active. Compile after this.

    Args:
        model: functional, with the pretrained weights.
        transfer: the transfer section of params.json.

    Raises:
        ConfigError: no functional model, one that has adapters, no layer that the adapter
            applies to or that a pattern of `freeze` matches, or a rank larger than a layer's
            outputs.
    """
    _check(model)
    for layer in model.layers:
        if isinstance(layer, Adapted) or _MARK in layer.name:
            raise ConfigError(
                f"model {model.name!r} has an adapter already, {layer.name!r}: merge it first, or "
                "go on with the pretrained model"
            )
    plan = _plan(model, transfer)
    frozen = frozen_layers(model, transfer.freeze)

    def copy(layer):
        config = layer.get_config()
        trained = transfer.mode == "full" or is_head(layer.name) or layer.name in plan.trained
        config["trainable"] = trained and layer.name not in frozen
        kind, arguments = plan.replaced.get(layer.name, (type(layer), {}))
        return kind.from_config({**config, **arguments})

    def call(layer, *args, **kwargs):
        if layer.name in plan.before:
            place, insert = plan.before[layer.name]
            inputs = list(args[0])
            inputs[place] = insert(inputs[place])
            args = (inputs, *args[1:])
        output = layer(*args, **kwargs)
        return plan.after[layer.name](output) if layer.name in plan.after else output

    adapted = keras.models.clone_model(model, clone_function=copy, call_function=call)
    for layer in model.layers:
        new = adapted.get_layer(layer.name)
        weights = new.pretrained if isinstance(new, Adapted) else new.weights
        for ours, theirs in zip(weights, layer.weights, strict=True):
            ours.assign(theirs)
    return adapted


def merge(model: keras.Model) -> keras.Model:
    """Return a copy of a model with LoRA, LoCon and IA³ merged into ordinary layers.

    The copy has the layers and weights of the pretrained model's params, all of them trainable,
    and predicts what the adapted model does.

    Args:
        model: of `adapt`.

    Raises:
        ConfigError: no functional model, or none of its adapters can be merged: Houlsby's and
            squeeze-excite are layers of their own.
    """
    _check(model)
    if not any(isinstance(layer, Adapted) for layer in model.layers):
        raise ConfigError(
            f"model {model.name!r} has no LoRA, LoCon or IA³ layer to merge: use it as it is"
        )

    def copy(layer):
        plain = layer.plain() if isinstance(layer, Adapted) else layer
        return type(plain).from_config({**plain.get_config(), "trainable": True})

    merged = keras.models.clone_model(model, clone_function=copy)
    for layer in model.layers:
        weights = layer.weights
        if isinstance(layer, Adapted):
            weights = [layer.as_used(w) for w in layer.pretrained]
        for ours, theirs in zip(merged.get_layer(layer.name).weights, weights, strict=True):
            ours.assign(theirs)
    return merged


def parameter_counts(model: keras.Model) -> tuple[int, int]:
    """Return the numbers of trained and of all parameters."""
    trained, every = (
        sum(int(keras.ops.size(w)) for w in weights)
        for weights in (model.trainable_weights, model.weights)
    )
    return trained, every


@dataclass
class _Plan:
    """What changes, by the layers' names.

    Attributes:
        replaced: the class and further arguments of the layer that stands in.
        before: which of its inputs goes through new layers.
        after: new layers for its output.
        trained: layers of the trunk that are trained.
    """

    replaced: dict = field(default_factory=dict)
    before: dict = field(default_factory=dict)
    after: dict = field(default_factory=dict)
    trained: set = field(default_factory=set)

    def replace(self, layers, kind, **arguments):
        for layer in layers:
            self.replaced[layer.name] = (kind, arguments)
            self.trained.add(layer.name)


def _check(model: keras.Model) -> None:
    if isinstance(model, keras.Sequential) or not hasattr(model, "operations"):
        raise ConfigError(f"model {model.name!r} is no functional model: it cannot be adapted")
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            raise ConfigError(
                f"model {model.name!r} holds another model, {layer.name!r}: only the layers of "
                "flat models can be adapted"
            )


def _plan(model: keras.Model, transfer: TransferParams) -> _Plan:
    plan, adapter = _Plan(), transfer.adapter
    if adapter is None:
        if transfer.mode == "full" and transfer.batch_norm == "frozen":
            for layer in trunk_layers(model, keras.layers.BatchNormalization):
                plan.replaced[layer.name] = (BatchNorm, {"frozen": True})
        return plan
    if adapter in ("lora", "lora_full", "lora_conv"):
        _lora(plan, _found(model, transfer, MultiheadAttention, "an attention layer"), transfer)
    if adapter == "lora_conv":
        convolutions = _found(model, transfer, keras.layers.Conv1D, "a convolution")
        plan.trained |= {x.name for x in _selected(convolutions, transfer)}
    if adapter == "locon":
        _locon(plan, model, transfer)
    if adapter == "ia3":
        _ia3(plan, model, transfer)
    if adapter in ("houlsby", "houlsby_se"):
        _houlsby(plan, model, transfer)
    if adapter in ("se", "houlsby_se"):
        _squeeze_excite(plan, model, transfer)
    return plan


def _found(model, transfer, kind, noun) -> list:
    layers = trunk_layers(model, kind)
    if not layers:
        raise _nothing(model, transfer, noun)
    return layers


def _nothing(model, transfer, noun) -> ConfigError:
    return ConfigError(
        f"transfer.adapter {transfer.adapter!r} needs {noun}, and the trunk of model "
        f"{model.name!r} has none: choose another adapter, or mode 'linear'"
    )


def _selected(convolutions: list, transfer: TransferParams, first: bool = True) -> list:
    """Return the last `conv_select` convolutions; without `first`, the first never counts."""
    usable = convolutions if first else convolutions[1:]
    if transfer.conv_select is None:
        return usable
    if transfer.conv_select > len(usable):
        raise ConfigError(
            f"transfer.conv_select is {transfer.conv_select}, but adapter {transfer.adapter!r} "
            f"can have {len(usable)} of the trunk's {len(convolutions)} convolutions: want at most "
            f"{len(usable)}, or null for all"
        )
    return usable[-transfer.conv_select :]


def _lora(plan: _Plan, attention: list, transfer: TransferParams) -> None:
    projections = PROJECTIONS if transfer.adapter == "lora_full" else ("query", "value")
    plan.replace(
        attention,
        LoraAttention,
        latent=transfer.adapter_latent,
        alpha=transfer.lora_alpha,
        projections=projections,
    )


def _locon(plan: _Plan, model: keras.Model, transfer: TransferParams) -> None:
    _lora(plan, trunk_layers(model, MultiheadAttention), transfer)
    convolutions = _found(model, transfer, keras.layers.Conv1D, "a convolution")
    selected = _selected(convolutions, transfer)
    if selected[0] is convolutions[0]:
        # It reads four channels: a low rank would save nothing.
        plan.trained.add(selected.pop(0).name)
    plan.replace(selected, LoraConv1D, latent=transfer.conv_latent, alpha=transfer.locon_alpha)


def _ia3(plan: _Plan, model: keras.Model, transfer: TransferParams) -> None:
    plan.replace(_found(model, transfer, MultiheadAttention, "an attention layer"), IA3Attention)
    dense = [branch.feed_forward for branch in residual_branches(model)]
    plan.replace([layer for layer in dense if layer is not None], IA3Dense)


def _houlsby(plan: _Plan, model: keras.Model, transfer: TransferParams) -> None:
    branches = [b for b in residual_branches(model) if b.is_sublayer]
    if not branches:
        raise _nothing(model, transfer, "a residual branch of attention or dense layers")
    for branch in branches:
        plan.before[branch.add.name] = (branch.place, _bottleneck(branch, transfer.adapter_latent))
    plan.trained |= {x.name for x in trunk_layers(model, keras.layers.LayerNormalization)}


def _bottleneck(branch, latent: int):
    """Return a function that adds x + dense(ReLU(dense(x))) (Houlsby et al. 2019, §2.1)."""
    name, settings = f"{branch.add.name}{_MARK}", {"dtype": branch.add.dtype_policy}
    down = keras.layers.Dense(
        latent, activation="relu", kernel_initializer=_SMALL, name=f"{name}_down", **settings
    )
    up = keras.layers.Dense(
        branch.channels, kernel_initializer="zeros", name=f"{name}_up", **settings
    )
    add = keras.layers.Add(name=f"{name}_add", **settings)
    return lambda x: add([x, up(down(x))])


def _squeeze_excite(plan: _Plan, model: keras.Model, transfer: TransferParams) -> None:
    convolutions = _found(model, transfer, keras.layers.Conv1D, "a convolution")
    selected = _selected(convolutions, transfer, first=False)
    if not selected:
        raise _nothing(model, transfer, "a second convolution")
    for layer in selected:
        plan.after[layer.name] = _gate(layer, transfer.conv_latent)


def _gate(layer, latent: int):
    """Return a function that adds x + x·tanh(dense(ReLU(dense(mean of x over positions)))).

    The gate of Hu et al. (2018), §3, with tanh for the sigmoid, so that it can start at none.
    """
    name, settings = f"{layer.name}{_MARK}", {"use_bias": False, "dtype": "float32"}
    mean = keras.layers.GlobalAveragePooling1D(keepdims=True, name=f"{name}_mean", dtype="float32")
    down = keras.layers.Dense(
        latent, activation="relu", kernel_initializer=_SMALL, name=f"{name}_down", **settings
    )
    up = keras.layers.Dense(
        layer.filters, activation="tanh", kernel_initializer="zeros", name=f"{name}_up", **settings
    )
    scale = keras.layers.Multiply(name=f"{name}_scale", dtype=layer.dtype_policy)
    add = keras.layers.Add(name=f"{name}_add", dtype=layer.dtype_policy)
    return lambda x: add([x, scale([x, up(down(mean(x)))])])
