"""Runs over changed sequences: statistics of each row of a design, in numbered parts.

A part holds, for each statistic, float32 [rows, targets], and how many bases of each row differ
from its sequence's as it is, int32 [rows].
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tfepi.perturbation.design import Design
from tfepi.perturbation.effects import Effects, Rows
from tfepi.spec import Condition, ModelSpec, Predictor, check_shifts
from tfepi.variants.alleles import Window
from tfepi.variants.alternatives import Evaluator
from tfepi.variants.evaluators import make_evaluator
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import default_chunk_records
from tfepi.variants.reference_groups import Group, group_size, site_groups
from tfepi.variants.scores import warn_of_one_bin
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, check_room, run_record, shown_size
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Asked:
    """What every run over changed sequences is asked.

    Attributes:
        load: returns the model.
        spec: its contract.
        fasta: the genome, plain or bgzip.
        out: output folder.
        files: label → path of the files that decide the model and the changes.
        targets: score only these of the head's, by identifier; None for all.
        condition: the model's inputs besides the sequence, or None.
        part_rows: rows per numbered part; None for a number that suits the model.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bar.
    """

    load: Callable[[], Predictor]
    spec: ModelSpec
    fasta: str | Path
    out: str | Path
    files: Mapping[str, str | Path] = field(default_factory=dict)
    targets: Sequence[Target] | None = None
    condition: Condition | None = None
    part_rows: int | None = None
    resume: bool = False
    overwrite: bool = False
    quiet: bool = False


def perturb(
    asked: Asked,
    effects: Effects,
    kind: str,
    facts: Mapping[str, object],
    design: Design,
    finish: Mapping[str, Callable[[Path, Rows, Genome], None]],
) -> Path:
    """Score the rows of a design, and write the files made of them.

    Everything that can be checked is checked before the model is loaded. The bytes of the results
    depend on inputs and options only, not on being stopped and resumed; a finished run is left
    alone.

    Args:
        asked: what every run is asked.
        effects: the options that decide scores.
        kind: format of manifest.json.
        facts: what else decides the design, JSON values.
        design: the sequences and their changes.
        finish: name of a file → what writes it, in order; the last one is the mark of the end.

    Returns:
        The folder written.

    Raises:
        InputFileError: a FASTA or model that cannot be used, or only NaN predicted.
        ConfigError: an unknown target, or an option that does not suit the model.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(asked.out, asked.resume, asked.overwrite)
    spec = asked.spec
    chosen = HeadTargets.of(spec, effects.head, asked.targets, effects.untransform)
    check_shifts(spec, effects.shifts)
    warn_of_one_bin(effects.stats, spec.target_length)
    size = default_chunk_records(spec) if asked.part_rows is None else asked.part_rows
    if size < 1:
        raise ConfigError(f"part_rows is {size}: want at least 1")
    size = -(-size // design.unit) * design.unit
    rows = int(design.bounds[-1])
    with Genome(asked.fasta) as genome:
        plan = Plan(
            kind,
            {k: identity(p) for k, p in {"fasta": asked.fasta, **asked.files}.items()},
            {
                "options": asdict(effects),
                **facts,
                "bins": spec.target_length,
                "targets": [t.to_json() for t in chosen.targets],
                "rows": rows,
                "part_rows": size,
            },
            -(-rows // size),
            ".h5",
        )
        need = 4 * rows * len(chosen.targets) * len(effects.stats)
        _log.info(
            "%s: %d predictions to make; %s of scores",
            number_of(len(design.sites), "sequence"),
            len(design.sites) + rows,
            shown_size(need),
        )
        check_room(folder, 3 * need)
        # A model that cannot be loaded must not cost results, nor leave a folder behind.
        predictor = asked.load() if asked.overwrite or not folder.exists() else None
        plan.claim(folder, asked.resume, asked.overwrite)
        if not (folder / list(finish)[-1]).exists():
            with run_record(folder, {}, sequences=len(design.sites), rows=rows) as record:
                record["inputs"] = dict(plan.inputs)
                if todo := plan.missing(folder):
                    averaging = (spec, chosen, effects.rc, effects.shifts, effects.incremental)
                    model = predictor or asked.load()
                    evaluator = make_evaluator(model, *averaging, effects.batch_size, rows)
                    run = _Run(genome, spec, evaluator, design, effects, asked.condition)
                    record["undefined_rows"] = run.write_parts(
                        plan, folder, todo, size, chosen, asked.quiet
                    )
                found = Rows(plan, folder, size, rows, chosen.targets, effects.stats)
                for name, write in finish.items():
                    write(folder / name, found, genome)
        remove_all_parts(folder)
    return folder


class _Run:
    """The loop over parts: rows to changed sequences to predictions to statistics."""

    def __init__(
        self,
        genome: Genome,
        spec: ModelSpec,
        evaluator: Evaluator,
        design: Design,
        effects: Effects,
        condition: Condition | None,
    ):
        self._genome, self._evaluator = genome, evaluator
        self._design, self._effects = design, effects
        self._window = Window(spec.seq_length, spec.bin_width, spec.crop, spec.target_length)
        each = -(-int(design.bounds[-1]) // len(design.sites))
        size = group_size(each, evaluator, spec.seq_length)
        self._groups = site_groups(evaluator, genome, self._window, design.sites, size, condition)

    def write_parts(
        self,
        plan: Plan,
        folder: Path,
        todo: Sequence[int],
        size: int,
        chosen: HeadTargets,
        quiet: bool,
    ) -> int:
        """Write the parts in `todo`; return how many rows have undefined predictions."""
        rows, undefined = int(self._design.bounds[-1]), 0
        parts = {n: np.arange(n * size, min((n + 1) * size, rows)) for n in todo}
        done = rows - sum(map(len, parts.values()))
        with progress(total=rows, unit="changes", label="predict", quiet=quiet, initial=done) as b:
            for number, part in parts.items():
                path = plan.part(folder, number)
                undefined += self._write_part(path, part, len(chosen.targets), b.update)
        if undefined:
            changes = number_of(undefined, "change")
            _log.warning("predictions that are no finite numbers, of %s", changes)
        return undefined

    def _write_part(
        self, path: Path, rows: np.ndarray, targets: int, advance: Callable[[int], object]
    ) -> int:
        undefined, defined, stats = 0, False, self._effects.stats
        with written_hdf5(path) as (file, check):
            for name in stats:
                file.create_dataset(name, (len(rows), targets), np.float32)
            file.create_dataset("differ", (len(rows),), np.int32)
            for group, site_of, low, high in self._batches(rows):
                of = site_of - group.numbers.start
                sequences = self._sequences(group, site_of, rows[low:high])
                changed = self._evaluator.alternatives(group.references, of, sequences)
                defined = defined or group.defined or bool(np.isfinite(changed.values).any())
                undefined += group.undefined(changed)
                for name, values in group.comparison.compare(stats, changed).items():
                    file[name][low:high] = values
                file["differ"][low:high] = (sequences != group.bases[of]).sum(axis=1)
                check()
                advance(high - low)
            if not defined:
                raise InputFileError(
                    f"the model predicts no finite number for changes {rows[0] + 1} to "
                    f"{rows[-1] + 1}: its weights are damaged"
                )
        return undefined

    def _batches(self, rows: np.ndarray) -> Iterator[tuple[Group, np.ndarray, int, int]]:
        """Yield group, sites, first and stop place of batches, each of sites of one group."""
        sites = np.searchsorted(self._design.bounds, rows, side="right") - 1
        groups = sites // self._groups.size
        low = 0
        while low < len(rows):
            stop = int(np.searchsorted(groups, groups[low], side="right"))
            group = self._groups.group(int(groups[low]))
            for start in range(low, stop, self._evaluator.changes):
                high = min(start + self._evaluator.changes, stop)
                yield group, sites[start:high], start, high
            low = stop

    def _sequences(self, group: Group, site_of: np.ndarray, rows: np.ndarray) -> np.ndarray:
        found = []
        for site in np.unique(site_of).tolist():
            own = group.bases[site - group.numbers.start]
            mine = rows[site_of == site]
            found.append(self._design.change(self._genome, self._window, site, own, mine))
        return np.concatenate(found)
