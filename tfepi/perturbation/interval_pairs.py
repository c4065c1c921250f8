"""Pairs of named intervals: what changing both does that changing each does not."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tfepi.perturbation.design import centred_site
from tfepi.perturbation.double_mutants import BLANK, COMPLEMENT, replaced
from tfepi.perturbation.scrambles import LETTERS, scrambled, stream
from tfepi.variants.alleles import Window
from tfepi.variants.mutagenesis_sites import Site
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.files import existing
from tfrecords_tools.genome import Genome
from tfrecords_tools.text_table import tab_separated

SHUFFLE = "shuffle"
KINDS = (COMPLEMENT, BLANK, SHUFFLE)
_COLUMNS = ("chrom", "start_a", "end_a", "start_b", "end_b")


@dataclass(frozen=True)
class IntervalPair:
    """Two intervals of one chromosome, 0-based and half-open, without common bases."""

    chrom: str
    a: tuple[int, int]
    b: tuple[int, int]


def read_interval_pairs(path: str | Path, genome: Genome) -> list[IntervalPair]:
    """Read a tab-separated table with columns chrom, start_a, end_a, start_b, end_b.

    Raises:
        InputFileError: missing, no table, a column that is missing, or an interval that is none,
            is beyond its chromosome or shares bases with the other (with the line).
    """
    rows = tab_separated(existing(path, "table of pairs"), f"table of pairs {path}")
    header = [c.strip().lstrip("#") for c in rows[0][1]]
    missing = [c for c in _COLUMNS if c not in header]
    if missing:
        raise InputFileError(
            f"table of pairs {path} has no column {missing[0]}: want {', '.join(_COLUMNS)}"
        )
    found = []
    for number, cells in rows[1:]:
        row = dict(zip(header, (c.strip() for c in cells), strict=False))
        chrom = row.get("chrom", "")
        try:
            a, b = ((int(row[f"start_{x}"]), int(row[f"end_{x}"])) for x in "ab")
        except (KeyError, ValueError):
            a, b = (0, 0), (0, 0)
        size = genome.length(chrom)
        if not (0 <= a[0] < a[1] <= size and 0 <= b[0] < b[1] <= size):
            raise InputFileError(
                f"table of pairs {path} line {number} has no two intervals on {chrom} of {size} "
                "bp: want 0 <= start < end, whole numbers from 0"
            )
        if a[0] < b[1] and b[0] < a[1]:
            raise InputFileError(
                f"table of pairs {path} line {number}: intervals {a[0]}-{a[1]} and {b[0]}-{b[1]} "
                "share bases; want two that do not"
            )
        found.append(IntervalPair(chrom, a, b))
    return found


@dataclass(frozen=True)
class IntervalPairs:
    """The design of pairs of intervals: in each window, repeat by repeat, a, b and both.

    Attributes:
        pairs: each in the middle of a window.
        length: of a window, bp.
        kind: "complement", "blank" or "shuffle".
        repeats: shuffles; 1 of another kind.
        seed: of them.

    Raises:
        ConfigError: another kind, no repeat, or a pair beyond the window.
    """

    pairs: Sequence[IntervalPair]
    length: int
    kind: str = BLANK
    repeats: int = 1
    seed: int = 44

    def __post_init__(self):
        if self.kind not in KINDS:
            raise unknown("change of intervals", self.kind, KINDS)
        if self.repeats < 1:
            raise ConfigError(f"{self.repeats} shuffles of each interval: want at least 1")
        for pair in self.pairs:
            reach = max(pair.a[1], pair.b[1]) - min(pair.a[0], pair.b[0])
            if reach > self.length:
                raise ConfigError(
                    f"intervals {pair.a[0]}-{pair.a[1]} and {pair.b[0]}-{pair.b[1]} of "
                    f"{pair.chrom} reach over {reach} bp: want at most {self.length}, the model's "
                    "window"
                )

    @cached_property
    def sites(self) -> list[Site]:
        """The windows, on the forward strand."""
        found = []
        for p in self.pairs:
            ends = min(p.a[0], p.b[0]), max(p.a[1], p.b[1])
            found.append(centred_site(Stretch(p.chrom, *ends), *ends, self.length))
        return found

    @property
    def unit(self) -> int:
        """As `Design.unit`: the rows of a pair."""
        return 3 * self.repeats

    @cached_property
    def bounds(self) -> np.ndarray:
        """As `Design.bounds`."""
        return np.arange(len(self.pairs) + 1) * self.unit

    def change(
        self, genome: Genome, window: Window, site: int, own: np.ndarray, rows: np.ndarray
    ) -> np.ndarray:
        """As `Design.change`."""
        pair, here = self.pairs[site], self.sites[site]
        out = np.repeat(own[None], len(rows), axis=0)
        for sequence, row in zip(out, (rows - self.bounds[site]).tolist(), strict=True):
            repeat, which = divmod(row, 3)
            for start, end in ((pair.a,), (pair.b,), (pair.a, pair.b))[which]:
                part = slice(start - here.window, end - here.window)
                if self.kind == SHUFFLE:
                    rng = stream(self.seed, pair.chrom, start, end - start, repeat)
                    sequence[part] = scrambled(own[part], LETTERS, rng)
                else:
                    sequence[part] = replaced(own[part], self.kind)
        return out
