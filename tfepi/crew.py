"""Processes that share the numbered parts of one run of predictions; the first is the lead.

Predictions on several devices need no talk between them. Each process, which has a device of its
own, makes every n-th part in the one folder; the lead claims the folder, waits for the parts of
the others and puts all together. So the results are the same bytes as of one process.

The others see by a file of each (`heartbeat`) that it is alive.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from tfepi.heartbeat import GONE, beat_path, end_with, keep_beating, last_beat
from tfepi.training.hosts import check_strategy, from_tf_config
from tfrecords_tools.errors import ConfigError, Terminated, TfepiError, WorkerLostError
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder

BEAT_SECONDS = 2.0
GONE_SECONDS = 45.0
START_SECONDS = 600.0
_OWN = "TFEPI_CREW"  # "1/4/99" in a process that the lead, process 99, started
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Crew:
    """The processes of a run.

    Attributes:
        index: of this process; 0 is the lead.
        count: of all.
        devices: of each process, values of CUDA_VISIBLE_DEVICES, where the lead starts the
            others itself; () where they were started elsewhere.
    """

    index: int = 0
    count: int = 1
    devices: tuple[str, ...] = ()

    @property
    def leads(self) -> bool:
        """Whether this process claims the folder and puts the parts together."""
        return self.index == 0

    def own(self, numbers: Sequence[int]) -> list[int]:
        """Return which parts are this process's."""
        return [n for n in numbers if n % self.count == self.index]

    def check_folder(self, path: str | Path, *again: bool, inputs: Mapping = MappingProxyType({})):
        """Check an output folder as `output.check_folder` does, where this process leads."""
        if self.leads:
            check_folder(path, *again, inputs)

    def await_lead(
        self, parts: Path, numbers: Sequence[int], final: Sequence[Path], overwrite: bool = False
    ) -> bool:
        """Wait, unless this is the lead, until the lead has made a folder ready and is at work.

        Args:
            parts: the folder of parts.
            numbers: of all parts.
            final: files of a run that is done.
            overwrite: the lead removes those that are there.

        Returns:
            Whether there is anything to do for this process.

        Raises:
            TfepiError: the lead does not come.
        """
        if self.leads:
            return True
        if not self.own(numbers):
            return False
        old = _times(final) if overwrite else None
        until = time.monotonic() + START_SECONDS
        first = None
        while (beat := last_beat(parts, 0)) is None or beat == (first := first or beat):
            if (times := _times(final)) is not None and times != old:
                return False  # other processes had made its parts before
            if time.monotonic() > until:
                raise TfepiError(
                    f"the first process did not begin in {parts.parent} within "
                    f"{START_SECONDS:.0f} s: start all with the same command"
                )
            time.sleep(BEAT_SECONDS / 4)
        return True

    @contextlib.contextmanager
    def at_work(self, parts: Path) -> Iterator["Duty"]:
        """Be seen to be alive within the block; the lead starts the others, and ends them.

        Args:
            parts: the folder of parts, which is there.
        """
        if self.count == 1:
            yield Duty(self, parts, ())
            return
        if self.leads:
            for old in parts.glob(".crew-*"):  # of a run that was killed
                old.unlink(missing_ok=True)
        end = threading.Event()
        thread = threading.Thread(
            target=keep_beating, args=(parts, self.index, BEAT_SECONDS, end), daemon=True
        )
        thread.start()
        others: list[subprocess.Popen] = []
        failed = True
        try:
            with _ended_by_sigterm():
                for index in range(1, len(self.devices)):
                    others.append(self._start(index))
                yield Duty(self, parts, others)
            failed = False
        finally:
            for process in others:
                process.terminate()
                process.wait()
            end.set()
            thread.join()
            with contextlib.suppress(OSError):
                if failed and not self.leads:
                    beat_path(parts, self.index).write_text(GONE)
                else:
                    beat_path(parts, self.index).unlink()

    def _start(self, index: int) -> subprocess.Popen:
        environment = os.environ | {_OWN: f"{index}/{self.count}/{os.getpid()}"}
        environment["CUDA_VISIBLE_DEVICES"] = self.devices[index]
        return subprocess.Popen(
            [sys.executable, *sys.argv, "-q"], env=environment, stdout=subprocess.DEVNULL
        )


class Duty:
    """A crew at work.

    Args:
        crew: the crew.
        parts: the folder of parts.
        others: processes that the lead started.
    """

    def __init__(self, crew: Crew, parts: Path, others: Sequence[subprocess.Popen]):
        self._crew, self._parts, self._others = crew, parts, others

    def await_others(self, missing: Callable[[], Sequence[int]]) -> None:
        """Wait until no part is missing.

        Args:
            missing: returns the numbers of the parts that are not there.

        Raises:
            WorkerLostError: a process that has parts to make is gone.
        """
        seen: dict[int, tuple[str | None, float]] = {}
        while rest := missing():
            for index in sorted({n % self._crew.count for n in rest}):
                now = last_beat(self._parts, index)
                beat, since = seen.setdefault(index, (now, time.monotonic()))
                if now != beat:
                    seen[index] = (now, time.monotonic())
                elif (
                    index == 0
                    or now == GONE
                    or self._ended(index)
                    or time.monotonic() - since > (GONE_SECONDS if now else START_SECONDS)
                ):
                    raise WorkerLostError(
                        f"process {index} of {self._crew.count} is gone, "
                        f"{number_of(len(rest), 'part')} missing: start all again with the same "
                        "command and --resume"
                    )
            time.sleep(BEAT_SECONDS / 4)

    def _ended(self, index: int) -> bool:
        """Tell whether a process that the lead started has failed."""
        return bool(self._others) and bool(self._others[index - 1].poll())


ALONE = Crew()


def make_crew(
    strategy: str = "one",
    logical_devices: int | None = None,
    environment: MutableMapping[str, str] = os.environ,
) -> Crew:
    """Return the processes that predict, of which this is one; sets this one's device.

    Called before TensorFlow is imported.

    Args:
        strategy: "one" process; "mirrored": one for each GPU of this machine, or for each piece
            of its CPU; "multiworker": those of TF_CONFIG or of SLURM's job step; "auto": what
            there is.
        logical_devices: pieces of the CPU.
        environment: with TF_CONFIG or SLURM's variables, and CUDA_VISIBLE_DEVICES.

    Raises:
        ConfigError: as `check_strategy`; mirrored without several GPUs.
    """
    if _OWN in environment:
        index, count, lead = map(int, environment[_OWN].split("/"))
        threading.Thread(target=end_with, args=(lead, BEAT_SECONDS), daemon=True).start()
        _share_cores(environment, count)
        return Crew(index, count)
    strategy = check_strategy(strategy, logical_devices, environment)
    if strategy == "multiworker":
        if "TF_CONFIG" in environment:
            hosts = from_tf_config(environment["TF_CONFIG"])
            machines = [address.rpartition(":")[0] for address in hosts.addresses]
            place = machines[: hosts.index].count(machines[hosts.index])
            found = Crew(hosts.index, len(hosts))
        else:
            place = int(environment.get("SLURM_LOCALID", "0"))
            count = int(environment["SLURM_STEP_NUM_TASKS"])
            found = Crew(int(environment["SLURM_PROCID"]), count)
        if len(gpus := visible_gpus(environment)) > 1:  # one for each process of a machine
            environment["CUDA_VISIBLE_DEVICES"] = gpus[place % len(gpus)]
        return found
    if logical_devices is not None:
        _share_cores(environment, logical_devices)
        return Crew(0, logical_devices, ("",) * logical_devices)
    gpus = visible_gpus(environment)
    if strategy == "one":
        gpus = gpus[:1]
    if strategy == "mirrored" and len(gpus) < 2:
        raise ConfigError(
            f"--strategy mirrored wants several GPUs, there are {len(gpus)}: use --strategy one, "
            "or --logical_devices 2 to try it on the CPU"
        )
    if gpus:
        environment["CUDA_VISIBLE_DEVICES"] = gpus[0]
    if len(gpus) < 2:
        return ALONE
    return Crew(0, len(gpus), tuple(gpus))


def visible_gpus(environment: MutableMapping[str, str] = os.environ) -> list[str]:
    """Return the GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    if "CUDA_VISIBLE_DEVICES" in environment:
        named = environment["CUDA_VISIBLE_DEVICES"].split(",")
        return [name.strip() for name in named if name.strip() not in ("", "-1")]
    if shutil.which("nvidia-smi") is None:
        return []
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    lines = listed.stdout.splitlines() if listed.returncode == 0 else []
    return [str(i) for i, line in enumerate(x for x in lines if x.startswith("GPU "))]


def _share_cores(environment: MutableMapping[str, str], processes: int) -> None:
    """Let TensorFlow use this process's share of the cores, unless the user said how many."""
    if not environment.get("CUDA_VISIBLE_DEVICES"):
        cores = max(1, (os.cpu_count() or 1) // processes)
        environment.setdefault("TF_NUM_INTRAOP_THREADS", str(cores))


def _times(paths: Sequence[Path]) -> list[int] | None:
    """Return when files were written, None unless all are there."""
    try:
        return [path.stat().st_mtime_ns for path in paths]
    except OSError:
        return None


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM leave the block as an error does, so that others are ended too."""
    started_by_lead = _OWN in os.environ  # which has something to say where it ends this one
    if started_by_lead or threading.current_thread() is not threading.main_thread():
        yield
        return

    def told(number, frame):
        raise Terminated(
            "told to end (SIGTERM): run the same command with --resume to make the other parts"
        )

    before = signal.signal(signal.SIGTERM, told)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
