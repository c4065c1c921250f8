"""tfepi_qtl.py connect as a user runs it."""

import gzip
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from tfepi.simulate.qtl_links import LinkSimulation, write_links

SCRIPT = Path(__file__).parents[2] / "scripts/tfepi_qtl.py"
LENGTHS = {"chr1": 9_000_000, "chr2": 5_000_000}
NAMES = {"adjacency.npz", "bins.tsv", "degrees.tsv", "distances.tsv", "hubs.bed"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("qtl")
    settings = {"links": 9000, "regions": 200, "qtl_bins": 2000, "lengths": LENGTHS}
    settings |= {"duplicates": 20, "insignificant": 30, "across": 10, "far": 10}
    write_links(folder / "mono.txt", LinkSimulation(**settings))
    write_links(folder / "b.txt", LinkSimulation(**settings | {"links": 7000, "seed": 1}))
    (folder / "b.txt.gz").write_bytes(gzip.compress((folder / "b.txt").read_bytes()))
    (folder / "chrom.sizes").write_text("".join(f"{n}\t{v}\n" for n, v in LENGTHS.items()))
    return folder


def test_connect(run_script, run_main, folder, tmp_path):
    out = tmp_path / "out"
    tables = [folder / "mono.txt", f"neut={folder / 'b.txt.gz'}"]
    options = ["-g", folder / "chrom.sizes", "-o", out, "--resamples", "5", "-q"]
    options += ["--no_figures"]
    done = run_script(SCRIPT.name, "connect", *tables, *options)
    lines = done.stdout.splitlines()
    assert done.stderr == ""
    assert lines[0].startswith(
        "mono: blueprint layout (text, spaces), positions counted from 1 (chromosome 1 is chr1), "
        "assembly not stated by the table (GRCh37 as distributed); the lengths are of none that is "
        "known; SNPs column"
    )
    rows = {cells[0]: cells[1:] for line in lines if (cells := re.split(r"\s{2,}", line))}
    assert rows["Connected QTLs"] == ["9000", "7000"]
    assert rows["QTL bins"] == ["2000", "2000"]
    assert rows["All regions"] == ["1400", "1400"]
    assert rows["Avg QTLs per connected region"] == ["45", "35"]
    assert sum(line.startswith(("mono, ", "neut, ")) for line in lines) == 4
    assert lines[-1] == f"wrote {out}"
    top = {"connected.tsv", "binned.tsv", "fractions.tsv", "qtl.json", "run.json"}
    assert {p.name for p in out.iterdir()} - {".tfepi"} == top | {"mono", "neut"}
    for name in ("mono", "neut"):
        assert {p.name for p in (out / name).iterdir()} == NAMES
    refused = run_main(SCRIPT.name, "connect", *tables, *options, check=False)
    assert refused.returncode == 2
    assert "has results: use --overwrite to redo" in refused.stderr


def test_options_reach_the_count(run_main, folder, tmp_path):
    out = tmp_path / "out"
    options = ["--place", "overlap", "--distinct_snps", "--bin_width", "5000", "--hub_degree", "60"]
    options += ["--hub_by", "binned", "--many", "20", "--max_distance", "500000", "--chroms", "2"]
    options += ["--base", "1", "--target_base", "0", "--assembly", "mine"]
    options += ["--resamples", "0", "-q"]
    places = ["-g", folder / "chrom.sizes", "-o", out]
    done = run_main(SCRIPT.name, "connect", folder / "mono.txt", *places, *options)
    text = done.stdout
    assert "of targets from 0 (chromosome 1 is chr1), assembly mine (--assembly)" in text
    assert "are on chromosomes that --chroms does not count" in text
    assert "mono, connected: not tested whether a power law fits its tail (from " in text
    assert re.search(r"^All regions +1000$", text, re.MULTILINE)
    assert "Regions with > 20 QTLs" in text
    stems = ("distances", "mono_regions", "mono_degrees")
    figures = {f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")}
    assert {p.name for p in (out / "figures").iterdir()} == figures


@pytest.mark.parametrize(
    ("table", "options", "message"),
    [
        (
            "snp\ttarget\tpvalue\n1:5_A_C\t1:1-9\t0.1\n",
            [],
            "has p-values (pvalue) and no FDR, which",
        ),
        (
            "snp\ttarget\tfdr\n7:5_A_C\t7:1-9\t0.01\n",
            [],
            "is on chromosome '7', which the lengths do",
        ),
        (
            "snp\ttarget\tfdr\n1:5_A_C\t1:1-9000001\t0.01\n",
            [],
            "ends at 9000001 on 1, which has 9000000",
        ),
        (
            "snp\ttarget\tfdr\n1:0_A_C\t1:1-9\t0.01\n",
            [],
            "has a SNP at 0, and positions are counted fr",
        ),
        (
            "snp\ttarget\tfdr\n1:5_A_C\t1:1-9\t0.9\n",
            [],
            "has no links: of 1 rows 1 are not significant",
        ),
        ("a\tb\n1\t2\n", [], "has no column for the SNP and its position: it has a, b; names th"),
        ("snp\ttarget\tfdr\n", ["--chroms", "chr9"], "unknown chromosome 'chr9' in --chroms"),
        ("snp\ttarget\tfdr\n", ["--fdr", "2"], "--fdr is 2: want a number above 0, up to 1"),
        ("", [], "is empty: want a header and rows"),
        ("snp\ttarget\tfdr\n", ["--bin_width", "0"], "--bin_width is 0: want at least 1"),
        (
            "s\tt\tfdr\n1:5_A_C\tg\t0.01\n",
            ["--columns", "snp=s", "--columns", "target=t"],
            "line 2: target 'g' holds no place as chr1:1000-2000",
        ),
    ],
)
def test_bad_input_gets_one_line(folder, tmp_path, capsys, table, options, message):
    (tmp_path / "t.tsv").write_text(table)
    places = ["-g", str(folder / "chrom.sizes"), "-o", str(tmp_path / "out"), "-q"]
    done = main(["connect", str(tmp_path / "t.tsv"), *places, *options])
    error = capsys.readouterr().err
    assert done == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert message in error


def test_a_table_of_no_published_layout_is_called_so_once(run_main, folder, tmp_path):
    (tmp_path / "generic.tsv").write_text("snp\ttarget\tfdr\n1:5_A_C\t1:1-9\t0.01\n")
    options = ["-g", folder / "chrom.sizes", "-o", tmp_path / "out", "--no_figures", "-q"]
    done = run_main(SCRIPT.name, "connect", tmp_path / "generic.tsv", *options)
    assert done.stdout.startswith("generic: no published layout (text, tabs), positions counted")
    assert "generic, connected: not tested: 1 connected bin, fewer than 50\n" in done.stdout


def main(argv):
    return runpy.run_path(str(SCRIPT))["main"](argv)


def test_a_gzip_that_is_cut_off(folder, tmp_path, capsys):
    (tmp_path / "t.gz").write_bytes((folder / "b.txt.gz").read_bytes()[:-2000])
    places = ["-g", str(folder / "chrom.sizes"), "-o", str(tmp_path / "out"), "-q"]
    assert main(["connect", str(tmp_path / "t.gz"), *places]) == 2
    assert "is cut off (gzip without its end): fetch or write it again" in capsys.readouterr().err


def test_help_imports_nothing_heavy():
    code = "import sys, runpy; sys.argv = ['x', 'connect', '--help']\n"
    code += f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
    code += (
        "except SystemExit: print(sorted(m for m in ('numpy', 'pyarrow', 'scipy', 'tensorflow') "
    )
    code += "if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
