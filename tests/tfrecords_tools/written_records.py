"""Data folders of a few random records, for the tests of the tools that read existing ones.

Those tests take the fixture from here by `runpy`, since tests are no package.
"""

import numpy as np
import pytest

from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter
from tfrecords_tools.intervals import Interval
from tfrecords_tools.records import sequence_features
from tfrecords_tools.targets import Target
from tfrecords_tools.windows import Windowing

PAIR = (
    Target(0, "plus", sum_stat="sum_sqrt", clip=40.0, clip_soft=20.0, scale=0.5, strand_pair=1),
    Target(1, "minus", sum_stat="sum_sqrt", clip=40.0, clip_soft=20.0, scale=0.5, strand_pair=0),
    Target(2, "dnase", sum_stat="mean", clip=32.0, clip_soft=8.0, scale=2.0, strand_pair=2),
    Target(3, "top", sum_stat="max", strand_pair=3),
)


@pytest.fixture
def write_records(tmp_path):
    """Return a function that writes a data folder and returns it, opened.

    It takes the records by label, the windows' starts (by default side by side), the targets,
    lengths in bp, what `change` does to each record's features and the values of each.
    """

    def write(
        counts=None,
        name="data",
        starts=None,
        targets=PAIR,
        seq_length=512,
        crop=64,
        width=16,
        encoding="index",
        most=4,
        change=lambda features, row: features,
        values=None,
    ) -> Data:
        counts = counts or {"train": 9, "valid": 3}
        rng = np.random.default_rng(5)
        windowing = Windowing(seq_length, crop, width)
        length, shape = windowing.window_length, (windowing.target_length, len(targets))
        folder = tmp_path / name
        folder.mkdir()
        row = 0
        with DataWriter(folder, windowing, targets, encoding, most) as writer:
            for label, count in counts.items():
                for _ in range(count):
                    start = crop + row * length if starts is None else starts[row]
                    window = Interval("chr1", start, start + length, label)
                    y = np.where(rng.random(shape) < 0.4, 0, rng.gamma(0.5, 9, shape))
                    y = np.minimum(y, 30).astype(np.float16) if values is None else values(row)
                    indices = rng.integers(0, 5, seq_length, dtype=np.uint8)
                    features = {"sequence": np.eye(5, 4, dtype=np.uint8)[indices].tobytes()}
                    if encoding != "onehot":
                        features = sequence_features(indices, encoding)
                    writer.write(label, window, change(features | {"target": y.tobytes()}, row))
                    row += 1
            writer.finish({"made_by": "test", "options": {}, "inputs": {}, "source": {}})
        return Data.open(folder)

    return write
