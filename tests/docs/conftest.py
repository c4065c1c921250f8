"""The modules that make pages of the code."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

EXTENSIONS = Path(__file__).parents[2] / "docs" / "_ext"


@pytest.fixture(scope="session")
def makers():
    """The modules of docs/_ext by name."""
    sys.path.insert(0, str(EXTENSIONS))
    try:
        names = sorted(path.stem for path in EXTENSIONS.glob("*.py"))
        return SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(EXTENSIONS))
