"""tfepi_heritability.py as a user runs it: annotate, then read what LDSC wrote."""

import json
import runpy
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = "tfepi_heritability.py"
LDSC = runpy.run_path(str(Path(__file__).parents[1] / "heritability" / "ldsc_output.py"))


@pytest.fixture
def arguments(tmp_path):
    """Arguments of annotate: peaks at every 2 kb of a chromosome of 100 kb, a SNP at every 100."""
    names = ("ubiquitous", "A", "B")
    peaks = "".join(
        f"chr1\t{s}\t{s + 500}\t{names[s // 2000 % 3]}\n" for s in range(0, 99_000, 2000)
    )
    (tmp_path / "clusters.tsv").write_text("chrom\tstart\tend\tcluster\n" + peaks)
    rows = (f"1\trs{p}\t0\t{p}\tA\tC\n" for p in range(100, 100_000, 100))
    (tmp_path / "ref.1.bim").write_text("".join(rows))
    (tmp_path / "sizes").write_text("chr1\t100000\n")
    files = {"--clusters": "clusters.tsv", "--bim": "ref.1.bim", "--chrom_sizes": "sizes"}
    given = [word for k, v in files.items() for word in (k, tmp_path / v)]
    return ["annotate", *given, "--assembly", "toy", "-o", tmp_path / "out"]


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "t.results"
    path.write_text(LDSC["RESULTS"])
    path.with_suffix(".part_delete").write_text(LDSC["PART_DELETE"])
    return path


def test_annotate_then_read(run_script, run_main, arguments, results, tmp_path):
    stated = ["--sumstats", "creatinine=c.gz", "--weights", "w.", "--frq", "f/"]
    done = run_script(SCRIPT, *arguments, *stated)
    lines = done.stdout.splitlines()
    folder = Path.cwd()
    assert done.stderr == (
        f"WARNING: not found here: --weights {folder}/w., --frq {folder}/f/, --sumstats creatinine "
        f"{folder}/c.gz; commands.sh names them as they are, for where it will run\n"
    )
    quiet = run_main(SCRIPT, *arguments, *stated, "--overwrite", "-q").stdout.splitlines()
    assert quiet == [*lines[:3], lines[-1]]  # results without the commands
    assert lines[0] == "ubiquitous: 85 SNPs, 8.51% of SNPs, 8.50% of bases"
    assert lines[3] == "#!/bin/sh"
    names = "annotation.json, commands.sh, manifest.json, run.json, bed/, ldsc/"
    assert lines[-1] == f"wrote {tmp_path / 'out'}: {names}"
    made = {p.name for p in (tmp_path / "out").iterdir()} - {".tfepi"}
    wanted = {"ldsc", "bed", "commands.sh", "annotation.json", "manifest.json", "run.json"}
    assert made == wanted
    script = (tmp_path / "out/commands.sh").read_text()
    assert script in done.stdout
    assert f"FRQ={Path('f').absolute()}/\n" in script
    assert f"--h2 {Path('c.gz').absolute()} " in script
    again = ["--annotation", tmp_path / "out", "-o", tmp_path / "read"]
    done = run_main(SCRIPT, "read", f"creatinine={results}", *again)
    assert done.stdout.splitlines() == [
        "creatinine: specific 63.5% ± 6.9% of heritability, ubiquitous 8.1% ± 1.2%, "
        "7.9 times (6.3 to 9.8); jackknife",
        f"wrote {tmp_path / 'read'}: comparison.tsv, heritability.json, heritability.tsv, "
        "run.json, figures/",
    ]
    assert done.stderr.count("\n") == 1
    assert "WARNING: creatinine: results say of ubiquitous 2.97% of SNPs, 8.51%" in done.stderr
    figures = {f"{n}.{k}" for n in ("clusters", "shares") for k in ("png", "svg")}
    assert {p.name for p in (tmp_path / "read/figures").iterdir()} == figures
    assert len(pd.read_csv(tmp_path / "read/heritability.tsv", sep="\t")) == 3
    record = json.loads((tmp_path / "read/run.json").read_text())
    assert set(record["inputs"]) == {"annotation", "creatinine 1", "creatinine 1, jackknife"}
    # An input is not removed, and an output that is refused comes before any warning.
    for where, message in (
        (tmp_path / "out", "holds an input (annotation)"),
        (tmp_path, "that tfepi did not make"),
    ):
        again = ["--annotation", tmp_path / "out", "-o", where, "--overwrite"]
        done = run_main(SCRIPT, "read", f"creatinine={results}", *again, check=False)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1)
        assert message in done.stderr
    assert (tmp_path / "out/annotation.json").exists()


def test_several_traits_by_names(here, results, tmp_path):
    given = [f"{t}={results}" for t in ("a", "b")]
    names = ["--clusters", "A", "B", "ubiquitous", "--no_figures", "-o", tmp_path / "read", "-q"]
    status, printed, _ = here(SCRIPT, "read", *given, *names)
    assert status == 0
    assert printed.splitlines()[2].startswith("mean: specific 63.5% ± 0.0%")
    assert not (tmp_path / "read/figures").exists()
    status, _, errors = here(SCRIPT, "read", *given, *names)
    assert status == 2
    assert "has results: use --overwrite" in errors[-1]
    assert here(SCRIPT, "read", *given, *names, "--overwrite")[0] == 0


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--assembly", "toy2"], None),
        (["--bed", "x"], "'x': want NAME=FILE"),
        (["--bed", "x=a", "x=b"], "--bed has a name twice"),
        (["--sumstats", "a/b=c"], "trait 'a/b' is part of file names"),
        (["--top", "a"], "'a' is no list of numbers"),
        (["--sets", "both"], "sets is 'both'"),
        (["--scores", "none"], "scores none do not exist"),
        (["--top", "0.1"], "--top is of scores: give them with --scores"),
        (["--top", ""], "--top is of scores"),
        (["--sizes"], "--sizes is of scores"),
        (["--stat", "SAD"], "--stat is of scores"),
        (["--targets", "t0"], "--targets is of scores"),
        (["--clusters", "."], "the folder . has no clusters.tsv"),
        (["--chrom_sizes", "none"], "table of chromosome lengths none does not exist"),
    ],
)
def test_bad_options(here, arguments, tmp_path, capsys, more, message):
    if message is None:  # only the stated name differs
        assert here(SCRIPT, *arguments, *more)[0] == 0
        return
    try:
        status, _, errors = here(SCRIPT, *arguments, *more)
    except SystemExit as stopped:  # argparse
        status, errors = stopped.code, capsys.readouterr().err.splitlines()
    assert (status, len(errors)) == (2, 1)
    assert message in errors[0]
    assert not (tmp_path / "out").exists()


def test_an_assembly_without_lengths(run_main, arguments):
    at = arguments.index("--chrom_sizes")
    done = run_main(SCRIPT, *arguments[:at], *arguments[at + 2 :], check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("error: the lengths of assembly 'toy' are not known")
    assert done.stderr.count("\n") == 1


def test_bad_results(here, results, tmp_path):
    results.write_text("Category\n")
    given = [f"t={results}", "--clusters", "A", "-o", tmp_path / "read"]
    status, _, errors = here(SCRIPT, "read", *given)
    assert (status, len(errors)) == (2, 1)
    assert "has no column Prop._SNPs" in errors[0]
    assert not (tmp_path / "read").exists()
