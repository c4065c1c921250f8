"""The same windows and values as basenji_predict_bed.py, for the same models and genome.

The numbers are its own, in float16, made with TensorFlow 2.15. Weights of the second model are
the first values of a generator of numpy with a fixed seed.
"""

import runpy
from pathlib import Path

import h5py
import numpy as np
import pyBigWig
import pytest

from tfepi.prediction.options import Request
from tfepi.prediction.run import predict_windows
from tfepi.prediction.windows import Place
from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.targets import Target

SMALL = Path(__file__).parents[1] / "variants" / "test_existing_tool.py"
REGIONS = (
    ("chr1", 188416, 200704),
    ("chr1", 106497, 106600),
    ("chr1", 100, 160),
    ("chr2", 599900, 600000),
    ("chr3", 250001, 250002),
)
STARTS = [194464, 106452, 34, 599854, 249905]
AVERAGED = [  # --rc --shifts 1,0,-1
    [40.0, 0.30908203125, 4.44921875, 0.1304931640625, 0.95458984375, 43.09375],
    [41.03125, 0.212158203125, 5.01953125, 0.160888671875, 0.82568359375, 42.875],
    [44.1875, 0.2391357421875, 4.0703125, 0.08197021484375, 1.1318359375, 47.8125],
    [42.75, 0.3203125, 3.763671875, 0.10943603515625, 1.181640625, 47.34375],
    [44.46875, 0.263916015625, 4.3671875, 0.2032470703125, 0.9150390625, 44.75],
]
BINNED = (
    ("chr1", 300000, 300101),
    ("chr1", 299990, 300500),
    ("chr1", 450, 551),
    ("chr3", 499800, 499900),
)
FIRST = [[0.48681640625, 1.296875, 0.8447265625], [0.8076171875, 1.2431640625, 0.32763671875]]
LAST = [[0.435302734375, 1.19140625, 0.43115234375], [0.166015625, 1.2314453125, 0.318115234375]]
ODD = [[0.365966796875, 1.091796875, 0.416015625], [0.2249755859375, 1.5263671875, 0.2418212890625]]


@pytest.fixture(scope="module")
def fixture(test_data):
    return test_data / "fixtures" / "basenji"


@pytest.fixture
def predict(fixture, tmp_path):
    def run(function, spec, regions, request):
        bed = tmp_path / "in.bed"
        bed.write_text("".join("\t".join(map(str, r)) + "\n" for r in regions))
        folder = predict_windows(
            lambda: CallablePredictor(function, spec),
            spec,
            Place(bed),
            fixture / "genome.fa",
            tmp_path / "out",
            request,
            quiet=True,
        )
        with h5py.File(folder / "predict.h5") as file:
            return folder, {name: file[name][()] for name in file}

    return run


def spec_of(length, width, crop, targets):
    named = tuple(Target(i, f"T{i}") for i in range(targets))
    return ModelSpec("theirs", {"sequence": (length, 4)}, width, crop, (Head("main", named),))


def test_one_bin_averaged_over_strands_and_shifts(predict, fixture):
    model = runpy.run_path(str(SMALL))["SmallModel"](fixture / "model" / "small.h5")
    request = Request(rc=True, shifts=(1, 0, -1))
    _, found = predict(model, spec_of(1344, 192, 576, 6), REGIONS, request)
    assert found["start"].tolist() == STARTS
    assert (found["end"] - found["start"] == 192).all()
    np.testing.assert_allclose(found["preds"][:, 0], AVERAGED, rtol=1e-3)


def binned(sequences):
    """conv_block of 6 filters, 11 wide, pooled by 8; 16 bins cropped; a softplus head of 3."""
    rng = np.random.default_rng(5)
    kernel, bias, dense, offset = (
        rng.normal(0, 0.5, s).astype(np.float32) for s in ((11, 4, 6), (6,), (6, 3), (3,))
    )
    padded = np.pad(sequences, ((0, 0), (5, 5), (0, 0)))
    x = sum(padded[:, i : i + 1024] @ kernel[i] for i in range(11)) + bias
    x = np.maximum(x.reshape(len(x), 128, 8, 6).max(axis=2)[:, 16:-16], 0)
    return np.logaddexp(0, x @ dense + offset)


def test_the_middle_bins_of_many(predict):
    request = Request(rc=True, site_length=256, tracks=("1",))
    folder, found = predict(binned, spec_of(1024, 8, 128, 3), BINNED, request)
    assert found["start"].tolist() == [299922, 300117, 372, 499722]
    np.testing.assert_allclose(found["preds"][0, :2], FIRST, rtol=1e-3)
    np.testing.assert_allclose(found["preds"][3, -2:], LAST, rtol=1e-3)
    with pyBigWig.open(str(folder / "bigwig" / "t1.bw")) as file:
        wanted = ((499962, 499970, LAST[0][1]), (499970, 499978, LAST[1][1]))
        np.testing.assert_allclose(file.intervals("chr3", 499962, 499978), wanted, rtol=1e-3)


def test_an_odd_number_of_bins_has_its_true_place(predict):
    """The bins are theirs; they write them as if they were half a bin further left."""
    _, found = predict(binned, spec_of(1024, 8, 128, 3), BINNED, Request(site_length=248))
    np.testing.assert_allclose(found["preds"][2, :2], ODD, rtol=1e-3)
    theirs = np.array([299926, 300121, 376, 499726])
    assert found["start"].tolist() == (theirs + 4).tolist()
