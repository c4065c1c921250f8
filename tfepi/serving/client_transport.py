"""What carries a request to a server and an answer back, and what can become of it."""

import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np

from tfepi.serving.client_address import Address
from tfrecords_tools.errors import TfepiError

Inputs = Mapping[str, Sequence | np.ndarray]
"""Signature's input → strings, or an array of numbers."""
_ASSERTED = re.compile(r"assertion failed: \[(.*?)\](?: \[|$)")
ALONE = ""
"""The name of an answer's only output where the server does not say it."""


class ServerRefusedError(TfepiError):
    """The server answered that the request is wrong, or with what is no answer to it."""


class ServerLostError(TfepiError):
    """A server gave no answer for too long: the same command may succeed later."""

    status = 75  # sysexits' EX_TEMPFAIL


class Unavailable(Exception):
    """No answer to one request, which may come if it is sent again.

    Args:
        reason: in words.
        busy: the server said that it has too much to do.
        after: seconds after which it wants to be asked again, or None.
        doubtful: the server failed at this request, and may do so whenever it is sent.
    """

    def __init__(
        self,
        reason: str,
        busy: bool = False,
        after: float | None = None,
        doubtful: bool = False,
    ):
        super().__init__(reason)
        self.busy, self.after, self.doubtful = busy, after, doubtful


class Transport(Protocol):
    """A way of asking the model at an address; several threads may ask at once."""

    address: Address

    def predict(self, signature: str, inputs: Inputs, timeout: float) -> dict[str, object]:
        """Return what a signature answers: output → nested lists or an array.

        Args:
            signature: name.
            inputs: of it.
            timeout: seconds.

        Raises:
            Unavailable: no answer this time.
            ServerRefusedError: an answer that another attempt would not change.
        """
        ...

    def signatures(self, timeout: float) -> dict[str, dict[str, str]] | None:
        """Return signature → input → type (DT_STRING …), or None where the server does not say.

        Raises:
            as `predict`.
        """
        ...

    def version(self, timeout: float) -> int | None:
        """Return the version that answers now, or None where the server does not say.

        Raises:
            as `predict`.
        """
        ...

    def pin(self, version: int) -> None:
        """Ask this version from now on."""
        ...

    def close(self) -> None:
        """End what is open; later requests fail."""
        ...


def certificates() -> str | None:
    """Return the file, or else the folder, of the system's certificates; None if it has none."""
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath


def shortened(message: str, most: int = 400) -> str:
    """Return a server's message on one line, and not longer than a screen.

    Of what a check in the model's graph says TensorFlow tells where in the graph, too, which is
    left out.
    """
    text = " ".join(message.split())
    if found := _ASSERTED.search(text):
        text = found[1]
    return text if len(text) <= most else f"{text[:most]}…"
