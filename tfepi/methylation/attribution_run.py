"""A run of attributions: gradients in numbered parts, mutagenesis by its own engine, the files."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import h5py
import numpy as np

from tfepi.methylation.attribution import Agreement, gradient_function
from tfepi.methylation.attribution_files import NAME, write_tables, written_attribution
from tfepi.methylation.cpg_places import Place
from tfepi.predictors import KerasPredictor
from tfepi.spec import METHYLATION, AveragedPredictor, ModelSpec, Predictor
from tfepi.variants.mutagenesis import mutate
from tfepi.variants.mutagenesis_options import Mutagenesis
from tfepi.variants.mutagenesis_output import NAME as SCORES
from tfepi.variants.mutagenesis_sites import Span
from tfepi.variants.numbered import Plan, remove_all_parts, unreadable_part
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import atomic_path, identity, write_text
from tfrecords_tools.genome import Genome, one_hot
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress

FORMAT = "tfepi-attribution-run"
METHODS = ("gradient", "ism")
LENGTH = 401
_BED, _ISM = "cpgs.bed", "ism"
_PART = 16
_GRADIENT_BATCH = 8


@dataclass(frozen=True)
class AttributionOptions:
    """How predictions are attributed.

    Attributes:
        methods: of `METHODS`.
        length: bp around the C that are mutated and listed; None for 401, or the whole window
            where that is shorter.
        rc: average predictions over both strands.
        batch_size: sequences per call of the model.
    """

    methods: tuple[str, ...] = METHODS
    length: int | None = None
    rc: bool = False
    batch_size: int = 64

    def __post_init__(self):
        for method in self.methods:
            if method not in METHODS:
                raise unknown("method of attribution", method, METHODS)
        if not self.methods:
            raise ConfigError(f"no method of attribution: want {' or '.join(METHODS)}")
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}: want at least 1")


def check_model(spec: ModelSpec) -> None:
    """Refuse a model whose window is not that of a CpG.

    Raises:
        ConfigError: a model of something else, or with further inputs.
    """
    if spec.kind != METHYLATION or spec.target_length != 1:
        raise ConfigError(
            f"the model {spec.name} does not predict the methylation of a CpG: attribute its "
            "predictions with tfepi_ism.py"
        )
    if set(spec.inputs) != {"sequence"} or spec.seq_length % 2 == 0:
        raise ConfigError(
            f"the model takes {' and '.join(spec.inputs)} of {spec.seq_length} bp: want the "
            "sequence alone, of odd length"
        )


def attribute(
    load: Callable[[], Predictor],
    spec: ModelSpec,
    places: Sequence[Place],
    fasta: str | Path,
    out: str | Path,
    options: AttributionOptions = AttributionOptions(),
    *,
    files: dict[str, str | Path],
    head: str,
    tasks: Sequence[int],
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict[str, list[Agreement]]:
    """Attribute the predicted methylation of CpGs to the bases around them.

    Args:
        load: returns the model.
        spec: its contract.
        places: the CpGs.
        fasta: the genome, plain or bgzip.
        out: output folder.
        options: the options.
        files: label → path of the files whose content is the model.
        head: the model's output.
        tasks: numbers of its tasks.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bars.

    Returns:
        Where both methods are asked for: task → how far they agree, a value per CpG.

    Raises:
        ConfigError: a model or an option that does not fit.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    check_model(spec)
    length = min(LENGTH, spec.seq_length) if options.length is None else options.length
    span = Span.of(spec.seq_length, length)
    targets = [spec.head(head).targets[i] for i in tasks]
    listed = [f"{p.chrom}\t{p.position}\t{p.position + 1}\t{p.label or p}\n" for p in places]
    plan = Plan(
        FORMAT,
        {label: identity(path) for label, path in {"fasta": fasta, **files}.items()},
        {
            "methods": options.methods,
            "length": length,
            "rc": options.rc,
            "head": head,
            "tasks": [t.identifier for t in targets],
            "cpgs": [f"{p.chrom}:{p.position}" for p in places],
        },
        -(-len(places) // _PART),
        ".npz",
    )
    plan.claim(folder, resume, overwrite)
    if not (folder / NAME).exists():
        with run_record(folder, {}, cpgs=len(places)) as record, Genome(fasta) as genome:
            record["inputs"] = dict(plan.inputs)
            run = _Run(load(), spec, genome, places, head, list(tasks), options, span)
            run.write_parts(plan, folder, quiet)
            if "ism" in options.methods:
                write_text(folder / _BED, "".join(listed))
                mutate(
                    lambda: run.predictor,
                    spec,
                    folder / _BED,
                    fasta,
                    folder / _ISM,
                    Mutagenesis(
                        ("SAD",),
                        up=span.up,
                        down=span.down,
                        rc=options.rc,
                        head=head,
                        batch_size=options.batch_size,
                    ),
                    targets=targets,
                    resume=(folder / _ISM).exists(),
                    quiet=quiet,
                )
            run.write_file(plan, folder, [t.identifier for t in targets])
    found = write_tables(folder, span.length)
    shutil.rmtree(folder / _ISM, ignore_errors=True)
    remove_all_parts(folder)
    return found


class _Run:
    """The windows of CpGs, their gradients, and the file of both methods."""

    def __init__(
        self,
        predictor: Predictor,
        spec: ModelSpec,
        genome: Genome,
        places: Sequence[Place],
        head: str,
        tasks: list[int],
        options: AttributionOptions,
        span: Span,
    ):
        if "gradient" in options.methods and not isinstance(predictor, KerasPredictor):
            raise ConfigError(
                "a SavedModel has no gradients: name the run folder it was exported from, or "
                "use --method ism"
            )
        self.predictor = predictor
        self._spec, self._genome, self._places, self._span = spec, genome, places, span
        self._head, self._tasks, self._options = head, tasks, options

    def write_parts(self, plan: Plan, folder: Path, quiet: bool) -> None:
        """Write predictions and gradients of all CpGs, sixteen a part."""
        todo = plan.missing(folder)
        function = self._function() if todo else None
        done = len(self._places) - sum(len(self._part(n)) for n in todo)
        with progress(
            total=len(self._places), unit="CpGs", label="gradient", quiet=quiet, initial=done
        ) as bar:
            for number in todo:
                found = []
                sequences = self._sequences(self._part(number))
                size = min(_GRADIENT_BATCH, self._options.batch_size)
                for low in range(0, len(sequences), size):
                    found.append(function(sequences[low : low + size]))
                    bar.update(len(found[-1]["prediction"]))
                arrays = {k: np.concatenate([f[k] for f in found]) for k in found[0]}
                with atomic_path(plan.part(folder, number)) as part:
                    np.savez(part, **arrays)

    def write_file(self, plan: Plan, folder: Path, names: list[str]) -> None:
        """Write attribution.h5 from the parts and the scores of mutagenesis."""
        arguments = (self._spec.seq_length, self._span.start, self._span.length)
        with written_attribution(
            folder / NAME, self._places, names, *arguments, self._options.methods
        ) as write:
            for number in range(plan.parts):
                part, path = self._part(number), plan.part(folder, number)
                try:
                    with np.load(path, allow_pickle=False) as file:
                        arrays = {name: file[name] for name in file.files}
                except (OSError, ValueError, EOFError, BadZipFile) as error:
                    raise unreadable_part(path, error) from None
                arrays["seqs"] = one_hot(self._sequences(part)).astype(bool)
                if "ism" in self._options.methods:
                    with h5py.File(folder / _ISM / SCORES, "r") as file:
                        arrays["change"] = file["SAD"][part.start : part.stop]
                write(part.start, **arrays)

    def _part(self, number: int) -> range:
        return range(number * _PART, min((number + 1) * _PART, len(self._places)))

    def _sequences(self, part: range) -> np.ndarray:
        half, length = self._spec.seq_length // 2, self._spec.seq_length
        starts = [(self._places[i].chrom, self._places[i].position - half) for i in part]
        return self._genome.windows([(chrom, start, start + length) for chrom, start in starts])

    def _function(self) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        """Return the function from base indices to predictions and, if asked for, gradients."""
        if "gradient" in self._options.methods:
            step = 1 if self._options.rc else None
            of = gradient_function(self.predictor.model, self._head, self._tasks, step)
            return lambda s: dict(zip(("prediction", "gradient"), of(s), strict=True))
        averaged = AveragedPredictor(self.predictor, self._options.rc)

        def predict(sequences: np.ndarray) -> dict[str, np.ndarray]:
            values = averaged.predict({"sequence": sequences})[self._head]
            return {"prediction": values.sum(axis=1)[:, self._tasks]}

        return predict
