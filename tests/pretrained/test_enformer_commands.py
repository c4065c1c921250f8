"""Published Enformers where commands take a model: contracts, predictors, starts of training."""

import json
import runpy
from pathlib import Path

import keras
import numpy as np
import pytest

from tfepi.models import enformer
from tfepi.params import parse_params
from tfepi.predictors import KerasPredictor, keras_file, load_keras, load_predictor, read_spec
from tfepi.pretrained import enformer_checkpoint
from tfepi.pretrained.enformer import enformer_spec, sized_params
from tfepi.pretrained.enformer_files import open_weights
from tfepi.startup import import_tensorflow
from tfepi.training.restore import restore_weights
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.targets import Target

import_tensorflow()
SCRIPTS = Path(__file__).parents[2] / "scripts"
FORMS = ("checkpoint", "saved_model", "npz", "safetensors")


def one_hot(indices):
    return np.eye(5, 4, dtype=np.float32)[indices]


def check(found, wanted):
    assert list(found) == list(wanted)
    for head, values in wanted.items():
        np.testing.assert_allclose(found[head], values, atol=1e-5)


# As a model of commands.


@pytest.mark.parametrize("form", ["checkpoint", "npz", "safetensors"])
def test_commands_load_weights(copies, published, wanted, params, form):
    path = getattr(published, form)
    spec = read_spec(path, params())
    assert (spec.seq_length, spec.bin_width, spec.crop) == (copies.LENGTH, 128, 512)
    assert {h.name: len(h.targets) for h in spec.heads} == copies.OUTPUTS
    predictor = load_predictor(path, 2, params(), spec)
    assert isinstance(predictor, KerasPredictor)
    indices, outputs = wanted
    check(predictor.predict({"sequence": indices}), outputs)


def test_letters_are_taken(copies, published, wanted, params):
    predictor = load_predictor(published.checkpoint, 2, params())
    indices, outputs = wanted
    texts = ["".join("ACGTN"[i] for i in row) for row in indices]
    check(predictor.predict({"sequence": texts}), outputs)
    first = predictor.predict({"sequence": texts[0].lower()})
    np.testing.assert_allclose(first["human"], outputs["human"][:1], atol=1e-5)
    with pytest.raises(ConfigError, match=r"has 2047 bp, the model takes 2048: pad it with N"):
        predictor.predict({"sequence": [text[1:] for text in texts]})


def test_a_table_names_a_heads_outputs(published, params):
    table = (Target(2, "third"), Target(0, "first"))
    spec = read_spec(published.npz, params(), table, "human")
    assert [t.identifier for t in spec.head("human").targets] == [
        "first",
        "t1",
        "third",
        "t3",
        "t4",
    ]
    assert [t.identifier for t in spec.head("mouse").targets] == ["t0", "t1", "t2"]
    with pytest.raises(ConfigError, match="has the heads human, mouse: name one with --head"):
        read_spec(published.npz, params(), table)
    with pytest.raises(ConfigError, match="indexes up to 5; the model has 5 outputs"):
        read_spec(published.npz, params(), (Target(5, "x"),), "human")


@pytest.mark.parametrize("form", ["saved_model", "npz"])
def test_a_table_of_some_outputs_is_warned_of(published, params, caplog, form):
    path, whole = getattr(published, form), [Target(n, f"x{n}") for n in range(5)]
    read_spec(path, params(), whole, "human")
    read_spec(path, params())
    assert not caplog.records
    read_spec(path, params(), whole[1:3], "human")
    assert [(r.levelname, r.message) for r in caplog.records] == [
        (
            "WARNING",
            "the targets table names 2 of the model's 5 outputs: the others have numbers only",
        )
    ]


def test_sizes_from_the_arrays_are_noted(copies, published, params, caplog):
    caplog.set_level("INFO")
    load_predictor(published.npz, 1, params())
    enformer_checkpoint(published.npz, **copies.SIZES, channels=24, width_rounding=4)
    given = copies.SIZES | {k: v for k, v in copies.FOUND.items() if k != "output_heads"}
    enformer_checkpoint(published.npz, **given, output_heads=copies.OUTPUTS)
    start = f"sizes of {published.npz} that are not the published ones were taken from its arrays: "
    rest = "transformer_layers 2, attention_heads 2, key_size 4, 5 outputs of head human, 3 outputs"
    assert [(r.levelname, r.message) for r in caplog.records] == [
        ("INFO", f"{start}channels 24, width_rounding 4, {rest} of head mouse"),
        ("INFO", f"{start}{rest} of head mouse"),
    ]


def test_params_must_be_enformers(published, params):
    other = parse_params({"model": {"name": "basset"}})
    for form in ("checkpoint", "npz", "safetensors"):
        with pytest.raises(ConfigError, match=r"name the params .*'enformer', not 'basset'"):
            read_spec(getattr(published, form), other)
        with pytest.raises(InputFileError, match=r"convert it first, as tfepi_convert\.py enf"):
            read_spec(getattr(published, form))
        with pytest.raises(InputFileError, match=r"convert it first, as tfepi_convert\.py enf"):
            load_keras(getattr(published, form))
    with pytest.raises(InputFileError, match=r"has no assets\.extra/model\.json"):
        read_spec(published.saved_model, other)
    with pytest.raises(ConfigError, match=r"names the heads brain, .* has human, mouse: give the"):
        read_spec(published.checkpoint, params(heads=["brain"]))
    with pytest.raises(ConfigError, match="names the heads tissue, "):
        read_spec(published.checkpoint, params(heads="tissue"))
    assert read_spec(published.checkpoint, params(heads=["mouse", "human"])).heads
    with pytest.raises(
        ConfigError,
        match=r"it has 2 transformer layers, params\.json states 1; the model has no place for "
        "_trunk/_layers/2/_layers/1",
    ):
        read_spec(published.checkpoint, params(transformer_layers=1))
    with pytest.raises(ConfigError, match="unknown key 'depth'"):
        load_predictor(published.checkpoint, params=params(depth=2))


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"input_length": "x"}, "params.json model.input_length is 'x', want a whole number"),
        ({"target_length": 0}, "params.json model.target_length is 0, want a whole"),
        ({"target_length": 17}, "of 2048 bp has 16 bins of 128 bp, of which 17 cannot be the mid"),
        ({"target_length": 7}, "of which 7 cannot be the middle ones"),
        (
            {"input_length": 2050},
            r"2050 is no multiple of 128, .* target_length 8 use 2048 or 2304$",
        ),
        (
            {"input_length": 2050, "target_length": 7},
            r"multiple of 128, the bp of a bin: with target_length 7 use 1920 or 2176$",
        ),
        ({"input_length": 900}, "input_length 900 is no multiple of 128, .* use 1024$"),
        ({"input_length": 500}, "input_length 500 is no multiple of 128, .* use 1024$"),
    ],
)
def test_lengths_that_do_not_fit(published, params, sizes, message):
    with pytest.raises(ConfigError, match=message):
        read_spec(published.checkpoint, params(**sizes))


def test_the_lengths_that_are_advised_fit(published, params):
    for length in (1024, 1920, 2048, 2176, 2304):
        bins = 8 if length in (1024, 2048, 2304) else 7
        spec = read_spec(published.checkpoint, params(input_length=length, target_length=bins))
        assert spec.target_length == bins


def test_the_published_lengths_are_the_default(published):
    spec = read_spec(published.checkpoint, parse_params({"model": {"name": "enformer"}}))
    assert (spec.seq_length, spec.crop, spec.target_length) == (196_608, 40_960, 896)
    spec = enformer_spec(196_608, 896, {"human": 5313, "mouse": 1643})
    assert [len(h.targets) for h in spec.heads] == [5313, 1643]


def test_a_missing_model_of_enformer_says_where_it_is_published(tmp_path, params):
    with pytest.raises(InputFileError, match=r"w does not exist: .*kaggle.com/models/deepmind/enf"):
        read_spec(tmp_path / "w", params())
    with pytest.raises(InputFileError, match=r"w does not exist: check the path$"):
        read_spec(tmp_path / "w", parse_params({"model": {"name": "basset"}}))


def test_params_are_completed(published, params, copies):
    sized, heads = sized_params(params(), open_weights(published.npz))
    assert heads == copies.OUTPUTS
    assert sized.model.heads == ("human", "mouse")
    section = sized.source["model"]
    assert section.pop("heads") == ["human", "mouse"]
    assert section.pop("name") == "enformer"
    stated = {k: v for k, v in copies.FOUND.items() if k != "output_heads"}
    assert section == stated | copies.SIZES == sized.model.keywords
    json.dumps(sized.source)


# Starting a training from published weights.


@pytest.mark.parametrize("form", FORMS)
def test_a_training_starts_from_all_of_it(copies, published, wanted, form):
    model = enformer_checkpoint(copies.random_arrays(3), **copies.SIZES)
    restore_weights(model, getattr(published, form))
    indices, outputs = wanted
    check(model({"sequence": one_hot(indices)}), outputs)
    assert keras_file(getattr(published, form)).is_file()


@pytest.mark.parametrize(
    ("form", "heads"),
    [("checkpoint", 7), ("safetensors", {"human": 2}), ("npz", {"human": 4, "brain": 2})],
)
def test_a_training_starts_from_the_trunk(copies, published, form, heads):
    model = enformer(**(copies.SIZES | copies.FOUND | {"output_heads": heads}))
    before = {x.name: x.get_weights() for x in model.layers if x.name.startswith("head")}
    restore_weights(model, getattr(published, form), trunk=True)
    other = enformer_checkpoint(published.arrays, **copies.SIZES)
    for layer in model.layers:
        same = before.get(layer.name)
        known = other.get_layer(layer.name).get_weights() if same is None else same
        for ours, theirs in zip(layer.get_weights(), known, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_training_of_another_model_cannot(copies, published):
    with pytest.raises(ConfigError, match=r"one head without a name, .* has human and mouse: take"):
        restore_weights(
            enformer(**(copies.SIZES | copies.FOUND | {"output_heads": 5})), published.checkpoint
        )
    inputs = keras.Input((256, 4), name="sequence")
    dense = keras.layers.Dense(2, name="hidden")(inputs)
    model = keras.Model({"sequence": inputs}, {"human": dense})
    for trunk in (False, True):
        with pytest.raises(
            ConfigError, match=r"are Enformer's, which has no layer hidden: name the"
        ):
            restore_weights(model, published.checkpoint, trunk)
    inputs = keras.Input((256, 4), name="sequence")
    head = keras.layers.Dense(2, name="head_human_dense")(inputs)
    model = keras.Model({"sequence": inputs}, {"human": head})
    with pytest.raises(
        ConfigError, match=r"are Enformer's, .* has no layer stem_conv of theirs: na"
    ):
        restore_weights(model, published.checkpoint, trunk=True)
    deeper = enformer(**(copies.SIZES | copies.FOUND | {"transformer_layers": 3}))
    with pytest.raises(ConfigError, match="it lacks _trunk/_layers/2/_layers/2/_layers/0"):
        restore_weights(deeper, published.checkpoint, trunk=True)
    keyed = enformer(**(copies.SIZES | copies.FOUND | {"key_size": 6}))
    with pytest.raises(ConfigError, match=r"_q_layer/w has shape 24×8, .* of shape 24×12"):
        restore_weights(keyed, published.checkpoint, trunk=True)


def test_the_script_starts_from_published_weights(
    copies, published, write_records, tmp_path, capsys
):
    """With a head of its own on a frozen trunk; params.json has to state the checkpoint's sizes."""
    data = write_records({"train": 2, "valid": 1}, seq_length=copies.LENGTH, crop=512, width=128)
    sizes = {k: v for k, v in copies.FOUND.items() if k != "output_heads"}
    given = {
        "model": {"name": "enformer", **sizes},
        "train": {"batch_size": 1},
        "transfer": {"mode": "linear"},
    }
    (tmp_path / "my.json").write_text(json.dumps(given))
    path = published.checkpoint
    arguments = (tmp_path / "my.json", data.folder, "-o", tmp_path / "run", "--from", path)
    main = runpy.run_path(str(SCRIPTS / "tfepi_train.py"))["main"]
    options = ("--head", "new", "--epochs", "1", "--no_tensorboard", "-q")
    assert main([*map(str, arguments), *options]) == 0
    assert "best model: " in capsys.readouterr().out
    inputs = json.loads((tmp_path / "run" / "run.json").read_text())["inputs"]
    assert inputs["restore"]["path"].endswith("enformer-tiny-1.index")
    found, other = load_keras(tmp_path / "run"), enformer_checkpoint(path, **copies.SIZES)
    assert found.output_shape == (None, copies.KEPT, 4)
    heads = [layer.name for layer in found.layers if layer.name.startswith("head")]
    for layer in found.layers:
        if layer.name not in heads and layer.weights:
            pairs = zip(layer.weights, other.get_layer(layer.name).weights, strict=True)
            for ours, theirs in pairs:
                np.testing.assert_array_equal(ours, theirs)
    given["model"]["transformer_layers"] = 1
    (tmp_path / "my.json").write_text(json.dumps(given))
    assert main([*map(str, arguments), *options, "--overwrite"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert "it has 2 transformer layers, params.json states 1; " in errors[0]
