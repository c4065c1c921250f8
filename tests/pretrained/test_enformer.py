"""Enformer from its published forms: the published stages, the oracle's predictions, the sizes."""

import keras
import numpy as np
import pytest

from tfepi.pretrained import enformer_checkpoint, enformer_torch
from tfepi.pretrained.enformer_files import of_checkpoint, of_torch, open_weights
from tfepi.pretrained.state_dict import StateDict
from tfepi.startup import import_tensorflow

import_tensorflow()
FORMS = ("checkpoint", "saved_model", "npz", "safetensors")
FIXTURE = {"input_length": 32768, "target_length": 192}
STAGES = {
    "stem": "stem_pool",
    **{f"conv_tower_{i}": f"tower{i + 1}_pool" for i in range(6)},
    **{f"transformer_{i}_mha": f"transformer{i}_attention_add" for i in range(2)},
    **{f"transformer_{i}": f"transformer{i}_add" for i in range(2)},
    "crop": "crop",
    "final_pointwise": "trunk",
    "head_human": "head_human",
    "head_mouse": "head_mouse",
}


def one_hot(indices):
    return np.eye(5, 4, dtype=np.float32)[indices]


def check(found, wanted):
    assert list(found) == list(wanted)
    for head, values in wanted.items():
        np.testing.assert_allclose(found[head], values, atol=1e-5)


def stages(model, sequence):
    inner = keras.Model(model.inputs, {k: model.get_layer(v).output for k, v in STAGES.items()})
    return inner({"sequence": sequence.astype(np.float32)})


@pytest.mark.parametrize("form", ["checkpoint", "weights_checkpoint_keys.npz", "torch"])
def test_stages_are_the_published(test_data, form):
    folder = test_data / "fixtures" / "enformer" / "small96"
    if form == "torch":
        model = enformer_torch(dict(np.load(folder / "weights_torch_keys.npz")), **FIXTURE)
    else:
        model = enformer_checkpoint(folder / form, **FIXTURE)
    with np.load(folder / "stages_reference.npz") as known:
        found = stages(model, known["input"])
        for name in STAGES:
            apart = np.abs(found[name] - known[name]).max()
            assert apart <= 1e-4 * max(1, known[name].std()), name
    with np.load(folder / "stages_torch_gamma_over_positions.npz") as known:
        for name in set(known) & set(STAGES):
            apart = np.abs(found[name] - known[name]).max()
            assert apart <= 1e-4 * max(1, known[name].std()), name
    with np.load(folder / "stages_torch_as_published_must_not_match.npz") as known:
        names = [n for n in set(known) & set(STAGES) if n.startswith("transformer")]
        assert names
        for name in names:
            apart = np.abs(found[name] - known[name]).max()
            assert apart > 1e-2 * known[name].std(), name


@pytest.mark.parametrize("form", FORMS)
def test_every_form_predicts_what_the_oracle_does(copies, published, wanted, form):
    function = enformer_torch if form == "safetensors" else enformer_checkpoint
    model = function(getattr(published, form), **copies.SIZES)
    indices, outputs = wanted
    check(model({"sequence": one_hot(indices)}), outputs)


def test_arrays_by_name_are_taken(copies, published, wanted):
    indices, outputs = wanted
    for model in (
        enformer_checkpoint(published.arrays, **copies.SIZES),
        enformer_torch(copies.torch_arrays(published.arrays), **copies.SIZES),
    ):
        check(model({"sequence": one_hot(indices)}), outputs)


def test_files_of_torch_are_read(copies, published, tmp_path):
    torch = pytest.importorskip("torch", reason="torch, which writes .bin files, is not installed")
    named = copies.torch_arrays(published.arrays)
    torch.save({k: torch.tensor(v) for k, v in named.items()}, tmp_path / "pytorch_model.bin")
    found = enformer_torch(tmp_path / "pytorch_model.bin", **copies.SIZES)
    wanted = enformer_torch(named, **copies.SIZES)
    for ours, theirs in zip(found.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("form", FORMS)
def test_sizes_are_what_the_arrays_have(copies, published, form):
    assert open_weights(getattr(published, form)).sizes() == copies.FOUND


def test_the_published_rounding_is_preferred(copies):
    """Widths of the published model are multiples of 128, and would be what 64 makes, too."""
    arrays = {k: np.zeros(0) for k in copies.shapes()}
    widths = dict(enumerate((768, 896, 1024, 1152, 1280, 1536)))
    for n, width in widths.items():
        arrays[f"_trunk/_layers/1/_layers/{n}/_layers/0/_layers/2/b"] = np.zeros(width)
    for n in range(copies.LAYERS):
        path = f"_trunk/_layers/2/_layers/{n}/_layers/0/_module/_layers/1/_r_w_bias"
        arrays[path] = np.zeros((1, 8, 1, 64))
    for head in copies.OUTPUTS:
        arrays[f"_heads/{head}/_layers/0/b"] = np.zeros(7)
    sizes = of_checkpoint(arrays).sizes()
    assert sizes["width_rounding"] == 128
    assert (sizes["channels"], sizes["attention_heads"], sizes["key_size"]) == (1536, 8, 64)


def test_rates_and_lengths_can_be_given(copies, published):
    sizes = {"input_length": 1024, "target_length": 2, "dropout": 0.0}
    model = enformer_checkpoint(published.checkpoint, **sizes)
    assert model.output["human"].shape == (None, 2, 5)
    assert not any(layer.name == "transformer0_attention_dropout" for layer in model.layers)


def test_buffers_without_weights_are_passed_over(copies, published):
    named = copies.torch_arrays(published.arrays)
    assert any(name.endswith("num_batches_tracked") for name in named)
    named["transformer.0.0.fn.1.positions"] = np.ones((31, 12))
    enformer_torch(named, **copies.SIZES)
    arrays = published.arrays | {"step": np.array(3), "optimizer/m/0": np.ones(2)}
    enformer_checkpoint(arrays, **copies.SIZES)
    enformer_checkpoint(
        {k: v for k, v in arrays.items() if not k.endswith(("_hidden", "_counter"))}, **copies.SIZES
    )


def test_an_average_is_not_the_hidden_one(copies, published):
    """Sonnet's is corrected for its start at zero; `_hidden` is not."""
    arrays = dict(published.arrays)
    path = "_trunk/_layers/0/_layers/1/_module/_layers/0/moving_mean"
    model = enformer_checkpoint(arrays, **copies.SIZES)
    found = model.get_layer("stem_pointwise_norm").moving_mean
    np.testing.assert_array_equal(found, arrays[f"{path}/average"].ravel())
    assert not np.allclose(found, arrays[f"{path}/_hidden"].ravel())


def test_a_weight_may_have_either_of_its_names_in_torch(copies, published):
    once = copies.torch_arrays(published.arrays)
    once = {k: v for k, v in once.items() if k.startswith(("_trunk", "_heads"))}
    assert of_torch(StateDict("x", once, once.__getitem__)).sizes() == copies.FOUND
