"""The table of input tracks, their values over stretches, and what is wrong with either."""

import numpy as np
import pytest

from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.input_tracks import (
    check_cells_have_tracks,
    padded_values,
    read_tracks,
    track_windows,
)
from tfrecords_tools.targets import Target, format_targets, resolve

HEADER = "\tidentifier\tfile\tcell\tassay\n"


def table(tmp_path, text):
    path = tmp_path / "tracks.txt"
    path.write_text(text)
    return path


class Values:
    """A track of one chromosome, from an array."""

    path = "values.bw"

    def __init__(self, values):
        self._values = np.asarray(values, np.float32)
        self.chroms = {"c": len(self._values)}

    def values(self, chrom, start, end):
        assert 0 <= start < end <= len(self._values)
        return self._values[start:end].copy()


def test_rows_have_the_defaults_of_input_tracks(tmp_path):
    path = table(
        tmp_path,
        "\tidentifier\tfile\tcell\tassay\tsum_stat\tnan\tscale\n"
        "0\ta\ta.bw\tK562\tDNase\t\t\t\n1\tb\tb.bw\tHepG2\tATAC\tmax\tzero\t2\n"
        "2\tc\tc.bw\taverage\t\t\t\t\n",
    )
    a, b, c = read_tracks(path)
    assert (a.cell, a.assay, a.sum_stat, a.nan, a.scale) == ("K562", "DNase", "mean", "keep", 1)
    assert (b.sum_stat, b.nan, b.scale) == ("max", "zero", 2)
    assert (c.cell, c.assay) == ("average", None)
    assert a.file == "a.bw"
    assert resolve((a,), path)[0].file == str(tmp_path / "a.bw")
    again = tmp_path / "again.txt"
    again.write_text(format_targets((a, b, c)))
    assert read_tracks(again) == (a, b, c)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (HEADER + "0\ta\ta.bw\t\t\n", InputFileError, "track 'a' has no cell: name the cell type"),
        (HEADER + "0\ta\t\tA\t\n", InputFileError, "line 2: file is empty"),
        (
            HEADER + "0\ta\ta.bw\tA\t\n1\tb\tb.bw\tA\t\n",
            ConfigError,
            "tracks 'a' and 'b' are both of cell 'A': keep one",
        ),
        (
            HEADER + "0\ta\ta.bw\tA\tdnase\n",
            ConfigError,
            "unknown assay 'dnase' of 'a' in table of input tracks .*did you mean 'DNase'",
        ),
        (
            "\tidentifier\tfile\tcell\tstrand_pair\n0\ta\ta.bw\tA\t1\n1\tb\tb.bw\tB\t0\n",
            ConfigError,
            "track 'a' has strand_pair 1: accessibility has no strand",
        ),
        (
            "\tidentifier\tfile\tcel\n0\ta\ta.bw\tA\n",
            ConfigError,
            "unknown column 'cel' in table of input tracks .*did you mean 'cell'",
        ),
        (HEADER, InputFileError, "table of input tracks .* has no rows"),
    ],
)
def test_bad_tables_are_refused(tmp_path, text, kind, message):
    with pytest.raises(kind, match=message):
        read_tracks(table(tmp_path, text))


def test_no_table(tmp_path):
    with pytest.raises(InputFileError, match="table of input tracks"):
        read_tracks(tmp_path / "none.txt")


def test_every_cell_of_the_targets_needs_a_track():
    targets = (Target(0, "x"), Target(1, "y", cell="A", mark="m"), Target(2, "z", cell="B"))
    tracks = (Target(0, "a", cell="A"), Target(1, "c", cell="C"))
    check_cells_have_tracks(targets[:2], tracks)
    with pytest.raises(
        ConfigError,
        match=r"cell 'B' of target 'z' has no accessibility track: .* has A, C; add a row",
    ):
        check_cells_have_tracks(targets, tracks)


@pytest.mark.parametrize(("start", "end"), [(-3, 2), (4, 12), (-5, 20), (-4, 0), (10, 12), (2, 7)])
def test_bases_beyond_a_chromosome_have_no_value(start, end):
    values = np.arange(10, dtype=np.float32)
    found = padded_values(Values(values), Target(0, "a"), "c", start, end, 10)
    want = [values[at] if 0 <= at < 10 else np.nan for at in range(start, end)]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array(want, np.float32))


@pytest.mark.parametrize(("value", "shown"), [(-0.5, "-0.5"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_what_is_no_accessibility_is_named_with_its_place(value, shown):
    values = np.ones(50, np.float32)
    values[[20, 31]] = np.nan, value
    row = Target(0, "dnase", file="d.bw", cell="A")
    with pytest.raises(
        InputFileError,
        match=rf"input track 'dnase' \(d.bw\) has the value {shown} at c:31: accessibility",
    ):
        padded_values(Values(values), row, "c", 10, 60, 50)
    assert np.isnan(padded_values(Values(values), row, "c", 10, 31, 50)[10])


def test_windows_are_pooled_one_by_one():
    values = np.array([1, 3, 5, np.nan, np.nan, np.nan, 2, 4, 8, 8], np.float32)
    row = Target(0, "a", sum_stat="mean", nan="keep")
    places = [("c", -2, 6), ("c", 4, 12)]
    found = track_windows(Values(values), row, places, 2, {"c": 10})
    np.testing.assert_array_equal(
        found, np.array([[np.nan, 2, 5, np.nan], [np.nan, 3, 8, np.nan]], np.float16)
    )
    zero = track_windows(Values(values), Target(0, "a", nan="zero"), places[:1], 4, {"c": 10})
    np.testing.assert_array_equal(zero, np.array([[4, 5]], np.float16))
