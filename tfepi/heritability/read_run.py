"""LDSC's results of one or several traits as tables: by cluster, and specific beside ubiquitous."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.heritability.results_file import Results
from tfepi.heritability.shares import Comparison, Trait, compare, mean_of
from tfepi.heritability.traits import Annotations, read_trait
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import write_json, write_text
from tfrecords_tools.number_text import number_of

FORMAT, NAME = "tfepi-heritability", "heritability.json"
FORMAT_VERSION = 1
_log = logging.getLogger(__name__)
_OTHER = 0.15  # relative difference of shares of SNPs that tells of other annotations
_ERRORS = 3  # standard errors of a number of SNPs, which few may differ by


@dataclass(frozen=True)
class Found:
    """What results say.

    Attributes:
        table: a line per trait and annotation.
        comparisons: of each trait, in order; none without clusters.
        mean: over traits; None with fewer than two, or without clusters.
        ubiquitous: name of that cluster, or None.
        notes: what limits the numbers.
    """

    table: pd.DataFrame
    comparisons: list[Comparison]
    mean: Comparison | None
    ubiquitous: str | None
    notes: list[str]


def read_traits(
    results: Sequence[tuple[str, Results]],
    annotations: Annotations,
    prefixes: Sequence[str] = (),
    frequencies: str | None = None,
) -> Found:
    """Return tables of all traits.

    Args:
        results: trait and results; several results of a trait are of one annotation each.
        annotations: which to read.
        prefixes: of --ref-ld-chr.
        frequencies: prefix of --frqfile-chr.

    Raises:
        ConfigError: one of prefixes and frequencies without the other.
        InputFileError: as `read_trait`.
    """
    if bool(prefixes) != bool(frequencies):
        raise ConfigError("give --ref_ld_chr and --frqfile_chr together, or neither")
    runs: dict[str, list[Results]] = {}
    for trait, of_trait in results:
        runs.setdefault(trait, []).append(of_trait)
    tables, comparisons = [], []
    of_traits: dict[str, list[str]] = {}
    for name, of_trait in runs.items():
        trait, table, note = read_trait(name, of_trait, annotations, prefixes, frequencies)
        tables.append(table)
        if trait is None:
            continue
        told = _other_snps(trait, annotations.snps)
        if note:
            told.append(f"shares are added up as if they were independent: {note}")
        comparisons.append(compare(trait, annotations.ubiquitous))
        if min(trait.share) < 0 or max(trait.share) > 1:
            told.append("a share lies outside 0 to 1, which is noise or a wrong model; it is kept")
        for text in told:
            of_traits.setdefault(text, []).append(name)
    notes = [f"{', '.join(names)}: {text}" for text, names in of_traits.items()]
    if annotations.disjoint is False:
        notes.append("SNPs lie in several clusters: sums of shares count their heritability twice")
    if comparisons and annotations.ubiquitous is None:
        notes.append(
            f"none of the clusters ({', '.join(annotations.clusters)[:100]}) is called "
            f"{UBIQUITOUS}: all count as specific, and there is no ratio; --ubiquitous names one"
        )
    mean = mean_of(comparisons) if len(comparisons) > 1 else None
    undefined = [c.name for c in comparisons if np.isnan(c.ratio)]
    if mean and annotations.ubiquitous is not None and undefined:
        notes.append(
            f"mean: its ratio is that of the mean shares of all traits, of {', '.join(undefined)} "
            "too, whose own is undefined"
        )
    for note in notes:
        _log.warning("%s", note)
    return Found(pd.concat(tables), comparisons, mean, annotations.ubiquitous, notes)


def _other_snps(trait: Trait, counted: Mapping[str, tuple[int, float]]) -> list[str]:
    """Return what to note if shares of SNPs are far from those that were counted for annotations.

    LDSC counts common SNPs, `annotate` all of the reference: somewhat other shares are no matter.
    """
    apart = {}
    for name, share in zip(trait.clusters, trait.prop_snps.tolist(), strict=True):
        snps, expected = counted.get(name, (0, 0))
        if snps and abs(share / expected - 1) > max(_OTHER, _ERRORS / np.sqrt(snps)):
            apart[name] = f"{share:.2%} of SNPs, {expected:.2%} in annotation.json"
    if not apart:
        return []
    first = next(iter(apart))
    more = f", and so of {number_of(len(apart) - 1, 'more cluster')}" if len(apart) > 1 else ""
    return [
        f"results say of {first} {apart[first]}{more}: are they of these annotations and of this "
        "reference?"
    ]


def write_tables(found: Found, folder: Path) -> None:
    """Write heritability.tsv, comparison.tsv (with clusters) and heritability.json."""
    text = found.table.to_csv(sep="\t", index=False, float_format="%.6g")
    write_text(folder / "heritability.tsv", text)
    rows = [*found.comparisons, *([found.mean] if found.mean else [])]
    if rows:
        write_text(folder / "comparison.tsv", comparison_table(rows))
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "ubiquitous": found.ubiquitous,
        "traits": [c.to_json() for c in found.comparisons],
        "mean": found.mean.to_json() if found.mean else None,
        "notes": found.notes,
    }
    write_json(folder / NAME, value)


def comparison_table(rows: Sequence[Comparison]) -> str:
    """Return a tab-separated table, a line per trait; undefined numbers are empty."""
    names = ("share", "se", "share_of_snps", "enrichment", "enrichment_se")
    header = ["trait", *(f"{g}_{n}" for g in ("specific", "ubiquitous") for n in names)]
    lines = ["\t".join([*header, "ratio", "ratio_low", "ratio_high", "method"])]
    for row in rows:
        value = row.to_json()
        numbers = [value[g][n] for g in ("specific", "ubiquitous") for n in names]
        numbers += [value["ratio"], *value["ratio_interval"]]
        cells = ["" if v is None else f"{v:.6g}" for v in numbers]
        lines.append("\t".join([row.name, *cells, row.method]))
    return "\n".join(lines) + "\n"


def summary(found: Found) -> str:
    """Return a line per trait: both shares and their ratio."""
    lines = []
    for row in (*found.comparisons, *([found.mean] if found.mean else [])):
        text = f"{row.name}: specific {row.specific:.1%} ± {row.specific_se:.1%} of heritability"
        if found.ubiquitous is not None:
            text += f", ubiquitous {row.ubiquitous:.1%} ± {row.ubiquitous_se:.1%}"
            low, high = row.interval
            undefined = "ratio undefined: a share is not above 0"
            ratio = f"{row.ratio:.2g} times ({low:.2g} to {high:.2g})"
            text += f", {ratio if row.ratio == row.ratio else undefined}"
        lines.append(f"{text}; {row.method}")
    return "\n".join(lines)
