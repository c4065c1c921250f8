"""Variables of checkpoints by object path, whatever key they were stored under."""

import shutil

import numpy as np
import pytest

from tfepi.pretrained.object_paths import by_object_path, read_checkpoint
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import InputFileError

tf = import_tensorflow()
SUFFIX = "/.ATTRIBUTES/VARIABLE_VALUE"


def tree(seed=0):
    """An object with _trunk/_layers/{0,1}/w and _heads/a/b."""
    rng = np.random.default_rng(seed)
    values = {name: rng.normal(size=3).astype(np.float32) for name in ("w0", "w1", "b")}
    root, trunk, heads = tf.Module(), tf.Module(), tf.Module()
    layers = [tf.Module(), tf.Module()]
    for layer, name in zip(layers, ("w0", "w1"), strict=True):
        layer.w = tf.Variable(values[name])
    trunk._layers = layers
    heads.a = tf.Module()
    heads.a.b = tf.Variable(values["b"])
    root._trunk, root._heads = trunk, heads
    paths = {"_trunk/_layers/0/w": "w0", "_trunk/_layers/1/w": "w1", "_heads/a/b": "b"}
    return root, {path: values[name] for path, name in paths.items()}


def save(tmp_path, **objects):
    return tf.train.Checkpoint(**objects).save(str(tmp_path / "x"))


def check(found, values):
    assert values.keys() <= set(found)
    for path, value in values.items():
        np.testing.assert_array_equal(found[path], value)


@pytest.mark.parametrize("root", ["module", "model", "a_b", "_enformer"])
def test_paths_start_where_the_member_is(tmp_path, root):
    module, values = tree()
    outer = tf.Module()
    outer.inner = module
    check(read_checkpoint(save(tmp_path, **{root: module}), "_trunk"), values)
    check(read_checkpoint(save(tmp_path, **{root: outer}), "_trunk"), values)


def test_the_member_itself_can_be_at_the_root(tmp_path):
    module, values = tree()
    found = read_checkpoint(save(tmp_path, _trunk=module._trunk, _heads=module._heads), "_trunk")
    check(found, values)


def test_other_keys_than_paths_are_found_through_the_graph(tmp_path):
    """A variable is stored once, under the shorter of the ways to it."""
    module, values = tree()
    prefix = save(tmp_path, module=module, all=[module._trunk._layers[1].w, module._heads.a.b])
    stored = [name for name, _ in tf.train.list_variables(prefix)]
    assert f"all/0{SUFFIX}" in stored
    assert f"module/_trunk/_layers/1/w{SUFFIX}" not in stored
    check(read_checkpoint(prefix, "_trunk"), values)


def test_optimiser_slots_are_no_variables_of_the_module():
    _, values = tree()
    keys = {f"module/{k}/.OPTIMIZER_SLOT/optimizer/m{SUFFIX}": v for k, v in values.items()}
    keys |= {f"module/{k}{SUFFIX}": v for k, v in values.items()}
    keys |= {f"optimizer/iterations{SUFFIX}": np.array(4)}
    found = by_object_path(keys, "_trunk", "x")
    assert set(found) == set(values)
    assert found.beside == ()


def test_two_ways_to_a_variable_are_two_paths(tmp_path):
    module, values = tree()
    module._trunk.first = module._trunk._layers[0]
    module._trunk._layers[0].back = module  # a cycle
    found = read_checkpoint(save(tmp_path, module=module), "_trunk")
    check(found, values)
    np.testing.assert_array_equal(found["_trunk/first/w"], values["_trunk/_layers/0/w"])
    ways = found.ways_to(["_trunk/_layers/0/w", "_heads/a/none"])
    assert {"_trunk/_layers/0/w", "_trunk/first/w"} <= ways
    assert "_trunk/_layers/1/w" not in ways


def test_the_variables_of_a_saved_model_are_a_checkpoint(tmp_path):
    module, values = tree()
    outer = tf.Module()
    outer.model = module
    tf.saved_model.save(outer, str(tmp_path / "saved"))
    check(read_checkpoint(tmp_path / "saved" / "variables" / "variables", "_trunk"), values)


def test_what_is_beside_the_object_is_told(tmp_path):
    """But not what training keeps: counters, an optimiser and its slots."""
    module, values = tree()
    others = {
        "step": tf.Variable(3),
        "global_step": tf.Variable(3),
        "optimizer": tf.Module(),
        "ema": tf.Module(),
        "rate": tf.Variable(0.5),
    }
    others["optimizer"].m = [tf.Variable([1.0])]
    others["ema"].w = tf.Variable([1.0])
    prefix = save(tmp_path, module=module, **others)
    stored = {name for name, _ in tf.train.list_variables(prefix)}
    assert {f"save_counter{SUFFIX}", f"optimizer/m/0{SUFFIX}", f"step{SUFFIX}"} <= stored
    found = read_checkpoint(prefix, "_trunk")
    assert set(found) == set(values)
    assert set(found.beside) == {"ema/w", "rate"}
    plain = {name: np.ones(3) for name in stored}
    assert set(by_object_path(plain, "_trunk", "x").beside) == {"ema/w", "rate"}
    check(read_checkpoint(save(tmp_path, module=module), "_trunk"), values)
    assert read_checkpoint(save(tmp_path, module=module), "_trunk").beside == ()


def test_arrays_below_some_attributes(tmp_path):
    module, values = tree()
    module.other = tf.Variable([1.0])
    found = read_checkpoint(save(tmp_path, module=module), "_trunk").below(("_trunk", "_heads"))
    assert set(found) == set(values)
    check(found, values)


def test_counters_in_the_object_itself_are_passed_over(tmp_path):
    module, values = tree()
    module.step, module.other = tf.Variable(3), tf.Variable([1.0])
    found = read_checkpoint(save(tmp_path, module=module), "_trunk")
    assert set(found) == {*values, "other"}
    assert found.beside == ()
    root = tf.train.Checkpoint(_trunk=module._trunk, _heads=module._heads)
    found = read_checkpoint(root.save(str(tmp_path / "y")), "_trunk")
    assert set(found) == set(values)


def test_slots_of_an_optimiser_of_keras_are_passed_over(tmp_path):
    import keras

    module, values = tree()
    optimizer = keras.optimizers.Adam()
    variables = [keras.Variable(np.ones(3))]
    optimizer.build(variables)
    found = read_checkpoint(save(tmp_path, module=module, optimizer=optimizer), "_trunk")
    assert set(found) == set(values)
    assert found.beside == ()


@pytest.mark.parametrize("prefix", ["", "module/", "a/b/"])
@pytest.mark.parametrize("suffix", ["", SUFFIX])
def test_keys_of_a_mapping_are_paths(prefix, suffix):
    _, values = tree()
    arrays = {f"{prefix}{path}{suffix}": value for path, value in values.items()}
    found = by_object_path(arrays, "_trunk", "x")
    assert set(found) == set(values)
    check(found, values)


def test_the_root_nearest_to_the_top_is_taken():
    _, values = tree()
    _, others = tree(1)
    arrays = {f"module/{path}": value for path, value in values.items()}
    arrays |= {f"ema/copy/{path}": value for path, value in others.items()}
    check(by_object_path(arrays, "_trunk", "x"), values)


def test_of_roots_as_near_the_one_with_most_arrays_is_taken():
    _, values = tree()
    arrays = {f"module/{path}": value for path, value in values.items()}
    arrays["ema/_trunk/_layers/0/w"] = np.ones(3)
    found = by_object_path(arrays, "_trunk", "x")
    check(found, values)
    assert found.beside == ("ema/_trunk/_layers/0/w",)


def test_without_the_member_the_keys_are_shown(tmp_path):
    module = tf.Module()
    module.dense = tf.Variable([1.0])
    with pytest.raises(InputFileError, match=r"no object with an attribute '_trunk': .*module/den"):
        read_checkpoint(save(tmp_path, module=module), "_trunk")
    with pytest.raises(
        InputFileError, match=r"arrays has no key with '_trunk' in it but dense/w, x_"
    ):
        by_object_path({"dense/w": np.ones(2), "x_trunk/w": np.ones(1)}, "_trunk", "arrays")


def test_damaged_files_are_named(tmp_path):
    module, _ = tree()
    module._trunk.big = tf.Variable(np.random.default_rng(0).random(100_000))
    good = save(tmp_path, module=module)
    for kind, keep in ((".index", 0.5), (".data-00000-of-00001", 0.2)):
        bad = tmp_path / kind.strip(".")[:4] / "x-1"
        bad.parent.mkdir()
        for suffix in (".index", ".data-00000-of-00001"):
            shutil.copy(f"{good}{suffix}", f"{bad}{suffix}")
        with open(f"{bad}{kind}", "r+b") as file:
            file.truncate(int(keep * file.seek(0, 2)))
        with pytest.raises(InputFileError, match=r"x-1: it is truncated or damaged .*copy its"):
            dict(read_checkpoint(bad, "_trunk"))
    flipped = bytearray((tmp_path / "x-1.data-00000-of-00001").read_bytes())
    flipped[len(flipped) // 2] ^= 0xFF
    (tmp_path / "x-1.data-00000-of-00001").write_bytes(flipped)
    with pytest.raises(InputFileError, match="damaged"):
        read_checkpoint(good, "_trunk")["_trunk/big"]
