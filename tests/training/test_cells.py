"""Conditioned models in training: what they are given, what they must not see."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError

import_tensorflow(deterministic=True)
import keras  # noqa: E402

from tfepi.params import parse_params  # noqa: E402
from tfepi.spec import ModelSpec  # noqa: E402
from tfepi.training.cells import make_conditioning  # noqa: E402
from tfepi.training.fit import Settings, train  # noqa: E402

SMALL = {"filters": 2, "depth": 1, "kernel": 3}
TRAIN = {
    "loss": "bce",
    "optimizer": "adam",
    "learning_rate": 0.01,
    "batch_size": 16,
    "train_epochs_max": 2,
    "best_by": "last",
}
QUIET = Settings(seed=3, quiet=True, tensorboard=False)


def params(model="leopard_unet", loss="bce", **conditioning):
    value = {"train": TRAIN | {"loss": loss}, "model": {"name": model} | SMALL}
    value["model"] |= {"join_level": 1} if model == "stems_unet" else {}
    value["conditioning"] = {"outputs": "marks"} | conditioning
    return parse_params(value)


def weights(run):
    model = keras.saving.load_model(run / "model_best.keras", compile=False)
    return [keras.ops.convert_to_numpy(w) for w in model.weights]


def lines(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("conditioning", "inputs", "outputs"),
    [
        ({"outputs": "cells"}, {"sequence"}, ["a_K", "a_M", "b_K", "b_M"]),
        ({"reference_mode": "average"}, {"sequence", "tracks"}, ["K", "M"]),
        (
            {"outputs": "cells", "reference_mode": "delta", "track_mask": True},
            {"sequence", "tracks"},
            ["a_K", "a_M", "b_K", "b_M"],
        ),
        ({"cell_sampling": "all"}, {"sequence"}, ["K", "M"]),
    ],
    ids="ABCD",
)
def test_models_a_to_d(cell_data, tmp_path, conditioning, inputs, outputs):
    run = tmp_path / "run"
    train(params(**conditioning), cell_data, run, replace(QUIET, hold_out=("c",)))
    spec = ModelSpec.read(run / "model.json")
    assert set(spec.inputs) == inputs
    assert [t.identifier for t in spec.head().targets] == outputs
    assert spec.conditioning.cells == ("a", "b")
    assert spec.head().units == "probability"
    steps = cell_data.counts["train"] // 16
    if conditioning.get("cell_sampling") == "all":
        steps = 2 * cell_data.counts["train"] // 16
    model = keras.saving.load_model(run / "model_best.keras")
    assert int(model.optimizer.iterations) == 2 * steps
    last = lines(run)[-1]
    assert np.isfinite([last["loss"], last["valid_loss"]]).all()
    saved = json.loads((run / "params.json").read_text())
    assert saved["model"]["input_length"] == 256  # the data's


def test_a_vector_of_the_cell_type(cell_data, tmp_path):
    run = tmp_path / "run"
    chosen = params("state_unet", cell_state={"regions": 6, "region_bp": 64})
    train(chosen, cell_data, run, replace(QUIET, hold_out=("c",)))
    spec = ModelSpec.read(run / "model.json")
    assert spec.inputs == {"sequence": (256, 4), "cell_state": (6,)}
    assert set(spec.conditioning.states.vectors) == {"a", "b", "c"}  # of c, accessibility only


def test_a_learned_dispersion(cell_data, tmp_path):
    run = tmp_path / "run"
    chosen = params(loss="negative_binomial")
    chosen = replace(
        chosen, model=replace(chosen.model, keywords=SMALL | {"output_activation": "softplus"})
    )
    train(chosen, cell_data, run, replace(QUIET, hold_out=("c",)))
    model = keras.saving.load_model(run / "model_best.keras", compile=False)
    found = keras.ops.convert_to_numpy(model.get_layer("head_dispersion").weights[0])
    assert found.shape == (2,)
    assert (found != np.float32(np.log(0.1))).all()  # it moved from where it began


def test_targets_of_a_held_out_cell_are_never_looked_at(build_cells, cell_tables, tmp_path):
    """The same weights and states, bit for bit, whatever the held-out cell's targets are."""
    table = cell_tables[0]
    other = table.with_name("other_targets.txt")
    lines_ = table.read_text().splitlines(keepends=True)
    assert "\tc_K\tt2.bw\t" in lines_[-1]
    other.write_text("".join(lines_[:-1]) + lines_[-1].replace("t2.bw", "t0.bw"))
    runs = []
    section = {
        "reference_mode": "delta",
        "augment_scale": [0.9, 1.15],
        "cell_state": {"regions": 4, "region_bp": 64},
    }
    for number, targets in enumerate((table, other)):
        data = build_cells(tmp_path / f"data{number}", targets=targets)
        runs.append(tmp_path / f"run{number}")
        train(params("state_unet", **section), data, runs[-1], replace(QUIET, hold_out=("c",)))
    for a, b in zip(*map(weights, runs), strict=True):
        np.testing.assert_array_equal(a, b)
    times = ("seconds", "examples_per_second")
    kept = [[{k: v for k, v in x.items() if k not in times} for x in lines(r)] for r in runs]
    assert kept[0] == kept[1]
    one, two = (ModelSpec.read(r / "model.json") for r in runs)
    assert one.conditioning == two.conditioning
    assert one.data != two.data  # the records do differ


def test_a_run_that_was_stopped_ends_with_the_same_weights(cell_data, tmp_path):
    chosen = params(reference_mode="delta", augment_scale=[0.9, 1.15])
    settings = replace(QUIET, hold_out=("c",))
    train(chosen, cell_data, tmp_path / "whole", settings)
    short = replace(chosen, train=replace(chosen.train, train_epochs_max=1))
    train(short, cell_data, tmp_path / "parts", settings)
    train(chosen, cell_data, tmp_path / "parts", settings, resume=True)
    for a, b in zip(weights(tmp_path / "whole"), weights(tmp_path / "parts"), strict=True):
        np.testing.assert_array_equal(a, b)


def test_negative_counts_have_no_negative_binomial(cell_data, tmp_path):
    data = replace(cell_data)
    arrays = type(data).arrays
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(data), "arrays", lambda *a: (arrays(*a)[0], arrays(*a)[1] - 1))
        with pytest.raises(ConfigError, match="wants targets from 0 up, 'a_K' of label 'train'"):
            train(params(loss="negative_binomial"), data, tmp_path / "run", QUIET)


@pytest.mark.parametrize(
    ("model", "conditioning", "message"),
    [
        ("leopard_unet", {"cell_state": {"regions": 4, "region_bp": 64}}, "gives 'cell_state'"),
        ("stems_unet", {}, "takes 'tracks', which its conditioning section does not give"),
    ],
)
def test_models_that_do_not_take_what_is_given(cell_data, tmp_path, model, conditioning, message):
    with pytest.raises(ConfigError, match=message):
        train(params(model, **conditioning), cell_data, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_sizes_that_differ(cell_data, tmp_path):
    chosen = params(reference_mode="delta")
    keywords = chosen.model.keywords | {"track_length": 32, "track_width": 8}
    chosen = replace(chosen, model=replace(chosen.model, keywords=keywords))
    with pytest.raises(ConfigError, match=r"'tracks' is \[32, 2\] in the model .* \[64, 2\]"):
        train(chosen, cell_data, tmp_path / "run", QUIET)


def test_windows_chosen_by_a_held_out_cell_are_refused(build_cells, tmp_path):
    section = params().conditioning
    for number, hold_out in enumerate(((), ("c",))):
        data = build_cells(tmp_path / f"data{number}", positive_share=0.9, hold_out=hold_out)
        if hold_out:
            assert make_conditioning(section, data, "train", ("c",)).cells == ("a", "b")
            continue
        with pytest.raises(ConfigError, match=r"'c' is to be held out, .* \(--positive_share\)"):
            make_conditioning(section, data, "train", ("c",))


def test_a_run_does_not_go_on_with_other_vectors(cell_data, tmp_path):
    table = tmp_path / "states.tsv"
    table.write_text("a\t1\nb\t2\nc\t3\n")
    chosen = params("state_unet", cell_state={"file": str(table)})
    train(chosen, cell_data, tmp_path / "run", QUIET)
    table.write_text("a\t1\nb\t2\nc\t4\n")
    with pytest.raises(UnfinishedError, match="conditioning differ from those"):
        train(chosen, cell_data, tmp_path / "run", QUIET, resume=True)


def test_cells_that_cannot_be_trained_on(cell_data, small_data, tmp_path):
    from tfrecords_tools.data import Data

    section = params(reference_mode="delta").conditioning
    with pytest.raises(ConfigError, match="unknown cell type 'd' to hold out"):
        make_conditioning(section, cell_data, "train", ("d",))
    with pytest.raises(ConfigError, match="leaves no cell type to train on"):
        make_conditioning(section, cell_data, "train", ("a", "b", "c"))
    with pytest.raises(ConfigError, match=r"no row of targets\.txt has a cell"):
        make_conditioning(section, Data.open(small_data), "train")
    without = replace(cell_data, tracks=cell_data.tracks[:2])
    with pytest.raises(InputFileError, match="'c' has no accessibility track"):
        make_conditioning(section, without, "train")
    assert make_conditioning(section, without, "train", ("c",)).cells == ("a", "b")
    plain = parse_params({"train": TRAIN, "model": {"name": "leopard_unet"} | SMALL})
    with pytest.raises(ConfigError, match="no conditioning section"):
        train(plain, cell_data, tmp_path / "run", replace(QUIET, hold_out=("c",)))
    with pytest.raises(ConfigError, match="exclude each other"):
        train(params(), cell_data, tmp_path / "run", replace(QUIET, targets=("a_K",)))
