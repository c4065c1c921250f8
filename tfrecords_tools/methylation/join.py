"""Samples joined by position, chromosome by chromosome."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools.files import atomic_path
from tfrecords_tools.methylation.strands import Part

_BLOCK_VALUES = 1 << 20


@dataclass(frozen=True)
class Column:
    """What a column of the store is made of.

    Attributes:
        name: of the sample or tissue.
        of: (place of the file, place of the file's column) of each sample in it.
        counts: whether its samples have counts of reads.
    """

    name: str
    of: tuple[tuple[int, int], ...]
    counts: bool


@dataclass(frozen=True, eq=False)
class Joined:
    """CpGs that follow one another, with a value in at least one column.

    Attributes:
        cpg: place among the chromosome's CpGs, int [n].
        beta: float32 [n, columns], NaN where missing.
        coverage: float32 [n, columns], reads, 0 where beta is missing or counts are.
        low: int64 [columns], CpGs left out for their coverage.
    """

    cpg: np.ndarray
    beta: np.ndarray
    coverage: np.ndarray
    low: np.ndarray


@dataclass(frozen=True, eq=False)
class _Take:
    """Which of a file's columns are added up to which of the store.

    Attributes:
        order: the file's, those of one column of the store side by side.
        starts: where those of each begin in it.
        columns: of the store.
    """

    order: np.ndarray
    starts: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, file: int, columns: Sequence[Column]) -> "_Take":
        pairs = [(n, p) for n, c in enumerate(columns) for f, p in c.of if f == file]
        into, order = np.array(pairs, int).reshape(-1, 2).T
        found, starts = np.unique(into, return_index=True)
        return cls(order, starts, found)


def joined(
    parts: Sequence[Part | None],
    columns: Sequence[Column],
    cpgs: int,
    min_coverage: float,
    calls: tuple[float, float] | None,
) -> Iterator[Joined]:
    """Yield a chromosome's CpGs in order.

    The samples of a column are added up before its coverage is judged: reads where there are
    counts, else the column is the mean of its samples' betas.

    Args:
        parts: of each file on this chromosome; None where it has nothing there.
        columns: of the store.
        cpgs: how many CpGs the chromosome has.
        min_coverage: reads below which a value is missing.
        calls: (low, high) of binary values, or None.
    """
    counts = np.array([c.counts for c in columns])
    takes = [_Take.of(file, columns) for file in range(len(parts))]
    there = np.zeros(cpgs, bool)
    for part in parts:
        if part is not None:
            there[part.cpg()] = True
    covered = np.flatnonzero(there)
    size = max(256, _BLOCK_VALUES // len(columns))
    for first in range(0, len(covered), size):
        block = covered[first : first + size]
        total, weight = np.zeros((2, len(block), len(columns)))
        for part, take in zip(parts, takes, strict=True):
            if part is None:
                continue
            cpg, sums, weights = part.between(int(block[0]), int(block[-1]) + 1)
            if not len(cpg):
                continue
            sums, weights = sums[:, take.order], weights[:, take.order]
            if not counts[take.columns[0]]:  # each sample counts once
                has = weights > 0
                sums = np.divide(sums, weights, where=has, out=np.zeros(sums.shape))
                weights = has.astype(float)
            place = np.ix_(np.searchsorted(block, cpg), take.columns)
            total[place] += np.add.reduceat(sums, take.starts, axis=1, dtype=float)
            weight[place] += np.add.reduceat(weights, take.starts, axis=1, dtype=float)
        low = (weight > 0) & (weight < min_coverage) & counts
        there = (weight > 0) & ~low
        beta = np.full(total.shape, np.nan)
        np.divide(total, weight, out=beta, where=there)
        if calls is not None:
            call = np.where(beta <= calls[0], 0.0, np.where(beta >= calls[1], 1.0, np.nan))
            beta = np.where(there, call, np.nan)
            there = ~np.isnan(beta)
        keep = np.flatnonzero(there.any(1))
        coverage = np.where(there & counts, weight, 0)
        yield Joined(
            block[keep],
            beta[keep].astype(np.float32),
            coverage[keep].astype(np.float32),
            low.sum(0),
        )


def write_chromosome(
    stem: Path, positions: np.ndarray, blocks: Iterator[Joined], columns: int, coverage: bool
) -> dict:
    """Write a chromosome's files of the store, and return what they hold.

    Args:
        stem: path that the files' names start with.
        positions: of the chromosome's CpGs, bp.
        blocks: of `joined`.
        columns: how many.
        coverage: whether it is written too.

    Returns:
        `cpgs`, and per column `known`, `beta` and `coverage` (sums) and `low`; JSON values.
    """
    names = ["positions", "beta", *(["coverage"] if coverage else [])]
    found = {n: np.zeros(columns) for n in ("known", "beta", "coverage", "low")}
    rows = 0
    with ExitStack() as stack:
        paths = [stack.enter_context(atomic_path(f"{stem}.{name}.bin")) for name in names]
        files = [stack.enter_context(open(path, "wb")) for path in paths]
        for block in blocks:
            values = (positions[block.cpg], block.beta, block.coverage)
            for handle, array in zip(files, values, strict=False):
                handle.write(np.ascontiguousarray(array).data)
            rows += len(block.cpg)
            found["known"] += np.isfinite(block.beta).sum(0)
            found["beta"] += np.nansum(block.beta, 0, dtype=np.float64)
            found["coverage"] += block.coverage.sum(0, dtype=np.float64)
            found["low"] += block.low
    return {"cpgs": rows} | {name: values.tolist() for name, values in found.items()}
