"""The files of a comparison: compare.json, one table of all numbers, and each variant's scores."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from tfepi.comparison.left_out import left_out_lines, region_lines, regions_text
from tfepi.comparison.ways import way_lines
from tfepi.evaluation.metrics import format_estimate
from tfrecords_tools.files import atomic_path, write_json, write_text
from tfrecords_tools.text_table import text_table

FORMAT = "tfepi-comparison-of-models"
FORMAT_VERSION = 1
JSON, TABLE, VARIANTS, CURVES = (
    "compare.json",
    "compare.tsv",
    "variants.parquet",
    "effect_distance.tsv",
)
COLUMNS = (
    *("part", "series", "first", "second", "measure", "k", "n"),
    *("value", "low", "high", "expected"),
)
INPUT, OUTPUT = "input", "output"  # ends that cut a field
_SHARES = ("50% of effect", "90%", "99%")  # bp from the variant that hold it
_OF_REGIONS = ("pearsonr", "pearsonr_log2", "spearmanr")


def write_tables(folder: Path, result: dict, variants: pd.DataFrame, curves: pd.DataFrame) -> None:
    """Write compare.json, compare.tsv, variants.parquet and effect_distance.tsv.

    Args:
        folder: where to.
        result: the value of compare.json.
        variants: columns chrom, pos (1-based), id, ref, alt, and a score of each model.
        curves: effects by distance.
    """
    with atomic_path(folder / VARIANTS) as part:
        variants.to_parquet(part, index=False)
    write_text(folder / CURVES, curves.to_csv(sep="\t", index=False, float_format="%.6g"))
    table = pd.DataFrame(rows(result), columns=COLUMNS)
    write_text(folder / TABLE, table.to_csv(sep="\t", index=False, float_format="%.6g"))
    write_json(folder / JSON, result)


def rows(result: dict) -> Iterator[dict]:
    """Yield the rows of compare.tsv: one number each, with its interval.

    Args:
        result: the value of compare.json.
    """
    for pair in result["pairs"]:
        base = {"part": "variants", **{k: pair[k] for k in ("series", "first", "second")}}
        base["n"] = pair["n"]
        for name in ("pearsonr", "spearmanr", "spearmanr_of_sizes"):
            of = "_of_sizes" if pair["of"] == "sizes" and not name.endswith("sizes") else ""
            yield base | {"measure": name + of} | _ends(pair[name])
        for name in ("beyond_chromosome", "undefined"):
            yield base | {"measure": name, "value": pair[name]}
        if pair["sign"]:
            sign = pair["sign"]
            facts = {"measure": "sign_agreement", "n": sign["n"], "expected": sign["expected"]}
            yield base | facts | _ends(sign["agreement"])
        for top in pair["top"]:
            facts = base | {"k": top["k"]}
            yield (
                facts
                | {"measure": "top_overlap", "expected": top["expected"]}
                | _ends(top["overlap"])
            )
            yield facts | {"measure": "top_jaccard"} | _ends(top["jaccard"])
            if "sign" in top:
                yield (
                    facts
                    | {"measure": "top_sign_agreement", "n": top["signs"]}
                    | _ends(top["sign"])
                )
    for entry in result["distance"]:
        base = {"part": "distance", "series": entry["series"], "first": entry["model"]}
        for share, found in entry["within"].items():
            yield base | {"measure": f"within_{float(share):.0%}_bp"} | _ends(found)
    for field in result["fields"]:
        base = {"part": "field", "first": field["model"]}
        yield base | {"measure": "input_bp", "value": field["input"]}
        for name in ("least", "most") if field["theory"] else ():
            yield base | {"measure": f"theory_{name}_bp", "value": field["theory"][name]}
        for name, value in (field["measured"] or {}).items():
            method = field["measured"]["method"]
            if name == "cut_by":
                for end in (INPUT, OUTPUT):
                    yield base | {"measure": f"{method}_cut_by_{end}", "value": int(value == end)}
            elif name != "method":
                yield base | {"measure": f"{method}_{name}_bp", "value": value}
    for pair in result.get("regions", {}).get("pairs", ()):
        base = {"part": "regions", **{k: pair[k] for k in ("series", "first", "second")}}
        for name in ("regions", "beyond_chromosome", "undefined"):
            yield base | {"measure": name, "value": pair[name]}
        for name in _OF_REGIONS:
            if name in pair:
                yield base | {"measure": name, "n": pair["bins"]} | _ends(pair[name])


def _ends(found: dict) -> dict:
    low, high = found["interval"] or (None, None)
    return {"value": found["value"], "low": low, "high": high}


def summary(result: dict) -> str:
    """Return the tables for people: the models, each pair, what is left out, what differs.

    Args:
        result: the value of compare.json.
    """
    one = len(result["series"]) == 1
    blocks = [_models(result, one), _pairs(result, one)]
    if "regions" in result:
        blocks.append(_regions(result["regions"], one))
    lines = note_lines(result)
    return "\n\n".join([*blocks, "\n".join(lines)] if lines else blocks)


def note_lines(result: dict) -> list[str]:
    """Return lines on what is left out, and on scores and regions of other strands or shifts."""
    return [
        *left_out_lines(result),
        *region_lines(result.get("regions", {})),
        *way_lines(result),
    ]


def _models(result: dict, one: bool) -> str:
    fields = {f["model"]: f for f in result["fields"]}
    distances = _distances(result)
    header = ["model", "input", "bins", "field", "measured", *(_SHARES if one else ())]
    lines = []
    for model in result["models"]:
        name = model["name"]
        bins = f"{model['bins']} x {model['bin_width']}" if "bins" in model else "CpGs"
        field = fields.get(name)
        cells = [_bp(model["input"]), bins, field_text(field), measured_text(field)]
        of_one = distances[result["series"][0]["label"], name] if one else ()
        lines.append([name, *cells, *of_one])
    text = text_table(header, lines)
    if one:
        return text
    rows = [[*key, *cells] for key, cells in distances.items()]
    return f"{text}\n\n" + text_table(["target", "model", *_SHARES], rows)


def _distances(result: dict) -> dict[tuple[str, str], list[str]]:
    """Return in words the distances that hold shares of the effect, by target and model."""
    within = {(d["series"], d["model"]): d["within"] for d in result["distance"]}
    found = {}
    for series in result["series"]:
        for model in result["models"]:
            key = series["label"], model["name"]
            found[key] = [_bp(s["value"]) for s in within.get(key, {}).values()] or ["-"] * 3
            if model.get("bins") == 1:
                found[key] = ["one bin"] * 3
    return found


def field_text(field: dict | None) -> str:
    """Return what a model's output needs by arithmetic in words, bp.

    Args:
        field: as of `fields.seen_field`, or None.
    """
    if field is None or field["theory"] is None:
        return "unknown"
    if field["theory"]["whole"]:
        return "all"
    least, most = (_bp(field["theory"][k]) for k in ("least", "most"))
    return least if least == most else f"{least}-{most}"


def measured_text(field: dict | None) -> str:
    """Return the longest span that was measured in words, bp, and what cut it.

    Args:
        field: as of `fields.seen_field`, or None.
    """
    seen = field and field["measured"]
    if not seen:
        return "-"
    by = f" (cut by {seen['cut_by']})" if seen["cut_by"] else ""
    return f"{_bp(seen['span_max'])}{by}"


def _bp(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _pairs(result: dict, one: bool) -> str:
    tops = sorted({t["k"] for p in result["pairs"] for t in p["top"]})
    header = [*([] if one else ["target"]), "pair", "n", "Pearson", "Spearman", "same sign"]
    header += [f"top {k} (chance)" for k in tops]
    lines = []
    for pair in result["pairs"]:
        sizes = "" if pair["of"] == "scores" else " of sizes"
        cells = [] if one else [pair["series"]]
        cells += [f"{pair['first']}, {pair['second']}", str(pair["n"])]
        cells += [format_estimate(pair[n]) + sizes for n in ("pearsonr", "spearmanr")]
        cells.append(format_estimate(pair["sign"]["agreement"]) if pair["sign"] else "no sign")
        by = {t["k"]: t for t in pair["top"]}
        cells += [
            f"{format_estimate(by[k]['overlap'])} ({by[k]['expected']:.3f})" if k in by else "-"
            for k in tops
        ]
        lines.append(cells)
    what = result["stat"]
    if result["span"]:
        what += f" of {result['span']:,} bp around the variant"
    return f"{result['variants']} variants, {what}\n" + text_table(header, lines)


def _regions(regions: dict, one: bool) -> str:
    header = [*([] if one else ["target"]), "pair", "regions", "bins", *_names(_OF_REGIONS)]
    lines = []
    for pair in regions["pairs"]:
        cells = [] if one else [pair["series"]]
        cells += [f"{pair['first']}, {pair['second']}", str(pair["regions"]), str(pair["bins"])]
        cells += [format_estimate(pair.get(n)) for n in _OF_REGIONS]
        lines.append(cells)
    size = f"{regions['bins']} x {regions['bin_width']} bp"
    return f"{regions_text(regions)}, bins {size}\n" + text_table(header, lines)


def _names(names: Sequence[str]) -> list[str]:
    shown = {"pearsonr": "Pearson", "pearsonr_log2": "Pearson of logs", "spearmanr": "Spearman"}
    return [shown[n] for n in names]
