"""Training sets of the procedures: all windows, those on a peak, those on a specific peak.

A window counts by its centre bin: it is on a peak if the bin overlaps one. The sets of peaks are
data folders of their own, made once from the records of the folder they are part of.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfepi.specificity.cluster_file import PeakClusters
from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter, source_files
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import covered_bases, merged
from tfrecords_tools.output import claim_folder, run_record
from tfrecords_tools.progress import progress
from tfrecords_tools.record_windows import check_places, placed_records, window_counts
from tfrecords_tools.windows import Windowing

ALL, ON_PEAKS, ON_SPECIFIC = REGIONS = ("all", "peaks", "non_ubiquitous")
TRAIN, VALID = "train", "valid"  # labels of the sets that are written
MEANING = {
    ALL: "all windows",
    ON_PEAKS: "windows whose centre bin overlaps a peak",
    ON_SPECIFIC: "windows whose centre bin overlaps a non-ubiquitous peak",
}


def on_regions(data: Data, label: str, clusters: PeakClusters, regions: str) -> np.ndarray:
    """Return which windows of a label a procedure learns from.

    Args:
        data: the data folder.
        label: of windows; or several, "fold0,fold1", one after the other.
        clusters: the peaks.
        regions: one of `REGIONS`.

    Returns:
        bool [windows], in the order of the records.

    Raises:
        InputFileError: no sequences.bed.
    """
    windows = [w for name in label.split(",") for w in data.windows(name)]
    if regions == ALL:
        return np.ones(len(windows), bool)
    taken = clusters.specific() if regions == ON_SPECIFIC else np.ones(len(clusters), bool)
    peaks = merged(p for p, t in zip(clusters.intervals(), taken, strict=True) if t)
    chrom = np.array([w.chrom for w in windows], str)
    start = np.array([w.start for w in windows], np.int64)
    start += data.target_length // 2 * data.pool_width
    spans = np.stack([start, start + data.pool_width], axis=1)
    found = np.zeros(len(windows), bool)
    for name in np.unique(chrom):
        rows = chrom == name
        found[rows] = covered_bases(spans[rows], peaks.get(str(name), np.zeros((0, 2)))) > 0
    return found


def check_counts(
    rows: Mapping[str, Mapping[str, np.ndarray]], data: Data, batch_size: int
) -> dict[str, dict[str, int]]:
    """Check that every set has windows enough, and return how many.

    Args:
        rows: regions → "train" and "valid" → `on_regions`.
        data: the data folder.
        batch_size: of training.

    Returns:
        Regions → "train" and "valid" → windows.

    Raises:
        ConfigError: a set without a window, or with fewer than a batch to learn from.
    """
    counts = {r: {k: int(v.sum()) for k, v in of.items()} for r, of in rows.items()}
    for regions, of in counts.items():
        what = MEANING[regions].replace("windows whose", "whose")
        for kind, purpose in ((TRAIN, "training"), (VALID, "validation")):
            if not of[kind]:
                raise ConfigError(
                    f"none of the {len(rows[regions][kind])} {purpose} windows of {data.folder} is "
                    f"one {what}: cluster the peaks of this genome, or build data around them"
                )
        if of[TRAIN] < batch_size:
            raise ConfigError(
                f"{of[TRAIN]} training windows of {data.folder} are ones {what}, a batch is "
                f"{batch_size}: use a smaller batch_size in the params file"
            )
    return counts


def write_regions(
    data: Data,
    labels: tuple[str, str],
    rows: Mapping[str, np.ndarray],
    folder: Path,
    origin: dict,
    quiet: bool = False,
) -> Data:
    """Write the windows of a set as a data folder, or open the one that is there.

    Args:
        data: whose records.
        labels: of training and validation; each one, or several, "fold0,fold1".
        rows: "train" and "valid" → `on_regions` of these labels.
        folder: to write, finished or not.
        origin: of the new manifest's `source`.
        quiet: no progress bars.

    Returns:
        The set, with labels "train" and "valid", of the same order.

    Raises:
        InputFileError: records whose places are not known, a damaged shard.
    """
    if (folder / "manifest.json").exists():  # which is written last
        return Data.open(folder)
    if folder.exists():
        shutil.rmtree(folder)
    pooled = dict(zip((TRAIN, VALID), labels, strict=True))
    names = [name for label in labels for name in label.split(",")]
    check_places(data, names, window_counts(data.folder))
    claim_folder(folder)
    windowing = Windowing(data.seq_length, data.crop_bp, data.pool_width)
    with (
        run_record(folder, source_files(data), data_sha256=data.manifest_sha256) as record,
        DataWriter.like(data, folder, windowing) as writer,
        progress(
            total=sum(data.counts[n] for n in names), unit="record", label=folder.name, quiet=quiet
        ) as bar,
    ):
        for kind, label in pooled.items():
            keep = iter(rows[kind].tolist())
            for name in label.split(","):
                for window, _, _, features in placed_records(data, name):
                    bar.update(1)
                    if next(keep):
                        writer.write(kind, window, features)
        how = {"made_by": "procedures", "options": {"labels": list(labels)}}
        writer.finish(how | {"inputs": record["inputs"], "source": origin})
    return Data.open(folder)
