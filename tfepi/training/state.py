"""What a training run was begun with and where it stands: state.json."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tfepi.params import Params
from tfepi.training.checkpoints import Checkpoint
from tfepi.training.head import Source
from tfepi.training.loop import How
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.files import read_json, write_json

FORMAT, FORMAT_VERSION = "tfepi-training", 2
STATE = "state.json"
# Settings that older runs did not have, and what they then were.
_SINCE = {
    "hold_out": (),
    "rematerialise": False,
    "embeddings": None,
    "accumulate": 1,
    "sync_batch_norm": False,
}
# Settings that a run may go on with otherwise.
_FREE = (
    "quiet",
    "tensorboard",
    "strategy",
    "logical_devices",
    "steps_per_execution",
    "keep",
    "save_minutes",
    "profile",
)


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
        strategy: of `strategy.make_team`.
        logical_devices: pieces of the CPU that are its devices, or None.
        sync_batch_norm: statistics of batch normalisation are those of all replicas.
        accumulate: pieces into which a replica's examples of a batch are cut; their gradients
            are added up.
        steps_per_execution: steps that TensorFlow is given at once.
        keep: checkpoints that are kept.
        save_minutes: between two checkpoints within an epoch; 0: none.
        profile: write a profile of a few steps beside the event files.
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
    strategy: str = "one"
    logical_devices: int | None = None
    sync_batch_norm: bool = False
    accumulate: int = 1
    steps_per_execution: int = 1
    keep: int = 2
    save_minutes: float = 10.0
    profile: bool = False

    def __post_init__(self):
        for name in ("accumulate", "steps_per_execution", "keep"):
            if getattr(self, name) < 1:
                raise ConfigError(f"--{name} is {getattr(self, name)}, want at least 1")
        if not 0 <= self.save_minutes < math.inf:
            raise ConfigError(f"--save_minutes is {self.save_minutes:g}, want at least 0")

    @property
    def how(self) -> How:
        """How steps are computed."""
        return How(self.accumulate, self.xla, self.steps_per_execution)


@dataclass(frozen=True)
class Kept:
    """What state.json says.

    Attributes:
        checkpoints: that are kept, the newest last.
        best_sha256: of the best model; None before there is one, or where it was not noted.
    """

    checkpoints: tuple[Checkpoint, ...] = ()
    best_sha256: str | None = None


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
    # Records of damaged shards that are left out, by the shard's name.
    readable = {Path(path).name: n for s in sources for path, n in s.data.readable.items()}
    left_out = {"readable": readable} if readable else {}
    return (
        conditioned
        | ends
        | left_out
        | {
            "params": params.source,
            "data": data if len(data) > 1 else data[0],
            "settings": {
                k: v
                for k, v in asdict(settings).items()
                if k not in _FREE and (k, v) not in (*_SINCE.items(),)
            },
        }
    )


def read_state(out: Path, key: dict) -> Kept:
    """Return what the run in a folder has kept.

    Raises:
        InputFileError: state.json is damaged, or of a later version.
        UnfinishedError: the run was begun with something else than the key tells.
    """
    path = out / STATE
    value = read_json(path)
    version = value.get("format_version")
    if version not in (1, FORMAT_VERSION):
        raise InputFileError(f"{path} has version {version}, want {FORMAT_VERSION} or earlier")
    try:
        checkpoints = _checkpoints(value)
        begun = value["key"]
    except (KeyError, TypeError) as error:
        raise InputFileError(f"{path} is damaged ({error}): use --overwrite") from None
    now = json.loads(json.dumps(key))
    for name in {**begun, **now}:
        before, entry = begun.get(name), now.get(name)
        if before != entry:
            raise UnfinishedError(
                f"{name} differ from those {out} was begun with{_which(before, entry)}: resume "
                "with the same, or use --overwrite"
            )
    return Kept(checkpoints, value.get("best_sha256"))


def _checkpoints(value: dict) -> tuple[Checkpoint, ...]:
    if value["format_version"] > 1:
        return tuple(map(Checkpoint.of, value["checkpoints"]))
    named = {k: value[k] for k in ("epoch", "best", "best_epoch", "unimproved")}
    only = Checkpoint(**named)
    return (Checkpoint(**named, files={only.model: None}),)


def write_state(out: Path, checkpoints: Sequence[Checkpoint], best: str | None, key: dict) -> None:
    """Write where a run stands, what it keeps, and what must be equal for it to be continued.

    Args:
        out: the folder.
        checkpoints: that are kept, the newest last.
        best: SHA-256 of the best model, or None.
        key: of `run_key`.
    """
    newest = checkpoints[-1].to_json()
    stands = {k: newest[k] for k in ("epoch", "step", "best", "best_epoch", "unimproved")}
    kept = {"checkpoints": [c.to_json() for c in checkpoints], "best_sha256": best}
    head = {"format": FORMAT, "format_version": FORMAT_VERSION}
    write_json(out / STATE, head | stands | kept | {"key": key})


def _which(before: object, now: object) -> str:
    """Return which entries of a section differ, if they are named."""
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return ""
    names = [n for n in {**before, **now} if before.get(n) != now.get(n)]
    return f" ({', '.join(names)})"
