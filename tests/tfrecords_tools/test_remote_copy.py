"""Copies of files on real servers: whole or absent, renewed, cut off, made once."""

import errno
import functools
import hashlib
import http.server
import io
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import numpy as np
import pytest

from tfrecords_tools import remote_copy, remote_failures, remote_server
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing, existing_folder, identity, inside, read_json, write_json
from tfrecords_tools.remote import CACHE, place
from tfrecords_tools.remote_cache import Wanted, note
from tfrecords_tools.remote_copy import copy
from tfrecords_tools.remote_files import fetch
from tfrecords_tools.remote_reader import Reader

ANYTHING = np.random.default_rng(3).bytes(3_000_001)
_FETCH = "import sys; from tfrecords_tools.remote_files import fetch; fetch(sys.argv[1:])"


def files_of(folder) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_a_copy_is_the_file_and_is_written_down_by_its_url(bucket, cache, tmp_path):
    url = bucket.put("tracks/a b+c%20é.bw", ANYTHING)
    path = existing(url)
    assert path == cache / "s3" / bucket.name / "tracks" / "a b+c%20é.bw"
    assert path.read_bytes() == ANYTHING
    digest = hashlib.sha256(ANYTHING).hexdigest()
    told = {"path": url, "size": len(ANYTHING), "sha256": digest}
    assert identity(url) == identity(path) == told | {"path": str(path)}
    write_json(tmp_path / "told.json", {"it": identity(path), str(path): [f"of {path}"]})
    assert json.loads((tmp_path / "told.json").read_text()) == {"it": told, url: [f"of {url}"]}
    assert read_json(tmp_path / "told.json") == {"it": identity(path), str(path): [f"of {url}"]}
    kept = json.loads(note(path, ".json").read_text())
    assert (kept["format"], kept["format_version"]) == ("tfepi-copy", 1)
    assert not list((cache / "copies").glob("*.part"))


def test_an_empty_file_is_copied(bucket):
    assert existing(bucket.put("empty.bed", b"")).read_bytes() == b""


def test_an_unchanged_file_is_used_again_and_a_changed_one_fetched(bucket, cut_off, written):
    url = bucket.put("a.bw", ANYTHING)
    first = written(existing(url))
    cut_off.limit = 100_000  # the server's answers to questions pass, the file would not
    assert written(existing(url)) == first
    cut_off.limit = None
    bucket.put("a.bw", b"new")
    assert existing(place(url)).read_bytes() == ANYTHING  # a copy somebody asked for stays
    assert existing(url).read_bytes() == b"new"
    assert identity(url)["sha256"] == hashlib.sha256(b"new").hexdigest()


@pytest.mark.parametrize("damage", ["shorter", "same size", "gone"])
def test_a_copy_that_was_damaged_is_made_again(bucket, damage):
    url = bucket.put("a.bw", ANYTHING)
    path = existing(url)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(ANYTHING[:-1] if damage == "shorter" else b"x" * len(ANYTHING))
    assert existing(url).read_bytes() == ANYTHING


def test_a_path_in_the_cache_is_copied_where_it_is_not_there(bucket):
    bucket.put("x/a.bw", ANYTHING)
    assert existing(place(bucket.url("x/a.bw"))).read_bytes() == ANYTHING


def test_a_connection_cut_once_goes_on(bucket, cut_off, quick, monkeypatch):
    monkeypatch.setattr(remote_copy, "_PIECE", 1_000_000)
    url = bucket.put("a.bw", ANYTHING)
    cut_off.limit, cut_off.times = 500_000, 1
    assert existing(url).read_bytes() == ANYTHING
    assert cut_off.cut == 1


def test_connections_cut_always_after_some_bytes_come_through_in_pieces(bucket, cut_off, quick):
    url = bucket.put("a.bw", ANYTHING)
    cut_off.limit = 300_000
    assert existing(url).read_bytes() == ANYTHING
    assert cut_off.cut > 1


def test_connections_cut_always_are_one_line_that_says_how_far_it_came(
    bucket, cut_off, quick, monkeypatch, cache
):
    monkeypatch.setattr(remote_copy, "_PIECE", 1 << 16)
    monkeypatch.setattr(remote_copy, "_SMALLEST", 1 << 16)
    url = bucket.put("a.bw", ANYTHING)
    read = remote_server.Server.pieces

    def some(self, *args):
        for number, data in enumerate(read(self, *args)):
            yield data
            if number == 4:
                cut_off.limit = 1000

    monkeypatch.setattr(remote_server.Server, "pieces", some)
    with pytest.raises(InputFileError) as failed:
        existing(url)
    said = str(failed.value)
    at = int(re.search(r"after ([\d,]+) of 3,000,001 bytes", said)[1].replace(",", ""))
    assert at >= 5 << 16
    assert said.startswith(url)
    assert "4 tries failed" in said
    assert "run the same command again, which goes on from there" in said
    assert "\n" not in said
    assert not place(url).exists()
    (part,) = (cache / "copies").glob("*.part")
    assert part.read_bytes() == ANYTHING[:at]
    monkeypatch.setattr(remote_server.Server, "pieces", read)
    cut_off.limit = None
    starts = []
    monkeypatch.setattr(
        remote_server.Server,
        "pieces",
        lambda self, url, start, *rest: starts.append(start) or read(self, url, start, *rest),
    )
    assert existing(url).read_bytes() == ANYTHING
    assert starts == [at]


def test_what_was_begun_of_another_version_is_begun_anew(bucket, quick):
    url = bucket.put("a.bw", ANYTHING)
    path = place(url)
    entry = remote_server.Server.of(url).entry(url)
    note(path, "").parent.mkdir(parents=True)
    note(path, ".part").write_bytes(b"x" * 1000)
    told = {"url": url, "version": entry.version, "size": entry.size}
    for wrong in ("", "other", "size"):
        note(path, ".part").write_bytes(b"x" * 1000)
        if wrong:
            changed = told | ({"version": "v"} if wrong == "other" else {"size": 3})
            note(path, ".begun").write_text(json.dumps(changed))
        assert existing(url).read_bytes() == ANYTHING
        path.unlink()


def test_a_file_that_changes_while_it_is_copied_is_copied_again(bucket, quick, monkeypatch):
    url = bucket.put("a.bw", ANYTHING[:300_000])
    monkeypatch.setattr(remote_copy, "_PIECE", 100_000)
    read, versions = remote_server.Server.pieces, iter([b"1" * 250_000, b"2" * 250_000])

    def changing(self, *args):
        for data in read(self, *args):
            yield data
            if (version := next(versions, None)) is not None:
                bucket.put("a.bw", version)

    monkeypatch.setattr(remote_server.Server, "pieces", changing)
    assert existing(url).read_bytes() == b"2" * 250_000
    versions = (bytes([n % 256]) * 250_000 for n in itertools.count())
    bucket.put("a.bw", ANYTHING[:300_000])
    with pytest.raises(InputFileError, match="changes while it is copied"):
        existing(url)


def test_what_a_manifest_says_must_be_so(bucket, cache):
    url = bucket.put("a.tfr", ANYTHING)
    with pytest.raises(InputFileError, match=r"has SHA-256 .*manifest.json says 0000.*damaged"):
        copy([Wanted(url, place(url), None, "0" * 64)])
    assert not place(url).exists()
    assert not list((cache / "copies").glob("*.part"))
    right = Wanted(url, place(url), None, hashlib.sha256(ANYTHING).hexdigest())
    copy([right])
    bucket.delete("a.tfr")
    copy([right])  # no question to the server: its content is the one wanted


def test_missing_files_and_buckets_are_one_line(bucket):
    for url in (bucket.url("nothing.bw"), "s3://no-such-bucket-here/a.bw"):
        with pytest.raises(InputFileError, match=f"^{url} does not exist on its server"):
            existing(url)
    bucket.put("folder/a.bw", b"1")
    with pytest.raises(InputFileError, match="folder does not exist"):
        existing(bucket.url("folder"))


def test_a_server_that_does_not_answer_is_one_line_after_bounded_tries(bucket, quick, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(InputFileError, match=r"4 tries failed .*check the network and the server"):
        existing(bucket.url("a.bw"))
    assert time.monotonic() - began < 10
    assert sum(remote_failures.WAITS) < 60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_PROFILE", "nosuch"),
        ("AWS_ENDPOINT_URL", "127.0.0.1:5555"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:port"),
        ("AWS_DEFAULT_REGION", "no region"),
    ],
)
def test_wrong_settings_are_one_line_and_not_tried_again(bucket, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=rf"a.bw cannot be asked for \(.*{value}.*settings"):
        existing(bucket.url("a.bw"))


def test_a_web_address_that_is_none_is_one_line_and_not_tried_again(cache):
    with pytest.raises(ConfigError, match=r"cannot be asked for \(.*correct its name"):
        existing("http://127.0.0.1:99999/a.bw")


def test_no_credentials_are_one_line_and_not_tried_again(bucket, monkeypatch):
    url = bucket.put("a.bw", b"1")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere")
    with pytest.raises(InputFileError, match=r"refused by its server .*check the credentials"):
        existing(url)


def test_wrong_credentials_are_one_line_and_not_tried_again(bucket):
    url = bucket.put("a.bw", b"1")

    def allow(actions: bytes) -> None:
        """Let the server ask for credentials that it knows after so many actions."""
        text = {"Content-Type": "text/plain"}
        to = f"{bucket.address}/moto-api/reset-auth"
        urllib.request.urlopen(urllib.request.Request(to, actions, text)).close()

    allow(b"0")
    try:
        with pytest.raises(InputFileError, match=r"refused by its server .*check the credentials"):
            existing(url)
    finally:
        allow(b"1000000000")


def test_too_little_room_is_said_before_anything_is_fetched(bucket, cache):
    url = bucket.put("a.bw", b"1")
    huge = remote_server.Entry(1 << 60, "v")
    with pytest.raises(ConfigError, match=r"needs 1.15e\+06 TB.*TFEPI_CACHE_DIR"):
        copy([Wanted(url, place(url), huge)])
    assert files_of(cache) == set()


def test_a_full_disk_is_said_at_once_and_is_not_the_network(bucket, cache, monkeypatch):
    url = bucket.put("a.bw", ANYTHING)

    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(remote_copy, "open", Full, raising=False)
    began = time.monotonic()
    with pytest.raises(ConfigError, match=f"^the cache {cache} is full: free some space, or name"):
        existing(url)
    assert time.monotonic() - began < 10


def test_a_cache_that_cannot_be_written_is_one_line(bucket, monkeypatch):
    folder = "/dev/null/cache"
    monkeypatch.setenv(CACHE, folder)
    url = bucket.put("run/run.json", b"{}")
    for read in (lambda: existing(url), lambda: existing_folder(bucket.url("run"))):
        with pytest.raises(
            ConfigError, match=rf"^the cache {folder} cannot be written \(.*{CACHE}"
        ):
            read()


def test_a_name_that_is_a_file_and_a_folder_is_one_line(bucket):
    existing(bucket.put("a", b"1"))
    with pytest.raises(InputFileError, match=r"cannot be kept.*remove"):
        existing(bucket.put("a/b.bw", b"1"))


def test_a_link_in_the_cache_is_not_followed(bucket, cache, tmp_path):
    url = bucket.put("x/a.bw", b"1")
    (tmp_path / "outside").mkdir()
    place(bucket.url("x")).parent.mkdir(parents=True)
    place(bucket.url("x")).symlink_to(tmp_path / "outside")
    with pytest.raises(InputFileError, match="leads outside"):
        existing(url)
    assert not list((tmp_path / "outside").iterdir())
    with pytest.raises(InputFileError):
        inside(cache, "../x")


def test_processes_that_want_the_same_do_it_once(bucket, cut_off):
    urls = [bucket.put(f"{n}.bw", ANYTHING[n:]) for n in range(4)]
    jobs = [subprocess.Popen([sys.executable, "-c", _FETCH, *urls]) for _ in range(3)]
    assert [job.wait(60) for job in jobs] == [0, 0, 0]
    for n, url in enumerate(urls):
        assert place(url).read_bytes() == ANYTHING[n:]


def test_a_killed_copy_is_gone_on_with(bucket, cut_off, cache, quick):
    large = ANYTHING * 8
    url = bucket.put("a.bw", large)
    job = subprocess.Popen([sys.executable, "-c", _FETCH, url])
    part = note(place(url), ".part")
    for _ in range(2000):
        if part.exists() and part.stat().st_size:
            break
        time.sleep(0.005)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert not place(url).exists()
    assert existing(url).read_bytes() == large
    assert not part.exists()


@pytest.mark.parametrize(
    ("package", "url", "named"),
    [
        ("s3fs", "s3://lab/a", "fsspec and s3fs"),
        ("gcsfs", "gs://lab/a", "fsspec and gcsfs"),
        ("aiohttp", "https://host/a", "fsspec and aiohttp"),
        ("fsspec", "s3://lab/a", "fsspec and s3fs"),
    ],
)
def test_without_a_package_one_line_says_what_to_install(cache, package, url, named):
    program = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from tfrecords_tools import command\n"
        f"p = command.Parser(); p.add_argument('x'); p.parse_args([{url!r}])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {url} needs {named}, which cannot be imported")
    assert done.stderr.endswith("pip install 'tfepi[remote]'\n")
    assert done.stderr.count("\n") == 1


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves files, and parts of them."""

    honours = True
    cuts: list[int] = []  # noqa: RUF012 bytes after which the next answers end

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        """Send a file, or the part that is asked for."""
        path = self.translate_path(self.path)
        if not os.path.isfile(path):
            return self.send_error(404)
        with open(path, "rb") as handle:
            content = handle.read()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        self.send_response(206 if asked and self.honours else 200)
        if asked and self.honours:
            low, high = int(asked[1]), int(asked[2] or len(content) - 1)
            content = content[low : high + 1]
            self.send_header("Content-Range", f"bytes {low}-{high}/*")
        self.send_header("Content-Length", str(len(content)))
        if path.endswith(".gz"):
            self.send_header("Content-Encoding", "gzip")
        self.send_header("Last-Modified", self.date_time_string(os.stat(path).st_mtime))
        self.end_headers()
        self.wfile.write(content[: type(self).cuts.pop(0)] if type(self).cuts else content)


@pytest.fixture(params=[True, False], ids=["ranges", "whole files"])
def web(request, tmp_path, cache):
    """A folder that a web server serves, its address, and the class that answers."""
    folder = tmp_path / "www"
    folder.mkdir()
    answers = type("Answers", (Ranges,), {"honours": request.param, "cuts": []})
    handler = functools.partial(answers, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_port}", answers
    server.shutdown()
    server.server_close()


def test_files_of_a_web_server_are_copied_whatever_it_can(web, quick, written, monkeypatch):
    folder, address, answers = web
    monkeypatch.setattr(remote_copy, "_PIECE", 1_000_000)
    (folder / "a.bw").write_bytes(ANYTHING)
    url = f"{address}/a.bw"
    answers.cuts[:] = [500_000] * 2
    assert existing(url).read_bytes() == ANYTHING
    assert not answers.cuts
    copied = written(existing(url))
    assert written(existing(url)) == copied
    (folder / "a.bw").write_bytes(b"new")
    os.utime(folder / "a.bw", (2e9, 2e9))
    assert existing(url).read_bytes() == b"new"
    assert existing(f"{url}?key=secret").read_bytes() == b"new"
    with pytest.raises(InputFileError, match="does not exist on its server"):
        existing(f"{address}/b.bw")


def test_a_web_server_that_always_cuts_is_given_up(web, quick, monkeypatch):
    folder, address, answers = web
    (folder / "a.bw").write_bytes(ANYTHING)
    answers.cuts[:] = [10] * 500
    with pytest.raises(InputFileError, match=r"could not be read, 4 tries failed \(.*10 of"):
        existing(f"{address}/a.bw")
    assert len(answers.cuts) > 450


def test_files_of_a_web_server_are_read_without_a_copy(web, quick, cache):
    folder, address, answers = web
    content = (ANYTHING * 3)[: (2 << 20) + 17]
    (folder / "a.bw").write_bytes(content)
    answers.cuts[:] = [500_000] * 2
    with Reader(f"{address}/a.bw") as reader:
        assert [reader.read(7), reader.read(200_000)] == [content[:7], content[7:200_007]]
        assert reader.read(1 << 30) == content[200_007:]
        assert reader.read(1) == b""
    assert not cache.exists()
    with pytest.raises(InputFileError, match="does not exist on its server"):
        Reader(f"{address}/b.bw")


def test_packed_files_of_a_web_server_stay_packed(web):
    folder, address, _ = web
    (folder / "a.fa.gz").write_bytes(b"\x1f\x8b no gzip at all" * 1000)
    assert existing(f"{address}/a.fa.gz").read_bytes() == (folder / "a.fa.gz").read_bytes()


def test_a_web_server_that_is_not_there_is_no_missing_file(cache, quick):
    with pytest.raises(InputFileError, match="4 tries failed"):
        existing("http://127.0.0.1:9/a.bw")


def test_google_storage_is_copied_from(gs_server, cache, monkeypatch):
    import fsspec

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gs_server)
    files = fsspec.filesystem("gs", skip_instance_cache=True)
    files.pipe({"lab/x/a.bw": ANYTHING, "lab/x/run.json": b"{}", "lab/y/a.bw": b""})
    fetch(["gs://lab/x"])
    assert place("gs://lab/x/a.bw").read_bytes() == ANYTHING
    assert identity("gs://lab/x/a.bw")["sha256"] == hashlib.sha256(ANYTHING).hexdigest()
    with pytest.raises(InputFileError, match="does not exist"):
        existing("gs://lab/x/b.bw")
    with pytest.raises(InputFileError, match="no folder of data"):
        existing_folder("gs://lab/y")


def test_google_storage_that_does_not_answer_is_one_line_after_bounded_tries(
    cache, quick, monkeypatch, capfd
):
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    monkeypatch.setenv("FSSPEC_GS_TOKEN", "anon")
    began = time.monotonic()
    with pytest.raises(InputFileError, match=r"4 tries failed .*check the network and the server"):
        existing("gs://lab/a.bw")
    assert time.monotonic() - began < 10
    assert "Traceback" not in capfd.readouterr().err
