"""The processes of a training on several hosts, as TF_CONFIG or SLURM's environment lists them.

Imports nothing heavy: what is wrong is said before TensorFlow is imported.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from tfrecords_tools.errors import ConfigError, unknown

STRATEGIES = ("auto", "one", "mirrored", "multiworker")
_JOBS = ("chief", "worker")
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s:/]+):(\d{1,5})")
_SLURM = ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS", "SLURM_STEP_NODELIST")


@dataclass(frozen=True)
class Hosts:
    """The processes that train together.

    Attributes:
        addresses: host:port of each; the first is the chief's, which alone writes.
        index: this process's.
    """

    addresses: tuple[str, ...]
    index: int

    def __len__(self) -> int:
        return len(self.addresses)

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.index == 0

    def __str__(self) -> str:
        return f"worker {self.index} of {len(self)} ({self.addresses[self.index]})"


def from_tf_config(text: str) -> Hosts:
    """Return the processes that a TF_CONFIG lists, the chief first.

    Raises:
        ConfigError: it is no JSON, lists no processes or some twice, other jobs than chief and
            worker, or a task that is not there.
    """

    def refused(problem: str) -> ConfigError:
        return ConfigError(
            f'TF_CONFIG {problem}: want {{"cluster": {{"worker": ["host:port", …]}}, "task": '
            '{"type": "worker", "index": 0}}'
        )

    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise refused(f"is no JSON ({error})") from None
    cluster = value.get("cluster") if isinstance(value, dict) else None
    if not isinstance(cluster, dict) or not cluster:
        raise refused("has no cluster")
    for job, addresses in cluster.items():
        if job not in _JOBS:
            raise refused(f"has the job {job!r}, which takes no part here")
        if not isinstance(addresses, list) or (job == "chief" and len(addresses) > 1):
            raise refused(f"has {addresses!r} for the addresses of job {job!r}")
    listed = [(job, i) for job in _JOBS for i in range(len(cluster.get(job, ())))]
    addresses = [cluster[job][i] for job, i in listed]
    for address in addresses:
        parsed = _ADDRESS.fullmatch(address) if isinstance(address, str) else None
        if parsed is None or not 0 < int(parsed[2]) < 1 << 16:
            raise refused(f"has the address {address!r}")
        if addresses.count(address) > 1:
            raise refused(f"has the address {address} twice")
    task = value.get("task")
    task = task if isinstance(task, dict) else {}
    place = (task.get("type"), task.get("index"))
    if place not in listed or isinstance(place[1], bool):
        raise refused(f"has the task {place[0]!r} {place[1]!r}, which is not in its cluster")
    return Hosts(tuple(addresses), listed.index(place))


def in_slurm_step(environment: Mapping[str, str]) -> bool:
    """Tell whether this process is one of several that srun started."""
    return (
        all(name in environment for name in _SLURM)
        and environment["SLURM_STEP_NUM_TASKS"].isdecimal()
        and int(environment["SLURM_STEP_NUM_TASKS"]) > 1
    )


def slurm_port(environment: Mapping[str, str]) -> int:
    """Return the first port of a job's processes: other jobs on a node have others."""
    job = environment.get("SLURM_JOB_ID", "0")
    return 12000 + 16 * (int(job) % 1250 if job.isdecimal() else 0)


def check_strategy(
    name: str, logical_devices: int | None = None, environment: Mapping[str, str] = os.environ
) -> str:
    """Return the strategy of a name, "multiworker" for "auto" where there are several processes.

    Args:
        name: of `STRATEGIES`.
        logical_devices: pieces of the CPU that are asked for, or None.
        environment: with TF_CONFIG, or SLURM's variables.

    Raises:
        ConfigError: an unknown name; multiworker without several processes; TF_CONFIG as
            `from_tf_config`; pieces of the CPU below 1 or of no use.
    """
    if name not in STRATEGIES:
        raise unknown("strategy", name, STRATEGIES)
    several = in_slurm_step(environment)
    if "TF_CONFIG" in environment and name in ("auto", "multiworker"):
        several = len(from_tf_config(environment["TF_CONFIG"])) > 1
    if name == "auto" and several:
        name = "multiworker"
    if name == "multiworker" and not several:
        raise ConfigError(
            "--strategy multiworker found no other process: set TF_CONFIG for each, or start the "
            "command by srun with several tasks"
        )
    if logical_devices is not None and logical_devices < 1:
        raise ConfigError(f"--logical_devices is {logical_devices}, want at least 1")
    if logical_devices is not None and name != "mirrored":
        raise ConfigError(
            f"--logical_devices {logical_devices} is for --strategy mirrored, not {name}: name it, "
            "or leave them out"
        )
    return name
