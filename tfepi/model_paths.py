"""What a model's path names: its kind, its contract, the file that holds it."""

from collections.abc import Sequence
from pathlib import Path

from tfepi.params import Params
from tfepi.pretrained.sources import (
    SAVED_MODEL,
    SAVED_MODEL_SPEC,
    SPEC,
    TORCH,
    absent,
    published_files,
    published_kind,
)
from tfepi.spec import ModelSpec
from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import copied, existing
from tfrecords_tools.targets import Target


def spec_path(model: str | Path) -> Path:
    """Return the model.json that belongs to a model file or folder.

    Raises:
        InputFileError: no such model, or a model without its contract.
    """
    model = copied(model)
    kind = published_kind(model)
    if kind not in (None, SAVED_MODEL):
        raise not_converted(model, kind)
    model = Path(model)
    if not model.exists():
        raise InputFileError(f"model {model} does not exist: check the path")
    if model.is_dir() and (model / "variables").is_dir() and not is_saved_model(model):
        raise InputFileError(f"SavedModel {model} has no saved_model.pb: export it again")
    if model.is_dir():
        found = model / (SAVED_MODEL_SPEC if is_saved_model(model) else SPEC)
    elif model.suffix == ".keras":
        found = model.parent / SPEC
    else:
        raise InputFileError(
            f"model {model} is of no known kind: want a .keras file, a run folder, a SavedModel or "
            "a Basenji .h5"
        )
    if found.exists():
        return found
    if kind == SAVED_MODEL:
        raise InputFileError(
            f"SavedModel {model} has no {SAVED_MODEL_SPEC}, so it was not made here: name a run "
            "folder, or with Enformer as published the params 'enformer'"
        )
    if not model.is_dir():
        raise InputFileError(
            f"{model} has no {found.name} beside it: copy that of its run folder, or make both "
            "with tfepi_convert.py"
        )
    if (model / "statistics.json").exists():
        raise InputFileError(f"{model} is a folder of data, not a model: name the run folder")
    inside = ", ".join(sorted(p.name for p in model.iterdir())[:3]) or "nothing"
    raise InputFileError(
        f"{model} is no model: it has no {found.relative_to(model)} but {inside}; want a run "
        "folder or SavedModel made here, or name the .h5 file in it"
    )


def is_saved_model(folder: Path) -> bool:
    """Tell whether a folder is a SavedModel."""
    return (folder / "saved_model.pb").exists()


def is_h5(model: str | Path) -> bool:
    """Tell whether a path names an .h5 file."""
    path = Path(model)
    return path.suffix.lower() in (".h5", ".hdf5") and not path.is_dir()


def is_published(model: str | Path, params: Params | None) -> bool:
    """Tell whether a model is a copy of Enformer or Borzoi as published.

    Raises:
        InputFileError: params are Enformer's and there is no such model: where to get it.
    """
    kind = published_kind(model)
    of_enformer = params is not None and params.model.name == "enformer"
    if of_enformer and kind is None and not Path(model).exists():
        raise absent(model)
    # A SavedModel may be of anything else: it only lacks its contract then.
    return kind is not None and (of_enformer or (params is not None and kind != SAVED_MODEL))


def read_spec(
    model: str | Path,
    params: Params | None = None,
    targets: Sequence[Target] | None = None,
    head: str | None = None,
    data: Data | None = None,
) -> ModelSpec:
    """Return a model's contract.

    Args:
        model: .keras file, run folder, SavedModel, an .h5 file of Basenji or Baskerville, or a
            published Enformer or Borzoi (`sources.published_kind`).
        params: of an .h5 file or a published model, which has no contract of its own (imports
            Keras).
        targets: table of its outputs, or of some of them; the index says which.
        head: the head that an .h5 was saved for, where params.json has several; of a published
            model the head that the table is of.
        data: of an .h5: what it predicts, target by target, instead of a table.

    Raises:
        InputFileError: missing, damaged, without model.json, or an .h5 without params.
        ConfigError: a table that does not fit the number of outputs, or params of another model
            than the published.
    """
    model = copied(model)
    published = is_published(model, params)
    if not published and not is_h5(model):
        return ModelSpec.read(spec_path(model))
    if not published:
        existing(model, "model")
    if params is None:
        raise InputFileError(f"model {model} is an .h5 file: name its params.json with it")
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    if published:
        from tfepi.pretrained.published import published_spec

        return published_spec(model, params, targets, head)
    from tfepi.pretrained.basenji import h5_spec

    return h5_spec(params, targets, head, data)


def keras_file(model: str | Path) -> Path:
    """Return the .keras file of a run folder (its best), or the file itself.

    Of published weights it is the file that tells them from others (`sources.published_files`).

    Raises:
        InputFileError: there is none.
    """
    if published_kind(model) is not None:
        files = published_files(model)
        return files.get("variables", files["model"])
    path = Path(model)
    if path.is_dir() and is_saved_model(path):
        raise InputFileError(f"{path} is a SavedModel: name the run folder it was exported from")
    if path.is_dir():
        path = path / "model_best.keras"
    if not path.exists():
        raise InputFileError(f"model {path} does not exist: has the training finished an epoch?")
    return path


def not_converted(model: str | Path, kind: str) -> InputFileError:
    """Return the error for a published model where one with its contract is wanted.

    Args:
        model: its path.
        kind: as of `published_kind`.
    """
    other = " (of Borzoi's weights: tfepi_convert.py borzoi …)" if kind == TORCH else ""
    return InputFileError(
        f"model {model} is a {kind}, which has no {SPEC}: convert it first, as "
        f"tfepi_convert.py enformer {model} enformer/model.keras{other}"
    )
