"""The report's tables: its own numbers, from its own totals."""

import numpy as np
import pytest

from tfepi.qtl.connect_tables import as_tsv, density, fraction_table, report_table

# Data Study Group report, Tables 1 and 2: total, connected regions, averages.
REPORT = {
    "connected": [
        (4642287, 24263, 191, 15),
        (4124684, 21104, 195, 13),
        (3592350, 19486, 184, 11),
        (12771939, 53278, 239, 42),
        (10379199, 45371, 228, 34),
        (3936845, 23496, 167, 12),
    ],
    "binned": [
        (650762, 24263, 26, 2),
        (572460, 21104, 27, 1),
        (500804, 19486, 25, 1),
        (1735453, 53278, 32, 5),
        (1418704, 45371, 31, 4),
        (571662, 23496, 24, 1),
    ],
}


@pytest.mark.parametrize("row", [r for rows in REPORT.values() for r in rows])
def test_averages_of_the_report_are_cut_off(row):
    total, regions, per_connected, per_region = row
    degrees = np.zeros(303_114, np.int64)
    degrees[:regions] = total // regions
    degrees[0] += total - degrees.sum()
    found = density(degrees)
    assert (found["total"], found["connected_regions"]) == (total, regions)
    assert (found["per_connected_region"], found["per_region"]) == (per_connected, per_region)
    assert found["per_connected_region_exact"] == total / regions


def test_fractions():
    found = density(np.array([0, 0, 3, 100, 101, 500]))
    assert found["without"] == 2
    assert found["share_without"] == pytest.approx(2 / 6)
    assert (found["over"], found["share_over"], found["largest"]) == (2, pytest.approx(2 / 6), 500)
    assert density(np.array([0, 3, 5]), 3)["over"] == 1


def test_tables_in_full():
    one = density(np.array([0, 0, 3, 4]))
    results = {"a": {"connected": one, "binned": one}, "b": {"connected": one, "binned": one}}
    header, rows = report_table("connected", results)
    assert header == ["", "a", "b"]
    assert rows == [
        ["Connected QTLs", "7", "7"],
        ["Connected regions", "2", "2"],
        ["All regions", "4", "4"],
        ["Avg QTLs per connected region", "3", "3"],
        ["Avg QTLs per region", "1", "1"],
        ["… exact, per connected region", "3.5", "3.5"],
        ["… exact, per region", "1.75", "1.75"],
    ]
    rows = report_table("binned", results, exact=False)[1]
    assert [r[0] for r in rows] == [
        *("QTL bins", "Connected regions", "All regions"),
        *("Avg QTL bins per connected region", "Avg QTL bins per region"),
    ]
    assert as_tsv(*report_table("binned", results)).splitlines()[0] == "quantity\ta\tb"
    rows = {r[0]: r[1] for r in fraction_table(results, 100)[1]}
    assert rows["Regions without QTL"] == "2"
    assert rows["Most QTLs of a region"] == "4"
