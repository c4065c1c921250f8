"""The U-Nets that the report recommends: what each sees, where, and what does not fit."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfepi.geometry import bin_width
from tfepi.models import leopard_unet, make_model, state_unet, stems_unet, wide_unet
from tfepi.params import parse_params
from tfrecords_tools.errors import ConfigError

SMALL = {"input_length": 64, "filters": 4, "kernel": 3, "depth": 2, "outputs": 2}
STEMS = {**SMALL, "input_channels": 6, "stem_filters": 3}
WIDE = {
    **SMALL,
    "input_channels": 6,
    "track_width": 4,
    "track_length": 32,
    "stem_filters": 3,
    "stem_layers": 2,
    "summary_units": 5,
}
STATE = {**SMALL, "state_size": 7, "state_units": (6,)}
EACH = pytest.mark.parametrize(
    ("build", "keywords"),
    [(stems_unet, STEMS), (wide_unet, WIDE), (state_unet, STATE)],
    ids=["stems", "wide", "state"],
)


def randomised(model, seed=0):
    rng = np.random.default_rng(seed)
    for w in model.weights:
        positive = w.name == "moving_variance"
        w.assign(rng.uniform(0.5, 2, w.shape) if positive else rng.normal(0, 0.5, w.shape))
    return model


def inputs_of(model, count=2, seed=1):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=(count, *tensor.shape[1:])).astype(np.float32)
        for name, tensor in model.input.items()
    }


def positive(model):
    """Give a model weights in which nothing cancels: zeros give zeros, what is seen more."""
    for w in model.weights:
        if w.name == "kernel" and "film" not in w.path:
            w.assign(np.full(w.shape, 0.2))
    return model


def touched(model):
    """Return which outputs see each position of the tracks: [positions, length]."""
    positions, channels = model.input["tracks"].shape[1:]
    tracks = np.repeat(np.eye(positions, dtype=np.float32)[:, :, None], channels, axis=2)
    x = {"sequence": np.zeros((positions, 64, 4), np.float32), "tracks": tracks}
    return np.asarray(model(x))[:, :, 0] > 0


def unit(inputs, filters, kernel=7):
    """Return the weights of a convolution with bias and of its batch norm."""
    return inputs * filters * kernel + filters + 4 * filters


BODY = 475_879  # Leopard's with 4 channels and 2 outputs
CHANNELS = 2 * (15 + 22 + 33 + 49 + 73 + 109 + 72 + 48 + 32 + 21 + 14)


@pytest.mark.parametrize(
    ("build", "keywords", "more", "count"),
    [
        (stems_unet, {}, unit(2, 8) + 5 * unit(8, 8) + 8 * 7 * 33, 480_319),
        (
            wide_unet,
            {"track_length": 896},
            unit(2, 16) + 3 * unit(16, 16) + 17 * 32 + 33 * 2 * 109 + 16 * 7 * 109,
            501_745,
        ),
        (state_unet, {"state_size": 64}, 65 * 32 + 33 * 32 + 33 * 2 * CHANNELS, 543_431),
    ],
)
def test_number_of_weights_of_the_defaults(build, keywords, more, count):
    model = build(**keywords)
    assert model.count_params() == count
    assert model.output_shape == (None, 10240, 2)
    assert count == BODY + more


@EACH
@pytest.mark.parametrize("bins", [1, 16])
@pytest.mark.parametrize("length", [32, 128])
def test_shapes(build, keywords, bins, length):
    model = build(**keywords | {"input_length": length, "bin_width": bins})
    assert bin_width(model) == bins
    got = model(inputs_of(model))
    assert got.shape == (2, length // bins, 2)
    assert got.dtype == "float32"


@EACH
def test_configuration_file_and_export_give_the_same_model(build, keywords, tmp_path):
    model = randomised(build(**keywords))
    x = inputs_of(model)
    want = np.asarray(model(x))
    assert np.ptp(want) > 0.01
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(x), want)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(again(x), want)


def test_the_export_takes_every_input_by_name(tmp_path):
    model = randomised(state_unet(**STATE | {"depth": 1, "input_channels": 6}))
    model.export(tmp_path / "saved", verbose=False)
    x = inputs_of(model)
    saved = tf.saved_model.load(tmp_path / "saved")
    np.testing.assert_allclose(saved.serve(x), model(x), atol=1e-6)


@EACH
def test_mixed_precision_keeps_the_head_in_float32(build, keywords):
    model = build(**keywords, bin_width=4, dtype="mixed_bfloat16")
    outside = {"sequence", "tracks", "cell_state", "bins", "head", "wide_mean"}
    for layer in model.layers:
        assert layer.compute_dtype == ("float32" if layer.name in outside else "bfloat16")
    assert model(inputs_of(model)).dtype == "float32"


@pytest.mark.parametrize(
    ("width", "length", "level"),
    [(1, 64, 2), (1, 78, 1), (2, 36, 2), (16, 7, 1)],
)
def test_a_stem_joins_the_tracks_deeper(width, length, level):
    tracks = {"track_width": width, "track_length": length}
    model = positive(stems_unet(**STEMS, **tracks, join_level=level, output_activation="linear"))
    stride = 2**level
    joined = [tensor.shape for tensor in model.get_layer(f"down{level}_join").input]
    assert joined == [(None, 64 // stride, 4 if level == 1 else 6), (None, 64 // stride, 3)]
    pools = [x.name for x in model.layers if x.name.startswith("stem") and "pool" in x.name]
    assert len(pools) == max(0, level - width.bit_length() + 1)
    seen = touched(model)
    for place, row in enumerate(seen):
        first = place * width - (length * width - 64) // 2
        over = np.arange(max(first, 0), min(first + width, 64))
        assert row[over].all()
        assert len(over) or not row.any()  # beside the sequence


@pytest.mark.parametrize(
    ("width", "length", "level"),
    [(1, 94, None), (4, 32, None), (8, 10, 2), (8, 9, None), (2, 40, 1)],
)
def test_a_wide_window_reaches_the_sequence_where_it_lies(width, length, level):
    changes = {"track_width": width, "track_length": length, "join_level": level}
    model = positive(wide_unet(**WIDE | changes, output_activation="linear"))
    level = level or min(width.bit_length() - 1, 2)
    assert model.get_layer(f"down{level}_join").input[1].shape == (None, 64 >> level, 3)
    # The stem sees 3 positions to either side; its features reach the outputs by the U-Net.
    for place, row in enumerate(touched(model)):
        first = place * width - (length * width - 64) // 2
        over = np.arange(max(first - 3 * width, 0), min(first + 4 * width, 64))
        assert row[over].all()
        assert len(over) or not row.any()


def test_the_whole_window_modulates_the_bottleneck():
    model = wide_unet(**WIDE | {"track_length": 64})
    x = inputs_of(model)
    moved = x | {"tracks": x["tracks"].copy()}
    moved["tracks"][:, 0] += 1  # 96 bp before the sequence, out of the stem's reach
    np.testing.assert_array_equal(model(moved), model(x))  # at first nothing is modulated
    randomised(model)
    assert (np.abs(np.asarray(model(moved)) - np.asarray(model(x))).max(axis=(0, 2)) > 0).all()


def test_dilations_double():
    model = wide_unet(**WIDE | {"stem_layers": 4})
    rates = [model.get_layer(f"wide{n}").dilation_rate for n in (1, 2, 3, 4)]
    assert rates == [(1,), (2,), (4,), (8,)]


def test_a_state_starts_as_nothing_and_then_reaches_every_level():
    model = state_unet(**STATE)
    films = {x.name for x in model.layers if x.name.endswith("_film")}
    norms = {x.name for x in model.layers if x.name.endswith("_norm")}
    assert films == {name.replace("norm", "film") for name in norms}
    x = inputs_of(model)
    body = leopard_unet(**SMALL)
    for layer in body.layers:
        layer.set_weights(model.get_layer(layer.name).get_weights())
    np.testing.assert_array_equal(model(x), body({"sequence": x["sequence"]}))
    rng = np.random.default_rng(2)
    before = np.asarray(model(x))
    for name in sorted(films):
        film = model.get_layer(name)
        film.set_weights([rng.normal(0, 0.5, w.shape) for w in film.get_weights()])
        after = np.asarray(model(x))
        assert np.abs(after - before).max() > 1e-5, name
        before = after


@EACH
def test_every_weight_has_a_gradient(build, keywords):
    model = randomised(build(**keywords))
    x = {k: tf.constant(v) for k, v in inputs_of(model, 8).items()}
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = tf.reduce_mean(model(x, training=True) ** 2)
    weights = [w.value for w in model.trainable_weights]
    for w, gradient in zip(model.trainable_weights, tape.gradient(value, weights), strict=True):
        assert np.abs(gradient).max() > 0, w.path


def test_tracks_of_a_state_model_are_joined_at_the_input():
    model = state_unet(**STATE, input_channels=5, track_width=8, track_length=12)
    assert list(model.input) == ["sequence", "tracks", "cell_state"]
    assert model.get_layer("down0_join").output.shape == (None, 64, 5)


def test_params_name_the_models():
    section = {"name": "state_unet", "input_length": 64, "depth": 2, "state_units": [4, 4]}
    model = make_model(parse_params({"model": section | {"state_size": 9}}).model, 3)
    assert model.input["cell_state"].shape == (None, 9)
    with pytest.raises(ConfigError, match="state_size"):
        make_model(parse_params({"model": section}).model, 3)
    section = {"name": "wide_unet", "input_length": 64, "depth": 2, "track_width": 4}
    model = make_model(parse_params({"model": section | {"join_level": None}}).model, 3)
    assert model.output_shape == (None, 64, 3)


@pytest.mark.parametrize(
    ("build", "keywords", "message"),
    [
        (stems_unet, {"input_channels": 4}, "input_channels is 4, which leaves no channel for tr"),
        (wide_unet, {"input_channels": 4, "track_width": 1}, "which leaves no channel for tracks"),
        (stems_unet, {"join_level": 3}, "join_level is 3, want 1 to the depth 2"),
        (stems_unet, {"join_level": 0}, "join_level is 0, want 1 to the depth 2"),
        (wide_unet, {"join_level": 3, "track_width": 1}, "join_level is 3, want 1 to the depth 2"),
        (stems_unet, {"input_length": 50}, "input_length is 50, want a multiple of 4 .*48 or 52"),
        (wide_unet, {"input_length": 50}, "input_length is 50, want a multiple of 4"),
        (state_unet, {"state_size": 3, "input_length": 50}, "is 50, want a multiple of 4"),
        (stems_unet, {"input_length": 60, "track_width": 3}, "20 positions of 3 bp do not .* 15 p"),
        (stems_unet, {"track_width": 2, "track_length": 33}, "33 positions of 2 bp do not .* 16 p"),
        (stems_unet, {"track_width": 6, "track_length": 12}, "12 positions of 6 bp do not lie ev"),
        (wide_unet, {"track_width": 5, "track_length": 16}, "16 positions of 5 bp do not lie even"),
        (wide_unet, {"track_width": 4, "track_length": 17}, "17 positions of 4 bp do not lie even"),
        (wide_unet, {"track_width": 4, "track_length": 12}, "12 positions of 4 bp do not cover"),
        (wide_unet, {"track_width": 48}, "track_width 48 does not divide input_length 64"),
        (state_unet, {"state_size": 3, "track_width": 4}, "input_channels 4 leaves no channel"),
        (stems_unet, {"bin_width": 48}, "bin_width 48 does not divide"),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_sizes_that_do_not_fit_are_refused(build, keywords, message):
    with pytest.raises(ConfigError, match=message):
        build(**{"input_length": 64, "depth": 2, **keywords})
