"""Variant scores and the tables of an association study, joined."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.association.joining import positions
from tfepi.evaluation.controls import Cells, cells, matched_quantiles
from tfepi.methylation.association import (
    Joined,
    check_match,
    join_alleles,
    read_credible_sets,
    read_gwas,
    read_scores,
)
from tfepi.methylation.candidates import COLUMNS, posterior, ranked, single_causal_pip
from tfepi.methylation.cpg_distance import cpg_distance
from tfepi.methylation.loci import Locus, minus_log10_p, rows_in
from tfepi.methylation.score_prior import prior_weight
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome

LOCI = (
    *("locus", "chrom", "start", "end", "lead", "lead_pos", "lead_p", "gwas", "scored", "members"),
    *("members_scored", "members_in_gwas", "without_quantile", "candidates", "top_score"),
    *("top_pip", "top", "top_posterior"),
)
_log = logging.getLogger(__name__)
_SCORED = ("score", "quantile", "matched", "score_task", "score_cpg", "score_diff", "cpgs")
_KNOWN = 0.5  # share of scored variants whose frequency is known, for it to be matched on


@dataclass(frozen=True)
class Signals:
    """The tables of a study, each row with its place among the scored variants.

    Attributes:
        scores: as `read_scores` gives them, and quantile among matched variants (NaN where there
            are too few), matched (how many).
        cells: of the scored variants.
        gwas: as `read_gwas` gives it, and row (which scored variant, -1 for none), sign (of beta
            for ALT; 0 where the strand cannot be told), log10p (−log10 p).
        place: chromosome and position of each row of the GWAS as a number.
        order: that sorts the places.
        credible: as `read_credible_sets` gives it, and row, sign, gwas_row; None without.
        counts: table → of `join_alleles`.
    """

    scores: pd.DataFrame
    cells: Cells
    gwas: pd.DataFrame
    place: np.ndarray
    order: np.ndarray
    credible: pd.DataFrame | None
    counts: dict[str, dict[str, int]]

    def rows_of_gwas(self, locus: Locus) -> np.ndarray:
        """Return the numbers of the GWAS's rows that lie in a locus, by position: int64 [rows]."""
        return rows_in(locus, self.place, self.order, self.scores)

    def in_scores(self, locus: Locus) -> pd.DataFrame:
        """Return the variants with a score that lie in a locus."""
        place = positions(self.scores, self.scores)[0]
        first = pd.DataFrame({"chrom": [locus.chrom], "pos": [locus.start + 1]})
        low = positions(self.scores, first)[1][0]
        inside = (place >= low) & (place < low + locus.end - locus.start) & (low >= 0)
        return self.scores[inside & self.scores["score"].notna().to_numpy()]

    def members(self, locus: Locus) -> pd.DataFrame | None:
        """Return the rows of credible sets of a locus's name, or else in it; None without."""
        if self.credible is None:
            return None
        found = self.credible[self.credible["locus"].astype(str) == locus.name]
        if found.empty:
            place = positions(self.scores, self.credible)[1]
            inside = rows_in(locus, place, np.argsort(place, kind="stable"), self.scores)
            found = self.credible.iloc[inside]
        return None if found.empty else found

    def candidates(self, locus: Locus, ratio: float) -> pd.DataFrame:
        """Return the candidates of a locus, best first, with the columns of `COLUMNS` and log10p.

        They are the members of its credible set, or without one every row of the GWAS in it.

        Args:
            locus: where.
            ratio: largest prior weight over the smallest.
        """
        members = self.members(locus)
        if members is None:
            found = self.gwas.iloc[self.rows_of_gwas(locus)]
            beta, se = (found[c].to_numpy(float) for c in ("beta", "se"))
            found = found.assign(pip=single_causal_pip(beta, se), pip_from="one causal")
        else:
            with_p = members["gwas_row"].to_numpy()
            of_gwas = self.gwas.iloc[with_p].reset_index(drop=True)
            found = members.reset_index(drop=True).assign(pip_from="credible set")
            for name in ("p", "log10p", "beta", "frq", "sign"):
                found[name] = of_gwas[name].where(with_p >= 0, np.nan).to_numpy(float)
        row = found["row"].to_numpy()
        scored = self.scores.iloc[row].reset_index(drop=True)
        found = found.reset_index(drop=True)
        for name in _SCORED:
            found[name] = scored[name].where(row >= 0)
        for name, other in (("alt", "a1"), ("ref", "a2")):
            ours, theirs = (c.astype(object) for c in (scored[name], found[other]))
            found[name] = ours.where(row >= 0, theirs)
        swapped = found["sign"] < 0
        found["frq"] = found["frq"].where(~swapped, 1 - found["frq"])
        found["beta"] = found["beta"] * found["sign"].replace(0, np.nan)
        found["variant"] = found["snp"].astype(object)
        found["prior"] = prior_weight(found["quantile"].to_numpy(float), ratio)
        found["posterior"] = posterior(found["pip"].to_numpy(float), found["prior"].to_numpy())
        found["locus"] = locus.name
        return ranked(found)[[*COLUMNS, "log10p"]]

    def summary(self, locus: Locus, candidates: pd.DataFrame) -> dict:
        """Return a locus's row of loci.tsv, with keys of `LOCI`."""
        inside = self.gwas.iloc[self.rows_of_gwas(locus)]
        members = self.members(locus)
        row = {
            "locus": locus.name,
            "chrom": locus.chrom,
            "start": locus.start + 1,
            "end": locus.end,
            "gwas": len(inside),
            "scored": int((inside["row"] >= 0).sum()),
            "without_quantile": int(
                (candidates["score"].notna() & candidates["quantile"].isna()).sum()
            ),
            "candidates": len(candidates),
        }
        if members is not None:
            row |= {
                "members": len(members),
                "members_scored": int((members["row"] >= 0).sum()),
                "members_in_gwas": int((members["gwas_row"] >= 0).sum()),
            }
        if len(inside):
            lead = inside.iloc[int(np.argmax(inside["log10p"]))]
            row |= {"lead": lead["snp"], "lead_pos": lead["pos"], "lead_p": lead["p"]}
        for name, column in (("top_score", "rank_score"), ("top_pip", "rank_pip")):
            first = candidates["variant"][candidates[column] == 1]
            row[name] = first.iloc[0] if len(first) else None
        if len(candidates):
            row |= {"top": candidates["variant"].iloc[0]}
            row |= {"top_posterior": candidates["posterior"].iloc[0]}
        return row


def read_signals(
    scores: str | Path,
    gwas: str | Path,
    credible: str | Path | None = None,
    fasta: str | Path | None = None,
    tasks: Sequence[str] = (),
    bins: int | None = None,
    least: int = 50,
    quiet: bool = True,
) -> Signals:
    """Read the tables of a study and join them to the scored variants.

    Args:
        scores: folder of variant scores, or their table.
        gwas: summary statistics.
        credible: table of credible sets.
        fasta: the genome that was scored; with it variants are matched on distance to CpGs too.
        tasks: whose own scores are read too.
        bins: of each feature that variants are matched on; None: by their number.
        least: fewest matched variants for a quantile.
        quiet: no progress bar.

    Raises:
        InputFileError: a table that cannot be read, or does not match the scores.
        ConfigError: no variant has a score.
    """
    variants = read_scores(scores, tasks)
    known = variants["score"].notna().to_numpy()
    if not known.any():
        raise ConfigError(f"no variant of {scores} has a score: none has a CpG in reach")
    table, what = read_gwas(gwas), f"GWAS table {gwas}"
    joined = join_alleles(variants, table, what, ambiguous="keep")
    check_match(joined, variants, table, what)
    counts = {"gwas": joined.counts}
    frequency = np.full(len(variants), np.nan)
    frequency[joined.table["row"]] = joined.table["frq"]
    table = _placed(table, joined)
    table = table.assign(log10p=minus_log10_p(table))
    place = positions(variants, table)[1]
    features = {}
    if fasta is not None:
        with Genome(fasta) as genome:
            features["distance to the nearest CpG"] = cpg_distance(genome, variants, quiet)
    if variants["cpgs"].notna().any():
        features["CpGs in reach"] = variants["cpgs"].to_numpy(float)
    if np.isfinite(frequency[known]).mean() >= _KNOWN:
        features["minor allele frequency"] = np.round(np.minimum(frequency, 1 - frequency), 6)
    features = {n: np.where(known, v, np.nan) for n, v in features.items()}
    found = cells(features, bins) if features else Cells(np.where(known, 0, -1), 1, {})
    quantile, others = matched_quantiles(variants["score"].to_numpy(float), found.of, least)
    variants = variants.assign(quantile=quantile, matched=others)
    few = known & np.isnan(quantile)
    _log.info(f"variants are matched on {', '.join(features) or 'nothing'}")
    if few.any():
        _log.warning(
            f"{few.sum()} of {known.sum()} variants with a score have fewer than {least} matched "
            "ones, or a feature is missing: they have no quantile"
        )
    sets = None
    if credible is not None:
        sets, counts["credible"] = _credible(variants, table, credible)
    return Signals(variants, found, table, place, np.argsort(place, kind="stable"), sets, counts)


def _credible(
    variants: pd.DataFrame, gwas: pd.DataFrame, path: str | Path
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return credible sets with their rows among scored variants and in the GWAS; counts."""
    table, what = read_credible_sets(path), f"table of credible sets {path}"
    joined = join_alleles(variants, table, what, ambiguous="keep", unique=["locus"])
    check_match(joined, variants, table, what)
    listed = gwas.rename(columns={"a1": "alt", "a2": "ref", "snp": "id"})
    in_gwas = join_alleles(listed, table, what, ambiguous="keep", unique=["locus"])
    table = _placed(table, joined).drop(columns="sign")
    at = table.index.get_indexer(in_gwas.table.index)
    gwas_row = np.full(len(table), -1)
    gwas_row[at[at >= 0]] = in_gwas.table["row"][at >= 0]
    table = table.assign(gwas_row=gwas_row)
    for name, missing in (("scored variants", table["row"] < 0), ("GWAS", table["gwas_row"] < 0)):
        if missing.any():
            _log.warning(
                f"{what}: {missing.sum()} of {len(table)} variants are not among the {name} (by "
                f"locus in loci.tsv); the first is {table['snp'][missing].iloc[0]}"
            )
    return table, joined.counts | {"in_gwas": in_gwas.counts["matched"]}


def _placed(table: pd.DataFrame, joined: Joined) -> pd.DataFrame:
    """Return a table without repeats, with row (-1 for none) and the sign of beta for ALT."""
    table = table.drop(index=joined.repeated)
    at = table.index.get_indexer(joined.table.index)
    row, sign = np.full(len(table), -1), np.ones(len(table))
    row[at] = joined.table["row"]
    sign[at] = np.where(joined.table["swapped"], -1, 1)
    if joined.strands_mixed:
        sign[at[joined.table["ambiguous"].to_numpy()]] = 0
    return table.assign(row=row, sign=sign)
