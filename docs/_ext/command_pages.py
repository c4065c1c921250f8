"""The command reference: what each script's parsers know, as Markdown."""

import argparse
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from table_text import code, words

# Scripts whose parser takes a word, after what is typed: the options differ by it.
WORDS = {
    "tfepi_data.py": {"tfepi_data.py --kind methylation": "methylation"},
    "tfepi_ism.py": {
        f"tfepi_ism.py {name}": name for name in ("delete", "scramble", "insert", "pairs")
    },
}


@contextmanager
def _called(name: str) -> Iterator[None]:
    """Let parsers made inside be of a program of this name, with lines of one width."""
    kept, columns = sys.argv, os.environ.get("COLUMNS")
    sys.argv, os.environ["COLUMNS"] = [name], "88"
    try:
        yield
    finally:
        sys.argv = kept
        if columns is None:
            del os.environ["COLUMNS"]
        else:
            os.environ["COLUMNS"] = columns


def script_module(path: Path):
    """Return a script as a module, without running it."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def parsers(path: Path) -> dict[str, argparse.ArgumentParser]:
    """Return a script's parsers by what is typed: the command, each of its subcommands."""
    module = script_module(path)
    with _called(path.name):
        found = _with_subcommands(path.name, module.parser())
        for typed, word in WORDS.get(path.name, {}).items():
            found |= _with_subcommands(typed, module.parser(word))
    return found


def _with_subcommands(typed: str, parser: argparse.ArgumentParser) -> dict:
    found = {typed: parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, sub in action.choices.items():
                found |= _with_subcommands(f"{typed} {name}", sub)
    return found


def commands_markdown(scripts: Path) -> str:
    """Return a section for each `tfepi_*.py`, with its options in tables."""
    parts = []
    for path in sorted(scripts.glob("tfepi_*.py")):
        for number, (typed, parser) in enumerate(parsers(path).items()):
            parts.append(f"{'##' if number == 0 else '###'} {typed}\n\n")
            parts.append(_section(parser, path.name))
    return "\n".join(parts)


def _section(parser: argparse.ArgumentParser, name: str) -> str:
    with _called(name):
        formatter = parser._get_formatter()
        usage = f"{parser.prog} [options] {_positionals(parser, formatter)}".rstrip()
        parts = [words(parser.description or ""), f"```text\n{usage}\n```"]
        for group in parser._action_groups:
            rows = [_row(action, formatter) for action in group._group_actions]
            rows = [row for row in rows if row]
            if not rows:
                continue
            title = group.title if group.title not in ("positional arguments", "options") else ""
            head = "arguments" if group.title == "positional arguments" else title or "options"
            told = f"{words(group.description)}\n\n" if group.description else ""
            parts.append(f"{told}| {head} | |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def _positionals(parser: argparse.ArgumentParser, formatter: argparse.HelpFormatter) -> str:
    """Return the arguments without a dash, as a usage line has them."""
    named = [a for a in parser._actions if not a.option_strings and a.help != argparse.SUPPRESS]
    return " ".join(formatter._format_args(a, a.metavar or _metavar(a)) for a in named)


def _row(action: argparse.Action, formatter: argparse.HelpFormatter) -> str | None:
    if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
        return None
    if isinstance(action, argparse._SubParsersAction):
        said = {choice.dest: choice.help or "" for choice in action._choices_actions}
        names = [f"`{name}`: {words(said.get(name, ''))}" for name in action.choices]
        return f"| `{action.dest}` | {'; '.join(names)} |"
    value = formatter._format_args(action, action.metavar or _metavar(action))
    if action.option_strings:
        typed = ", ".join(f"`{text}`" for text in action.option_strings)
        typed += f" `{code(value)}`" if action.nargs != 0 else ""
    else:
        typed = f"`{code(value)}`"
    text = formatter._expand_help(action) if action.help else ""
    return f"| {typed} | {words(text)} |"


def _metavar(action: argparse.Action) -> str:
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper() if action.option_strings else action.dest
