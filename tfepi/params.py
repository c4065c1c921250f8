"""params.json: the train and model sections as validated values.

A key that no part understands is an error that names it. Basenji's `num_gpu` alone is passed
over: devices are chosen by the command.
"""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import get_args

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import read_json

PRESETS = Path(__file__).parent / "presets"
_CYCLE = (
    "initial_learning_rate",
    "maximal_learning_rate",
    "final_learning_rate",
    "train_epochs_cycle1",
)
_POSITIVE = (
    "batch_size",
    "shuffle_buffer",
    "learning_rate",
    "clip_norm",
    "global_clipnorm",
    "train_epochs_max",
    "train_epochs_cycle1",
    "decay_steps",
    "steps_per_epoch",
)
_NOT_NEGATIVE = ("weight_decay", "patience", "train_epochs_min", "warmup_steps")
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
LOSSES = ("poisson", "mse", "bce")


@dataclass(frozen=True)
class TrainParams:
    """The train section; names and defaults are Basenji's, `seed` and below are ours.

    Attributes:
        batch_size: examples a step.
        shuffle_buffer: records to draw from.
        optimizer: sgd, momentum (the same), adam, adamw.
        loss: see `tfepi.training.losses.LOSSES`.
        patience: epochs without a better validation score that are allowed.
        train_epochs_min, train_epochs_max: bounds on the number of epochs.
        clip_norm: of each variable's gradient; global_clipnorm: of all together.
        augment_per: "example", or "batch" for one draw a batch as the originals do.
        steps_per_epoch: stop an epoch early; None is the whole training set.
    """

    batch_size: int = 64
    shuffle_buffer: int = 128
    optimizer: str = "sgd"
    loss: str = "poisson"
    learning_rate: float = 0.01
    momentum: float = 0.99
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    weight_decay: float = 0.0
    clip_norm: float | None = None
    global_clipnorm: float | None = None
    patience: int = 20
    train_epochs_min: int = 1
    train_epochs_max: int = 10000
    warmup_steps: int = 0
    decay_steps: int | None = None
    decay_rate: float = 0.96
    initial_learning_rate: float | None = None
    maximal_learning_rate: float | None = None
    final_learning_rate: float | None = None
    train_epochs_cycle1: int | None = None
    augment_per: str = "example"
    steps_per_epoch: int | None = None

    def __post_init__(self):
        for f in fields(self):
            value, kinds = getattr(self, f.name), get_args(f.type) or (f.type,)
            wanted = (int, *kinds) if float in kinds else kinds
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise ConfigError(
                    f"params.json train.{f.name} is {value!r}, want a {_NOUN[kinds[0]]}"
                )
        for names, lowest in ((_POSITIVE, "above 0"), (_NOT_NEGATIVE, "at least 0")):
            for name in names:
                value = getattr(self, name)
                if value is not None and (value < 0 or (value == 0 and names is _POSITIVE)):
                    raise ConfigError(f"params.json train.{name} is {value}, want {lowest}")
        for key, value, choices in (
            ("optimizer", self.optimizer, OPTIMIZERS),
            # The original tools would train with Poisson instead.
            ("loss", self.loss, LOSSES),
            ("augment_per", self.augment_per, ("example", "batch")),
        ):
            if value not in choices:
                raise unknown(key, value, choices, "in train of params.json")
        if self.clip_norm is not None and self.global_clipnorm is not None:
            raise ConfigError(
                "params.json train has both clip_norm and global_clipnorm: leave one out"
            )
        if self.weight_decay and self.optimizer != "adamw":
            raise ConfigError(
                f"params.json train.weight_decay is {self.weight_decay}, but {self.optimizer!r} "
                'has none: use "adamw", or leave it out'
            )
        cycle = [name for name in _CYCLE if getattr(self, name) is not None]
        if cycle and len(cycle) < len(_CYCLE):
            missing = next(n for n in _CYCLE if n not in cycle)
            raise ConfigError(
                f"params.json train has {', '.join(cycle)} but no {missing}: a cyclical schedule "
                "needs all four"
            )


_NOUN = {int: "whole number", float: "number", str: "text"}
_NOT_YET = ("agc_clip", "spec_weight", "total_weight", "weight_range", "weight_exp")


@dataclass(frozen=True)
class ModelParams:
    """The model section.

    Attributes:
        name: a function of `tfepi.models.MODELS`, which checks the keywords.
        keywords: its keyword arguments.
        augment_rc: train on either strand.
        augment_shift: bp, train on sequences moved by up to this.
    """

    name: str
    keywords: dict = field(default_factory=dict)
    augment_rc: bool = False
    augment_shift: int = 0


@dataclass(frozen=True)
class Params:
    """A params.json file.

    Attributes:
        train, model: the sections.
        source: the file's JSON value, written beside trained models.
    """

    train: TrainParams
    model: ModelParams
    source: dict


def find_params(name: str | Path) -> Path:
    """Return the path of a params file: a path as it is, or the name of a shipped preset."""
    path = Path(name)
    if path.exists() or path.suffix:
        return path
    preset = PRESETS / f"{name}.json"
    if not preset.exists():
        raise unknown("preset", str(name), [p.stem for p in PRESETS.glob("*.json")])
    return preset


def read_params(name: str | Path) -> Params:
    """Read a params.json file, or a preset by its name.

    Raises:
        InputFileError: missing, or not JSON.
        ConfigError: an unknown key, or a value of the wrong kind.
    """
    path = find_params(name)
    return parse_params(read_json(path), str(path))


def parse_params(value: dict, where: str = "params.json") -> Params:
    """Return the parameters of a params.json's value."""
    for key in value:
        if key not in ("train", "model"):
            raise unknown("section", key, ("train", "model"), f"in {where}")
    if not isinstance(value.get("model"), dict):
        raise ConfigError(f"{where} has no 'model' section")
    if not isinstance(value.get("train", {}), dict):
        raise ConfigError(f"{where}: train is {value['train']!r}, want a section")
    train = dict(value.get("train", {}))
    if "clipnorm" in train and "clip_norm" in train:
        raise ConfigError(f"{where}: train has both clipnorm and clip_norm: leave one out")
    if "clipnorm" in train:
        train["clip_norm"] = train.pop("clipnorm")
    for key in train:
        if key in _NOT_YET:
            raise ConfigError(f"{where}: train.{key} is not supported yet: remove it")
    train.pop("num_gpu", None)
    allowed = [f.name for f in fields(TrainParams)]
    for key in train:
        if key not in allowed:
            raise unknown("key", key, allowed, f"in train of {where}")
    return Params(TrainParams(**train), _parse_model(dict(value["model"]), where), value)


def _parse_model(model: dict, where: str) -> ModelParams:
    name = model.pop("name", None)
    if name is None:
        raise ConfigError(
            f"{where}: model has no 'name': trunk-and-head params are not supported yet; "
            'name a model function, for instance "name": "basset"'
        )
    augment = {k: model.pop(k) for k in ("augment_rc", "augment_shift") if k in model}
    if not isinstance(augment.get("augment_rc", False), bool):
        raise ConfigError(
            f"{where}: model.augment_rc is {augment['augment_rc']!r}, want true or false"
        )
    shift = augment.get("augment_shift", 0)
    if not isinstance(shift, int) or shift < 0:
        raise ConfigError(f"{where}: model.augment_shift is {shift!r}, want a number of bp")
    return ModelParams(str(name), model, **augment)
