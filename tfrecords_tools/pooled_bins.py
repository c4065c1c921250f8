"""What the pooled bins of a build say before any record is written.

Which windows have a positive bin, for `--positive_share`, and which targets have nothing to score.
"""

import logging
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfrecords_tools.coverage import TrackSummary, signal_file
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.plan import Plan
from tfrecords_tools.sampling import positive_targets
from tfrecords_tools.windows import HELD_OUT_LABELS

_CHUNK_BYTES = 1 << 26
log = logging.getLogger(__name__)


def check_observed(plan: Plan, folder: Path, tracks: list[TrackSummary]) -> None:
    """Warn of targets that have no value in a label, and refuse those that have none at all.

    Args:
        plan: of the build.
        folder: its working folder, whose first stage is done.
        tracks: summaries of the targets.

    Raises:
        InputFileError: naming the target.
    """
    for number, (target, summary) in enumerate(zip(plan.targets, tracks, strict=False)):
        if not summary.missing_share:
            continue
        seen = np.zeros(len(plan.windows), bool)
        for rows, bins in _bins(plan, folder, number):
            seen[rows] = ~np.isnan(bins).all(axis=1)
        if not seen.any():
            raise InputFileError(
                f"target {target.identifier!r} ({target.file}) has no value in any window, so that "
                "nothing of it can be learned or scored: leave it out, or use another --nan"
            )
        for label in plan.labels:
            if not seen[plan.rows(label)].any():
                log.warning(
                    "%s: no value in any window of %s, which leaves nothing to score there",
                    target.identifier,
                    label,
                )


def balance(plan: Plan, folder: Path) -> tuple[Plan, np.ndarray]:
    """Leave out training windows without a positive bin until a share of windows has one.

    Args:
        plan: of the build; `options.positive_share` says which share.
        folder: its working folder, whose first stage is done.

    Returns:
        The plan of the windows that stay, and their rows in `plan`, int64.

    Raises:
        ConfigError: a label to train on without any positive bin, naming the targets.
    """
    share = plan.options.positive_share
    rows = np.arange(len(plan.windows))
    if share is None:
        return plan, rows
    positive = np.zeros(len(rows), bool)
    targets = positive_targets(plan.targets, plan.options)
    for number, target in enumerate(plan.targets):
        if target in targets:
            for part, bins in _bins(plan, folder, number):
                positive[part] |= (bins > 0).any(axis=1)
    keep = np.ones(len(rows), bool)
    for label in plan.labels:
        if label in HELD_OUT_LABELS:
            continue
        of_label = rows[plan.rows(label)]
        found = int(positive[of_label].sum())
        if not found:
            names = ", ".join(t.identifier for t in targets)
            raise ConfigError(
                f"no window of {label} has a positive bin of {names}, so that --positive_share "
                f"{share:g} cannot be had: lower their threshold, or leave the option out"
            )
        rest = of_label[~positive[of_label]]
        surplus = len(rest) - int(found * (1 - share) / share)
        if surplus <= 0:
            log.info("%s: %d of %d windows have a positive bin", label, found, len(of_label))
            continue
        stream = np.random.SeedSequence(
            plan.options.seed, spawn_key=(zlib.crc32(f"balance {label}".encode()),)
        )
        keep[np.random.default_rng(stream).choice(rest, surplus, replace=False)] = False
    left = replace(
        plan,
        windows=tuple(plan.windows[row] for row in rows[keep]),
        unmappable=None if plan.unmappable is None else plan.unmappable[keep],
        dropped=plan.dropped | {"balance": int((~keep).sum())},
    )
    return left, rows[keep]


def _bins(plan: Plan, folder: Path, number: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield (rows, float16 bins) of a target, some windows at a time."""
    shape = (len(plan.windows), plan.options.windowing().target_length)
    values = np.memmap(signal_file(folder, number), np.float16, "r", shape=shape)
    step = max(1, _CHUNK_BYTES // (2 * shape[1]))
    for low in range(0, shape[0], step):
        yield slice(low, low + step), values[low : low + step]
