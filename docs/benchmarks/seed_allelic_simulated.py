#!/usr/bin/env python3
"""Planted allelic effects found again: false discoveries, power, overdispersion, bias, AUROC.

Usage: seed_allelic_simulated.py OUT.tsv
"""

import sys

import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm

from tfepi.allelic.positives import imbalance_sets
from tfepi.allelic.tasks import direction_task, imbalance_task
from tfepi.allelic.testing import HowTested, sites_tested
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.simulate.allelic_counts import AllelicDesign, simulate_counts

SEEDS = range(10)
CASES = {
    "binomial": ({}, {}),
    "no effects": ({"imbalanced": 0.0}, {}),
    "overdispersed, binomial test": ({"rho": 0.02}, {}),
    "overdispersed": ({"rho": 0.02}, {"test": "betabinomial"}),
    "overdispersed, no effects": (
        {"rho": 0.02, "imbalanced": 0.0},
        {"test": "betabinomial"},
    ),
    "overdispersed, of all sites": (
        {"rho": 0.02},
        {"test": "betabinomial", "dispersion": "all"},
    ),
    "dosages 1, 2, 3": ({"dosages": (1.0, 2.0, 3.0)}, {}),
    "dosages not told": ({"dosages": (1.0, 2.0, 3.0)}, {"dosage": False}),
    "biased": ({"bias": 0.15}, {}),
    "biased, observed centre": ({"bias": 0.15}, {"centre": "observed"}),
}


def main() -> None:
    rows = []
    for name, (design, how) in CASES.items():
        asked = AllelicDesign(**({"sites": 4000, "effect": 1.4} | design))
        each = [one(asked, how, seed) for seed in SEEDS]
        row = {"case": name} | pd.DataFrame(each).mean().to_dict()
        rows.append(row)
        print(row, flush=True)
    pd.DataFrame(rows).to_csv(sys.argv[1], sep="\t", index=False, float_format="%.4g")


def one(design: AllelicDesign, how: dict, seed: int) -> dict:
    """Return what one simulation gives; shares of intervals that hold the truth are 0 or 1."""
    counts = simulate_counts(design, seed)
    found = sites_tested(counts.sites, HowTested(**how))
    deep = counts.sites.reads > 20
    effect, predicted = counts.effect[deep], counts.predicted[deep]
    positive = found.q < 0.01
    spread, bias = found.overdispersion, found.bias
    row = {
        "found": positive.sum(),
        "false": (positive & (effect == 0)).sum() / max(1, positive.sum()),
        "power": positive[effect != 0].mean() if (effect != 0).any() else np.nan,
        "rho": spread.rho,
        "rho in interval": spread.interval[0] <= design.rho <= spread.interval[1],
        "centre": bias.centre,
        "centre in interval": bias.interval[0] <= expit(design.bias) <= bias.interval[1],
    }
    sets = imbalance_sets(found)
    if min(positive.sum(), sets.negative.sum()) < 20:
        return row
    none = Bootstrap(rank_resamples=0)
    size, noise = design.effect, design.noise
    rng = np.random.default_rng(0)
    apart = np.abs(rng.normal(size, noise, 10**6)) > np.abs(rng.normal(0, noise, 10**6))
    truth = {"imbalance": apart.mean(), "direction": norm.cdf(size * np.sqrt(2) / noise)}
    told = {
        "imbalance": imbalance_task(found.sites, predicted, positive, sets.negative, none),
        "direction": direction_task(found.sites, predicted, found.direction, positive, none),
    }
    for task, value in truth.items():
        low, high = told[task]["auroc"]["delong"]
        row |= {f"{task} truth": value, task: told[task]["auroc"]["value"]}
        row[f"{task} in interval"] = low <= value <= high
    return row | {"ratio": sets.ratio}


if __name__ == "__main__":
    main()
