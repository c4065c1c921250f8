"""Norms of gradients against finite differences on a tiny model."""

import numpy as np
import pytest

from tfepi.conditioning.gradients import gradient_norms
from tfrecords_tools.errors import ConfigError

LENGTH, BINS, EXAMPLES = 12, 3, 5


@pytest.fixture(scope="module")
def make_model():
    """Return a function that makes a small smooth model of named inputs."""
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    def make(names=("sequence", "tracks", "cell_state"), activation="sigmoid", weight=1.0):
        keras.utils.set_random_seed(3)
        shapes = {"sequence": (LENGTH, 4), "tracks": (6, 3), "cell_state": (2,)}
        inputs = {n: keras.Input(shapes[n], name=n) for n in names}
        parts = []
        if "sequence" in inputs:
            x = keras.layers.Conv1D(4, 3, padding="same", activation="tanh")(inputs["sequence"])
            parts.append(keras.layers.AveragePooling1D(LENGTH // BINS)(x))
        if "tracks" in inputs:
            x = keras.layers.Rescaling(weight)(inputs["tracks"])
            x = keras.layers.Conv1D(4, 3, padding="same", activation="tanh")(x)
            parts.append(keras.layers.AveragePooling1D(6 // BINS)(x))
        if "cell_state" in inputs:
            x = keras.layers.Dense(4, activation="tanh")(inputs["cell_state"])
            parts.append(keras.layers.RepeatVector(BINS)(x))
        x = keras.layers.Add()(parts) if len(parts) > 1 else parts[0]
        out = keras.layers.Conv1D(2, 1, activation=activation, name="output")(x)
        return keras.Model(inputs, out)

    return make


def examples(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "sequence": np.eye(4, dtype=np.float32)[rng.integers(0, 4, (EXAMPLES, LENGTH))],
        "tracks": rng.gamma(1, [1, 3, 1], (EXAMPLES, 6, 3)).astype(np.float32),
        "cell_state": rng.normal(size=(EXAMPLES, 2)).astype(np.float32),
    }


def slow_norms(model, batch, channel, bins, scale):
    """Raw and scaled norms per example by central differences."""

    names = [t.name for t in model.inputs]

    def output(inputs):
        value = model({n: inputs[n] for n in names}, training=False).numpy()
        value = value[:, bins, channel].astype(float)
        if scale == "logit":
            value = np.log(value / (1 - value))
        elif scale == "log":
            value = np.log(value)
        return value.sum(axis=1)

    norms = {}
    for name in names:
        x = batch[name]
        places = list(np.ndindex(x.shape[1:]))
        ends = []
        for step in (0.01, -0.01):
            moved = np.repeat(x[None], len(places), axis=0)
            for number, place in enumerate(places):
                moved[(number, slice(None), *place)] += step
            others = {
                n: np.tile(batch[n], (len(places), *(1,) * (batch[n].ndim - 1))) for n in names
            }
            values = output(others | {name: moved.reshape(-1, *x.shape[1:])})
            ends.append(values.reshape(len(places), EXAMPLES))
        gradient = ((ends[0] - ends[1]) / 0.02).T.reshape(x.shape)
        if name == "sequence":
            gradient -= gradient.mean(axis=-1, keepdims=True)
        if name == "tracks":
            gradient, x = gradient[..., :2], x[..., :2]
        flat = x.reshape(-1, x.shape[-1])
        axes = tuple(range(1, gradient.ndim))
        norms[name] = {
            "raw": np.sqrt((gradient**2).sum(axis=axes)),
            "scaled": np.sqrt(((gradient * flat.std(axis=0)) ** 2).sum(axis=axes)),
        }
    return norms


@pytest.mark.parametrize(
    ("scale", "activation"), [("logit", "sigmoid"), ("log", "softplus"), ("linear", "softplus")]
)
def test_norms_equal_finite_differences(make_model, scale, activation):
    model, batch = make_model(activation=activation), examples()
    bins = slice(1, 3)
    halves = [{n: v[s] for n, v in batch.items()} for s in (slice(0, 2), slice(2, None))]
    found = gradient_norms(model, halves, 1, bins, scale)
    assert found["examples"] == EXAMPLES
    want = slow_norms(model, batch, 1, bins, scale)
    for name, kinds in want.items():
        for kind, values in kinds.items():
            entry = found["norms"][name][kind]
            assert entry["mean"] == pytest.approx(values.mean(), rel=2e-3)
            assert entry["sd"] == pytest.approx(values.std(), rel=2e-2, abs=1e-4)
    for name in ("tracks", "cell_state"):
        for kind in ("raw", "scaled"):
            ratio = want["sequence"][kind] / want[name][kind]
            entry = found["ratios"][name][kind]
            assert entry["mean"] == pytest.approx(ratio.mean(), rel=5e-3)
            assert entry["examples"] == EXAMPLES


def test_given_deviations_take_the_place_of_the_examples(make_model):
    model, batch = make_model(), examples()
    one_cell = batch | {"cell_state": np.repeat(batch["cell_state"][:1], EXAMPLES, axis=0)}
    found = gradient_norms(model, [one_cell], 0)
    assert found["ratios"]["cell_state"]["scaled"] is None  # nothing varies
    found = gradient_norms(model, [one_cell], 0, deviations={"cell_state": 2.0})
    raw = found["norms"]["cell_state"]["raw"]["mean"]
    assert found["norms"]["cell_state"]["scaled"]["mean"] == pytest.approx(2 * raw)


def test_only_scaled_norms_are_free_of_units(make_model):
    batch = examples()
    model = make_model(("sequence", "tracks"))
    tenfold = make_model(("sequence", "tracks"), weight=0.1)
    first = gradient_norms(model, [batch], 0)["ratios"]["tracks"]
    second = gradient_norms(tenfold, [batch | {"tracks": 10 * batch["tracks"]}], 0)
    second = second["ratios"]["tracks"]
    assert second["scaled"]["mean"] == pytest.approx(first["scaled"]["mean"], rel=1e-4)
    assert second["raw"]["mean"] == pytest.approx(10 * first["raw"]["mean"], rel=1e-4)


def test_the_middle_bin_is_the_default(make_model):
    model, batch = make_model(), examples()
    assert gradient_norms(model, [batch], 0) == gradient_norms(model, [batch], 0, slice(1, 2))


def test_a_model_without_accessibility_has_no_ratio(make_model):
    found = gradient_norms(make_model(("sequence",)), [examples()], 0)
    assert found["ratios"] == {"tracks": None, "cell_state": None}
    assert set(found["norms"]) == {"sequence"}
    found = gradient_norms(make_model(("sequence", "cell_state")), [examples()], 0)
    assert found["ratios"]["tracks"] is None
    assert found["ratios"]["cell_state"]["raw"]["mean"] > 0


def test_an_input_that_never_matters(make_model):
    found = gradient_norms(make_model(weight=0.0), [examples()], 0)
    assert found["norms"]["tracks"]["raw"]["mean"] == 0
    assert found["ratios"]["tracks"] == {"raw": None, "scaled": None}


def test_a_saturated_probability_still_has_a_gradient(make_model):
    model = make_model(("sequence",))
    before = gradient_norms(model, [examples()], 0)
    weights, bias = model.get_layer("output").get_weights()
    model.get_layer("output").set_weights([weights, bias - 30])  # p near 1e-13
    after = gradient_norms(model, [examples()], 0)
    want = before["norms"]["sequence"]["raw"]["mean"]
    assert after["norms"]["sequence"]["raw"]["mean"] == pytest.approx(want, rel=1e-3)


def test_errors(make_model):
    model, batch = make_model(), examples()
    with pytest.raises(ConfigError, match="unknown scale of gradients 'logits'"):
        gradient_norms(model, [batch], 0, scale="logits")
    with pytest.raises(ConfigError, match="output channel 2 is not one of the model's 2"):
        gradient_norms(model, [batch], 2)
    with pytest.raises(ConfigError, match="no examples"):
        gradient_norms(model, [], 0)
    with pytest.raises(ConfigError, match="takes tracks, which the examples lack"):
        gradient_norms(model, [{n: v for n, v in batch.items() if n != "tracks"}], 0)
    batch["tracks"][1] = np.nan
    with pytest.raises(ConfigError, match="is no finite number in 1 of 5 examples"):
        gradient_norms(model, [batch], 0)


def test_heads(make_model):
    import keras

    model, batch = make_model(), examples()
    twin = make_model()
    outputs = {"second": model.output, "first": keras.layers.Rescaling(2.0)(model.output)}
    both = keras.Model(model.input, outputs)
    found = gradient_norms(both, [batch], 0, scale="linear", head="first")
    want = gradient_norms(twin, [batch], 0, scale="linear")
    entries = [v["norms"]["tracks"]["raw"]["mean"] for v in (found, want)]
    assert entries[0] == pytest.approx(2 * entries[1], rel=1e-5)
    alone = keras.Model(model.input, {"second": model.output})
    assert gradient_norms(alone, [batch], 0) == gradient_norms(twin, [batch], 0)
    for head in (None, "other"):
        with pytest.raises(ConfigError, match=f"unknown head {head!r} of the model"):
            gradient_norms(both, [batch], 0, head=head)
