"""One model in another form: .keras, SavedModel, or Basenji's .h5; of published weights, too."""

import json
from pathlib import Path

import keras

from tfepi.model_params import BASENJI
from tfepi.params import Params
from tfepi.predictors import (
    SAVED_MODEL_SPEC,
    is_h5,
    is_published,
    is_saved_model,
    keras_file,
    load_keras,
)
from tfepi.pretrained.basenji import h5_model, write_h5
from tfepi.pretrained.published import published_keras
from tfepi.serving.agreement import check_own_params, check_params
from tfepi.serving.export import export_model
from tfepi.serving.heads import only_head
from tfepi.spec import ModelSpec
from tfepi.training.adapters import merge
from tfrecords_tools.errors import ConfigError, UnfinishedError
from tfrecords_tools.files import atomic_path, read_json, write_json
from tfrecords_tools.output import check_folder


def convert(
    model: str | Path,
    params: Params,
    spec: ModelSpec,
    out: str | Path,
    head: str | None = None,
    merged: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Write a model in the form that the output's name says.

    Args:
        model: a run folder (its best), a .keras file, a Basenji .h5, or published weights of
            Enformer or Borzoi.
        params: the params.json it was made with; sizes that it leaves out of a published model
            are written with it.
        spec: its contract (`predictors.read_spec`).
        out: ending in .keras: with model.json and params.json beside it, so that every command
            takes it; in .h5: weights that Basenji's and Baskerville's commands load with this
            params.json; otherwise the folder of a SavedModel.
        head: the head to keep, where the model has several; an .h5 holds one.
        merged: merge adapters (LoRA, LoCon, IA³) into the layers they adapt.
        overwrite: replace what is there.

    Returns:
        The paths written.

    Raises:
        ConfigError: a SavedModel, which cannot be turned back; an .h5 of a model that is no
            trunk with heads, or of one with adapters; params of another model; an unknown head;
            nothing to merge.
        UnfinishedError: something is there already.
    """
    out = Path(out)
    published = is_published(model, params)
    if not published and Path(model).is_dir() and is_saved_model(Path(model)):
        raise ConfigError(f"{model} is a SavedModel, which has no layers: name the run folder")
    if is_h5(out) and params.model.name != BASENJI:
        raise ConfigError(
            f"{out}: Basenji cannot load a {params.model.name!r}, only a trunk with heads; "
            "write a .keras file or a SavedModel"
        )
    if not published:
        check_params(params, spec)
        check_own_params(params, model)
    if not out.suffix:
        check_folder(out, overwrite=overwrite)
    elif out.suffix not in (".keras", ".h5"):
        raise ConfigError(f"{out}: want a name that ends in .keras or .h5, or a folder's name")
    elif out.exists() and not (overwrite and out.is_file()):
        raise UnfinishedError(
            f"{out} exists: name another file" + (", or use --overwrite" if out.is_file() else "")
        )
    elif not out.parent.is_dir():
        check_folder(out.parent)  # can be made
    if published:
        (loaded, params), source = published_keras(model, params), keras_file(model)
    else:
        loaded, source = _load(model, params, spec)
    if merged:
        loaded = merge(loaded)
    if head is not None or (is_h5(out) and len(spec.heads) > 1):
        loaded, spec = only_head(loaded, spec, head)
    if not out.suffix:
        export_model(loaded, spec, out, source, overwrite)
        return [out, out / SAVED_MODEL_SPEC]
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".h5":
        write_h5(loaded, out)
        return [out]
    beside = {out.parent / "model.json": spec.to_json(), out.parent / "params.json": params.source}
    for path, value in beside.items():
        if path.exists() and read_json(path) != json.loads(json.dumps(value)):
            raise UnfinishedError(
                f"{path} is of another model: write {out.name} into a folder of its own"
            )
    with atomic_path(out) as part:
        loaded.save(part)
    for path, value in beside.items():
        if not path.exists():
            write_json(path, value)
    return [out, *beside]


def _load(model: str | Path, params: Params, spec: ModelSpec) -> tuple[keras.Model, Path]:
    if is_h5(model):
        return h5_model(params, model, spec.head().name), Path(model)
    return load_keras(model), keras_file(model)
