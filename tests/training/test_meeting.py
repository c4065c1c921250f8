"""Processes that meet before TensorFlow waits: who comes, who does not, who is refused."""

import json
import re
import runpy
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfepi.training.hosts import Hosts
from tfepi.training.meeting import meet
from tfepi.training.terminate import Terminate
from tfrecords_tools.errors import ConfigError, Terminated, TfepiError

processes = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("processes.py"))))


def addresses(count):
    return tuple(f"127.0.0.1:{port}" for port in processes.free_ports(count))


class Came(threading.Thread):
    """One process's meeting, in a thread; how it ended."""

    def __init__(self, hosts, devices=1, seconds=10.0):
        super().__init__(daemon=True)
        self.args = (hosts, devices, terminate := Terminate(), seconds)
        self.terminate, self.error, self.done = terminate, None, False
        self.start()

    def run(self):
        try:
            meet(*self.args)
            self.done = True
        except TfepiError as error:
            self.error = error

    def ended(self):
        self.join(20)
        assert not self.is_alive()
        return self


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_all_go_on_when_all_have_come(order):
    known = addresses(3)
    came = []
    for index in order:
        assert not any(c.done for c in came)
        came.append(Came(Hosts(known, index)))
        time.sleep(0.3)
    assert all(c.ended().done for c in came)
    for address in known:  # TensorFlow's servers can have the ports at once
        host, _, port = address.rpartition(":")
        socket.create_server((host, int(port))).close()


def test_who_did_not_come_is_named():
    known = addresses(3)
    chief, worker = (Came(Hosts(known, i), seconds=1.0).ended() for i in (0, 1))
    assert re.search(r"worker 1 \(.*\), 2 \(.*\) did not come within 1 s", str(chief.error))
    assert f"worker 0 ({known[0]}) did not come within 1 s" in str(worker.error)


def test_one_that_left_may_come_again():
    known = addresses(3)
    chief, left = Came(Hosts(known, 0)), Came(Hosts(known, 1))
    time.sleep(0.5)
    left.terminate.asked = True
    assert isinstance(left.ended().error, Terminated)
    others = [Came(Hosts(known, i)) for i in (2, 1)]
    assert all(c.ended().done for c in (chief, *others))


def test_a_chief_that_was_told_to_end_may_come_again():
    known = addresses(2)
    worker, chief = Came(Hosts(known, 1)), Came(Hosts(known, 0))
    worker.ended()
    chief.ended()
    worker, chief = Came(Hosts((*known, known[0][:-1]), 1)), Came(Hosts(known, 0))
    assert isinstance(chief.ended().error, ConfigError)
    assert "want the same in every TF_CONFIG" in str(worker.ended().error)


@pytest.mark.parametrize(
    ("index", "devices", "message"),
    [
        (2, 8, r"worker 2 has 8 device\(s\), worker 0 has 1: each process must have as many"),
        (1, 1, "port .* is taken by another process, perhaps of a run that has not ended"),
    ],
)
def test_who_cannot_take_part_is_refused(index, devices, message):
    known = addresses(3)
    chief, other = Came(Hosts(known, 0), seconds=6.0), Came(Hosts(known, 1), seconds=6.0)
    time.sleep(1.5)  # for the other to have come
    if index == 1:
        with socket.create_server(("127.0.0.1", int(known[2].rpartition(":")[2]))):
            refused = Came(Hosts(known, 2)).ended()
    else:
        refused = Came(Hosts(known, index), devices).ended()
        for each in (chief, other):  # all are told
            assert re.search(message, str(each.ended().error))
    assert isinstance(refused.error, ConfigError)
    assert re.search(message, str(refused.error))


def test_two_that_are_the_same_worker_are_refused():
    known = addresses(3)
    chief, one = Came(Hosts(known, 0)), Came(Hosts(known, 1))
    time.sleep(0.5)
    with socket.create_connection(("127.0.0.1", int(known[0].rpartition(":")[2]))) as connection:
        told = {"worker": 1, "addresses": known, "devices": 1}
        connection.sendall(json.dumps(told).encode() + b"\n")
        connection.settimeout(10)
        assert connection.recv(1 << 16).startswith(b"refused: two processes are worker 1")
    for each in (chief, one):
        assert "two processes are worker 1" in str(each.ended().error)


def test_strangers_are_sent_away():
    known = addresses(2)
    chief = Came(Hosts(known, 0))
    for text in (b"GET / HTTP/1.1\r\n\r\n\n", b"[]\n", b"{}\n", b"\xff\n", b""):
        time.sleep(0.3)
        with socket.create_connection(("127.0.0.1", int(known[0].rpartition(":")[2]))) as one:
            one.sendall(text)
    assert Came(Hosts(known, 1)).ended().done
    assert chief.ended().done


def test_a_command_that_waits_ends_when_it_is_told_to(small_data, tmp_path):
    value = {
        "train": {"batch_size": 4, "train_epochs_max": 1},
        "model": {
            "seq_length": 256,
            "trunk": [{"name": "conv_dna", "filters": 2, "kernel_size": 3, "pool_size": 32}],
            "head": {"name": "final", "units": 3},
        },
    }
    (tmp_path / "params.json").write_text(json.dumps(value))
    cluster = {"worker": list(addresses(2))}
    config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": 0}})
    for number, status in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):
        process = processes.start(
            tmp_path / "params.json", small_data, "-o", tmp_path / "run", TF_CONFIG=config
        )
        said = ""
        while "waits for the others" not in said:
            said += process.stderr.readline()
            assert process.poll() is None, said
        time.sleep(0.5)
        process.send_signal(number)
        ((found, _, rest),) = processes.ended([process], 20)
        assert found == status, rest
        assert re.match("error: told to end|interrupted: ", rest.splitlines()[-1])
    assert not (tmp_path / "run").exists()
