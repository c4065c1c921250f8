"""Shards of a data folder that lies on a server: copied label by label, or read in place.

TFEPI_REMOTE_RECORDS says which: `copy` (the default), or `in_place`, through TensorFlow's own
file systems, of which tensorflow-io brings that of s3:// to TensorFlow 2.17.
"""

import logging
import os
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import BinaryIO

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.files import existing
from tfrecords_tools.remote import in_cache, url_of
from tfrecords_tools.remote_cache import Wanted
from tfrecords_tools.remote_copy import copy
from tfrecords_tools.remote_files import waiting
from tfrecords_tools.remote_reader import Reader

log = logging.getLogger(__name__)
RECORDS = "TFEPI_REMOTE_RECORDS"
WAYS = COPY, IN_PLACE = ("copy", "in_place")
_LAST_TENSORFLOW = (2, 17)  # that tensorflow-io 0.37.1 loads with


def shard_paths(folder: Path) -> list[Path]:
    """Return the paths of the shards in a data folder, also of those that wait on its server."""
    told = waiting(folder) if in_cache(folder) else None
    if told is None:
        return list((folder / "tfrecords").glob("*.tfr"))
    return [folder / name for name in told]


def shard_size(path: Path) -> int:
    """Return the bytes of a shard, as its server tells where it waits there."""
    if path.exists() or not in_cache(path):
        return existing(path, "TFRecord shard").stat().st_size
    entry = (waiting(path.parent.parent) or {}).get(f"tfrecords/{path.name}")
    if entry is None:
        return existing(path, "TFRecord shard").stat().st_size
    return entry.size


def is_waiting(path: Path) -> bool:
    """Tell whether a shard is on its server only."""
    return in_cache(path) and not path.exists()


def ready(folder: Path, shards: Sequence[Path]) -> None:
    """Copy shards that are not in the cache as their folder tells them; nothing of a local folder.

    Where records are read in place, check that they can be instead.

    Args:
        folder: of the data.
        shards: of one label. Their copies must have the SHA-256 of the folder's manifest, where
            it has one.

    Raises:
        InputFileError: a shard is missing, cannot be read, or is other than the manifest says.
        ConfigError: they cannot be read in place.
    """
    told = waiting(folder) if in_cache(folder) else None
    if told is None:
        return
    if way() == IN_PLACE:
        check_in_place(url_of(folder))
        return
    from tfrecords_tools.manifest import read_manifest

    manifest = read_manifest(folder) or {"shards": ()}
    hashes = {entry["file"]: entry["sha256"] for entry in manifest["shards"]}
    wanted = []
    for path in shards:
        entry = told[f"tfrecords/{path.name}"]
        known = entry if entry.version else None
        wanted.append(Wanted(url_of(path), path, known, hashes.get(path.name)))
    copy(wanted, quiet=not log.isEnabledFor(logging.INFO))


def way() -> str:
    """Return how remote records are read, as TFEPI_REMOTE_RECORDS says.

    Raises:
        ConfigError: it says something else.
    """
    said = os.environ.get(RECORDS) or COPY
    if said not in WAYS:
        raise unknown("way to read remote records", said, WAYS, f"in {RECORDS}")
    return said


def check_in_place(url: str) -> None:
    """Check, without importing TensorFlow, that it can read a URL itself.

    Raises:
        ConfigError: it cannot, or only with an earlier TensorFlow or with tensorflow-io.
    """
    scheme = url.partition(":")[0]
    if scheme == "gs":  # which TensorFlow brings
        return
    version = metadata.version("tensorflow")
    if tuple(map(int, re.findall(r"\d+", version)[:2])) > _LAST_TENSORFLOW:
        raise ConfigError(
            f"{RECORDS} is {IN_PLACE}, but TensorFlow {version} reads no {scheme}:// itself, and "
            f"tensorflow-io loads with 2.17 and no later one: leave {RECORDS} out, so that records "
            "are copied, or make an environment with 'tfepi[io]'"
        )
    try:
        metadata.version("tensorflow-io")
    except metadata.PackageNotFoundError:
        raise ConfigError(
            f"{RECORDS} is {IN_PLACE}, which needs tensorflow-io to read {scheme}://: "
            "pip install 'tfepi[io]'"
        ) from None


def readable(path: Path) -> str:
    """Return what TensorFlow reads a shard by: its path, or its URL where it is read in place.

    Raises:
        ConfigError: TensorFlow has no file system of that scheme.
    """
    url = url_of(path)
    if url is None or way() == COPY:
        return str(path)
    import tensorflow as tf

    scheme = url.partition(":")[0]
    if scheme not in tf.io.gfile.get_registered_schemes():
        # tensorflow-io has a variable of its own for what the others call AWS_ENDPOINT_URL.
        for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
            if os.environ.get(name):
                os.environ.setdefault("S3_ENDPOINT", os.environ[name])
        import tensorflow_io  # noqa: F401 - registers its file systems
    if scheme not in tf.io.gfile.get_registered_schemes():
        raise ConfigError(
            f"TensorFlow {tf.__version__} has no file system of {scheme}://, although "
            f"tensorflow-io is there: leave {RECORDS} out, so that records are copied"
        )
    return url


def opened(path: Path) -> BinaryIO | Reader:
    """Return a shard's bytes, opened; one that waits is read from its server, from the start on."""
    if is_waiting(path) and (url := url_of(path)) is not None:
        told = (waiting(path.parent.parent) or {}).get(f"tfrecords/{path.name}")
        return Reader(url, told if told and told.version else None)
    return open(existing(path, "TFRecord shard"), "rb")
