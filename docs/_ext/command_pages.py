"""The command reference: what each script's parsers know, as Markdown."""

import argparse
import importlib.util
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Scripts whose parser takes a word: the options differ by it, and each is shown.
KINDS = {"tfepi_data.py": (None, "methylation"), "tfepi_ism.py": (None,)}


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
    found = {}
    with _called(path.name):
        for kind in KINDS.get(path.name, (None,)):
            parser = module.parser() if kind is None else module.parser(kind)
            typed = path.name if kind is None else f"{path.name} --kind {kind}"
            found |= _with_subcommands(typed, parser)
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
        usage = parser.format_usage().removeprefix("usage: ").rstrip()
        formatter = parser._get_formatter()
        parts = [_cell(parser.description or "", ""), f"```text\n{usage}\n```"]
        for group in parser._action_groups:
            rows = [_row(action, formatter) for action in group._group_actions]
            rows = [row for row in rows if row]
            if not rows:
                continue
            title = group.title if group.title not in ("positional arguments", "options") else ""
            head = "arguments" if group.title == "positional arguments" else title or "options"
            told = f"{_cell(group.description, '')}\n\n" if group.description else ""
            parts.append(f"{told}| {head} | |\n|---|---|\n" + "\n".join(rows))
    return "\n\n".join(part for part in parts if part) + "\n"


def _row(action: argparse.Action, formatter: argparse.HelpFormatter) -> str | None:
    if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
        return None
    if isinstance(action, argparse._SubParsersAction):
        said = {choice.dest: choice.help or "" for choice in action._choices_actions}
        names = [f"`{name}`: {_cell(said.get(name, ''))}" for name in action.choices]
        return f"| `{action.dest}` | {'; '.join(names)} |"
    value = formatter._format_args(action, action.metavar or _metavar(action))
    if action.option_strings:
        typed = ", ".join(f"`{text}`" for text in action.option_strings)
        typed += f" `{_cell(value)}`" if action.nargs != 0 else ""
    else:
        typed = f"`{_cell(value)}`"
    text = formatter._expand_help(action) if action.help else ""
    if action.choices and action.metavar is None and action.option_strings:
        pass  # the choices stand in the value
    return f"| {typed} | {_cell(text)} |"


def _metavar(action: argparse.Action) -> str:
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper() if action.option_strings else action.dest


def _cell(text: str, pipe: str = "\\|") -> str:
    """Return text as one line of a table, in which only backticks are markup."""
    text = " ".join(text.split())
    text = re.sub(r"([*_<\[\]])", r"\\\1", text) if pipe == "" else text
    return text.replace("|", pipe or "\\|")
