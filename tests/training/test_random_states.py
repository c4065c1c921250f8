"""Random states: functions of seed, epoch, step and replica."""

import itertools

import keras
import numpy as np
import tensorflow as tf

from tfepi.training.random_states import (
    assign_states,
    epoch_states,
    seed_generators,
    set_random_states,
)


def model():
    inputs = keras.Input((4,))
    x = keras.layers.Dropout(0.5)(inputs)
    x = keras.layers.Dropout(0.5)(x)
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def test_states_follow_seed_epoch_and_step():
    one = model()

    def states(*place):
        set_random_states(one, *place)
        return [np.asarray(g.state).tolist() for g in seed_generators(one)]

    assert len(states(1, 2)) == 2
    assert states(1, 2) == states(1, 2, 0)
    found = [
        state for place in itertools.product((1, 2), (0, 1), (0, 1)) for state in states(*place)
    ]
    assert len(set(map(tuple, found))) == len(found)


def test_no_draw_of_two_steps_or_replicas_is_the_same():
    one = model()
    generators = seed_generators(one)
    states = epoch_states(2, 7, 3)
    assert states.shape == (2, 2)
    seen = set()
    for step, replica in itertools.product((0, 1, 100_000), range(64)):
        assign_states(generators, tf.constant(states), step, replica)
        for generator in generators:
            for _ in range(3):
                seen.add(tuple(np.asarray(generator.next()).tolist()))
    assert len(seen) == 3 * 64 * 2 * 3
    assert all(0 <= value < 1 << 32 for state in seen for value in state)


def test_a_model_without_generators_has_none():
    assert epoch_states(0, 1, 2).shape == (0, 2)
    inputs = keras.Input((4,))
    set_random_states(keras.Model(inputs, keras.layers.Dense(1)(inputs)), 1, 2)
