"""tfepi_normalize.py as a user runs it: status, streams, files."""

from functools import partial
from pathlib import Path

import numpy as np
import pyBigWig
import pytest


@pytest.fixture
def normalize(here):
    """Return a function that gives status, stdout and lines of stderr."""
    return partial(here, "tfepi_normalize.py")


@pytest.fixture
def table(genome_folder, tmp_path):
    """The shared genome's tracks as those of three cell types."""
    path = tmp_path / "tracks.txt"
    rows = [f"{n}\tT{n}\t{genome_folder}/t{n}.bw\tcell{n}\tDNase\n" for n in range(3)]
    path.write_text("\tidentifier\tfile\tcell\tassay\n" + "".join(rows))
    return path


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir() if not p.name.startswith(".")}


def test_quantile(normalize, table, tmp_path):
    out = tmp_path / "out"
    options = ("--reference", "cell2", "--hold_out", "cell1", "--interval", "50", "--seed", "3")
    status, text, err = normalize("quantile", table, "-o", out, *options, "-q")
    assert (status, text, err) == (0, f"wrote {out}\n", [])
    tracks = {f"cell{n}{end}.bw" for n in range(3) for end in ("", "_delta")}
    figures = {"normalize.png", "normalize.svg"}
    assert names(out) == tracks | figures | {
        "average.bw",
        "normalize.json",
        "run.json",
        "tracks.txt",
    }
    one, mean = (pyBigWig.open(str(out / f"{n}.bw")) for n in ("cell1", "average"))
    assert one.chroms() == {"chr1": 60_000, "chr2": 40_000, "chr3": 24_000}
    others = np.mean(
        [
            pyBigWig.open(str(out / f"cell{n}.bw")).values("chr3", 0, 24_000, numpy=True)
            for n in (0, 2)
        ],
        axis=0,
    )
    np.testing.assert_allclose(mean.values("chr3", 0, 24_000, numpy=True), others, rtol=1e-6)
    status, text, err = normalize("quantile", table, "-o", out, *options, "-q")
    assert (status, text, len(err)) == (2, "", 1)
    assert "has results: use --resume to go on, --overwrite" in err[0]
    assert normalize("quantile", table, "-o", out, *options, "-q", "--resume")[0] == 0


def test_a_normalised_table_is_normalised_again(normalize, table, tmp_path):
    """The table that is written is one that is read."""
    first, second = tmp_path / "first", tmp_path / "second"
    options = ("--interval", "50", "-q", "--chroms", "chr2,chr3")
    assert normalize("quantile", table, "-o", first, *options)[0] == 0
    status, _, err = normalize("quantile", first / "tracks.txt", "-o", second, *options)
    assert (status, err) == (0, [])
    assert "average.bw" in names(second)


def test_fragments(normalize, genome_folder, tmp_path):
    path, out = tmp_path / "f.tsv", tmp_path / "out"
    path.write_text("chr1\t10\t90\tAC-1\t2\nchr2\t5\t25\tGT-1\t1\nchr1\t30\t70\tTT-1\t1\n")
    table = tmp_path / "clusters.tsv"
    table.write_text("AC-1\tB\nGT-1\tT\n")
    inputs = ("fragments", path, "-o", out, "-g", genome_folder / "genome.fa")
    options = ("--clusters", table, "--spread", "1", "--scale", "none", "--shift")
    status, text, err = normalize(*inputs, *options, "-q")
    assert (status, text) == (0, f"wrote {out}\n")
    assert err == []
    assert names(out) == {"B.bw", "T.bw", "fragments.json", "run.json", "tracks.txt"}
    found = pyBigWig.open(str(out / "B.bw")).intervals("chr1")
    assert found == (
        (0, 13, 0.0),
        (13, 16, 1.0),
        (16, 83, 0.0),
        (83, 86, 1.0),
        (86, 60_000, 0.0),
    )


def test_what_is_left_out_is_said(run_script, genome_folder, tmp_path):
    path, table = tmp_path / "f.tsv", tmp_path / "clusters.tsv"
    path.write_text("chr1\t10\t90\tAC-1\t2\nchr1\t30\t70\tTT-1\t1\n")
    table.write_text("AC-1\tB\n")
    inputs = ("fragments", path, "-o", tmp_path / "out", "-g", genome_folder / "genome.fa")
    done = run_script("tfepi_normalize.py", *inputs, "--clusters", table)
    assert done.stderr.splitlines() == [
        f"WARNING: 1 of 2 fragments (50.0%) have barcodes that {table} does not list: left out",
        "INFO: 1 of 2 fragments count; left out: 1 barcodes of no cluster",
        "INFO: no fragment on 2 chromosomes, so no value there in any track",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--reference", "cell3"), "unknown cell 'cell3' of --reference: did you mean 'cell"),
        (("--hold_out", "cell0,,cell1"), "'cell0,,cell1' has an empty name"),
        (("--nan", "skip"), "unknown --nan 'skip': choose from keep, zero"),
        (("--chroms", "chr4"), "has no chromosome 'chr4'"),
    ],
)
def test_bad_input_of_quantile(here, table, tmp_path, options, message, capsys):
    arguments = ("quantile", table, "-o", tmp_path / "out", *options)
    try:
        status, _, err = here("tfepi_normalize.py", *arguments)
    except SystemExit as stop:  # of the parser
        status, err = stop.code, capsys.readouterr().err.splitlines()
    assert (status, len(err)) == (2, 1)
    assert message in err[0]
    assert not (tmp_path / "out").exists()
