"""Every command line in the docs and the README is one that the command understands."""

import argparse
import re
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from tfrecords_tools import command

PAGES = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("fenced_blocks.py"))))
SCRIPTS = PAGES.ROOT / "scripts"
LINES = [
    (str(block), words)
    for page in PAGES.PAGES
    for block in PAGES.blocks(page)
    if not block.kind.startswith("{") and block.kind not in ("python", "json")
    for words in PAGES.commands(block)
]


@pytest.fixture
def understood(monkeypatch):
    """Return the function that lets a script read its arguments and do nothing."""
    # Nothing is fetched, where an argument is an address, and no work is done.
    parse = argparse.ArgumentParser.parse_known_args
    monkeypatch.setattr(command.Parser, "parse_known_args", parse)
    monkeypatch.setattr(command, "run", lambda work, *rest, **named: 0)

    def read(words):
        script = SimpleNamespace(**runpy.run_path(str(SCRIPTS / words[0])))
        try:
            return script.main(words[1:])
        except SystemExit as end:
            return end.code

    return read


def test_there_are_many_lines():
    assert len(LINES) > 100


def test_command_lines_are_understood(understood, capsys):
    wrong = []
    for place, words in LINES:
        if understood(words) not in (0, None):
            wrong.append(f"{place}: {' '.join(words)}\n{capsys.readouterr().err}")
    assert not wrong, "\n".join(wrong)


def test_a_wrong_option_is_found(understood, capsys):
    assert understood(["tfepi_test.py", "params.json", "run", "data", "--shfits", "0"]) == 2
    assert "--shfits" in capsys.readouterr().err


def test_options_named_in_the_text_exist(makers):
    known, wrong = {}, []
    for page in PAGES.PAGES:
        for script, *words in PAGES.mentions(page):
            if script not in known:
                parsers = makers.command_pages.parsers(SCRIPTS / script).values()
                known[script] = {o for p in parsers for a in p._actions for o in a.option_strings}
            said = [re.sub(r"[=,].*", "", word) for word in words if re.match(r"--?[a-z]", word)]
            wrong += [f"{page}: {script} {o}" for o in said if o not in known[script]]
    assert not wrong, "\n".join(wrong)
