"""Predictions beside their observed values, on disk: parts while testing, HDF5 when saved.

A part holds the windows [i * part_windows, ...) as one .npy array, float32
[2, targets, windows, bins], observed first. Target first, because accuracy asks for one
target at a time and memory must hold no more than that.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import h5py
import numpy as np

from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.numbered import Plan, remove_all_parts, unreadable_part
from tfrecords_tools.errors import InputFileError, TfepiError
from tfrecords_tools.files import atomic_path, existing
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

FORMAT = "tfepi-predictions"
FORMAT_VERSION = 1
PLAN_FORMAT = "tfepi-test"
PART_BYTES = 64 << 20


class PredictionError(TfepiError):
    """A model gave no number, or the wrong number of them."""


@dataclass(frozen=True)
class Layout:
    """What predictions are of.

    Attributes:
        windows: cropped windows in order.
        bins: bins of each window.
        bin_width: bp.
        targets: the last axis.
        label: the split the windows come from.
    """

    windows: tuple[Interval, ...]
    bins: int
    bin_width: int
    targets: tuple[Target, ...]
    label: str = "test"


class PredictionParts:
    """Observed and predicted values of a run, in numbered files of its folder.

    Args:
        folder: of the run.
        layout: what is predicted.
        inputs: label → identity of each file that decides the values (`files.identity`).
        facts: whatever else decides the run's results, by name; JSON values.
        part_bytes: rough size of a part, which is also the memory a writer needs.
    """

    def __init__(
        self,
        folder: str | os.PathLike,
        layout: Layout,
        inputs: Mapping[str, dict] | None = None,
        facts: Mapping[str, object] | None = None,
        part_bytes: int = PART_BYTES,
    ):
        self.folder, self.layout = Path(folder), layout
        window_bytes = 8 * layout.bins * len(layout.targets)
        self.part_windows = int(np.clip(part_bytes // window_bytes, 1, 4096))
        of_layout = {
            "windows": len(layout.windows),
            "bins": layout.bins,
            "targets": [t.identifier for t in layout.targets],
            "label": layout.label,
            "part_windows": self.part_windows,
        }
        parts = -(-len(layout.windows) // self.part_windows)
        self.plan = Plan(PLAN_FORMAT, inputs or {}, of_layout | dict(facts or {}), parts, ".npy")

    def claim(self, resume: bool = False, overwrite: bool = False) -> None:
        """Make the run's folder ready for parts, or for the rest of them.

        Raises:
            UnfinishedError: it has results and neither was asked for, or they are of another plan.
        """
        self.plan.claim(self.folder, resume, overwrite)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Start and stop window of every part."""
        n = len(self.layout.windows)
        return [(i, min(i + self.part_windows, n)) for i in range(0, n, self.part_windows)]

    def write(self, start: int, truth: np.ndarray, prediction: np.ndarray) -> None:
        """Write the part that starts at a window.

        Args:
            start: first window.
            truth: observed values [windows, bins, targets]; NaN is missing.
            prediction: predicted values, same shape.

        Raises:
            PredictionError: another shape than the layout's, or a prediction that is NaN or
                infinite (a missing prediction would raise the accuracy unseen).
            InputFileError: an observed value is infinite.
        """
        stop = dict(self.spans)[start]
        shape = (stop - start, self.layout.bins, len(self.layout.targets))
        for name, values in (("the model", prediction), ("the data", truth)):
            if values.shape != shape:
                raise PredictionError(
                    f"{name} gave values of shape {values.shape} for windows {start} to {stop}, "
                    f"want [windows, bins, targets] = {shape}"
                )
        for kind, values, bad in (
            (PredictionError, prediction, ~np.isfinite(prediction)),
            (InputFileError, truth, np.isinf(truth)),
        ):
            if bad.any():
                row, _, target = np.argwhere(bad)[0]
                what = "predicts" if kind is PredictionError else "was observed as"
                subject = "the model " if kind is PredictionError else ""
                raise kind(
                    f"{subject}{what} {values[bad][0]} for target "
                    f"{self.layout.targets[target].identifier!r} in window "
                    f"{self.layout.windows[start + row]}: check the training run and the data"
                )
        part = np.empty((2, shape[2], *shape[:2]), np.float32)
        part[0], part[1] = np.moveaxis(truth, 2, 0), np.moveaxis(prediction, 2, 0)
        with atomic_path(self._path(start)) as path, open(path, "wb") as handle:
            np.save(handle, part, allow_pickle=False)

    def column(self, target: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one target's observed and predicted values, float32 [windows, bins] each."""
        shape = (len(self.layout.windows), self.layout.bins)
        truth, prediction = np.empty(shape, np.float32), np.empty(shape, np.float32)
        for start, stop in self.spans:
            part = self._read(start)
            truth[start:stop], prediction[start:stop] = part[0, target], part[1, target]
        return truth, prediction

    def rows(self, values: int = 1 << 20) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        """Yield stretches of windows: first window, observed, predicted [windows, bins, targets].

        Args:
            values: rough number of values of a stretch.
        """
        step = max(1, values // (self.layout.bins * len(self.layout.targets)))
        for start, stop in self.spans:
            part = self._read(start)
            for low in range(0, stop - start, step):
                both = np.moveaxis(part[:, :, low : low + step], 1, -1)
                yield start + low, both[0], both[1]

    def save(self, folder: str | os.PathLike, kind: type = np.float16) -> None:
        """Write preds.h5 and targets.h5, with windows and target identifiers, to a folder.

        Args:
            folder: where to.
            kind: number type of targets.h5; records hold float16.
        """
        folder = Path(folder)
        for k, name in enumerate(("targets", "preds")):
            with written_hdf5(folder / f"{name}.h5") as (file, check):
                write_layout(file, self.layout)
                n, bins, targets = len(self.layout.windows), self.layout.bins, self.layout.targets
                rows = int(np.clip((1 << 18) // bins, 1, n))
                data = file.create_dataset(
                    name,
                    (n, bins, len(targets)),
                    kind if name == "targets" else np.float32,
                    chunks=(rows, bins, 1),
                )
                for start, stop in self.spans:
                    data[start:stop] = np.moveaxis(self._read(start)[k], 0, -1)
                    check()

    def remove(self) -> None:
        """Remove the parts, once there are results."""
        remove_all_parts(self.folder)

    def _path(self, start: int) -> Path:
        return self.plan.part(self.folder, start // self.part_windows)

    def _read(self, start: int) -> np.ndarray:
        path = self._path(start)
        try:
            return np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise unreadable_part(path, error) from None


def write_layout(file: h5py.File, layout: Layout) -> None:
    """Write format, label, windows and target identifiers to an open HDF5 file."""
    file.attrs["format"] = FORMAT
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["label"] = layout.label
    file.attrs["bin_width"] = layout.bin_width
    file["chrom"] = _names([w.chrom for w in layout.windows])
    file["start"] = np.array([w.start for w in layout.windows], np.int64)
    file["end"] = np.array([w.end for w in layout.windows], np.int64)
    file["target_index"] = np.array([t.index for t in layout.targets], np.int64)
    file["target_ids"] = _names([t.identifier for t in layout.targets])
    file["target_labels"] = _names([t.description or " " for t in layout.targets])


def _names(names: Sequence[str]) -> np.ndarray:
    return np.array([n.encode() for n in names])


class SavedPredictions:
    """The preds.h5 and targets.h5 of a test folder.

    Args:
        folder: what a test wrote with --save.

    Attributes:
        layout: windows, bins and targets.

    Raises:
        InputFileError: a file is missing, damaged or of another format, or the two differ.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        layouts = []
        self._values = []
        for name in ("targets", "preds"):
            path = self.folder / f"{name}.h5"
            if not path.exists():
                raise InputFileError(
                    f"test folder {folder} has no {name}.h5: test again with --save"
                )
            try:
                file = h5py.File(existing(path))
                found = (file.attrs.get("format"), file.attrs.get("format_version"))
                if found != (FORMAT, FORMAT_VERSION):
                    raise InputFileError(
                        f"{path} has format {found[0]!r} version {found[1]!r}, want {FORMAT!r} "
                        f"version {FORMAT_VERSION}"
                    )
                layouts.append(_read_layout(file, name))
                self._values.append(file[name])
            except (OSError, KeyError) as error:
                raise InputFileError(f"{path} is damaged: {error}") from None
        if layouts[0] != layouts[1]:
            raise InputFileError(
                f"preds.h5 and targets.h5 of {folder} have other windows or targets: test again"
            )
        self.layout = layouts[0]

    def column(self, target: int) -> tuple[np.ndarray, np.ndarray]:
        """Return one target's observed and predicted values, float32 [windows, bins] each."""
        truth, prediction = (v[:, :, target].astype(np.float32) for v in self._values)
        return truth, prediction


def _read_layout(file: h5py.File, name: str) -> Layout:
    chrom = [c.decode() for c in file["chrom"][:]]
    places = zip(chrom, file["start"][:].tolist(), file["end"][:].tolist(), strict=True)
    targets = zip(
        file["target_index"][:].tolist(), file["target_ids"], file["target_labels"], strict=True
    )
    return Layout(
        windows=tuple(Interval(*place) for place in places),
        bins=file[name].shape[1],
        bin_width=int(file.attrs["bin_width"]),
        targets=tuple(
            Target(index, identifier.decode(), description=label.decode().strip())
            for index, identifier, label in targets
        ),
        label=str(file.attrs["label"]),
    )
