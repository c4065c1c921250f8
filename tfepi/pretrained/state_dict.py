"""State dicts of torch models: weight files read as arrays by name, and put into a Keras model."""

import importlib.util
import pickle
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing

Row = tuple[str, keras.Variable, Callable[[np.ndarray], np.ndarray] | None]
"""Name in the state dict, the variable it fills, and how its array becomes the variable's."""

_TORCH_SUFFIXES = (".bin", ".pt", ".pth")
_COUNTER = "num_batches_tracked"  # of torch's BatchNorm; Keras keeps none
_SHOWN = 20


class StateDict(Mapping):
    """Arrays by name, each read when it is asked for.

    Floating-point arrays come as float32, from any precision.

    Args:
        source: the file, or what else the arrays are of, for messages.
        names: of the arrays.
        read: returns the array of a name.
    """

    def __init__(
        self, source: str | Path, names: Collection[str], read: Callable[[str], np.ndarray]
    ):
        self.source = source
        self._names = dict.fromkeys(names)
        self._read = read

    def __getitem__(self, name: str) -> np.ndarray:
        """Return an array.

        Raises:
            InputFileError: it is no array of finite numbers.
        """
        if name not in self._names:
            raise KeyError(name)
        array = np.asarray(self._read(name))
        if array.dtype.kind in "biu":
            return array
        if array.dtype.kind not in "fV" or array.dtype.names:  # bfloat16's kind is V
            raise InputFileError(
                f"{self.source}: {name} is of {array.dtype}, want numbers: give a state dict"
            )
        with np.errstate(over="ignore"):  # of float64: found next
            array = array.astype(np.float32, copy=False)
        if not np.isfinite(array).all():
            raise InputFileError(
                f"{self.source}: {name} has values that are no finite numbers: its training "
                "diverged, or the file is damaged; give another"
            )
        return array

    def __contains__(self, name: object) -> bool:
        """Return whether there is an array of this name, without reading it."""
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        """Return the names."""
        return iter(self._names)

    def __len__(self) -> int:
        """Return the number of arrays."""
        return len(self._names)


def read_state_dict(path: str | Path) -> StateDict:
    """Open the state dict of a torch model.

    Args:
        path: .safetensors; or .bin, .pt or .pth, which `torch.save` wrote and which need torch.
            Of these only tensors are read; no code in them is run.

    Returns:
        Arrays by name, in the layout of torch, read from the file when asked for.

    Raises:
        InputFileError: no such file, damaged, or no state dict.
        ConfigError: another kind of file, or torch is needed and not installed.
    """
    path = existing(path, "weight file")
    if path.suffix.lower() == ".safetensors":
        return _read_safetensors(path)
    if path.suffix.lower() in _TORCH_SUFFIXES:
        return _read_torch(path)
    raise ConfigError(
        f"weight file {path} ends in {path.suffix!r}: want .safetensors, or a state dict that "
        f"torch.save wrote ({', '.join(_TORCH_SUFFIXES)})"
    )


def _read_safetensors(path: Path) -> StateDict:
    from safetensors import SafetensorError, safe_open

    try:
        handle = safe_open(path, framework="np")
        names = list(handle.keys())
    except SafetensorError as error:
        raise _damaged(path, "safetensors file", error) from None

    def read(name: str) -> np.ndarray:
        try:
            return handle.get_tensor(name)
        except (SafetensorError, TypeError, AttributeError) as error:  # a type numpy has not
            raise InputFileError(f"{path}: {name} cannot be read: {_line(error)}") from None

    return StateDict(path, names, read)


def _read_torch(path: Path) -> StateDict:
    if not importlib.util.find_spec("torch"):
        raise ConfigError(
            f"{path} needs torch to be read, which is not installed: pip install torch, or give "
            "the .safetensors file of the same weights"
        )
    import torch

    try:
        # Files of torch before 1.6 are no zip archives and cannot be mapped into memory.
        value = torch.load(
            path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
        )
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise _damaged(path, "file of torch.save that holds tensors only", error) from None
    if not isinstance(value, Mapping):
        kind = type(value).__name__
        raise InputFileError(
            f"{path} holds a {kind}, no state dict: save model.state_dict() of it with torch"
        )
    other = [name for name, entry in value.items() if not isinstance(entry, torch.Tensor)]
    if other or not value:
        inner = [f"save its entry {n!r}" for n in other if isinstance(value[n], Mapping)]
        raise InputFileError(
            f"{path} is no state dict: it holds {_shown(map(str, value)) or 'nothing'}; "
            f"{inner[0] if inner else 'save model.state_dict()'} as a file of its own"
        )

    def read(name: str) -> np.ndarray:
        tensor = value[name].detach()
        return (tensor.float() if tensor.is_floating_point() else tensor).numpy()

    return StateDict(path, value, read)


def assign(
    named: Mapping[str, np.ndarray],
    rows: Sequence[Row],
    where: str,
    unused: Collection[str] = (),
) -> None:
    """Put a state dict into a model's variables: all of it, or nothing and an error.

    Args:
        named: of `read_state_dict`, or any arrays by name.
        rows: for each variable the name of its array, the variable, and the transform from one
            to the other's layout (None where they are alike).
        where: the arrays are of, for messages.
        unused: names that are known and have no variable; they may be there or not. Counters of
            batches, which BatchNorm of torch has, are passed over.

    Raises:
        ConfigError: names that are missing or left over (all of them), or the first array whose
            shape is not the variable's (both shapes).
        InputFileError: an array that has other than finite numbers.
    """
    if not isinstance(named, StateDict):
        named = StateDict(where, named, named.__getitem__)
    wanted = {name: None for name, _, _ in rows}
    missing = [name for name in wanted if name not in named]
    known = {*wanted, *unused}
    extra = [n for n in named if n not in known and n.rpartition(".")[2] != _COUNTER]
    if missing or extra:
        raise misfit(where, missing, extra)
    for name, variable, transform in rows:
        array = named[name]
        if _transformed(array, transform, variable) is None:
            raise ConfigError(
                f"{where} does not fit the model: {name} has shape {_size(array.shape)}, which "
                f"cannot fill {variable.path} of shape {_size(variable.shape)}: give the sizes "
                "that it was trained with"
            )
    for name, variable, transform in rows:
        variable.assign(_transformed(named[name], transform, variable))


def misfit(
    where: str | Path, missing: Sequence[str], extra: Sequence[str], reason: str = ""
) -> ConfigError:
    """Return the error for weights that lack arrays of a model, or have others.

    Args:
        where: the arrays are of.
        missing, extra: their names; all are shown.
        reason: what they show, if that is known.
    """
    parts = [reason] if reason else []
    parts += [f"it lacks {', '.join(missing)}"] if missing else []
    parts += [f"the model has no place for {', '.join(extra)}"] if extra else []
    return ConfigError(
        f"{where} does not fit the model: {'; '.join(parts)}: give the weights of this model, or "
        "the sizes that they were trained with"
    )


def _transformed(array: np.ndarray, transform, variable) -> np.ndarray | None:
    """Return an array in the variable's layout, or None if it does not have its shape."""
    try:
        array = array if transform is None else transform(array)
    except (ValueError, IndexError):  # another number of axes or elements
        return None
    return array if array.shape == tuple(variable.shape) else None


def _size(shape: Sequence[int]) -> str:
    return "×".join(map(str, shape)) or "()"


def _shown(names) -> str:
    names = list(names)
    more = f", … ({len(names)} in all)" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:160]


def _damaged(path: Path, what: str, error: Exception) -> InputFileError:
    if not path.stat().st_size:
        return InputFileError(f"weight file {path} is empty: copy it again")
    return InputFileError(
        f"cannot read weights of {path}: it is no {what}, or damaged ({_line(error)}); copy it "
        "again"
    )
