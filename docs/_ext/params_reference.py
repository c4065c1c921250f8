"""The reference of params.json's keys: tables made of dataclasses, functions, docstrings."""

import dataclasses
import inspect
import json
import re
from collections.abc import Callable, Iterable

from block_meanings import meaning_of
from table_text import words

HEAD = "| key | type | default | meaning |\n|---|---|---|---|\n"
_JSON = {"tuple": "list", "Mapping": "dict", "None": "null", "bool": "true/false"}
_ENTRY = re.compile(r"^(\w+(?:, \w+)*): (.*)$", re.DOTALL)


def sections(docstring: str) -> dict[str, str]:
    """Return the sections of a Google-style docstring; what stands before is named ""."""
    found, name = {"": []}, ""
    for line in inspect.cleandoc(docstring or "").splitlines():
        if re.fullmatch(r"(Attributes|Args|Returns|Raises):", line):
            name = line[:-1]
            found[name] = []
        else:
            found[name].append(line)
    return {name: inspect.cleandoc("\n".join(lines)) for name, lines in found.items()}


def meanings(docstring: str, section: str) -> dict[str, str]:
    """Return what a docstring's section says of each name.

    Names before one colon share its text; a text may go on with "; name: " of another one.
    """
    entries: list[str] = []
    for line in sections(docstring).get(section, "").splitlines():
        if line[:1].isspace() or (entries and entries[-1].endswith(",")):
            entries[-1] += " " + line.strip()
        elif line.strip():
            entries.append(line.strip())
    found = {}
    for entry in entries:
        for part in re.split(r"; (?=[a-z]\w*(?:, \w+)*: )", entry):
            names, text = _ENTRY.match(part).groups()
            found |= dict.fromkeys(names.split(", "), text)
    return found


def params_markdown() -> str:
    """Return a table for each section's dataclass."""
    from tfepi.conditioning_params import ConditioningParams, StateParams
    from tfepi.model_params import ModelParams
    from tfepi.train_params import TrainParams
    from tfepi.transfer_params import TransferParams

    titles = {
        "train": TrainParams,
        "model": ModelParams,
        "transfer": TransferParams,
        "conditioning": ConditioningParams,
        "conditioning.cell_state": StateParams,
    }
    return "\n".join(dataclass_markdown(title, kind) for title, kind in titles.items())


def dataclass_markdown(title: str, kind: type) -> str:
    """Return a dataclass's section: its first sentences, and a row for each field."""
    said = meanings(kind.__doc__, "Attributes")
    rows = [
        (f.name, _type(f.type), _default(_of_field(f)), said.get(f.name, ""))
        for f in dataclasses.fields(kind)
    ]
    return f"## {title}\n\n{_prose(sections(kind.__doc__)[''])}\n\n{HEAD}{_rows(rows)}"


def models_markdown() -> str:
    """Return a table of the keywords of each model function that params.json may name."""
    from tfepi.model_params import BASENJI
    from tfepi.models import MODELS

    parts = []
    for name, function in MODELS.items():
        if name != BASENJI:
            said = meanings(function.__doc__, "Args")
            rows = [
                (p.name, _type(p.annotation), _default(p.default), said.get(p.name, ""))
                for p in inspect.signature(function).parameters.values()
                if p.name != "dtype"  # which a command sets, by --precision
            ]
            first = _first_sentence(function)
            parts.append(f"### {name}\n\n{first}\n\n{HEAD}{_rows(rows)}")
    return "\n".join(parts)


def blocks_markdown() -> str:
    """Return a table of the arguments of each block of a trunk or head."""
    from tfepi.models.blocks import BLOCKS
    from tfepi.models.blocks.arguments import block_arguments

    parts = []
    for name, block in sorted(BLOCKS.items(), key=lambda item: item[0].lower()):
        rows = [
            (key, "", _default(argument.default), meaning_of(name, key))
            for key, argument in block_arguments(block).items()
        ]
        table = "| argument | default | meaning |\n|---|---|---|\n" + _rows(
            [(key, default, meaning) for key, _, default, meaning in rows], types=False
        )
        text = _prose(sections(block.__doc__)[""])
        parts.append(f"### {name}\n\n{text}\n\n{table if rows else 'No arguments.'}\n")
    return "\n".join(parts)


def presets_markdown() -> str:
    """Return a table of the shipped params files."""
    from tfepi.params import PRESETS

    rows = []
    for path in sorted(PRESETS.glob("*.json")):
        value = json.loads(path.read_text())
        train, model = value.get("train", {}), value["model"]
        kind = f"`{model['name']}`" if "name" in model else "trunk and heads"
        rows.append(f"| `{path.stem}` | {kind} | {', '.join(_training(train))} |")
    return "| preset | model | training |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _training(train: dict) -> Iterable[str]:
    for key in ("loss", "optimizer", "learning_rate", "batch_size"):
        if key in train:
            yield f"`{key}` {train[key]}"


def _of_field(field: dataclasses.Field) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default


def _default(value: object) -> str:
    if value is inspect.Parameter.empty:
        return "required"
    if isinstance(value, tuple):
        value = list(value)
    if value is not None and not isinstance(value, (str, int, float, list, dict)):
        value = getattr(value, "__name__", str(value))
    return f"`{json.dumps(value)}`"


def _type(annotation: object) -> str:
    if annotation is inspect.Parameter.empty:
        return ""
    text = inspect.formatannotation(annotation)
    text = re.sub(r"Annotated\[(.+?), .*\]", r"\1", re.sub(r"\b(?:\w+\.)+", "", text))
    for old, new in _JSON.items():
        text = re.sub(rf"\b{old}\b", new, text)
    text = text.replace(", ...]", "]").replace("StateParams", "section")
    return f"`{text}`".replace("|", "\\|")


def _rows(rows: Iterable[tuple], types: bool = True) -> str:
    return "".join(f"| `{row[0]}` | {' | '.join((*row[1:-1], words(row[-1])))} |\n" for row in rows)


def _prose(text: str) -> str:
    return "\n\n".join(words(part) for part in text.split("\n\n"))


def _first_sentence(function: Callable) -> str:
    return words(inspect.cleandoc(function.__doc__).split("\n\n")[0])
