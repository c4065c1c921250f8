"""What a server of remote files tells and gives, through fsspec: s3fs, gcsfs, aiohttp.

Whatever goes wrong on the way is tried again a few times, with waits, and then told in one line.
"""

import contextlib
import functools
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.remote import shown

log = logging.getLogger(__name__)
WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)  # s, before the next try
_CONNECT, _READ = 10, 60  # s
_TAGS = ("ETag", "etag", "generation", "Content-MD5")
_TIMES = ("LastModified", "updated", "Last-Modified")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "https": "aiohttp", "http": "aiohttp"}
_TALKERS = ("botocore", "aiobotocore", "s3fs", "gcsfs", "google", "urllib3", "asyncio")
_TOLD = ("AWS_", "FSSPEC_", "GOOGLE_", "STORAGE_", "HTTP", "http")  # in the environment
_BUGS = (TypeError, AttributeError, NameError, AssertionError, MemoryError)
Result = TypeVar("Result")


class NoRanges(Exception):
    """The server gives whole files only."""


class Ended(OSError):
    """A file ended before its server said, which may be of another version."""


@dataclass(frozen=True)
class Entry:
    """What a server tells of a file.

    Attributes:
        size: bytes, or None.
        version: what changes when the file does: its tag, or else time; "" where it tells neither.
        ranges: whether a part of it may be had, as far as is known.
    """

    size: int | None
    version: str
    ranges: bool = True


class Server:
    """The server of URLs with one scheme.

    Args:
        files: fsspec's file system of it.
    """

    def __init__(self, scheme: str, files):
        self.scheme, self._files = scheme, files

    @classmethod
    def of(cls, url: str) -> "Server":
        """Return the server of a URL, as the environment says now.

        Raises:
            ConfigError: the package that talks to it is missing.
        """
        scheme = url.partition("://")[0]
        told = sorted((k, v) for k, v in os.environ.items() if k.startswith(_TOLD))
        try:
            return _server(scheme, tuple(told), os.getpid())
        except ImportError as error:
            raise ConfigError(
                f"{shown(url)} needs fsspec and {_PACKAGES[scheme]}, which cannot be imported "
                f"({error}): pip install 'tfepi[remote]'"
            ) from None

    def entry(self, url: str) -> Entry | None:
        """Return what is told of a file; None where there is none, or a folder.

        Raises:
            InputFileError: the server cannot be reached, or refuses.
        """
        found = self.tried(url, lambda: self._files.info(_address(url)))
        return None if found is None or found["type"] == "directory" else _entry(found)

    def listing(self, url: str) -> dict[str, Entry]:
        """Return name below a folder → entry of every file; {} where there is no such folder.

        Raises:
            InputFileError: as `entry`; ConfigError: a server of https, which lists nothing.
        """
        root = url.partition("://")[2].rstrip("/") + "/"
        found = self.tried(url, lambda: self._files.find(root, detail=True)) or {}
        return {
            name.removeprefix(root): _entry(told)
            for name, told in found.items()
            if name.startswith(root) and name != root
        }

    def beginning(self, url: str) -> dict[str, Entry]:
        """Return URL → entry of the files whose names are this one and what follows a dot."""
        folder, _, name = url.rpartition("/")
        start = name if name.endswith(".") else f"{name}."
        told = self.tried(url, lambda: self._files.ls(f"{folder.partition('://')[2]}/", True)) or ()
        rows = [row for row in told if row["name"].rpartition("/")[2].startswith(start)]
        return {
            f"{self.scheme}://{row['name']}": _entry(row) for row in rows if row["type"] == "file"
        }

    def pieces(self, url: str, start: int, count: int, entry: Entry) -> Iterator[bytes]:
        """Yield a file from byte `start`, `count` bytes at a time, once: failures are the caller's.

        Raises:
            NoRanges: the server gives whole files only, and `start` is not 0.
        """
        if entry.ranges and entry.size is not None:
            yield from self._ranges(url, start, count, entry.size)
            return
        if start:
            raise NoRanges
        with self._files.open(_address(url), "rb", block_size=0) as handle:
            while data := handle.read(count):
                yield data

    def _ranges(self, url: str, start: int, count: int, size: int) -> Iterator[bytes]:
        how = {"block_size": count, "cache_type": "none"}
        if self.scheme in ("https", "http"):
            how["size"] = size
        with self._files.open(_address(url), "rb", **how) as handle:
            handle.seek(start)
            while start < size:
                try:
                    data = handle.read(min(count, size - start))
                except ValueError:  # fsspec's, of a server that answers with the whole file
                    raise NoRanges from None
                if not data:
                    raise Ended(f"it ended after {start:,} of {size:,} bytes")
                yield data
                start += len(data)

    def tried(self, url: str, action: Callable[[], Result]) -> Result | None:
        """Return what an action gives, tried again after failures; None where nothing is there.

        Raises:
            InputFileError: it fails every time, or the server refuses.
        """
        failures = Failures(url)
        while True:
            try:
                return action()
            except _BUGS:
                raise
            except Exception as error:  # of aiohttp, botocore, google.auth, …
                if is_missing(error):
                    return None
                failures.wait(error)


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
        """
        reason = _reason(error)
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


@functools.lru_cache(maxsize=8)
def _server(scheme: str, told: tuple, process: int) -> Server:
    """Return the server of a scheme, the same one as long as the environment is the same."""
    return Server(scheme, _filesystem(scheme))


def _filesystem(scheme: str):
    import fsspec

    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    how: dict = {"skip_instance_cache": True, "use_listings_cache": False}
    if scheme == "s3":
        times = {"connect_timeout": _CONNECT, "read_timeout": _READ}
        how["config_kwargs"] = times | {"retries": {"total_max_attempts": 1}}
    elif scheme in ("https", "http"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT, sock_read=_READ)
        # A .gz is stored as it is: the length told is that of its bytes.
        how["client_kwargs"] = {"timeout": timeout, "auto_decompress": False, "trust_env": True}
        how["headers"] = {"Accept-Encoding": "identity"}
        how["encoded"] = True
    files = fsspec.filesystem(scheme, **how)
    if scheme == "s3":
        files.retries = 1  # s3fs's own: `Failures` counts
    return files


def _address(url: str) -> str:
    """Return a URL as it is sent: of http, what may not stand in one is escaped."""
    return quote(url, safe="%/:?&=+,;@!$'()*~[]") if url.startswith("http") else url


def _entry(told: dict) -> Entry:
    version = next((f"{k} {told[k]}" for k in (*_TAGS, *_TIMES) if told.get(k)), "")
    size = told.get("size")
    if version and size is not None:
        version = f"{version}, {size} bytes"
    return Entry(size, version, told.get("partial", True))


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


def _reason(error: Exception) -> str:
    last = list(_causes(error))[-1]
    text = " ".join(str(last).split()) or type(last).__name__
    return text[:160]
