"""Enformer's published weights, opened from any form they are published in."""

import re
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tfepi.pretrained.enformer_names import enformer_names
from tfepi.pretrained.enformer_weights import EnformerWeights
from tfepi.pretrained.object_paths import ObjectArrays, by_object_path, read_checkpoint
from tfepi.pretrained.sources import (
    ARRAYS,
    CHECKPOINT,
    SAVED_MODEL,
    TORCH,
    absent,
    checkpoint_prefix,
    published_kind,
    saved_model_folder,
)
from tfepi.pretrained.state_dict import StateDict, read_state_dict
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing

_MODULE = "_trunk"  # what Enformer's own object has
_PARTS = (_MODULE, "_heads")
# torch has the trunk's parts a second time, by their places in it.
_PLACES = {"1": "stem", "2": "conv_tower", "4": "transformer", "6": "final_pointwise"}
_PLACED = re.compile(r"_trunk\.([1246])\.(.+)")
_TORCH_NAMES = {name.torch for name in enformer_names(1)}  # as many as tell them
_SHOWN = 3


def open_weights(model: str | Path) -> EnformerWeights:
    """Open the weights of a published Enformer.

    Args:
        model: a TensorFlow checkpoint (`checkpoint_prefix`), an .npz of its arrays by key, a
            state dict of torch, or a SavedModel that keeps the objects its variables belong to.

    Raises:
        InputFileError: missing, damaged, without Enformer's arrays, or an .npz of torch's names.
        ConfigError: torch is needed and not installed.
    """
    kind = published_kind(model)
    if kind == TORCH:
        return _open_torch(Path(model))
    if kind == ARRAYS:
        return of_checkpoint(_read_npz(existing(model, "weight file")), str(model))
    if kind == CHECKPOINT:
        return _of_objects(read_checkpoint(checkpoint_prefix(model), _MODULE))
    if kind == SAVED_MODEL:
        try:
            prefix = checkpoint_prefix(saved_model_folder(model))
            # It may have variables of its own, as of a function, beside the model's.
            return EnformerWeights(read_checkpoint(prefix, _MODULE).below(_PARTS), "checkpoint")
        except InputFileError as error:
            raise InputFileError(
                f"the weights of SavedModel {model} cannot be taken out: {error}; use it as it is, "
                "or take the checkpoint of gs://dm-enformer/models/enformer/sonnet_weights"
            ) from None
    raise absent(model)


def of_checkpoint(arrays: Mapping[str, np.ndarray], where: str = "the mapping") -> EnformerWeights:
    """Return weights whose names are a checkpoint's keys.

    Args:
        arrays: by key, as of `by_object_path`.
        where: they are of, for messages.

    Raises:
        InputFileError: no key is of Enformer, or the names are torch's.
    """
    theirs = (n for n in arrays if n in _TORCH_NAMES or _PLACED.fullmatch(n))
    if name := next(theirs, None):
        raise InputFileError(
            f"{where} has an array {name}: these are torch names, so save the arrays as "
            ".safetensors (safetensors.numpy.save_file), or give a dict of them to enformer_torch"
        )
    return _of_objects(by_object_path(arrays, _MODULE, where))


def _of_objects(arrays: ObjectArrays) -> EnformerWeights:
    return EnformerWeights(arrays, "checkpoint", arrays.beside)


def of_torch(named: StateDict, opened: Callable[[], StateDict] | None = None) -> EnformerWeights:
    """Return weights under the names of enformer-pytorch, each of them once.

    Args:
        named: the state dict.
        opened: returns it anew for each array, so that what was read of a file is let go.

    Raises:
        InputFileError: the names are a checkpoint's, or none is of Enformer; or, of an array when
            it is read, it is there under two names and differs.
    """
    if key := next((key for key in named if f"{_MODULE}/" in key), None):
        raise InputFileError(
            f"{named.source} has an array {key}: these are keys of a checkpoint, so give them to "
            "enformer_checkpoint"
        )
    names: dict[str, list[str]] = {}
    for name in named:
        placed = _PLACED.fullmatch(name)
        names.setdefault(f"{_PLACES[placed[1]]}.{placed[2]}" if placed else name, []).append(name)
    source = named.source
    if not any(name in _TORCH_NAMES for name in names):
        some = ", ".join(list(named)[:_SHOWN]) or "nothing"
        more = f", … ({len(named)} in all)" if len(named) > _SHOWN else ""
        raise InputFileError(
            f"{source} has no array of Enformer but {some}{more}: want names such as stem.0.weight "
            "and _heads.human.0.weight, those of a state dict of enformer-pytorch"
        )

    def read(name: str) -> np.ndarray:
        stored = named if opened is None else opened()
        first, *others = names[name]
        array = stored[first]
        for other in others:
            if not np.array_equal(array, stored[other]):
                raise InputFileError(
                    f"{source}: {first} and {other} differ, which are two names of one weight: the "
                    "file is damaged, or of another model"
                )
        return array

    return EnformerWeights(StateDict(source, names, read), "torch")


def _open_torch(path: Path) -> EnformerWeights:
    named = read_state_dict(path)
    if path.suffix.lower() != ".safetensors" and not zipfile.is_zipfile(path):
        return of_torch(named)  # of an old torch, whose files are read whole
    # The file is mapped into memory, and what was read of it stays there while it is open: a
    # gigabyte less is held if it is opened for each array.
    names = StateDict(path, tuple(named), lambda name: read_state_dict(path)[name])
    return of_torch(names, lambda: read_state_dict(path))


def _read_npz(path: Path) -> StateDict:
    damaged = InputFileError(f"{path} is no .npz archive, or truncated: copy it again")
    failures = (ValueError, OSError, EOFError, zipfile.BadZipFile)
    if not zipfile.is_zipfile(path):  # one array alone, or no end
        raise damaged

    def opened() -> Mapping[str, np.ndarray]:
        try:
            return np.load(path, allow_pickle=False)
        except failures:
            raise damaged from None

    def read(key: str) -> np.ndarray:
        with opened() as found:
            try:
                return found[key]
            except failures:
                raise damaged from None

    with opened() as found:
        names = tuple(found)
    return StateDict(path, names, read)
