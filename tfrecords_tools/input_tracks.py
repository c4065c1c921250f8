"""Input tracks: the accessibility of each cell type, which a model reads beside the sequence.

Their bins are those of targets (`pooling`), centred on a window's sequence and, with a context,
reaching beyond it. Bases beyond a chromosome's ends have no value. Neither the blacklist nor the
limit at a track's 99.99999th percentile applies: both would make a track at prediction something
else than it was in training.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing
from tfrecords_tools.pooling import Pooling, stretch_values
from tfrecords_tools.targets import Target, read_table
from tfrecords_tools.tracks import Track

AVERAGE = "average"
ASSAYS = ("DNase", "ATAC")
TABLE = "tracks.txt"
_DEFAULTS = {"sum_stat": "mean", "nan": "keep"}
_NO_REGIONS = np.zeros((0, 2), np.int64)


def read_tracks(path: str | Path, extra: bool = False) -> tuple[Target, ...]:
    """Read a table of input tracks: that of targets, with a file and a cell in every row.

    Args:
        path: of the table.
        extra: pass over unknown columns, with a note.

    Returns:
        The tracks in the order of the file; `sum_stat` defaults to mean, `nan` to keep. The cell
        `average` is a track that is the average of others. Files are left as written, as
        `targets.read_targets` leaves them.

    Raises:
        InputFileError: as of a targets table, or a row without cell.
        ConfigError: as of a targets table, a cell twice, an unknown assay, a strand pair.
    """
    where = f"table of input tracks {path}"
    tracks = read_accessibility(path, where, extra, _DEFAULTS)
    cells: dict[str, Target] = {}
    for track in tracks:
        if track.cell in cells:
            raise ConfigError(
                f"{where}: tracks {cells[track.cell].identifier!r} and {track.identifier!r} are "
                f"both of cell {track.cell!r}: keep one"
            )
        if track.strand_pair not in (None, track.index):
            raise ConfigError(
                f"{where}: track {track.identifier!r} has strand_pair {track.strand_pair}: "
                "accessibility has no strand, so leave it empty"
            )
        cells[track.cell] = track
    return tracks


def read_accessibility(
    path: str | Path, where: str, extra: bool = False, defaults: dict | None = None
) -> tuple[Target, ...]:
    """Read a table whose rows are accessibility tracks of cell types.

    Args:
        path: of the table.
        where: the table, for messages.
        extra, defaults: as of `targets.read_table`.

    Raises:
        InputFileError: as of a targets table, or a row without cell.
        ConfigError: as of a targets table, or an unknown assay.
    """
    path = existing(path, where.removesuffix(f" {path}"))
    tracks = read_table(path, where, True, extra, defaults)
    for track in tracks:
        if track.cell is None:
            raise InputFileError(
                f"{where}: track {track.identifier!r} has no cell: name the cell type whose "
                "accessibility it is in a column 'cell'"
            )
        if track.assay not in (None, *ASSAYS):
            raise unknown("assay", track.assay, ASSAYS, f"of {track.identifier!r} in {where}")
    return tracks


def check_signal(values: np.ndarray, row: Target, chrom: str, start: int) -> None:
    """Check that values are accessibility: finite and not negative, or NaN for none.

    Args:
        values: of the bases from `start` on.
        row: of the table.
        chrom, start: where, 0-based.

    Raises:
        InputFileError: naming track, value and place.
    """
    with np.errstate(invalid="ignore"):
        wrong = (values < 0) | np.isinf(values)
    if wrong.any():
        at = int(wrong.argmax())
        raise InputFileError(
            f"input track {row.identifier!r} ({row.file}) has the value {values[at]:g} at "
            f"{chrom}:{start + at}: accessibility is finite and not negative; give the signal "
            "itself, not its logarithm or its difference from an average"
        )


def check_cells_have_tracks(targets: Sequence[Target], tracks: Sequence[Target]) -> None:
    """Check that every cell type of the targets has an input track.

    Raises:
        ConfigError: naming the cell type.
    """
    known = {t.cell for t in tracks}
    for target in targets:
        if target.cell is not None and target.cell not in known:
            raise ConfigError(
                f"cell {target.cell!r} of target {target.identifier!r} has no accessibility track: "
                f"the table of input tracks has {', '.join(sorted(known))}; add a row for it, or "
                "leave its targets out"
            )


def padded_values(
    track: Track, row: Target, chrom: str, start: int, end: int, length: int
) -> np.ndarray:
    """Return an input track's values over a stretch that may reach beyond its chromosome.

    Args:
        track: the open file.
        row: of the table.
        chrom: chromosome.
        start, end: 0-based, half-open; may be below 0 and beyond `length`.
        length: of the chromosome, bp.

    Returns:
        float32 [end - start]; NaN where there is no value and beyond the chromosome.

    Raises:
        InputFileError: a value that is negative or infinite.
    """
    out = np.full(end - start, np.nan, np.float32)
    low, high = max(start, 0), min(end, length)
    if low < high:
        values = track.values(chrom, low, high)
        check_signal(values, row, chrom, low)
        out[low - start : high - start] = values
    return out


def track_windows(
    track: Track,
    row: Target,
    places: Sequence[tuple[str, int, int]],
    width: int,
    chroms: dict[str, int],
) -> np.ndarray:
    """Return an input track's bins over windows, as records hold them.

    Args:
        track: the open file.
        row: of the table.
        places: (chromosome, start, end) of each window with its context; all of one length, a
            multiple of `width`.
        width: bp per bin.
        chroms: chromosome → length, bp.

    Returns:
        float16 [windows, bins]; NaN where there is no value.

    Raises:
        InputFileError: as `padded_values`.
    """
    pooling = Pooling(width, row, row.nan or _DEFAULTS["nan"])
    rows = []
    for chrom, start, end in places:
        values = padded_values(track, row, chrom, start, end, chroms[chrom])
        rows.append(stretch_values(values, np.zeros(1, int), end - start, pooling, _NO_REGIONS)[0])
    return np.stack(rows)
