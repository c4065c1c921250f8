"""What the pages take from the code is all of it, and says something of everything."""

import argparse
import configparser
import dataclasses
import inspect
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_every_key_has_a_meaning(makers):
    from tfepi.conditioning_params import ConditioningParams, StateParams
    from tfepi.model_params import ModelParams
    from tfepi.train_params import TrainParams
    from tfepi.transfer_params import TransferParams

    text = makers.params_reference.params_markdown()
    for kind in (TrainParams, ModelParams, TransferParams, ConditioningParams, StateParams):
        said = makers.params_reference.meanings(kind.__doc__, "Attributes")
        assert set(said) == {f.name for f in dataclasses.fields(kind)}
        assert all(f"| `{name}` |" in text for name in said)


def test_every_keyword_of_a_model_has_a_meaning(makers):
    from tfepi.models import MODELS

    for name, function in MODELS.items():
        if name != "basenji":
            said = makers.params_reference.meanings(function.__doc__, "Args")
            assert set(said) == set(inspect.signature(function).parameters), name
    assert "### leopard_unet" in makers.params_reference.models_markdown()


def test_every_argument_of_a_block_has_a_meaning(makers):
    from tfepi.models.blocks import BLOCKS
    from tfepi.models.blocks.arguments import block_arguments

    text = makers.params_reference.blocks_markdown()
    for name, block in BLOCKS.items():
        assert f"\n### {name}\n" in f"\n{text}"
        for argument in block_arguments(block):
            assert makers.block_meanings.meaning_of(name, argument)


def test_every_table_has_as_many_cells_in_each_row(makers):
    for make in makers.generated_pages.MAKERS.values():
        width = None
        for line in make().splitlines():
            cells = line.replace("\\|", "").count("|")
            if not line.startswith("|"):
                width = None
            elif width is None:
                width = cells
            else:
                assert cells == width, line


def test_every_preset_is_listed(makers):
    text = makers.params_reference.presets_markdown()
    for path in (ROOT / "tfepi" / "presets").glob("*.json"):
        assert f"| `{path.stem}` |" in text


def test_meanings_of_a_docstring(makers):
    said = makers.params_reference.meanings(
        """One line.

        Attributes:
            a, b: of both,
                on two lines.
            c: alone; d: beside it; and e.
            f,
            g: wrapped.
        """,
        "Attributes",
    )
    assert said == {
        "a": "of both, on two lines.",
        "b": "of both, on two lines.",
        "c": "alone",
        "d": "beside it; and e.",
        "f": "wrapped.",
        "g": "wrapped.",
    }


def test_every_installed_command_has_a_section(makers):
    text = makers.generated_pages.MAKERS["commands"]()
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    for script in config["options"]["scripts"].split():
        assert f"## {Path(script).name}\n" in text
    assert "### tfepi_data.py --kind methylation\n" in text
    assert "### tfepi_ism.py pairs\n" in text
    assert "### tfepi_records.py to-bigwig\n" in text
    assert "__main__" not in text


def test_a_parser_as_tables(makers):
    parser = argparse.ArgumentParser(prog="tool.py", description="Does *this*.")
    parser.add_argument("files", nargs="+", help="some | files")
    parser.add_argument("-n", "--number", type=int, default=3, help="of them [%(default)s]")
    parser.add_argument("--kind", choices=("a", "b"), help="100%% of <it>")
    parser.add_argument("--hidden", help=argparse.SUPPRESS)
    assert makers.command_pages._section(parser, "tool.py") == (
        "Does \\*this\\*.\n\n"
        "```text\ntool.py [options] files [files ...]\n```\n\n"
        "| arguments | |\n|---|---|\n| `files [files ...]` | some \\| files |\n\n"
        "| options | |\n|---|---|\n"
        "| `-n`, `--number` `NUMBER` | of them \\[3\\] |\n"
        "| `--kind` `{a,b}` | 100% of \\<it> |\n"
    )


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("|a| * b_ and c_d", "\\|a\\| \\* b\\_ and c_d"),
        ("a *host* and 2*3*4", "a *host* and 2\\*3\\*4"),
        ("the `Part`s of `x_`", "the ``Part``\\ s of ``x_``"),
        ("see `tfepi.params.Params`", "see `tfepi.params.Params`"),
        ("``[a, *b]`` stays", "``[a, *b]`` stays"),
    ],
)
def test_docstrings_show_as_they_are_written(makers, line, plain):
    assert makers.plain_docstrings.plain(line) == plain


def test_broken_lists_of_arguments_are_joined(makers):
    lines = ["Args:", "    a, b,", "    c,", "    d: all four.", "    e: `one", "        two`."]
    makers.plain_docstrings._on_docstring(None, None, None, None, None, lines)
    assert lines == ["Args:", "    a, b, c, d: all four.", "    e: ``one two``."]


def test_every_module_is_on_a_page(makers, tmp_path):
    packages = makers.api_pages.modules()
    named = {name for names in packages.values() for name in names} | set(packages)
    for top in ("tfepi", "tfrecords_tools"):
        for path in (ROOT / top).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            assert name.removesuffix(".__init__") in named
    assert makers.api_pages.summary("tfepi.params").startswith("params.json: the train, model")
    (tmp_path / "tfepi.gone.rst").write_text("old")
    makers.api_pages.write_pages(tmp_path)
    assert {p.stem for p in tmp_path.iterdir()} == {"index", *packages}
    page = tmp_path / "tfepi.variants.rst"
    assert "\nalleles\n-------\n\n.. automodule:: tfepi.variants.alleles\n" in page.read_text()
    before = page.stat().st_mtime_ns
    makers.api_pages.write_pages(tmp_path)
    assert page.stat().st_mtime_ns == before


def test_pages_that_may_be_absent(makers):
    text = "a\n<!-- pages: nothing/* models_b* -->\nb"
    found = "models_basenji\nmodels_basset\nmodels_borzoi"
    assert makers.generated_pages.fill(text) == f"a\n{found}\nb"
