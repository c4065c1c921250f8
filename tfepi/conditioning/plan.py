"""Which models are compared: presets or params files, changed alike for all of them."""

import json
import re
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from tfepi.params import Params, find_params, parse_params
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import read_json

AVERAGE, ACCESSIBILITY = BASELINES = ("other cells", "accessibility")  # as tables name them
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# What the report calls the models of the shipped presets.
NAMES = {
    "dsg_model_a": "A",
    "dsg_model_b": "B",
    "dsg_model_c": "C",
    "dsg_model_d": "D",
    "conditioned_stems": "1a",
    "conditioned_wide": "1b",
    "conditioned_state": "1c",
}


@dataclass(frozen=True)
class Plan:
    """An experiment.

    Attributes:
        models: name → params, in the order of tables.
        seeds: each model is trained with.
        hold_out: cell types that no model is trained on.
        labels: of training, validation and test records.
    """

    models: dict[str, Params]
    seeds: tuple[int, ...]
    hold_out: tuple[str, ...] = ()
    labels: tuple[str, str, str] = ("train", "valid", "test")

    def __post_init__(self):
        if not self.seeds:
            raise ConfigError("there are no seeds: want at least one")
        if len(set(self.hold_out)) < len(self.hold_out):
            raise ConfigError(f"--hold_out {','.join(self.hold_out)} names a cell type twice")
        for name, params in self.models.items():
            held = params.conditioning.hold_out
            if held and held != self.hold_out:
                raise ConfigError(
                    f"params of model {name} hold out {', '.join(held)}, the comparison "
                    f"{', '.join(self.hold_out) or 'nothing'}: say it with --hold_out, alike for "
                    "all models"
                )

    def to_json(self) -> dict:
        """Return the JSON value."""
        return {
            "models": {name: params.source for name, params in self.models.items()},
            "seeds": list(self.seeds),
            "hold_out": list(self.hold_out),
            "labels": list(self.labels),
        }


def read_models(texts: Sequence[str], changes: Sequence[str] = ()) -> dict[str, Params]:
    """Return the models of a command line.

    Args:
        texts: presets or paths, each perhaps with a name before it: "A=dsg_model_a".
        changes: "section.key=value" for all models, "NAME:section.key=value" for one; values are
            JSON, or else text.

    Raises:
        ConfigError: a name twice, no conditioning section, an unknown key, a change of nothing.
        InputFileError: a params file that is missing or damaged.
    """
    found: dict[str, Params] = {}
    parsed = [_change(text) for text in changes]
    used = [False] * len(parsed)
    for text in texts:
        name, _, place = text.rpartition("=")
        name = name or NAMES.get(place, Path(place).stem)
        if not _NAME.fullmatch(name) or name in BASELINES:
            raise ConfigError(
                f"a model is named {name!r}: want letters, digits, '.', '_' and '-', and another "
                f"name than the baselines' ({', '.join(BASELINES)})"
            )
        if name in found:
            raise ConfigError(f"two models are named {name!r}: name them apart, as NAME={place}")
        value = deepcopy(read_json(find_params(place), "params file"))
        for number, (only, keys, entry) in enumerate(parsed):
            if only in (None, name):
                used[number] |= _set(value, keys, entry)
        found[name] = parse_params(value, place)
        if found[name].conditioning is None:
            raise ConfigError(
                f"{place} has no conditioning section: these models are compared in cell types"
            )
    for (only, keys, _), done in zip(parsed, used, strict=True):
        if only is not None and only not in found:
            raise ConfigError(
                f"--set {only}:{'.'.join(keys)}: no model is named {only!r}, only "
                f"{', '.join(found)}"
            )
        if not done:
            raise ConfigError(
                f"--set {'.'.join(keys)}: no model has the section {'.'.join(keys[:-1])}"
            )
    return found


def _change(text: str) -> tuple[str | None, list[str], object]:
    key, equals, value = text.partition("=")
    only, colon, key = key.rpartition(":")
    keys = key.split(".")
    if not equals or len(keys) < 2 or not all(keys):
        raise ConfigError(f"--set {text}: want section.key=value, as model.filters=8")
    try:
        entry = json.loads(value)
    except ValueError:
        entry = value
    return only if colon else None, keys, entry


def _set(value: dict, keys: list[str], entry: object) -> bool:
    """Set an entry of a section; return whether there is such a section."""
    for key in keys[:-1]:
        value = value.get(key)
        if not isinstance(value, dict):
            return False
    value[keys[-1]] = entry
    return True
