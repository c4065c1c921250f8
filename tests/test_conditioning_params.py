"""The conditioning section of params.json."""

import pytest

from tfepi.conditioning_params import ConditioningParams, StateParams, parse_conditioning
from tfrecords_tools.errors import ConfigError


def test_defaults_and_all_keys():
    assert parse_conditioning(None, "p.json") is None
    assert parse_conditioning({"outputs": "cells"}, "p.json") == ConditioningParams("cells")
    found = parse_conditioning(
        {
            "outputs": "marks",
            "reference_mode": "delta",
            "track_mask": True,
            "cell_sampling": "all",
            "augment_scale": [0.9, 1.15],
            "cell_state": {"regions": 8},
            "missing": "zero",
            "hold_out": ["x"],
        },
        "p.json",
    )
    state = StateParams(regions=8)
    assert found == ConditioningParams(
        "marks", "delta", True, "all", (0.9, 1.15), state, "zero", ("x",)
    )


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ([], "conditioning is \\[\\], want a section"),
        ({"outputs": "marks", "sampling": "all"}, "unknown key 'sampling'"),
        ({}, "has no outputs: want marks"),
        ({"outputs": "mark"}, "did you mean 'marks'"),
        ({"outputs": "marks", "reference_mode": "deltas"}, "did you mean 'delta'"),
        ({"outputs": "marks", "cell_sampling": 3}, "unknown cell_sampling '3'"),
        ({"outputs": "marks", "missing": "keep"}, "unknown missing 'keep'"),
        ({"outputs": "marks", "track_mask": 1}, "track_mask is 1, want true or false"),
        ({"outputs": "marks", "augment_scale": [2, 1]}, "want the lowest and the highest"),
        ({"outputs": "marks", "augment_scale": 0.9}, "want the lowest and the highest"),
        ({"outputs": "marks", "hold_out": "x"}, "want a list of cell types"),
        ({"outputs": "marks", "track_mask": True}, "no reference_mode"),
        ({"outputs": "marks", "augment_scale": [0.9, 1.1]}, "no reference_mode"),
        ({"outputs": "marks", "cell_state": 64}, "cell_state is 64"),
        ({"outputs": "marks", "cell_state": {"region": 4}}, "did you mean 'regions'"),
        ({"outputs": "marks", "cell_state": {"regions": 0}}, "regions is 0, want a whole number"),
        ({"outputs": "marks", "cell_state": {"file": 1}}, "file is 1, want a path"),
        (
            {"outputs": "marks", "cell_state": {"file": "x", "regions": 4}},
            "either given or computed",
        ),
    ],
)
def test_what_is_refused(section, message):
    with pytest.raises(ConfigError, match=message):
        parse_conditioning(section, "p.json")
