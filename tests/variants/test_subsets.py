"""Summaries over subsets of tracks against a loop over variants."""

import math

import numpy as np
import pytest

from tfepi.variants.subsets import (
    Subset,
    check_above,
    parse_subsets,
    subset_columns,
    subset_fields,
)
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

TARGETS = tuple(
    Target(i, f"t{i}", description=d)
    for i, d in enumerate(("CAGE:liver", "DNASE:liver", "CAGE:brain", "DNASE:brain"))
)
COLUMNS = ("mean", "mean_abs", "max", "max_abs", "max_track")
NAMES = [t.identifier for t in TARGETS]


def test_columns_against_a_loop():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(60, 4)).round(1)  # with ties
    scores[rng.random(scores.shape) < 0.3] = np.nan
    scores[7] = np.nan
    scores[8] = (2, -2, 1, np.nan)
    for tracks in ((0, 1, 2, 3), (3, 1), (2,)):
        found = subset_columns(scores, Subset("x", "", tracks), NAMES)
        assert list(found) == [f"x_{k}" for k in COLUMNS]
        assert [f.name for f in subset_fields("x")] == list(found)
        assert [f.name for f in subset_fields("x", 0.7)] == [*found, "x_above"]
        above = subset_columns(scores, Subset("x", "", tracks), NAMES, 0.7)["x_above"]
        for row, values in enumerate(scores):
            seen = [(values[t], NAMES[t]) for t in tracks if not math.isnan(values[t])]
            got = [found[f"x_{k}"][row] for k in COLUMNS]
            assert above[row] == sum(abs(v) >= 0.7 for v, _ in seen)
            if not seen:
                assert np.isnan(got[:4]).all()
                assert got[4] is None
                continue
            largest = max(abs(v) for v, _ in seen)
            wanted = [
                sum(v for v, _ in seen) / len(seen),
                sum(abs(v) for v, _ in seen) / len(seen),
                next(v for v, _ in seen if abs(v) == largest),
                largest,
            ]
            np.testing.assert_allclose(got[:4], wanted, atol=1e-6)
            assert got[4] == next(name for v, name in seen if abs(v) == largest)
    assert {found[f"x_{k}"].dtype for k in COLUMNS[:4]} == {np.dtype(np.float32)}
    assert above.dtype == np.int32
    assert 0 < above.sum() < np.isfinite(scores[:, 2]).sum()


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_thresholds_that_are_none(value):
    with pytest.raises(ConfigError, match="want a magnitude of scores"):
        check_above(value)


def test_subsets_of_a_command_line():
    found = parse_subsets(("liver='CAGE:' & liver".replace("'", '"'), " b = brain"), TARGETS)
    assert found == (
        Subset("all", "", (0, 1, 2, 3)),
        Subset("liver", '"CAGE:" & liver', (0,)),
        Subset("b", "brain", (2, 3)),
    )
    assert parse_subsets(("x=index=2",), TARGETS)[1].tracks == (2,)
    assert len(parse_subsets((), TARGETS)) == 1


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (("liver",), "subset is 'liver': want NAME=QUERY"),
        (("liver=",), "subset is 'liver=': want"),
        (("=liver",), "its name is '', want letters, digits and _"),
        (("1a=liver",), "its name is '1a'"),
        (("a b=liver",), "its name is 'a b'"),
        (("é=liver",), "its name is 'é'"),
        (("all=liver",), "subset 'all' is there already"),
        (("a=liver", "a=brain"), "subset 'a' is there already"),
        (("PC1=liver",), "subset 'PC1' is there already"),
        (("a=lung",), "matches none of the 4 targets of the scores"),
    ],
)
def test_subsets_that_are_none(texts, message):
    with pytest.raises(ConfigError, match=message):
        parse_subsets(texts, TARGETS)
