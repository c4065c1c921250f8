"""A labelled data folder that lies in memory, and a predictor whose accuracy is known."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.errors import unknown
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

LENGTH, CROP, WIDTH, BINS = 96, 16, 16, 4


def signal(sequence: np.ndarray) -> np.ndarray:
    """Return [windows, bins, 3]: numbers of G and C, of A, of T in each bin."""
    inner = sequence[:, CROP:-CROP].reshape(len(sequence), BINS, WIDTH)
    kinds = ((1, 2), (0,), (3,))
    return np.stack([np.isin(inner, k).sum(axis=2) for k in kinds], axis=-1).astype(np.float32)


@dataclass
class MemoryData:
    """What tests need of a data folder."""

    sequences: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    places: dict[str, list[Interval]]
    targets: tuple[Target, ...]
    seq_length: int = LENGTH
    crop_bp: int = CROP
    pool_width: int = WIDTH
    target_length: int = BINS
    manifest_sha256: str | None = None
    asked: list = field(default_factory=list)

    @property
    def labels(self):
        return list(self.sequences)

    @property
    def counts(self):
        return {label: len(sequences) for label, sequences in self.sequences.items()}

    def windows(self, label):
        return self.places[label]

    def records(self, label):
        if label not in self.sequences:
            raise unknown("label", label, self.labels)
        yield from zip(self.sequences[label], self.values[label], strict=True)


@pytest.fixture
def make_data():
    """Return a function that makes a MemoryData; `missing` is a share of NaN."""

    def make(counts=None, missing=0.1, seed=0, noise=2.0):
        rng = np.random.default_rng(seed)
        sequences, values, places = {}, {}, {}
        for label, count in (counts or {"train": 300, "valid": 120, "test": 130}).items():
            # composition drifts along the genome, as it does in genomes
            tilt = np.clip(0.25 + 0.1 * np.sin(np.arange(count) / 9), 0.1, 0.4)
            chance = np.stack([0.5 - tilt, tilt, tilt, 0.5 - tilt], axis=1)
            draws = rng.random((count, LENGTH, 1)) > np.cumsum(chance, axis=1)[:, None]
            sequence = np.minimum(draws.sum(axis=2), 3).astype(np.uint8)
            truth = signal(sequence) + rng.gamma(1, noise, (count, BINS, 3))
            truth[rng.random(truth.shape) < missing] = np.nan
            sequences[label], values[label] = sequence, truth.astype(np.float16)
            width = BINS * WIDTH
            places[label] = [
                Interval(f"chr_{label}", i * width, (i + 1) * width, label) for i in range(count)
            ]
        targets = tuple(
            Target(10 + i, name, description=f"about {name}") for i, name in enumerate("abc")
        )
        return MemoryData(sequences, values, places, targets)

    return make


@pytest.fixture
def make_predictor():
    """Return a function that makes a predictor of `signal`, and counts its windows."""

    def make(data, targets=None, **changes):
        targets = data.targets if targets is None else targets
        position = {t.identifier: i for i, t in enumerate(data.targets)}
        columns = [position.get(t.identifier, 0) for t in targets]
        spec = ModelSpec(
            name="toy",
            inputs={"sequence": (LENGTH, 4)},
            bin_width=WIDTH,
            crop=CROP,
            heads=(Head("output", targets),),
        )
        spec = replace(spec, **changes)

        def function(one_hot):
            data.asked.append(len(one_hot))
            return signal(np.where(one_hot.any(axis=2), one_hot.argmax(axis=2), 4))[:, :, columns]

        return CallablePredictor(function, spec)

    return make
