"""Saturation mutagenesis: every other letter at every position of regions, and what it does.

Work is cut into parts of consecutive positions, counted through all sequences; within a part,
batches are filled across sequences.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from tfepi.spec import AveragedPredictor, Condition, ModelSpec, Predictor, check_shifts
from tfepi.variants import mutagenesis_scores as scores
from tfepi.variants.alleles import Window
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.mutagenesis_options import Mutagenesis
from tfepi.variants.mutagenesis_output import (
    LETTERS,
    NAME,
    Layout,
    PartWriter,
    write_scores,
    written_part,
)
from tfepi.variants.mutagenesis_sites import Site, Span, bed_sites, is_vcf, vcf_sites
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import default_chunk_records
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity, write_text
from tfrecords_tools.genome import Genome
from tfrecords_tools.output import check_folder, check_room, run_record, shown_size
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

FORMAT = "tfepi-mutagenesis"
SKIPPED = "skipped.tsv"
_OWN = -1  # in place of a change: the sequence as it is
_GROUP_BYTES = 16 << 20  # predictions compared at once
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
    if part_positions is None:
        part_positions = max(1, default_chunk_records(spec) // (LETTERS - 1))
    if part_positions < 1:
        raise ConfigError(f"part_positions is {part_positions}: want at least 1")
    with Genome(fasta) as genome:
        skipped = None
        if is_vcf(regions):
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
                    models = (spec, options, chosen, predictor or load(), condition)
                    run = _Run(genome, layout, *models)
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
    _log.info(
        "%d sequences, %d positions each: %d predictions to make; %s of scores",
        len(layout.sites),
        layout.span.length,
        len(layout.sites) + (LETTERS - 1) * layout.positions,
        shown_size(bytes_),
    )
    check_room(folder, 2 * bytes_)  # parts, and the file made of them


class _Run:
    """The loop over parts: sequences to changed sequences to predictions to statistics."""

    def __init__(
        self,
        genome: Genome,
        layout: Layout,
        spec: ModelSpec,
        options: Mutagenesis,
        chosen: HeadTargets,
        predictor: Predictor,
        condition: Condition | None = None,
    ):
        self._condition = condition
        self._genome, self._layout, self._options = genome, layout, options
        self._averaged = AveragedPredictor(predictor, options.rc, options.shifts)
        self._chosen = chosen
        self._window = Window(spec.seq_length, spec.bin_width, spec.crop, spec.target_length)
        self._group = max(1, _GROUP_BYTES // (4 * spec.target_length * len(layout.targets)))

    def write_parts(self, plan: Plan, folder: Path, todo: list[int], quiet: bool) -> int:
        """Write the parts in `todo`; return how many changes have undefined predictions."""
        layout, undefined = self._layout, 0
        done = layout.positions - sum(len(layout.part(n)) for n in todo)
        with progress(
            total=layout.positions, unit="positions", label="mutate", quiet=quiet, initial=done
        ) as bar:
            for number in todo:
                undefined += self._write_part(plan.part(folder, number), number, bar.update)
        if undefined:
            _log.warning("%d changes have predictions that are not finite numbers", undefined)
        return undefined

    def _write_part(self, path: Path, number: int, advance: Callable[[int], object]) -> int:
        positions, length = self._layout.part(number), self._layout.span.length
        first = positions.start // length
        sites = self._layout.sites[first : (positions.stop - 1) // length + 1]
        bases = np.stack([site.sequence(self._genome, self._window) for site in sites])
        further = {} if self._condition is None else self._conditions(sites)
        start = self._layout.span.start
        inner = bases[:, start : start + length].reshape(-1)
        own = inner[positions.start - first * length :][: len(positions)]
        site_of, rows = _changes(own, positions, first, length)
        undefined, moved, last, defined = 0, 0, None, False
        with written_part(path, self._layout, own) as writer:
            for low in range(0, len(rows), self._options.batch_size):
                batch = slice(low, low + self._options.batch_size)
                which, changes = site_of[batch], rows[batch]
                sequences = bases[which]
                changed = np.flatnonzero(changes != _OWN)
                position = positions.start + changes[changed] // LETTERS
                index = start + position - (first + which[changed]) * length
                sequences[changed, index] = changes[changed] % LETTERS
                inputs = {name: array[which] for name, array in further.items()}
                predicted = self._averaged.predict(inputs | {"sequence": sequences})
                values = self._chosen.values(predicted)
                defined = defined or bool(np.isfinite(values).any())
                for site in np.unique(which).tolist():
                    here = np.flatnonzero(which == site)
                    if changes[here[0]] == _OWN:
                        last, here = values[here[0]], here[1:]
                    undefined += self._score(writer, last, values[here], changes[here])
                step = int(changes.max()) // LETTERS + 1 - moved
                moved += max(0, step)
                advance(max(0, step))
            if not defined:
                raise InputFileError(
                    f"the model predicts no finite number for positions {positions.start + 1} to "
                    f"{positions.stop}: its weights are damaged"
                )
        return undefined

    def _conditions(self, sites: Sequence[Site]) -> dict[str, np.ndarray]:
        """Return the inputs besides the sequence of sites."""
        length = self._window.length
        found = self._condition([(s.chrom, s.window, s.window + length) for s in sites])
        if "tracks" in found:
            reverse = [s.strand == "-" for s in sites]
            tracks = found["tracks"].copy()
            tracks[reverse] = tracks[reverse][:, ::-1]
            found["tracks"] = tracks
        return found

    def _score(
        self, writer: PartWriter, own: np.ndarray, changed: np.ndarray, rows: np.ndarray
    ) -> int:
        for low in range(0, len(rows), self._group):
            group = slice(low, low + self._group)
            writer.write(rows[group], scores.compare(self._options.stats, own, changed[group]))
        finite = np.isfinite(changed).all(axis=(1, 2)) & np.isfinite(own).all()
        return int((~finite).sum())


def _changes(
    own: np.ndarray, positions: range, first: int, length: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what to predict for a part, sequence by sequence, each as it is and then changed.

    Args:
        own: letters of the part's positions.
        positions: numbers of those, through all sequences.
        first: number of the part's first sequence.
        length: positions per sequence.

    Returns:
        Sequence of each, counted from `first`; and place in the part * 4 + letter, or -1.
    """
    place, letter = np.nonzero(own[:, None] != np.arange(LETTERS))
    site = (positions.start + place) // length - first
    begins = np.searchsorted(site, np.arange(site[-1] + 1))  # every sequence has a change
    rows = np.insert(place * LETTERS + letter, begins, _OWN)
    return np.insert(site, begins, np.arange(len(begins))), rows
