"""Real schedulers and workers, each a process of its own, on this machine."""

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfrecords_tools import cluster, cluster_admission, cluster_worker, workers
from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.cluster import open_cluster
from tfrecords_tools.cluster_address import parse_address
from tfrecords_tools.errors import ConfigError, TfepiError
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation import build as methylation_build
from tfrecords_tools.methylation import plan as methylation_plan
from tfrecords_tools.methylation.options import MethylationOptions
from tfrecords_tools.plan import make_plan
from tfrecords_tools.workers import completed

OPTIONS = {
    "seq_length": 256,
    "bin_width": 32,
    "crop": 64,
    "stride_train": 8,
    "stride_test": 8,
    "valid": "chr2",
    "test": "chr3",
    "records_per_shard": 150,
    "nan": "keep",
}


def content(folder):
    """Bytes of every file but run.json."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


@pytest.mark.parametrize(
    "address", ["", "8786", "127.0.0.1:8786", "tcp://host", "http://host:80", "tcp://host:x"]
)
def test_addresses_of_another_form(address):
    with pytest.raises(ConfigError, match=r"--cluster is .*want .*tcp://HOST:PORT"):
        parse_address(address)


def test_addresses():
    assert parse_address("tcp://10.0.0.1:8786") == ("10.0.0.1", 8786)
    assert parse_address("tls://[::1]:9") == ("::1", 9)


def test_without_dask(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(ConfigError, match=r"needs Dask.*pip install 'tfepi\[cluster\]'"),
        open_cluster("tcp://127.0.0.1:9"),
    ):
        pass


def test_nobody_and_somebody_else_answers(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECT_S", 1)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(ConfigError, match="nobody answers"), open_cluster(address):
            pass
        listener.listen()
        with (
            pytest.raises(ConfigError, match=r"no Dask scheduler to talk with \(it says nothing"),
            open_cluster(address),
        ):
            pass


def killed_midway(process, folder):
    """Kill a process when a first shard of records is there; return whether it came in time."""
    found = []

    def work():
        until = time.monotonic() + 60
        while not any((folder / "tfrecords").glob("*.tfr")) and time.monotonic() < until:
            time.sleep(0.005)
        found.append(not (folder / "manifest.json").exists())
        process.kill()

    thread = threading.Thread(target=work)
    thread.start()
    return thread, found


def test_a_build_of_methylation(dask_cluster, genome_folder, tmp_path, monkeypatch):
    with Genome(genome_folder / "genome.fa") as genome, open(tmp_path / "a.bedgraph", "w") as bed:
        for chrom, length in genome.chroms.items():
            bases = genome.indices(chrom, 0, length)
            for at in np.flatnonzero((bases[:-1] == 1) & (bases[1:] == 2)).tolist():
                bed.write(f"{chrom}\t{at}\t{at + 1}\t{at % 11 / 10}\n")
    (tmp_path / "samples.txt").write_text("\tidentifier\tfile\n0\ta\ta.bedgraph\n")
    options = MethylationOptions(seq_length=401, valid="chr2", test="chr3", records_per_shard=256)
    monkeypatch.chdir(tmp_path)
    planned = methylation_plan.make_plan(genome_folder / "genome.fa", "samples.txt", options)
    methylation_build.build(planned, "one", quiet=True)
    dask_cluster.add_worker()
    dask_cluster.await_workers(1)
    with open_cluster(dask_cluster.address, "two") as executor:
        methylation_build.build(planned, "two", executor=executor, quiet=True)
    assert content(tmp_path / "two") == content(tmp_path / "one")
    assert len(list((tmp_path / "one" / "tfrecords").iterdir())) > 5


def test_a_build_with_a_worker_killed_then_all_then_the_scheduler(
    dask_cluster, genome_folder, tmp_path, monkeypatch, caplog
):
    plan = make_plan(
        genome_folder / "genome.fa", genome_folder / "targets.txt", BuildOptions(**OPTIONS)
    )
    build(plan, tmp_path / "one", quiet=True)
    first, second = dask_cluster.add_worker(), dask_cluster.add_worker()
    dask_cluster.await_workers(2)
    monkeypatch.chdir(tmp_path)  # workers have another working directory
    thread, in_time = killed_midway(first, tmp_path / "two")
    with open_cluster(dask_cluster.address, "two") as executor:
        build(plan, "two", executor=executor, quiet=True)
        thread.join()
        assert in_time == [True]
        assert content(tmp_path / "two") == content(tmp_path / "one")
        assert not list(tmp_path.glob(".tfepi-seen-*"))

        monkeypatch.setattr(workers, "LOOK_S", 0.2)
        monkeypatch.setattr(cluster, "LOST_S", 1)
        second.kill()
        with (
            caplog.at_level(logging.WARNING),
            pytest.raises(TfepiError, match=r"no worker was left .*--resume"),
        ):
            list(completed(executor, os.path.basename, ["a/b"], "records"))
        assert "no worker is left" in caplog.text
        dask_cluster.scheduler.kill()
        with pytest.raises(TfepiError, match=r"scheduler at tcp://.* is gone: .*--resume"):
            list(completed(executor, os.path.basename, ["a/b"], "records"))


def test_a_scheduler_killed_under_a_job(dask_cluster, tmp_path):
    dask_cluster.add_worker()
    dask_cluster.await_workers(1)
    with open_cluster(dask_cluster.address, tmp_path) as executor:
        (tmp_path / ".tfepi").touch()
        assert executor.submit(os.path.basename, "a/b").result(20) == "b"
        jobs = completed(executor, time.sleep, [0, 60], "records")
        next(jobs)
        dask_cluster.scheduler.kill()
        with pytest.raises(TfepiError, match=r"scheduler at tcp://.* is gone: .*--resume"):
            next(jobs)


def test_workers_that_are_not_taken(dask_cluster, tmp_path, monkeypatch):
    """Each in its turn, as the only worker there is."""
    monkeypatch.setattr(cluster_admission, "ANSWER_S", 2)
    monkeypatch.setattr(cluster_admission, "WORKERS_S", 1)
    out = tmp_path / "shared" / "out"
    out.mkdir(parents=True)

    def refused(message, **options):
        process = dask_cluster.add_worker(**options)
        dask_cluster.await_workers(1)
        if message == "did not answer":
            process.send_signal(signal.SIGSTOP)
        with (
            pytest.raises(TfepiError, match=message),
            open_cluster(dask_cluster.address, out),
        ):
            pass
        process.kill()
        dask_cluster.await_workers(0)

    with (
        pytest.raises(ConfigError, match="has no worker, and none came in 1 s"),
        open_cluster(dask_cluster.address, out),
    ):
        pass
    refused(r"does 3 jobs at a time in one process: .*--nthreads 1 --nworkers 3", threads=3)
    other = tmp_path / "other" / "tfepi-9.9.dist-info"
    other.mkdir(parents=True)
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: tfepi\nVersion: 9.9\n")
    own = cluster_worker.versions()["tfepi"]
    message = rf"worker tcp://.* has tfepi 9\.9, here it is {own}: .*install the same"
    refused(message, PYTHONPATH=str(other.parent))
    refused("did not answer")
    assert list(out.iterdir()) == []


def test_a_worker_on_another_file_system(dask_cluster, tmp_path):
    """It has a folder of that name, empty, in a mount namespace of its own."""
    out = tmp_path / "shared" / "out"
    out.mkdir(parents=True)
    unshare = ["unshare", "-rm", "sh", "-c", f"mount -t tmpfs none '{out.parent}' && exec \"$@\""]
    if not shutil.which("unshare") or subprocess.run([*unshare, "-", "true"]).returncode:
        pytest.skip("this system does not let us mount")
    dask_cluster.add_worker(before=[*unshare, "-"])
    dask_cluster.await_workers(1)
    with (
        pytest.raises(ConfigError, match=rf"worker tcp://.* does not see .*{out} as it is here"),
        open_cluster(dask_cluster.address, out),
    ):
        pass


def test_a_job_that_kills_its_workers(start_dask):
    dask = start_dask(DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0")
    dask.add_worker()
    dask.await_workers(1)
    with (
        pytest.raises(TfepiError, match=r"1 worker died over the same job while writing bins"),
        open_cluster(dask.address) as executor,
    ):
        list(completed(executor, os._exit, [3], "bins"))


def test_a_scheduler_without_tfepi(start_dask, tmp_path):
    (tmp_path / "path" / "tfrecords_tools").mkdir(parents=True)
    init = tmp_path / "path" / "tfrecords_tools" / "__init__.py"
    init.write_text("raise ImportError('no tfepi here')\n")
    dask = start_dask(PYTHONPATH=str(init.parents[1]))
    dask.add_worker(PYTHONPATH="")
    dask.await_workers(1)
    with (
        pytest.raises(ConfigError, match=r"scheduler tcp.* cannot import tfepi .*no tfepi here"),
        open_cluster(dask.address),
    ):
        pass


def test_a_worker_that_comes_later_is_looked_at_too(tmp_path):
    mine = cluster_worker.Admission(cluster_worker.versions(), None)
    assert cluster_worker.admitted(mine, max, 2, 3) == 3
    other = replace(mine, versions=mine.versions | {"numpy": "0.1"})
    with pytest.raises(ConfigError, match=r"worker on .* has numpy .*, here it is 0\.1"):
        cluster_worker.admitted(other, max, 2, 3)
    placed = replace(mine, folder=tmp_path)
    with pytest.raises(ConfigError, match=r"worker on .* does not see the output folder"):
        cluster_worker.admitted(placed, max, 2, 3)
    (tmp_path / ".tfepi").touch()
    assert cluster_worker.admitted(placed, max, 2, 3) == 3


def test_a_worker_with_threads_that_comes_later(dask_cluster):
    first = dask_cluster.add_worker()
    dask_cluster.await_workers(1)
    with open_cluster(dask_cluster.address) as executor:
        first.kill()
        dask_cluster.await_workers(0)
        dask_cluster.add_worker(threads=2)
        dask_cluster.await_workers(1)
        with pytest.raises(ConfigError, match=r"worker on .* does 2 jobs at a time in one process"):
            executor.submit(max, 2, 3).result(20)


def test_tokens(tmp_path):
    token = cluster_worker.Token.of(tmp_path)
    assert not token.is_seen()
    token.path.write_text("another")
    assert not token.is_seen()
    token.path.write_text(token.text)
    assert token.is_seen()
    assert cluster_worker.report(token)["sees"]


def test_unlike_workers_are_told_of(caplog):
    told = {"a": {"processor": "X", "threads": 4}, "b": {"processor": "X", "threads": 8}}
    with caplog.at_level(logging.WARNING):
        cluster_admission.warn_of_unlike(told)
    assert "different numbers of threads (4; 8)" in caplog.text
    assert "processors" not in caplog.text


def test_a_file_that_is_seen_late(tmp_path):
    late = tmp_path / "late"
    timer = threading.Timer(0.3, late.touch)
    timer.start()
    workers.await_file(late)
    with pytest.raises(TfepiError, match="it is not seen here"):
        workers.await_file(tmp_path / "never", seconds=0.1)


def test_paths_for_other_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert workers.absolute("a") == str(tmp_path / "a")
    assert workers.absolute("s3://bucket/a.bw") == "s3://bucket/a.bw"
    assert workers.existing_above(tmp_path / "x" / "y") == Path(tmp_path)
