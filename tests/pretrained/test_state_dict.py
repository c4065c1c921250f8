"""State dicts of torch: read from files as arrays, and put into a model whole or not at all."""

import importlib.util
import json
import struct
from collections import OrderedDict

import keras
import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import save_file

from tfepi.pretrained.state_dict import assign, read_state_dict
from tfrecords_tools.errors import ConfigError, InputFileError

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 7,
    "conv.bias": np.array([-1.5, 2], np.float32),
    "bn.num_batches_tracked": np.array(9),
}


def safetensors_file(folder, arrays=ARRAYS):
    path = folder / "model.safetensors"
    save_file(arrays, path)
    return path


@pytest.fixture
def torch_file(tmp_path):
    """Return a function that saves a value with torch; skip without torch."""
    torch = pytest.importorskip("torch", reason="torch, which writes .bin files, is not installed")

    def save(value, name="model.bin", **settings):
        torch.save(value, tmp_path / name, **settings)
        return tmp_path / name

    save.torch = torch
    return save


def rows(*shapes):
    """Rows for the two arrays of a convolution, and their variables."""
    kernel = keras.Variable(np.zeros(shapes[0] if shapes else (4, 3, 2)), name="kernel")
    bias = keras.Variable(np.zeros(shapes[1] if shapes else 2), name="bias")
    return [("conv.weight", kernel, np.transpose), ("conv.bias", bias, None)], kernel, bias


def test_safetensors_are_read_as_they_were_written(tmp_path):
    found = read_state_dict(safetensors_file(tmp_path))
    assert set(found) == set(ARRAYS)
    assert len(found) == 3
    assert "conv.bias" in found
    assert "conv" not in found
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
    assert found["conv.weight"].dtype == np.float32
    with pytest.raises(KeyError):
        found["conv"]


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_every_precision_is_read_as_float32(tmp_path, dtype):
    written = np.array([0.5, -3, 1 / 3]).astype(getattr(ml_dtypes, dtype, dtype))
    found = read_state_dict(safetensors_file(tmp_path, {"w": written}))["w"]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, written.astype(np.float32))


def test_safetensors_layout_is_the_published_one(tmp_path):
    """A file written byte by byte from the format's description is read."""
    header = {"w": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}}
    text = json.dumps(header).encode()
    data = np.array([[1, 2], [3, 4]], "<f4").tobytes()
    path = tmp_path / "byhand.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    np.testing.assert_array_equal(read_state_dict(path)["w"], [[1, 2], [3, 4]])


def test_a_damaged_safetensors_file_is_named(tmp_path):
    path = safetensors_file(tmp_path)
    whole = path.read_bytes()
    for bad in (whole[:-3], whole[:20], b"\xff" * 64, b"no weights at all"):
        path.write_bytes(bad)
        with pytest.raises(InputFileError, match=r"model\.safetensors: .*damaged.*copy it again"):
            read_state_dict(path)
    path.write_bytes(b"")
    with pytest.raises(InputFileError, match="is empty: copy it again"):
        read_state_dict(path)


def test_a_type_that_numpy_has_not_is_named(tmp_path):
    header = {"w": {"dtype": "F8_E8M0", "shape": [2], "data_offsets": [0, 2]}}
    text = json.dumps(header).encode()
    path = tmp_path / "eight.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\x01\x02")
    with pytest.raises(InputFileError, match="w cannot be read"):
        read_state_dict(path)["w"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_named(tmp_path, value):
    arrays = {"a": np.ones(2, np.float32), "b": np.array([1, value], np.float32)}
    found = read_state_dict(safetensors_file(tmp_path, arrays))
    np.testing.assert_array_equal(found["a"], 1)
    with pytest.raises(InputFileError, match="b has values that are no finite numbers"):
        found["b"]


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputFileError, match="does not exist"):
        read_state_dict(tmp_path / "model.safetensors")
    with pytest.raises(InputFileError, match="is a folder"):
        read_state_dict(tmp_path)
    (tmp_path / "model.h5").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"ends in '\.h5': want \.safetensors"):
        read_state_dict(tmp_path / "model.h5")


@pytest.mark.skipif(bool(importlib.util.find_spec("torch")), reason="torch is installed")
def test_without_torch_its_files_ask_for_it(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"not installed: pip install torch, or give the .safet"):
        read_state_dict(tmp_path / "model.bin")


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("suffix", ["bin", "pt", "pth"])
def test_files_of_torch_are_read_as_they_were_written(torch_file, zipped, suffix):
    torch = torch_file.torch
    value = OrderedDict((name, torch.tensor(array)) for name, array in ARRAYS.items())
    value["half"] = torch.tensor([0.5, 1 / 3]).bfloat16()
    value["learned"] = torch.nn.Parameter(torch.ones(2))
    path = torch_file(value, f"model.{suffix}", _use_new_zipfile_serialization=zipped)
    found = read_state_dict(path)
    assert list(found) == list(value)
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(found[name], array)
    assert found["half"].dtype == np.float32
    np.testing.assert_array_equal(found["half"], value["half"].float().numpy())
    np.testing.assert_array_equal(found["learned"], 1)


class Code:
    """What runs a command when a careless reader unpickles it."""

    def __reduce__(self):
        return print, ("code of the file ran",)


def test_code_in_files_of_torch_does_not_run(torch_file, capsys):
    with pytest.raises(InputFileError, match="holds tensors only, or damaged"):
        read_state_dict(torch_file({"w": Code()}))
    assert "ran" not in capsys.readouterr().out


def test_files_of_torch_that_are_no_state_dict_are_named(torch_file, tmp_path):
    torch = torch_file.torch
    tensor = torch.ones(2)
    with pytest.raises(InputFileError, match="holds a Tensor, no state dict"):
        read_state_dict(torch_file(tensor))
    with pytest.raises(InputFileError, match="it holds epoch, model; save its entry 'model' as"):
        read_state_dict(torch_file({"epoch": 3, "model": {"w": tensor}}))
    with pytest.raises(InputFileError, match=r"it holds nothing; save model.state_dict"):
        read_state_dict(torch_file({}))
    path = torch_file({"w": tensor})
    whole = path.read_bytes()
    for bad in (whole[:-50], whole[: len(whole) // 2], b"\x80\x02no pickle", b"PK\x03\x04"):
        path.write_bytes(bad)
        with pytest.raises(InputFileError, match="damaged"):
            read_state_dict(path)
    path.write_bytes(b"")
    with pytest.raises(InputFileError, match="is empty"):
        read_state_dict(path)
    path = torch_file({"w": torch.tensor([1, np.nan])})
    with pytest.raises(InputFileError, match="w has values that are no finite numbers"):
        read_state_dict(path)["w"]


def test_assign_fills_the_variables(tmp_path):
    for named in (ARRAYS, read_state_dict(safetensors_file(tmp_path))):
        places, kernel, bias = rows()
        assign(named, places, "model")
        np.testing.assert_array_equal(kernel, ARRAYS["conv.weight"].T)
        np.testing.assert_array_equal(bias, ARRAYS["conv.bias"])


def test_all_missing_and_extra_names_are_in_one_line():
    places, kernel, _ = rows()
    named = {"conv.weight": np.ones((2, 3, 4)), "conv.bias2": np.ones(2), "head.weight": np.ones(2)}
    with pytest.raises(ConfigError) as caught:
        assign(named, places, "x.safetensors")
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith(
        "x.safetensors does not fit the model: it lacks conv.bias; the model has no place for "
        "conv.bias2, head.weight: give"
    )
    assert not np.any(kernel)
    with pytest.raises(ConfigError, match=r"no place for head\.weight:"):
        assign(ARRAYS | {"head.weight": np.ones(2), "p": np.ones(2)}, places, "x", unused=["p"])


def test_none_of_many_names_is_left_out():
    named = {f"layer{n}": np.ones(2) for n in range(57)}
    with pytest.raises(ConfigError) as caught:
        assign(named, [], "x")
    assert f"no place for {', '.join(named)}: give" in str(caught.value)


def test_endings_may_be_in_capitals(tmp_path):
    path = safetensors_file(tmp_path).rename(tmp_path / "MODEL.SAFETENSORS")
    assert set(read_state_dict(path)) == set(ARRAYS)
    (tmp_path / "X.BIN").write_bytes(b"x")
    with pytest.raises((ConfigError, InputFileError), match=r"pip install torch|damaged"):
        read_state_dict(tmp_path / "X.BIN")


@pytest.mark.parametrize(
    ("shapes", "first"),
    [
        (((4, 3, 5), 7), "conv.weight has shape 2×3×4, which cannot fill .*kernel of shape 4×3×5"),
        (((4, 3, 2), 7), "conv.bias has shape 2, which cannot fill .*bias of shape 7"),
        (((4, 3, 2), ()), r"conv.bias has shape 2, which cannot fill .*bias of shape \(\)"),
    ],
)
def test_the_first_array_of_another_shape_is_named_and_nothing_assigned(shapes, first):
    places, kernel, bias = rows(*shapes)
    with pytest.raises(ConfigError, match=first):
        assign(ARRAYS, places, "x")
    assert not np.any(kernel)
    assert not np.any(bias)


def test_a_transform_that_fails_is_another_shape():
    places, kernel, _ = rows()
    places[0] = ("conv.weight", kernel, lambda a: a.transpose(2, 1, 0, 3))
    with pytest.raises(ConfigError, match=r"conv.weight has shape 2×3×4"):
        assign(ARRAYS, places, "x")


def test_assign_refuses_what_is_no_finite_number():
    places, kernel, _ = rows()
    with pytest.raises(InputFileError, match=r"x: conv.bias has values that are no finite"):
        assign(ARRAYS | {"conv.bias": np.array([1, np.nan])}, places, "x")
    with pytest.raises(InputFileError, match=r"x: conv.bias has values that are no finite"):
        assign(ARRAYS | {"conv.bias": np.array([1, 1e300])}, places, "x")
    for value, dtype in ((["1", "2"], "<U1"), ([1j, 2], "complex128"), ([None, 1], "object")):
        with pytest.raises(InputFileError, match=f"x: conv.bias is of {dtype}, want numbers"):
            assign(ARRAYS | {"conv.bias": np.array(value)}, places, "x")
    assert not np.any(kernel)
