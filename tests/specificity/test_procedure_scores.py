"""Accuracy, overcorrelation and directions of procedures whose predictions are made by hand."""

import json

import numpy as np
import pytest

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.params import parse_params
from tfepi.report.procedure_figures import (
    auroc_figure,
    mean_table,
    over_table,
    procedures_figure,
    single_task_figure,
)
from tfepi.specificity.accuracy import GENOME, PEAKS, SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS, peak_clusters
from tfepi.specificity.procedure_directions import differences, directions
from tfepi.specificity.procedure_runs import jobs_of
from tfepi.specificity.procedure_scores import CLUSTERS, OWN, score
from tfepi.specificity.procedure_summary import number as shown_number
from tfepi.specificity.procedure_summary import summary
from tfepi.specificity.procedure_tables import (
    COLUMNS,
    long_table,
    matched,
    means,
    overcorrelations,
)
from tfepi.specificity.procedure_windows import Measured
from tfepi.specificity.procedures import (
    MULTITASK,
    NON_UBIQUITOUS,
    PROCEDURES,
    SINGLE,
    Plan,
)
from tfepi.specificity.procedures import (
    PEAKS as ON_PEAKS,
)
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.targets import Target

CELLS = ("a", "b", "c")
SEEDS = (44, 45, 46)
ALONE = ("a", "c")
# How much of the truth is in the predictions: in specific and in ubiquitous peaks.
SIGNAL = {
    SINGLE: (0.35, 0.3),
    MULTITASK: (0.3, 0.7),
    ON_PEAKS: (0.5, 0.8),
    NON_UBIQUITOUS: (0.7, 0.4),
}
COUNT = 900


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Jobs with predictions, the test windows, their clusters and the folder of the experiment."""
    from tfrecords_tools.data import Data
    from tfrecords_tools.data_writer import DataWriter
    from tfrecords_tools.intervals import Interval
    from tfrecords_tools.records import sequence_features
    from tfrecords_tools.windows import Windowing

    folder = tmp_path_factory.mktemp("scores")
    rng = np.random.default_rng(8)
    names = np.array(["ubiquitous", *CELLS, ""])[rng.integers(0, 5, COUNT)]
    truth = rng.gamma(1.0, 1.0, (COUNT, 3))
    flat = names == "ubiquitous"
    truth[flat] = rng.gamma(1.0, 2.0, flat.sum())[:, None] * rng.uniform(0.9, 1.1, (flat.sum(), 3))
    truth[names == ""] *= 0.05
    for column, cell in enumerate(CELLS):
        truth[names == cell, column] += 2
    targets = tuple(Target(i, c) for i, c in enumerate(CELLS))
    windowing = Windowing(128, 32, 64)
    (folder / "data").mkdir()
    with DataWriter(folder / "data", windowing, targets, "index", 1000) as writer:
        for label in ("train", "valid", "test"):
            for row in range(COUNT):
                low = 32 + 1000 * row
                made = sequence_features(np.zeros(128, np.uint8), "index")
                made["target"] = truth[row].astype(np.float16).tobytes()
                writer.write(label, Interval("chr1", low, low + 64, label), made)
        writer.finish({"made_by": "test", "options": {}, "inputs": {}, "source": {}})
    data = Data.open(folder / "data")
    low = 32 + 1000 * np.flatnonzero(names != "")
    clusters = peak_clusters(["chr1"] * len(low), low, low + 64, names[names != ""])
    plan = Plan(parse_params({"model": {"name": "basset"}}), SEEDS, CELLS, ALONE)
    jobs = jobs_of(plan, {}, data, folder, quiet=True)
    logs = np.log2(truth + 1)
    for job in jobs:
        specific, ubiquitous = SIGNAL[job.model.procedure]
        part = np.where(flat, ubiquitous, specific)[:, None]
        own = part * logs + (1 - part) * logs.mean(axis=1, keepdims=True)
        own = own + rng.normal(0, 0.5 * (1.05 - part), own.shape)
        values = 2 ** np.maximum(own, 0) - 1
        if job.model.cell_type:
            values = values[:, [CELLS.index(job.model.cell_type)]]
        job.predictions.parent.mkdir(parents=True, exist_ok=True)
        np.save(job.predictions, values.astype(np.float32)[:, None])
    measured = Measured.read(data, "test", clusters)
    return jobs, measured, names, folder


@pytest.fixture(scope="module")
def scores(experiment):
    belongs = {c: (c,) for c in CELLS}
    return score(experiment[0], experiment[1], belongs=belongs)


def correlation(x, y) -> float:
    return float(np.corrcoef(np.log2(x + 1), np.log2(y + 1))[0, 1])


def predicted(experiment, procedure, seed) -> dict[str, np.ndarray]:
    """Cell type → predictions of a procedure and seed, straight from the files."""
    found = {}
    for job in experiment[0]:
        if (job.model.procedure, job.model.seed) == (procedure, seed):
            values = np.load(job.predictions)[:, 0].astype(float)
            cells = (job.model.cell_type,) if job.model.cell_type else CELLS
            found |= {c: values[:, i] for i, c in enumerate(cells)}
    return found


def test_means_by_the_plain_definition(experiment, scores):
    _, measured, names, _ = experiment
    truth = {c: measured.truth[:, i].astype(float) for i, c in enumerate(CELLS)}
    rows = {
        GENOME: np.ones(COUNT, bool),
        PEAKS: names != "",
        SPECIFIC: np.isin(names, CELLS),
        UBIQUITOUS: names == UBIQUITOUS,
    }
    for procedure in PROCEDURES:
        own = predicted(experiment, procedure, 45)
        cells = ALONE if procedure is SINGLE else CELLS
        assert tuple(own) == cells == scores.cell_types[procedure]
        for group, chosen in rows.items():
            each = [correlation(truth[c][chosen], own[c][chosen]) for c in cells]
            found, resampled = scores.mean(procedure, group, cells)
            assert found[45] == pytest.approx(np.mean(each), abs=1e-6)
            assert np.nanmean(resampled) == pytest.approx(np.mean(list(found.values())), abs=0.03)
        each = [correlation(truth[c][names == g], own[c][names == g]) for g in CELLS for c in cells]
        assert scores.mean(procedure, CLUSTERS, cells)[0][45] == pytest.approx(
            np.mean(each), abs=1e-6
        )
        each = [correlation(truth[c][names == c], own[c][names == c]) for c in cells]
        assert scores.mean(procedure, OWN, cells)[0][45] == pytest.approx(np.mean(each), abs=1e-6)


def test_overcorrelation_by_the_plain_definition(experiment, scores):
    _, measured, names, _ = experiment
    rows = np.isin(names, CELLS)
    truth = [measured.truth[rows, CELLS.index(c)].astype(float) for c in ALONE]
    for procedure in (SINGLE, MULTITASK):  # on the pair that both have
        own = predicted(experiment, procedure, 46)
        both = correlation(*(own[c][rows] for c in ALONE))
        found = scores.mean_over(procedure, SPECIFIC, ALONE)
        assert found["predicted"][46] == pytest.approx(both, abs=1e-6)
        assert found["experimental"][46] == pytest.approx(correlation(*truth), abs=1e-6)
        gap = both - correlation(*truth)
        assert found["overcorrelation"][46] == pytest.approx(gap, abs=1e-6)
    assert np.isnan(scores.mean_over(SINGLE, SPECIFIC, ("a",))["predicted"][46])


def test_directions_that_were_planted(scores):
    found = {d["claim"]: d for d in directions(scores)}
    for claim in (
        "multitask: specific peaks are predicted worse than ubiquitous ones",
        "multitask: overcorrelated in specific peaks",
        "peaks only: specific peaks up",
        "non-ubiquitous only: specific peaks up further than by peaks",
        "non-ubiquitous only: ubiquitous peaks down",
    ):
        assert found[claim]["verdict"] == "holds", claim
    variants = [d for d in found.values() if d["statistic"] == "auroc_direction"]
    assert [d["verdict"] for d in variants] == ["not measured"] * 4
    aurocs = {
        (p, g): {s: (0.8 if p is ON_PEAKS else 0.6) + 0.001 * s for s in SEEDS}
        for p in (MULTITASK, ON_PEAKS, NON_UBIQUITOUS)
        for g in (SPECIFIC, UBIQUITOUS)
    }
    found = {d["claim"]: d["verdict"] for d in directions(scores, aurocs)}
    told = "direction of allelic imbalance not told better (specific peaks)"
    assert found[f"peaks only: {told}"] == "opposite"
    assert found[f"non-ubiquitous only: {told}"] == "holds"


def test_differences_are_paired(scores):
    rows = differences(scores)
    assert len(rows) == 6 * 6
    one = next(
        r
        for r in rows
        if (r["first"], r["group"]) == ("multitask_peaks", SPECIFIC)
        and r["second"] == "single_task"
    )
    assert one["cell_types"] == list(ALONE)
    first = scores.mean(ON_PEAKS, SPECIFIC, ALONE)[0]
    second = scores.mean(SINGLE, SPECIFIC, ALONE)[0]
    wanted = np.mean([first[s] - second[s] for s in SEEDS])
    assert one["difference"]["value"] == pytest.approx(wanted)
    assert one["blocks"][0] < wanted < one["blocks"][1]
    told = {d["claim"]: d for d in directions(scores)}
    peaks = told["peaks only: specific peaks up"]
    row = next(
        r
        for r in rows
        if (r["first"], r["second"], r["group"]) == ("multitask_peaks", "multitask", SPECIFIC)
    )
    assert (peaks["difference"], peaks["blocks"]) == (row["difference"], row["blocks"])


def test_intervals_over_blocks_are_of_paired_resamples(experiment, scores):
    _, measured, names, _ = experiment
    told = {d["claim"]: d for d in directions(scores)}
    for claim, found in told.items():
        low, high = found["blocks"] or (0, 0)
        if found["statistic"] != "auroc_direction":
            assert low < found["difference"]["value"] < high, claim
        else:
            assert found["blocks"] is None
    # one of them by repeating the bins of the drawn blocks
    from tfepi.evaluation.bootstrap import interval, multiplicities

    times = multiplicities(measured.blocks.count, 1000, Bootstrap().seed)[:40]
    drawn = np.zeros(40)
    for seed in SEEDS:
        gaps = []
        for procedure in (SINGLE, MULTITASK):
            own = predicted(experiment, procedure, seed)
            for row in times:
                at = np.flatnonzero(np.isin(names, CELLS))
                at = np.repeat(at, row[measured.blocks.index[at]])
                truth = [measured.truth[at, CELLS.index(c)].astype(float) for c in ALONE]
                gaps.append(correlation(*(own[c][at] for c in ALONE)) - correlation(*truth))
        drawn += (np.array(gaps[:40]) - np.array(gaps[40:])) / len(SEEDS)
    first = scores.drawn_over(SINGLE, SPECIFIC, ALONE)
    second = scores.drawn_over(MULTITASK, SPECIFIC, ALONE)
    np.testing.assert_allclose((first - second)[:40], drawn, atol=1e-6)
    ends = told["single task: less overcorrelated"]["blocks"]
    assert ends == pytest.approx(interval(first - second, 0.95))
    assert scores.drawn_over(MULTITASK, SPECIFIC, ("a", "b")) is None
    assert scores.drawn_matched(MULTITASK, SPECIFIC, ALONE) is None


def test_one_seed_has_no_verdict_on_the_chance_of_training(experiment):
    jobs, measured, _, _ = experiment
    found = score([j for j in jobs if j.model.seed == 44], measured)
    told = directions(found)
    kinds = {d["verdict"] for d in told}
    assert kinds == {"as reported, one seed", "not as reported, one seed", "not measured"}
    text = summary(json.loads(json.dumps(described(found), allow_nan=False)))
    assert text.count("one seed: no interval over seeds") == 1
    assert text.count("not measured") == 1  # four directions of one reason
    assert "4 directions (peaks only: direction of allelic" in text
    assert text.endswith("no heterozygous sites are given (--sites, -f)")
    figure = procedures_figure(means(found), (SPECIFIC,))
    assert figure._supxlabel.get_text().endswith("; one seed")
    assert not len(figure.axes[0].lines[0].get_xdata())  # no circle beside the same value


def described(found, ceiling=None, **more) -> dict:
    """Return a value of procedures.json as far as the summary reads it."""
    training = {p.name: {"windows": 1234, "mean_steps": 99.0} for p in PROCEDURES}
    value = {"means": means(found, ceiling), "directions": directions(found)}
    value |= {"training": training, "parameters": {"multitask": 4321}, "blocks": 20}
    value["test_bins"] = {GENOME: 1900, SPECIFIC: 540, UBIQUITOUS: 180}
    return value | more


def test_numbers_for_people():
    assert [shown_number(v, True) for v in (0.12345, -0.0004, -0.00001, 0.0)] == [
        *("+0.123", "-0.0004", "0.000", "0.000")
    ]
    assert shown_number(0.5) == "0.500"


def test_no_resamples_no_interval_over_blocks(experiment):
    jobs, measured, _, _ = experiment
    own = [j for j in jobs if j.model.seed == 44]
    found = score(own, measured, Bootstrap(0, 0))
    assert {r["blocks"] for r in differences(found)} == {None}
    assert {d["blocks"] for d in directions(found)} == {None}
    assert {m["pearsonr_log2"]["interval"] for m in means(found)} == {None}  # of one seed
    assert all(m["pearsonr_log2"]["value"] is None for m in means(found) if m["group"] == OWN)


def test_tables(experiment, scores):
    table = long_table(scores, [("multitask", 44, "auroc", "all", "a", "", 7, 0.5)])
    assert tuple(table.columns) == COLUMNS
    assert len(table[table["statistic"] == "auroc"]) == 1
    pairs = table[(table.statistic == "predicted") & (table.procedure == "single_task")]
    assert set(zip(pairs.cell_type, pairs.other, strict=True)) == {("a", "c")}
    of = matched(scores)
    assert {r["procedure"] for r in of} == {p.name for p in PROCEDURES}
    rows = means(scores)
    assert all(r["ceiling"] is None for r in rows)
    assert {len(r["cell_types"]) for r in rows if r["cells"] == "single"} == {2}
    sample = {"sample": "", "sites": 80, "in_training_windows": 37, "specific": 11, "ubiquitous": 9}
    variants = {"reads_above": 20, "samples": [sample]}
    value = described(scores, variants=variants)
    text = summary(json.loads(json.dumps(value, allow_nan=False)))
    assert "tested: 1,900 bins, 540 in specific peaks and 180 in ubiquitous peaks, in 20" in text
    assert "sites: 80 with more than 20 reads, 37 of them in windows of training" in text
    assert "ceiling" not in text
    assert "2 multitask (2 cell types)" in text
    assert "2 multitask (3 cell types)" in text
    assert text.count("1,234") == 5
    assert "model: 4,321 trained parameters with 3 cell types" in text
    assert len({line.index("|") for line in text.splitlines()[1:7]}) == 1


def test_ceiling_is_that_of_the_same_clusters(experiment, scores, write_bigwig, tmp_path):
    _, measured, names, _ = experiment
    rng = np.random.default_rng(1)
    donors = []
    for number in range(2):
        signal = np.full(32 + 1000 * COUNT, np.nan)
        for row in range(COUNT):
            low = 32 + 1000 * row
            signal[low : low + 64] = measured.truth[row, 0] * rng.uniform(0.6, 1.4)
        write_bigwig(tmp_path / f"{number}.bw", {"chr1": signal})
        file = str(tmp_path / f"{number}.bw")
        donors.append(Target(0, f"d{number}", file=file, sum_stat="mean"))
    found = measured.ceiling({"a": donors})
    import pyBigWig

    values = []
    for number in range(2):
        with pyBigWig.open(str(tmp_path / f"{number}.bw")) as file:
            at = 32 + 1000 * np.flatnonzero(np.isin(names, CELLS))
            values.append(np.array([file.values("chr1", int(x), int(x) + 1)[0] for x in at]))
    place = found.groups.index(SPECIFIC), found.cell_types.index("a")
    assert found.value[place] == pytest.approx(correlation(*values), abs=1e-4)
    assert np.isnan(found.value[found.groups.index(GENOME)]).all()
    rows = {(r["procedure"], r["cells"], r["group"]): r for r in means(scores, found)}
    row = rows["multitask", "all", SPECIFIC]
    assert row["ceiling"] == pytest.approx(found.value[place])
    of_a = scores.mean(MULTITASK, SPECIFIC, ("a",))[0]
    assert row["less_ceiling"]["by_seed"]["44"] == pytest.approx(of_a[44] - row["ceiling"])
    assert row["with_donors"]["cell_types"] == ["a"]
    assert row["with_donors"]["pearsonr_log2"]["by_seed"]["44"] == pytest.approx(of_a[44])
    assert rows["multitask", "all", GENOME]["ceiling"] is None
    text = summary(json.loads(json.dumps(described(scores, found), allow_nan=False)))
    assert "R − ceiling (specific, ubiquitous)" in text
    assert "ceiling: correlation between donors of a; R less the ceiling is over" in text
    figure = procedures_figure(means(scores, found), (GENOME, SPECIFIC))
    drawn = {tuple(line.get_xdata()) for line in figure.axes[1].lines}
    assert (row["ceiling"], row["ceiling"]) in drawn
    assert (row["with_donors"]["pearsonr_log2"]["value"],) in drawn
    assert figure.legends[0].get_texts()[0].get_text() == "between donors, of a"


def test_predictions_that_do_not_fit(experiment, tmp_path):
    from dataclasses import replace

    jobs, measured, _, _ = experiment
    own = [replace(j, out=tmp_path) for j in jobs[2:3]]
    path = own[0].predictions
    with pytest.raises(InputFileError, match=r"cannot read .* --resume"):
        score(own, measured)
    path.parent.mkdir(parents=True)
    np.save(path, np.zeros((3, 1, 3), np.float32))
    with pytest.raises(InputFileError, match="has 3 bins, the test windows 900"):
        score(own, measured)
    np.save(path, np.zeros((COUNT, 1, 2), np.float32))
    with pytest.raises(InputFileError, match="has 2 cell types, want 3"):
        score(own, measured)


def test_no_test_window_in_a_peak_of_one_kind(experiment):
    jobs, _, names, _ = experiment
    low = 32 + 1000 * np.flatnonzero(names == "a")
    clusters = peak_clusters(["chr1"] * len(low), low, low + 64, ["a"] * len(low))
    with pytest.raises(ConfigError, match="900 windows of label 'test' is in a ubiquitous peak"):
        Measured.read(
            jobs[0].test,
            "test",
            peak_clusters(
                [*clusters.chrom, "chr1"],
                [*clusters.start, 400],
                [*clusters.end, 500],
                ["a"] * len(low) + ["ubiquitous"],
            ),
        )


def test_figures_draw_what_there_is(scores):
    rows = means(scores)
    figure = procedures_figure(rows, (GENOME, SPECIFIC))
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        "1 single task (2 cell types)",
        "2 multitask (2 cell types)",
        "2 multitask (3 cell types)",
        "3 multitask, peaks (3 cell types)",
        "4 multitask, non-ubiquitous (3 cell types)",
    ]
    assert figure.axes[0].get_xlim() == figure.axes[1].get_xlim()
    assert not figure.legends
    drawn = figure.axes[1].lines[-1].get_xdata()
    wanted = [r["pearsonr_log2"]["value"] for r in rows if r["group"] == SPECIFIC]
    np.testing.assert_allclose(drawn, wanted)
    figure = single_task_figure(scores)
    assert len({a.get_xlim() for a in figure.axes}) == 1
    assert [t.get_text() for t in figure.legends[0].get_texts()] == [
        *("multitask", "single task", "a single seed of either")
    ]
    table = mean_table(scores, MULTITASK)
    own = table[(table.group == SPECIFIC) & (table.cell_type == "mean")].pearsonr_log2.iloc[0]
    mean = np.mean(list(scores.mean(MULTITASK, SPECIFIC, CELLS)[0].values()))
    assert own == pytest.approx(mean)
    pairs = over_table(scores, MULTITASK, ALONE)
    of = pairs[(pairs.group == SPECIFIC) & (pairs["first"] == "mean")].overcorrelation.iloc[0]
    wanted = scores.mean_over(MULTITASK, SPECIFIC, ALONE)["overcorrelation"]
    assert of == pytest.approx(np.mean(list(wanted.values())))
    with pytest.raises(ConfigError, match="one cell type"):
        over_table(scores, MULTITASK, ("a",))
    with pytest.raises(ConfigError, match="no procedures"):
        procedures_figure([], (GENOME,))
    with pytest.raises(ConfigError, match="no AUROCs"):
        auroc_figure({})
    assert len(overcorrelations(scores)) == 5 * 7
