#!/usr/bin/env python3
"""Tables of incremental_speed.py's figures: incremental_tables.py FILE…"""

import statistics
import sys
from collections.abc import Iterable
from pathlib import Path

from tfrecords_tools.files import read_json
from tfrecords_tools.number_text import number_of

SHARED = 32  # variants of one window, its reference's pass counted
KINDS = ("saturation", "shared", "own")
CPU, WALL = 0, 1


def ratios(runs: Iterable[dict], kind: str, clock: int) -> list[float]:
    """Return what whole passes take of what is computed instead, of each run, ascending.

    Args:
        runs: each {part: [CPU-seconds, seconds] of one}.
        kind: "saturation": a pass beside a change; "shared": two passes for each of 32 changes,
            beside those and the pass of their reference; "own": two passes beside those of a window
            of its own.
        clock: CPU or WALL.
    """
    found = []
    for run in runs:
        whole, reference, change, own = (
            run[part][clock] for part in ("whole", "reference", "change", "own")
        )
        if kind == "saturation":
            found.append(whole / change)
        elif kind == "shared":
            found.append(2 * SHARED * whole / (reference + SHARED * change))
        else:
            found.append(2 * whole / own)
    return sorted(found)


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def _table(head: str, rows: Iterable[str]) -> str:
    columns = head.count("|") - 1
    return "\n".join([head, "|" + "---|" * columns, *rows])


def _row(row: dict, kind: str) -> str:
    runs = row["runs"]
    cpu, wall = ratios(runs, kind, CPU), statistics.median(ratios(runs, kind, WALL))
    middle, bound = statistics.median(cpu), row["bounds"][kind]

    def part(name: str) -> str:
        return _time(statistics.median(run[name][CPU] for run in runs))

    if kind == "saturation":
        times = f"{part('whole')} ({row['way']}) | {part('change')}"
    elif kind == "shared":
        times = f"{part('whole')} | {part('reference')} | {part('change')}"
    else:
        times = f"{part('whole')} | {part('own')}"
    targets = number_of(row["targets"], "target")
    model = f"{row['model'].partition(':')[0]}, {row['size']}, {targets}"
    spread = f"{cpu[0]:.2f}–{cpu[-1]:.2f}"
    figures = f"**{middle:.2f}×** | {spread} | {wall:.2f}× | {bound:.2f}× | {middle / bound:.0%}"
    last = f" | {row['difference']:.1e}" if kind == "saturation" else ""
    return f"| {model} | {times} | {figures}{last} |"


_HEADS = {
    "saturation": "| model | whole pass, CPU | change, CPU | ratio | spread | of wall time | bound "
    "| of it | largest difference |",
    "shared": "| model | whole pass, CPU | reference | change | ratio | spread | of wall time "
    "| bound | of it |",
    "own": "| model | whole pass, CPU | reference and change | ratio | spread | of wall time "
    "| bound | of it |",
}
_TITLES = {
    "saturation": "Changes of one window whose reference is kept, beside a whole pass for each",
    "shared": f"{SHARED} variants of one window and its reference, beside two passes for each",
    "own": "Every variant in a window of its own, beside two passes for each",
}


def speed_tables(rows: Iterable[dict]) -> str:
    """Return Markdown tables of speed and of memory.

    Args:
        rows: as incremental_speed.py writes.
    """
    rows = list(rows)
    parts = []
    for kind in KINDS:
        parts += [f"{_TITLES[kind]}:", _table(_HEADS[kind], [_row(r, kind) for r in rows])]
    memory = [
        f"| {row['model'].partition(':')[0]}, {row['size']} | "
        + " | ".join(f"{mib:,.0f} ({int(n):,})" for n, mib in row["peaks"].items())
        + " |"
        for row in rows
        if "peaks" in row
    ]
    if memory:
        head = "| model | 1× | 4× | 16× |"
        parts += ["Peak memory, MiB, of a process (number of changes):", _table(head, memory)]
    return "\n\n".join(parts)


def main() -> None:
    """Print the tables of files."""
    rows: dict[str, dict] = {}
    for path in sys.argv[1:]:
        rows |= read_json(Path(path))
    print(speed_tables(rows.values()))


if __name__ == "__main__":
    main()
