"""A published model as a command is given it: Enformer in any form, Borzoi's weights of torch."""

from collections.abc import Sequence
from pathlib import Path

import keras

from tfepi.model_params import BASENJI
from tfepi.params import Params
from tfepi.predictors import KerasPredictor
from tfepi.pretrained import borzoi_torch, enformer, hub
from tfepi.pretrained.sources import SAVED_MODEL, TORCH, published_kind
from tfepi.spec import ModelSpec, Predictor
from tfrecords_tools.targets import Target


def is_borzoi(model: str | Path, params: Params) -> bool:
    """Tell whether a model is a state dict of torch for a trunk and heads."""
    return params.model.name == BASENJI and published_kind(model) == TORCH


def published_spec(
    model: str | Path,
    params: Params,
    targets: Sequence[Target] | None = None,
    head: str | None = None,
) -> ModelSpec:
    """Return the contract of a published model.

    Args:
        model: a path or an address (`sources.published_kind`).
        params: of its model: "enformer", or Borzoi's trunk and heads.
        targets: table of a head's outputs, or of some of them; None: outputs are numbered.
        head: the head that the table is of.

    Raises:
        InputFileError: no such model, or a damaged one.
        ConfigError: params of another model, or a table that does not fit.
    """
    of = borzoi_torch.borzoi_spec if is_borzoi(model, params) else enformer.published_spec
    return of(model, params, targets, head)


def published_keras(model: str | Path, params: Params) -> tuple[keras.Model, Params]:
    """Return the Keras model of published weights, and the params with all its sizes.

    Raises:
        InputFileError, ConfigError: as `published_spec`.
    """
    if is_borzoi(model, params):
        return borzoi_torch.borzoi_torch(model, params), params
    return enformer.published_model(model, params)


def published_predictor(
    model: str | Path, params: Params, spec: ModelSpec, batch_size: int
) -> Predictor:
    """Return a Predictor of a published model; a SavedModel runs as it is."""
    if published_kind(model) == SAVED_MODEL:
        return hub.enformer_hub(model, batch_size, spec=spec)
    return KerasPredictor(published_keras(model, params)[0], spec, batch_size)
