"""What the tests of commands share: a tiny model, and a run that must fail early."""

import contextlib
import json
import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LENGTH = 256
_HEAVY = {"tensorflow", "keras", "tensorboard", "tf_keras", "tensorflow_hub"}


class _NotTensorFlow:
    """Fails where TensorFlow or Keras is imported."""

    def find_spec(self, name, path=None, target=None):
        assert name.partition(".")[0] not in _HEAVY, f"{name} is imported"


@contextlib.contextmanager
def _without_tensorflow():
    """Import our modules anew within, none of which may import TensorFlow or Keras."""
    ours = {"tfepi", "tfrecords_tools"} | _HEAVY
    kept = {name: m for name, m in sys.modules.items() if name.partition(".")[0] in ours}
    finder = _NotTensorFlow()
    for name in kept:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.partition(".")[0] in ours]:
            del sys.modules[name]
        sys.modules.update(kept)


@pytest.fixture(scope="session")
def write_model(tmp_path_factory):
    """Return a function that writes a run folder with an untrained model of 256 bp.

    It takes the bin width, how many bins to crop at each end, and whether to normalise.
    """

    def write(width: int = LENGTH, crop: int = 0, normalise: bool = False) -> Path:
        from tfepi.spec import Head, ModelSpec
        from tfepi.startup import import_tensorflow
        from tfrecords_tools.targets import Target

        import_tensorflow()
        import keras

        folder = tmp_path_factory.mktemp("model")
        keras.utils.set_random_seed(1)
        sequence = keras.Input((LENGTH, 4), name="sequence")
        x = keras.layers.Conv1D(8, 11, activation="relu", padding="same")(sequence)
        x = keras.layers.AveragePooling1D(width)(x)
        if normalise:
            x = keras.layers.BatchNormalization()(x)
        if crop:
            x = keras.layers.Cropping1D(crop)(x)
        x = keras.layers.Dense(2, activation="softplus", name="main")(x)
        keras.Model({"sequence": sequence}, {"main": x}).save(folder / "model_best.keras")
        heads = (Head("main", (Target(0, "t0", description="first"), Target(1, "t1"))),)
        spec = ModelSpec("tiny", {"sequence": (LENGTH, 4)}, width, crop * width, heads)
        spec.write(folder / "model.json")
        (folder / "params.json").write_text(json.dumps({"model": {"name": "tiny"}}))
        return folder

    return write


@pytest.fixture(scope="session")
def model(write_model) -> Path:
    """A run folder with an untrained Basset-like model of 256 bp and one bin."""
    return write_model()


@pytest.fixture
def here(capsys):
    """Return a function that runs a script's main in this process: status, stdout, stderr lines."""

    def run(script: str, *args) -> tuple[int, str, list[str]]:
        main = runpy.run_path(str(ROOT / "scripts" / script))["main"]
        try:
            status = main([*map(str, args)])
        except SystemExit as stop:  # of the parser
            status = stop.code
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return run


@pytest.fixture
def refused(run_main, tmp_path):
    """Return a function: a command must say one line before TensorFlow, and write nothing.

    Of good arguments, which begin with params.json and a model, it changes one: the content of
    a file or of params.json, the model, or an option, which is added or, for None, taken out.
    """

    def check(
        script: str,
        arguments: list,
        change: dict,
        message: str,
        files: dict[str, Path] | None = None,
    ) -> None:
        [(key, value)] = change.items()
        if key in (files or {}):
            files[key].write_text(value)
        elif key == "params":
            arguments[0] = tmp_path / "params.json"
            arguments[0].write_text(json.dumps({"model": value}))
        elif key == "model":
            arguments[1] = value
        elif value is None:
            place = arguments.index(key)
            del arguments[place : place + 2]
        else:
            arguments += [key, value]
        with _without_tensorflow():
            done = run_main(script, *arguments, check=False)
        assert done.returncode == 2, done.stderr
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1
        assert message in done.stderr
        assert done.stdout == ""
        assert not (tmp_path / "out").exists()

    return check


@pytest.fixture
def without_tensorflow():
    """Return a context within which an import of TensorFlow or Keras fails."""
    return _without_tensorflow
