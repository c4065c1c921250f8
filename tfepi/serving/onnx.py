"""A model as an ONNX file, for machines without TensorFlow: predictions of one-hot sequences only.

tf2onnx writes it, onnxruntime runs it to compare (extra `onnx`).
"""

import json
import logging
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfepi.serving.examples import Example
from tfepi.serving.metadata import metadata
from tfepi.serving.options import ExportOptions
from tfepi.serving.parity import difference
from tfepi.serving.strands import predictions
from tfepi.spec import ModelSpec
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.files import atomic_path

OPSET = 18
TOLERANCE = 1e-4  # of the largest value: other kernels sum in another order


def _erfc(graph, node, name, args) -> None:
    """Write Erfc, which ONNX lacks (Keras's exact GELU has it), as 1 - Erf."""
    node.type = "Erf"
    minus = graph.insert_new_node_on_output("Neg", node.output[0], name=f"{name}_minus")
    one = graph.make_const(f"{name}_one", np.array(1, np.float32)).output[0]
    inputs = [minus.output[0], one]
    graph.insert_new_node_on_output("Add", minus.output[0], inputs=inputs, name=f"{name}_sum")


def write_onnx(
    model, spec: ModelSpec, options: ExportOptions, path: str | Path, source: str | Path
) -> float:
    """Write a model as ONNX, run it, and compare it with the model.

    Inputs have the model's names, float32 [batch, …]; outputs are the heads. The metadata lies
    in the file's properties as `tfepi_metadata`.

    Args:
        model: a Keras model that takes a dict of inputs.
        spec: its contract.
        options: of the export; both strands are averaged, a batch is fixed as there.
        path: of the file.
        source: the file the weights came from.

    Returns:
        The largest difference, as a share of the largest value.

    Raises:
        TfepiError: it cannot be written, or differs by more than 1e-4.
    """
    import onnx.defs
    import onnxruntime
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # what it cannot write is told below
    predict = predictions(model, spec, options.rc)
    names = list(spec.inputs)

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec((options.batch_size, *spec.inputs[n]), tf.float32, name=n) for n in names
        ],
    )
    def graph(*inputs):
        return predict(dict(zip(names, inputs, strict=True)))

    example = Example.random(spec, options.batch_size or 1, None)
    given = example.requests()["predict"]
    with atomic_path(Path(path)) as part:
        try:
            proto, _ = tf2onnx.convert.from_function(
                graph,
                input_signature=graph.input_signature,
                opset=OPSET,
                custom_op_handlers={"Erfc": (_erfc, [])},
            )
        except (ValueError, NotImplementedError, RuntimeError) as error:
            raise _unwritable(error) from None
        lacking = {n.op_type for n in proto.graph.node if not onnx.defs.has(n.op_type, n.domain)}
        if lacking:
            raise TfepiError(
                f"cannot write the model as ONNX, which has no {', '.join(sorted(lacking))}: leave "
                "--onnx out"
            )
        about = metadata(spec, options, None, ("predictions only",), source)
        entry = proto.metadata_props.add()
        entry.key, entry.value = "tfepi_metadata", json.dumps(about)
        part.write_bytes(proto.SerializeToString())
        try:
            session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no other class in common
            raise _unwritable(error) from None
        outputs = [output.name for output in session.get_outputs()]
        got = dict(zip(outputs, session.run(None, given), strict=True))
        want = predict({n: tf.constant(v) for n, v in given.items()})
        share = float(np.max([difference(got[n], v)[1] for n, v in want.items()]))
        if not share <= TOLERANCE:
            raise TfepiError(
                f"the ONNX file differs from the Keras model by {share:.3g} of the largest value, "
                f"want at most {TOLERANCE}: not written"
            )
    return share


def _unwritable(error: Exception) -> TfepiError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return TfepiError(f"cannot write the model as ONNX: {reason}")
