"""The train section of params.json: Basenji's keys and defaults, and a few of ours."""

import math
from dataclasses import dataclass, fields
from typing import get_args

from tfrecords_tools.errors import ConfigError, unknown

# The keys each loss reads.
LOSS_KEYS = {
    "poisson": (),
    "mse": (),
    "bce": (),
    "mse_udot": ("spec_weight",),
    "poisson_kl": ("spec_weight",),
    "poisson_mn": ("total_weight", "weight_range", "weight_exp"),
    "negative_binomial": ("dispersion",),
}
LOSSES = tuple(LOSS_KEYS)
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw")
BEST_BY = ("score", "pearsonr", "global_pearsonr", "loss", "last")
METRICS = ("methylation",)
HEAD_ORDERS = ("random", "alternating")
WEIGHTED_LOSSES = ("mse", "bce")  # those that coverage can weigh
_CYCLE = (
    "initial_learning_rate",
    "maximal_learning_rate",
    "final_learning_rate",
    "train_epochs_cycle1",
)
_POSITIVE = (
    "batch_size",
    "shuffle_buffer",
    "learning_rate",
    "clip_norm",
    "global_clipnorm",
    "agc_clip",
    "weight_exp",
    "dispersion",
    "train_epochs_max",
    "train_epochs_cycle1",
    "decay_steps",
    "decay_rate",
    "inverse_decay",
    "steps_per_epoch",
    "coverage_cap",
)
_NOT_NEGATIVE = (
    "weight_decay",
    "spec_weight",
    "total_weight",
    "patience",
    "train_epochs_min",
    "warmup_steps",
)
_BELOW_1 = ("momentum", "adam_beta1", "adam_beta2")
_NOUN = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class TrainParams:
    """The train section; names and defaults are Basenji's, `best_by` and below are ours.

    A value that says how to train and that the chosen loss, optimiser or schedule would leave
    unread is refused. Momentum and Adam's betas are not: beside another optimiser they say nothing.

    Attributes:
        batch_size: examples a step.
        shuffle_buffer: records to draw from.
        optimizer: sgd, momentum (the same), adam, adamw.
        loss: poisson, poisson_mn, poisson_kl, mse, mse_udot, bce, negative_binomial.
        spec_weight: of the specificity term of poisson_kl and mse_udot.
        total_weight: of the term for the sum over bins of poisson_mn.
        weight_range: poisson_mn weighs the middle bin so many times the outermost; 1: all alike.
        weight_exp: exponent of that window, even; the higher, the flatter its middle.
        dispersion: α of negative_binomial at the start, of every target; it is trained.
        learning_rate: of a constant or decaying schedule.
        momentum: of sgd; adam_beta1, adam_beta2: of adam and adamw.
        weight_decay: of adamw, times the learning rate.
        clip_norm: of each variable's gradient; global_clipnorm: of all together.
        agc_clip: of a unit's gradient, as a share of the norm of its weights.
        patience: epochs without a better validation score that are allowed.
        train_epochs_min, train_epochs_max: bounds on the number of epochs.
        warmup_steps: of a linear rise of the rate from 0.
        decay_steps: the rate falls by decay_rate after every so many; decay_rate: the factor.
        inverse_decay: d of the rate learning_rate / (1 + d·step), Leopard's 1e-5.
        initial_learning_rate, maximal_learning_rate, final_learning_rate: of one cycle.
        train_epochs_cycle1: epochs of that cycle; all four of them go together.
        best_by: the validation score of which the best model has the highest: "score" (Pearson R
            + R²/4, as the originals; with bce the negative loss), "pearsonr", "global_pearsonr"
            (of the methylation metrics), or "loss" (lowest); "last": the latest epoch's, whatever
            its score, so that no epoch tries patience.
        augment_per: "example", or "batch" for one draw a batch as the originals do.
        steps_per_epoch: stop an epoch early; None is the whole training set.
        metrics: what is monitored: None for what goes with the loss, or "methylation".
        weight_decay_on: "all" weights, or "kernels": neither biases, nor the weights of norms, nor
            other vectors.
        linear_decay: after the warm-up the rate falls in a line, to 0 at train_epochs_max.
        coverage_cap: reads at which a value has the full weight; with fewer its weight is their
            share of it. None weighs all alike.
        head_order: of the batches of several heads with data of their own: "random", drawn anew
            each epoch as in the originals, or "alternating", in turn as in Enformer's training;
            where a head has more batches than another, they are spread evenly.
    """

    batch_size: int = 64
    shuffle_buffer: int = 128
    optimizer: str = "sgd"
    loss: str = "poisson"
    spec_weight: float = 1
    total_weight: float = 1
    weight_range: float = 1
    weight_exp: float = 1
    dispersion: float = 0.1
    learning_rate: float = 0.01
    momentum: float = 0.99
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    weight_decay: float = 0.0
    clip_norm: float | None = None
    global_clipnorm: float | None = None
    agc_clip: float | None = None
    patience: int = 20
    train_epochs_min: int = 1
    train_epochs_max: int = 10000
    warmup_steps: int = 0
    decay_steps: int | None = None
    decay_rate: float = 0.96
    inverse_decay: float | None = None
    initial_learning_rate: float | None = None
    maximal_learning_rate: float | None = None
    final_learning_rate: float | None = None
    train_epochs_cycle1: int | None = None
    best_by: str = "score"
    augment_per: str = "example"
    steps_per_epoch: int | None = None
    metrics: str | None = None
    weight_decay_on: str = "all"
    linear_decay: bool = False
    coverage_cap: float | None = None
    head_order: str = "random"

    def __post_init__(self):
        for f in fields(self):
            value, kinds = getattr(self, f.name), get_args(f.type) or (f.type,)
            wanted = (int, *kinds) if float in kinds else kinds
            if not isinstance(value, wanted) or (isinstance(value, bool) and bool not in kinds):
                raise ConfigError(
                    f"params.json train.{f.name} is {value!r}, want {_NOUN[kinds[0]]}"
                )
            if value == math.inf:  # how Python reads 1e999
                raise ConfigError(f"params.json train.{f.name} is {value}, want a finite number")
        for names, lowest in ((_POSITIVE, "above 0"), (_NOT_NEGATIVE, "at least 0")):
            for name in names:
                value = getattr(self, name)
                if value is not None and (value < 0 or (value == 0 and names is _POSITIVE)):
                    raise ConfigError(f"params.json train.{name} is {value}, want {lowest}")
        for name in _BELOW_1:
            value = getattr(self, name)
            if not 0 <= value < 1:
                raise ConfigError(
                    f"params.json train.{name} is {value}, want at least 0 and below 1"
                )
        for key, value, choices in (
            ("optimizer", self.optimizer, OPTIMIZERS),
            # The original tools would train with Poisson instead.
            ("loss", self.loss, LOSSES),
            ("best_by", self.best_by, BEST_BY),
            ("augment_per", self.augment_per, ("example", "batch")),
            ("metrics", self.metrics, (None, *METRICS)),
            ("weight_decay_on", self.weight_decay_on, ("all", "kernels")),
            ("head_order", self.head_order, HEAD_ORDERS),
        ):
            if value not in choices:
                raise unknown(key, value, choices, "in train of params.json")
        self._check_unread()
        self._check_best_by()
        self._check_window()
        self._check_schedule()
        if self.clip_norm is not None and self.global_clipnorm is not None:
            raise ConfigError(
                "params.json train has both clip_norm and global_clipnorm: leave one out"
            )

    def _check_unread(self) -> None:
        for key in sorted({key for keys in LOSS_KEYS.values() for key in keys}):
            losses = [name for name, keys in LOSS_KEYS.items() if key in keys]
            self._check_read(key, self.loss, losses)
        self._check_read("weight_decay", self.optimizer, ["adamw"])
        self._check_read("weight_decay_on", self.optimizer, ["adamw"])
        self._check_read("coverage_cap", self.loss, list(WEIGHTED_LOSSES))
        if self.best_by == "last":
            for key in ("patience", "train_epochs_min"):
                if getattr(self, key) != getattr(type(self), key):
                    raise ConfigError(
                        f"params.json train.{key} is {getattr(self, key)}, but with best_by "
                        '"last" training goes on to train_epochs_max: leave one of them out'
                    )

    def _check_best_by(self) -> None:
        if self.best_by == "pearsonr" and self.loss == "bce":
            raise ConfigError(
                'params.json train.best_by is "pearsonr", but bce has no such metric: use "loss"'
            )
        if self.best_by == "global_pearsonr" and self.metrics is None:
            raise ConfigError(
                'params.json train.best_by is "global_pearsonr", which is one of the methylation '
                'metrics: add "metrics": "methylation"'
            )
        if self.best_by == "score" and self.metrics is not None and self.loss != "bce":
            raise ConfigError(
                f'params.json train.best_by is "score", but the metrics {self.metrics!r} have no '
                'R²: write "best_by": "global_pearsonr"'
            )

    def _check_read(self, key: str, chosen: str, readers: list[str]) -> None:
        value = getattr(self, key)
        if value != getattr(type(self), key) and chosen not in readers:
            names = " or ".join(f'"{name}"' for name in readers)
            raise ConfigError(
                f"params.json train.{key} is {value}, but {chosen!r} has none: use {names}, or "
                "leave it out"
            )

    def _check_window(self) -> None:
        if self.weight_range < 1:
            raise ConfigError(
                f"params.json train.weight_range is {self.weight_range}, want at least 1"
            )
        if self.weight_range > 1 and self.weight_exp % 2:
            # exp(-(position / sigma) ** odd) falls from the first bin to the last.
            raise ConfigError(
                f"params.json train.weight_exp is {self.weight_exp}, with which the original tools "
                "weigh the first bins most or get NaN: use an even number, for instance 4"
            )

    def _check_schedule(self) -> None:
        cycle = [name for name in _CYCLE if getattr(self, name) is not None]
        if cycle and len(cycle) < len(_CYCLE):
            missing = next(n for n in _CYCLE if n not in cycle)
            raise ConfigError(
                f"params.json train has {', '.join(cycle)} but no {missing}: a cyclical schedule "
                "needs all four"
            )
        falls = ("decay_steps", "inverse_decay", "linear_decay")
        unread = ("learning_rate", "decay_rate", *falls) if cycle else ()
        if self.decay_steps is None:
            unread = (*unread, "decay_rate")
        both = [key for key in falls if getattr(self, key) != getattr(type(self), key)]
        if len(both) > 1 and not cycle:
            raise ConfigError(
                f"params.json train has both {both[0]} and {both[1]}: leave one of them out"
            )
        for key in unread:
            value = getattr(self, key)
            if value != getattr(type(self), key):
                why = "the cyclical schedule has none" if cycle else "there is no decay_steps"
                raise ConfigError(
                    f"params.json train.{key} is {value}, but {why}: leave one of them out"
                )


def parse_train(train: dict, where: str) -> TrainParams:
    """Return the parameters of a params.json's train section.

    Args:
        train: the section.
        where: the file, for messages.

    Raises:
        ConfigError: a key that nothing reads, or a value of the wrong kind.
    """
    train = dict(train)
    if "clipnorm" in train and "clip_norm" in train:
        raise ConfigError(f"{where}: train has both clipnorm and clip_norm: leave one out")
    if "clipnorm" in train:
        train["clip_norm"] = train.pop("clipnorm")
    if "train_epochs" in train:
        raise ConfigError(
            f"{where}: train.train_epochs is {train['train_epochs']}, which the original tools do "
            "not read (they train up to train_epochs_max): rename it to that, or remove it"
        )
    for key in ("num_gpu", "use_gpu"):
        train.pop(key, None)
    allowed = [f.name for f in fields(TrainParams)]
    for key in train:
        if key not in allowed:
            raise unknown("key", key, allowed, f"in train of {where}")
    for key in ("loss", "optimizer"):
        if isinstance(train.get(key), str):
            train[key] = train[key].lower()
    return TrainParams(**train)
