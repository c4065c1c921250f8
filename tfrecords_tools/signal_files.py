"""Where the pooled bins of a build's first stage lie: a file per track and block of windows.

A block is a run of neighbours on the genome. Its file holds float16 [windows, bins], its windows in
record order. Each file has one writer, so that workers on other machines never write to the same
page of a network file system, and is there only when whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tfrecords_tools.sharding import owner


def signal_file(folder: Path, track: int, block: int) -> Path:
    """Return the path of a track's bins over one block."""
    return folder / "signal" / f"{track}-{block}.f2"


@dataclass(frozen=True)
class Blocks:
    """How the windows of a build are divided among jobs.

    Attributes:
        order: int64 [windows], their rows in record order, sorted by place on the genome.
        edges: first of each block in `order`, and the end of the last.
    """

    order: np.ndarray
    edges: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.edges) - 1

    def rows(self, block: int) -> np.ndarray:
        """Return the rows of a block's windows, sorted by place on the genome."""
        return self.order[self.edges[block] : self.edges[block + 1]]

    def ranks(self, block: int) -> np.ndarray:
        """Return where in the block's file each of its windows is, in the order of `rows`."""
        rows = self.rows(block)
        ranks = np.empty(len(rows), np.int64)
        ranks[np.argsort(rows)] = np.arange(len(rows))
        return ranks


@dataclass(frozen=True)
class WorkFolders:
    """The working folders of a build: one, or one per shard, of which each has its own jobs.

    Attributes:
        paths: in the order of the shards.
    """

    paths: tuple[Path, ...]

    def of(self, job: int, jobs: int) -> Path:
        """Return the folder of job number `job` of `jobs`."""
        return self.paths[owner(job, jobs, len(self.paths))]


@dataclass(frozen=True)
class SignalFiles:
    """The bins of some tracks over some windows.

    Attributes:
        folders: of the build.
        first: number of the first of these tracks, among the build's.
        count: how many they are.
        first_job: number of the first of their jobs, track by track, among the build's `jobs`.
        jobs: of the first stage, in all.
        sizes: windows of each block.
        bins: per window.
        block: int32 [windows], block of each of the windows that are read.
        rank: int64 [windows], where in the block's file each is.
    """

    folders: WorkFolders
    first: int
    count: int
    first_job: int
    jobs: int
    sizes: tuple[int, ...]
    bins: int
    block: np.ndarray
    rank: np.ndarray

    @classmethod
    def of(
        cls,
        folders: WorkFolders,
        blocks: Blocks,
        tracks: range,
        first_job: int,
        jobs: int,
        bins: int,
    ) -> "SignalFiles":
        """Return the files of some tracks, by number, over all windows of a build."""
        block = np.empty(len(blocks.order), np.int32)
        rank = np.empty(len(blocks.order), np.int64)
        for number in range(len(blocks)):
            rows = blocks.rows(number)
            block[rows] = number
            rank[rows] = blocks.ranks(number)
        sizes = tuple(np.diff(blocks.edges).tolist())
        return cls(folders, tracks.start, len(tracks), first_job, jobs, sizes, bins, block, rank)

    def over(self, rows: np.ndarray) -> "SignalFiles":
        """Return the same files, of which some of the windows are read."""
        return replace(self, block=self.block[rows], rank=self.rank[rows])

    @cached_property
    def _places(self) -> Sequence[tuple[int, np.ndarray, np.ndarray]]:
        """(block, which of the windows lie in it, their ranks) of each block that has any."""
        found = []
        for block in np.unique(self.block).tolist():
            mine = np.flatnonzero(self.block == block)
            found.append((block, mine, self.rank[mine]))
        return found

    def read(self, track: int) -> np.ndarray:
        """Return float16 [windows, bins] of one of the tracks, counted from 0."""
        out = np.empty((len(self.block), self.bins), np.float16)
        for block, mine, ranks in self._places:
            number = self.first_job + track * len(self.sizes) + block
            path = signal_file(self.folders.of(number, self.jobs), self.first + track, block)
            out[mine] = np.memmap(path, np.float16, "r", shape=(self.sizes[block], self.bins))[
                ranks
            ]
        return out
