"""Requests by gRPC, with the messages of tensorflow-serving-api (extra `serving`)."""

import os
from pathlib import Path

import numpy as np

from tfepi.serving.client_address import Address
from tfepi.serving.client_transport import (
    Inputs,
    ServerRefusedError,
    Unavailable,
    certificates,
    shortened,
)
from tfrecords_tools.errors import ConfigError

_ADVICE = "python -m pip install 'tfepi[serving]' (or tensorflow-serving-api)"
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# A server that comes back is found within seconds, not after two minutes.
_OPTIONS = [*_UNLIMITED, ("grpc.initial_reconnect_backoff_ms", 100)]
_OPTIONS += [("grpc.min_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 2000)]
_OPTIONS += [("grpc.enable_retries", 0)]  # repeated here, where it is counted


class GrpcTransport:
    """A `client_transport.Transport` by gRPC; imports TensorFlow, whose tensors it sends.

    Args:
        address: of the model.

    Raises:
        ConfigError: tensorflow-serving-api is not installed.
    """

    def __init__(self, address: Address):
        from tfepi.startup import import_tensorflow

        self._tf = import_tensorflow()
        try:
            import grpc
            from tensorflow_serving.apis import (
                get_model_metadata_pb2,
                get_model_status_pb2,
                model_service_pb2_grpc,
                predict_pb2,
                prediction_service_pb2_grpc,
            )
        except ImportError as error:
            raise ConfigError(
                f"{address.scheme}:// needs tensorflow-serving-api, which is not installed "
                f"({error.name or error}): {_ADVICE}; or use http://"
            ) from None
        self.address = address
        self._version = address.version
        self._grpc, self._predict, self._metadata = grpc, predict_pb2, get_model_metadata_pb2
        self._status = get_model_status_pb2
        self._channel = _channel(grpc, address)
        self._service = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, signature: str, inputs: Inputs, timeout: float) -> dict[str, object]:
        """As `client_transport.Transport.predict`."""
        answer = self._asked(self._service.Predict, self.request(signature, inputs), timeout)
        found = answer.model_spec
        if self._version is not None and found.HasField("version"):
            self._check_version(found.version.value)
        return {name: self._tf.make_ndarray(value) for name, value in answer.outputs.items()}

    def request(self, signature: str, inputs: Inputs):
        """Return the message of a request (PredictRequest)."""
        request = self._predict.PredictRequest()
        self._set_model(request.model_spec)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            numbers = isinstance(value, np.ndarray)
            tensor = self._tf.make_tensor_proto(
                value if numbers else [text.encode() for text in value],
                dtype=None if numbers else self._tf.string,
                shape=None if numbers else (len(value),),
            )
            request.inputs[name].CopyFrom(tensor)
        return request

    def signatures(self, timeout: float) -> dict[str, dict[str, str]] | None:
        """As `client_transport.Transport.signatures`."""
        request = self._metadata.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._set_model(request.model_spec)
        answer = self._asked(self._service.GetModelMetadata, request, timeout, optional=True)
        if answer is None or "signature_def" not in answer.metadata:
            return None
        signatures = self._metadata.SignatureDefMap()
        if not answer.metadata["signature_def"].Unpack(signatures):
            return None
        types = self._tf.dtypes
        return {
            name: {
                key: f"DT_{types.as_dtype(value.dtype).name.upper()}"
                for key, value in one.inputs.items()
            }
            for name, one in signatures.signature_def.items()
        }

    def version(self, timeout: float) -> int | None:
        """As `client_transport.Transport.version`."""
        request = self._status.GetModelStatusRequest()
        self._set_model(request.model_spec)
        answer = self._asked(self._models.GetModelStatus, request, timeout, optional=True)
        if answer is None:
            return None
        available = self._status.ModelVersionStatus.AVAILABLE
        states = answer.model_version_status
        return max((s.version for s in states if s.state == available), default=None)

    def pin(self, version: int) -> None:
        """As `client_transport.Transport.pin`."""
        self._version = version

    def close(self) -> None:
        """As `client_transport.Transport.close`."""
        self._channel.close()

    def _set_model(self, spec) -> None:
        spec.name = self.address.model
        if self._version is not None:
            spec.version.value = self._version

    def _check_version(self, version: int) -> None:
        if version != self._version:
            raise ServerRefusedError(
                f"{self.address} answered with version {version}, asked was {self._version}"
            )

    def _asked(self, method, request, timeout: float, optional: bool = False):
        """Return a method's answer; None where it is optional and the server has none such."""
        try:
            return method(request, timeout=timeout)
        except ValueError as error:  # the channel is closed
            raise Unavailable(str(error)) from None
        except self._grpc.RpcError as error:
            code, text = error.code(), shortened(error.details() or "")
        codes = self._grpc.StatusCode
        if optional and code in (codes.UNIMPLEMENTED, codes.NOT_FOUND):
            return None
        shown = f"{code.name}: {text}"
        if code == codes.DEADLINE_EXCEEDED:
            raise Unavailable(f"no answer within {timeout:g} s")
        if code == codes.RESOURCE_EXHAUSTED and "larger than max" not in text:
            raise Unavailable(shown, busy=True)
        if code in (codes.UNAVAILABLE, codes.ABORTED, codes.CANCELLED):
            raise Unavailable(shown)
        if code in (codes.INTERNAL, codes.UNKNOWN):
            raise Unavailable(shown, doubtful=True)
        if code == codes.NOT_FOUND:
            shown += f"; is {self.address.model!r} the name of the model?"
        raise ServerRefusedError(f"{self.address} refused: {shown}")


def _channel(grpc, address: Address):
    if not address.is_encrypted:
        return grpc.insecure_channel(address.target, options=_OPTIONS)
    # Without these gRPC takes its own list of authorities, not the system's.
    own = os.environ.get("GRPC_DEFAULT_SSL_ROOTS_FILE_PATH")
    path = Path(own or certificates() or "")
    roots = path.read_bytes() if path.is_file() else None
    return grpc.secure_channel(
        address.target, grpc.ssl_channel_credentials(roots), options=_OPTIONS
    )
