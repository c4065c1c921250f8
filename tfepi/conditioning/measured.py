"""Statistics of several models, seeds, cell types and marks, and their hierarchical bootstrap.

Two things are left to chance: which stretches of the genome are tested, and which seed a model
was trained with. Both are resampled, blocks (or variants) and seeds, by the same draws for every
model, so that differences of models are paired (hierarchical bootstrap: Davison and Hinkley 1997,
Bootstrap Methods and their Application, section 3.8). The mean of n seeds drawn again has
(n - 1)/n of the variance it should have, so with three seeds what they add to an interval is
narrow by a fifth; the values of single seeds are always given beside it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from tfepi.evaluation.bootstrap import estimate
from tfrecords_tools.errors import ConfigError

SEEN, UNSEEN = "seen cells", "unseen cell"
Key = tuple[str, int | None, str]
_SEEDS = 2  # spawn key: the stream that draws seeds


@dataclass(frozen=True)
class Design:
    """Which models were run with which seeds and tested in which cell types.

    Attributes:
        models: in the order of tables.
        seeds: that the models were trained with.
        unseeded: models that chance has no part in, as baselines.
        seen: cell types trained on.
        unseen: cell types held out.
        marks: what is predicted.
    """

    models: tuple[str, ...]
    seeds: tuple[int, ...]
    unseeded: tuple[str, ...]
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    marks: tuple[str, ...]

    @classmethod
    def of(
        cls,
        keys: Iterable[Key],
        seen: tuple[str, ...],
        unseen: tuple[str, ...],
        marks: tuple[str, ...],
    ) -> "Design":
        """Return the design of what there is.

        Args:
            keys: (model, seed, cell type) of every set of predictions; the seed of a baseline is
                None.
            seen: cell types trained on.
            unseen: cell types held out.
            marks: what is predicted.

        Raises:
            ConfigError: nothing was predicted, a cell type that is neither seen nor unseen or
                that is both, or a model that lacks a seed that others have.
        """
        keys = list(keys)
        cells = (*seen, *unseen)
        if len(set(cells)) < len(cells):
            raise ConfigError(
                f"cell types {', '.join(cells)}: one is named twice; a cell type is seen or unseen"
            )
        if not keys:
            raise ConfigError("there are no predictions to score: train or predict first")
        models = tuple(dict.fromkeys(model for model, _, _ in keys))
        seeds = tuple(sorted({seed for _, seed, _ in keys if seed is not None}))
        unseeded = []
        for model in models:
            for cell in dict.fromkeys(c for m, _, c in keys if m == model):
                if cell not in cells:
                    raise ConfigError(
                        f"model {model} has predictions in cell type {cell!r}, which is neither "
                        f"seen ({', '.join(seen)}) nor unseen ({', '.join(unseen) or 'none'})"
                    )
                has = {s for m, s, c in keys if (m, c) == (model, cell)}
                if has == {None}:
                    unseeded.append(model)
                elif has != set(seeds):
                    lacking = ", ".join(str(s) for s in seeds if s not in has)
                    raise ConfigError(
                        f"model {model} lacks predictions of seed {lacking or '(none)'} in cell "
                        f"type {cell}: differences are paired by seed; run every model with each"
                    )
        return cls(models, seeds, tuple(dict.fromkeys(unseeded)), seen, unseen, marks)

    @property
    def cells(self) -> tuple[str, ...]:
        """All cell types, seen ones first."""
        return (*self.seen, *self.unseen)

    @property
    def runs(self) -> list[tuple[str, int | None]]:
        """Every model and seed, a baseline once with None."""
        return [
            (model, seed)
            for model in self.models
            for seed in ((None,) if model in self.unseeded else self.seeds)
        ]

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Group → positions of its cell types: all seen, each of them, all unseen, each."""
        found = {}
        cells = self.cells
        for name, members in ((SEEN, self.seen), (UNSEEN, self.unseen)):
            if members:
                found[name] = tuple(cells.index(c) for c in members)
            if len(members) > 1:
                found |= {c: (cells.index(c),) for c in members}
        return found


@dataclass(frozen=True)
class Measured:
    """Every statistic of every model, seed, cell type and mark, with its resamples.

    Attributes:
        design: what was measured.
        statistics: names of the first axis.
        sets: names of the second axis: positions or variants that are counted.
        values: float64 [statistics, sets, marks, cells, models, seeds]; NaN is undefined. A
            baseline has the same value for every seed.
        resampled: the same of each resample of blocks [resamples, …].
        counts: observed positions or variants, int64 [sets, marks, cells].
        absent: marks that a cell type has no track of, bool [marks, cells]; means leave them out.
        level: coverage of intervals.
        seed: of the draws of seeds.
        notes: what could not be scored, in words.
    """

    design: Design
    statistics: tuple[str, ...]
    sets: tuple[str, ...]
    values: np.ndarray
    resampled: np.ndarray
    counts: np.ndarray
    absent: np.ndarray
    level: float = 0.95
    seed: int = 44
    notes: list[str] = field(default_factory=list)

    @classmethod
    def empty(
        cls,
        design: Design,
        statistics: tuple[str, ...],
        sets: tuple[str, ...],
        resamples: int,
        level: float,
        seed: int,
    ) -> "Measured":
        """Return one to be filled, all NaN."""
        sizes = (sets, design.marks, design.cells, design.models, design.seeds or (None,))
        shape = (len(statistics), *map(len, sizes))
        values, resampled = np.full(shape, np.nan), np.full((resamples, *shape), np.nan)
        counts = np.zeros(shape[1:4], np.int64)
        absent = np.zeros(shape[2:4], bool)
        return cls(design, statistics, sets, values, resampled, counts, absent, level, seed)

    def put(
        self,
        found: dict[str, np.ndarray],
        place: tuple[int, int, int],
        model: str,
        seed: int | None,
    ) -> None:
        """Set a model's statistics.

        Args:
            found: statistic → value, then resamples, float [1 + resamples].
            place: positions of set, mark and cell type.
            model: its name.
            seed: its seed; None: all seeds.
        """
        seeds = slice(None) if seed is None else self.design.seeds.index(seed)
        where = (*place, self.design.models.index(model), seeds)
        for number, name in enumerate(self.statistics):
            value = found[name]
            self.values[(number, *where)] = value[0]
            every = self.resampled[(slice(None), number, *where)]
            every[...] = value[1:].reshape(-1, *(1,) * (every.ndim - 1))

    def means(self, cells: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
        """Return each seed's mean over cell types, and the resamples of the mean over seeds.

        Args:
            cells: positions of cell types.

        Returns:
            [statistics, sets, marks, models, seeds] and [resamples, statistics, sets, marks,
            models]; NaN where one of the cell types that have the mark is undefined, or none has.
        """
        chosen = list(cells)
        drawn = seed_draws(self.values.shape[-1], len(self.resampled), self.seed)
        has = ~self.absent[:, chosen][:, :, None, None]
        with np.errstate(invalid="ignore"):
            by_seed, every = (
                np.where(has, values, 0).sum(axis=-3) / has.sum(axis=-3)
                for values in (self.values[:, :, :, chosen], self.resampled[:, :, :, :, chosen])
            )
        return by_seed, np.einsum("rabcms,rs->rabcm", every, drawn)

    def estimate(self, by_seed: np.ndarray, resampled: np.ndarray, seeded: bool = True) -> dict:
        """Return a mean over seeds as JSON: value, interval, and the value of each seed.

        Args:
            by_seed: [seeds].
            resampled: of the mean, [resamples].
            seeded: whether seeds differ.
        """
        found = estimate(by_seed.mean(), resampled, self.level)
        pairs = zip(self.design.seeds, by_seed.tolist(), strict=True) if seeded else ()
        return found | {"by_seed": {str(s): None if np.isnan(v) else v for s, v in pairs}}


def seed_draws(seeds: int, resamples: int, seed: int) -> np.ndarray:
    """Return the share of each seed in each resample, float64 [resamples, seeds]; rows sum to 1."""
    stream = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_SEEDS,)))
    return stream.multinomial(seeds, np.full(seeds, 1 / seeds), size=resamples) / seeds


def scores_of(measured: Measured) -> list[dict]:
    """Return a row of each model, group of cell types, mark and set.

    Returns:
        Dicts of "model", "group", "cells", "mark", "set", "count" (positions or variants, summed
        over cell types), and each statistic's "value", "interval" and "by_seed". A model that
        predicts nothing in a group has no row of it.
    """
    design = measured.design
    rows = []
    for group, cells in design.groups.items():
        by_seed, resampled = measured.means(cells)
        counts = measured.counts[:, :, list(cells)].sum(axis=2)
        for s, chosen in enumerate(measured.sets):
            for k, mark in enumerate(design.marks):
                for m, model in enumerate(design.models):
                    if np.isnan(by_seed[:, s, k, m]).all():
                        continue
                    row = {"model": model, "group": group}
                    row |= {"cells": [design.cells[c] for c in cells], "mark": mark}
                    row |= {"set": chosen, "count": int(counts[s, k])}
                    seeded = model not in design.unseeded
                    for number, name in enumerate(measured.statistics):
                        at = (number, s, k, m)
                        row[name] = measured.estimate(by_seed[at], resampled[:, *at], seeded)
                    rows.append(row)
    return rows
