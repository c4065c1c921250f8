"""A QTL table of any size whose connectivity is known: for tests and for measurements.

By default it has the shape of the largest table of the Data Study Group report (§3.1, monocytes,
H3K4me1): as many links, connected regions and QTL bins on chr1–22 and X of hg38. It is written in
BLUEPRINT's layout: no header, columns separated by spaces.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from tfepi.qtl.bins import WIDTH
from tfepi.qtl.power_law import PowerLaw, draw
from tfrecords_tools.errors import ConfigError

HG38 = {
    **{"chr1": 248956422, "chr2": 242193529, "chr3": 198295559, "chr4": 190214555},
    **{"chr5": 181538259, "chr6": 170805979, "chr7": 159345973, "chr8": 145138636},
    **{"chr9": 138394717, "chr10": 133797422, "chr11": 135086622, "chr12": 133275309},
    **{"chr13": 114364328, "chr14": 107043718, "chr15": 101991189, "chr16": 90338345},
    **{"chr17": 83257441, "chr18": 80373285, "chr19": 58617616, "chr20": 64444167},
    **{"chr21": 46709983, "chr22": 50818468, "chrX": 156040895},
}
"""Lengths of chromosomes of hg38 (UCSC)."""

_REACH = 99  # bins on either side, so that every SNP is within 1 Mb of every target
_STEP = 7919  # prime: SNPs of a bin are multiples of it, modulo the bin's width
_BASES = np.array(list("ACGT"))


@dataclass(frozen=True)
class LinkSimulation:
    """What is simulated.

    Attributes:
        links: pairs of SNP and target; None: as many as `alpha` gives.
        regions: bins with a target.
        qtl_bins: pairs of a source and a target bin.
        alpha: exponent of a power law that links of a region follow from `xmin` on; None: they
            are log-normal.
        xmin: their smallest number then.
        sigma: standard deviation of the logarithm of links of a region, where log-normal.
        duplicates: rows that repeat a link.
        insignificant: rows with an FDR of 0.05 or more.
        across: rows that link two chromosomes.
        far: rows more than 1 Mb apart.
        lengths: chromosome → length, bp.
        seed: of the random numbers.
    """

    links: int | None = 12_771_939
    regions: int = 53_278
    qtl_bins: int = 1_735_453
    alpha: float | None = None
    xmin: int = 1
    sigma: float = 0.8
    duplicates: int = 50_000
    insignificant: int = 100_000
    across: int = 20_000
    far: int = 30_000
    lengths: dict[str, int] = field(default_factory=lambda: dict(HG38))
    seed: int = 44


@dataclass(frozen=True)
class LinkTruth:
    """What a simulated table has.

    Attributes:
        connected: links of each bin, in the order of `lengths`: int64 [bins].
        binned: source bins of each bin.
        rows: of the table.
    """

    connected: np.ndarray
    binned: np.ndarray
    rows: int


def write_links(path: str | Path, settings: LinkSimulation) -> LinkTruth:
    """Write a table, one chromosome after the other, and return its truth.

    Raises:
        ConfigError: more regions or source bins than there are.
    """
    rng = np.random.default_rng(settings.seed)
    counts = np.array([length // WIDTH for length in settings.lengths.values()])  # whole ones
    if settings.regions > counts.sum():
        raise ConfigError(f"regions is {settings.regions}: there are {counts.sum()} bins")
    chosen = np.sort(rng.choice(counts.sum(), settings.regions, replace=False))
    first = np.concatenate([[0], np.cumsum(counts)])
    chrom = np.searchsorted(first, chosen, side="right") - 1
    bin_of = chosen - first[chrom]
    low = np.maximum(bin_of - _REACH, 0)
    room = np.minimum(bin_of + _REACH, counts[chrom] - 1) - low + 1
    degree = _degrees(settings, rng)
    sources = _shared(
        np.sqrt(degree) * rng.lognormal(0, 0.3, len(degree)),
        settings.qtl_bins,
        np.minimum(room, degree),
        rng,
    )
    all_bins = -(-np.array(list(settings.lengths.values())) // WIDTH)
    start = np.concatenate([[0], np.cumsum(all_bins)])
    connected, binned = np.zeros((2, start[-1]), np.int64)
    connected[start[chrom] + bin_of], binned[start[chrom] + bin_of] = degree, sources
    rows = 0
    with open(path, "wb") as handle:
        for c, name in enumerate(settings.lengths):
            own = np.flatnonzero(chrom == c)
            share = len(own) / len(chrom)
            parts = _links(rng, bin_of[own], low[own], room[own], degree[own], sources[own])
            for part in parts:
                rows += _write(handle, rng, settings, name, part, share / max(1, len(parts)))
    return LinkTruth(connected, binned, rows)


def _degrees(settings: LinkSimulation, rng: np.random.Generator) -> np.ndarray:
    if settings.alpha is not None:
        law = PowerLaw(settings.xmin, settings.alpha, 0, 0.0)
        return np.minimum(draw(law, settings.regions, rng), 100_000)
    weight = rng.lognormal(0, settings.sigma, settings.regions)
    return _shared(weight, settings.links, np.full(settings.regions, 100_000), rng)


def _shared(
    weight: np.ndarray, total: int, most: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Return whole numbers in proportion to weights, from 1 to `most`, with a given sum.

    Raises:
        ConfigError: no such numbers.
    """
    if not len(weight) <= total <= most.sum():
        raise ConfigError(f"{total} cannot be shared among {len(weight)} (up to {most.sum()})")
    low, high = 0.0, 4 * total / weight.min()
    for _ in range(200):
        middle = (low + high) / 2
        below = np.clip(np.floor(weight * middle), 1, most).sum() <= total
        low, high = (middle, high) if below else (low, middle)
    found = np.clip(np.floor(weight * low), 1, most).astype(np.int64)
    while rest := total - int(found.sum()):
        free = np.flatnonzero(found < most)
        found[rng.choice(free, min(rest, len(free)), replace=False)] += 1
    return found


def _links(rng, bin_of, low, room, degree, sources) -> list[tuple[np.ndarray, ...]]:
    """Return target bin, SNP position and which of two peaks of each link, in parts."""
    parts = []
    size = max(1, int(2_000_000 // max(1.0, degree.mean()))) if len(degree) else 1
    for begin in range(0, len(bin_of), size):
        s = slice(begin, begin + size)
        # The nearer a source bin, the likelier it is (keys of Gumbel give draws without return).
        offset = np.arange(2 * _REACH + 1)
        there = low[s, None] + offset
        key = rng.gumbel(size=there.shape) - np.abs(there - bin_of[s, None]) / 25
        key[offset >= room[s, None]] = -np.inf
        order = np.argsort(-key, axis=1)
        taken = offset < sources[s, None]
        region = np.repeat(np.arange(len(order)), sources[s])
        source = there[region, order[taken]]
        pair_first = np.concatenate([[0], np.cumsum(sources[s])])[:-1]
        extra = degree[s] - sources[s]
        which = np.repeat(pair_first, extra) + (
            rng.random(int(extra.sum())) * np.repeat(sources[s], extra)
        ).astype(np.int64)
        snps = 1 + np.bincount(which, minlength=len(source))
        number = np.arange(snps.sum()) - np.repeat(np.cumsum(snps) - snps, snps)
        source, target = np.repeat(source, snps), np.repeat(bin_of[s][region], snps)
        position = source * WIDTH + (source * 37 + number * _STEP) % WIDTH
        parts.append((target, position, number % 2))
    return parts


def _write(handle, rng, settings: LinkSimulation, chrom: str, part, share: float) -> int:
    target, position, peak = part
    extra = [round(share * getattr(settings, k)) for k in ("insignificant", "across", "far")]
    again = rng.integers(0, len(target), round(share * settings.duplicates))
    more = rng.integers(0, len(target), sum(extra))
    index = np.concatenate([np.arange(len(target)), again, more])
    target, position, peak = target[index], position[index], peak[index]
    n, base = len(target), len(index) - sum(extra)
    fdr = np.full(n, 0.01)
    fdr[base : base + extra[0]] = 0.05
    chroms = np.full(n, 0)
    chroms[base + extra[0] : base + extra[0] + extra[1]] = 1
    far = np.arange(n) >= n - extra[2]
    last = (settings.lengths[chrom] // WIDTH - 1) * WIDTH
    start = np.where(peak == 0, target * WIDTH + 2000, target * WIDTH + 5001)
    position = np.where(
        far, np.where(start < last / 2, start + 1_100_000, start - 1_100_000), position
    )
    order = rng.permutation(n)
    names = list(settings.lengths)
    other = names[(names.index(chrom) + 1) % len(names)]
    named = pa.array([chrom.removeprefix("chr"), other.removeprefix("chr")])
    snp_chrom = named.take(pa.array(chroms[order]))
    position = np.where(chroms == 1, position % settings.lengths[other], position)
    position = position[order] + 1  # from 1, as a VCF
    alleles = _BASES[position % 4], _BASES[(position + 1 + position // 4 % 3) % 4]

    def text(values) -> pa.Array:
        return pa.array(values).cast(pa.string())

    join = pc.binary_join_element_wise
    place = join(text(position), text(alleles[0]), text(alleles[1]), "_")
    begin = start[order] + 1
    table = {
        "snp": join(snp_chrom, place, ":"),
        "rsid": join(pa.scalar("rs"), text(position), ""),
        "phenotype": join(pa.scalar(named[0].as_py()), text(begin), text(begin + 2999), ":"),
        "p": np.round(rng.random(n) * 1e-4, 9),
        "beta": np.round(rng.normal(0, 0.3, n), 5),
        "bonferroni": np.ones(n),
        "fdr": fdr[order],
        "frequency": np.round(rng.random(n), 2),
        "error": np.round(rng.random(n), 4),
    }
    options = csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none")
    csv.write_csv(pa.table(table), handle, options)
    return n
