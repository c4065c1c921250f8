"""Do two predictors differ? The paired bootstrap over blocks of the genome.

Both are measured on the same resamples, so what makes a block easy or hard for both cancels
in the difference.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfepi.evaluation.accuracy import ADDITIVE, block_sums, statistics
from tfepi.evaluation.baseline import bin_value
from tfepi.evaluation.bootstrap import (
    FEWEST_BLOCKS,
    Blocks,
    Bootstrap,
    estimate,
    genome_blocks,
    multiplicities,
)
from tfepi.evaluation.metrics import format_estimate
from tfepi.evaluation.predictions import Layout, SavedPredictions
from tfrecords_tools.errors import ConfigError, InputFileError, unknown

FORMAT = "tfepi-comparison"
FORMAT_VERSION = 1
COMPARED = ("pearsonr", "pearsonr_log2")


def paired_difference(
    truth: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    block: np.ndarray,
    drawn: np.ndarray,
    names: Sequence[str] = COMPARED,
    level: float = 0.95,
) -> dict[str, dict]:
    """Return statistics of two predictions of the same positions, and their differences.

    Args:
        truth: observed values [positions]; NaN is missing.
        first, second: predictions [positions]; a position that either misses is left out.
        block: block number of each position.
        drawn: how often each block is drawn [resamples, blocks].
        names: additive statistics.
        level: coverage of the interval.

    Returns:
        Statistic → `{"first", "second", "difference"}`, each a value with its interval.

    Raises:
        ConfigError: a statistic that is not additive.
    """
    for name in names:
        if name not in ADDITIVE:
            raise unknown("statistic", name, ADDITIVE)
    truth = np.where(np.isnan(first) | np.isnan(second), np.nan, truth)
    sums = [block_sums(truth, p, block, drawn.shape[1]) for p in (first, second)]
    values = [statistics(s.sum(axis=0)) for s in sums]
    replicates = [statistics(drawn @ s) for s in sums]
    return {
        name: {
            "first": estimate(values[0][name], replicates[0][name], level),
            "second": estimate(values[1][name], replicates[1][name], level),
            "difference": estimate(
                values[0][name] - values[1][name], replicates[0][name] - replicates[1][name], level
            ),
        }
        for name in names
    }


def compare_tests(
    first: str | Path,
    second: str | Path,
    bin_rule: str = "centre",
    bootstrap: Bootstrap | None = None,
    names: Sequence[str] = COMPARED,
) -> dict:
    """Return the difference in accuracy, first minus second, of two test folders.

    Windows of several bins are brought to one value by `bin_value` first, where the other
    folder has one.

    Args:
        first, second: folders with preds.h5 and targets.h5 of the same windows.
        bin_rule: "centre" or "sum".
        bootstrap: how intervals are made.
        names: additive statistics.

    Raises:
        InputFileError: a file is missing, the windows or the observed values differ.
        ConfigError: no target in common, unknown rule or statistic, too few blocks.
    """
    bootstrap = bootstrap or Bootstrap()
    saved = [SavedPredictions(folder) for folder in (first, second)]
    layouts = [s.layout for s in saved]
    pairs = common_targets(*layouts, first, second)
    blocks = _blocks(layouts[0], bootstrap)
    drawn = multiplicities(blocks.count, bootstrap.resamples, bootstrap.seed)
    reduce = layouts[0].bins != layouts[1].bins
    entries = []
    for a, b in pairs:
        columns = [*saved[0].column(a), *saved[1].column(b)]
        if reduce:
            columns = [bin_value(c, bin_rule) if c.shape[1] > 1 else c[:, 0] for c in columns]
        block = np.repeat(blocks.index, columns[0].size // len(blocks.index))
        truth, one, other_truth, two = (c.ravel() for c in columns)
        identifier = layouts[0].targets[a].identifier
        if not np.allclose(truth, other_truth, rtol=1e-5, atol=1e-6, equal_nan=True):
            raise InputFileError(
                f"{first} and {second} observed other values of {identifier!r}: "
                f"test both on the same data and by the same bin rule (now {bin_rule!r})"
            )
        found = paired_difference(truth, one, two, block, drawn, names, bootstrap.level)
        entries.append({"identifier": identifier, **found})
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "first": str(first),
        "second": str(second),
        "windows": len(layouts[0].windows),
        "bin": bin_rule if reduce else None,
        "bootstrap": {
            "method": "paired percentile interval of resampled blocks of the genome",
            "level": bootstrap.level,
            "block_bp": blocks.block_bp,
            "blocks": blocks.count,
            "resamples": bootstrap.resamples,
            "seed": bootstrap.seed,
        },
        "targets": entries,
    }


def _blocks(layout: Layout, bootstrap: Bootstrap) -> Blocks:
    blocks = genome_blocks(layout.windows, bootstrap.block_bp)
    if not blocks.enough or not bootstrap.resamples:
        raise ConfigError(
            f"a comparison needs an interval: {blocks.count} blocks of the genome (at least "
            f"{FEWEST_BLOCKS}) and {bootstrap.resamples} resamples (at least 20)"
        )
    return blocks


def common_targets(a: Layout, b: Layout, first: object, second: object) -> list[tuple[int, int]]:
    """Return positions of the targets that two tests of the same windows share, in b's order.

    Args:
        a, b: what is compared.
        first, second: what errors call them.

    Raises:
        InputFileError: other windows.
        ConfigError: no target in common.
    """
    places = [[(w.chrom, w.start, w.end) for w in x.windows] for x in (a, b)]
    if places[0] != places[1]:
        raise InputFileError(
            f"{first} and {second} test other windows ({len(places[0])} and {len(places[1])}): "
            "test both on the same label of the same data"
        )
    position = {t.identifier: p for p, t in enumerate(a.targets)}
    pairs = [
        (position[t.identifier], p) for p, t in enumerate(b.targets) if t.identifier in position
    ]
    if not pairs:
        raise ConfigError(f"{first} and {second} have no target in common: test the same targets")
    return pairs


def comparison_table(comparison: dict, first: str = "model", second: str = "ridge") -> str:
    """Return a table for people: both values and their difference, with intervals."""
    names = [n for n in ADDITIVE if n in comparison["targets"][0]]
    width = max(len("target"), *(len(e["identifier"]) for e in comparison["targets"])) + 2
    lines = [
        "target".ljust(width)
        + "".join(c.ljust(26) for c in ("statistic", first, second, "difference")).rstrip()
    ]
    for entry in comparison["targets"]:
        for name in names:
            cells = [name] + [
                format_estimate(entry[name][k]) for k in ("first", "second", "difference")
            ]
            lines.append(
                entry["identifier"].ljust(width) + "".join(c.ljust(26) for c in cells).rstrip()
            )
    return "\n".join(lines)
