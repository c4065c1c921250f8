"""A model that is a plain sum, for tests of scoring."""

import os
import time
from pathlib import Path

import numpy as np

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.targets import Target

LENGTH, BIN, CROP, BINS, TARGETS = 64, 8, 8, 6, 3


def other_base(base: str, step: int = 1) -> str:
    return "ACGT"[("ACGT".index(base) + step) % 4]


def toy_spec(bins: int = BINS, **changes) -> ModelSpec:
    targets = tuple(
        Target(i, f"T{i}", description=f"track {i}" if i else "") for i in range(TARGETS)
    )
    values = {
        "name": "toy",
        "inputs": {"sequence": (LENGTH, 4)},
        "bin_width": BIN,
        "crop": CROP,
        "heads": (Head("main", targets),),
    }
    spec = ModelSpec(**(values | changes))
    assert bins == spec.target_length
    return spec


def toy_values(one_hot: np.ndarray) -> np.ndarray:
    """Return a positive value per bin and target that depends on each base and its place."""
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.05, 1, (BIN, 4, TARGETS)).astype(np.float32)
    inner = one_hot[:, CROP : CROP + BINS * BIN].reshape(len(one_hot), BINS, BIN, 4)
    return np.einsum("nbwc,wct->nbt", inner, weights)


class CountingPredictor(CallablePredictor):
    """The toy model; counts the sequences it was asked for."""

    def __init__(self, function=toy_values, spec=None):
        super().__init__(function, spec or toy_spec())
        self.sequences = 0
        self.calls = 0

    def predict(self, inputs):
        self.sequences += len(inputs["sequence"])
        self.calls += 1
        return super().predict(inputs)


def open_slowly(seconds: float, folder: str):
    """Return the toy model, slowed down, as a worker opens it, and no condition.

    Each time leaves a file in the folder.
    """
    (Path(folder) / f"{os.getpid()}-{time.time_ns()}").touch()

    def slow(one_hot):
        time.sleep(seconds)
        return toy_values(one_hot)

    return CountingPredictor(slow), None


def open_damaged():
    """Raise what a damaged model raises."""
    raise InputFileError("cannot load model toy: it is damaged")
