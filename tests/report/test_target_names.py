"""Names of targets in figures: who, what kind, and what the values are."""

import numpy as np
import pytest

from tfepi.report.target_names import largest, signal_name, title, track_groups
from tfrecords_tools.targets import Target


def test_titles_show_identifier_and_description():
    target = Target(0, "ENCFF154NSS", description="DNASE:vagina female adult (53 years)")
    assert title(target) == "ENCFF154NSS  DNASE:vagina female adult (53 years)"
    assert title(target, 14, "\n") == "ENCFF154NSS\nDNASE:vagina …"
    assert title(Target(0, "liver")) == "liver"
    assert title(Target(0, "liver", description="liver")) == "liver"


@pytest.mark.parametrize(
    ("fields", "highest", "name"),
    [
        ({}, 9, "coverage per 32 bp"),
        ({"clip": 10.0}, 9, "coverage per 32 bp"),
        ({"clip": 10.0}, 10, "signal per 32 bp: sum, clip 10"),
        ({"scale": 0.5075664}, 9, "signal per 32 bp: sum, scale 0.508"),
        ({"sum_stat": "mean"}, 9, "signal per 32 bp: mean"),
        (
            {"sum_stat": "sum_sqrt", "scale": 0.3, "clip_soft": 8.0, "clip": 384.0},
            9,
            "signal per 32 bp: sum_sqrt, scale 0.3, clip_soft 8",
        ),
        ({"threshold": 2.0}, 1, "signal per 32 bp: sum, threshold 2"),
    ],
)
def test_values_are_named_by_what_was_done(fields, highest, name):
    found = signal_name(Target(0, "a", **fields), "coverage", 32, highest)
    assert found.replace("\N{NO-BREAK SPACE}", " ") == name


def test_values_of_single_bases_and_shares():
    assert signal_name(Target(0, "a"), "coverage", 1) == "coverage"
    assert signal_name(Target(0, "a", sum_stat="max"), "coverage", 1) == "signal: max"
    assert signal_name(Target(0, "a", sum_stat="max"), "probability", 128) == "probability"


def test_the_largest_value():
    assert largest(np.array([[1, np.nan], [-7, 2]]), np.array([3.0])) == 7
    assert largest(np.full(3, np.nan)) == 0


def test_groups_hold_positions():
    groups = track_groups(["CAGE:a", "DNASE:b", "CAGE:c", "none"])
    assert {k: v.tolist() for k, v in groups.items()} == {
        "CAGE": [0, 2],
        "DNASE": [1],
        "other": [3],
    }
