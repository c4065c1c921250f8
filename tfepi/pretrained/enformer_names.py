"""Names of Enformer's weights: here, in DeepMind's checkpoints and in torch's state dicts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

_POOLED_BLOCKS = 6  # after the stem, which has one

# Weight here, below a module of Sonnet, below a module of torch, and from the one's axes to the
# other's: k positions, i inputs, o outputs, c channels, 1 an axis of size 1.
_NORM = (
    ("gamma", "scale", "weight", "same"),
    ("beta", "offset", "bias", "same"),
    # Sonnet's averages are corrected for their start at zero; `_hidden` is not.
    ("moving_mean", "moving_mean/average", "running_mean", "11c->c"),
    ("moving_variance", "moving_variance/average", "running_var", "11c->c"),
)
_CONV = (("kernel", "w", "weight", "kio->oik"), ("bias", "b", "bias", "same"))
_POOL = (("kernel", "_logit_linear/w", "to_attn_logits.weight", "io->oi11"),)
_LAYER_NORM = _NORM[:2]
_DENSE = (("kernel", "w", "weight", "io->oi"), ("bias", "b", "bias", "same"))
_ATTENTION = (
    ("query_kernel", "_q_layer/w", "to_q.weight", "io->oi"),
    ("key_kernel", "_k_layer/w", "to_k.weight", "io->oi"),
    ("value_kernel", "_v_layer/w", "to_v.weight", "io->oi"),
    ("output_kernel", "_embedding_layer/w", "to_out.weight", "io->oi"),
    ("output_bias", "_embedding_layer/b", "to_out.bias", "same"),
    ("position_kernel", "_r_k_layer/w", "to_rel_k.weight", "io->oi"),
    ("content_bias", "_r_w_bias", "rel_content_bias", "same"),
    ("position_bias", "_r_r_bias", "rel_pos_bias", "same"),
)
Transform = Callable[[np.ndarray], np.ndarray]
# Arrays here have Sonnet's axes, but for those of size 1. A reshape fails where they are not.
FROM_CHECKPOINT: dict[str, Transform] = {"11c->c": lambda a: a.reshape(a.shape[-1:])}
FROM_TORCH: dict[str, Transform] = {
    "kio->oik": lambda a: a.transpose(2, 1, 0),
    "io->oi": lambda a: a.transpose(1, 0),
    "io->oi11": lambda a: a.reshape(a.shape[:2]).T,
}


@dataclass(frozen=True)
class Name:
    """One weight of Enformer under its three names.

    Attributes:
        layer: of `tfepi.models.enformer`.
        weight: of the layer, as Keras calls it.
        checkpoint: path from the Sonnet module to the variable, through its attributes.
        torch: key of the state dict of enformer-pytorch.
        layout: from the axes in the checkpoint to those in torch, a key of `FROM_TORCH` and
            `FROM_CHECKPOINT` where arrays here differ.
    """

    layer: str
    weight: str
    checkpoint: str
    torch: str
    layout: str


def enformer_names(
    transformer_layers: int = 11, heads: Sequence[str] = ("human", "mouse")
) -> tuple[Name, ...]:
    """Return the names of every weight, in the order of the layers.

    Args:
        transformer_layers: of the model.
        heads: names of its heads; none for the trunk alone.
    """
    found: list[Name] = []

    def add(layer: str, weights: tuple, checkpoint: str, torch: str) -> None:
        found.extend(
            Name(layer, weight, f"{checkpoint}/{key}", f"{torch}.{torch_key}", layout)
            for weight, key, torch_key, layout in weights
        )

    def add_pointwise_and_pool(name: str, checkpoint: str, torch: str) -> None:
        inner = f"{checkpoint}/1/_module/_layers"
        add(f"{name}_pointwise_norm", _NORM, f"{inner}/0", f"{torch}.1.fn.0")
        add(f"{name}_pointwise_conv", _CONV, f"{inner}/2", f"{torch}.1.fn.2")
        add(f"{name}_pool", _POOL, f"{checkpoint}/2", f"{torch}.2")

    stem = "_trunk/_layers/0/_layers"
    add("stem_conv", _CONV, f"{stem}/0", "stem.0")
    add_pointwise_and_pool("stem", stem, "stem")
    for number in range(_POOLED_BLOCKS):
        name, torch = f"tower{number + 1}", f"conv_tower.{number}"
        block = f"_trunk/_layers/1/_layers/{number}/_layers"
        add(f"{name}_norm", _NORM, f"{block}/0/_layers/0", f"{torch}.0.0")
        add(f"{name}_conv", _CONV, f"{block}/0/_layers/2", f"{torch}.0.2")
        add_pointwise_and_pool(name, block, torch)
    for number in range(transformer_layers):
        name, torch = f"transformer{number}", f"transformer.{number}"
        block = f"_trunk/_layers/2/_layers/{number}/_layers"
        inner = f"{block}/0/_module/_layers"
        add(f"{name}_attention_norm", _LAYER_NORM, f"{inner}/0", f"{torch}.0.fn.0")
        add(f"{name}_attention", _ATTENTION, f"{inner}/1", f"{torch}.0.fn.1")
        inner = f"{block}/1/_module/_layers"
        add(f"{name}_norm", _LAYER_NORM, f"{inner}/0", f"{torch}.1.fn.0")
        add(f"{name}_hidden", _DENSE, f"{inner}/1", f"{torch}.1.fn.1")
        add(f"{name}_output", _DENSE, f"{inner}/4", f"{torch}.1.fn.4")
    final = "_trunk/_layers/4/_layers/0/_layers"
    add("final_norm", _NORM, f"{final}/0", "final_pointwise.1.0")
    add("final_conv", _CONV, f"{final}/2", "final_pointwise.1.2")
    for head in heads:
        add(f"head_{head}_dense", _DENSE, f"_heads/{head}/_layers/0", f"_heads.{head}.0")
    return tuple(found)
