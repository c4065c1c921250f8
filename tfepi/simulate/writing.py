"""The files of a simulated genome: sequence, regions, bigWigs, variants and their effects."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pyBigWig

from tfepi.simulate.effects import TrueVariant
from tfepi.simulate.motifs import ALL_MOTIFS, MOTIF_LENGTH, Sites
from tfepi.simulate.sequence import Chromosome
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import UNKNOWN
from tfrecords_tools.intervals import complement, merge_array

ARTEFACT_FACTOR = 40.0
MISSING_EVERY = 80_000  # bp in which one stretch lacks values: about 1% does
_LETTERS = np.frombuffer(b"ACGTNacgtn", np.uint8)
_LINE = 60
REGIONS = {"gaps": "gaps", "unmappable": "repeats", "blacklist": "artefacts"}


@contextlib.contextmanager
def text_file(path: Path) -> Iterator:
    """Open a file for bytes, atomically."""
    with atomic_path(path) as part, open(part, "wb") as handle:
        yield handle


@contextlib.contextmanager
def bigwig(path: Path, lengths: dict[str, int]) -> Iterator:
    """Open a bigWig of these chromosomes for writing, atomically."""
    with atomic_path(path) as part:
        handle = pyBigWig.open(str(part), "w")
        try:
            handle.addHeader(list(lengths.items()))
            yield handle
        finally:
            handle.close()


@contextlib.contextmanager
def genome_files(
    folder: Path, regions: Mapping[str, str] = MappingProxyType(REGIONS)
) -> Iterator[Callable[[Chromosome, Sites], None]]:
    """Give the function that adds a chromosome to genome.fa and the BEDs of regions and sites.

    Args:
        folder: where.
        regions: name of a BED → attribute of the chromosome that it holds.
    """
    with contextlib.ExitStack() as stack:
        fasta = stack.enter_context(text_file(folder / "genome.fa"))
        beds = {n: stack.enter_context(text_file(folder / f"{n}.bed")) for n in regions}
        sites_bed = stack.enter_context(text_file(folder / "sites.bed"))

        def write(chromosome: Chromosome, sites: Sites) -> None:
            _write_sequence(fasta, chromosome)
            for name, attribute in regions.items():
                write_spans(beds[name], chromosome.name, getattr(chromosome, attribute))
            _write_sites(sites_bed, chromosome.name, sites)

        yield write


def _write_sequence(handle, chromosome: Chromosome) -> None:
    letters = chromosome.indices.copy()
    for start, end in chromosome.lower.tolist():
        letters[start:end] += 5
    letters = _LETTERS[letters]
    handle.write(f">{chromosome.name}\n".encode())
    whole = len(letters) // _LINE * _LINE
    lines = np.full((whole // _LINE, _LINE + 1), ord("\n"), np.uint8)
    lines[:, :-1] = letters[:whole].reshape(-1, _LINE)
    handle.write(lines.tobytes())
    if whole < len(letters):
        handle.write(letters[whole:].tobytes() + b"\n")


def write_spans(handle, chrom: str, spans: np.ndarray) -> None:
    """Add a chromosome's spans, int64 [n, 2], to a BED."""
    handle.write("".join(f"{chrom}\t{s}\t{e}\n" for s, e in spans.tolist()).encode())


def _write_sites(handle, chrom: str, sites: Sites) -> None:
    names, half = list(ALL_MOTIFS), MOTIF_LENGTH // 2
    rows = zip(sites.centre, sites.motif, sites.strength, sites.reverse, strict=True)
    text = "".join(
        f"{chrom}\t{c - half}\t{c + half}\t{names[m]}\t{1000 * s:.0f}\t{'-' if r else '+'}\n"
        for c, m, s, r in rows
    )
    handle.write(text.encode())


def stretches_above(signal: np.ndarray, level: float, chromosome: Chromosome) -> np.ndarray:
    """Return where a signal [length] is above a level, outside N and repeats: int64 [n, 2]."""
    high = (signal > level).astype(np.int8)
    high[chromosome.indices == UNKNOWN] = 0
    for start, end in chromosome.repeats.tolist():
        high[start:end] = 0
    return np.flatnonzero(np.diff(high, prepend=0, append=0)).reshape(-1, 2)


@dataclass(frozen=True)
class Reads:
    """How a track is measured.

    Attributes:
        step: bp that share one value.
        depth: reads per base and unit of signal.
        dispersion: a of the variance m + a·m² of reads with the mean m; 0 for Poisson.
    """

    step: int
    depth: float
    dispersion: float = 0.0

    def means(self, signal: np.ndarray) -> np.ndarray:
        """Return the reads expected in each whole step of a signal [length]."""
        steps = len(signal) // self.step
        return signal[: steps * self.step].reshape(steps, self.step).sum(axis=1) * self.depth

    def draw(self, signal: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return what is measured of a signal [length], per step, in its own unit."""
        mean = self.means(signal)
        if self.dispersion:
            shape = 1 / self.dispersion
            reads = rng.negative_binomial(shape, shape / (shape + mean))
        else:
            reads = rng.poisson(mean)
        return reads / (self.step * self.depth)


def write_track(
    track,
    chromosome: Chromosome,
    signal: np.ndarray,
    reads: Reads,
    rng: np.random.Generator,
    missing_every: int = MISSING_EVERY,
) -> None:
    """Add a chromosome to a bigWig: noisy values, none over N and missing data, 0 in repeats.

    Args:
        track: the open bigWig.
        chromosome: where.
        signal: expected, per base [length]; changed in place.
        reads: how it is measured.
        rng: source of the noise.
        missing_every: bp in which one stretch of 100–1,500 bp lacks values.
    """
    for start, end in chromosome.repeats.tolist():
        signal[start:end] = 0
    for start, end in chromosome.artefacts.tolist():
        signal[start:end] *= ARTEFACT_FACTOR
    values = reads.draw(signal, rng)
    missing = _missing(chromosome, rng, missing_every)
    for start, end in complement(missing, chromosome.length).tolist():
        low, high = -(-start // reads.step), end // reads.step
        if low < high:
            write_steps(track, chromosome.name, low, values[low:high], reads.step)


def write_steps(track, chrom: str, first: int, values: np.ndarray, step: int) -> None:
    """Add the values of consecutive steps, from the step `first` on, to a bigWig."""
    track.addEntries(chrom, first * step, values=values, span=step, step=step)


def _missing(chromosome: Chromosome, rng: np.random.Generator, every: int) -> np.ndarray:
    """Return the runs of N and random stretches without any value."""
    count = max(1, chromosome.length // every)
    start = rng.integers(0, chromosome.length, count)
    end = np.minimum(start + rng.integers(100, 1_500, count), chromosome.length)
    return merge_array(np.concatenate([chromosome.gaps, np.stack([start, end], axis=1)]))


def vcf_text(variants: list[TrueVariant], lengths: dict[str, int], place: str) -> str:
    """Return the VCF of variants.

    Args:
        variants: in the order of the chromosomes.
        lengths: chromosome → length, bp.
        place: what the field PLACE says.
    """
    contigs = (f"##contig=<ID={c},length={n}>" for c, n in lengths.items())
    header = ["##fileformat=VCFv4.2", "##source=tfepi_simulate", *contigs]
    header.append(f'##INFO=<ID=PLACE,Number=1,Type=String,Description="{place}">')
    header.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    rows = (
        f"{v.chrom}\t{v.pos + 1}\tsim{n}\t{v.ref}\t{v.alt}\t.\tPASS\tPLACE={v.place}"
        for n, v in enumerate(variants)
    )
    return "\n".join([*header, *rows]) + "\n"


def effects_text(variants: list[TrueVariant], tracks: tuple[str, ...]) -> str:
    """Return the table of true effects: difference and log2 fold change, per track."""
    header = ["id", "chrom", "pos", "ref", "alt", "place"]
    for kind in ("ref", "alt", "diff", "log2fc"):
        header += [f"{kind}_{name}" for name in tracks]
    lines = ["\t".join(header)]
    for number, v in enumerate(variants):
        ref, alt = np.array(v.ref_signal), np.array(v.alt_signal)
        numbers = np.concatenate([ref, alt, alt - ref, np.log2(alt / ref)]) + 0.0
        cells_text = [f"{x:.6g}" for x in numbers]
        row = [f"sim{number}", v.chrom, str(v.pos + 1), v.ref, v.alt, v.place, *cells_text]
        lines.append("\t".join(row))
    return "\n".join(lines) + "\n"
