"""`tfepi_report.py`: one page of run folders."""

import logging
from collections.abc import Iterable
from pathlib import Path

from tfepi.report.page.accuracy import accuracy_section
from tfepi.report.page.content import Section
from tfepi.report.page.data import data_section
from tfepi.report.page.folders import TEST, Runs, find
from tfepi.report.page.limits import limits_section
from tfepi.report.page.loci import loci_blocks
from tfepi.report.page.models import model_section
from tfepi.report.page.others import other_section
from tfepi.report.page.provenance import provenance, written_now
from tfepi.report.page.render import Page, render
from tfepi.report.page.training import training_section
from tfepi.report.page.variants import variant_section
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import write_json, write_text

_log = logging.getLogger(__name__)


def make_report(
    folders: Iterable[str | Path],
    out: str | Path,
    title: str | None = None,
    ask_models: bool = True,
) -> list[Path]:
    """Write the page of run folders, and the JSON twin of its tables beside it.

    Args:
        folders: that commands wrote, or folders that hold such.
        out: the page, ending in .html.
        title: of the page; None for one made of the folders' names.
        ask_models: load models, for receptive fields, attributions and predictions of variants.

    Returns:
        The two paths.

    Raises:
        InputFileError: a folder that is none, or a file of one that is damaged.
    """
    runs, out = find(folders), Path(out)
    page = page_of(runs, title, ask_models)
    twin = out.with_suffix(".json")
    write_text(out, render(page))
    write_json(twin, page.to_json())
    return [out, twin]


def page_of(runs: Runs, title: str | None = None, ask_models: bool = True) -> Page:
    """Return the page of run folders.

    Args:
        runs: the folders.
        title: as of `make_report`.
        ask_models: likewise.

    Raises:
        InputFileError: a file that is damaged, or lacks what is shown.
    """
    steps = (
        lambda: data_section(runs),
        lambda: model_section(runs, ask_models),
        lambda: training_section(runs),
        lambda: accuracy_section(runs),
        lambda: _loci(runs, ask_models),
        lambda: variant_section(runs, ask_models),
        lambda: other_section(runs),
        lambda: limits_section(runs),
        lambda: provenance(runs),
    )
    sections = []
    for step in steps:
        try:
            section = step()
        except (KeyError, TypeError) as error:  # of a value that a file should have
            raise InputFileError(
                f"a file of {', '.join(str(f.path) for f in runs.folders)} lacks {error} or has "
                "it in another form: it is damaged, or of another version; write it again, or "
                "leave its folder out"
            ) from error
        if section is not None:
            _log.info("%s", section.title)
            sections.append(section)
    names = ", ".join(f.name for f in runs.folders)
    return Page(
        title or f"Report: {names}", f"{len(runs.folders)} folders; {written_now()}", sections
    )


def _loci(runs: Runs, ask_models: bool) -> Section | None:
    blocks = []
    for folder in runs.of(TEST):
        data = runs.data_of(folder.record.get("data_sha256"))
        blocks += loci_blocks(folder.path, data and data.path, ask_models)
    return Section("loci", "Example loci", blocks) if blocks else None
