"""predict.h5: the predictions of all windows, with the names of Basenji's file."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tfepi.prediction.options import Request
from tfepi.prediction.parts import PredictedParts
from tfepi.prediction.windows import Site, Windows
from tfepi.variants.hdf5 import written_hdf5
from tfrecords_tools.targets import Target

NAME = "predict.h5"
FORMAT = "tfepi-window-predictions"
FORMAT_VERSION = 1
_CHUNK_BYTES = 1 << 20
_ROWS = 1 << 12


def write_predictions(
    path: Path,
    parts: PredictedParts,
    windows: Windows,
    site: Site,
    targets: Sequence[Target],
    request: Request,
) -> None:
    """Write predict.h5.

    Args:
        path: of the file.
        parts: predictions.
        windows: what they are of.
        site: the stretch of each window.
        targets: what the last axis holds.
        request: the options; with `sum`, `preds` is [windows, targets], else
            [windows, bins, targets].
    """
    count = len(windows)
    shape = (len(targets),) if request.sum else (site.bins, len(targets))
    with written_hdf5(path) as (file, check):
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["bin_width"] = site.bin_width
        file.attrs["options"] = json.dumps(asdict(request))
        file["target_index"] = np.array([t.index for t in targets], np.int64)
        file["target_ids"] = _names([t.identifier for t in targets])
        file["target_labels"] = _names([t.description or t.identifier for t in targets])
        for name, data, kind in _coordinates(windows, site):
            stored = file.get(name) or file.create_dataset(name, (count,), kind)
            stored[data[0] : data[0] + len(data[1])] = data[1]
            check()
        rows = max(1, min(count, _CHUNK_BYTES // (4 * int(np.prod(shape)))))
        preds = file.create_dataset("preds", (count, *shape), np.float32, chunks=(rows, *shape))
        for first, values in parts.rows():
            if request.sum:
                values = values.sum(axis=1, dtype=np.float64)
            preds[first : first + len(values)] = values
            check()


def _coordinates(windows: Windows, site: Site) -> Iterator[tuple[str, tuple, object]]:
    names = _names(windows.chroms)
    for low in range(0, len(windows), _ROWS):
        chrom, start = windows.block(np.arange(low, min(low + _ROWS, len(windows))))
        yield "chrom", (low, names[chrom]), names.dtype
        yield "start", (low, start), np.int64
        yield "end", (low, start + site.length), np.int64


def _names(names: Sequence[str]) -> np.ndarray:
    return np.array([n.encode() for n in names])
