"""A small genome, and a model whose every bin can be worked out by hand."""

from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.genome import encode, one_hot
from tfrecords_tools.targets import Target

LENGTH, WIDTH, CROP, BINS, TARGETS = 64, 8, 8, 6, 3
CHROMS = {"chr2": 1003, "chr10": 300, "chr1": 40}
_WEIGHTS = np.random.default_rng(1).uniform(0.05, 1, (WIDTH, 4, TARGETS)).astype(np.float32)


def model_spec(**changes) -> ModelSpec:
    targets = tuple(Target(10 + i, f"T{i}", description=f"track {i}") for i in range(TARGETS))
    values = {
        "name": "toy",
        "inputs": {"sequence": (LENGTH, 4)},
        "bin_width": WIDTH,
        "crop": CROP,
        "heads": (Head("main", targets),),
    }
    return ModelSpec(**(values | changes))


def model_values(sequences: np.ndarray) -> np.ndarray:
    """Return float32 [windows, bins, targets] of one-hot codes."""
    inner = sequences[:, CROP : CROP + BINS * WIDTH].reshape(len(sequences), BINS, WIDTH, 4)
    return np.einsum("nbwc,wct->nbt", inner, _WEIGHTS)


class CountingPredictor(CallablePredictor):
    """The model; counts the sequences it was asked for, and can stop."""

    def __init__(self, function=model_values, spec=None, stop_after=None):
        super().__init__(function, spec or model_spec())
        self.sequences, self.stop_after = 0, stop_after

    def predict(self, inputs):
        self.sequences += len(inputs["sequence"])
        if self.stop_after is not None and self.sequences > self.stop_after:
            raise KeyboardInterrupt
        return super().predict(inputs)


@pytest.fixture
def toy():
    return SimpleNamespace(
        spec=model_spec,
        values=model_values,
        predictor=CountingPredictor,
        chroms=CHROMS,
        **{"length": LENGTH, "width": WIDTH, "crop": CROP, "bins": BINS, "targets": TARGETS},
    )


@pytest.fixture(scope="session")
def letters() -> dict[str, str]:
    rng = np.random.default_rng(4)
    return {name: "".join(rng.choice(list("ACGTN"), n)) for name, n in CHROMS.items()}


@pytest.fixture(scope="session")
def fasta(tmp_path_factory, letters):
    path = tmp_path_factory.mktemp("fasta") / "genome.fa"
    path.write_text("".join(f">{name}\n{s}\n" for name, s in letters.items()))
    return path


@pytest.fixture
def alone(letters):
    """Return a function: the prediction of one window by itself, cut out of text."""

    def predict(chrom: str, start: int, rc: bool = False, shift: int = 0) -> np.ndarray:
        padded = "N" * 200 + letters[chrom] + "N" * 200
        window = padded[start + 200 : start + 200 + LENGTH]
        window = ("N" * LENGTH + window + "N" * LENGTH)[LENGTH - shift :][:LENGTH]
        codes = one_hot(encode(window))
        if rc:
            return model_values(codes[None, ::-1, ::-1])[0, ::-1]
        return model_values(codes[None])[0]

    return predict


@pytest.fixture
def bed(tmp_path):
    """Return a function that writes intervals (chrom, start, end) as BED."""

    def write(*intervals, name="in.bed"):
        path = tmp_path / name
        path.write_text("".join("\t".join(map(str, i)) + "\n" for i in intervals))
        return path

    return write
