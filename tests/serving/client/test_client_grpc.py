"""The exact messages of gRPC, and a server of this process that answers as the API says."""

import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.serving.client import Client
from tfepi.serving.client_address import Address
from tfepi.serving.client_requests import Waiting
from tfepi.serving.client_scoring import score_served_vcf
from tfepi.serving.client_transport import ServerLostError, ServerRefusedError, Unavailable
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError

tf = import_tensorflow()
grpc = pytest.importorskip("grpc")
pytest.importorskip("tensorflow_serving.apis")

from tensorflow_serving.apis import predict_pb2  # noqa: E402

from tfepi.serving.client_grpc import GrpcTransport  # noqa: E402

SERVER = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("grpc_server.py"))))
TYPES = {"row": tf.int32, "offset": tf.int32}
SIGNATURES = {
    "describe": ("row",),
    "predict_dna": ("sequence",),
    "score_variants": ("ref", "alt"),
    "score_alleles": ("window", "offset", "ref", "alt"),
}


class ToyModel:
    """A `ToyServed` as a SavedModel is called.

    Attributes:
        faults: exceptions for the next calls but those of `describe`.
    """

    def __init__(self, toy):
        self.toy, self.faults = toy, []
        self.definitions = {name: self._definition(inputs) for name, inputs in SIGNATURES.items()}

    @staticmethod
    def _definition(inputs):
        from tensorflow.core.protobuf import meta_graph_pb2

        found = meta_graph_pb2.SignatureDef()
        for name in inputs:
            found.inputs[name].dtype = TYPES.get(name, tf.string).as_datatype_enum
        return found

    def call(self, name, inputs):
        if name != "describe" and self.faults:
            raise self.faults.pop(0)
        rows = {
            key: [v.decode() if isinstance(v, bytes) else v for v in value.numpy().tolist()]
            for key, value in inputs.items()
        }
        try:
            return self.toy.answer(name, rows)
        except Exception as error:
            raise tf.errors.InvalidArgumentError(None, None, str(error)) from None


@pytest.fixture
def served(toy):
    """Return a function that starts a server of a toy model, with its arguments."""
    started = []

    def start(*args, version=5, **options):
        model = ToyModel(toy.ToyServed(*args, **options))
        service = SERVER.Service(model, "toy", version)
        server, port = SERVER.start(service)
        started.append(server)
        url = f"grpc://127.0.0.1:{port}"
        return SimpleNamespace(model=model, service=service, url=url, server=server)

    yield start
    for server in started:
        server.stop(None)


def client_of(server, patience=20.0, timeout=20.0, **options):
    client = Client(server.url, "toy", waiting=Waiting(3, timeout, patience), **options)
    client.requests._draw = lambda: 0.01
    return client


def test_the_message():
    transport = GrpcTransport(Address.parse("grpc://127.0.0.1:1", "yeast", 4))
    inputs = {"window": ["ACGT", "NN"], "offset": np.array([1, 0], np.int32)}
    wanted = predict_pb2.PredictRequest()
    wanted.model_spec.name = "yeast"
    wanted.model_spec.version.value = 4
    wanted.model_spec.signature_name = "score_alleles"
    text, numbers = wanted.inputs["window"], wanted.inputs["offset"]
    text.dtype, numbers.dtype = 7, 3  # DT_STRING, DT_INT32
    text.string_val.extend([b"ACGT", b"NN"])
    numbers.tensor_content = b"\x01\0\0\0\0\0\0\0"
    for tensor in (text, numbers):
        tensor.tensor_shape.dim.add().size = 2
    assert transport.request("score_alleles", inputs) == wanted
    transport.close()
    plain = GrpcTransport(Address.parse("grpc://127.0.0.1:1", "yeast"))
    assert not plain.request("describe", {}).model_spec.HasField("version")
    plain.close()
    with pytest.raises(Unavailable):
        plain.version(1)


def test_the_same_files(served, serve, ask, vcf, fasta, tmp_path):
    every = ("SAD", "D1", "REF", "ALT")
    with client_of(served(every), batch_size=7) as client:
        score_served_vcf(client, vcf, fasta, tmp_path / "grpc", quiet=True)
    score_served_vcf(ask(serve(every)), vcf, fasta, tmp_path / "rest", quiet=True)
    names = sorted(p.name for p in (tmp_path / "rest").iterdir())
    for name in ("scores.h5", "scores.parquet", "scores.vcf.gz", "skipped.tsv"):
        assert name in names
        assert (tmp_path / "grpc" / name).read_bytes() == (tmp_path / "rest" / name).read_bytes()


def test_version_and_signatures(served):
    server = served()
    client = client_of(server)
    assert client.describe().stats == ("SAD", "D1")
    assert client._transport.version(10) == 5
    assert client._transport.signatures(10)["score_alleles"] == {
        "window": "DT_STRING",
        "offset": "DT_INT32",
        "ref": "DT_STRING",
        "alt": "DT_STRING",
    }
    server.service.version = 6
    with pytest.raises(ServerRefusedError, match="NOT_FOUND"):
        client.predict_dna(["A" * 64])
    del server.model.definitions["describe"]
    with pytest.raises(
        ServerRefusedError, match=r"it has the signatures predict_dna.*tfepi_export"
    ):
        client_of(server).describe()


def test_an_answer_of_another_version(served):
    transport = GrpcTransport(Address.parse(served(version=5).url, "toy", 5))
    transport._check_version(5)
    with pytest.raises(ServerRefusedError, match="answered with version 6, asked was 5"):
        transport._check_version(6)


def test_refusals(served):
    server = served()
    client = client_of(server)
    with pytest.raises(
        ServerRefusedError, match=r"INVALID_ARGUMENT: sequence has 3 letters.*rows 0 to 0"
    ):
        client.predict_dna(["ACG"])
    with pytest.raises(ServerRefusedError, match=r"NOT_FOUND.*is 'other' the name of the model"):
        Client(server.url, "other", waiting=Waiting(1, 20, 5)).describe()


class Abort(Exception):
    """What a server ends a call with."""


def test_statuses(served, monkeypatch):
    server = served()
    client = client_of(server)
    client.describe()
    codes, left = grpc.StatusCode, []
    plain = server.service.Predict

    def predict(request, context):
        if left:
            context.abort(left.pop(0), "as the test asks")
        return plain(request, context)

    monkeypatch.setattr(type(server.service), "Predict", lambda self, *args: predict(*args))
    server.server.stop(None).wait()
    server.server, _port = SERVER.start(server.service, int(server.url.rpartition(":")[2]))
    left.extend([codes.UNAVAILABLE, codes.RESOURCE_EXHAUSTED, codes.ABORTED, codes.INTERNAL])
    assert client.predict_dna(["A" * 64])["main"].shape == (1, 6, 3)
    assert client.requests.repeated >= 4
    assert client.requests.flow.limit <= 3
    left.extend([codes.INTERNAL] * 3)
    with pytest.raises(ServerLostError, match="INTERNAL: as the test asks, 3 times"):
        client.predict_dna(["A" * 64])
    left.append(codes.FAILED_PRECONDITION)
    with pytest.raises(ServerRefusedError, match="FAILED_PRECONDITION"):
        client.predict_dna(["A" * 64])
    server.server.stop(None).wait()
    client.requests.how = Waiting(3, 20, 0)
    with pytest.raises(ServerLostError, match="UNAVAILABLE"):
        client.predict_dna(["A" * 64])


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    with pytest.raises(ConfigError, match=r"pip install 'tfepi\[serving\]'"):
        Client("grpc://127.0.0.1:1", "toy")
