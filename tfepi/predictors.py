"""Predictors of model files: Keras models, SavedModels, published weights, behind one contract."""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfepi.model_paths import (
    SAVED_MODEL_SPEC,
    is_h5,
    is_published,
    is_saved_model,
    keras_file,
    not_converted,
    read_spec,
    spec_path,
)
from tfepi.params import Params
from tfepi.pretrained.sources import published_kind
from tfepi.sequences import model_inputs
from tfepi.spec import ModelSpec, Predictor
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import copied
from tfrecords_tools.genome import one_hot

__all__ = [
    "SAVED_MODEL_SPEC",
    "KerasPredictor",
    "SavedModelPredictor",
    "is_h5",
    "is_published",
    "is_saved_model",
    "keras_file",
    "load_keras",
    "load_predictor",
    "read_spec",
    "spec_path",
]


def load_predictor(
    model: str | Path,
    batch_size: int = 64,
    params: Params | None = None,
    spec: ModelSpec | None = None,
) -> Predictor:
    """Load a .keras file, a run folder's best, a SavedModel, a Basenji .h5, or published weights.

    Args:
        model: its path or URL.
        batch_size: sequences per call of the model; inputs of any size are cut and filled up.
        params: of an .h5 file or of published weights.
        spec: the contract, if `read_spec` was asked already.

    Raises:
        InputFileError: missing, damaged, or without model.json.
        ConfigError: weights of other layers or sizes than params.json's, or inputs and outputs
            other than the contract's.
    """
    model = copied(model)
    path, spec = Path(model), spec or read_spec(model, params)
    if is_published(model, params):
        from tfepi.pretrained.published import published_predictor

        return published_predictor(model, params, spec, batch_size)
    if is_h5(path):
        from tfepi.pretrained.basenji import h5_model

        return KerasPredictor(h5_model(params, path, spec.head().name), spec, batch_size)
    if path.is_dir() and is_saved_model(path):
        return SavedModelPredictor(path, spec, batch_size)
    loaded = load_keras(path)
    from tfepi.keras_contract import check_contract  # Keras: after TensorFlow's settings

    check_contract(loaded, spec, path)
    return KerasPredictor(loaded, spec, batch_size)


def load_keras(model: str | Path):
    """Return the Keras model of a .keras file or of a run folder (its best), not compiled.

    Its inputs are a dict by name, whatever the file's are (`keras_contract.with_named_inputs`).

    Raises:
        InputFileError: missing or damaged, or weights that are no finite numbers.
    """
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    import tfepi.layers  # noqa: F401 - registers the layers
    from tfepi.keras_contract import with_named_inputs

    if kind := published_kind(model):
        raise not_converted(model, kind)
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
    return with_named_inputs(model)


def _damaged(path: Path, error: Exception) -> InputFileError:
    if unknown_layer := re.search(r"Could not locate class '([^']+)'", str(error)):
        return InputFileError(
            f"cannot load model {path}: it has the layer {unknown_layer[1]!r}, which is not known "
            "here: build it of Keras's layers and those of tfepi.layers, or register the layer and "
            "load the model from Python"
        )
    if "`Lambda` layer" in str(error):
        return InputFileError(
            f"cannot load model {path}: it has a Lambda layer, which is code in a file: write a "
            "layer of your own in its place, and register that"
        )
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return InputFileError(f"cannot load model {path}: {reason}; copy or make it again")


class _Batched:
    """Cuts inputs into batches of one size, so that the model is compiled once."""

    def __init__(self, spec: ModelSpec, batch_size: int):
        self.spec = spec
        self.batch_size = batch_size

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return {head: float32 [batch, bins, targets]} of inputs with any batch size.

        Args:
            inputs: arrays [batch, …] by input name; the sequence as of `as_sequences`.

        Raises:
            ConfigError: as of `model_inputs`.
        """
        inputs = model_inputs(inputs, self.spec.inputs)
        parts = []
        for low in range(0, len(inputs["sequence"]), self.batch_size):
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
        model: takes a dict of inputs by name, or the sequence alone; returns
            [batch, bins, targets], or a dict by head.
        spec: its contract.
        batch_size: sequences per call.
    """

    def __init__(self, model, spec: ModelSpec, batch_size: int = 64):
        import tensorflow as tf

        from tfepi.keras_contract import with_named_inputs

        super().__init__(spec, batch_size)
        self.model = model = with_named_inputs(model)

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
    """A Predictor of an exported SavedModel's `predict` signature.

    Args:
        path: its folder.
        spec: its contract.
        batch_size: sequences per call, unless it was exported for another number.

    Raises:
        InputFileError: it cannot be loaded, or has no such signature.
    """

    def __init__(self, path: Path, spec: ModelSpec, batch_size: int = 64):
        from tfepi.startup import import_tensorflow

        super().__init__(spec, batch_size)
        tf = import_tensorflow()
        try:
            self._loaded = tf.saved_model.load(str(path))  # kept: signatures are weak
            self._function = self._loaded.signatures["serving_default"]
            given = self._function.structured_input_signature[1]["sequence"].shape
        except (ValueError, OSError, KeyError, IndexError, tf.errors.OpError) as error:
            raise _damaged(path, error) from None
        self.batch_size = given[0] or batch_size  # it may have been exported for one size only

    def _call(self, batch):
        sequence = batch["sequence"]
        if sequence.ndim == 2:
            batch = batch | {"sequence": one_hot(sequence)}
        out = self._function(**batch)
        return [out[h.name] for h in self.spec.heads]
