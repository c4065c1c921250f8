"""The tables of a run of polygenic scores."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas

from tfepi.methylation import prs_formats
from tfepi.methylation.prs import METHODS, Setting
from tfepi.methylation.prs_accuracy import Explained
from tfepi.methylation.prs_cohorts import Cohort
from tfepi.methylation.prs_prior import Enrichment, ScoreBins
from tfepi.methylation.prs_snps import Snps
from tfrecords_tools.files import atomic_path


def bins_table(bins: ScoreBins, rich: Enrichment, prior: np.ndarray) -> list[dict]:
    """Return a row for each bin of scores: SNPs, enrichment and prior, undefined ones None."""
    rows = []
    for number, name in enumerate(bins.names):
        own = bins.of == number
        rows.append(
            {
                "bin": number,
                "score": name,
                "snps": int(own.sum()),
                "enrichment": defined(rich.of[number]),
                "standard_error": defined(rich.error[number]),
                "prior": defined(prior[own][0]) if own.any() else None,
            }
        )
    return rows


def defined(value: float) -> float | None:
    """Return a number, or None where it is NaN or infinite."""
    return float(value) if np.isfinite(value) else None


def accuracy_table(
    cohorts: Sequence[Cohort],
    accuracies: Sequence[Explained],
    chosen: Sequence[Setting],
    used: Sequence[Sequence[int]],
) -> list[dict]:
    """Return a row for each cohort and method; with a prior also the gain over that without."""
    rows = []
    for number, (cohort, found) in enumerate(zip(cohorts, accuracies, strict=True)):
        for i, setting in enumerate(chosen):
            low, high = found.interval(i) or (None, None)
            row = {
                "cohort": cohort.name,
                "tested_on": "the rest of the cohort" if number == 0 else "all",
                "people": found.people,
                "method": setting.method,
                "setting": str(setting),
                "snps": used[number][i],
                "r": defined(found.r[i]),
                "r2": defined(found.r2[i]),
                "r2_low": low,
                "r2_high": high,
                "covariates_r2": defined(found.covariates),
                "gain": None,
                "gain_low": None,
                "gain_high": None,
            }
            if setting.method.endswith("_mrv"):
                plain = METHODS.index(setting.method.removesuffix("_mrv"))
                row["gain"], ends = found.difference(i, plain)
                row["gain_low"], row["gain_high"] = ends or (None, None)
            rows.append(row)
    return rows


def write_tables(folder: Path, result: dict, tuning: pandas.DataFrame) -> None:
    """Write r2.tsv, enrichment.tsv and tuning.tsv."""
    for name, table in (
        ("r2.tsv", pandas.DataFrame(result["accuracy"])),
        ("enrichment.tsv", pandas.DataFrame(result["enrichment"])),
        ("tuning.tsv", tuning),
    ):
        with atomic_path(folder / name) as part:
            table.to_csv(part, sep="\t", index=False, float_format="%.6g", na_rep="NA")


def write_scores(
    path: Path,
    cohorts: Sequence[Cohort],
    scored: Sequence[np.ndarray],
    best: Sequence[int],
    tuned: np.ndarray,
) -> None:
    """Write everyone's scores: FID IID COHORT TUNED and a column for each method."""
    tables = []
    for number, (cohort, values) in enumerate(zip(cohorts, scored, strict=True)):
        people = cohort.genotypes.people
        table = pandas.DataFrame({"FID": people["fid"], "IID": people["iid"]})
        table["COHORT"] = cohort.name
        table["TUNED"] = 0
        if number == 0:
            table.loc[tuned, "TUNED"] = 1
        for method, column in zip(METHODS, best, strict=True):
            table[method] = values[:, column]
        tables.append(table)
    with atomic_path(path) as part:
        pandas.concat(tables).to_csv(part, sep="\t", index=False, float_format="%.8g")


def write_formats(folder: Path, snps: Snps, bins: ScoreBins, final: np.ndarray) -> None:
    """Write weights of PolyPred's layout, and SBayesRC's input.

    Args:
        folder: of the run.
        snps: all SNPs.
        bins: of them.
        final: weights per copy of A1, [SNPs, methods].
    """
    (folder / "weights").mkdir(exist_ok=True)
    for method, column in zip(METHODS, final.T, strict=True):
        prs_formats.write_betas(folder / "weights" / f"{method}.betas", snps.table, column)
    (folder / "sbayesrc").mkdir(exist_ok=True)
    prs_formats.write_ma(folder / "sbayesrc" / "gwas.ma", snps.table)
    scores = snps.table["score"].to_numpy()
    prs_formats.write_annotations(folder / "sbayesrc" / "mrv.annot.txt", snps.table, bins, scores)
