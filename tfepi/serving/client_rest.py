"""Requests by HTTP and JSON, as TensorFlow Serving's RESTful API has them. Needs no TensorFlow."""

import json
import os
import threading
import time
from collections.abc import Mapping, Sequence
from email.utils import parsedate_to_datetime

import numpy as np
import requests

from tfepi.serving.client_address import Address
from tfepi.serving.client_transport import (
    ALONE,
    Inputs,
    ServerRefusedError,
    Unavailable,
    certificates,
    shortened,
)
from tfrecords_tools.errors import ConfigError

FORMATS = ("columns", "rows")
_BUSY = (429, 503)
_AGAIN = (408, 425, 502, 504)
_NOT_SAID = (404, 405, 501)  # by servers that know no such address
_BLOCK = 1 << 16
_AVAILABLE = "AVAILABLE"


class RestTransport:
    """A `client_transport.Transport` by HTTP.

    Args:
        address: of the model.
        form: "columns": of each input all rows; "rows": of each row all inputs.
    """

    def __init__(self, address: Address, form: str = FORMATS[0]):
        self.address = address
        self._form = form
        self._version = address.version
        # requests has a list of authorities of its own, the system's may have more.
        self._verify = os.environ.get("REQUESTS_CA_BUNDLE") or certificates() or True
        self._own = threading.local()
        self._sessions: list[requests.Session] = []

    def predict(self, signature: str, inputs: Inputs, timeout: float) -> dict[str, object]:
        """As `client_transport.Transport.predict`."""
        text = json.dumps(body(signature, inputs, self._form), allow_nan=True)
        answer = self._answer("POST", f"{self._url()}:predict", timeout, text)
        return outputs(answer, self.address)

    def signatures(self, timeout: float) -> dict[str, dict[str, str]] | None:
        """As `client_transport.Transport.signatures`."""
        found = self._answer("GET", f"{self._url()}/metadata", timeout, known=_NOT_SAID)
        try:
            signatures = found["metadata"]["signature_def"]["signature_def"]
            return {
                name: {key: value["dtype"] for key, value in one.get("inputs", {}).items()}
                for name, one in signatures.items()
            }
        except (KeyError, TypeError, AttributeError):
            return None

    def version(self, timeout: float) -> int | None:
        """As `client_transport.Transport.version`."""
        found = self._answer("GET", self._url(), timeout, known=_NOT_SAID)
        try:
            states = found["model_version_status"]
            return max(int(s["version"]) for s in states if s["state"] == _AVAILABLE)
        except (KeyError, TypeError, ValueError):
            return None

    def pin(self, version: int) -> None:
        """As `client_transport.Transport.pin`."""
        self._version = version

    def close(self) -> None:
        """As `client_transport.Transport.close`."""
        for session in self._sessions:
            session.close()

    def _url(self) -> str:
        version = "" if self._version is None else f"/versions/{self._version}"
        return self.address.of_model + version

    def _session(self) -> requests.Session:
        """Return this thread's session: one is not made for several."""
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._sessions.append(self._own.session)
        return self._own.session

    def _answer(
        self,
        method: str,
        url: str,
        timeout: float,
        text: str | None = None,
        known: Sequence[int] = (),
    ) -> object:
        """Return the JSON value of an answer, or None with one of the statuses in `known`."""
        until = time.monotonic() + timeout
        try:
            with self._session().request(
                method,
                url,
                data=None if text is None else text.encode(),
                headers={"Content-Type": "application/json"} if text else None,
                timeout=timeout,
                verify=self._verify,
                stream=True,
                allow_redirects=False,
            ) as response:
                content = b"".join(_blocks(response, until, timeout))
                status, headers = response.status_code, response.headers
        except requests.exceptions.Timeout:
            raise Unavailable(f"no answer within {timeout:g} s") from None
        except (
            requests.exceptions.ConnectionError,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise ConfigError(
                    f"{self.address} has a certificate that is not trusted ({_cause(error)}): "
                    "SSL_CERT_FILE names a file of those that are"
                ) from None
            raise Unavailable(f"no connection ({_cause(error)})") from None
        except requests.exceptions.RequestException as error:
            raise ServerRefusedError(f"{self.address}: {shortened(str(error))}") from None
        if status in known:
            return None
        if status != 200:
            raise _failure(self.address, status, headers, content)
        try:
            return json.loads(content)
        except ValueError:
            raise ServerRefusedError(
                f"{self.address} answered what is no JSON: {_start(content)!r}; is it another "
                "service?"
            ) from None


def body(signature: str, inputs: Inputs, form: str = FORMATS[0]) -> dict:
    """Return the JSON value of a request.

    Args:
        signature: name.
        inputs: of it; without any they are columns, as there is no row.
        form: of `FORMATS`.
    """
    lists = {k: v.tolist() if isinstance(v, np.ndarray) else list(v) for k, v in inputs.items()}
    if form == "columns" or not lists:
        return {"signature_name": signature, "inputs": lists}
    rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    return {"signature_name": signature, "instances": rows}


def outputs(answer: object, address: Address) -> dict[str, object]:
    """Return output → values of an answer; an output without a name is called `ALONE`.

    Raises:
        ServerRefusedError: what is no answer of the API.
    """
    if isinstance(answer, dict) and "outputs" in answer:
        found = answer["outputs"]
        return dict(found) if isinstance(found, dict) else {ALONE: found}
    rows = answer.get("predictions") if isinstance(answer, dict) else None
    if not isinstance(rows, list):
        raise ServerRefusedError(
            f"{address} answered {shortened(str(answer), 80)}: want 'outputs' or 'predictions'; is "
            "it another service?"
        )
    if not rows or not isinstance(rows[0], dict):
        return {ALONE: rows}
    if any(not isinstance(row, dict) or row.keys() != rows[0].keys() for row in rows):
        raise ServerRefusedError(f"{address} answered rows of different outputs")
    return {name: [row[name] for row in rows] for name in rows[0]}


def _blocks(response: requests.Response, until: float, timeout: float):
    """Yield an answer's bytes; requests itself limits only the time between two of them."""
    for block in response.iter_content(_BLOCK):
        if time.monotonic() > until:
            raise Unavailable(f"no whole answer within {timeout:g} s")
        yield block


def _failure(
    address: Address, status: int, headers: Mapping[str, str], content: bytes
) -> Exception:
    message = _message(content)
    text = f"status {status}{f': {message}' if message else ''}"
    if status in _BUSY:
        return Unavailable(text, busy=True, after=_seconds(headers.get("Retry-After")))
    if status in _AGAIN:
        return Unavailable(text)
    if status == 500:
        return Unavailable(text, doubtful=True)
    if status == 404:
        text += f"; is {address.model!r} the name of the model, and its version still served?"
    return ServerRefusedError(f"{address} refused: {text}")


def _message(content: bytes) -> str:
    """Return what a server says is wrong."""
    try:
        found = json.loads(content)
    except ValueError:
        return _start(content)
    if isinstance(found, dict):
        found = found.get("error") or found.get("detail") or found
    return shortened(found if isinstance(found, str) else json.dumps(found))


def _start(content: bytes) -> str:
    return shortened(content[:400].decode(errors="replace"), 200)


def _seconds(value: str | None) -> float | None:
    """Return the seconds of Retry-After, which may be a date; None of what is neither."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _cause(error: Exception) -> str:
    """Return the innermost reason of an error of requests, which wraps those of urllib3."""
    while True:
        inner = error.__context__ or getattr(error, "reason", None)
        inner = inner or next((a for a in error.args if isinstance(a, Exception)), None)
        if not isinstance(inner, Exception):
            return shortened(str(error), 120) or type(error).__name__
        error = inner
