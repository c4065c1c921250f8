"""Weights of Borzoi as borzoi-pytorch publishes them (Hingerl et al. 2024), in our own model.

Its layers compute what the trunk and heads of the preset `borzoi` do; names and layouts differ.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tfepi.layers import MultiheadAttention
from tfepi.model_params import BASENJI
from tfepi.models import choose_heads, make_model
from tfepi.params import Params, read_params
from tfepi.pretrained.basenji import h5_spec
from tfepi.pretrained.state_dict import Row, assign, read_state_dict
from tfepi.spec import ModelSpec
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.targets import Target

_TRUNK = ("conv_dna", "res_tower", "transformer_tower", "unet_conv", "unet_conv", "conv_nac")
_HEAD = re.compile(r"([A-Za-z]\w*)_head\.(?:weight|bias)", re.ASCII)


def _dense(kernel: np.ndarray) -> np.ndarray:
    """Return [in, out] of [out, in], or of the [out, in, 1] of a convolution of width 1."""
    return (kernel if kernel.ndim == 2 else kernel.squeeze(2)).T


# Names in torch and transforms, by variable.
_BIAS = {"bias": ("bias", None)}
_NORM = {"gamma": ("weight", None), "beta": ("bias", None)}
_PARTS = {
    keras.layers.Conv1D: _BIAS | {"kernel": ("weight", np.transpose)},
    keras.layers.Dense: _BIAS | {"kernel": ("weight", _dense)},
    keras.layers.SeparableConv1D: {
        "depthwise_kernel": ("0.weight", lambda kernel: kernel.transpose(2, 0, 1)),
        "pointwise_kernel": ("1.weight", np.transpose),
        "bias": ("1.bias", None),
    },
    keras.layers.LayerNormalization: _NORM,
    keras.layers.BatchNormalization: _NORM
    | {"moving_mean": ("running_mean", None), "moving_variance": ("running_var", None)},
    MultiheadAttention: {
        "content_bias": ("rel_content_bias", None),
        "position_bias": ("rel_pos_bias", None),
        "query_kernel": ("to_q.weight", np.transpose),
        "key_kernel": ("to_k.weight", np.transpose),
        "value_kernel": ("to_v.weight", np.transpose),
        "position_kernel": ("to_rel_k.weight", np.transpose),
        "output_kernel": ("to_out.weight", np.transpose),
        "output_bias": ("to_out.bias", None),
    },
}


def borzoi_torch(
    weights: str | Path | Mapping[str, np.ndarray],
    params: str | Path | Params = "borzoi",
    heads: Sequence[str] | None = None,
) -> keras.Model:
    """Return Borzoi with the weights of a borzoi-pytorch model.

    Args:
        weights: its state dict: model.safetensors as published (one replicate with the head of
            one species), a .bin, .pt or .pth file of torch, or arrays by name.
        params: of the model: a params.json, a preset's name, or parameters that have been read.
            The trunk has Borzoi's blocks; their sizes are free.
        heads: names of the params' heads, for instance ["human"] [all that the weights have].

    Returns:
        Model from {"sequence": float32 [batch, seq_length, 4]} to [batch, bins, targets], with
        several heads to a dict of these by name.

    Raises:
        InputFileError: no such file, damaged, no state dict, or weights that are no finite numbers.
        ConfigError: params of another model, a head that the weights or the params do not have,
            arrays that are missing or left over (all of them), or the first of another shape.
    """
    where, named = _opened(weights)
    params = params if isinstance(params, Params) else read_params(params, training=False)
    _check_trunk(params)
    stored = stored_heads(named, where)
    chosen = list(stored if heads is None else heads)
    section = choose_heads(params.model, chosen)
    for head in chosen:
        if head not in stored:
            raise ConfigError(
                f"{where} has the head {' and '.join(stored)}, not {head!r}: give the weights that "
                "were published with it"
            )
    others = [name for name in named if (m := _HEAD.fullmatch(name)) and m[1] not in chosen]
    model = make_model(section, None)
    assign(named, torch_rows(model, params), where, unused=others)
    return model


def borzoi_spec(
    weights: str | Path | Mapping[str, np.ndarray],
    params: Params,
    targets: Sequence[Target] | None = None,
    head: str | None = None,
) -> ModelSpec:
    """Return the contract of the model that `borzoi_torch` makes of the same weights and params.

    Args:
        weights, params: as there.
        targets: table of a head's outputs, or of some of them; the index says which. None: outputs
            are numbered.
        head: the head that the table is of, where the weights have several.

    Raises:
        InputFileError: no such file, damaged, no state dict.
        ConfigError: params of another model, an unknown head, a table without its head or that
            does not fit the number of outputs.
    """
    where, named = _opened(weights)
    _check_trunk(params)
    heads = stored_heads(named, where)
    if head is not None and head not in heads:
        raise unknown("head", head, heads, f"of {where}")
    if targets and head is None and len(heads) > 1:
        raise ConfigError(f"{where} has the heads {', '.join(heads)}: name the table's with --head")
    tables = {head or heads[0]: targets}
    # Nothing in the contract depends on channels inside: without them the trunk is made at once.
    trunk = [_narrow(block) for block in params.model.keywords["trunk"]]
    section = replace(params.model, keywords=params.model.keywords | {"trunk": trunk})
    narrow = replace(params, model=section)
    specs = [h5_spec(narrow, tables.get(name), name) for name in heads]
    return replace(specs[0], heads=tuple(spec.head() for spec in specs))


def stored_heads(named: Mapping[str, np.ndarray], where: str = "the state dict") -> list[str]:
    """Return the names of the heads that a state dict of borzoi-pytorch has weights of.

    Args:
        named: the arrays by name.
        where: they are of, for messages.

    Raises:
        ConfigError: none, or a model with other attention than Borzoi's (Flashzoi).
    """
    if any(".mha." in name for name in named):
        raise ConfigError(
            f"{where} is of Flashzoi, whose attention has rotary positions: that is another model; "
            "give the weights of a Borzoi"
        )
    found = dict.fromkeys(m[1] for name in named if (m := _HEAD.fullmatch(name)))
    if not found:
        raise ConfigError(
            f"{where} has no head (human_head.weight, mouse_head.weight): give the state dict of a "
            "whole Borzoi of borzoi-pytorch"
        )
    return list(found)


def _opened(weights: str | Path | Mapping) -> tuple[str, Mapping[str, np.ndarray]]:
    """Return what messages call the weights, and the arrays."""
    if isinstance(weights, Mapping):
        return str(getattr(weights, "source", "the state dict")), weights
    if not Path(weights).exists():
        raise InputFileError(
            f"weight file {weights} does not exist: check the path; Borzoi is published for torch "
            "at huggingface.co/johahi/borzoi-replicate-0 (to -3, and -mouse), its licence there"
        )
    return str(weights), read_state_dict(weights)


def _narrow(block: dict) -> dict:
    """Return a block of the trunk with one channel, and as many positions."""
    sizes = {
        "conv_dna": {"filters": 1},
        "res_tower": {"filters_init": 1, "filters_end": 1, "filters_mult": None, "divisible_by": 1},
        "transformer_tower": {"heads": 1, "key_size": 1, "repeat": 1},
        "conv_nac": {"filters": 1},
    }
    return block | sizes.get(block["name"], {})


def _check_trunk(params: Params) -> None:
    trunk = params.model.keywords.get("trunk", []) if params.model.name == BASENJI else []
    blocks = [block["name"] for block in trunk]
    # Cropping has no weights, and borzoi-pytorch has it where it is wanted.
    if tuple(name for name in blocks if name != "Cropping1D") != _TRUNK:
        has = f"the trunk {', '.join(blocks)}" if blocks else f"the model {params.model.name!r}"
        raise ConfigError(
            f"the params are not of a Borzoi: they have {has}, want {', '.join(_TRUNK)}"
        )


def torch_rows(model: keras.Model, params: Params) -> list[Row]:
    """Return, for each variable of a Borzoi, the name of its array in torch and the transform.

    Args:
        model: of all or some heads of the params.
        params: with Borzoi's trunk.

    Raises:
        ConfigError: a layer that borzoi-pytorch does not have.
    """
    modules = _modules(params)
    rows: list[Row] = []
    for layer in model.layers:
        parts = _PARTS.get(type(layer), {})
        for variable in layer.weights:
            if layer.name not in modules or variable.name not in parts:
                raise ConfigError(
                    f"{variable.name} of layer {layer.name} has no counterpart in borzoi-pytorch: "
                    "give the params of the published Borzoi, or of one of other sizes"
                )
            part, transform = parts[variable.name]
            rows.append((f"{modules[layer.name]}.{part}", variable, transform))
    return rows


def _modules(params: Params) -> dict[str, str]:
    """Return the names of borzoi-pytorch's modules by the names of the layers here."""
    trunk = params.model.keywords["trunk"]
    places = [(f"trunk_{n}_{b['name']}", b) for n, b in enumerate(trunk, 1)]
    places = [(name, block) for name, block in places if block["name"] != "Cropping1D"]
    (stem, _), (tower, steps), (transformer, depth), *unets, (last, _) = places
    steps, depth = steps.get("repeat", 1), depth.get("repeat", 2)
    modules = {f"{stem}_conv": "conv_dna.conv_layer"}
    for step in range(steps):
        # The last step stands alone there, because a U-Net step joins it.
        module = f"res_tower.{2 * step}" if step < steps - 1 else "unet1.1"
        modules[f"{tower}_batch_norm{_nth(step)}"] = f"{module}.norm"
        modules[f"{tower}_conv{_nth(step)}"] = f"{module}.conv_layer"
    for block in range(depth):
        attention, dense = f"transformer.{block}.0.fn", f"transformer.{block}.1.fn"
        modules[f"{transformer}_layer_norm{_nth(2 * block)}"] = f"{attention}.0"
        modules[f"{transformer}_attention{_nth(block)}"] = f"{attention}.1"
        modules[f"{transformer}_layer_norm{_nth(2 * block + 1)}"] = f"{dense}.0"
        modules[f"{transformer}_dense{_nth(2 * block)}"] = f"{dense}.1"
        modules[f"{transformer}_dense{_nth(2 * block + 1)}"] = f"{dense}.4"
    for (unet, _), level in zip(unets, (1, 0), strict=True):
        for n, module in enumerate((f"upsampling_unet{level}.0", f"horizontal_conv{level}")):
            modules[f"{unet}_batch_norm{_nth(n)}"] = f"{module}.norm"
            modules[f"{unet}_dense{_nth(n)}"] = f"{module}.conv_layer"
        modules[f"{unet}_separable_conv"] = f"separable{level}.conv_layer"
    modules[f"{last}_batch_norm"] = "final_joined_convs.0.norm"
    modules[f"{last}_conv"] = "final_joined_convs.0.conv_layer"
    heads = params.model.keywords["heads"]
    return modules | {f"head_{head}_1_final_dense": f"{head}_head" for head in heads}


def _nth(place: int) -> str:
    """Return what ends the name of a block's layer of a kind, by its place from 0."""
    return str(place + 1) if place else ""
