"""Which grid cells of a sequence are changed, and the blocks of cells that cover them."""

from collections.abc import Iterator

import numpy as np

from tfrecords_tools.genome import UNKNOWN


def changed_cells(
    own: np.ndarray, changed: np.ndarray, grid: int, within: np.ndarray | None = None
) -> list[np.ndarray]:
    """Return the grid cells in which each sequence differs from its own, ascending.

    Args:
        own, changed: base indices [sequences, length].
        grid: bp of a cell.
        within: the positions that count, [sequences, 2] half-open; None for all.
    """
    differs = own != changed
    if within is not None:
        at = np.arange(own.shape[1])
        differs &= (at >= within[:, :1]) & (at < within[:, 1:])
    rows, places = np.nonzero(differs)
    cells = places // grid
    first = np.ones(len(cells), bool)
    first[1:] = (cells[1:] != cells[:-1]) | (rows[1:] != rows[:-1])
    ends = np.searchsorted(rows[first], np.arange(1, len(own)))
    return np.split(cells[first], ends)


def covering(cells: np.ndarray, width: int) -> list[int]:
    """Return the first cells of blocks of `width` cells that cover `cells`, from the left."""
    starts: list[int] = []
    for cell in cells.tolist():
        if not starts or cell >= starts[-1] + width:
            starts.append(cell)
    return starts or [0]


def block_widths(cells: int) -> Iterator[int]:
    """Yield the widths of blocks that are used, in cells, up to the first of at least `cells`.

    They are 1, 2, 3 and then four for each doubling, 4, 5, 6, 7, 8, 10, 12, …: each is compiled.
    """
    width = 1
    while True:
        yield width
        if width >= cells:
            return
        width += max(1, (1 << (width.bit_length() - 1)) // 4)


def cut(sequences: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    """Return the letters of blocks, N beyond the ends: [sequences, blocks, width].

    Args:
        sequences: base indices [sequences, length].
        starts: of blocks, bp, [sequences, blocks]; from -width on.
        width: bp.
    """
    padded = np.pad(sequences, ((0, 0), (width, width)), constant_values=UNKNOWN)
    at = starts[:, :, None] + width + np.arange(width)
    return padded[np.arange(len(sequences))[:, None, None], at]


def filled(arrays: dict[str, np.ndarray], size: int) -> dict[str, np.ndarray]:
    """Return arrays of `size` rows: the first is repeated."""
    missing = size - len(next(iter(arrays.values())))
    if missing <= 0:
        return arrays
    return {k: np.concatenate([v, np.repeat(v[:1], missing, 0)]) for k, v in arrays.items()}
