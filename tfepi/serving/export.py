"""Keras models to SavedModels with named signatures, compared after reloading."""

import logging
import shutil
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfepi.predictors import SAVED_MODEL_SPEC, keras_file, load_keras, spec_path
from tfepi.spec import ModelSpec
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.files import atomic_path, write_json
from tfrecords_tools.genome import one_hot
from tfrecords_tools.output import check_folder, claim_folder, run_record

log = logging.getLogger(__name__)
TOLERANCE = 1e-5
CHECKED = 8  # sequences, of long ones fewer: each takes memory
CHECKED_BP = 1 << 18


def export(model_path: str | Path, out: str | Path, overwrite: bool = False) -> dict:
    """Export a model, reload the export and compare it with the original on random sequences.

    Signatures: `serving_default` and `predict` take {"sequence": float32 [batch, length, 4]};
    `predict_indices` takes {"sequence": uint8 [batch, length]}. A conditioned model's further
    inputs, float32, go with either. Each returns a dict by head.

    Args:
        model_path: a .keras file or a run folder.
        out: the SavedModel's folder.
        overwrite: replace what is there.

    Returns:
        The report, also written as export.json: signatures, and the largest absolute and
        relative difference.

    Raises:
        TfepiError: the reloaded export differs by more than 1e-5 of the largest value.
    """
    spec = ModelSpec.read(spec_path(model_path))
    source = keras_file(model_path)
    check_folder(out, overwrite=overwrite, inputs={"model": source})
    return export_model(load_keras(model_path), spec, out, source, overwrite)


def export_model(
    model: keras.Model,
    spec: ModelSpec,
    out: str | Path,
    source: str | Path,
    overwrite: bool = False,
) -> dict:
    """Do the same with a model that is loaded, whose weights came from the file `source`."""
    out = Path(out)
    check_folder(out, overwrite=overwrite, inputs={"model": source})
    heads = [h.name for h in spec.heads]
    with atomic_path(out) as part:
        with run_record(claim_folder(part), {"model": source}):
            _write(model, spec, heads, part)
            (part / "assets.extra").mkdir(exist_ok=True)
            spec.write(part / SAVED_MODEL_SPEC)
            report = _compare(model, spec, heads, part)
            write_json(part / "export.json", report)
        if out.exists():
            shutil.rmtree(out)
    log.info(
        "largest difference after reloading: %.3g (%.3g of the largest value)",
        report["largest_difference"],
        report["relative_difference"],
    )
    return report


def _write(model: keras.Model, spec: ModelSpec, heads: list[str], folder: Path) -> None:
    def predict(inputs):
        outputs = model(inputs, training=False)
        return outputs if isinstance(outputs, dict) else {heads[0]: outputs}

    def predict_indices(inputs):
        return predict(inputs | {"sequence": tf.one_hot(inputs["sequence"], 4, dtype=tf.float32)})

    of_floats = {
        name: tf.TensorSpec((None, *shape), tf.float32, name=name)
        for name, shape in spec.inputs.items()
    }
    of_indices = of_floats | {
        "sequence": tf.TensorSpec((None, spec.seq_length), tf.uint8, name="sequence")
    }
    floats, indices = [of_floats], [of_indices]
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serving_default", predict, input_signature=floats)
    archive.add_endpoint("predict", predict, input_signature=floats)
    archive.add_endpoint("predict_indices", predict_indices, input_signature=indices)
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # it names the temporary folder
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        raise TfepiError(f"cannot write the SavedModel: {error.message.splitlines()[0]}") from None
    finally:
        logger.setLevel(level)


def _compare(model: keras.Model, spec: ModelSpec, heads: list[str], folder: Path) -> dict:
    rng = np.random.default_rng(0)
    count = max(1, min(CHECKED, CHECKED_BP // spec.seq_length))
    indices = rng.integers(0, 5, (count, spec.seq_length), dtype=np.uint8)
    further = {
        name: rng.random((count, *shape), np.float32)
        for name, shape in spec.inputs.items()
        if name != "sequence"
    }
    expected = model(further | {"sequence": one_hot(indices)}, training=False)
    expected = expected if isinstance(expected, dict) else {heads[0]: expected}
    loaded = tf.saved_model.load(str(folder))
    largest = relative = 0.0
    for name, value in (
        ("serving_default", one_hot(indices)),
        ("predict", one_hot(indices)),
        ("predict_indices", indices),
    ):
        given = further | {"sequence": value}
        got = loaded.signatures[name](**{k: tf.constant(v) for k, v in given.items()})
        for head in heads:
            want = np.asarray(expected[head], np.float64)
            difference = float(np.abs(np.asarray(got[head], np.float64) - want).max())
            share = difference / max(float(np.abs(want).max()), 1e-12)
            # Unlike max(), this keeps NaN, which is refused.
            largest = float(np.maximum(largest, difference))
            relative = float(np.maximum(relative, share))
    if not relative <= TOLERANCE:
        raise TfepiError(
            f"the reloaded export differs from the Keras model by {largest:.3g} "
            f"({relative:.3g} of the largest value), want at most {TOLERANCE}: not exported"
        )
    return {
        "format": "tfepi-export",
        "format_version": 1,
        "signatures": sorted(loaded.signatures),
        "sequences_compared": count,
        "largest_difference": largest,
        "relative_difference": relative,
    }
