"""Do params.json, a targets table and a model belong together, before the model is written?"""

import inspect
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import NoneType

from tfepi.evaluation.matching import SIZES, stated_sizes
from tfepi.model_params import BASENJI, ModelParams
from tfepi.params import Params, read_params
from tfepi.predictors import is_h5, is_published
from tfepi.spec import Head, ModelSpec
from tfepi.variants.options import check_stated
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target, is_numbered


def check_params(params: Params, spec: ModelSpec) -> None:
    """Check params.json against the contract of the model that it is to be written with.

    Args:
        params: the params.json.
        spec: the contract.

    Raises:
        ConfigError: sizes that differ, with both values; a head of the model that params.json
            does not name, or that has another number of units there.
    """
    for head in spec.heads:
        check_stated(stated_sizes(params.model), spec, head)
        _check_head(params.model, head)


def _check_head(model: ModelParams, head: Head) -> None:
    """Check one head, where params.json names heads at all."""
    heads = model.keywords["heads"] if model.name == BASENJI else model.heads
    if heads is None or isinstance(heads, str):
        return
    advice = "give the params.json the model was trained with"
    if head.name not in heads:
        raise ConfigError(
            f"the model has the head {head.name!r}, params.json the heads {', '.join(heads)}: "
            f"{advice}"
        )
    units = heads[head.name][-1].get("units") if model.name == BASENJI else None
    if units not in (None, len(head.targets)):
        raise ConfigError(
            f"units of head {head.name!r} are {units} in params.json, its targets in the model "
            f"{len(head.targets)}: {advice}"
        )


def check_own_params(params: Params, model: str | Path) -> None:
    """Check params.json against the one that lies beside a model made here, if there is one.

    The contract does not know what is inside a model, its channels or blocks. Imports Keras.

    Args:
        params: the params.json that was given.
        model: a run folder or a .keras file.

    Raises:
        ConfigError: the first key of the model section that differs.
    """
    folder = Path(model) if Path(model).is_dir() else Path(model).parent
    path = folder / "params.json"
    if is_h5(model) or not path.exists():
        return
    own = read_params(path, training=False).model
    ours, theirs = (_with_defaults(section) for section in (params.model, own))
    from_data = {key for keys in SIZES.values() for key in keys} | {"target_length"}
    for key in dict.fromkeys((*ours, *theirs)):
        if key in from_data and key not in params.model.keywords:
            continue  # a training takes them from its data
        if ours.get(key) != theirs.get(key):
            values = (ours.get(key), theirs.get(key))
            short = all(isinstance(v, (int, float, str, NoneType)) for v in values)
            shown = " ({!r} and {!r})".format(*values) if short else ""
            raise ConfigError(
                f"model.{key} of params.json is not that of {path}{shown}, which lies beside the "
                "model: give that one"
            )


def _with_defaults(section: ModelParams) -> dict[str, object]:
    """Return the keywords of a model section, with the defaults of its function."""
    from tfepi.models import MODELS

    known = {} if section.name == BASENJI else inspect.signature(MODELS[section.name]).parameters
    return {n: p.default for n, p in known.items()} | section.keywords


def with_table(
    spec: ModelSpec,
    table: Sequence[Target],
    head: str | None,
    model: str | Path,
    params: Params,
    out: str | Path,
) -> ModelSpec:
    """Return a model's contract with the targets of a table that the command line names.

    Args:
        spec: the contract; that of an .h5 or of published weights has the table already.
        table: rows of some or all of a head's outputs; the index says which.
        head: the head that the table is of, where there are several.
        model: what is converted.
        params: of it.
        out: what it is converted to.

    Raises:
        ConfigError: the model has targets of its own, the output holds none, several heads and
            none named, or a table that does not fit the number of outputs.
    """
    if is_h5(out):
        raise ConfigError(f"{out} holds weights alone, no targets: leave -t out")
    if is_h5(model) or is_published(model, params):
        return spec
    asked = spec.heads if head is None else (spec.head(head),)
    if not any(all(map(is_numbered, h.targets)) for h in asked):
        count = sum(len(h.targets) for h in asked)
        raise ConfigError(
            f"model {model} has {count} target{'' if count == 1 else 's'} of its own: leave -t out"
        )
    chosen = spec.head(head)
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    from tfepi.pretrained.basenji import output_targets

    rows = output_targets(len(chosen.targets), table)
    heads = tuple(replace(h, targets=rows) if h is chosen else h for h in spec.heads)
    return replace(spec, heads=heads)
