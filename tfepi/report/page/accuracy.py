"""Accuracy on held-out windows: each target with its interval, worst first, beside baselines."""

from collections.abc import Sequence

from tfepi.report.page.content import Check, Column, Note, Picture, Section, Table
from tfepi.report.page.folders import BASELINE, TEST, Folder, Runs
from tfepi.report.page.pictures import picture
from tfepi.report.target_accuracy import accuracy_per_target
from tfrecords_tools.targets import Target

FEW_BLOCKS = 20
_TITLES = {
    "pearsonr": "Pearson r",
    "pearsonr_log2": "Pearson r of log2(x + 1)",
    "spearmanr": "Spearman ρ",
    "r2": "R²",
    "poisson_d2": "Poisson D²",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}
_CHANCE = {"auroc": 0.5}


def accuracy_section(runs: Runs) -> Section | None:
    """Return the section on tests and baselines; None without one."""
    folders = [*runs.of(TEST), *runs.of(BASELINE)]
    if not folders:
        return None
    blocks, checks = [_overview(folders)], []
    for number, folder in enumerate(folders):
        found = _of_folder(folder, number)
        blocks += found[0]
        if folder.kind == TEST:
            checks += [*found[1], *_held_out(folder, runs)]
        if (folder.path / "comparison.json").exists():
            table, check = _comparison(folder, number)
            blocks.append(table)
            checks.append(check)
    blocks.append(
        Note(
            "Intervals resample blocks of the genome (percentiles of a bootstrap): they say how "
            "much depends on the choice of test windows, not how much another training would "
            "change."
        )
    )
    return Section("accuracy", "Accuracy", blocks, checks)


def _main(metrics: dict) -> str:
    """Return the statistic that targets are ordered by."""
    entries = metrics["across_positions"]["targets"]
    return "auprc" if any("auprc" in e for e in entries) else "pearsonr"


def _overview(folders: Sequence[Folder]) -> Table:
    rows = []
    for folder in folders:
        metrics = folder.read("metrics.json")
        main = _main(metrics)
        mean = metrics["across_positions"]["mean"].get(main, {})
        across = (metrics.get("across_targets") or {}).get(main) or {}
        rows.append(
            {
                "folder": folder.name,
                "label": metrics["label"],
                "windows": metrics["windows"],
                "targets": len(metrics["across_positions"]["targets"]),
                "statistic": _TITLES[main],
                **_ends("value", mean),
                "across": across.get("value"),
            }
        )
    columns = (
        Column("folder", "folder"),
        Column("label", "split"),
        Column("windows", "windows", None),
        Column("targets", "targets", None),
        Column("statistic", "statistic"),
        Column("value", "mean over targets"),
        Column("value_low", "from"),
        Column("value_high", "to"),
        Column("across", "between targets, at one place"),
    )
    if all(row["across"] is None for row in rows):
        columns = columns[:-1]
    caption = "Tests and baselines: accuracy across positions, mean over targets, 95% interval."
    return Table("tests", caption, columns, rows)


def _ends(key: str, estimate: dict) -> dict:
    low, high = estimate.get("interval") or (None, None)
    return {key: estimate.get("value"), f"{key}_low": low, f"{key}_high": high}


def _of_folder(folder: Folder, number: int) -> tuple[list, list[Check]]:
    metrics = folder.read("metrics.json")
    entries, main = metrics["across_positions"]["targets"], _main(metrics)
    names = [n for n in _TITLES if any(n in e for e in entries)]
    names.sort(key=lambda n: n != main)
    rows = []
    for entry in entries:
        row = {k: entry.get(k) for k in ("identifier", "description", "observed", "missing")}
        for name in names:
            row |= _ends(name, entry.get(name) or {})
        row["notes"] = "; ".join(map(str, _notes(entry))) or None
        rows.append(row)
    columns = [
        Column("identifier", "target"),
        Column("description", "description"),
        Column(main, _TITLES[main]),
        Column(f"{main}_low", "from"),
        Column(f"{main}_high", "to"),
        *(Column(n, _TITLES[n]) for n in names[1:]),
        Column("observed", "positions", None),
        Column("notes", "notes"),
    ]
    columns = [c for c in columns if any(r[c.key] not in (None, "") for r in rows)]
    caption = (
        f"{folder.name}: each target across positions of {metrics['label']} windows, worst first, "
        f"{metrics['bootstrap']['level']:.0%} intervals."
    )
    blocks = [
        _picture(folder, metrics, number),
        Table(f"accuracy_{number}", caption, columns, rows, sort=main),
    ]
    return blocks, _checks(folder, metrics, main)


def _notes(entry: dict) -> Sequence[str]:
    notes = entry.get("notes") or ()
    return [notes] if isinstance(notes, str) else list(notes)


def _picture(folder: Folder, metrics: dict, number: int) -> Picture:
    entries, main = metrics["across_positions"]["targets"], _main(metrics)
    targets = [
        Target(e["index"], e["identifier"], "", description=e.get("description", ""))
        for e in entries
    ]
    missing = {"value": None, "interval": None}
    dots = {_TITLES[main]: [e.get(main, missing) for e in entries]}
    order = sorted(
        (e for e in entries if (e.get(main) or {}).get("value") is not None),
        key=lambda e: e[main]["value"],
    )
    ends = (
        f"from {order[0][main]['value']:.3f} ({order[0]['identifier']}) to "
        f"{order[-1][main]['value']:.3f} ({order[-1]['identifier']})"
        if order
        else "of no target defined"
    )
    text = f"{folder.name}: {_TITLES[main]} of {len(entries)} targets with intervals, {ends}."
    axis = f"{_TITLES[main]} across positions, {metrics['label']} windows"
    return picture(accuracy_per_target(targets, dots, axis), f"accuracy_of_{number}", text)


def _checks(folder: Folder, metrics: dict, main: str) -> list[Check]:
    entries = metrics["across_positions"]["targets"]
    chance = _CHANCE.get(main, 0.0)
    title, name = _TITLES[main], f"{folder.name} predicts its targets"
    if main == "auprc":  # chance is the share of positives, which metrics.json does not hold
        main, title, chance = "auroc", _TITLES["auroc"], 0.5
    known = [e for e in entries if (e.get(main) or {}).get("value") is not None]
    no_better = [
        e["identifier"]
        for e in known
        if (e[main].get("interval") or [e[main]["value"]])[0] <= chance
    ]
    found = (
        f"{len(known) - len(no_better)} of {len(entries)} targets lie above {chance:g} in {title}"
    )
    checks = []
    if not known:
        checks.append(Check(name, "fail", f"{title} is defined for no target", "see the notes"))
    elif len(no_better) == len(known):
        checks.append(Check(name, "fail", found, "no better than chance: do not use this model"))
    elif no_better or len(known) < len(entries):
        first = ", ".join(no_better[:5]) + ("…" if no_better[5:] else "")
        advice = f"do not use it for {first}" if no_better else "see the notes of the others"
        checks.append(Check(name, "warn", found, advice))
    else:
        checks.append(Check(name, "pass", found))
    blocks = metrics["bootstrap"].get("blocks") or 0
    if blocks < FEW_BLOCKS:
        checks.append(
            Check(
                f"{folder.name} has enough test windows",
                "warn",
                f"{blocks} independent blocks of the genome",
                "intervals of so few are rough: hold back more of the genome",
            )
        )
    else:
        found = f"{metrics['windows']:,} windows in {blocks} blocks"
        checks.append(Check(f"{folder.name} has enough test windows", "pass", found))
    return checks


def _held_out(folder: Folder, runs: Runs) -> list[Check]:
    """Tell whether the windows of a test were held out of its model's training."""
    run, label = runs.model_of(folder), folder.read("metrics.json")["label"]
    if run is None:
        return []
    settings = (run.read("state.json").get("key") or {}).get("settings") or {}
    used = {settings.get("train_label"): "trained", settings.get("valid_label"): "chosen"}
    name = f"{folder.name} is of held-out windows"
    if label not in used:
        return [Check(name, "pass", f"{label}, which training did not see")]
    advice = "test on other windows: this accuracy is too high"
    status = "fail" if used[label] == "trained" else "warn"
    return [Check(name, status, f"{label}, on which the model was {used[label]}", advice)]


def _comparison(folder: Folder, number: int) -> tuple[Table, Check]:
    value = folder.read("comparison.json")
    of_logs = folder.read("ridge.json")["log1p"]
    statistic = "pearsonr_log2" if of_logs else "pearsonr"
    rows = []
    for target in value["targets"]:
        found = target.get(statistic) or target["pearsonr"]
        row = {"identifier": target["identifier"], "first": found["first"]["value"]}
        row |= {"second": found["second"]["value"], **_ends("difference", found["difference"])}
        rows.append(row)
    first, title = value["first"].rstrip("/").rsplit("/", 1)[-1], _TITLES[statistic]
    columns = (
        Column("identifier", "target"),
        Column("first", f"{first}, {title}"),
        Column("second", f"{folder.name}, {title}"),
        Column("difference", "difference"),
        Column("difference_low", "from"),
        Column("difference_high", "to"),
    )
    caption = f"{first} against the k-mer ridge regression {folder.name}, on the same windows."
    table = Table(f"comparison_{number}", caption, columns, rows, sort="difference")
    name = f"{first} beats the k-mer baseline {folder.name}"
    better = [r for r in rows if r["difference_low"] is not None and r["difference_low"] > 0]
    worse = [r for r in rows if r["difference_high"] is not None and r["difference_high"] < 0]
    found = f"{len(better)} of {len(rows)} targets, with an interval above 0 in {title}"
    if len(better) == len(rows):
        return table, Check(name, "pass", found)
    advice = "train longer or on more data: counts of k-mers do as well there"
    return table, Check(name, "fail" if worse else "warn", found, advice)
