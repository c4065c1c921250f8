"""What a training run was begun with and where it stands: state.json."""

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from tfepi.params import Params
from tfepi.training.epoch import Source
from tfrecords_tools.errors import UnfinishedError
from tfrecords_tools.files import read_json, write_json

FORMAT, FORMAT_VERSION = "tfepi-training", 1
STATE = "state.json"
# Settings that older runs did not have, and what they then were.
_SINCE = {"hold_out": (), "rematerialise": False, "embeddings": None}


@dataclass(frozen=True)
class Settings:
    """What a training command sets besides params.json.

    Attributes:
        seed: of weights, order and augmentation.
        targets: identifiers or indices of the targets to train on; empty is all.
        restore: model whose weights training starts from, or None.
        trunk: take only the trunk's weights of it.
        hold_out: cell types that a conditioned model is not trained on; () for params.json's.
        precision: "float32", "mixed_float16" or "mixed_bfloat16".
        xla: compile steps with XLA.
        rematerialise: compute activations again instead of keeping them.
        embeddings: folder of kept values of the trunk that heads are trained on, or None.
        train_label, valid_label: labels of the data folder.
        tensorboard: write event files.
        quiet: no progress bars.
    """

    seed: int = 44
    targets: tuple[str, ...] = ()
    restore: str | None = None
    trunk: bool = False
    hold_out: tuple[str, ...] = ()
    precision: str = "float32"
    xla: bool = False
    rematerialise: bool = False
    embeddings: str | None = None
    train_label: str = "train"
    valid_label: str = "valid"
    tensorboard: bool = True
    quiet: bool = False


@dataclass
class Progress:
    """Where a run stands after an epoch."""

    epoch: int = 0
    best: float = -math.inf
    best_epoch: int = -1
    unimproved: int = 0


def run_key(params: Params, sources: list[Source], settings: Settings) -> dict:
    """Return what must be equal for a run to be continued."""
    data = [
        s.data.manifest_sha256 or [s.data.counts, s.data.seq_length, s.data.target_length]
        for s in sources
    ]
    examples = sources[0].training
    conditioned = {}
    if examples is not None:  # cell types, how their tracks are made, their vectors
        conditioned = {"conditioning": examples.conditioning.to_json()}
    ends = {}
    if params.train.linear_decay:  # --epochs, which is in no file, moves the end of the decay
        ends = {"train_epochs_max": params.train.train_epochs_max}
    return (
        conditioned
        | ends
        | {
            "params": params.source,
            "data": data if len(data) > 1 else data[0],
            "settings": {
                k: v
                for k, v in asdict(settings).items()
                if k not in ("quiet", "tensorboard") and (k, v) not in (*_SINCE.items(),)
            },
        }
    )


def restored(out: Path, key: dict) -> Progress:
    """Return where the run in a folder stands.

    Raises:
        UnfinishedError: it was begun with something else than the key tells.
    """
    value = read_json(out / STATE)
    for name, entry in json.loads(json.dumps(key)).items():
        before = value["key"].get(name)
        if before != entry:
            raise UnfinishedError(
                f"{name} differ from those {out} was begun with{_which(before, entry)}: resume "
                "with the same, or use --overwrite"
            )
    best = -math.inf if value["best"] is None else value["best"]
    return Progress(value["epoch"], best, value["best_epoch"], value["unimproved"])


def write_state(out: Path, progress: Progress, key: dict) -> None:
    """Write where a run stands, beside what must be equal for it to be continued."""
    head = {"format": FORMAT, "format_version": FORMAT_VERSION}
    write_json(out / STATE, {**head, **asdict(progress), "key": key})


def _which(before: object, now: object) -> str:
    """Return which entries of a section differ, if they are named."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return ""
    names = [n for n in {**before, **now} if before.get(n) != now.get(n)]
    return f" ({', '.join(names)})"
