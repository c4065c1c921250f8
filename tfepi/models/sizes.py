"""Sizes of the input and the output that models without a fixed one take from the data."""

import inspect
from collections.abc import Mapping
from dataclasses import replace

from tfepi.model_params import ModelParams
from tfepi.models import MODELS

SIZED_BY_DATA = (
    "leopard_unet",
    "stems_unet",
    "wide_unet",
    "state_unet",
    "interact",
    "interact_celltype",
    "enformer",
)


def sized(params: ModelParams, sizes: Mapping[str, int]) -> ModelParams:
    """Return a model section in which the sizes that it leaves out are the data's.

    Args:
        params: the section; one of another model than `SIZED_BY_DATA` is returned as it is.
        sizes: keyword → value; those that the model's function does not have are left out.
    """
    if params.name not in SIZED_BY_DATA:
        return params
    known = inspect.signature(MODELS[params.name]).parameters
    filled = {k: v for k, v in sizes.items() if k in known}
    return replace(params, keywords=filled | params.keywords)
