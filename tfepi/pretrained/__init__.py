"""Models whose weights were made elsewhere."""

import importlib

_MODULES = {
    "basenji_h5": "basenji",
    "borzoi_torch": "borzoi_torch",
    "enformer_checkpoint": "enformer",
    "enformer_hub": "hub",
    "enformer_torch": "enformer",
}


def __getattr__(name: str):
    # Keras is imported when a model is asked for, not by importing this package.
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
