"""A tiny Enformer as it is published: checkpoint, SavedModel, arrays, state dict."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.startup import import_tensorflow


@pytest.fixture(scope="session")
def copies():
    """What enformer_copies.py defines: sizes, random arrays, an oracle, writers of each form."""
    import_tensorflow()
    path = Path(__file__).with_name("enformer_copies.py")
    return SimpleNamespace(**runpy.run_path(str(path)))


@pytest.fixture(scope="session")
def published(copies, tmp_path_factory):
    """Paths of one Enformer in every form, by form, and `arrays`, its values by object path."""
    from safetensors.numpy import save_file

    folder = tmp_path_factory.mktemp("published")
    arrays = copies.random_arrays()
    paths = {
        "checkpoint": folder / "weights" / "enformer-tiny-1",
        "saved_model": folder / "enformer_1",
        "npz": folder / "arrays.npz",
        "safetensors": folder / "model.safetensors",
    }
    copies.write_checkpoint(arrays, folder / "weights" / "enformer-tiny")
    copies.write_saved_model(arrays, paths["saved_model"])
    np.savez(paths["npz"], **{f"module/{k}{copies.SUFFIX}": v for k, v in arrays.items()})
    save_file(copies.torch_arrays(arrays), paths["safetensors"])
    return SimpleNamespace(arrays=arrays, folder=folder, **paths)


@pytest.fixture(scope="session")
def wanted(copies, published):
    """Base indices [3, LENGTH] with a run of N, and what the oracle predicts of them."""
    rng = np.random.default_rng(5)
    indices = rng.integers(0, 4, (3, copies.LENGTH), dtype=np.uint8)
    indices[1, 300:400] = 4
    one_hot = np.eye(5, 4, dtype=np.float32)[indices]
    outputs = copies.predicted(published.arrays, one_hot)
    return indices, {head: values.numpy() for head, values in outputs.items()}


@pytest.fixture(scope="session")
def params(copies):
    """Return a function: params of an Enformer of the copies' lengths, and of other keywords."""
    from tfepi.params import parse_params

    def make(**model):
        return parse_params({"model": {"name": "enformer"} | copies.SIZES | model})

    return make
