"""Predictors of model files: Keras models, SavedModels, published weights, behind one contract."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfepi.params import Params
from tfepi.pretrained.sources import SAVED_MODEL, absent, published_files, published_kind
from tfepi.sequences import as_sequences
from tfepi.spec import ModelSpec, Predictor
from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target

_SPEC = "model.json"
SAVED_MODEL_SPEC = f"assets.extra/{_SPEC}"


def spec_path(model: str | Path) -> Path:
    """Return the model.json that belongs to a model file or folder.

    Raises:
        InputFileError: no such model, or a model without its contract.
    """
    kind = published_kind(model)
    if kind not in (None, SAVED_MODEL):
        raise _not_converted(model, kind)
    model = Path(model)
    if not model.exists():
        raise InputFileError(f"model {model} does not exist: check the path")
    if model.is_dir() and (model / "variables").is_dir() and not is_saved_model(model):
        raise InputFileError(f"SavedModel {model} has no saved_model.pb: export it again")
    if model.is_dir():
        found = model / (SAVED_MODEL_SPEC if is_saved_model(model) else _SPEC)
    elif model.suffix == ".keras":
        found = model.parent / _SPEC
    else:
        raise InputFileError(
            f"model {model} is of no known kind: want a .keras file, a run folder, a SavedModel or "
            "a Basenji .h5"
        )
    if found.exists():
        return found
    if kind == SAVED_MODEL:
        raise InputFileError(
            f"SavedModel {model} has no {SAVED_MODEL_SPEC}, so it was not made here: name a run "
            "folder, or with Enformer as published the params 'enformer'"
        )
    if not model.is_dir():
        raise InputFileError(
            f"{model} has no {found.name} beside it: copy that of its run folder, or make both "
            "with tfepi_convert.py"
        )
    if (model / "statistics.json").exists():
        raise InputFileError(f"{model} is a folder of data, not a model: name the run folder")
    inside = ", ".join(sorted(p.name for p in model.iterdir())[:3]) or "nothing"
    raise InputFileError(
        f"{model} is no model: it has no {found.relative_to(model)} but {inside}; want a run "
        "folder or SavedModel made here, or name the .h5 file in it"
    )


def is_saved_model(folder: Path) -> bool:
    """Tell whether a folder is a SavedModel."""
    return (folder / "saved_model.pb").exists()


def read_spec(
    model: str | Path,
    params: Params | None = None,
    targets: Sequence[Target] | None = None,
    head: str | None = None,
    data: Data | None = None,
) -> ModelSpec:
    """Return a model's contract.

    Args:
        model: .keras file, run folder, SavedModel, an .h5 file of Basenji or Baskerville, or a
            published Enformer or Borzoi (`sources.published_kind`).
        params: of an .h5 file or a published model, which has no contract of its own (imports
            Keras).
        targets: table of its outputs, or of some of them; the index says which.
        head: the head that an .h5 was saved for, where params.json has several; of a published
            model the head that the table is of.
        data: of an .h5: what it predicts, target by target, instead of a table.

    Raises:
        InputFileError: missing, damaged, without model.json, or an .h5 without params.
        ConfigError: a table that does not fit the number of outputs, or params of another model
            than the published.
    """
    published = is_published(model, params)
    if not published and not is_h5(model):
        return ModelSpec.read(spec_path(model))
    if not published:
        existing(model, "model")
    if params is None:
        raise InputFileError(f"model {model} is an .h5 file: name its params.json with it")
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    if published:
        from tfepi.pretrained.published import published_spec

        return published_spec(model, params, targets, head)
    from tfepi.pretrained.basenji import h5_spec

    return h5_spec(params, targets, head, data)


def load_predictor(
    model: str | Path,
    batch_size: int = 64,
    params: Params | None = None,
    spec: ModelSpec | None = None,
) -> Predictor:
    """Load a .keras file, a run folder's best, a SavedModel, a Basenji .h5, or published weights.

    Args:
        model: its path.
        batch_size: sequences per call of the model; inputs of any size are cut and filled up.
        params: of an .h5 file or of published weights.
        spec: the contract, if `read_spec` was asked already.

    Raises:
        InputFileError: missing, damaged, or without model.json.
        ConfigError: an .h5 of other layers than params.json's.
    """
    path, spec = Path(model), spec or read_spec(model, params)
    if is_published(model, params):
        from tfepi.pretrained.published import published_predictor

        return published_predictor(model, params, spec, batch_size)
    if is_h5(path):
        from tfepi.pretrained.basenji import h5_model

        return KerasPredictor(h5_model(params, path, spec.head().name), spec, batch_size)
    if path.is_dir() and is_saved_model(path):
        return SavedModelPredictor(path, spec, batch_size)
    return KerasPredictor(load_keras(path), spec, batch_size)


def is_published(model: str | Path, params: Params | None) -> bool:
    """Tell whether a model is a copy of Enformer or Borzoi as published.

    Raises:
        InputFileError: params are Enformer's and there is no such model: where to get it.
    """
    kind = published_kind(model)
    of_enformer = params is not None and params.model.name == "enformer"
    if of_enformer and kind is None and not Path(model).exists():
        raise absent(model)
    # A SavedModel may be of anything else: it only lacks its contract then.
    return kind is not None and (of_enformer or (params is not None and kind != SAVED_MODEL))


def is_h5(model: str | Path) -> bool:
    """Tell whether a path names an .h5 file."""
    path = Path(model)
    return path.suffix.lower() in (".h5", ".hdf5") and not path.is_dir()


def keras_file(model: str | Path) -> Path:
    """Return the .keras file of a run folder (its best), or the file itself.

    Of published weights it is the file that tells them from others (`sources.published_files`).

    Raises:
        InputFileError: there is none.
    """
    if published_kind(model) is not None:
        files = published_files(model)
        return files.get("variables", files["model"])
    path = Path(model)
    if path.is_dir() and is_saved_model(path):
        raise InputFileError(f"{path} is a SavedModel: name the run folder it was exported from")
    if path.is_dir():
        path = path / "model_best.keras"
    if not path.exists():
        raise InputFileError(f"model {path} does not exist: has the training finished an epoch?")
    return path


def load_keras(model: str | Path):
    """Return the Keras model of a .keras file or of a run folder (its best), not compiled.

    Raises:
        InputFileError: missing or damaged, or weights that are no finite numbers.
    """
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    import tfepi.layers  # noqa: F401 - registers the layers

    if kind := published_kind(model):
        raise _not_converted(model, kind)
    path = keras_file(model)
    if not zipfile.is_zipfile(path):
        raise InputFileError(
            f"cannot load model {path}: it is no .keras archive, or truncated; copy it again"
        )
    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, OSError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from None
    for weight in model.weights:
        if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
            raise InputFileError(
                f"model {path} has weights that are no finite numbers ({weight.path}): its "
                "training diverged, or the file is damaged; give another"
            )
    return model


def _not_converted(model: str | Path, kind: str) -> InputFileError:
    return InputFileError(
        f"model {model} is a {kind}, which has no {_SPEC}: convert it first, as "
        f"tfepi_convert.py enformer {model} enformer/model.keras"
    )


def _damaged(path: Path, error: Exception) -> InputFileError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return InputFileError(f"cannot load model {path}: {reason}; copy or make it again")


class _Batched:
    """Cuts inputs into batches of one size, so that the model is compiled once."""

    def __init__(self, spec: ModelSpec, batch_size: int):
        self.spec = spec
        self.batch_size = batch_size

    def predict(self, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return {head: float32 [batch, bins, targets]} of inputs with any batch size.

        Raises:
            ConfigError: sequences of another length, or letters that are no DNA.
        """
        sequences = as_sequences(inputs["sequence"], (self.spec.seq_length,))
        inputs, count = {**inputs, "sequence": sequences}, len(sequences)
        parts = []
        for low in range(0, count, self.batch_size):
            batch = {k: v[low : low + self.batch_size] for k, v in inputs.items()}
            size = len(batch["sequence"])
            if size < self.batch_size:
                fill = self.batch_size - size
                batch = {
                    k: np.concatenate([v, np.repeat(v[:1], fill, 0)]) for k, v in batch.items()
                }
            parts.append([np.asarray(out)[:size] for out in self._call(batch)])
        names = [h.name for h in self.spec.heads]
        joined = (np.concatenate(part) for part in zip(*parts, strict=True))
        return {n: v.astype(np.float32, copy=False) for n, v in zip(names, joined, strict=True)}


class KerasPredictor(_Batched):
    """A Predictor of a Keras model; base indices become one-hot codes inside the graph.

    Args:
        model: takes a dict of inputs by name.
        spec: its contract.
        batch_size: sequences per call.
    """

    def __init__(self, model, spec: ModelSpec, batch_size: int = 64):
        import tensorflow as tf

        super().__init__(spec, batch_size)
        self.model = model

        @tf.function(autograph=False, reduce_retracing=True)
        def call(batch):
            sequence = batch["sequence"]
            if sequence.dtype == tf.uint8:
                batch = batch | {"sequence": tf.one_hot(sequence, 4, dtype=tf.float32)}
            out = model(batch, training=False)
            return out if isinstance(out, dict) else {spec.head().name: out}

        self._function = call

    def _call(self, batch):
        out = self._function(batch)
        return [out[h.name] for h in self.spec.heads]


class SavedModelPredictor(_Batched):
    """A Predictor of an exported SavedModel's `predict` signature."""

    def __init__(self, path: Path, spec: ModelSpec, batch_size: int = 64):
        from tfepi.startup import import_tensorflow

        super().__init__(spec, batch_size)
        tf = import_tensorflow()
        try:
            self._loaded = tf.saved_model.load(str(path))  # kept: signatures are weak
            self._function = self._loaded.signatures["serving_default"]
        except (ValueError, OSError, KeyError, IndexError, tf.errors.OpError) as error:
            raise _damaged(path, error) from None

    def _call(self, batch):
        sequence = batch["sequence"]
        if sequence.ndim == 2:
            batch = batch | {"sequence": one_hot(sequence)}
        out = self._function(**batch)
        return [out[h.name] for h in self.spec.heads]
