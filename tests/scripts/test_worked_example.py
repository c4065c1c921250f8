"""The worked example of docs/migrating_from_basenji.md runs."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_from_basenji(tmp_path):
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{ROOT / 'scripts'}:{bin_folder}:{os.environ['PATH']}",
    }
    script = ROOT / "docs" / "examples" / "from_basenji.sh"
    done = subprocess.run(
        ["bash", str(script), str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    with h5py.File(tmp_path / "out" / "sad" / "sad.h5") as file:
        assert file["SAD"].shape == (400, 3)
    assert (tmp_path / "out" / "transferred" / "model_best.keras").exists()
