"""All accuracy of one test: every statistic, both axes, each with its interval."""

import numpy as np

from tfepi.evaluation.accuracy import (
    ACROSS_TARGETS,
    ADDITIVE,
    AXES,
    MIN_TARGETS,
    across_targets,
    block_sums,
    is_binary,
    pearson_of_sums,
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
from tfepi.evaluation.calls import CALLS, call_counts, call_statistics
from tfepi.evaluation.predictions import PredictionParts
from tfepi.evaluation.ranks import RANKED, RankedPair
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

FORMAT = "tfepi-metrics"
FORMAT_VERSION = 1
REPORTED = ("pearsonr", "pearsonr_log2", "spearmanr", "r2", "poisson_deviance", "poisson_d2")
REPORTED_BINARY = ("auroc", "auprc", *CALLS)


def evaluate(
    predictions: PredictionParts,
    bootstrap: Bootstrap | None = None,
    quiet: bool = True,
    calls: bool = False,
) -> dict:
    """Return the value of metrics.json: accuracy across positions, across targets, and over all.

    Memory holds one target's values at a time (across positions), or a stretch of about a
    million values (across targets).

    Args:
        predictions: observed and predicted values.
        bootstrap: how intervals are made; None: the defaults.
        quiet: no progress bar.
        calls: predictions are probabilities: count those above 0.5 as calls, too, of targets
            that are 0 or 1.

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
    draws = (drawn, rank_drawn)
    targets, mean = _across_positions(predictions, blocks, draws, bootstrap, quiet, calls)
    by_target = _across_targets(predictions, blocks, drawn, bootstrap)
    over_all = _over_all(predictions, blocks, drawn, bootstrap)
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
        "statistics": ADDITIVE | RANKED | (CALLS if calls else {}),
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
        "over_all": over_all,
    }


def _across_positions(
    predictions: PredictionParts,
    blocks: Blocks,
    draws: tuple[np.ndarray, np.ndarray],
    bootstrap: Bootstrap,
    quiet: bool,
    calls: bool,
) -> tuple[list[dict], dict]:
    drawn, rank_drawn = draws
    block = np.repeat(blocks.index, predictions.layout.bins)
    entries = []
    means: dict[str, _Mean] = {}
    bar = progress(predictions.layout.targets, unit="target", label="accuracy", quiet=quiet)
    for position, target in enumerate(bar):
        truth, prediction = (v.ravel() for v in predictions.column(position))
        found = _additive(truth, prediction, block, blocks.count, drawn)
        found |= _ranked(truth, prediction, block, rank_drawn)
        if calls and is_binary(truth):
            found |= _called(truth, prediction, block, blocks.count, drawn)
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


def _called(
    truth: np.ndarray, prediction: np.ndarray, block: np.ndarray, blocks: int, drawn: np.ndarray
) -> dict[str, tuple[float, np.ndarray]]:
    """Return value and resamples of the statistics of calls."""
    counts = call_counts(truth, prediction, block, blocks)
    values, replicates = call_statistics(counts.sum(axis=0)), call_statistics(drawn @ counts)
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


def _over_all(
    predictions: PredictionParts, blocks: Blocks, drawn: np.ndarray, bootstrap: Bootstrap
) -> dict:
    """Return the Pearson correlation of all values of all targets at once."""
    sums, origin = np.zeros((blocks.count, 6)), None
    for start, truth, prediction in predictions.rows():
        block = np.repeat(blocks.index[start : start + len(truth)], truth[0].size)
        y, p = truth.ravel().astype(float), prediction.ravel().astype(float)
        seen = ~(np.isnan(y) | np.isnan(p))
        if not seen.any():
            continue
        if origin is None:  # near the means, so that nothing cancels where these are large
            origin = (y[seen].mean(), p[seen].mean())
        y, p, block = y[seen] - origin[0], p[seen] - origin[1], block[seen]
        for column, values in enumerate((None, y, p, y * y, p * p, y * p)):
            sums[:, column] += np.bincount(block, values, blocks.count)
    value = pearson_of_sums(*sums.sum(axis=0))
    replicates = pearson_of_sums(*(drawn @ sums).T)
    return {"pearsonr": estimate(value, replicates, bootstrap.level)}


def _ratio(sums: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[..., 0] / sums[..., 1]


def accuracy_table(metrics: dict, binary: bool = False) -> str:
    """Return acc.txt in Basenji's columns, tab-separated, five decimals, undefined left empty.

    Args:
        metrics: the value of metrics.json.
        binary: auroc and auprc instead of pearsonr and r2, as for the loss bce.
    """
    columns = ("auroc", "auprc") if binary else ("pearsonr", "r2")
    lines = ["\t".join(("index", *columns, "identifier", "description"))]
    for entry in metrics["across_positions"]["targets"]:
        cells = [_number(entry.get(c, {}).get("value")) for c in columns]
        lines.append(
            "\t".join((str(entry["index"]), *cells, entry["identifier"], entry["description"]))
        )
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


def shown_statistics(metrics: dict) -> tuple[str, ...]:
    """Return the names of the statistics that people look at first."""
    if metrics.get("kind") != "methylation":
        return ("pearsonr", "pearsonr_log2")
    return ("auroc", *CALLS) if "accuracy" in metrics["statistics"] else ("pearsonr", "spearmanr")


def summary_table(metrics: dict) -> str:
    """Return a table for people: per target, statistics with their intervals."""
    names = shown_statistics(metrics)
    entries = metrics["across_positions"]["targets"]
    rows = [(e["identifier"], e) for e in entries]
    if len(rows) > 1:
        rows.append(("mean over targets", metrics["across_positions"]["mean"]))
        rows.append(("all targets at once", metrics.get("over_all", {})))
        rows.append(("mean over positions, across targets", metrics["across_targets"]))
    width = max(len("target"), *(len(name) for name, _ in rows)) + 2
    lines = ["target".ljust(width) + "".join(n.ljust(26) for n in names).rstrip()]
    for name, entry in rows:
        cells = "".join((format_estimate(entry[n]) if n in entry else "").ljust(26) for n in names)
        lines.append(name.ljust(width) + cells.rstrip())
    return "\n".join(lines)


def format_estimate(entry: dict | None) -> str:
    """Return "0.653 [0.612, 0.690]" of a value with its interval; "undefined" without one."""
    if not entry or entry["value"] is None:
        return "undefined"
    if entry["interval"] is None:
        return f"{entry['value']:.3f}"
    return f"{entry['value']:.3f} [{entry['interval'][0]:.3f}, {entry['interval'][1]:.3f}]"
