"""The store of samples joined by position, against dictionaries; and the tidy table."""

import gzip
import json
import re

import numpy as np
import pandas
import pyarrow.parquet
import pytest

from tfepi.methylation import tidy_arguments
from tfrecords_tools import command
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation import collecting, join, tidy
from tfrecords_tools.methylation.samples import Sample
from tfrecords_tools.methylation.store import SiteSettings, SiteStore, collect

CHROMS = {"chr2": 3000, "chrA": 40, "chr1": 5000}  # chrA has no CpG
SAMPLES = {"s1": "brain", "s2": "brain", "s3": "blood", "s4": "blood"}


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(8)
    found = {c: "".join(rng.choice(list("ACGT"), n)) for c, n in CHROMS.items()}
    return found | {"chrA": "A" * CHROMS["chrA"]}


@pytest.fixture(scope="module")
def genome(sequences, tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text("".join(f">{c}\n{s}\n" for c, s in sequences.items()))
    return Genome(path)


@pytest.fixture(scope="module")
def cpgs(sequences):
    """(chromosome, position of the C), in the order of the genome."""
    return [(c, m.start()) for c, s in sequences.items() for m in re.finditer("CG", s)]


@pytest.fixture(scope="module")
def reads(cpgs):
    """Sample → {CpG: (methylated, coverage)}; samples cover different CpGs, s4 none of chr1."""
    rng = np.random.default_rng(9)
    found = {}
    for name in SAMPLES:
        there = [c for c in cpgs if rng.random() < 0.7 and (name, c[0]) != ("s4", "chr1")]
        coverage = rng.integers(1, 12, len(there)).tolist()
        counts = [(int(rng.integers(0, n + 1)), n) for n in coverage]
        found[name] = dict(zip(there, counts, strict=True))
    return found


def write_cov(path, sums):
    with open(path, "w") as file:
        for (chrom, position), (m, n) in sums.items():
            file.write(f"{chrom}\t{position + 1}\t{position + 1}\t0\t{m}\t{n - m}\n")


def write_betas(path, sums):
    with open(path, "w") as file:
        for (chrom, position), (m, n) in sums.items():
            file.write(f"{chrom}\t{position}\t{position + 1}\t{m / n}\n")


@pytest.fixture
def samples(reads, tmp_path):
    for name, sums in reads.items():
        write_cov(tmp_path / f"{name}.cov", sums)
    return tuple(
        Sample(name, str(tmp_path / f"{name}.cov"), tissue=tissue, description=f"of {name}")
        for name, tissue in SAMPLES.items()
    )


def expected(cpgs, columns, min_coverage=0.0, calls=None):
    """CpG → ([beta], [coverage]) of columns, each a list of samples' counts, one at a time."""
    found = {}
    for cpg in cpgs:
        betas, coverages = [], []
        for column in columns:
            methylated = sum(sums[cpg][0] for sums in column if cpg in sums)
            coverage = sum(sums[cpg][1] for sums in column if cpg in sums)
            beta = methylated / coverage if coverage >= max(min_coverage, 1) else np.nan
            if calls and not np.isnan(beta):
                beta = 0.0 if beta <= calls[0] else 1.0 if beta >= calls[1] else np.nan
            betas.append(beta)
            coverages.append(0 if np.isnan(beta) else coverage)
        if not np.isnan(betas).all():
            found[cpg] = (betas, coverages)
    return found


def check(store, want):
    places = [(c, p) for c in store.chroms for p in store.positions(c).tolist()]
    assert places == list(want)
    beta = np.concatenate([store.beta(c) for c in store.chroms])
    np.testing.assert_allclose(beta, [w[0] for w in want.values()], rtol=1e-6)
    if store.has_coverage:
        coverage = np.concatenate([store.coverage(c) for c in store.chroms])
        np.testing.assert_array_equal(coverage, [w[1] for w in want.values()])


@pytest.mark.parametrize("block", [1 << 20, 1100])
@pytest.mark.parametrize("calls", [None, (0.2, 0.7)])
@pytest.mark.parametrize("min_coverage", [0, 5])
def test_samples(genome, cpgs, reads, samples, tmp_path, monkeypatch, block, calls, min_coverage):
    monkeypatch.setattr(join, "_BLOCK_VALUES", block)
    settings = SiteSettings(min_coverage, calls=calls)
    store = collect(samples, genome, tmp_path / "store", settings, quiet=True)
    want = expected(cpgs, [[reads[name]] for name in SAMPLES], min_coverage, calls)
    check(store, want)
    assert store.samples == tuple(SAMPLES)
    assert store.tissues == tuple(SAMPLES.values())
    assert store.descriptions[1] == "of s2"
    assert list(store.chroms) == ["chr2", "chr1"]
    assert store.positions("chr1").dtype == np.int32
    assert not store.beta("chr1").flags.writeable
    assert store.beta("chr1").dtype == store.coverage("chr1").dtype == np.float32


def test_tissues_pool_their_reads(genome, cpgs, reads, samples, tmp_path):
    """The coverage of a tissue is judged, not that of each of its samples."""
    settings = SiteSettings(5, per="tissue")
    store = collect(samples, genome, tmp_path / "store", settings, quiet=True)
    columns = [[reads["s1"], reads["s2"]], [reads["s3"], reads["s4"]]]
    check(store, expected(cpgs, columns, 5))
    assert (store.samples, store.tissues) == (("brain", "blood"), ("brain", "blood"))
    assert [len(files) for files in store.files] == [2, 2]


def test_tissues_of_betas_are_means_of_samples(genome, cpgs, reads, samples, tmp_path):
    for name, sums in reads.items():
        write_betas(tmp_path / f"{name}.cov", sums)
    store = collect(samples, genome, tmp_path / "store", SiteSettings(5, per="tissue"), quiet=True)
    shares = {name: {c: (m / n, 1) for c, (m, n) in sums.items()} for name, sums in reads.items()}
    columns = [[shares["s1"], shares["s2"]], [shares["s3"], shares["s4"]]]
    check(store, expected(cpgs, columns))
    assert store.coverage("chr1") is None
    assert not store.has_coverage
    assert store.summary[0]["mean_coverage"] is None


def test_summary(genome, cpgs, reads, samples, tmp_path):
    store = collect(samples, genome, tmp_path / "store", quiet=True)
    assert SiteSettings().min_coverage == 5
    kept = [{c: v for c, v in sums.items() if v[1] >= 5} for sums in reads.values()]
    rows = len(set().union(*kept))
    assert sum(store.chroms.values()) == rows
    for row, name, sums in zip(store.summary, SAMPLES, kept, strict=True):
        betas, coverages = [m / n for m, n in sums.values()], [n for _, n in sums.values()]
        assert row == {
            "sample": name,
            "cpgs": len(sums),
            "mean_beta": pytest.approx(np.mean(betas), rel=1e-6),
            "mean_coverage": pytest.approx(np.mean(coverages)),
            "missing_share": pytest.approx(1 - len(sums) / rows),
            "dropped_low_coverage": len(reads[name]) - len(sums),
            "merged_strands": 0,
        }


def test_merged_strands_are_counted(genome, cpgs, tmp_path):
    """Only where both strands have reads."""
    lines = []
    for number, (chrom, position) in enumerate(cpgs):
        for strand in (0, 1)[: 1 + (number < 50)]:
            n = 0 if (number, strand) == (3, 1) else 6
            lines.append(f"{chrom}\t{position + 1 + strand}\t{position + 1 + strand}\t0\t0\t{n}\n")
    (tmp_path / "s.cov").write_text("".join(lines))
    store = collect((Sample("s", str(tmp_path / "s.cov")),), genome, tmp_path / "o", quiet=True)
    assert store.summary[0]["merged_strands"] == 49
    assert store.coverage("chr2")[:4, 0].tolist() == [12, 12, 12, 6]


def test_counts_beside_betas(genome, cpgs, reads, samples, tmp_path, caplog):
    write_betas(tmp_path / "s3.cov", reads["s3"])
    store = collect(samples, genome, tmp_path / "store", SiteSettings(5), quiet=True)
    assert store.coverage("chr2") is None
    assert "s3 has no counts of reads: the store has no coverage" in caplog.text
    kept = [[{c: v for c, v in reads[n].items() if n == "s3" or v[1] >= 5}] for n in SAMPLES]
    check(store, expected(cpgs, kept))
    assert [row["mean_coverage"] is None for row in store.summary] == [False, False, True, False]
    with pytest.raises(ConfigError, match="tissue 'blood' has samples with counts of reads and"):
        collect(samples, genome, tmp_path / "tissues", SiteSettings(per="tissue"), quiet=True)


class Stop(Exception):
    """A run that is stopped."""


def stored(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir()}


def test_a_stopped_run_goes_on(genome, samples, tmp_path, monkeypatch):
    """Stopped in the third file, then after the first chromosome: no file is read again."""
    collect(samples, genome, tmp_path / "whole", quiet=True)
    folder = tmp_path / "store"
    read, opened = collecting.PositionSource.read, []

    def reading(source, cpgs, work, merge, advance):
        opened.append(source.samples[0].identifier)
        facts = read(source, cpgs, work, merge, advance)
        if len(opened) == 3:
            raise Stop
        return facts

    monkeypatch.setattr(collecting.PositionSource, "read", reading)
    with pytest.raises(Stop):
        collect(samples, genome, folder, quiet=True)
    with pytest.raises(InputFileError, match="holds no methylation store, or one that is unfin"):
        SiteStore.open(folder)
    write, written = collecting.write_chromosome, []

    def writing(stem, *rest):
        if len(written) == 1:
            list(rest[1])
            raise Stop
        written.append(stem.name)
        return write(stem, *rest)

    monkeypatch.setattr(collecting, "write_chromosome", writing)
    with pytest.raises(Stop):
        collect(samples, genome, folder, quiet=True)
    monkeypatch.setattr(collecting, "write_chromosome", write)
    (folder / ".9.beta.bin.77.part.bin").write_text("of a killed writer")
    store = collect(samples, genome, folder, quiet=True)
    assert opened == ["s1", "s2", "s3", "s3", "s4"]
    assert stored(folder) == stored(tmp_path / "whole")
    collect(samples, genome, folder, quiet=True)
    assert len(opened) == 5
    assert store.summary == SiteStore.open(tmp_path / "whole").summary


def test_a_store_of_something_else_is_refused(genome, reads, samples, tmp_path):
    collect(samples, genome, tmp_path / "store", quiet=True)
    with pytest.raises(UnfinishedError, match="holds a methylation store of other settings"):
        collect(samples, genome, tmp_path / "store", SiteSettings(6), quiet=True)
    with pytest.raises(UnfinishedError, match="of other samples"):
        collect(samples[::-1], genome, tmp_path / "store", quiet=True)
    write_cov(tmp_path / "s1.cov", reads["s2"])
    with pytest.raises(UnfinishedError, match="of other files"):
        collect(samples, genome, tmp_path / "store", quiet=True)
    (tmp_path / "store" / "plan.json").unlink()
    with pytest.raises(UnfinishedError, match="has files but no plan"):
        collect(samples, genome, tmp_path / "store", quiet=True)


def test_stores_that_cannot_be_opened(genome, samples, tmp_path):
    store = collect(samples, genome, tmp_path / "store", quiet=True)
    with pytest.raises(ConfigError, match=r"unknown chromosome 'chr3' of .*did you mean"):
        store.beta("chr3")
    path = tmp_path / "store" / "0.beta.bin"
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InputFileError, match=r"0.beta.bin is missing or truncated"):
        store.beta("chr2")
    path = tmp_path / "store" / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 9}))
    with pytest.raises(InputFileError, match="'tfepi-methylation-store' version 9, want"):
        SiteStore.open(tmp_path / "store")


def test_samples_that_do_not_go_together(genome, samples, tmp_path):
    def refused(message, settings=None, table=samples):
        with pytest.raises((ConfigError, InputFileError), match=message):
            collect(table, genome, tmp_path / "store", settings, quiet=True)

    refused("there are no samples", table=())
    untold = Sample("x", samples[0].file, where="samples.txt line 7")
    refused("samples.txt line 7 has no tissue", SiteSettings(per="tissue"), (*samples, untold))
    refused("both give sample 's1'", table=(samples[0], samples[0]))
    assert not (tmp_path / "store").exists()
    refused("no CpG has a value in any sample at a minimum coverage of 99", SiteSettings(99))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_coverage": -1}, "minimum coverage is -1, want 0 or more"),
        ({"min_coverage": float("nan")}, "minimum coverage is nan"),
        ({"per": "tisue"}, "'tisue': did you mean 'tissue'"),
        ({"calls": (0.8, 0.2)}, "calls are 0.8 and 0.2, want 0 <= low < high <= 1"),
    ],
)
def test_settings(values, message):
    with pytest.raises(ConfigError, match=message):
        SiteSettings(**values)


def test_memory_does_not_grow_with_samples(genome, reads, samples, tmp_path, monkeypatch):
    """Blocks hold so many values, however many columns there are."""
    monkeypatch.setattr(join, "_BLOCK_VALUES", 2048)
    sizes = []
    joined = collecting.joined

    def watched(*arguments):
        for block in joined(*arguments):
            sizes.append(block.beta.size)
            yield block

    monkeypatch.setattr(collecting, "joined", watched)
    many = [Sample(f"m{n}", samples[n % 4].file) for n in range(8)]
    collect(tuple(many), genome, tmp_path / "store", quiet=True)
    assert max(sizes) <= 2048
    assert len(sizes) > 1


def run_tidy(*arguments):
    parser = command.Parser()
    tidy_arguments.add(parser.add_subparsers(parser_class=command.Parser))
    args = parser.parse_args(["tidy", *map(str, arguments)])
    return command.run(lambda: args.work(args), args.quiet)


@pytest.fixture
def table(samples, tmp_path):
    lines = [f"{n}\t{s.identifier}\t{s.file}\t{s.tissue}" for n, s in enumerate(samples)]
    path = tmp_path / "samples.txt"
    path.write_text("index\tidentifier\tfile\ttissue\n" + "\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize("suffix", ["parquet", "tsv.gz", "tsv"])
def test_tidy(genome, cpgs, reads, table, tmp_path, capsys, suffix, monkeypatch):
    monkeypatch.setattr(tidy, "_ROWS", 1)
    out = tmp_path / f"cpgs.{suffix}"
    assert run_tidy("-f", genome.path, table, "-o", out, "--min_coverage", 5, "-q") == 0
    assert "s4" in capsys.readouterr().out
    frame = pandas.read_parquet(out) if suffix == "parquet" else pandas.read_csv(out, sep="\t")
    want = expected(cpgs, [[reads[name]] for name in SAMPLES], 5)
    assert list(zip(frame["chrom"], frame["pos"], strict=True)) == [(c, p + 1) for c, p in want]
    assert list(frame)[2:] == [f"{s}_{kind}" for kind in ("beta", "coverage") for s in SAMPLES]
    beta, coverage = (frame[[f"{s}_{k}" for s in SAMPLES]] for k in ("beta", "coverage"))
    np.testing.assert_allclose(beta, [w[0] for w in want.values()], rtol=1e-6)
    np.testing.assert_array_equal(coverage.fillna(0), [w[1] for w in want.values()])
    assert (coverage.isna().to_numpy() == beta.isna().to_numpy()).all()
    if suffix == "parquet":
        about = pyarrow.parquet.read_schema(out).metadata
        assert (about[b"format"], about[b"format_version"]) == (b"tfepi-methylation-cpgs", b"1")
    if suffix == "tsv.gz":
        assert gzip.decompress(out.read_bytes()).startswith(b"chrom\tpos\ts1_beta\t")
        assert out.read_bytes()[12:14] == b"BC"
    assert not (tmp_path / f"cpgs.{suffix}.work").exists()


def test_tidy_options(genome, cpgs, reads, table, tmp_path, capsys):
    out = tmp_path / "cpgs.tsv"
    options = ("--per", "tissue", "--calls", "0.3,0.6", "--min_coverage", "8")
    assert run_tidy("-f", genome.path, table, "-o", out, *options) == 0
    frame = pandas.read_csv(out, sep="\t")
    columns = [[reads["s1"], reads["s2"]], [reads["s3"], reads["s4"]]]
    want = expected(cpgs, columns, 8, (0.3, 0.6))
    np.testing.assert_array_equal(
        frame[["brain_beta", "blood_beta"]], [w[0] for w in want.values()]
    )
    assert run_tidy("-f", genome.path, table, "-o", tmp_path / "f.tsv", "--code", "h") == 0
    assert run_tidy("-f", genome.path, table, "-o", tmp_path / "g.tsv", "--forward_only") == 0


def test_tidy_resumes(genome, table, tmp_path, capsys, monkeypatch):
    out = tmp_path / "cpgs.tsv"
    again = ("-f", genome.path, table, "-o", out, "-q")
    monkeypatch.setattr(tidy, "_schema", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert run_tidy(*again) == command.INTERRUPTED
    monkeypatch.undo()
    assert not out.exists()
    assert run_tidy(*again) == command.BAD_INPUT
    assert "has results: use --resume" in capsys.readouterr().err
    assert run_tidy(*again, "--resume") == 0
    assert run_tidy(*again) == command.BAD_INPUT
    assert "cpgs.tsv is there: use --overwrite" in capsys.readouterr().err
    assert run_tidy(*again, "--overwrite") == 0
    assert run_tidy("-f", genome.path, table, "-o", tmp_path / "cpgs.bed") == command.BAD_INPUT
    assert "ends in '.bed': want .parquet, .tsv.gz, .tsv" in capsys.readouterr().err
    assert run_tidy("-f", genome.path, table, "-o", tmp_path / "no/c.tsv") == command.BAD_INPUT
    assert "no does not exist, make it first" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run_tidy(*again, "--calls", "0.3")
    assert "'0.3' is not two numbers" in capsys.readouterr().err
