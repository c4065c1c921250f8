"""Effects of a VCF's variants on the methylation of the CpGs around them."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tfepi.methylation.shared_predictions import SharedPredictions
from tfepi.methylation.variant_effects import effects
from tfepi.methylation.variant_forecast import Forecast
from tfepi.methylation.variant_manifest import MethylationManifest
from tfepi.methylation.variant_options import CpgWindow, MethylationScoring, default_chunk_records
from tfepi.methylation.variant_parts import written_part
from tfepi.methylation.variant_results import EFFECTS
from tfepi.methylation.variant_tables import variant_schema
from tfepi.spec import AveragedPredictor, ModelSpec, Predictor
from tfepi.variants.alleles import AllelePair, Stretches
from tfepi.variants.checks import Skipped, check, skipped_text, survey
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.options import check_chunk_records
from tfepi.variants.part_runs import Place, damaged_model, run_in_parts
from tfepi.variants.vcf import Variant
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome
from tfrecords_tools.sharding import Shard
from tfrecords_tools.targets import Target


def score_methylation(
    load: Callable[[], Predictor],
    spec: ModelSpec,
    vcf: str | Path,
    fasta: str | Path,
    out: str | Path,
    scoring: MethylationScoring,
    *,
    model_files: dict[str, str | Path] | None = None,
    targets: Sequence[Target] | None = None,
    shard: Shard | None = None,
    chunk_records: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Score every REF and ALT of a VCF by its effects on the CpGs within reach.

    Everything that can be checked is checked before `load` is called and before anything is
    written. The bytes of the results depend on the inputs, the options and `chunk_records` only:
    not on shards, nor on being stopped and resumed.

    Args:
        load: returns the model.
        spec: the model's contract.
        vcf: VCF, VCF.gz or BCF, sorted.
        fasta: the genome, plain or bgzip.
        out: output folder; a shard's own is out/shards/i-of-n.
        scoring: the options.
        model_files: label → path of the files whose content is the model.
        targets: score only these of the head's, by identifier.
        shard: do a share of the work; `merge.merge_shards` makes the final files.
        chunk_records: VCF records per part; None for a number that suits the reach.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        The folder written.

    Raises:
        InputFileError: a VCF, FASTA or model that cannot be used, or only NaN predicted.
        ConfigError: a model of something else, an unknown task, or an option out of range.
        UnfinishedError: results are there, or were made from something else.
        OSError: the disk is too small or full.
    """
    place = Place.of(out, shard, resume, overwrite)
    window = CpgWindow.of(spec)
    scoring.check_reach(window)
    scored = HeadTargets.of(spec, scoring.head, targets, None)
    if chunk_records is None:
        chunk_records = default_chunk_records(scoring.reach)
    check_chunk_records(chunk_records)
    with Genome(fasta) as genome:
        forecast = Forecast(genome, scoring.reach)
        manifest = MethylationManifest(
            survey=survey(genome, vcf, scoring.ref_policy, forecast.look),
            inputs={
                label: identity(path)
                for label, path in {"vcf": vcf, "fasta": fasta, **(model_files or {})}.items()
            },
            scoring=scoring,
            window=window,
            targets=scored.targets,
            chunk_records=chunk_records,
        )
        variant_schema(manifest)
        begin = partial(_Run, genome, manifest, scored, place.folder)
        return run_in_parts(place, manifest, EFFECTS, forecast.report, load, begin, quiet)


class _Run:
    """What makes the parts."""

    def __init__(
        self,
        genome: Genome,
        manifest: MethylationManifest,
        scored: HeadTargets,
        folder: Path,
        predictor: Predictor,
    ):
        self._genome, self._manifest, self._folder = genome, manifest, folder
        self._scored = scored
        self._averaged = AveragedPredictor(predictor, manifest.scoring.rc)

    def write_part(
        self, number: int, chunk: Sequence[Variant], advance: Callable[[int], object]
    ) -> int:
        """Write a part; return how many of its rows have undefined predictions."""
        manifest = self._manifest
        scoring, window = manifest.scoring, manifest.window
        pairs, skipped = check(self._genome, chunk, scoring.ref_policy)
        if scoring.compared == "original":
            skipped += [_no_snv(pair, chunk) for pair in pairs if not _is_snv(pair)]
            pairs = [pair for pair in pairs if _is_snv(pair)]
        flank = scoring.reach + window.half + 1
        shared = SharedPredictions(
            lambda sequences: self._scored.values(self._averaged.predict({"sequence": sequences}))[
                :, 0
            ],
            window.length,
            len(manifest.targets),
            scoring.batch_size,
            scoring.reach,
        )
        spans = ((p.chrom, p.position - flank, p.position + len(p.host) + flank) for p in pairs)
        read = Stretches(self._genome, spans)
        asked, undefined, last = 0, 0, chunk[0].row - 1
        with written_part(self._folder, manifest, number, pairs, skipped_text(skipped)) as writer:
            for effect in effects(pairs, read, shared, scoring, flank):
                writer.write(effect)
                asked += len(effect.ref) > 0
                undefined += effect.undefined
                advance(effect.pair.row - last)
                last = effect.pair.row
            if undefined and undefined == asked:
                raise damaged_model(chunk)
            writer.finish(shared.ready)
        advance(chunk[-1].row - last)
        return undefined


def _is_snv(pair: AllelePair) -> bool:
    return len(pair.ref) == len(pair.alt) == 1


def _no_snv(pair: AllelePair, chunk: Sequence[Variant]) -> Skipped:
    reason = "REF and ALT are not one base each: --original scores such variants alone"
    return Skipped(chunk[pair.row - chunk[0].row], pair.alt, reason)
