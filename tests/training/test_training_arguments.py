"""The global batch and the learning rates that go with it."""

import pytest

from tfepi.params import parse_params
from tfepi.training.arguments import scaled
from tfrecords_tools.errors import ConfigError


def params(**train):
    section = {"batch_size": 64} | (train or {"learning_rate": 0.01})
    return parse_params({"train": section, "model": {"name": "basset"}})


@pytest.mark.parametrize(("how", "rate"), [(None, 0.01), ("linear", 0.04), ("sqrt", 0.02)])
def test_rates_follow_the_batch(how, rate):
    found = scaled(params(), 256, how)
    assert found.train.batch_size == 256
    assert found.train.learning_rate == pytest.approx(rate)
    assert found.source["train"]["batch_size"] == 256  # what the run folder says
    assert parse_params(found.source).train == found.train


def test_rates_of_one_cycle_follow_too():
    cycle = {
        "initial_learning_rate": 0.001,
        "maximal_learning_rate": 0.1,
        "final_learning_rate": 0.0001,
        "train_epochs_cycle1": 3,
    }
    value = params(**cycle).train
    found = scaled(params(**cycle), 32, "linear").train
    for name in ("initial_learning_rate", "maximal_learning_rate", "final_learning_rate"):
        assert getattr(found, name) == pytest.approx(getattr(value, name) / 2)


def test_nothing_asked_for_changes_nothing():
    value = params()
    assert scaled(value, None, None) is value
    assert scaled(value, 64, "linear").train == value.train


@pytest.mark.parametrize(
    ("batch", "how", "message"),
    [
        (None, "sqrt", "--scale_rate sqrt is by --batch_size over that of params.json: name it"),
        (0, None, "--batch_size is 0, want at least 1"),
    ],
)
def test_what_is_refused(batch, how, message):
    with pytest.raises(ConfigError, match=message):
        scaled(params(), batch, how)
