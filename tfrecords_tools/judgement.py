"""What surveys of tracks and variants mean: which findings are errors, which warnings."""

import math
from collections.abc import Sequence

from tfrecords_tools.builds import wrong_build_hint
from tfrecords_tools.findings import Findings, listed
from tfrecords_tools.genome import missing_chrom
from tfrecords_tools.pooling import FLOAT16_MAX
from tfrecords_tools.targets import Target
from tfrecords_tools.track_survey import TrackSurvey
from tfrecords_tools.variant_survey import VariantSurvey

LIKELY = 0.9
_SMALLEST_NORMAL = 6.2e-5


def judge_track(
    where: str, target: Target, survey: TrackSurvey, needed: dict[str, int], findings: Findings
) -> None:
    """Tell of values that make no training target or do not fit into float16.

    Args:
        where: the track, for messages.
        target: its row of the targets table.
        survey: what was seen of it.
        needed: chromosomes that windows lie on.
        findings: where problems go.
    """
    used = [c for c in survey.coverage if c.chrom in needed]
    empty = [c.chrom for c in used if c.bases and not c.covered]
    if empty and len(empty) == len(used):
        findings.error(f"{where} has no value on any chromosome that windows lie on")
    elif empty:
        findings.warning(f"{where} has no value on {listed(empty)}: its windows there are all 0")
    observed = [c for c in survey.coverage if c.covered]
    if not observed:
        return
    largest, smallest = max(c.largest for c in observed), min(c.smallest for c in observed)
    if largest == smallest:
        findings.warning(f"{where} has one value everywhere ({largest:g}): nothing to learn")
    if target.threshold is not None and survey.bins and not survey.largest_bin > 0:
        findings.warning(
            f"{where} has no bin above its threshold {target.threshold:g} in the "
            f"{survey.examined:.0%} looked at (largest value {largest:g}): every label would be "
            "0; lower the threshold, or leave the target out"
        )
    if smallest < 0:
        findings.warning(
            f"{where} has negative values (smallest {smallest:g}): the poisson loss and the "
            "statistics _sqrt and _exp75 need values from 0 up"
        )
    if survey.overflowing_bases:
        findings.warning(
            f"{where} has {survey.overflowing_bases:,} bases above {FLOAT16_MAX:.0f}, the most "
            f"that float16 holds (largest {largest:g}): they are cut there before pooling; "
            "divide the file's values"
        )
    elif survey.overflowing:
        findings.warning(
            f"{where} has {survey.overflowing:,} of {survey.bins:,} bins above {FLOAT16_MAX:.0f}, "
            f"the most that float16 holds: they are cut there; lower scale (now {target.scale:g}),"
            f" set clip or clip_soft, or use another sum_stat than {target.sum_stat!r}"
        )
    if 0 < largest < _SMALLEST_NORMAL:
        findings.warning(
            f"{where} has values of at most {largest:g}, which float16 holds with few digits or "
            "as 0: multiply the file's values"
        )


def judge_input_track(
    where: str, row: Target, survey: TrackSurvey, needed: dict[str, int], findings: Findings
) -> None:
    """Tell of values that are no accessibility, do not fit into float16 or are hardly there.

    Args: as of `judge_track`.
    """
    used = [c for c in survey.coverage if c.chrom in needed and c.bases]
    observed = [c for c in survey.coverage if c.covered]
    if not any(c.covered for c in used):
        findings.error(f"{where} has no value on any chromosome that windows lie on")
    if not observed:
        return
    largest, smallest = max(c.largest for c in observed), min(c.smallest for c in observed)
    for value, wrong in ((smallest, smallest < 0), (largest, math.isinf(largest))):
        if wrong:
            findings.error(
                f"{where} has the value {value:g}: accessibility is finite and not negative; give "
                "the signal itself, not its logarithm or its difference from an average"
            )
    if survey.overflowing_bases and math.isfinite(largest):
        findings.warning(
            f"{where} has {survey.overflowing_bases:,} bases above {FLOAT16_MAX:.0f}, the most "
            f"that float16 holds (largest {largest:g}): they are cut there; normalise the track"
        )
    covered = sum(c.bases * c.covered for c in used) / max(sum(c.bases for c in used), 1)
    if row.nan == "keep" and 0 < covered < 0.5:
        findings.warning(
            f"{where} has a value at {covered:.1%} of the bases, and the rest counts as not "
            "measured: where it means 0, write zero into the column nan"
        )


def judge_assays(tracks: Sequence[Target], findings: Findings) -> None:
    """Warn of input tracks that were measured by different assays."""
    by_assay: dict[str, list[str]] = {}
    for row in tracks:
        if row.assay is not None:
            by_assay.setdefault(row.assay, []).append(row.cell)
    if len(by_assay) > 1:
        cells = "; ".join(f"{assay} of {listed(names)}" for assay, names in by_assay.items())
        findings.warning(
            f"input tracks of different assays are mixed ({cells}): a model may tell cells by "
            "their assay; normalise the tracks to one reference first (tfepi_normalize.py)"
        )


def judge_variants(
    survey: VariantSurvey, chroms: dict[str, int], ref_policy: str, findings: Findings
) -> None:
    """Tell what is wrong with variants and, where few REF match, what the reason may be.

    Args:
        survey: what was seen of them.
        chroms: the genome's chromosomes → length, bp.
        ref_policy: what scoring does with records it cannot take.
        findings: where problems go.
    """
    where = f"VCF {survey.path}"
    tell = findings.error if ref_policy == "error" else findings.warning
    if not survey.records:
        findings.error(f"{where} holds no record")
        return
    for chrom, count in survey.absent.items():
        message = missing_chrom(chrom, chroms, f"the genome, for {count:,} records of {where},")
        (findings.error if "prefix" in message else tell)(message)
    other = [
        f"{c} has {n} bp, in the genome {chroms[c]} bp"
        for c, n in survey.contigs.items()
        if c in chroms and n != chroms[c]
    ]
    if other:
        findings.warning(
            f"{where} states another length for {len(other)} chromosomes "
            f"({listed(other, '; ')}): {wrong_build_hint(survey.contigs, chroms)}"
        )
    for count, what in (
        (survey.past_end, "reach beyond their chromosome"),
        (survey.symbolic, "have an allele that is no sequence of letters (<DEL>, *, breakends, N)"),
        (survey.without_alternative, "name no ALT"),
    ):
        if count:
            tell(f"{where}: {count:,} of {survey.records:,} records {what}; {_policy(ref_policy)}")
    if survey.matched < survey.compared:
        message = (
            f"{where}: REF is the genome's in {survey.matched:,} of {survey.compared:,} records "
            f"({survey.match_rate:.1%}), first mismatch {survey.first_mismatch}"
        )
        if survey.match_rate < LIKELY:
            (findings.error if survey.match_rate < 0.5 else tell)(
                f"{message}: {_reason(survey, bool(other))}"
            )
        else:
            tell(f"{message}; {_policy(ref_policy)}")


def _reason(survey: VariantSurvey, other_lengths: bool) -> str:
    """Return the likely reason for a low share of matching reference alleles."""
    n = survey.compared
    if survey.moved / n >= LIKELY:
        return (
            f"one base further right {survey.moved / n:.1%} match, so that positions look "
            "0-based; POS of a VCF counts from 1: add 1 to each"
        )
    if (survey.matched + survey.swapped) / n >= LIKELY:
        return (
            f"with REF and ALT exchanged where ALT is the genome's, "
            f"{(survey.matched + survey.swapped) / n:.1%} match; use --ref_policy swap"
        )
    if (survey.matched + survey.other_strand) / n >= LIKELY:
        return (
            f"with alleles of the other strand {(survey.matched + survey.other_strand) / n:.1%} "
            "match; give the alleles of the genome's forward strand"
        )
    build = "the VCF is likely of another genome build"
    return (
        build + (", as its header's lengths say" if other_lengths else "") + "; use matching files"
    )


def _policy(ref_policy: str) -> str:
    if ref_policy == "error":
        return "--ref_policy skip leaves such records out and lists them"
    return f"left out under --ref_policy {ref_policy} where they cannot be scored"
