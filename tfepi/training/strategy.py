"""The devices that share a computation: the one place that makes tf.distribute strategies.

A strategy has to be made before TensorFlow computes anything.
"""

import contextlib
import functools
import json
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from tfepi.training.hosts import Hosts, check_strategy, from_tf_config, slurm_port
from tfepi.training.meeting import meet
from tfepi.training.terminate import Terminate
from tfrecords_tools.errors import ConfigError, WorkerLostError
from tfrecords_tools.slices import Slices

START_SECONDS = 600  # for all processes to have come
CONNECT_SECONDS = 120  # for those that have come to be connected
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Team:
    """The replicas of a model that compute a batch together, in one process or several.

    Attributes:
        strategy: TensorFlow's.
        hosts: the processes, or None for this one alone.
        terminate: whether this process was told to end.
    """

    strategy: tf.distribute.Strategy
    hosts: Hosts | None = None
    terminate: Terminate = field(default_factory=Terminate, compare=False)

    @property
    def replicas(self) -> int:
        """How many there are, in all processes."""
        return self.strategy.num_replicas_in_sync

    @property
    def workers(self) -> int:
        """How many processes there are."""
        return len(self.hosts) if self.hosts else 1

    @property
    def worker(self) -> int:
        """Number of this process."""
        return self.hosts.index if self.hosts else 0

    @property
    def chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.worker == 0

    @property
    def slices(self) -> Slices:
        """This process's part of every batch."""
        own = self.replicas // self.workers
        return Slices(self.replicas, self.worker * own, own)

    def total(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return the sum of the workers' values; every worker has to call it.

        Args:
            values: of the same shape on each.
        """
        values = np.asarray(values)
        if self.workers == 1:
            return values
        return _total(self.strategy, self.slices.first, tf.constant(values)).numpy()

    def from_chief(self, values: Sequence[float] | np.ndarray) -> np.ndarray:
        """Return worker 0's values on each worker, all of which have to call it."""
        values = np.asarray(values)
        return self.total(values if self.chief else np.zeros_like(values))

    def same(self, number: int) -> list[int]:
        """Return the workers whose number differs from worker 0's; below 2^53."""
        numbers = np.zeros(self.workers)
        numbers[self.worker] = number
        numbers = self.total(numbers)
        return np.flatnonzero(numbers != numbers[0]).tolist()

    def scope(self):
        """Return the context in which models, optimisers and metrics are made."""
        return self.strategy.scope()

    def batches(self, make: Callable[[Slices], tf.data.Dataset]):
        """Return a dataset of which every replica gets its slices.

        Args:
            make: takes the slices of this process and returns them, one after the other.
        """
        slices = self.slices
        return self.strategy.distribute_datasets_from_function(lambda _: make(slices))

    def __str__(self) -> str:
        if self.hosts:
            return f"{self.replicas} replicas in {self.workers} processes"
        return f"{self.replicas} replicas" if self.replicas > 1 else "one device"


@tf.function(reduce_retracing=True)
def _total(strategy: tf.distribute.Strategy, first: int, own: tf.Tensor) -> tf.Tensor:
    """Return the sum over the processes of a tensor of each; `first` is its first replica."""

    def of_replica():
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return tf.where(replica == first, own, tf.zeros_like(own))

    return strategy.reduce("SUM", strategy.run(of_replica), axis=None)


def make_team(name: str = "one", logical_devices: int | None = None) -> Team:
    """Return the replicas of a strategy.

    Args:
        name: "one" device; "mirrored": all GPUs of this machine, or pieces of the CPU;
            "multiworker": the processes of TF_CONFIG or of SLURM's job step; "auto": what there
            is, several processes first, then several GPUs.
        logical_devices: pieces of the CPU that are used as devices, to try things out.

    Raises:
        ConfigError: as `check_strategy`; mirrored without several devices.
        TfepiError: a process did not come.
        WorkerLostError: one was lost at once.
        Terminated: this process was told to end while it waited.
    """
    name = check_strategy(name, logical_devices)
    devices = _pieces_of_cpu(logical_devices) if logical_devices else None
    if name == "multiworker":
        return _several_processes()
    gpus = tf.config.list_physical_devices("GPU")
    if name == "one" or (name == "auto" and len(gpus) < 2):
        if len(gpus) > 1:
            tf.config.set_visible_devices(gpus[:1], "GPU")
        return Team(tf.distribute.get_strategy())
    if devices is None and len(gpus) < 2:
        raise ConfigError(
            f"--strategy mirrored wants several GPUs, TensorFlow finds {len(gpus)}: use --strategy "
            "one, or --logical_devices 2 to try it on the CPU"
        )
    return Team(tf.distribute.MirroredStrategy(devices))


def _pieces_of_cpu(count: int) -> list[str]:
    cpu = tf.config.list_physical_devices("CPU")[0]
    pieces = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
    tf.config.set_logical_device_configuration(cpu, pieces)
    return [f"/cpu:{i}" for i in range(count)]


def _several_processes() -> Team:
    """Return the replicas of all processes, once all have come."""
    if "TF_CONFIG" not in os.environ:
        _take_from_slurm()
    hosts, terminate = from_tf_config(os.environ["TF_CONFIG"]), Terminate()
    terminate.take()
    log.info("%s: waits for the others, %d s at most", hosts, START_SECONDS)
    meet(hosts, len(tf.config.get_visible_devices("GPU")) or 1, terminate, START_SECONDS)
    try:
        with _start_timeout():
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise WorkerLostError(
            f"{hosts} lost another worker at the start: start all of them again with the same "
            f"command and --resume ({_first_line(error)})"
        ) from None
    terminate.take()
    return Team(strategy, hosts, terminate)


@contextlib.contextmanager
def _start_timeout() -> Iterator[None]:
    """Let TensorFlow wait no longer for processes that have met: an hour by itself."""
    device_context = context.context()
    configure = device_context.configure_coordination_service
    device_context.configure_coordination_service = functools.partial(
        configure, cluster_register_timeout_in_ms=1000 * CONNECT_SECONDS
    )
    try:
        yield
    finally:
        del device_context.configure_coordination_service


def _take_from_slurm() -> None:
    """Set TF_CONFIG as TensorFlow's resolver reads SLURM's environment, and share the GPUs."""
    tasks = os.environ["SLURM_STEP_NUM_TASKS"]
    try:
        # It shares GPUs by a variable that is read before; hence a number for each that says
        # nothing, and `_share_gpus`.
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(
            port_base=slurm_port(os.environ),
            gpus_per_node=int(tasks),
            gpus_per_task=1,
            auto_set_gpu=False,
        )
        cluster = resolver.cluster_spec().as_dict()
    except (RuntimeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"SLURM's environment does not tell the job step's processes ({_first_line(error)}): "
            "start the command by srun, or set TF_CONFIG"
        ) from None
    kind, index = resolver.get_task_info()
    os.environ["TF_CONFIG"] = json.dumps(
        {"cluster": cluster, "task": {"type": kind, "index": index}}
    )
    addresses = cluster[kind]
    host = addresses[index].rpartition(":")[0]
    beside = [i for i, a in enumerate(addresses) if a.rpartition(":")[0] == host]
    _share_gpus(beside.index(index), len(beside))


def _share_gpus(place: int, processes: int) -> None:
    """Take this process's share of the node's GPUs, unless SLURM bound some to each process."""
    gpus = tf.config.list_physical_devices("GPU")
    bound = "SLURM_GPUS_PER_TASK" in os.environ or "SLURM_TRES_PER_TASK" in os.environ
    if processes > 1 and gpus and not bound:
        if len(gpus) < processes:
            raise ConfigError(
                f"{processes} tasks of this job step share {len(gpus)} GPU(s): start fewer tasks "
                "on a node, or bind GPUs with srun --gpus-per-task"
            )
        each = len(gpus) // processes
        tf.config.set_visible_devices(gpus[place * each : (place + 1) * each], "GPU")


def _first_line(error: Exception) -> str:
    text = getattr(error, "message", None) or str(error)
    return text.strip().splitlines()[0][:200] if text.strip() else type(error).__name__
