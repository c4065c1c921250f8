"""Test a model on a label of a data folder: predictions, acc.txt, metrics.json."""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tfepi.cell_data import CellData
from tfepi.crew import ALONE, Crew
from tfepi.evaluation.bootstrap import Bootstrap, genome_blocks
from tfepi.evaluation.filling import fill_parts, other_count
from tfepi.evaluation.matching import LabelledData, check_sizes, chosen_targets
from tfepi.evaluation.metrics import accuracy_table, evaluate
from tfepi.evaluation.predictions import Layout, PredictionError, PredictionParts
from tfepi.spec import AveragedPredictor, Head, ModelSpec, Predictor, check_shifts
from tfepi.variants.numbered import FOLDER
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import read_json, write_json, write_text
from tfrecords_tools.output import run_record


@dataclass(frozen=True)
class Request:
    """What to test, and how.

    Attributes:
        label: which windows.
        head: the model's output; None: its only one.
        targets: identifiers or indexes to test, or the path of a table; None: all.
        rc: average with predictions of the reverse complement.
        shifts: bp; average predictions over these moves of the sequence.
        bootstrap: how intervals are made.
        binary: acc.txt with auroc and auprc, as for the loss bce.
        save: write preds.h5 and targets.h5.
        batch_size: windows predicted at once.
    """

    label: str = "test"
    head: str | None = None
    targets: tuple[str, ...] | None = None
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    binary: bool = False
    save: bool = False
    batch_size: int = 64

    def __post_init__(self):
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size}: want at least 1")


@dataclass(frozen=True)
class Outcome:
    """What a test found.

    Attributes:
        metrics: the value of metrics.json.
        predictions: observed and predicted values, on disk until `predictions.remove()`.
    """

    metrics: dict
    predictions: PredictionParts


def record_batches(
    data: LabelledData, label: str, size: int
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (first window, uint8 [windows, seq_length], float16 targets) of a label's records."""
    records = iter(data.records(label))
    start = 0
    while batch := list(itertools.islice(records, size)):
        yield start, np.stack([s for s, _ in batch]), np.stack([t for _, t in batch])
        start += len(batch)


def layout_of(data: LabelledData, label: str, targets: Sequence[int], bins: int) -> Layout:
    """Return the layout of predictions of a label's windows.

    Raises:
        ConfigError: the data have no such label.
        InputFileError: not as many windows are listed for it as it has records.
    """
    if label not in data.labels:
        raise unknown("label", label, data.labels, "of the data")
    windows = tuple(data.windows(label))
    if len(windows) != data.counts[label]:
        raise other_count(label, data.counts[label], len(windows))
    chosen = tuple(data.targets[t] for t in targets)
    return Layout(windows, bins, data.pool_width, chosen, label)


def prepare(
    spec: ModelSpec, data: LabelledData, request: Request, stated: dict | None = None
) -> tuple[Head, tuple[int, ...], tuple[int, ...], Layout]:
    """Check all of a test that can be checked without the model.

    Returns:
        The head, positions of the targets in the head and in the data, the layout.

    Raises:
        ConfigError: sizes that differ, an input other than the sequence, an unknown head,
            target or label, blocks of the genome that are too few.
        InputFileError: the label has not as many windows as records.
    """
    head = spec.head(request.head)
    extra = sorted(set(spec.inputs) - {"sequence"})
    by_mark = spec.conditioning is not None and spec.conditioning.outputs == "marks"
    if (extra or by_mark) and not isinstance(data, CellData):
        trained = f" (trained on: {', '.join(spec.conditioning.cells)})" if by_mark else ""
        raise ConfigError(
            f"the model is tested in one cell type at a time: name one with --cell{trained}"
        )
    check_sizes(spec, data, head, stated)
    check_shifts(spec, request.shifts)
    of_head, of_data = chosen_targets(head, data, request.targets)
    layout = layout_of(data, request.label, of_data, data.target_length)
    if request.bootstrap.resamples:
        genome_blocks(layout.windows, request.bootstrap.block_bp)
    return head, of_head, of_data, layout


def planned_parts(
    spec: ModelSpec,
    data: LabelledData,
    out: str | Path,
    request: Request,
    inputs: Mapping[str, dict] | None = None,
) -> PredictionParts:
    """Return the parts of a test, of which nothing need be on disk yet.

    Args:
        spec: the model's contract.
        data: the data folder.
        out: run folder.
        request: what is tested.
        inputs: label → identity of each file of the model (`files.identity`).
    """
    head, _, _, layout = prepare(spec, data, request)
    facts = {
        "manifest": data.manifest_sha256,
        "rc": request.rc,
        "shifts": list(request.shifts),
        "head": head.name,
    }
    facts |= {
        "binary": request.binary,
        "save": request.save,
        "bootstrap": asdict(request.bootstrap),
    }
    return PredictionParts(out, layout, inputs, facts)


def finished(parts: PredictionParts) -> dict | None:
    """Return metrics.json of a run that is done, None of one that is not.

    Raises:
        UnfinishedError: it was done with other inputs or options.
    """
    path = parts.folder / "metrics.json"
    if not path.exists() or (parts.folder / FOLDER).exists():
        return None
    parts.plan.check_same(parts.folder)
    return read_json(path)


def run_test(
    predictor: Predictor,
    data: LabelledData,
    out: str | Path,
    request: Request | None = None,
    stated: dict | None = None,
    inputs: Mapping[str, dict] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = True,
    crew: Crew = ALONE,
) -> Outcome | None:
    """Predict a label's windows, measure accuracy, write acc.txt and metrics.json.

    Predictions are kept in out/parts until the caller removes them (`outcome.predictions.
    remove()`); parts that are there already are not predicted again.

    Args:
        predictor: the model.
        data: the data folder.
        out: run folder (run.json, manifest.json, acc.txt, metrics.json); made if absent.
        request: what to test; None: the defaults.
        stated: sizes that params.json states (`matching.stated_sizes`), to check against both.
        inputs: label → identity of each file of model and data; parts made from others are
            refused.
        resume: go on with the parts that are there.
        overwrite: remove earlier results.
        quiet: no progress bars.
        crew: processes that share the parts, all of which call this.

    Returns:
        The outcome; None in a process that does not lead the crew.

    Raises:
        ConfigError: model, params and data of other sizes; unknown label, head or target.
        PredictionError: the model gave NaN, or values of another shape.
        UnfinishedError: out has results and neither was asked for, or is of something else.
    """
    spec, request = predictor.spec, request or Request()
    head, of_head, of_data, _ = prepare(spec, data, request, stated)
    parts = planned_parts(spec, data, out, request, inputs)
    final = [parts.folder / "metrics.json"]
    if not crew.await_lead(parts.folder / FOLDER, range(parts.plan.parts), final, overwrite):
        return None
    if crew.leads:
        parts.claim(resume, overwrite)
    else:
        parts.plan.check_same(parts.folder)
    if request.rc or request.shifts != (0,):
        predictor = AveragedPredictor(predictor, request.rc, request.shifts)

    def predict(inputs: np.ndarray | dict[str, np.ndarray]) -> np.ndarray:
        inputs = inputs if isinstance(inputs, dict) else {"sequence": inputs}
        values = predictor.predict(inputs)[head.name]
        if values.ndim != 3 or values.shape[2] != len(head.targets):
            raise PredictionError(
                f"the model gave values of shape {values.shape}, want [windows, bins, "
                f"{len(head.targets)} targets]"
            )
        return values[:, :, list(of_head)]

    seed, manifest = request.bootstrap.seed, data.manifest_sha256
    fill = (parts, data, predict, list(of_data), request.batch_size, quiet)
    if not crew.leads:
        with crew.at_work(parts.folder / FOLDER):
            fill_parts(*fill, own=crew.own)
        return None
    with run_record(parts.folder, dict(inputs or {}), seed=seed, data_sha256=manifest):
        with crew.at_work(parts.folder / FOLDER) as duty:
            fill_parts(*fill, own=crew.own)
            duty.await_others(lambda: parts.plan.missing(parts.folder))
        described = {"head": head.name, "rc": request.rc, "shifts": list(request.shifts)}
        described["kind"] = spec.kind
        metrics = evaluate(parts, request.bootstrap, quiet, request.binary) | described
        write_results(parts.folder, metrics, request.binary, parts if request.save else None)
    return Outcome(metrics, parts)


def write_results(
    out: Path, metrics: dict, binary: bool, saved: PredictionParts | None, kind: type = np.float16
) -> None:
    """Write acc.txt, metrics.json and, if predictions are given, preds.h5 and targets.h5.

    Args:
        out: run folder.
        metrics: the value of metrics.json.
        binary: see `accuracy_table`.
        saved: predictions to save, or None.
        kind: number type of targets.h5.
    """
    for note in metrics["notes"]:
        logging.getLogger(__name__).warning("%s", note)
    write_text(out / "acc.txt", accuracy_table(metrics, binary))
    if saved is not None:
        saved.save(out, kind)
    write_json(out / "metrics.json", metrics)
