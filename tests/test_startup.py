"""Every command answers --help at once, importing nothing heavy; sums are the same each time."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "scripts").glob("tfepi_*.py"))
HEAVY = ("tensorflow", "keras", "numpy", "pandas", "scipy", "h5py", "matplotlib", "pysam")
LIMIT_S = 0.5
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
_IMPORTED = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("script", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.parser()
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""

# Sums of three tensors, two of which another operation needs as well.
_SUMS = """
from tfepi.startup import import_tensorflow
tf = import_tensorflow()
a = tf.random.stateless_normal((60, 64, 64), (1, 2))
@tf.function
def sums(a):
    found, others = [], []
    for k in range(0, 60, 3):
        e, f, g = tf.exp(a[k]), tf.sin(a[k + 1]), tf.tanh(a[k + 2])
        found.append(tf.add_n([e, f, g]))
        others.append(tf.reduce_sum(tf.sqrt(e)) + tf.reduce_sum(tf.abs(f)))
    return tf.stack(found), tf.stack(others)
first = sums(a)[0].numpy()
print(sum((sums(a)[0].numpy() != first).any() for _ in range(300)))
"""


def cpu_seconds(command):
    """Run a command and return the CPU time it took and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)
    return spent, done.stdout


def test_there_are_commands():
    assert len(SCRIPTS) >= 8


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_help_is_quick(script):
    times = []
    for _ in range(3):
        spent, text = cpu_seconds([sys.executable, str(script), "--help"])
        assert text.startswith("usage:")
        times.append(spent)
        if spent < LIMIT_S:
            break
    assert min(times) < LIMIT_S


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.name)
def test_parser_imports_nothing_heavy(script):
    _, text = cpu_seconds([sys.executable, "-c", _IMPORTED, str(script)])
    assert not set(HEAVY) & set(json.loads(text))


def test_the_check_itself_would_notice(tmp_path):
    script = tmp_path / "heavy.py"
    script.write_text("import numpy\ndef parser(): pass\n")
    _, text = cpu_seconds([sys.executable, "-c", _IMPORTED, str(script)])
    assert "numpy" in json.loads(text)


def test_sums_of_several_tensors_are_the_same_each_time():
    """With several threads between operations some of them differ, most times this is run."""
    environment = {k: v for k, v in ENVIRONMENT.items() if k != "TF_NUM_INTEROP_THREADS"}
    command = [sys.executable, "-c", _SUMS]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert int(done.stdout) == 0
