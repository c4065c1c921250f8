"""setup.cfg against the tree: scripts, package data, pins; and what an installation holds."""

import configparser
import json
import os
import re
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
if not (ROOT / "setup.cfg").exists():
    pytest.skip("no setup.cfg beside the tests: not a checkout", allow_module_level=True)
PACKAGES = ("tfepi", "tfrecords_tools")


@pytest.fixture(scope="module")
def config():
    parsed = configparser.ConfigParser()
    parsed.read(ROOT / "setup.cfg")
    return parsed


def lines(text):
    return [line.strip() for line in text.splitlines() if line.strip() and line.strip()[0] != "#"]


def requirement_names(text):
    return [re.match(r"[\w.-]+", line)[0] for line in lines(text)]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def pins():
    found = {}
    for line in lines((ROOT / "constraints.txt").read_text()):
        name, version = line.split("==")
        found[normal(name)] = version
    return found


def test_scripts_are_those_of_the_folder(config):
    listed = lines(config["options"]["scripts"])
    assert listed == sorted(f"scripts/{p.name}" for p in (ROOT / "scripts").glob("tfepi_*.py"))


@pytest.mark.parametrize(
    "path", sorted((ROOT / "scripts").glob("tfepi_*.py")), ids=lambda p: p.name
)
def test_scripts_can_be_run(path):
    assert os.access(path, os.X_OK)
    assert path.read_text().startswith("#!/usr/bin/env python3\n")
    assert len(path.read_text().splitlines()) < 80


@pytest.mark.parametrize("name", ["quickstart.sh", "test.sh"])
def test_shell_scripts_parse(name):
    path = ROOT / "scripts" / name
    assert os.access(path, os.X_OK)
    subprocess.run(["bash", "-n", path], check=True)
    assert "set -euo pipefail" in path.read_text()


def quickstart(*arguments):
    command = ["bash", ROOT / "scripts" / "quickstart.sh", *arguments]
    environment = os.environ | {"VIRTUAL_ENV": "/nonexistent"}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_quickstart_leaves_other_folders_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    done = quickstart(tmp_path)
    assert done.returncode == 2
    assert "is not a quickstart's folder" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_quickstart_options():
    assert "quickstart.sh [FOLDER]" in quickstart("--help").stdout
    done = quickstart("--folder")
    assert done.returncode == 2
    assert "unknown option" in done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder that setuptools installs from, built from a copy of the tree."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("source")
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, folder)
    for name in (*PACKAGES, "scripts"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, folder / name, ignore=skipped)
    command = "import setuptools; setuptools.setup()"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", command, "-q", "build", "--build-base", "built"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return folder / "built"


def test_every_module_and_data_file_is_installed(built):
    wanted = {
        p.relative_to(ROOT)
        for package in PACKAGES
        for p in (ROOT / package).rglob("*")
        if p.suffix in (".py", ".json", ".typed", ".html", ".css", ".js")
        and "__pycache__" not in p.parts
    }
    found = {p.relative_to(built / "lib") for p in (built / "lib").rglob("*") if p.is_file()}
    assert wanted - found == set()
    assert found - wanted == set()


def test_scripts_are_installed(built):
    (folder,) = built.glob("scripts*")
    listed = {p.name for p in folder.iterdir()}
    assert listed == {p.name for p in (ROOT / "scripts").glob("tfepi_*.py")}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_folder_of_modules_is_a_package(package):
    for module in (ROOT / package).rglob("*.py"):
        assert (module.parent / "__init__.py").exists(), module
    assert (ROOT / package / "py.typed").exists()


def test_every_dependency_is_pinned(config):
    extra = config["options.extras_require"]["test"]
    named = requirement_names(config["options"]["install_requires"]) + requirement_names(extra)
    assert [n for n in named if normal(n) not in pins()] == []


def test_pins_satisfy_the_requirements(config):
    specifiers = pytest.importorskip("packaging.requirements")
    for line in lines(config["options"]["install_requires"]):
        requirement = specifiers.Requirement(line)
        assert requirement.specifier.contains(pins()[normal(requirement.name)]), line


def test_the_stated_bounds(config):
    options = config["options"]
    assert options["python_requires"] == ">=3.11"
    wanted = lines(options["install_requires"])
    assert "tensorflow>=2.17,<2.22" in wanted
    assert "keras>=3.12,<4" in wanted
    extras = {"test", "docs", "io", "remote", "torch", "hub", "zarr", "cluster", "serving", "onnx"}
    assert set(config["options.extras_require"]) == extras


def test_third_party_imports_are_declared(config):
    """What a module imports is the standard library, ours, or a declared dependency.

    Benchmarks also drive the tools they are compared with, in those tools' own environments.
    """
    known = {
        "sklearn": "scikit-learn",
        "google_crc32c": "google-crc32c",
        "tensorflow_hub": "tensorflow-hub",
        "tensorflow_io": "tensorflow-io",
        "tensorflow_serving": "tensorflow-serving-api",
        "grpc": "grpcio",
    }
    declared = {
        normal(n)
        for text in (
            config["options"]["install_requires"],
            *config["options.extras_require"].values(),
        )
        for n in requirement_names(text)
    }
    pattern = re.compile(r"^\s*(?:import|from)\s+([A-Za-z_]\w*)", re.MULTILINE)
    for package in (*PACKAGES, "scripts"):
        for module in (ROOT / package).rglob("*.py"):
            code = re.sub(r'"""(?:.|\n)*?"""', "", module.read_text())
            for name in pattern.findall(code):
                if name in sys.stdlib_module_names or name in PACKAGES:
                    continue
                if "benchmark" in module.parts and name in ("basenji", "baskerville"):
                    continue
                if name == "jax":  # Keras's other back end: who chooses it has it
                    continue
                assert normal(known.get(name, name)) in declared, f"{module} imports {name}"


def test_version_is_that_of_the_metadata(config):
    import tfepi

    try:
        installed = metadata.version("tfepi")
    except metadata.PackageNotFoundError:
        assert tfepi.__version__ == "0+unknown"
    else:
        assert tfepi.__version__ == installed == config["metadata"]["version"]


def test_licence_is_whole():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_presets_are_json():
    for path in (ROOT / "tfepi" / "presets").glob("*.json"):
        assert {"train", "model"} <= set(json.loads(path.read_text())), path
