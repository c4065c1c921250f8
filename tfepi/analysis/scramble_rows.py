"""What is predicted when stretches of windows are replaced, row by row, and what came of it.

A window as it is stands before its stretches, so that it is predicted once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tfepi.analysis.element_pairs import Element
from tfepi.analysis.scramble import Tile
from tfepi.analysis.scramble_tables import Expressions
from tfepi.variants.numbered import Plan, unreadable_part

OWN = -1  # in place of an element's number: the window as it is


@dataclass(frozen=True)
class Row:
    """What is predicted: a site's window as it is, or with a stretch replaced.

    Attributes:
        site: number of the start site.
        item: number of the element or tile; -1 for the window as it is.
        low: first base that is replaced.
        high: the base behind the last.
    """

    site: int
    item: int
    low: int = 0
    high: int = 0


def element_rows(elements: Sequence[Element]) -> list[Row]:
    """Return a row for each site, followed by those of its elements that lie in the window."""
    by_site: dict[int, list[Row]] = {}
    for number, element in enumerate(elements):
        rows = by_site.setdefault(element.site, [Row(element.site, OWN)])
        if element.low < element.high:
            rows.append(Row(element.site, number, element.low, element.high))
    return [row for site in sorted(by_site) for row in by_site[site]]


def tile_rows(sites: int, tiles: Sequence[Tile]) -> list[Row]:
    """Return a row for each site, followed by those of all tiles, numbered site by site."""
    return [
        row
        for site in range(sites)
        for row in (
            Row(site, OWN),
            *(Row(site, site * len(tiles) + n, t.low, t.high) for n, t in enumerate(tiles)),
        )
    ]


def expressions(
    plan: Plan, folder: Path, rows: Sequence[Row], sites: int, items: int
) -> Expressions:
    """Return what the parts of a run hold.

    Args:
        plan: names the parts, float64 [rows, replacements] each.
        folder: of the results.
        rows: of all parts, in order.
        sites: number of start sites.
        items: number of elements or tiles.

    Raises:
        InputFileError: a part that is missing or damaged.
    """
    found = []
    for number in range(plan.parts):
        path = plan.part(folder, number)
        try:
            found.append(np.load(path, allow_pickle=False))
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise unreadable_part(path, error) from None
    values = np.concatenate(found)
    own, replaced = np.full(sites, np.nan), np.full((items, values.shape[1]), np.nan)
    for row, value in zip(rows, values, strict=True):
        if row.item == OWN:
            own[row.site] = value[0]
        else:
            replaced[row.item] = value
    return Expressions(own, replaced)
