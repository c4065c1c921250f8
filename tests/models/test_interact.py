import keras
import numpy as np
import pytest

from tfepi.geometry import bin_width as strides
from tfepi.models import (
    MODELS,
    attention_weights,
    basset,
    bin_width,
    interact,
    interact_celltype,
    make_model,
)
from tfepi.models.sizes import sized
from tfepi.params import parse_params, read_params
from tfepi.predictors import load_predictor
from tfepi.serving.export import export
from tfepi.spec import Head, ModelSpec
from tfepi.training.random_states import set_random_states
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

SMALL = {
    "input_length": 61,
    "kernels": 6,
    "pool": 5,
    "hidden": 8,
    "layers": 1,
    "attention_heads": 2,
    "feed_forward": 12,
    "positions": 20,
    "head_hidden": 7,
}
BUILD = {"interact": interact, "interact_celltype": interact_celltype}


@pytest.fixture(scope="module", params=BUILD)
def published(request):
    keras.utils.set_random_seed(11)
    return BUILD[request.param](targets=21)


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


def sequences(count=4, length=SMALL["input_length"]):
    rng = np.random.default_rng(3)
    return np.eye(4, dtype=np.float32)[rng.integers(0, 4, (count, length))]


def trainable(model_or_layer) -> int:
    return sum(int(np.prod(w.shape)) for w in model_or_layer.trainable_weights)


def test_parameters_are_those_of_the_sheet(published):
    kernels = 400 if published.name == "interact" else 512
    block = {"attention": 4 * (512 * 512 + 512), "attention_norm": 2 * 512, "norm": 2 * 512}
    block |= {"hidden": 512 * 2048 + 2048, "output": 2048 * 512 + 512}
    want = {
        "conv1": 4 * 10 * kernels + kernels,
        "conv1_norm": 2 * 2000 * kernels,
        "conv2": kernels * 10 * kernels + kernels,
        "conv2_norm": 2 * 1999 * kernels,
        "conv3": kernels * 10 * kernels + kernels,
        "conv3_norm": 2 * 2000 * kernels,
        "pool_norm": 2 * kernels,
        "embedding": kernels * 512,
        "position": 1024 * 512,
        "position_norm": 2 * 512,
        **{f"transformer{i}_{k}": v for i in range(8) for k, v in block.items()},
        "pooler": 512 * 512 + 512,
        # Two weight-normalised matrices: direction, bias and one length each.
        "head_hidden": (512 if kernels == 400 else 1024) * 512 + 512 + 1,
        "head_logits": 512 * 21 + 21 + 1,
    }
    assert {x.name: trainable(x) for x in published.layers if x.weights} == want
    total = {"interact": 34_502_471, "interact_celltype": 38_213_655}
    assert trainable(published) == sum(want.values()) == total[published.name]
    assert published.count_params() == trainable(published) + 2 * kernels  # moving averages


def test_lengths_are_those_of_the_sheet(published):
    kernels = 400 if published.name == "interact" else 512
    want = {
        "sequence": (2001, 4),
        "conv1": (2000, kernels),
        "conv2": (1999, kernels),
        "conv3": (2000, kernels),
        "conv3_norm": (2000, kernels),
        "pool": (100, kernels),
        "position": (100, 512),
        "transformer0_hidden": (100, 2048),
        "transformer7_norm": (100, 512),
        "first_token": (1, 512),
        "pooler": (1, 512),
        "head_hidden": (1, 512),
        "head": (1, 21),
    }
    if published.name == "interact_celltype":
        want |= {"max_pool": (1, 512), "pooled": (1, 1024)}
    assert {n: published.get_layer(n).output.shape[1:] for n in want} == want
    assert published.output_shape == (None, 1, 21)
    assert [t.name for t in published.inputs] == ["sequence"]
    trunk = [x.name for x in published.layers if not x.name.startswith("head")]
    assert trunk[-1] in ("pooler_tanh", "pooled")


def of_type(model, kind) -> dict:
    return {x.name: x for x in model.layers if type(x) is kind}


def test_settings_are_the_published_not_the_defaults_of_keras(published):
    celltype = published.name == "interact_celltype"
    conv, inner = (0.2, 0.02) if celltype else (0.5, 0.1)
    want = {"pool_dropout": conv, "position_dropout": inner, "head_dropout": 0.1}
    want |= {f"transformer{i}_attention_dropout": inner for i in range(8)}
    want |= {f"transformer{i}_dropout": inner for i in range(8)}
    if celltype:
        want["max_pool_dropout"] = conv
    assert {n: x.rate for n, x in of_type(published, keras.layers.Dropout).items()} == want

    norms = of_type(published, keras.layers.LayerNormalization)
    assert len(norms) == 3 + 1 + 16
    for name, norm in norms.items():
        wide = name.startswith("conv")
        assert norm.epsilon == (1e-5 if wide else 1e-12), name
        # Over the whole map, with weights of the map's size.
        assert list(norm.axis) == ([1, 2] if wide else [-1]), name
        assert norm.gamma.shape == (norm.input.shape[1:] if wide else (512,)), name
        assert norm.center, name
        assert norm.scale, name
    batch = published.get_layer("pool_norm")
    assert (batch.momentum, batch.epsilon) == (0.9, 1e-5)  # torch's momentum 0.1

    attention = of_type(published, keras.layers.MultiHeadAttention)
    assert list(attention) == [f"transformer{i}_attention" for i in range(8)]
    assert {(a.num_heads, a.key_dim, a.value_dim, a.use_bias) for a in attention.values()} == {
        (8, 64, 64, True)
    }
    assert {a.dropout for a in attention.values()} == {inner}
    gelus = [x for x in published.layers if type(x).__name__ == "Gelu"]
    assert [g.variant for g in gelus] == ["erf"] * 8
    dense = of_type(published, keras.layers.Dense)
    assert len(dense) == 1 + 16 + 1
    assert [n for n, d in dense.items() if not d.use_bias] == ["embedding"]
    assert {d.activation for d in dense.values()} == {keras.activations.linear}
    assert published.get_layer("pooler_tanh").activation is keras.activations.tanh
    assert published.get_layer("head").activation is keras.activations.sigmoid
    for number, pad in ((1, 4), (2, 4), (3, 5)):
        conv = published.get_layer(f"conv{number}")
        assert (conv.kernel_size, conv.padding, conv.strides) == ((10,), "valid", (1,))
        assert conv.activation is keras.activations.relu
        assert published.get_layer(f"conv{number}_pad").padding == (pad, pad)
    pool = published.get_layer("pool")
    assert (pool.pool_size, pool.strides, pool.padding) == ((20,), (20,), "valid")


def test_weights_start_as_in_torch_and_bert(published):
    normal, seen = 0, set()
    for layer in published.layers:
        for weight in layer.weights:
            values = np.asarray(weight)
            seen.add(float(values.flat[0])) if values.ndim > 1 else None
            if weight.name == "gain":
                assert values == pytest.approx(np.linalg.norm(layer.get_weights()[0]), rel=1e-5)
            elif layer.name.startswith("conv") and "norm" not in layer.name:
                bound = 1 / np.sqrt(layer.input.shape[2] * 10)  # torch's, of kernels and biases
                assert 0.95 * bound < np.abs(values).max() <= bound * 1.0001, weight.path
                assert values.std() == pytest.approx(bound / np.sqrt(3), rel=0.1), weight.path
            elif layer.name.startswith("head") and weight.name == "kernel":
                bound = 1 / np.sqrt(values.shape[0])  # BERT's N(0, 0.02) does not reach it
                assert 0.95 * bound < np.abs(values).max() <= bound * 1.0001, weight.path
            elif weight.name in ("kernel", "table"):
                normal += 1
                assert values.std() == pytest.approx(0.02, rel=0.02), weight.path
                assert np.abs(values).max() > 0.06  # not truncated
            else:
                one = weight.name in ("gamma", "moving_variance")
                np.testing.assert_array_equal(values, float(one), weight.path)
    assert normal == 2 + 8 * 6 + 1
    matrices = [w for w in published.weights if len(w.shape) > 1 and w.name in ("kernel", "table")]
    assert len(seen - {0.0, 1.0}) == len(matrices)  # none the same as another


def test_narrow_models_can_start_from_larger_weights():
    model = interact(**(SMALL | {"hidden": 64, "initializer_range": 0.1}))
    for name in ("embedding", "transformer0_hidden", "transformer0_output", "pooler", "position"):
        assert model.get_layer(name).get_weights()[0].std() == pytest.approx(0.1, rel=0.15), name
    query = model.get_layer("transformer0_attention").get_weights()[0]
    assert query.std() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize("value", [0, -0.1])
def test_first_weights_need_a_spread(value):
    with pytest.raises(ConfigError, match="initializer_range"):
        interact(**(SMALL | {"initializer_range": value}))


@pytest.mark.parametrize(
    ("options", "lengths"),
    [
        ({"input_length": 2001, "kernel_size": 10, "pool": 20}, (2000, 1999, 2000, 100)),
        ({"input_length": 61, "kernel_size": 5, "pool": 20}, (61, 61, 61, 3)),
        ({"input_length": 60, "kernel_size": 4, "pool": 7}, (59, 58, 59, 8)),
    ],
)
def test_other_windows_and_kernels(options, lengths):
    model = interact(**(SMALL | {"positions": 100} | options))
    names = ("conv1", "conv2", "conv3", "pool")
    assert tuple(model.get_layer(n).output.shape[1] for n in names) == lengths
    assert model.output_shape == (None, 1, 1)


def test_heads_are_by_name_and_apart():
    model = interact(**SMALL, targets={"brain": 2, "blood": 3})
    out = model({"sequence": sequences()})
    assert {n: tuple(y.shape) for n, y in out.items()} == {"brain": (4, 1, 2), "blood": (4, 1, 3)}
    found = sorted(x.name for x in model.layers if x.weights and x.name.startswith("head"))
    assert found == [
        f"head_{n}_{part}" for n in ("blood", "brain") for part in ("hidden", "logits")
    ]
    before = {n: np.asarray(y) for n, y in out.items()}
    layer = model.get_layer("head_brain_hidden")
    layer.bias.assign(np.ones(7))
    after = attention_weights(model)({"sequence": sequences()})
    assert after.keys() == {"brain", "blood", "transformer0_attention"}
    np.testing.assert_array_equal(after["blood"], before["blood"])
    assert np.abs(np.asarray(after["brain"]) - before["brain"]).max() > 1e-3


@pytest.mark.parametrize("build", BUILD.values())
def test_predictions_are_between_0_and_1_and_float32_in_any_precision(build):
    for dtype in ("float32", "mixed_bfloat16"):
        model = build(**SMALL, targets=3, dtype=dtype)
        y = model({"sequence": sequences()})
        assert y.dtype == "float32"
        assert y.shape == (4, 1, 3)
        assert 0 < np.asarray(y).min() < np.asarray(y).max() < 1
        compute = "bfloat16" if "16" in dtype else "float32"
        for layer in model.layers:
            head = layer.name.startswith("head") or layer.name == "sequence"
            assert layer.compute_dtype == ("float32" if head else compute), layer.name
            for inner in layer._flatten_layers():
                assert inner.compute_dtype == layer.compute_dtype, inner.name
        assert {keras.backend.standardize_dtype(w.dtype) for w in model.trainable_weights} == {
            "float32"
        }


def test_half_precision_trains_and_predicts_about_the_same():
    model = interact_celltype(**SMALL, targets=2, dtype="mixed_float16")
    twin = interact_celltype(**SMALL, targets=2)
    twin.set_weights(model.get_weights())
    x = {"sequence": sequences()}
    np.testing.assert_allclose(model(x), twin(x), atol=0.02)
    # Scaled, as in training, since gradients of new attention are below float16's least number;
    # eagerly, since tracing takes longer than the step.
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.AdamW(1e-3, weight_decay=0), initial_scale=1024
    )
    model.compile(optimizer, "mse", run_eagerly=True)
    before = [np.asarray(w) for w in model.trainable_weights]
    assert np.isfinite(model.train_on_batch(x, np.zeros((4, 1, 2), np.float32)))
    for old, weight in zip(before, model.trainable_weights, strict=True):
        assert np.isfinite(np.asarray(weight)).all(), weight.path
        if not weight.path.endswith("key/bias"):  # which moves all of a token's logits alike
            assert np.abs(np.asarray(weight) - old).max() > 0, weight.path


def test_saved_and_configured_again_it_is_the_same(tmp_path):
    model = interact_celltype(**SMALL, targets={"brain": 2, "blood": 1})
    x = {"sequence": sequences()}
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    config = keras.Model.from_config(model.get_config())
    config.set_weights(model.get_weights())
    for other in (again, config):
        for head, want in model(x).items():
            np.testing.assert_array_equal(other(x)[head], want)
        assert [w.path for w in other.weights] == [w.path for w in model.weights]


@pytest.mark.slow
def test_the_exported_model_predicts_the_same(tmp_path):
    name = "interact_celltype"  # which has all layers
    (tmp_path / "run").mkdir()
    BUILD[name](**SMALL, targets=2).save(tmp_path / "run/model_best.keras")
    heads = (Head("output", (Target(0, "a"), Target(1, "b"))),)
    ModelSpec(name, {"sequence": (61, 4)}, 1, 30, heads).write(tmp_path / "run/model.json")
    export(tmp_path / "run", tmp_path / "saved")
    given = {"sequence": np.random.default_rng(1).integers(0, 5, (3, 61), dtype=np.uint8)}
    want, got = (
        load_predictor(tmp_path / folder, batch_size=2).predict(given)["output"]
        for folder in ("run", "saved")
    )
    assert want.shape == (3, 1, 2)
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_attention_weights_are_of_every_layer_and_shared(tmp_path):
    sizes = SMALL | {"layers": 2, "targets": 2}
    interact(**sizes, dtype="mixed_bfloat16").save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    x = {"sequence": sequences()}
    attending = attention_weights(model)
    found = attending(x)
    assert found.keys() == {"output", "transformer0_attention", "transformer1_attention"}
    np.testing.assert_array_equal(found["output"], model(x))
    for name in ("transformer0_attention", "transformer1_attention"):
        assert found[name].shape == (4, 2, 12, 12)
        assert found[name].dtype == "float32"
        np.testing.assert_allclose(np.sum(found[name], axis=-1), 1, atol=0.02)
    model.get_layer("transformer1_attention").query_dense.bias.assign(5 * np.ones((2, 4)))
    changed = attending(x)
    np.testing.assert_array_equal(
        changed["transformer0_attention"], found["transformer0_attention"]
    )
    name = "transformer1_attention"
    assert np.abs(np.asarray(changed[name]) - np.asarray(found[name])).max() > 1e-3
    # The model is as before: it can be asked again, and written down.
    again = attention_weights(model)(x)
    np.testing.assert_array_equal(again[name], changed[name])
    assert model.get_layer(name).output[0].shape == (None, 12, 8)
    assert keras.Model.from_config(model.get_config()).count_params() == model.count_params()


def test_a_model_without_attention_is_refused():
    model = basset(targets=1, input_length=240, tower_filters=(4,), stem_filters=4)
    with pytest.raises(ConfigError, match="model 'basset' has no attention layers"):
        attention_weights(model)


def test_an_epochs_random_states_reach_every_dropout():
    model = interact_celltype(**(SMALL | {"layers": 2}))
    layers = [x for x in model._flatten_layers() if isinstance(x, keras.layers.Dropout)]
    inside = [x for x in layers if x not in model.layers]
    assert len(inside) == 2  # those of the attention weights
    states = []
    for epoch in (0, 0, 1):
        set_random_states(model, 44, epoch)
        states.append([np.asarray(x.seed_generator.state).tolist() for x in layers])
        model({"sequence": sequences()}, training=True)
    assert states[0] == states[1]
    assert len({tuple(s) for s in states[0] + states[2]}) == 2 * len(layers)


def section(**model):
    return parse_params({"model": {"name": "interact"} | SMALL | model}).model


def test_sizes_and_bin_width_are_the_datas():
    params = parse_params({"model": {"name": "interact_celltype", "kernels": 4}}).model
    params = sized(params, {"input_length": 301, "bin_width": 1})
    assert params.keywords == {"input_length": 301, "kernels": 4}
    model = make_model(section(), 2)
    assert model.get_layer("sequence").output.shape[1] == 61
    assert bin_width(section(), model) is None
    assert strides(model) is None
    assert MODELS["interact"] is interact
    basset_section = parse_params({"model": {"name": "basset"}}).model
    assert bin_width(basset_section, model) == 192


def test_params_may_name_heads():
    params = section(heads=["brain", "blood"], attention_heads=4)
    model = make_model(params, {"brain": 2, "blood": 1}, dtype="mixed_bfloat16")
    assert list(model.output) == ["brain", "blood"]
    assert model.get_layer("transformer0_attention").num_heads == 4


@pytest.mark.parametrize(
    ("model", "targets", "message"),
    [
        ({"kernel": 4}, 2, "did you mean 'kernels'"),
        ({"head": ["a"]}, 2, "unknown key 'head' .*did you mean 'heads'"),
        ({"targets": 3}, 2, "says targets 3, the data has 2"),
        ({"dropout": 1.5}, 2, "model.dropout is 1.5, want a number of at least 0 and below 1"),
        ({"hidden": 9}, 2, "hidden 9 is no multiple of 2 attention_heads"),
        ({"positions": 11}, 2, "12 tokens for a position table of 11: use more positions"),
        ({"input_length": 5}, 2, "input_length 5 leaves 4 positions after the convolutions, less"),
        ({"input_length": 1, "kernel_size": 4}, 2, "input_length 1 leaves 0 positions"),
        ({}, {"a/b": 1}, "targets has 'a/b', which cannot name a head: use letters"),
    ],
)
def test_bad_model_sections_are_refused(model, targets, message):
    with pytest.raises(ConfigError, match=message):
        make_model(section(**model), targets)


def test_a_model_of_one_head_takes_no_others():
    params = parse_params({"model": {"name": "basset"}}).model
    with pytest.raises(ConfigError, match="'basset' has one head, the data are for brain, blood"):
        make_model(params, {"brain": 1, "blood": 2})


@pytest.mark.parametrize("name", BUILD)
@pytest.mark.parametrize("phase", ["pretrain", "finetune"])
def test_presets_train_as_published(name, phase):
    params = read_params(f"{name}_{phase}")
    assert params.source["model"] == {"name": name}
    train = params.train
    batch = {"interact_pretrain": 1024, "interact_finetune": 512}.get(f"{name}_{phase}", 128)
    assert train.batch_size == batch
    assert (train.optimizer, train.learning_rate) == ("adamw", 1.76e-4)
    assert (train.weight_decay, train.weight_decay_on) == (0.01, "kernels")
    assert (train.warmup_steps, train.linear_decay) == (10000, True)
    assert (train.global_clipnorm, train.clip_norm) == (1.0, None)
    assert (train.best_by, train.metrics) == ("global_pearsonr", "methylation")
    assert train.loss == ("bce" if (name, phase) == ("interact_celltype", "finetune") else "mse")


def test_the_small_presets_share_a_model():
    first, second = (read_params(f"interact_small_{p}") for p in ("pretrain", "finetune"))
    assert first.source["model"] == second.source["model"]
    model = make_model(sized(first.model, {"input_length": 301, "bin_width": 1}), 2)
    assert model.output_shape == (None, 1, 2)
    assert trainable(model) < 200_000


def test_the_small_presets_start_with_an_ear_for_all_tokens():
    """As published, a narrow model's prediction hangs on the first token's bases alone."""
    params = read_params("interact_small_pretrain")
    sizes = {k: v for k, v in params.source["model"].items() if k not in ("name", "augment_rc")}

    def heard(**options) -> float:
        """Return the effect of new bases in the middle over that of new ones at the front."""
        keras.utils.set_random_seed(1)
        model = interact(input_length=601, **(sizes | options))
        before, other = sequences(32, 601), sequences(64, 601)[32:]

        def effect(begin, end):
            after = before.copy()
            after[:, begin:end] = other[:, begin:end]
            found = [np.asarray(model({"sequence": x}, training=False)) for x in (before, after)]
            return np.abs(found[1] - found[0]).mean()

        return effect(300, 360) / effect(0, 60)

    assert heard(initializer_range=0.02) < 0.02
    assert heard() > 0.04
