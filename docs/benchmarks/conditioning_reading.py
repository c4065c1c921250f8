#!/usr/bin/env python3
"""Reading with input tracks against a U-Net's train step, in examples per CPU-second.

Usage: conditioning_reading.py DATA [BATCH]
DATA is a folder that tfepi_data.py built with --tracks, for instance of 10,240-bp windows with
1-bp tracks and 1-bp labels. The two are measured in turn, five times each; a run of reading is an
epoch of model B's examples as training gets them, one of stepping ten steps on held batches.
"""

import itertools
import logging
import statistics
import sys
import time

from tfepi.startup import import_tensorflow

tf = import_tensorflow(deterministic=True)

from tfepi.models import make_model  # noqa: E402
from tfepi.models.sizes import sized  # noqa: E402
from tfepi.params import read_params  # noqa: E402
from tfepi.training.contract import sizes_of  # noqa: E402
from tfepi.training.fit import Settings, pair_heads  # noqa: E402
from tfepi.training.losses import make_loss  # noqa: E402
from tfepi.training.metrics import make_metrics  # noqa: E402
from tfepi.training.schedules import make_optimizer  # noqa: E402
from tfrecords_tools.data import Data  # noqa: E402
from tfrecords_tools.dataset import train_dataset  # noqa: E402

RUNS, STEPS = 5, 10
logging.basicConfig(level=logging.INFO, format="%(message)s")
log = logging.getLogger()


def cpu(function) -> tuple[float, int]:
    """Return the CPU-seconds of all threads, and what the function returned."""
    start = time.process_time()
    count = function()
    return time.process_time() - start, count


def main() -> None:
    data = Data.open(sys.argv[1])
    batch = int(sys.argv[2]) if len(sys.argv) > 2 else 16
    settings = Settings(quiet=True, tensorboard=False)
    params = read_params("dsg_model_b")
    source = pair_heads(params, [data], settings)[0]
    outputs = len(source.targets)
    model = make_model(sized(params.model, sizes_of(source)), outputs)
    model.compile(
        make_optimizer(params.train, 1000),
        make_loss(params.train),
        metrics=make_metrics(params.train, outputs),
    )

    def epoch(number: int):
        return train_dataset(data, "train", batch, 1, number, examples=source.training)

    def read(number: int) -> int:
        return sum(len(y) for _, y in epoch(number))

    held = list(itertools.islice(epoch(0), STEPS))

    def steps() -> int:
        for x, y in held:
            model.train_on_batch(x, y)
        return sum(len(y) for _, y in held)

    read(0), steps()  # traced, and warm
    rows = []
    for number in range(RUNS):
        seconds, count = cpu(lambda number=number: read(number))
        step_seconds, step_count = cpu(steps)
        rows.append((count / seconds, step_count / step_seconds))
        log.info("read %8.1f  step %8.2f examples per CPU-second", *rows[-1])
    ratio = statistics.median(a / b for a, b in rows)
    log.info("reading is %.1f times as fast (median of %d)", ratio, RUNS)


if __name__ == "__main__":
    main()
