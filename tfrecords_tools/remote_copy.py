"""Copies of remote files in the cache: whole or absent, checked, made once for all processes."""

import hashlib
import logging
import os
import socket
import threading
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import replace

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import inside, write_json
from tfrecords_tools.output import check_room, shown_size
from tfrecords_tools.progress import progress
from tfrecords_tools.remote import CACHE, COPIES, cache_folder, shown
from tfrecords_tools.remote_cache import (
    FORMAT,
    FORMAT_VERSION,
    Wanted,
    held,
    is_current,
    note,
    noted,
    size_of,
    written,
)
from tfrecords_tools.remote_failures import Ended, Failures, NoRanges, is_missing, missing
from tfrecords_tools.remote_server import Entry, Server

log = logging.getLogger(__name__)
AT_ONCE = 4  # files
_PIECE, _SMALLEST = 8 << 20, 1 << 16  # bytes asked for at once
_ANEW = 3  # times, where a file changes while it is copied


def copy(wanted: Sequence[Wanted], quiet: bool = False) -> None:
    """Copy remote files, several at once, that are not in the cache as they are now.

    Args:
        wanted: each with its entry, or with the SHA-256 that it must have.
        quiet: no progress bar.

    Raises:
        InputFileError: one is missing, cannot be read, is other than the manifest says, or
            changes all the time.
        ConfigError: there is not enough room, or the cache cannot be written.
    """
    waiting = [item for item in wanted if not is_current(item)]
    if not waiting:
        return
    schemes = {_scheme(item) for item in waiting}
    servers = {scheme: Server.of(f"{scheme}://") for scheme in schemes}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = list(pool.map(lambda item: _told(servers[_scheme(item)], item), waiting))
    size = sum(item.entry.size or 0 for item in waiting)
    begun = sum(size_of(note(item.path, ".part")) for item in waiting)
    check_room(
        cache_folder(), size - begun, f"free some space, or name another folder with {CACHE}"
    )
    stop = threading.Event()
    told = {"total": size or None, "unit": "B", "label": "copies", "initial": begun, "quiet": quiet}
    with written(), progress(**told) as bar, ThreadPoolExecutor(AT_ONCE) as pool:
        (cache_folder() / COPIES).mkdir(parents=True, exist_ok=True)
        jobs = []
        for item in waiting:
            jobs.append(pool.submit(_Copy(servers[_scheme(item)], item, stop, bar).run))
        try:
            done, _ = wait(jobs, return_when=FIRST_EXCEPTION)
            for job in done:
                job.result()
        finally:
            stop.set()  # the other threads end after the piece that they read
            pool.shutdown(wait=True, cancel_futures=True)
    first = shown(waiting[0].url)
    more = f" and {len(waiting) - 1} more" if len(waiting) > 1 else ""
    log.info("copied %s%s (%s) into %s", first, more, shown_size(size), cache_folder())


def _scheme(wanted: Wanted) -> str:
    return wanted.url.partition(":")[0]


def _told(server: Server, wanted: Wanted) -> Wanted:
    """Return what is wanted with its entry."""
    entry = wanted.entry or server.entry(wanted.url)
    if entry is None:
        raise missing(wanted.url)
    return replace(wanted, entry=entry)


class _Stopped(Exception):
    """Another thread failed."""


class _Copy:
    """One file that is copied."""

    def __init__(self, server: Server, wanted: Wanted, stop: threading.Event, bar):
        self._server, self._wanted, self._stop, self._bar = server, wanted, stop, bar
        self._part = note(wanted.path, ".part")
        self._shown = size_of(self._part)  # bytes that the progress bar counts

    def run(self) -> None:
        """Copy the file, unless another process did while this one waited."""
        path = self._wanted.path
        with held(note(path, ".lock"), self._wanted.url) as alone:
            if is_current(self._wanted):
                return
            if not alone:  # of a disk without locks: nobody else goes on with this one
                self._part = self._part.with_suffix(f".{socket.gethostname()}.{os.getpid()}.part")
            entry, digest = self._unchanged()
            found = size_of(self._part)
            if entry.size is not None and found != entry.size:
                raise InputFileError(
                    f"{shown(self._wanted.url)} gave {found:,} bytes, its server tells "
                    f"{entry.size:,}: run the same command again"
                )
            self._check(digest)
            inside(cache_folder(), str(path.relative_to(cache_folder())))
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                write_json(note(path, ".json"), self._record(entry, digest))
                os.replace(self._part, path)
            except (FileExistsError, NotADirectoryError, IsADirectoryError):
                raise InputFileError(
                    f"{shown(self._wanted.url)} cannot be kept, the cache has a file where it "
                    f"needs a folder or the other way round: remove {path} and what lies above it "
                    "of that name, or name another folder with " + CACHE
                ) from None
            finally:
                note(path, ".begun").unlink(missing_ok=True)

    def _unchanged(self) -> tuple[Entry, str]:
        """Copy the file's bytes; return its entry, the same before and after, and its SHA-256."""
        url = self._wanted.url
        entry = self._wanted.entry
        for _ in range(_ANEW):
            if entry is None:
                raise missing(url)
            digest = self._receive(entry)
            after = self._server.entry(url)
            if after and after.version == entry.version:
                return entry, digest
            log.info("%s changed while it was copied: copying it again", shown(url))
            entry = after
        raise InputFileError(f"{shown(url)} changes while it is copied: try again when it is whole")

    def _receive(self, entry: Entry) -> str:
        """Write the file's bytes after those that are there; return the SHA-256 of all."""
        url, piece = self._wanted.url, _PIECE
        self._begin(entry)
        failures = Failures(url, entry.size)
        with open(self._part, "rb+") as out:
            digest = hashlib.file_digest(out, "sha256")
            at = out.tell()
            self._show(at)
            pieces = self._server.pieces(url, at, piece, entry)
            while entry.size is None or at < entry.size:
                try:
                    data = next(pieces, b"")
                    if not data and entry.size is not None:
                        raise Ended(f"it ended after {at:,} of {entry.size:,} bytes")
                except NoRanges:
                    entry = replace(entry, ranges=False)
                except Exception as error:  # of aiohttp, botocore, google.auth, …
                    if is_missing(error):
                        raise missing(url) from None
                    if isinstance(error, Ended) and self._is_other(entry):
                        break
                    out.flush()
                    failures.wait(error, at)
                    piece = max(piece // 4, _SMALLEST)  # less is lost where it is cut again
                else:
                    if not data:
                        break
                    out.write(data)
                    digest.update(data)
                    at += len(data)
                    self._show(at)
                    if entry.ranges:
                        failures.count = 0
                    if self._stop.is_set():
                        raise _Stopped
                    continue
                if not entry.ranges or entry.size is None:  # then from the start
                    at, digest = 0, hashlib.sha256()
                    self._show(at)
                    out.seek(0)
                    out.truncate()
                pieces = self._server.pieces(url, at, piece, entry)
            out.flush()
            os.fsync(out.fileno())
            return digest.hexdigest()

    def _show(self, at: int) -> None:
        self._bar.update(at - self._shown)
        self._shown = at

    def _is_other(self, entry: Entry) -> bool:
        now = self._server.entry(self._wanted.url)
        return now is None or now.version != entry.version

    def _begin(self, entry: Entry) -> None:
        """Leave of an earlier try what is of this version of the file, else nothing."""
        begun = note(self._wanted.path, ".begun")
        told = {"url": shown(self._wanted.url), "version": entry.version, "size": entry.size}
        whole = entry.size is not None and size_of(self._part) <= entry.size
        if not (whole and entry.version and entry.ranges and noted(begun) == told):
            self._part.unlink(missing_ok=True)
            write_json(begun, told)
        self._part.touch()

    def _check(self, digest: str) -> None:
        wanted = self._wanted.sha256
        if wanted in (None, digest):
            return
        self._part.unlink(missing_ok=True)
        raise InputFileError(
            f"{shown(self._wanted.url)} has SHA-256 {digest[:16]}…, the folder's manifest.json "
            f"says {wanted[:16]}…: it is damaged or of other data; copy it to the server again"
        )

    def _record(self, entry: Entry, digest: str) -> dict:
        stat = self._part.stat()
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "url": shown(self._wanted.url),
            "version": entry.version,
            "size": stat.st_size,
            "mtime_ns": stat.st_mtime_ns,
            "sha256": digest,
        }
