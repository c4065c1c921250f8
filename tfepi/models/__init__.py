"""Functions that build published models; `MODELS` names those that params.json may ask for."""

import inspect

import keras

from tfepi.models.basset import basset, basset_2016
from tfepi.params import ModelParams
from tfrecords_tools.errors import ConfigError, TfepiError, unknown

MODELS = {"basset": basset, "basset_2016": basset_2016}

__all__ = ["MODELS", "basset", "basset_2016", "make_model"]


def make_model(params: ModelParams, targets: int, **overrides) -> keras.Model:
    """Build the model of a params.json's model section.

    Args:
        params: the section.
        targets: number of outputs of the data.
        overrides: keywords that a command sets (dtype).

    Raises:
        ConfigError: unknown model or keyword, a value that the model cannot be built with, or
            another number of targets than the data's.
    """
    if params.name not in MODELS:
        raise unknown("model", params.name, MODELS)
    function = MODELS[params.name]
    allowed = [*inspect.signature(function).parameters, "augment_rc", "augment_shift"]
    for key in params.keywords:
        if key not in allowed:
            raise unknown("key", key, allowed, f"in params.json model (model {params.name!r})")
    if params.keywords.get("targets", targets) != targets:
        raise ConfigError(
            f"params.json says targets {params.keywords['targets']}, the data has {targets}: "
            "leave it out of params.json, or choose as many with --targets"
        )
    try:
        return function(**{**params.keywords, "targets": targets, **overrides})
    except TfepiError:
        raise
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"params.json model: {params.name!r} cannot be built with {params.keywords}: {error}"
        ) from None


def bin_width(params: ModelParams) -> int:
    """Return the bp per output position that a model section states or defaults to."""
    default = inspect.signature(MODELS[params.name]).parameters["bin_width"].default
    return params.keywords.get("bin_width", default)
