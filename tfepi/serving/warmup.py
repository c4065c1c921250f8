"""Requests that a server runs before it takes others: TensorFlow Serving's warm-up file.

A TFRecord of PredictionLog messages. Of that message only the fields that a request has are
written, by their numbers in TensorFlow Serving's prediction_log.proto, predict.proto and
model.proto, so that its package is not needed.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfrecords_tools.framing import frame

WARMUP = "assets.extra/tf_serving_warmup_requests"
_PREDICT_LOG, _REQUEST = 6, 1  # of PredictionLog, of PredictLog
_MODEL_SPEC, _INPUTS = 1, 2  # of PredictRequest
_NAME, _SIGNATURE = 1, 3  # of ModelSpec
_KEY, _VALUE = 1, 2  # of a map's entries
_BYTES = 2  # the wire type


def write_warmup(
    path: Path, name: str, requests: Iterable[tuple[str, Mapping[str, np.ndarray]]]
) -> None:
    """Write the file.

    Args:
        path: of it.
        name: of the model.
        requests: signature and inputs by name of each.
    """
    path.write_bytes(b"".join(frame(prediction_log(name, *request)) for request in requests))


def prediction_log(name: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """Return the bytes of a PredictionLog that holds one request.

    Args:
        name: of the model.
        signature: its name.
        inputs: arrays by name; bytes as an array of objects.
    """
    spec = _field(_NAME, name.encode()) + _field(_SIGNATURE, signature.encode())
    request = _field(_MODEL_SPEC, spec)
    for key, value in sorted(inputs.items()):
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(_INPUTS, _field(_KEY, key.encode()) + _field(_VALUE, tensor))
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])
