import numpy as np
import pytest

from tfepi.prediction.embedding import embedding, instead
from tfepi.prediction.options import Request
from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

SPEC = ModelSpec("tiny", {"sequence": (24, 4)}, 4, 0, (Head("main", (Target(0, "t0"),)),))


@pytest.fixture(scope="module")
def predictor():
    """conv (width 3), batch norm, pool by 4, and a head."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    from tfepi.predictors import KerasPredictor

    keras.utils.set_random_seed(2)
    sequence = keras.Input((24, 4), name="sequence")
    x = keras.layers.Conv1D(5, 3, padding="same", name="trunk_conv")(sequence)
    x = keras.layers.BatchNormalization(name="trunk_norm")(x)
    x = keras.layers.MaxPooling1D(4, name="trunk_pool")(x)
    flat = keras.layers.Flatten(name="flat")(x)
    joined = keras.layers.Reshape((1, 30), name="joined")(x)
    uneven = keras.layers.Reshape((15, 2), name="uneven")(x)
    cropped = keras.layers.Cropping1D(1, name="cropped")(x)
    odd = keras.layers.Conv1D(1, 6, name="odd")(x)
    wide = keras.layers.Conv1D(1, 6, name="wide")(keras.layers.ZeroPadding1D(20)(x))
    x = keras.layers.Dense(1, name="head")(x)
    outputs = {"main": x, "flat": flat, "odd": odd, "wide": wide, "cropped": cropped}
    outputs |= {"joined": joined, "uneven": uneven}
    model = keras.Model({"sequence": sequence}, outputs)
    model.get_layer("trunk_norm").set_weights([np.full(5, v) for v in (2.0, 1.0, 0.5, 4.0)])
    return KerasPredictor(model, SPEC, 3)


@pytest.fixture
def sequences():
    return np.random.default_rng(3).integers(0, 5, (4, 24)).astype(np.uint8)


@pytest.mark.parametrize(("layer", "width"), [("0", 1), ("trunk_norm", 1), ("-1", 4)])
def test_values_are_those_of_the_layer(predictor, sequences, layer, width):
    found = embedding(predictor, layer)
    spec = found.spec
    assert (spec.bin_width, spec.crop, spec.target_length) == (width, 0, 24 // width)
    assert [t.identifier for t in spec.head().targets] == [f"channel{i}" for i in range(5)]
    values = found.predict({"sequence": sequences})["embedding"]
    kernel, bias = predictor.model.get_layer("trunk_conv").get_weights()
    padded = np.pad(np.eye(5, 4)[sequences], ((0, 0), (1, 1), (0, 0)))
    wanted = sum(padded[:, i : i + 24] @ kernel[i] for i in range(3)) + bias
    wanted = (wanted - 0.5) / np.sqrt(4 + 1e-3) * 2 + 1
    if width == 4:
        wanted = wanted.reshape(4, 6, 4, 5).max(axis=2)
    np.testing.assert_allclose(values, wanted, atol=1e-5)


@pytest.mark.parametrize(
    ("layer", "place"), [("odd", (4, 10, 1)), ("cropped", (4, 4, 4)), ("joined", (24, 0, 1))]
)
def test_a_layer_that_crops_lies_in_the_middle(predictor, layer, place):
    spec = embedding(predictor, layer).spec
    assert (spec.bin_width, spec.crop, spec.target_length) == place


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ("trunk_nrm", "unknown layer 'trunk_nrm': did you mean 'trunk_norm'"),
        ("1", "embedding layer is 1, the model has 1 batch normalisations: want 0 to 0"),
        ("-2", "embedding layer is -2, the model has 1 batch"),
        ("flat", r"layer 'flat' gives values of shape \(30,\)"),
        ("uneven", "layer 'uneven' has 15 positions, which do not lie evenly"),
        ("wide", "layer 'wide' has 41 positions, which do not lie evenly on the 24 bp"),
    ],
)
def test_bad_layers(predictor, layer, message):
    with pytest.raises(ConfigError, match=message):
        embedding(predictor, layer)


def test_only_keras_models_show_their_layers():
    with pytest.raises(ConfigError, match="layers can be read of one Keras model only"):
        embedding(CallablePredictor(np.sum, SPEC), "0")


def test_options_without_meaning_for_channels(predictor):
    load, spec, request = instead(lambda: predictor, "0", Request(head="main", batch_size=3))
    assert load().spec is spec
    assert request == Request(head="embedding", batch_size=3)
    for request, targets in (
        (Request(rc=True), None),
        (Request(untransform="old"), None),
        (Request(), SPEC.head().targets),
    ):
        with pytest.raises(ConfigError, match=r"has no meaning for a layer's channels"):
            instead(lambda: predictor, "0", request, targets)
