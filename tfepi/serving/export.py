"""Keras models to SavedModels with named signatures, compared after reloading."""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tfepi.predictors import SAVED_MODEL_SPEC, keras_file, load_keras, spec_path
from tfepi.serving.examples import Example
from tfepi.serving.heads import only_head
from tfepi.serving.metadata import METADATA, metadata
from tfepi.serving.options import ExportOptions, Scores, scores_of
from tfepi.serving.parity import difference, expected, score_difference
from tfepi.serving.signatures import Endpoint, Signatures
from tfepi.serving.strands import predictions
from tfepi.serving.warmup import WARMUP, write_warmup
from tfepi.spec import ModelSpec
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.files import atomic_path, write_json
from tfrecords_tools.output import check_folder, claim_folder, run_record

log = logging.getLogger(__name__)
TOLERANCE = 1e-5
CHECKED = 8  # sequences, of long ones fewer: each takes memory
CHECKED_BP = 1 << 18
WARMED = ("predict", "predict_dna", "score_alleles")
WARMED_FLOATS = 1 << 16  # bp of a sequence whose one-hot code may make the warm-up file larger
DEFAULT = ExportOptions()


def export(
    model_path: str | Path,
    out: str | Path,
    overwrite: bool = False,
    options: ExportOptions = DEFAULT,
    onnx: str | Path | None = None,
) -> dict:
    """Export a model, reload the export and compare it with the original on random requests.

    The signatures are those of `tfepi.serving.signatures`.

    Args:
        model_path: a .keras file or a run folder.
        out: the SavedModel's folder.
        overwrite: replace what is there.
        options: what the signatures compute.
        onnx: an ONNX file of the predictions to write as well (`check_onnx`), or None.

    Returns:
        The report, also written as export.json: signatures, and the largest absolute and
        relative difference; of an ONNX file `onnx_difference`, relative.

    Raises:
        ConfigError: options that do not fit the model.
        TfepiError: the reloaded export differs by more than 1e-5 of the largest value.
    """
    spec = ModelSpec.read(spec_path(model_path))
    source = keras_file(model_path)
    check_folder(out, overwrite=overwrite, inputs={"model": source})
    model = load_keras(model_path)
    report = export_model(model, spec, out, source, overwrite, options)
    if onnx is None:
        return report
    from tfepi.serving.onnx import write_onnx

    if options.head is not None:
        model, spec = only_head(model, spec, options.head)
    return report | {"onnx_difference": write_onnx(model, spec, options, onnx, source)}


def export_model(
    model: keras.Model,
    spec: ModelSpec,
    out: str | Path,
    source: str | Path,
    overwrite: bool = False,
    options: ExportOptions = DEFAULT,
) -> dict:
    """Do the same with a model that is loaded, whose weights came from the file `source`."""
    out = Path(out)
    check_folder(out, overwrite=overwrite, inputs={"model": source})
    if options.head is not None:
        model, spec = only_head(model, spec, options.head)
    scores, note = scores_of(spec, options)
    if note:
        log.warning("no signatures that score variants: %s", note)
    signatures = Signatures(
        predictions(model, spec, options.rc),
        spec,
        scores,
        options.indel_align == "stitch",
        options.batch_size,
    )
    about = metadata(spec, options, scores, (note,) if note else (), source)
    endpoints = signatures.endpoints(json.dumps(about))
    rows = options.batch_size or max(1, min(CHECKED, CHECKED_BP // spec.seq_length))
    example = Example.random(spec, rows, None if scores is None else scores.window)
    with atomic_path(out) as part:
        with run_record(claim_folder(part), {"model": source}):
            _write(model, endpoints, part)
            (part / "assets.extra").mkdir(exist_ok=True)
            _contract(spec, options).write(part / SAVED_MODEL_SPEC)
            write_json(part / METADATA, about)
            _write_warmup(spec, scores, options, part)
            want = expected(
                model, spec, options.rc, scores, options.indel_align == "stitch", example
            )
            report = _compare(example, want, scores, part)
            write_json(part / "export.json", report)
        if out.exists():
            shutil.rmtree(out)
    log.info(
        "largest difference after reloading: %.3g (%.3g of the largest value)",
        report["largest_difference"],
        report["relative_difference"],
    )
    return report


def _contract(spec: ModelSpec, options: ExportOptions) -> ModelSpec:
    """Return the contract of the SavedModel, which says if strands are averaged already."""
    if not options.rc:
        return spec
    values = spec.to_json()
    return ModelSpec.from_json(values | {"extra": spec.extra | {"rc_averaged": True}})


def _write(model: keras.Model, endpoints: Mapping[str, Endpoint], folder: Path) -> None:
    archive = keras.export.ExportArchive()
    archive.track(model)
    graphs = {}  # kept, since one that nobody holds is traced again
    for name, (function, inputs) in endpoints.items():
        if function not in graphs:
            graph = tf.function(function, input_signature=[inputs], autograph=False)
            graphs[function] = graph, graph.get_concrete_function()
        archive.add_endpoint(name, graphs[function][0])
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.WARNING)  # it names the temporary folder
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        raise TfepiError(f"cannot write the SavedModel: {error.message.splitlines()[0]}") from None
    finally:
        logger.setLevel(level)


def _write_warmup(
    spec: ModelSpec, scores: Scores | None, options: ExportOptions, folder: Path
) -> None:
    window = None if scores is None else scores.window
    given = Example.random(spec, options.batch_size or 1, window).requests()
    names = [name for name in WARMED if name in given]
    if spec.seq_length > WARMED_FLOATS:
        names.remove("predict")
    write_warmup(folder / WARMUP, spec.name, [(name, given[name]) for name in names])


def _compare(
    example: Example, want: Mapping[str, dict], scores: Scores | None, folder: Path
) -> dict:
    loaded = tf.saved_model.load(str(folder))
    found = {}
    for name, inputs in example.requests().items():
        got = loaded.signatures[name](**{k: tf.constant(v) for k, v in inputs.items()})
        if name.startswith("score"):
            found[name] = score_difference(scores, got, want[name], want["predict"])
        else:
            each = [difference(got[head], value) for head, value in want[name].items()]
            # Unlike max(), this keeps NaN, which is refused.
            found[name] = tuple(float(v) for v in np.max(each, axis=0))
        if not found[name][1] <= TOLERANCE:
            raise TfepiError(
                f"the reloaded export differs from the Keras model by {found[name][0]:.3g} "
                f"({found[name][1]:.3g} of the largest value) in the signature {name}, want at "
                f"most {TOLERANCE}: not exported"
            )
    largest, relative = (float(v) for v in np.max(list(found.values()), axis=0))
    return {
        "format": "tfepi-export",
        "format_version": 1,
        "signatures": sorted(loaded.signatures),
        "sequences_compared": len(example.indices),
        "largest_difference": largest,
        "relative_difference": relative,
        "differences": {n: {"absolute": a, "relative": r} for n, (a, r) in found.items()},
    }
