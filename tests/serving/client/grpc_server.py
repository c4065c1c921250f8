"""A gRPC server of one SavedModel: PredictionService of tensorflow-serving-api, called as it says.

    grpc_server.py SAVED_MODEL NAME PORT [VERSION]

It writes "ready PORT" when it answers. Not the server that the messages were made for: it loads
the model with TensorFlow, calls the signature named and gives the statuses that the API tells of.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from tfepi.startup import import_tensorflow

tf = import_tensorflow(deterministic=False)

from google.protobuf import any_pb2  # noqa: E402
from tensorflow.core.protobuf import saved_model_pb2  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class SavedModel:
    """The signatures of a SavedModel."""

    def __init__(self, folder: str):
        self._loaded = tf.saved_model.load(folder)
        text = Path(folder, "saved_model.pb").read_bytes()
        self.definitions = saved_model_pb2.SavedModel.FromString(text).meta_graphs[0].signature_def

    def call(self, name: str, inputs: dict):
        """Return what a signature answers; raises KeyError for one that is not there."""
        return self._loaded.signatures[name](**inputs)


class Service(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Answers for one version of one model.

    Args:
        model: has `call` and `definitions`.
        name: of the model.
        version: number.
    """

    def __init__(self, model, name: str, version: int = 1):
        self._model, self._name, self.version = model, name, version

    def _check(self, spec, context) -> None:
        other = spec.HasField("version") and spec.version.value != self.version
        if spec.name != self._name or other:
            context.abort(grpc.StatusCode.NOT_FOUND, f"Servable not found: {spec.name}")

    def Predict(self, request, context):
        self._check(request.model_spec, context)
        name = request.model_spec.signature_name or "serving_default"
        if name not in self._model.definitions:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no signature {name!r}")
        wanted = self._model.definitions[name].inputs
        if set(wanted) != set(request.inputs):
            context.abort(
                grpc.StatusCode.INVALID_ARGUMENT,
                f"{name} takes {sorted(wanted)}, sent were {sorted(request.inputs)}",
            )
        try:
            inputs = {}
            for key, tensor in request.inputs.items():
                if tensor.dtype != wanted[key].dtype:
                    raise TypeError(f"input {key} has another type")
                inputs[key] = tf.constant(tf.make_ndarray(tensor))
            found = self._model.call(name, inputs)
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            text = getattr(error, "message", None) or str(error)
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, text[:2000])
        answer = predict_pb2.PredictResponse()
        answer.model_spec.name = self._name
        answer.model_spec.version.value = self.version
        answer.model_spec.signature_name = name
        for key, value in found.items():
            answer.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return answer

    def GetModelMetadata(self, request, context):
        self._check(request.model_spec, context)
        answer = get_model_metadata_pb2.GetModelMetadataResponse()
        answer.model_spec.name = self._name
        answer.model_spec.version.value = self.version
        packed = any_pb2.Any()
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, one in self._model.definitions.items():
            signatures.signature_def[name].CopyFrom(one)
        packed.Pack(signatures)
        answer.metadata["signature_def"].CopyFrom(packed)
        return answer

    def GetModelStatus(self, request, context):
        self._check(request.model_spec, context)
        status = get_model_status_pb2.ModelVersionStatus(
            version=self.version, state=get_model_status_pb2.ModelVersionStatus.AVAILABLE
        )
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])


def start(service: Service, port: int = 0, workers: int = 8) -> tuple[grpc.Server, int]:
    """Start a server on this machine; return it and its port."""
    server = grpc.server(ThreadPoolExecutor(workers), options=_UNLIMITED)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(service, server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return server, port


if __name__ == "__main__":
    folder, name, port, *rest = sys.argv[1:]
    server, port = start(Service(SavedModel(folder), name, *map(int, rest)), int(port))
    print(f"ready {port}", flush=True)
    server.wait_for_termination()
