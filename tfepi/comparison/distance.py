"""How far from a variant its predicted effect reaches: mean |ALT − REF| against distance."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tfepi.comparison.scored import Scored
from tfepi.comparison.series import Series
from tfepi.comparison.values import Values, profiles
from tfepi.evaluation.bootstrap import (
    Bootstrap,
    estimate,
    genome_blocks,
    interval,
    multiplicities,
)
from tfepi.methylation.variant_tables import PAIRS
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import select

MASSES = (0.5, 0.9, 0.99)
_PER_DECADE = 6
_MOST_GROUPS = 200  # of blocks, so that sums fit into memory
_CENTRE = 10  # bp within which effects count as at the variant, where none is at 0


@dataclass(frozen=True)
class DistanceSums:
    """Sizes of effects by distance, added up per group of blocks of the genome.

    Attributes:
        distance: bp from the variant's first base to the nearest base of a bin, or to the C of a
            CpG; 0 for the bin that holds it; ascending, int64 [distances].
        total: sum of |ALT − REF|, float64 [groups, distances, series].
        count: bins of variants, float64 [groups, distances].
    """

    distance: np.ndarray
    total: np.ndarray
    count: np.ndarray

    @property
    def centre(self) -> np.ndarray:
        """Which distances are the variant's own, bool [distances]."""
        return self.distance <= max(self.distance[0], _CENTRE * (self.distance[0] > 0))

    def relative(self, edges: np.ndarray, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return the mean size between edges, relative to that at the variant.

        Args:
            edges: bp, ascending, [n + 1].
            drawn: how often each group counts, [resamples, groups]; None: once.

        Returns:
            float64 [n, series], or [resamples, n, series]; NaN where there is no bin.
        """
        total, count = (_between(edges, self.distance, v) for v in (self.total, self.count))
        own = self.total[:, self.centre].sum(axis=1), self.count[:, self.centre].sum(axis=1)
        parts = (total, count, *own)
        if drawn is None:
            total, count, *own = (v.sum(axis=0) for v in parts)
        else:
            total, count, *own = (np.tensordot(drawn, v, 1) for v in parts)
        with np.errstate(invalid="ignore", divide="ignore"):
            return total / count[..., None] / (own[0] / own[1][..., None])[..., None, :]

    def within(self, share: float, drawn: np.ndarray | None = None) -> np.ndarray:
        """Return the distance within which a share of all effects lies.

        Args:
            share: of the sum of |ALT − REF| over bins.
            drawn: as of `relative`.

        Returns:
            bp, float64 [series] or [resamples, series]; NaN where there is no effect.
        """
        total = self.total.sum(axis=0) if drawn is None else np.tensordot(drawn, self.total, 1)
        mass = np.cumsum(total, axis=-2)
        whole = mass[..., -1:, :]
        # Rounding must not put the last bp of 99% beyond the sum itself.
        reached = (mass >= share * whole * (1 - 1e-12)).argmax(axis=-2)
        found = self.distance[reached].astype(float)
        return np.where(whole[..., 0, :] > 0, found, np.nan)


def _between(edges: np.ndarray, distance: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return sums of values [groups, distances, …] between edges: [groups, edges − 1, …]."""
    starts = np.searchsorted(distance, edges)
    held = np.flatnonzero(np.diff(starts))
    found = np.zeros((values.shape[0], len(edges) - 1, *values.shape[2:]))
    inside = values[:, : starts[-1]]
    found[:, held] = np.add.reduceat(inside, starts[:-1][held], axis=1)
    return found


def distance_edges(sums: DistanceSums, width: int) -> dict[str, np.ndarray]:
    """Return the edges of distances: "linear", every `width` bp, and "log", six per decade.

    The first interval of either holds what lies at the variant.
    """
    far = int(sums.distance[-1])
    steps = np.arange(0, far + width, width) + 1
    powers = np.arange(int(np.ceil(np.log10(max(far, 1)) * _PER_DECADE)) + 1) / _PER_DECADE
    logs = np.unique(np.ceil(10**powers - 1e-9).astype(np.int64))
    if logs[-1] <= far:
        logs = np.append(logs, far + 1)
    return {"linear": np.r_[0, steps], "log": np.r_[0, logs]}


def distance_sums(
    one: Scored,
    values: Values,
    series: Sequence[Series],
    rows: np.ndarray,
    block_bp: int | None = None,
) -> DistanceSums | None:
    """Return the sizes of effects by distance; None of one bin, or without predictions.

    Args:
        one: the scores.
        values: of the variants, read from them.
        series: what is compared; of several targets the mean, each relative to its mean level.
        rows: which variants count, bool [rows].
        block_bp: of the blocks of the genome (`bootstrap.genome_blocks`).

    Raises:
        InputFileError: a damaged file.
    """
    if not rows.any():
        return None
    places = [
        Interval(c, p - 1, p)
        for c, p in zip(values.rows.chrom[rows], values.rows.pos[rows].tolist(), strict=True)
    ]
    blocks = genome_blocks(places, block_bp)
    groups = min(blocks.count, _MOST_GROUPS)
    group = np.full(len(rows), -1)
    group[rows] = blocks.index * groups // blocks.count
    weights = _weights(one, values, series)
    if one.of_methylation:
        return _of_cpgs(one, values, weights, group, groups)
    if not one.profiles or one.manifest.window.bins == 1:
        return None
    window = one.manifest.window
    low = window.crop - window.index + window.bin_width * np.arange(window.bins)
    away = np.where(low > 0, low, np.maximum(0, -(low + window.bin_width - 1)))
    distance, of = np.unique(away, return_inverse=True)
    total = np.zeros((groups, window.bins, len(series)))
    seen = np.zeros((groups, window.bins))
    for first, ref, alt in profiles(one):
        here = group[first : first + len(ref)]
        size = np.abs(alt.astype(np.float64) - ref) @ weights
        counted = np.isfinite(size).all(axis=2) & (here >= 0)[:, None]
        size[~counted] = 0
        for g in np.unique(here[here >= 0]).tolist():
            total[g] += size[here == g].sum(axis=0)
            seen[g] += counted[here == g].sum(axis=0)
    folded = np.zeros((window.bins, len(distance)))
    folded[np.arange(window.bins), of] = 1
    return DistanceSums(distance, np.einsum("gbs,bd->gds", total, folded), seen @ folded)


def _weights(one: Scored, values: Values, series: Sequence[Series]) -> np.ndarray:
    """Return what each target adds to each series, float64 [targets, series]."""
    weights = np.zeros((len(one.manifest.targets), len(series)))
    for number, s in enumerate(series):
        columns = list(select(one.manifest.targets, list(s.targets[one.name])))
        level = np.ones(len(columns)) if values.level is None else values.level[columns]
        weights[columns, number] = 1 / len(columns)
        if len(columns) > 1:
            weights[columns, number] /= np.where(level > 0, level, np.nan)
    return weights


def _of_cpgs(
    one: Scored, values: Values, weights: np.ndarray, group: np.ndarray, groups: int
) -> DistanceSums | None:
    """Return sizes of effects on CpGs that both alleles have, where every pair was kept."""
    path = one.folder / PAIRS
    if not path.exists():
        return None
    names = [f"{t.identifier}_diff" for t in one.manifest.targets]
    keys = ["chrom", "pos", "ref", "alt"]
    try:
        table = pq.read_table(path, columns=[*keys, "cpg", "kind", *names]).to_pandas()
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path} is damaged ({error}): score again") from None
    table = table[table.kind == "kept"]
    of = values.rows[keys].assign(group=group).drop_duplicates(keys)
    table = table.merge(of, on=keys)
    table = table[table.group >= 0]
    if not len(table):
        return None
    distance, at = np.unique((table.cpg - table.pos).abs().to_numpy(), return_inverse=True)
    size = np.abs(table[names].to_numpy(np.float64)) @ weights
    seen = np.isfinite(size).all(axis=1)
    cell = (table.group.to_numpy() * len(distance) + at)[seen]
    shape = (groups, len(distance))
    total = [np.bincount(cell, column, groups * len(distance)) for column in size[seen].T]
    count = np.bincount(cell, minlength=groups * len(distance)).astype(float)
    return DistanceSums(distance, np.stack(total, axis=1).reshape(*shape, -1), count.reshape(shape))


def effect_table(
    sums: DistanceSums, name: str, series: Sequence[Series], width: int, bootstrap: Bootstrap
) -> tuple[pd.DataFrame, list[dict]]:
    """Return the curves of a model and the distances that hold shares of its effects.

    Args:
        sums: of the model.
        name: of the model.
        series: what is compared.
        width: of linear distances, bp.
        bootstrap: how intervals are made.

    Returns:
        Columns series, model, grid, low, high (bp, half-open), relative, relative_low and
        relative_high; and per series `{"series", "model", "within": share → estimate}`, bp.
    """
    groups = len(sums.count)
    count = bootstrap.rank_resamples if groups >= 5 else 0
    drawn = multiplicities(groups, count, bootstrap.seed)
    frames = []
    for grid, edges in distance_edges(sums, width).items():
        value = sums.relative(edges)
        resampled = sums.relative(edges, drawn)
        for number, s in enumerate(series):
            ends = [
                (interval(resampled[:, i, number], bootstrap.level) if count else None)
                or (np.nan, np.nan)
                for i in range(len(value))
            ]
            frame = pd.DataFrame(
                {"low": edges[:-1], "high": edges[1:], "relative": value[:, number]}
            )
            frame[["relative_low", "relative_high"]] = ends
            frame.insert(0, "grid", grid)
            frame.insert(0, "model", name)
            frame.insert(0, "series", s.label)
            frames.append(frame[~frame.relative.isna()])
    # A resample at a time: of all distances and series together they would not fit.
    resampled = {
        share: np.array([sums.within(share, row[None])[0] for row in drawn]) for share in MASSES
    }
    widths = [
        {
            "series": s.label,
            "model": name,
            "within": {
                str(share): estimate(
                    sums.within(share)[number],
                    resampled[share][:, number] if count else None,
                    bootstrap.level,
                )
                for share in MASSES
            },
        }
        for number, s in enumerate(series)
    ]
    return pd.concat(frames, ignore_index=True), widths
