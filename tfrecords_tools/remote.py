"""Names with a scheme, s3:// gs:// https:// http://, and where their copies lie.

A copy lies in the cache under its scheme, its bucket or host and its key. So a path in the cache
names its URL as well, and whoever is given one can fetch the file. Imports nothing heavy.
"""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path

from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError

SCHEMES = ("s3", "gs", "https", "http")
CACHE = "TFEPI_CACHE_DIR"
COPIES = "copies"  # what is known of the copies, and those that are under way
_LONGEST = 255  # bytes of a file's name
# Path() makes one slash of two.
_NAME = re.compile(r"(s3|gs|https?):/{1,2}(?=[^/])")
# Models by their address, which tensorflow_hub fetches into a cache of its own.
_OF_HUBS = re.compile(r"https:/{1,2}(tfhub\.dev|(www\.)?kaggle\.com/models)/")
_ANY_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_WORD = re.compile(r"(?:(?<=[=,@])|^)[A-Za-z][A-Za-z0-9+.-]+://[^,]*")
_ADDRESSES = ("--cluster", "--url")  # options whose URL is no input


def as_url(name: str | os.PathLike) -> str | None:
    """Return the URL that a name is, also one that went through `Path`; None of any other name.

    Addresses of models at TensorFlow Hub and Kaggle are none.
    """
    text = os.fspath(name)
    scheme = _NAME.match(text)
    if scheme is None or _OF_HUBS.match(text):
        return None
    return f"{scheme[1]}://{text[scheme.end() :]}"


def refuse_other(name: str | os.PathLike) -> None:
    """Refuse what looks like a URL and is none that can be read.

    Raises:
        ConfigError: another scheme, in capitals, or no bucket or host.
    """
    text = os.fspath(name)
    if as_url(text) or _OF_HUBS.match(text) or not _ANY_SCHEME.match(text) or os.path.exists(text):
        return
    raise ConfigError(
        f"{shown(text)} cannot be read: want s3://BUCKET/KEY, gs://BUCKET/KEY, https://HOST/PATH, "
        "http://HOST/PATH or a local path"
    )


def cache_folder() -> Path:
    """Return the folder of the copies: TFEPI_CACHE_DIR, or ~/.cache/tfepi."""
    return Path(os.environ.get(CACHE) or "~/.cache/tfepi").expanduser().resolve()


def place(url: str) -> Path:
    """Return the path of a URL's copy, whether it is there or not.

    What follows a `?` is a folder named by its hash, since it may be a key to the file.

    Raises:
        InputFileError: a name that no path can stand for, or that would lead out of the cache.
        ConfigError: a user's name and password in the URL.
    """
    scheme, _, rest = url.partition("://")
    query = ""
    if scheme in ("https", "http"):
        rest, _, query = rest.partition("#")[0].partition("?")
    host, *key = rest.rstrip("/").split("/")
    if "@" in host:
        raise ConfigError(
            f"{scheme}://…@{host.rpartition('@')[2]} holds a name or password, which would be "
            "written into run.json: leave it out, and see docs/remote.md for credentials"
        )
    for part in (host, *key):
        if part in ("", ".", "..") or "\0" in part or len(part.encode()) > _LONGEST:
            raise InputFileError(
                f"{url} has the part {part[:40]!r} between its slashes, which cannot be a file's "
                "name: rename it on the server"
            )
    if query:
        key.insert(max(len(key) - 1, 0), f"?{hashlib.sha256(query.encode()).hexdigest()[:16]}")
    return cache_folder().joinpath(scheme, host, *key)


def url_of(path: str | os.PathLike) -> str | None:
    """Return the URL that a path in the cache stands for; None of any other path."""
    try:
        scheme, *parts = Path(os.path.abspath(path)).relative_to(cache_folder()).parts
    except ValueError:
        return None
    if scheme not in SCHEMES or not parts or any(part.startswith("?") for part in parts):
        return None
    return f"{scheme}://{'/'.join(parts)}"


def url_in_table(name: str, table: str | os.PathLike) -> str | None:
    """Return the URL of a file that a table names, or None where it is local.

    Args:
        name: as the table has it: a URL, or a path, which is relative to a remote table unless it
            exists from the working directory.
        table: of which `name` is an entry; a URL, or a path in the cache, if remote.
    """
    url = as_url(name)
    above = as_url(table) or url_of(table)
    if url is not None or above is None or Path(name).is_absolute() or Path(name).exists():
        return url
    return f"{above.rpartition('/')[0]}/{name}"


def in_cache(path: str | os.PathLike) -> bool:
    """Tell whether a path lies in the cache, so that it stands for a URL."""
    return Path(os.path.abspath(path)).is_relative_to(cache_folder())


def named(text: str, root: str | None = None) -> str:
    """Return a text with the URLs of copies instead of their paths in the cache.

    Args:
        text: any.
        root: the cache as the text writes it, where that is not its path as it is.
    """
    if "/" not in text:
        return text
    root = root or str(cache_folder())
    return re.sub(rf"{re.escape(root)}/(s3|gs|https?)/", r"\1://", text)


def copies(value: object) -> object:
    """Return a JSON value with the paths of copies that are there instead of their URLs."""
    if isinstance(value, dict):
        return {copies(k): copies(v) for k, v in value.items()}
    if isinstance(value, list):
        return [copies(v) for v in value]
    if not isinstance(value, str) or "://" not in value or as_url(value) is None:
        return value
    try:
        path = place(value)
    except TfepiError:  # a text that only looks like the name of a file
        return value
    return str(path) if path.exists() else value


def shown(url: str) -> str:
    """Return a URL without what follows its `?`, which may be a secret."""
    name, mark, _ = url.partition("?") if url.startswith("http") else (url, "", "")
    return f"{name}{mark}{'…' if mark else ''}"


def refuse_output(path: str | os.PathLike) -> None:
    """Refuse to write where a URL is named.

    Raises:
        ConfigError: the path is a URL, or lies in the cache.
    """
    url = as_url(path) or (named(os.path.abspath(path)) if in_cache(path) else None)
    if url is not None:
        raise ConfigError(
            f"output {url} is remote: results are written to a local disk; name a local path, and "
            "copy them when the command has finished"
        )


def without_secrets(words: Sequence[str]) -> list[str]:
    """Return a command's words, of each URL only what `shown` does."""
    return [_WORD.sub(lambda match: shown(match[0]), word) for word in words]


def placed(words: Sequence[str]) -> tuple[list[str], dict[str, Path]]:
    """Return a command's words with each URL's place in the cache instead, and those places.

    A URL is a word, or follows `=`, `,` or `@` in one: NAME=s3://…; it ends before a comma. The
    addresses that --cluster and --url are given are no inputs, and stay.

    Returns:
        The words, and URL → path.

    Raises:
        as `refuse_other` and `place`.
    """
    found: dict[str, Path] = {}

    def to_place(match: re.Match) -> str:
        url = as_url(match[0])
        if url is None:
            refuse_other(match[0])
            return match[0]
        found[url] = place(url)
        return str(found[url])

    return [
        word
        if _is_address(before) or _is_address(word.partition("=")[0])
        else _WORD.sub(to_place, word)
        for before, word in zip(("", *words), words, strict=False)
    ], found


def _is_address(option: str) -> bool:
    """Tell whether an option is one of the addresses', which may be shortened."""
    return any(option.startswith(a[:4]) and a.startswith(option) for a in _ADDRESSES)
