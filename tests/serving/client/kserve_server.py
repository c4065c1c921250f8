"""A KServe server of one SavedModel by the V1 protocol, run in KServe's own environment.

    kserve_server.py SAVED_MODEL NAME PORT

The SavedModel is loaded by TensorFlow; the signature that the body names is called. JSON goes in
and comes out as rows or columns, as the request has it.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from kserve import Model, model_server
from kserve.errors import InvalidInput


class Served(Model):
    """A SavedModel."""

    def __init__(self, name: str, folder: str):
        super().__init__(name)
        self._folder = folder
        self.load()

    def load(self) -> bool:
        self._signatures = tf.saved_model.load(self._folder).signatures
        self.ready = True
        return True

    def predict(self, payload, headers=None, response_headers=None):
        name = payload.get("signature_name", "serving_default")
        if name not in self._signatures:
            raise InvalidInput(f"no signature {name!r}")
        signature = self._signatures[name]
        wanted = signature.structured_input_signature[1]
        try:
            inputs = {k: tf.constant(v, wanted[k].dtype) for k, v in columns(payload).items()}
            found = {k: v.numpy() for k, v in signature(**inputs).items()}
        except KeyError as error:
            raise InvalidInput(f"{name} takes {sorted(wanted)}: {error}") from None
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            raise InvalidInput((getattr(error, "message", None) or str(error))[:2000]) from None
        lists = {k: as_list(v) for k, v in found.items()}
        if "instances" in payload:
            rows = zip(*lists.values(), strict=True)
            return {"predictions": [dict(zip(lists, row, strict=True)) for row in rows]}
        return {"outputs": lists}


def columns(payload: dict) -> dict:
    """Return input → values of all rows."""
    if "instances" not in payload:
        return payload["inputs"]
    rows = payload["instances"]
    return {k: [row[k] for row in rows] for k in rows[0]}


def as_list(values: np.ndarray) -> list:
    """Return values as JSON has them."""
    return [v.decode() for v in values] if values.dtype == object else values.tolist()


class LocalServer(model_server.RESTServer):
    """KServe's own, which listens to every network, listening to this machine."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.config.host = "127.0.0.1"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("name")
    parser.add_argument("port", type=int)
    args = parser.parse_args()
    model_server.RESTServer = LocalServer
    server = model_server.ModelServer(http_port=args.port, enable_grpc=False, workers=1)
    server.start([Served(args.name, args.folder)])
