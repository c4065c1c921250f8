"""One writer of a folder at a time, among processes."""

import os
import re
import signal
import socket
import subprocess
import sys

import pytest

from tfrecords_tools import output
from tfrecords_tools.errors import UnfinishedError
from tfrecords_tools.folder_lock import MARKER, sole_writer

HOLD = """
import sys, time
from tfrecords_tools.folder_lock import sole_writer
with sole_writer(sys.argv[1], shared=sys.argv[2] == "shared", named=sys.argv[2] == "alone"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def out(tmp_path):
    return output.claim_folder(tmp_path / "out")


@pytest.fixture
def hold(out):
    """Return a function that has another process hold the folder's lock."""
    found = []

    def start(how):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, out, how], stdout=subprocess.PIPE, text=True
        )
        found.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in found:
        process.kill()
        process.communicate()


def test_another_process_is_named_and_a_killed_one_holds_nothing(out, hold):
    other = hold("alone")
    who = f"another command (process {other.pid} on {socket.gethostname()}) writes to output folder"
    for again in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(UnfinishedError, match=re.escape(f"{who} {out}: wait until it ends")):
            output.claim_folder(out, **again)
    with pytest.raises(UnfinishedError, match=re.escape(who)), output.run_record(out, {}):
        pass
    assert not (out / "run.json").exists()
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    with output.run_record(output.claim_folder(out, resume=True), {}):
        assert (out / MARKER).read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    assert (out / MARKER).read_text() == ""


def test_a_check_writes_nothing(out):
    before = (out / MARKER).stat().st_mtime_ns
    output.check_folder(out, resume=True)
    assert (out / MARKER).stat().st_mtime_ns == before


def test_shares_do_not_exclude_each_other_but_the_whole(out, hold):
    hold("shared")
    output.claim_folder(out, resume=True, shared=True)
    with pytest.raises(UnfinishedError, match="another command writes to output folder"):
        output.claim_folder(out, resume=True)


def test_a_folder_of_others_gets_no_lock(tmp_path):
    with sole_writer(tmp_path):
        assert not list(tmp_path.iterdir())


def test_without_locks_work_goes_on(out, monkeypatch):
    def none(handle, how):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr("fcntl.flock", none)
    with sole_writer(out, named=True), sole_writer(out, named=True):
        assert (out / MARKER).read_text() == ""


def test_overwriting_keeps_the_marker_that_is_locked(out):
    (out / "deep").mkdir()
    (out / "link").symlink_to(out.parent)
    before = (out / MARKER).stat().st_ino
    output.claim_folder(out, overwrite=True)
    assert [p.name for p in out.iterdir()] == [MARKER]
    assert (out / MARKER).stat().st_ino == before
