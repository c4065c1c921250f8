"""The variants of a run that change most, and how rare such a change is among all of them."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.report.page.folders import OTHER, Folder, Runs
from tfepi.variants.score_file import ScoreFile
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import sha256

_VALUES = 1 << 22  # at once
_CALIBRATION = "tfepi-calibration"
BINS = 60


@dataclass(frozen=True)
class TopHits:
    """The largest changes.

    Attributes:
        rows: chrom, pos (1-based), id, ref, alt, target, score, share: the share of scored
            variants whose score in the same target is smaller in magnitude; number: of the row;
            column: of the target.
        edges: of the histogram of each variant's largest magnitude, log10, [bins + 1].
        counts: of variants, [bins].
        undefined: variants without any number.
        none: variants whose scores are all 0.
    """

    rows: list[dict]
    edges: np.ndarray
    counts: np.ndarray
    undefined: int
    none: int


def top_hits(scores: ScoreFile, most: int) -> TopHits:
    """Return the variants whose score is largest in magnitude in any target.

    The file is read twice, in stretches of rows, so memory does not grow with it.

    Args:
        scores: of one statistic.
        most: rows.
    """
    step = max(1, _VALUES // len(scores.targets))
    magnitude, column, undefined = [], [], 0
    for _, values in scores.scores(step):
        size = np.abs(values)
        known = ~np.isnan(size).all(axis=1)
        undefined += int((~known).sum())
        size = np.where(np.isnan(size), -1, size)
        column.append(size.argmax(axis=1).astype(np.int32))
        magnitude.append(size.max(axis=1))
    largest, target = np.concatenate(magnitude), np.concatenate(column)
    order = np.argsort(-largest, kind="stable")[:most]
    order = order[largest[order] >= 0]
    smaller = np.zeros(len(order), np.int64)
    defined = np.zeros(len(order), np.int64)
    chosen = np.zeros(len(order))
    for low, values in scores.scores(step):
        size = np.abs(values[:, target[order]])
        smaller += (size < largest[order]).sum(axis=0)  # NaN compares as False
        defined += (~np.isnan(size)).sum(axis=0)
        here = (order >= low) & (order < low + len(values))
        chosen[here] = values[order[here] - low, target[order[here]]]
    rows = []
    for at, number in enumerate(order.tolist()):
        variant = {k: v[0] for k, v in scores.variants(number, number + 1).items()}
        name = scores.targets[target[number]].identifier
        share = smaller[at] / defined[at]
        rows.append(variant | {"target": name, "score": float(chosen[at]), "share": float(share)})
        rows[-1] |= {"number": number, "column": int(target[number])}
    shown = np.log10(largest[largest > 0])
    span = (shown.min(), shown.max()) if len(shown) else (0.0, 1.0)
    counts, edges = np.histogram(shown, BINS, span if span[0] < span[1] else (span[0] - 1, span[1]))
    return TopHits(rows, edges, counts, undefined, int((largest == 0).sum()))


def calibrated(runs: Runs, scores: ScoreFile) -> Folder | None:
    """Return the folder of tfepi_calibrate.py whose quantiles are of these scores."""
    found = [f for f in runs.of(OTHER) if f.manifest.get("format") == _CALIBRATION]
    found = [f for f in found if (f.path / "calibrated.h5").exists()]
    digest = sha256(scores.path) if found else ""
    of = [
        f for f in found if f.manifest.get("inputs", {}).get("scores", {}).get("sha256") == digest
    ]
    return of[0] if of else None


def add_quantiles(rows: list[dict], folder: Folder) -> None:
    """Add to each row the quantile of its score among a background's variants.

    Raises:
        InputFileError: a file without quantiles, or of fewer variants or targets.
    """
    path: Path = folder.path / "calibrated.h5"
    try:
        with h5py.File(path, "r") as file:
            for row in rows:
                row["quantile"] = float(file["quantile"][row["number"], row["column"]])
    except (OSError, KeyError, ValueError, IndexError) as error:
        raise InputFileError(f"{path} is damaged ({error}): calibrate the scores again") from None
