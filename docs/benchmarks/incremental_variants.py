#!/usr/bin/env python3
"""Score a VCF incrementally and with whole sequences: CPU-seconds and wall time of the command.

    incremental_variants.py params.json model in.vcf -f genome.fa [options of tfepi_variants.py]

Each way is the command as a user gives it, start included, five times in turn.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

RUNS = 5
WAYS = ("off", "on")


def timed(command: list[str]) -> tuple[float, float]:
    """Run a command; return its CPU-seconds, user and system, and its wall time."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return cpu, time.perf_counter() - began


def main() -> None:
    """Print the table, and how far the scores of both ways differ."""
    runs: dict[str, list[tuple[float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(RUNS):
            for way in WAYS:
                out = ["-o", str(Path(folder) / way), "--overwrite", "--incremental", way]
                runs[way].append(timed(["tfepi_variants.py", *sys.argv[1:], *out]))
        scores = {}
        for way in WAYS:
            with h5py.File(Path(folder) / way / "scores.h5") as file:
                scores[way] = {k: v[:] for k, v in file.items() if v.dtype.kind == "f"}
    print("| `--incremental` | CPU-s | wall s |\n|---|---|---|")
    for way in WAYS:
        cpu, wall = (statistics.median(r[i] for r in runs[way]) for i in (0, 1))
        print(f"| {way} | {cpu:.1f} | {wall:.1f} |")
    for i, name in enumerate(("CPU", "wall")):
        ratios = [a[i] / b[i] for a, b in zip(runs["off"], runs["on"], strict=True)]
        print(f"{name}: {statistics.median(ratios):.2f}×, {min(ratios):.2f}–{max(ratios):.2f}")
    for name, whole in scores["off"].items():
        apart = np.abs(scores["on"][name] - whole).max()
        print(f"{name}: at most {apart:.2g} apart; the largest is {np.abs(whole).max():.3g}")


if __name__ == "__main__":
    main()
