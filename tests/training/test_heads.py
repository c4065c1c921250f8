"""Training of trunk-and-head models: several genomes, restoring, transferring a trunk."""

import json
import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest

from tfepi.params import parse_params
from tfepi.predictors import load_keras, load_predictor
from tfepi.pretrained.basenji import write_h5
from tfepi.serving.convert import convert
from tfepi.spec import ModelSpec
from tfepi.startup import import_tensorflow
from tfepi.training import run
from tfepi.training.epoch import head_order, train_epoch
from tfepi.training.fit import Settings, pair_heads, train
from tfepi.training.head import HeadTraining
from tfepi.training.schedules import make_optimizer
from tfepi.training.strategy import make_team
from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.data import Data
from tfrecords_tools.dataset import Augmentation
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.plan import make_plan

import_tensorflow()
QUIET = Settings(seed=3, quiet=True, tensorboard=False)
TRUNK = [
    {"name": "conv_dna", "filters": 6, "kernel_size": 7, "pool_size": 8, "dropout": 0.1},
    {"name": "conv_tower", "filters_init": 6, "filters_end": 8, "repeat": 2, "pool_size": 2},
    {"name": "Cropping1D", "cropping": 2},
]


def params(train=None, **model):
    section = {
        "seq_length": 256,
        "activation": "gelu",
        "norm_type": "batch",
        "trunk": TRUNK,
        "augment_rc": True,
        "augment_shift": 2,
    }
    heads = {
        "head_a": {"name": "final", "units": 3, "activation": "softplus"},
        "head_b": {"name": "final", "units": 2, "activation": "softplus"},
    }
    values = {
        "batch_size": 16,
        "optimizer": "adam",
        "learning_rate": 0.003,
        "train_epochs_max": 2,
        "steps_per_epoch": 3,
    }
    model = model or heads
    return parse_params({"train": values | (train or {}), "model": section | model})


@pytest.fixture(scope="module")
def genomes(small_data, genome_folder, tmp_path_factory):
    """Two data folders of the same windows' lengths and different targets."""
    folder = tmp_path_factory.mktemp("second")
    for name in ("t0.bw", "t1.bw", "genome.fa"):
        shutil.copy(genome_folder / name, folder / name)
    lines = (genome_folder / "targets.txt").read_text().splitlines()[:3]
    (folder / "targets.txt").write_text("\n".join(lines).replace("T", "M") + "\n")
    options = BuildOptions(
        seq_length=256, bin_width=32, crop=64, stride_train=96, valid="chr3", test="chr2"
    )
    plan = make_plan(folder / "genome.fa", folder / "targets.txt", options)
    build(plan, folder / "data", quiet=True)
    return [Data.open(small_data), Data.open(folder / "data")]


def weights(path):
    return {w.path: np.asarray(w) for w in keras.saving.load_model(path, compile=False).weights}


@pytest.fixture(scope="module")
def both(genomes, tmp_path_factory):
    """A run of both genomes."""
    folder = tmp_path_factory.mktemp("both") / "run"
    train(params(), genomes, folder, QUIET)
    return folder


FINAL = {"name": "final", "units": 3, "activation": "softplus"}
STILL = {"learning_rate": 1e-12}


@pytest.fixture(scope="module")
def first(genomes, tmp_path_factory):
    """A run of the first genome, with rates at which no weight moves."""
    folder = tmp_path_factory.mktemp("first") / "first"
    train(params(STILL, head=FINAL), genomes[0], folder, QUIET)
    return folder


def test_several_genomes_train_one_trunk_and_a_head_each(both, genomes):
    spec = ModelSpec.read(both / "model.json")
    assert [(h.name, len(h.targets)) for h in spec.heads] == [("a", 3), ("b", 2)]
    assert (spec.bin_width, spec.crop, spec.target_length) == (32, 64, 4)
    lines = [json.loads(x) for x in (both / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        for name in ("loss", "valid_loss", "valid_pearsonr"):
            _, _, rest = name.rpartition("valid_")
            each = [line[f"{'valid_' if 'valid' in name else ''}{h}_{rest}"] for h in "ab"]
            assert line[name] == pytest.approx(np.mean(each))
        assert len(line["valid_a_pearsonr_per_target"]) == 3
        assert len(line["valid_b_r2_per_target"]) == 2
    predictor = load_predictor(both)
    indices, _ = genomes[0].arrays("test", 0, 5)
    found = predictor.predict({"sequence": indices})
    assert {k: v.shape for k, v in found.items()} == {"a": (5, 4, 3), "b": (5, 4, 2)}


@pytest.fixture
def heads(genomes):
    """A model's heads, and the model."""
    from tfepi.models import make_model

    values, team = params(), make_team()
    keras.utils.set_random_seed(1)
    model = make_model(values.model, {"a": 3, "b": 2})
    optimizer = make_optimizer(values.train, 3)
    optimizer.build(model.trainable_variables)
    how = (values.train, optimizer, ("train", "valid"), Augmentation(), Settings())
    return model, [HeadTraining(team, model, s, *how) for s in pair_heads(values, genomes, QUIET)]


def test_a_batch_moves_only_the_trunk_and_its_own_head(heads):
    model, (_, second) = heads
    before = {w.path: np.asarray(w) for w in model.weights}
    loop = second.loop
    loop.train(second.shared_batches(0, 0, 0), 1, 0, loop.states(0, 0), 0.0)
    changed = {w.path for w in model.weights if not np.array_equal(before[w.path], np.asarray(w))}
    assert changed == {p for p in before if not p.startswith("head_a")}


class Seen:
    """Keeps the order of the heads' steps."""

    def __init__(self):
        self.order = []

    def signal(self):
        return 0.0

    def late(self):
        return False

    def look(self, head, first, losses, told):
        assert first == self.order.count(head)
        self.order += [head] * len(losses)
        return False


def test_batches_are_interleaved_the_same_way_each_time(heads):
    def order(seed, epoch):
        seen = Seen()
        train_epoch(heads[1], seed, epoch, seen, True)
        return seen.order

    first = order(5, 0)
    assert sorted(first) == [0, 0, 0, 1, 1, 1]
    assert order(5, 0) == first
    assert any(order(5, epoch) != first for epoch in (1, 2, 3))


def test_a_run_of_several_heads_resumes_exactly(both, genomes, tmp_path, monkeypatch):
    real = run.Run._keep_epoch

    def keep(self, line):
        if line["epoch"] >= 1:
            raise KeyboardInterrupt
        real(self, line)

    with monkeypatch.context() as patch:
        patch.setattr(run.Run, "_keep_epoch", keep)
        with pytest.raises(KeyboardInterrupt):
            train(params(), genomes, tmp_path / "part", QUIET)
    train(params(), genomes, tmp_path / "part", QUIET, resume=True)
    wanted = weights(both / "model_check-2.keras")
    for path, value in weights(tmp_path / "part" / "model_check-2.keras").items():
        np.testing.assert_array_equal(value, wanted[path])
    with pytest.raises(UnfinishedError, match="data differ"):
        train(params(), genomes[:1], tmp_path / "part", QUIET, resume=True)


def test_a_head_without_data_is_left_out(genomes, tmp_path):
    train(params(), genomes[:1], tmp_path / "run", QUIET)
    assert [h.name for h in ModelSpec.read(tmp_path / "run" / "model.json").heads] == ["a"]
    assert not any(p.startswith("head_b") for p in weights(tmp_path / "run" / "model_best.keras"))


def test_folders_and_heads_that_do_not_go_together(genomes, tmp_path):
    with pytest.raises(ConfigError, match="3 data folders for the 2 heads a, b"):
        train(params(), [*genomes, genomes[0]], tmp_path / "run", QUIET)
    with pytest.raises(ConfigError, match=r"head 'a' of params.json has 3 units, the data has 2"):
        train(params(), genomes[::-1], tmp_path / "run", QUIET)
    told = "--targets or --query choose .* the heads a, b: leave them out, .* select --query$"
    with pytest.raises(ConfigError, match=told):
        train(params(), genomes, tmp_path / "run", Settings(targets=("T1",)))
    one = params(head={"name": "final", "units": 3, "activation": "softplus"})
    with pytest.raises(ConfigError, match="want the same in the same order"):
        train(one, genomes, tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target_length": 5}, "states target_length 5, but the head has 4 bins"),
        ({"target_crop": 3}, "target_crop: the model of params.json has 3, .* has 2"),
        ({"strand_pair": [[1, 0, 2]]}, r"strand_pair: .* has \[1, 0, 2\], .* has None"),
        ({"trunk": [TRUNK[0], TRUNK[2]]}, "bin width: the model of params.json has 8, .* has 32"),
        ({"trunk": TRUNK[:2]}, "number of output bins: .* has 8, .* has 4"),
        ({"seq_length": 128, "trunk": TRUNK[:2]}, "sequence length: .* has 128, .* has 256"),
    ],
)
def test_models_that_do_not_fit_the_data(genomes, tmp_path, changes, message):
    model = {"head": {"name": "final", "units": 3, "activation": "softplus"}} | changes
    with pytest.raises(ConfigError, match=message):
        train(params(**model), genomes[0], tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_restoring_starts_from_the_weights(first, genomes, tmp_path):
    one = params(STILL, head=FINAL)
    write_h5(load_keras(first), tmp_path / "first.h5")
    wanted = weights(first / "model_best.keras")
    for number, source in enumerate((first, first / "model_best.keras", tmp_path / "first.h5")):
        out = tmp_path / f"from{number}"
        settings = Settings(seed=9, quiet=True, tensorboard=False, restore=str(source))
        train(one, genomes[0], out, settings)
        for path, value in weights(out / "model_best.keras").items():
            if "moving" not in path:
                np.testing.assert_allclose(value, wanted[path], atol=1e-8)
        record = json.loads((out / "run.json").read_text())
        assert record["inputs"]["restore"]["path"].startswith(str(source))


def test_a_trunk_is_transferred(first, genomes, tmp_path):
    other = params(STILL, head=FINAL | {"units": 2})
    restore = {"restore": str(first), "quiet": True, "tensorboard": False}
    with pytest.raises(ConfigError, match=r"layer head_output.* has weights .*only from its trunk"):
        train(other, genomes[1], tmp_path / "second", Settings(seed=9, **restore))
    train(other, genomes[1], tmp_path / "second", Settings(seed=9, trunk=True, **restore))
    before, after = (weights(n / "model_best.keras") for n in (first, tmp_path / "second"))
    trunk = [p for p in before if p.startswith("trunk") and "moving" not in p]
    assert trunk
    for path in trunk:
        np.testing.assert_allclose(after[path], before[path], atol=1e-8)
    deeper = params(
        trunk=[*TRUNK, {"name": "conv_block", "filters": 8}],
        head={"name": "final", "units": 2, "activation": "softplus"},
    )
    with pytest.raises(ConfigError, match=r"layer trunk_4_conv_block_conv of .* is not in"):
        train(deeper, genomes[1], tmp_path / "third", Settings(trunk=True, **restore))
    shallower = params(
        trunk=[TRUNK[0] | {"pool_size": 32}, TRUNK[2]],
        head={"name": "final", "units": 2, "activation": "softplus"},
    )
    with pytest.raises(ConfigError, match=r"is not in params.json: they differ"):
        train(shallower, genomes[1], tmp_path / "third", Settings(trunk=True, **restore))


def test_adapters_train_on_a_restored_model(first, genomes, tmp_path):
    one = params(head=FINAL)
    value = one.source | {"transfer": {"mode": "adapter", "adapter": "locon", "conv_select": 2}}
    adapted = parse_params(value)
    with pytest.raises(ConfigError, match="name the model it comes from with --from"):
        train(adapted, genomes[0], tmp_path / "second", QUIET)
    restore = {"restore": str(first), "quiet": True, "tensorboard": False}
    train(adapted, genomes[0], tmp_path / "second", Settings(**restore))
    before, after = (weights(n / "model_best.keras") for n in (first, tmp_path / "second"))
    for path, value in before.items():
        same = np.array_equal(after[path], value)
        assert same == (not path.startswith("head")), path
    assert len(after) > len(before)
    predictor = load_predictor(tmp_path / "second")
    indices, _ = genomes[0].arrays("test", 0, 5)
    wanted = predictor.predict({"sequence": indices})["output"]
    with pytest.raises(ConfigError, match="merge adapters first"):
        convert(tmp_path / "second", adapted, predictor.spec, tmp_path / "merged.h5")
    convert(tmp_path / "second", adapted, predictor.spec, tmp_path / "merged.h5", merged=True)
    merged = load_predictor(tmp_path / "merged.h5", params=one)
    found = merged.predict({"sequence": indices})["output"]
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_folds_are_pooled(genomes, tmp_path):
    one = params(
        {"train_epochs_max": 1, "steps_per_epoch": None},
        head={"name": "final", "units": 3, "activation": "softplus"},
    )
    labels = {"train_label": "valid,test", "valid_label": "train"}
    train(one, genomes[0], tmp_path / "run", Settings(quiet=True, tensorboard=False, **labels))
    model = keras.saving.load_model(tmp_path / "run" / "model_check-1.keras")
    count = genomes[0].counts["valid"] + genomes[0].counts["test"]
    assert int(model.optimizer.iterations) == count // 16


def test_a_cross_entropy_of_counts_is_refused(genomes, tmp_path):
    counts = params({"loss": "bce"}, head={"name": "final", "units": 3, "activation": "sigmoid"})
    with pytest.raises(ConfigError, match=r"loss bce wants targets from 0 to 1, 'T\d' of label"):
        train(counts, genomes[0], tmp_path / "run", QUIET)
    assert not (tmp_path / "run").exists()


def test_a_genome_with_fewer_records_than_told_is_refused(genomes, tmp_path):
    count = genomes[1].counts["train"]
    short = replace(genomes[1], counts=genomes[1].counts | {"train": count + 32})
    values = params({"train_epochs_max": 1, "steps_per_epoch": None})
    with pytest.raises(InputFileError, match=rf"hold {count} records, .* tells {count + 32}"):
        train(values, [genomes[0], short], tmp_path / "run", QUIET)


def test_batches_of_heads_are_taken_in_turn_where_asked_for():
    assert head_order([3, 3], "alternating", 1, 0).tolist() == [0, 1, 0, 1, 0, 1]
    uneven = head_order([6, 2, 3], "alternating", 1, 0)
    assert np.bincount(uneven).tolist() == [6, 2, 3]
    assert uneven.tolist() == [0, 2, 0, 1, 0, 2, 0, 0, 1, 2, 0]
    drawn = [head_order([30, 20], "random", seed, 0).tolist() for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    with pytest.raises(ConfigError, match=r"head_order 'alternate'.*did you mean 'alternating'"):
        parse_params({"train": {"head_order": "alternate"}, "model": {"name": "basset"}})
