"""Which files a URL stands for, and their copies: a file and its index, a model, a data folder.

Of a data folder the shards wait in the server until `remote_records` asks for those of a label.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import read_json, write_json
from tfrecords_tools.remote import as_url, cache_folder, place, shown, url_of
from tfrecords_tools.remote_cache import Wanted, is_current, note, noted, recorded, written
from tfrecords_tools.remote_copy import AT_ONCE, copy
from tfrecords_tools.remote_failures import missing
from tfrecords_tools.remote_server import Entry, Server

FORMAT, FORMAT_VERSION = "tfepi-listing", 1
_LISTING = ".listing"
_STATISTICS, _BEST = "statistics.json", "model_best.keras"
_INDEX = (".fai", ".gzi")
# Ending → those of the files beside it that go with it, where they are there.
_BESIDE = {
    (".fa", ".fasta", ".fna"): ("{}.fai",),
    (".fa.gz", ".fasta.gz", ".fna.gz", ".fa.bgz", ".fasta.bgz"): ("{}.fai", "{}.gzi"),
    (".keras",): ("model.json", "metrics.jsonl"),
}
# What tells a folder that is meant from one above it.
_TOLD_BY = (_STATISTICS, "manifest.json", "run.json", "model.json", "saved_model.pb", ".build")
_TOLD_BY_ENDING = (".keras", ".h5", ".index")
# Servers of https list no folders: what those made here may hold.
_KNOWN = (
    _STATISTICS,
    *("manifest.json", "targets.txt", "tracks.txt", "sequences.bed", "contigs.bed"),
    *(_BEST, "model.json", "params.json", "metrics.jsonl", "state.json"),
    *("saved_model.pb", "fingerprint.pb", "assets.extra/model.json"),
    *("variables/variables.index", "variables/variables.data-00000-of-00001"),
)


def local(name: str | Path, files: bool = True, folders: bool = True) -> Path:
    """Return the path of a file or folder; of a remote one that of its copy, made or renewed.

    A path in the cache is that of a copy somebody has asked for: it is made only if it is not
    there, so that what a command reads does not change under it.

    Args:
        name: a path or URL.
        files, folders: whether it may be one.

    Raises:
        InputFileError, ConfigError: as `fetch`.
    """
    url = as_url(name)
    if url is None:
        path = Path(name)
        url = None if path.exists() else url_of(path)
        if url is None:
            return path
    fetch([url], files=files, folders=folders)
    return place(url)


def fetch(
    urls: Iterable[str], quiet: bool = False, files: bool = True, folders: bool = True
) -> None:
    """Copy what URLs stand for into the cache, or renew what has changed there.

    A URL is a file, with its index or contract where that lies beside it; a folder; or what the
    names of several files begin with before a dot.

    Args:
        urls: of any of these.
        quiet: no progress bars.
        files, folders: whether it may be one.

    Raises:
        InputFileError: there is nothing, or it cannot be read.
        ConfigError: a package is missing, or room on the disk.
    """
    urls = list(dict.fromkeys(urls))
    servers = {url: Server.of(url) for url in urls}

    def find(url: str) -> list[Wanted]:
        return _find(servers[url], url, files, folders)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = [item for items in pool.map(find, urls) for item in items]
    wanted = {item.path: item for item in found}.values()
    # An index that is older than its FASTA is taken for another's.
    for later in (False, True):
        copy([item for item in wanted if (item.path.suffix in _INDEX) == later], quiet)


def _find(server: Server, url: str, files: bool, folders: bool) -> list[Wanted]:
    folder = url.rstrip("/")
    if "/" not in folder.partition("://")[2]:
        raise InputFileError(
            f"{shown(url)} is all of a bucket or host: name a folder or file in it"
        )
    listed = server.scheme in ("s3", "gs")
    # Servers of https answer for a folder with a page: the name has to tell.
    may_be_file = not url.endswith("/") and (listed or not folders or "." in _last(url))
    if files and may_be_file:
        entry = server.entry(url)
        if entry is not None:
            return [Wanted(url, place(url), entry), *_beside(server, url)]
    if folders:
        held = {} if listed else _probed(server, folder)
        inside = server.names(folder) if listed else set(held)
        if any(name in _TOLD_BY or name.endswith(_TOLD_BY_ENDING) for name in inside):
            return _of_folder(folder, server.listing(folder) if listed else held, listed)
        if files and listed:
            begun = server.beginning(folder)
            if begun:
                return [Wanted(name, place(name), entry) for name, entry in begun.items()]
        if files and not listed and not url.endswith("/") and not may_be_file:
            entry = server.entry(url)
            if entry is not None:
                return [Wanted(url, place(url), entry)]
        if inside:
            raise InputFileError(
                f"{shown(url)} is no folder of data, of a run, a model or results, it holds "
                f"{', '.join(sorted(inside)[:3])}: name such a folder, or a file"
            )
    raise missing(url)


def _last(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _beside(server: Server, url: str) -> list[Wanted]:
    """Return what goes with a file and is there; not what was made here in its place."""
    path, query = url, ""
    if server.scheme in ("https", "http"):
        path, mark, query = url.partition("?")
        query = mark + query
    above, _, name = path.rpartition("/")
    found = []
    for endings, others in _BESIDE.items():
        if not name.lower().endswith(endings):
            continue
        for other in others:
            beside = f"{above}/{other.format(name)}{query}"
            copied = place(beside)
            entry = server.entry(beside)
            if entry is not None and (recorded(copied) or not copied.exists()):
                found.append(Wanted(beside, copied, entry))
    return found


def _probed(server: Server, folder: str) -> dict[str, Entry]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda name: server.entry(f"{folder}/{name}"), _KNOWN)
        return {n: entry for n, entry in zip(_KNOWN, found, strict=True) if entry is not None}


def _of_folder(url: str, held: dict[str, Entry], listed: bool) -> list[Wanted]:
    """Return what is to be copied of a folder at once, and write down what waits."""
    if any(name.startswith(".build/") for name in held):
        raise InputFileError(
            f"data folder {url} holds an unfinished build: finish it with --resume and copy it to "
            "the server again"
        )
    held = {n: e for n, e in held.items() if not n.endswith("/") and not _is_hidden(n)}
    at_once = held
    if _STATISTICS in held:
        at_once = {n: e for n, e in held.items() if not _is_shard(n)}
    elif _BEST in held:  # of a run folder not the epochs' checkpoints and events
        at_once = {n: e for n, e in held.items() if n == _BEST or n.endswith((".json", ".jsonl"))}
    wanted = [Wanted(f"{url}/{n}", place(f"{url}/{n}"), e) for n, e in at_once.items()]
    folder = place(url)
    told = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "url": shown(url),
        "listed": listed,
        "files": {n: [e.size, e.version] for n, e in held.items() if n not in at_once},
    }
    listing = note(folder, _LISTING)
    with written():
        folder.mkdir(parents=True, exist_ok=True)
        _forget(folder, url, held, listed)
        if noted(listing) != told:
            listing.parent.mkdir(parents=True, exist_ok=True)
            write_json(listing, told)
    return wanted


def _forget(folder: Path, url: str, held: dict[str, Entry], listed: bool) -> None:
    """Remove copies of what is no longer there, or has changed."""
    for path in [p for p in folder.rglob("*") if p.is_file() and recorded(p)]:
        name = path.relative_to(folder).as_posix()
        if name not in held:
            gone = listed or name in _KNOWN
        else:
            gone = not is_current(Wanted(f"{url}/{name}", path, held[name]))
        if gone:
            path.unlink(missing_ok=True)


def _is_hidden(name: str) -> bool:
    return any(p.startswith(".") and p not in (".", "..") for p in name.split("/"))


def _is_shard(name: str) -> bool:
    return name.startswith("tfrecords/") and name.endswith(".tfr")


def waiting(folder: Path) -> dict[str, Entry] | None:
    """Return name → entry of the shards in a copied data folder, there or waiting.

    Returns:
        None of a folder that is no copy. Where the server lists no folders they are those of
        manifest.json, and no version is known.

    Raises:
        InputFileError: the server lists no folders and there is no manifest.
    """
    path = note(folder, _LISTING) if folder.is_relative_to(cache_folder()) else None
    if path is None or not path.exists():
        return None
    value = read_json(path)
    if value["listed"]:
        return {n: Entry(*row) for n, row in value["files"].items() if _is_shard(n)}
    from tfrecords_tools.manifest import read_manifest

    manifest = read_manifest(folder)
    if manifest is None:
        raise InputFileError(
            f"{value['url']} has no manifest.json, and its server lists no folders: put the data "
            "where folders are listed (s3://, gs://), or copy them"
        )
    return {f"tfrecords/{e['file']}": Entry(e["bytes"], "") for e in manifest["shards"]}
