"""What goes wrong with servers of files: what is tried again, and what is told at once."""

import contextlib
import json
import logging
import time
from collections.abc import Iterator

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.remote import shown

log = logging.getLogger(__name__)
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)  # s, before the next try
# Errors of botocore about its settings.
_SETTINGS = {
    *("ProfileNotFound", "ConfigNotFound", "ConfigParseError", "InvalidConfigError"),
    *("NoRegionError", "EndpointProviderError", "ParamValidationError"),
}


class NoRanges(Exception):
    """The server gives whole files only."""


class Ended(OSError):
    """A file ended before its server said, which may be of another version."""


class Failures:
    """The tries that failed one after the other of one URL.

    Args:
        url: for messages.
        size: bytes of the file, or None.
    """

    def __init__(self, url: str, size: int | None = None):
        self.count = 0
        self._url, self._size = shown(url), size

    def wait(self, error: Exception, at: int = 0) -> None:
        """Wait before the next try.

        Args:
            error: why the last one failed.
            at: bytes that are there.

        Raises:
            InputFileError: the server refuses, or it was the last try; how far the copy came.
            ConfigError: what tells of the server or the credentials is wrong.
        """
        reason = _reason(error)
        if _is_unusable(error):
            raise unusable(self._url, error) from None
        if _is_refused(error):
            raise InputFileError(
                f"{self._url} is refused by its server ({reason}): check the credentials and the "
                "rights to read it; docs/remote.md says how each is given"
            ) from None
        if self.count == len(WAITS):
            came = f" after {at:,} of {self._size:,} bytes" if at and self._size else ""
            raise InputFileError(
                f"{self._url} could not be read{came}, {self.count + 1} tries failed ({reason}): "
                "check the network and the server's address, then run the same command again"
                + (", which goes on from there" if came else "")
            ) from None
        pause = WAITS[self.count]
        self.count += 1
        log.info("%s: %s; next try in %g s", self._url, reason, pause)
        time.sleep(pause)


def _status(error: BaseException) -> int | None:
    """Return the HTTP status that an error of aiohttp, gcsfs or botocore is of, or None."""
    told = getattr(error, "response", None)
    if isinstance(told, dict):
        return told.get("ResponseMetadata", {}).get("HTTPStatusCode")
    for name in ("status", "code"):
        with contextlib.suppress(TypeError, ValueError):
            return int(getattr(error, name, None))
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def missing(url: str) -> InputFileError:
    """Return the error for a URL at which there is nothing."""
    return InputFileError(
        f"{shown(url)} does not exist on its server: check the name, and that you may list it"
    )


def is_missing(error: Exception) -> bool:
    """Tell whether a server said that there is no such file; fsspec says it of any failure."""
    if not isinstance(error, FileNotFoundError):
        return _status(error) in (404, 410)
    return error.__cause__ is None or any(_status(e) in (404, 410) for e in _causes(error))


def _is_refused(error: Exception) -> bool:
    return any(
        isinstance(e, PermissionError)
        or _status(e) in (401, 403, 407)
        or "Credential" in type(e).__name__
        for e in _causes(error)
    )


def _is_unusable(error: Exception) -> bool:
    """Tell whether no request was made: an unknown profile, what is no address or no region."""
    return any(
        (isinstance(e, ValueError) and not isinstance(e, (json.JSONDecodeError, UnicodeError)))
        or _SETTINGS & {kind.__name__ for kind in type(e).__mro__}
        for e in _causes(error)
    )


def unusable(url: str, error: Exception) -> ConfigError:
    """Return the error for a URL whose server cannot be asked, as its settings are."""
    return ConfigError(
        f"{url} cannot be asked for ({_reason(error)}): correct its name, or the settings of its "
        "server, which docs/remote.md lists"
    )


def _reason(error: Exception) -> str:
    last = list(_causes(error))[-1]
    text = " ".join(str(last).split()) or type(last).__name__
    return text[:160]
