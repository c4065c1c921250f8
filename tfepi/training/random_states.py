"""The states of a model's random generators: functions of seed, epoch, step and replica.

Dropout and the like then draw the same numbers in a step whether or not the run was stopped
before it, and every replica draws its own.
"""

import keras
import numpy as np
import tensorflow as tf

_REPLICA = 0x9E3779B9  # odd, so that replicas have different keys
_DRAWS = 1 << 10  # of one generator in one step, at most


def seed_generators(model: keras.Model) -> list[keras.random.SeedGenerator]:
    """Return the generators of a model's layers, in the layers' order."""
    found = (getattr(layer, "seed_generator", None) for layer in model._flatten_layers())
    return [generator for generator in found if generator is not None]


def epoch_states(count: int, seed: int, epoch: int) -> np.ndarray:
    """Return the states of `count` generators at the start of an epoch: int64 [count, 2]."""
    streams = (np.random.SeedSequence(seed, spawn_key=(epoch, number)) for number in range(count))
    states = [stream.generate_state(2, np.uint32) for stream in streams]
    return np.array(states, np.int64).reshape(count, 2)


def assign_states(generators, states, step, replica) -> None:
    """Set the states of generators for one step of one replica.

    Args:
        generators: of the model.
        states: int64 [generators, 2], of the epoch.
        step: int64, of the epoch.
        replica: int32, number of the replica.
    """
    if not generators:
        return
    key = tf.cast(replica, tf.int64) * _REPLICA
    counter = tf.cast(step, tf.int64) * _DRAWS
    moved = (states + tf.stack([key, counter])) % (1 << 32)
    for number, generator in enumerate(generators):
        generator.state.assign(tf.cast(moved[number], generator.state.dtype))


def set_random_states(model: keras.Model, seed: int, epoch: int, step: int = 0) -> None:
    """Set the states of all generators of a model for one step on one device."""
    generators = seed_generators(model)
    assign_states(generators, epoch_states(len(generators), seed, epoch), step, 0)
