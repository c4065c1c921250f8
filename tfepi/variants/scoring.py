"""Scores of a VCF's variants by a model: numbered parts, then the final files."""

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tfepi.crew import ALONE, Crew
from tfepi.spec import Condition, ModelSpec, Predictor, check_shifts
from tfepi.variants.alleles import AllelePair, Window
from tfepi.variants.checks import check, skipped_text, survey
from tfepi.variants.forecast import Forecast
from tfepi.variants.formats import DEFAULT, check_formats
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.manifest import Manifest
from tfepi.variants.merge import score_results
from tfepi.variants.options import Scoring, check_chunk_records, default_chunk_records
from tfepi.variants.pair_scores import PairScorer
from tfepi.variants.part_jobs import Elsewhere, check_inputs
from tfepi.variants.part_runs import Place, damaged_model, run_in_parts
from tfepi.variants.parts import written_part
from tfepi.variants.scores import warn_of_one_bin
from tfepi.variants.vcf import Variant
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome
from tfrecords_tools.sharding import Shard
from tfrecords_tools.targets import Target
from tfrecords_tools.workers import absolute

OpenModel = Callable[[], tuple[Predictor, Condition | None]]


def score_vcf(
    load: Callable[[], Predictor],
    spec: ModelSpec,
    vcf: str | Path,
    fasta: str | Path,
    out: str | Path,
    scoring: Scoring = Scoring(),  # noqa: B008 frozen
    *,
    model_files: dict[str, str | Path] | None = None,
    targets: Sequence[Target] | None = None,
    formats: Sequence[str] = DEFAULT,
    shard: Shard | None = None,
    chunk_records: int | None = None,
    condition: Condition | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    executor: Executor | None = None,
    open_model: OpenModel | None = None,
    crew: Crew = ALONE,
) -> Path:
    """Score every REF and ALT of a VCF.

    Everything that can be checked is checked before `load` is called and before anything is
    written; a run that has nothing left to predict never calls it. The bytes of the results
    depend on the inputs, the options and `chunk_records` only: not on shards, nor on being
    stopped and resumed.

    Args:
        load: returns the model.
        spec: the model's contract.
        vcf: VCF, VCF.gz or BCF, sorted.
        fasta: the genome, plain or bgzip.
        out: output folder; a shard's own is out/shards/i-of-n.
        scoring: the options.
        model_files: label → path of the files whose content is the model.
        targets: score only these of the head's, by identifier, with these labels.
        formats: of the final files (`formats.FORMATS`).
        shard: do a share of the work; `merge.merge_shards` makes the final files.
        chunk_records: VCF records per part; None for a size that suits the window.
        condition: the model's inputs besides the sequence, of windows at (chromosome, start,
            end); every allele gets those of the genome's window. Its files belong into
            `model_files`.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.
        executor: whose workers, which see the same files, make the parts; `load` is not called
            then.
        crew: processes that share the parts, all of which call this; without an executor.
        open_model: with an executor, returns the model and the condition in a worker; can be
            pickled.

    Returns:
        The folder written.

    Raises:
        InputFileError: a VCF, FASTA or model that cannot be used, or only NaN predicted.
        ConfigError: an unknown target, or an option that does not suit the model.
        UnfinishedError: results are there, or were made from something else.
        OSError: the disk is too small or full.
    """
    place = Place.of(out, shard, resume, overwrite, crew)
    results = score_results(formats)
    of = (spec, vcf, fasta, scoring, model_files, targets, chunk_records)
    with prepared(*of) as (genome, manifest, scored):
        forecast = Forecast.of(manifest, formats)

        elsewhere = None
        if executor is not None:
            paths = {label: absolute(entry["path"]) for label, entry in manifest.inputs.items()}
            folder = place.folder.absolute()
            recipe = ScoringRecipe(open_model, paths, manifest, scored, folder)
            elsewhere = Elsewhere(executor, recipe)

        def begin(predictor: Predictor) -> PartLoop:
            scorer = PairScorer(genome, manifest, predictor, scored, condition)
            return PartLoop(genome, manifest, scorer, place.folder)

        how = (forecast.report, load, begin, quiet, elsewhere)
        return run_in_parts(place, manifest, results, *how)


def forecast_vcf(
    spec: ModelSpec,
    vcf: str | Path,
    fasta: str | Path,
    scoring: Scoring = Scoring(),  # noqa: B008 frozen
    *,
    model_files: dict[str, str | Path] | None = None,
    targets: Sequence[Target] | None = None,
    formats: Sequence[str] = DEFAULT,
    chunk_records: int | None = None,
) -> Forecast:
    """Return how large the results of `score_vcf` would be, after the same checks.

    Args:
        spec, vcf, fasta, scoring, model_files, targets, formats, chunk_records: as there.

    Raises:
        InputFileError, ConfigError: as there.
    """
    check_formats(formats)
    of = (spec, vcf, fasta, scoring, model_files, targets, chunk_records)
    return Forecast.of(manifest_of(*of), formats)


def manifest_of(
    spec: ModelSpec,
    vcf: str | Path,
    fasta: str | Path,
    scoring: Scoring,
    model_files: dict[str, str | Path] | None,
    targets: Sequence[Target] | None,
    chunk_records: int | None,
) -> Manifest:
    """Return what decides the results of `score_vcf`, after the same checks.

    Args:
        spec, vcf, fasta, scoring, model_files, targets, chunk_records: as there.

    Raises:
        InputFileError, ConfigError: as there.
    """
    of = (spec, vcf, fasta, scoring, model_files, targets, chunk_records)
    with prepared(*of) as (_, manifest, _):
        return manifest


@contextlib.contextmanager
def prepared(
    spec: ModelSpec,
    vcf: str | Path,
    fasta: str | Path,
    scoring: Scoring,
    model_files: Mapping[str, str | Path | dict] | None,
    targets: Sequence[Target] | None,
    chunk_records: int | None,
) -> Iterator[tuple[Genome, Manifest, HeadTargets]]:
    """Yield the open genome, the manifest and what is scored, after all checks.

    Args:
        spec, vcf, fasta, scoring, targets, chunk_records: as of `score_vcf`.
        model_files: as there, or the `identity` of what is no file here.

    Raises:
        InputFileError, ConfigError: as there.
    """
    window = Window.of(spec, scoring.window_step)
    scored = HeadTargets.of(spec, scoring.head, targets, scoring.untransform)
    check_shifts(spec, scoring.shifts)
    warn_of_one_bin(scoring.stats, spec.target_length)
    if chunk_records is None:
        chunk_records = default_chunk_records(spec)
    check_chunk_records(chunk_records)
    with Genome(fasta) as genome:
        manifest = Manifest(
            survey=survey(genome, vcf, scoring.ref_policy),
            inputs={
                label: path if isinstance(path, dict) else identity(path)
                for label, path in {"vcf": vcf, "fasta": fasta, **(model_files or {})}.items()
            },
            scoring=scoring,
            window=window,
            targets=scored.targets,
            chunk_records=chunk_records,
        )
        yield genome, manifest, scored


@dataclass(frozen=True)
class ScoringRecipe:
    """What a worker needs to make parts of a scoring.

    Attributes:
        open_model: returns the model and the condition.
        paths: label → path of each input.
        manifest: of the run.
        scored: targets.
        folder: that the parts belong to.
    """

    open_model: OpenModel
    paths: dict[str, str]
    manifest: Manifest
    scored: HeadTargets
    folder: Path

    @property
    def key(self) -> str:
        """Digest and folder of the run."""
        return f"{self.manifest.digest} {self.folder}"

    def make(self) -> "PartLoop":
        """Open the genome and load the model.

        Raises:
            InputFileError: one of them is another file here than where the run was started.
        """
        read_here = {label: path for label, path in self.paths.items() if label != "vcf"}
        check_inputs(read_here, self.manifest.inputs)
        predictor, condition = self.open_model()
        genome = Genome(self.paths["fasta"])
        scorer = PairScorer(genome, self.manifest, predictor, self.scored, condition)
        return PartLoop(genome, self.manifest, scorer, self.folder)


class Scorer(Protocol):
    """What compares the alleles of pairs: by a model here, or elsewhere."""

    def scores(self, pairs: Sequence[AllelePair]) -> Iterator[tuple[dict[str, np.ndarray], int]]:
        """As `pair_scores.PairScorer.scores`."""
        ...


class PartLoop:
    """The loop over parts: pairs to scores.

    Args:
        genome: the FASTA.
        manifest: of the run.
        scorer: makes the scores.
        folder: that the parts belong to.
    """

    def __init__(self, genome: Genome, manifest: Manifest, scorer: Scorer, folder: Path):
        self._genome, self._manifest, self._folder = genome, manifest, folder
        self._scorer = scorer

    def write_part(
        self, number: int, chunk: Sequence[Variant], advance: Callable[[int], object]
    ) -> int:
        """Write a part; return how many of its rows have undefined predictions."""
        manifest = self._manifest
        pairs, skipped = check(self._genome, chunk, manifest.scoring.ref_policy)
        undefined, rows, moved = 0, 0, 0
        with written_part(self._folder, manifest, number, pairs, skipped_text(skipped)) as writer:
            for scores, bad in self._scorer.scores(pairs):
                writer.write(scores, bad)
                undefined += bad
                rows += len(next(iter(scores.values())))
                step = len(chunk) * rows // len(pairs) - moved
                moved += step
                advance(step)
            if pairs and undefined == len(pairs):
                raise damaged_model(chunk)
        advance(len(chunk) - moved)
        return undefined
