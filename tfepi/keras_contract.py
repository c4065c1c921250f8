"""Keras models of any origin: inputs by name, and what goes in and out as the contract says."""

from pathlib import Path

import keras

from tfepi.spec import ModelSpec
from tfrecords_tools.errors import ConfigError


def with_named_inputs(model: keras.Model) -> keras.Model:
    """Return a model of the same layers that takes a dict of inputs; an only one is the sequence.

    Args:
        model: functional or sequential; any other, or a function, is returned as it is.
    """
    inner = getattr(model, "_functional", None) or model  # of a sequential one
    given = getattr(inner, "input", None)
    if given is None:
        return model
    tensors = keras.tree.flatten(given)
    if isinstance(given, dict):
        named = given
    elif len(tensors) == 1:
        named = {"sequence": tensors[0]}
    else:
        named = {t.name: t for t in tensors}
    if named is given and all(t.name == name for name, t in named.items()):
        return model
    for name, tensor in named.items():
        tensor.name = name  # Keras wants the dict's
    return keras.Model(named, inner.output, name=model.name)


def check_contract(model: keras.Model, spec: ModelSpec, path: str | Path) -> None:
    """Compare a model's inputs and outputs with its contract.

    Args:
        model: as of `with_named_inputs`; sizes that it leaves open are passed over.
        spec: the contract.
        path: of the model, for messages.

    Raises:
        ConfigError: other names or sizes, or a model that is not functional.
    """
    if getattr(model, "input", None) is None:
        raise ConfigError(
            f"model {path} is a {type(model).__name__}, which shows no layers: build it with "
            "keras.Model(inputs, outputs)"
        )
    inputs = {name: tuple(t.shape[1:]) for name, t in model.input.items()}
    outputs = model.output
    if not isinstance(outputs, dict):
        several = keras.tree.flatten(outputs)
        if len(several) != len(spec.heads) or len(several) > 1:
            raise ConfigError(
                f"model {path} has {len(several)} outputs without names, its contract "
                f"{len(spec.heads)} heads: give several as a dict by head"
            )
        outputs = {spec.heads[0].name: several[0]}
    _compare("inputs", inputs, dict(spec.inputs), path)
    found = {name: tuple(t.shape[1:]) for name, t in outputs.items()}
    wanted = {}
    for head in spec.heads:
        # A conditioned model may give several values of a target: one for each cell type.
        values = len(head.targets) if spec.conditioning is None else None
        wanted[head.name] = (spec.target_length, values)
    _compare("outputs", found, wanted, path)


def _compare(what: str, found: dict[str, tuple], wanted: dict[str, tuple], path) -> None:
    if found.keys() != wanted.keys():
        raise ConfigError(
            f"model {path} has the {what} {', '.join(found)}, its contract {', '.join(wanted)}: "
            "write model.json with the model's names"
        )
    axes = "(bins, targets) = " if what == "outputs" else ""
    for name, shape in found.items():
        sizes = wanted[name]
        same = len(shape) == len(sizes) and all(
            a is None or b is None or a == b for a, b in zip(shape, sizes, strict=True)
        )
        if not same:
            raise ConfigError(
                f"{what[:-1]} {name!r} of model {path} has the shape {shape}, its contract says "
                f"{axes}{sizes}: write model.json for this model"
            )
