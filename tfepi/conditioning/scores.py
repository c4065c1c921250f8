"""Accuracy of every model of an experiment, seed by seed, cell type by cell type."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.conditioning.accuracy import (
    LEOPARD,
    LEOPARD_MEANING,
    STATISTICS,
    RankedLabels,
    differing,
)
from tfepi.conditioning.measured import Design, Key, Measured, scores_of
from tfepi.evaluation.bootstrap import (
    FEWEST_BLOCKS,
    Blocks,
    Bootstrap,
    genome_blocks,
    multiplicities,
)
from tfrecords_tools.errors import ConfigError, InputFileError, why_unread
from tfrecords_tools.files import existing
from tfrecords_tools.intervals import Interval
from tfrecords_tools.progress import progress

FORMAT = "tfepi-conditioning-scores"
FORMAT_VERSION = 1
SETS = {
    "all": "positions whose label was observed",
    "differing": "observed positions at which the observed labels of the cell types differ",
}


@dataclass(frozen=True)
class Experiment:
    """Labels and predictions of the same windows, each array in memory or in an .npy file.

    One mark of one array is read at a time.

    Attributes:
        windows: what is predicted, in order.
        seen: cell types trained on.
        unseen: cell types held out.
        marks: the last axis of every array.
        truth: cell type → labels [windows, bins, marks], NaN where not observed.
        predictions: (model, seed, cell type) → [windows, bins, marks]; the seed of a baseline is
            None. A model may lack cell types. Several keys may name one file.
        absent: (cell type, mark) of which there is no track; they are not scored.
    """

    windows: tuple[Interval, ...]
    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    marks: tuple[str, ...]
    truth: Mapping[str, np.ndarray | Path]
    predictions: Mapping[Key, np.ndarray | Path]
    absent: frozenset[tuple[str, str]] = frozenset()

    @property
    def design(self) -> Design:
        """Models, seeds and cell types."""
        return Design.of(self.predictions, self.seen, self.unseen, self.marks)

    def check(self) -> int:
        """Check the shape of every array without reading its values; return the number of bins.

        Raises:
            ConfigError: no labels of a cell type, or an array of another shape.
            InputFileError: a file that is missing or damaged.
        """
        for cell in (*self.seen, *self.unseen):
            if cell not in self.truth:
                raise ConfigError(
                    f"cell type {cell!r} has no labels to score against: leave it out"
                )
        arrays = {f"labels of {c}": v for c, v in self.truth.items()}
        for (model, seed, cell), value in self.predictions.items():
            arrays[f"predictions of {_run(model, seed)} in {cell}"] = value
        bins = None
        for name, value in arrays.items():
            shape = _opened(value).shape
            if bins is None and len(shape) == 3:
                bins = shape[1]
            if shape != (len(self.windows), bins, len(self.marks)):
                raise ConfigError(
                    f"{name} have shape {shape}, want [windows, bins, marks] = "
                    f"({len(self.windows)}, {bins or 'bins'}, {len(self.marks)})"
                )
        return bins

    def column(self, value: np.ndarray | Path, mark: int) -> np.ndarray:
        """Return one mark of an array, [positions]."""
        return np.array(_opened(value)[..., mark]).ravel()


def _opened(value: np.ndarray | Path) -> np.ndarray:
    if isinstance(value, np.ndarray):
        return value
    path = existing(value, "array")
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = why_unread(error)
        raise InputFileError(f"{path} is no .npy array ({reason}): make it again") from None


def _run(model: str, seed: int | None) -> str:
    return model if seed is None else f"{model}, seed {seed},"


def measure(
    experiment: Experiment,
    bootstrap: Bootstrap | None = None,
    leopard: bool = False,
    quiet: bool = True,
) -> tuple[Measured, Blocks]:
    """Measure every model, seed, cell type, mark and set of positions.

    The labels, the draws of blocks and the positions are the same for all models; memory holds
    one mark of a label array and of a prediction array at a time.

    Args:
        experiment: labels and predictions.
        bootstrap: how intervals are made, by its rank_resamples; None: the defaults.
        leopard: also Leopard's step sum.
        quiet: no progress bar.

    Returns:
        The statistics, and the blocks of the genome.

    Raises:
        ConfigError: a cell type and mark without an observed position or without both labels,
            predictions that are missing where a label is observed, arrays that do not fit.
        InputFileError: a file that is missing or damaged.
    """
    bootstrap, design = bootstrap or Bootstrap(), experiment.design
    bins = experiment.check()
    resamples = bootstrap.rank_resamples
    blocks = genome_blocks(experiment.windows, bootstrap.block_bp if resamples else None)
    notes = []
    if resamples and not blocks.enough:
        resamples = 0
        notes.append(
            f"the windows lie in {blocks.count} blocks of the genome, fewer than {FEWEST_BLOCKS}: "
            "no intervals"
        )
    if len(design.seeds) == 1:
        notes.append("one seed: intervals leave out the chance of training")
    drawn = multiplicities(blocks.count, resamples, bootstrap.seed)
    drawn = np.concatenate([np.ones((1, blocks.count)), drawn])
    block = np.repeat(blocks.index, bins)
    names = (*STATISTICS, LEOPARD) if leopard else tuple(STATISTICS)
    found = Measured.empty(design, names, tuple(SETS), resamples, bootstrap.level, bootstrap.seed)
    total = len(design.marks) * len(design.cells) * len(design.runs)
    with progress(total=total, unit="test", label="accuracy", quiet=quiet) as bar:
        for k, mark in enumerate(design.marks):
            differ = differing(experiment.column(experiment.truth[c], k) for c in design.cells)
            for c, cell in enumerate(design.cells):
                if (cell, mark) in experiment.absent:
                    found.absent[k, c] = True
                    notes.append(f"{mark} in {cell} has no track and is not scored")
                    bar.update(len(design.runs))
                    continue
                truth = experiment.column(experiment.truth[cell], k)
                chosen = _check_target(truth, differ, cell, mark, notes, len(design.cells) > 1)
                for s, mask in enumerate(chosen):
                    found.counts[s, k, c] = int(mask.sum())
                for model, seed in design.runs:
                    bar.update()
                    value = experiment.predictions.get((model, seed, cell))
                    if value is None:
                        continue
                    try:
                        prediction = experiment.column(value, k)
                        labels = RankedLabels.of(truth, prediction, block, blocks.count)
                    except ConfigError as error:
                        where = f"{_run(model, seed)} {mark} in {cell}"
                        raise ConfigError(f"{where}: {error}") from None
                    for s, mask in enumerate(chosen):
                        among = labels.among(mask) if s else labels
                        statistics = among.statistics(drawn)
                        if leopard:
                            statistics[LEOPARD] = among.rounded().statistics(drawn)["auprc"]
                        found.put(statistics, (s, k, c), model, seed)
    found.notes.extend(notes)
    return found, blocks


def _check_target(
    truth: np.ndarray, differ: np.ndarray, cell: str, mark: str, notes: list[str], several: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return which positions are in each of `SETS`; add to the notes what cannot be scored."""
    observed = ~np.isnan(truth)
    name = f"{mark} in {cell}"
    if not observed.any():
        raise ConfigError(
            f"{name} has no observed position in the windows tested, so nothing can be scored: "
            "check its mask, or leave the cell type or the mark out"
        )
    for label, word in ((1, "positive"), (0, "negative")):
        if not (truth[observed] == label).any():
            raise ConfigError(
                f"{name} has no {word} among its {int(observed.sum())} observed positions, so "
                "AUPRC is undefined: change the threshold, test more windows, or leave it out"
            )
    inside = observed & differ
    labels = truth[inside]
    if not inside.any():
        if several:  # one cell type differs from none
            notes.append(f"{name}: no observed position differs between cell types")
    elif labels.min() == labels.max():
        notes.append(
            f"{name}: every label is {labels[0]:g} where cell types differ, so AUPRC is undefined "
            "there"
        )
    return observed, inside


def scores_json(measured: Measured, blocks: Blocks, contrasts: list[dict] | None = None) -> dict:
    """Return scores and contrasts of `measure` as a JSON value.

    Args:
        measured: the statistics.
        blocks: of the genome.
        contrasts: of `contrasts.contrasts_of`.
    """
    design = measured.design
    meanings = STATISTICS | {LEOPARD: LEOPARD_MEANING}
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "models": list(design.models),
        "seeds": list(design.seeds),
        "cells": {"seen": list(design.seen), "unseen": list(design.unseen)},
        "marks": list(design.marks),
        "sets": SETS,
        "statistics": {n: meanings[n] for n in measured.statistics},
        "bootstrap": {
            "method": "percentile interval of resampled blocks of the genome and seeds",
            "level": measured.level,
            "block_bp": blocks.block_bp,
            "blocks": blocks.count,
            "resamples": len(measured.resampled),
            "seed": measured.seed,
        },
        "notes": list(measured.notes),
        "scores": scores_of(measured),
        "contrasts": contrasts or [],
    }
