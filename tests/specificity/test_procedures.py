"""The plan of a comparison of procedures, estimates over seeds, and the reduced preset."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tfepi.params import parse_params, read_params
from tfepi.specificity.cluster_file import peak_clusters
from tfepi.specificity.procedure_directions import DOWN, NOT_UP, UP, verdict
from tfepi.specificity.procedure_estimates import over_seeds, paired
from tfepi.specificity.procedures import (
    MULTITASK,
    SINGLE,
    Model,
    Plan,
    changed,
    check_clusters,
    chosen_alone,
)
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.targets import Target, numbered

PARAMS = parse_params({"model": {"name": "basset"}})


def test_reduced_basset_has_the_layers_of_the_full_one():
    from tfepi.models import make_model

    reduced, full = (
        make_model(read_params(name).model, 10) for name in ("basset_reduced", "basset")
    )
    count = {m: sum(int(np.prod(v.shape)) for v in m.trainable_variables) for m in (reduced, full)}
    assert count[reduced] == 275_626
    assert reduced.count_params() == 277_130 <= 300_000
    assert count[full] == 5_850_400 + 769 * 10
    kept = ("kernel_size", "pool_size", "strides", "padding", "activation", "use_bias", "rate")
    for small, large in zip(reduced.layers, full.layers, strict=True):
        assert type(small) is type(large)
        assert small.name == large.name
        own, other = small.get_config(), large.get_config()
        assert {k: own.get(k) for k in kept} == {k: other.get(k) for k in kept}
        assert small.output.shape[1] == large.output.shape[1]  # the same length after each layer


def test_models_of_a_plan():
    plan = Plan(PARAMS, (44, 45), ("a", "b", "c"), ("a", "c"))
    models = plan.models()
    assert len(models) == 2 * (2 + 3)
    places = [m.path(Path("out")) for m in models]
    assert len(set(places)) == len(places)
    assert str(Model(SINGLE, 44, "a").path(Path("/x"))) == "/x/single_task/seed44/a"
    assert str(Model(MULTITASK, 45).path(Path("/x"))) == "/x/multitask/seed45"
    assert str(Model(SINGLE, 44, "a")) == "1 single task a, seed 44"
    with pytest.raises(InputFileError, match="leads outside"):
        Model(SINGLE, 44, "../../a").path(Path("/x"))


def test_plans_that_are_refused():
    with pytest.raises(ConfigError, match="no seeds"):
        Plan(PARAMS, (), ("a", "b"), ("a",))
    with pytest.raises(ConfigError, match="conditioning section"):
        Plan(read_params("conditioned_state"), (44,), ("a", "b"), ("a",))


def test_budget():
    section = {"batch_size": 10, "steps_per_epoch": 40, "patience": 2, "train_epochs_max": 9}
    params = parse_params({"train": section, "model": {"name": "basset"}})
    plan = Plan(params, (44,), ("a", "b"), ("a",), budget="steps")
    assert plan.params_for(1000, 1000) == params
    found = plan.params_for(95, 1000)  # 9 steps an epoch beside 40: five times as many epochs
    assert (found.train.patience, found.train.train_epochs_max) == (10, 45)
    assert found.source["train"]["patience"] == 10
    assert found.source["train"]["batch_size"] == 10
    again = parse_params(found.source)
    assert (again.model, again.train.steps_per_epoch) == (found.model, 40)
    # a set with fewer steps than the number of all windows asks for its own, without a warning
    assert found.train.steps_per_epoch == 9
    fewer = Plan(params, (44,), ("a", "b"), ("a",)).params_for(95, 1000)
    assert fewer.train.steps_per_epoch == 9
    assert (fewer.train.patience, fewer.source) == (2, params.source)
    with pytest.raises(ConfigError, match="unknown budget 'step': did you mean 'steps'"):
        Plan(params, (44,), ("a", "b"), ("a",), budget="step")


def test_what_differs_between_two_plans():
    plans = [Plan(PARAMS, seeds, ("a", "b"), ("a",)).to_json() for seeds in ((44,), (44, 45))]
    there, now = ({"plan": p, "data": "1f", "clusters": "2a"} for p in plans)
    assert changed(there, there) == []
    assert changed(there, now) == ["seeds [44], now [44, 45]"]
    now = {"plan": plans[0] | {"params": {"model": {"name": "other"}}}, "data": "1e"}
    assert changed(there, now | {"clusters": "2a"}) == [
        *('name "basset", now "other"', "other data")
    ]


def test_cell_types_trained_alone():
    ten = numbered(10)
    assert chosen_alone(ten, ()) == ("t1", "t5", "t8")  # the middle one of each third
    assert chosen_alone(ten[:3], ()) == ("t0", "t1", "t2")
    assert chosen_alone(ten[:2], ()) == ("t0", "t1")
    assert chosen_alone(ten, ("t7", "t2")) == ("t7", "t2")
    for targets, names, message in (
        (ten[:1], (), "the data have 1 target: .* build data of at least two"),
        (ten, ("t2", "t2"), "names 't2' twice"),
        ((Target(0, "HepG2"), Target(1, "K562")), ("HepG3",), "did you mean 'HepG2'"),
    ):
        with pytest.raises(ConfigError, match=message):
            chosen_alone(targets, names)


def test_clusters_that_are_refused():
    with pytest.raises(ConfigError, match="clusters a, b, none of which is named 'ubiquitous'"):
        check_clusters(peak_clusters(["c", "c"], (0, 9), (5, 12), ["b", "a"]), "x.tsv")
    with pytest.raises(ConfigError, match=r"x\.tsv has no other peaks than 1 in"):
        check_clusters(peak_clusters(["c"], (0,), (5,), ["ubiquitous"]), "x.tsv")
    check_clusters(peak_clusters(["c", "c"], (0, 9), (5, 12), ["ubiquitous", "a"]), "x.tsv")


def test_interval_over_seeds_is_students():
    values = {44: 0.31, 45: 0.36, 46: 0.29, 47: np.nan}
    found = over_seeds(values)
    kept = [0.31, 0.36, 0.29]
    wanted = stats.ttest_1samp(kept, 0).confidence_interval(0.95)
    assert found["value"] == pytest.approx(np.mean(kept))
    assert found["interval"] == pytest.approx([wanted.low, wanted.high])
    assert found["by_seed"]["47"] is None
    assert over_seeds({44: 0.3})["interval"] is None
    assert over_seeds({44: np.nan})["value"] is None
    other = {44: 0.30, 45: 0.33, 46: 0.3, 48: 0.9}
    wanted = stats.ttest_rel(kept, [0.30, 0.33, 0.3]).confidence_interval(0.95)
    assert paired(values, other)["interval"] == pytest.approx([wanted.low, wanted.high])


def test_interval_over_seeds_holds_the_truth():
    rng = np.random.default_rng(1)
    held = [
        ends[0] <= 0.4 <= ends[1]
        for ends in (
            over_seeds(dict(enumerate(rng.normal(0.4, 0.02, 3))))["interval"] for _ in range(2000)
        )
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    ("value", "interval", "expected", "wanted"),
    [
        (0.1, [0.05, 0.15], UP, "holds"),
        (0.1, [-0.05, 0.25], UP, "not told"),
        (0.1, None, UP, "as reported, one seed"),
        (-0.1, None, UP, "not as reported, one seed"),
        (-0.1, None, DOWN, "as reported, one seed"),
        (-0.1, [-0.25, 0.05], UP, "not told"),
        (-0.1, [-0.15, -0.05], UP, "opposite"),
        (-0.1, [-0.15, -0.05], DOWN, "holds"),
        (-0.1, [-0.25, 0.05], DOWN, "not told"),
        (0.1, [0.05, 0.15], DOWN, "opposite"),
        (0.0, [0.0, 0.0], UP, "not told"),
        (0.1, [0.05, 0.15], NOT_UP, "opposite"),
        (0.1, [-0.05, 0.25], NOT_UP, "holds"),
        (-0.1, [-0.15, -0.05], NOT_UP, "holds"),
        (-0.1, None, NOT_UP, "as reported, one seed"),
        (0.1, None, NOT_UP, "not as reported, one seed"),
        (None, None, UP, "not measured"),
    ],
)
def test_verdicts(value, interval, expected, wanted):
    assert verdict({"value": value, "interval": interval}, expected) == wanted


def test_a_verdict_wants_both_intervals():
    difference = {"value": 0.1, "interval": [0.05, 0.15]}
    assert verdict(difference, UP, [0.01, 0.2]) == "holds"
    assert verdict(difference, UP, [-0.01, 0.2]) == "not told"
    assert verdict(difference, DOWN, [0.01, 0.2]) == "opposite"
    assert verdict(difference, DOWN, [-0.01, 0.2]) == "not told"
