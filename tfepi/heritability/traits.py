"""The shares of a trait's heritability from the results of its regressions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.heritability.annotate_run import FORMAT, FORMAT_VERSION, NAME
from tfepi.heritability.overlap import counted_overlap, plain_overlap, shares
from tfepi.heritability.results_file import Results
from tfepi.heritability.shares import Trait, jackknife_covariance
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import read_json

_CONTROLS = ("base", "all_regions", "scored")
_SAME = 1e-3  # relative difference of LDSC's standard errors and those made here


@dataclass(frozen=True)
class Annotations:
    """Which annotations of results are read.

    Attributes:
        clusters: whose shares are added up; disjoint.
        others: further ones, such as of scores.
        ubiquitous: that one of the clusters, or None.
        alone: the annotation that is the only one of its file set, which LDSC leaves unnamed.
        disjoint: whether no SNP is in two clusters; None: not known.
        snps: cluster → number and share of the reference's SNPs in it, where they were counted.
        plain: names of all annotations of a regression whose overlaps are known: disjoint clusters
            beside what holds all of them; none where they are not known.
    """

    clusters: tuple[str, ...]
    others: tuple[str, ...] = ()
    ubiquitous: str | None = None
    alone: str | None = None
    disjoint: bool | None = None
    snps: Mapping[str, tuple[int, float]] = field(default_factory=dict)
    plain: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.clusters, *self.others)


def annotations_of(
    folder: str | Path | None, clusters: Sequence[str], ubiquitous: str | None
) -> Annotations:
    """Return the annotations that `annotate` wrote, or those that are named.

    Args:
        folder: of `annotate`, or None.
        clusters: names, where there is no folder.
        ubiquitous: name of the ubiquitous cluster; None: "ubiquitous", if there is one.

    Raises:
        ConfigError: neither or both are given, a name twice, or an unknown ubiquitous one.
        InputFileError: a folder without annotation.json, or of another format.
    """
    if (folder is None) == (not clusters):
        raise ConfigError("give one of --annotation and --clusters: whose shares are to be read")
    others, alone, disjoint, snps, plain = (), None, None, {}, frozenset()
    if folder is not None:
        path = Path(folder) / NAME
        value = read_json(path, "annotation folder's file")
        found = (value.get("format"), value.get("format_version"))
        if found != (FORMAT, FORMAT_VERSION):
            raise InputFileError(
                f"{path} has format {found[0]!r} version {found[1]!r}, want {FORMAT!r} version "
                f"{FORMAT_VERSION}: name what tfepi_heritability.py annotate wrote"
            )
        clusters, disjoint = value["clusters"], value["disjoint"]
        columns = dict.fromkeys(a for s in value["sets"] for a in s["annotations"])
        others = tuple(a for a in columns if a not in (*clusters, *_CONTROLS))
        snps = {r["name"]: (r["snps"], r["share_of_snps"]) for r in value["regions"]}
        if disjoint and not others:
            plain = frozenset(columns)
        if len(columns) == 1:
            [alone] = columns
    if len(set(clusters)) < len(clusters):
        raise ConfigError(f"--clusters has a name twice: {', '.join(clusters)}")
    if ubiquitous is None:
        ubiquitous = UBIQUITOUS if UBIQUITOUS in clusters else None
    elif ubiquitous not in clusters:
        raise ConfigError(
            f"the ubiquitous cluster {ubiquitous!r} is none of the clusters: "
            f"{', '.join(clusters) or 'there are none'}"
        )
    return Annotations(tuple(clusters), others, ubiquitous, alone, disjoint, snps, plain)


def read_trait(
    name: str,
    runs: Sequence[Results],
    annotations: Annotations,
    prefixes: Sequence[str] = (),
    frequencies: str | None = None,
) -> tuple[Trait | None, pd.DataFrame, str | None]:
    """Return a trait's shares, a table of all its annotations, and what limits the errors of sums.

    Args:
        name: of the trait.
        runs: results of one regression with all annotations, or of several with one each.
        annotations: which to read.
        prefixes: of --ref-ld-chr, to count how annotations overlap; none: they are disjoint.
        frequencies: prefix of --frqfile-chr.

    Returns:
        The trait, None without clusters; a line per annotation with the columns of `Results`; and
        a note, None where the jackknife gave the errors.

    Raises:
        InputFileError: an annotation that no results have, or two have; files that disagree.
    """
    lines, shared, blocks, note = {}, {}, {}, None
    for results in runs:
        rows = results.rows(annotations.names, annotations.alone)
        if both := set(rows) & set(lines):
            raise InputFileError(
                f"trait {name}: {results.path} has annotation {min(both)!r} as another file has"
            )
        own, why = _deleted_shares(results, prefixes, frequencies, annotations.plain)
        note = note or why
        for annotation, row in rows.items():
            lines[annotation] = results.table.iloc[row]
            shared[annotation] = float(results.table["prop_h2"].iat[row])
            blocks[annotation] = None if own is None else own[:, row]
    if missing := [a for a in annotations.names if a not in lines]:
        there = ", ".join(n or "(unnamed)" for r in runs for n in r.names)
        raise InputFileError(
            f"trait {name}: no results of {', '.join(missing)[:100]}; "
            f"{', '.join(str(r.path) for r in runs)[:200]} has {there[:200]}"
        )
    table = pd.DataFrame([lines[a] for a in annotations.names]).drop(columns="category")
    table.insert(0, "annotation", list(annotations.names))
    table.insert(0, "trait", name)
    table = table.reset_index(drop=True)
    if not annotations.clusters:
        return None, table, None
    columns = [blocks[c] for c in annotations.clusters]
    if note is None and len({len(c) for c in columns}) > 1:
        note = "its regressions have other numbers of jackknife blocks"
    delete = np.column_stack(columns) if note is None else None
    own = table[: len(annotations.clusters)]
    covariance = np.diag(own["prop_h2_se"].to_numpy() ** 2)
    if delete is not None:
        covariance = jackknife_covariance(delete)
    share = np.array([shared[c] for c in annotations.clusters])
    snps = own["prop_snps"].to_numpy()
    return Trait(name, annotations.clusters, snps, share, covariance, delete), table, note


def _deleted_shares(
    results: Results, prefixes: Sequence[str], frequencies: str | None, plain: frozenset[str]
) -> tuple[np.ndarray | None, str | None]:
    """Return shares with each block left out [blocks, categories], or why there are none."""
    if results.delete is None:
        return None, f"{results.path.name} has no .part_delete beside it (--print-delete-vals)"
    if results.table["coefficient"].isna().any():
        return None, f"{results.path.name} has no coefficients (--print-coefficients)"
    overlap = plain_overlap(results)
    if overlap is None and prefixes:
        overlap = counted_overlap(results, prefixes, frequencies or "")
    if overlap is None and plain.issuperset(results.names):
        raise InputFileError(
            f"the shares of {results.path} do not follow from its coefficients, as those of "
            f"disjoint annotations ({', '.join(results.names)[:100]}) do: give the file as one run "
            "of ldsc.py wrote it"
        )
    if overlap is None:
        return None, (
            f"the shares of {results.path.name} do not follow from its coefficients alone, since "
            "annotations overlap: give --ref_ld_chr and --frqfile_chr of its run"
        )
    deleted = shares(overlap, results.delete)
    error = np.sqrt(np.diag(jackknife_covariance(deleted)))
    stated = results.table["prop_h2_se"].to_numpy()
    if not np.allclose(error, stated, rtol=_SAME, atol=1e-6):
        worst = int(np.argmax(np.abs(error - stated)))
        raise InputFileError(
            f"{results.path} says the standard error of {results.table['category'][worst]} is "
            f"{stated[worst]:.4g}, its .part_delete gives {error[worst]:.4g}: keep together what "
            "one run of ldsc.py wrote"
        )
    return deleted, None
