"""The train section of params.json: what is read, and what is refused because it would not be."""

import pytest

from tfepi.train_params import LOSS_KEYS, LOSSES, TrainParams, parse_train
from tfepi.training.losses import LOSSES as LOSS_CLASSES
from tfrecords_tools.errors import ConfigError

BORZOI = {
    "batch_size": 1,
    "shuffle_buffer": 256,
    "optimizer": "adam",
    "learning_rate": 0.00006,
    "loss": "poisson_mn",
    "total_weight": 0.2,
    "warmup_steps": 20000,
    "global_clipnorm": 0.15,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "patience": 30,
    "train_epochs_min": 130,
    "train_epochs_max": 180,
}
CYCLE = {
    "initial_learning_rate": 0.01,
    "maximal_learning_rate": 0.1,
    "final_learning_rate": 0.001,
    "train_epochs_cycle1": 2,
}


def parsed(**train):
    return parse_train(train, "params.json")


# Train sections that calico/basenji, calico/baskerville, calico/borzoi and calico/borzoi-paper
# have published.
@pytest.mark.parametrize(
    "train",
    [
        BORZOI,
        {**BORZOI, "weight_range": 8, "weight_exp": 6, "global_clipnorm": 0.1},
        {**BORZOI, "loss": "poisson", "total_weight": 1},
        {
            "batch_size": 4,
            "optimizer": "sgd",
            "learning_rate": 0.15,
            "momentum": 0.99,
            "patience": 16,
            "clip_norm": 2,
        },
        {
            "batch_size": 64,
            "optimizer": "sgd",
            "learning_rate": 0.005,
            "loss": "bce",
            "momentum": 0.98,
            "patience": 12,
            "shuffle_buffer": 8192,
            "train_epochs_min": 10,
        },
        {
            "batch_size": 2,
            "optimizer": "sgd",
            "learning_rate": 0.0065,
            "loss": "mse",
            "momentum": 0.99575,
            "patience": 12,
            "clip_norm": 10.0,
        },
    ],
)
def test_published_sections_are_read(train):
    params = parse_train(train, "params.json")
    for key, value in train.items():
        assert getattr(params, key) == value


def test_other_spellings():
    assert parsed(clipnorm=2).clip_norm == 2
    assert parsed(num_gpu=2, use_gpu=False) == TrainParams()
    assert parsed(loss="Poisson_MN", optimizer="AdamW") == TrainParams(
        loss="poisson_mn", optimizer="adamw"
    )


def test_the_section_is_left_as_it_was():
    train = {"clipnorm": 2, "num_gpu": 1, "loss": "MSE"}
    parse_train(train, "params.json")
    assert train == {"clipnorm": 2, "num_gpu": 1, "loss": "MSE"}


def test_every_loss_reads_its_keys():
    assert tuple(LOSS_CLASSES) == LOSSES
    values = {"spec_weight": 2, "total_weight": 2, "weight_range": 4, "weight_exp": 2}
    values["dispersion"] = 0.5
    for loss, keys in LOSS_KEYS.items():
        assert parsed(loss=loss, **{key: values[key] for key in keys}).loss == loss
        for key in set(values) - set(keys):
            with pytest.raises(ConfigError, match=f"train.{key} is .*, but '{loss}' has none"):
                parsed(loss=loss, **{key: values[key]})


def test_defaults_and_what_says_nothing_may_be_written_out():
    parsed(loss="mse", spec_weight=1, total_weight=1, weight_range=1, weight_exp=1)
    parsed(optimizer="sgd", weight_decay=0, adam_beta1=0.8)
    parsed(optimizer="adam", momentum=0.9)
    parsed(loss="poisson_mn", weight_range=1, weight_exp=3)
    parsed(decay_rate=0.96, decay_steps=None, learning_rate=0.01, **CYCLE)


def test_leopards_section_is_read():
    train = {
        "batch_size": 100,
        "loss": "bce",
        "optimizer": "adam",
        "learning_rate": 0.001,
        "inverse_decay": 1e-5,
        "train_epochs_max": 5,
        "best_by": "last",
    }
    params = parse_train(train, "params.json")
    assert {key: getattr(params, key) for key in train} == train


def test_interacts_section_is_read():
    train = {
        "optimizer": "adamw",
        "learning_rate": 1.76e-4,
        "loss": "mse",
        "weight_decay": 0.01,
        "weight_decay_on": "kernels",
        "warmup_steps": 10000,
        "linear_decay": True,
        "coverage_cap": 20,
        "metrics": "methylation",
        "best_by": "global_pearsonr",
    }
    params = parse_train(train, "params.json")
    assert {key: getattr(params, key) for key in train} == train
    parsed(loss="bce", metrics="methylation")
    parsed(loss="bce", metrics="methylation", best_by="global_pearsonr", coverage_cap=0.5)
    parsed(metrics="methylation", best_by="pearsonr")
    defaults = TrainParams()
    assert (defaults.metrics, defaults.coverage_cap) == (None, None)
    assert (defaults.weight_decay_on, defaults.linear_decay) == ("all", False)


METHYLATION = {"metrics": "methylation", "best_by": "global_pearsonr"}


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"metrics": "metylation"}, "unknown metrics 'metylation' .*did you mean 'methylation'"),
        ({"metrics": True}, "train.metrics is True, want a text"),
        ({"metrics": "methylation"}, "the metrics 'methylation' have no R².*global_pearsonr"),
        ({"best_by": "global_pearsonr"}, 'is one of the methylation metrics: add "metrics"'),
        ({**METHYLATION, "loss": "bce", "best_by": "pearsonr"}, "but bce has no such metric"),
        ({"weight_decay_on": "kernels"}, "weight_decay_on is kernels, but 'sgd' has none"),
        ({"weight_decay_on": "biases", "optimizer": "adamw"}, "unknown weight_decay_on 'biases'"),
        ({"linear_decay": 1}, "train.linear_decay is 1, want true or false"),
        ({"batch_size": True}, "train.batch_size is True, want a whole number"),
        ({"linear_decay": True, "decay_steps": 5}, "both decay_steps and linear_decay"),
        ({"linear_decay": True, "inverse_decay": 5}, "both inverse_decay and linear_decay"),
        ({**CYCLE, "linear_decay": True}, "linear_decay is True, but the cyclical schedule has"),
        ({"coverage_cap": 9}, 'coverage_cap is 9, but \'poisson\' has none: use "mse" or "bce"'),
        ({"loss": "mse", "coverage_cap": 0}, "train.coverage_cap is 0, want above 0"),
        ({"learning_rte": 0.1}, "unknown key 'learning_rte' .*did you mean 'learning_rate'"),
        ({"train_epochs": 60}, "train_epochs is 60, which the .* do not read .*: rename it"),
        ({"loss": "poisson_multinomial"}, "unknown loss .*did you mean 'poisson_mn'"),
        ({"learning_rate": "fast"}, "train.learning_rate is 'fast', want a number"),
        ({"batch_size": 2.5}, "train.batch_size is 2.5, want a whole number"),
        ({"loss": 3}, "train.loss is 3, want a text"),
        ({"agc_clip": 0}, "train.agc_clip is 0, want above 0"),
        ({"decay_rate": 0}, "train.decay_rate is 0, want above 0"),
        ({"weight_exp": 0}, "train.weight_exp is 0, want above 0"),
        ({"total_weight": -1}, "train.total_weight is -1, want at least 0"),
        ({"spec_weight": -1}, "train.spec_weight is -1, want at least 0"),
        ({"weight_range": 8}, "weight_range is 8, but 'poisson' has none: use \"poisson_mn\""),
        ({"loss": "mse", "spec_weight": 2}, 'use "mse_udot" or "poisson_kl", or leave it out'),
        ({"weight_decay": 0.1}, "weight_decay is 0.1, but 'sgd' has none: use \"adamw\""),
        ({"loss": "poisson_mn", "weight_range": 0.5}, "weight_range is 0.5, want at least 1"),
        ({"loss": "poisson_mn", "weight_range": 8}, "weight_exp is 1, .*use an even number"),
        (
            {"loss": "poisson_mn", "weight_range": 8, "weight_exp": 2.5},
            "weight_exp is 2.5, .*use an even number",
        ),
        ({"decay_rate": 0.5}, "decay_rate is 0.5, but there is no decay_steps"),
        ({**CYCLE, "decay_steps": 5}, "decay_steps is 5, but the cyclical schedule has none"),
        ({**CYCLE, "learning_rate": 0.1}, "learning_rate is 0.1, but the cyclical schedule"),
        ({"initial_learning_rate": 0.1}, "but no maximal_learning_rate"),
        ({"dispersion": 0.5}, "dispersion is 0.5, but 'poisson' has none: use \"negative_binomial"),
        ({"loss": "negative_binomial", "dispersion": 0}, "train.dispersion is 0, want above 0"),
        ({"inverse_decay": 0}, "train.inverse_decay is 0, want above 0"),
        ({"inverse_decay": "1e-5"}, "train.inverse_decay is '1e-5', want a number"),
        ({"inverse_decay": 1e-5, "decay_steps": 9}, "both decay_steps and inverse_decay"),
        ({**CYCLE, "inverse_decay": 1e-5}, "inverse_decay is 1e-05, but the cyclical schedule has"),
        ({"best_by": "latest"}, "unknown best_by 'latest'"),
        ({"best_by": "last", "patience": 3}, 'patience is 3, but with best_by "last" training'),
        ({"best_by": "last", "train_epochs_min": 3}, "train_epochs_min is 3, but with best_by"),
        ({"momentum": 1}, "train.momentum is 1, want at least 0 and below 1"),
        ({"momentum": -0.1}, "train.momentum is -0.1, want at least 0"),
        ({"optimizer": "adam", "adam_beta1": 2}, "train.adam_beta1 is 2, want at least 0 and"),
        ({"optimizer": "adam", "adam_beta2": 1}, "train.adam_beta2 is 1, want at least 0 and"),
        ({"learning_rate": float("inf")}, "train.learning_rate is inf, want a finite number"),
        ({"clip_norm": 1, "clipnorm": 2}, "both clipnorm and clip_norm"),
        ({"clipnorm": 1, "global_clipnorm": 2}, "both clip_norm and global_clipnorm"),
    ],
    ids=str,
)
def test_bad_sections_are_refused(train, message):
    with pytest.raises(ConfigError, match=message):
        parse_train(train, "params.json")
