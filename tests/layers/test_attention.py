import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from tfepi.layers.attention import MultiheadAttention, relative_shift
from tfepi.layers.relative_position import (
    central_mask_features,
    enformer_features,
    position_features,
)
from tfrecords_tools.errors import ConfigError

OPTIONS = {
    "plain": {},
    "no positions": {"position_features": 0},
    "symmetric": {"position_features": 3, "symmetric": True},
    "scaled": {"position_features": 6, "scale_length": 30},
    "no content": {"content_position_bias": False},
    "wide": {"qkv_width": 3},
}


def make(length=9, channels=5, dtype=None, **options):
    keras.utils.set_random_seed(1)
    layer = MultiheadAttention(heads=2, key_size=4, value_size=3, dtype=dtype, **options)
    layer.build((None, length, channels))
    for number, weight in enumerate(layer.weights):
        weight.assign(np.random.default_rng(number).normal(size=weight.shape) * 0.6)
    return layer


def inputs(length=9, channels=5, examples=2):
    return np.random.default_rng(7).normal(size=(examples, length, channels)).astype(np.float32)


def slow_features(length, count, scale_length, symmetric):
    half = count if symmetric else count // 2
    table = {}
    for distance in range(1 - length, length):
        row = [
            float(abs(distance) < (scale_length + 1) ** (i / half) - 1) for i in range(1, half + 1)
        ]
        table[distance] = row if symmetric else row + [np.sign(distance) * v for v in row]
    return table


def slow_projection(x, kernels):
    if len(kernels) == 1:
        return x @ kernels[0]
    depthwise, pointwise = kernels
    reach = len(depthwise) // 2
    out = np.zeros_like(x)
    for position in range(len(x)):
        for tap in range(len(depthwise)):
            if 0 <= position + tap - reach < len(x):
                out[position] += x[position + tap - reach] * depthwise[tap, :, 0]
    return out @ pointwise[0]


def slow_attention(layer, batch):
    """Multi-head attention of one query and key at a time, in float64."""
    weights = {w.name: np.asarray(w, np.float64) for w in layer.weights}

    def project(x, name):
        wide = [f"{name}_depthwise_kernel", f"{name}_pointwise_kernel"]
        names = [f"{name}_kernel"] if layer.qkv_width == 1 else wide
        return slow_projection(x, [weights[n] for n in names])

    out = []
    for x in batch.astype(np.float64):
        length, size, width = len(x), layer.key_size, layer.value_size
        q = project(x, "query") / np.sqrt(size)
        k, v = project(x, "key"), project(x, "value")
        features = slow_features(
            length, layer.position_features, layer.scale_length or length, layer.symmetric
        )
        heads = []
        for head in range(layer.heads):
            part = slice(head * size, (head + 1) * size)
            u, w = weights["content_bias"][0, head, 0], weights["position_bias"][0, head, 0]
            mixed = np.zeros((length, width))
            for i in range(length):
                logits = np.zeros(length)
                for j in range(length):
                    logits[j] = (q[i, part] + u) @ k[j, part]
                    if layer.position_features:
                        r = features[j - i] @ weights["position_kernel"][:, part]
                        logits[j] += (w + q[i, part] * layer.content_position_bias) @ r
                shares = np.exp(logits - logits.max())
                shares /= shares.sum()
                mixed[i] = shares @ v[:, head * width : (head + 1) * width]
            heads.append(mixed)
        out.append(np.hstack(heads) @ weights["output_kernel"] + weights["output_bias"])
    return np.array(out)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_attention_is_its_formula(options):
    layer = make(**options)
    np.testing.assert_allclose(layer(inputs()), slow_attention(layer, inputs()), atol=3e-6)


def test_symmetric_features_agree_with_baskerville():
    # Not reachable from params.json. Weights by the rule of tests/models/test_blocks_transformer.
    layer = MultiheadAttention(2, 4, 3, position_features=3, symmetric=True)
    layer.build((2, 9, 5))
    for index, weight in enumerate(layer.weights):
        k = np.arange(np.prod(weight.shape), dtype=np.float64)
        weight.assign((0.3 * np.sin(0.37 * k * k + index)).reshape(weight.shape))
    k = np.arange(90, dtype=np.float64)
    y = np.asarray(layer(np.sin(0.11 * k * k + 0.5).reshape(2, 9, 5).astype(np.float32)))
    want = [-0.10789326, 0.09513305, -0.09542836, 0.08955958, -0.14089806, 0.11566234]
    np.testing.assert_allclose(y[1][[0, 5, 8]][:, [0, 5]].ravel(), want, atol=2e-6)
    assert np.abs(y).mean() == pytest.approx(0.12062199, rel=1e-5)


@pytest.mark.parametrize(("count", "scale", "symmetric"), [(6, None, False), (5, 33, True)])
def test_features_are_their_formula(count, scale, symmetric):
    table = slow_features(20, count, scale or 20, symmetric)
    got = central_mask_features(20, count, scale, symmetric)
    np.testing.assert_array_equal(got, [table[d] for d in range(-19, 20)])


def test_a_width_that_meets_a_distance_leaves_it_out():
    # 16^(i/4) - 1 is 1, 3, 7, 15.
    got = central_mask_features(15, 4, symmetric=True)[14:]
    assert [int(row.sum()) for row in got[:9]] == [4, 3, 3, 2, 2, 2, 2, 1, 1]


def slow_enformer_features(length, count, symmetric=False, scale=None):
    """One distance and feature at a time, with scipy's gamma density."""
    each, scale = count // (3 if symmetric else 6), scale or length
    deviation = scale / (2 * each)
    means = [scale / each + i * (scale - scale / each) / (each - 1) for i in range(each)]
    densities = [
        stats.gamma(a=(mean / deviation) ** 2, scale=deviation**2 / mean) for mean in means
    ]
    highest = [max(d.pdf(a) for a in range(length)) + 1e-8 for d in densities]
    rows = []
    for distance in range(1 - length, length):
        a = abs(distance)
        row = []
        for i in range(each):
            exponent = 3 + i * (np.log2(scale) - 3) / (each - 1)
            row.append(0.5 ** (a / 2**exponent))
        row += [float(2 ** (i + 1) - 1 > a) for i in range(each)]
        row += [(d.pdf(a) + 1e-8) / top for d, top in zip(densities, highest, strict=True)]
        rows.append(row if symmetric else row + [np.sign(distance) * v for v in row])
    return np.array(rows)


@pytest.mark.parametrize(
    ("length", "count", "symmetric", "scale"),
    [(40, 24, False, None), (25, 9, True, None), (30, 12, False, 64)],
)
def test_enformers_features_are_their_formula(length, count, symmetric, scale):
    want = slow_enformer_features(length, count, symmetric, scale)
    got = enformer_features(length, count, scale, symmetric)
    np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(
        position_features("enformer", length, count, scale, symmetric), got.astype(np.float32)
    )


def test_enformers_features_are_normalised_over_positions():
    gamma = enformer_features(256, 12)[:, 4:6]
    np.testing.assert_allclose(gamma.max(axis=0), 1)
    assert not np.allclose(gamma.max(axis=1), 1)  # as a well-known port has it


def test_features_are_computed_once_and_cannot_be_changed():
    first = position_features("enformer", 64, 12)
    assert position_features("enformer", 64, 12) is first
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 1


def test_attention_with_enformers_features_is_its_formula(monkeypatch):
    layer = make(position_features=12, position_basis="enformer")
    table = slow_enformer_features(9, 12)
    monkeypatch.setitem(
        globals(), "slow_features", lambda *_: {d: table[d + 8] for d in range(-8, 9)}
    )
    np.testing.assert_allclose(layer(inputs()), slow_attention(layer, inputs()), atol=3e-6)


def test_attention_weights_are_given_on_request():
    layer = make()
    outputs, weights = layer(inputs(), return_attention_scores=True)
    np.testing.assert_array_equal(outputs, layer(inputs()))
    assert weights.shape == (2, 2, 9, 9)
    np.testing.assert_allclose(np.asarray(weights).sum(axis=-1), 1, rtol=1e-6)
    # The output is made of values by these weights.
    x = inputs()
    v = (x @ np.asarray(layer.value[0])).reshape(2, 9, 2, 3)
    mixed = np.einsum("bhij,bjhd->bihd", weights, v).reshape(2, 9, 6)
    want = mixed @ np.asarray(layer.output_kernel) + np.asarray(layer.output_bias)
    np.testing.assert_allclose(outputs, want, atol=1e-5)
    spec = layer.compute_output_spec(keras.KerasTensor((None, 9, 5)), return_attention_scores=True)
    assert [tuple(s.shape) for s in spec] == [(None, 9, 6), (None, 2, 9, 9)]


@pytest.mark.parametrize(
    ("options", "want"),
    [
        ({"position_basis": "enfomer"}, "position_basis 'enfomer'.*did you mean 'enformer'"),
        (
            {"position_basis": "enformer", "position_features": 8},
            "8 position features, want a multiple of 6",
        ),
    ],
)
def test_a_basis_that_cannot_be_is_refused(options, want):
    with pytest.raises(ConfigError, match=want):
        make(**options)(inputs())


@pytest.mark.parametrize("length", [1, 2, 7])
def test_shift_picks_the_distance_of_key_to_query(length):
    logits = np.random.default_rng(0).normal(size=(2, 3, length, 2 * length - 1))
    got = np.asarray(relative_shift(ops.convert_to_tensor(logits)))
    for i in range(length):
        for j in range(length):
            np.testing.assert_array_equal(got[:, :, i, j], logits[:, :, i, j - i + length - 1])


def test_weights_come_in_the_order_of_the_original_files():
    def listed(**options):
        return [(w.name, tuple(w.shape)) for w in make(**options).weights]

    biases = [("content_bias", (1, 2, 1, 4)), ("position_bias", (1, 2, 1, 4))]
    kernels = [("query_kernel", (5, 8)), ("key_kernel", (5, 8)), ("value_kernel", (5, 6))]
    output = [("output_kernel", (6, 6)), ("output_bias", (6,))]
    assert listed() == [*biases, *kernels, *output, ("position_kernel", (2, 8))]
    assert listed(position_features=0) == [*biases, *kernels, *output]
    wide = [
        ("query_depthwise_kernel", (3, 5, 1)),
        ("query_pointwise_kernel", (1, 5, 8)),
        ("key_depthwise_kernel", (3, 5, 1)),
        ("key_pointwise_kernel", (1, 5, 8)),
        ("value_depthwise_kernel", (3, 5, 1)),
        ("value_pointwise_kernel", (1, 5, 6)),
    ]
    assert listed(qkv_width=3) == [*biases, *wide, *output, ("position_kernel", (2, 8))]


def test_it_starts_at_zero_with_weights_that_differ():
    layer = MultiheadAttention(4, 8, 8, kernel_initializer=keras.initializers.HeNormal())
    np.testing.assert_array_equal(layer(inputs(12, 32)), np.zeros((2, 12, 32)))
    values = {w.name: np.asarray(w) for w in layer.weights}
    for name in ("content_bias", "position_bias", "query_kernel", "position_kernel"):
        assert values[name].std() > 0.1
    assert np.abs(values["query_kernel"] - values["key_kernel"]).max() > 0.1
    assert np.abs(values["content_bias"] - values["position_bias"]).max() > 0.1
    # he_normal: variance 2 / fan-in; the biases' fan-in is the number of heads.
    assert values["query_kernel"].std() == pytest.approx(np.sqrt(2 / 32), rel=0.15)
    assert values["content_bias"].std() == pytest.approx(np.sqrt(2 / 4), rel=0.4)


@pytest.mark.parametrize("width", [1, 3])
def test_the_penalty_is_on_kernels_only(width):
    layer = make(qkv_width=width, l2_scale=0.5)
    layer(inputs())
    squares = sum(float((np.asarray(w) ** 2).sum()) for w in layer.weights if "kernel" in w.name)
    assert float(sum(layer.losses)) == pytest.approx(0.5 * squares, rel=1e-5)
    assert make(qkv_width=width).losses == []


def test_dropout_is_for_training_and_positions_share_it():
    x = np.repeat(inputs(examples=1), 2, axis=0)
    for name in ("attention_dropout", "position_dropout"):
        layer, whole = make(**{name: 0.5}), make()
        np.testing.assert_array_equal(layer(x), whole(x))
        first, second = np.asarray(layer(x, training=True)), np.asarray(layer(x, training=True))
        assert np.abs(first - second).max() > 1e-3
        same = np.abs(first[0] - first[1]).max() < 1e-6
        assert same == (name == "position_dropout")


def test_one_layer_takes_sequences_of_several_lengths():
    layer = make()
    for length in (9, 6, 2):
        x = inputs(length)
        np.testing.assert_allclose(layer(x), slow_attention(layer, x), atol=3e-6)


def test_half_precision_keeps_small_logits_beside_large_ones():
    # Every key's content logit is 1000, where float16 counts in halves; positions add ±0.2.
    x = np.stack([np.ones(9), np.linspace(-1, 1, 9)], axis=1)[None].astype(np.float32)
    values = {
        "content_bias": 1000.0,
        "position_bias": 1.0,
        "query_kernel": 0.0,
        "key_kernel": [[1.0], [0.0]],
        "value_kernel": [[0.0], [1.0]],
        "output_kernel": 1.0,
        "output_bias": 0.0,
        "position_kernel": [[0.0], [0.2]],
    }
    outputs = []
    for dtype in ("mixed_float16", "float32"):
        layer = MultiheadAttention(1, 1, 1, position_features=2, dtype=dtype)
        layer.build(x.shape)
        for weight in layer.weights:
            weight.assign(np.broadcast_to(values[weight.name], weight.shape))
        outputs.append(layer(x))
    half, full = outputs
    assert keras.backend.standardize_dtype(half.dtype) == "float16"
    assert np.asarray(full)[0, 4, 0] > 0.1  # without positions it would be the mean, 0
    np.testing.assert_allclose(half, full, atol=2e-3)


def test_saved_and_configured_again_it_is_the_same(tmp_path):
    options = {"qkv_width": 3, "scale_length": 40, "l2_scale": 0.1, "attention_dropout": 0.1}
    layer = make(position_features=4, **options)
    again = MultiheadAttention.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    model = keras.Sequential([keras.Input((9, 5)), layer])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(inputs()), model(inputs()))
    assert [w.name for w in loaded.weights] == [w.name for w in layer.weights]


def test_shapes_and_geometry():
    layer = MultiheadAttention(heads=2, key_size=4, value_size=3)
    assert layer.compute_output_shape((None, 9, 5)) == (None, 9, 6)
    assert layer(keras.Input((9, 5))).shape == (None, 9, 6)
    assert layer.geometry == "global"


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_gradients_are_finite(dtype):
    model = keras.Sequential([keras.Input((9, 5)), make(dtype=dtype, position_dropout=0.1)])
    model.compile(keras.optimizers.SGD(0.01), "mse")
    before = [np.asarray(w) for w in model.weights]
    assert np.isfinite(model.train_on_batch(inputs(), np.ones((2, 9, 6), np.float32)))
    for old, weight in zip(before, model.weights, strict=True):
        assert np.isfinite(np.asarray(weight)).all()
        assert np.abs(np.asarray(weight) - old).max() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 0}, "heads is 0, want a whole number >= 1"),
        ({"key_size": 0}, "key_size is 0"),
        ({"key_size": None}, "key_size is None"),
        ({"value_size": 1.5, "position_features": 2}, "value_size is 1.5"),
        ({"qkv_width": 0}, "qkv_width is 0"),
        ({"scale_length": 0}, "scale_length is 0"),
        ({"position_features": -2}, "position_features is -2, want a whole number >= 0"),
        ({"position_features": 5}, "5 position features, want an even number"),
        ({"attention_dropout": 1.0}, "attention_dropout is 1.0, want 0 <= rate < 1"),
        ({"position_dropout": -0.1}, "position_dropout is -0.1"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        MultiheadAttention(**{"heads": 2, "key_size": 4, "value_size": 3, **options})


@pytest.mark.parametrize("shape", [(None, 5), (9,)])
def test_bad_inputs_are_refused(shape):
    with pytest.raises(ConfigError, match="of known length"):
        MultiheadAttention(heads=2, key_size=4, value_size=3)(keras.Input(shape))
