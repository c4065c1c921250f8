"""params.json: what is understood, and the one line about what is not."""

import json

import pytest

from tfepi.params import LOSSES, OPTIMIZERS, PRESETS, parse_params, read_params
from tfepi.training.losses import LOSSES as LOSS_CLASSES
from tfrecords_tools.errors import ConfigError, InputFileError


def parsed(**train):
    return parse_params({"train": train, "model": {"name": "basset"}}).train


def test_every_preset_is_read():
    names = sorted(p.stem for p in PRESETS.glob("*.json"))
    assert len(names) >= 5
    for name in names:
        assert read_params(name).source == json.loads((PRESETS / f"{name}.json").read_text())


def test_names_are_those_of_the_losses():
    assert tuple(LOSS_CLASSES) == LOSSES
    for name in LOSSES:
        assert parsed(loss=name).loss == name
    for name in OPTIMIZERS:
        assert parsed(optimizer=name).optimizer == name


def test_other_spellings():
    assert parsed(clipnorm=2).clip_norm == 2
    assert parsed(num_gpu=2) == parsed()


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"los": "mse"}, "unknown key 'los' in train of params.json: did you mean 'loss'"),
        ({"loss": "poissn"}, "unknown loss 'poissn' .*did you mean 'poisson'"),
        ({"optimizer": "adm"}, "unknown optimizer 'adm' .*did you mean 'adam'"),
        ({"augment_per": "epoch"}, "unknown augment_per 'epoch'"),
        ({"batch_size": 0}, "train.batch_size is 0, want above 0"),
        ({"batch_size": "64"}, "train.batch_size is '64', want a whole number"),
        ({"learning_rate": True}, "train.learning_rate is True, want a number"),
        ({"steps_per_epoch": -1}, "train.steps_per_epoch is -1, want above 0"),
        ({"decay_steps": 0}, "train.decay_steps is 0, want above 0"),
        ({"warmup_steps": -1}, "train.warmup_steps is -1, want at least 0"),
        ({"clip_norm": 1, "clipnorm": 2}, "both clipnorm and clip_norm"),
        ({"clip_norm": 1, "global_clipnorm": 2}, "both clip_norm and global_clipnorm"),
        ({"weight_decay": 0.1, "optimizer": "adam"}, "weight_decay is 0.1, but 'adam' has none"),
        ({"initial_learning_rate": 0.1}, "but no maximal_learning_rate"),
        ({"pool_width": 32}, r"unknown key 'pool_width' .*choose from .*, … \(\d+ in all\)$"),
    ],
)
def test_bad_train_sections(train, message):
    with pytest.raises(ConfigError, match=message):
        parsed(**train)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"train": {}}, "has no 'model' section"),
        ({"train": [1], "model": {"name": "basset"}}, r"train is \[1\], want a section"),
        ({"modl": {}}, "unknown section 'modl' in params.json: did you mean 'model'"),
        ({"model": {"trunk": []}}, r"model.trunk is \[\], want a list|has a trunk but no"),
        ({"model": {"name": "basset", "augment_rc": 1}}, "augment_rc is 1, want true or false"),
        ({"model": {"name": "basset", "augment_shift": -1}}, "augment_shift is -1, want a number"),
    ],
)
def test_bad_sections(value, message):
    with pytest.raises(ConfigError, match=message):
        parse_params(value)


@pytest.mark.parametrize("name", ["interact", "interact_celltype"])
@pytest.mark.parametrize("heads", [["brain", "blood.2"], "tissue", None])
def test_heads_of_model_functions(name, heads):
    model = parse_params({"model": {"name": name, "kernels": 8, "heads": heads}}).model
    assert model.heads == (tuple(heads) if isinstance(heads, list) else heads)
    assert model.keywords == {"kernels": 8}


def test_other_models_have_no_heads_by_name():
    found = parse_params({"model": {"name": "basset", "heads": ["a"]}}).model
    assert (found.heads, found.keywords) == (None, {"heads": ["a"]})  # which no function takes


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (8, 'model.heads is 8, want a list of names, .* or "tissue" for one of each tissue'),
        ("tissues", "model.heads is 'tissues', want a list of names"),
        ([], r"model.heads is \[\], want a list of names"),
        ([1], r"model.heads is \[1\], want a list of names"),
        (["a", "b", "a"], "model.heads has 'a' twice: name each head once"),
        (["frontal cortex"], "model.heads has 'frontal cortex', which cannot name a head"),
        (["../x"], "model.heads has '../x', which cannot name a head"),
    ],
)
def test_bad_heads(heads, message):
    with pytest.raises(ConfigError, match=message):
        parse_params({"model": {"name": "interact", "heads": heads}})


def test_training_without_a_train_section_says_with_what(tmp_path, caplog):
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"model": {"name": "basset"}}))
    assert read_params(path).train == parsed()
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        f"{path} has no section 'train', so its defaults hold: optimizer sgd, "
        "learning_rate 0.01, loss poisson, batch_size 64"
    )
    caplog.clear()
    read_params(path, training=False)
    path.write_text(json.dumps({"train": {}, "model": {"name": "basset"}}))
    read_params(path)
    assert not caplog.records


def test_names_and_files(tmp_path):
    with pytest.raises(ConfigError, match="unknown preset 'baset': did you mean 'basset'"):
        read_params("baset")
    with pytest.raises(InputFileError, match=r"none.json does not exist"):
        read_params(tmp_path / "none.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputFileError, match="is not valid JSON"):
        read_params(tmp_path / "bad.json")
