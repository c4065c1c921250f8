#!/usr/bin/env python3
"""Write files of DNA methylation as the public tools lay them out, read them, compare and time.

python docs/benchmarks/methylation_formats.py [--cpgs 490000] [--genome FASTA] [--work FOLDER]

Every format is read by a process of its own through `tfrecords_tools.methylation.store.collect`.
What comes back must equal what was written. Prints rows per CPU-second and peak memory. Each store
begins by finding the genome's CpGs, whose time is measured by itself and left out of the rows'.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation.samples import read_samples
from tfrecords_tools.methylation.sites import GenomeCpgs
from tfrecords_tools.methylation.store import SiteSettings, SiteStore, collect

SUBJECTS = 21
ENCODE_BED = "sample.bed"
CHROMS = ("chr1", "chr2", "chr3", "chrX")


@dataclass
class Strands:
    """A row per cytosine of a CpG, forward then reverse, chromosome by chromosome."""

    chrom: np.ndarray
    position: np.ndarray
    cpg: np.ndarray
    reverse: np.ndarray
    methylated: np.ndarray
    coverage: np.ndarray

    @property
    def sign(self) -> np.ndarray:
        return np.where(self.reverse, "-", "+")

    def head(self, cpgs: int) -> "Strands":
        """Return the first CpGs of every chromosome, in equal parts."""
        keep = np.zeros(len(self.chrom), bool)
        for chrom in CHROMS:
            keep[np.flatnonzero(self.chrom == chrom)[: 2 * (cpgs // len(CHROMS))]] = True
        return Strands(*(getattr(self, name)[keep] for name in self.__dataclass_fields__))


def write_genome(path: Path, cpgs: int, rng: np.random.Generator) -> None:
    """Write a genome as poor in CpGs as the human one, about one in a hundred bases."""
    length = int(cpgs * 1.05 / len(CHROMS) / 0.0125)
    with open(path, "wb") as handle:
        for chrom in CHROMS:
            bases = rng.integers(0, 4, length, dtype=np.uint8)
            at = np.flatnonzero((bases[:-1] == 1) & (bases[1:] == 2))
            bases[at[rng.random(len(at)) < 0.8] + 1] = 0
            text = np.frombuffer(b"ACGT", np.uint8)[bases]
            handle.write(f">{chrom}\n".encode() + text.tobytes() + b"\n")


def draw(genome: Genome, cpgs: int, rng: np.random.Generator) -> Strands:
    """Draw reads at so many CpGs: 30× in all, beta near 0 or 1."""
    parts = []
    left = cpgs
    for number, chrom in enumerate(CHROMS):
        bases = genome.indices(chrom, 0, genome.length(chrom))
        place = np.flatnonzero((bases[:-1] == 1) & (bases[1:] == 2))
        want = left // (len(CHROMS) - number)
        place = np.sort(rng.choice(place, min(want, len(place)), replace=False))
        left -= len(place)
        beta = np.repeat(rng.beta(0.5, 0.3, len(place)), 2)
        coverage = rng.negative_binomial(5, 0.25, 2 * len(place))
        reverse = np.tile([False, True], len(place))
        cpg = np.repeat(place, 2)
        methylated = rng.binomial(coverage, beta)
        parts.append((np.full(len(cpg), chrom), cpg + reverse, cpg, reverse, methylated, coverage))
    return Strands(*(np.concatenate(p) for p in zip(*parts, strict=True)))


def table(path: Path, *columns, header: str = "", delimiter: str = "\t") -> int:
    """Write columns of text, gzip where the name says so, and return how many rows."""
    values = pa.table({str(n): c for n, c in enumerate(np.broadcast_arrays(*columns))})
    options = csv.WriteOptions(include_header=False, delimiter=delimiter, quoting_style="none")
    packed = "gzip" if path.suffix == ".gz" else None
    with pa.output_stream(str(path), compression=packed) as stream:
        stream.write(header.encode())
        csv.write_csv(values, stream, options)
    return len(values)


def merged(s: Strands, methylated: np.ndarray, coverage: np.ndarray) -> pandas.DataFrame:
    """Return beta and coverage of each CpG that has reads on any strand."""
    frame = pandas.DataFrame(
        {"chrom": s.chrom, "pos": s.cpg, "methylated": methylated, "coverage": coverage}
    )
    sums = frame.groupby(["chrom", "pos"], sort=True).sum().query("coverage > 0").reset_index()
    return sums.assign(beta=sums.methylated / sums.coverage)[["chrom", "pos", "beta", "coverage"]]


# https://www.encodeproject.org/data-standards/wgbs/
def encode(folder: Path, s: Strands, name: str) -> tuple[int, pandas.DataFrame]:
    percent = np.round(100 * s.methylated / np.maximum(s.coverage, 1)).astype(int)
    score, end = np.minimum(s.coverage, 1000), s.position + 1
    rows = table(
        folder / name,
        *(s.chrom, s.position, end, ".", score, s.sign, s.position, end, "0,255,0"),
        *(s.coverage, percent),
    )
    return rows, merged(s, percent / 100 * s.coverage, s.coverage)


# https://nanoporetech.github.io/modkit/intro_pileup.html
def modkit(folder: Path, s: Strands, name: str, spaced: bool) -> tuple[int, pandas.DataFrame]:
    read = s.coverage > 0
    s = Strands(*(getattr(s, n)[read] for n in s.__dataclass_fields__))
    h = np.random.default_rng(1).binomial(s.coverage - s.methylated, 0.1)  # 5hmC, rows of its own
    twice, is_h = (lambda x: np.repeat(x, 2)), np.tile([False, True], len(s.chrom))
    count = np.where(is_h, twice(h), twice(s.methylated))
    other = np.where(is_h, twice(s.methylated), twice(h))
    coverage, place = twice(s.coverage), twice(s.position)
    percent = np.char.mod("%.2f", 100 * count / coverage)
    counts = (count, coverage - count - other, other, 0, 1, 2, 0)
    bed = (twice(s.chrom), place, place + 1, np.where(is_h, "h", "m"), coverage, twice(s.sign))
    bed += (place, place + 1, "255,0,0")
    last = (coverage, percent, *counts)
    if spaced:
        cells = [pa.array(np.broadcast_to(c, len(place))).cast(pa.string()) for c in last]
        last = (pc.binary_join_element_wise(*cells, " "),)
    return table(folder / name, *bed, *last), merged(s, s.methylated, s.coverage)


# https://felixkrueger.github.io/Bismark/options/methylation_extraction/
def bismark_cov(folder: Path, s: Strands, name: str, based: int) -> tuple[int, pandas.DataFrame]:
    read = s.coverage > 0
    s = Strands(*(getattr(s, n)[read] for n in s.__dataclass_fields__))
    percent = 100 * s.methylated / s.coverage
    start = s.position + based
    rows = table(
        folder / name,
        *(s.chrom, start, s.position + 1, percent, s.methylated, s.coverage - s.methylated),
    )
    return rows, merged(s, s.methylated, s.coverage)


def cytosine_report(folder: Path, s: Strands, name: str) -> tuple[int, pandas.DataFrame]:
    """A CX report: every CpG, and a cytosine of another context behind each."""
    chrom, sign = np.repeat(s.chrom, 2), np.repeat(s.sign, 2)
    other = np.tile([False, True], len(s.chrom))
    place = np.repeat(s.position + 1, 2)  # of the others too, which are never looked up
    context = np.where(other, "CHH", "CG")
    rows = table(
        folder / name,
        *(chrom, place, sign, np.repeat(s.methylated, 2), np.repeat(s.coverage - s.methylated, 2)),
        *(context, np.where(other, "CAT", "CGA")),
    )
    return rows, merged(s, s.methylated, s.coverage)


def bedgraph(folder: Path, s: Strands, name: str) -> tuple[int, pandas.DataFrame]:
    """Bismark's bedGraph: 0-based, percent, one track line."""
    read = s.coverage > 0
    s = Strands(*(getattr(s, n)[read] for n in s.__dataclass_fields__))
    percent = 100 * s.methylated / s.coverage
    rows = table(
        folder / name,
        *(s.chrom, s.position, s.position + 1, percent),
        header="track type=bedGraph\n",
    )
    return rows, merged(s, percent / 100, np.ones(len(percent)))


def array(folder: Path, s: Strands, name: str, sesame: bool) -> tuple[int, pandas.DataFrame]:
    """A matrix of CpGs × subjects in the order of probe names, and its manifest."""
    rng = np.random.default_rng(2)
    chrom, place = s.chrom[::2], s.cpg[::2]
    ids = np.char.mod("cg%08d", rng.permutation(len(place)))
    if sesame:
        header = "CpG_chrm\tCpG_beg\tCpG_end\tprobe_strand\tProbe_ID\n"
        table(folder / "sesame.tsv.gz", chrom, place, place + 2, "+", ids, header=header)
    else:
        lines = ("Illumina, Inc.", "[Heading]", "Descriptor File Name,EPIC.csv", "[Assay]")
        names = "IlmnID,Name,AddressA_ID,Genome_Build,CHR,MAPINFO,Strand"
        header = "".join(f"{line}\n" for line in (*lines, names))
        bare = np.char.replace(chrom.astype(str), "chr", "")
        columns = (ids, ids, "0001", "none", bare, place + 1, "F")
        table(folder / "illumina.csv", *columns, header=header, delimiter=",")
        with open(folder / "illumina.csv", "a") as handle:
            handle.write("[Controls],,,,,,\n21630339,STAINING,-99,DNP(20K),,,\n")
    beta = rng.beta(0.5, 0.3, (len(place), SUBJECTS)).round(4).astype(np.float32)
    beta[rng.random(beta.shape) < 0.01] = np.nan
    order = np.argsort(ids)
    cells = [pa.array(beta[order, n], from_pandas=True) for n in range(SUBJECTS)]
    header = "\t".join(["ID_REF", *(f"subject{n}" for n in range(SUBJECTS))]) + "\n"
    values = pa.table([pa.array(ids[order]), *cells], names=list(map(str, range(SUBJECTS + 1))))
    options = csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    with pa.output_stream(str(folder / name), compression="gzip") as stream:
        stream.write(header.encode())
        csv.write_csv(values, stream, options)
    frame = pandas.DataFrame(beta, columns=[f"beta{n}" for n in range(SUBJECTS)])
    return len(place), pandas.concat(
        [pandas.DataFrame({"chrom": chrom, "pos": place}), frame], axis=1
    )


FORMATS: dict[str, tuple[Callable, str, str]] = {
    "bedMethyl, ENCODE": (lambda f, s: encode(f, s, ENCODE_BED), ENCODE_BED, ""),
    "bedMethyl, ENCODE, gzip": (lambda f, s: encode(f, s, "sample.bed.gz"), "sample.bed.gz", ""),
    "bedMethyl, modkit, m and h": (
        lambda f, s: modkit(f, s, "modkit.bed.gz", False),
        "modkit.bed.gz",
        "",
    ),
    "bedMethyl, modkit, spaces": (
        lambda f, s: modkit(f, s, "mixed.bed.gz", True),
        "mixed.bed.gz",
        "",
    ),
    "Bismark .cov": (lambda f, s: bismark_cov(f, s, "sample.cov.gz", 1), "sample.cov.gz", ""),
    "Bismark .zero.cov": (
        lambda f, s: bismark_cov(f, s, "sample.zero.cov.gz", 0),
        "sample.zero.cov.gz",
        "",
    ),
    "Bismark CX report": (
        lambda f, s: cytosine_report(f, s, "sample.CX_report.txt.gz"),
        "sample.CX_report.txt.gz",
        "",
    ),
    "bedGraph, percent": (
        lambda f, s: bedgraph(f, s, "sample.bedGraph.gz"),
        "sample.bedGraph.gz",
        "scale=0.01",
    ),
    f"array × {SUBJECTS}, Illumina": (
        lambda f, s: array(f, s, "betas.tsv.gz", False),
        "betas.tsv.gz",
        "manifest=illumina.csv",
    ),
    f"array × {SUBJECTS}, sesame": (
        lambda f, s: array(f, s, "betas2.tsv.gz", True),
        "betas2.tsv.gz",
        "manifest=sesame.tsv.gz",
    ),
}


def read(label: str, folder: Path, fasta: str) -> None:
    """Read one format, compare what came back, and print its figures as JSON."""
    _, name, extra = FORMATS[label]
    columns = dict(p.split("=") for p in extra.split(",") if p)
    header = ["index", "identifier", "file", *columns]
    rows = ["0", "S", name, *columns.values()]
    (folder / f"{name}.txt").write_text("\t".join(header) + "\n" + "\t".join(rows) + "\n")
    samples = read_samples(folder / f"{name}.txt")
    with Genome(fasta) as genome:
        cpu = time.process_time()
        store = collect(samples, genome, folder / f"{name}.store", SiteSettings(0), quiet=True)
        cpu = time.process_time() - cpu
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    compare(store, pandas.read_parquet(folder / f"{name}.parquet"))
    print(json.dumps({"cpu": cpu, "memory": peak}))


def compare(store: SiteStore, truth: pandas.DataFrame) -> None:
    """Stop if a store does not hold what was written."""
    wanted = [c for c in truth if c.startswith("beta")]
    truth = truth[truth[wanted].notna().any(axis=1)]
    assert sum(store.chroms.values()) == len(truth), (store.chroms, len(truth))
    for chrom in store.chroms:
        part = truth[truth.chrom == chrom].sort_values("pos")
        np.testing.assert_array_equal(store.positions(chrom), part.pos)
        np.testing.assert_allclose(store.beta(chrom), part[wanted], rtol=2e-6, atol=1e-7)
        if store.has_coverage:
            np.testing.assert_array_equal(store.coverage(chrom)[:, 0], part.coverage)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cpgs", type=int, default=490_000, help="of bedMethyl [490000]")
    parser.add_argument("--others", type=int, default=100_000, help="of other formats [100000]")
    parser.add_argument("--genome", help="FASTA with chr1, chr2, chr3 and chrX [one is made]")
    parser.add_argument("--seed", type=int, default=44)
    parser.add_argument("--work", help="folder [a temporary one]")
    parser.add_argument("--read", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.read:
        read(args.read, Path(args.work), args.genome)
        return
    with tempfile.TemporaryDirectory(dir=args.work) as temporary:
        run(args, Path(temporary))


def run(args: argparse.Namespace, folder: Path) -> None:
    """Write, read and print."""
    rng = np.random.default_rng(args.seed)
    fasta = args.genome or str(folder / "genome.fa")
    if not args.genome:
        write_genome(Path(fasta), args.cpgs, rng)
    with Genome(fasta) as genome:
        drawn = draw(genome, args.cpgs, rng)
        bases = sum(genome.chroms.values())
        cpgs = GenomeCpgs(genome, folder)
        scan = time.process_time()
        for chrom in CHROMS:
            cpgs.positions(chrom)
        scan = time.process_time() - scan
    print(f"{args.cpgs:,} CpGs on {bases:,} bp, whose CpGs are found in {scan:.2f} CPU-s\n")
    print("| file | rows | MB | CPU-s | rows per CPU-s | peak MiB |\n|---|---|---|---|---|---|")
    for label, (write, name, _) in FORMATS.items():
        strands = drawn if label.startswith("bedMethyl") else drawn.head(args.others)
        rows, truth = write(folder, strands)
        truth.to_parquet(folder / f"{name}.parquet")
        again = [sys.executable, __file__, "--read", label, "--work", folder, "--genome", fasta]
        done = subprocess.run(list(map(str, again)), stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{label}: what came back is not what was written")
        found = json.loads(done.stdout)
        cpu, memory = found["cpu"] - scan, found["memory"]
        size = (folder / name).stat().st_size / 1e6
        print(
            f"| {label} | {rows:,} | {size:.1f} | {cpu:.2f} | {rows / cpu:,.0f} | {memory:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
