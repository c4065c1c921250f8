"""Pages of made-up sections: what is escaped, what is in the twin, what fails."""

import json
import re

import pytest

from tfepi.report.page.content import Check, Column, Note, Picture, Section, Table
from tfepi.report.page.render import Page, render
from tfepi.report.page.run import make_report
from tfrecords_tools.errors import InputFileError

EVIL = "</script><script>alert('x')</script>\"'&"
ROWS = [
    {"name": EVIL, "value": 0.25, "more": 7},
    {"name": "b", "value": float("nan"), "more": None},
]


def page(**changes) -> Page:
    columns = (Column("name", EVIL), Column("value", "value"))
    blocks = [
        Note(EVIL, (EVIL,)),
        Table("rows", EVIL, columns, ROWS, sort="value", omitted=1234),
        Picture("drawn", EVIL, svg=f"<svg><text>{EVIL}</text></svg>"),
        Picture("dots", "points", png=b"png"),
    ]
    checks = [Check(EVIL, "pass", "all"), Check("second", "fail", EVIL, EVIL)]
    return Page(EVIL, EVIL, [Section("first", EVIL, changes.get("blocks", blocks), checks)])


def test_whatever_inputs_hold_is_text():
    html = render(page())
    assert "alert(" not in html.replace("alert(&#39;x&#39;)", "").replace("alert(\\u0027x", "")
    # Elements are those of the template: the library of plots is not there without a plot.
    assert len(re.findall(r"<script\b", html)) == 3
    assert len(re.findall(r"</script>", html)) == 3


def test_the_twin_has_every_value():
    made = page()
    twin = json.loads(re.search(r'id="twin">(.*?)</script>', render(made), re.DOTALL)[1])
    assert twin == json.loads(json.dumps(made.to_json()))
    table = twin["tables"]["rows"]
    assert table["rows"] == [ROWS[0], {"name": "b", "value": None, "more": None}]
    assert (table["omitted"], table["columns"]) == (1234, {"name": EVIL, "value": "value"})
    assert [c["status"] for c in twin["checks"]] == ["fail", "pass"]
    assert (twin["format"], twin["format_version"]) == ("tfepi-report", 1)


def test_nothing_is_fetched():
    html = render(page())
    own = html.replace(re.search(r'id="table-library">(.*?)</script>', html, re.DOTALL)[1], "")
    links = re.findall(r'(?:src|href)="([^"]*)"', own)
    assert all(link.startswith(("#", "data:")) for link in links), links
    assert "1,234 more rows are not shown" in html


def test_a_page_without_checks_and_tables():
    html = render(Page("Empty", "", [Section("limits", "Limits", [Note("nothing")])]))
    assert "Empty" in html


def test_the_page_and_its_twin_are_written(job, tmp_path):
    page, twin = make_report([job / "data"], tmp_path / "page.html", "Ours", ask_models=False)
    assert (page.name, twin.name) == ("page.html", "page.json")
    assert "<title>Ours</title>" in page.read_text()
    assert "splits_0" in json.loads(twin.read_text())["tables"]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("state.json", "{}", "model.json"),
        ("metrics.json", "{}", "lacks 'across_positions'"),
        ("metrics.json", '{"across_positions": 3}', "is damaged, or of another version"),
        ("statistics.json", "{}", "statistics.json"),
    ],
)
def test_a_damaged_folder_leaves_no_page(tmp_path, file, text, message):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / file).write_text(text)
    with pytest.raises(InputFileError, match=message):
        make_report([tmp_path / "run"], tmp_path / "page.html", ask_models=False)
    assert not (tmp_path / "page.html").exists()
