"""The contract of a model that is trained: what it must have in common with its data."""

from dataclasses import replace
from pathlib import Path

import keras

from tfepi.models import bin_width
from tfepi.params import Params
from tfepi.predictors import load_keras
from tfepi.spec import COVERAGE, METHYLATION, Head, ModelSpec
from tfepi.training.dispersion import dispersion_of
from tfepi.training.head import Source
from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError


def model_spec(params: Params, model: keras.Model, sources: list[Source]) -> ModelSpec:
    """Return the contract of a model trained on these data.

    Raises:
        ConfigError: the model's lengths are not the data's (both numbers), or windows that are
            centred on CpGs would be shifted.
    """
    kind = sources[0].data.kind
    if kind == METHYLATION and params.model.augment_shift:
        raise ConfigError(
            f"params.json model.augment_shift is {params.model.augment_shift} bp, but the C of a "
            "CpG has to stay in the middle of its window: leave it out"
        )
    length = model.get_layer("sequence").output.shape[1]
    if params.model.augment_shift >= length // 2:
        raise ConfigError(
            f"params.json model.augment_shift is {params.model.augment_shift} bp: want less than "
            f"half the sequence of {length} bp"
        )
    width = bin_width(params.model, model)
    heads = []
    for source in sources:
        data = source.data
        output = model.output[source.head] if isinstance(model.output, dict) else model.output
        for what, ours, theirs in (
            ("sequence length", length, data.seq_length),
            ("bin width", width or data.pool_width, data.pool_width),
            ("number of output bins", output.shape[1], data.target_length),
            ("target_crop", *_stated_crop(params, data)),
            ("strand_pair", *_stated_pairs(params, sources.index(source), data)),
        ):
            if ours != theirs:
                raise ConfigError(
                    f"{what}: the model of params.json has {ours}, the data in {data.folder} has "
                    f"{theirs}: change params.json, or build the data with other -l, -w, --crop"
                )
        units = "beta" if kind == METHYLATION else "coverage"
        units = "probability" if params.train.loss == "bce" else units
        heads.append(Head(source.head, source.targets, units))
    first = sources[0].data
    examples = sources[0].training
    conditioning = None if examples is None else examples.conditioning
    _check_inputs(model, conditioning, first)
    hashes = dict.fromkeys(s.data.manifest_sha256 for s in sources)  # heads may share a folder
    return ModelSpec(
        name=params.model.name,
        inputs={tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs},
        bin_width=first.pool_width,
        crop=first.crop_bp,
        heads=tuple(heads),
        data=None if None in hashes else "+".join(hashes),
        extra={} if kind == COVERAGE else {"kind": kind},
        conditioning=conditioning,
    )


def sizes_of(source: Source) -> dict[str, int]:
    """Return the sizes that a model may leave to the data, by keyword."""
    data = source.data
    found = {"input_length": data.seq_length, "bin_width": data.pool_width}
    found["target_length"] = data.target_length
    conditioning = source.training and source.training.conditioning
    if conditioning and conditioning.reference_mode is not None:
        found |= {"track_width": data.track_width, "track_length": data.track_length}
        found["input_channels"] = 4 + conditioning.channels
    if conditioning and conditioning.states is not None:
        found["state_size"] = conditioning.states.size
    return found


def _check_inputs(model: keras.Model, conditioning: Conditioning | None, data: Data) -> None:
    """Check that a model takes what the conditioning section gives, in the data's sizes."""
    given: dict[str, tuple] = {"sequence": (data.seq_length, 4)}
    if conditioning is not None and conditioning.reference_mode is not None:
        given["tracks"] = (data.track_length, conditioning.channels)
    if conditioning is not None and conditioning.states is not None:
        given["cell_state"] = (conditioning.states.size,)
    taken = {tensor.name: tuple(tensor.shape[1:]) for tensor in model.inputs}
    for name in taken.keys() - given.keys():
        key = "cell_state" if name == "cell_state" else "reference_mode"
        raise ConfigError(
            f"the model of params.json takes {name!r}, which its conditioning section does not "
            f"give: add {key} to it"
        )
    for name in given.keys() - taken.keys():
        raise ConfigError(
            f"the conditioning section of params.json gives {name!r}, which the model does not "
            "take: choose another model or more input_channels, or remove it there"
        )
    for name, shape in taken.items():
        if shape != given[name]:
            raise ConfigError(
                f"input {name!r} is {list(shape)} in the model of params.json and "
                f"{list(given[name])} in the data of {data.folder}: change params.json, or build "
                "with other --track_width and --track_context"
            )


def _stated_crop(params: Params, data: Data) -> tuple[object, object]:
    crop = params.model.stated.get("target_crop")
    return (crop, data.crop_bp // data.pool_width) if crop is not None else (None, None)


def _stated_pairs(params: Params, number: int, data: Data) -> tuple[object, object]:
    pairs = params.model.stated.get("strand_pair")
    if not pairs:
        return None, None
    pairs = pairs if isinstance(pairs[0], list) else [pairs]
    stated = pairs[number] if number < len(pairs) else None
    order = data.strand_order
    return stated, list(order) if order is not None else None


def with_learned_dispersion(spec: ModelSpec, path: Path) -> ModelSpec:
    """Return a model's contract with the dispersion that its heads learned."""
    model = load_keras(path)
    several = len(spec.heads) > 1
    heads = []
    for head in spec.heads:
        layer = dispersion_of(model, head.name if several else None)
        values = keras.ops.convert_to_numpy(layer.dispersion)
        heads.append(replace(head, dispersion=tuple(values.astype(float).tolist())))
    return replace(spec, heads=tuple(heads))
