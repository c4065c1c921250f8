"""Keras 2 weight files (.h5) as arrays: layer by layer, read with h5py, no code in them run."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path, existing

_ATTRIBUTE_BYTES = 64000  # HDF5 holds less than 64 KiB in an attribute


@dataclass(frozen=True)
class StoredLayer:
    """A layer of a weight file.

    Attributes:
        name: as stored ("conv1d_3").
        kind: the name without its number ("conv1d").
        number: order of creation among its kind, as Keras counts.
        weights: (stored name, array), in the layer's order.
    """

    name: str
    kind: str
    number: int
    weights: tuple[tuple[str, np.ndarray], ...]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the weights."""
        return [array.shape for _, array in self.weights]


def read_weights(path: str | Path, whole: Collection[str] = ()) -> list[StoredLayer]:
    """Return the layers of a Keras 2 .h5 file that hold weights, in the file's order.

    Args:
        path: written by `model.save("x.h5")` or `save_weights("x.h5")` of Keras 2 or 3.
        whole: kinds of layers that are one; of others that hold layers, these are given.

    Raises:
        InputFileError: missing, truncated, no HDF5, an HDF5 file that holds no such weights, or
            weights that are no finite numbers.
    """
    path = existing(path, "weight file")
    try:
        with h5py.File(path, "r") as file:
            group = file.get("model_weights", file)
            names = _names(group, "layer_names")
            if names is None:
                found = ", ".join(sorted(file)[:5]) or "nothing"
                if "layers" in file or "_layer_checkpoint_dependencies" in file:
                    raise InputFileError(
                        f"{path} is Keras 3's own weights format, without the model: give the "
                        ".keras file (tfepi_convert.py makes a Basenji .h5 of it)"
                    )
                raise InputFileError(
                    f"{path} is no model: it holds {found}; want a model saved by Basenji or "
                    "Baskerville"
                )
            layers = [layer for name in names for layer in _layers(group, name, whole)]
    except (OSError, KeyError) as error:
        reason = f"it is no HDF5 file, or truncated ({str(error).splitlines()[0][:160]})"
        if not path.stat().st_size:
            reason = "it is empty"
        raise InputFileError(f"cannot read weights of {path}: {reason}; copy it again") from None
    if not layers:
        raise InputFileError(f"{path} is a model without any weight")
    for layer in layers:
        for name, array in layer.weights:
            if not np.isfinite(array).all():
                raise InputFileError(
                    f"{path}: layer {layer.name} has weights that are no finite numbers ({name}): "
                    "its training diverged, or the file is damaged; give another"
                )
    return layers


def keras_version(path: str | Path) -> str:
    """Return the version of Keras that wrote a file of `read_weights`, "" where it is not said."""
    with h5py.File(path, "r") as file:
        found = file.get("model_weights", file).attrs.get("keras_version", "")
    return found.decode() if isinstance(found, bytes) else str(found)


def _layers(group: h5py.Group, name: str, whole: Collection[str]) -> list[StoredLayer]:
    """Return a stored layer, or the layers it holds, if these are of kinds of their own."""
    stored = group[name]
    weights = [(w, stored[w][()]) for w in _names(stored, "weight_names") or ()]
    if _kind(name)[0] in whole:
        return [StoredLayer(name, *_kind(name), tuple(weights))] if weights else []
    inner: dict[str, list] = {}
    for weight, array in weights:
        inner.setdefault(weight.split("/")[-2], []).append((weight, array))
    return [StoredLayer(n, *_kind(n), tuple(w)) for n, w in inner.items()]


def _kind(name: str) -> tuple[str, int]:
    kind, number = re.fullmatch(r"(.*?)(?:_(\d+))?", name).groups()
    return kind, int(number or 0)


def _names(group: h5py.Group, key: str) -> list[str] | None:
    """Return an attribute's list of names, which Keras cuts into parts where it is long."""
    if key in group.attrs:
        values = list(group.attrs[key])
    elif f"{key}0" in group.attrs:
        values, part = [], 0
        while f"{key}{part}" in group.attrs:
            values += list(group.attrs[f"{key}{part}"])
            part += 1
    else:
        return None
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]


def write_weights(path: str | Path, layers: Sequence[StoredLayer]) -> None:
    """Write layers as Keras 2's `save_weights` does, in the order given.

    Args:
        path: the file.
        layers: in the order in which the reading model lists its layers.
    """
    with atomic_path(path) as part, h5py.File(part, "w") as file:
        file.attrs["backend"] = "tensorflow"
        file.attrs["keras_version"] = "2.15.0"
        _write_names(file, "layer_names", [layer.name for layer in layers])
        for layer in layers:
            group = file.create_group(layer.name)
            _write_names(group, "weight_names", [name for name, _ in layer.weights])
            for name, array in layer.weights:
                group[name] = array


def _write_names(group: h5py.Group, key: str, names: list[str]) -> None:
    values = np.array([n.encode() for n in names])
    parts = -(-max(values.nbytes, 1) // _ATTRIBUTE_BYTES)
    if parts == 1:
        group.attrs[key] = values
        return
    for number, chunk in enumerate(np.array_split(values, parts)):
        group.attrs[f"{key}{number}"] = chunk
