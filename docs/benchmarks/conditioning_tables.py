#!/usr/bin/env python3
"""Print the results of a comparison of conditioned models as Markdown tables.

Usage: conditioning_tables.py FOLDER [SET]   (of tfepi_conditioning.py; all or differing positions)
"""

import json
import statistics
import sys
from pathlib import Path


def shown(value: dict, digits: int = 3) -> str:
    """Return a value and its interval."""
    if value["value"] is None:
        return "–"
    text = f"{value['value']:.{digits}f}"
    if value["interval"] is None:
        return text
    return f"{text} [{', '.join(f'{x:.{digits}f}' for x in value['interval'])}]"


def table(header: list[str], rows: list[list[str]]) -> None:
    """Print a table."""
    for row in (header, ["---"] * len(header), *rows):
        print("|", " | ".join(row), "|")
    print()


def of_models(found: dict, statistic: str, counted: str, rate: str) -> None:
    """Print a statistic of every model, in a column for each group of cell types and mark."""
    rows = [r for r in found["scores"] if r["set"] == counted]
    rows = [r for r in rows if r["group"] in ("seen cells", "unseen cell")]
    columns = list(dict.fromkeys((r["group"], r["mark"]) for r in rows))
    by_key = {(r["model"], r["group"], r["mark"]): r for r in rows}
    lines = []
    for model in dict.fromkeys(r["model"] for r in rows):
        there = [by_key.get((model, *column)) for column in columns]
        lines.append([model, *(shown(r[statistic]) if r else "–" for r in there)])
    rates = {(r["group"], r["mark"]): r[rate]["value"] for r in rows}
    lines.append([rate.replace("_", " "), *(f"{rates[c]:.3f}" for c in columns)])
    table([statistic, *(f"{group}, {mark}" for group, mark in columns)], lines)


def of_places(found: dict, statistic: str) -> None:
    """Print a statistic by where variants lie, in the cell types trained on.

    Places where fewer than a tenth of the variants have an effect are left out.
    """
    rows = [r for r in found["scores"] if r["group"] == "seen cells" and r["set"] != "all"]
    rows = [r for r in rows if r["effect_rate"]["value"] >= 0.1 and r[statistic]["interval"]]
    columns = list(dict.fromkeys((r["mark"], r["set"]) for r in rows))
    by_key = {(r["model"], r["mark"], r["set"]): r for r in rows}
    lines = []
    for model in dict.fromkeys(r["model"] for r in rows):
        there = [by_key.get((model, *column)) for column in columns]
        lines.append([model, *(shown(r[statistic], 2) if r else "–" for r in there)])
    table([f"{statistic}, seen cells", *(f"{m}, {place}" for m, place in columns)], lines)


def of_contrasts(found: dict, statistic: str, counted: str) -> None:
    """Print paired differences of models."""
    rows = [r for r in found["contrasts"] if r["set"] == counted]
    rows = [r for r in rows if r["group"] in ("seen cells", "unseen cell")]
    columns = list(dict.fromkeys((r["group"], r["mark"]) for r in rows))
    by_key = {(r["first"], r["second"], r["group"], r["mark"]): r for r in rows}
    lines = []
    for first, second in dict.fromkeys((r["first"], r["second"]) for r in rows):
        there = [by_key.get((first, second, *column)) for column in columns]
        cells = (shown(r[statistic]) if r else "–" for r in there)
        lines.append([f"{first} − {second}", *cells])
    table([f"{statistic}, difference", *(f"{g}, {m}" for g, m in columns)], lines)


def of_training(folder: Path, models: list[str]) -> None:
    """Print the losses of the last epoch and what training took."""
    lines = []
    for model in models:
        runs = sorted((folder / "models" / model).glob("seed*"))
        if not runs:
            continue
        last = [json.loads((r / "metrics.jsonl").read_text().splitlines()[-1]) for r in runs]
        took = [json.loads((r / "run.json").read_text())["duration_s"] for r in runs]
        cells = []
        for name in ("loss", "valid_loss", "auprc", "valid_auprc"):
            values = [epoch[name] for epoch in last]
            cells.append(f"{statistics.mean(values):.4f} [{min(values):.4f}, {max(values):.4f}]")
        lines.append([model, *cells, f"{statistics.median(took):.0f}"])
    names = ["loss", "validation loss", "AUPRC", "validation AUPRC"]
    table(["last epoch: mean [least, most] of seeds", *names, "seconds (median)"], lines)


def of_gradients(found: dict) -> None:
    """Print ratios of the norms of gradients, sequence to the other input, scaled."""
    lines = []
    for model in dict.fromkeys(run["model"] for run in found["runs"]):
        for name in ("tracks", "cell_state"):
            seeds: dict[int, list[float]] = {}
            for run in found["runs"]:
                ratio = run["ratios"][name]
                if run["model"] == model and ratio and ratio["scaled"]:
                    seeds.setdefault(run["seed"], []).append(ratio["scaled"]["mean"])
            if seeds:
                means = [f"{statistics.mean(values):.2f}" for values in seeds.values()]
                lines.append([model, name, *means])
    names = [f"seed {s}" for s in dict.fromkeys(run["seed"] for run in found["runs"])]
    table(["gradient ratio", "sequence over", *names], lines)


def main() -> None:
    folder, counted = Path(sys.argv[1]), (sys.argv[2:] or ["all"])[0]
    scores = json.loads((folder / "scores.json").read_text())
    of_training(folder, scores["models"])
    of_models(scores, "auprc", counted, "positive_rate")
    of_contrasts(scores, "auprc", counted)
    if (folder / "effects.json").exists():
        effects = json.loads((folder / "effects.json").read_text())
        for statistic in ("spearmanr", "sign_accuracy", "auroc"):
            of_models(effects, statistic, counted, "effect_rate")
        of_places(effects, "spearmanr")
        of_contrasts(effects, "spearmanr", counted)
        of_gradients(json.loads((folder / "gradients.json").read_text()))
    for note in scores["notes"]:
        print(f"- {note}")


if __name__ == "__main__":
    main()
