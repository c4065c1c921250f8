"""Summaries over subsets of tracks against a loop over variants."""

import math

import numpy as np
import pytest

from tfepi.variants.subsets import Subset, parse_subsets, subset_columns
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

TARGETS = tuple(
    Target(i, f"t{i}", description=d)
    for i, d in enumerate(("CAGE:liver", "DNASE:liver", "CAGE:brain", "DNASE:brain"))
)
NAMES = [t.identifier for t in TARGETS]


def test_columns_against_a_loop():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(60, 4)).round(1)  # with ties
    scores[rng.random(scores.shape) < 0.3] = np.nan
    scores[7] = np.nan
    scores[8] = (2, -2, 1, np.nan)
    for tracks in ((0, 1, 2, 3), (3, 1), (2,)):
        found = subset_columns(scores, Subset("x", "", tracks), NAMES)
        assert list(found) == ["x_mean", "x_mean_abs", "x_max_abs", "x_max_track"]
        for row, values in enumerate(scores):
            seen = [(values[t], NAMES[t]) for t in tracks if not math.isnan(values[t])]
            got = [found[f"x_{k}"][row] for k in ("mean", "mean_abs", "max_abs", "max_track")]
            if not seen:
                assert np.isnan(got[:3]).all()
                assert got[3] is None
                continue
            largest = max(abs(v) for v, _ in seen)
            wanted = [
                sum(v for v, _ in seen) / len(seen),
                sum(abs(v) for v, _ in seen) / len(seen),
                largest,
            ]
            np.testing.assert_allclose(got[:3], wanted, atol=1e-6)
            assert got[3] == next(name for v, name in seen if abs(v) == largest)
    assert found["x_mean"].dtype == found["x_max_abs"].dtype == np.float32


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
