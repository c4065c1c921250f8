"""Learning rates of each step, against plain rules and the original tools' values."""

import keras
import numpy as np
import pytest

from tfepi.train_params import TrainParams
from tfepi.training.schedules import LinearWarmup, OneCycle, make_optimizer, make_schedule
from tfrecords_tools.errors import ConfigError

STEPS = (0, 1, 9, 10, 15, 20, 29, 30, 35, 40, 41, 50, 55, 56, 69, 70, 110, 300)
CYCLE = {
    "initial_learning_rate": 0.01,
    "maximal_learning_rate": 0.11,
    "final_learning_rate": 0.001,
    "train_epochs_cycle1": 2,
}
DECAY = {"learning_rate": 0.1, "decay_steps": 40, "decay_rate": 0.5}


def rates(schedule, steps):
    return [float(schedule(s)) for s in steps]


# fmt: off
# Baskerville's on TensorFlow 2.15, ten steps an epoch; its cyclical schedule called on float steps,
# since on the optimiser's whole numbers it raises a TypeError.
ORIGINAL = [
    ({"learning_rate": 0.1, "warmup_steps": 10}, [0, 0.01, 0.09, *[0.1] * 15]),
    ({"learning_rate": 0.1, "decay_steps": 40}, [*[0.1] * 9, *[0.096] * 7, 0.09216, 0.075144738]),
    (DECAY, [*[0.1] * 9, *[0.05] * 7, 0.025, 0.00078125]),
    ({**DECAY, "warmup_steps": 30},
     [0, 1 / 300, 0.03, 1 / 30, 0.05, 0.2 / 3, 0.29 / 3, *[0.1] * 8, 0.05, 0.025, 0.0015625]),
    (CYCLE, [0.01, 0.015, 0.055, 0.06, 0.085, 0.11, 0.065, 0.06, 0.035, 0.01, *[0.001] * 8]),
    ({**CYCLE, "warmup_steps": 15},
     [0, 0.01 / 15, 0.006, 0.1 / 15, 0.01, 0.035, 0.08, 0.085, 0.11, 0.085, 0.08, 0.035, 0.01,
      *[0.001] * 5]),
]
# fmt: on


@pytest.mark.parametrize(("keys", "want"), ORIGINAL, ids=str)
def test_rates_are_the_originals(keys, want):
    schedule = make_schedule(TrainParams(**keys), 10)
    np.testing.assert_allclose(rates(schedule, STEPS), want, rtol=1e-5, atol=1e-8)


def test_warmup_shifts_the_schedule_that_follows():
    after = make_schedule(TrainParams(**DECAY), 10)
    schedule = make_schedule(TrainParams(**DECAY, warmup_steps=30), 10)
    assert rates(schedule, range(30, 230, 7)) == rates(after, range(0, 200, 7))


LEOPARD = {"optimizer": "adam", "learning_rate": 1e-3, "inverse_decay": 1e-5}


def test_leopards_optimiser():
    optimizer = make_optimizer(TrainParams(**LEOPARD), 1000)
    assert type(optimizer) is keras.optimizers.Adam
    config = optimizer.get_config()
    assert (config["beta_1"], config["beta_2"], config["epsilon"]) == (0.9, 0.999, 1e-7)
    assert config["learning_rate"]["class_name"] == "InverseTimeDecay"
    steps = (0, 1, 1000, 5000, 100_000)
    want = [1e-3 / (1 + 1e-5 * step) for step in steps]
    np.testing.assert_allclose(rates(make_schedule(TrainParams(**LEOPARD), 1), steps), want, 1e-6)
    for step, rate in zip(steps, want, strict=True):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(rate, rel=1e-6)


def test_inverse_decay_starts_after_the_warmup():
    schedule = make_schedule(TrainParams(**LEOPARD, warmup_steps=10), 1)
    want = [0, 5e-4, 1e-3, 1e-3 / (1 + 1e-5 * 990)]
    np.testing.assert_allclose(rates(schedule, (0, 5, 10, 1000)), want, 1e-6)


LINEAR = {"learning_rate": 0.2, "linear_decay": True, "train_epochs_max": 5, "warmup_steps": 10}


def test_a_linear_decay_ends_with_the_last_epoch():
    schedule = make_schedule(TrainParams(**LINEAR), 10)
    steps = (0, 1, 5, 9, 10, 11, 20, 30, 40, 45, 49, 50, 60)
    want = [0, 0.02, 0.1, 0.18, 0.2, 0.195, 0.15, 0.1, 0.05, 0.025, 0.005, 0, 0]
    np.testing.assert_allclose(rates(schedule, steps), want, rtol=1e-6, atol=1e-9)
    plain = make_schedule(TrainParams(**LINEAR | {"warmup_steps": 0}), 10)
    np.testing.assert_allclose(rates(plain, (0, 25, 50)), [0.2, 0.1, 0], rtol=1e-6)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert rates(again, steps) == rates(schedule, steps)


def test_a_linear_decay_that_ends_before_the_warmup():
    message = r"warmup_steps is 10, but linear_decay ends at step 10 \(train_epochs_max 5 of 2"
    with pytest.raises(ConfigError, match=message):
        make_schedule(TrainParams(**LINEAR), 2)


def test_a_constant_rate_is_a_number():
    assert make_schedule(TrainParams(learning_rate=0.3), 10) == 0.3


def test_one_cycle_counts_epochs_of_all_steps():
    schedule = make_schedule(TrainParams(**CYCLE), 50)
    assert int(np.argmax(rates(schedule, range(250)))) == 100
    np.testing.assert_allclose(rates(schedule, [200, 201]), [0.01, 0.001], rtol=1e-5)


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
