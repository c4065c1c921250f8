"""The model section of params.json: a model function's keywords, or Basenji's trunk and heads."""

import re
from dataclasses import dataclass, field

from tfrecords_tools.errors import ConfigError, unknown

BASENJI = "basenji"
_AUGMENT = ("augment_rc", "augment_shift")
# Model functions that take targets by head, and what stands for a head of each tissue of the data.
SEVERAL_HEADS = ("interact", "interact_celltype", "enformer")
TISSUES = "tissue"
_HEAD_NAME = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_DEFAULTS = {  # null leaves what the blocks have
    "activation": str,
    "norm_type": str,
    "bn_momentum": float,
    "l2_scale": float,
    "l1_scale": float,
    "padding": str,
    "kernel_initializer": str,
}


def is_whole(value: object, least: int = 1) -> bool:
    """Return whether a value of params.json is a whole number, of at least so much."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_pairs(value) -> bool:
    """Return whether this is a list of whole numbers, or a list of such lists, one a head."""
    if not isinstance(value, list):
        return False
    lists = value if value and isinstance(value[0], list) else [value]
    return all(isinstance(one, list) and all(is_whole(i, 0) for i in one) for one in lists)


_STATED = {
    "target_length": ("a number of bins", lambda v: v is None or is_whole(v)),
    "target_crop": ("a number of bins", lambda v: v is None or is_whole(v, 0)),
    "strand_pair": ("a list of target numbers, or one for each head", _is_pairs),
}
TRUNK_KEYS = ("seq_length", "trunk", "head", *_DEFAULTS, *_STATED, *_AUGMENT, "verbose")


@dataclass(frozen=True)
class ModelParams:
    """The model section.

    Attributes:
        name: a function of `tfepi.models.MODELS`, which checks the keywords; "basenji" for a
            trunk and heads.
        keywords: its keyword arguments.
        augment_rc: train on either strand.
        augment_shift: bp, train on sequences moved by up to this.
        stated: what a trunk-and-head section says of its outputs (`target_length`,
            `target_crop`, `strand_pair`), to be compared with the model and the data.
        heads: names of the heads of a model function of `SEVERAL_HEADS`, or "tissue" for one of
            each tissue of the data; None is one head, "output". Trunk-and-head sections have
            theirs among the keywords.
    """

    name: str
    keywords: dict = field(default_factory=dict)
    augment_rc: bool = False
    augment_shift: int = 0
    stated: dict = field(default_factory=dict)
    heads: tuple[str, ...] | str | None = None


def parse_model(model: dict, where: str) -> ModelParams:
    """Return the parameters of a params.json's model section.

    Args:
        model: the section.
        where: the file, for messages.

    Raises:
        ConfigError: a key that nothing reads, a value of the wrong kind, neither name nor trunk.
    """
    model = dict(model)
    augment = {k: model.pop(k) for k in _AUGMENT if k in model}
    if not isinstance(augment.get("augment_rc", False), bool):
        raise ConfigError(
            f"{where}: model.augment_rc is {augment['augment_rc']!r}, want true or false"
        )
    shift = augment.get("augment_shift", 0)
    if isinstance(shift, list) and len(shift) == 1:  # how the originals write "none"
        augment["augment_shift"] = shift = shift[0]
    if not is_whole(shift, 0):
        raise ConfigError(f"{where}: model.augment_shift is {shift!r}, want a number of bp")
    name = model.pop("name", BASENJI)
    if not isinstance(name, str):
        raise ConfigError(f"{where}: model.name is {name!r}, want the name of a model function")
    if name != BASENJI:
        heads = _heads(model.pop("heads", None), where) if name in SEVERAL_HEADS else None
        return ModelParams(name, model, **augment, heads=heads)
    if "trunk" not in model:
        raise ConfigError(
            f"{where}: model has neither 'trunk' (Basenji's blocks) nor 'name' (a model function, "
            'for instance "name": "basset")'
        )
    keywords, stated = _trunk_and_heads(model, where)
    return ModelParams(BASENJI, keywords, **augment, stated=stated)


def _heads(heads: object, where: str) -> tuple[str, ...] | str | None:
    """Return the names of a model function's heads, checked."""
    if heads is None or heads == TISSUES:
        return heads
    if not isinstance(heads, list) or not heads or not all(isinstance(h, str) for h in heads):
        raise ConfigError(
            f'{where}: model.heads is {heads!r}, want a list of names, for instance ["brain", '
            f'"blood"], or "{TISSUES}" for one of each tissue of the data'
        )
    for name in heads:
        check_head_name(name, f"{where}: model.heads")
        if heads.count(name) > 1:
            raise ConfigError(f"{where}: model.heads has {name!r} twice: name each head once")
    return tuple(heads)


def check_head_name(name: str, where: str) -> None:
    """Check that a name can be a part of the names of layers.

    Args:
        name: of a head.
        where: it stands, for messages.

    Raises:
        ConfigError: it cannot.
    """
    if not _HEAD_NAME.fullmatch(name):
        raise ConfigError(
            f"{where} has {name!r}, which cannot name a head: use letters, digits, '_', '.' and "
            "'-', no space"
        )


def _trunk_and_heads(model: dict, where: str) -> tuple[dict, dict]:
    heads = {}
    for key in sorted((k for k in model if k.startswith("head")), key=_natural):
        blocks = model[key] if isinstance(model[key], list) else [model[key]]
        if not blocks:
            raise ConfigError(f"{where}: model.{key} is empty, want at least one block")
        _check_blocks(blocks, f"{where}: model.{key}")
        name = head_name(key)
        if name in heads:
            raise ConfigError(f"{where}: model.{key} is a second head named {name!r}: rename it")
        heads[name] = blocks
    if not heads:
        raise ConfigError(f"{where}: model has a trunk but no 'head'")
    trunk = model["trunk"]
    if not isinstance(trunk, list) or not trunk:
        raise ConfigError(f"{where}: model.trunk is {trunk!r}, want a list of blocks")
    _check_blocks(trunk, f"{where}: model.trunk")
    length = model.get("seq_length")
    if not is_whole(length):
        raise ConfigError(f"{where}: model.seq_length is {length!r}, want a number of bp")
    keywords: dict = {"seq_length": length, "trunk": trunk, "heads": heads}
    stated = {}
    for key, value in model.items():
        if key in ("seq_length", "trunk", "verbose") or key.startswith("head"):
            continue
        if key in _STATED:
            want, holds = _STATED[key]
            if not holds(value):
                raise ConfigError(f"{where}: model.{key} is {value!r}, want {want}")
            stated[key] = value
        elif key in _DEFAULTS:
            kind = _DEFAULTS[key]
            wanted = (int, float) if kind is float else kind
            if value is not None and (not isinstance(value, wanted) or isinstance(value, bool)):
                noun = "a number" if kind is float else "text"
                raise ConfigError(f"{where}: model.{key} is {value!r}, want {noun}")
            keywords[key] = value
        elif key == "batch_norm":
            raise ConfigError(
                f"{where}: model.batch_norm has no effect in current Basenji: remove it, and write "
                '"norm_type": "batch" for batch normalisation'
            )
        elif key == "adapter":
            raise ConfigError(
                f"{where}: model.adapter is {value!r}: adapters are chosen in a section 'transfer' "
                "beside 'model'; move it there"
            )
        elif key == "diagonal_offset":
            raise ConfigError(
                f"{where}: model.diagonal_offset belongs to contact maps (Akita), which are not "
                "supported"
            )
        else:
            raise unknown("key", key, TRUNK_KEYS, f"in model of {where}: nothing reads it")
    return keywords, stated


def _check_blocks(blocks: list, where: str) -> None:
    for number, block in enumerate(blocks):
        if not isinstance(block, dict) or not isinstance(block.get("name"), str):
            raise ConfigError(f"{where}[{number}] is {block!r}, want a block with a 'name'")


def head_name(key: str) -> str:
    """Return the name of a head's output: "head" → "output", "head_human" → "human"."""
    rest = key.removeprefix("head").strip("_")
    if not rest:
        return "output"
    return rest if not rest[0].isdigit() else f"head{rest}"


def head_key(name: str) -> str:
    """Return the key that a head's blocks stand under, from its name: "human" → "head_human"."""
    if name == "output":
        return "head"
    return name if name.startswith("head") else f"head_{name}"


def _natural(key: str) -> list:
    """Return the sort key that puts head2 before head10."""
    return [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", key)]
