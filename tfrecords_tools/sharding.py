"""Shares of one job: shard i of n, its folder, and which of the numbered pieces are its own."""

import bisect
import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

SHARDS = "shards"
Piece = TypeVar("Piece")


@dataclass(frozen=True)
class Shard:
    """Shard `number` of `count`, from 1."""

    number: int
    count: int

    def __post_init__(self):
        if not 1 <= self.number <= self.count:
            raise ConfigError(
                f"shard is {self.number}/{self.count}: want i/n with 1 <= i <= n, as 1/4"
            )

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return the shard of a text "i/n".

        Raises:
            ConfigError: not of that form, or i outside 1…n.
        """
        match = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if not match:
            raise ConfigError(f"shard is {text!r}: want i/n with 1 <= i <= n, as 1/4")
        return cls(int(match[1]), int(match[2]))

    @property
    def folder(self) -> str:
        """Name of the shard's folder under DIR/shards."""
        return f"{self.number}-of-{self.count}"

    def chunks(self, total: int) -> range:
        """Return the numbers of the pieces this shard makes, consecutive."""
        return range((self.number - 1) * total // self.count, self.number * total // self.count)

    def own(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Return the shard's share of some pieces."""
        return [pieces[number] for number in self.chunks(len(pieces))]

    def all(self) -> list["Shard"]:
        """Return every shard of the split, in order."""
        return [Shard(number, self.count) for number in range(1, self.count + 1)]


def owner(piece: int, total: int, count: int) -> int:
    """Return the place, from 0, of the shard of `count` that makes a piece of `total`."""
    return bisect.bisect_right([n * total // count for n in range(count + 1)], piece) - 1


def find_shards(out: Path, first: str) -> list[Shard]:
    """Return the shards that have a folder in `out`, which must be all of one split.

    Args:
        out: the folder given to every shard.
        first: what makes shards, for messages.

    Raises:
        InputFileError: none, several splits, or one is missing.
    """
    found = _all_shards(out)
    if not found:
        raise InputFileError(f"{out} has no {SHARDS}: {first} with --shard i/n first")
    counts = {s.count for s in found}
    if len(counts) > 1:
        raise InputFileError(
            f"{out / SHARDS} has shards of different splits, of {sorted(counts)}: remove one split"
        )
    found.sort(key=lambda s: s.number)
    missing = sorted(set(range(1, counts.pop() + 1)) - {s.number for s in found})
    if missing:
        raise InputFileError(f"{out / SHARDS} lacks shard {missing[0]} of {found[0].count}: run it")
    return found


def check_split(out: Path, shard: Shard) -> None:
    """Refuse a shard beside those of another split.

    Raises:
        UnfinishedError: naming both.
    """
    for other in _all_shards(out):
        if other.count != shard.count:
            raise UnfinishedError(
                f"{out / SHARDS} has shards of another split, as {other}, than shard {shard}: use "
                f"i/{other.count}, or name another folder"
            )


def _all_shards(out: Path) -> list[Shard]:
    """Return the shards that have a folder in `out`, of whatever split."""
    found = []
    for path in sorted((out / SHARDS).glob("*-of-*")):
        with contextlib.suppress(ConfigError):
            found.append(Shard.parse(path.name.replace("-of-", "/")))
    return found
