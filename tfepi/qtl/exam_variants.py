"""Scored variants of an exam: causal ones, those that are not, and the effect of each.

A variant is causal (positive) by its highest PIP in any row, and its effect is that of this row,
turned to the variant's ALT. Where that PIP is below another limit, or where a variant of a
background was not fine-mapped at all, it is a candidate negative.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.association.joining import Joined, join_alleles, positions
from tfepi.qtl.exam_table import FEATURES, QtlTable, read_qtls
from tfepi.variants.vcf import records
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.intervals import covered_bases, merge_array

SCORED = "scores"
"""The background of all scored variants."""
_FEWEST_SHIFTED = 5  # variants that a shift by one base finds, for it to be told
_TURNED = 0.95  # share of variants with REF and ALT exchanged above which it is told
_FEWEST_TURNED = 20  # variants, for that
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """What is causal and what is not.

    Attributes:
        positive: least PIP of a positive.
        negative: PIP below which a variant is a candidate negative.

    Raises:
        ConfigError: no probabilities, or the two overlap.
    """

    positive: float = 0.9
    negative: float = 0.01

    def __post_init__(self):
        if not (0 <= self.negative <= self.positive <= 1 and self.positive > 0):
            raise ConfigError(
                f"--positive is {self.positive:g} and --negative {self.negative:g}: want "
                "0 <= negative <= positive <= 1"
            )


@dataclass(frozen=True)
class Labelled:
    """Positives and candidate negatives.

    Attributes:
        table: columns row (of the scores), chrom, pos (1-based), id, ref, alt, positive (bool),
            pip, effect (of ALT), swapped (whether its sign was turned), gene, distance,
            frequency (of the rarer allele), ld_score; NaN where it is not known.
        counts: of rows and variants on the way.
        no_effects: why no variant of the table has an effect that can be used, or None.
    """

    table: pd.DataFrame
    counts: dict[str, int]
    no_effects: str | None = None


def label_variants(
    scores: pd.DataFrame,
    qtls: QtlTable,
    limits: Limits = Limits(),
    background: str | Path | None = None,
) -> Labelled:
    """Find positives and candidate negatives among scored variants.

    Variants that share a base with an allele of a positive are no candidates.

    Args:
        scores: columns chrom, pos (1-based), id, ref, alt of the variants that may be used.
        qtls: fine-mapped variants.
        limits: of PIPs.
        background: "scores": all scored variants that were not fine-mapped are candidates too,
            unless a row of their position has a PIP that no negative has; or a VCF, or a table, of
            those that are.

    Raises:
        ConfigError: no PIP as high as that of a positive.
        InputFileError: no positive is among the scored variants, with what the reason looks like.
    """
    what, pips = f"QTL table {qtls.path}", qtls.table["pip"]
    causal = qtls.table[pips >= limits.positive]
    if causal.empty:
        raise ConfigError(
            f"no variant of {qtls.path} has a PIP of {limits.positive:g} or more (the highest is "
            f"{pips.max():.3g}): lower --positive"
        )
    scores = scores.reset_index(drop=True)
    spans = _check_places(scores, causal, what)
    joined = _join(scores, qtls.table, what)
    _check_turned(joined, what)
    order = np.argsort(-joined.table["pip"].to_numpy(), kind="stable")
    found = joined.table.iloc[order].drop_duplicates("row").set_index("row")
    found = found.rename(columns={"beta": "effect"})[
        ["pip", "effect", "swapped", "gene", *FEATURES]
    ]
    whole = scores[["chrom", "pos", "id", "ref", "alt"]].join(found)
    positive = (whole["pip"] >= limits.positive).to_numpy()
    if not positive.any():
        raise InputFileError(
            f"{what}: none of its {len(causal)} variants with a PIP of {limits.positive:g} or more "
            "has the place and the alleles of a variant with a score: score these variants"
        )
    counts = _counts(qtls, joined, scores)
    candidate = (whole["pip"] < limits.negative).to_numpy()
    if background is not None:
        unclear = qtls.table[pips >= limits.negative]  # rows whose alleles do not match, too
        new = _background(scores, background, whole) & whole["pip"].isna().to_numpy()
        new &= ~np.isin(*positions(scores, unclear))
        candidate = candidate | new
        counts["of_background"] = int(new.sum())
    beside = _touched(scores, spans) & ~positive
    counts["beside_positives"] = int((candidate & beside).sum())
    candidate = candidate & ~beside
    counts |= {"positives": int(positive.sum()), "candidates": int(candidate.sum())}
    counts["with_effect"] = int(whole.loc[positive, "effect"].notna().sum())
    table = whole[positive | candidate].rename_axis("row").reset_index()
    table["positive"] = positive[table["row"]]
    table["swapped"] = table["swapped"].eq(True)
    counts["turned"] = int((table["positive"] & table["swapped"]).sum())
    table["frequency"] = np.minimum(table["frequency"], 1 - table["frequency"])
    return Labelled(table, counts, _no_effects(qtls.table))


def _no_effects(table: pd.DataFrame) -> str | None:
    if table["effect"].isna().all():
        return "the QTL table has no effects; name their column with --columns effect=NAME"
    if table["a1"].isna().all():
        return (
            "the QTL table has no alleles, so that it is not known of which its effects are; name "
            "them with --columns ref=NAME --columns alt=NAME, or effect_allele and other_allele"
        )
    return None


def _check_turned(joined: Joined, what: str) -> None:
    """Warn of a table most of whose effects are of the scored REF, as if columns were exchanged."""
    turned, count = joined.counts["swapped"], joined.counts["matched"]
    if count >= _FEWEST_TURNED and turned > _TURNED * count:
        _log.warning(
            "%s: in %d of %d variants the allele of the effect is the scored REF, so that the "
            "effect's sign is turned: are its two alleles exchanged? then --columns names them "
            "(ref=ALT_COLUMN alt=REF_COLUMN)",
            *(what, turned, count),
        )


def _join(scores: pd.DataFrame, table: pd.DataFrame, what: str) -> Joined:
    joined = join_alleles(scores, table.rename(columns={"effect": "beta"}), what, unique=None)
    dropped = joined.counts["ambiguous_dropped"]
    if dropped:
        _log.warning(
            "%s: %d A/T and C/G variants are left out: others are on the other strand",
            what,
            dropped,
        )
    return joined


def _check_places(scores: pd.DataFrame, causal: pd.DataFrame, what: str) -> np.ndarray:
    """Return where positives are, [n, 2] in the numbers of `positions`.

    Raises:
        InputFileError: on no scored chromosome, at no scored position, or more would be at the
            next base.
    """
    here, there = positions(scores, causal)
    if (there < 0).all():
        theirs, ours = (", ".join(map(str, t["chrom"].unique()[:3])) for t in (causal, scores))
        raise InputFileError(
            f"{what}: its variants are on {theirs} …, those with a score on {ours} …: no "
            "chromosome in common; is it of another genome, or were these not scored?"
        )
    strange = causal["chrom"][there < 0]
    if len(strange):
        names = ", ".join(map(str, strange.unique()[:3]))
        _log.warning(
            "%s: %d of %d positives are on chromosomes without scored variants (%s …)",
            *(what, len(strange), len(causal), names),
        )
    there, causal = there[there >= 0], causal[there >= 0]
    hits = int(np.isin(there, here).sum())
    for shift in (1, -1):
        moved = int(np.isin(there + shift, here).sum())
        if moved >= _FEWEST_SHIFTED and moved > 3 * hits:
            fix = "does it count from 0? then --base 0"
            fix = fix if shift == 1 else "they are one too high (--base 0, and it counts from 1?)"
            raise InputFileError(
                f"{what}: {hits} of {len(there)} positives lie where a variant is scored, {moved} "
                f"would with positions moved by {shift:+d}: {fix}"
            )
    if not hits:
        raise InputFileError(
            f"{what}: none of {len(there)} positives lies where a variant is scored: is it of the "
            "same assembly? lift it over, or score its variants"
        )
    longest = np.maximum(*(causal[c].astype("str").str.len().fillna(1) for c in ("a1", "a2")))
    return merge_array(np.stack([there, there + longest.to_numpy(np.int64)], axis=1))


def _touched(scores: pd.DataFrame, spans: np.ndarray) -> np.ndarray:
    """Return which scored variants share a base with spans, bool [variants]."""
    here, _ = positions(scores, scores[:0])
    length = scores["ref"].astype("str").str.len().to_numpy(np.int64)
    return covered_bases(np.stack([here, here + length], axis=1), spans) > 0


def _counts(qtls: QtlTable, joined: Joined, scores: pd.DataFrame) -> dict[str, int]:
    strange = int((positions(scores, qtls.table)[1] < 0).sum())
    found = {
        "scored": len(scores),
        **{f"qtl_{name}": count for name, count in qtls.counts.items()},
        "unknown_chromosome": strange,
        "not_scored": joined.counts["no_position"] - strange,
    }
    names = ("other_alleles", "several_alleles", "matched", "swapped", "other_strand", "ambiguous")
    return found | {name: joined.counts[name] for name in (*names, "ambiguous_dropped")}


def _background(scores: pd.DataFrame, background: str | Path, whole: pd.DataFrame) -> np.ndarray:
    """Return which scored variants are of a background; their features go into `whole`."""
    if background == SCORED:
        return np.ones(len(scores), bool)
    path = existing(background, "background")
    if path.name.endswith((".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")):
        table = _of_vcf(path)
    else:
        table = read_qtls(path, pips=False).table
    joined = _join(scores, table, f"background {path}")
    found = joined.table.drop_duplicates("row").set_index("row")
    if found.empty:
        raise InputFileError(
            f"background {path}: none of its {len(table)} variants has a score: score them, or "
            f"take all with --background {SCORED}"
        )
    for name in FEATURES:
        whole[name] = whole[name].fillna(found[name].reindex(whole.index))
    return whole.index.isin(found.index)


def _of_vcf(path: Path) -> pd.DataFrame:
    """Return the variants of a VCF with INFO/AF where it has that, as columns of a QTL table."""
    rows = []
    for record in records(path):
        frequency = record.info.get("AF", ()) if "AF" in record.header.info else ()
        frequency = frequency if isinstance(frequency, tuple) else (frequency,)
        for number, alt in enumerate(record.alts or ()):
            share = frequency[number] if number < len(frequency) else None
            rows.append((record.chrom, record.pos, alt.upper(), record.ref.upper(), share))
    table = pd.DataFrame(rows, columns=["chrom", "pos", "a1", "a2", "frequency"])
    table["frequency"] = table["frequency"].astype(float)
    return table.assign(effect=np.nan, distance=np.nan, ld_score=np.nan)
