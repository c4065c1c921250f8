"""What the tests of refusals rest on: an import of TensorFlow, now or by one of ours, is seen."""

import sys

import pytest

from tfepi.startup import import_tensorflow


@pytest.mark.parametrize("name", ["tensorflow", "keras", "keras.ops", "tensorboard"])
def test_an_import_of_tensorflow_is_seen(without_tensorflow, name):
    import_tensorflow()
    with without_tensorflow(), pytest.raises(AssertionError, match="is imported"):
        __import__(name)
    assert "tensorflow" in sys.modules


def test_a_module_of_ours_that_imports_it_is_seen(without_tensorflow):
    """Also where it was imported before, and its import would be none."""
    import tfepi.layers as before

    with without_tensorflow(), pytest.raises(AssertionError, match="keras is imported"):
        import tfepi.layers
    assert sys.modules["tfepi.layers"] is before
    import tfepi

    assert tfepi.layers is before
