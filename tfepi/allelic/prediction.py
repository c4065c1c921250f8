"""Ratios of alleles by a model: REF / (REF + ALT) in the bin in whose middle the site lies."""

from dataclasses import dataclass

import numpy as np

from tfepi.allelic.counts import Sites
from tfepi.spec import METHYLATION, Condition, ModelSpec, Predictor
from tfepi.variants.evaluators import make_evaluator
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.options import check_incremental, check_predicting
from tfepi.variants.window_scores import WindowScores
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome, encode
from tfrecords_tools.progress import progress

_BATCH_BASES = 1 << 22


@dataclass(frozen=True)
class Prediction:
    """How ratios are predicted.

    Attributes:
        head: the model's output; None where it has one.
        rc: average predictions over both strands.
        shifts: average predictions over these shifts, bp.
        untransform: undo the targets' transforms first (`untransform.STYLES`), or None.
        incremental: as of `evaluators.make_evaluator`.
        batch_size: sequences per call of the model.

    Raises:
        ConfigError: a value out of range.
    """

    head: str | None = None
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    untransform: str | None = None
    incremental: str = "auto"
    batch_size: int = 64

    def __post_init__(self):
        check_predicting(self.shifts, self.untransform, self.batch_size)
        check_incremental(self.incremental)


@dataclass(frozen=True)
class CentreBin:
    """Where a site lies in a model's window: in the middle of the bin in the middle.

    Attributes:
        number: of the bin.
        index: of the site's base in the sequence. Of an even number of bins the one after the
            middle of the window is taken, so that the window reaches less far to the right.
    """

    number: int
    index: int

    @classmethod
    def of(cls, spec: ModelSpec) -> "CentreBin":
        """Return the bin of a model.

        Raises:
            ConfigError: a model of methylation, which has no bins.
        """
        if spec.kind == METHYLATION:
            raise ConfigError(
                "the model predicts the methylation of one CpG, not reads of a stretch: allelic "
                "imbalance wants a model of coverage"
            )
        number = spec.target_length // 2
        return cls(number, spec.crop + number * spec.bin_width + (spec.bin_width - 1) // 2)


def predicted_ratios(
    predictor: Predictor,
    genome: Genome,
    sites: Sites,
    how: Prediction = Prediction(),
    targets: tuple | None = None,
    condition: Condition | None = None,
    quiet: bool = True,
) -> np.ndarray:
    """Return REF / (REF + ALT) as a model predicts it of each allele in the reference's sequence.

    Args:
        predictor: the model.
        genome: whose bases at the sites are REF (`genome_check.sites_of_genome`).
        sites: a site that several samples have is predicted once.
        how: options.
        targets: only these of the head's, by identifier; None for all.
        condition: the model's inputs besides the sequence, by place.
        quiet: no progress bar.

    Returns:
        float64 [sites, targets]; NaN where a prediction is negative or no finite number, or both
        are 0.

    Raises:
        ConfigError: an option that does not suit the model.
        InputFileError: the model gives no ratio at any site.
    """
    spec = predictor.spec
    bin_, chosen = CentreBin.of(spec), HeadTargets.of(spec, how.head, targets, how.untransform)
    places, of = _places(sites)
    evaluator = make_evaluator(
        predictor,
        spec,
        chosen,
        how.rc,
        how.shifts,
        how.incremental,
        how.batch_size,
        len(places),
    )
    size = max(1, min(evaluator.windows, evaluator.changes, _BATCH_BASES // spec.seq_length))
    found = np.empty((len(places), len(chosen.targets)))
    with progress(total=len(places), unit="site", label="alleles", quiet=quiet) as bar:
        for low in range(0, len(places), size):
            some = places[low : low + size]
            spans = [(c, p - bin_.index, p - bin_.index + spec.seq_length) for c, p, _ in some]
            inputs = {"sequence": genome.windows(spans)}
            if condition is not None:
                inputs |= condition(spans)
            changed = inputs["sequence"].copy()
            changed[:, bin_.index] = encode("".join(alt for *_, alt in some))
            own = evaluator.references(inputs)
            rows = np.arange(len(some))
            bins = np.tile([bin_.number, bin_.number + 1], (len(some), 1))
            other = evaluator.alternatives(own, rows, changed, bins)
            scores = WindowScores(own.predictions, bin_.number)
            ref, alt = (v[:, 0].astype(float) for v in scores.at([bin_.number], other))
            found[low : low + len(some)] = allele_ratio(ref, alt)
            bar.update(len(some))
    if len(found) and np.isnan(found).all():
        raise InputFileError(
            "the model predicts no positive finite numbers at any site, so no ratio of alleles: "
            "give one of coverage, trained to the end"
        )
    return found[of]


def allele_ratio(ref: np.ndarray, alt: np.ndarray) -> np.ndarray:
    """Return ref / (ref + alt); NaN where one is negative or not finite, or both are 0."""
    total = ref + alt
    whole = np.isfinite(total) & (ref >= 0) & (alt >= 0) & (total > 0)
    return np.divide(ref, total, out=np.full(total.shape, np.nan), where=whole)


def _places(sites: Sites) -> tuple[list[tuple[str, int, str]], np.ndarray]:
    """Return distinct (chromosome, position, ALT), sorted, and the number of each site's."""
    rows = zip(sites.chrom.tolist(), sites.position.tolist(), sites.alt.tolist(), strict=True)
    each = list(rows)
    places = sorted(set(each))
    number = {place: i for i, place in enumerate(places)}
    return places, np.array([number[place] for place in each], np.int64)
