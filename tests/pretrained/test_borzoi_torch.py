"""Weights of borzoi-pytorch: the same model as the authors' .h5, and clear errors."""

import copy
import importlib.util
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from tfepi.models import make_model
from tfepi.params import parse_params, read_params
from tfepi.predictors import load_predictor, read_spec
from tfepi.pretrained import basenji_h5
from tfepi.pretrained.basenji import write_h5
from tfepi.pretrained.borzoi_torch import borzoi_spec, borzoi_torch, stored_heads, torch_rows
from tfepi.pretrained.stored_units import stored_units
from tfepi.serving.convert import convert
from tfepi.training.restore import restore_weights
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import write_json
from tfrecords_tools.targets import Target

PUBLISHED = {
    "tower": (512, 608, 736, 896, 1056, 1280, 1536),
    "depth": 8,
    "keys": 8 * 64,
    "positions": 32,
    "last": 1920,
    "heads": {"human": 7611, "mouse": 2608},
}
TINY = {
    "tower": (6, 7, 8, 9, 11, 12, 14),
    "depth": 8,
    "keys": 2 * 3,
    "positions": 4,
    "last": 10,
    "heads": {"human": 5, "mouse": 3},
}


def shapes(tower, depth, keys, positions, last, heads) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of borzoi-pytorch's state dict, by name."""
    dim = tower[-1]
    found = {}

    def add(module, *kernel, norm=None):
        if norm:
            for part in ("weight", "bias", "running_mean", "running_var"):
                found[f"{module}.norm.{part}"] = (norm,)
            found[f"{module}.norm.num_batches_tracked"] = ()
            module += ".conv_layer"
        found[f"{module}.weight"] = kernel
        found[f"{module}.bias"] = kernel[:1]

    add("conv_dna.conv_layer", tower[0], 4, 15)
    for step, (channels, filters) in enumerate(pairwise(tower)):
        add(f"res_tower.{2 * step}" if step < 5 else "unet1.1", filters, channels, 5, norm=channels)
    for block in range(depth):
        part = f"transformer.{block}"
        for place in (0, 1):
            add(f"{part}.{place}.fn.0", dim)
        for name, width in {"to_q": keys, "to_k": keys, "to_v": dim}.items():
            found[f"{part}.0.fn.1.{name}.weight"] = (width, dim)
        add(f"{part}.0.fn.1.to_out", dim, dim)
        found[f"{part}.0.fn.1.to_rel_k.weight"] = (keys, positions)
        count = 8 if keys > 100 else 2
        for name in ("rel_content_bias", "rel_pos_bias"):
            found[f"{part}.0.fn.1.{name}"] = (1, count, 1, keys // count)
        add(f"{part}.1.fn.1", 2 * dim, dim)
        add(f"{part}.1.fn.4", dim, 2 * dim)
    for level, earlier in ((1, dim), (0, tower[-2])):
        add(f"horizontal_conv{level}", dim, earlier, 1, norm=earlier)
        add(f"upsampling_unet{level}.0", dim, dim, 1, norm=dim)
        found[f"separable{level}.conv_layer.0.weight"] = (dim, 1, 3)
        add(f"separable{level}.conv_layer.1", dim, dim, 1)
    add("final_joined_convs.0", last, dim, 1, norm=dim)
    for head, targets in heads.items():
        add(f"{head}_head", targets, last, 1)
    return found


# Which Keras 2 layer of the authors' .h5 each module is, as borzoi-pytorch's conversion has it.
TOWER = [*(f"res_tower.{n}" for n in (0, 2, 4, 6, 8)), "unet1.1"]
UNET = ["upsampling_unet1.0", "horizontal_conv1", "upsampling_unet0.0", "horizontal_conv0"]
DENSE = [f"transformer.{n}.1.fn.{part}" for n in range(8) for part in (1, 4)]
H5_MODULES = {
    "conv1d": ["conv_dna", *TOWER, "final_joined_convs.0"],
    "separable_conv1d": ["separable1", "separable0"],
    "dense": [*DENSE, *UNET, "human_head", "mouse_head"],
    "batch_normalization": [*TOWER, *UNET, "final_joined_convs.0"],
    "layer_normalization": [f"transformer.{n}.{part}.fn.0" for n in range(8) for part in (0, 1)],
    "multihead_attention": [f"transformer.{n}.0.fn.1" for n in range(8)],
}
ATTENTION = ("rel_content_bias", "rel_pos_bias", "to_q.weight", "to_k.weight", "to_v.weight")
ATTENTION += ("to_out.weight", "to_out.bias", "to_rel_k.weight")


def h5_arrays(kind: str, module: str, arrays: dict) -> list[np.ndarray]:
    """Arrays of torch as the Keras 2 layer of the .h5 has them, in its order."""
    if kind == "multihead_attention":
        found = [arrays[f"{module}.{part}"] for part in ATTENTION]
        return [a.T if a.ndim == 2 else a for a in found]
    if kind == "batch_normalization":
        parts = ("weight", "bias", "running_mean", "running_var")
        return [arrays[f"{module}.norm.{part}"] for part in parts]
    if kind == "layer_normalization":
        return [arrays[f"{module}.weight"], arrays[f"{module}.bias"]]
    module = module if f"{module}.weight" in arrays else f"{module}.conv_layer"
    if kind == "separable_conv1d":
        depthwise, pointwise, bias = (
            arrays[f"{module}.{p}"] for p in ("0.weight", "1.weight", "1.bias")
        )
        return [np.moveaxis(depthwise, 2, 0), np.moveaxis(pointwise, (0, 1, 2), (2, 1, 0)), bias]
    kernel = np.moveaxis(arrays[f"{module}.weight"], 0, -1)  # out last
    if kind == "conv1d":
        kernel = np.moveaxis(kernel, 1, 0)  # positions first
    elif kernel.ndim == 3:
        kernel = kernel[:, 0]
    return [kernel, arrays[f"{module}.bias"]]


def tiny_source(**model):
    """A params.json of Borzoi of the sizes of TINY."""
    source = copy.deepcopy(read_params("borzoi").source)
    source["model"].update({"seq_length": 2048, "target_length": 54}, **model)
    stem, tower, transformer, _, _, cropping, last = source["model"]["trunk"]
    stem["filters"], last["filters"], cropping["cropping"] = 6, TINY["last"], 5
    tower.update(filters_init=7, filters_end=14, divisible_by=1)
    transformer.update(heads=2, key_size=3, num_position_features=TINY["positions"])
    for head, units in TINY["heads"].items():
        source["model"][f"head_{head}"]["units"] = units
    return source


def tiny_params(**model):
    return parse_params(tiny_source(**model))


def random_arrays(sizes=TINY, seed=5):
    rng = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes(**sizes).items():
        spread = 0.3 if len(shape) == 1 else (1.3 / np.prod(shape[1:])) ** 0.5
        found[name] = rng.normal(0, spread, shape).astype(np.float32)
        if ".norm.weight" in name or name.endswith(("running_var", "fn.0.weight")):
            found[name] = rng.uniform(0.5, 1.5, shape).astype(np.float32)
        if name.endswith("num_batches_tracked"):
            found[name] = np.array(7)
    return found


@pytest.fixture(scope="module")
def arrays():
    return random_arrays()


@pytest.fixture(scope="module")
def model(arrays):
    return borzoi_torch(arrays, tiny_params())


SEQUENCES = np.eye(4, dtype=np.float32)[np.random.default_rng(6).integers(4, size=(2, 2048))]


def predictions(model):
    """Predictions on SEQUENCES, {head: [2, bins, targets]}, or an array."""
    return keras.tree.map_structure(np.asarray, model({"sequence": SEQUENCES}))


def test_the_published_model_has_the_published_arrays():
    params = read_params("borzoi")
    with keras.StatelessScope(initialize_variables=False):
        published = make_model(params.model, None)
        rows = torch_rows(published, params)
    keras.utils.clear_session()
    wanted = {n: s for n, s in shapes(**PUBLISHED).items() if not n.endswith("tracked")}
    assert sorted(name for name, _, _ in rows) == sorted(wanted)
    assert len({id(variable) for _, variable, _ in rows}) == len(published.weights)
    for name, variable, transform in rows:
        array = np.broadcast_to(np.float32(0), wanted[name])
        assert (array if transform is None else transform(array)).shape == variable.shape, name


def test_each_weight_is_that_of_the_authors_file(model, arrays):
    """The n-th layer of a kind has the arrays that the authors' n-th layer was converted to."""
    places = dict.fromkeys(H5_MODULES, 0)
    for unit in stored_units(model):
        module = H5_MODULES[unit.kind][places[unit.kind]]
        places[unit.kind] += 1
        found = [keras.ops.convert_to_numpy(weight) for weight in unit.weights]
        for got, want in zip(found, h5_arrays(unit.kind, module, arrays), strict=True):
            np.testing.assert_array_equal(got, want, err_msg=f"{unit.name}, {module}")
    assert places == {kind: len(modules) for kind, modules in H5_MODULES.items()}


def test_a_file_and_its_arrays_are_the_same_model(model, arrays, tmp_path):
    save_file(arrays, tmp_path / "model.safetensors")
    other = borzoi_torch(tmp_path / "model.safetensors", tiny_params())
    found, wanted = predictions(other), predictions(model)
    assert wanted["human"].shape == (2, 54, 5)
    for head in ("human", "mouse"):
        np.testing.assert_array_equal(found[head], wanted[head])


def test_commands_take_a_file_as_they_take_any_model(model, arrays, tmp_path):
    file, params = tmp_path / "model.safetensors", tiny_params()
    save_file(arrays, file)
    spec = read_spec(file, params)
    assert [h.name for h in spec.heads] == ["human", "mouse"]
    found = load_predictor(file, 2, params, spec).predict({"sequence": SEQUENCES})
    wanted = predictions(model)
    for head in ("human", "mouse"):
        np.testing.assert_allclose(found[head], wanted[head], rtol=1e-5, atol=1e-6)
    written = convert(file, params, spec, tmp_path / "made" / "model.keras", head="mouse")
    assert [p.name for p in written] == ["model.keras", "model.json", "params.json"]
    again = load_predictor(written[0]).predict({"sequence": SEQUENCES})
    np.testing.assert_allclose(again["mouse"], wanted["mouse"], rtol=1e-5, atol=1e-6)
    with pytest.raises(ConfigError, match=r"make a \.keras of it with tfepi_convert\.py"):
        restore_weights(model, file)


def test_the_authors_h5_and_torch_agree(model, arrays, tmp_path):
    """Through an .h5 in the authors' layout, of one head as theirs, the predictions are equal."""
    write_json(tmp_path / "params.json", tiny_source())
    human = borzoi_torch(arrays, tmp_path / "params.json", heads=["human"])
    write_h5(human, tmp_path / "model0_best.h5")
    loaded = basenji_h5(tmp_path / "params.json", tmp_path / "model0_best.h5", "human")
    wanted = predictions(model)["human"]
    np.testing.assert_array_equal(predictions(human), wanted)
    np.testing.assert_array_equal(predictions(loaded), wanted)


def test_heads_are_those_of_the_weights(model, arrays):
    mouse = {name: array for name, array in arrays.items() if not name.startswith("human")}
    assert stored_heads(mouse) == ["mouse"]
    found = borzoi_torch(mouse, tiny_params())
    assert found.output_shape == (None, 54, 3)
    np.testing.assert_array_equal(predictions(found), predictions(model)["mouse"])


def test_the_contract_is_that_of_the_model(arrays):
    rows = [Target(index=4, identifier="RNA", file="rna.w5", strand_pair=None)]
    spec = borzoi_spec(arrays, tiny_params(), rows, "human")
    assert (spec.seq_length, spec.bin_width, spec.crop, spec.target_length) == (2048, 32, 160, 54)
    assert {head.name: len(head.targets) for head in spec.heads} == TINY["heads"]
    assert spec.head("human").targets[4].identifier == "RNA"
    mouse = {name: array for name, array in arrays.items() if not name.startswith("human")}
    assert [head.name for head in borzoi_spec(mouse, tiny_params()).heads] == ["mouse"]
    with pytest.raises(ConfigError, match="has the heads human, mouse: name the table's with"):
        borzoi_spec(arrays, tiny_params(), rows)
    with pytest.raises(ConfigError, match="unknown head 'human' of the state dict"):
        borzoi_spec(mouse, tiny_params(), rows, "human")
    with pytest.raises(ConfigError, match="the model has 3 outputs"):
        borzoi_spec(mouse, tiny_params(), rows)


@pytest.mark.parametrize(
    ("heads", "line"),
    [
        (["mouse"], "the state dict has the head human, not 'mouse': give the weights that were"),
        (["yeast"], "unknown head 'yeast' in model of params.json: choose from human, mouse"),
    ],
)
def test_a_head_that_is_not_there_is_named(arrays, heads, line):
    human = {name: array for name, array in arrays.items() if not name.startswith("mouse")}
    with pytest.raises(ConfigError, match=line):
        borzoi_torch(human, tiny_params(), heads)


def test_missing_and_extra_arrays_are_all_named(arrays, tmp_path):
    changed = dict(arrays)
    changed["unet1.1.extra"] = changed.pop("unet1.1.norm.bias")
    del changed["separable0.conv_layer.1.bias"]
    save_file(changed, tmp_path / "model.safetensors")
    with pytest.raises(ConfigError) as caught:
        borzoi_torch(tmp_path / "model.safetensors", tiny_params())
    line = str(caught.value)
    assert "lacks unet1.1.norm.bias, separable0.conv_layer.1.bias; " in line
    assert "no place for unet1.1.extra: give" in line


def test_another_depth_is_told_by_its_arrays(arrays):
    params = tiny_params()
    params.model.keywords["trunk"][2]["repeat"] = 9
    with pytest.raises(ConfigError, match=r"it lacks transformer\.8\.0\.fn\.0\.weight, "):
        borzoi_torch(arrays, params)
    params.model.keywords["trunk"][2]["repeat"] = 7
    with pytest.raises(ConfigError, match=r"no place for transformer\.7\.0\.fn\.0\.weight, "):
        borzoi_torch(arrays, params)


def test_another_width_is_told_by_the_first_array(arrays):
    params = tiny_params()
    params.model.keywords["trunk"][1]["filters_init"] = 8
    line = r"res_tower\.0\.conv_layer\.weight has shape 7×6×5, which cannot fill .*shape 5×6×8"
    with pytest.raises(ConfigError, match=line):
        borzoi_torch(arrays, params)


def test_weights_of_another_model_are_refused(arrays):
    flash = {"transformer.0.0.fn.1.mha.Wqkv.weight": np.ones((2, 2)), **arrays}
    with pytest.raises(ConfigError, match="is of Flashzoi, whose attention has rotary positions"):
        borzoi_torch(flash, tiny_params())
    trunk = {name: array for name, array in arrays.items() if "_head." not in name}
    with pytest.raises(ConfigError, match=r"has no head .*state dict of a whole Borzoi"):
        borzoi_torch(trunk, tiny_params())
    broken = arrays | {"conv_dna.conv_layer.bias": np.full(6, np.nan)}
    with pytest.raises(InputFileError, match=r"conv_dna\.conv_layer\.bias has values that are no"):
        borzoi_torch(broken, tiny_params())
    with pytest.raises(InputFileError, match=r"does not exist: check .*johahi/borzoi-replicate-0"):
        borzoi_torch("nowhere.safetensors", tiny_params())


def test_params_of_another_model_are_refused(arrays):
    with pytest.raises(ConfigError, match="not of a Borzoi: they have the model 'basset_2016'"):
        borzoi_torch(arrays, "basset_2016")
    with pytest.raises(ConfigError, match="they have the trunk conv_dna, res_tower, conv_block, "):
        borzoi_torch(arrays, "transformer_unet_small")


@pytest.mark.parametrize(
    ("block", "settings", "layer"),
    [
        (0, {"norm_type": "batch"}, "gamma of layer trunk_1_conv_dna_batch_norm"),
        (1, {"num_convs": 2}, "scale of layer trunk_2_res_tower_scale"),
        (
            2,
            {"qkv_width": 3},
            "query_depthwise_kernel of layer trunk_3_transformer_tower_attention",
        ),
    ],
)
def test_layers_that_are_not_there_in_torch_are_named(arrays, block, settings, layer):
    params = tiny_params()
    params.model.keywords["trunk"][block].update(settings)
    with pytest.raises(ConfigError, match=f"{layer} has no counterpart in borzoi-pytorch"):
        borzoi_torch(arrays, params)


def test_predictions_are_those_of_borzoi_pytorch(model, arrays, tmp_path):
    for name in ("torch", "borzoi_pytorch"):
        if not importlib.util.find_spec(name):
            pytest.skip(f"{name}, the other side of the parity test, is not installed")
    widths = dict(zip(PUBLISHED["tower"], TINY["tower"], strict=True)) | {1920: TINY["last"]}
    widths |= {PUBLISHED["heads"][head]: units for head, units in TINY["heads"].items()}
    config = {"dim": 14, "heads": 2, "attn_dim_key": 3, "attn_dim_value": 7}
    config |= {"bins_to_return": 54, "enable_mouse_head": True}
    sizes = {"widths": widths, "positions": 16, "position_features": 4, "config": config}
    write_json(tmp_path / "sizes.json", sizes)
    np.savez(tmp_path / "arrays.npz", x=SEQUENCES, **arrays)
    files = [tmp_path / name for name in ("arrays.npz", "sizes.json", "out.npz")]
    script = Path(__file__).with_name("run_borzoi_pytorch.py")
    done = subprocess.run([sys.executable, script, *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = predictions(model)
    with np.load(files[2]) as wanted:
        assert set(wanted["names"]) == set(arrays)
        for head in ("human", "mouse"):
            assert wanted[head].std() > 0.1
            bar = 1e-5 * max(1, wanted[head].std())
            np.testing.assert_allclose(found[head], wanted[head], rtol=1e-5, atol=bar)
