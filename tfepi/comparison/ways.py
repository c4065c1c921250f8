"""Strands and shifts that predictions are means over, and where these differ."""

from collections.abc import Mapping

from tfepi.comparison.options import Comparing
from tfepi.comparison.sources import Source


def region_way(source: Source, comparing: Comparing) -> dict:
    """Return over what a model's predictions of regions are means: "rc" and "shifts", bp."""
    return {"rc": source.rc, "shifts": list(comparing.shifts)}


def way_lines(result: Mapping) -> list[str]:
    """Return a line where scores are of other strands or shifts than others, or than regions.

    Shifts are of models of coverage only.

    Args:
        result: the value of compare.json.
    """
    lines, models = [], result["models"]
    strands = {m["rc"] for m in models}
    shifts = {tuple(m["shifts"]) for m in models if m["kind"] == "coverage"}
    if len(strands) > 1 or len(shifts) > 1:
        each = ", ".join(f"those of {m['name']} {_text(m)}" for m in models)
        lines.append(
            f"scores differ in strands or shifts: {each}; give all models the same --rc and "
            "--shifts"
        )
    ways = result.get("regions", {}).get("ways", {})
    for model in models:
        way = ways.get(model["name"])
        if way is not None and any(model[k] != way[k] for k in way):
            lines.append(
                f"{model['name']}: scores are {_text(model)}, predictions of regions {_text(way)}; "
                "give --rc and --shifts as the scores were made with"
            )
    return lines


def _text(way: Mapping) -> str:
    shifts = ", ".join(map(str, way["shifts"])).replace("-", "−")
    of = f" at shifts of {shifts} bp" if list(way["shifts"]) != [0] else ""
    return ("of both strands" if way["rc"] else "of one strand") + of
