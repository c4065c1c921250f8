"""The warm-up file, read back with TensorFlow Serving's own messages where they are installed."""

import numpy as np
import pytest

from tfepi.serving.examples import Example
from tfepi.serving.warmup import WARMUP, write_warmup
from tfepi.startup import import_tensorflow
from tfrecords_tools.framing import read_frames

tf = import_tensorflow()


def requests(path):
    """Return (model, signature, inputs) of each record of a warm-up file."""
    messages = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    for record in read_frames(path):
        log = messages.PredictionLog()
        log.ParseFromString(record)
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        yield request.model_spec.name, request.model_spec.signature_name, inputs


def test_requests_are_read_back(tmp_path):
    given = [
        ("predict", {"sequence": np.ones((1, 300, 4), np.float32)}),
        ("score_alleles", {"ref": np.array([b"A", b"CG"]), "offset": np.array([1, 2], np.int32)}),
    ]
    write_warmup(tmp_path / "requests", "model", given)
    found = list(requests(tmp_path / "requests"))
    assert [(name, signature) for name, signature, _ in found] == [
        ("model", "predict"),
        ("model", "score_alleles"),
    ]
    np.testing.assert_array_equal(found[0][2]["sequence"], given[0][1]["sequence"])
    assert found[1][2]["ref"].tolist() == [b"A", b"CG"]
    assert found[1][2]["offset"].tolist() == [1, 2]


def test_an_export_takes_its_own_requests(served):
    folder, signatures = served
    found = list(requests(folder / WARMUP))
    assert [signature for _, signature, _ in found] == ["predict", "predict_dna", "score_alleles"]
    for _, signature, inputs in found:
        got = signatures[signature](**{k: tf.constant(v) for k, v in inputs.items()})
        assert all(len(value) == 1 for value in got.values())


def test_examples_hold_every_kind_of_variant(attentive):
    from tfepi.variants.alleles import Window

    example = Example.random(attentive[1], 4, Window.of(attentive[1]))
    assert [(len(r), len(a)) for r, a in example.alleles] == [(3, 1), (1, 3), (1, 1), (2, 2)]
    assert all(r != a for r, a in example.alleles)
    assert Example.random(attentive[1], 2, None).alleles == ()
