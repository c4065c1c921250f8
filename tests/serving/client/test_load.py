"""docs/benchmarks/serving_load.py, smaller: nothing is lost, nothing comes twice."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
OTHERS = runpy.run_path(str(Path(__file__).with_name("server_process.py")))["OTHERS"]


@pytest.mark.parametrize("kind", ["grpc", "kserve"])
def test_clients_at_once_and_a_server_that_is_killed(own_run, vcf, fasta, kind, tmp_path):
    if kind == "kserve" and OTHERS not in os.environ:
        pytest.skip(f"{OTHERS} is not set: scripts/test_serving.sh runs this")
    if kind == "grpc":
        pytest.importorskip("tensorflow_serving.apis")
    from tfepi.serving.export import export
    from tfepi.serving.options import ExportOptions

    saved, out = tmp_path / "saved", tmp_path / "load"
    export(own_run, saved, options=ExportOptions(stats=("SAD", "REF"), rc=True))
    options = ["--kind", kind, "--clients", "3", "--seconds", "6", "--batch_size", "4", "--kill"]
    inputs = [saved, own_run, fasta, vcf, out]
    command = [sys.executable, ROOT / "docs/benchmarks/serving_load.py", *inputs, *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr + done.stdout
    report = json.loads((out / "load.json").read_text())
    assert report["passes"] >= 3
    assert report["wrong_passes"] == 0
    assert report["repeated_requests"] > 0
    assert report["server_alive_at_the_end"]
