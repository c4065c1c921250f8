"""The tables of QTL connectivity, in full as in the Data Study Group report (§3.1)."""

from collections.abc import Mapping, Sequence

import numpy as np

MANY = 100


def density(degrees: np.ndarray, many: int = MANY) -> dict:
    """Return how many connections there are, of how many bins, and averages.

    The report cuts its averages off behind the point ("191" is 4,642,287 / 24,263 = 191.3); both
    are given.

    Args:
        degrees: connections of each bin of the genome: int64 [bins].
        many: bins with more connections are counted.
    """
    total, regions = int(degrees.sum()), int((degrees > 0).sum())
    over = int((degrees > many).sum())
    return {
        "total": total,
        "connected_regions": regions,
        "all_regions": len(degrees),
        "per_connected_region": total // max(regions, 1),
        "per_region": total // len(degrees),
        "per_connected_region_exact": total / max(regions, 1),
        "per_region_exact": total / len(degrees),
        "without": len(degrees) - regions,
        "share_without": 1 - regions / len(degrees),
        "over_than": many,
        "over": over,
        "share_over": over / len(degrees),
        "largest": int(degrees.max(initial=0)),
    }


_LINES = (
    ("total", None),
    ("connected_regions", "Connected regions"),
    ("all_regions", "All regions"),
    ("per_connected_region", "Avg {} per connected region"),
    ("per_region", "Avg {} per region"),
    ("per_connected_region_exact", "… exact, per connected region"),
    ("per_region_exact", "… exact, per region"),
)
_WORDS = {"connected": ("Connected QTLs", "QTLs"), "binned": ("QTL bins", "QTL bins")}


def report_table(
    kind: str, results: Mapping[str, Mapping], exact: bool = True
) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the report's Table 1 ("connected") or 2 ("binned").

    Args:
        kind: which.
        results: name of a QTL table → its summary, with a `density` under `kind`.
        exact: with the averages that are not cut off.
    """
    title, what = _WORDS[kind]
    rows = []
    for key, label in _LINES if exact else _LINES[:5]:
        cells = [_shown(r[kind][key]) for r in results.values()]
        rows.append([(label or title).format(what), *cells])
    return ["", *results], rows


def fraction_table(results: Mapping[str, Mapping], many: int) -> tuple[list[str], list[list[str]]]:
    """Return header and rows of the shares of bins with no connections, and with many."""
    lines = [("Regions without QTL", "connected", "without")]
    lines += [(f"Regions with > {many} QTLs", "connected", "over")]
    lines += [(f"Regions with > {many} QTL bins", "binned", "over")]
    rows = []
    for label, kind, key in lines:
        rows.append([label, *(f"{r[kind][key]}" for r in results.values())])
        rows.append(["… share", *(f"{r[kind][f'share_{key}']:.4g}" for r in results.values())])
    for kind, label in (("connected", "Most QTLs of a region"), ("binned", "Most QTL bins")):
        rows.append([label, *(f"{r[kind]['largest']}" for r in results.values())])
    return ["", *results], rows


def as_tsv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows as tab-separated text; the first column is called "quantity"."""
    lines = [["quantity", *header[1:]], *rows]
    return "".join("\t".join(line) + "\n" for line in lines)


def _shown(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
