#!/usr/bin/env python3
"""Peak memory of tfepi_records.py on N records and on ten times as many.

python docs/benchmarks/records_memory.py [--records 100] [--work FOLDER]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from tfrecords_tools.data_writer import DataWriter
from tfrecords_tools.intervals import Interval
from tfrecords_tools.records import sequence_features
from tfrecords_tools.targets import Target
from tfrecords_tools.windows import Windowing

SCRIPT = Path(__file__).parents[2] / "scripts/tfepi_records.py"
WINDOWS = Windowing(131072, 32768, 32)
TARGETS = tuple(Target(i, f"t{i}", sum_stat="sum_sqrt", clip_soft=32.0) for i in range(8))
COMMANDS = {
    "info": ["info", "{data}", "--targets"],
    "validate": ["validate", "{data}"],
    "rewindow": ["rewindow", "{data}", "-o", "{out}", "-l", "1344", "-w", "192", "--shuffle", "4"],
    "select": ["select", "{data}", "-o", "{out}", "--targets", "0,1", "--hold_out", "valid=0.2"],
    "to-bigwig": ["to-bigwig", "{data}", "-o", "{out}", "--targets", "0,1"],
}


def write(folder: Path, records: int) -> None:
    """Write random records side by side on one chromosome."""
    folder.mkdir()
    length, shape = WINDOWS.window_length, (WINDOWS.target_length, len(TARGETS))
    with DataWriter(folder, WINDOWS, TARGETS, "index") as writer:
        for row in range(records):
            rng = np.random.default_rng(row)
            start = WINDOWS.crop + row * length
            features = sequence_features(rng.integers(0, 4, 131072, dtype=np.uint8), "index")
            features["target"] = rng.gamma(0.5, 4, shape).astype(np.float16).tobytes()
            writer.write("train", Interval("chr1", start, start + length), features)
        writer.finish({"made_by": "benchmark", "options": {}, "inputs": {}, "source": {}})


def peak(arguments: list[str]) -> float:
    """Return the peak memory of a run of the command, MiB."""
    process = subprocess.Popen(
        [sys.executable, SCRIPT, *arguments, "-q"], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{arguments} ended with status {os.waitstatus_to_exitcode(status)}")
    return usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--records", type=int, default=100, help="N [%(default)s]")
    parser.add_argument("--work", help="folder for the data [a temporary one]")
    args = parser.parse_args()
    found: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory(dir=args.work) as work:
        for records in (args.records, 10 * args.records):
            data = Path(work) / f"data{records}"
            write(data, records)
            for name, command in COMMANDS.items():
                out = Path(work) / f"{name}{records}"
                found[name].append(peak([c.format(data=data, out=out) for c in command]))
    value = {"records": [args.records, 10 * args.records], "peak_mib": found}
    sys.stdout.write(json.dumps(value, indent=2) + "\n")


if __name__ == "__main__":
    main()
