"""The tables of an exam, and its summary as text."""

import gzip
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from tfepi.analysis.pair_tables import shown
from tfepi.qtl.exam_accuracy import NAMES, STATISTICS, group_name
from tfepi.qtl.exam_result import Exam
from tfrecords_tools.files import atomic_path, write_text
from tfrecords_tools.number_text import number_of
from tfrecords_tools.text_table import text_table

COLUMNS = (
    *("score", "less", "from", "to", "positives", "negatives", "blocks", "statistic", "variants"),
    *("value", "low", "high", "formula_low", "formula_high", "p"),
)
VARIANTS = (
    "chrom",
    "pos",
    "id",
    "ref",
    "alt",
    "positive",
    "pip",
    "effect",
    "swapped",
    "gene",
    "set",
)


def write_exam(folder: Path, exam: Exam) -> None:
    """Write exam.tsv, balance.tsv, variants.tsv.gz, and targets.tsv of several targets."""
    result = exam.result
    rows = [
        row
        for marks in (result["accuracy"], result["baselines"])
        for m in marks
        for row in _long(m)
    ]
    for difference in result["differences"]:
        ends = dict(zip(("low", "high"), difference["interval"] or (None, None), strict=True))
        rows.append(
            dict.fromkeys(COLUMNS) | {k: v for k, v in difference.items() if k in COLUMNS} | ends
        )
    _write(folder / "exam.tsv", COLUMNS, rows)
    if result["balance"]:
        _write(folder / "balance.tsv", tuple(result["balance"][0]), result["balance"])
    if exam.by_target:
        _write(folder / "targets.tsv", *_wide(exam.by_target))
    _write_variants(folder / "variants.tsv.gz", exam)


def _long(marks: Mapping) -> list[dict]:
    """Return a row for each statistic of a score in a group."""
    rows = []
    fixed = {k: marks[k] for k in ("score", "from", "to", "positives", "negatives", "blocks")}
    for name in (s for s in STATISTICS if s in marks):
        found = marks[name]
        count = marks["positives"] + marks["negatives"]
        if name not in ("auroc", "auprc"):
            count = found.get("variants", marks.get("effects"))
        row = dict.fromkeys(COLUMNS) | fixed | {"statistic": name, "variants": count}
        row |= {"value": found["value"], "p": found.get("p")}
        for low, high, key in (("low", "high", "interval"), ("formula_low", "formula_high", None)):
            ends = found.get(key) if key else found.get("delong") or found.get("exact")
            row[low], row[high] = ends or (None, None)
        rows.append(row)
    return rows


def _wide(by_target: Sequence[dict]) -> tuple[tuple[str, ...], list[dict]]:
    """Return the columns and rows of targets.tsv, the first the one with the highest AUROC."""
    rows = []
    for marks in by_target:
        row = {k: marks[k] for k in ("score", "target", "description", "positives", "negatives")}
        row |= {s: marks[s]["value"] for s in STATISTICS}
        row["auroc_low"], row["auroc_high"] = marks["auroc"].get("delong") or (None, None)
        sign = marks["sign_accuracy"]
        row |= {"signs": sign["variants"], "sign_p": sign["p"], "effects": marks["effects"]}
        rows.append(row)
    rows.sort(key=lambda r: -1 if r["auroc"] is None else r["auroc"], reverse=True)
    return tuple(rows[0]), rows


def _write(path: Path, columns: Sequence[str], rows: Iterable[Mapping]) -> None:
    lines = ["\t".join(columns)]
    lines += ["\t".join(shown(row[c]) for c in columns) for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def _write_variants(path: Path, exam: Exam) -> None:
    """Write the examined variants; gzip without name and time, so that the same give the same."""
    names = [f"{name}_{k}" for name in exam.result["scores"] for k in ("score", "size")]
    features = [row["feature"] for row in exam.result["balance"]]
    table = exam.table.iloc[exam.examined][[*VARIANTS, *features, *names]]
    table = table.assign(
        positive=table["positive"].astype(int), swapped=table["swapped"].astype(int)
    )
    table["set"] = table["set"].where(table["set"] >= 0).astype("Int64")
    text = table.to_csv(sep="\t", index=False, float_format="%.6g", na_rep="NA")
    with (
        atomic_path(path) as part,
        open(part, "wb") as raw,
        gzip.GzipFile("", "wb", compresslevel=6, mtime=0, fileobj=raw) as packed,
    ):
        packed.write(text.encode())


def summary(result: Mapping) -> str:
    """Return the tables that the command prints: scores by distance, balance, differences."""
    header = ["score", result["distance"] or "variants", "positives", "negatives", "AUROC"]
    header += ["by DeLong", "AUPRC", "n", NAMES["sign_accuracy"], "n"]
    header += [NAMES[s] for s in STATISTICS[3:]]
    lines = []
    for marks in (*result["accuracy"], *result["baselines"]):
        own = marks.get("effects")
        there = marks["positives"] + marks["negatives"] + (own or 0)
        if not there and marks["from"] != marks["to"]:
            continue
        row = [marks["score"], group_name(marks["from"], marks["to"])]
        row += [str(marks["positives"]), str(marks["negatives"]), _cell(marks["auroc"])]
        row += [_ends(marks["auroc"]["delong"]), _cell(marks["auprc"])]
        if own is None:
            lines.append(row + [""] * 5)
            continue
        row += [str(marks["sign_accuracy"]["variants"]), _cell(marks["sign_accuracy"]), str(own)]
        lines.append(row + [_cell(marks[s]) for s in STATISTICS[3:]])
    parts = [text_table(header, lines), "\n".join(_numbers(result))]
    unmatched = [
        f"{name} {found['auroc']['value']:.3f} (of {found['negatives']} candidates)"
        for name, found in result["unmatched"].items()
        if found["auroc"]["value"] is not None
    ]
    if unmatched:
        parts.append(f"AUROC without matching: {', '.join(unmatched)}")
    if result["balance"]:
        parts.append(_balance(result["balance"]))
    if result["differences"]:
        parts.append(_differences(result["differences"]))
    return "\n\n".join(parts) + "\n"


def _numbers(result: Mapping) -> list[str]:
    """Return how many positives each statistic is of, and why, and what its intervals are."""
    names: dict[str, list[str]] = {}
    wholes = [m for m in result["accuracy"] if m["from"] is None and m["to"] is None]
    for marks in wholes:
        signs = marks["sign_accuracy"]
        left = f" ({signs['zero']} with a score of 0 left out)" if signs["zero"] else ""
        text = (
            f"{number_of(result['counts']['positives'], 'positive')}; AUROC and AUPRC of the "
            f"{marks['positives']} that have matched negatives "
            f"({result['matching']['negatives_of_each']} each), Spearman of the {marks['effects']} "
            f"with an effect, sign accuracy of the {signs['variants']} whose effect has a sign "
            f"that counts{left}"
        )
        names.setdefault(text, []).append(marks["score"])
    lines = [f"{', '.join(scores)}: {text}" for text, scores in names.items()]
    if any(marks[name]["interval"] for marks in wholes for name in STATISTICS):
        blocks = result["blocks"]
        lines.append(
            f"intervals: bootstrap of {number_of(blocks['count'], 'block')} of {blocks['bp']:,} "
            f"bp, of which {wholes[0]['blocks']} have positives; DeLong's takes variants for "
            "independent"
        )
    return lines


def _balance(rows: Sequence[Mapping]) -> str:
    keys = ("difference_before", "difference_after", "ks_after", "auroc_before", "auroc_after")
    header = ("feature", "difference before", "after", "KS after", "AUROC before", "after")
    lines = [
        [
            row["feature"] + ("" if row["matched"] else " (not matched)"),
            *("-" if row[k] is None else f"{row[k]:.3f}" for k in keys),
        ]
        for row in rows
    ]
    return text_table(header, lines)


def _differences(rows: Sequence[Mapping]) -> str:
    lines = [
        [f"{r['score']} less {r['less']}", NAMES[r["statistic"]], _cell(r), _p(r["p"])]
        for r in rows
        if r["value"] is not None
    ]
    return text_table(("scores", "statistic", "difference", "p"), lines)


def _p(value: float | None) -> str:
    return "" if value is None else f"{value:.2g}"


def _cell(found: Mapping) -> str:
    if found["value"] is None:
        return "-"
    return f"{found['value']:.3f} {_ends(found['interval'])}".strip()


def _ends(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f"[{interval[0]:.3f}, {interval[1]:.3f}]"
