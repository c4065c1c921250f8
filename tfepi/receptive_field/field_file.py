"""A measured field as a file of arrays, and back."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path

import numpy as np

from tfepi.receptive_field.agreement import compare
from tfepi.receptive_field.field import Field, Found
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.profile import Measured
from tfepi.receptive_field.theory import LayerField, Reach, Theory
from tfrecords_tools.errors import InputFileError, why_unread
from tfrecords_tools.files import atomic_path

FORMAT, FORMAT_VERSION = "tfepi-receptive-field-profiles", 1
_ARRAYS = ("phases", "at", "anchor", "positions", "mean", "most", "first", "last", "widths")
_NUMBERS = ("method", "place", "step", "extent", "floor")


def arrays_of(field: Field, facts: Mapping[str, object]) -> dict[str, np.ndarray]:
    """Return a field as arrays by name: "facts", JSON, and "<method>/<place>/<array>".

    Args:
        field: of a model.
        facts: what else is kept, JSON values.
    """
    arrays, found = {}, []
    for one in field.found:
        measured = one.measured
        name = f"{measured.method}/{measured.place}"
        arrays |= {f"{name}/{key}": getattr(measured, key) for key in _ARRAYS}
        kept = {key: getattr(measured, key) for key in _NUMBERS}
        scale = None if np.isnan(measured.scale) else measured.scale
        reach = asdict(one.reach) if one.reach is not None else None
        found.append(kept | {"scale": scale, "reach": reach})
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "grid": asdict(field.grid),
        "head": field.head,
        "theory": _theory_json(field.theory) if field.theory is not None else None,
        "found": found,
        "facts": dict(facts),
    }
    text = json.dumps(value, allow_nan=False, default=lambda number: number.item())
    return {"facts": np.array(text), **arrays}


def write_arrays(path: str | Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays as a compressed .npz, the same bytes of the same arrays."""
    with atomic_path(path) as part, open(part, "wb") as handle:
        np.savez_compressed(handle, allow_pickle=False, **arrays)


def read_field(path: str | Path) -> tuple[Field, dict]:
    """Return what `arrays_of` gave, of a file.

    Raises:
        InputFileError: damaged, or no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            value = json.loads(str(file["facts"][()]))
            if value["format"] != FORMAT or value["format_version"] != FORMAT_VERSION:
                raise KeyError(value["format"])
            found = [_found(entry, file) for entry in value["found"]]
        grid, given = OutputGrid(**value["grid"]), value["theory"]
        theory = _theory(given, grid) if given is not None else None
        return Field(grid, value["head"], theory, tuple(found)), value["facts"]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise InputFileError(
            f"{path} is no field of tfepi_rf.py, or damaged ({why_unread(error)}): remove it and "
            "use --resume"
        ) from None


def _found(entry: Mapping, file: Mapping[str, np.ndarray]) -> Found:
    name = f"{entry['method']}/{entry['place']}"
    given = {key: file[f"{name}/{key}"] for key in _ARRAYS} | {k: entry[k] for k in _NUMBERS}
    scale = float("nan") if entry["scale"] is None else entry["scale"]
    measured = Measured(**given, scale=scale)
    reach = _reach(entry["reach"]) if entry["reach"] is not None else None
    return Found(measured, reach, compare(measured, reach) if reach is not None else None)


def _reach(value: Mapping) -> Reach:
    return Reach(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})


def _theory_json(theory: Theory) -> dict:
    layers = [
        asdict(layer) | {"width": None if layer.width is None else str(layer.width)}
        for layer in theory.layers
    ]
    return {
        "period": theory.period,
        "needed": asdict(theory.needed),
        "touched": asdict(theory.touched),
        "global_from": theory.global_from,
        "layers": layers,
    }


def _theory(value: Mapping, grid: OutputGrid) -> Theory:
    layers = tuple(
        LayerField(
            **layer
            | {
                "width": None if layer["width"] is None else Fraction(layer["width"]),
                "needed": tuple(layer["needed"]),
                "touched": tuple(layer["touched"]),
            }
        )
        for layer in value["layers"]
    )
    reaches = (_reach(value[key]) for key in ("needed", "touched"))
    return Theory(grid, value["period"], *reaches, tuple(value["global_from"]), layers)
