"""Annotation files of variant scores for LD score regression, PolyFun and SBayesRC.

Every file has the SNPs of the reference that its method uses, from .bim files, in their order; or
else the scored variants themselves.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd

from tfepi.association.annot_file import packed, write_table
from tfepi.association.reference_snps import Chromosome, of_bims, of_scores
from tfepi.evaluation.controls import matched_quantiles
from tfepi.methylation.association import read_scores, scores_file
from tfepi.methylation.score_prior import RATIO, prior_weight
from tfepi.variants.numbered import Plan, remove_all_parts
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import atomic_path, existing, identity, read_json, write_json
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress

FORMAT, NAME = "tfepi-annotation", "annotation.json"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Options:
    """What is written of scores.

    Attributes:
        prefix: of names of files and annotations.
        tops: shares of the scored variants that a binary annotation each marks.
        tasks: whose own scores are annotations too.
        ratio: largest prior variance over the smallest.
        heritability: that prior variances sum to.
    """

    prefix: str = "MRV"
    tops: tuple[float, ...] = (0.01, 0.05)
    tasks: tuple[str, ...] = ()
    ratio: float = RATIO
    heritability: float = 1.0

    def __post_init__(self):
        if any(not 0 < top < 1 for top in self.tops):
            raise ConfigError(f"top shares are {self.tops}: want numbers between 0 and 1")
        if not 0 < self.heritability <= 1:
            raise ConfigError(f"heritability is {self.heritability:g}: want above 0, up to 1")
        if not self.prefix or set(self.prefix) & set(" \t/\\") or self.prefix.startswith("."):
            raise ConfigError(
                f"prefix is {self.prefix!r}: want a name without spaces, slashes and a dot in front"
            )
        prior_weight(np.zeros(1), self.ratio)


def annotation_columns(scores: pd.DataFrame, options: Options) -> tuple[pd.DataFrame, dict]:
    """Return annotations of variants, and the thresholds of the binary ones by name.

    Args:
        scores: column score, and T_score of each task.
        options: what is wanted.

    Returns:
        Per score a column with it, and one per top share with 1 where it is that high, else 0; a
        variant without a score has 0 everywhere.

    Raises:
        ConfigError: two annotations with the same name.
    """
    columns, thresholds = {}, {}
    for task in (None, *options.tasks):
        score = scores["score" if task is None else f"{task}_score"].to_numpy(float)
        name = options.prefix if task is None else f"{options.prefix}_{'_'.join(task.split())}"
        names = [name, *(f"{name}_top{100 * top:g}" for top in options.tops)]
        if set(names) & set(columns):
            raise ConfigError(f"two annotations would be called {name}: rename a task")
        columns[name] = np.nan_to_num(score).astype(np.float32)
        for label, top in zip(names[1:], options.tops, strict=True):
            thresholds[label] = float(np.nanquantile(score, 1 - top))
            columns[label] = ((score >= thresholds[label]) & (score > 0)).astype(np.int8)
    return pd.DataFrame(columns, scores.index), thresholds


def annotate(
    scores: str | Path,
    out: str | Path,
    bims: Sequence[str | Path] = (),
    options: Options = Options(),
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Write ldsc/, polyfun/ and sbayesrc/ of variant scores, and annotation.json.

    Args:
        scores: folder of `tfepi_methylation.py variants`, or its table.
        out: output folder.
        bims: .bim files of the reference; none: the scored variants themselves.
        options: what is written.
        resume: keep a finished run of the same; one that was stopped starts again.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        The value of annotation.json.

    Raises:
        InputFileError: a file that cannot be used.
        ConfigError: no variant has a score.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    files = {"scores": scores_file(scores)}
    files |= {f"bim {n}": existing(path, ".bim file") for n, path in enumerate(bims, 1)}
    plan = Plan(FORMAT, {k: identity(p) for k, p in files.items()}, vars(options), 0, "")
    if resume and (folder / NAME).exists():
        plan.check_same(folder)
        return read_json(folder / NAME)
    table = read_scores(scores, options.tasks)
    score = table["score"].to_numpy(float)
    if np.isnan(score).all():
        raise ConfigError(f"no variant of {scores} has a score: none has a CpG in reach")
    columns, thresholds = annotation_columns(table, options)
    chromosomes = of_bims(bims, table) if bims else of_scores(table)
    plan.claim(folder, resume, overwrite)
    remove_all_parts(folder)
    with run_record(folder, dict(plan.inputs)):
        quantile, _ = matched_quantiles(score, np.zeros(len(score), int), 1)
        weight = prior_weight(quantile, options.ratio)
        variance = [np.where(c.row >= 0, weight[c.row], 1.0) for c in chromosomes]
        scale = options.heritability / sum(v.sum() for v in variance)
        for name in ("ldsc", "polyfun", "sbayesrc"):
            (folder / name).mkdir(exist_ok=True)
        summary = []
        with ExitStack() as stack:
            path = folder / "sbayesrc" / f"{options.prefix}.annot.txt"
            sbayesrc = stack.enter_context(open(stack.enter_context(atomic_path(path)), "wb"))
            bar = progress(chromosomes, unit="chromosome", quiet=quiet)
            for chromosome, var in zip(bar, variance, strict=True):
                values = columns.reindex(chromosome.row, fill_value=0).reset_index(drop=True)
                _write(
                    folder, chromosome, values, var * scale, sbayesrc, options.prefix, not summary
                )
                summary.append(_counts(chromosome, score))
        result = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "annotations": list(columns),
            "thresholds": thresholds,
            "smallest_variance": float(min(v.min() for v in variance) * scale),
            "largest_variance": float(max(v.max() for v in variance) * scale),
            "snps": sum(c["snps"] for c in summary),
            "without_score": sum(c["without_score"] for c in summary),
            "chromosomes": summary,
        }
        write_json(folder / NAME, result)
    return result


def _counts(chromosome: Chromosome, score: np.ndarray) -> dict:
    """Return a chromosome's row of annotation.json."""
    known = (chromosome.row >= 0) & ~np.isnan(score[chromosome.row])
    counts = {"chrom": chromosome.name, "snps": len(known), "without_score": int((~known).sum())}
    return counts | {f"bim_{k}": v for k, v in chromosome.counts.items() if k != "rows"}


def _write(
    folder: Path,
    chromosome: Chromosome,
    values: pd.DataFrame,
    variance: np.ndarray,
    sbayesrc: BinaryIO,
    prefix: str,
    first: bool,
) -> None:
    """Write a chromosome's files, and its lines of the file for SBayesRC."""
    snps = chromosome.snps.reset_index(drop=True)
    place = snps[["chrom", "pos", "snp"]].set_axis(["CHR", "BP", "SNP"], axis=1)
    with packed(folder / "ldsc" / f"{prefix}.{chromosome.name}.annot.gz") as handle:
        write_table(handle, pd.concat([place.assign(CM=snps["cm"]), values], axis=1))
    alleles = snps[["a1", "a2"]].set_axis(["A1", "A2"], axis=1)
    prior = pd.concat([place, alleles], axis=1).assign(SNPVAR=variance.astype(np.float32))
    with packed(folder / "polyfun" / f"{prefix}.{chromosome.name}.snpvar.gz") as handle:
        write_table(handle, prior)
    intercept = place[["SNP"]].assign(Intercept=1)
    write_table(sbayesrc, pd.concat([intercept, values], axis=1), first)
