"""Variant scores laid over an association study: loci, ranked candidates, enrichment."""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.association.joining import plain_chromosome
from tfepi.methylation.association import (
    Joined,
    check_match,
    join_alleles,
    read_mqtls,
    score_tasks,
    scores_file,
)
from tfepi.methylation.candidates import COLUMNS
from tfepi.methylation.enrichment import COLUMNS as ENRICHMENT
from tfepi.methylation.enrichment import Comparison, enrichment, significant, strongest
from tfepi.methylation.loci import Locus, bed_loci, credible_loci, lead_loci, renamed
from tfepi.methylation.score_prior import RATIO, prior_weight
from tfepi.methylation.signals import LOCI, Signals, read_signals
from tfepi.variants.numbered import Plan, remove_all_parts
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import existing, identity, read_json, write_json, write_text
from tfrecords_tools.intervals import read_bed
from tfrecords_tools.output import check_folder, run_record

FORMAT, NAME = "tfepi-overlay", "overlay.json"
FORMAT_VERSION = 1
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """The files of an association study and of variant scores.

    Attributes:
        scores: folder of `tfepi_methylation.py variants`, or its table.
        gwas: summary statistics.
        credible: fine-mapped variants.
        mqtl: methylation quantitative trait loci.
        fasta: the genome that was scored.
        loci: BED of loci.
        genes: BED of genes, to be drawn.
    """

    scores: str
    gwas: str
    credible: str | None = None
    mqtl: str | None = None
    fasta: str | None = None
    loci: str | None = None
    genes: str | None = None

    def files(self) -> dict[str, Path]:
        """Return label → path of every file, which exists.

        Raises:
            InputFileError: one does not.
        """
        given = {name: path for name, path in vars(self).items() if path is not None}
        found = {
            name: existing(path, f"{name} file") for name, path in given.items() if name != "scores"
        }
        return {"scores": scores_file(self.scores)} | found


@dataclass(frozen=True)
class Settings:
    """How scores are laid over a study.

    Attributes:
        window: bp on either side of a lead variant, or of a credible set.
        p_lead: largest p of a lead variant, where loci are not given.
        bins: of each feature that variants are matched on; None: by their number.
        least: fewest matched variants for a quantile.
        ratio: largest prior weight over the smallest.
        fdr: largest of an mQTL.
        tasks: whose own scores mQTLs are tested on; None: those that a tissue is called after.
        comparison: of mQTLs with matched variants.
    """

    window: int = 500_000
    p_lead: float = 5e-8
    bins: int | None = None
    least: int = 50
    ratio: float = RATIO
    fdr: float = 0.05
    tasks: tuple[str, ...] | None = None
    comparison: Comparison = field(default_factory=Comparison)

    def __post_init__(self):
        if self.window < 0 or self.least < 1:
            raise ConfigError(
                f"window is {self.window} bp and least {self.least} matched variants: want 0 or "
                "more, and at least 1"
            )
        prior_weight(np.zeros(1), self.ratio)


@dataclass(frozen=True)
class Overlaid:
    """What was found.

    Attributes:
        summary: the value of overlay.json.
        signals: the joined tables.
        loci: the one with the smallest p first.
        candidates: of all loci, as `Signals.candidates` gives them.
    """

    summary: dict
    signals: Signals
    loci: list[Locus]
    candidates: pd.DataFrame


def overlay(
    study: Study,
    out: str | Path,
    settings: Settings = Settings(),
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    draw: Callable[[Overlaid, Path], object] | None = None,
) -> dict:
    """Write loci.tsv, candidates.tsv, with mQTLs enrichment.tsv, and overlay.json.

    Args:
        study: the files.
        out: output folder.
        settings: the options.
        resume: keep a finished run of the same; one that was stopped starts again.
        overwrite: remove results first.
        quiet: no progress bar.
        draw: called with the results and the folder before overlay.json is written.

    Returns:
        The value of overlay.json.

    Raises:
        InputFileError: a file that cannot be used.
        ConfigError: an option that does not fit the data.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    inputs = {label: identity(path) for label, path in study.files().items()}
    plan = Plan(FORMAT, inputs, asdict(settings), 0, "")
    if resume and (folder / NAME).exists():
        plan.check_same(folder)
        return read_json(folder / NAME)
    mqtls = _read_mqtls(study, settings)
    columns = mqtls.columns.values() if mqtls else ()
    tasks = sorted({c.removesuffix("_score") for names in columns for c in names[1:]})
    how = (tasks, settings.bins, settings.least, quiet)
    signals = read_signals(study.scores, study.gwas, study.credible, study.fasta, *how)
    joined = None if mqtls is None else _join_mqtls(study, signals, mqtls)
    loci = renamed(_loci(study, signals, settings), signals.scores)
    plan.claim(folder, resume, overwrite)
    remove_all_parts(folder)
    with run_record(folder, inputs, seed=settings.comparison.seed):
        found = [signals.candidates(locus, settings.ratio) for locus in loci]
        table = [signals.summary(locus, rows) for locus, rows in zip(loci, found, strict=True)]
        strongest_first = np.argsort([-_strength(rows) for rows in found], kind="stable")
        ranked = pd.concat(found) if found else pd.DataFrame(columns=[*COLUMNS, "log10p"])
        _write_table(folder / "loci.tsv", pd.DataFrame(table, columns=LOCI))
        _write_table(folder / "candidates.tsv", ranked[list(COLUMNS)])
        scored = signals.scores["score"].notna()
        summary = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "scored": int(scored.sum()),
            "without_quantile": int((scored & signals.scores["quantile"].isna()).sum()),
            "matched_on": {n: len(e) + 1 for n, e in signals.cells.edges.items()},
            "joined": signals.counts | ({} if joined is None else {"mqtl": joined.counts}),
            "loci": len(loci),
            "candidates": len(ranked),
        }
        if mqtls is not None:
            rows = _enrichment(signals, mqtls, joined, settings.comparison)
            _write_table(folder / "enrichment.tsv", pd.DataFrame(rows, columns=ENRICHMENT))
            summary |= {"mqtls": mqtls.chosen, "enrichment": rows}
        if draw is not None:
            draw(Overlaid(summary, signals, [loci[i] for i in strongest_first], ranked), folder)
        write_json(folder / NAME, summary)
    return summary


@dataclass(frozen=True)
class _Mqtls:
    """mQTLs: their table, which rows of each tissue are cases, and the scores to test on it."""

    table: pd.DataFrame
    tissues: dict[str, np.ndarray]
    columns: dict[str, list[str]]
    chosen: str


def _read_mqtls(study: Study, settings: Settings) -> _Mqtls | None:
    if study.mqtl is None:
        return None
    table, there = read_mqtls(study.mqtl), score_tasks(study.scores)
    rows, chosen = significant(table, settings.fdr)
    table = table[rows]
    cases = np.ones(len(table), bool)
    if settings.comparison.lead:
        cases, which = strongest(table)
        chosen = f"{chosen}, {which}"
    names = table["tissue"].astype(object).where(table["tissue"].notna(), "all")
    tissues = {str(n): cases & (names == n).to_numpy() for n in sorted(names.unique())}
    columns = {}
    for tissue in tissues:
        own = settings.tasks if settings.tasks is not None else [t for t in there if t == tissue]
        columns[tissue] = ["score", *(f"{t}_score" for t in own)]
    return _Mqtls(table, tissues, columns, chosen)


def _loci(study: Study, signals: Signals, settings: Settings) -> list[Locus]:
    if study.loci is not None:
        loci = bed_loci(read_bed(study.loci), f"BED {study.loci}")
        there = {plain_chromosome(c) for c in signals.scores["chrom"].unique()}
        for locus in loci:
            if plain_chromosome(locus.chrom) not in there:
                _log.warning(
                    "BED %s: locus %s is on %s, of which no variant is scored",
                    *(study.loci, locus.name, locus.chrom),
                )
        return loci
    if signals.credible is not None:
        source = f"table of credible sets {study.credible}"
        return credible_loci(signals.credible, settings.window, source)
    significance = signals.gwas["log10p"].to_numpy()
    loci = lead_loci(signals.gwas, signals.place, significance, settings.p_lead, settings.window)
    if not loci:
        smallest = signals.gwas["p"][signals.place >= 0].min()
        message = (
            f"no variant has p up to {settings.p_lead:g} on the scored chromosomes (the smallest "
            f"is {smallest:.3g}): raise --p_lead, or give --loci or --credible"
        )
        if study.mqtl is None:
            raise ConfigError(message)
        _log.warning(message)
    return loci


def _strength(candidates: pd.DataFrame) -> float:
    return float(candidates["log10p"].max()) if candidates["log10p"].notna().any() else -1.0


def _join_mqtls(study: Study, signals: Signals, mqtls: _Mqtls) -> Joined:
    what = f"mQTL table {study.mqtl}"
    joined = join_alleles(signals.scores, mqtls.table, what, ambiguous="keep", unique=None)
    check_match(joined, signals.scores, mqtls.table, what)
    return joined


def _enrichment(
    signals: Signals, mqtls: _Mqtls, joined: Joined, comparison: Comparison
) -> list[dict]:
    """Return the rows of enrichment.tsv."""
    line = mqtls.table.index.get_indexer(joined.table.index)
    variant, number = joined.table["row"].to_numpy(), np.arange(len(signals.scores))
    cases = {name: np.isin(number, variant[c[line]]) for name, c in mqtls.tissues.items()}
    eligible = ~np.isin(number, variant)
    return enrichment(signals.scores, cases, eligible, mqtls.columns, signals.cells, comparison)


def _write_table(path: Path, table: pd.DataFrame) -> None:
    whole = {"score_cpg", "cpgs", "matched", "lead_pos", "members", "members_scored", "cases"}
    whole |= {"members_in_gwas", "rank_p", "rank_pip", "rank_score", "rank_posterior"}
    whole |= {"controls", "cases_above", "controls_above", "unmatched"}
    kinds = {c: "Int64" for c in table if c in whole}
    text = table.astype(kinds).to_csv(sep="\t", index=False, float_format="%.6g")
    write_text(path, text)
