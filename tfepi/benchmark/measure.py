"""CPU-seconds, wall time and memory of a command and of every process it leaves behind.

A command's workers may outlive the process that made them known to the system (a fork server's
children are never waited for by the main process). So the command runs under a small process
that adopts orphans and waits for all: `python measure.py STEM COMMAND…` writes the command's
output to STEM.out and STEM.err and prints the figures as JSON. Standard library only; Linux.
"""

import ctypes
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_MIB_PER_MAXRSS = 1 / 1024  # Linux counts ru_maxrss in KiB


@dataclass(frozen=True)
class Usage:
    """What a command used.

    Attributes:
        status: exit status; negative is a signal.
        wall_s: seconds from start to the end of the main process.
        cpu_s: CPU-seconds of it and all its descendants, user and system.
        peak_mib: largest resident size of any single one of them.
    """

    status: int
    wall_s: float
    cpu_s: float
    peak_mib: float


def measure(command: list[str], stem: Path, cwd: Path, environment: dict[str, str]) -> Usage:
    """Run a command to its end in a process of its own and return what it used.

    Args:
        command: program and arguments.
        stem: where its output goes: STEM.out, STEM.err.
        cwd: folder to run in.
        environment: the whole environment.

    Raises:
        OSError: the program cannot be started, or the system is not Linux.
    """
    done = subprocess.run(
        [sys.executable, "-I", __file__, str(stem), *command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise OSError(f"cannot measure {command[0]}: {reason}")
    return Usage(**json.loads(done.stdout))


def _adopt_orphans() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "this system cannot adopt orphaned processes")


def _run(stem: str, command: list[str]) -> dict:
    _adopt_orphans()
    cpu = peak = wall = 0.0
    status = 0
    with open(f"{stem}.out", "wb") as out, open(f"{stem}.err", "wb") as err:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        while True:
            try:
                pid, code, usage = os.wait4(-1, 0)
            except ChildProcessError:
                break
            cpu += usage.ru_utime + usage.ru_stime
            peak = max(peak, usage.ru_maxrss * _MIB_PER_MAXRSS)
            if pid == process.pid:
                wall = time.perf_counter() - started
                status = process.returncode = os.waitstatus_to_exitcode(code)
    return {"status": status, "wall_s": wall, "cpu_s": cpu, "peak_mib": peak}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_run(sys.argv[1], sys.argv[2:])))
