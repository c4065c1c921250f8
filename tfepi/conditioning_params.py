"""The conditioning section of params.json: what a model is told of the cell type, and asked."""

from dataclasses import dataclass, fields

from tfepi.model_params import is_whole
from tfrecords_tools.conditioning import MISSING_LABELS, OUTPUTS, REFERENCE_MODES
from tfrecords_tools.errors import ConfigError, unknown

SAMPLING = ("random", "all")


@dataclass(frozen=True)
class StateParams:
    """Where the vectors of cell types come from.

    Attributes:
        file: table of them, or None: they are computed from accessibility.
        regions: number of marker regions.
        region_bp: their length.
    """

    file: str | None = None
    regions: int = 64
    region_bp: int = 512


@dataclass(frozen=True)
class ConditioningParams:
    """The conditioning section; every key has a default but `outputs`.

    Attributes:
        outputs: "marks": one output per mark, of the cell type that the inputs choose; "cells":
            one per training cell type and mark.
        reference_mode: second channel of the input tracks, "delta" or "average"; None: no tracks.
        track_mask: a third channel, 1 where the cell's track was measured.
        cell_sampling: "random": one cell type per window and epoch; "all": every one.
        augment_scale: bounds of the random factor of the cell's own track.
        cell_state: the vector of cell types, or None.
        missing: labels that are missing: "mask" or "zero".
        hold_out: cell types that are not trained on.
    """

    outputs: str
    reference_mode: str | None = None
    track_mask: bool = False
    cell_sampling: str = "random"
    augment_scale: tuple[float, float] = (1.0, 1.0)
    cell_state: StateParams | None = None
    missing: str = "mask"
    hold_out: tuple[str, ...] = ()


def parse_conditioning(section: object, where: str) -> ConditioningParams | None:
    """Return the parameters of a params.json's conditioning section, None without one.

    Args:
        section: its value.
        where: the file, for messages.

    Raises:
        ConfigError: an unknown key or name, or a value of the wrong kind.
    """
    if section is None:
        return None
    if not isinstance(section, dict):
        raise ConfigError(f"{where}: conditioning is {section!r}, want a section")
    allowed = [f.name for f in fields(ConditioningParams)]
    for key in section:
        if key not in allowed:
            raise unknown("key", key, allowed, f"in conditioning of {where}")
    if "outputs" not in section:
        raise ConfigError(
            f"{where}: conditioning has no outputs: want marks (one output per mark) or cells "
            "(one per cell type and mark)"
        )
    values = dict(section)
    for key, choices in (
        ("outputs", OUTPUTS),
        ("reference_mode", (None, *REFERENCE_MODES)),
        ("cell_sampling", SAMPLING),
        ("missing", MISSING_LABELS),
    ):
        if key in values and values[key] not in choices:
            named = [c for c in choices if c is not None]
            raise unknown(key, str(values[key]), named, f"in conditioning of {where}")
    if not isinstance(values.get("track_mask", False), bool):
        raise ConfigError(
            f"{where}: conditioning.track_mask is {values['track_mask']!r}, want true or false"
        )
    if "augment_scale" in values:
        values["augment_scale"] = _scale(values["augment_scale"], where)
    held = values.get("hold_out", [])
    if not isinstance(held, list) or not all(isinstance(name, str) for name in held):
        raise ConfigError(f"{where}: conditioning.hold_out is {held!r}, want a list of cell types")
    values["hold_out"] = tuple(held)
    if values.get("cell_state") is not None:
        values["cell_state"] = _state(values["cell_state"], where)
    found = ConditioningParams(**values)
    if found.reference_mode is None and (
        found.track_mask or found.augment_scale != ConditioningParams.augment_scale
    ):
        raise ConfigError(
            f"{where}: conditioning has track_mask or augment_scale but no reference_mode, so no "
            "input tracks: add one, or leave them out"
        )
    return found


def _scale(value: object, where: str) -> tuple[float, float]:
    numbers = value if isinstance(value, list) else []
    right = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in numbers)
    if len(numbers) != 2 or not right or not 0 < numbers[0] <= numbers[1]:
        raise ConfigError(
            f"{where}: conditioning.augment_scale is {value!r}, want the lowest and the highest "
            "factor, for instance [0.9, 1.15]"
        )
    return float(numbers[0]), float(numbers[1])


def _state(value: object, where: str) -> StateParams:
    if not isinstance(value, dict):
        raise ConfigError(
            f'{where}: conditioning.cell_state is {value!r}, want {{"regions": 64, "region_bp": '
            '512}, or {"file": "states.tsv"}'
        )
    allowed = [f.name for f in fields(StateParams)]
    for key, entry in value.items():
        if key not in allowed:
            raise unknown("key", key, allowed, f"in conditioning.cell_state of {where}")
        right = isinstance(entry, str) if key == "file" else is_whole(entry)
        if not right:
            want = "a path" if key == "file" else "a whole number of at least 1"
            raise ConfigError(f"{where}: conditioning.cell_state.{key} is {entry!r}, want {want}")
    if "file" in value and len(value) > 1:
        raise ConfigError(
            f"{where}: conditioning.cell_state has a file and {', '.join(set(value) - {'file'})}: "
            "vectors are either given or computed"
        )
    return StateParams(**value)
