"""The address of a Dask scheduler, checked before anything heavy is imported."""

import contextlib
from collections.abc import Iterator
from concurrent.futures import Executor
from urllib.parse import urlsplit

from tfrecords_tools.errors import ConfigError


def parse_address(address: str) -> tuple[str, int]:
    """Return host and port of a scheduler's address.

    Raises:
        ConfigError: it is not of the form tcp://HOST:PORT.
    """
    try:
        parts = urlsplit(address)
        found = parts.hostname, parts.port
    except ValueError:
        parts, found = None, (None, None)
    if parts is None or parts.scheme not in ("tcp", "tls") or None in found or parts.path:
        raise ConfigError(
            f"--cluster is {address!r}, want the address of a Dask scheduler as tcp://HOST:PORT, "
            "such as tcp://127.0.0.1:8786"
        )
    return found


def check(
    address: str | None,
    shard: str | None = None,
    strategy: str = "auto",
    logical_devices: int | None = None,
) -> None:
    """Check what --cluster was given; None is nothing.

    Raises:
        ConfigError: it is not of the form tcp://HOST:PORT, or a shard, or devices, are asked for
            besides.
    """
    if address is None:
        return
    parse_address(address)
    if shard is not None:
        raise ConfigError(
            f"--shard {shard} and --cluster {address} exclude each other: a cluster divides the "
            "work by itself"
        )
    pieces = None if logical_devices is None else f"--logical_devices {logical_devices}"
    if other := pieces or (strategy not in ("auto", "one") and f"--strategy {strategy}"):
        raise ConfigError(
            f"{other} and --cluster {address} exclude each other: the cluster has its own workers"
        )


@contextlib.contextmanager
def machines(address: str | None, folder: str, predicts: bool = False) -> Iterator[Executor | None]:
    """Yield the executor of --cluster (`cluster.open_cluster`), or None without."""
    if address is None:
        yield None
        return
    from tfrecords_tools.cluster import open_cluster

    with open_cluster(address, folder, predicts) as executor:
        yield executor
