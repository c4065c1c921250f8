"""What is wrong with these inputs, before any work.

Genome, tracks, BEDs and variants are opened, surveyed and compared with one another; every
problem is collected rather than the first one raised.
"""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tfrecords_tools import estimate
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError
from tfrecords_tools.findings import Findings, Problem, check_bed, check_lengths, check_names
from tfrecords_tools.genome import UNKNOWN, Genome
from tfrecords_tools.input_tracks import check_cells_have_tracks, read_tracks
from tfrecords_tools.intervals import read_bed
from tfrecords_tools.judgement import (
    judge_assays,
    judge_input_track,
    judge_track,
    judge_variants,
)
from tfrecords_tools.plan import input_files as build_inputs
from tfrecords_tools.plan import lay_contigs, make_plan
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target, read_targets, resolve
from tfrecords_tools.track_survey import SAMPLED_BP, TrackSurvey, survey_track
from tfrecords_tools.tracks import BedTrack, check_ends, open_track
from tfrecords_tools.variant_survey import VariantSource, VariantSurvey, survey_variants

_CHUNK = 1 << 22
_REGION_OPTIONS = ("gaps", "blacklist", "unmappable", "limit", "split_bed", "ubiquitous_bed")


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
        tracks: one survey per track that could be read; of the targets, then of input tracks.
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
    def failed(self) -> bool:
        """Whether anything found would make a later command fail."""
        return any(p.level == "error" for p in self.problems)


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
        ref_policy: what scoring does about records it cannot take; they are errors under
            "error", warnings under "swap" and "skip".
        sampled_bp: bases read per track at most; above, stretches spread over the genome.
        quiet: no progress bar.
    """
    findings = Findings()
    genome = findings.attempt(Genome, fasta)
    targets = findings.attempt(_read_targets, targets_file) or ()
    chroms = genome.chroms if genome else {}
    tracks = ()
    if options.tracks:
        tracks = findings.attempt(_read_tracks, options.tracks) or ()
        findings.attempt(check_cells_have_tracks, targets if tracks else (), tracks)
        judge_assays(tracks, findings)
    named = [getattr(options, name) for name in _REGION_OPTIONS]
    for path in dict.fromkeys(filter(None, [*named, *(t.peaks for t in targets), *beds])):
        check_bed(path, chroms, findings) if genome else findings.attempt(read_bed, path)
    needed = _needed(genome, targets, options, findings) if genome else {}
    surveys = []
    _check_same_files("targets", targets, findings)
    _check_same_files("input tracks", tracks, findings)
    rows = [*((t, False) for t in targets), *((t, True) for t in tracks)]
    for row, inputs in progress(rows, unit="track", label="tracks", quiet=quiet):
        width = options.input_bin_width if inputs else options.bin_width
        survey = findings.attempt(
            _check_track, row, inputs, chroms, needed, width, sampled_bp, findings
        )
        if survey:
            surveys.append(survey)
    variant_survey = None
    if genome and variants:
        variant_survey = findings.attempt(survey_variants, variants, genome)
    if variant_survey:
        judge_variants(variant_survey, chroms, ref_policy, findings)
    chromosomes = (findings.attempt(_chromosomes, genome, needed) or ()) if genome else ()
    forecast = None
    if genome and not findings.failed:
        plan = findings.attempt(make_plan, fasta, targets_file, options)
        forecast = estimate.forecast(plan) | {"dropped": plan.dropped} if plan else None
    if genome:
        genome.close()
    return Preflight(
        str(fasta),
        str(targets_file),
        chromosomes,
        tuple(surveys),
        variant_survey,
        forecast,
        tuple(findings.problems),
    )


def input_files(
    fasta: str,
    targets_file: str,
    options: BuildOptions,
    variants: VariantSource | None = None,
    beds: Sequence[str] = (),
) -> dict[str, str]:
    """Return label → path of those inputs of `preflight` that are files; tracks, if they are told.

    Args: as of `preflight`.
    """
    found = {"targets": targets_file}
    try:
        targets = _read_targets(targets_file)
    except TfepiError:
        targets = ()  # preflight says why
    tracks = ()
    if options.tracks:
        found["tracks"] = options.tracks
        with contextlib.suppress(TfepiError):
            tracks = _read_tracks(options.tracks)
    found |= build_inputs(fasta, targets, options, tracks)
    found |= {f"bed {path}": path for path in beds}
    if variants:
        found["variants"] = variants.path
    return {label: path for label, path in found.items() if os.path.isfile(path)}


def _read_targets(path: str) -> tuple[Target, ...]:
    return resolve(read_targets(path, with_files=True), path)


def _read_tracks(path: str) -> tuple[Target, ...]:
    return resolve(read_tracks(path), path)


def _check_same_files(kind: str, targets: Sequence[Target], findings: Findings) -> None:
    files: dict[str, str] = {}
    for t in targets:
        if t.file in files:
            findings.warning(
                f"{kind} {files[t.file]!r} and {t.identifier!r} are of the same file {t.file}"
            )
        files.setdefault(t.file, t.identifier)


def _needed(
    genome: Genome, targets: Sequence[Target], options: BuildOptions, findings: Findings
) -> dict[str, int]:
    """Return the chromosomes that windows may lie on; all of them if that cannot be told."""
    try:
        for chrom in options.chroms:
            genome.length(chrom)
        gaps = read_bed(options.gaps) if options.gaps else None
        limit = read_bed(options.limit) if options.limit else None
        contigs = lay_contigs(genome.chroms, targets, options, gaps, limit)
    except (ConfigError, InputFileError) as error:
        findings.error(str(error))
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


def _check_track(
    target: Target,
    inputs: bool,
    chroms: dict[str, int],
    needed: dict[str, int],
    bin_width: int,
    sampled_bp: int,
    findings: Findings,
) -> TrackSurvey | None:
    track = open_track(target.file)
    try:
        where = f"{'input ' * inputs}track {target.identifier!r} ({target.file})"
        if chroms and isinstance(track, BedTrack):
            check_names(where, track.chroms, chroms, findings)
            check_ends(where, track.last.values(), chroms)
        elif chroms:
            check_lengths(where, track.chroms, needed, chroms, findings)
        shared = {c: n for c, n in chroms.items() if c in track.chroms}
        if not shared:
            return None
        survey = survey_track(track, target, shared, bin_width, sampled_bp)
    finally:
        track.close()
    (judge_input_track if inputs else judge_track)(where, target, survey, needed, findings)
    return replace(survey, identifier=f"{target.identifier} (input)") if inputs else survey
