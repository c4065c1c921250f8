"""What kind of published model a path is, told without importing TensorFlow."""

import glob
import hashlib
import os
import re
from pathlib import Path

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing

SAVED_MODEL = "SavedModel"
CHECKPOINT = "TensorFlow checkpoint"
ARRAYS = "file of arrays by checkpoint key"
TORCH = "state dict of torch"
_TORCH_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
_HANDLES = re.compile(r"https://(tfhub\.dev|(www\.)?kaggle\.com/models)/.+")
_OF_CHECKPOINT = re.compile(r"\.(index|data-\d{5}-of-\d{5})")
SPEC = "model.json"
"""Name of our models' contract, beside a .keras file or in a run folder."""
SAVED_MODEL_SPEC = f"assets.extra/{SPEC}"
"""Its path in a SavedModel of ours."""
_OURS = (SAVED_MODEL_SPEC, SPEC, "model_best.keras")
_STATE = "checkpoint"  # the file in which TensorFlow notes the latest
_PUBLISHED = {
    SAVED_MODEL: "a SavedModel at kaggle.com/models/deepmind/enformer (Apache-2.0)",
    CHECKPOINT: (
        "a checkpoint at gs://dm-enformer/models/enformer/sonnet_weights (Apache-2.0), to be "
        "copied with gsutil"
    ),
    TORCH: "for torch at huggingface.co/EleutherAI/enformer-official-rough (CC-BY-4.0)",
}


def published_kind(model: str | Path) -> str | None:
    """Return the kind of a model that was made elsewhere and has no contract, or None.

    Args:
        model: a path, or the address of a SavedModel at TensorFlow Hub or Kaggle.

    Returns:
        SAVED_MODEL: a folder without our model.json, or an address; CHECKPOINT: a prefix, one of
        its files, or a folder that holds one; TORCH; ARRAYS: an .npz. None of anything else, and
        of a path at which there is nothing.
    """
    if is_handle(model):
        return SAVED_MODEL
    path = Path(model)
    if path.is_dir():
        if any((path / name).exists() for name in _OURS):
            return None
        if (path / "saved_model.pb").exists():
            return SAVED_MODEL
        return CHECKPOINT if any(path.glob("*.index")) else None
    if _index(_prefix(path)).is_file():
        return CHECKPOINT
    if path.is_file() and path.suffix.lower() in (*_TORCH_SUFFIXES, ".npz"):
        return ARRAYS if path.suffix.lower() == ".npz" else TORCH
    return None


def is_handle(model: str | Path) -> bool:
    """Tell whether a text is the address of a model at TensorFlow Hub or Kaggle."""
    return isinstance(model, str) and bool(_HANDLES.fullmatch(model))


def published_files(model: str | Path) -> dict[str, Path]:
    """Return label → path of the files whose content is a published model.

    Of a checkpoint and of a SavedModel's variables the index holds each array's checksum.

    Raises:
        InputFileError: there is none, or a part of it is missing.
    """
    kind = published_kind(model)
    if kind == SAVED_MODEL:
        folder = saved_model_folder(model)
        files = {"model": existing(folder / "saved_model.pb", "SavedModel")}
        index = folder / "variables" / "variables.index"
        return files | ({"variables": index} if index.exists() else {})
    if kind == CHECKPOINT:
        return {"model": _index(checkpoint_prefix(model))}
    if kind is None:
        raise absent(model)
    return {"model": existing(model, "model")}


def checkpoint_prefix(model: str | Path) -> Path:
    """Return the prefix of a checkpoint's files.

    Args:
        model: the prefix, one of the files, or a folder: of the checkpoint that the folder's own
            note names, else of the only one. A SavedModel's are its variables.

    Raises:
        InputFileError: there is none, several, or one of its files is missing.
    """
    path = Path(model)
    if (path / "saved_model.pb").exists():
        path = path / "variables" / "variables"
    elif path.is_dir():
        path = _of_folder(path)
    path = _prefix(path)
    if not _index(path).is_file():
        raise absent(model, CHECKPOINT)
    parts = list(path.parent.glob(f"{glob.escape(path.name)}.data-?????-of-?????"))
    count = int(parts[0].name[-5:]) if parts else 1
    if len(parts) < count:
        raise InputFileError(
            f"checkpoint {path} has {len(parts)} of its {count} .data files beside "
            f"{_index(path).name}: copy all"
        )
    return path


def _of_folder(folder: Path) -> Path:
    names = sorted(p.name.removesuffix(".index") for p in folder.glob("*.index"))
    if (folder / _STATE).is_file():
        state = (folder / _STATE).read_text(errors="replace")
        noted = re.search(r'^model_checkpoint_path: "(.*)"', state, re.MULTILINE)
        # The folder may have been moved since: only the name counts.
        if noted and Path(noted[1]).name in names:
            return folder / Path(noted[1]).name
    if len(names) > 1:
        raise InputFileError(
            f"folder {folder} has the checkpoints {', '.join(names)}: name one, as "
            f"{folder / names[0]}"
        )
    return folder / names[0] if names else folder


def saved_model_folder(model: str | Path) -> Path:
    """Return the folder of a SavedModel, of an address the copy in TensorFlow Hub's cache.

    Without a copy there, tensorflow_hub fetches it.

    Raises:
        InputFileError: there is none.
        ConfigError: it is to be fetched, and tensorflow_hub is missing or fails.
    """
    if not is_handle(model):
        path = Path(model)
        if not (path / "saved_model.pb").exists():
            raise absent(model, SAVED_MODEL)
        return path
    cache = os.environ.get("TFHUB_CACHE_DIR")
    if cache:
        path = Path(cache) / hashlib.sha1(model.encode()).hexdigest()
        if (path / "saved_model.pb").exists():
            return path
    try:
        import tensorflow_hub
    except ImportError as error:
        raise ConfigError(
            f"{model} has to be fetched with tensorflow_hub, which cannot be imported "
            f"({_line(error)}): pip install 'tfepi[hub]', or give an unpacked folder; "
            f"{published_at(SAVED_MODEL)}"
        ) from None
    try:
        return Path(tensorflow_hub.resolve(model))
    except Exception as error:  # of the network, in many classes
        raise ConfigError(
            f"{model} could not be fetched ({_line(error)}): give an unpacked folder; "
            f"{published_at(SAVED_MODEL)}"
        ) from None


def absent(model: str | Path, kind: str | None = None) -> InputFileError:
    """Return the error for a published model that is not there: where to get it, its licence.

    Args:
        model: as it was given.
        kind: what was wanted; None for any.
    """
    what = kind or "model"
    if str(model).startswith("gs://"):
        return InputFileError(f"{what} {model} is in a bucket: copy its files first, with gsutil")
    if Path(model).exists():
        return InputFileError(f"{model} is no {what}: {published_at(kind)}")
    return InputFileError(f"{what} {model} does not exist: check the path; {published_at(kind)}")


def published_at(kind: str | None = None) -> str:
    """Return where Enformer is published, of one kind or of all, and its licence."""
    places = [_PUBLISHED[kind]] if kind in _PUBLISHED else list(_PUBLISHED.values())
    return f"Enformer is published as {', or '.join(places)}"


def _prefix(path: Path) -> Path:
    """Return a path without the ending of a checkpoint's file."""
    return path.with_suffix("") if _OF_CHECKPOINT.fullmatch(path.suffix) else path


def _index(prefix: Path) -> Path:
    return prefix.parent / f"{prefix.name}.index"


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]
