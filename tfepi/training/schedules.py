"""Learning-rate schedules and optimisers of params.json's train section."""

from collections.abc import Mapping, Sequence

import keras
from keras import ops

from tfepi.train_params import TrainParams
from tfepi.training.gradient_clipping import ADAPTIVELY_CLIPPED
from tfepi.training.rated_optimizers import RATED
from tfrecords_tools.errors import ConfigError

_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "momentum": keras.optimizers.SGD,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
}


@keras.saving.register_keras_serializable(package="tfepi")
class LinearWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 over the first steps, then follows another schedule from its start.

    Args:
        peak: rate at the end of the rise.
        steps: length of the rise.
        after: rate, or schedule, from then on.
    """

    def __init__(self, peak: float, steps: int, after):
        self.peak, self.steps = peak, steps
        self.after = keras.saving.deserialize_keras_object(after) if _is_config(after) else after

    def __call__(self, step):
        step = ops.cast(step, "float32")
        later = (
            self.after(ops.maximum(step - self.steps, 0.0))
            if callable(self.after)
            else (ops.cast(self.after, "float32"))
        )
        return ops.where(step < self.steps, self.peak * step / self.steps, later)

    def get_config(self):
        """Return the arguments."""
        after = self.after
        if callable(after):
            after = keras.saving.serialize_keras_object(after)
        return {"peak": self.peak, "steps": self.steps, "after": after}


@keras.saving.register_keras_serializable(package="tfepi")
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to the maximum, falls back in as many steps, then stays at the final rate.

    Basenji's `cyclical1`.

    Args:
        initial, maximal, final: rates.
        half: steps of the rise.
    """

    def __init__(self, initial: float, maximal: float, final: float, half: int):
        self.initial, self.maximal, self.final, self.half = initial, maximal, final, half

    def __call__(self, step):
        step = ops.cast(step, "float32")
        height = 1 - ops.abs(step / self.half - 1)
        inside = self.initial + (self.maximal - self.initial) * ops.maximum(height, 0.0)
        return ops.where(step > 2 * self.half, ops.cast(self.final, "float32"), inside)

    def get_config(self):
        """Return the arguments."""
        return {
            "initial": self.initial,
            "maximal": self.maximal,
            "final": self.final,
            "half": self.half,
        }


def _is_config(value) -> bool:
    return isinstance(value, dict) and "class_name" in value


def make_schedule(train: TrainParams, steps_per_epoch: int):
    """Return the learning rate, a number or a schedule of the optimiser's step.

    Raises:
        ConfigError: a linear decay that would end before the warm-up does.
    """
    if train.train_epochs_cycle1 is not None:
        rate = OneCycle(
            train.initial_learning_rate,
            train.maximal_learning_rate,
            train.final_learning_rate,
            train.train_epochs_cycle1 * steps_per_epoch,
        )
        first = train.initial_learning_rate
    elif train.decay_steps is not None:
        rate = keras.optimizers.schedules.ExponentialDecay(
            train.learning_rate, train.decay_steps, train.decay_rate, staircase=True
        )
        first = train.learning_rate
    elif train.inverse_decay is not None:
        rate = keras.optimizers.schedules.InverseTimeDecay(
            train.learning_rate, 1, train.inverse_decay
        )
        first = train.learning_rate
    elif train.linear_decay:
        total = train.train_epochs_max * steps_per_epoch
        if train.warmup_steps >= total:
            raise ConfigError(
                f"params.json train.warmup_steps is {train.warmup_steps}, but linear_decay ends at "
                f"step {total} (train_epochs_max {train.train_epochs_max} of {steps_per_epoch} "
                "steps): use fewer, or train longer"
            )
        rate = keras.optimizers.schedules.PolynomialDecay(
            train.learning_rate, total - train.warmup_steps, end_learning_rate=0.0
        )
        first = train.learning_rate
    else:
        rate = first = train.learning_rate
    return LinearWarmup(first, train.warmup_steps, rate) if train.warmup_steps else rate


def make_optimizer(
    train: TrainParams,
    steps_per_epoch: int,
    rates: Mapping[str, float] | None = None,
    undecayed: Sequence[str] = (),
) -> keras.optimizers.Optimizer:
    """Return the optimiser of a train section.

    Args:
        train: the section.
        steps_per_epoch: steps of an epoch over all data folders, for the schedules that count
            epochs.
        rates: path of a weight → factor on its learning rate.
        undecayed: paths of the weights without weight decay.

    Raises:
        ConfigError: a linear decay that would end before the warm-up does.
    """
    keywords = {
        "learning_rate": make_schedule(train, steps_per_epoch),
        "clipnorm": train.clip_norm,
        "global_clipnorm": train.global_clipnorm,
    }
    if train.optimizer in ("adam", "adamw"):
        keywords |= {"beta_1": train.adam_beta1, "beta_2": train.adam_beta2}
    else:
        keywords["momentum"] = train.momentum
    if train.optimizer == "adamw":
        keywords["weight_decay"] = train.weight_decay
    kind = _OPTIMIZERS[train.optimizer]
    if rates or undecayed:
        further = {"agc_clip": train.agc_clip, "rates": rates, "undecayed": undecayed}
        return RATED[kind](**further, **keywords)
    if train.agc_clip is None:
        return kind(**keywords)
    return ADAPTIVELY_CLIPPED[kind](agc_clip=train.agc_clip, **keywords)
