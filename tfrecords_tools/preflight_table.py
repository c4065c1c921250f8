"""A preflight's findings as text for a person and as check.json."""

import math
from dataclasses import asdict

from tfrecords_tools.output import shown_size
from tfrecords_tools.preflight import Preflight
from tfrecords_tools.remote import named
from tfrecords_tools.text_table import text_table

FORMAT = "tfepi-check"
FORMAT_VERSION = 1
_ROWS = 40


def as_json(found: Preflight) -> dict:
    """Return the value of check.json: all findings, NaN as null."""
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "failed": found.failed,
        **_plain(asdict(found)),
    }


def _plain(value):
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def as_text(found: Preflight) -> str:
    """Return tables of chromosomes, tracks, variants and of what a build would write."""
    parts = [_chromosomes(found)]
    if found.tracks:
        parts += [_tracks(found), _coverage(found)]
    if found.variants:
        parts.append(_variants(found))
    if found.forecast:
        parts.append(_forecast(found))
    return "\n\n".join(filter(None, parts))


def _cut(rows: list[list[str]], what: str) -> list[list[str]]:
    """Keep the first rows, and say how many are left out."""
    if len(rows) <= _ROWS:
        return rows
    return [
        *rows[:_ROWS],
        [f"… {len(rows) - _ROWS} more {what}, all in check.json (-o)", *[""] * (len(rows[0]) - 1)],
    ]


def _chromosomes(found: Preflight) -> str:
    rows = [
        [c.name, f"{c.length:,}", f"{c.n_fraction:.2%}", "yes" if c.used else "no"]
        for c in found.chromosomes
    ]
    if not rows:
        return ""
    total = sum(c.length for c in found.chromosomes)
    unknown = sum(c.length * c.n_fraction for c in found.chromosomes) / max(total, 1)
    rows = [*_cut(rows, "chromosomes"), ["all", f"{total:,}", f"{unknown:.2%}", ""]]
    return text_table([f"chromosome of {named(found.genome)}", "bp", "N", "windows"], rows)


def _tracks(found: Preflight) -> str:
    rows = []
    for t in found.tracks:
        bases = max(sum(c.bases for c in t.coverage), 1)
        covered = sum(c.bases * c.covered for c in t.coverage)
        zero = sum(c.bases * c.zero for c in t.coverage) / bases
        total = sum(c.bases * c.covered * c.mean for c in t.coverage if c.covered)
        largest = max((c.largest for c in t.coverage if c.covered), default=math.nan)
        rows.append(
            [
                t.identifier,
                f"{covered / bases:.1%}",
                f"{1 - covered / bases:.1%}",
                f"{zero:.1%}",
                f"{total / covered if covered else math.nan:.4g}",
                f"{largest:.4g}",
                f"{t.largest_bin:.4g}",
                f"{t.clipped:.3%}",
                f"{t.overflowing:,}",
                f"{t.examined:.0%}",
            ]
        )
    header = ["track", "covered", "NaN", "zero", "mean", "largest base", "largest bin"]
    return text_table([*header, "clipped", "float16 overflow", "read"], _cut(rows, "tracks"))


def _coverage(found: Preflight) -> str:
    """Return covered / NaN / zero shares for each track and chromosome."""
    rows = [
        [
            t.identifier,
            c.chrom,
            f"{c.covered:.1%}",
            f"{c.nan:.1%}",
            f"{c.zero:.1%}",
            f"{c.mean:.4g}",
        ]
        for t in found.tracks
        for c in t.coverage
    ]
    return text_table(["track", "chromosome", "covered", "NaN", "zero", "mean"], _cut(rows, "rows"))


def _variants(found: Preflight) -> str:
    v = found.variants
    more = "" if v.whole else " (the first)"
    rows = [
        ["records" + more, f"{v.records:,}", ""],
        ["REF compared", f"{v.compared:,}", ""],
        *(
            [name, f"{count:,}", f"{count / max(v.compared, 1):.2%}"]
            for name, count in (
                ("REF is the genome's", v.matched),
                ("… one base further right", v.moved),
                ("ALT is the genome's instead", v.swapped),
                ("REF is the genome's other strand", v.other_strand),
            )
        ),
        ["beyond the chromosome", f"{v.past_end:,}", ""],
        ["no sequence of letters (<DEL>, *, N)", f"{v.symbolic:,}", ""],
        ["no ALT", f"{v.without_alternative:,}", ""],
        ["chromosome not in the genome", f"{sum(v.absent.values()):,}", ""],
    ]
    return text_table([f"variants of {named(v.path)}", "", ""], rows)


def _forecast(found: Preflight) -> str:
    f = found.forecast
    windows = sum(f["windows"].values())
    rows = [[label, f"{n:,}", f"{n / max(windows, 1):.1%}"] for label, n in f["windows"].items()]
    rows += [[f"left out ({why})", f"{n:,}", ""] for why, n in f["dropped"].items() if n]
    rows.append(["size", shown_size(f["bytes"]), ""])
    rows.append(["time", f"{f['cpu_seconds']:,.0f} CPU-s", ""])
    return text_table(["windows", "", ""], rows)
