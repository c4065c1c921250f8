import keras
import numpy as np
import pytest

from tfepi.params import parse_params
from tfepi.training.schedules import LinearWarmup, OneCycle, make_optimizer, make_schedule
from tfrecords_tools.errors import ConfigError


def train(**keys):
    return parse_params({"train": keys, "model": {"name": "basset"}}).train


def rates(schedule, steps):
    return [float(schedule(s)) for s in steps]


def test_warmup_rises_then_follows():
    schedule = make_schedule(train(learning_rate=0.1, warmup_steps=10), 5)
    np.testing.assert_allclose(rates(schedule, [0, 5, 10, 50]), [0, 0.05, 0.1, 0.1], rtol=1e-6)
    decaying = make_schedule(
        train(learning_rate=0.1, warmup_steps=10, decay_steps=4, decay_rate=0.5), 5
    )
    np.testing.assert_allclose(
        rates(decaying, [10, 13, 14, 18]), [0.1, 0.1, 0.05, 0.025], rtol=1e-6
    )


def test_one_cycle():
    schedule = make_schedule(
        train(
            initial_learning_rate=0.01,
            maximal_learning_rate=0.11,
            final_learning_rate=0.001,
            train_epochs_cycle1=2,
        ),
        10,
    )
    want = [0.01, 0.06, 0.11, 0.06, 0.01, 0.001]
    np.testing.assert_allclose(rates(schedule, [0, 10, 20, 30, 40, 41]), want, rtol=1e-5)


@pytest.mark.parametrize(
    "schedule",
    [
        OneCycle(0.1, 0.2, 0.01, 7),
        LinearWarmup(0.1, 5, 0.1),
        LinearWarmup(0.1, 5, keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5, True)),
    ],
)
def test_schedules_survive_serialisation(schedule):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert rates(again, range(0, 20, 3)) == rates(schedule, range(0, 20, 3))


@pytest.mark.parametrize(
    ("keys", "kind"),
    [
        ({"optimizer": "sgd", "momentum": 0.98}, keras.optimizers.SGD),
        ({"optimizer": "momentum"}, keras.optimizers.SGD),
        ({"optimizer": "adam", "clip_norm": 2}, keras.optimizers.Adam),
        ({"optimizer": "adamw", "weight_decay": 0.1}, keras.optimizers.AdamW),
    ],
)
def test_optimizers(keys, kind):
    optimizer = make_optimizer(train(**keys), 10)
    assert isinstance(optimizer, kind)
    assert optimizer.clipnorm == keys.get("clip_norm")
    if "momentum" in keys:
        assert optimizer.momentum == 0.98
    if keys["optimizer"] == "adamw":
        assert optimizer.weight_decay == 0.1


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"optimizer": "adm"}, "did you mean 'adam'"),
        ({"learning_rte": 0.1}, "did you mean 'learning_rate'"),
        ({"learning_rate": "fast"}, "learning_rate is 'fast', want a number"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 2.5}, "want a whole number"),
        ({"initial_learning_rate": 0.1}, "no maximal_learning_rate"),
        ({"agc_clip": 0.1}, "agc_clip is not supported yet"),
    ],
)
def test_bad_train_sections_are_refused(keys, message):
    with pytest.raises(ConfigError, match=message):
        make_optimizer(train(**keys), 10)


def test_bad_files_are_refused(tmp_path):
    from tfepi.params import read_params
    from tfrecords_tools.errors import InputFileError

    with pytest.raises(ConfigError, match="did you mean 'basset'"):
        read_params("baset")
    with pytest.raises(InputFileError, match="does not exist"):
        read_params(tmp_path / "x.json")
    path = tmp_path / "p.json"
    for text, message in (
        ("{", "not valid JSON"),
        ("[]", "want an object"),
        ("{}", "no 'model' section"),
        ('{"model": {"name": "basset"}, "tran": {}}', "did you mean 'train'"),
        ('{"model": {"trunk": []}}', "no 'name'"),
        ('{"model": {"name": "basset", "augment_rc": 1}}', "augment_rc is 1"),
        ('{"model": {"name": "basset", "augment_shift": -1}}', "augment_shift is -1"),
    ):
        path.write_text(text)
        with pytest.raises((InputFileError, ConfigError), match=message):
            read_params(path)
