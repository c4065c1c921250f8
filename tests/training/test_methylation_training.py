"""Training on methylation: pre-training, one head per tissue, what resumes and what is refused."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfepi.params import parse_params
from tfepi.predictors import load_predictor
from tfepi.spec import AveragedPredictor, ModelSpec
from tfepi.startup import import_tensorflow
from tfepi.training.fit import Settings, pair_heads, train
from tfepi.training.head import HeadTraining
from tfepi.training.run import Run
from tfepi.training.state import run_key
from tfepi.training.strategy import make_team
from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter
from tfrecords_tools.dataset import Augmentation
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import encode
from tfrecords_tools.intervals import Interval
from tfrecords_tools.records import sequence_features
from tfrecords_tools.slices import WHOLE
from tfrecords_tools.targets import Target
from tfrecords_tools.windows import Windowing

import_tensorflow()
LENGTH, MIDDLE = 41, 20
TISSUES = ("brain", "blood", "brain", "brain", "blood")
COUNTS = {"train": 64, "valid": 24}
QUIET = Settings(seed=3, quiet=True, tensorboard=False)


def small(*, input_length: int = LENGTH, targets: int | Mapping[str, int] = 1, dtype="float32"):
    """Return a model with the names of interact's layers, and few of them."""
    inputs = keras.Input((input_length, 4), name="sequence")
    x = keras.layers.Conv1D(6, 5, activation="relu", name="conv1", dtype=dtype)(inputs)
    x = keras.layers.BatchNormalization(name="conv1_norm", dtype=dtype)(x)
    x = keras.layers.GlobalMaxPooling1D(keepdims=True, name="pool", dtype=dtype)(x)
    x = keras.layers.Dense(6, activation="relu", name="transformer0_hidden", dtype=dtype)(x)
    x = keras.layers.Dropout(0.1, name="transformer0_dropout", dtype=dtype)(x)

    def head(name, count):
        return keras.layers.Dense(count, activation="sigmoid", name=name, dtype="float32")(x)

    if isinstance(targets, Mapping):
        outputs = {name: head(f"head_{name}", count) for name, count in targets.items()}
    else:
        outputs = head("head", targets)
    return keras.Model({"sequence": inputs}, outputs, name="interact")


@pytest.fixture
def _small(monkeypatch):
    """Train the small model, without graphs, which take longer to make than to run."""
    from tfepi import models

    monkeypatch.setitem(models.MODELS, "interact", small)
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """Return a function that writes a data folder of CpGs whose methylation a motif lowers."""

    def make(tissues=TISSUES, coverage=True, calls=False) -> Data:
        folder = tmp_path_factory.mktemp("methylation")
        rng = np.random.default_rng(len(tissues))
        targets = tuple(Target(i, f"s{i}", tissue=t) for i, t in enumerate(tissues))
        with DataWriter(
            folder,
            Windowing(LENGTH, MIDDLE, 1),
            targets,
            "index",
            kind="methylation",
            coverage=coverage,
        ) as writer:
            at = 0
            for label, count in COUNTS.items():
                for row in range(count):
                    bases = rng.integers(0, 4, LENGTH).astype(np.uint8)
                    if row % 2:
                        bases[5:11] = encode("TTTTTT")
                    bases[MIDDLE : MIDDLE + 2] = encode("CG")
                    low = np.array([0.1 if t == "brain" else 0.5 for t in tissues])
                    beta = np.where(row % 2, low, 0.9) + rng.uniform(-0.1, 0.1, len(tissues))
                    reads = rng.poisson(12, len(tissues))
                    reads[rng.random(len(tissues)) < 0.4] = 0
                    beta = np.where(reads > 0, np.round(beta) if calls else beta, np.nan)
                    features = sequence_features(bases, "index")
                    features["target"] = beta.astype(np.float16).tobytes()
                    if coverage:
                        features["coverage"] = reads.astype(np.float16).tobytes()
                    writer.write(label, Interval("chr1", at, at + 1, label), features)
                    at += LENGTH
            writer.finish({"made_by": "test", "options": {}, "inputs": {}, "source": {}})
        return Data.open(folder)

    return make


@pytest.fixture(scope="module")
def tissues(write):
    return write()


@pytest.fixture(scope="module")
def one(write):
    return write(("brain",))


def params(train=None, transfer=None, **model):
    values = {
        "batch_size": 32,
        "optimizer": "adamw",
        "loss": "mse",
        "learning_rate": 0.02,
        "weight_decay": 0.01,
        "weight_decay_on": "kernels",
        "warmup_steps": 1,
        "linear_decay": True,
        "global_clipnorm": 1.0,
        "coverage_cap": 10,
        "metrics": "methylation",
        "best_by": "global_pearsonr",
        "train_epochs_max": 2,
    }
    section = {"name": "interact", "augment_rc": True} | model
    value = {"train": values | (train or {}), "model": section}
    return parse_params(value | ({"transfer": transfer} if transfer else {}))


def arrays(path):
    """Return the weights of a model, and the state of its optimiser."""
    model = keras.saving.load_model(path)
    return [np.asarray(w) for w in (*model.weights, *model.optimizer.variables)]


def whole_and_resumed(value, data, folder, settings, monkeypatch):
    """Train two epochs at once, and the second one on from the first; both must be alike."""
    keep = Run._keep_epoch

    def copied(self, line):  # the folder as a kill after the first epoch leaves it
        keep(self, line)
        if line["epoch"] == 0:
            shutil.copytree(self.out, folder / "part")

    with monkeypatch.context() as patch:
        patch.setattr(Run, "_keep_epoch", copied)
        train(value, data, folder / "whole", settings)
    train(value, data, folder / "part", settings, resume=True)
    found = [arrays(folder / name / "model_check-2.keras") for name in ("whole", "part")]
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


FINE = {"freeze": ["conv1"], "layer_decay": 0.5}


def begun(folder, name="first.keras", **keywords):
    """Write a model to start from, and return the settings that say so."""
    keras.utils.set_random_seed(5)
    small(**keywords).save(folder / name)
    return replace(QUIET, restore=str(folder / name), trunk=True)


@pytest.mark.usefixtures("_small")
def test_a_pretrained_model_gets_a_head_for_each_tissue(tissues, tmp_path, monkeypatch):
    settings, fine = begun(tmp_path), params(transfer=FINE, heads="tissue")
    whole_and_resumed(fine, tissues, tmp_path, settings, monkeypatch)
    check_the_run(tmp_path / "whole", tmp_path / "first.keras")


def check_the_run(folder, first):
    """What a fine-tuned run holds: heads, frozen layers, metrics, an optimiser with rates."""
    spec = ModelSpec.read(folder / "model.json")
    heads = {h.name: [t.identifier for t in h.targets] for h in spec.heads}
    assert heads == {"brain": ["s0", "s2", "s3"], "blood": ["s1", "s4"]}
    assert (spec.kind, {h.units for h in spec.heads}) == ("methylation", {"beta"})
    assert "+" not in spec.data  # both heads have one folder
    model = keras.saving.load_model(folder / "model_check-2.keras")
    old = keras.saving.load_model(first)
    for a, b in zip(
        model.get_layer("conv1").get_weights(), old.get_layer("conv1").get_weights(), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    assert model.get_layer("conv1_norm").trainable  # a pattern without a star
    optimizer = model.optimizer
    assert optimizer.rates["transformer0_hidden/kernel"] == 0.5
    assert optimizer.rates["conv1_norm/gamma"] == 0.25
    assert not any(path.startswith(("head", "conv1/")) for path in optimizer.rates)
    assert "head_brain/bias" in optimizer.undecayed
    assert int(optimizer.iterations) == 2 * 2 * COUNTS["train"] // 32  # epochs, heads
    assert float(optimizer.learning_rate) == 0
    lines = [json.loads(x) for x in (folder / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        both = [line[f"valid_{h}_global_pearsonr"] for h in heads]
        assert line["valid_global_pearsonr"] == pytest.approx(np.mean(both))
        assert len(line["valid_brain_pearsonr_per_target"]) == 3
        assert line["valid_cpg_pearsonr"] == line["valid_brain_cpg_pearsonr"]  # blood has two
        assert not any("cpg_pearsonr_per_target" in key for key in line)
    scores = [line["valid_global_pearsonr"] for line in lines]
    state = json.loads((folder / "state.json").read_text())
    assert state["best_epoch"] == int(np.argmax(scores))
    assert state["best"] == max(scores)


@pytest.mark.usefixtures("_small")
def test_the_loss_is_weighted_and_falls(one, tmp_path):
    fit = params({"learning_rate": 0.05})
    train(fit, one, tmp_path / "run", replace(QUIET, precision="mixed_bfloat16"))
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    losses = [json.loads(x)["valid_loss"] for x in lines]
    assert losses[-1] < losses[0]
    predictor = load_predictor(tmp_path / "run")
    rows = list(one.frames("valid"))
    y, w, x = (
        np.stack([read(features, shard, number) for shard, number, features in rows])
        for read in (one.target, one.coverage, one.sequence)
    )
    p = predictor.predict({"sequence": x})[predictor.spec.head().name]
    terms = np.minimum(w, 10) / 10 * (p - y.astype(float)) ** 2
    want = np.mean([np.nanmean(t) if np.isfinite(t).any() else 0 for t in terms])
    assert min(losses) == pytest.approx(want, rel=0.02)
    other = AveragedPredictor(predictor, rc=True).predict({"sequence": x})
    assert other[predictor.spec.head().name].shape == p.shape


@pytest.mark.usefixtures("_small")
def test_calls_are_classified(write, tmp_path):
    train(
        params({"loss": "bce", "train_epochs_max": 1}),
        write(("brain", "blood"), calls=True),
        tmp_path / "run",
        replace(QUIET, precision="mixed_float16"),
    )
    spec = ModelSpec.read(tmp_path / "run" / "model.json")
    assert spec.head().units == "probability"
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    line = json.loads(line)
    for name in ("auroc", "accuracy", "sensitivity", "specificity"):
        assert len(line[f"valid_{name}_per_target"]) == 2
    assert np.isfinite(line["loss"])
    optimizer = keras.saving.load_model(tmp_path / "run" / "model_best.keras").optimizer
    assert "head/bias" in optimizer.inner_optimizer.undecayed


def sources(data, heads, **changes):
    return pair_heads(params(heads=heads), data, replace(QUIET, **changes))


def test_heads_have_the_targets_of_their_tissue(tissues, one, write):
    for heads in (["blood", "brain"], "tissue"):
        found = {s.head: s.chosen for s in sources([tissues], heads)}
        assert found == {"brain": (0, 2, 3), "blood": (1, 4)}
    assert [s.head for s in sources([tissues], ["blood", "brain"])] == ["blood", "brain"]
    blood = write(("blood", "blood"))
    by_folder = sources([one, blood], ["brain", "blood"])
    assert [(s.head, s.data.folder, s.chosen) for s in by_folder] == [
        ("brain", one.folder, (0,)),
        ("blood", blood.folder, (0, 1)),
    ]
    unnamed = replace(one, targets=(Target(0, "s0"),))
    assert [s.head for s in sources([unnamed], ["brain"])] == ["brain"]


def test_heads_and_tissues_that_do_not_go_together(tissues, one, write):
    for data, heads, message in (
        ([tissues], ["brain", "blod"], "head 'blod' of params.json is no tissue .* brain, blood:"),
        ([tissues], ["brain"], "tissue 'blood' of .* has no head in params.json, .* names brain"),
        ([one, tissues, one], ["a", "b"], "3 data folders for the 2 heads a, b: .*'tissue'"),
        ([one, tissues], ["a", "b", "c"], "2 data folders for the 3 heads"),
        ([tissues, one], ["blood", "brain"], "'blood' would learn from .* are of tissue 'brain'"),
        ([write(("brain", None))], "tissue", "target 's1' of .* has no tissue"),
        ([write(("frontal cortex", "brain"))], "tissue", "'frontal cortex', which cannot name"),
    ):
        with pytest.raises(ConfigError, match=message):
            sources(data, heads)
    with pytest.raises(ConfigError, match="--targets or --query choose among the targets"):
        sources([tissues], "tissue", targets=("s0",))
    with pytest.raises(ConfigError, match=r"holds methylation, .* coverage: train a model on data"):
        sources([one, replace(one, kind="coverage")], None)


def test_targets_keep_the_order_they_are_named_in(tissues):
    (source,) = sources([tissues], None, targets=("s4", "s0", "s1", "s2", "s3"))
    assert source.chosen == (4, 0, 1, 2, 3)
    assert [t.identifier for t in source.targets] == ["s4", "s0", "s1", "s2", "s3"]
    _, batch, _ = next(iter(head_of(source)._validation(WHOLE)))
    _, values = tissues.arrays("valid")
    np.testing.assert_array_equal(batch, values[:, :, [4, 0, 1, 2, 3]])


def head_of(source):
    model = small(targets=len(source.targets))
    optimizer = keras.optimizers.SGD()
    optimizer.build(model.trainable_variables)
    how = (params().train, optimizer, ("train", "valid"), Augmentation(), Settings())
    return HeadTraining(make_team(), model, source, *how)


@pytest.mark.usefixtures("_small")
def test_what_is_refused(one, write, tmp_path):
    for value, data, message in (
        (params(), write(("brain",), coverage=False), "coverage_cap is 10, but .* no coverage"),
        (params(augment_shift=3), one, "augment_shift is 3 bp, but the C of a CpG has to stay"),
        (params({"warmup_steps": 4}), one, r"warmup_steps is 4, but linear_decay ends at step 4"),
        (params(transfer=FINE), one, r"freeze is \['conv1'\], .* name the model .* with --from"),
    ):
        with pytest.raises(ConfigError, match=message):
            train(value, data, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_a_linear_decay_cannot_be_moved_by_resuming(one):
    keys = []
    for epochs in (2, 3):  # as --epochs does
        value = params()
        value = replace(value, train=replace(value.train, train_epochs_max=epochs))
        keys.append(run_key(value, pair_heads(value, [one], QUIET), QUIET))
    assert keys[0] | {"train_epochs_max": 3} == keys[1]
    constant = params({"linear_decay": False})
    key = run_key(constant, pair_heads(constant, [one], QUIET), QUIET)
    assert "train_epochs_max" not in key


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_interact_pretrains_fine_tunes_and_resumes(one, tissues, tmp_path, monkeypatch, precision):
    """Minutes on a busy machine: graphs of the real model, each time made anew."""
    sizes = {"kernels": 6, "pool": 10, "hidden": 8, "layers": 1, "attention_heads": 2}
    sizes |= {"feed_forward": 8, "head_hidden": 6, "positions": 8}
    settings = replace(QUIET, precision=precision)
    train(params({"train_epochs_max": 1}, **sizes), one, tmp_path / "first", settings)
    settings = replace(settings, restore=str(tmp_path / "first"), trunk=True)
    transfer = {"freeze": ["conv1*"], "rates": {"conv*": 0.1, "transformer*": 0.5}}
    fine = params(transfer=transfer, heads=["brain", "blood"], **sizes)
    whole_and_resumed(fine, tissues, tmp_path, settings, monkeypatch)
