"""The fenced blocks of the pages in docs and of the README."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>[\w{}]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: path of its page from the root.
        line: its first, from 1.
        kind: the word behind the fence.
        text: without the fence.
    """

    page: str
    line: int
    kind: str
    text: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(page: str, *kinds: str) -> list[Block]:
    """Return a page's blocks of these kinds, or all."""
    text = PAGES[page].read_text()
    found = []
    for match in _FENCE.finditer(text):
        if not kinds or match["kind"] in kinds:
            inner = re.sub(rf"^{match['indent']}", "", match["text"], flags=re.M)
            line = text.count("\n", 0, match.start("text")) + 1
            found.append(Block(page, line, match["kind"], inner))
    return found


def commands(block: Block) -> list[list[str]]:
    """Return the words of each line of a block that calls one of our scripts.

    Settings of the environment and programs before the script's name are left out, and so are
    lines that show what may be left out in brackets (`mentions`).
    """
    found = []
    for line in block.text.replace("\\\n", " ").splitlines():
        if "tfepi_" not in line or line.lstrip().startswith("#") or "[-" in line:
            continue
        words = shlex.split(line.replace("…", ""), comments=True)
        places = [i for i, word in enumerate(words) if re.fullmatch(r"(\S*/)?tfepi_\w+\.py", word)]
        if places and all(not w.startswith("-") for w in words[: places[0]]):
            found.append([Path(words[places[0]]).name, *words[places[0] + 1 :]])
    return found


def mentions(page: str) -> list[list[str]]:
    """Return the words of inline code, and of lines with brackets, that begin with our scripts."""
    page_text = PAGES[page].read_text()
    spans = [x for x in re.findall(r"^tfepi_\w+\.py .*$", page_text, re.M) if "[-" in x]
    text = re.sub(r"^ *```.*?^ *```$", "", page_text, flags=re.M | re.S)
    spans += re.findall(r"`(tfepi_\w+\.py [^`]*)`", text)
    return [re.sub(r"[\[\]|]|\n", " ", span).split() for span in spans]
