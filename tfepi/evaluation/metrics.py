"""All accuracy of one test: every statistic, both axes, each with its interval."""

from collections.abc import Sequence

import numpy as np

from tfepi.evaluation.accuracy import (
    ACROSS_TARGETS,
    ADDITIVE,
    AXES,
    MIN_TARGETS,
    across_targets,
    block_sums,
    is_binary,
    statistics,
    undefined_notes,
)
from tfepi.evaluation.bootstrap import (
    FEWEST_BLOCKS,
    Blocks,
    Bootstrap,
    estimate,
    genome_blocks,
    multiplicities,
)
from tfepi.evaluation.predictions import PredictionParts
from tfepi.evaluation.ranks import RANKED, RankedPair
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

FORMAT = "tfepi-metrics"
FORMAT_VERSION = 1
REPORTED = ("pearsonr", "pearsonr_log2", "spearmanr", "r2", "poisson_deviance", "poisson_d2")
REPORTED_BINARY = ("auroc", "auprc")


def evaluate(
    predictions: PredictionParts, bootstrap: Bootstrap | None = None, quiet: bool = True
) -> dict:
    """Return the value of metrics.json: accuracy across positions and across targets.

    Memory holds one target's values at a time (across positions), or a stretch of about a
    million values (across targets).

    Args:
        predictions: observed and predicted values.
        bootstrap: how intervals are made; None: the defaults.
        quiet: no progress bar.

    Raises:
        ConfigError: a block size that leaves fewer than 5 blocks.
    """
    bootstrap = bootstrap or Bootstrap()
    layout = predictions.layout
    blocks = genome_blocks(layout.windows, bootstrap.block_bp if bootstrap.resamples else None)
    notes = []
    resamples = bootstrap.resamples
    if resamples and not blocks.enough:
        resamples = 0
        notes.append(
            f"the windows lie in {blocks.count} blocks of the genome, fewer than "
            f"{FEWEST_BLOCKS}: no intervals"
        )
    drawn = multiplicities(blocks.count, resamples, bootstrap.seed)
    rank_drawn = drawn[: bootstrap.rank_resamples]
    targets, mean = _across_positions(predictions, blocks, drawn, rank_drawn, bootstrap, quiet)
    by_target = _across_targets(predictions, blocks, drawn, bootstrap)
    if len(layout.targets) < MIN_TARGETS:
        notes.append(f"fewer than {MIN_TARGETS} targets: nothing to correlate across targets")
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "label": layout.label,
        "windows": len(layout.windows),
        "bins": layout.bins,
        "bin_width": layout.bin_width,
        "axes": AXES,
        "statistics": ADDITIVE | RANKED,
        "bootstrap": {
            "method": "percentile interval of resampled blocks of the genome",
            "level": bootstrap.level,
            "block_bp": blocks.block_bp,
            "blocks": blocks.count,
            "resamples": resamples,
            "rank_resamples": len(rank_drawn),
            "seed": bootstrap.seed,
        },
        "notes": notes,
        "across_positions": {"mean": mean, "targets": targets},
        "across_targets": by_target,
    }


def _across_positions(
    predictions: PredictionParts,
    blocks: Blocks,
    drawn: np.ndarray,
    rank_drawn: np.ndarray,
    bootstrap: Bootstrap,
    quiet: bool,
) -> tuple[list[dict], dict]:
    block = np.repeat(blocks.index, predictions.layout.bins)
    entries = []
    means: dict[str, _Mean] = {}
    bar = progress(predictions.layout.targets, unit="target", label="accuracy", quiet=quiet)
    for position, target in enumerate(bar):
        truth, prediction = (v.ravel() for v in predictions.column(position))
        found = _additive(truth, prediction, block, blocks.count, drawn)
        found |= _ranked(truth, prediction, block, rank_drawn)
        for name, (value, replicates) in found.items():
            means.setdefault(name, _Mean()).add(value, replicates)
        entries.append(_entry(target, truth, prediction, found, bootstrap.level))
    order = [n for n in REPORTED + REPORTED_BINARY if n in means]
    return entries, {n: means[n].json(bootstrap.level) for n in order}


def _entry(target: Target, truth, prediction, found: dict, level: float) -> dict:
    observed = int((~np.isnan(truth)).sum())
    entry = {
        "index": target.index,
        "identifier": target.identifier,
        "description": target.description,
        "observed": observed,
        "missing": len(truth) - observed,
    }
    for name in REPORTED + REPORTED_BINARY:
        if name in found:
            entry[name] = estimate(*found[name], level)
    return entry | {"notes": undefined_notes(truth, prediction)}


def _additive(
    truth: np.ndarray, prediction: np.ndarray, block: np.ndarray, blocks: int, drawn: np.ndarray
) -> dict[str, tuple[float, np.ndarray]]:
    """Return value and resamples of the statistics that are functions of sums."""
    sums = block_sums(truth, prediction, block, blocks)
    values, replicates = statistics(sums.sum(axis=0)), statistics(drawn @ sums)
    return {name: (float(values[name]), replicates[name]) for name in values}


def _ranked(
    truth: np.ndarray, prediction: np.ndarray, block: np.ndarray, drawn: np.ndarray
) -> dict[str, tuple[float, np.ndarray]]:
    """Return value and resamples of the rank statistics."""
    pair = RankedPair(truth, prediction, is_binary(truth))
    seen_block = block[pair.seen]
    values = pair.statistics()
    replicates = [pair.statistics(row[seen_block].astype(float)) for row in drawn]
    return {n: (v, np.array([r[n] for r in replicates])) for n, v in values.items()}


class _Mean:
    """The mean over targets of a statistic and of its resamples, leaving out undefined ones."""

    def __init__(self):
        self._count = 0
        self._value = 0.0
        self._sum: np.ndarray | float = 0.0
        self._defined: np.ndarray | float = 0.0

    def add(self, value: float, replicates: np.ndarray) -> None:
        if np.isnan(value):
            return
        self._count += 1
        self._value += value
        self._sum = self._sum + np.nan_to_num(replicates)
        self._defined = self._defined + ~np.isnan(replicates)

    def json(self, level: float) -> dict:
        if not self._count:
            return {"targets": 0, "value": None, "interval": None}
        with np.errstate(invalid="ignore"):
            replicates = self._sum / self._defined
        return {"targets": self._count} | estimate(self._value / self._count, replicates, level)


def _across_targets(
    predictions: PredictionParts, blocks: Blocks, drawn: np.ndarray, bootstrap: Bootstrap
) -> dict:
    layout = predictions.layout
    sums = np.zeros((blocks.count, len(ACROSS_TARGETS), 2))
    if len(layout.targets) >= MIN_TARGETS:
        for start, truth, prediction in predictions.rows():
            shape = (-1, len(layout.targets))
            found = across_targets(truth.reshape(shape), prediction.reshape(shape))
            block = np.repeat(blocks.index[start : start + len(truth)], layout.bins)
            for k, name in enumerate(ACROSS_TARGETS):
                defined = ~np.isnan(found[name])
                for j, weight in enumerate((found[name][defined], None)):
                    sums[:, k, j] += np.bincount(block[defined], weight, blocks.count)
    values = _ratio(sums.sum(axis=0))
    replicates = _ratio(np.tensordot(drawn, sums, 1))
    return {
        name: {"positions": int(sums[:, k, 1].sum())}
        | estimate(values[k], replicates[:, k], bootstrap.level)
        for k, name in enumerate(ACROSS_TARGETS)
    }


def _ratio(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., 0] / sums[..., 1]


def accuracy_table(metrics: dict, binary: bool = False) -> str:
    """Return acc.txt in Basenji's columns, tab-separated, five decimals, undefined left empty.

    Args:
        metrics: the value of metrics.json.
        binary: auroc and auprc instead of pearsonr and r2, as for the loss bce.
    """
    columns = REPORTED_BINARY if binary else ("pearsonr", "r2")
    lines = ["\t".join(("index", *columns, "identifier", "description"))]
    for entry in metrics["across_positions"]["targets"]:
        cells = [_number(entry.get(c, {}).get("value")) for c in columns]
        lines.append(
            "\t".join((str(entry["index"]), *cells, entry["identifier"], entry["description"]))
        )
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def summary_table(metrics: dict, names: Sequence[str] = ("pearsonr", "pearsonr_log2")) -> str:
    """Return a table for people: per target, statistics with their intervals."""
    entries = metrics["across_positions"]["targets"]
    rows = [(e["identifier"], e) for e in entries]
    if len(rows) > 1:
        rows.append(("mean over targets", metrics["across_positions"]["mean"]))
    width = max(len("target"), *(len(name) for name, _ in rows)) + 2
    lines = ["target".ljust(width) + "".join(n.ljust(26) for n in names).rstrip()]
    for name, entry in rows:
        cells = "".join(format_estimate(entry.get(n)).ljust(26) for n in names)
        lines.append(name.ljust(width) + cells.rstrip())
    return "\n".join(lines)


def format_estimate(entry: dict | None) -> str:
    """Return "0.653 [0.612, 0.690]" of a value with its interval; "undefined" without one."""
    if not entry or entry["value"] is None:
        return "undefined"
    if entry["interval"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} [{entry['interval'][0]:.3f}, {entry['interval'][1]:.3f}]"
