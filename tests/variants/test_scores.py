import h5py
import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy

from tfepi.variants.scores import NAMES, OF_SHAPE, check_names, score, warn_of_one_bin
from tfrecords_tools.errors import ConfigError

CENTER = 3


def log(values):
    return [np.log2(v + 1) for v in values]


def root(values):
    return [np.sqrt(v) for v in values]


def same(values):
    return list(values)


def sad(r, a):
    return sum(a) - sum(r)


def sax(r, a):
    best = 0.0
    for x, y in zip(r, a, strict=True):
        if abs(y - x) > abs(best):
            best = y - x
    return best


def d1(r, a):
    return sum(abs(y - x) for x, y in zip(r, a, strict=True))


def d2(r, a):
    return sum((y - x) ** 2 for x, y in zip(r, a, strict=True)) ** 0.5


def shapes(r, a):
    pseudo = np.percentile(r, 25)
    return [x + pseudo for x in r], [x + pseudo for x in a]


def js(r, a):
    p, q = shapes(r, a)
    return (entropy(p, q) + entropy(q, p)) / 2


def jsd(r, a):
    return jensenshannon(*shapes(r, a)) ** 2


PLAIN = {
    "SAD": (same, sad),
    "logSAD": (log, sad),
    "sqrtSAD": (root, sad),
    "SUM": (same, sad),
    "logSUM": (log, sad),
    "sqrtSUM": (root, sad),
    "logSED": (same, lambda r, a: np.log2(sum(a) + 1) - np.log2(sum(r) + 1)),
    "SAX": (same, sax),
    "D1": (same, d1),
    "logD1": (log, d1),
    "sqrtD1": (root, d1),
    "D2": (same, d2),
    "logD2": (log, d2),
    "sqrtD2": (root, d2),
    "JS": (same, js),
    "logJS": (log, js),
    "JSD": (same, jsd),
    "logJSD": (log, jsd),
    "REF_RATIO": (same, lambda r, a: r[CENTER] / (r[CENTER] + a[CENTER])),
}


@pytest.fixture
def predictions():
    rng = np.random.default_rng(5)
    ref = rng.gamma(0.7, 8, (4, 7, 3)).astype(np.float32)
    alt = (ref * rng.uniform(0.5, 1.8, ref.shape)).astype(np.float32)
    return ref, alt


@pytest.mark.parametrize("name", PLAIN)
def test_statistic_equals_plain_loop(predictions, name):
    ref, alt = predictions
    found = score([name], ref, alt, CENTER)[name]
    assert found.dtype == np.float32
    transform, compare = PLAIN[name]
    for i in range(4):
        for t in range(3):
            r, a = (transform(x[i, :, t].astype(np.float64)) for x in (ref, alt))
            assert found[i, t] == pytest.approx(compare(r, a), rel=1e-6)


def test_every_statistic_has_an_oracle():
    assert set(PLAIN) | {"REF", "ALT"} == set(NAMES)


def test_predictions_are_given_back(predictions):
    found = score(["REF", "ALT"], *predictions, CENTER)
    assert np.array_equal(found["REF"], predictions[0])
    assert np.array_equal(found["ALT"], predictions[1])


def test_accumulation_is_float64():
    ref = np.full((1, 2**12, 1), 1e4, np.float32)
    alt = ref.copy()
    alt[0, 7, 0] = np.nextafter(np.float32(1e4), np.float32(2e4))
    step = float(alt[0, 7, 0]) - 1e4
    assert score(["SAD"], ref, alt, 0)["SAD"][0, 0] == np.float32(step)


def test_undefined_is_nan_without_a_warning(recwarn):
    zero, one = np.zeros((1, 4, 1), np.float32), np.ones((1, 4, 1), np.float32)
    found = score(["JS", "REF_RATIO", "sqrtSAD", "SAD"], zero, zero, 0)
    assert np.isnan(found["JS"]).all()
    assert np.isnan(found["REF_RATIO"]).all()
    assert found["SAD"] == 0
    assert np.isnan(score(["sqrtSAD", "logSAD"], one, -3 * one, 0)["logSAD"]).all()
    assert np.isnan(score(["SAX"], one, one * np.nan, 0)["SAX"]).all()
    assert not recwarn.list


def test_no_change_is_zero(predictions):
    ref, _ = predictions
    found = score([n for n in PLAIN if n != "REF_RATIO"], ref, ref, CENTER)
    assert all((np.abs(v) < 1e-7).all() for v in found.values())
    assert (score(["REF_RATIO"], ref, ref, CENTER)["REF_RATIO"] == 0.5).all()


def test_one_bin_has_no_shape(predictions, caplog):
    ref, alt = (values[:, :1] for values in predictions)
    found = score(NAMES, ref, alt, 0)
    assert {n for n in NAMES if np.abs(found[n]).max() < 1e-7} == set(OF_SHAPE)
    warn_of_one_bin(NAMES, 2)
    warn_of_one_bin(("SAD", "D2"), 1)
    assert not caplog.records
    warn_of_one_bin(("JS", "SAD", "logJSD"), 1)
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage().startswith("JS, logJSD: 0 whatever changes, since the model")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no statistic is named"),
        (["SAD", "logSADD"], "unknown statistic 'logSADD': did you mean 'logSAD'"),
        (["SAD", "SAD"], "name one more than once"),
    ],
)
def test_bad_names(names, message):
    with pytest.raises(ConfigError, match=message):
        check_names(names)


def test_statistics_of_an_existing_tool(test_data):
    """Its SAD, SAX, D1, D2 follow from its REF and ALT, as far as float16 tells."""
    with h5py.File(test_data / "fixtures/basenji/sad_basenji/sad.h5") as file:
        ref, alt = (file[n][()].astype(np.float32) for n in ("REF", "ALT"))
        found = score(["SAD", "logSAD", "SAX", "D1", "D2"], ref, alt, 0)
        room = np.abs(ref).max(axis=1) * 2e-3
        for name, values in found.items():
            assert (np.abs(values - file[name][()].astype(np.float32)) <= room + 1e-3).all(), name
