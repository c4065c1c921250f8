"""Trainings in processes of their own, one or several together, as users start them."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np

TRAIN = Path(__file__).parents[2] / "scripts" / "tfepi_train.py"


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start(*args, **environment) -> subprocess.Popen:
    """Start one tfepi_train.py."""
    return subprocess.Popen(
        [sys.executable, TRAIN, *map(str, args)],
        env=os.environ | {"PYTHONPATH": str(TRAIN.parents[1])} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_workers(count: int, *args) -> list[subprocess.Popen]:
    """Start the workers of one training, by TF_CONFIG."""
    addresses = [f"127.0.0.1:{port}" for port in free_ports(count)]
    return [
        start(
            *args,
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
            ),
        )
        for index in range(count)
    ]


def ended(processes, timeout: float = 240) -> list[tuple[int, str, str]]:
    """Return status, stdout and stderr of processes once all have ended."""
    try:
        told = [p.communicate(timeout=timeout) for p in processes]
    finally:
        for process in processes:
            process.kill()
    return [(p.returncode, *t) for p, t in zip(processes, told, strict=True)]


def finished(processes) -> list[str]:
    """Check that processes ended well; return what each wrote to stdout."""
    found = ended(processes)
    assert all(status == 0 for status, _, _ in found), [said for _, _, said in found]
    return [out for _, out, _ in found]


def arrays(path: Path) -> dict[str, np.ndarray]:
    """Return the weights of a .keras file, the optimiser's too; its own time is left out."""
    found = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    content = zipfile.ZipFile(path).read("model.weights.h5")
    with h5py.File(io.BytesIO(content)) as weights:
        weights.visititems(keep)
    return found


def largest_difference(one: Path, two: Path) -> float:
    """Return the largest difference of two models' weights, without the optimiser's."""
    a, b = arrays(one), arrays(two)
    assert a.keys() == b.keys()
    names = [n for n in a if "optimizer" not in n and a[n].size]
    return max(float(np.abs(a[n].astype(float) - b[n]).max()) for n in names)


def same(one: Path, two: Path) -> bool:
    """Tell whether two models, and their optimisers, are the same bit for bit."""
    a, b = arrays(one), arrays(two)
    return a.keys() == b.keys() and all(np.array_equal(a[n], b[n]) for n in a)
