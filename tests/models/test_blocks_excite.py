import keras
import numpy as np
import pytest

from tfepi.models.blocks.arguments import block_arguments, check_arguments
from tfepi.models.blocks.context import Context
from tfepi.models.blocks.excite import BLOCKS
from tfrecords_tools.errors import ConfigError

# Outputs of calico/basenji's blocks (74b8671, TensorFlow 2.15; calico/baskerville's
# squeeze_excite cannot be built, its other two are the same) with weights by `fill`, on `data`:
# of the second example at positions 0, 5 and last the first and last channel, and the mean of
# all absolute values.
GOLDEN = {
    "squeeze": (
        ("squeeze_excite", {}),
        [0.1337734, 0, 0, 0.07016315, 0, 0.4049405, 0.1709991],
    ),
    "additive": (
        ("squeeze_excite", {"additive": True, "activation": "gelu", "bottleneck_ratio": 4}),
        [0.2856705, -0.1766875, -0.03540979, -0.0176292, -0.02607895, 0.6075115, 0.4012285],
    ),
    "batch norm": (
        ("squeeze_excite", {"norm_type": "batch", "bottleneck_ratio": 3}),
        [0.1182273, 0, 0, 0.06453779, 0, 0.3724742, 0.1698435],
    ),
    "layer norm": (
        ("squeeze_excite", {"norm_type": "layer", "bottleneck_ratio": 3, "activation": "linear"}),
        [0.1021282, -0.05127776, -0.3307338, 0.04559215, -0.3984539, 0.2631311, 0.3097453],
    ),
    "wheeze": (
        ("wheeze_excite", {"pool_size": 5}),
        [0.1266625, -0.08547849, -0.4366286, 0.07600076, -0.4941746, 0.4386317, 0.3431277],
    ),
    "context": (
        ("global_context", {}),
        [0.5240544, 0.2427484, -0.5496427, 0.5657068, -0.7176198, 1.290969, 0.6830628],
    ),
}


def build(block, options, dtype="float32"):
    keras.utils.set_random_seed(3)
    check_arguments(BLOCKS[block], block, options)
    inputs = keras.Input((16, 12))
    context = Context(dtype, "trunk_1_block")
    return keras.Model(inputs, BLOCKS[block](inputs, context, **options))


def fill(model):
    """Set the weights by their place among all, in the order of the original .h5 files."""
    weights = [w for layer in model.layers for w in layer.weights]
    for place, weight in enumerate(weights):
        k = np.arange(np.prod(weight.shape), dtype=np.float64)
        values = 0.3 * np.sin(0.37 * k * k + place)
        weight.assign(
            (values + (weight.name in ("gamma", "moving_variance"))).reshape(weight.shape)
        )
    return [w.name for w in weights]


def data():
    k = np.arange(384, dtype=np.float64)
    return np.sin(0.11 * k * k + 0.5).reshape(2, 16, 12).astype(np.float32)


@pytest.mark.parametrize(("case", "want"), GOLDEN.values(), ids=GOLDEN)
def test_outputs_are_the_originals(case, want):
    model = build(*case)
    fill(model)
    y = np.asarray(model(data()))
    got = [*y[1][[0, 5, -1]][:, [0, -1]].ravel(), np.abs(y).mean()]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("additive", [False, True])
@pytest.mark.parametrize("function", ["sigmoid", "tanh"])
def test_squeeze_excite_is_its_formula(additive, function):
    options = {"bottleneck_ratio": 5, "use_bias": False, "kernel_initializer": "he_normal"}
    model = build("squeeze_excite", {**options, "additive": additive, "scale_fun": function})
    assert fill(model) == ["kernel", "kernel"]
    first, second = (np.asarray(w, np.float64) for w in model.weights)
    assert first.shape == (12, 2)
    x = np.maximum(data().astype(np.float64), 0)
    gate = np.maximum(x.mean(axis=1) @ first, 0) @ second
    scale = np.tanh(gate) if function == "tanh" else 1 / (1 + np.exp(-gate))
    want = x + gate[:, None] if additive else x * scale[:, None]
    np.testing.assert_allclose(model(data()), want, atol=1e-6)


def test_wheeze_excite_is_its_formula():
    model = build("wheeze_excite", {"pool_size": 7})
    fill(model)
    w1, b1, w2, b2 = (np.asarray(w, np.float64) for w in model.weights)
    x = data().astype(np.float64)
    padded = np.concatenate([x[:, 2::-1], x, x[:, :-4:-1]], axis=1)
    mean = np.stack([padded[:, i : i + 7].mean(axis=1) for i in range(16)], axis=1)
    gate = np.maximum(np.maximum(mean @ w1 + b1, 0) @ w2 + b2, 0)
    np.testing.assert_allclose(model(data()), x / (1 + np.exp(-gate)), atol=1e-6)


def test_global_context_is_its_formula():
    model = build("global_context", {})
    fill(model)
    wk, bk, w1, b1, gamma, beta, w2, b2 = (np.asarray(w, np.float64) for w in model.weights)
    x = data().astype(np.float64)
    shares = np.exp(x @ wk + bk)
    shares /= shares.sum(axis=1, keepdims=True)
    summary = (x * shares).sum(axis=1) @ w1 + b1
    spread = np.sqrt(summary.var(axis=1, keepdims=True) + 1e-3)
    summary = (summary - summary.mean(axis=1, keepdims=True)) / spread * gamma + beta
    want = x + (np.maximum(summary, 0) @ w2 + b2)[:, None]
    np.testing.assert_allclose(model(data()), want, atol=1e-6)


def test_defaults_are_the_originals():
    assert {n: p.default for n, p in block_arguments(BLOCKS["squeeze_excite"]).items()} == {
        "activation": "relu",
        "bottleneck_ratio": 8,
        "additive": False,
        "norm_type": None,
        "bn_momentum": 0.9,
        "kernel_initializer": "glorot_uniform",
        "use_bias": True,
        "scale_fun": "sigmoid",
    }
    with pytest.raises(ConfigError, match="'wheeze_excite' needs pool_size"):
        check_arguments(BLOCKS["wheeze_excite"], "wheeze_excite", {})


def test_the_norm_starts_at_zero():
    model = build("squeeze_excite", {"norm_type": "batch", "bn_momentum": 0.8})
    np.testing.assert_allclose(model(data()), np.maximum(data(), 0) / 2, atol=1e-7)
    assert model.get_layer("trunk_1_block_se_batch_norm").momentum == 0.8


def test_weights_and_names_are_those_that_files_are_read_by():
    def weights(block, **options):
        model = build(block, options)
        start = "trunk_1_block_"
        layers = [layer for layer in model.layers if layer.weights]
        return [(x.name.removeprefix(start), [w.name for w in x.weights]) for x in layers]

    dense, norm = ["kernel", "bias"], ["gamma", "beta"]
    moving = ["moving_mean", "moving_variance"]
    squeeze = [("se_dense", dense), ("se_dense2", dense)]
    assert weights("squeeze_excite") == squeeze
    batch = ("se_batch_norm", [*norm, *moving])
    assert weights("squeeze_excite", norm_type="batch-sync") == [*squeeze, batch]
    assert weights("wheeze_excite", pool_size=3) == [("dense", dense), ("dense2", dense)]
    context = [("dense", dense), ("dense2", dense), ("layer_norm", norm), ("dense3", dense)]
    assert weights("global_context") == context


@pytest.mark.parametrize("case", [case for case, _ in GOLDEN.values()], ids=GOLDEN)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_models_train_and_are_saved(case, dtype, tmp_path):
    model = build(*case, dtype=dtype)
    fill(model)
    assert keras.backend.standardize_dtype(model(data()).dtype) == dtype.removeprefix("mixed_")
    if dtype != "float32":
        full = build(*case)
        fill(full)
        np.testing.assert_allclose(model(data()), full(data()), atol=5e-3)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(data()), model(data()))
    model.compile(keras.optimizers.SGD(1e-3), "mse", run_eagerly=True)
    assert np.isfinite(model.train_on_batch(data(), data()[:, ::-1]))
    assert all(np.isfinite(np.asarray(w)).all() for w in model.weights)


@pytest.mark.parametrize(
    ("block", "options", "message"),
    [
        ("squeeze_excite", {"scale_fun": "tan"}, "unknown scale_fun 'tan' of squeeze_excite"),
        ("squeeze_excite", {"bottleneck_ratio": 13}, "12 channels cannot be reduced 13-fold"),
        ("squeeze_excite", {"bottleneck_ratio": 0}, "bottleneck_ratio is 0, want a whole"),
        ("squeeze_excite", {"norm_type": "bacth"}, "did you mean 'batch'"),
        ("squeeze_excite", {"activation": "rellu"}, "did you mean 'relu'"),
        ("wheeze_excite", {"pool_size": 4}, "pool_size is 4, want an odd number"),
        ("wheeze_excite", {"pool_size": -1}, "pool_size is -1"),
        ("wheeze_excite", {"pool_size": 41}, "of 20 positions, the sequence has only 16"),
    ],
)
def test_what_cannot_be_built_is_refused(block, options, message):
    with pytest.raises(ConfigError, match=message):
        build(block, options)


@pytest.mark.parametrize("block", ["wheeze_excite", "global_context"])
def test_too_few_channels_are_refused(block):
    inputs = keras.Input((16, 3))
    options = {"pool_size": 3} if block == "wheeze_excite" else {}
    with pytest.raises(ConfigError, match="3 channels cannot be reduced 4-fold"):
        BLOCKS[block](inputs, Context("float32", "trunk_1"), **options)
