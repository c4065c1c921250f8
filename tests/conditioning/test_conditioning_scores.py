"""Scores and contrasts of an experiment against resampling the data themselves."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from tfepi.conditioning import measured as measured_module
from tfepi.conditioning.contrasts import contrasts_of, contrasts_table, scores_table
from tfepi.conditioning.measured import Design, scores_of, seed_draws
from tfepi.conditioning.scores import Experiment, measure, scores_json
from tfepi.evaluation.bootstrap import Bootstrap, interval, multiplicities
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval

WINDOWS, BINS, BLOCK = 60, 8, 5_000
SEEN, UNSEEN, MARKS = ("t", "mono"), ("neut",), ("K27", "K4")


def make(models=("A", "B"), seeds=(7, 3), seed=0, baseline=True):
    rng = np.random.default_rng(seed)
    windows = tuple(Interval("chr1", 1000 * i, 1000 * (i + 1)) for i in range(WINDOWS))
    shape = (WINDOWS, BINS, len(MARKS))
    truth, predictions = {}, {}
    for cell in (*SEEN, *UNSEEN):
        truth[cell] = (rng.random(shape) < 0.3).astype(np.float32)
        truth[cell][rng.random(shape) < 0.2] = np.nan
        for m, model in enumerate(models):
            for s in seeds:
                noise = rng.normal(0, 1 - 0.3 * m, shape)
                value = 1 / (1 + np.exp(-noise - np.nan_to_num(truth[cell])))
                predictions[model, s, cell] = value.astype(np.float32)
        if baseline:
            predictions["mean", None, cell] = rng.random(shape).astype(np.float32)
    return Experiment(windows, SEEN, UNSEEN, MARKS, truth, predictions)


def some_row(rows, **keys):
    (row,) = [r for r in rows if all(r[k] == v for k, v in keys.items())]
    return row


def sampled(experiment, model, seed, cell, mark, row, chosen=None):
    """Average precision of a resample, every block repeated as often as it is drawn."""
    y = experiment.truth[cell][..., mark].copy()
    if chosen is not None:
        y[~chosen] = np.nan
    p = experiment.predictions[model, seed, cell][..., mark]
    block = np.arange(WINDOWS) * 1000 // BLOCK
    windows = np.repeat(np.arange(WINDOWS), row[block])
    y, p = y[windows].ravel(), p[windows].ravel()
    return average_precision_score(y[~np.isnan(y)], p[~np.isnan(y)])


def test_the_hierarchical_bootstrap_against_repeated_data():
    experiment = make()
    bootstrap = Bootstrap(rank_resamples=20, block_bp=BLOCK, seed=5)
    found, blocks = measure(experiment, bootstrap)
    assert blocks.count == 12
    drawn, seeds = multiplicities(12, 20, 5), seed_draws(2, 20, 5)
    assert len({tuple(r) for r in seeds.tolist()}) == 3  # one, the other, both

    def group(model, cells, row, shares):
        values = [
            np.mean([sampled(experiment, model, s, c, 1, row) for c in cells]) for s in (3, 7)
        ]
        return np.dot(shares, values)

    ones = np.ones(12, int)
    rows, contrasts = scores_of(found), contrasts_of(found, [("B", "A")])
    for name, cells in (("seen cells", SEEN), ("mono", ("mono",)), ("unseen cell", UNSEEN)):
        row = some_row(rows, model="B", group=name, mark="K4", set="all")
        assert row["cells"] == list(cells)
        assert row["auprc"]["value"] == pytest.approx(group("B", cells, ones, [0.5, 0.5]))
        for number, s in enumerate((3, 7)):
            only = group("B", cells, ones, np.eye(2)[number])
            assert row["auprc"]["by_seed"][str(s)] == pytest.approx(only)
        replicates = {
            m: np.array(
                [group(m, cells, r, shares) for r, shares in zip(drawn, seeds, strict=True)]
            )
            for m in "AB"
        }
        assert row["auprc"]["interval"] == pytest.approx(interval(replicates["B"]))
        contrast = some_row(contrasts, group=name, mark="K4", set="all")["auprc"]
        difference = replicates["B"] - replicates["A"]
        assert contrast["value"] == pytest.approx(
            group("B", cells, ones, [0.5, 0.5]) - group("A", cells, ones, [0.5, 0.5])
        )
        assert contrast["interval"] == pytest.approx(interval(difference))
        assert contrast["above_zero"] == (difference > 0).mean()


def test_positions_that_differ_and_their_rate():
    experiment = make()
    found, _ = measure(experiment, Bootstrap(rank_resamples=0))
    rows = scores_of(found)
    stacked = np.stack([experiment.truth[c][..., 0] for c in (*SEEN, *UNSEEN)])
    chosen = (stacked == 0).any(axis=0) & (stacked == 1).any(axis=0)
    truth = experiment.truth["neut"][..., 0]
    inside = chosen & ~np.isnan(truth)
    row = some_row(rows, model="A", group="unseen cell", mark="K27", set="differing")
    want = np.mean(
        [sampled(experiment, "A", s, "neut", 0, np.ones(12, int), chosen) for s in (3, 7)]
    )
    assert row["auprc"] == {
        "value": pytest.approx(want),
        "interval": None,
        "by_seed": {
            "3": pytest.approx(row["auprc"]["by_seed"]["3"]),
            "7": pytest.approx(2 * want - row["auprc"]["by_seed"]["3"]),
        },
    }
    assert row["count"] == inside.sum()
    assert row["positive_rate"]["value"] == pytest.approx(truth[inside].mean())


def test_a_baseline_has_no_seeds_and_is_paired_with_each():
    found, _ = measure(make(), Bootstrap(rank_resamples=30))
    row = some_row(scores_of(found), model="mean", group="unseen cell", mark="K27", set="all")
    assert row["auprc"]["by_seed"] == {}
    against = some_row(
        contrasts_of(found, [("A", "mean")]), group="unseen cell", mark="K27", set="all"
    )
    other = some_row(scores_of(found), model="A", group="unseen cell", mark="K27", set="all")
    for s in ("3", "7"):
        want = other["auprc"]["by_seed"][s] - row["auprc"]["value"]
        assert against["auprc"]["by_seed"][s] == pytest.approx(want)
    alone = make(models=(), baseline=True)
    row = scores_of(measure(alone, Bootstrap(rank_resamples=0))[0])[0]
    assert row["auprc"]["by_seed"] == {}
    assert row["auprc"]["value"] is not None


def test_a_model_without_an_output_has_no_row():
    experiment = make()
    predictions = {k: v for k, v in experiment.predictions.items() if k[::2] != ("A", "neut")}
    experiment = Experiment(experiment.windows, SEEN, UNSEEN, MARKS, experiment.truth, predictions)
    found, blocks = measure(experiment, Bootstrap(rank_resamples=20))
    rows = scores_of(found)
    assert {r["group"] for r in rows if r["model"] == "A"} == {"seen cells", "t", "mono"}
    assert {r["group"] for r in rows if r["model"] == "B"} == {
        "seen cells",
        "t",
        "mono",
        "unseen cell",
    }
    contrasts = contrasts_of(found, [("B", "A")])
    assert {r["group"] for r in contrasts} == {"seen cells", "t", "mono"}
    assert "positive_rate" not in contrasts[0]
    json.dumps(scores_json(found, blocks, contrasts), allow_nan=False)


def test_arrays_in_files_give_the_same(tmp_path):
    experiment = make()

    def saved(arrays, kind):
        paths = {}
        for number, (key, value) in enumerate(arrays.items()):
            paths[key] = tmp_path / f"{kind}{number}.npy"
            np.save(paths[key], value)
        return paths

    in_files = Experiment(
        experiment.windows,
        SEEN,
        UNSEEN,
        MARKS,
        saved(experiment.truth, "t"),
        saved(experiment.predictions, "p"),
    )
    bootstrap = Bootstrap(rank_resamples=20)
    first, second = (measure(e, bootstrap, leopard=True) for e in (experiment, in_files))
    assert scores_json(*first) == scores_json(*second)
    assert "auprc_leopard" in scores_json(*first)["scores"][0]
    next(iter(in_files.truth.values())).write_bytes(b"no array")
    with pytest.raises(InputFileError, match=r"t0\.npy is no \.npy array"):
        measure(in_files, bootstrap)


def test_tables():
    found, _ = measure(make(), Bootstrap(rank_resamples=20))
    text = scores_table(scores_of(found), ("auprc", "positive_rate"))
    header, *lines = (line.split("\t") for line in text.splitlines())
    assert header[:8] == [
        "model",
        "group",
        "mark",
        "set",
        "count",
        "auprc",
        "auprc_low",
        "auprc_high",
    ]
    assert len(lines) == 3 * 4 * 2 * 2
    assert all(len(line) == len(header) for line in lines)
    first = scores_of(found)[0]
    assert lines[0][:6] == [
        "A",
        "seen cells",
        "K27",
        "all",
        str(first["count"]),
        (f"{first['auprc']['value']:.5f}"),
    ]
    assert lines[0][8] == " ".join(f"{s}:{v:.5f}" for s, v in first["auprc"]["by_seed"].items())
    text = contrasts_table(contrasts_of(found, [("B", "A")]), ("auprc",))
    header, *lines = (line.split("\t") for line in text.splitlines())
    assert header[5:] == ["auprc", "auprc_low", "auprc_high", "auprc_above_zero", "auprc_by_seed"]
    assert lines[0][:2] == ["B", "A"]


def test_what_cannot_be_scored_is_named():
    experiment = make()
    truth = experiment.truth["mono"]
    kept = truth.copy()
    truth[..., 1] = np.nan
    with pytest.raises(ConfigError, match=r"^K4 in mono has no observed position"):
        measure(experiment)
    truth[..., 1] = np.where(np.isnan(kept[..., 1]), np.nan, 0)
    with pytest.raises(ConfigError, match=r"^K4 in mono has no positive among its"):
        measure(experiment)
    truth[..., 1] = 1
    with pytest.raises(ConfigError, match=r"^K4 in mono has no negative among its 480"):
        measure(experiment)
    truth[...] = kept
    for cell in ("t", "neut"):
        experiment.truth[cell][..., 0] = np.nan
        experiment.truth[cell][0, :2, 0] = 0, 1
    truth[0, :2, 0] = 0, 1
    found, _ = measure(experiment, Bootstrap(rank_resamples=0))
    assert found.notes == [
        f"K27 in {c}: no observed position differs between cell types"
        for c in ("t", "mono", "neut")
    ]
    groups = {(r["group"], r["mark"]) for r in scores_of(found) if r["set"] == "differing"}
    assert ("neut", "K27") not in groups
    truth[0, 0, 0] = 1
    found, _ = measure(experiment, Bootstrap(rank_resamples=0))
    assert found.notes[0] == (
        "K27 in t: every label is 0 where cell types differ, so AUPRC is undefined there"
    )


def test_notes_of_few_blocks_and_of_one_seed():
    experiment = make(seeds=(1,))
    windows = tuple(Interval("chr1", i, i + 1_000_000) for i in range(WINDOWS))
    experiment = Experiment(windows, SEEN, UNSEEN, MARKS, experiment.truth, experiment.predictions)
    found, blocks = measure(experiment)
    assert not blocks.enough
    assert found.notes[0].endswith("fewer than 5: no intervals")
    assert found.notes[1] == "one seed: intervals leave out the chance of training"
    assert scores_of(found)[0]["auprc"]["interval"] is None


def test_errors():
    experiment = make()
    predictions = dict(experiment.predictions)

    def measured(predictions=predictions, truth=experiment.truth, seen=SEEN, unseen=UNSEEN):
        return measure(
            Experiment(experiment.windows, seen, unseen, MARKS, truth, predictions),
            Bootstrap(rank_resamples=0),
        )

    with pytest.raises(ConfigError, match="B lacks predictions of seed 3 in cell type mono"):
        measured({k: v for k, v in predictions.items() if k != ("B", 3, "mono")})
    with pytest.raises(ConfigError, match="no predictions"):
        measured({})
    with pytest.raises(ConfigError, match="neither seen"):
        measured(unseen=())
    with pytest.raises(ConfigError, match="named twice"):
        measured(unseen=("t",))
    with pytest.raises(ConfigError, match="cell type 'neut' has no labels"):
        measured(truth={c: experiment.truth[c] for c in SEEN})
    with pytest.raises(ConfigError, match="predictions of A, seed 7, in t have shape"):
        measured(predictions | {("A", 7, "t"): np.zeros((WINDOWS, BINS))})
    lacking = predictions["A", 7, "t"].copy()
    lacking[0, :, 1] = np.nan
    with pytest.raises(ConfigError, match=r"^A, seed 7, K4 in t: .* no finite prediction"):
        measured(predictions | {("A", 7, "t"): lacking})
    found, _ = measured()
    with pytest.raises(ConfigError, match="unknown model 'Z' in a contrast"):
        contrasts_of(found, [("Z", "A")])


def test_seed_draws():
    drawn = seed_draws(3, 4000, 1)
    np.testing.assert_allclose(drawn.sum(axis=1), 1)
    np.testing.assert_allclose(drawn.mean(axis=0), 1 / 3, atol=0.02)
    np.testing.assert_array_equal(seed_draws(3, 10, 1), drawn[:10])
    np.testing.assert_array_equal(seed_draws(1, 5, 1), np.ones((5, 1)))
    assert measured_module._SEEDS != 1  # blocks are drawn from stream 1


def test_design():
    keys = [("B", 2, "x"), ("B", 1, "x"), ("A", 1, "x"), ("A", 2, "x"), ("m", None, "y")]
    design = Design.of(keys, ("x",), ("y", "z"), ("k",))
    assert design.models == ("B", "A", "m")
    assert design.seeds == (1, 2)
    assert design.runs == [("B", 1), ("B", 2), ("A", 1), ("A", 2), ("m", None)]
    assert design.groups == {
        "seen cells": (0,),
        "unseen cell": (1, 2),
        "y": (1,),
        "z": (2,),
    }


def test_one_cell_type_differs_from_none():
    whole = make()
    values = {k: v for k, v in whole.predictions.items() if k[2] == "t"}
    one = replace(whole, seen=("t",), unseen=(), truth={"t": whole.truth["t"]}, predictions=values)
    found, _ = measure(one, Bootstrap(rank_resamples=0))
    assert not found.notes
    assert {r["group"] for r in scores_of(found)} == {"seen cells"}
