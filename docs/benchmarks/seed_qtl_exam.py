#!/usr/bin/env python3
"""Coverage of the exam's intervals, and what matching removes, on simulated fine-mapped QTLs.

Usage: seed_qtl_exam.py OUT [SIMULATIONS]

Prints, of each statistic, the truth, the mean of the estimates and the share of 95% intervals that
hold the truth; then the AUROC of a score that only knows the distance to the TSS, before and after
matching.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.qtl.exam import Options, exam
from tfepi.qtl.exam_features import FeatureFiles
from tfepi.qtl.exam_output import NAMES
from tfepi.qtl.exam_scores import Choice
from tfepi.qtl.exam_simulation import QtlSimulation, simulate_qtls
from tfrecords_tools.text_table import text_table


def main(out: str, simulations: int = 200) -> None:
    estimates = {name: [] for name in NAMES}
    place, matched = [], []
    for seed in range(simulations):
        settings = QtlSimulation(seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            paths = simulate_qtls(settings).write(folder)
            result = exam(
                paths["qtls.tsv"],
                {n: (paths["scores.tsv"], Choice(targets=(n,))) for n in ("score", "place")},
                Path(folder) / "exam",
                Options(edges=(), bootstrap=Bootstrap(rank_resamples=500, seed=seed)),
                FeatureFiles(tss=str(paths["tss.bed"])),
                quiet=True,
            )
        marks = result["accuracy"][0]
        for name in NAMES:
            extra = [marks[name].get(key) for key in ("delong", "exact")]
            estimates[name].append((marks[name]["value"], *marks[name]["interval"], *extra))
        found = next(m for m in result["accuracy"] if m["score"] == "place")
        place.append((result["unmatched"]["place"]["auroc"]["value"], found["auroc"]["value"]))
        matched.append(result["matching"]["positives"] / result["counts"]["positives"])
    lines = []
    for name, truth in settings.truth.items():
        values = estimates[name]
        held = np.mean([low <= truth <= high for _, low, high, *_ in values])
        formula = [e for v in values for e in v[3:] if e is not None]
        other = np.mean([low <= truth <= high for low, high in formula]) if formula else np.nan
        mean = np.mean([v[0] for v in values])
        lines.append([NAMES[name], *(f"{v:.3f}" for v in (truth, mean, held, other))])
    header = ("statistic", "truth", "mean", "coverage", "of the formula's interval")
    before, after = np.array(place).T
    text = text_table(header, lines) + (
        f"\n\n1/TSS distance: AUROC {before.mean():.3f} ± {before.std():.3f} unmatched, "
        f"{after.mean():.3f} ± {after.std():.3f} matched; {np.mean(matched):.1%} of positives "
        f"matched; {simulations} simulations\n"
    )
    Path(out).write_text(text)
    print(text)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:3]))
