"""The moving figures in a browser: they are drawn without an error and without a network, and move.

It needs playwright and Chromium (`TFEPI_CHROMIUM` names it, else /usr/bin/chromium):
pytest -m slow tests/report/page/test_tracks_browser.py
"""

import os
from pathlib import Path

import numpy as np
import pytest
from bokeh.embed import components
from bokeh.resources import Resources

from tfepi.report.page.letters import letters_plot
from tfepi.report.page.tracks import Bins, Place, Row, Series, tracks_plot

pytestmark = pytest.mark.slow
HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "$$\\frac{1}{2}$$",
    "@x ${y}",
)
START, WIDTH, COUNT = 120_345_000, 192, 200
RANGES = "ids => ids.map(id => Bokeh.documents[0].get_model_by_id(id)).map(r => [r.start, r.end])"
FRAME = """number => {
  const views = [...Bokeh.index.query(v => v.model.type == "Figure")];
  const view = views[number];
  const box = view.el.getBoundingClientRect(), frame = view.frame.bbox;
  return [box.x + frame.x0, box.y + frame.y0, frame.width, frame.height];
}"""


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("TFEPI_CHROMIUM", "/usr/bin/chromium")
    if not Path(path).exists():
        pytest.skip(f"there is no browser {path}: name one with TFEPI_CHROMIUM")
    with playwright.sync_playwright() as p:
        browser = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def plots():
    rng = np.random.default_rng(5)
    bins = Bins.of("$$chr$$", START + WIDTH * np.arange(COUNT), WIDTH)
    rows = []
    for name in HOSTILE:
        observed = np.abs(rng.standard_normal(COUNT)).cumsum() % 7
        observed[40:50] = np.nan
        series = [Series("observed", "area", observed)]
        series.append(Series("predicted", "line", rng.random(COUNT) * 5))
        rows.append(Row(name, name, series, f"r = 0.81; {name}"))
    place = Place("variant", START + 9000, START + 9001)
    tracks = tracks_plot("tracks", "rows", bins, rows, place, Place("bin", START, START + WIDTH))
    sequence = rng.integers(0, 5, 400).astype(np.uint8)
    added = rng.standard_normal(400)
    letters = letters_plot(
        "letters", "a logo", "<b>", START, sequence, added, HOSTILE[0], HOSTILE[1], HOSTILE[2]
    )
    return [tracks, letters]


@pytest.fixture(params=[380, 1100], ids=["telephone", "desk"])
def page(request, browser, plots, tmp_path):
    """The page at a width, once it is drawn; in the end, what was said and asked for."""
    script, divisions = components([p.model for p in plots])
    library = "\n".join(Resources(mode="inline", components=["bokeh"]).js_raw)
    path = tmp_path / "page.html"
    path.write_text(
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<script>{library}</script>{''.join(divisions)}{script}",
        encoding="utf-8",
    )
    context = browser.new_context(viewport={"width": request.param, "height": 900})
    opened, said, asked = context.new_page(), [], []
    opened.on("console", lambda m: said.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: (said.append(dialog.message), dialog.dismiss()))
    opened.on("request", lambda r: asked.append(r.url))
    opened.goto(path.as_uri())
    opened.wait_for_function(
        "Bokeh.documents.length == 1 && Bokeh.documents[0].is_idle", timeout=60_000
    )
    yield opened
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    context.close()


def moved(page, plots, which, act):
    """Return a figure's range before and after something is done in the middle of its frame."""
    ids = [r.id for r in plots[which].ranges]
    before = page.evaluate(RANGES, ids)[0]
    number = 0 if which == 0 else len(HOSTILE)
    x, y, width, height = page.evaluate(FRAME, number)
    page.mouse.move(x + width / 2, y + height / 2)
    act(x + width / 2, y + height / 2, width)
    page.wait_for_function(
        f"before => {{ const r = ({RANGES})({ids!r})[0]; return r[0] != before[0]; }}", arg=before
    )
    return before, page.evaluate(RANGES, ids)[0]


@pytest.mark.parametrize("which", [0, 1], ids=["tracks", "letters"])
def test_they_are_dragged_and_zoomed(page, plots, which):
    def drag(x, y, width):
        page.mouse.down()
        page.mouse.move(x - width / 4, y, steps=8)
        page.mouse.up()

    def wheel(x, y, width):
        page.keyboard.down("Control")
        page.mouse.wheel(0, -240)
        page.keyboard.up("Control")

    before, after = moved(page, plots, which, wheel)
    assert before[0] < after[0] < after[1] < before[1]
    before, after = moved(page, plots, which, drag)
    assert after[0] > before[0]
    assert after[1] - after[0] == pytest.approx(before[1] - before[0])


def test_the_wheel_alone_scrolls_the_page(page, plots):
    ids = [r.id for r in plots[0].ranges]
    before = page.evaluate(RANGES, ids)
    page.set_viewport_size({"width": 700, "height": 300})
    x, y, width, height = page.evaluate(FRAME, 0)
    page.mouse.move(x + width / 2, y + height / 2)
    page.mouse.wheel(0, 120)
    page.wait_for_function("window.scrollY > 0")
    assert page.evaluate(RANGES, ids) == before


def test_the_pointer_tells_numbers_as_text(page, plots, tmp_path):
    every = [(n, part) for n in range(len(HOSTILE) + 1) for part in (0.1, 0.35, 0.65, 0.9)]
    for number, part in every:
        page.mouse.move(1, 1)
        page.evaluate(
            """number => [...Bokeh.index.query(v => v.model.type == "Figure")][number]
                .el.scrollIntoView({block: "center"})""",
            number,
        )
        x, y, width, height = page.evaluate(FRAME, number)
        page.mouse.move(x + part * width, y + height / 2, steps=3)
        tip = page.locator(".bk-tooltip-row-value, .bk-tooltip-content").filter(visible=True).first
        tip.wait_for(timeout=10_000)
        assert "120,3" in tip.inner_text()
        box = tip.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= page.viewport_size["width"]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if folder := os.environ.get("TFEPI_SCREENSHOTS"):
        width = page.viewport_size["width"]
        page.screenshot(path=str(Path(folder) / f"tracks_{width}.png"), full_page=True)
