"""Each page is in a table of contents, and every link leads somewhere: known without a build."""

import re
import runpy
from pathlib import Path
from types import SimpleNamespace

PAGES = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("fenced_blocks.py"))))
DOCS = PAGES.ROOT / "docs"


def prose(text):
    """Return a page's text without its blocks and its code."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(text):
    """Return the anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^ *```.*?^ *```$", "", text, flags=re.M | re.S)
    found = []
    for title in re.findall(r"^#+ (.+)$", text, re.M):
        slug = re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", title).strip().lower()).replace(" ", "-")
        found.append(f"{slug}-{found.count(slug)}" if slug in found else slug)
    return found


def test_every_page_is_in_one_table_of_contents(makers):
    text = makers.generated_pages.fill((DOCS / "index.md").read_text())
    listed = []
    for table in re.findall(r"^```\{toctree\}\n(.*?)^```$", text, re.M | re.S):
        entries = [line for line in table.splitlines() if line and not line.startswith(":")]
        listed += [re.sub(r".*<(.+)>", r"\1", entry) for entry in entries]
    pages = [p.relative_to(DOCS).with_suffix("").as_posix() for p in DOCS.rglob("*.md")]
    assert sorted(listed) == sorted([*set(pages) - {"index"}, "reference/api/index"])


def test_links_lead_somewhere(makers):
    packages = makers.api_pages.modules()
    wrong = []
    for page, path in PAGES.PAGES.items():
        for link in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text())):
            where, _, anchor = link.partition("#")
            if "://" in where:
                continue
            target = (path.parent / where).resolve() if where else path
            if target.parent == DOCS / "reference" / "api":  # made by the build
                good = target.stem in ("index", *packages) and target.suffix == ".rst"
            elif anchor:
                text = target.read_text() if target.is_file() else ""
                if target.stem == "commands":
                    text = makers.generated_pages.fill(text)
                good = anchor in anchors(text)
            else:
                good = target.is_file()
            if not good:
                wrong.append(f"{page}: {link}")
    assert not wrong, "\n".join(wrong)


def test_each_system_says_what_was_reproduced():
    """Every value with an interval there is one that a benchmark, or the page before, has."""
    measured = "".join(path.read_text() for path in (DOCS / "benchmarks").glob("*.md"))
    interval = re.compile(r"\d\.\d+ \[\d\.\d+, \d\.\d+\]")
    for name in ("basset", "basenji", "unet", "interact", "enformer", "borzoi", "conditioning"):
        page = DOCS / (f"models_{name}.md" if name != "conditioning" else "conditioning.md")
        before, said = page.read_text().split("\n## Reproduced, and what was not\n")
        known = " ".join((measured + before).split())
        for value in interval.findall(" ".join(said.split())):
            assert value in known, (page.name, value)


def test_anchors_are_those_of_github():
    text = "# A `b.py` of C\n```\n# no heading\n```\n## What's new?\n## What's new?\n"
    assert anchors(text) == ["a-bpy-of-c", "whats-new", "whats-new-1"]
