"""Pairs of a gene and a candidate element: their table, and where the element lies in a window."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.analysis.tss import StartSite, unversioned
from tfepi.analysis.tss_windows import TssWindow
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.text_table import tab_separated

WIDTH = 2000
_NEEDED = ("chrom", "start", "end")
_KNOWN = ("gene", "tss", *_NEEDED, "label")
_SHOWN = 3
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pair:
    """A gene and a candidate element.

    Attributes:
        gene: identifier (with or without version) or name of the gene; "" where only `tss` is
            given.
        tss: 0-based position of one of its start sites; None for all it has.
        chrom: chromosome.
        start: of the element, 0-based.
        end: the base behind it.
        label: whether the element regulates the gene; None is not known.
        line: of the table.
    """

    gene: str
    tss: int | None
    chrom: str
    start: int
    end: int
    label: bool | None = None
    line: int = 0

    def matches(self, site: StartSite) -> bool:
        """Tell whether a start site is one of the pair's."""
        if self.chrom != site.chrom or (self.tss is not None and self.tss != site.position):
            return False
        return not self.gene or self.gene in _keys(site)


def _keys(site: StartSite) -> set[str]:
    return {site.gene, unversioned(site.gene), site.name}


def read_pairs(path: str | Path) -> list[Pair]:
    """Read a tab-separated table of pairs with a header.

    Columns: `gene` (identifier or name) or `tss` (0-based position) or both, `chrom`, `start`,
    `end` (0-based, half-open) and, for accuracy, `label` (0 or 1, in every row or in none).
    Others are passed over, with a note.

    Raises:
        InputFileError: no text or rows, a missing column, or a value that is none.
    """
    path = existing(path, "table of pairs")
    where = f"table of pairs {path}"
    (_, header), *rows = tab_separated(path, where)
    header = [c.strip().lstrip("#") for c in header]
    lacking = [c for c in _NEEDED if c not in header]
    if not {"gene", "tss"} & set(header):
        lacking.insert(0, "gene or tss")
    if lacking:
        raise InputFileError(
            f"{where} lacks the columns {', '.join(lacking)}: it has {', '.join(header)}; columns "
            "are tab-separated"
        )
    twice = [c for c in _KNOWN if header.count(c) > 1]
    if twice:
        raise InputFileError(f"{where} names column {twice[0]!r} more than once: keep one")
    strange = [c for c in header if c not in _KNOWN]
    if strange:
        _log.info("%s: columns %s are not used", where, ", ".join(strange))
    pairs = []
    for line, row in rows:
        if len(row) != len(header):
            raise InputFileError(
                f"{where} line {line} has {len(row)} columns, the header has {len(header)}"
            )
        cells = dict(zip(header, (c.strip() for c in row), strict=True))
        pairs.append(_pair(f"{where} line {line}", cells, line))
    labelled = [p.label is not None for p in pairs]
    if any(labelled) and not all(labelled):
        line = pairs[labelled.index(False)].line
        raise InputFileError(
            f"{where} line {line} has no label, others have: label all pairs with 0 or 1, or none"
        )
    return pairs


def _pair(where: str, cells: dict[str, str], line: int) -> Pair:
    def whole(column: str) -> int:
        try:
            value = int(cells[column])
        except ValueError:
            value = -1
        if value < 0:
            raise InputFileError(
                f"{where}: {column} is {cells[column]!r}, want a whole number, from 0"
            )
        return value

    gene = cells.get("gene", "")
    tss = whole("tss") if cells.get("tss") else None
    if not gene and tss is None:
        raise InputFileError(f"{where} names no gene and no tss: give one of them")
    start, end = whole("start"), whole("end")
    if end <= start:
        raise InputFileError(f"{where} has start {start} and end {end}: want start < end")
    label = cells.get("label", "")
    if label not in ("", "0", "1"):
        raise InputFileError(f"{where}: label is {label!r}, want 0 or 1")
    return Pair(gene, tss, cells["chrom"], start, end, label == "1" if label else None, line)


@dataclass(frozen=True)
class Element:
    """The element of a pair at one start site of its gene.

    Attributes:
        pair: its number in the table, from 0.
        site: number of the start site.
        low: first base in the site's window; what lies outside is left out.
        high: the base behind the last; `low` where all of it lies outside.
        inside: share of the element that lies in the window.
        distance: from the TSS to the element's middle, bp; positive in the gene's direction.
    """

    pair: int
    site: int
    low: int
    high: int
    inside: float
    distance: int


def check_width(width: int) -> None:
    """Check how much is taken around an element's middle.

    Raises:
        ConfigError: below 0.
    """
    if width < 0:
        raise ConfigError(f"width is {width} bp: want a number above 0, or 0 for the element's own")


def place_element(
    pair: Pair, site: StartSite, window: TssWindow, width: int
) -> tuple[int, int, float, int]:
    """Return low, high, inside and distance as `Element` has them.

    Args:
        pair: the pair.
        site: one of its start sites.
        window: how windows lie.
        width: bp around the element's middle; 0 for the element as it is.
    """
    middle = (pair.start + pair.end) // 2
    start, end = pair.start, pair.end
    if width:
        start = middle - width // 2
        end = start + width
    first = window.start(site.position)
    low, high = np.clip((start - first, end - first), 0, window.length).tolist()
    distance = middle - site.position
    return low, high, (high - low) / (end - start), -distance if site.strand == "-" else distance


def match(
    pairs: Sequence[Pair], sites: Sequence[StartSite], window: TssWindow, width: int = WIDTH
) -> tuple[list[StartSite], list[Element]]:
    """Return the start sites that pairs name, and the element of each pair at each of its sites.

    Args:
        pairs: the pairs.
        sites: start sites, in order.
        window: how windows lie.
        width: as of `place_element`.

    Returns:
        The sites, in order, without those that no pair names; and elements by pair, then site,
        whose `site` counts among these.

    Raises:
        InputFileError: a pair whose gene is not there.
    """
    check_width(width)
    named: dict[str | int, list[int]] = {}
    for number, site in enumerate(sites):
        for key in _keys(site) | {site.position}:
            named.setdefault(key, []).append(number)
    found, missing = [], []
    for pair in pairs:
        near = named.get(pair.gene or pair.tss, ())
        found.append([n for n in near if pair.matches(sites[n])])
        if not found[-1]:
            missing.append(pair)
    if missing:
        first = ", ".join(
            f"{p.gene or p.tss} on {p.chrom} (line {p.line})" for p in missing[:_SHOWN]
        )
        more = ", …" if len(missing) > _SHOWN else ""
        raise InputFileError(
            f"{len(missing)} of {len(pairs)} pairs name a gene or TSS that is not among the "
            f"{len(sites)} start sites: {first}{more}; leave them out, or give the annotation "
            "that has them"
        )
    kept = sorted({n for numbers in found for n in numbers})
    number = {n: i for i, n in enumerate(kept)}
    elements = [
        Element(p, number[n], *place_element(pair, sites[n], window, width))
        for p, (pair, numbers) in enumerate(zip(pairs, found, strict=True))
        for n in numbers
    ]
    outside = sum(e.low == e.high for e in elements)
    if outside:
        _log.warning(
            "%d of %d elements lie outside the window of their TSS (%d bp): they have no score",
            outside,
            len(elements),
            window.length,
        )
    return [sites[n] for n in kept], elements
