"""Write simulated cell types: accessibility, marks, tables, variants and the truth."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from tfepi.simulate import marks as law
from tfepi.simulate.effects import TrueVariant
from tfepi.simulate.marks import ACCESSIBILITY, CELLS, MARK_TRACKS, OPENERS, TRACKS, Track
from tfepi.simulate.marks_effects import make_mark_variants
from tfepi.simulate.motifs import ALL_MOTIFS, find_sites
from tfepi.simulate.sequence import Elements, make_chromosome, make_repeat
from tfepi.simulate.settings import GENOME_STREAM, TRACK_STREAM, VARIANT_STREAM, Simulation
from tfepi.simulate.writing import (
    MISSING_EVERY,
    Reads,
    bigwig,
    effects_text,
    genome_files,
    stretches_above,
    text_file,
    vcf_text,
    write_spans,
    write_steps,
    write_track,
)
from tfrecords_tools.files import write_json, write_text
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target, write_targets

FORMAT = "tfepi-simulated-marks"
FORMAT_VERSION = 1
EXPECTED = "expected"
SPACING = 900
ACCESSIBILITY_STEP = 4
MARK_STEP = 16
MARK_DEPTH = 0.2
DISPERSION = 0.1
PEAK_FACTOR = 6.0
# One track of which a fifth of one chromosome lacks values.
SPARSE_TRACK, SPARSE_CHROMOSOME, SPARSE_EVERY = "cell3_accessibility", "chr2", 3_600


def _elements() -> Elements:
    """Return what is planted: open sites alone, with co-factor, repressor, both, or each other.

    A motif that is open in every cell type is half as frequent as the others.
    """
    planted: list = [(("K", 0, 0),), (("D", 0, 0),)] * 2  # without an open site: no effect
    for motif in OPENERS:
        site, near, apart = (motif, 0, 0), (12, 50), (15, 80)
        usual = [
            (site,),
            (site,),
            (site, ("K", *near)),
            (("K", 0, 0), (motif, *near)),
            (site, ("D", *apart)),
            (("D", 0, 0), (motif, *apart)),
        ]
        planted += usual if all(motif in c.levels for c in CELLS) else 2 * usual
        planted += [(site, ("K", 80, 140)), (site, ("K", 12, 45), ("D", 12, 35))]
    planted += [((a, 0, 0), (b, 60, 140)) for a, b in ("AC", "BE", "CF", "EA", "FB")]
    return tuple(planted)


ELEMENTS = _elements()


def reads_of(track: Track, depth: float) -> Reads:
    """Return how a track is measured.

    Args:
        track: which.
        depth: factor on the reads of all.
    """
    if track.mark is None:
        return Reads(ACCESSIBILITY_STEP, track.cell.depth * depth)
    return Reads(MARK_STEP, MARK_DEPTH * depth, DISPERSION)


def peak_level(track: Track) -> float:
    """Return the expected signal above which a track has a peak."""
    if track.mark:
        return law.THRESHOLD
    return PEAK_FACTOR * law.OPEN_BASE * law.ASSAYS[track.cell.assay].scale


def simulate_marks(folder: str | os.PathLike, settings: Simulation, quiet: bool = False) -> None:
    """Write genome, accessibility and marks of four cell types, tables, a VCF and the truth.

    The same settings give the same bytes. One chromosome is in memory at a time.

    Args:
        folder: an existing folder to write into.
        settings: what to simulate.
        quiet: no progress bar.
    """
    folder = Path(folder)
    (folder / EXPECTED).mkdir(exist_ok=True)
    repeat = make_repeat(settings.rng(GENOME_STREAM))
    variants: list[TrueVariant] = []
    counts = dict.fromkeys(ALL_MOTIFS, 0)
    with contextlib.ExitStack() as stack:
        write_genome = stack.enter_context(genome_files(folder))
        files = [stack.enter_context(_files(folder, t, settings.lengths)) for t in TRACKS]
        bar = progress(list(settings.lengths.items()), unit="chromosome", quiet=quiet)
        for number, (name, length) in enumerate(bar):
            rng = settings.rng(GENOME_STREAM, number)
            chromosome = make_chromosome(name, length, rng, repeat, ELEMENTS, SPACING)
            sites = find_sites(chromosome.indices, ALL_MOTIFS)
            opened = law.openings(sites)
            write_genome(chromosome, sites)
            for motif in ALL_MOTIFS:
                counts[motif] += len(sites.of(motif)[0])
            for index, (track, (values, expected, peaks)) in enumerate(
                zip(TRACKS, files, strict=True)
            ):
                signal = track.expected(length, opened)
                reads = reads_of(track, settings.depth)
                write_spans(peaks, name, stretches_above(signal, peak_level(track), chromosome))
                mean = reads.means(signal) / (reads.step * reads.depth)
                write_steps(expected, name, 0, mean, reads.step)
                sparse = (track.name, name) == (SPARSE_TRACK, SPARSE_CHROMOSOME)
                every = SPARSE_EVERY if sparse else MISSING_EVERY
                rng = settings.rng(TRACK_STREAM, number, index)
                write_track(values, chromosome, signal, reads, rng, every)
            variants += make_mark_variants(
                chromosome,
                sites,
                settings.variants_up_to(number + 1) - len(variants),
                settings.bin_width,
                settings.rng(VARIANT_STREAM, number),
            )
    place = "Kind of site hit, or outside"
    write_text(folder / "variants.vcf", vcf_text(variants, settings.lengths, place))
    write_text(folder / "effects.tsv", effects_text(variants, tuple(t.name for t in TRACKS)))
    write_targets(folder / "targets.txt", _table(MARK_TRACKS, law.THRESHOLD))
    write_targets(folder / "targets_signal.txt", _table(MARK_TRACKS))
    write_targets(folder / "tracks.txt", _table(ACCESSIBILITY))
    write_json(folder / "truth.json", _truth(settings, counts))


@contextlib.contextmanager
def _files(folder: Path, track: Track, lengths: dict[str, int]) -> Iterator[tuple]:
    """Open a track's bigWig, the bigWig of what is expected, and its BED of peaks."""
    with (
        bigwig(folder / f"{track.name}.bw", lengths) as values,
        bigwig(folder / EXPECTED / f"{track.name}.bw", lengths) as expected,
        text_file(folder / f"{track.name}_peaks.bed") as peaks,
    ):
        yield values, expected, peaks


def _table(tracks: tuple[Track, ...], threshold: float | None = None) -> tuple[Target, ...]:
    return tuple(
        Target(
            index=number,
            identifier=t.name,
            file=f"{t.name}.bw",
            sum_stat="mean",
            description="open through " + " ".join(t.cell.levels),
            nan="keep",
            peaks=f"{t.name}_peaks.bed",
            cell=t.cell.name,
            mark=t.mark and t.mark.name,
            assay=None if t.mark else t.cell.assay,
            threshold=threshold,
        )
        for number, t in enumerate(tracks)
    )


def _truth(settings: Simulation, counts: dict[str, int]) -> dict:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "settings": asdict(settings),
        "motifs": ALL_MOTIFS,
        "sites": counts,
        "openers": OPENERS,
        "cofactor": {"motif": law.COFACTOR, "distance": law.COFACTOR_DISTANCE},
        "repressor": {
            "motif": law.REPRESSOR,
            "distance": law.REPRESSOR_DISTANCE,
            "share": law.REPRESSED,
        },
        "accessibility": {"base": law.OPEN_BASE, "step": ACCESSIBILITY_STEP},
        "signal": {
            "base": law.MARK_BASE,
            "top": law.MARK_TOP,
            "threshold": law.THRESHOLD,
            "step": MARK_STEP,
            "depth": MARK_DEPTH,
            "dispersion": DISPERSION,
        },
        "reach": law.REACH,
        "assays": [asdict(a) for a in law.ASSAYS.values()],
        "cells": [asdict(c) for c in CELLS],
        "held_out": law.HELD_OUT,
        "marks": [asdict(m) for m in law.MARKS],
        "sparse": {"track": SPARSE_TRACK, "chromosome": SPARSE_CHROMOSOME},
    }
