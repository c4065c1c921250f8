"""Do params.json, a model and a data folder belong together?"""

import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from tfepi.model_params import ModelParams
from tfepi.params import find_params
from tfepi.predictors import is_h5, spec_path
from tfepi.pretrained.sources import published_files, published_kind
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target, is_numbered, read_targets, select

SIZES = {
    "seq_length": ("seq_length", "input_length"),
    "crop": ("crop", "crop_bp"),
    "bin width": ("bin_width", "pool_width"),
    "number of targets": ("targets", "num_targets"),
}


class LabelledData(Protocol):
    """What a test needs of a data folder (`tfrecords_tools.data.Data`)."""

    seq_length: int
    crop_bp: int
    pool_width: int
    target_length: int
    targets: tuple[Target, ...]
    labels: Sequence[str]
    counts: dict[str, int]
    manifest_sha256: str | None

    def windows(self, label: str) -> list[Interval]: ...

    def records(self, label: str) -> Iterator[tuple[np.ndarray, np.ndarray]]: ...


def stated_sizes(model: ModelParams, defaults: bool = False) -> dict[str, object]:
    """Return the name and the sizes that the model section of params.json states.

    Args:
        model: the section.
        defaults: also the defaults of the model's function (imports Keras).
    """
    values = dict(model.keywords)
    if defaults:
        from tfepi.models import MODELS
        from tfepi.models.sizes import SIZED_BY_DATA

        if model.name in MODELS and model.name not in SIZED_BY_DATA:
            signature = inspect.signature(MODELS[model.name]).parameters
            values = {n: p.default for n, p in signature.items()} | values
    found: dict[str, object] = {"name": model.name} if model.name else {}
    for name, keys in SIZES.items():
        sizes = [values[k] for k in keys if isinstance(values.get(k), int)]
        if sizes:
            found[name] = sizes[0]
    return found


def check_sizes(
    spec: ModelSpec, data: LabelledData, head: Head, stated: dict[str, object] | None = None
) -> None:
    """Check that params.json, model and data are of the same lengths and targets.

    Args:
        spec: the model's contract.
        data: the data folder.
        head: the output that is tested.
        stated: `stated_sizes` of params.json.

    Raises:
        ConfigError: naming every size that differs, with the number each side has.
    """
    of_model = {
        "name": spec.name,
        "seq_length": spec.seq_length,
        "crop": spec.crop,
        "bin width": spec.bin_width,
        "number of bins": spec.target_length,
        "number of targets": len(head.targets),
    }
    of_data = {
        "seq_length": data.seq_length,
        "crop": data.crop_bp,
        "bin width": data.pool_width,
        "number of bins": data.target_length,
    }
    known = {t.identifier for t in data.targets}
    if not all(t.identifier in known for t in head.targets):
        of_data["number of targets"] = len(data.targets)
    differences = [
        f"{name} is {of_model[name]} in the model and {size} in {side}"
        for side, sizes in (("params.json", stated or {}), ("the data", of_data))
        for name, size in sizes.items()
        if size != of_model[name]
    ]
    if differences:
        raise ConfigError(
            f"{'; '.join(differences)}: test with the params.json and data the model was made for"
        )


def chosen_targets(
    head: Head, data: LabelledData, names: Sequence[str] | None = None
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return positions among the head's targets and, of the same targets, among the data's.

    Args:
        head: the model's output.
        data: the data folder.
        names: identifiers or indexes to test, or one targets table that lists them; None: all
            of the head's.

    Raises:
        ConfigError: an unknown name, or a target of the model that the data lack.
    """
    if names and len(names) == 1 and Path(names[0]).is_file():
        names = [t.identifier for t in read_targets(names[0])]
    of_head = select(head.targets, list(names)) if names else tuple(range(len(head.targets)))
    position = {t.identifier: p for p, t in enumerate(data.targets)}
    if all(map(is_numbered, head.targets)) and len(head.targets) == len(data.targets):
        return of_head, of_head  # a model that came without a table: the data's names
    for p in of_head:
        if head.targets[p].identifier not in position:
            raise unknown("target", head.targets[p].identifier, position, "of the model's head")
    return of_head, tuple(position[head.targets[p].identifier] for p in of_head)


def model_files(model: str | Path, params: str | Path | None = None) -> dict[str, Path]:
    """Return the files that identify a model by their content, label → path.

    Of a SavedModel the index of variables holds each one's checksum.

    Args:
        model: file or folder, or what else `predictors.load_predictor` takes.
        params: with it, also the file of the contract: model.json, or this one of an .h5 and of
            a published model.

    Raises:
        InputFileError: a folder without model_best.keras and saved_model.pb.
    """
    if params is not None:
        stated = is_h5(model) or published_kind(model) is not None
        return model_files(model) | {"spec": find_params(params) if stated else spec_path(model)}
    if published_kind(model) is not None:
        return published_files(model)
    model = Path(model)
    if not model.is_dir():
        return {"model": existing(model, "model")}
    if (model / "model_best.keras").exists():
        return {"model": model / "model_best.keras"}
    if (model / "saved_model.pb").exists():
        index = model / "variables" / "variables.index"
        return {"model": model / "saved_model.pb"} | (
            {"variables": index} if index.exists() else {}
        )
    raise InputFileError(
        f"model folder {model} has neither model_best.keras nor saved_model.pb: name a model"
    )


def parse_shifts(text: str) -> tuple[int, ...]:
    """Return the shifts of a comma-separated list, bp.

    Raises:
        ConfigError: something that is no whole number, or a shift named twice.
    """
    try:
        shifts = tuple(int(s) for s in text.split(","))
    except ValueError:
        raise ConfigError(f"shifts {text!r}: want whole numbers separated by commas") from None
    if len(set(shifts)) < len(shifts):
        raise ConfigError(f"shifts {text!r} name the same shift twice: name each once")
    return shifts


def curves_of(model: str | Path) -> Path | None:
    """Return the training metrics in a model's folder, if there are any."""
    model = Path(model)
    path = (model if model.is_dir() else model.parent) / "metrics.jsonl"
    return path if path.exists() else None
