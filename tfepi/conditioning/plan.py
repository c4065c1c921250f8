"""Which models are compared: presets or params files, changed alike for all of them."""

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from tfepi.params import Params, find_params, parse_params
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import read_json

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
    for text in texts:
        name, _, place = text.rpartition("=")
        name = name or NAMES.get(place, Path(place).stem)
        if name in found:
            raise ConfigError(f"two models are named {name!r}: name them apart, as NAME={place}")
        value = deepcopy(read_json(find_params(place), "params file"))
        for only, keys, entry in parsed:
            if only in (None, name):
                _set(value, keys, entry)
        found[name] = parse_params(value, place)
        if found[name].conditioning is None:
            raise ConfigError(
                f"{place} has no conditioning section: these models are compared in cell types"
            )
    for only, keys, _ in parsed:
        if only is not None and only not in found:
            raise ConfigError(
                f"--set {only}:{'.'.join(keys)}: no model is named {only!r}, only "
                f"{', '.join(found)}"
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


def _set(value: dict, keys: list[str], entry: object) -> None:
    for key in keys[:-1]:
        inner = value.setdefault(key, {})
        if not isinstance(inner, dict):
            return  # this model has no such section, and so nothing to change
        value = inner
    value[keys[-1]] = entry
