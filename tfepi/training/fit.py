"""Training: epochs that are functions of (seed, epoch), checkpoints, early stopping, resuming.

Each epoch starts from random states that were set from (seed, epoch). A run stopped anywhere
goes on from its last whole epoch and ends with the weights it would have had.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import tensorflow as tf

from tfepi.model_params import BASENJI
from tfepi.models import bin_width, choose_heads, make_model
from tfepi.models.sizes import SIZED_BY_DATA, sized
from tfepi.params import Params
from tfepi.predictors import is_h5, keras_file, load_keras
from tfepi.spec import COVERAGE, METHYLATION, Head, ModelSpec
from tfepi.startup import device
from tfepi.training.adapters import adapt, parameter_counts
from tfepi.training.dispersion import dispersion_of, with_dispersion
from tfepi.training.embedded import matching_embeddings
from tfepi.training.epoch import Source, epoch_steps
from tfepi.training.heads import pair_heads
from tfepi.training.restore import restore_weights
from tfepi.training.run import Run
from tfepi.training.state import STATE, Settings, restored, run_key
from tfepi.transfer_params import TransferParams
from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import remove_parts, write_json
from tfrecords_tools.output import check_folder, claim_folder, run_record

__all__ = ["Settings", "model_spec", "pair_heads", "train"]
log = logging.getLogger(__name__)


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


def _what_stays(transfer: TransferParams) -> str:
    if transfer.mode != "full":
        return f"mode is {transfer.mode!r}, which leaves the trunk"
    return f"freeze is {list(transfer.freeze)}, which leaves what it names"


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


def _source(params: Params) -> dict:
    """Return the params.json of a run, with the sizes that were taken from the data."""
    if params.model.name not in SIZED_BY_DATA:
        return params.source
    return params.source | {"model": params.source["model"] | params.model.keywords}


def prepared(
    params: Params, data: Sequence[Data], settings: Settings
) -> tuple[Params, list[Source], keras.Model, ModelSpec]:
    """Return what training begins with: params with the data's sizes, sources, model, contract.

    Raises:
        ConfigError: params, model and data disagree.
    """
    sources = pair_heads(params, data, settings)
    for source in sources:
        epoch_steps(source, params.train, settings.train_label)  # one batch at least
    names = [s.head for s in sources]
    if params.model.name == BASENJI:
        params = replace(params, model=choose_heads(params.model, names))
    counts = {s.head: len(s.targets) for s in sources}
    params = replace(params, model=sized(params.model, sizes_of(sources[0])))
    keras.utils.set_random_seed(settings.seed)
    model = make_model(
        params.model,
        counts if len(counts) > 1 else counts[names[0]],
        dtype=settings.precision,
    )
    if params.train.loss == "negative_binomial":
        model = with_dispersion(model, params.train.dispersion)
    return params, sources, model, model_spec(params, model, sources)


def train(
    params: Params,
    data: Data | Sequence[Data],
    out: str | Path,
    settings: Settings,
    resume: bool = False,
    overwrite: bool = False,
) -> Path:
    """Train a model and write a run folder.

    Args:
        params: the sections of params.json.
        data: an open data folder, or several (`pair_heads`).
        out: the run folder: model_best.keras, model_check.keras, model.json, params.json,
            metrics.jsonl, state.json, run.json, tensorboard/.
        settings: what the command sets.
        resume: go on after a stop.
        overwrite: remove earlier results.

    Returns:
        The path of the best model.

    Raises:
        ConfigError: params, model and data disagree.
        UnfinishedError: the folder has results; or resuming with other data or params.
        TfepiError: the loss became NaN or infinite.
    """
    out = Path(out)
    folders = [data] if isinstance(data, Data) else list(data)
    params, sources, model, spec = prepared(params, folders, settings)
    key = run_key(params, sources, settings)
    paths = [f for s in sources for f in s.data.folders]
    inputs = {f"data{n}": f / "statistics.json" for n, f in enumerate(paths)}
    if settings.restore:
        restored_from = Path(settings.restore)
        inputs["restore"] = restored_from if is_h5(restored_from) else keras_file(restored_from)
    check_folder(out, resume, overwrite, inputs)
    state = restored(out, key) if resume and (out / STATE).exists() else None
    if settings.restore:
        restore_weights(model, settings.restore, settings.trunk)
    if (params.transfer.mode != "full" or params.transfer.freeze) and not settings.restore:
        raise ConfigError(
            f"transfer.{_what_stays(params.transfer)} as it is: name the model it comes from "
            "with --from"
        )
    if settings.restore and params.transfer != TransferParams():
        model = adapt(model, params.transfer)
        log.info("trains %d of %d parameters", *parameter_counts(model))
    if where := settings.embeddings:
        labels = (settings.train_label, settings.valid_label)
        sources = [
            replace(s, embeddings=matching_embeddings(where, model, params, s.data, labels))
            for s in sources
        ]
    if len(sources) > 1:
        told = (f"{s.head} from {s.data.folder} ({len(s.targets)})" for s in sources)
        log.info("heads, and their number of targets: %s", ", ".join(told))
    run = Run(model, params, sources, out, settings, key)
    claim_folder(out, resume, overwrite, inputs)
    remove_parts(out)
    with run_record(out, inputs, seed=settings.seed, data_sha256=spec.data, device=device(tf)):
        write_json(out / "params.json", _source(params))
        spec.write(out / "model.json")
        run.start(state)
        run.all_epochs()
        if params.train.loss == "negative_binomial":
            with_learned_dispersion(spec, out / "model_best.keras").write(out / "model.json")
    return out / "model_best.keras"
