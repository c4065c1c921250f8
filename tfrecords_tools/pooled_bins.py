"""What the pooled bins of a build say before any record is written.

Which windows have a positive bin, for `--positive_share`, and which targets have nothing to score.
"""

import logging
import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tfrecords_tools.coverage import TrackSummary, told_windows
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.plan import Plan
from tfrecords_tools.sampling import positive_targets
from tfrecords_tools.signal_jobs import Stage
from tfrecords_tools.windows import HELD_OUT_LABELS

log = logging.getLogger(__name__)


def check_observed(
    plan: Plan, stage: Stage, markers: Sequence[dict], tracks: list[TrackSummary]
) -> None:
    """Warn of targets that have no value in a label, and refuse those that have none at all.

    Args:
        plan: of the build.
        stage: its first.
        markers: what the stage's jobs tell.
        tracks: summaries of the targets.

    Raises:
        InputFileError: naming the target.
    """
    for number, (target, summary) in enumerate(zip(plan.targets, tracks, strict=False)):
        if not summary.missing_share:
            continue
        seen = ~_told(stage, markers, number, "unseen")
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


def balance(plan: Plan, stage: Stage, markers: Sequence[dict]) -> tuple[Plan, np.ndarray]:
    """Leave out training windows without a positive bin until a share of windows has one.

    Args:
        plan: of the build; `options.positive_share` says which share.
        stage: its first.
        markers: what the stage's jobs tell.

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
            positive |= _told(stage, markers, number, "positive")
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


def _told(stage: Stage, markers: Sequence[dict], target: int, name: str) -> np.ndarray:
    """Return which windows a target's jobs tell (`told_windows`): bool [windows]."""
    found = np.zeros(len(stage.blocks.order), bool)
    count = len(stage.blocks)
    for block in range(count):
        rows = stage.blocks.rows(block)
        found[rows] = told_windows(markers[target * count + block], name, len(rows))
    return found
