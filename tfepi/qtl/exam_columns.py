"""What the columns of fine-mapping tables are called, and variants named like chr1_123_A_G.

Layouts: SuSiE credible sets of the eQTL Catalogue (its docs/Columns_parquet.md), GTEx v8 by SuSiE
and FINEMAP (Wang et al. 2021, GTEx_49tissues_release1.tsv.bgz), by CAVIAR and by DAP-G (the text
files with a header), SuSiE's summary of tensorQTL, and tables of one's own.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from tfepi.qtl.table_lines import is_vcf
from tfrecords_tools.errors import ConfigError, InputFileError, unknown

ALIASES = {
    "chrom": "chrom chr chromosome",
    "pos": "pos position bp",
    "ref": "ref reference_allele",
    "alt": "alt alternative_allele alternate_allele",
    "effect_allele": "effect_allele ea tested_allele assessed_allele",
    "other_allele": "other_allele oa nea non_effect_allele",
    "variant": "variant_hg38 variant_id variant eqtl",
    "pip": "pip variant_pip probability posterior_probability posterior_prob cpp",
    "effect": "beta_posterior beta effect effect_size slope z zscore",
    "gene": "gene_id gene molecular_trait_id phenotype_id",
    "distance": "tss_distance distance_to_tss dist_to_tss distance start_distance",
    "frequency": "maf af eaf frq freq allele_frequency",
    "ld_score": "ld_score ldscore l2",
}
"""Our name of a column → the names it may have in a file (any case), the best one first."""

ALLELES = (("ref", "alt"), ("effect_allele", "other_allele"))
_ASSOCIATION = re.compile(
    r"p|p[-_. ]?val(ue)?([-_. ]\w+)?|p[-_](nominal|perm|beta)|nominal[-_]p(val(ue)?)?"
    r"|(neg_?|m(inus)?_?)?log_?10_?p(_?val(ue)?)?|nlp|fdr|padj|q|q[-_. ]?val(ue)?",
    re.IGNORECASE,
)
_VARIANT = (
    r"^(?P<chrom>.+?)[_:](?P<pos>\d+)"
    r"(?:[_:](?P<ref>[A-Za-z]+)[_:](?P<alt>[A-Za-z]+))?(?:[_:]b\d+)?$"
)


def parse_pairs(texts: Iterable[str], what: str, form: str) -> list[tuple[str, str]]:
    """Return name and value of texts NAME=VALUE.

    Args:
        texts: as given.
        what: the option, for messages.
        form: what it wants, for messages.

    Raises:
        ConfigError: another form.
    """
    found = []
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign and value):
            raise ConfigError(f"{what} is {text!r}: want {form}")
        found.append((name, value))
    return found


def find_columns(
    header: list[str], path: object, named: Mapping[str, str] | None = None, pips: bool = True
) -> dict[str, str]:
    """Return our name → the file's name of each column that is there.

    Args:
        header: names of the file's columns.
        path: of the file, for messages.
        named: our name → the file's, where the user says so.
        pips: whether there must be PIPs.

    Raises:
        ConfigError: a name that is none of ours, or a column that is not there.
        InputFileError: no column of variants, none of PIPs, or p-values in its place; a VCF.
    """
    if is_vcf(header):
        raise InputFileError(
            f"{path} is a VCF, which has no PIPs: want a table of fine-mapped QTLs; score a VCF's "
            "variants with tfepi_variants.py, or give it, named .vcf or .vcf.gz, as --background"
        )
    found = {}
    by_name = {name.lower(): name for name in reversed(header)}
    for ours, theirs in (named or {}).items():
        if ours not in ALIASES:
            raise unknown("column", ours, ALIASES, "of fine-mapped QTLs")
        if theirs.lower() not in by_name:
            raise unknown("column", theirs, header, f"in {path}")
        found[ours] = by_name[theirs.lower()]
    for ours, aliases in ALIASES.items():
        there = [by_name[a] for a in aliases.split() if a in by_name]
        if there and ours not in found:
            found[ours] = there[0]
    if pips:
        _check_pip(found, header, path)
    if "variant" not in found and not {"chrom", "pos"} <= set(found):
        raise InputFileError(
            f"QTL table {path} does not say where its variants lie: want columns chrom and pos, "
            f"or variant (chr1_123_A_G); it has {', '.join(header)[:200]}"
        )
    return found


def _check_pip(found: Mapping[str, str], header: list[str], path: object) -> None:
    other = [name for name in header if _ASSOCIATION.fullmatch(name.strip())]
    if _ASSOCIATION.fullmatch(found.get("pip", "")):
        raise InputFileError(
            f"QTL table {path}: column {found['pip']} is named as PIP and holds p-values or FDR: "
            "posterior inclusion probabilities of fine-mapping are wanted"
        )
    if "pip" not in found:
        say = "says" if len(other) == 1 else "say"
        why = f": {', '.join(other)} {say} what is associated, not what is causal" if other else ""
        raise InputFileError(
            f"QTL table {path} has no PIP{why}; give fine-mapped QTLs, or name the column with "
            f"--columns pip=NAME; it has {', '.join(header)[:200]}"
        )


def place_columns(found: Mapping[str, str]) -> list[str]:
    """Return which of our columns say where a table's variants lie, and their alleles."""
    if found.get("variant", "").lower() == "variant_hg38":
        return ["variant"]  # the other columns there are of another assembly, or count from 0
    pair = next((list(p) for p in ALLELES if set(p) <= set(found)), [])
    if {"chrom", "pos"} <= set(found) and (pair or "variant" not in found):
        extra = ["effect_allele"] if pair == ["ref", "alt"] and "effect_allele" in found else []
        return ["chrom", "pos", *pair, *extra]
    return ["variant"] + [c for c in ("chrom", "pos") if {"chrom", "pos"} <= set(found)]


def parsed_variants(names: pd.Series) -> pd.DataFrame:
    """Return chrom, pos (as text), ref and alt of names chr1_123_A_G, 1:123:A:G or 1_123.

    What is no such name has NaN everywhere; a build at the end (_b38) is left out.
    """
    return names.astype("str").str.extract(_VARIANT)


def is_packed(path: str | Path) -> bool:
    """Tell whether a file is gzip- or bgzip-compressed, by its first bytes."""
    with open(path, "rb") as handle:
        return handle.read(2) == b"\x1f\x8b"
