import logging

import pytest

from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError
from tfrecords_tools.targets import (
    format_targets,
    read_targets,
    resolve,
    select,
    strand_order,
)

HEADER = "\tidentifier\tfile\tclip\tscale\tsum_stat\tstrand_pair\tdescription\n"
ROWS = (
    "0\ta+\ta.bw\t9.5\t2\tmean\t1\tfirst\n1\ta-\tb.bw\t\t1\tsum\t0\t\n2\tc\tc.bw\t8\t1\tmax\t2\tx\n"
)


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "targets.txt"
    path.write_text(HEADER + ROWS)
    return path


def test_rows_become_targets(table):
    a, b, c = read_targets(table)
    assert (a.index, a.identifier, a.clip, a.scale, a.sum_stat, a.strand_pair) == (
        0,
        "a+",
        9.5,
        2,
        "mean",
        1,
    )
    assert b.clip is None
    assert b.description == ""
    assert c.sum_stat == "max"
    assert strand_order((a, b, c)) == (1, 0, 2)
    assert strand_order((c,)) is None
    with pytest.raises(ConfigError, match="without its strand pair, of index"):
        strand_order((a, c))


def test_the_table_survives_a_round_trip(table, tmp_path):
    targets = read_targets(table)
    again = tmp_path / "again.txt"
    again.write_text(format_targets(targets))
    assert read_targets(again) == targets


def test_relative_files_are_relative_to_the_table(table):
    assert resolve(read_targets(table), table)[0].file == str(table.parent / "a.bw")


def test_select_by_identifier_and_index(table):
    assert select(read_targets(table), ["c", "0"]) == (2, 0)
    for names in (["a"], ["a+", "0"]):
        with pytest.raises(TfepiError):
            select(read_targets(table), names)
    with pytest.raises(ConfigError, match=r"no target 9 of the head: indices go from 0 to 2"):
        select(read_targets(table), ["9"], "of the head")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("identifier", "identifer", "did you mean 'identifier'"),
        ("1\ta-", "1\ta+", "identifier 'a\\+' more than once"),
        ("1\ta-", "0\ta-", "index 0 more than once"),
        ("mean", "meen", "did you mean 'mean'"),
        ("9.5", "nine", "clip is 'nine'"),
        ("9.5", "-1", "positive"),
        ("\t8\t", "\t8\t8\t", "columns"),
        ("9.5", "inf", "line 2: clip is 'inf', want a finite number"),
        ("9.5", "nan", "line 2: clip is 'nan'"),
        ("9.5\t2", "9.5\tNaN", "line 2: scale is 'NaN'"),
        ("9.5\t2", "9.5\t0", "line 2: scale is '0', which makes every target 0"),
        ("\tclip\t", "\tscale\t", "line 1 names column 'scale' more than once"),
        ("\tclip\t", "\tindex\t", "line 1 names column 'index' more than once"),
        ("sum\t0", "sum\t2", "pairs back"),
        ("\ta-\t", "\t\t", "empty identifier"),
        (ROWS, "", "no rows"),
        ("\tidentifier\tfile", "\tfile\tdescription", "no column 'identifier'"),
    ],
)
def test_bad_tables_are_refused(table, old, new, message):
    text = (HEADER + ROWS).replace(old, new, 1)
    if "no column" in message:
        text = "\tfile\n0\tx\n"
    table.write_text(text)
    with pytest.raises(TfepiError, match=message):
        read_targets(table)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\tidentifier\n0\ta\n", "line 1 has no column 'file'"),
        ("\tidentifier\tfile\n0\ta\tx.bw\n\n1\tb\t\n", "line 4: file is empty"),
    ],
)
def test_files_are_wanted_where_they_are_read(table, text, message):
    table.write_text(text)
    read_targets(table)
    with pytest.raises(InputFileError, match=message):
        read_targets(table, with_files=True)


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\xff\xfe", b"\ta\n0\t" + b"x" * 200_000])
def test_a_table_that_is_no_text_is_named(table, data):
    table.write_bytes(data)
    with pytest.raises(TfepiError, match=r"targets.txt is no tab-separated text \(.*right file"):
        read_targets(table)


@pytest.mark.parametrize(
    "header",
    [
        "index\tgenome\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription",  # Basenji 2
        "\tgenome\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription",
        "genome\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription",  # Baskerville's transfer
        "\tgroup\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription",
        "name\tstrand\tidentifier\tfile\tclip\tscale\tsum_stat\tdescription",
    ],
)
def test_tables_of_published_models(table, header):
    table.write_text(f"{header}\n7\t0\ta\ta.w5\t32\t2\tmean\tDNASE:a\n9\t0\tb\tb.w5\t\t\t\tx\n")
    a, b = read_targets(table, with_files=True)
    assert (a.index, a.identifier, a.file, a.clip, a.scale) == (7, "a", "a.w5", 32, 2)
    assert (a.sum_stat, a.description) == ("mean", "DNASE:a")
    assert (b.index, b.clip, b.scale, b.sum_stat) == (9, None, 1, "sum")


def test_extra_columns_are_passed_over_if_asked(table, caplog):
    table.write_text(HEADER.replace("description", "organ") + ROWS)
    with pytest.raises(TfepiError, match="unknown column 'organ'"):
        read_targets(table)
    with caplog.at_level(logging.INFO):
        assert [t.identifier for t in read_targets(table, extra=True)] == ["a+", "a-", "c"]
    assert "columns organ are not used" in caplog.text


CELLS = "\tidentifier\tfile\tcell\tmark\tassay\tthreshold\n"


def test_cells_marks_and_thresholds_survive_a_round_trip(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text(
        CELLS + "0\ta\ta.bw\tK562\tH3K27ac\tChIP\t2\n1\tb\tb.bw\tK562\tH3K4me3\t\t0.1\n"
        "2\tc\tc.bw\t\t\t\t-1.5\n3\td\td.bw\t\t\t\t\n"
    )
    targets = read_targets(path)
    assert [(t.cell, t.mark, t.assay, t.threshold) for t in targets] == [
        ("K562", "H3K27ac", "ChIP", 2),
        ("K562", "H3K4me3", None, 0.1),
        (None, None, None, -1.5),
        (None, None, None, None),
    ]
    again = tmp_path / "again.txt"
    again.write_text(format_targets(targets))
    assert read_targets(again) == targets
    assert targets[3].to_json().keys() == {
        "index",
        "identifier",
        "file",
        "scale",
        "sum_stat",
        "description",
    }
    assert (
        format_targets(targets[3:]).splitlines()[0] == "\tidentifier\tfile\tsum_stat\tdescription"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0\ta\ta.bw\tA\t\t\t\n", "target 'a' has cell 'A' but no mark: name both, or neither"),
        ("0\ta\ta.bw\t\tm\t\t\n", "target 'a' has mark 'm' but no cell"),
        (
            "0\ta\ta.bw\tA\tm\t\t\n1\tb\tb.bw\tB\tm\t\t\n2\tc\tc.bw\tA\tm\t\t\n",
            "targets 'a' and 'c' are both of cell 'A' and mark 'm'",
        ),
        ("0\ta\ta.bw\t\t\t\thigh\n", "line 2: threshold is 'high', want a number"),
        ("0\ta\ta.bw\t\t\t\tnan\n", "threshold is 'nan', want a finite number"),
    ],
)
def test_cells_and_thresholds_that_are_none(tmp_path, rows, message):
    path = tmp_path / "t.txt"
    path.write_text(CELLS + rows)
    with pytest.raises(TfepiError, match=message):
        read_targets(path)


@pytest.mark.parametrize("column", ["clip", "clip_soft"])
def test_a_threshold_excludes_clips(tmp_path, column):
    path = tmp_path / "t.txt"
    path.write_text(f"\tidentifier\tfile\tthreshold\t{column}\n0\ta\ta.bw\t2\t32\n")
    with pytest.raises(TfepiError, match=f"line 2: {column} is 32.0 beside threshold 2.0"):
        read_targets(path)


def test_another_tools_cells_need_no_marks(tmp_path):
    path = tmp_path / "t.txt"
    path.write_text("\tidentifier\tfile\tcell\tlab\n0\ta\ta.bw\tA\tx\n1\tb\tb.bw\tA\ty\n")
    assert [t.cell for t in read_targets(path, extra=True)] == ["A", "A"]
