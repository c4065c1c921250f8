"""Activations that are computed again: the same steps, from fewer tensors kept."""

import json

import keras
import numpy as np
import pytest

from tfepi.models import basenji, enformer
from tfepi.params import parse_params, read_params
from tfepi.startup import import_tensorflow
from tfepi.training.fit import Settings, train
from tfepi.training.random_states import set_random_states
from tfepi.training.rematerialise import Rematerialised, rematerialised
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, UnfinishedError

import_tensorflow()
TRUNK = [
    {
        "name": "conv_tower",
        "filters_init": 8,
        "filters_mult": 1,
        "repeat": 2,
        "pool_size": 4,
        "kernel_size": 5,
    },
    {"name": "transformer", "key_size": 4, "heads": 2, "num_position_features": 4},
    {"name": "conv_block", "filters": 8, "dropout": 0.2, "pool_size": 2},
    {"name": "Cropping1D", "cropping": 2},
]
HEAD = {"name": "final", "units": 3, "activation": "softplus"}


def made(kind, layers=2):
    keras.utils.set_random_seed(1)
    if kind == "basenji":
        return basenji(
            seq_length=256,
            trunk=TRUNK,
            heads={"output": HEAD},
            norm_type="batch",
            activation="gelu",
            l2_scale=1e-3,
        )
    model = enformer(
        input_length=1024,
        channels=48,
        width_rounding=8,
        transformer_layers=layers,
        target_length=4,
        output_heads=3,
        dtype="mixed_bfloat16" if kind == "half" else "float32",
    )
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if "attention" in layer.name and hasattr(layer, "output_kernel"):
            layer.output_kernel.assign(rng.normal(0, 0.2, layer.output_kernel.shape))
    return model


def stepped(kind, again, steps=3):
    """Train a few steps; return losses and all weights, moving averages and states included."""
    model = made(kind, layers=1)
    trained = rematerialised(model) if again else model
    set_random_states(model, 1, 2)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(model.trainable_variables)
    trained.compile(optimizer=optimizer, loss="poisson")
    rng = np.random.default_rng(3)
    length, (bins, targets) = model.inputs[0].shape[1], model.output_shape[1:]
    losses = []
    for _ in range(steps):
        x = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (2, length))]
        y = rng.poisson(3, (2, bins, targets)).astype(np.float32)
        losses.append(float(trained.train_on_batch({"sequence": x}, y)))
    return losses, [keras.ops.convert_to_numpy(v) for v in model.variables]


@pytest.mark.parametrize(
    "kind", ["enformer", "basenji", pytest.param("half", marks=pytest.mark.slow)]
)
def test_steps_are_those_of_the_plain_model(kind):
    (losses, plain), (again, remade) = stepped(kind, False), stepped(kind, True)
    assert losses == again
    assert any(values.dtype.kind in "iu" and values[1] > 0 for values in plain)  # of dropout
    for ours, theirs in zip(remade, plain, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_step_of_a_u_net_differs_by_rounding():
    """What lies between its connections is one part, in which TensorFlow fuses otherwise."""
    section = read_params("borzoi_small").source["model"]
    trunk = [block for block in section["trunk"] if block["name"] != "Cropping1D"]
    x = np.eye(4, dtype=np.float32)[np.random.default_rng(3).integers(0, 4, (2, 2048))]
    y = np.random.default_rng(4).poisson(3, (2, 64, 3)).astype(np.float32)
    after = []
    for again in (False, True):
        keras.utils.set_random_seed(1)
        kept = {k: section[k] for k in ("activation", "norm_type", "bn_momentum")}
        model = basenji(seq_length=2048, trunk=trunk, heads={"output": HEAD}, **kept)
        trained = rematerialised(model) if again else model
        set_random_states(model, 1, 2)
        trained.compile(optimizer=keras.optimizers.SGD(0.1), loss="poisson")
        trained.train_on_batch({"sequence": x}, y)
        after.append([keras.ops.convert_to_numpy(v) for v in model.variables])
    for plain, remade in zip(*after, strict=True):
        np.testing.assert_allclose(remade, plain, rtol=1e-4, atol=1e-5)


PARTS = {
    "enformer": [
        "stem_add",
        "stem_pool",
        *(f"tower{n}_{part}" for n in range(1, 7) for part in ("add", "pool")),
        *(f"transformer{n}_{part}" for n in (0, 1) for part in ("attention_add", "add")),
        "final_dropout",
    ],
    "basenji": [
        "trunk_1_conv_tower_pool",
        "trunk_1_conv_tower_pool2",
        "trunk_2_transformer_add",
        "trunk_2_transformer_add2",
        "trunk_3_conv_block_pool",
    ],
}


@pytest.mark.parametrize(("kind", "want"), PARTS.items(), ids=PARTS)
def test_it_is_cut_after_blocks_branches_and_pooling(kind, want):
    model = made(kind)
    parts = [x for x in rematerialised(model).layers if isinstance(x, Rematerialised)]
    assert [x.segment.layers[-1].name for x in parts] == want
    assert [x.segment.output.shape[1:] for x in parts] == [
        model.get_layer(name).output.shape[1:] for name in want
    ]


def test_layers_are_shared_and_predictions_the_same():
    model = made("enformer")
    again = rematerialised(model)
    assert {id(v) for v in again.trainable_variables} == {id(v) for v in model.trainable_variables}
    x = np.eye(4, dtype=np.float32)[np.random.default_rng(1).integers(0, 4, (2, 1024))]
    np.testing.assert_array_equal(again({"sequence": x}), model({"sequence": x}))


def test_what_leads_past_everything_cannot_be_cut():
    inputs = keras.Input((64, 4), name="sequence")
    x = first = keras.layers.Conv1D(4, 3, padding="same", name="conv1")(inputs)
    for number in (2, 3):
        x = keras.layers.Conv1D(4, 3, padding="same", name=f"conv{number}")(x)
    model = keras.Model({"sequence": inputs}, keras.layers.Add(name="head")([x, first]))
    with pytest.raises(ConfigError, match=r"no two places.*train it without --rematerialise"):
        rematerialised(model)


def params(**train):
    section = {"batch_size": 16, "optimizer": "adam", "train_epochs_max": 2} | train
    model = {"seq_length": 256, "trunk": TRUNK, "head": HEAD, "norm_type": "batch"}
    return parse_params({"train": section, "model": model | {"activation": "gelu"}})


def test_a_run_is_the_same_run(small_data, tmp_path):
    data, weights = Data.open(small_data), {}
    for name, again in (("plain", False), ("again", True)):
        settings = Settings(quiet=True, tensorboard=False, rematerialise=again)
        best = train(params(), data, tmp_path / name, settings)
        weights[name] = keras.saving.load_model(best, compile=False).get_weights()
    for ours, theirs in zip(*weights.values(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(UnfinishedError, match="settings differ"):
        train(params(), data, tmp_path / "again", Settings(tensorboard=False), resume=True)
    state = json.loads((tmp_path / "plain" / "state.json").read_text())
    assert "rematerialise" not in state["key"]["settings"]


@pytest.mark.slow
def test_a_run_with_it_goes_on_where_it_stopped(small_data, tmp_path):
    data = Data.open(small_data)
    settings = Settings(quiet=True, tensorboard=False, rematerialise=True)
    whole = train(params(), data, tmp_path / "whole", settings)
    train(params(train_epochs_max=1), data, tmp_path / "stopped", settings)
    state = tmp_path / "stopped" / "state.json"
    value = json.loads(state.read_text())
    value["key"]["params"]["train"]["train_epochs_max"] = 2
    state.write_text(json.dumps(value))
    resumed = train(params(), data, tmp_path / "stopped", settings, resume=True)
    pairs = [keras.saving.load_model(m, compile=False).get_weights() for m in (whole, resumed)]
    for ours, theirs in zip(*pairs, strict=True):
        np.testing.assert_array_equal(ours, theirs)
