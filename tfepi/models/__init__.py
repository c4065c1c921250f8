"""Functions that build published models; `MODELS` names those that params.json may ask for."""

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from types import UnionType
from typing import get_args

import keras

from tfepi import geometry
from tfepi.model_params import BASENJI, SEVERAL_HEADS, ModelParams, is_whole
from tfepi.models.alignment import check_alignment
from tfepi.models.attention_weights import attention_weights
from tfepi.models.basenji import basenji
from tfepi.models.basset import basset, basset_2016
from tfepi.models.blocks.keras_layers import keras_reason
from tfepi.models.conditioned import state_unet, stems_unet, wide_unet
from tfepi.models.enformer import enformer
from tfepi.models.interact import interact, interact_celltype
from tfepi.models.leopard import Factor, leopard_unet
from tfrecords_tools.errors import ConfigError, TfepiError, unknown

MODELS = {
    "basset": basset,
    "basset_2016": basset_2016,
    "leopard_unet": leopard_unet,
    "stems_unet": stems_unet,
    "wide_unet": wide_unet,
    "state_unet": state_unet,
    "interact": interact,
    "interact_celltype": interact_celltype,
    "enformer": enformer,
    BASENJI: basenji,
}

__all__ = [
    "MODELS",
    "attention_weights",
    "basenji",
    "basset",
    "basset_2016",
    "bin_width",
    "choose_heads",
    "enformer",
    "interact",
    "interact_celltype",
    "leopard_unet",
    "make_model",
    "state_unet",
    "stems_unet",
    "wide_unet",
]


def make_model(
    params: ModelParams, targets: int | Mapping[str, int] | None, **overrides
) -> keras.Model:
    """Build the model of a params.json's model section.

    Args:
        params: the section.
        targets: number of outputs of the data; of each head, by name, where there are several;
            None of a trunk-and-head section: whatever it says.
        overrides: keywords that a command sets (dtype).

    Raises:
        ConfigError: unknown model or keyword, a value that the model cannot be built with, or
            another number of targets than the data's.
    """
    if params.name not in MODELS:
        raise unknown("model", params.name, MODELS)
    function = MODELS[params.name]
    keywords = dict(params.keywords)
    if params.name != BASENJI:
        allowed = [k for k in inspect.signature(function).parameters if k != "dtype"]
        if isinstance(targets, Mapping) and params.name not in SEVERAL_HEADS:
            raise ConfigError(
                f"model {params.name!r} has one head, the data are for {', '.join(targets)}: train "
                "a model for each"
            )
        for key in keywords:
            if key not in allowed:
                allowed += ["augment_rc", "augment_shift"]
                allowed += ["heads"] if params.name in SEVERAL_HEADS else []
                raise unknown("key", key, allowed, f"in params.json model (model {params.name!r})")
        if isinstance(keywords.get("output_heads"), Mapping):
            raise ConfigError(
                f"params.json model.output_heads is {keywords['output_heads']}: leave it out, the "
                f'data or weights say how many; name the heads with "heads": '
                f"{list(keywords['output_heads'])}"
            )
        _check_keywords(function, keywords)
        count = next(k for k in ("outputs", "output_heads", "targets") if k in allowed)
        if keywords.get(count, targets) != targets:
            raise ConfigError(
                f"params.json says {count} {keywords[count]}, the data has {targets}: "
                "leave it out of params.json, or choose as many with --targets"
            )
        keywords[count] = targets
    try:
        model = function(**keywords, **overrides)
    except TfepiError as error:
        if params.name == BASENJI:  # which says where
            raise
        raise type(error)(f"params.json model: {error}") from None
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"params.json model: {params.name!r} cannot be built with {params.keywords}: "
            f"{keras_reason(error)}"
        ) from None
    if params.name == BASENJI:
        check_alignment(model, params.keywords["trunk"], params.keywords["heads"])
        _check_outputs(model, params, targets)
    return model


def _check_keywords(function: Callable, keywords: dict) -> None:
    """Check what params.json gives a model function by its annotations, and by name."""
    known = inspect.signature(function).parameters
    for key, value in keywords.items():
        kind = known[key].annotation
        if isinstance(kind, UnionType):  # None leaves it to the function
            if value is None:
                continue
            kind, _ = get_args(kind)
        number = isinstance(value, (int, float)) and type(value) is not bool
        if kind is str:
            want, right = "text", isinstance(value, str)
        elif kind is int:
            want, right = "a whole number of at least 1", is_whole(value)
        elif kind is float:
            # Those that functions have: rates of dropout and of moving averages.
            want, right = "a number of at least 0 and below 1", number and 0 <= value < 1
        elif kind == Factor:
            want, right = "a number of at least 1", number and 1 <= value < math.inf
        else:
            count = len(get_args(kind)) if get_args(kind)[-1] is not Ellipsis else None
            want = f"a list of {f'{count} ' if count else ''}whole numbers of at least 1"
            right = isinstance(value, (list, tuple)) and all(map(is_whole, value))
            right = right and count in (None, len(value))
        if not right:
            raise ConfigError(f"params.json model.{key} is {value!r}, want {want}")


def _check_outputs(model: keras.Model, params: ModelParams, targets) -> None:
    """Compare a trunk-and-head model with the data and with what its section states."""
    outputs = model.output if isinstance(model.output, dict) else {None: model.output}
    for name, output in outputs.items():
        wanted = targets.get(name) if isinstance(targets, Mapping) else targets
        where = f"head {name!r}" if name else "the head"
        if wanted is not None and output.shape[2] != wanted:
            some = f"{wanted} target{'' if wanted == 1 else 's'}"
            raise ConfigError(
                f"{where} of params.json has {output.shape[2]} units, the data has {some}: set "
                f"units to {wanted}, or choose as many targets as units with --targets or --query"
            )
        stated, bins = params.stated.get("target_length"), output.shape[1]
        uncropped = params.keywords["seq_length"] // (geometry.bin_width(model, name) or 1)
        if stated not in (None, bins, uncropped):  # published files have either
            raise ConfigError(
                f"params.json states target_length {stated}, but {where} has {bins} bins: change "
                "the trunk's pooling or cropping, or remove target_length"
            )


def choose_heads(params: ModelParams, names: Sequence[str]) -> ModelParams:
    """Return a trunk-and-head section with some of its heads only.

    Raises:
        ConfigError: an unknown head.
    """
    from dataclasses import replace

    heads = params.keywords["heads"]
    for name in names:
        if name not in heads:
            raise unknown("head", name, heads, "in model of params.json")
    chosen = {name: heads[name] for name in names}
    return replace(params, keywords=params.keywords | {"heads": chosen})


def bin_width(params: ModelParams, model: keras.Model) -> int | None:
    """Return the bp per output position that a model section states or its strides give.

    None where neither does, as with one output for a whole sequence: it is the data's then.
    """
    known = inspect.signature(MODELS[params.name]).parameters
    if "bin_width" not in known:
        head = next(iter(model.output)) if isinstance(model.output, dict) else None
        return geometry.bin_width(model, head)
    return params.keywords.get("bin_width", known["bin_width"].default)
