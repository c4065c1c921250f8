"""Leopard's U-Net: its published sizes, plain numpy, its receptive field, what does not fit."""

import keras
import numpy as np
import pytest

from tfepi.geometry import bin_width
from tfepi.models import leopard_unet, make_model
from tfepi.params import parse_params
from tfepi.serving.export import export_model
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

SMALL = {"input_length": 64, "filters": 4, "kernel": 3, "depth": 2, "outputs": 2}


def randomised(model, seed=0):
    """Give every weight of a model, moving averages too, random values."""
    rng = np.random.default_rng(seed)
    for w in model.weights:
        positive = w.name == "moving_variance"
        w.assign(rng.uniform(0.5, 2, w.shape) if positive else rng.normal(0, 0.5, w.shape))
    return model


@pytest.mark.parametrize(
    ("channels", "outputs", "count"), [(6, 1, 476_074), (4, 6, 475_939), (6, 2, 476_089)]
)
def test_number_of_weights_is_the_published(channels, outputs, count):
    model = leopard_unet(input_channels=channels, outputs=outputs)
    assert model.count_params() == count
    assert model.output_shape == (None, 10240, outputs)


def test_layers_are_the_published():
    model = leopard_unet(input_channels=6)
    filters = {
        layer.name: layer.filters
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv1D)
    }
    down = {f"down{n}{p}": f for n, f in enumerate((15, 22, 33, 49, 73, 109)) for p in "ab"}
    up = {f"up{n}{p}": f for n, f in enumerate((14, 21, 32, 48, 72)) for p in "ab"}
    assert filters == down | up | {"head": 6}
    grown = [model.get_layer(f"up{n}_grow") for n in range(5)]
    assert [(g.filters, g.kernel_size, g.strides) for g in grown] == [
        (f, (2,), (2,)) for f in (14, 21, 32, 48, 72)
    ]
    assert all(g.activation is keras.activations.linear for g in grown)
    units = [model.get_layer(name) for name in (*down, *up)]
    assert {(u.kernel_size, u.padding, u.use_bias) for u in units} == {((7,), "same", True)}
    assert all(u.activation is keras.activations.relu for u in units)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert {(n.momentum, n.epsilon) for n in norms} == {(0.99, 1e-3)}
    assert [n.name for n in norms] == [f"{name}_norm" for name in (*down, *reversed_levels(up))]
    assert model.get_layer("head").activation is keras.activations.sigmoid
    pools = [model.get_layer(f"down{n}_pool").output.shape[1] for n in range(1, 6)]
    assert pools == [5120, 2560, 1280, 640, 320]
    assert not any(isinstance(x, keras.layers.Dropout) for x in model.layers)


def reversed_levels(names):
    return sorted(names, key=lambda name: (-int(name[2]), name[3]))


def plain(model, sequence, tracks=None, bins=1, repeats=1):
    """Return the network's output for one example by loops over levels and positions."""
    weights = {layer.name: layer.get_weights() for layer in model.layers if layer.weights}

    def conv(x, name):
        kernel, bias = weights[name]
        reach = len(kernel) // 2
        padded = np.pad(x, ((reach, reach), (0, 0)))
        out = np.empty((len(x), kernel.shape[2]))
        for i in range(len(x)):
            out[i] = np.einsum("kc,kcf->f", padded[i : i + len(kernel)], kernel) + bias
        return out

    def two_units(x, name):
        for part in "ab":
            x = np.maximum(conv(x, name + part), 0)
            gamma, beta, mean, variance = weights[f"{name}{part}_norm"]
            x = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
        return x

    x = sequence
    if tracks is not None:
        x = np.concatenate([x, np.repeat(tracks, repeats, axis=0)], axis=1)
    features = [two_units(x, "down0")]
    while f"down{len(features)}a" in weights:
        half = features[-1].reshape(len(features[-1]) // 2, 2, -1).max(axis=1)
        features.append(two_units(half, f"down{len(features)}"))
    x = features.pop()
    while features:
        name = f"up{len(features) - 1}"
        kernel, bias = weights[f"{name}_grow"]  # [2, out, in]
        grown = np.empty((2 * len(x), kernel.shape[1]))
        for i in range(len(grown)):
            grown[i] = kernel[i % 2] @ x[i // 2] + bias
        x = two_units(np.concatenate([grown, features.pop()], axis=1), name)
    x = x.reshape(len(x) // bins, bins, -1).mean(axis=1)
    return 1 / (1 + np.exp(-conv(x, "head")))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"depth": 3, "kernel": 5, "width_factor": 2},
        {"bin_width": 8},
        {"input_channels": 6},
        {"input_channels": 7, "track_width": 16},
    ],
    ids=str,
)
def test_the_output_is_that_of_plain_numpy(changes):
    model = randomised(leopard_unet(**SMALL | changes))
    rng = np.random.default_rng(1)
    x = {k: rng.normal(size=(2, *v.shape[1:])).astype(np.float32) for k, v in model.input.items()}
    got = np.asarray(model(x))
    repeats = changes.get("track_width", 1)
    for example in range(2):
        tracks = x["tracks"][example] if "tracks" in x else None
        want = plain(model, x["sequence"][example], tracks, changes.get("bin_width", 1), repeats)
        np.testing.assert_allclose(got[example], want, rtol=2e-4, atol=2e-6)
    assert np.ptp(got) > 0.01


@pytest.mark.parametrize(("levels", "bins"), [(1, 4), (1, 16), (2, 2), (3, 1)])
def test_a_shorter_decoder_is_the_same_up_to_where_it_ends(levels, bins):
    sizes = SMALL | {"depth": 3, "bin_width": bins}
    whole = randomised(leopard_unet(**sizes))
    short = leopard_unet(**sizes, decoder_depth=levels)
    for layer in short.layers:
        if layer.name != "head":
            layer.set_weights(whole.get_layer(layer.name).get_weights())
    rng = np.random.default_rng(4)
    head = short.get_layer("head")
    head.set_weights([rng.normal(size=w.shape) for w in head.get_weights()])
    x = rng.normal(size=(2, 64, 4)).astype(np.float32)
    features = keras.Model(whole.input, whole.get_layer(f"up{3 - levels}b_norm").output)
    found = np.asarray(features({"sequence": x}))
    step = 2 ** (3 - levels)
    assert found.shape[1] == 64 // step
    found = found.reshape(2, 64 // bins, bins // step, -1).mean(axis=2)
    kernel, bias = head.get_weights()
    want = 1 / (1 + np.exp(-(found @ kernel[0] + bias)))
    np.testing.assert_allclose(np.asarray(short({"sequence": x})), want, rtol=2e-4, atol=1e-6)
    assert bin_width(short) == bins


def test_wider_tracks_are_cut_to_what_lies_over_the_sequence():
    # 7 positions of 16 bp over 64 bp: one and a half are left out at either end.
    model = randomised(leopard_unet(**SMALL, input_channels=5, track_width=16, track_length=7))
    rng = np.random.default_rng(2)
    sequence = rng.normal(size=(1, 64, 4)).astype(np.float32)
    tracks = rng.normal(size=(1, 7, 1)).astype(np.float32)
    got = model({"sequence": sequence, "tracks": tracks})
    over = np.repeat(tracks[0], 16, axis=0)[24:-24]
    np.testing.assert_allclose(got[0], plain(model, sequence[0], over), rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize("length", [32, 96, 2048])
@pytest.mark.parametrize("bins", [1, 32])
def test_any_multiple_of_32(length, bins):
    model = leopard_unet(input_length=length, bin_width=bins, filters=3)
    assert model.output_shape == (None, length // bins, 6)
    if length > 32:  # else the bottleneck is one position
        assert bin_width(model) == bins
    x = {"sequence": np.zeros((1, length, 4), np.float32)}
    assert model(x).shape == (1, length // bins, 6)


def positive(length):
    """Return a U-Net of few filters in which nothing cancels and zeros give zeros."""
    sizes = {"filters": 1, "width_factor": 1, "outputs": 1}
    model = leopard_unet(input_length=length, output_activation="linear", **sizes)
    for w in model.weights:
        if w.name == "kernel":
            w.assign(np.full(w.shape, 1 / 7))
        elif w.name in ("bias", "beta", "moving_mean"):
            w.assign(np.zeros(w.shape))
    return model


def reached(model, positions):
    """Return which outputs change when one base does: [positions, length]."""
    x = np.zeros((len(positions), *model.input["sequence"].shape[1:]), np.float32)
    x[np.arange(len(positions)), positions, 2] = 1
    return np.asarray(model({"sequence": x}))[:, :, 0] > 0


def test_receptive_field_is_1140_to_1172_bp_by_position():
    positions = np.arange(1024, 1056)
    spans = []
    for position, row in zip(positions, reached(positive(2048), positions), strict=True):
        touched = np.flatnonzero(row)
        assert (np.diff(touched) == 1).all()
        spans.append(len(touched))
        assert 564 <= position - touched[0] <= 595
        assert 564 <= touched[-1] - position <= 595
    assert (min(spans), max(spans)) == (1140, 1172)
    assert spans[0] == 1140


def test_one_output_sees_as_much():
    outputs = [1024, 1039, 1040, 1055]
    # The inputs about both ends of the field, and one between them.
    positions = np.r_[420:500, 1040, 1580:1660]
    seen = reached(positive(2048), positions)
    for output in outputs:
        column = seen[:, output]
        assert (np.diff(column.astype(int)) != 0).sum() == 2
        span = np.ptp(positions[column]) + 1
        assert 1140 <= span <= 1172
        assert 564 <= output - positions[column][0] <= 595
    assert np.ptp(positions[seen[:, 1024]]) + 1 == 1140


def test_configuration_and_file_give_the_same_model(tmp_path):
    model = randomised(leopard_unet(**SMALL, input_channels=6, track_width=4, bin_width=8))
    rng = np.random.default_rng(3)
    x = {k: rng.normal(size=(2, *v.shape[1:])).astype(np.float32) for k, v in model.input.items()}
    want = np.asarray(model(x))
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(again(x), want)
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    np.testing.assert_array_equal(copy(x), want)


def test_the_export_predicts_the_same(tmp_path):
    model = randomised(leopard_unet(**SMALL | {"depth": 1}))
    model.save(tmp_path / "m.keras")
    head = Head("output", (Target(0, "a"), Target(1, "b")), "probability")
    spec = ModelSpec("leopard_unet", {"sequence": (64, 4)}, 1, 0, (head,))
    report = export_model(model, spec, tmp_path / "saved", tmp_path / "m.keras")
    assert report["largest_difference"] <= 1e-6


def test_mixed_precision_keeps_the_head_in_float32():
    model = leopard_unet(**SMALL, input_channels=6, bin_width=4, dtype="mixed_bfloat16")
    float32 = [x.name for x in model.layers if x.compute_dtype == "float32"]
    assert float32 == ["sequence", "tracks", "bins", "head"]
    x = {k: np.ones((1, *v.shape[1:]), np.float32) for k, v in model.input.items()}
    assert model(x).dtype == "float32"


def section(**model):
    return parse_params({"model": {"name": "leopard_unet", "depth": 1} | model}).model


def test_params_may_leave_out_the_number_of_outputs():
    for stated in ({}, {"outputs": 3}, {"track_length": None}):
        assert make_model(section(input_length=96, **stated), 3).output_shape == (None, 96, 3)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"outputs": 4}, "outputs 4, the data has 2: leave it out"),
        ({"targets": 4}, "unknown key 'targets' .*: choose from augment_rc, .*14 in all"),
        ({"width_factor": 0.5}, "model.width_factor is 0.5, want a number of at least 1"),
        ({"width_factor": "1.5"}, "model.width_factor is '1.5', want a number of at least 1"),
        ({"width_factor": float("inf")}, "model.width_factor is inf, want a number"),
        ({"track_length": 2.5}, "model.track_length is 2.5, want a whole number"),
        ({"filters": None}, "model.filters is None, want a whole number"),
        ({"input_length": 1001}, "model: input_length is 1001, want a multiple of 2 "),
        ({"output_activation": "sigmod"}, "did you mean 'sigmoid'"),
    ],
    ids=str,
)
def test_bad_sections_are_refused(model, message):
    with pytest.raises(ConfigError, match=message):
        make_model(section(**model), 2)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"input_length": 1000}, r"is 1000, want a multiple of 32 .*: 992 or 1024$"),
        ({"input_length": 20}, r"is 20, want a multiple of 32 .*: 32$"),
        ({"input_length": 0}, "input_length is 0, want a multiple of 32"),
        ({"input_length": 100, "depth": 3}, "want a multiple of 8 .*: 96 or 104$"),
        ({"input_channels": 3}, "input_channels is 3, want 4 bases and"),
        ({"track_width": 8}, "track_width is 8 and .*input_channels 4 leaves no channel"),
        ({"track_length": 64}, "track_length 64, but input_channels 4 leaves no channel"),
        (
            {"input_channels": 6, "track_width": 48},
            "track_width 48 does not divide input_length 64",
        ),
        (
            {"input_channels": 6, "track_width": 8, "track_length": 7},
            "tracks of 7 positions of 8 bp do not cover the sequence of 64 bp",
        ),
        (
            {"input_channels": 6, "track_width": 5, "track_length": 15},
            "tracks of 15 positions of 5 bp do not cover .* as much at either end",
        ),
        ({"bin_width": 48}, "bin_width 48 does not divide input_length 64"),
        ({"filters": 1}, "filters 1 with width_factor 1.5 leave a level without any"),
        ({"output_activation": "sigmod"}, "unknown activation 'sigmod'"),
        ({"decoder_depth": 1, "bin_width": 1}, "no multiple of the 16 bp at which decoder_depth"),
        ({"decoder_depth": 6}, "decoder_depth is 6, want 1 to the depth 5"),
        ({"decoder_depth": 0}, "decoder_depth is 0, want 1 to the depth 5"),
    ],
    ids=str,
)
def test_sizes_that_do_not_fit_are_refused(keywords, message):
    with pytest.raises(ConfigError, match=message):
        leopard_unet(**{"input_length": 64, **keywords})
