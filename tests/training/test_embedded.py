"""Heads that are trained on kept values of the trunk."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tfepi.models.trunk import trunk_end, trunk_of, weights_sha256
from tfepi.params import parse_params
from tfepi.prediction.embed_records import embed_records, variants
from tfepi.predictors import load_keras, load_predictor
from tfepi.startup import import_tensorflow
from tfepi.training.embedded_params import open_embeddings
from tfepi.training.fit import Settings, train
from tfrecords_tools.data import Data
from tfrecords_tools.embedded_dataset import embedded_eval_dataset, embedded_train_dataset
from tfrecords_tools.embeddings import Embeddings
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import one_hot, reverse_complement
from tfrecords_tools.joined import pool_labels
from tfrecords_tools.select_records import HoldOut, SelectOptions, select_records
from tfrecords_tools.slices import Slices

import_tensorflow()
TRUNK = [
    {"name": "conv_block", "filters": 8, "kernel_size": 9, "pool_size": 8},
    {"name": "conv_block", "filters": 12, "kernel_size": 3, "pool_size": 4},
    {"name": "Cropping1D", "cropping": 2},
]
QUIET = Settings(seed=3, quiet=True, tensorboard=False)


def params(transfer=None, **model):
    value = {
        "train": {"batch_size": 16, "optimizer": "adam", "learning_rate": 0.01},
        "model": {
            "seq_length": 256,
            "trunk": TRUNK,
            "head": {"name": "final", "units": 3, "activation": "softplus"},
            "norm_type": "batch",
            **model,
        },
    }
    value["train"]["train_epochs_max"] = 2
    return parse_params(value | ({"transfer": transfer} if transfer else {}))


LINEAR = {"mode": "linear"}


@pytest.fixture(scope="module")
def data(small_data):
    return Data.open(small_data)


@pytest.fixture(scope="module")
def pretrained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pretrained") / "run"
    train(params(), data, folder, QUIET)
    return folder


@pytest.fixture(scope="module")
def folder(data, pretrained, tmp_path_factory):
    out = tmp_path_factory.mktemp("embedded") / "both"
    predictor = load_predictor(pretrained, 7)
    return embed_records(predictor, data, out, rc=True, precision="float32", quiet=True)


def test_values_are_those_of_the_layer(data, pretrained, folder):
    found = Embeddings.open(folder)
    assert (found.layer, found.shape) == ("trunk_activation", (4, 12))
    assert found.counts == data.counts
    model = load_keras(pretrained)
    trunk = keras.Model(model.input, model.get_layer("trunk_activation").output)
    sequences = data.arrays("valid")[0]
    for variant in found.variants:
        changed = reverse_complement(sequences) if variant.rc else sequences
        want = np.asarray(trunk({"sequence": one_hot(changed)}))
        shards = data.shards("valid")
        got = np.stack([a for shard in shards for a in found.read_shard(shard, variant)])
        np.testing.assert_allclose(got, want, atol=1e-5)


def test_examples_are_embeddings_with_their_targets(data, folder):
    found = Embeddings.open(folder)
    (values, targets), *_ = embedded_eval_dataset(data, found, "valid", 5, [2, 0])
    assert values.shape == (5, 4, 12)
    np.testing.assert_array_equal(targets, data.arrays("valid", 0, 5)[1][:, :, [2, 0]])
    # In training every shard is of one strand, its targets turned with it.
    truth = [t.astype(np.float32) for _, t in data.records("train")]
    known: dict[bytes, list] = {}
    for variant in found.variants:
        arrays = [a for s in data.shards("train") for a in found.read_shard(s, variant)]
        for array, target in zip(arrays, truth, strict=True):
            target = target[::-1] if variant.rc else target
            known.setdefault(array.tobytes(), []).append((variant.rc, target))
    strands = set()
    for epoch in range(6):
        for values, targets in embedded_train_dataset(data, found, "train", 16, 1, epoch):
            for value, target in zip(values.numpy(), targets.numpy(), strict=True):
                candidates = known[value.tobytes()]  # several where windows are all N
                assert any(np.array_equal(target, want) for _, want in candidates)
                strands |= {rc for rc, _ in candidates[:1]}
    assert strands == {True, False}
    whole = list(embedded_train_dataset(data, found, "train", 16, 1, 3))
    slices = [
        list(embedded_train_dataset(data, found, "train", 16, 1, 3, slices=Slices(3, i), skip=1))
        for i in range(3)
    ]
    for (values, targets), *own in zip(whole[1:], *slices, strict=True):
        np.testing.assert_array_equal(np.concatenate([v for v, _ in own]), values)
        np.testing.assert_array_equal(np.concatenate([t for _, t in own]), targets)


def test_heads_become_what_they_become_behind_the_frozen_trunk(data, pretrained, folder, tmp_path):
    section = params(LINEAR)
    start = {"restore": str(pretrained), "trunk": True}
    one = replace(QUIET, **start)
    # The first variant alone, so that both runs see the same.
    alone = tmp_path / "alone"
    embed_records(load_predictor(pretrained), data, alone, precision="float32", quiet=True)
    slow = load_keras(train(section, data, tmp_path / "slow", one))
    fast = load_keras(train(section, data, tmp_path / "fast", replace(one, embeddings=str(alone))))
    assert [x.name for x in fast.layers] == [x.name for x in slow.layers]
    before = load_keras(pretrained)
    for layer in fast.layers:
        ours, theirs = layer.get_weights(), slow.get_layer(layer.name).get_weights()
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, atol=2e-4)
        if not layer.name.startswith("head"):
            for a, b in zip(ours, before.get_layer(layer.name).get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)
    kernel = fast.get_layer("head_output_1_final_dense").get_weights()[0]
    assert (
        np.abs(kernel - before.get_layer("head_output_1_final_dense").get_weights()[0]).max() > 0.01
    )


def test_it_goes_on_where_it_stopped(data, pretrained, tmp_path, monkeypatch):
    out, predictor = tmp_path / "out", load_predictor(pretrained, 16)
    whole = embed_records(predictor, data, tmp_path / "whole", rc=True, quiet=True)
    real, done = Embeddings.write_shard, []

    def stops(self, shard, variant, arrays):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(shard)
        real(self, shard, variant, arrays)

    monkeypatch.setattr(Embeddings, "write_shard", stops)
    with pytest.raises(KeyboardInterrupt):
        embed_records(predictor, data, out, rc=True, quiet=True)
    monkeypatch.undo()
    with pytest.raises(InputFileError, match="one that is not finished; run that with --resume"):
        Embeddings.open(out)
    with pytest.raises(UnfinishedError, match="precision float16, now it is float32"):
        embed_records(predictor, data, out, rc=True, precision="float32", resume=True, quiet=True)
    embed_records(predictor, data, out, rc=True, resume=True, quiet=True)
    names = sorted(p.name for p in whole.glob("*.tfr"))
    assert names == sorted(p.name for p in out.glob("*.tfr"))
    assert all((whole / n).read_bytes() == (out / n).read_bytes() for n in names)


def test_variants():
    names = [v.name for v in variants(True, (1, 0, -1))]
    assert names == ["0+", "-1+", "1+", "0-", "-1-", "1-"]


def test_the_end_of_the_trunk(pretrained):
    model = load_keras(pretrained)
    assert trunk_end(model).name == "trunk_activation"
    with pytest.raises(ConfigError, match=r"layer 'trunk_activatio'.*did you mean"):
        trunk_end(model, "trunk_activatio")
    x = keras.Input((8, 4), name="sequence")
    a, b = keras.layers.ReLU(name="a")(x), keras.layers.ReLU(name="b")(x)
    two = keras.Model(x, [keras.layers.Dense(1, name=f"head_{t.name}")(t) for t in (a, b)])
    with pytest.raises(ConfigError, match="read a, b: name one layer"):
        trunk_end(two)
    flat = keras.layers.Flatten(name="flat")(a)
    with pytest.raises(ConfigError, match=r"'flat' gives values of shape \(32,\)"):
        trunk_end(keras.Model(x, keras.layers.Dense(1, name="head")(flat)))


def test_a_hash_is_of_the_weights(pretrained):
    model = load_keras(pretrained)
    trunk = trunk_of(model, "trunk_activation")
    first = weights_sha256(trunk)
    assert first == weights_sha256(trunk_of(load_keras(pretrained), "trunk_activation"))
    head, *_ = [x for x in model.layers if x.name.startswith("head") and x.weights]
    head.set_weights([w + 1 for w in head.get_weights()])
    assert weights_sha256(trunk) == first
    trunk.layers[-3].set_weights([w + 1 for w in trunk.layers[-3].get_weights()])
    assert bool(trunk.layers[-3].weights) == (weights_sha256(trunk) != first)


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({"precision": "float8"}, "precision 'float8'"),
        ({"shifts": (1, 2)}, "shifts 1, 2 lack 0"),
        ({"layer": "trunk_9"}, "layer 'trunk_9'"),
    ],
)
def test_what_cannot_be_embedded(data, pretrained, tmp_path, change, want):
    with pytest.raises(ConfigError, match=want):
        embed_records(load_predictor(pretrained), data, tmp_path / "x", quiet=True, **change)
    assert not (tmp_path / "x").exists()


def test_a_value_beyond_float16_is_refused(data, pretrained, tmp_path):
    predictor = load_predictor(pretrained)
    norms = [x for x in predictor.model.layers if x.name.endswith("batch_norm")]
    norms[-1].gamma.assign(norms[-1].gamma + 1e6)
    with pytest.raises(ConfigError, match="beyond float16: use --precision float32"):
        embed_records(predictor, data, tmp_path / "x", quiet=True)


@pytest.mark.parametrize(
    ("section", "want"),
    [
        ({}, r"layer 'trunk_1_.*' before it is to be trained: set"),
        ({"transfer": LINEAR, "augment_shift": 2}, "augment_shift is 2.*shifted by at most 0 bp"),
    ],
)
def test_params_that_embeddings_cannot_have(data, pretrained, folder, tmp_path, section, want):
    settings = replace(QUIET, restore=str(pretrained), trunk=True, embeddings=str(folder))
    with pytest.raises(ConfigError, match=want):
        train(params(section.pop("transfer", None), **section), data, tmp_path / "x", settings)


def test_what_is_refused_before_any_model_is_read(data, folder):
    weighed = {"train": {"coverage_cap": 10, "loss": "mse"}, "model": {"name": "interact"}}
    capped = parse_params(weighed)
    with pytest.raises(ConfigError, match=r"has train.coverage_cap, which embeddings do not"):
        open_embeddings(folder, capped, [data], ["train"])
    with pytest.raises(ConfigError, match="of one folder of records, and 2 are named"):
        open_embeddings(folder, params(LINEAR), [data, data], ["train"])


def test_other_targets_of_the_same_sequences(data, small_data, pretrained, folder, tmp_path):
    select_records(data, tmp_path / "one", SelectOptions((1,), records_per_shard=100), quiet=True)
    one = Data.open(tmp_path / "one")
    settings = replace(QUIET, restore=str(pretrained), trunk=True, embeddings=str(folder))
    section = params(LINEAR).source
    section["model"]["head"]["units"] = 1
    found = load_keras(train(parse_params(section), one, tmp_path / "run", settings))
    assert found.output_shape == (None, 4, 1)
    few = SelectOptions((0, 1, 2), ("train",), hold_out=HoldOut("valid", 1, "train"))
    select_records(data, tmp_path / "moved", few, quiet=True)
    with pytest.raises(ConfigError, match=r"are of .* records with label 'train'"):
        Embeddings.open(folder).check(Data.open(tmp_path / "moved"), ["train"])


def test_a_damaged_file_is_named_with_the_record(data, pretrained, folder, tmp_path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    for file in copy.glob("train-*.tfr"):
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 1
        file.write_bytes(content)
    settings = replace(QUIET, restore=str(pretrained), trunk=True, embeddings=str(copy))
    with pytest.raises(InputFileError, match=r"copy/train-.*tfr is corrupt at record \d+, byte"):
        train(params(LINEAR), data, tmp_path / "run", settings)


def test_labels_that_are_pooled_are_counted_together(data, folder):
    found = Embeddings.open(folder)
    found.check(pool_labels(data, ("train,valid", "test")), ["train,valid", "test"])


def test_embeddings_of_another_trunk_or_of_other_records(data, pretrained, tmp_path):
    one = embed_records(load_predictor(pretrained), data, tmp_path / "one", quiet=True)
    other = tmp_path / "other"
    train(params(), data, other, replace(QUIET, seed=4))
    settings = replace(QUIET, restore=str(other), trunk=True, embeddings=str(one))
    with pytest.raises(ConfigError, match="made by another trunk than the one that --from names"):
        train(params(LINEAR), data, tmp_path / "x", settings)
    settings = replace(settings, restore=str(pretrained))
    with pytest.raises(ConfigError, match=r"augment_rc is true.*has one strand: embed with --rc"):
        train(params(LINEAR, augment_rc=True), data, tmp_path / "x", settings)
    table = one / "embeddings.json"
    value = json.loads(table.read_text())
    for change, want in (
        ({"first_sequences": {}}, "are of other sequences than"),
        ({"counts": value["counts"] | {"valid": 1}}, "are of 1 record with label 'valid'"),
    ):
        table.write_text(json.dumps(value | change))
        with pytest.raises(ConfigError, match=want):
            train(params(LINEAR), data, tmp_path / "x", settings)
    for broken in ({"format_version": 9}, {"layer": None, "shape": 3}):
        table.write_text(json.dumps(value | broken))
        with pytest.raises(InputFileError, match=r"version 9|is damaged"):
            Embeddings.open(one)
    table.write_text(json.dumps(value))
    file = sorted(one.glob("train-*.tfr"))[0]
    content = file.read_bytes()
    file.write_bytes(content[:-5])
    with pytest.raises(InputFileError, match=r"hold .* bytes.*embed again with --overwrite"):
        train(params(LINEAR), data, tmp_path / "x", settings)
    file.unlink()
    with pytest.raises(InputFileError, match="are missing: embed again with --resume"):
        train(params(LINEAR), data, tmp_path / "x", settings)


def test_the_command(small_data, pretrained, tmp_path, run_script, run_main):
    out, run, head = tmp_path / "emb", pretrained / "params.json", tmp_path / "head.json"
    embed = ("tfepi_embed.py", run, pretrained, small_data, "-o", out)
    run_script(*embed, "--labels", "train,valid")
    assert set(json.loads((out / "embeddings.json").read_text())["counts"]) == {"train", "valid"}
    assert run_main(*embed, check=False).returncode == 2
    head.write_text(json.dumps(json.loads(run.read_text()) | {"transfer": LINEAR}))
    start = ("--from", pretrained, "--head", "new", "--embeddings", out, "-o", tmp_path / "run")
    run_main("tfepi_train.py", head, small_data, *start)
    run_main("tfepi_train.py", head, small_data, *start, "--resume")
    done = run_main("tfepi_train.py", head, small_data, "--embeddings", out, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "name its model with --from" in done.stderr
    again = (*start[:-1], tmp_path / "other", "--rematerialise")
    done = run_main("tfepi_train.py", head, small_data, *again, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "which --embeddings does not run: leave one of them out" in done.stderr
