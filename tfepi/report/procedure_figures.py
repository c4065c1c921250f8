"""Figures of training procedures compared, after Kathail et al.'s 1b–c, 3, 4 and S1–S4.

Procedures are rows, so that their names can be read; single seeds are small open circles.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from tfepi.report.allelic_figures import imbalance_figure
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, some, styled
from tfepi.report.model_panels import NO_ESTIMATE, draw_estimates, name_rows
from tfepi.report.panels import Observed, observed_predicted
from tfepi.report.specificity_figures import accuracy_figure, heights_figure, overcorrelation_figure
from tfepi.specificity.accuracy import GENOME, MEAN, SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.height_table import height_table
from tfepi.specificity.procedure_aurocs import MATCHED, TASKS
from tfepi.specificity.procedure_comparison import Compared
from tfepi.specificity.procedure_estimates import over_seeds
from tfepi.specificity.procedure_scores import Scores, predictions_of
from tfepi.specificity.procedures import MULTITASK, PROCEDURES, SINGLE, Procedure
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.number_text import number_of
from tfrecords_tools.targets import Target

_R = "Pearson r of log2(x + 1)"
_SEEDS = "mean, 95% interval over seeds (small circles: single seeds)"
_ONE_SEED = "one seed"
_TITLES = {p.name: p.title for p in PROCEDURES}
_MOST_SCATTERS = 6


def draw_procedures(found: Compared, out: Path) -> list[Path]:
    """Write every figure of a comparison to out/figures; return their paths, SVG and PNG.

    Args:
        found: the comparison.
        out: its folder.
    """
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    ceiling = None if found.ceiling is None else found.ceiling.table()
    drawn = {
        "reference_accuracy": reference_figure(found),
        "procedures": procedures_figure(found.value["means"], (GENOME, SPECIFIC, UBIQUITOUS)),
        "height_matched": procedures_figure(found.value["height_matched"], (SPECIFIC, UBIQUITOUS)),
        "single_task": single_task_figure(found.scores),
        "peak_heights": heights_figure(height_table(found.tested)),
    }
    for procedure in found.scores.cell_types:
        table = mean_table(found.scores, procedure)
        name = f"accuracy_by_cluster_{procedure.name}"
        drawn[name] = accuracy_figure(table, found.scores.belongs, ceiling)
    pairs = {MULTITASK.title: over_table(found.scores, MULTITASK)}
    drawn["overcorrelation"] = overcorrelation_figure(pairs)
    alone = found.scores.cell_types[SINGLE]
    if len(alone) > 1:
        pairs = {p.title: over_table(found.scores, p, alone) for p in (SINGLE, MULTITASK)}
        drawn["overcorrelation_single_task"] = overcorrelation_figure(pairs)
    if found.aurocs is not None:
        drawn |= _of_variants(found)
    return [path for name, figure in drawn.items() for path in save_figure(figure, folder / name)]


def _of_variants(found: Compared) -> dict[str, Figure]:
    """Return the figures of variants; those with too few sites are left out."""
    value = found.value["variants"]
    drawn = {}
    by_task = {name: value[name] for name in TASKS if value[name]}
    if by_task:
        drawn["variant_accuracy"] = auroc_figure(by_task)
    by_group = {g: [r for r in value[MATCHED] if r["group"] == g] for g in (SPECIFIC, UBIQUITOUS)}
    if all(by_group.values()):
        drawn["variant_direction"] = auroc_figure(by_group)
    for sample in value["samples"]:
        if sample["specific"] and sample["ubiquitous"]:
            of = next(a for (_, _, n), a in found.aurocs.analyses.items() if n == sample["sample"])
            number = "" if len(value["samples"]) == 1 else f"_{value['samples'].index(sample)}"
            drawn[f"imbalance{number}"] = imbalance_figure(of)
    return drawn


def reference_figure(found: Compared) -> Figure:
    """Draw observed against predicted values of the multitask model, first seed (Figure 1b)."""
    scores, tested = found.scores, found.tested
    seed = scores.seeds[0]
    jobs = [j for j in found.jobs if j.model.procedure == MULTITASK and j.model.seed == seed]
    [(_, _, cells, predicted)] = predictions_of(jobs, tested)
    of = scores.correlations[MULTITASK, seed]
    panels = []
    for cell in scores.cell_types[SINGLE][:_MOST_SCATTERS]:
        column = cells.index(cell)
        r = of.value[of.groups.index(GENOME), column]
        values = (tested.truth[:, column], predicted[:, column], f"r (log2) = {r:.2f}")
        target = Target(column, cell)
        panels.append(Observed(target, *values, f"signal in a bin of {tested.bin_width} bp"))
    return observed_predicted(panels)


def procedures_figure(rows: Sequence[dict], groups: Sequence[str]) -> Figure:
    """Draw the accuracy of each procedure, a panel per group of positions (Figures 4a and S1c).

    Args:
        rows: of `procedure_tables.means` or `matched`.
        groups: panels; dotted lines are correlations between donors, diamonds the procedure's
            mean over the cell types that have donors, where these are not all.

    Raises:
        ConfigError: no row.
    """
    some(rows, "procedures")
    keys = list(dict.fromkeys((r["procedure"], r["cells"]) for r in rows))
    by_key = {(r["procedure"], r["cells"], r["group"]): r for r in rows}
    counts = {(r["procedure"], r["cells"]): len(r["cell_types"]) for r in rows}
    names = [f"{_TITLES[p]} ({number_of(counts[p, kind], 'cell type')})" for p, kind in keys]
    panels = []
    for group in groups:
        own = [by_key[(*key, group)] for key in keys]
        limits = [_beside(r) for r in own]
        panels.append((_name(group), [r["pearsonr_log2"] for r in own], limits))
    figure = _panels(names, panels, f"mean {_R}")
    donors = {c for r in rows if r.get("with_donors") for c in r["with_donors"]["cell_types"]}
    if donors:
        axis = figure.axes[0]
        handles = [axis.plot([], [], "k:")[0], axis.plot([], [], "kD", markersize=4)[0]]
        of = f"of {short(min(donors))}" if len(donors) == 1 else f"{len(donors)} cell types"
        labels = (f"between donors, {of}", "the procedure, in these")
        with styled():
            figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure


def _beside(row: dict) -> tuple[float, float | None] | None:
    """Return the ceiling and, where it is of fewer cell types, the procedure's value in these."""
    beside = row.get("with_donors")
    if beside is None:
        return None
    same = beside["cell_types"] == row["cell_types"]
    return row["ceiling"], None if same else beside["pearsonr_log2"]["value"]


def auroc_figure(panels: dict[str, Sequence[dict]]) -> Figure:
    """Draw AUROCs of each procedure, a panel per task or group (Figures 1c and 4b).

    Args:
        panels: name → dicts with "procedure" and "auroc".

    Raises:
        ConfigError: no panel.
    """
    some(panels, "AUROCs")
    labels = {
        "auroc_imbalance": "imbalanced or not",
        "auroc_imbalanced_direction": "direction, imbalanced sites",
        SPECIFIC: "direction, specific peaks",
        UBIQUITOUS: "direction, ubiquitous peaks",
    }
    order = [p.name for p in PROCEDURES]
    shown = [n for n in order if any(r["procedure"] == n for rows in panels.values() for r in rows)]
    drawn = []
    for name, rows in panels.items():
        by_name = {r["procedure"]: r["auroc"] for r in rows}
        drawn.append((labels.get(name, name), [by_name.get(n, NO_ESTIMATE) for n in shown], None))
    figure = _panels([_TITLES[n] for n in shown], drawn, "AUROC")
    for axis in figure.axes:
        axis.axvline(0.5, color=GREY, linestyle="--", linewidth=0.9)
    return figure


def _panels(names: Sequence[str], panels: Sequence[tuple], label: str) -> Figure:
    with styled():
        size = (2.6 + 2.4 * len(panels), 1.2 + 0.42 * len(names))
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
        for axis, (title, estimates, limits) in zip(axes, panels, strict=True):
            for y, limit in enumerate(limits or ()):
                if limit is not None:
                    axis.plot((limit[0], limit[0]), (y - 0.4, y + 0.4), "k:", linewidth=1.5)
                    if limit[1] is not None:
                        axis.plot(limit[1], y, "kD", markersize=4)
            draw_estimates(axis, [_shown(e) for e in estimates])
            axis.set_title(title)
        name_rows(axes[0], names)
        for axis in axes[1:]:
            axis.grid(axis="x", color="0.9", linewidth=0.6)
        every = [e for _, estimates, _ in panels for e in estimates]
        figure.supxlabel(f"{label}; {_seeds(every)}", fontsize=8)
    return figure


def _shown(estimate: dict) -> dict:
    """Return an estimate as it is drawn: of one seed without a circle beside the same value."""
    return estimate if estimate["interval"] else estimate | {"by_seed": {}}


def _seeds(estimates: Sequence[dict]) -> str:
    return _SEEDS if any(e["interval"] for e in estimates) else _ONE_SEED


def single_task_figure(scores: Scores) -> Figure:
    """Draw each cell type's accuracy by the single-task and by the multitask model (Figure S2).

    Args:
        scores: of all procedures.
    """
    cells = scores.cell_types[SINGLE]
    groups = (GENOME, SPECIFIC, UBIQUITOUS)
    with styled():
        figure = Figure(figsize=(2.6 + 2.4 * len(groups), 1.5 + 0.45 * len(cells)))
        figure.set_layout_engine("constrained")
        axes = figure.subplots(1, len(groups), squeeze=False, sharex=True, sharey=True)[0]
        every = []
        looks = ((MULTITASK, FIRST, "o", -0.14), (SINGLE, SECOND, "D", 0.14))
        for axis, group in zip(axes, groups, strict=True):
            for procedure, colour, marker, aside in looks:
                estimates = [
                    over_seeds(scores.mean(procedure, group, (cell,))[0]) for cell in cells
                ]
                drawn = [_shown(e) for e in estimates]
                draw_estimates(axis, drawn, colour, marker, aside, procedure.title[2:])
                every += estimates
            axis.set_title(_name(group))
        name_rows(axes[0], [short(c) for c in cells])
        for axis in axes[1:]:
            axis.grid(axis="x", color="0.9", linewidth=0.6)
        handles, labels = axes[0].get_legend_handles_labels()
        if any(e["interval"] for e in every):
            look = {"color": GREY, "markersize": 3, "fillstyle": "none"}
            handles.append(axes[0].plot([], [], "o", **look)[0])
            labels.append("a single seed of either")
        figure.legend(handles, labels, loc="outside upper center", ncols=len(handles))
        figure.supxlabel(f"{_R}; {_seeds(every)}", fontsize=8)
    return figure


def _name(group: str) -> str:
    return group if group == GENOME else f"{group} peaks"


def mean_table(scores: Scores, procedure: Procedure) -> pd.DataFrame:
    """Return `Correlations.table` of a procedure with the mean over seeds.

    Args:
        scores: of all procedures.
        procedure: one of them.
    """
    tables = [scores.correlations[procedure, seed].table() for seed in scores.seeds]
    mean = np.mean([t["pearsonr_log2"] for t in tables], axis=0)
    return tables[0].assign(pearsonr_log2=mean)


def over_table(
    scores: Scores, procedure: Procedure, cells: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return `Overcorrelation.table` of a procedure with the mean over seeds.

    Args:
        scores: of all procedures.
        procedure: one of them.
        cells: only pairs of these; None: all.

    Raises:
        ConfigError: fewer than two cell types.
    """
    own = scores.cell_types[procedure]
    cells = own if cells is None else tuple(cells)
    if len(cells) < 2:
        raise ConfigError(f"one cell type ({', '.join(cells)}) has no pair to correlate")
    rows, at = [], [own.index(c) for c in cells]
    for group in dict.fromkeys(g for p, _, g in scores.over if p == procedure):
        means = [
            np.mean([getattr(scores.over[procedure, s, group], kind) for s in scores.seeds], axis=0)
            for kind in ("experimental", "predicted", "over")
        ]
        count = scores.over[procedure, scores.seeds[0], group].n
        for k, i in enumerate(at):
            for j in at[k + 1 :]:
                rows.append((group, own[i], own[j], int(count[i, j]), *(m[i, j] for m in means)))
        seen = [r[4:] for r in rows if r[0] == group and not np.isnan(r[4:]).any()]
        mean = np.mean(seen, axis=0) if seen else np.full(3, np.nan)
        rows.append((group, MEAN, MEAN, int(count.max(initial=0)), *mean))
    names = ("group", "first", "second", "n", "experimental", "predicted", "overcorrelation")
    return pd.DataFrame(rows, columns=names)
