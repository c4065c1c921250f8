"""What a server of remote files tells and gives, through fsspec: s3fs, gcsfs, aiohttp.

Whatever goes wrong on the way is tried again a few times, with waits, and then told in one line.
"""

import functools
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.remote import shown
from tfrecords_tools.remote_failures import Ended, Failures, NoRanges, is_missing, unusable

_CONNECT, _READ = 10, 60  # s
_TAGS = ("ETag", "etag", "generation", "Content-MD5")
_TIMES = ("LastModified", "updated", "Last-Modified")
_PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "https": "aiohttp", "http": "aiohttp"}
_TALKERS = ("botocore", "aiobotocore", "s3fs", "gcsfs", "google", "urllib3", "asyncio")
_TOLD = ("AWS_", "FSSPEC_", "GOOGLE_", "STORAGE_", "HTTP", "http")  # in the environment
_BUGS = (TypeError, AttributeError, NameError, AssertionError, MemoryError)
Result = TypeVar("Result")


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
            ConfigError: the package that talks to it is missing, or wrongly set.
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
        except _BUGS:
            raise
        except Exception as error:  # of google.auth
            raise unusable(shown(url), error) from None

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

    def names(self, url: str) -> set[str]:
        """Return what the files and folders in a folder are called, of one that is listed."""
        return {_last(row) for row in self._rows(url)}

    def beginning(self, url: str) -> dict[str, Entry]:
        """Return URL → entry of the files whose names are this one and what follows a dot."""
        folder, _, name = url.rpartition("/")
        start = name if name.endswith(".") else f"{name}."
        rows = [row for row in self._rows(folder) if _last(row).startswith(start)]
        return {
            f"{self.scheme}://{row['name']}": _entry(row) for row in rows if row["type"] == "file"
        }

    def _rows(self, url: str) -> list[dict]:
        root = url.partition("://")[2].rstrip("/") + "/"
        rows = self.tried(url, lambda: self._files.ls(root, detail=True)) or ()
        return [row for row in rows if row["name"].startswith(root)]

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


@functools.lru_cache(maxsize=8)
def _server(scheme: str, told: tuple, process: int) -> Server:
    """Return the server of a scheme, the same one as long as the environment is the same."""
    return Server(scheme, _filesystem(scheme))


def _filesystem(scheme: str):
    import fsspec

    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # gcsfs writes tracebacks as errors
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
    elif scheme == "gs":
        how["requests_timeout"] = _READ
    files = fsspec.filesystem(scheme, **how)
    # `Failures` counts, not s3fs or gcsfs.
    if scheme == "s3":
        files.retries = 1
    elif scheme == "gs":
        files._request = files._request.__wrapped__.__get__(files)
    return files


def _address(url: str) -> str:
    """Return a URL as it is sent: of http, what may not stand in one is escaped."""
    return quote(url, safe="%/:?&=+,;@!$'()*~[]") if url.startswith("http") else url


def _last(row: dict) -> str:
    return row["name"].rstrip("/").rpartition("/")[2]


def _entry(told: dict) -> Entry:
    version = next((f"{k} {told[k]}" for k in (*_TAGS, *_TIMES) if told.get(k)), "")
    size = told.get("size")
    if version and size is not None:
        version = f"{version}, {size} bytes"
    return Entry(size, version, told.get("partial", True))
