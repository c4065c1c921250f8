"""Training: epochs that are functions of (seed, epoch), checkpoints, early stopping, resuming.

Every step starts from random states that were set from (seed, epoch, step). A run stopped anywhere
goes on from its last checkpoint and ends with the weights it would have had.
"""

import json
import logging
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import keras
import tensorflow as tf

from tfepi.model_params import BASENJI
from tfepi.models import choose_heads, make_model
from tfepi.models.sizes import SIZED_BY_DATA, sized
from tfepi.params import Params
from tfepi.predictors import is_h5, keras_file
from tfepi.spec import ModelSpec
from tfepi.startup import device
from tfepi.training.adapters import adapt, parameter_counts
from tfepi.training.checkpoints import BEST
from tfepi.training.contract import model_spec, sizes_of, with_learned_dispersion
from tfepi.training.dispersion import with_dispersion
from tfepi.training.embedded import matching_embeddings
from tfepi.training.faults import told_in_a_line
from tfepi.training.head import Source, epoch_steps
from tfepi.training.heads import pair_heads
from tfepi.training.restore import restore_weights
from tfepi.training.run import Run
from tfepi.training.state import STATE, Kept, Settings, read_state, run_key
from tfepi.training.strategy import Team
from tfepi.transfer_params import TransferParams
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import remove_parts, write_json
from tfrecords_tools.output import check_folder, claim_folder, run_record

__all__ = ["Settings", "pair_heads", "prepared", "train"]
log = logging.getLogger(__name__)


def _what_stays(transfer: TransferParams) -> str:
    if transfer.mode != "full":
        return f"mode is {transfer.mode!r}, which leaves the trunk"
    return f"freeze is {list(transfer.freeze)}, which leaves what it names"


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


@dataclass(frozen=True)
class _Begun:
    """A run before its first step, and what its folder says of it."""

    run: Run
    spec: ModelSpec
    inputs: dict[str, Path]
    kept: Kept | None


def train(
    params: Params,
    data: Data | Sequence[Data],
    out: str | Path,
    settings: Settings,
    resume: bool = False,
    overwrite: bool = False,
    team: Team | None = None,
) -> Path:
    """Train a model and write a run folder; every worker of a team has to call it.

    Args:
        params: the sections of params.json.
        data: an open data folder, or several (`pair_heads`).
        out: the run folder: model_best.keras, model_check-*.keras, model.json, params.json,
            metrics.jsonl, state.json, run.json, tensorboard/. The chief alone writes it.
        settings: what the command sets.
        resume: go on after a stop.
        overwrite: remove earlier results.
        team: the replicas that train; None: one device.

    Returns:
        The path of the best model.

    Raises:
        ConfigError: params, model and data disagree.
        UnfinishedError: the folder has results; or resuming with other data or params.
        TfepiError: the loss became NaN or infinite; SIGTERM; a worker was lost.
    """
    out = Path(out)
    folders = [data] if isinstance(data, Data) else list(data)
    team = team or Team(tf.distribute.get_strategy())
    if team.chief:
        log.info("trains on %s (%s)", team, device(tf))
    with told_in_a_line(team):
        return _train(params, folders, out, settings, (resume, overwrite), team)


def _train(
    params: Params,
    folders: Sequence[Data],
    out: Path,
    settings: Settings,
    again: tuple[bool, bool],
    team: Team,
) -> Path:
    """Train; `again` are resume and overwrite."""
    _check_alike(params, folders, settings, team)
    with team.scope():  # left before anything is written: saving makes variables of its own
        begun = _begin(params, folders, out, settings, again, team)
    run = begun.run
    if not team.chief:
        run.start(None)
        run.all_epochs()
        return out / BEST
    claim_folder(out, *again, begun.inputs)
    remove_parts(out)
    facts = {"seed": settings.seed, "data_sha256": begun.spec.data, "device": device(tf)}
    facts |= {"replicas": team.replicas, "workers": team.workers}
    with run_record(out, begun.inputs, **facts):
        write_json(out / "params.json", _source(run.params))
        begun.spec.write(out / "model.json")
        run.start(begun.kept)
        run.all_epochs()
        if run.params.train.loss == "negative_binomial":
            with_learned_dispersion(begun.spec, out / BEST).write(out / "model.json")
    return out / BEST


def _check_alike(params: Params, folders: Sequence[Data], settings: Settings, team: Team) -> None:
    """Refuse workers that were started with different commands; every worker has to call it."""
    if team.workers == 1:
        return
    key = run_key(params, pair_heads(params, folders, settings), settings)
    told = {
        k: v for k, v in asdict(settings).items() if k not in ("quiet", "tensorboard", "profile")
    }
    key |= told | {"epochs": params.train.train_epochs_max}
    names = ("params", "data", "conditioning", "readable", "epochs", *told)  # all ask for the same
    for name in names:
        text = json.dumps(key.get(name), sort_keys=True, default=str)
        if differing := team.same(zlib.crc32(text.encode())):
            raise ConfigError(
                f"worker {differing[0]} was started with other params, data or options than "
                f"worker 0 ({name}): start all with the same command"
            )


def _begin(
    params: Params,
    folders: Sequence[Data],
    out: Path,
    settings: Settings,
    again: tuple[bool, bool],
    team: Team,
) -> _Begun:
    """Return a run after checking everything; `again` are resume and overwrite."""
    params, sources, model, spec = prepared(params, folders, settings)
    key = run_key(params, sources, settings)
    paths = [f for s in sources for f in s.data.folders]
    inputs = {f"data{n}": f / "statistics.json" for n, f in enumerate(paths)}
    if settings.restore:
        restored_from = Path(settings.restore)
        inputs["restore"] = restored_from if is_h5(restored_from) else keras_file(restored_from)
    kept = None
    if team.chief:
        check_folder(out, *again, inputs)
        if again[0] and (out / STATE).exists():
            kept = read_state(out, key)
        elif again[0] and out.is_dir() and any(out.iterdir()):
            log.warning("%s has no %s: training begins anew", out, STATE)
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
    return _Begun(Run(team, model, params, sources, out, settings, key), spec, inputs, kept)
