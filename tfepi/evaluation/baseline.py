"""The k-mer ridge on a data folder: fit, choose the penalty, test, in a test's layout."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from tfepi.evaluation.bootstrap import Bootstrap, genome_blocks
from tfepi.evaluation.filling import fill_parts
from tfepi.evaluation.kmer_ridge import PENALTIES, KmerCounter, Ridge, fit_ridge
from tfepi.evaluation.matching import LabelledData
from tfepi.evaluation.metrics import evaluate
from tfepi.evaluation.predictions import Layout, PredictionParts
from tfepi.evaluation.testing import Outcome, layout_of, record_batches, write_results
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import write_json
from tfrecords_tools.output import run_record
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import select

BIN_RULES = ("centre", "sum")
BATCH_BASES = 4 << 20


@dataclass(frozen=True)
class RidgeOptions:
    """How the baseline is made.

    Attributes:
        k: length of a word.
        log1p: fit log(1 + y).
        bin: which value of a window is predicted: that of its centre bin (of an even number,
            the one right of the middle), or the sum over its bins.
        penalties: to choose from.
        train, valid, test: labels of the data folder; several folds joined by commas.
    """

    k: int = 6
    log1p: bool = True
    bin: str = "centre"
    penalties: tuple[float, ...] = PENALTIES
    train: str = "train"
    valid: str = "valid"
    test: str = "test"

    def __post_init__(self):
        if self.bin not in BIN_RULES:
            raise unknown("bin rule", self.bin, BIN_RULES)
        KmerCounter(self.k)


def bin_value(values: np.ndarray, rule: str) -> np.ndarray:
    """Return one value per window of [windows, bins, …]: the centre bin's, or the sum.

    A sum is missing (NaN) if any of its bins is.

    Raises:
        ConfigError: unknown rule.
    """
    if rule not in BIN_RULES:
        raise unknown("bin rule", rule, BIN_RULES)
    if rule == "centre":
        return values[:, values.shape[1] // 2]
    return values.sum(axis=1, dtype=np.float64)


def centre_of(data: LabelledData, rule: str) -> tuple[int, int]:
    """Return start and end, in bp of the sequence, of what `bin_value` is the value of."""
    if rule == "sum":
        return data.crop_bp, data.crop_bp + data.target_length * data.pool_width
    start = data.crop_bp + data.target_length // 2 * data.pool_width
    return start, start + data.pool_width


def prepare_baseline(
    data: LabelledData,
    options: RidgeOptions,
    targets: Sequence[str] | None,
    bootstrap: Bootstrap,
) -> tuple[list[int], Layout]:
    """Check all that can be checked before windows are read.

    Returns:
        Positions of the targets in the data, and the layout of the predictions.

    Raises:
        ConfigError: unknown label or target, blocks of the genome that are too few.
        InputFileError: no windows are listed for a label.
    """
    of_data = list(select(data.targets, list(targets)) if targets else range(len(data.targets)))
    for label in f"{options.train},{options.valid}".split(","):
        layout_of(data, label, of_data, 1)
    layout = layout_of(data, options.test, of_data, 1)
    if bootstrap.resamples:
        genome_blocks(layout.windows, bootstrap.block_bp)
    start, end = centre_of(data, options.bin)
    return of_data, replace(layout, bin_width=end - start)


def planned_parts(
    data: LabelledData,
    out: str | Path,
    options: RidgeOptions,
    targets: Sequence[str] | None,
    bootstrap: Bootstrap,
    inputs: Mapping[str, dict] | None = None,
) -> PredictionParts:
    """Return the parts of a baseline's test, of which nothing need be on disk yet."""
    _, layout = prepare_baseline(data, options, targets, bootstrap)
    facts = {"manifest": data.manifest_sha256, "bootstrap": asdict(bootstrap)}
    return PredictionParts(out, layout, inputs, asdict(options) | facts)


def run_baseline(
    data: LabelledData,
    out: str | Path,
    options: RidgeOptions | None = None,
    targets: Sequence[str] | None = None,
    bootstrap: Bootstrap | None = None,
    inputs: Mapping[str, dict] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = True,
) -> Outcome:
    """Fit the ridge and test it; write acc.txt, metrics.json, preds.h5, targets.h5, ridge.json.

    Args:
        data: the data folder.
        out: run folder; made if absent.
        options: how the ridge is made; None: the defaults.
        targets: identifiers or indexes; None: all.
        bootstrap: how intervals are made.
        inputs: label → identity of each input file.
        resume: go on with the parts that are there.
        overwrite: remove earlier results.
        quiet: no progress bars.

    Raises:
        ConfigError: unknown label, target or rule; targets that cannot be fitted.
        UnfinishedError: out has results and neither was asked for, or is of something else.
    """
    options, bootstrap = options or RidgeOptions(), bootstrap or Bootstrap()
    of_data, layout = prepare_baseline(data, options, targets, bootstrap)
    parts = planned_parts(data, out, options, targets, bootstrap, inputs)
    parts.claim(resume, overwrite)
    counter = KmerCounter(options.k, centre_of(data, options.bin))
    size = max(1, BATCH_BASES // data.seq_length)

    def batches(labels: str):
        for label in labels.split(","):
            total = len(layout_of(data, label, of_data, 1).windows)
            with progress(total=total, unit="window", label=label, quiet=quiet) as bar:
                for _, sequence, target in record_batches(data, label, size):
                    yield sequence, bin_value(target[:, :, of_data], options.bin)
                    bar.update(len(sequence))

    seed, manifest = bootstrap.seed, data.manifest_sha256
    with run_record(parts.folder, dict(inputs or {}), seed=seed, data_sha256=manifest):
        ridge = fit_ridge(
            counter,
            lambda: batches(options.train),
            lambda: batches(options.valid),
            options.log1p,
            options.penalties,
        )
        fill_parts(
            parts,
            data,
            lambda sequence: ridge.predict(sequence)[:, None].astype(np.float32),
            of_data,
            size,
            quiet,
            lambda truth: bin_value(truth, options.bin)[:, None],
        )
        metrics = evaluate(parts, bootstrap, quiet) | {"baseline": "k-mer ridge"}
        metrics["bin"] = options.bin
        write_json(parts.folder / "ridge.json", _description(ridge, options, layout.targets))
        write_results(parts.folder, metrics, False, parts, np.float32)
    return Outcome(metrics, parts)


def _description(ridge: Ridge, options: RidgeOptions, targets) -> dict:
    entries = []
    for t, target in enumerate(targets):
        penalty = float(ridge.penalty[t])
        if len(options.penalties) > 1 and penalty in (
            min(options.penalties),
            max(options.penalties),
        ):
            logging.getLogger(__name__).warning(
                "the penalty chosen for %s, %g, is at the end of those tried",
                target.identifier,
                penalty,
            )
        curve = [None if np.isnan(r) else float(r) for r in ridge.validation[:, t]]
        entries.append({"identifier": target.identifier, "penalty": penalty, "validation": curve})
    return {
        "format": "tfepi-kmer-ridge",
        "format_version": 1,
        "k": options.k,
        "features": ridge.counter.features,
        "centre_bp": list(ridge.counter.centre),
        "bin": options.bin,
        "log1p": options.log1p,
        "penalties": list(options.penalties),
        "targets": entries,
    }


def parse_penalties(text: str) -> tuple[float, ...]:
    """Return penalties of a comma-separated list.

    Raises:
        ConfigError: something that is no number.
    """
    try:
        return tuple(float(p) for p in text.split(","))
    except ValueError:
        raise ConfigError(f"penalties {text!r}: want numbers separated by commas") from None
