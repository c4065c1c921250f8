"""The same scores as an existing tool, for the same model, genome and VCF."""

import h5py
import numpy as np
import pytest

from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfepi.variants.options import Scoring
from tfepi.variants.scoring import score_vcf
from tfrecords_tools.genome import one_hot
from tfrecords_tools.targets import Target

STATS = ("SAD", "logSAD", "sqrtSAD", "SAX", "D1", "D2", "logD2", "REF", "ALT")


class SmallModel:
    """fixtures/basenji/model in plain numpy: convolutions, batch norms, pools, a dense layer."""

    def __init__(self, path):
        self._weights = {}
        with h5py.File(path) as file:
            file["model_weights"].visititems(self._keep)

    def _keep(self, name, value):
        if isinstance(value, h5py.Dataset):
            self._weights["/".join(name.split("/")[-2:])] = value[()]

    def _weight(self, layer, number, name):
        return self._weights[f"{layer}_{number}/{name}:0" if number else f"{layer}/{name}:0"]

    def _convolved(self, x, number):
        kernel = self._weight("conv1d", number, "kernel")
        side = len(kernel) // 2
        padded = np.pad(x, ((0, 0), (side, side), (0, 0)))
        x = sum(padded[:, i : i + x.shape[1]] @ k for i, k in enumerate(kernel))
        return self._normed(x, number)

    def _normed(self, x, number):
        mean, variance, gamma, beta = (
            self._weight("batch_normalization", number, n)
            for n in ("moving_mean", "moving_variance", "gamma", "beta")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta

    def __call__(self, x):
        def gelu(v):
            return 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3)))

        def pooled(v, width):
            return v.reshape(len(v), -1, width, v.shape[2]).max(axis=2)

        x = pooled(gelu(self._convolved(x.astype(np.float64), 0)), 3)
        for number in range(1, 7):
            x = pooled(self._convolved(gelu(x), number), 2)
        x = gelu(self._convolved(gelu(x), 7)).reshape(len(x), 1, -1)
        x = gelu(self._normed(x @ self._weight("dense", 0, "kernel"), 8))
        kernel, bias = (self._weight("dense", 1, n) for n in ("kernel", "bias"))
        return np.logaddexp(0, x @ kernel + bias)


@pytest.fixture(scope="module")
def fixture(test_data):
    return test_data / "fixtures" / "basenji"


@pytest.fixture(scope="module")
def model(fixture):
    return SmallModel(fixture / "model" / "small.h5")


def test_the_model_is_theirs(fixture, model):
    with np.load(fixture / "model" / "small.npz") as known:
        rows = slice(1, None)  # row 0 was changed after it was coded
        found = model(one_hot(known["idx"][rows]))
        np.testing.assert_allclose(found, known["preds"][rows], atol=1e-4)


def test_scores_equal_theirs(fixture, model, tmp_path):
    stats = ("sum", "sum", "sum_sqrt", "sum_sqrt", "sum", "sum")  # as in their targets table
    targets = tuple(Target(i, f"T{i}", sum_stat=s) for i, s in enumerate(stats))
    spec = ModelSpec("small", {"sequence": (1344, 4)}, 1344, 0, (Head("main", targets),))
    folder = score_vcf(
        lambda: CallablePredictor(model, spec),
        spec,
        fixture / "snps60.vcf",
        fixture / "genome.fa",
        tmp_path / "out",
        Scoring(stats=STATS, rc=True, shifts=(1, 0, -1), untransform="basenji_sad"),
        quiet=True,
    )
    with (
        h5py.File(folder / "scores.h5") as ours,
        h5py.File(fixture / "sad_basenji" / "sad.h5") as theirs,
    ):
        for name in ("snp", "chr", "pos", "ref_allele", "alt_allele"):
            assert np.array_equal(ours[name][()], theirs[name][()]), name
        # Theirs codes other letters as a quarter of each base, in scoring only; one window has R.
        known = np.arange(60) != 4
        for name in STATS:
            a, b = (file[name][known].astype(np.float64) for file in (ours, theirs))
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=name)
