"""Weight files of Basenji: the same predictions, and errors that say what is wrong."""

import json
from dataclasses import replace

import h5py
import keras
import numpy as np
import pytest

from tfepi.models import make_model
from tfepi.params import parse_params, read_params
from tfepi.predictors import load_predictor, read_spec
from tfepi.pretrained import basenji_h5
from tfepi.pretrained.basenji import assign_h5, h5_spec, write_h5
from tfepi.pretrained.weights_file import StoredLayer, read_weights, write_weights
from tfepi.spec import AveragedPredictor
from tfepi.startup import import_tensorflow
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target, is_numbered

import_tensorflow()

MODEL = {
    "seq_length": 64,
    "activation": "gelu",
    "norm_type": "batch",
    "bn_momentum": 0.9,
    "trunk": [
        {"name": "conv_dna", "filters": 6, "kernel_size": 5, "pool_size": 2},
        {"name": "conv_tower", "filters_init": 6, "filters_end": 8, "repeat": 2, "pool_size": 2},
        {"name": "dilated_residual", "filters": 4, "repeat": 2},
    ],
    "head": {"name": "final", "units": 3, "activation": "softplus"},
}


def params(**changes):
    return parse_params({"train": {}, "model": MODEL | changes})


def model_of(values, seed=1):
    """A model whose weights, moving averages too, are random."""
    model = make_model(values.model, None)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.uniform(0.2, 1, w.shape) for w in model.get_weights()])
    return model


SEQUENCES = {"sequence": one_hot(np.random.default_rng(0).integers(0, 5, (3, 64)))}


def test_predictions_are_the_published(test_data):
    folder = test_data / "fixtures" / "basenji" / "model"
    model = basenji_h5(folder / "small.params.json", folder / "small.h5")
    with np.load(folder / "small.npz") as known:
        rows = slice(1, None)  # row 0 was changed after it was coded
        found = model.predict({"sequence": one_hot(known["idx"][rows])}, verbose=0)
        np.testing.assert_allclose(found, known["preds"][rows], rtol=1e-5)
        predictor = load_predictor(
            folder / "small.h5", params=read_params(folder / "small.params.json")
        )
        averaged = AveragedPredictor(predictor, rc=True, shifts=(0, 1, -1))
        found = averaged.predict({"sequence": known["idx"][rows]})["output"]
        np.testing.assert_allclose(found, known["preds_ens_rc_shift"][rows], rtol=1e-5)


def test_names_and_shapes_are_those_of_the_file(test_data):
    folder = test_data / "fixtures" / "basenji" / "model"
    stated = json.loads((folder / "small.weights.json").read_text())
    found = [
        (name, list(array.shape))
        for layer in read_weights(folder / "small.h5")
        for name, array in layer.weights
    ]
    assert found == [tuple(entry) for entry in stated]


def test_what_is_written_is_read_again(tmp_path):
    model = model_of(params())
    write_h5(model, tmp_path / "model.h5")
    names = [layer.name for layer in read_weights(tmp_path / "model.h5")]
    assert names[:3] == ["conv1d", "batch_normalization", "conv1d_1"]
    (tmp_path / "params.json").write_text(json.dumps({"train": {}, "model": MODEL}))
    again = basenji_h5(tmp_path / "params.json", tmp_path / "model.h5")
    np.testing.assert_array_equal(again(SEQUENCES), model(SEQUENCES))


def test_layers_are_matched_by_number_not_by_place_in_the_file(tmp_path):
    """A file may list layers in another order, and count on from models made before."""
    model = model_of(params())
    write_h5(model, tmp_path / "model.h5")
    moved = []
    for stored in reversed(read_weights(tmp_path / "model.h5")):
        name = f"{stored.kind}_{stored.number + 7}"
        weights = tuple((w.replace(stored.name, name, 1), a) for w, a in stored.weights)
        moved.append(StoredLayer(name, stored.kind, stored.number + 7, weights))
    write_weights(tmp_path / "moved.h5", moved)
    again = make_model(params().model, None)
    assign_h5(again, tmp_path / "moved.h5")
    np.testing.assert_array_equal(again(SEQUENCES), model(SEQUENCES))


def test_synchronised_batch_norm_and_a_saved_model_file_are_read(tmp_path):
    model = model_of(params())
    write_h5(model, tmp_path / "model.h5")
    with h5py.File(tmp_path / "model.h5") as old, h5py.File(tmp_path / "whole.h5", "w") as new:
        group = new.create_group("model_weights")  # as model.save writes it
        names = [n.decode() for n in old.attrs["layer_names"]]
        group.attrs["layer_names"] = [n.replace("batch_n", "sync_batch_n").encode() for n in names]
        for name in names:
            renamed = name.replace("batch_n", "sync_batch_n")
            old.copy(name, group, name=renamed)
            if renamed != name:
                group[renamed].move(name, renamed)
                weights = [w.decode() for w in old[name].attrs["weight_names"]]
                group[renamed].attrs["weight_names"] = [
                    w.replace(name, renamed, 1).encode() for w in weights
                ]
    again = make_model(params().model, None)
    assign_h5(again, tmp_path / "whole.h5")
    np.testing.assert_array_equal(again(SEQUENCES), model(SEQUENCES))


def test_many_layer_names_are_stored_in_parts(tmp_path):
    """HDF5 holds less than 64 KiB in an attribute; Keras cuts the list."""
    weights = ("w:0", np.zeros(1, np.float32))
    layers = [
        StoredLayer(f"dense_{i}", "dense", i, ((f"dense_{i}/{'x' * 60}:0", weights[1]),))
        for i in range(1, 9000)
    ]
    write_weights(tmp_path / "many.h5", layers)
    with h5py.File(tmp_path / "many.h5") as file:
        assert "layer_names" not in file.attrs
        assert "layer_names1" in file.attrs
    assert [x.number for x in read_weights(tmp_path / "many.h5")] == list(range(1, 9000))


def test_a_trunk_is_taken_from_a_model_with_another_head(tmp_path):
    other = params(head={"name": "final", "units": 9})
    source = model_of(other)
    write_h5(source, tmp_path / "other.h5")
    model = make_model(params().model, None)
    head = [layer for layer in model.layers if layer.name.startswith("head")][-1].get_weights()
    assign_h5(model, tmp_path / "other.h5", trunk=True)
    for layer in model.layers:
        if layer.name.startswith("trunk"):
            for a, b in zip(
                layer.get_weights(), source.get_layer(layer.name).get_weights(), strict=True
            ):
                np.testing.assert_array_equal(a, b)
    after = [layer for layer in model.layers if layer.name.startswith("head")][-1].get_weights()
    for a, b in zip(head, after, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_deeper_trunk_is_not_taken_for_a_head(tmp_path):
    deeper = params(trunk=[*MODEL["trunk"], {"name": "conv_block", "filters": 8}])
    write_h5(model_of(deeper), tmp_path / "deeper.h5")
    with pytest.raises(ConfigError, match=r"8 layers of kind 'conv1d', params.json makes 7"):
        assign_h5(make_model(params().model, None), tmp_path / "deeper.h5", trunk=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"trunk": [MODEL["trunk"][0] | {"filters": 7}, *MODEL["trunk"][1:]]},
            r"layer trunk_1_conv_dna_conv has weights 5×4×7, its conv1d 5×4×6",
        ),
        ({"head": {"name": "final", "units": 4}}, r"its dense 8×3, 3$"),
        ({"trunk": MODEL["trunk"][:2]}, r"7 layers of kind 'conv1d', params.json makes 3; .* left"),
        (
            {"trunk": [*MODEL["trunk"], {"name": "conv_block", "filters": 4}]},
            r"7 layers of kind 'conv1d', params.json makes 8; .* trunk_4_conv_block_conv",
        ),
    ],
)
def test_another_topology_is_refused_and_named(tmp_path, changes, message):
    write_h5(model_of(params()), tmp_path / "model.h5")
    with pytest.raises(ConfigError, match=message):
        assign_h5(make_model(params(**changes).model, None), tmp_path / "model.h5")


def test_a_refused_file_changes_nothing(tmp_path):
    write_h5(model_of(params()), tmp_path / "model.h5")
    model = make_model(params(head={"name": "final", "units": 4}).model, None)
    before = model.get_weights()
    with pytest.raises(ConfigError):
        assign_h5(model, tmp_path / "model.h5")
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_files_that_are_no_models(tmp_path):
    (tmp_path / "text.h5").write_text("no HDF5")
    with pytest.raises(InputFileError, match="no HDF5 file, or truncated"):
        read_weights(tmp_path / "text.h5")
    with h5py.File(tmp_path / "scores.h5", "w") as file:
        file["SAD"] = np.zeros(3)
    with pytest.raises(InputFileError, match="is no model: it holds SAD"):
        read_weights(tmp_path / "scores.h5")
    write_h5(model_of(params()), tmp_path / "model.h5")
    content = (tmp_path / "model.h5").read_bytes()
    (tmp_path / "cut.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputFileError, match="no HDF5 file, or truncated"):
        read_weights(tmp_path / "cut.h5")
    inputs = keras.Input((3,))
    new = keras.Model(inputs, keras.layers.Dense(2)(inputs))
    new.save_weights(tmp_path / "new.weights.h5")
    with pytest.raises(InputFileError, match=r"Keras 3's own weights format.* give the .keras"):
        read_weights(tmp_path / "new.weights.h5")
    (tmp_path / "nothing.h5").touch()
    with pytest.raises(InputFileError, match=r"nothing.h5: it is empty; copy it again"):
        read_weights(tmp_path / "nothing.h5")
    with pytest.raises(InputFileError, match="does not exist"):
        read_weights(tmp_path / "absent.h5")
    write_weights(tmp_path / "empty.h5", [])
    with pytest.raises(InputFileError, match="a model without any weight"):
        read_weights(tmp_path / "empty.h5")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("trunk", [False, True])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value, trunk):
    model = model_of(params())
    norm = next(x for x in model.layers if isinstance(x, keras.layers.BatchNormalization))
    norm.moving_variance.assign(np.r_[np.ones(norm.moving_variance.shape[0] - 1), value])
    write_h5(model, tmp_path / "model.h5")
    fresh = make_model(params().model, None)
    before = fresh.get_weights()
    message = r"model.h5: layer batch_normalization has weights that are no finite .*moving_var"
    with pytest.raises(InputFileError, match=message):
        assign_h5(fresh, tmp_path / "model.h5", trunk)
    for a, b in zip(before, fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_file_of_keras_3_is_called_so(tmp_path):
    model = model_of(params())
    model.save(tmp_path / "new.h5")
    with pytest.raises(ConfigError, match=r"new.h5 was saved by Keras 3\..* \(give its .keras"):
        assign_h5(model, tmp_path / "new.h5")
    write_h5(model, tmp_path / "old.h5")
    with pytest.raises(ConfigError, match=r"old.h5 has another topology than"):
        assign_h5(make_model(params(trunk=MODEL["trunk"][:2]).model, None), tmp_path / "old.h5")


def test_strand_pairs_are_the_tables_or_those_params_state():
    """Without a table Basenji averages strands by params.json's pairs."""
    stated = params(strand_pair=[[1, 0, 2]])
    head = h5_spec(stated).head()
    assert head.strand_order == (1, 0, 2)
    assert all(map(is_numbered, head.targets))
    assert h5_spec(params()).head().strand_order is None
    assert h5_spec(params(strand_pair=[1, 0, 2])).head().strand_order == (1, 0, 2)
    plain = [Target(i, f"a{i}") for i in range(3)]
    assert h5_spec(stated, plain).head().strand_order == (1, 0, 2)
    table = [Target(i, f"a{i}", strand_pair=p) for i, p in enumerate((0, 2, 1))]
    assert h5_spec(stated, table).head().strand_order == (0, 2, 1)
    two = {"head_mouse": {"name": "final", "units": 2}, "strand_pair": [[0, 1, 2], [1, 0]]}
    assert h5_spec(params(**two), head="mouse").head().strand_order == (1, 0)
    for pairs in ([[1, 0]], [[1, 2, 0]], [[1, 0, 3]]):
        with pytest.raises(ConfigError, match=r"strand_pair of params.json is .* for 3 outputs"):
            h5_spec(params(strand_pair=pairs))


def test_the_contract_of_an_h5():
    several = params(head_human={"name": "final", "units": 5})
    del several.model.keywords["heads"]["output"]
    spec = h5_spec(params(), [Target(i, f"a{i}") for i in range(3)])
    assert (spec.seq_length, spec.bin_width, spec.crop, spec.target_length) == (64, 8, 0, 8)
    assert [t.identifier for t in spec.head().targets] == ["a0", "a1", "a2"]
    some = h5_spec(params(), [Target(2, "last")]).head().targets
    assert [t.identifier for t in some] == ["t0", "t1", "last"]
    moved = h5_spec(params(), [Target(i, f"a{i}") for i in (2, 0, 1)]).head().targets
    assert [t.identifier for t in moved] == ["a0", "a1", "a2"]  # the index says which output
    for table in ([Target(3, "x")], [Target(i, f"a{i}") for i in (10, 11, 12)]):
        with pytest.raises(ConfigError, match=r"has [13] rows?, .* up to \d+; .* 3 outputs"):
            h5_spec(params(), table)


def test_a_head_is_chosen_by_name_or_number():
    several = params(head_mouse={"name": "final", "units": 5})
    assert h5_spec(several).head().name == "output"
    for head in ("mouse", "1"):
        assert len(h5_spec(several, head=head).head("mouse").targets) == 5
    with pytest.raises(ConfigError, match=r"unknown head 'mose'.* did you mean 'mouse'"):
        h5_spec(several, head="mose")
    with pytest.raises(ConfigError, match=r"an .h5 of Basenji goes with a trunk"):
        h5_spec(read_params("basset"))


def test_a_flattening_model_takes_the_bin_width_that_is_stated():
    flat = params(
        head=[{"name": "dense_block", "flatten": True, "units": 4}, {"name": "final", "units": 3}]
    )
    assert [h5_spec(flat).bin_width, h5_spec(flat).crop] == [8, 24]  # as Basenji counts


def test_the_data_name_the_outputs_and_the_bins_of_a_flattening_model(small_data):
    flat = params(
        head=[{"name": "dense_block", "flatten": True, "units": 4}, {"name": "final", "units": 3}]
    )
    data = replace(Data.open(small_data), pool_width=64)
    spec = h5_spec(flat, data=data)
    assert (spec.bin_width, spec.crop, spec.target_length) == (64, 0, 1)
    assert spec.head().targets == data.targets
    with pytest.raises(ConfigError, match="has 2 targets, the model has 3"):
        h5_spec(flat, data=replace(data, targets=data.targets[:2]))


def test_an_h5_needs_its_params(tmp_path):
    write_h5(model_of(params()), tmp_path / "model.h5")
    with pytest.raises(InputFileError, match=r"name its params.json"):
        read_spec(tmp_path / "model.h5")
