"""The jobs of a build's first stage: each track over each block of windows."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfrecords_tools.plan import Plan
from tfrecords_tools.pooling import Pooling
from tfrecords_tools.sampling import positive_targets
from tfrecords_tools.signal_files import Blocks, SignalFiles, WorkFolders, signal_file
from tfrecords_tools.targets import Target
from tfrecords_tools.workers import absolute

BLOCK_SPAN = 1 << 26
MAX_JOBS = 512


@dataclass(frozen=True)
class SignalJob:
    """One track over one block of windows.

    Attributes:
        track: position of the target; of an input track, after all targets.
        block: number of the block.
        file: the track's file.
        pooling: how bases become bins.
        chroms: chromosome of each window of the block, sorted by position.
        starts: int64 [n] window starts, bp.
        ranks: int64 [n] place of each window in the block's file.
        length: window length, bp.
        total: number of windows of the whole build.
        blacklist: chromosome → spans, merged unless `compat`.
        folder: the build's working folder.
        compat: tool whose arithmetic is followed, or None.
        ends: of an input track, chromosome → length, bp, beyond which its windows may reach;
            None of a target.
        positive: whether to tell which windows have a positive bin.
    """

    track: int
    block: int
    file: str
    pooling: Pooling
    chroms: tuple[tuple[str, int, int], ...]
    starts: np.ndarray
    ranks: np.ndarray
    length: int
    total: int
    blacklist: dict[str, np.ndarray]
    folder: Path
    compat: str | None = None
    ends: dict[str, int] | None = None
    positive: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def bins(self) -> int:
        """Bins per window."""
        return self.length // self.pooling.bin_width

    @property
    def path(self) -> Path:
        """File that the job writes."""
        return signal_file(self.folder, self.track, self.block)

    @property
    def marker(self) -> Path:
        """File that says that the job is done, with what it tells of its values."""
        return self.folder / "done" / f"{self.track}-{self.block}.json"


@dataclass(frozen=True)
class Stage:
    """The jobs of a plan, and where their bins lie; they depend on the plan alone.

    Attributes:
        jobs: track by track.
        targets: files of the targets' bins.
        tracks: files of the input tracks' bins, or None without.
        blocks: of the targets' windows.
    """

    jobs: tuple[SignalJob, ...]
    targets: SignalFiles
    tracks: SignalFiles | None
    blocks: Blocks

    @classmethod
    def of(cls, plan: Plan, folders: WorkFolders) -> "Stage":
        """Return the first stage of a plan.

        Args:
            plan: of the build.
            folders: its working folders.
        """
        options = plan.options
        order = np.array(sorted(range(len(plan.windows)), key=lambda i: plan.windows[i]), np.int64)
        blocks = _blocks(plan, order, len(plan.targets))
        parts = [(plan.targets, blocks, options.bin_width, 0)]
        if plan.tracks:
            margin = options.crop + options.track_context
            wide = _blocks(plan, order, len(plan.tracks))
            parts.append((plan.tracks, wide, options.input_bin_width, margin))
        total = sum(len(rows) * len(each) for rows, each, *_ in parts)
        jobs, files = [], []
        for rows, each, width, margin in parts:
            first = len(plan.targets) if files else 0
            made = list(_jobs(plan, rows, each, width, margin, first))
            numbers = range(first, first + len(rows))
            files.append(SignalFiles.of(folders, each, numbers, len(jobs), total, made[0].bins))
            jobs += made
        placed = (replace(j, folder=folders.of(n, total)) for n, j in enumerate(jobs))
        return cls(tuple(placed), files[0], files[1] if plan.tracks else None, blocks)


def _blocks(plan: Plan, order: np.ndarray, tracks: int) -> Blocks:
    """Return the blocks of some tracks' windows."""
    span = len(order) * plan.options.windowing().stride_train
    count = max(1, min(span // BLOCK_SPAN, MAX_JOBS // tracks))
    return Blocks(order, tuple(len(order) * b // count for b in range(count + 1)))


def _jobs(
    plan: Plan, rows: Sequence[Target], blocks: Blocks, bin_width: int, margin: int, first: int
) -> Iterator[SignalJob]:
    """Yield the jobs of some tracks over the windows, these widened by a margin, bp."""
    options, inputs = plan.options, bool(first)
    windows = [plan.windows[i] for i in blocks.order]
    starts = np.array([w.start - margin for w in windows], np.int64)
    counted = ()
    if options.positive_share is not None and not inputs:
        counted = positive_targets(plan.targets, options)
    ranks = [blocks.ranks(block) for block in range(len(blocks))]
    for number, target in enumerate(rows):
        pooling = Pooling(bin_width, target, target.nan or options.nan)
        for block, (low, high) in enumerate(itertools.pairwise(blocks.edges)):
            chroms = _runs([w.chrom for w in windows[low:high]])
            black = {c: plan.blacklist[c] for c, _, _ in chroms if c in plan.blacklist}
            yield SignalJob(
                first + number,
                block,
                absolute(target.file),
                pooling,
                chroms,
                starts[low:high],
                ranks[block],
                len(windows[0]) + 2 * margin,
                len(windows),
                {} if inputs else black,
                Path(),
                options.compat,
                plan.chroms if inputs else None,
                target in counted,
            )


def _runs(names: list[str]) -> tuple[tuple[str, int, int], ...]:
    """Return (chromosome, first, end) of each run of equal names."""
    edges = [0] + [i for i in range(1, len(names)) if names[i] != names[i - 1]] + [len(names)]
    return tuple((names[a], a, b) for a, b in itertools.pairwise(edges))
