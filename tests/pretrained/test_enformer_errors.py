"""Published weights that do not fit: all missing or left over, or the first that differs."""

import numpy as np
import pytest
from safetensors.numpy import save_file

from tfepi.params import parse_params, read_params
from tfepi.predictors import read_spec
from tfepi.pretrained import enformer_checkpoint, enformer_torch
from tfepi.pretrained.enformer_files import open_weights
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError, InputFileError

import_tensorflow()


def without(arrays, *endings):
    return {k: v for k, v in arrays.items() if not k.endswith(endings)}


def test_all_missing_and_extra_arrays_are_named(copies, published):
    arrays = without(published.arrays, "_q_layer/w", "_heads/human/_layers/0/b")
    arrays |= {"_trunk/_layers/7/w": np.ones(2), "_heads/human/_layers/0/c": np.ones(2)}
    with pytest.raises(ConfigError) as caught:
        enformer_checkpoint(arrays, **copies.SIZES)
    queries = [
        f"_trunk/_layers/2/_layers/{n}/_layers/0/_module/_layers/1/_q_layer/w" for n in (0, 1)
    ]
    assert str(caught.value).startswith(
        f"the mapping does not fit the model: it lacks {', '.join(queries)}, "
        "_heads/human/_layers/0/b; the model has no place for _trunk/_layers/7/w, "
        "_heads/human/_layers/0/c: give the weights of this model"
    )
    named = copies.torch_arrays(published.arrays)
    named = {k: v for k, v in named.items() if not k.endswith("stem.0.bias") and "_trunk" not in k}
    with pytest.raises(ConfigError, match=r"it lacks stem\.0\.bias; .* no place for w:"):
        enformer_torch(named | {"w": np.ones(1)}, **copies.SIZES)


def test_arrays_beside_the_model_are_named_with_the_others(copies, published, tmp_path):
    tf = import_tensorflow()
    arrays = without(published.arrays, "_trunk/_layers/0/_layers/0/b")
    others = {"ema/_trunk/_layers/0/_layers/0/w": np.ones(2, np.float32), "rate": np.float32(1)}
    message = (
        r"it lacks _trunk/_layers/0/_layers/0/b; the model has no place for extra/w, "
        r"ema/_trunk/_layers/0/_layers/0/w, rate: give the weights of this model"
    )
    keys = {f"module/{k}{copies.SUFFIX}": v for k, v in (arrays | {"extra/w": np.ones(2)}).items()}
    np.savez(tmp_path / "x.npz", **keys, **others, save_counter=1)
    for given in (keys | others | {"save_counter": np.array(1)}, tmp_path / "x.npz"):
        with pytest.raises(ConfigError, match=message):
            enformer_checkpoint(given, **copies.SIZES)
    module = copies.module(published.arrays)
    step, rate = tf.Variable(7), tf.Variable(0.1)
    good = tf.train.Checkpoint(module=module, global_step=step).save(str(tmp_path / "good"))
    enformer_checkpoint(good, **copies.SIZES)
    bad = tf.train.Checkpoint(module=module, rate=rate, step=step).save(str(tmp_path / "bad"))
    with pytest.raises(
        ConfigError, match=r"bad-1 does not fit the model: .* no place for rate: gi"
    ):
        enformer_checkpoint(bad, **copies.SIZES)


def test_a_saved_model_may_have_other_variables(copies, published, tmp_path):
    tf = import_tensorflow()
    root = copies.module(published.arrays)
    root.rate = tf.Variable(0.1)
    tf.saved_model.save(root, str(tmp_path / "x"))
    enformer_checkpoint(tmp_path / "x", **copies.SIZES)


def test_names_of_the_other_form_say_what_to_do(copies, published, tmp_path):
    named = copies.torch_arrays(published.arrays)
    torch, ours = tmp_path / "torch.npz", published.npz
    np.savez(torch, **named)
    advice = r"has an array \S+: these are torch names, so save the arrays as \.safetensors"
    for function, given in (
        (enformer_checkpoint, torch),
        (enformer_torch, torch),
        (open_weights, torch),
        (enformer_checkpoint, named),
        (enformer_checkpoint, {k: v for k, v in named.items() if k.startswith("_trunk.")}),
    ):
        with pytest.raises(InputFileError, match=advice):
            function(given)
    with pytest.raises(
        InputFileError, match=r"arrays by checkpoint key, no state dict of torch: gi"
    ):
        enformer_torch(ours)
    with pytest.raises(
        InputFileError, match=r"is a TensorFlow checkpoint, no state dict of torch:"
    ):
        enformer_torch(published.checkpoint)
    with pytest.raises(
        InputFileError, match=r"no TensorFlow checkpoint: give it to enformer_torch"
    ):
        enformer_checkpoint(published.safetensors)
    with pytest.raises(
        InputFileError, match=r"the mapping has an array _trunk/\S+: .* to enformer_c"
    ):
        enformer_torch(published.arrays)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"channels": 48}, r"_layers/0/w has shape 15×4×12, .*stem_conv/kernel of shape 15×4×24:"),
        ({"key_size": 8}, r"_q_layer/w has shape 24×8, .*query_kernel of shape 24×16:"),
        ({"width_rounding": 2}, r"1/_layers/1/_layers/0/_layers/2/w has shape 5×12×12, .* 5×12×14"),
        (
            {"transformer_layers": 3},
            r"model: it has 2 transformer layers, transformer_layers given is 3; it lacks "
            r"_trunk/_layers/2/_layers/2/_layers/0/_module/",
        ),
        (
            {"transformer_layers": 1},
            r"model: it has 2 transformer layers, transformer_layers given is 1; the model has no "
            r"place for _trunk/_layers/2/_layers/1/_layers/0/_module/",
        ),
        (
            {"output_heads": {"human": 5}},
            r"no place for _heads/mouse/_layers/0/b, _heads/mouse/_layers/0/w:",
        ),
        ({"output_heads": {"human": 4, "mouse": 3}}, r"human/_layers/0/w has shape 48×5, .* 48×4:"),
        ({"output_heads": 5}, r"no place for _heads/human/_layers/0/b, .*_heads/mouse"),
        ({"channels": 25}, r"channels 25 is no multiple of 12"),
    ],
)
def test_other_sizes_are_told_by_the_first_array(copies, published, sizes, message):
    arrays = {k: v for k, v in published.arrays.items() if "_counter" not in k}
    with pytest.raises(ConfigError, match=message) as caught:
        enformer_checkpoint(dict(sorted(arrays.items())), **(copies.SIZES | sizes))
    assert "\n" not in str(caught.value)


def test_a_state_dict_of_another_model(copies, published, tmp_path):
    told = "has no array of Enformer but a: want names such as stem.0.weight and _heads.human"
    save_file({"a": np.ones(3, np.float32)}, tmp_path / "a.safetensors")
    for given in ({"a": np.ones(3)}, tmp_path / "a.safetensors"):
        with pytest.raises(InputFileError, match=told):
            enformer_torch(given)
    with pytest.raises(InputFileError, match=told):
        read_spec(tmp_path / "a.safetensors", read_params("enformer"))
    many = {f"layer{n}": np.ones(3) for n in range(5)}
    with pytest.raises(InputFileError, match=r"but layer0, layer1, layer2, … \(5 in all\): want"):
        enformer_torch(many)
    with pytest.raises(InputFileError, match="has no array of Enformer but nothing: want"):
        enformer_torch({})


def test_a_trunk_alone_is_no_model_of_commands(copies, published, tmp_path):
    trunk = {k: v for k, v in published.arrays.items() if not k.startswith("_heads/")}
    np.savez(tmp_path / "trunk.npz", **trunk)
    params = parse_params({"model": {"name": "enformer"} | copies.SIZES})
    for given in (params, read_params("enformer")):
        with pytest.raises(ConfigError, match=r"trunk.npz has no arrays of heads, .* --head new$"):
            read_spec(tmp_path / "trunk.npz", given)


def test_no_enformer(copies, published):
    arrays = published.arrays
    bias = "_trunk/_layers/1/_layers/2/_layers/0/_layers/2/b"
    with pytest.raises(ConfigError, match=r"blocks have 12, 12, 17, 20, 20, 24 channels, which do"):
        enformer_checkpoint(arrays | {bias: np.zeros(17)}, **copies.SIZES)
    with pytest.raises(ConfigError, match="is of no Enformer: it has no transformer layer, or"):
        enformer_checkpoint(arrays | {bias: np.zeros(())}, **copies.SIZES)
    flat = {k: v for k, v in arrays.items() if "_trunk/_layers/2/" not in k}
    with pytest.raises(ConfigError, match="is of no Enformer: it has no transformer layer"):
        enformer_checkpoint(flat, **copies.SIZES)


def test_weights_that_are_no_numbers_are_refused(copies, published):
    path = "_heads/mouse/_layers/0/w"
    bad = published.arrays | {path: np.full((48, 3), np.nan, np.float32)}
    with pytest.raises(InputFileError, match=f"{path} has values that are no finite numbers"):
        enformer_checkpoint(bad, **copies.SIZES)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(InputFileError, match=r"checkpoint .*w does not exist.*dm-enformer/models"):
        enformer_checkpoint(tmp_path / "w")
    with pytest.raises(InputFileError, match=r"state dict of torch .*w.bin does not exist.*Eleuth"):
        enformer_torch(tmp_path / "w.bin")
    (tmp_path / "x.bin").write_bytes(b"x")
    with pytest.raises(
        InputFileError, match=r"x.bin is a state dict of torch, no .* enformer_torch"
    ):
        enformer_checkpoint(tmp_path / "x.bin")
    (tmp_path / "x.txt").write_bytes(b"x")
    with pytest.raises(InputFileError, match=r"x.txt is no TensorFlow checkpoint: Enformer is pub"):
        enformer_checkpoint(tmp_path / "x.txt")
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputFileError, match=r"x.npz is no .npz archive, or truncated"):
        enformer_checkpoint(tmp_path / "x.npz")
    np.savez(tmp_path / "y.npz", a=np.array([{}], object))
    with pytest.raises(InputFileError, match=r"y.npz has no key with '_trunk' in it but a:"):
        enformer_checkpoint(tmp_path / "y.npz")


def test_a_damaged_npz_is_named(published, copies, tmp_path):
    path = tmp_path / "x.npz"
    content = published.npz.read_bytes()
    good = published.arrays["_trunk/_layers/0/_layers/0/w"].tobytes()
    assert content.count(good) == 1
    path.write_bytes(content.replace(good, good[::-1]))
    with pytest.raises(InputFileError, match=r"x.npz is no .npz archive, or truncated: copy it"):
        enformer_checkpoint(path, **copies.SIZES)


def test_a_saved_model_without_the_objects_says_so(tmp_path):
    tf = import_tensorflow()
    root = tf.Module()
    root.variables_ = [tf.Variable([1.0])]
    tf.saved_model.save(root, str(tmp_path / "x"))
    with pytest.raises(InputFileError, match=r"SavedModel .*x cannot be taken out: .*; use it as"):
        open_weights(tmp_path / "x")


def test_two_names_of_one_weight_must_agree(copies, published):
    named = copies.torch_arrays(published.arrays)
    named["_trunk.4.0.1.fn.4.bias"] = named["_trunk.4.0.1.fn.4.bias"] + 1
    with pytest.raises(InputFileError, match=r"transformer\.0\.1\.fn\.4\.bias and _trunk\.4\.0\.1"):
        enformer_torch(named, **copies.SIZES)
