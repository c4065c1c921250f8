"""Weights that Basenji or Baskerville trained, in the model of the same params.json.

Keras 2 names layers by their kind and a number that grows as layers are made; the blocks make
theirs in the same order, so the n-th stored layer of a kind belongs to the n-th of ours.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras

from tfepi import geometry
from tfepi.model_params import BASENJI, ModelParams
from tfepi.models import choose_heads, make_model
from tfepi.params import Params, read_params
from tfepi.pretrained.stored_units import ALIASES, KINDS, WHOLE, Unit, stored_units
from tfepi.pretrained.weights_file import (
    StoredLayer,
    keras_version,
    read_weights,
    write_weights,
)
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target, numbered

_log = logging.getLogger(__name__)


def basenji_h5(
    params_json: str | Path, weights_h5: str | Path, head: str | None = None
) -> keras.Model:
    """Return the model of a Basenji params.json with the weights of an .h5 file.

    Args:
        params_json: trunk-and-head params, or the name of a preset of that kind.
        weights_h5: model_best.h5, model0_best.h5, … of basenji_train.py or hound_train.py.
        head: the head that the file was saved for, where params.json has several [the first].

    Returns:
        Model from {"sequence": float32 [batch, seq_length, 4]} to [batch, bins, targets].

    Raises:
        InputFileError: no such file, truncated, or no model.
        ConfigError: other layers than the params' (the first that differs, both shapes).
    """
    return h5_model(read_params(params_json, training=False), weights_h5, head)


def h5_model(params: Params, weights_h5: str | Path, head: str | None = None) -> keras.Model:
    """Do the same as `basenji_h5` with parameters that have been read."""
    model = make_model(one_head(params.model, head), None)
    assign_h5(model, weights_h5)
    return model


def one_head(params: ModelParams, head: str | None = None) -> ModelParams:
    """Return trunk-and-head params with one head: the named, or the first.

    Raises:
        ConfigError: params of a model function, or an unknown head.
    """
    if params.name != BASENJI:
        raise ConfigError(
            f"params.json names the model function {params.name!r}: an .h5 of Basenji goes with a "
            "trunk and a head"
        )
    heads = list(params.keywords["heads"])
    if head is not None and head.isdigit() and int(head) < len(heads):
        head = heads[int(head)]  # the originals count heads
    return choose_heads(params, [heads[0] if head is None else head])


def h5_spec(
    params: Params,
    targets: Sequence[Target] | None = None,
    head: str | None = None,
    data: Data | None = None,
) -> ModelSpec:
    """Return the contract of a Basenji .h5: what its params.json says and its targets table.

    Strand pairs are the table's, else, as in Basenji, those that params.json states.

    Args:
        params: of the model.
        targets: the table; its index column says which output a row is, so it may name some of
            them only. None: outputs are numbered.
        head: as in `basenji_h5`.
        data: whose targets the outputs are, one by one; its bin width is that of a model that
            joins the whole sequence before its head, whose layers do not say it. Without data
            it is that of the bins before that, as Basenji has it.

    Raises:
        ConfigError: a table or strand pairs that do not fit the number of outputs (both numbers).
    """
    section = one_head(params.model, head)
    model = make_model(section, None)
    (name,) = section.keywords["heads"]
    length, bins = section.keywords["seq_length"], model.output_shape[1]
    width = geometry.bin_width(model) or (data and data.pool_width)
    width = width or geometry.bin_width(model, through_flatten=True) or length // bins
    outputs = model.output_shape[2]
    if data is not None and len(data.targets) != outputs:
        raise ConfigError(
            f"the data in {data.folder} has {len(data.targets)} "
            f"target{'' if len(data.targets) == 1 else 's'}, the model has {outputs}"
        )
    rows = data.targets if data is not None else output_targets(outputs, targets)
    if all(t.strand_pair is None for t in rows):
        rows = _paired(rows, params.model, name)
    units = "probability" if params.train.loss == "bce" else "coverage"
    return ModelSpec(
        name=BASENJI,
        inputs={"sequence": (length, 4)},
        bin_width=width,
        crop=(length // width - bins) // 2 * width,
        heads=(Head(name, rows, units),),
    )


def output_targets(outputs: int, table: Sequence[Target] | None) -> tuple[Target, ...]:
    """Return a row for each output, from a table whose index column says which output a row is.

    A table that names some of them only is warned of.

    Args:
        outputs: number of outputs.
        table: rows of some or all of them; None or none: outputs are numbered.

    Raises:
        ConfigError: an index beyond the outputs (both numbers).
    """
    rows = list(numbered(outputs))
    for target in table or ():
        if not 0 <= target.index < outputs:
            raise ConfigError(
                f"the targets table has {len(table)} row{'' if len(table) == 1 else 's'}, with "
                f"indexes up to {max(t.index for t in table)}; the model has {outputs} "
                f"output{'' if outputs == 1 else 's'}: want rows whose index (the first column) "
                "says which output they are, from 0"
            )
        rows[target.index] = target
    named = len({target.index for target in table or ()})
    if 0 < named < outputs:
        _log.warning(
            "the targets table names %d of the model's %d outputs: the others have numbers only",
            named,
            outputs,
        )
    return tuple(rows)


def _paired(rows: tuple[Target, ...], params: ModelParams, head: str) -> tuple[Target, ...]:
    """Return targets with the strand pairs that params.json states for a head, if it does."""
    pairs = params.stated.get("strand_pair") or []
    pairs = pairs if pairs and isinstance(pairs[0], list) else [pairs]
    place = list(params.keywords["heads"]).index(head)
    order = pairs[place] if place < len(pairs) else []
    if not order:
        return rows
    everyone = list(range(len(rows)))
    if sorted(order) != everyone or [order[p] for p in order] != everyone:
        raise ConfigError(
            f"strand_pair of params.json is {order} for {len(rows)} outputs: want each output's "
            "partner, from 0, or itself"
        )
    return tuple(
        replace(row, strand_pair=rows[p].index) for row, p in zip(rows, order, strict=True)
    )


def assign_h5(model: keras.Model, path: str | Path, trunk: bool = False) -> None:
    """Put the weights of an .h5 file into a model of the same layers.

    Args:
        model: of `make_model`.
        path: the file.
        trunk: only into the trunk; the file may have another head after it, of the same kinds
            of layers.

    Raises:
        InputFileError: no such file, truncated, no model, or weights that are no finite numbers.
        ConfigError: other layers than the model's (the first that differs, both shapes).
    """
    ours: dict[str, list[Unit]] = {}
    units = stored_units(model)
    for unit in units:
        if not (trunk and unit.name.startswith("head")):
            ours.setdefault(unit.kind, []).append(unit)
    theirs: dict[str, list[StoredLayer]] = {}
    for stored in sorted(read_weights(path, WHOLE), key=lambda s: s.number):
        theirs.setdefault(ALIASES.get(stored.kind, stored.kind), []).append(stored)
    version = keras_version(path)
    # Basenji is of Keras 2; files of Keras 3 are named otherwise, and load where they match.
    origin = f" was saved by Keras {version} (give its .keras file) and" if version > "3" else ""
    differs = f"{path}{origin} has another topology than params.json"
    for kind in [*ours, *(k for k in theirs if k not in ours)]:
        mine, stored = ours.get(kind, []), theirs.get(kind, [])
        for unit, other in zip(mine, stored, strict=False):
            if unit.shapes != other.shapes:
                raise ConfigError(
                    f"{differs}: layer {unit.name} has weights {_shown(unit.shapes)}, "
                    f"its {other.name} {_shown(other.shapes)}"
                )
        counts = f"{differs}: {len(stored)} layers of kind {kind!r}, params.json makes {len(mine)}"
        if len(mine) > len(stored):
            raise ConfigError(f"{counts}; the first without weights is {mine[len(stored)].name}")
        # Of a trunk, what is left over can only be the file's own head.
        spare = sum(u.kind == kind and u.name.startswith("head") for u in units) if trunk else 0
        if len(stored) - len(mine) > spare:
            left = stored[len(mine)]
            raise ConfigError(f"{counts}; the first left over is {left.name} {_shown(left.shapes)}")
    for kind, mine in ours.items():
        for unit, other in zip(mine, theirs[kind], strict=False):
            for weight, (_, array) in zip(unit.weights, other.weights, strict=True):
                weight.assign(array)


def write_h5(model: keras.Model, path: str | Path) -> None:
    """Write the weights of a trunk-and-head model with one head for Basenji to load.

    Basenji takes them by place (`load_weights`), so the layers are in the order in which Keras
    lists those of its model, which is the same graph.

    Args:
        model: of `make_model`.
        path: the .h5 file.
    """
    place = {layer.name: n for n, layer in enumerate(model.layers)}
    numbers: dict[str, int] = {}
    stored = []
    for unit in stored_units(model):
        numbers[unit.kind] = number = numbers.get(unit.kind, -1) + 1
        name = f"{unit.kind}_{number}" if number else unit.kind
        names = _weight_names(unit, name)
        arrays = [keras.ops.convert_to_numpy(w) for w in unit.weights]
        layer = StoredLayer(name, unit.kind, number, tuple(zip(names, arrays, strict=True)))
        stored.append((place[unit.layers[0].name], layer))
    write_weights(path, [layer for _, layer in sorted(stored, key=lambda s: s[0])])


def _weight_names(unit: Unit, name: str) -> list[str]:
    """Return names of weights as Keras 2 has them; of a gate's, with the layer they are of."""
    if len(unit.layers) == 1:
        return [f"{name}/{w.path.rpartition('/')[2]}:0" for w in unit.weights]
    inner: dict[str, int] = {}
    names = {}
    for layer in unit.layers:
        kind = KINDS[type(layer).__name__]
        inner[kind] = number = inner.get(kind, -1) + 1
        part = f"{kind}_{number}" if number else kind
        names |= {w.path: f"{name}/{part}/{w.path.rpartition('/')[2]}:0" for w in layer.weights}
    return [names[w.path] for w in unit.weights]


def _shown(shapes: list[tuple[int, ...]]) -> str:
    return ", ".join("×".join(map(str, s)) for s in shapes)
