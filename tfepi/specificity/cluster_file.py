"""Peaks with their clusters: one table that further commands read.

Tab-separated with a header: chrom, start, end (0-based, half-open), cluster; one line per peak.
The cluster named "ubiquitous" holds the peaks that are open in all cell types alike.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import atomic_path, existing
from tfrecords_tools.intervals import Interval

UBIQUITOUS = "ubiquitous"
TABLE = "clusters.tsv"  # of the folder of `clusters`
COLUMNS = ("chrom", "start", "end", "cluster")
_WANT = f"want {', '.join(COLUMNS)}, as tfepi_specificity.py clusters writes them"


@dataclass(frozen=True)
class PeakClusters:
    """Peaks, sorted by place, each in one cluster.

    Attributes:
        chrom: name of each peak's chromosome, str [peaks].
        start, end: bp, 0-based and half-open, int64 [peaks].
        cluster: number of each peak's cluster, int64 [peaks].
        names: of the clusters.
    """

    chrom: np.ndarray
    start: np.ndarray
    end: np.ndarray
    cluster: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.chrom)

    def specific(self) -> np.ndarray:
        """Return which peaks are in another cluster than the ubiquitous one: bool [peaks]."""
        ubiquitous = self.names.index(UBIQUITOUS) if UBIQUITOUS in self.names else -1
        return self.cluster != ubiquitous

    def at(self, chrom: Sequence[str], position: Sequence[int]) -> np.ndarray:
        """Return the cluster of the peak that holds each position, -1 for none: int64 [n].

        Peaks are taken not to overlap: of several that start before a position only the last is
        looked at.

        Args:
            chrom: of each position.
            position: 0-based.
        """
        chrom, position = np.asarray(chrom), np.asarray(position, np.int64)
        found = np.full(len(position), -1, np.int64)
        for name in np.unique(chrom):
            rows, peaks = np.flatnonzero(chrom == name), np.flatnonzero(self.chrom == name)
            if not len(peaks):
                continue
            before = np.searchsorted(self.start[peaks], position[rows], side="right") - 1
            inside = (before >= 0) & (position[rows] < self.end[peaks[np.maximum(before, 0)]])
            found[rows[inside]] = self.cluster[peaks[before[inside]]]
        return found

    def intervals(self) -> list[Interval]:
        """Return the peaks' places."""
        places = zip(self.chrom.tolist(), self.start.tolist(), self.end.tolist(), strict=True)
        return [Interval(*place) for place in places]


def cluster_table(path: str | Path) -> Path:
    """Return the table of clusters that a path names: itself, or of a folder its clusters.tsv.

    Args:
        path: a table, or the folder that `tfepi_specificity.py clusters` wrote.

    Raises:
        InputFileError: neither.
    """
    path = Path(path)
    if not path.is_dir():
        return existing(path, "table of clusters")
    if not (path / TABLE).is_file():
        raise InputFileError(
            f"the folder {path} has no {TABLE}: give a folder that tfepi_specificity.py clusters "
            "wrote, or a table of clusters"
        )
    return path / TABLE


def read_clusters(path: str | Path) -> PeakClusters:
    """Read a table of peaks with clusters.

    Args:
        path: the table, or the folder that `tfepi_specificity.py clusters` wrote.

    Raises:
        InputFileError: missing, without a column, without peaks, or with one that is no interval.
    """
    path = cluster_table(path)
    try:
        table = pd.read_csv(path, sep="\t", dtype={"chrom": str, "cluster": str})
    except pd.errors.EmptyDataError:
        raise InputFileError(f"{path} is empty: {_WANT}") from None
    except (ValueError, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0].removeprefix("Error tokenizing data. C error: ")
        raise InputFileError(f"cannot read clusters from {path} ({reason}): {_WANT}") from None
    if str(next(iter(table), "")).startswith(("{", "[")):
        raise InputFileError(f"{path} is a JSON file: {_WANT} to {TABLE}")
    missing = [c for c in COLUMNS if c not in table.columns]
    if missing:
        raise InputFileError(
            f"{path} has columns {', '.join(map(str, table.columns))[:200]}; {_WANT}"
        )
    if not len(table):
        raise InputFileError(f"{path} has no peaks: give a table of clusters that has some")
    if table[list(COLUMNS)].isna().any(axis=None):
        line = int(np.flatnonzero(table[list(COLUMNS)].isna().any(axis=1))[0]) + 2
        raise InputFileError(f"{path}, line {line}: an empty cell; every peak has {COLUMNS}")
    for name in ("start", "end"):
        if not pd.api.types.is_integer_dtype(table[name]):
            raise InputFileError(f"{path}: column {name} holds other values than whole numbers")
    wrong = np.flatnonzero((table["start"] < 0) | (table["end"] <= table["start"]))
    if len(wrong):
        row = table.iloc[wrong[0]]
        raise InputFileError(
            f"{path}, line {wrong[0] + 2}: peak {row.chrom}:{row.start}-{row.end} is no interval; "
            "start is 0-based and below end"
        )
    return peak_clusters(*(table[c].to_numpy() for c in COLUMNS))


def peak_clusters(
    chrom: Sequence[str], start: Sequence[int], end: Sequence[int], cluster: Sequence[str]
) -> PeakClusters:
    """Return peaks with clusters, sorted by place; clusters by name, the ubiquitous one first.

    Args:
        chrom, start, end: of each peak, 0-based and half-open.
        cluster: name of each peak's cluster.

    Raises:
        ConfigError: no peaks.
    """
    chrom, start, end = np.asarray(chrom, str), np.asarray(start, int), np.asarray(end, int)
    if not len(chrom):
        raise ConfigError("there are no peaks to put into clusters")
    names, of = np.unique(np.asarray(cluster, str), return_inverse=True)
    order = sorted(range(len(names)), key=lambda i: (names[i] != UBIQUITOUS, names[i]))
    place = np.empty(len(names), np.int64)
    place[order] = np.arange(len(names))
    rows = np.lexsort((end, start, chrom))
    return PeakClusters(
        chrom[rows],
        start[rows].astype(np.int64),
        end[rows].astype(np.int64),
        place[of][rows],
        tuple(str(names[i]) for i in order),
    )


def write_clusters(path: str | Path, peaks: PeakClusters, more: dict | None = None) -> None:
    """Write a table of peaks with clusters.

    Args:
        path: where to.
        peaks: what.
        more: further columns, name → values [peaks].
    """
    names = np.asarray(peaks.names)[peaks.cluster]
    columns = dict(zip(COLUMNS, (peaks.chrom, peaks.start, peaks.end, names), strict=True))
    with atomic_path(path) as part:
        pd.DataFrame(columns | (more or {})).to_csv(part, sep="\t", index=False)
