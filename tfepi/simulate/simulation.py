"""Write a simulated genome with its tracks, regions, variants and truth as a folder of files."""

import contextlib
import os
from dataclasses import asdict
from pathlib import Path

from tfepi.simulate.effects import TrueVariant, make_variants
from tfepi.simulate.grammar import (
    KERNEL_HALF_WIDTH,
    PAIR_DISTANCE,
    SILENCED_DISTANCE,
    Grammar,
    expected_signal,
    grammars,
)
from tfepi.simulate.marks_simulation import simulate_marks
from tfepi.simulate.methylation_settings import MethylationSimulation
from tfepi.simulate.motifs import MOTIFS, find_sites
from tfepi.simulate.sequence import make_chromosome, make_repeat
from tfepi.simulate.settings import GENOME_STREAM, TRACK_STREAM, VARIANT_STREAM, Simulation
from tfepi.simulate.writing import (
    Reads,
    bigwig,
    effects_text,
    genome_files,
    stretches_above,
    text_file,
    vcf_text,
    write_spans,
    write_track,
)
from tfrecords_tools.files import write_json, write_text
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target, write_targets

FORMAT = "tfepi-simulation"
FORMAT_VERSION = 1
STEP = 16
PEAK_FACTOR = 6.0


def simulate(
    folder: str | os.PathLike, settings: Simulation | MethylationSimulation, quiet: bool = False
) -> None:
    """Write genome.fa, a bigWig and a peaks BED per track, region BEDs, a VCF and the truth.

    The same settings give the same bytes. One chromosome is in memory at a time.

    Args:
        folder: an existing folder to write into.
        settings: what to simulate; with `marks`, see `simulate_marks`, and of methylation
            `simulate_methylation`.
        quiet: no progress bar.
    """
    if isinstance(settings, MethylationSimulation):
        # Imports scipy.stats and bed-reader, which nothing else needs.
        from tfepi.simulate.methylation_simulation import simulate_methylation

        return simulate_methylation(folder, settings, quiet)
    if settings.marks:
        return simulate_marks(folder, settings, quiet)
    folder = Path(folder)
    cells = grammars(settings.tracks)
    repeat = make_repeat(settings.rng(GENOME_STREAM))
    reads = Reads(STEP, settings.depth)
    variants: list[TrueVariant] = []
    counts = dict.fromkeys(MOTIFS, 0)
    with contextlib.ExitStack() as stack:
        write_genome = stack.enter_context(genome_files(folder))
        peaks = [stack.enter_context(text_file(folder / f"{g.name}_peaks.bed")) for g in cells]
        tracks = [
            stack.enter_context(bigwig(folder / f"{g.name}.bw", settings.lengths)) for g in cells
        ]
        bar = progress(list(settings.lengths.items()), unit="chromosome", quiet=quiet)
        for number, (name, length) in enumerate(bar):
            rng = settings.rng(GENOME_STREAM, number)
            chromosome = make_chromosome(name, length, rng, repeat)
            sites = find_sites(chromosome.indices)
            write_genome(chromosome, sites)
            for motif in MOTIFS:
                counts[motif] += len(sites.of(motif)[0])
            for cell, grammar in enumerate(cells):
                signal = expected_signal(chromosome.indices, grammar, sites)
                high = stretches_above(signal, PEAK_FACTOR * grammar.base, chromosome)
                write_spans(peaks[cell], name, high)
                rng = settings.rng(TRACK_STREAM, number, cell)
                write_track(tracks[cell], chromosome, signal, reads, rng)
            variants += make_variants(
                chromosome,
                sites,
                cells,
                settings.variants_up_to(number + 1) - len(variants),
                settings.bin_width,
                settings.rng(VARIANT_STREAM, number),
            )
    place = "Motif hit, or outside"
    write_text(folder / "variants.vcf", vcf_text(variants, settings.lengths, place))
    write_text(folder / "effects.tsv", effects_text(variants, tuple(g.name for g in cells)))
    write_targets(folder / "targets.txt", tuple(_target(n, g) for n, g in enumerate(cells)))
    write_json(folder / "truth.json", _truth(settings, cells, counts))


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
        "settings": {k: v for k, v in asdict(settings).items() if k != "marks"},
        "motifs": MOTIFS,
        "sites": counts,
        "kernel_half_width": KERNEL_HALF_WIDTH,
        "pair_distance": PAIR_DISTANCE,
        "silenced_distance": SILENCED_DISTANCE,
        "grammars": [asdict(g) for g in cells],
    }
