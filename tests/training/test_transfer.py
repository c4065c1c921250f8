"""Adapting models: what trains, how it starts, and what it becomes."""

import keras
import numpy as np
import pytest

from tfepi.layers.adapters import Adapted, IA3Attention, IA3Dense, LoraAttention, LoraConv1D
from tfepi.models import basenji, basset
from tfepi.models.layer_names import is_head
from tfepi.training.adapters import adapt, merge, parameter_counts
from tfepi.training.transfer import residual_branches
from tfepi.transfer_params import TransferParams
from tfrecords_tools.errors import ConfigError

LENGTH = 128
TRUNK = [
    {
        "name": "conv_dna",
        "filters": 16,
        "kernel_size": 11,
        "norm_type": None,
        "activation": "linear",
        "pool_size": 2,
    },
    {
        "name": "res_tower",
        "filters_init": 20,
        "filters_end": 24,
        "divisible_by": 4,
        "kernel_size": 5,
        "num_convs": 1,
        "pool_size": 2,
        "repeat": 2,
    },
    {
        "name": "transformer_tower",
        "key_size": 8,
        "heads": 2,
        "num_position_features": 4,
        "dropout": 0.2,
        "repeat": 2,
    },
    {"name": "unet_conv", "kernel_size": 3, "upsample_conv": True},
    {"name": "unet_conv", "kernel_size": 3, "upsample_conv": True},
    {"name": "Cropping1D", "cropping": 8},
    {"name": "conv_nac", "filters": 32, "dropout": 0.1},
]
HEAD = {"name": "final", "units": 5, "activation": "softplus"}
HEAD_COUNT = 32 * 5 + 5
LORA = ("adapter", "lora")
ALL = [
    TransferParams(*LORA),
    TransferParams("adapter", "lora_full", adapter_latent=4),
    TransferParams("adapter", "lora_conv", conv_select=2),
    TransferParams("adapter", "locon", conv_select=2),
    TransferParams("adapter", "locon", conv_select=None),
    TransferParams("adapter", "ia3"),
    TransferParams("adapter", "houlsby"),
    TransferParams("adapter", "houlsby_se", conv_select=2, conv_latent=16),
    TransferParams("adapter", "se", conv_select=None),
]
FROZEN = TransferParams(batch_norm="frozen")
EVERY = [TransferParams(), FROZEN, TransferParams("linear"), *ALL]


def name(transfer):
    return f"{transfer.adapter or transfer.mode}-{transfer.conv_select}-{transfer.batch_norm}"


def shaken(model):
    """Give a model random weights: zeros and ones would hide differences."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        positive = "variance" in weight.name or "gamma" in weight.name
        draw = rng.uniform(0.5, 1.5, weight.shape) if positive else rng.normal(0, 0.2, weight.shape)
        weight.assign(draw)
    return model


@pytest.fixture(scope="module")
def model():
    """A small model of every kind of layer: 19,009 parameters."""
    return shaken(
        basenji(
            seq_length=LENGTH,
            trunk=TRUNK,
            heads={"human": HEAD},
            activation="gelu",
            norm_type="batch",
            bn_momentum=0.9,
        )
    )


def sequences(count=2, length=LENGTH):
    codes = np.random.default_rng(3).integers(0, 4, (count, length))
    return {"sequence": np.eye(4, dtype=np.float32)[codes]}


def predicted(model, length=LENGTH):
    return np.asarray(model(sequences(length=length), training=False))


def values(model):
    return {w.path: np.array(keras.ops.convert_to_numpy(w)) for w in model.weights}


def train(model, steps=2):
    """Train eagerly on noise; the rate is high enough to move every weight that may move."""
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="poisson", run_eagerly=True)
    rng = np.random.default_rng(4)
    for _ in range(steps):
        target = rng.poisson(3, (2, *model.output_shape[1:])).astype(np.float32)
        model.train_on_batch(sequences(), target)


def filled(model):
    """Draw the trained weights, so that no adapter is at its start."""
    rng = np.random.default_rng(5)
    for weight in model.trainable_weights:
        weight.assign(rng.normal(0, 0.3, weight.shape))
    return model


@pytest.mark.parametrize("transfer", EVERY, ids=name)
def test_predictions_are_the_pretrained_models_at_first(model, transfer):
    before = values(model)
    adapted = adapt(model, transfer)
    np.testing.assert_array_equal(predicted(adapted), predicted(model))
    after = values(model)
    assert all(np.array_equal(before[path], after[path]) for path in before)
    assert adapted.output_shape == model.output_shape
    assert set(adapted.input) == {"sequence"}


# Counted with calico/baskerville 544073b on the same params, its transfer.add_* in turn (the 1536
# channels by which it finds dense layers for IA³ changed to this model's 48).
BASKERVILLE = [
    (TransferParams(), 18705),
    (TransferParams("linear"), 165),
    (TransferParams(*LORA), 1573),
    (TransferParams("adapter", "lora_full"), 2981),
    (TransferParams("adapter", "lora_conv", conv_select=2), 4797),
    (TransferParams("adapter", "locon"), 3413),
    (TransferParams("adapter", "locon", conv_select=None), 3413),
    (TransferParams("adapter", "ia3"), 341),
    (TransferParams("adapter", "houlsby"), 2021),
    (TransferParams("adapter", "houlsby_se", conv_select=2, conv_latent=16), 3813),
    (TransferParams("adapter", "houlsby_se", conv_select=3, conv_latent=16), 4453),
]


@pytest.mark.parametrize(("transfer", "count"), BASKERVILLE, ids=lambda v: getattr(v, "adapter", v))
def test_as_many_parameters_train_as_in_baskerville(model, transfer, count):
    assert parameter_counts(adapt(model, transfer))[0] == count


@pytest.mark.parametrize(
    ("transfer", "count"),
    [
        # Queries to 2·8 channels and values to 24, from 24, in two layers.
        (TransferParams(*LORA, adapter_latent=3), 2 * 3 * (24 + 16 + 24 + 24)),
        (
            TransferParams("adapter", "lora_full", adapter_latent=3),
            2 * 3 * (2 * (24 + 16) + 2 * (24 + 24)),
        ),
        # The last convolution, 24 to 32 channels of width 1.
        (
            TransferParams("adapter", "locon", adapter_latent=3, conv_select=1, conv_latent=2),
            2 * 3 * (24 + 16 + 24 + 24) + 2 * (24 + 32),
        ),
        (
            TransferParams("adapter", "lora_conv", adapter_latent=3, conv_select=1),
            2 * 3 * (24 + 16 + 24 + 24) + 24 * 32 + 32,
        ),
        (TransferParams("adapter", "ia3"), 2 * (16 + 24 + 48)),
        # Four bottlenecks and four layer norms.
        (
            TransferParams("adapter", "houlsby", adapter_latent=3),
            4 * (2 * 24 * 3 + 3 + 24) + 4 * 2 * 24,
        ),
        (TransferParams("adapter", "se", conv_select=1, conv_latent=3), 2 * 32 * 3),
        (TransferParams("adapter", "se", conv_select=None), 2 * 4 * (20 + 24 + 32)),
    ],
    ids=lambda v: getattr(v, "adapter", v),
)
def test_numbers_of_parameters_by_formula(model, transfer, count):
    trained, every = parameter_counts(adapt(model, transfer))
    assert trained == HEAD_COUNT + count
    # What is trained beyond the head was added, or was frozen until now.
    unfrozen = {"houlsby": 4 * 2 * 24, "lora_conv": 24 * 32 + 32}.get(transfer.adapter, 0)
    assert every == 19009 + count - unfrozen


@pytest.mark.parametrize("transfer", EVERY, ids=name)
def test_training_changes_what_may_change_and_nothing_else(model, transfer):
    keras.utils.set_random_seed(5)  # an adapter of few units may begin with none that is active
    adapted = adapt(model, transfer)
    before = values(adapted)
    allowed = {w.path for w in adapted.trainable_weights}
    if transfer.mode == "full" and transfer.batch_norm == "trained":
        allowed |= {path for path in before if "moving_" in path}
    train(adapted)
    after = values(adapted)
    changed = {path for path in before if not np.array_equal(before[path], after[path])}
    assert changed == allowed
    assert any(is_head(path) for path in changed)
    if transfer == FROZEN:
        assert any(path.endswith("batch_norm/gamma") for path in changed)
        assert not any("moving_" in path for path in changed)
    elif transfer.mode != "full":
        assert not any("moving_" in path or "batch_norm" in path for path in changed)


@pytest.mark.parametrize("transfer", [FROZEN, ALL[1], ALL[4], ALL[5], ALL[7]], ids=name)
def test_saved_and_loaded_it_trains_on(model, transfer, tmp_path):
    adapted = adapt(model, transfer)
    train(adapted)
    adapted.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", compile=False, safe_mode=True)
    np.testing.assert_array_equal(predicted(loaded), predicted(adapted))
    assert [w.path for w in loaded.trainable_weights] == [w.path for w in adapted.trainable_weights]
    ours, theirs = values(loaded), values(adapted)
    assert all(np.array_equal(ours[path], theirs[path]) for path in theirs)
    # As a resumed run does: a fresh model of the same params takes over the checkpoint.
    fresh = adapt(model, transfer)
    fresh.load_weights(tmp_path / "model.keras")
    np.testing.assert_array_equal(predicted(fresh), predicted(adapted))


MERGED = [t for t in ALL if t.adapter not in ("houlsby", "houlsby_se", "se")]


@pytest.mark.parametrize("transfer", MERGED, ids=name)
def test_merging_gives_the_pretrained_layers_back(model, transfer):
    adapted = filled(adapt(model, transfer))
    merged = merge(adapted)
    assert np.abs(predicted(adapted) - predicted(model)).max() > 1e-3
    np.testing.assert_allclose(predicted(merged), predicted(adapted), rtol=1e-5, atol=1e-6)
    assert [(x.name, type(x)) for x in merged.layers] == [(x.name, type(x)) for x in model.layers]
    assert [w.path for w in merged.weights] == [w.path for w in model.weights]
    assert len(merged.trainable_weights) == len(model.trainable_weights)


def test_only_what_has_a_plain_form_is_merged(model):
    with pytest.raises(ConfigError, match="'basenji' has no LoRA, LoCon or IA³ layer to merge"):
        merge(adapt(model, TransferParams("adapter", "houlsby")))


def test_which_layers_are_replaced(model):
    def replaced(transfer):
        return {x.name: type(x) for x in adapt(model, transfer).layers if isinstance(x, Adapted)}

    attention = ["trunk_3_transformer_tower_attention", "trunk_3_transformer_tower_attention2"]
    dense = ["trunk_3_transformer_tower_dense2", "trunk_3_transformer_tower_dense4"]
    convolutions = ["trunk_2_res_tower_conv2", "trunk_7_conv_nac_conv"]
    assert replaced(TransferParams(*LORA)) == dict.fromkeys(attention, LoraAttention)
    assert replaced(TransferParams("adapter", "ia3")) == dict.fromkeys(
        attention, IA3Attention
    ) | dict.fromkeys(dense, IA3Dense)
    assert replaced(TransferParams("adapter", "locon", conv_select=2)) == dict.fromkeys(
        attention, LoraAttention
    ) | dict.fromkeys(convolutions, LoraConv1D)


def test_houlsby_adapters_stand_at_the_end_of_each_branch(model):
    adapted = filled(adapt(model, TransferParams("adapter", "houlsby", adapter_latent=3)))
    added = [x for x in adapted.layers if x.name.endswith("_adapter_add")]
    assert [x.name for x in added] == [
        f"trunk_3_transformer_tower_add{n}_adapter_add" for n in ("", "2", "3", "4")
    ]
    stem = added[1].name.removesuffix("_adapter_add")
    branch = adapted.get_layer("trunk_3_transformer_tower_dropout3").output
    parts = keras.Model(adapted.input, [branch, added[1].output])
    x, got = (np.asarray(t) for t in parts(sequences(), training=False))
    (a, b), (c, d) = (
        adapted.get_layer(f"{stem}_adapter_{part}").get_weights() for part in ("down", "up")
    )
    want = x + np.maximum(x @ a + b, 0) @ c + d
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)


def test_squeeze_excite_gates_the_channels_of_a_convolution(model):
    adapted = filled(adapt(model, TransferParams("adapter", "se", conv_select=2)))
    name = "trunk_2_res_tower_conv2"
    outputs = [adapted.get_layer(n).output for n in (name, f"{name}_adapter_add")]
    x, got = (np.asarray(t) for t in keras.Model(adapted.input, outputs)(sequences()))
    down, up = (
        adapted.get_layer(f"{name}_adapter_{part}").get_weights()[0] for part in ("down", "up")
    )
    gate = np.tanh(np.maximum(x.mean(1, keepdims=True) @ down, 0) @ up)
    np.testing.assert_allclose(got, x + x * gate, rtol=1e-4, atol=1e-5)
    assert np.abs(gate).max() > 1e-3


def test_every_head_trains():
    heads = {"a": HEAD, "b": [{"name": "dense_block", "units": 3}, HEAD | {"units": 2}]}
    trunk = [{"name": "conv_block", "filters": 4, "kernel_size": 3, "pool_size": 4}]
    two = basenji(seq_length=32, trunk=trunk, heads=heads, norm_type="batch")
    linear = adapt(two, TransferParams("linear"))
    trained = {w.path for w in linear.trainable_weights}
    assert trained == {w.path for w in two.trainable_weights if is_head(w.path)}
    assert {path.split("_")[1] for path in trained} == {"a", "b"}


def test_a_heads_own_batch_norm_is_trained_though_the_trunks_is_frozen():
    heads = {"a": [{"name": "dense_block", "units": 3}, HEAD]}
    trunk = [{"name": "conv_block", "filters": 4, "kernel_size": 3, "pool_size": 4}]
    adapted = adapt(basenji(seq_length=32, trunk=trunk, heads=heads, norm_type="batch"), FROZEN)
    norms = [x for x in adapted.layers if isinstance(x, keras.layers.BatchNormalization)]
    frozen = {x.name: getattr(x, "frozen", False) for x in norms}
    assert set(frozen.values()) == {True, False}
    assert all(frozen[n] != is_head(n) for n in frozen)


def test_mixed_precision_starts_equal_too():
    half = shaken(
        basenji(seq_length=LENGTH, trunk=TRUNK, heads={"x": HEAD}, dtype="mixed_bfloat16")
    )
    for transfer in (ALL[3], ALL[5], ALL[7]):
        adapted = adapt(half, transfer)
        np.testing.assert_array_equal(predicted(adapted), predicted(half))
        assert {w.dtype for w in adapted.weights} == {"float32"}


def test_attention_that_windows_share_is_adapted_once():
    trunk = [
        {"name": "conv_block", "filters": 8, "kernel_size": 3, "pool_size": 8},
        {"name": "swin_transformer", "key_size": 4, "heads": 2, "dropout": 0},
    ]
    swin = shaken(basenji(seq_length=64, trunk=trunk, heads={"x": HEAD}))
    # Two transformers: 2·(8 + 8) for queries and as much for values, each.
    count = 2 * 2 * 2 * (8 + 8)
    lora = adapt(swin, TransferParams(*LORA, adapter_latent=2))
    assert parameter_counts(lora)[0] == count + 8 * 5 + 5
    np.testing.assert_array_equal(predicted(lora, 64), predicted(swin, 64))
    houlsby = adapt(swin, TransferParams("adapter", "houlsby", adapter_latent=2))
    assert sum(x.name.endswith("_adapter_up") for x in houlsby.layers) == 4


def graph(join):
    """Return a flat model whose joins `join` makes of [batch, 8, 6]."""
    inputs = keras.Input((8, 6), name="sequence")
    outputs = keras.layers.Dense(2, name="head")(join(inputs))
    return keras.Model({"sequence": inputs}, outputs, name="toy")


def residual(x):
    y = keras.layers.Dense(12, name="wide")(x)
    y = keras.layers.ReLU()(y)
    y = keras.layers.Dense(6, name="narrow")(y)
    return keras.layers.Add(name="join")([y, x])


def one_dense(x):
    x = keras.layers.Dense(6, name="before")(x)
    return keras.layers.Add(name="join")([x, keras.layers.Dense(6, name="only")(x)])


def convolution(x):
    return keras.layers.Add(name="join")([x, keras.layers.Conv1D(6, 3, padding="same")(x)])


def two_paths(x):
    left, right = keras.layers.Dense(6)(x), keras.layers.Dense(6)(x)
    return keras.layers.Add(name="join")([left, right])


def broadcast(x):
    mean = keras.layers.GlobalAveragePooling1D(keepdims=True)(x)
    return keras.layers.Add(name="join")([x, keras.layers.Dense(6)(mean)])


@pytest.mark.parametrize(
    ("join", "place", "is_sublayer", "feed_forward"),
    [
        (residual, 0, True, "narrow"),
        (one_dense, 1, True, None),
        (convolution, 1, False, None),
        (two_paths, None, None, None),
        (broadcast, None, None, None),
    ],
)
def test_residual_branches(join, place, is_sublayer, feed_forward):
    branches = residual_branches(graph(join))
    if place is None:
        assert branches == []
        return
    (branch,) = branches
    assert (branch.add.name, branch.place, branch.channels) == ("join", place, 6)
    assert branch.is_sublayer == is_sublayer
    assert getattr(branch.feed_forward, "name", None) == feed_forward


def test_the_graph_is_read_from_this_model_alone(model):
    # Another model of the same layers gives them further nodes.
    x = keras.Input((8, 6))
    toy = graph(residual)
    toy.get_layer("join")([x, x])
    assert [b.place for b in residual_branches(toy)] == [0]
    assert len(residual_branches(model)) == 4


@pytest.fixture(scope="module")
def small_basset():
    return shaken(
        basset(
            targets=3,
            input_length=96,
            stem_filters=6,
            tower_filters=(6, 8),
            neck_filters=4,
            dense_units=5,
        )
    )


@pytest.mark.parametrize(
    "transfer",
    [
        TransferParams("linear"),
        TransferParams("adapter", "locon", conv_select=None),
        TransferParams("adapter", "se", conv_select=3),
    ],
    ids=name,
)
def test_a_convolutional_model(small_basset, transfer):
    adapted = adapt(small_basset, transfer)
    np.testing.assert_array_equal(predicted(adapted, 96), predicted(small_basset, 96))
    trained = {w.path.split("/")[0] for w in adapted.trainable_weights}
    assert "head" in trained
    assert ("stem_conv" in trained) == (transfer.adapter == "locon")


@pytest.mark.parametrize(
    ("transfer", "message"),
    [
        (TransferParams(*LORA), "'lora' needs an attention layer, and the trunk of model 'basset'"),
        (TransferParams("adapter", "ia3"), "'ia3' needs an attention layer"),
        (
            TransferParams("adapter", "houlsby"),
            "'houlsby' needs a residual branch of attention or dense",
        ),
        (
            TransferParams("adapter", "locon", conv_select=5),
            "conv_select is 5, but adapter 'locon' can have 4 of the trunk's 4 convolutions",
        ),
        (
            TransferParams("adapter", "se", conv_select=4),
            "conv_select is 4, but adapter 'se' can have 3 of the trunk's 4 convolutions: want at "
            "most 3, or null",
        ),
        (
            TransferParams("adapter", "locon", conv_latent=5),
            "layer neck_conv: a low-rank update of rank 5 is no saving for 4 outputs",
        ),
    ],
)
def test_adapters_that_do_not_apply(small_basset, transfer, message):
    with pytest.raises(ConfigError, match=message) as caught:
        adapt(small_basset, transfer)
    assert "\n" not in str(caught.value)


def test_models_without_convolutions():
    with pytest.raises(ConfigError, match=r"'locon' needs a convolution, .* 'toy' has none"):
        adapt(graph(residual), TransferParams("adapter", "locon"))
    with pytest.raises(ConfigError, match="'se' needs a second convolution"):
        adapt(graph(convolution), TransferParams("adapter", "se", conv_select=None))


def test_models_that_cannot_be_adapted(model):
    linear = TransferParams("linear")
    with pytest.raises(ConfigError, match=r"has an adapter already, 'trunk_3_.*merge it first"):
        adapt(adapt(model, TransferParams(*LORA)), linear)
    with pytest.raises(ConfigError, match="has an adapter already, 'trunk_3_"):
        adapt(adapt(model, TransferParams("adapter", "houlsby")), linear)
    sequential = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)], name="row")
    inputs = keras.Input((4,))
    nested = keras.Model(inputs, sequential(inputs), name="outer")
    for function in (lambda m: adapt(m, linear), merge):
        with pytest.raises(ConfigError, match="model 'row' is no functional model"):
            function(sequential)
        with pytest.raises(ConfigError, match="model 'outer' holds another model, 'row'"):
            function(nested)
