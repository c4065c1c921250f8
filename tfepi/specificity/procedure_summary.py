"""What a comparison of procedures says to people: a table, and the paper's directions."""

from collections.abc import Mapping, Sequence

from tfepi.specificity.accuracy import GENOME, SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.procedures import MULTITASK, PROCEDURES
from tfrecords_tools.number_text import number_of

_SHOWN = (GENOME, SPECIFIC, UBIQUITOUS)


def summary(found: Mapping) -> str:
    """Return the table for people, and which of the paper's directions hold.

    Args:
        found: the value of procedures.json.
    """
    lines = [_tested(found), *_table(found)]
    shared = next(m for m in found["means"] if m["cells"] == "all")["cell_types"]
    size = f"{found['parameters'][MULTITASK.name]:,} trained parameters"
    lines.append(f"model: {size} with {number_of(len(shared), 'cell type')}")
    named = dict.fromkeys(c for m in found["means"] for c in _donors(m))
    if named:
        lines.append(
            f"ceiling: correlation between donors of {', '.join(named)}; R less the ceiling is "
            "over these cell types alone"
        )
    for sample in found.get("variants", {}).get("samples", ()):
        of = f" of {sample['sample']}" if sample["sample"] else ""
        lines.append(
            f"sites{of}: {sample['sites']:,} with more than {found['variants']['reads_above']} "
            f"reads, {sample['in_training_windows']:,} of them in windows of training or "
            f"validation; {sample['specific']:,} in specific peaks, {sample['ubiquitous']:,} in "
            "ubiquitous ones"
        )
    return "\n".join([*lines, "", *_directions(found)])


def _tested(found: Mapping) -> str:
    bins = [f"{found['test_bins'][g]:,} in {g} peaks" for g in (SPECIFIC, UBIQUITOUS)]
    count = found["test_bins"][GENOME]
    return f"tested: {count:,} bins, {' and '.join(bins)}, in {found['blocks']} blocks"


def _donors(row: Mapping) -> Sequence[str]:
    return row["with_donors"]["cell_types"] if row["with_donors"] else ()


def _table(found: Mapping) -> list[str]:
    by_key = {(m["procedure"], m["cells"], m["group"]): m for m in found["means"]}
    header = ("procedure", "training windows", "steps", "all", "specific", "ubiquitous")
    limited = any(_donors(m) for m in found["means"])
    if limited:
        header += ("R − ceiling (specific, ubiquitous)",)
    titles = {p.name: p.title for p in PROCEDURES}
    rows = [header]
    for name, kind in dict.fromkeys((m["procedure"], m["cells"]) for m in found["means"]):
        windows = found["training"][name]
        of = by_key[name, kind, GENOME]["cell_types"]
        cells = [text(by_key[name, kind, group]["pearsonr_log2"]) for group in _SHOWN]
        if limited:
            below = [by_key[name, kind, group]["less_ceiling"] for group in _SHOWN[1:]]
            cells.append(", ".join(text(b, True) for b in below) if any(below) else "–")
        title = f"{titles[name]} ({number_of(len(of), 'cell type')})"
        rows.append((title, f"{windows['windows']:,}", f"{windows['mean_steps']:,.0f}", *cells))
    width = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [" | ".join(c.ljust(w) for c, w in zip(row, width, strict=True)) for row in rows]
    return [line.rstrip() for line in lines]


def _directions(found: Mapping) -> list[str]:
    """Return a line for each direction that is measured, and one for those of the same reason."""
    every = found["directions"]
    one = all(len(d["difference"]["by_seed"]) < 2 for d in every)
    lines = ["the paper's directions, and what is seen here (difference; over test blocks)"]
    if one:
        lines.append("one seed: no interval over seeds, so chance of training is not told apart")
    longest = max(len(d["claim"]) for d in every)
    for d in (d for d in every if d["reason"] is None):
        line = f"{d['claim'].ljust(longest)}  {d['verdict']}: {text(d['difference'], True)}"
        if d["blocks"] is not None:
            line += f"; [{', '.join(number(e, True) for e in d['blocks'])}]"
        lines.append(line)
    missing: dict[str, list[str]] = {}
    for d in every:
        if d["reason"] is not None:
            missing.setdefault(d["reason"], []).append(d["claim"])
    for reason, claims in missing.items():
        what = claims[0] if len(claims) == 1 else f"{len(claims)} directions ({claims[0]}, …)"
        lines.append(f"not measured: {what}: {reason}")
    return lines


def text(estimate: Mapping | None, sign: bool = False) -> str:
    """Return a mean with its interval for people."""
    if estimate is None or estimate["value"] is None:
        return "–"
    shown = number(estimate["value"], sign)
    if estimate["interval"] is None:
        return shown
    return f"{shown} [{', '.join(number(e, sign) for e in estimate['interval'])}]"


def number(value: float, sign: bool = False) -> str:
    """Return a number to three digits, or to four where three are 0: no "-0.000".

    Args:
        value: of a correlation or a difference.
        sign: whether one above 0 has a plus sign.
    """
    plus = "+" if sign else ""
    for digits in (3, 4):
        if round(value, digits):
            return f"{value:{plus}.{digits}f}"
    return "0.000"
