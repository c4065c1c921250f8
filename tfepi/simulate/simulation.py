"""Write a simulated genome with its tracks, regions, variants and truth as a folder of files."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyBigWig

from tfepi.simulate.effects import TrueVariant, make_variants
from tfepi.simulate.grammar import (
    KERNEL_HALF_WIDTH,
    MOTIF_LENGTH,
    MOTIFS,
    PAIR_DISTANCE,
    SILENCED_DISTANCE,
    Grammar,
    Sites,
    expected_signal,
    find_sites,
    grammars,
)
from tfepi.simulate.sequence import Chromosome, make_chromosome, make_repeat
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import atomic_path, write_json, write_text
from tfrecords_tools.intervals import complement, merge_array
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target, write_targets

FORMAT = "tfepi-simulation"
FORMAT_VERSION = 1
STEP = 16
ARTEFACT_FACTOR = 40.0
PEAK_FACTOR = 6.0
_LETTERS = np.frombuffer(b"ACGTNacgtn", np.uint8)
_LINE = 60
_SHARES = (0.30, 0.25, 0.20, 0.15, 0.10)
_SHORTEST = 10_000
_GENOME, _TRACKS, _VARIANTS = range(3)


@dataclass(frozen=True)
class Simulation:
    """What to simulate.

    Attributes:
        length: of the genome, bp; divided over the chromosomes 30:25:20:15:10, repeating.
        chromosomes: how many.
        tracks: cell types, one bigWig each.
        variants: lines of the VCF.
        bin_width: bp over which a variant's true effect is summed.
        depth: reads per unit of signal; more is less noise.
        seed: of every random choice.
    """

    length: int = 3_000_000
    chromosomes: int = 5
    tracks: int = 3
    variants: int = 400
    bin_width: int = 192
    depth: float = 1.0
    seed: int = 44

    def __post_init__(self):
        for name in ("length", "chromosomes", "tracks", "bin_width", "depth"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, want a positive number")
        if self.variants < 0 or self.seed < 0:
            raise ConfigError(
                f"variants is {self.variants} and seed {self.seed}: want whole numbers from 0 up"
            )
        if self.bin_width % 2:
            raise ConfigError(f"bin_width is {self.bin_width}, want an even number of bp")
        if min(self.lengths.values()) < _SHORTEST:
            raise ConfigError(
                f"a genome of {self.length} bp on {self.chromosomes} chromosomes has one of "
                f"{min(self.lengths.values())} bp, want {_SHORTEST} or more: make it longer"
            )

    @classmethod
    def large(cls, seed: int = 44) -> "Simulation":
        """Return the genome for benchmarks: 20 Mb, six tracks."""
        return cls(length=20_000_000, tracks=6, variants=500, seed=seed)

    @property
    def lengths(self) -> dict[str, int]:
        """Chromosome name → length in bp."""
        share = np.array([_SHARES[n % len(_SHARES)] for n in range(self.chromosomes)])
        bp = np.floor(share / share.sum() * self.length).astype(int).tolist()
        return {f"chr{n + 1}": length for n, length in enumerate(bp)}

    def rng(self, stream: int, *key: int) -> np.random.Generator:
        """Return the random stream of one purpose; streams do not depend on one another."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(stream, *key)))


def simulate(folder: str | os.PathLike, settings: Simulation, quiet: bool = False) -> None:
    """Write genome.fa, a bigWig and a peaks BED per track, region BEDs, a VCF and the truth.

    The same settings give the same bytes. One chromosome is in memory at a time.

    Args:
        folder: an existing folder to write into.
        settings: what to simulate.
        quiet: no progress bar.
    """
    folder = Path(folder)
    cells = grammars(settings.tracks)
    repeat = make_repeat(settings.rng(_GENOME))
    total = sum(settings.lengths.values())
    variants: list[TrueVariant] = []
    counts = dict.fromkeys(MOTIFS, 0)
    regions = ("gaps", "unmappable", "blacklist", "sites")
    with contextlib.ExitStack() as stack:
        opened = {
            name: stack.enter_context(_text(folder / name))
            for name in ("genome.fa", *(f"{r}.bed" for r in regions))
        }
        peaks = [stack.enter_context(_text(folder / f"{g.name}_peaks.bed")) for g in cells]
        tracks = [
            stack.enter_context(_bigwig(folder / f"{g.name}.bw", settings.lengths)) for g in cells
        ]
        bar = progress(list(settings.lengths.items()), unit="chromosome", quiet=quiet)
        for number, (name, length) in enumerate(bar):
            chromosome = make_chromosome(name, length, settings.rng(_GENOME, number), repeat)
            sites = find_sites(chromosome.indices)
            _write_sequence(opened["genome.fa"], chromosome)
            _write_spans(opened["gaps.bed"], name, chromosome.gaps)
            _write_spans(opened["unmappable.bed"], name, chromosome.repeats)
            _write_spans(opened["blacklist.bed"], name, chromosome.artefacts)
            _write_sites(opened["sites.bed"], name, sites)
            for motif in MOTIFS:
                counts[motif] += len(sites.of(motif)[0])
            for cell, grammar in enumerate(cells):
                signal = expected_signal(chromosome.indices, grammar, sites)
                _write_spans(peaks[cell], name, _peaks(signal, grammar, chromosome))
                rng = settings.rng(_TRACKS, number, cell)
                _write_track(tracks[cell], chromosome, signal, settings.depth, rng)
            before = sum(list(settings.lengths.values())[:number])
            wanted = settings.variants * (before + length) // total
            variants += make_variants(
                chromosome,
                sites,
                cells,
                wanted - len(variants),
                settings.bin_width,
                settings.rng(_VARIANTS, number),
            )
    write_text(folder / "variants.vcf", _vcf(variants, settings))
    write_text(folder / "effects.tsv", _effects(variants, cells))
    write_targets(folder / "targets.txt", tuple(_target(n, g) for n, g in enumerate(cells)))
    write_json(folder / "truth.json", _truth(settings, cells, counts))


@contextlib.contextmanager
def _text(path: Path) -> Iterator:
    with atomic_path(path) as part, open(part, "wb") as handle:
        yield handle


@contextlib.contextmanager
def _bigwig(path: Path, lengths: dict[str, int]) -> Iterator:
    with atomic_path(path) as part:
        handle = pyBigWig.open(str(part), "w")
        try:
            handle.addHeader(list(lengths.items()))
            yield handle
        finally:
            handle.close()


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


def _write_spans(handle, chrom: str, spans: np.ndarray) -> None:
    handle.write("".join(f"{chrom}\t{s}\t{e}\n" for s, e in spans.tolist()).encode())


def _write_sites(handle, chrom: str, sites: Sites) -> None:
    names, half = list(MOTIFS), MOTIF_LENGTH // 2
    rows = zip(sites.centre, sites.motif, sites.strength, sites.reverse, strict=True)
    text = "".join(
        f"{chrom}\t{c - half}\t{c + half}\t{names[m]}\t{1000 * s:.0f}\t{'-' if r else '+'}\n"
        for c, m, s, r in rows
    )
    handle.write(text.encode())


def _peaks(signal: np.ndarray, grammar: Grammar, chromosome: Chromosome) -> np.ndarray:
    """Return the stretches where more is expected than six times the background."""
    high = (signal > PEAK_FACTOR * grammar.base).astype(np.int8)
    high[chromosome.indices == 4] = 0
    for start, end in chromosome.repeats.tolist():
        high[start:end] = 0
    return np.flatnonzero(np.diff(high, prepend=0, append=0)).reshape(-1, 2)


def _write_track(
    track, chromosome: Chromosome, signal: np.ndarray, depth: float, rng: np.random.Generator
) -> None:
    """Add a chromosome to a bigWig: Poisson reads per 16 bp, nothing over N and missing data."""
    for start, end in chromosome.repeats.tolist():
        signal[start:end] = 0
    for start, end in chromosome.artefacts.tolist():
        signal[start:end] *= ARTEFACT_FACTOR
    steps = len(signal) // STEP
    mean = signal[: steps * STEP].reshape(steps, STEP).sum(axis=1) * depth
    values = rng.poisson(mean) / (STEP * depth)
    missing = _missing(chromosome, rng)
    for start, end in complement(missing, chromosome.length).tolist():
        low, high = -(-start // STEP), end // STEP
        if low < high:
            track.addEntries(
                chromosome.name, low * STEP, values=values[low:high], span=STEP, step=STEP
            )


def _missing(chromosome: Chromosome, rng: np.random.Generator) -> np.ndarray:
    """Return the runs of N and, for about 1% of the chromosome, stretches without any value."""
    count = max(1, chromosome.length // 80_000)
    start = rng.integers(0, chromosome.length, count)
    end = np.minimum(start + rng.integers(100, 1_500, count), chromosome.length)
    return merge_array(np.concatenate([chromosome.gaps, np.stack([start, end], axis=1)]))


def _vcf(variants: list[TrueVariant], settings: Simulation) -> str:
    contigs = (f"##contig=<ID={c},length={n}>" for c, n in settings.lengths.items())
    header = ["##fileformat=VCFv4.2", "##source=tfepi_simulate", *contigs]
    header.append('##INFO=<ID=PLACE,Number=1,Type=String,Description="Motif hit, or outside">')
    header.append("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO")
    rows = (
        f"{v.chrom}\t{v.pos + 1}\tsim{n}\t{v.ref}\t{v.alt}\t.\tPASS\tPLACE={v.place}"
        for n, v in enumerate(variants)
    )
    return "\n".join([*header, *rows]) + "\n"


def _effects(variants: list[TrueVariant], cells: tuple[Grammar, ...]) -> str:
    """Return the table of true effects: difference and log2 fold change, per cell type."""
    header = ["id", "chrom", "pos", "ref", "alt", "place"]
    for kind in ("ref", "alt", "diff", "log2fc"):
        header += [f"{kind}_{g.name}" for g in cells]
    lines = ["\t".join(header)]
    for number, v in enumerate(variants):
        ref, alt = np.array(v.ref_signal), np.array(v.alt_signal)
        numbers = np.concatenate([ref, alt, alt - ref, np.log2(alt / ref)]) + 0.0
        cells_text = [f"{x:.6g}" for x in numbers]
        row = [f"sim{number}", v.chrom, str(v.pos + 1), v.ref, v.alt, v.place, *cells_text]
        lines.append("\t".join(row))
    return "\n".join(lines) + "\n"


def _target(number: int, grammar: Grammar) -> Target:
    description = "reads " + " ".join(grammar.alone)
    description += f", C with B within {PAIR_DISTANCE} bp" if grammar.pair else ""
    description += ", silenced by D" if grammar.silenced else ""
    return Target(
        index=number,
        identifier=grammar.name,
        file=f"{grammar.name}.bw",
        clip=768.0,
        clip_soft=384.0,
        sum_stat="sum",
        description=description,
        peaks=f"{grammar.name}_peaks.bed",
    )


def _truth(settings: Simulation, cells: tuple[Grammar, ...], counts: dict[str, int]) -> dict:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "settings": asdict(settings),
        "motifs": MOTIFS,
        "sites": counts,
        "kernel_half_width": KERNEL_HALF_WIDTH,
        "pair_distance": PAIR_DISTANCE,
        "silenced_distance": SILENCED_DISTANCE,
        "grammars": [asdict(g) for g in cells],
    }
