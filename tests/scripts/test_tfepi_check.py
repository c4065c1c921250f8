"""tfepi_check.py as a user runs it: status, streams, files."""

import json
import runpy
import shutil
from functools import partial
from pathlib import Path

import pysam
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "tfepi_check.py"
WINDOWS = ("-l", "1024", "-w", "64", "-v", "chr2", "-t", "chr3", "-q")


@pytest.fixture
def check(here):
    """Return a function that gives status, stdout and lines of stderr."""
    return partial(here, "tfepi_check.py")


@pytest.fixture
def folder(tmp_path, genome_folder):
    shutil.copytree(genome_folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture
def vcf(folder, genome_values):
    """A VCF of twenty SNVs whose REF is the genome's."""
    text = genome_values[0]["chr1"].upper()
    rows = [
        f"chr1\t{i + 1}\tv{i}\t{text[i]}\t{'C' if text[i] == 'A' else 'A'}\t.\tPASS\t.\n"
        for i in [i for i in range(2000, 2100) if text[i] in "ACGT"][:20]
    ]
    header = "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=60000>\n"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    (folder / "in.vcf").write_text(header + columns + "".join(rows))
    return folder / "in.vcf"


def test_through_a_shell(run_script, folder, vcf, tmp_path):
    out = tmp_path / "checked"
    done = run_script(
        "tfepi_check.py",
        folder / "genome.fa",
        folder / "targets.txt",
        *WINDOWS,
        "--vcf",
        vcf,
        "--bed",
        folder / "gaps.bed",
        folder / "umap.bed",
        "-o",
        out,
    )
    assert done.stderr == ""
    assert "train" in done.stdout
    names = {p.name for p in out.iterdir() if not p.name.startswith(".")}
    assert names == {"check.json", "preflight.png", "preflight.svg", "run.json"}
    record = json.loads((out / "run.json").read_text())
    assert (record["format"], record["outcome"]) == ("tfepi-run", "finished")
    assert set(record["inputs"]) == {
        "genome",
        "targets",
        "track T0",
        "track T1",
        "track T2",
        "variants",
        f"bed {folder / 'gaps.bed'}",
        f"bed {folder / 'umap.bed'}",
    }
    assert all(len(entry["sha256"]) == 64 for entry in record["inputs"].values())
    value = json.loads((out / "check.json").read_text())
    assert value["format"] == "tfepi-check"
    assert not value["failed"]
    assert value["variants"]["matched"] == 20


def test_problems_give_status_2_and_a_line_each(check, folder):
    (folder / "t0.bw").unlink()
    (folder / "t1.bw").write_bytes((folder / "t1.bw").read_bytes()[:-100])
    status, out, err = check(folder / "genome.fa", folder / "targets.txt", *WINDOWS)
    assert status == 2
    assert len(err) == 2
    assert all(line.startswith("error: ") for line in err)
    assert "chr1" in out  # what could be looked at is told all the same


def test_warnings_alone_are_no_failure(check, folder):
    (folder / "empty.bed").write_text("")
    status, _, err = check(
        folder / "genome.fa", folder / "targets.txt", *WINDOWS, "--bed", folder / "empty.bed"
    )
    assert status == 0
    assert len(err) == 1
    assert err[0].startswith("warning: ")


def test_no_genome_still_writes_what_was_found(check, folder, tmp_path):
    status, _, err = check(
        folder / "no.fa", folder / "targets.txt", *WINDOWS, "-o", tmp_path / "out"
    )
    assert status == 2
    assert "no.fa does not exist" in err[0]
    assert json.loads((tmp_path / "out" / "check.json").read_text())["failed"]
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert "targets" in record["inputs"]
    assert "genome" not in record["inputs"]


SMALL = ("-l", "1024", "-w", "64", "-q")


@pytest.mark.parametrize(
    "options",
    [
        ("-f", "3"),
        ("-f", "3", "--regions", "peaks", "--region_labels", "fold0", "-r", "10"),
        ("-v", "chr2", "-t", "chr3", "--snap", "64", "-s", "0.5", "--seed", "3"),
        ("-v", "chr2", "-t", "chr3", "-u", "umap.bed", "--umap_t", "0.1"),
        ("-v", "chr2", "-t", "chr3", "--regions", "peaks", "-i", "--encoding", "packed"),
        ("-v", "0.3", "-t", "0", "--break", "9000"),
        ("-v", "0", "-t", "0", "--peaks"),
    ],
    ids=" ".join,
)
def test_the_forecast_is_the_build(
    check, run_script, folder, monkeypatch, genome_values, write_bigwig, options
):
    if "--peaks" in options:  # windows lie on chr1 alone, and the track may lack the others
        write_bigwig(folder / "t0.bw", {"chr1": genome_values[1][0]["chr1"]})
        table = "\tidentifier\tfile\tpeaks\n0\tT0\tt0.bw\tpeaks.bed\n"
        (folder / "targets.txt").write_text(table)
        (folder / "peaks.bed").write_text("chr1\t9000\t12000\n")
    monkeypatch.chdir(folder)
    done = run_script("tfepi_data.py", "genome.fa", "targets.txt", *SMALL, *options, "-o", "data")
    shutil.rmtree("checked", ignore_errors=True)
    status, _, err = check("genome.fa", "targets.txt", *SMALL, *options, "-o", "checked")
    assert (status, err) == (0, []), done.stdout
    statistics = json.loads(Path("data/statistics.json").read_text())
    built = {k.removesuffix("_seqs"): n for k, n in statistics.items() if k.endswith("_seqs")}
    manifest = json.loads(Path("data/manifest.json").read_text())
    forecast = json.loads(Path("checked/check.json").read_text())["forecast"]
    assert forecast["windows"] == built
    assert forecast["dropped"] == manifest["dropped"]


@pytest.mark.parametrize("read", ["nan", "inf", "0", "-1"])
def test_what_is_read_must_be_something(check, folder, read):
    status, _, err = check(folder / "genome.fa", folder / "targets.txt", *WINDOWS, "--read", read)
    assert status == 2
    assert len(err) == 1
    assert "--read is " in err[0]


@pytest.mark.parametrize(
    "options", [("-p", "0"), ("-p", "-1"), ("-d", "99"), ("--stride", "nan"), ("--umap_tfr",)]
)
def test_bad_options_of_a_build_give_one_line(run_script, folder, tmp_path, options):
    done = run_script(
        "tfepi_data.py",
        *(folder / "genome.fa", folder / "targets.txt", *WINDOWS, *options),
        *("-o", tmp_path / "data"),
        check=False,
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert options[0].strip("-") in done.stderr
    assert not (tmp_path / "data").exists()


def test_it_takes_every_option_of_the_build():
    def options(name):
        actions = runpy.run_path(str(SCRIPT.with_name(f"{name}.py")))["parser"]()._actions
        return {(s, a.dest, str(a.default), a.help) for a in actions for s in a.option_strings}

    ours, theirs = options("tfepi_check"), options("tfepi_data")
    others = {"-o", "-p", "--processes", "--dry_run", "--dry-run", "--local", "--resume"}
    others |= {"--restart", "--st", "--split_test", "--kind", "--cluster", "--shard", "--merge"}
    assert {s for s, *_ in theirs - ours} == others
    assert all(text for *_, text in theirs)


def break_truncate(path):
    packed = Path(pysam.tabix_compress(str(path), f"{path}.gz") or f"{path}.gz")
    packed.write_bytes(packed.read_bytes()[:-28])
    return packed


def break_sorting(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:3], *reversed(lines[3:])]))
    return path


def break_ref(path):
    lines = path.read_text().splitlines(keepends=True)
    fields = lines[5].split("\t")
    fields[3] = next(base for base in "ACGT" if base not in (fields[3], *fields[4]))
    lines[5] = "\t".join(fields)
    path.write_text("".join(lines))
    return path


def break_entirely(path):
    path.write_text("hello\n")
    return path


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (break_truncate, "truncated"),
        (break_sorting, "not sorted"),
        (break_ref, "19 of 20 records"),
        (break_entirely, "no VCF"),
        (lambda path: path.with_name("absent.vcf"), "does not exist"),
    ],
)
def test_broken_vcf(check, folder, vcf, damage, text):
    broken = damage(vcf)
    status, _, err = check(folder / "genome.fa", folder / "targets.txt", *WINDOWS, "--vcf", broken)
    assert status == 2
    assert len(err) == 1
    assert text in err[0]


def test_ref_policy(check, folder, vcf):
    inputs = (folder / "genome.fa", folder / "targets.txt", *WINDOWS, "--vcf", break_ref(vcf))
    status, _, err = check(*inputs, "--ref_policy", "skip")
    assert status == 0
    assert err[0].startswith("warning: ")
    status, _, err = check(*inputs, "--ref_policy", "skipp")
    assert status == 2
    assert "did you mean 'skip'" in err[0]


def test_results_are_not_overwritten(check, folder, tmp_path):
    inputs = (folder / "genome.fa", folder / "targets.txt", *WINDOWS, "-o", tmp_path / "out")
    assert check(*inputs)[0] == 0
    before = (tmp_path / "out" / "preflight.svg").read_bytes()
    status, _, err = check(*inputs)
    assert status == 2
    assert "--overwrite" in err[0]
    assert check(*inputs, "--overwrite")[0] == 0
    assert (tmp_path / "out" / "preflight.svg").read_bytes() == before


def test_unused_chromosomes(check, folder):
    status, out, _ = check(
        folder / "genome.fa",
        folder / "targets.txt",
        *WINDOWS,
        "-t",
        "0",
        "--chroms",
        "chr1,chr2",
    )
    assert status == 0
    row = next(line.split() for line in out.splitlines() if line.startswith("chr3"))
    assert row[-1] == "no"


class TestRealData:
    def test_yeast(self, check, test_data, tmp_path):
        yeast = test_data / "data" / "yeast"
        table = tmp_path / "targets.txt"
        table.write_text(f"\tidentifier\tfile\n0\topen\t{yeast / 'atac_open.bw'}\n")
        inputs = (yeast / "sacCer3.fa.gz", table, "-l", "1344", "-w", "192", "-q")
        inputs += ("--vcf", yeast / "by_rm_snvs.vcf")
        status, out, err = check(*inputs)
        assert status == 2
        assert "lacks 7 of the 17 chromosomes" in err[0]
        chroms = "chrI,chrII,chrIII,chrIV,chrV,chrVI,chrVII,chrVIII,chrIX,chrX"
        status, out, err = check(*inputs, "--chroms", chroms, "-v", "chrIX", "-t", "chrX")
        assert (status, err) == (0, [])
        assert "100.00%" in out
