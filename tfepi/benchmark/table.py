"""Medians, ratios and the table."""

import math
from statistics import median

from tfepi.benchmark.cases import Case, Figure


def rows(case: Case, runs: dict[str, list[dict]]) -> list[dict]:
    """Return the rows of a case.

    Where both sides ran, the ratio is the median of the ratios of runs made one after the other;
    else it is the ratio of our median to the recorded figure. It is above 1 where ours is better.

    Args:
        case: the case.
        runs: side → figures of each of its runs.
    """
    return [_row(case, figure, runs) for figure in case.figures]


def _row(case: Case, figure: Figure, runs: dict[str, list[dict]]) -> dict:
    ours = [run[figure.key] for run in runs[figure.side]]
    theirs = [run[figure.key] for run in runs.get("theirs", []) if figure.key in run]
    value = median(ours) if ours else None
    measured = median(theirs) if theirs else None
    ratios = [_ratio(a, b, figure.less) for a, b in zip(ours, theirs, strict=False)]
    to_recorded = None
    if value is not None and figure.recorded is not None:
        to_recorded = _ratio(value, figure.recorded, figure.less)
    ratio = median(ratios) if ratios else to_recorded
    if figure.limit:
        met = None if value is None else max(ours) <= figure.bar
    else:
        met = None if ratio is None else ratio >= figure.bar
    return {
        "case": case.name,
        "figure": figure.name,
        "ours": value,
        "theirs": measured if theirs else figure.recorded,
        "theirs_source": "measured" if theirs else "recorded" if figure.recorded else None,
        "ratio": ratio,
        "ratios": ratios,
        "recorded": figure.recorded,
        "ratio_to_recorded": to_recorded,
        "bar": figure.bar,
        "bar_is_limit": figure.limit,
        "met": met,
    }


def _ratio(ours: float, theirs: float, less: bool) -> float:
    return theirs / ours if less else ours / theirs


def number(value: float | None) -> str:
    """Return a figure with three significant digits, or a dash."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"


def markdown(results: dict) -> str:
    """Return the report: the table, what its figures are, and the commands that made them.

    Args:
        results: the value of results.json.
    """
    machine = results["machine"]
    lines = [
        "| case | figure | ours | theirs | ratio | bar | met? |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results["rows"]:
        theirs = number(row["theirs"]) + (" ¹" if row["theirs_source"] == "recorded" else "")
        bar = f"at most {row['bar']:g}" if row["bar_is_limit"] else f"{row['bar']:g}×"
        ratio = "–" if row["ratio"] is None else f"{row['ratio']:.2f}×"
        met = {True: "yes", False: "NO", None: "no figure"}[row["met"]]
        cells = (row["case"], row["figure"], number(row["ours"]), theirs, ratio, bar, met)
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        f"Medians of {results['repeats']} runs on {machine['cores']} cores "
        f"({machine['processor'] or 'processor unknown'}), without accelerators. CPU-seconds are "
        "user and system time of a process and all its descendants, start-up included, except "
        "for reading and training steps, which are timed after a warm-up. A limit is met when "
        "every run meets it.",
    ]
    if any(r["theirs_source"] == "measured" for r in results["rows"]):
        lines.append(
            "Ratios are medians of the ratios of runs made in turn on this machine; above 1 is "
            "better than the original. The original's train mode only reads; ours also flips "
            "strands and shifts."
        )
    if any(r["theirs_source"] == "recorded" for r in results["rows"]):
        lines.append(
            "¹ Not measured here: recorded for calico/basenji 74b8671, TensorFlow 2.15, two shared "
            "cores and another simulated genome of this size. The ratio is of our median to it: "
            "only a guide."
        )
    lines += ["", "Commands, in the work folder:", "", "```"]
    lines += [f"# input\n{command}" for command in results["inputs"]]
    for case in results["cases"]:
        lines += [f"# {case['name']}: {side}\n{c}" for side, c in case["commands"].items()]
    return "\n".join([*lines, "```"]) + "\n"
