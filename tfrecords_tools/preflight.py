"""What is wrong with these inputs, before any work.

Genome, tracks, BEDs and variants are opened, compared with one another and surveyed; every
problem is collected rather than the first raised.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tfrecords_tools import builds, estimate
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError
from tfrecords_tools.genome import UNKNOWN, Genome, missing_chrom
from tfrecords_tools.intervals import read_bed
from tfrecords_tools.plan import BuildOptions, make_plan
from tfrecords_tools.pooling import FLOAT16_MAX
from tfrecords_tools.progress import progress
from tfrecords_tools.splits import make_contigs
from tfrecords_tools.targets import Target, read_targets, resolve
from tfrecords_tools.track_survey import SAMPLED_BP, TrackSurvey, survey_track
from tfrecords_tools.tracks import BedTrack, Track, open_track
from tfrecords_tools.variant_survey import VariantSource, VariantSurvey, survey_variants

_CHUNK = 1 << 22
_WRONG_BUILD = 0.9
_SHOWN = 4
_REGION_OPTIONS = ("gaps", "blacklist", "unmappable", "limit", "split_bed", "ubiquitous_bed")


@dataclass(frozen=True)
class Problem:
    """Something wrong: "error" would make a later command fail, "warning" would not."""

    level: str
    message: str


@dataclass(frozen=True)
class Chromosome:
    """A chromosome of the genome.

    Attributes:
        name: in the FASTA.
        length: bp.
        n_fraction: share of bases other than A, C, G, T.
        used: whether windows may lie on it.
    """

    name: str
    length: int
    n_fraction: float
    used: bool


@dataclass(frozen=True)
class Preflight:
    """What was found; what could not be looked at is empty or None.

    Attributes:
        genome: path of the FASTA.
        targets: path of the targets table.
        chromosomes: of the genome.
        tracks: one survey per track that could be read.
        variants: of the VCF, if one was given.
        forecast: windows by label, bytes and CPU-seconds of the build; None if it would fail.
        problems: in the order found.
    """

    genome: str
    targets: str
    chromosomes: tuple[Chromosome, ...]
    tracks: tuple[TrackSurvey, ...]
    variants: VariantSurvey | None
    forecast: dict | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> list[Problem]:
        """The problems that would make a later command fail."""
        return [p for p in self.problems if p.level == "error"]


class _Found:
    """Collects problems; `attempt` turns an exception into one."""

    def __init__(self):
        self.problems: list[Problem] = []

    def error(self, message: str) -> None:
        self.problems.append(Problem("error", message))

    def warning(self, message: str) -> None:
        self.problems.append(Problem("warning", message))

    def attempt(self, function, *args):
        try:
            return function(*args)
        except (TfepiError, OSError) as error:
            self.error(" ".join(str(error).split()))
            return None


def preflight(
    fasta: str,
    targets_file: str,
    options: BuildOptions,
    variants: VariantSource | None = None,
    beds: Sequence[str] = (),
    ref_policy: str = "error",
    sampled_bp: int = SAMPLED_BP,
    quiet: bool = True,
) -> Preflight:
    """Check all inputs of a build, and of scoring variants, against one another.

    Args:
        fasta: the genome.
        targets_file: the targets table.
        options: of the build; its BEDs are checked too.
        variants: a VCF's content.
        beds: further BED files.
        ref_policy: what scoring does about records it cannot take; only under "error" are
            they errors here.
        sampled_bp: bases read per track at most; above, stretches spread over the genome.
        quiet: no progress bar.
    """
    found = _Found()
    genome = found.attempt(Genome, fasta)
    targets = found.attempt(_targets, targets_file) or ()
    tracks = _open(targets, found)
    chromosomes: tuple[Chromosome, ...] = ()
    surveys: tuple[TrackSurvey, ...] = ()
    variant_survey = None
    if genome:
        _check_beds(genome, targets, options, beds, found)
        needed = _needed(genome, options, found)
        chromosomes = found.attempt(_chromosomes, genome, needed) or ()
        for target, track in tracks:
            _compare(target, track, genome, needed, found)
        surveys = _survey(tracks, genome, options.bin_width, sampled_bp, quiet, found)
        for target, survey in zip((t for t, _ in tracks), surveys, strict=False):
            _judge_track(target, survey, needed, found)
        if variants:
            variant_survey = found.attempt(survey_variants, variants, genome)
    for _, track in tracks:
        track.close()
    if variant_survey:
        _judge_variants(variant_survey, genome, ref_policy, found)
    forecast = None
    if genome and not any(p.level == "error" for p in found.problems):
        plan = found.attempt(make_plan, fasta, targets_file, options)
        forecast = plan and estimate.forecast(plan) | {"dropped": plan.dropped}
    if genome:
        genome.close()
    return Preflight(
        str(fasta),
        str(targets_file),
        chromosomes,
        surveys,
        variant_survey,
        forecast,
        tuple(found.problems),
    )


def _targets(path: str) -> tuple[Target, ...]:
    return resolve(read_targets(path), path)


def _open(targets: Iterable[Target], found: _Found) -> list[tuple[Target, Track]]:
    opened, files = [], {}
    for target in targets:
        track = found.attempt(open_track, target.file)
        if track:
            opened.append((target, track))
        if target.file in files:
            found.warning(
                f"targets {files[target.file]!r} and {target.identifier!r} name the same file "
                f"{target.file}"
            )
        files.setdefault(target.file, target.identifier)
    return opened


def _needed(genome: Genome, options: BuildOptions, found: _Found) -> dict[str, int]:
    """Return the chromosomes that windows may lie on; all, if that cannot be told."""
    try:
        for chrom in options.chroms:
            genome.length(chrom)
        used = {c: n for c, n in genome.chroms.items() if not options.chroms or c in options.chroms}
        gaps = read_bed(options.gaps) if options.gaps else ()
        limit = read_bed(options.limit) if options.limit else None
        contigs = make_contigs(used, options.windowing().window_length, gaps, limit)
    except InputFileError as error:
        if options.chroms and "chromosome" in str(error):
            found.error(str(error))
        return dict(genome.chroms)  # an unreadable BED has been told of already
    except ConfigError as error:
        found.error(str(error))
        return dict(genome.chroms)
    on = {c.chrom for c in contigs}
    return {c: n for c, n in genome.chroms.items() if c in on}


def _chromosomes(genome: Genome, needed: dict[str, int]) -> tuple[Chromosome, ...]:
    rows = []
    for name, length in genome.chroms.items():
        unknown = 0
        for start in range(0, length, _CHUNK):
            indices = genome.indices(name, start, min(start + _CHUNK, length))
            unknown += int((indices == UNKNOWN).sum())
        rows.append(Chromosome(name, length, unknown / max(length, 1), name in needed))
    return tuple(rows)


def _compare(
    target: Target, track: Track, genome: Genome, needed: dict[str, int], found: _Found
) -> None:
    """Compare a track's chromosomes with those that windows lie on."""
    where = f"track {target.identifier!r} ({target.file})"
    if isinstance(track, BedTrack):
        _compare_names(where, track.chroms, genome.chroms, found)
        return
    absent = [c for c in needed if c not in track.chroms]
    other = [c for c in needed if c in track.chroms and track.chroms[c] != needed[c]]
    if len(absent) == len(needed):
        found.error(missing_chrom(absent[0], track.chroms, where) + "; no chromosome is in both")
    elif absent:
        found.error(
            f"{where} lacks {len(absent)} of the {len(needed)} chromosomes that windows lie on "
            f"({_listed(absent)}): leave them out with --chroms or --limit"
        )
    if other:
        lengths = [f"{c} {track.chroms[c]} bp, in the genome {needed[c]} bp" for c in other]
        hint = builds.compare(track.chroms, genome.chroms)
        found.error(
            f"{where} has {len(other)} chromosomes of another length ({_listed(lengths, '; ')}): "
            f"{hint or 'it is likely of another genome build, or was cut'}"
        )


def _compare_names(where: str, names: Iterable[str], chroms: dict, found: _Found) -> None:
    absent = [c for c in names if c not in chroms]
    if not absent:
        return
    message = missing_chrom(absent[0], chroms, f"the genome, compared with {where},")
    if any(c in chroms for c in names):
        found.warning(f"{where} has chromosomes the genome lacks, which count for nothing: "
                      f"{_listed(absent)}")
    else:
        found.error(message)


def _check_beds(
    genome: Genome,
    targets: Iterable[Target],
    options: BuildOptions,
    beds: Sequence[str],
    found: _Found,
) -> None:
    named = [getattr(options, name) for name in _REGION_OPTIONS]
    named += [t.peaks for t in targets] + list(beds)
    for path in dict.fromkeys(filter(None, named)):
        intervals = found.attempt(read_bed, path)
        if intervals is None:
            continue
        if not intervals:
            found.warning(f"BED {path} holds no interval")
        _compare_names(f"BED {path}", dict.fromkeys(i.chrom for i in intervals), genome.chroms, found)
        beyond = [i for i in intervals if i.end > genome.chroms.get(i.chrom, i.end)]
        if beyond:
            i = beyond[0]
            found.error(
                f"BED {path} has {len(beyond)} intervals that end beyond their chromosome, first "
                f"{i} ({i.chrom} has {genome.chroms[i.chrom]} bp): it is likely of another "
                "genome build"
            )


def _survey(
    tracks: list[tuple[Target, Track]],
    genome: Genome,
    bin_width: int,
    sampled_bp: int,
    quiet: bool,
    found: _Found,
) -> tuple[TrackSurvey, ...]:
    surveys = []
    for target, track in progress(tracks, unit="track", label="tracks", quiet=quiet):
        surveys.append(
            found.attempt(survey_track, track, target, genome.chroms, bin_width, sampled_bp)
        )
    return tuple(surveys)
