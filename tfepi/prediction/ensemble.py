"""Several models as one: the mean of what they predict."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import Protocol

import numpy as np

from tfepi.spec import ModelSpec, Predictor
from tfrecords_tools.errors import ConfigError

_SHOWN = 100  # letters of a value in a message


class Named(Protocol):
    """A model of a command line (`evaluation.named_model.NamedModel`).

    Attributes:
        path: of the model.
        spec: its contract.
        asked: the contract of what `load` returns, which is about one cell type where a model of
            several is asked about one.
        files: label → path of the files whose content is the model.
    """

    path: str | Path
    spec: ModelSpec
    asked: ModelSpec
    files: dict[str, Path]

    def load(self) -> Predictor: ...


def paths(text: str) -> list[str]:
    """Return the paths of models that are named one after another, separated by commas.

    Raises:
        ConfigError: none, or one of them twice.
    """
    if Path(text).exists():
        return [text]
    found = [path for path in text.split(",") if path]
    if not found:
        raise ConfigError(f"model is {text!r}: name a run folder, or several separated by commas")
    if len({Path(path).resolve() for path in found}) < len(found):
        raise ConfigError(f"models {text} name one more than once: name each once")
    return found


def together(
    models: Sequence[Named],
) -> tuple[Callable[[], Predictor], ModelSpec, dict[str, Path]]:
    """Return what loads models as one, their contract, and label → path of all their files.

    Raises:
        ConfigError: models of different contracts.
    """
    first = models[0]
    if len(models) == 1:
        return first.load, first.asked, first.files
    for other in models[1:]:
        check_alike(first.spec, other.spec, f"models {first.path} and {other.path}")
    files = {f"{k}{n}": p for n, m in enumerate(models, 1) for k, p in m.files.items()}
    return lambda: EnsemblePredictor([m.load() for m in models]), first.asked, files


def check_alike(one: ModelSpec, other: ModelSpec, what: str) -> None:
    """Check that two models take and give the same.

    Raises:
        ConfigError: naming the first thing that differs, with both values.
    """
    for (name, here), (_, there) in zip(_contract(one), _contract(other), strict=False):
        if here != there:
            if isinstance(here, dict) and isinstance(there, dict):
                keys = [k for k in here | there if here.get(k) != there.get(k)]
                here, there = ({k: of.get(k) for k in keys} for of in (here, there))
            here, there = (shorten(str(value), _SHOWN) for value in (here, there))
            raise ConfigError(
                f"{what} differ in their {name}, {here} and {there}: an ensemble is of models "
                "with one contract"
            )


def _contract(spec: ModelSpec) -> Iterator[tuple[str, object]]:
    """Yield what decides where a model's values lie and what they mean."""
    yield "inputs", dict(sorted(spec.inputs.items()))
    yield "bin width", spec.bin_width
    yield "crop", spec.crop
    yield "heads", [head.name for head in spec.heads]
    for head in spec.heads:
        yield f"units of {head.name}", head.units
        yield f"number of targets of {head.name}", len(head.targets)
        for number, target in enumerate(head.targets):
            # Where the data lay and how a track is described differ among machines.
            same = replace(target, file="", description="", peaks=None)
            yield f"target {number} of {head.name}", same.to_json()
    yield "conditioning", spec.conditioning.to_json() if spec.conditioning else None


class EnsemblePredictor:
    """A Predictor of the mean over others, which must be of one contract.

    Args:
        predictors: at least one; all are held in memory.
    """

    def __init__(self, predictors: Sequence[Predictor]):
        self.spec = predictors[0].spec
        self._predictors = predictors

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the mean predictions, {head: float32 [batch, bins, targets]}."""
        total: dict[str, np.ndarray] = {}
        for predictor in self._predictors:
            predictions = predictor.predict(inputs)
            for head in self.spec.heads:
                total[head.name] = total.get(head.name, 0) + predictions[head.name]
        return {k: (v / np.float32(len(self._predictors))) for k, v in total.items()}
