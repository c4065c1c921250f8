"""Enformer's SavedModel as a Predictor: any batch, either length, letters, some tracks."""

import hashlib
import shutil

import numpy as np
import pytest

from tfepi.predictors import load_predictor, read_spec
from tfepi.pretrained import enformer_hub
from tfepi.pretrained.hub import HubPredictor, hub_spec, read_signature
from tfepi.spec import AveragedPredictor
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.targets import Target

tf = import_tensorflow()


@pytest.fixture(scope="module")
def hub(copies, published):
    return enformer_hub(
        published.saved_model, 2, spec=hub_spec(published.saved_model, copies.SIZES)
    )


def check(found, wanted, rows=slice(None)):
    assert list(found) == list(wanted)
    for head, values in wanted.items():
        assert found[head].dtype == np.float32
        np.testing.assert_allclose(found[head], values[rows], atol=1e-5)


def test_every_batch_and_form_of_input_is_taken(hub, wanted):
    indices, outputs = wanted
    for rows in (slice(0, 1), slice(0, 2), slice(0, 3)):
        check(hub.predict({"sequence": indices[rows]}), outputs, rows)
    codes = np.eye(5, 4)[indices]
    for one_hot in (codes, codes.astype(np.uint8), codes.astype(np.float32)):
        check(hub.predict({"sequence": one_hot}), outputs)
    texts = ["".join("ACGTn"[i] for i in row) for row in indices]
    check(hub.predict({"sequence": texts}), outputs)
    check(hub.predict({"sequence": texts[0]}), outputs, slice(0, 1))


def test_the_longer_sequence_is_taken_and_its_middle_used(copies, hub, wanted):
    indices, outputs = wanted
    side = copies.LENGTH // 2
    longer = np.random.default_rng(1).integers(0, 4, (3, 2 * copies.LENGTH), dtype=np.uint8)
    longer[:, side:-side] = indices
    check(hub.predict({"sequence": longer}), outputs)
    check(hub.predict({"sequence": np.eye(5, 4, dtype=np.float32)[longer]}), outputs)


@pytest.mark.parametrize(("length", "advice"), [(2000, "pad it with N"), (2050, "crop it to the")])
def test_other_lengths_are_refused(hub, length, advice):
    message = f"has {length} bp, the model takes 2048 or 4096: {advice}"
    for sequence in ("A" * length, np.zeros((1, length), np.uint8)):
        with pytest.raises(ConfigError, match=message):
            hub.predict({"sequence": sequence})
    with pytest.raises(ConfigError, match="has 'X' at position 1, both from 0"):
        hub.predict({"sequence": "AX" + "A" * 2046})


def test_some_tracks_are_returned(copies, published, wanted):
    indices, outputs = wanted
    spec = hub_spec(published.saved_model, copies.SIZES)
    tracks = {"human": [4, 0, 4], "mouse": (1,)}
    found = enformer_hub(published.saved_model, tracks=tracks, spec=spec)
    assert [t.index for t in found.spec.head("human").targets] == [4, 0, 4]
    check(
        found.predict({"sequence": indices}),
        {"human": outputs["human"][:, :, [4, 0, 4]], "mouse": outputs["mouse"][:, :, [1]]},
    )
    mouse = enformer_hub(published.saved_model, tracks={"mouse": [2]}, spec=spec)
    check(mouse.predict({"sequence": indices}), {"mouse": outputs["mouse"][:, :, [2]]})


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ({"human": [0, 5]}, "track 5 of head 'human' is out of range: it has 5, want 0 to 4"),
        ({"mouse": [-1]}, "track -1 of head 'mouse' is out of range: it has 3, want 0 to 2"),
        ({"mousse": [0]}, "unknown head 'mousse': did you mean 'mouse'"),
    ],
)
def test_tracks_out_of_range_are_refused(copies, published, tracks, message):
    spec = hub_spec(published.saved_model, copies.SIZES)
    with pytest.raises(ConfigError, match=message):
        enformer_hub(published.saved_model, tracks=tracks, spec=spec)


def test_the_signature_is_read_without_loading(copies, published):
    found = read_signature(published.saved_model)
    assert found.owner == ("model",)
    assert found.length == 2 * copies.LENGTH
    assert found.outputs == {"human": (8, 5), "mouse": (8, 3)}
    assert list(found.outputs) == ["human", "mouse"]


def test_the_released_code_saves_it_otherwise(copies, published, wanted, tmp_path):
    """Without the outer object and without cropping inside."""
    copies.write_saved_model(published.arrays, tmp_path / "x", copies.LENGTH, owner=None)
    assert read_signature(tmp_path / "x").owner == ()
    spec = hub_spec(tmp_path / "x")
    assert (spec.seq_length, spec.crop, spec.target_length) == (copies.LENGTH, 512, 8)
    indices, outputs = wanted
    check(enformer_hub(tmp_path / "x", 3).predict({"sequence": indices}), outputs)
    with pytest.raises(ConfigError, match="has 4096 bp, the model takes 2048: crop it"):
        enformer_hub(tmp_path / "x").predict({"sequence": np.zeros((1, 4096), np.uint8)})


def published_signature(folder, length, known=True):
    """A SavedModel of the published lengths and heads whose outputs are sums over bins."""

    class Enformer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, length, 4], tf.float32)])
        def predict_on_batch(self, x):
            bins = tf.reshape(
                x[:, -114_688 + (114_688 - length) // 2 :][:, :114_688], (-1, 896, 512)
            )
            sums = tf.reduce_sum(bins, -1, keepdims=True)
            outputs = {"human": tf.tile(sums, (1, 1, 5313)), "mouse": tf.tile(sums, (1, 1, 1643))}
            if known:
                return outputs
            return {
                k: tf.raw_ops.PlaceholderWithDefault(input=v, shape=(None,) * 3)
                for k, v in outputs.items()
            }

    root = tf.Module()
    root.model = Enformer()
    tf.saved_model.save(root, str(folder))


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("length", [393_216, 196_608])
def test_the_published_sizes(tmp_path, length, known):
    published_signature(tmp_path / "enformer_1", length, known)
    spec = hub_spec(tmp_path / "enformer_1")
    assert (spec.name, spec.seq_length, spec.bin_width, spec.crop) == (
        "enformer",
        196_608,
        128,
        40_960,
    )
    assert {h.name: len(h.targets) for h in spec.heads} == {"human": 5313, "mouse": 1643}
    model = enformer_hub(tmp_path / "enformer_1", tracks={"human": [5312]})
    sequence = np.full((1, 196_608), 4, np.uint8)
    sequence[0, 40_960 : 40_960 + 129] = 0  # the first bin and one base of the second
    found = model.predict({"sequence": sequence})["human"]
    assert found.shape == (1, 896, 1)
    assert found[0, :3, 0].tolist() == [128, 1, 0]


def test_commands_load_it(copies, published, wanted, params):
    table = (Target(1, "second"),)
    spec = read_spec(published.saved_model, params(), table, "mouse")
    assert [t.identifier for t in spec.head("mouse").targets] == ["t0", "second", "t2"]
    predictor = load_predictor(published.saved_model, 2, params(), spec)
    assert isinstance(predictor, HubPredictor)
    assert predictor.spec is spec
    indices, outputs = wanted
    check(predictor.predict({"sequence": indices}), outputs)
    averaged = AveragedPredictor(predictor, rc=True).predict({"sequence": indices})
    turned = predictor.predict({"sequence": np.array([3, 2, 1, 0, 4], np.uint8)[indices[:, ::-1]]})
    mean = (outputs["human"] + turned["human"][:, ::-1]) / 2
    np.testing.assert_allclose(averaged["human"], mean, atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"input_length": 8192},
            r"input_length is 8192 bp, SavedModel .* takes 4096: want at most",
        ),
        ({"target_length": 4}, r"target_length is 4, SavedModel .* gives 8 bins"),
        ({"input_length": 2050}, r"input_length 2050 is no multiple of 128, .* use 2048 or 2304"),
    ],
)
def test_sizes_that_do_not_fit(copies, published, params, sizes, message):
    with pytest.raises(ConfigError, match=message):
        read_spec(published.saved_model, params(**sizes))


def test_heads_that_do_not_fit(published, params):
    with pytest.raises(ConfigError, match=r"names the heads brain, .* has human, mouse"):
        read_spec(published.saved_model, params(heads=["brain"]))


def test_other_saved_models_are_refused(tmp_path):
    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 8, 4], tf.float32)])
        def predict_on_batch(self, x):
            return x

        @tf.function(input_signature=[tf.TensorSpec([None, 8, 4], tf.float32)])
        def serve(self, x):
            return {"human": x}

    tf.saved_model.save(Other(), str(tmp_path / "x"))
    with pytest.raises(InputFileError, match=r"no model.predict_on_batch from sequences to a dict"):
        enformer_hub(tmp_path / "x")
    with pytest.raises(
        InputFileError, match=r"SavedModel .*none does not exist.*kaggle.com/models"
    ):
        enformer_hub(tmp_path / "none")
    with pytest.raises(InputFileError, match=r"is no SavedModel: Enformer is published"):
        enformer_hub(tmp_path)


def test_our_own_exports_are_not_loaded_so(published, params, tmp_path):
    """They have a contract, by which they are told."""
    shutil.copytree(published.saved_model, tmp_path / "ours")
    (tmp_path / "ours" / "assets.extra").mkdir()
    spec = read_spec(published.npz, params())
    spec.write(tmp_path / "ours" / "assets.extra" / "model.json")
    assert read_spec(tmp_path / "ours") == spec
    for load in (enformer_hub, hub_spec, lambda path: HubPredictor(path, spec)):
        with pytest.raises(
            InputFileError,
            match=r"ours was exported here .*: load it with tfepi.predictors.load_predictor, or",
        ):
            load(tmp_path / "ours")


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"sequence": []}, "the list of sequences is empty: give at least one"),
        ({"sequence": np.zeros((0, 2048), np.uint8)}, "there is no sequence, but an array of sh"),
        ({"sequence": np.full((1, 2048), 5, np.uint8)}, "the base index 5 is none"),
        ({"sequence": np.zeros((1, 2048, 5))}, r"shape \(1, 2048, 5\): want base indices"),
        ({"sequences": "A" * 2048}, "unknown input 'sequences' of the model: did you mean"),
        ({}, "the model takes sequence, and no input is given"),
    ],
)
def test_inputs_that_are_none_are_refused(hub, inputs, message):
    with pytest.raises(ConfigError, match=message):
        hub.predict(inputs)


def test_unknown_heads_without_sizes_are_refused(tmp_path):
    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 256, 4], tf.float32)])
        def predict_on_batch(self, x):
            return {"brain": tf.raw_ops.PlaceholderWithDefault(input=x, shape=None)}

    tf.saved_model.save(Other(), str(tmp_path / "x"))
    with pytest.raises(InputFileError, match="does not say how many tracks 'brain' has"):
        hub_spec(tmp_path / "x")


def test_outputs_that_are_not_as_said_are_refused(tmp_path):
    class Other(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 256, 4], tf.float32)])
        def predict_on_batch(self, x):
            bins = tf.reduce_sum(tf.reshape(x, (-1, 2, 512)), -1, keepdims=True)
            return {"human": tf.raw_ops.PlaceholderWithDefault(input=bins, shape=(None,) * 3)}

    tf.saved_model.save(Other(), str(tmp_path / "x"))
    model = enformer_hub(tmp_path / "x", spec=hub_spec(tmp_path / "x", {"target_length": 2}))
    with pytest.raises(
        InputFileError, match=r"gives \[1, 2, 1\] for head 'human', want \[1, 2, 531"
    ):
        model.predict({"sequence": "A" * 256})


def test_damaged_saved_models_are_named(copies, published, tmp_path):
    spec = hub_spec(published.saved_model, copies.SIZES)
    shutil.copytree(published.saved_model, tmp_path / "x")
    variables = tmp_path / "x" / "variables" / "variables.data-00000-of-00001"
    variables.write_bytes(variables.read_bytes()[:1000])
    with pytest.raises(InputFileError, match=r"cannot load SavedModel .*x: .*; copy it again"):
        enformer_hub(tmp_path / "x", spec=spec)
    content = (tmp_path / "x" / "saved_model.pb").read_bytes()
    (tmp_path / "x" / "saved_model.pb").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputFileError, match=r"SavedModel .*x is damaged: saved_model.pb cannot"):
        enformer_hub(tmp_path / "x")


def test_a_handle_is_found_in_the_cache(copies, published, wanted, tmp_path, monkeypatch):
    handle = "https://tfhub.dev/deepmind/enformer/1"
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    shutil.copytree(published.saved_model, tmp_path / hashlib.sha1(handle.encode()).hexdigest())
    indices, outputs = wanted
    model = enformer_hub(handle, spec=hub_spec(handle, copies.SIZES))
    check(model.predict({"sequence": indices}), outputs)
