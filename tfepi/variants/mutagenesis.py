"""Saturation mutagenesis: every other letter at every position of regions, and what it does.

Work is cut into parts of consecutive positions, counted through all sequences; within a part,
batches are filled across sequences.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from tfepi.spec import Condition, ModelSpec, Predictor, check_shifts
from tfepi.variants.alleles import Window
from tfepi.variants.evaluators import make_evaluator
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.mutagenesis_options import Mutagenesis
from tfepi.variants.mutagenesis_output import LETTERS, NAME, Layout, write_scores
from tfepi.variants.mutagenesis_run import MutagenesisRun
from tfepi.variants.mutagenesis_sites import (
    Span,
    bed_sites,
    is_vcf,
    stretch_sites,
    vcf_sites,
)
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import default_chunk_records
from tfepi.variants.scores import warn_of_one_bin
from tfepi.variants.stretches import Stretch, stretches_digest
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import identity, write_text
from tfrecords_tools.genome import Genome
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, check_room, run_record, shown_size
from tfrecords_tools.targets import Target

FORMAT = "tfepi-mutagenesis"
SKIPPED = "skipped.tsv"
_log = logging.getLogger(__name__)


def mutate(
    load: Callable[[], Predictor],
    spec: ModelSpec,
    regions: str | Path,
    fasta: str | Path,
    out: str | Path,
    options: Mutagenesis = Mutagenesis(),  # noqa: B008 frozen
    *,
    model_files: dict[str, str | Path] | None = None,
    targets: Sequence[Target] | None = None,
    part_positions: int | None = None,
    stretches: Sequence[Stretch] | None = None,
    condition: Condition | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Score every single-letter change of regions, or around the alleles of variants.

    A base that is none of ACGT has four changes, any other three. Everything that can be checked
    is checked before `load` is called and before anything is written. The bytes of the results
    depend on inputs and options only, not on being stopped and resumed; a finished run is left
    alone.

    Args:
        load: returns the model.
        spec: the model's contract.
        regions: BED, or VCF or BCF (told apart by their first bytes).
        fasta: the genome, plain or bgzip.
        out: output folder.
        options: the options.
        model_files: label → path of the files whose content is the model.
        targets: score only these of the head's, by identifier, with these transforms.
        part_positions: positions per part; None for a number that suits the model.
        stretches: mutate every base of these, instead of the middles of windows centred on the
            regions, the file that they come from.
        condition: the model's inputs besides the sequence, as in `scoring.score_vcf`.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        The folder written.

    Raises:
        InputFileError: a BED, VCF, FASTA or model that cannot be used, or only NaN predicted.
        ConfigError: an unknown target, or an option that does not suit the model.
        UnfinishedError: results are there, or were made from something else.
        OSError: the disk is full.
    """
    folder = check_folder(out, resume, overwrite)
    span = Span.of(spec.seq_length, options.length, options.up, options.down)
    chosen = HeadTargets.of(spec, options.head, targets, options.untransform)
    check_shifts(spec, options.shifts)
    warn_of_one_bin(options.stats, spec.target_length)
    if part_positions is None:
        part_positions = max(1, default_chunk_records(spec) // (LETTERS - 1))
    if part_positions < 1:
        raise ConfigError(f"part_positions is {part_positions}: want at least 1")
    with Genome(fasta) as genome:
        skipped = None
        if stretches is not None:
            sites = stretch_sites(stretches, span)
        elif is_vcf(regions):
            sites, skipped = vcf_sites(regions, genome, Window.of(spec), options.ref_policy)
        else:
            sites = bed_sites(regions, genome, spec.seq_length)
        layout = Layout(sites, span, chosen.targets, options.stats, part_positions)
        files = {"regions": regions, "fasta": fasta, **(model_files or {})}
        plan = Plan(
            FORMAT,
            {label: identity(path) for label, path in files.items()},
            {
                "options": asdict(options),
                "span": asdict(span),
                "bins": spec.target_length,
                "targets": [t.to_json() for t in chosen.targets],
                "part_positions": part_positions,
                **({} if stretches is None else {"stretches": stretches_digest(stretches)}),
            },
            layout.parts,
            ".h5",
        )
        _forecast(folder, layout)
        # A model that cannot be loaded must not cost results, nor leave a folder behind.
        predictor = load() if overwrite or not folder.exists() else None
        plan.claim(folder, resume, overwrite)
        if not (folder / NAME).exists():
            with run_record(folder, {}, sequences=len(sites)) as record:
                record["inputs"] = dict(plan.inputs)
                todo = plan.missing(folder)
                if todo:
                    averaging = (spec, chosen, options.rc, options.shifts, options.incremental)
                    model = predictor or load()
                    evaluator = make_evaluator(
                        model, *averaging, options.batch_size, (LETTERS - 1) * layout.positions
                    )
                    of_model = (spec, evaluator, condition)
                    run = MutagenesisRun(genome, layout, *of_model)
                    record["undefined_changes"] = run.write_parts(plan, folder, todo, quiet)
                if skipped is not None:
                    write_text(folder / SKIPPED, skipped)
                labels = any(site.label for site in sites)
                write_scores(folder / NAME, layout, plan, folder, asdict(options), labels)
        remove_all_parts(folder)
    return folder


def _forecast(folder: Path, layout: Layout) -> None:
    """Log how much there is to do, and refuse a disk that is too small."""
    bytes_ = 4 * LETTERS * layout.positions * len(layout.targets) * len(layout.stats)
    asked = [sum(high - low for low, high in s.asked) or layout.span.length for s in layout.sites]
    _log.info(
        "%s, %s%s each: %d predictions to make; %s of scores",
        number_of(len(layout.sites), "sequence"),
        "up to " * (min(asked) < layout.span.length),
        number_of(layout.span.length, "position"),
        len(layout.sites) + (LETTERS - 1) * sum(asked),
        shown_size(bytes_),
    )
    check_room(folder, 2 * bytes_)  # parts, and the file made of them
