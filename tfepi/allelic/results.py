"""The files of a sample: sites.tsv, sites.vcf, accuracy.tsv, balance.tsv, allelic.json."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.allelic.analysis import MEAN, Analysis
from tfepi.allelic.counts import Sites
from tfepi.allelic.null import p_values, q_values
from tfepi.allelic.positives import Cut
from tfepi.allelic.seen_sites import ALL, SeenSites
from tfepi.allelic.testing import HowTested
from tfrecords_tools.files import atomic_path, write_json

FORMAT = "tfepi-allelic"
FORMAT_VERSION = 1
FEW = "few reads"
BY_CLUSTER, MATCHED = "direction_by_cluster", "direction_matched"


def site_table(sites: Sites, found: Analysis, seen: SeenSites | None) -> pd.DataFrame:
    """Return a row of every site of a sample, those with few reads too.

    Args:
        sites: all of them.
        found: of those with reads enough.
        seen: where all sites lie beside training windows, or None.

    Returns:
        chrom, pos0 (0-based), ref, alt, ref_reads, alt_reads, reads, ratio, dosage, expected_low,
        expected_high, p, q, favoured, label, and where they are known split, train_contig, cluster,
        predicted_… (float64; NaN of sites that were not tested).
    """
    deep = found.tested.sites.reads.min()
    rows = np.flatnonzero(sites.reads >= deep)
    table = sites.table().rename(columns={"position": "pos0"}).drop(columns="sample")
    table.insert(6, "reads", sites.reads)
    table.insert(7, "ratio", sites.ratio)
    tested = found.tested
    favoured = np.array(["ALT", "none", "REF"])[tested.direction + 1]
    columns = {"expected_low": tested.low, "expected_high": tested.high, "p": tested.p}
    columns |= {"q": tested.q, "favoured": favoured, "label": found.sets[ALL].label}
    if found.cluster is not None:
        columns["cluster"] = found.cluster
    if found.predicted is not None:
        for name, values in zip(found.predicted.names, found.predicted.ratios.T, strict=True):
            columns[f"predicted_{name}"] = values
    for name, values in columns.items():
        whole = np.full(len(sites), FEW if name == "label" else "", object)
        if np.issubdtype(values.dtype, np.floating):
            whole = np.full(len(sites), np.nan)
        whole[rows] = values
        table[name] = whole
    if seen is not None:
        place = table.columns.get_loc("label") + 1
        table.insert(place, "split", seen.label)
        table.insert(place + 1, "train_contig", seen.contig.astype(int))
    return table


def accuracy_rows(found: Analysis) -> Iterator[dict]:
    """Yield a row per subset, predicted column, task and cluster: numbers with their intervals."""
    for subset, columns in found.tasks.items():
        for name, tasks in columns.items():
            start = {"subset": subset, "predicted": name}
            for task, told in tasks.items():
                yield start | {"task": task, "cluster": ""} | _flat(told)
            for row in found.clusters.get(subset, {}).get(name, ()):
                of = {"cluster": row["cluster"]}
                yield start | {"task": BY_CLUSTER} | of | _flat(row["all"])
                yield from _matched_rows(start | {"task": MATCHED}, row)


def _matched_rows(start: dict, row: dict) -> Iterator[dict]:
    matched = row.get("matched")
    for name in () if matched is None else (row["cluster"], "ubiquitous"):
        pair = row["cluster"] if name == row["cluster"] else f"{name} (as {row['cluster']})"
        told = matched[name]
        flat = {"sites": matched["sites"], "auroc": told["auroc"], "note": matched["note"]}
        yield start | {"cluster": pair} | flat | _ends("", told)


def _flat(told: dict) -> dict:
    auroc, auprc = told["auroc"], told["auprc"]
    names = ("positives", "negatives", "undirected", "missing")
    flat = {"sites": told["positives"] + told["negatives"]} | {k: told.get(k) for k in names}
    flat |= {"auroc": auroc["value"]} | _ends("", auroc)
    ends = auprc["interval"] or [None, None]
    flat |= {"auprc": auprc["value"], "auprc_low": ends[0], "auprc_high": ends[1]}
    return flat | {"note": told["note"]}


def _ends(prefix: str, told: dict) -> dict:
    found = {}
    for name, key in (("bootstrap", "interval"), ("delong", "delong")):
        low, high = told[key] or (None, None)
        found |= {f"{prefix}{name}_low": low, f"{prefix}{name}_high": high}
    return found


def accuracy_table(found: Analysis) -> pd.DataFrame:
    """Return `accuracy_rows` as a frame."""
    first = ["subset", "predicted", "task", "cluster", "sites", "positives", "negatives"]
    first += ["undirected", "missing", "auroc", "bootstrap_low", "bootstrap_high"]
    first += ["delong_low", "delong_high", "auprc", "auprc_low", "auprc_high", "note"]
    table = pd.DataFrame(list(accuracy_rows(found)), columns=first)
    whole = ["sites", "positives", "negatives", "undirected", "missing"]
    return table.astype(dict.fromkeys(whole, "Int64"))


def balance_table(found: Analysis) -> pd.DataFrame:
    """Return how alike positives and negatives are, before and after matching, by subset."""
    rows = [{"subset": name} | row for name, s in found.sets.items() for row in s.balance]
    columns = ["subset", "when", "feature", "mean_first", "mean_second", "difference", "ks"]
    table = pd.DataFrame(rows, columns=columns)
    return table.rename(columns={"mean_first": "mean_positive", "mean_second": "mean_negative"})


def summary(
    found: Analysis,
    testing: HowTested,
    cut: Cut,
    left_out: Mapping[str, int],
    warnings: list[str],
    compared: bool,
) -> dict:
    """Return allelic.json.

    Args:
        found: of a sample.
        testing, cut: options.
        left_out: rows of the input that are no sites, reason → number.
        warnings: that were logged.
        compared: whether REF was compared with a genome.
    """
    tested, predicted = found.tested, found.predicted
    spread, bias = tested.overdispersion, tested.bias
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "testing": asdict(testing) | asdict(cut),
        "counts": {
            "tested": len(tested.sites),
            "few_reads": tested.few_reads,
            "left_out": dict(left_out),
            "reads": int(tested.sites.reads.sum()),
            "favoured": tested.favouring(),
            "dosages": {f"{d:g}": n for d, n in tested.dosages().items()},
        },
        "ref_compared_with_genome": compared,
        "centre": tested.centre,
        "overdispersion": None if spread is None else spread.to_json(),
        "overdispersion_by_dosage": {f"{d:g}": s.to_json() for d, s in tested.by_dosage.items()},
        "reference_bias": None if bias is None else bias.to_json(),
        "warnings": warnings,
        "imbalanced_by_test": by_test(found, cut),
        "sets": {
            name: {
                "sites": int(found.subsets[name].sum()),
                "positives": int(s.positive.sum()),
                "candidates": int(s.candidate.sum()),
                "negatives": int(s.negative.sum()),
                "ratio": s.ratio,
                "bins_of_reads": s.bins,
                "favoured": tested.favouring(s.positive),
                "balance": list(s.balance),
            }
            for name, s in found.sets.items()
        },
        "predicted": None
        if predicted is None
        else {
            "names": list(predicted.names),
            "proxy": predicted.proxy,
            "mean_of": [n for n in predicted.names if n != MEAN]
            if MEAN in predicted.names
            else None,
            "undefined": int(np.isnan(predicted.ratios).any(axis=1).sum()),
        },
        "tasks": found.tasks,
        "clusters": found.clusters,
    }
    return _finite(value)


def by_test(found: Analysis, cut: Cut) -> dict[str, int]:
    """Return how many sites each test would call imbalanced."""
    tested, sites = found.tested, found.tested.sites
    one, theta = np.ones(len(sites)), None
    if tested.overdispersion is not None:
        theta = tested.overdispersion.theta
    asked = {"binomial": (one, 0.0), "dosage": (sites.dosage, 0.0)}
    if theta is not None:
        asked |= {"betabinomial with dosage": (sites.dosage, theta)}
    return {
        name: int(
            (q_values(p_values(sites.ref_reads, sites.reads, *a, tested.centre)) < cut.fdr).sum()
        )
        for name, a in asked.items()
    }


def _finite(value):
    """Return a JSON value without NaN and infinity, which become null."""
    if isinstance(value, Mapping):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value


def write_results(folder: Path, sites: Sites, found: Analysis, seen, value: dict) -> None:
    """Write the tables of a sample.

    Args:
        folder: where to.
        sites: all of the sample's.
        found, seen: as of `site_table`.
        value: of allelic.json (`summary`).
    """
    _write(folder / "sites.tsv", site_table(sites, found, seen))
    _write(folder / "balance.tsv", balance_table(found))
    if found.predicted is not None:
        _write(folder / "accuracy.tsv", accuracy_table(found))
    write_json(folder / "allelic.json", value)


def _write(path: Path, table: pd.DataFrame) -> None:
    with atomic_path(path) as part:
        table.to_csv(part, sep="\t", index=False, float_format="%.9g")


def write_vcf(path: Path, sites: Sites, chroms: Mapping[str, int] | None = None) -> None:
    """Write sites as a VCF to score: each once, by place.

    Args:
        path: where to.
        sites: any.
        chroms: chromosome → length, where they are known.
    """
    names = list(dict.fromkeys(sites.chrom.tolist()))
    length = {n: f",length={chroms[n]}" if chroms else "" for n in names}
    lines = ["##fileformat=VCFv4.2", *(f"##contig=<ID={n}{length[n]}>" for n in names)]
    lines.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    rows = zip(sites.chrom, sites.position + 1, sites.ref, sites.alt, strict=True)
    lines += [f"{c}\t{p}\t.\t{r}\t{a}\t.\t.\t." for c, p, r, a in dict.fromkeys(rows)]
    with atomic_path(path) as part:
        part.write_text("\n".join(lines) + "\n")
