"""Do a model's bins lie evenly on its sequence?"""

import re

import keras

from tfepi import geometry
from tfepi.layers import CenterSlice
from tfepi.model_params import head_key
from tfrecords_tools.errors import ConfigError

_PLACE = re.compile(r"(?P<section>.*)_(?P<number>\d+)_\D.*")
_STRIDED = (keras.layers.Conv1D, keras.layers.SeparableConv1D, keras.layers.MaxPooling1D)


def check_alignment(model: keras.Model, trunk: list[dict], heads: dict[str, list[dict]]) -> None:
    """Check that the bins of each head cover the middle of the sequence.

    Then they leave out as many bp before the first as after the last, as data does. Where a
    pooling does not divide the length, Keras pads or drops more on one side, which shifts all
    bins. A head that joins all positions has no bins.

    Args:
        model: made of trunk and heads by `tfepi.models.basenji`.
        trunk, heads: their blocks.

    Raises:
        ConfigError: naming the block, its size and the length it has there; or a bin is no whole
            number of bp.
    """
    length = model.get_layer("sequence").output.shape[1]
    several = isinstance(model.output, dict)
    for head, blocks in heads.items():
        width = geometry.bin_width(model, head if several else None)
        bins = (model.output[head] if several else model.output).shape[1]
        if width is None and bins > 1 and length % bins:
            raise ConfigError(
                f"model.{head_key(head)}: {bins} bins on {length} bp have no whole number of bp: "
                "change the strides of the blocks before"
            )
        if width is None:
            continue
        sections = {"trunk": ("trunk", trunk), f"head_{head}": (head_key(head), blocks)}
        for layer in model.layers:
            place = _PLACE.fullmatch(layer.name)
            if not place or place["section"] not in sections:
                continue
            key, among = sections[place["section"]]
            number = int(place["number"]) - 1
            name = among[number]["name"]
            reason, shifted = _remainder(layer, name)
            if shifted or (reason and bins * width > length):
                raise ConfigError(
                    f"model.{key}[{number}], {name}: {reason}, so the {bins} bins of "
                    f"{width} bp would not lie evenly on the sequence of {length} bp: change it, "
                    "or seq_length"
                )


def _remainder(layer: keras.Layer, block: str) -> tuple[str, bool]:
    """Return how a layer does not fit its length, or "", and whether the two ends then differ."""
    if block == "Cropping1D":
        left, right = layer.cropping
        return ("", False) if left == right else (f"cropping is {left} and {right}", True)
    if isinstance(layer, CenterSlice):
        length = layer.input.shape[1]
        if (length - layer.center) % 2 == 0:
            return "", False
        return f"center {layer.center} leaves an odd rest of length {length}", True
    if not isinstance(layer, _STRIDED):
        return "", False
    length = layer.input.shape[1]
    pooling = isinstance(layer, keras.layers.MaxPooling1D)
    ((size,), (stride,)) = (layer.pool_size if pooling else layer.kernel_size, layer.strides)
    reason = f"{'pool_size' if pooling else 'stride'} {stride} does not divide length {length}"
    if layer.padding == "valid":
        rest = (length - size) % stride
        return reason if rest else "", rest > 0
    rest = -length % stride  # what Keras pads, half of it on either side
    return reason if rest else "", rest % 2 > 0
