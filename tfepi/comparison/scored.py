"""Scores of one model: made by the engines of variant scoring, or there already, and checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfepi.comparison.agreement import LEAST
from tfepi.comparison.options import LOG_RATIO, Comparing
from tfepi.comparison.series import Series
from tfepi.comparison.sources import Source, read_manifest
from tfepi.evaluation.bootstrap import FEWEST_BLOCKS, Bootstrap
from tfepi.methylation.variant_manifest import MethylationManifest
from tfepi.methylation.variant_options import CpgWindow, MethylationScoring
from tfepi.methylation.variant_scoring import score_methylation
from tfepi.spec import Predictor, check_shifts
from tfepi.variants.alleles import AllelePair, Window
from tfepi.variants.checks import survey
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.manifest import Manifest
from tfepi.variants.options import Scoring
from tfepi.variants.scores import PREDICTIONS
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity, same_identity
from tfrecords_tools.genome import Genome
from tfrecords_tools.number_text import number_of
from tfrecords_tools.targets import Target

STATS = ("SAD", "logSED", "SAX", "D2")
"""Statistics that are kept whichever is compared, so that another needs no new scores."""


@dataclass(frozen=True)
class Scored:
    """A folder of scores and whose it is.

    Attributes:
        source: the model.
        folder: of its scores.
        manifest: of the folder.
    """

    source: Source
    folder: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.source.name

    @property
    def of_methylation(self) -> bool:
        """Whether the scores are of the methylation of CpGs."""
        return isinstance(self.manifest, MethylationManifest)

    @property
    def sees(self) -> tuple[int, int]:
        """First and stop of the bp that any of its windows holds, from the variant's first base.

        Of methylation these are the windows of all CpGs within reach.
        """
        window = self.manifest.window
        if self.of_methylation:
            far = self.manifest.scoring.reach + window.half
            return -far, far + 1
        # On a grid the window lies up to half a step aside.
        return -window.index - window.step // 2, window.length - window.index + window.step // 2

    @property
    def profiles(self) -> bool:
        """Whether the predictions of both alleles are there, in windows centred on variants."""
        if self.of_methylation:
            return False
        return (
            set(PREDICTIONS) <= set(self.manifest.scoring.stats) and not self.manifest.window.step
        )

    def check(self, comparing: Comparing) -> None:
        """Refuse scores that lack what is compared.

        Raises:
            ConfigError: naming what to score with.
        """
        if self.of_methylation:
            return
        if comparing.stat == LOG_RATIO and not self.profiles:
            step = self.manifest.window.step
            how = f"of windows every {step} bp" if step else "without REF and ALT"
            raise ConfigError(
                f"model {self.name}: {self.folder} has scores {how}, of which {LOG_RATIO} cannot "
                "be made: score with --stats …,REF,ALT and without --window_step, or compare "
                "another --stat, as logSED"
            )
        if comparing.stat != LOG_RATIO and comparing.stat not in self.manifest.scoring.stats:
            raise ConfigError(
                f"model {self.name}: {self.folder} has {', '.join(self.manifest.scoring.stats)}, "
                f"not {comparing.stat}: score with it, or name another --stat"
            )


def check_source(source: Source, series: Sequence[Series], comparing: Comparing) -> None:
    """Check that a model can score variants as is asked, before anything is written.

    Args:
        source: a model without scores.
        series: what is compared.
        comparing: the options.

    Raises:
        ConfigError: a model whose bins leave out the variant, shifts it cannot take, or targets
            that cannot be untransformed.
    """
    spec = source.model.asked
    if source.of_methylation:
        CpgWindow.of(spec)
        return
    Window.of(spec)
    check_shifts(spec, comparing.shifts)
    targets = targets_of(source, series)
    HeadTargets.of(spec, source.model.head.name, targets, source.untransform)


def check_variants(
    vcf: str | Path, fasta: str | Path, comparing: Comparing, bootstrap: Bootstrap
) -> None:
    """Check that a VCF holds variants enough, before any is scored.

    Args:
        vcf: the variants.
        fasta: the genome.
        comparing: the options.
        bootstrap: whose blocks of the genome must be enough for an interval.

    Raises:
        InputFileError: a file that cannot be used, or too few variants.
        ConfigError: a block size that leaves too few blocks.
    """
    blocks: set[tuple[str, int]] = set()
    size = bootstrap.block_bp if bootstrap.resamples else None

    def look(pairs: Sequence[AllelePair]) -> None:
        if size is not None and len(blocks) < FEWEST_BLOCKS:
            blocks.update((pair.chrom, pair.position // size) for pair in pairs)

    with Genome(fasta) as genome:
        rows = survey(genome, vcf, comparing.ref_policy, look).rows
    if rows < LEAST:
        raise InputFileError(
            f"{vcf} holds {number_of(rows, 'variant')} that can be scored, want at least {LEAST} "
            "to compare models"
        )
    if size is not None and len(blocks) < FEWEST_BLOCKS:
        raise ConfigError(
            f"--block_bp is {size}: the variants of {vcf} lie in {number_of(len(blocks), 'block')} "
            f"of the genome, want at least {FEWEST_BLOCKS} for an interval: name fewer bp, or none"
        )


def check_span(
    sources: Sequence[Source], given: Sequence[Scored], comparing: Comparing, regions: bool
) -> None:
    """Check that every model predicts the span that is compared, before anything is scored.

    Args:
        sources: the models.
        given: the scores that are there already.
        comparing: the options.
        regions: whether regions are compared, which have a span too.

    Raises:
        ConfigError: a span that is longer than what a model predicts, or that is of nothing.
    """
    if comparing.span is None:
        return
    if comparing.stat != LOG_RATIO:
        if not regions:
            raise ConfigError(
                f"--span is {comparing.span} bp, and {comparing.stat} is of each model's whole "
                f"output: leave --span out, or compare --stat {LOG_RATIO}"
            )
        return
    covered = {one.name: one.manifest.window.covered for one in given if one.profiles}
    for source in sources:
        if source.folder is None and not source.of_methylation:
            covered[source.name] = Window.of(source.model.asked).covered
    least_covered(covered, comparing.span)


def least_covered(covered: Mapping[str, int], span: int | None) -> int | None:
    """Return the shortest length that models predict, bp; None of none.

    Args:
        covered: bp that each model predicts, by its name.
        span: bp that are wanted, or None.

    Raises:
        ConfigError: a span that is longer.
    """
    if not covered:
        return None
    least = min(covered, key=covered.get)
    if span is not None and span > covered[least]:
        raise ConfigError(
            f"--span is {span} bp, and model {least} predicts {covered[least]}: want no more"
        )
    return covered[least]


def scored(
    source: Source,
    series: Sequence[Series],
    vcf: str | Path | None,
    fasta: str | Path | None,
    out: Path,
    comparing: Comparing,
    load: Callable[[], Predictor] | None = None,
    quiet: bool = False,
) -> Scored:
    """Return the scores of a model, made first unless they are there.

    Args:
        source: the model.
        series: what is compared.
        vcf: the variants.
        fasta: the genome.
        out: where scores are made, and gone on with.
        comparing: the options.
        load: returns the model; None for `source.model.load`.
        quiet: no progress bar.

    Raises:
        ConfigError, InputFileError, UnfinishedError: as the engine of its kind
            (`scoring.score_vcf`, `methylation.variant_scoring.score_methylation`).
    """
    if source.folder is not None:
        return Scored(source, source.folder, read_manifest(source.folder, source.name))
    model = source.model
    given = (load or model.load, model.asked, vcf, fasta, out)
    common = {"rc": source.rc, "ref_policy": comparing.ref_policy}
    common |= {"head": model.head.name, "batch_size": model.batch_size}
    further = {"model_files": model.files, "targets": targets_of(source, series)}
    further |= {"resume": True, "quiet": quiet}
    if source.of_methylation:
        half = CpgWindow.of(model.spec).half
        request = MethylationScoring(reach=half, pairs=True, **common)
        score_methylation(*given, request, **further)
    else:
        stats = STATS
        if comparing.stat not in (LOG_RATIO, *stats):
            stats = (*stats, comparing.stat)
        request = Scoring(
            stats=(*stats, *(PREDICTIONS if comparing.profiles else ())),
            shifts=comparing.shifts,
            untransform=source.untransform,
            **common,
        )
        score_vcf(*given, request, condition=model.condition, formats=("h5",), **further)
    return Scored(source, out, read_manifest(out, source.name))


def targets_of(source: Source, series: Sequence[Series]) -> tuple[Target, ...]:
    """Return the targets of a model that are compared, in its order."""
    wanted = {name for s in series for name in s.targets[source.name]}
    return tuple(t for t in source.targets if t.identifier in wanted)


def check_alike(
    found: Sequence[Scored], inputs: Mapping[str, str | Path | None]
) -> dict[str, dict]:
    """Return the identities of VCF and genome, after checking that all scores are of them.

    Args:
        found: the scores.
        inputs: "vcf" and "fasta" → path where one is named.

    Raises:
        InputFileError: scores of another file.
    """
    identities = {}
    for label, path in inputs.items():
        first = found[0].manifest.inputs[label]
        whose = f"those of {found[0].name}"
        if path is not None:
            first, whose = identity(path), str(path)
        for one in found:
            own = one.manifest.inputs[label]
            if not same_identity(own, first):
                what = {"vcf": "variants", "fasta": "genome"}[label]
                raise InputFileError(
                    f"scores {one.folder} of model {one.name} are of other {what} ({own['path']}) "
                    f"than {whose}: score the same file with every model"
                )
        identities[label] = first
    return identities
