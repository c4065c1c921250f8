"""The experiment: models trained, tested in seen and unseen cell types, and their results."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tfepi.cell_inputs import RecordCellInputs
from tfepi.conditioning.check import check_cells, tested_cells
from tfepi.conditioning.contrasts import REPORTED, contrasts_of, contrasts_table, scores_table
from tfepi.conditioning.effects import STATISTICS as EFFECT_STATISTICS
from tfepi.conditioning.effects import effects_json, measure_effects
from tfepi.conditioning.measured import SEEN, UNSEEN, scores_of
from tfepi.conditioning.plan import ACCESSIBILITY, AVERAGE, Plan
from tfepi.conditioning.predict import predict_all, record_batches
from tfepi.conditioning.runs import train_models, trainings_of
from tfepi.conditioning.scores import measure, scores_json
from tfepi.conditioning.variant_runs import (
    Variants,
    check_variants,
    gradient_ratios,
    score_variants,
)
from tfepi.evaluation.bootstrap import Bootstrap
from tfrecords_tools.conditioning import Conditioning, marks_of
from tfrecords_tools.data import Data
from tfrecords_tools.errors import UnfinishedError
from tfrecords_tools.files import read_json, write_json, write_text
from tfrecords_tools.genome import one_hot
from tfrecords_tools.output import check_folder, claim_folder, run_record

FORMAT = "tfepi-conditioning"
STATISTICS = ("auprc", "positive_rate", "auroc")
_BATCHES = 2  # of examples whose gradients are taken


def compare(
    plan: Plan,
    data: Data,
    out: str | Path,
    bootstrap: Bootstrap,
    variants: Variants | None = None,
    leopard: bool = False,
    jobs: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Train, test and compare the models of a plan; write tables and results.

    Args:
        plan: models, seeds, cell types held out.
        data: with targets of cell types.
        out: folder: models/, predictions/, scores.json, scores.tsv, contrasts.tsv; with variants
            also variants/, effects.json, effects.tsv, gradients.json.
        bootstrap: how intervals are made.
        variants: also compare effects of variants.
        leopard: also Leopard's step sum.
        jobs: trainings side by side (`runs.train_models`).
        resume: go on with what is there.
        overwrite: remove what is there.
        quiet: no progress bars.

    Returns:
        "scores", and with variants "effects" and "gradients": the JSON values.

    Raises:
        UnfinishedError: the folder has results, or those of another plan.
    """
    inputs = {"data": data.folder / "statistics.json"}
    if variants is not None:
        inputs |= variants.files
    out = check_folder(out, resume, overwrite, inputs)
    check_cells(plan, data)
    cells = [cell for group in tested_cells(plan, data) for cell in group]
    for training in trainings_of(plan, data, out)[: len(plan.models)]:
        spec = training.check(cells)
        if variants is not None:
            check_variants(spec, cells, variants)
    claim_folder(out, resume, overwrite, inputs)
    value = {"format": FORMAT, "format_version": 1, "plan": plan.to_json()}
    value["data"] = data.manifest_sha256
    path = out / "plan.json"
    if path.exists() and read_json(path) != value:
        raise UnfinishedError(
            f"{out} holds an experiment of other models, seeds or data: use --overwrite, or "
            "another folder"
        )
    with run_record(out, inputs, data_sha256=value["data"]):
        write_json(path, value)
        train_models(plan, data, out, jobs, quiet)
        experiment = predict_all(plan, data, out, quiet)
        measured, blocks = measure(experiment, bootstrap, leopard, quiet)
        pairs = planned_contrasts(plan)
        present = measured.design.models
        best = [n for n in ("B", "1a", "1b", "1c") if n in present]
        pairs += tuple((n, b) for n in best for b in (AVERAGE, ACCESSIBILITY) if b in present)
        rows = contrasts_of(measured, pairs)
        found = {"scores": scores_json(measured, blocks, rows)}
        write_json(out / "scores.json", found["scores"])
        names = (*STATISTICS, *(("auprc_leopard",) if leopard else ()))
        write_text(out / "scores.tsv", scores_table(scores_of(measured), names))
        chosen = tuple(n for n in names if n != "positive_rate")
        write_text(out / "contrasts.tsv", contrasts_table(rows, chosen))
        if variants is not None:
            found |= _of_variants(plan, data, out, variants, bootstrap, quiet)
    return found


def planned_contrasts(plan: Plan) -> tuple[tuple[str, str], ...]:
    """Return the report's contrasts between models that are compared, then each one's to B."""
    names = list(plan.models)
    pairs = [pair for pair in REPORTED if set(pair) <= set(names)]
    pairs += [(n, "B") for n in names if n in ("1a", "1b", "1c") and "B" in names]
    return tuple(pairs)


def _of_variants(plan, data, out, variants: Variants, bootstrap, quiet) -> dict:
    cells = tested_cells(plan, data)
    marks = marks_of(t for t in data.targets if t.cell in cells[0])
    effects = score_variants(plan, out, cells, marks, variants, quiet)
    measured = measure_effects(effects, bootstrap)
    rows = contrasts_of(measured, planned_contrasts(plan))
    found = effects_json(measured, effects, rows)
    write_json(out / "effects.json", found)
    write_text(out / "effects.tsv", scores_table(found["scores"], tuple(EFFECT_STATISTICS)))

    def batches(conditioning: Conditioning, cell: str) -> Iterator[dict[str, np.ndarray]]:
        given = RecordCellInputs(conditioning, data, cell)
        for sequences, tracks in itertools.islice(record_batches(data, plan.labels[2]), _BATCHES):
            yield given(tracks, len(sequences)) | {"sequence": one_hot(sequences)}

    every = (*cells[0], *cells[1])
    gradients = gradient_ratios(plan, out, batches, every, marks)
    value = {"format": "tfepi-conditioning-gradients", "format_version": 1, "runs": gradients}
    write_json(out / "gradients.json", value)
    return {"effects": found, "gradients": value}


def mean_ratios(gradients: dict, kind: str = "scaled") -> dict[str, list[float] | None]:
    """Return model → the ratio of the sequence's gradient norm to the other input's, by seed.

    Args:
        gradients: the value of gradients.json.
        kind: "scaled" by each input's standard deviation, or "raw".
    """
    found: dict[str, dict[int, list[float]]] = {}
    for run in gradients["runs"]:
        for ratio in run["ratios"].values():
            if ratio is not None and ratio[kind] is not None:
                seeds = found.setdefault(run["model"], {})
                seeds.setdefault(run["seed"], []).append(ratio[kind]["mean"])
    return {
        model: [float(np.mean(values)) for values in seeds.values()]
        for model, seeds in found.items()
    }


def summary(scores: dict, counted: str = "all") -> str:
    """Return a table for people: AUPRC of every model in seen cells and in the unseen one."""
    rows = [r for r in scores["scores"] if r["set"] == counted]
    present = {r["group"] for r in rows}
    groups = [g for g in (SEEN, UNSEEN) if g in present]
    marks = list(dict.fromkeys(r["mark"] for r in rows))
    columns = [(g, m) for g in groups for m in marks]
    width = max(len(r["model"]) for r in rows) + 2
    lines = ["AUPRC".ljust(width) + "".join(f"{g}, {m}".ljust(30) for g, m in columns).rstrip()]
    by_key = {(r["model"], r["group"], r["mark"]): r for r in rows}
    for model in dict.fromkeys(r["model"] for r in rows):
        cells = "".join(
            _cell(by_key.get((model, g, m)), "auprc").ljust(30) for g, m in columns
        ).rstrip()
        lines.append(model.ljust(width) + cells)
    rates = {(r["group"], r["mark"]): f"{r['positive_rate']['value']:.3f}" for r in rows}
    cells = "".join(rates.get(c, "–").ljust(30) for c in columns).rstrip()
    lines.append("rate".ljust(width) + cells)
    return "\n".join(lines)


def _cell(row: dict | None, statistic: str) -> str:
    if row is None or row[statistic]["value"] is None:
        return "–"
    found = row[statistic]
    if found["interval"] is None:
        return f"{found['value']:.3f}"
    return f"{found['value']:.3f} [{found['interval'][0]:.3f}, {found['interval'][1]:.3f}]"
