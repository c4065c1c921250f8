"""The processes of a training, from TF_CONFIG and from SLURM's variables."""

import json

import pytest

from tfepi.training.hosts import (
    Hosts,
    check_strategy,
    from_tf_config,
    in_slurm_step,
    slurm_port,
)
from tfrecords_tools.errors import ConfigError

STEP = {"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "4", "SLURM_STEP_NODELIST": "n[1-2]"}


def config(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


def test_workers_in_their_order():
    hosts = from_tf_config(config({"worker": ["a:1", "b:2"]}, index=1))
    assert (hosts, len(hosts), hosts.chief) == (Hosts(("a:1", "b:2"), 1), 2, False)
    assert str(hosts) == "worker 1 of 2 (b:2)"


def test_the_chief_is_the_first():
    cluster = {"worker": ["[::1]:65535"], "chief": ["c:1"]}
    hosts = from_tf_config(config(cluster, "chief"))
    assert (hosts.addresses, hosts.index, hosts.chief) == (("c:1", "[::1]:65535"), 0, True)
    assert from_tf_config(config(cluster)).index == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"TF_CONFIG is no JSON \(.*\): want \{"),
        ("[]", "has no cluster"),
        ("{}", "has no cluster"),
        (config({"ps": ["a:1"]}), "has the job 'ps', which takes no part here"),
        (config({"worker": "a:1"}), "has 'a:1' for the addresses of job 'worker'"),
        (
            config({"chief": ["a:1", "b:2"]}, "chief"),
            r"has \[.*\] for the addresses of job 'chief'",
        ),
        (config({"worker": ["a:1", "b:2"]}, index=True), "has the task 'worker' True"),
        (config({"worker": ["a"]}), "has the address 'a'"),
        (config({"worker": ["a:0"]}), "has the address 'a:0'"),
        (config({"worker": ["a:65536"]}), "has the address"),
        (config({"worker": [7]}), "has the address 7"),
        (config({"worker": ["a:1", "a:1"]}), "has the address a:1 twice"),
        (config({"worker": ["a:1"]}, index=1), "has the task 'worker' 1, which is not in its"),
        (config({"worker": ["a:1"]}, "chief"), "has the task 'chief' 0"),
        (json.dumps({"cluster": {"worker": ["a:1"]}, "task": 3}), "has the task None None"),
    ],
)
def test_what_is_no_tf_config(text, message):
    with pytest.raises(ConfigError, match=message):
        from_tf_config(text)


def test_steps_of_several_tasks_are_told():
    assert in_slurm_step(STEP)
    assert not in_slurm_step(STEP | {"SLURM_STEP_NUM_TASKS": "1"})
    assert not in_slurm_step({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"})  # sbatch without srun
    assert not in_slurm_step({})


def test_ports_are_free_for_users_and_differ_by_job():
    ports = [slurm_port({"SLURM_JOB_ID": str(job)}) for job in range(1250)]
    assert len(set(ports)) == 1250
    assert min(ports) >= 12000
    assert max(ports) + 15 < 32768  # where Linux begins to give ports away
    assert slurm_port({}) == 12000


def test_what_there_is_is_found():
    two = {"TF_CONFIG": config({"worker": ["a:1", "b:2"]}, index=1)}
    alone = {"TF_CONFIG": config({"worker": ["a:1"]})}
    assert check_strategy("auto", environment={}) == "auto"
    assert check_strategy("auto", environment=two) == "multiworker"
    assert check_strategy("auto", environment=alone) == "auto"
    assert check_strategy("auto", environment=STEP) == "multiworker"
    assert check_strategy("auto", environment=STEP | alone) == "auto"  # as it says itself
    assert check_strategy("one", environment=two) == "one"
    assert check_strategy("mirrored", 4, {}) == "mirrored"


@pytest.mark.parametrize(
    ("name", "pieces", "environment", "message"),
    [
        ("mirored", None, {}, "unknown strategy 'mirored': did you mean 'mirrored'"),
        ("multiworker", None, {}, "found no other process: set TF_CONFIG"),
        ("auto", None, {"TF_CONFIG": "x"}, "TF_CONFIG is no JSON"),
        ("mirrored", 0, {}, "--logical_devices is 0, want at least 1"),
        ("one", 2, {}, "--logical_devices 2 is for --strategy mirrored, not one: name it"),
        ("auto", 2, {}, "for --strategy mirrored, not auto"),
    ],
)
def test_what_is_refused(name, pieces, environment, message):
    with pytest.raises(ConfigError, match=message):
        check_strategy(name, pieces, environment)
