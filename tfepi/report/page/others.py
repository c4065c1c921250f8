"""What other commands wrote: their tables, and their figures as they are."""

import csv
import re
from pathlib import Path

from tfepi.report.page.content import Block, Column, Note, Picture, Section, Table, Value
from tfepi.report.page.folders import CHECK, EXPORT, OTHER, Folder, Runs
from tfrecords_tools.errors import InputFileError

MOST_ROWS = 300
MOST_PICTURES = 8
_LARGEST = 400_000  # bytes of a figure
_TEXT = re.compile(r"<text[^>]*>(.*?)</text>", re.DOTALL)
_TAG = re.compile(r"<[^>]+>")
_WORDS = 12


def other_section(runs: Runs) -> Section | None:
    """Return the section on what analyses, checks and exports wrote; None without any."""
    folders = runs.of(OTHER, CHECK, EXPORT)
    blocks = [b for number, folder in enumerate(folders) for b in _of_folder(folder, number)]
    return Section("analyses", "Analyses", blocks) if blocks else None


def _of_folder(folder: Folder, number: int) -> list[Block]:
    blocks: list[Block] = []
    for i, path in enumerate(sorted(folder.path.glob("*.tsv"))):
        table = _table(path, f"table_{number}_{i}", folder)
        if table is not None:
            blocks.append(table)
    paths = _figures(folder.path)
    for i, path in enumerate(paths[:MOST_PICTURES]):
        blocks.append(_picture(path, f"figure_{number}_{i}", folder))
    if paths[MOST_PICTURES:]:
        names = ", ".join(p.name for p in paths[MOST_PICTURES:])
        blocks.append(Note(f"{folder.name} has more figures, which are not shown: {names}."))
    if blocks:
        blocks.insert(0, Note(f"{folder.name}, by {folder.command or 'an unknown command'}:"))
    return blocks


def _table(path: Path, name: str, folder: Folder) -> Table | None:
    """Return a tab-separated file as a table; None of one without a header and rows."""
    try:
        with open(path, newline="", encoding="utf-8") as handle:
            reader = csv.DictReader(handle, delimiter="\t")
            rows, more = [], 0
            for row in reader:
                if len(rows) < MOST_ROWS:
                    rows.append({k or "number": _value(v) for k, v in row.items() if k is not None})
                else:
                    more += 1
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(f"{path} is no table ({error}): write it again") from None
    if not rows:
        return None
    columns = [Column(key, key) for key in rows[0]]
    caption = f"{path.name} of {folder.name}."
    return Table(name, caption, columns, rows, omitted=more)


def _value(text: str | None) -> Value:
    if text is None or text in ("", "nan", "NaN", "NA"):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _figures(folder: Path) -> list[Path]:
    """Return the figures of a folder, one file of each: SVG unless it is large."""
    stems: dict[Path, list[Path]] = {}
    for pattern in ("*.svg", "*.png", "figures/*.svg", "figures/*.png"):
        for path in sorted(folder.glob(pattern)):
            stems.setdefault(path.with_suffix(""), []).append(path)
    found = []
    for paths in stems.values():
        small = [p for p in paths if p.stat().st_size <= _LARGEST]
        if small:
            found.append(small[0])
    return found


def _picture(path: Path, name: str, folder: Folder) -> Picture:
    text = f"Figure {path.stem.replace('_', ' ')} of {folder.name}"
    if path.suffix == ".png":
        return Picture(name, text + ".", png=path.read_bytes())
    source = path.read_text(encoding="utf-8")
    words = [" ".join(_TAG.sub("", t).split()) for t in _TEXT.findall(source)]
    named = [w for w in dict.fromkeys(words) if any(c.isalpha() for c in w)][:_WORDS]
    text += f", which shows {'; '.join(named)}." if named else "."
    return Picture(name, text, svg=source[source.index("<svg") :])
