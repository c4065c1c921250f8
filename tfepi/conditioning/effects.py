"""Predicted effects of variants against true ones, model by model, in seen and unseen cell types.

An informative input can make a model deaf to the sequence: it then scores well on the reference
genome and says nothing of a mutation. These statistics are of what it says of mutations.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.conditioning.measured import Design, Key, Measured, scores_of
from tfepi.evaluation.bootstrap import Bootstrap, multiplicities
from tfepi.evaluation.ranks import RankedPair
from tfrecords_tools.errors import ConfigError

FORMAT = "tfepi-conditioning-effects"
FORMAT_VERSION = 1
STATISTICS = {
    "sign_accuracy": "of variants with an effect, the share predicted in its direction; a "
    "predicted effect of exactly 0 counts half",
    "spearmanr": "Spearman correlation of predicted and true effects over all variants",
    "auroc": "area under the ROC curve of |predicted effect| for having an effect",
    "auprc": "average precision of |predicted effect| for having an effect",
    "effect_rate": "share of variants that have an effect",
}
ALL = "all"


@dataclass(frozen=True)
class Effects:
    """True and predicted effects of the same variants.

    Attributes:
        seen: cell types trained on.
        unseen: cell types held out.
        marks: the last axis of every array.
        truth: cell type → true effects, float [variants, marks]; NaN is unknown.
        predictions: (model, seed, cell type) → predicted effects, likewise; the seed of a
            baseline is None.
        bound: a variant has an effect if its true one is further from 0 than this.
        places: kind of each variant ("outside", a motif's name), or None.
        block: number from 0 of the block that each variant is resampled with, int [variants];
            None: each variant by itself.
    """

    seen: tuple[str, ...]
    unseen: tuple[str, ...]
    marks: tuple[str, ...]
    truth: Mapping[str, np.ndarray]
    predictions: Mapping[Key, np.ndarray]
    bound: float = 0.0
    places: Sequence[str] | None = None
    block: np.ndarray | None = None

    def __post_init__(self):
        if not self.bound >= 0:
            raise ConfigError(f"the bound of an effect is {self.bound}: want a number from 0 up")
        arrays = {f"true effects in {c}": v for c, v in self.truth.items()}
        for (model, seed, cell), value in self.predictions.items():
            name = model if seed is None else f"{model}, seed {seed},"
            arrays[f"effects predicted by {name} in {cell}"] = value
        count = next((len(v) for v in arrays.values()), 0)
        for name, value in arrays.items():
            if value.shape != (count, len(self.marks)):
                raise ConfigError(
                    f"{name} have shape {value.shape}, want [variants, marks] = "
                    f"({count}, {len(self.marks)})"
                )
        for cell in (*self.seen, *self.unseen):
            if cell not in self.truth:
                raise ConfigError(f"cell type {cell!r} has no true effects: leave it out")
        for what, values in (("places", self.places), ("blocks", self.block)):
            if values is not None and len(values) != count:
                raise ConfigError(f"{len(values)} {what} of {count} variants: want one for each")

    @property
    def design(self) -> Design:
        """Models, seeds and cell types."""
        return Design.of(self.predictions, self.seen, self.unseen, self.marks)


def measure_effects(effects: Effects, bootstrap: Bootstrap | None = None) -> Measured:
    """Measure every model, seed, cell type, mark and kind of variant.

    Args:
        effects: true and predicted.
        bootstrap: how intervals are made, by its rank_resamples, over variants (or their blocks)
            and seeds; None: the defaults.

    Raises:
        ConfigError: a predicted effect that is no finite number where the true one is known, or
            no variant whose effect is known.
    """
    bootstrap, design = bootstrap or Bootstrap(), effects.design
    count = len(next(iter(effects.truth.values())))
    block = np.arange(count) if effects.block is None else np.asarray(effects.block)
    blocks = int(block.max()) + 1 if count else 0
    if not blocks:
        raise ConfigError("there are no variants to score: name some")
    drawn = multiplicities(blocks, bootstrap.rank_resamples, bootstrap.seed)
    weights = np.concatenate([np.ones((1, count)), drawn[:, block]])
    chosen = {ALL: np.ones(count, bool)}
    if effects.places is not None:
        places = np.asarray(effects.places)
        chosen |= {str(p): places == p for p in dict.fromkeys(places.tolist())}
    found = Measured.empty(
        design,
        tuple(STATISTICS),
        tuple(chosen),
        len(drawn),
        bootstrap.level,
        bootstrap.seed,
    )
    for k, mark in enumerate(design.marks):
        for c, cell in enumerate(design.cells):
            truth = effects.truth[cell][:, k].astype(float)
            known = ~np.isnan(truth)
            if not known.any():
                raise ConfigError(
                    f"{mark} in {cell} has no variant whose true effect is known: leave it out"
                )
            for s, mask in enumerate(chosen.values()):
                found.counts[s, k, c] = int((known & mask).sum())
            for model, seed in design.runs:
                if (model, seed, cell) not in effects.predictions:
                    continue
                value = effects.predictions[model, seed, cell][:, k].astype(float)
                if not np.isfinite(value[known]).all():
                    raise ConfigError(
                        f"{model}, seed {seed}, gives no finite effect on {mark} in {cell} of "
                        f"{int((~np.isfinite(value[known])).sum())} variants: score all of them"
                    )
                for s, mask in enumerate(chosen.values()):
                    inside = known & mask
                    statistics = effect_statistics(
                        truth[inside], value[inside], weights[:, inside], effects.bound
                    )
                    found.put(statistics, (s, k, c), model, seed)
    return found


def effect_statistics(
    truth: np.ndarray, prediction: np.ndarray, weights: np.ndarray, bound: float = 0.0
) -> dict[str, np.ndarray]:
    """Return `STATISTICS` of weighted variants.

    Args:
        truth: true effects [variants], all known.
        prediction: predicted effects [variants].
        weights: how often each variant is drawn [resamples, variants].
        bound: see `Effects`.

    Returns:
        Statistic → float64 [resamples]; NaN where it is undefined.
    """
    has = np.abs(truth) > bound
    right = (np.sign(truth) * np.sign(prediction) + 1) / 2
    ranked = RankedPair(truth, prediction)
    strength = RankedPair(has.astype(float), np.abs(prediction), True)
    found = {name: np.full(len(weights), np.nan) for name in STATISTICS}
    for number, row in enumerate(weights.astype(float)):
        found["spearmanr"][number] = ranked.statistics(row)["spearmanr"]
        statistics = strength.statistics(row)
        for name in ("auroc", "auprc"):
            found[name][number] = statistics[name]
    with np.errstate(invalid="ignore", divide="ignore"):
        found["sign_accuracy"][:] = (weights @ (has * right)) / (weights @ has)
        found["effect_rate"][:] = (weights @ has) / weights.sum(axis=1)
    return found


def effects_json(measured: Measured, effects: Effects, contrasts: list[dict] | None = None) -> dict:
    """Return results of `measure_effects` as a JSON value.

    Args:
        measured: the statistics.
        effects: what they are of.
        contrasts: of `contrasts.contrasts_of`.
    """
    design = measured.design
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "models": list(design.models),
        "seeds": list(design.seeds),
        "cells": {"seen": list(design.seen), "unseen": list(design.unseen)},
        "marks": list(design.marks),
        "sets": list(measured.sets),
        "statistics": STATISTICS,
        "bound": effects.bound,
        "bootstrap": {
            "method": "percentile interval of resampled variants and seeds",
            "level": measured.level,
            "resamples": len(measured.resampled),
            "seed": measured.seed,
        },
        "notes": list(measured.notes),
        "scores": scores_of(measured),
        "contrasts": contrasts or [],
    }
