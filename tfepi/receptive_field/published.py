"""The published models that are compared by name, as published or with fewer channels.

A field's length depends on kernels, strides and depth, not on the number of channels: the reduced
models keep the first three, so that a sweep takes minutes on a small machine.
"""

import json
from collections.abc import Mapping

from tfepi.params import parse_params, read_params
from tfepi.receptive_field.subjects import Subject
from tfrecords_tools.errors import ConfigError, unknown

_DEPTHS = range(1, 8)
_UNETS = {f"unet{depth}": {"name": "leopard_unet", "depth": depth} for depth in _DEPTHS}
_FEW = {"channels": 96, "width_rounding": 8, "transformer_layers": 2, "attention_heads": 4}
_REDUCED: dict[str, Mapping] = {
    "interact": {"kernels": 64, "hidden": 64, "layers": 2, "attention_heads": 4}
    | {"feed_forward": 128, "initializer_range": 0.1},
    "enformer": _FEW | {"key_size": 16, "output_heads": 16},
}
_PRESETS = {
    "basset": "basset",
    "basset_2016": "basset_2016",
    "basenji2": "basenji2",
    "interact": "interact_pretrain",
    "enformer": "enformer",
}
NAMES = (*_UNETS, *_PRESETS)
_TRUNK_SHARE, _TRUNK_UNITS = 8, 16  # of Basenji2's channels, and its targets


def published(text: str, full: bool = False) -> list[Subject]:
    """Return published models by name.

    Args:
        text: "all", or names of `NAMES` with commas; "unet1-7" is seven.
        full: with all channels; else those of large models are fewer, as their note says.

    Raises:
        ConfigError: an unknown name, or none.
    """
    names = NAMES if text.strip() == "all" else _listed(text)
    return [_subject(name, full) for name in dict.fromkeys(names)]


def _listed(text: str) -> list[str]:
    found = []
    for word in filter(None, (w.strip() for w in text.split(","))):
        first, dash, last = word.partition("-")
        if dash and first in _UNETS and f"unet{last}" in _UNETS:
            depths = range(int(first.removeprefix("unet")), int(last) + 1)
            found += [f"unet{depth}" for depth in depths]
        elif word in NAMES:
            found.append(word)
        else:
            raise unknown("published model", word, ("all", *NAMES), "in --published")
    if not found:
        raise ConfigError(f"--published is {text!r}: want all, or some of {', '.join(NAMES)}")
    return found


def _subject(name: str, full: bool) -> Subject:
    if name in _UNETS:
        return Subject(name, parse_params({"model": dict(_UNETS[name])}, name))
    params = read_params(_PRESETS[name], training=False)
    if full:
        return Subject(name, params)
    if name == "basenji2":
        model = json.loads(json.dumps(params.source["model"]))
        for block in model["trunk"]:
            for key in ("filters", "filters_init"):
                if key in block:
                    block[key] = max(1, block[key] // _TRUNK_SHARE)
        model["head"]["units"] = _TRUNK_UNITS
    elif name in _REDUCED:
        model = {k: v for k, v in params.source["model"].items() if k != "heads"}
        model |= _REDUCED[name]
    else:
        return Subject(name, params)
    return Subject(name, parse_params({"model": model}, name), note="reduced")
