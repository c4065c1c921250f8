"""kill -9 at random moments, then --resume: the same bytes (tests/test_kill.py has more)."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
DRIVER = """
import runpy, sys, time
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
toy, vcf, fasta, out, pause = sys.argv[1:]
toy = runpy.run_path(toy)
model = toy["CountingPredictor"]()
plain = model.predict
def slow(inputs):
    time.sleep(float(pause))
    return plain(inputs)
model.predict = slow
score_vcf(lambda: model, model.spec, vcf, fasta, out,
          Scoring(stats=("SAD", "D2", "REF", "ALT"), batch_size=16), chunk_records=8,
          resume=True, quiet=True)
"""


def start(vcf, fasta, out, pause):
    arguments = [HERE / "toy_model.py", vcf, fasta, out, pause]
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(HERE.parent.parent)},
        stderr=subprocess.PIPE,
    )


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def finished(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def test_kill_then_resume(tmp_path, vcf, fasta):
    began = time.monotonic()
    finished(start(vcf, fasta, tmp_path / "whole", 0.05))
    length = time.monotonic() - began
    wanted = contents(tmp_path / "whole")
    moments = random.Random(4)
    cut_inside = 0
    for number in range(4):
        out = tmp_path / f"out{number}"
        process = start(vcf, fasta, out, 0.05)
        time.sleep(moments.uniform(0.3, 1.0) * length)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        cut_inside += (out / "manifest.json").exists() and contents(out) != wanted
        finished(start(vcf, fasta, out, 0))
        assert contents(out) == wanted
    assert cut_inside
