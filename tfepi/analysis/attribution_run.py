"""A run that attributes predictions to bases: windows in numbered parts, and attributions.h5."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tfepi.analysis.attribution_file import NAME, write_table
from tfepi.analysis.attribution_gradient import AveragedScalar
from tfepi.analysis.attribution_options import AttributionOptions
from tfepi.analysis.attribution_outputs import Bins, Output
from tfepi.analysis.attribution_parts import AttributionParts
from tfepi.spec import METHYLATION, Condition, ModelSpec, check_shifts
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site, Span, bed_sites, is_vcf, vcf_sites
from tfepi.variants.numbered import Plan, remove_all_parts
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import identity, write_text
from tfrecords_tools.genome import Genome, decode
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, check_room, run_record, shown_size

FORMAT = "tfepi-attributions-run"
SKIPPED = "skipped.tsv"
_PART_BASES = 1 << 21  # of which gradients are taken, so that a kill loses minutes
_MOST_PART = 256
_log = logging.getLogger(__name__)


def attribute(
    load: Callable[[], object],
    spec: ModelSpec,
    outputs: Sequence[Output],
    regions: str | Path,
    fasta: str | Path,
    out: str | Path,
    options: AttributionOptions = AttributionOptions(),  # noqa: B008 frozen
    *,
    head: str,
    model_files: dict[str, str | Path] | None = None,
    condition: Condition | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Attribute predictions to the bases of regions, or of windows around variants' alleles.

    Everything that can be checked is checked before `load` is called and before anything is
    written. The bytes of attributions.h5 depend on inputs and options only, not on being stopped
    and resumed; a finished run is left alone.

    Args:
        load: returns the Keras model.
        spec: its contract.
        outputs: what is attributed (`attribution_outputs.outputs_of`).
        regions: BED, or VCF or BCF (told apart by their first bytes).
        fasta: the genome, plain or bgzip.
        out: output folder.
        options: the options.
        head: the model's output.
        model_files: label → path of the files whose content is the model.
        condition: the model's inputs besides the sequence, as in `scoring.score_vcf`.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        The folder written.

    Raises:
        InputFileError: a BED, VCF, FASTA or model that cannot be used.
        ConfigError: an option that does not suit the model.
        UnfinishedError: results are there, or were made from something else.
        OSError: the disk is full.
    """
    folder = check_folder(out, resume, overwrite)
    length = spec.seq_length if options.length is None else options.length
    span = Span.of(spec.seq_length, length)
    bins = Bins.parse(options.bins, spec.target_length)
    check_shifts(spec, options.shifts)
    with Genome(fasta) as genome:
        skipped = None
        if is_vcf(regions):
            sites, skipped = vcf_sites(regions, genome, Window.of(spec), options.ref_policy)
        else:
            sites = bed_sites(regions, genome, spec.seq_length)
        if spec.kind == METHYLATION:
            _check_cpgs(sites, genome, spec.seq_length)
        size = _PART_BASES // (spec.seq_length * options.points)
        size = max(1, min(_MOST_PART, size))
        files = {"regions": regions, "fasta": fasta, **(model_files or {})}
        plan = Plan(
            FORMAT,
            {label: identity(path) for label, path in files.items()},
            {
                "options": asdict(options),
                "head": head,
                "outputs": [o.name for o in outputs],
                "targets": hashlib.sha256(np.stack([o.weights for o in outputs])).hexdigest(),
                "part_windows": size,
            },
            -(-len(sites) // size),
            ".npz",
        )
        _forecast(folder, options, len(sites), span, len(outputs))
        # A model that cannot be used must not cost results, nor leave a folder behind.

        def ready() -> AveragedScalar:
            chosen = (options.rc, options.shifts, options.mean, options.log)
            return AveragedScalar.of(load(), spec, head, bins, *chosen, len(outputs[0].weights))

        scalar = ready() if overwrite or not folder.exists() else None
        plan.claim(folder, resume, overwrite)
        if not (folder / NAME).exists():
            with run_record(folder, {}, windows=len(sites), seed=options.seed) as record:
                record["inputs"] = dict(plan.inputs)
                work = (spec, sites, span, genome, outputs, options, condition, size)
                parts = AttributionParts(*work)
                if plan.missing(folder):
                    parts.write_parts(plan, folder, scalar or ready(), quiet)
                if skipped is not None:
                    write_text(folder / SKIPPED, skipped)
                parts.write_file(plan, folder)
                record["median_relative_gap"] = write_table(folder)
                _told(record["median_relative_gap"], options)
        remove_all_parts(folder)
    return folder


def _check_cpgs(sites: Sequence[Site], genome: Genome, length: int) -> None:
    """Refuse windows of a model of methylation without a CpG in the middle."""
    for site in sites:
        middle = site.window + length // 2
        if site.strand == "-" or decode(genome.indices(site.chrom, middle, middle + 2)) != "CG":
            raise InputFileError(
                f"the model predicts the methylation of a CpG, and the forward strand has none at "
                f"{site.chrom}:{middle}, the middle of a region: want regions of one base, the C, "
                "on the strand +"
            )


def _forecast(
    folder: Path, options: AttributionOptions, windows: int, span: Span, outputs: int
) -> None:
    """Log how much there is to do, and refuse a disk that is too small."""
    passes = windows * outputs * options.points * len(options.shifts) * (1 + options.rc)
    bytes_ = windows * span.length * 4 * (1 + 4 * outputs)
    _log.info(
        "%s, %s: %s; %s",
        number_of(windows, "window"),
        number_of(outputs, "output"),
        number_of(passes, "backward pass", "backward passes"),
        shown_size(bytes_),
    )
    check_room(folder, 2 * bytes_)  # parts, and the file made of them


def _told(gap: float | None, options: AttributionOptions) -> None:
    if gap is not None:
        _log.info(
            "contributions sum to the difference from the baseline but for %.2g of it (median)", gap
        )
    if gap is not None and gap > 0.1:
        more = "steps" if options.method == "integrated" else "shuffles"
        _log.warning("the median gap is %.0f%%: use more --%s", 100 * gap, more)
