"""Pages of the API reference: one for each package, with its modules in order of their names."""

import ast
import pkgutil
from pathlib import Path

from plain_docstrings import plain

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("tfrecords_tools", "tfepi")


def modules() -> dict[str, list[str]]:
    """Return the public modules of each public package, by the package's name."""
    found: dict[str, list[str]] = {}
    for name in PACKAGES:
        found[name] = []
        for module in pkgutil.walk_packages([str(ROOT / name)], f"{name}."):
            if any(part.startswith("_") for part in module.name.split(".")):
                continue
            if module.ispkg:
                found[module.name] = []
            else:
                found[module.name.rpartition(".")[0]].append(module.name)
    return found


def summary(name: str) -> str:
    """Return the first sentence of a module's docstring, read from its file."""
    path = ROOT.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(text.split("\n\n")[0].split())


def page(package: str, names: list[str]) -> str:
    """Return a package's page, in reStructuredText."""
    rows = "".join(
        f"   * - :py:mod:`{name.rpartition('.')[2]} <{name}>`\n     - {plain(summary(name))}\n"
        for name in names
    )
    table = f".. list-table::\n   :widths: auto\n\n{rows}\n" if names else ""
    parts = [_title(package, "="), f".. automodule:: {package}\n", table]
    for name in names:
        parts += [_title(name.removeprefix(f"{package}."), "-"), f".. automodule:: {name}\n"]
    return "\n".join(parts)


def index(packages: dict[str, list[str]]) -> str:
    """Return the page that lists the packages, in reStructuredText."""
    rows = "".join(f"   * - :doc:`{name}`\n     - {plain(summary(name))}\n" for name in packages)
    names = "".join(f"   {name}\n" for name in packages)
    return (
        f"{_title('Python packages', '=')}\n"
        "``tfrecords_tools`` makes and reads records and knows nothing of models; ``tfepi`` is\n"
        "the rest. Everything here is what the commands call.\n\n"
        f".. list-table::\n   :widths: auto\n\n{rows}\n"
        f".. toctree::\n   :hidden:\n   :maxdepth: 1\n\n{names}"
    )


def write_pages(folder: Path) -> None:
    """Write the pages; those that are as they were keep their time, so that none is read again."""
    folder.mkdir(parents=True, exist_ok=True)
    packages = modules()
    texts = {"index": index(packages)} | {name: page(name, m) for name, m in packages.items()}
    for old in folder.glob("*.rst"):
        if old.stem not in texts:
            old.unlink()
    for name, text in texts.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


def _title(text: str, under: str) -> str:
    return f"{text}\n{under * len(text)}\n"
