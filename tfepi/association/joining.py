"""Variants of two tables matched by chromosome, position and alleles, whichever way round."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from tfrecords_tools.errors import ConfigError, InputFileError

T = TypeVar("T")
AMBIGUOUS = ("auto", "keep", "drop")
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_PLINK = {"23": "X", "24": "Y", "26": "MT"}
_log = logging.getLogger(__name__)
_MOST = 0.5  # share of rows at positions of variants that have their alleles, or a warning
_FEW = 0.01  # of rows on the other strand: so many match by chance
_DIRECT, _SWAPPED, _OTHER_STRAND, _OTHER_SWAPPED, _NONE = range(5)


@dataclass(frozen=True)
class Joined:
    """The rows of a table that were found among variants.

    Attributes:
        table: these rows, in order, under the labels they had; beta and frq are of the variant's
            ALT, which is also a1 (NaN where the table has no alleles). Further columns: `row`
            (which variant, from 0), `swapped` (the effect allele was REF), `ambiguous` (A/T or
            C/G: the strand cannot be told).
        counts: of the table's rows: "rows", "matched", "swapped", "other_strand", "ambiguous",
            "ambiguous_dropped", "no_position", "other_alleles", "several_alleles" (no alleles
            in the table, and several variants there), "duplicates" (left out).
        strands_mixed: whether more than 1% of the rows whose strand can be told are on the other
            one: the effect of an ambiguous one then has no known sign.
        repeated: labels of the rows that were left out since they repeat another.
    """

    table: pd.DataFrame
    counts: dict[str, int]
    strands_mixed: bool
    repeated: pd.Index


def join_alleles(
    scores: pd.DataFrame,
    table: pd.DataFrame,
    what: str = "the table",
    ambiguous: str = "auto",
    unique: Sequence[str] | None = (),
) -> Joined:
    """Find the rows of a table among variants by chromosome, position and both alleles.

    Chromosomes are compared without "chr", and 23, 24, 26 and M are X, Y, MT and MT where the
    variants have those. Rows match as they are, with the alleles swapped (beta changes its sign
    and frq becomes 1 − frq), or on the other strand. Rows of a table without alleles match by
    position, and if there are several variants by name as well.

    Args:
        scores: columns chrom, pos, ref, alt, and id for tables without alleles.
        table: columns chrom, pos, a1 (the effect allele), a2, and perhaps beta, frq, snp.
        what: the table, for messages.
        ambiguous: "keep" A/T and C/G variants as they are written, "drop" them, or "auto": drop
            them if more than 1% of the others are on the other strand.
        unique: columns that with the variant tell rows apart; of rows that repeat one the first
            is kept. None: repeats are no matter.

    Raises:
        ConfigError: an unknown `ambiguous`.
        InputFileError: rows repeat a variant with other numbers.
    """
    if ambiguous not in AMBIGUOUS:
        raise ConfigError(f"ambiguous is {ambiguous!r}: want one of {', '.join(AMBIGUOUS)}")
    here, there = positions(scores, table)
    pair_row, pair_variant = _pairs(there, here)
    counts = {"rows": len(table), "no_position": len(table) - len(np.unique(pair_row))}
    by_name = "a1" not in table or bool(table["a1"].isna().all())
    if by_name:
        kind, unclear = _by_name(scores, table, pair_row, pair_variant), np.zeros(len(table), bool)
    else:
        kind, unclear = _by_alleles(scores, table, pair_row, pair_variant)
    order = np.lexsort((kind, pair_row))  # stable: of equals the first variant
    order = order[np.r_[True, np.diff(pair_row[order]) > 0]] if len(order) else order
    rows, variants, kind = pair_row[order], pair_variant[order], kind[order]
    kept, unclear = kind != _NONE, unclear[rows]
    counts |= {"other_alleles": 0, "several_alleles": 0}
    counts["several_alleles" if by_name else "other_alleles"] = int((~kept).sum())
    other = np.isin(kind, (_OTHER_STRAND, _OTHER_SWAPPED))
    mixed = bool(other.sum() > _FEW * (kept & ~unclear).sum())
    counts |= {"other_strand": int(other.sum()), "ambiguous": int((kept & unclear).sum())}
    dropped = ambiguous == "drop" or (ambiguous == "auto" and mixed)
    counts["ambiguous_dropped"] = counts["ambiguous"] if dropped else 0
    if dropped:
        kept &= ~unclear
    rows, variants, kind, unclear = (values[kept] for values in (rows, variants, kind, unclear))
    swapped = np.isin(kind, (_SWAPPED, _OTHER_SWAPPED))
    found = table.iloc[rows].assign(row=variants, swapped=swapped, ambiguous=unclear)
    found = _of_alt(found, scores, by_name)
    once = found if unique is None else _once(found, ["row", *unique], what)
    repeated = found.index.difference(once.index, sort=False)
    counts |= {"matched": len(once), "swapped": int(once["swapped"].sum())}
    return Joined(once, counts | {"duplicates": len(repeated)}, mixed, repeated)


def check_match(
    joined: Joined,
    scores: pd.DataFrame,
    table: pd.DataFrame,
    what: str = "the table",
    least: float = 0.1,
) -> None:
    """Refuse tables that share few positions or alleles: another assembly, or shifted by one.

    The share is of the shorter of the two: the positions of a few loci may all be in a GWAS.

    Args:
        joined: of the two.
        scores: the variants.
        table: the other table.
        what: the table, for messages.
        least: smallest share of positions, and of alleles where the positions match.

    Raises:
        InputFileError: with the share, and what the reason looks like.
    """
    base = max(1, min(len(scores), len(table)))
    at_position = len(table) - joined.counts["no_position"]
    share = min(1, at_position / base)
    if share >= least and joined.counts["matched"] >= least * at_position:
        if joined.counts["matched"] < _MOST * at_position:
            _log.warning(
                "%s: only %d of the %d rows at positions of scored variants have their alleles; is "
                "it of the same assembly, and are A1 and A2 the right columns?",
                *(what, joined.counts["matched"], at_position),
            )
        return
    if share >= least:
        raise InputFileError(
            f"{what}: {share:.1%} of positions are among the scored variants, but of these "
            f"{at_position} only {joined.counts['matched']} have the same alleles: another "
            "assembly, or positions of other variants? name tables of one assembly"
        )
    reason = "is it on another assembly? lift it over, or score its variants"
    for shift in (1, -1):
        shifted = table.assign(pos=table["pos"] + shift)
        moved = min(1, len(np.unique(_pairs(*positions(scores, shifted)[::-1])[0])) / base)
        if moved >= max(0.5, 3 * share):
            reason = f"{moved:.1%} would be with positions moved by {shift:+d}: " + (
                "the table is 0-based, add 1" if shift == 1 else "subtract 1"
            )
    if (positions(scores, table)[1] < 0).all():
        theirs, ours = (", ".join(map(str, t["chrom"].unique()[:3])) for t in (table, scores))
        reason = f"its chromosomes are called {theirs} …, those of the scores {ours} …"
    raise InputFileError(
        f"{what}: {share:.1%} of positions ({at_position} of {base}) are among the scored "
        f"variants: {reason}"
    )


def positions(scores: pd.DataFrame, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return one number per chromosome and position for both tables: int64 [rows] each.

    It is negative where a chromosome of the table is none of the scores'.
    """
    numbers: dict[str, int] = {}
    keys = []
    for frame in (scores, table):
        chrom = frame["chrom"].astype("category").cat
        code = np.full(len(chrom.categories) + 1, -1, np.int64)  # the last is of a missing name
        for i, name in enumerate(map(plain_chromosome, chrom.categories)):
            new = frame is scores and name not in numbers
            code[i] = (
                numbers.setdefault(name, len(numbers)) if new else by_chromosome(numbers, name, -1)
            )
        keys.append((code[chrom.codes] << 32) + frame["pos"].to_numpy(np.int64))
    return keys[0], keys[1]


def plain_chromosome(name: object) -> str:
    """Return a chromosome's name without "chr", in capitals; M is MT."""
    text = str(name).upper().removeprefix("CHR")
    return "MT" if text == "M" else text


def by_chromosome(values: Mapping[str, T], name: object, default: T) -> T:
    """Return the value of a chromosome among those by plain name, by PLINK's number for it too."""
    plain = plain_chromosome(name)
    return values.get(plain, values.get(_PLINK.get(plain, ""), default))


def _pairs(keys: np.ndarray, among: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (i, j) of every pair keys[i] == among[j] >= 0, by i and then j: int64 [pairs]."""
    order = np.argsort(among, kind="stable")
    ordered = among[order]
    first = np.searchsorted(ordered, keys, "left")
    count = np.where(keys < 0, 0, np.searchsorted(ordered, keys, "right") - first)
    i = np.repeat(np.arange(len(keys)), count)
    start = np.repeat(first - (np.cumsum(count) - count), count)
    return i, order[start + np.arange(len(i))]


def _by_alleles(
    scores: pd.DataFrame, table: pd.DataFrame, row: np.ndarray, variant: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return how each pair's alleles agree: int [pairs], and which rows' strand is unclear."""
    columns = [table["a1"], table["a2"], scores["ref"], scores["alt"]]
    columns = [c.astype("category").cat for c in columns]
    letters = [[str(a).upper() for a in c.categories] for c in columns]
    number = {a: i for i, a in enumerate(sorted({a for c in letters for a in c}))}
    other = [number.get(a.translate(_COMPLEMENT), -2) if len(a) == 1 else -2 for a in number]
    other = np.array([*other, -2])
    a1, a2, ref, alt = (
        np.array([*(number[a] for a in names), -1])[c.codes]
        for names, c in zip(letters, columns, strict=True)
    )
    unclear = (a1 >= 0) & (other[a1] == a2)
    a1, a2, ref, alt = a1[row], a2[row], ref[variant], alt[variant]
    kind = np.full(len(row), _NONE)
    for value, (first, second) in (
        (_OTHER_SWAPPED, (other[a2], other[a1])),
        (_OTHER_STRAND, (other[a1], other[a2])),
        (_SWAPPED, (a2, a1)),
        (_DIRECT, (a1, a2)),
    ):
        kind[(first == alt) & (second == ref) & (ref >= 0) & (alt >= 0)] = value
    return kind, unclear


def _by_name(
    scores: pd.DataFrame, table: pd.DataFrame, row: np.ndarray, variant: np.ndarray
) -> np.ndarray:
    """Return which pairs are the only one of their position, or of one name: int [pairs]."""
    several = np.bincount(row, minlength=len(table))[row] > 1
    kind = np.where(several, _NONE, _DIRECT)
    if several.any() and "snp" in table and "id" in scores:
        at = np.flatnonzero(several)
        names = table["snp"].iloc[row[at]].to_numpy(object)
        ids = scores["id"].iloc[variant[at]].to_numpy(object)
        kind[at[names == ids]] = _DIRECT
    return kind


def _once(found: pd.DataFrame, key: list[str], what: str) -> pd.DataFrame:
    """Return the first row of each key, if the rows that repeat it have the same numbers."""
    again = found.duplicated(key)
    if not again.any():
        return found
    repeated = found[found.duplicated(key, keep=False)]
    groups = repeated.groupby(key, observed=True, sort=False)
    differs = pd.Series(False, groups.size().index)
    for name in repeated.select_dtypes("number").columns.difference(key):
        high, low, known = (groups[name].agg(f) for f in ("max", "min", "count"))
        differs |= (high - low > 1e-6 * high.abs()) | ((known > 0) & (known < groups.size()))
    if differs.any():
        first = differs.index[differs][0]
        same = repeated[key] == list(first if isinstance(first, tuple) else (first,))
        lines = repeated.index[same.all(axis=1)]
        raise InputFileError(
            f"{what} lists {differs.sum()} variants more than once with other numbers, the first "
            f"in lines {lines[0]} and {lines[1]}: keep one line of each"
        )
    return found[~again]


def _of_alt(found: pd.DataFrame, scores: pd.DataFrame, by_name: bool) -> pd.DataFrame:
    """Return the rows with beta and frq of ALT, which is a1."""
    swapped = found["swapped"].to_numpy()
    change = {}
    if "beta" in found:
        change["beta"] = found["beta"] * np.where(swapped, -1, 1) * (np.nan if by_name else 1)
    if "frq" in found:
        change["frq"] = np.where(swapped, 1 - found["frq"], np.nan if by_name else found["frq"])
    if not by_name:
        rows = found["row"].to_numpy()
        change |= {new: scores[old].array[rows] for new, old in (("a1", "alt"), ("a2", "ref"))}
    return found.assign(**change)
