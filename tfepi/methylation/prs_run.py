"""A run of polygenic scores: LD, prior, weights, tuning on one half of people, test on the rest.

The long part, LD of the reference, is done a chromosome at a time in numbered parts, so a run that
was stopped goes on.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas

from tfepi.methylation.clumping import Pairs, find_pairs
from tfepi.methylation.genotypes import Genotypes
from tfepi.methylation.prs import (
    METHODS,
    Effects,
    PrsOptions,
    Setting,
    cohort_scores,
    correlations,
    effects,
    ld_blocks,
    settings,
    weights,
)
from tfepi.methylation.prs_accuracy import explained
from tfepi.methylation.prs_cohorts import Cohort, cohort_snps, tuning_half
from tfepi.methylation.prs_prior import STEPS, Enrichment, learn_variances, score_bins
from tfepi.methylation.prs_snps import read_snps
from tfepi.methylation.prs_tables import (
    accuracy_table,
    bins_table,
    write_formats,
    write_scores,
    write_tables,
)
from tfepi.variants.numbered import Plan, remove_all_parts, unreadable_part
from tfrecords_tools.files import atomic_path, identity, read_json, write_json
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress

FORMAT = "tfepi-prs"
FORMAT_VERSION = 1
NAME = "prs.json"
_PRIOR_BLOCKS = 200  # enough to learn a handful of variances from
_HELD_BYTES = 256 << 20
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Inputs:
    """What polygenic scores are made from.

    Attributes:
        gwas: summary statistics.
        scores: the table of variant scores.
        reference: genotypes for LD, of the GWAS's ancestry.
        cohorts: those to score; the first is of the GWAS's ancestry, and divided for tuning.
        files: label → path of every file, for the record.
        task: whose score; None for the largest over tasks.
        sample_size: people behind the GWAS; None for its column N.
    """

    gwas: Path
    scores: Path
    reference: Genotypes
    cohorts: Sequence[Cohort]
    files: Mapping[str, Path]
    task: str | None = None
    sample_size: float | None = None


def run(
    inputs: Inputs,
    out: str | Path,
    options: PrsOptions = PrsOptions(),  # noqa: B008 frozen
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Make polygenic scores with and without priors and measure what they explain.

    Args:
        inputs: the files.
        out: output folder.
        options: the options.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bars.

    Returns:
        The value of prs.json.

    Raises:
        InputFileError: a file that cannot be used.
        ConfigError: an option that does not fit the data.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    tuned, tested = tuning_half(inputs.cohorts[0], options.tune_share, options.seed)
    people = _reference_people(inputs.reference, options)
    snps = read_snps(
        inputs.gwas, inputs.scores, inputs.reference, inputs.task, inputs.sample_size, people
    )
    found = [cohort_snps(snps, cohort) for cohort in inputs.cohorts]
    counts = snps.counts | {c.name: n for c, (_, n) in zip(inputs.cohorts, found, strict=True)}
    bins = score_bins(snps.table["score"].to_numpy(), options.quantiles)
    plan = Plan(
        FORMAT,
        {label: identity(path) for label, path in inputs.files.items()},
        asdict(options) | {"task": inputs.task, "sample_size": inputs.sample_size},
        2 * len(snps.chroms) + 1,
        ".npz",
    )
    plan.claim(folder, resume, overwrite)
    if (folder / NAME).exists():
        return read_json(folder / NAME)
    with run_record(folder, {}, snps=len(snps.table)) as record:
        record["inputs"] = dict(plan.inputs)
        _pairs(inputs, snps, options, people, plan, folder, quiet)
        rich = _enrichment(inputs, snps, bins, options, people, plan, folder, quiet)
        if not rich.signal:
            _log.warning(
                "the GWAS's associations are no larger than chance: the prior is the same for all"
            )
        prior = rich.prior(bins)
        made = _effects(inputs, snps, prior, options, people, plan, folder, quiet)
        tried = settings(options)
        of = weights(snps, made, prior, tried, options)
        scored = []
        for cohort, (where, _) in zip(inputs.cohorts, found, strict=True):
            total = len(where.rows)
            with progress(total=total, unit="SNPs", label=cohort.name, quiet=quiet) as bar:
                values, flat = cohort_scores(cohort.genotypes, where, of, bar.update)
            counts[cohort.name]["monomorphic"] = flat
            scored.append(values)
        chosen, tuning = _tune(inputs.cohorts[0], tuned, scored[0], tried)
        best = [tried.index(s) for s in chosen]
        groups = [tested, *(c.measured for c in inputs.cohorts[1:])]
        accuracies = [
            explained(values[rows][:, best], *_measured(c, rows), options.resamples, options.seed)
            for c, rows, values in zip(inputs.cohorts, groups, scored, strict=True)
        ]
        final = of(np.arange(len(snps.table)))[:, best]
        used = [[int((final[w.rows, i] != 0).sum()) for i in range(len(best))] for w, _ in found]
        result = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "snps": len(snps.table),
            "counts": counts,
            "tuned_on": {"cohort": inputs.cohorts[0].name, "people": len(tuned)},
            "chosen": {s.method: str(s) for s in chosen},
            "h2": rich.h2,
            "support": rich.support,
            "enrichment": bins_table(bins, rich, prior),
            "accuracy": accuracy_table(inputs.cohorts, accuracies, chosen, used),
        }
        write_tables(folder, result, tuning)
        write_scores(folder / "scores.tsv", inputs.cohorts, scored, best, tuned)
        write_formats(folder, snps, bins, final)
        write_json(folder / NAME, result)
    remove_all_parts(folder)
    return result


def _reference_people(reference: Genotypes, options: PrsOptions) -> np.ndarray | None:
    most = options.reference_people
    if len(reference) <= most:
        return None
    _log.info("LD is of %d of the reference's %d people, by chance", most, len(reference))
    rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(7,)))
    return np.sort(rng.choice(len(reference), most, replace=False))


def _pairs(inputs, snps, options, people, plan, folder, quiet) -> None:
    """Write the pairs of SNPs in LD, a part for each chromosome."""
    table, chroms = snps.table, list(snps.chroms.values())
    todo = [n for n in plan.missing(folder) if n < len(chroms)]
    with progress(total=len(todo), unit="chromosomes", label="LD", quiet=quiet) as bar:
        for number in todo:
            part = table.iloc[chroms[number]]
            columns, position = (part[name].to_numpy() for name in ("column", "pos"))
            found = find_pairs(
                inputs.reference, columns, position, options.window_bp, min(options.r2), people
            )
            _save(plan.part(folder, number), **asdict(found))
            bar.update()


def _enrichment(inputs, snps, bins, options, people, plan, folder, quiet) -> Enrichment:
    """Return what the GWAS says of each bin, from all blocks or, of many, some; a part too."""
    path = plan.part(folder, len(snps.chroms))
    if not path.exists():
        position, columns = (snps.table[name].to_numpy() for name in ("pos", "column"))
        blocks = [
            slice(rows.start + b.start, rows.start + b.stop)
            for rows in snps.chroms.values()
            for b in ld_blocks(position[rows], options.block_bp)
        ]
        blocks = blocks[:: -(-len(blocks) // _PRIOR_BLOCKS)]
        held: dict[int, np.ndarray] = {}
        room = _HELD_BYTES

        def correlation(number: int) -> np.ndarray:
            nonlocal room
            if number not in held:
                found = correlations(inputs.reference, columns[blocks[number]], people)
                if found.nbytes > room:
                    return found
                held[number], room = found, room - found.nbytes
            return held[number]

        most = STEPS * len(blocks)
        with progress(total=most, unit="blocks", label="prior", quiet=quiet) as bar:
            found = learn_variances(blocks, correlation, snps.marginal, snps.size, bins, bar.update)
        _save(path, **{name: np.asarray(value) for name, value in asdict(found).items()})
    h2, of, error, support = _load(path, "h2", "of", "error", "support")
    return Enrichment(h2.item(), of, error, support.item())


def _effects(inputs, snps, prior, options, people, plan, folder, quiet) -> Effects:
    """Return clumps and posterior means of all SNPs, a part for each chromosome."""
    chroms = list(snps.chroms.values())
    first = len(chroms) + 1
    todo = [n for n in plan.missing(folder) if n >= first]
    with progress(total=len(todo), unit="chromosomes", label="weights", quiet=quiet) as bar:
        for number in todo:
            pairs = Pairs(*_load(plan.part(folder, number - first), "first", "second", "r2"))
            rows = chroms[number - first]
            made = effects(inputs.reference, snps, rows, pairs, prior, options, people)
            _save(plan.part(folder, number), **asdict(made))
            bar.update()
    parts = [_load(plan.part(folder, n), "kept", "means") for n in range(first, plan.parts)]
    return Effects(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _save(path: Path, **arrays: np.ndarray) -> None:
    with atomic_path(path) as part:
        np.savez(part, **arrays)


def _load(path: Path, *names: str) -> list[np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return [file[name] for name in names]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise unreadable_part(path, error) from None


def _measured(cohort: Cohort, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return cohort.phenotype[rows], cohort.covariates[rows]


def _tune(
    cohort: Cohort, rows: np.ndarray, scores: np.ndarray, tried: Sequence[Setting]
) -> tuple[list[Setting], pandas.DataFrame]:
    """Return the setting of each method whose score correlates best, and all correlations."""
    found = explained(scores[rows], *_measured(cohort, rows), resamples=0)
    table = pandas.DataFrame(
        {
            "method": [s.method for s in tried],
            "setting": [str(s) for s in tried],
            "r": found.r,
            "r2": found.r2,
        }
    )
    chosen = []
    for method in METHODS:
        own = [i for i, s in enumerate(tried) if s.method == method]
        best = own[int(np.argmax(found.r[own]))]
        if found.r[best] <= 0:
            _log.warning(
                "no score of %s goes with the phenotype in the people of %s to tune on: is its "
                "sign that of the GWAS's?",
                method,
                cohort.name,
            )
        chosen.append(tried[best])
    return chosen, table
