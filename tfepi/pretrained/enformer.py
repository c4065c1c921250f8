"""The published Enformer (Avsec et al. 2021) in our own model, from any form of its weights."""

import inspect
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from tfepi.model_params import is_whole
from tfepi.models import make_model
from tfepi.models.enformer import enformer
from tfepi.params import Params
from tfepi.pretrained.basenji import output_targets
from tfepi.pretrained.enformer_files import of_checkpoint, of_torch, open_weights
from tfepi.pretrained.enformer_names import enformer_names
from tfepi.pretrained.enformer_weights import EnformerWeights
from tfepi.pretrained.sources import (
    ARRAYS,
    CHECKPOINT,
    SAVED_MODEL,
    TORCH,
    absent,
    published_kind,
)
from tfepi.pretrained.state_dict import StateDict
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.targets import Target, numbered

_log = logging.getLogger(__name__)
BIN_WIDTH = 128
_DEFAULTS = inspect.signature(enformer).parameters
LENGTH = _DEFAULTS["input_length"].default
TARGET_LENGTH = _DEFAULTS["target_length"].default


def enformer_checkpoint(
    path_or_arrays: str | Path | Mapping[str, np.ndarray], **sizes
) -> keras.Model:
    """Return Enformer with the weights of a TensorFlow checkpoint; Sonnet is not needed.

    Args:
        path_or_arrays: prefix of the checkpoint's files, one of these, or their folder; a
            SavedModel that keeps the objects its variables belong to; an .npz; or arrays by key
            (`module/_trunk/_layers/0/_layers/0/w/.ATTRIBUTES/VARIABLE_VALUE`).
        sizes: keywords of `tfepi.models.enformer`. What is not given is what the arrays have, and
            as published where they do not tell: input_length, target_length and rates of dropout.

    Returns:
        Model from {"sequence": float32 [batch, input_length, 4]} to {head: [batch, target_length,
        targets]}.

    Raises:
        InputFileError: missing, damaged, or without Enformer's arrays.
        ConfigError: arrays that are missing or left over (all of them), or the first whose shape
            is not that of the sizes given (both shapes).
    """
    if isinstance(path_or_arrays, Mapping):
        return _filled(of_checkpoint(path_or_arrays), sizes)
    kind = published_kind(path_or_arrays)
    if kind == TORCH:
        raise InputFileError(
            f"{path_or_arrays} is a {TORCH}, no {CHECKPOINT}: give it to enformer_torch"
        )
    if kind is None:
        raise absent(path_or_arrays, CHECKPOINT)
    return _filled(open_weights(path_or_arrays), sizes)


def enformer_torch(path_or_arrays: str | Path | Mapping[str, np.ndarray], **sizes) -> keras.Model:
    """Return Enformer with the weights of a state dict of enformer-pytorch.

    Args:
        path_or_arrays: .safetensors; .bin, .pt or .pth, which need torch; or arrays by name.
        sizes: as of `enformer_checkpoint`.

    Returns:
        Model from {"sequence": float32 [batch, input_length, 4]} to {head: [batch, target_length,
        targets]}.

    Raises:
        InputFileError: missing, damaged, or no state dict.
        ConfigError: torch is needed and not installed; or as of `enformer_checkpoint`.
    """
    if isinstance(path_or_arrays, Mapping):
        named = StateDict("the mapping", path_or_arrays, path_or_arrays.__getitem__)
        return _filled(of_torch(named), sizes)
    kind = published_kind(path_or_arrays)
    if kind == ARRAYS:
        open_weights(path_or_arrays)  # which says what to do with torch's names
    if kind not in (None, TORCH):
        raise InputFileError(
            f"{path_or_arrays} is a {kind}, no {TORCH}: give it to enformer_checkpoint"
        )
    if kind is None:
        raise absent(path_or_arrays, TORCH)
    return _filled(open_weights(path_or_arrays), sizes)


def _filled(weights: EnformerWeights, sizes: dict) -> keras.Model:
    heads = sizes.get("output_heads", weights.heads)
    heads = tuple(heads) if not isinstance(heads, int) else ()
    depth = sizes.get("transformer_layers", weights.depth)
    # Before the model takes its memory.
    weights.check(enformer_names(depth, heads), stated="transformer_layers given is")
    found = weights.sizes()
    _note_sizes(weights.arrays.source, found, sizes)
    model = enformer(**(found | sizes))
    weights.fill(model)
    return model


def published_model(model: str | Path, params: Params) -> tuple[keras.Model, Params]:
    """Return Enformer with published weights, for a command, and the params with all its sizes.

    Args:
        model: any form of the weights (`enformer_files.open_weights`).
        params: of model "enformer"; sizes that it leaves out are the weights'.

    Raises:
        InputFileError, ConfigError: as of `enformer_checkpoint`; or params of another model.
    """
    weights = open_weights(model)
    sized, heads = sized_params(params, weights)
    found = sized.model.keywords | {"output_heads": heads}
    _note_sizes(weights.arrays.source, found, params.model.keywords)
    built = make_model(sized.model, heads)
    weights.fill(built)
    return built, sized


def _note_sizes(source: str | Path, found: Mapping, given: Collection[str]) -> None:
    """Log the sizes that were taken from the arrays because nobody stated them.

    Args:
        source: of the arrays.
        found: sizes of the model, as keywords of `tfepi.models.enformer`.
        given: keywords that were stated.
    """
    taken = {k: v for k, v in found.items() if k not in given and v != _DEFAULTS[k].default}
    outputs = taken.pop("output_heads", {})
    sizes = [f"{k} {v}" for k, v in taken.items()]
    sizes += [f"{v} output{'' if v == 1 else 's'} of head {k}" for k, v in outputs.items()]
    if sizes:
        _log.info(
            "sizes of %s that are not the published ones were taken from its arrays: %s",
            source,
            ", ".join(sizes),
        )


def sized_params(params: Params, weights: EnformerWeights) -> tuple[Params, dict[str, int]]:
    """Return params.json with the sizes that it leaves out, and the number of outputs by head.

    Raises:
        ConfigError: arrays that are missing or left over (all of them), or params of another
            model or of other heads.
    """
    check_params(params, weights.arrays.source)
    given = params.model.keywords
    depth = given.get("transformer_layers", weights.depth)
    weights.check(enformer_names(depth, _same_heads(params, weights.heads, weights.arrays.source)))
    sizes = weights.sizes()
    heads = sizes.pop("output_heads")
    keywords = {"input_length": LENGTH, "target_length": TARGET_LENGTH} | sizes | given
    section = params.source["model"] | keywords | {"heads": list(heads)}
    model = replace(params.model, keywords=keywords, heads=tuple(heads))
    return replace(params, model=model, source=params.source | {"model": section}), heads


def check_params(params: Params | None, where: str | Path) -> None:
    """Check that params are Enformer's.

    Args:
        params: or None, where none were given.
        where: the weights are, for messages.

    Raises:
        ConfigError: they are not.
    """
    if params is None or params.model.name != "enformer":
        given = f", not {params.model.name!r}" if params else ""
        raise ConfigError(
            f"{where} has no contract of its own: name the params of its model with it, as "
            f"'enformer'{given}; only Enformer's published forms and "
            "Borzoi's of torch are known"
        )


def _same_heads(params: Params, heads: Sequence[str], where: str | Path) -> tuple[str, ...]:
    """Return the heads of a published model, which params.json has to name if it names any."""
    if not heads:
        raise ConfigError(
            f"{where} has no arrays of heads, which are named as _heads.human.0.weight or "
            "_heads/human/_layers/0/w: give the weights of a whole Enformer; a trunk alone is for "
            "tfepi_train.py --from … --head new"
        )
    named = params.model.heads
    if named is not None and (isinstance(named, str) or sorted(named) != sorted(heads)):
        stated = named if isinstance(named, str) else ", ".join(named)
        raise ConfigError(
            f"params.json names the heads {stated}, {where} has {', '.join(heads)}: give the "
            "preset enformer, or leave heads out"
        )
    return tuple(heads)


def published_spec(
    model: str | Path,
    params: Params,
    targets: Sequence[Target] | None = None,
    head: str | None = None,
) -> ModelSpec:
    """Return the contract of a published Enformer.

    Args:
        model: a SavedModel, or any form of the weights.
        params: of model "enformer".
        targets: table of a head's outputs, or of some of them; the index says which.
        head: the head that the table is of, where there are several.

    Raises:
        InputFileError: missing or damaged.
        ConfigError: params of another model, lengths that do not fit each other, a table without
            its head or that does not fit the number of outputs.
    """
    if published_kind(model) == SAVED_MODEL:
        from tfepi.pretrained.hub import hub_spec

        check_params(params, model)
        spec = hub_spec(model, params.model.keywords)
        _same_heads(params, [h.name for h in spec.heads], model)
    else:
        sized, heads = sized_params(params, open_weights(model))
        lengths = (sized.model.keywords[k] for k in ("input_length", "target_length"))
        spec = enformer_spec(*lengths, heads)
    if targets is None:
        return spec
    chosen = spec.head(head)
    rows = output_targets(len(chosen.targets), targets)
    heads = tuple(replace(h, targets=rows) if h is chosen else h for h in spec.heads)
    return replace(spec, heads=heads)


def enformer_spec(length: int, target_length: int, heads: Mapping[str, int]) -> ModelSpec:
    """Return the contract of an Enformer whose outputs are numbered.

    Args:
        length: of the sequence, bp.
        target_length: bins.
        heads: number of outputs by head.

    Raises:
        ConfigError: a length that is no multiple of 128 bp (with the nearest that fit), or
            lengths that do not fit each other.
    """
    for name, value in (("input_length", length), ("target_length", target_length)):
        if not is_whole(value):
            raise ConfigError(f"params.json model.{name} is {value!r}, want a whole number")
    if length % BIN_WIDTH:
        fitting = " or ".join(map(str, _fitting_lengths(length, target_length)))
        raise ConfigError(
            f"input_length {length} is no multiple of {BIN_WIDTH}, the bp of a bin: with "
            f"target_length {target_length} use {fitting}"
        )
    cropped = length - target_length * BIN_WIDTH
    if cropped < 0 or cropped % (2 * BIN_WIDTH):
        raise ConfigError(
            f"Enformer of {length} bp has {length // BIN_WIDTH} bins of {BIN_WIDTH} bp, of which "
            f"{target_length} cannot be the middle ones: change input_length or target_length"
        )
    return ModelSpec(
        name="enformer",
        inputs={"sequence": (length, 4)},
        bin_width=BIN_WIDTH,
        crop=cropped // 2,
        heads=tuple(Head(name, numbered(count)) for name, count in heads.items()),
    )


def _fitting_lengths(length: int, target_length: int) -> list[int]:
    """Return the lengths nearest to one, in bp, whose middle bins can be so many."""
    least, step = target_length * BIN_WIDTH, 2 * BIN_WIDTH  # a bin is left out at either end
    below = least + (length - least) // step * step
    return [fitting for fitting in (below, below + step) if fitting >= least] or [least]
