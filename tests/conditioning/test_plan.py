"""The models of a comparison, and changes of their params."""

import json
from dataclasses import replace

import pytest

from tfepi.conditioning.check import check_cells
from tfepi.conditioning.plan import NAMES, Plan, read_models
from tfrecords_tools.errors import ConfigError


def test_presets_have_the_names_of_the_report():
    models = read_models(list(NAMES))
    assert list(models) == ["A", "B", "C", "D", "1a", "1b", "1c"]
    outputs = {name: params.conditioning.outputs for name, params in models.items()}
    assert [n for n, o in outputs.items() if o == "cells"] == ["A", "C"]
    given = {name: params.conditioning.reference_mode for name, params in models.items()}
    assert given == {"A": None, "B": "average", "C": "average", "D": None} | {
        "1a": "delta",
        "1b": "delta",
        "1c": None,
    }
    for name in "ABCD":
        train = models[name].train
        assert (train.batch_size, train.train_epochs_max, train.loss) == (128, 5, "bce")
        assert (train.optimizer, train.learning_rate, train.inverse_decay) == ("adam", 1e-3, 1e-5)
        assert train.best_by == "last"
        assert models[name].conditioning.missing == "zero"


def test_changes_reach_all_models_or_one():
    models = read_models(
        ["dsg_model_a", "mine=dsg_model_b", "conditioned_state"],
        [
            "model.filters=8",
            "train.learning_rate=0.01",
            "mine:conditioning.reference_mode=delta",
            "1c:conditioning.cell_state.regions=12",
            'conditioning.hold_out=["x"]',
        ],
    )
    assert list(models) == ["A", "mine", "1c"]
    assert {p.model.keywords["filters"] for p in models.values()} == {8}
    assert {p.train.learning_rate for p in models.values()} == {0.01}
    assert models["mine"].conditioning.reference_mode == "delta"
    assert models["1c"].conditioning.cell_state.regions == 12
    assert models["A"].conditioning.hold_out == ("x",)
    assert models["A"].source["model"]["filters"] == 8  # what is written beside the model


def test_a_path_is_named_after_its_file(tmp_path):
    path = tmp_path / "my_model.json"
    value = {"model": {"name": "leopard_unet"}, "conditioning": {"outputs": "marks"}}
    path.write_text(json.dumps(value))
    assert list(read_models([str(path)])) == ["my_model"]


@pytest.mark.parametrize(
    ("models", "changes", "message"),
    [
        (["dsg_model_a", "A=dsg_model_b"], [], "two models are named 'A'"),
        (["dsg_model_x"], [], "unknown preset 'dsg_model_x'"),
        (["basset"], [], "basset has no conditioning section"),
        (["dsg_model_a"], ["filters=8"], "want section.key=value"),
        (["dsg_model_a"], ["model.filters"], "want section.key=value"),
        (["a/b=dsg_model_a"], [], "a model is named 'a/b': want letters"),
        (["accessibility=dsg_model_a"], [], "another name than the baselines'"),
        (["dsg_model_a"], ["conditioning.cell_state.regions=3"], "no model has the section"),
        (["dsg_model_a"], ["B:model.filters=8"], "no model is named 'B', only A"),
        (["dsg_model_a"], ["train.batchsize=8"], "did you mean"),
    ],
)
def test_what_is_refused(models, changes, message):
    with pytest.raises(ConfigError, match=message):
        read_models(models, changes)


def test_all_models_hold_out_the_same():
    changes = ['conditioning.hold_out=["x"]']
    models = read_models(["dsg_model_a", "dsg_model_b"], changes)
    with pytest.raises(ConfigError, match="params of model A hold out x, the comparison nothing"):
        Plan(models, (1,))
    assert Plan(models, (1,), ("x",)).hold_out == ("x",)
    models = read_models(["dsg_model_a"])
    with pytest.raises(ConfigError, match="--hold_out x,x names a cell type twice"):
        Plan(models, (1,), ("x", "x"))


def test_a_plan_has_seeds():
    with pytest.raises(ConfigError, match="no seeds"):
        Plan(read_models(["dsg_model_a"]), ())


def test_more_positions_than_memory_are_refused_before_training(cell_data):
    plan = Plan(read_models(["dsg_model_a"]), (1,), (), ("train", "valid", "test"))
    check_cells(plan, cell_data)
    large = replace(cell_data, counts=cell_data.counts | {"test": 10**12})
    with pytest.raises(
        ConfigError, match=r"AUPRC over 8,000,000,000,000 positions of 'test' takes"
    ):
        check_cells(plan, large)
