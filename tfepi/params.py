"""params.json: the train, model, transfer and conditioning sections as validated values.

A key that no part understands is an error that names it. Basenji's `num_gpu` and `use_gpu` alone
are passed over: devices are chosen by the command.
"""

import logging
from dataclasses import dataclass, field
from pathlib import Path

from tfepi.conditioning_params import ConditioningParams, parse_conditioning
from tfepi.model_params import ModelParams, parse_model
from tfepi.train_params import LOSSES, OPTIMIZERS, TrainParams, parse_train
from tfepi.transfer_params import TransferParams, parse_transfer
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import read_json

__all__ = [
    "LOSSES",
    "OPTIMIZERS",
    "PRESETS",
    "ConditioningParams",
    "ModelParams",
    "Params",
    "TrainParams",
    "find_params",
    "parse_params",
    "read_params",
]
log = logging.getLogger(__name__)
_SECTIONS = ("train", "model", "transfer", "conditioning")
PRESETS = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class Params:
    """A params.json file.

    Attributes:
        train, model, transfer: the sections.
        source: the file's JSON value, written beside trained models.
        conditioning: the section of a conditioned model, or None.
    """

    train: TrainParams
    model: ModelParams
    source: dict
    transfer: TransferParams = field(default_factory=TransferParams)
    conditioning: ConditioningParams | None = None


def find_params(name: str | Path) -> Path:
    """Return the path of a params file: a path as it is, or the name of a shipped preset."""
    path = Path(name)
    if path.exists() or path.suffix:
        return path
    preset = PRESETS / f"{name}.json"
    if not preset.exists():
        raise unknown("preset", str(name), [p.stem for p in PRESETS.glob("*.json")])
    return preset


def read_params(name: str | Path, training: bool = True) -> Params:
    """Read a params.json file, or a preset by its name.

    Args:
        name: path or preset.
        training: check the train section; else only its loss is read, so that a model can be
            used whose train section has a key that nothing reads.

    Raises:
        InputFileError: missing, or not JSON.
        ConfigError: an unknown key, or a value of the wrong kind.
    """
    path = find_params(name)
    params = parse_params(read_json(path, "params file"), str(path), training)
    if training and "train" not in params.source:
        keys = ("optimizer", "learning_rate", "loss", "batch_size")
        defaults = ", ".join(f"{key} {getattr(params.train, key)}" for key in keys)
        log.warning("%s has no section 'train', so its defaults hold: %s", path, defaults)
    return params


def parse_params(value: dict, where: str = "params.json", training: bool = True) -> Params:
    """Return the parameters of a params.json's value."""
    for key in value:
        if key not in _SECTIONS:
            raise unknown("section", key, _SECTIONS, f"in {where}")
    if not isinstance(value.get("model"), dict):
        raise ConfigError(f"{where} has no 'model' section")
    if not isinstance(value.get("train", {}), dict):
        raise ConfigError(f"{where}: train is {value['train']!r}, want a section")
    section = value.get("train", {})
    if not training:
        section = {k: v for k, v in section.items() if k == "loss"}
    given = training and "transfer" in value
    transfer = parse_transfer(value["transfer"], where) if given else TransferParams()
    model = parse_model(value["model"], where)
    conditioning = parse_conditioning(value.get("conditioning"), where)
    return Params(parse_train(section, where), model, value, transfer, conditioning)
