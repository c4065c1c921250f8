"""Matrices of arrays, placed by manifests of three layouts, against dictionaries."""

import gzip
import logging
import re

import numpy as np
import pytest

from tfrecords_tools import builds
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation import array_matrix, text_blocks
from tfrecords_tools.methylation.array_manifest import known_build, read_manifest
from tfrecords_tools.methylation.samples import Sample
from tfrecords_tools.methylation.store import SiteSettings, collect

CHROMS = {"chr1": 4000, "chrM": 1500}
SUBJECTS = ("a", "b c", "d")


@pytest.fixture(scope="module")
def sequences():
    rng = np.random.default_rng(3)
    return {c: "".join(rng.choice(list("ACGT"), n)) for c, n in CHROMS.items()}


@pytest.fixture(scope="module")
def genome(sequences, tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "genome.fa"
    path.write_text("".join(f">{c}\n{s}\n" for c, s in sequences.items()))
    return Genome(path)


@pytest.fixture(scope="module")
def probes(sequences):
    """Probe → (chromosome, position of the C), not in the order of the genome."""
    cpgs = [(c, m.start()) for c, s in sequences.items() for m in re.finditer("CG", s)]
    rng = np.random.default_rng(4)
    return {f"cg{n:08d}": cpgs[i] for n, i in enumerate(rng.permutation(len(cpgs))[:200])}


@pytest.fixture(scope="module")
def betas(probes):
    """Probe → beta of every subject, some missing."""
    values = np.random.default_rng(5).random((len(probes), len(SUBJECTS))).round(4)
    values[::7, 1] = np.nan
    values[3] = np.nan
    return dict(zip(probes, values, strict=True))


def illumina(path, probes, build="37", head=True, extra="", columns="", padded=True):
    """Write Illumina's CSV: CHR without prefix, MAPINFO from 1, controls at the end."""
    lines = ["Illumina, Inc.,,", "[Heading],,", "Loci Count ,9", "[Assay],,"] if head else []
    lines.append(f"IlmnID,Name,AddressA_ID,Genome_Build,CHR,MAPINFO,Strand{columns}")
    for name, (chrom, position) in probes.items():
        bare = chrom.replace("chrM", "MT").removeprefix("chr")
        lines.append(f"{name},{name},0,{build},{bare},{position + 1},F{extra}")
    lines += [f"rs9363764,rs,0,{build},6,88,F{extra}", f"ch.1.7R,ch,0,{build},1,9,F{extra}"]
    lines.append(f"cg99999999,cg,0,,0,0,{extra}")
    if head:
        lines.append("[Controls]" + ",,,,,," * padded + extra * padded)
        lines += ["21630339,STAINING,-99,DNP(20K)" + (",,," + extra) * padded] * 2
    path.write_text("\n".join(lines) + "\n")
    return path


def sesame(path, probes):
    lines = ["CpG_chrm\tCpG_beg\tCpG_end\tprobe_strand\tProbe_ID\tmapQ_A"]
    lines += [f"{c}\t{p}\t{p + 2}\t+\t{name}\t60" for name, (c, p) in probes.items()]
    lines += [
        "NA\tNA\tNA\t*\tcg99999999\tNA",
        "chr1\t8\t9\t-\tch.1.7R\t60",
        "chr1\t5\t6\t-\trs4\t1",
    ]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def plain(path, probes, header="probe\tchrom\tpos", base=1):
    lines = [f"{name}\t{c}\t{p + base}" for name, (c, p) in probes.items()]
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def matrix(path, betas, delimiter="\t", first="ID_REF", quote="", subjects=SUBJECTS, missing="NA"):
    def line(cells):
        return delimiter.join(cells)

    def named(name):
        return f"{quote}{name}{quote}"

    header = [named(s) for s in subjects]
    lines = [line(header if first is None else [named(first), *header])]
    for name, values in betas.items():
        cells = [missing if np.isnan(v) else f"{v:.4f}" for v in values]
        lines.append(line([named(name), *cells]))
    data = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def expected(probes, betas, columns=(0, 1, 2)):
    """CpG → mean beta of its probes, for every column; CpGs in the order of the genome."""
    found = {}
    for chrom in CHROMS:
        for position in sorted({p for c, p in probes.values() if c == chrom}):
            names = [n for n, place in probes.items() if place == (chrom, position) and n in betas]
            values = []
            for column in columns:
                known = [betas[n][column] for n in names if not np.isnan(betas[n][column])]
                values.append(np.mean(known) if known else np.nan)
            if not np.isnan(values).all():
                found[chrom, position] = values
    return found


def read(genome, path, manifest, table=None, **columns):
    sample = Sample("S", str(path), "array", manifest=str(manifest), **columns)
    number = len(list(path.parent.iterdir()))
    folder = path.parent / f"store{number}"
    return collect(table or (sample,), genome, folder, SiteSettings(), quiet=True)


def check(store, want):
    assert [(c, p) for c in store.chroms for p in store.positions(c).tolist()] == list(want)
    beta = np.concatenate([store.beta(c) for c in store.chroms])
    np.testing.assert_allclose(beta, list(want.values()), rtol=1e-5)
    assert store.coverage("chr1") is None


@pytest.mark.parametrize("layout", ["illumina", "ragged", "trimmed", "sesame", "plain", "start"])
def test_manifests(genome, probes, betas, tmp_path, layout, monkeypatch):
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 1000)
    path = tmp_path / "manifest"
    manifest = {
        "illumina": lambda: illumina(path, probes),
        "ragged": lambda: illumina(path, probes, padded=False),
        "trimmed": lambda: illumina(path, probes, head=False),
        "sesame": lambda: sesame(path, probes),
        "plain": lambda: plain(path, probes),
        "start": lambda: plain(path, probes, "Probe_ID\tCHR\tstart", 0),
    }[layout]()
    store = read(genome, matrix(tmp_path / "betas.tsv.gz", betas), manifest)
    check(store, expected(probes, betas))
    assert store.samples == ("S_a", "S_b c", "S_d")
    assert list(store.chroms) == ["chr1", "chrM"]


@pytest.mark.parametrize(
    "words",
    [
        {"delimiter": ","},
        {"delimiter": ",", "quote": '"', "first": ""},
        {"quote": '"', "first": None},
        {"missing": ""},
        {"missing": "NaN"},
    ],
)
def test_matrices(genome, probes, betas, tmp_path, words, monkeypatch):
    """Comma or tab, quoted or not, and R's header, which lacks the first name."""
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 1000)
    path = matrix(tmp_path / "betas.txt", betas, **words)
    check(read(genome, path, plain(tmp_path / "m.tsv", probes)), expected(probes, betas))


def test_columns_become_samples(genome, probes, betas, tmp_path):
    path, manifest = matrix(tmp_path / "b.tsv", betas), plain(tmp_path / "m.tsv", probes)
    rows = [("x", "d", "brain"), ("y", "a", "blood")]
    table = tuple(Sample(n, str(path), "array", c, str(manifest), tissue=t) for n, c, t in rows)
    store = read(genome, path, manifest, table)
    check(store, expected(probes, betas, [2, 0]))
    assert (store.samples, store.tissues) == (("x", "y"), ("brain", "blood"))
    with pytest.raises(ConfigError, match=r"unknown column 'bc' of .*: did you mean 'b c'"):
        read(genome, path, manifest, column="bc")


def test_tissues_of_a_matrix(genome, probes, betas, tmp_path):
    """A tissue is the mean of its samples that have a value, in whatever files they are."""
    manifest = plain(tmp_path / "m.tsv", probes)
    one, two = matrix(tmp_path / "1.tsv", betas), matrix(tmp_path / "2.tsv", betas)
    rows = [(one, "d", "brain"), (one, "b c", "blood"), (one, "a", "brain"), (two, "b c", "brain")]
    table = tuple(
        Sample(f"s{n}", str(p), "array", c, str(manifest), tissue=t)
        for n, (p, c, t) in enumerate(rows)
    )
    store = collect(table, genome, tmp_path / "o", SiteSettings(per="tissue"), quiet=True)
    assert store.samples == ("brain", "blood")
    found = expected(probes, betas)
    want = {k: (np.nanmean(v), v[1]) for k, v in found.items()}
    check(store, want)


def test_each_matrix_is_read_once(genome, probes, betas, tmp_path, monkeypatch):
    """Rows of another file between do not change the order of columns."""
    manifest = plain(tmp_path / "m.tsv", probes)
    one, two = (matrix(tmp_path / f"{n}.tsv", betas) for n in (1, 2))
    rows = [("w", one, "d"), ("x", two, "b c"), ("y", one, "a"), ("z", two, None)]
    table = tuple(Sample(n, str(p), "array", c, str(manifest)) for n, p, c in rows)
    read_once, reads = array_matrix.ArrayFile.read, []
    monkeypatch.setattr(
        array_matrix.ArrayFile, "read", lambda self, *a: reads.append(1) or read_once(self, *a)
    )
    store = read(genome, one, manifest, table)
    assert store.samples == ("w", "x", "y", "z_a", "z_b c", "z_d")
    check(store, expected(probes, betas, [2, 1, 0, 0, 1, 2]))
    assert len(reads) == 2


def test_detection_p_values_are_no_samples(genome, probes, betas, tmp_path):
    doubled = {n: np.repeat(v, 2) for n, v in betas.items()}
    names = [f"{s}{end}" for s in SUBJECTS for end in ("", " Detection Pval")]
    path = matrix(tmp_path / "b.tsv", doubled, subjects=names)
    store = read(genome, path, plain(tmp_path / "m.tsv", probes))
    assert store.samples == ("S_a", "S_b c", "S_d")


def test_percent(genome, probes, betas, tmp_path):
    manifest = plain(tmp_path / "m.tsv", probes)
    path = matrix(tmp_path / "b.tsv", {n: 100 * v for n, v in betas.items()})
    check(read(genome, path, manifest, scale=0.01), expected(probes, betas))
    with pytest.raises(InputFileError, match=r"b.tsv line 2: beta of 'a' is .*scale to 0.01"):
        read(genome, path, manifest)
    minus = betas | {"cg00000007": np.array([0.5, 0.5, -1.5])}
    with pytest.raises(InputFileError, match=r"line 9: beta of 'd' is -1.5, want 0 to 1$"):
        read(genome, matrix(tmp_path / "c.tsv", minus), manifest)


def test_replicates_of_a_cpg_are_averaged(genome, probes, betas, tmp_path, monkeypatch):
    """EPIC v2 has several probes of a CpG; a matrix may name them with or without their marks."""
    marked = {f"{n}_{end}": p for n, p in probes.items() for end in ("TC11", "BO21")}
    other = np.random.default_rng(6).random((len(probes), 3)).round(4)
    twice = {f"{n}_TC11": v for n, v in betas.items()}
    twice |= {f"{n}_BO21": v for n, v in zip(betas, other, strict=True)}
    manifest = illumina(tmp_path / "m.csv", marked, build="GRCh38")
    path = matrix(tmp_path / "whole.tsv", twice)
    check(read(genome, path, manifest), expected(marked, twice))
    path = matrix(tmp_path / "short.tsv", betas)
    check(read(genome, path, manifest), expected(probes, betas))


def test_probes_that_are_passed_over(genome, probes, betas, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    more = dict.fromkeys(("rs3", "ch.1.5F", "cg77", "nv-GRCh38-chr1-5"), np.array([0.1, 0.2, 0.3]))
    path = matrix(tmp_path / "b.tsv", betas | more)
    check(read(genome, path, illumina(tmp_path / "m.csv", probes)), expected(probes, betas))
    assert "left out 1 probe that manifest" in caplog.text
    assert "does not place, the first: cg77" in caplog.text
    assert "5 probes of no CpG" in caplog.text  # two of the manifest, three of the matrix
    known = {n: v for n, v in betas.items() if n < "cg00000050"}
    path = matrix(tmp_path / "few.tsv", known)
    check(read(genome, path, plain(tmp_path / "m.tsv", probes)), expected(probes, known))


def test_matrices_that_are_refused(genome, probes, betas, tmp_path):
    manifest = plain(tmp_path / "m.tsv", probes)

    def refused(message, path):
        with pytest.raises(InputFileError, match=message):
            read(genome, path, manifest)

    others = {n.replace("cg", "probe"): v for n, v in betas.items()}
    message = "has no probe that manifest .*m.tsv places: it has 'probe00000000', the manifest 'cg"
    refused(message, matrix(tmp_path / "others.tsv", others))
    path = matrix(tmp_path / "twice.tsv", betas)
    path.write_text(path.read_text() + "cg00000009\t0.5\t0.5\t0.5\n")
    refused(r"line 202: probe 'cg00000009' stands in an earlier line", path)
    names = ("a", "a", "d")
    refused(r"line 1 names column 'a' more than", matrix(tmp_path / "n.tsv", betas, subjects=names))
    path = tmp_path / "one.tsv"
    path.write_text("probe\ncg00000001\n")
    refused("line 1 has one column: want probes and betas", path)
    path.write_text("probe\ta\n")
    refused("has no rows below its header", path)
    path = matrix(tmp_path / "word.tsv", betas, missing="none")
    refused(r"word.tsv line 5: column 'a' is 'none', want a number", path)
    path = matrix(tmp_path / "short.tsv", betas)
    path.write_text(path.read_text() + "cg0\t1\n")
    refused(r"short.tsv line 202 has 2 columns, want 4", path)
    path = matrix(tmp_path / "cut.tsv.gz", betas)
    path.write_bytes(path.read_bytes()[:-30])
    refused("array matrix .* is damaged or truncated gzip", path)


def test_manifests_that_are_refused(genome, probes, tmp_path):
    def refused(message, path):
        with pytest.raises(InputFileError, match=message):
            read_manifest(path, genome)

    path = tmp_path / "m.tsv"
    refused(
        "has columns probe, chromosom, pos: want IlmnID", plain(path, {}, "probe\tchromosom\tpos")
    )
    refused("has no probes", plain(path, {}))
    path.write_text("#comment\n")
    refused("has no header", path)
    plain(path, probes).write_text(path.read_text() + "cg00000005\tchr1\t9\n")
    refused("line 202: probe 'cg00000005' stands in an earlier line", path)
    path.write_text("probe\tchrom\tpos\ncg1\tchr1\tfive\n")
    refused(r"line 2: column 3 \(pos\) is 'five', want a number", path)


@pytest.mark.parametrize(
    ("text", "build"),
    [
        ("37", "hg19 (GRCh37)"),
        ("GRCh38", "hg38 (GRCh38)"),
        (" hg38 ", "hg38 (GRCh38)"),
        ("36", "hg18 (NCBI36)"),
        ("mm10", "mm10 (GRCm38)"),
        ("", None),
        ("sim1", None),
    ],
)
def test_names_of_builds(text, build):
    assert known_build(text) == build


def test_a_manifest_of_another_build(genome, probes, betas, tmp_path, monkeypatch, caplog):
    """Refused by what it says, unless it has the coordinates of the genome's build too."""
    monkeypatch.setitem(builds.FIRST_CHROMOSOME, CHROMS["chr1"], "hg38 (GRCh38)")
    moved = {n: (c, p + 1) for n, (c, p) in probes.items()}
    path = matrix(tmp_path / "b.tsv", betas)
    manifest = illumina(tmp_path / "m.csv", moved)
    message = r"m.csv is of hg19 \(GRCh37\), FASTA .* of hg38 \(GRCh38\): use the array's manifest"
    with pytest.raises(InputFileError, match=message):
        read(genome, path, manifest)
    lines = illumina(tmp_path / "m.csv", moved, head=False).read_text().splitlines()
    both = [f"{lines[0]},CHR_hg38,Start_hg38"]
    both += [f"{x},{c},{p}" for x, (c, p) in zip(lines[1:], probes.values(), strict=False)]
    manifest.write_text("\n".join(both) + "\n")
    caplog.set_level(logging.INFO)
    check(read(genome, path, manifest), expected(probes, betas))
    assert "coordinates of hg38 (GRCh38) are read from chr_hg38, start_hg38" in caplog.text
    check(read(genome, path, illumina(manifest, probes, "38")), expected(probes, betas))


def test_a_manifest_whose_positions_are_of_another_build(genome, probes, betas, tmp_path):
    """No build can be compared: the reference at the positions says it."""
    rng = np.random.default_rng(2)
    wrong = {n: (c, int(rng.integers(1400))) for n, (c, _) in probes.items()}
    path = matrix(tmp_path / "b.tsv", betas)
    message = (
        r"array manifest .* line \d+: chr.* is [AT] in the genome.*% of 200 probes are no "
        r"cytosine: file and FASTA look like .*\(the manifest says it is of hg19 \(GRCh37\)\); use"
    )
    with pytest.raises(InputFileError, match=message):
        read(genome, path, illumina(tmp_path / "m.csv", wrong))
    moved = {n: (c, p - 1) for n, (c, p) in probes.items()}
    with pytest.raises(InputFileError, match="set offset to 1 in the sample table"):
        read(genome, path, plain(tmp_path / "m.tsv", moved))
    check(read(genome, path, tmp_path / "m.tsv", offset=1), expected(probes, betas))


def test_chromosomes_of_manifests(genome, probes, betas, tmp_path, caplog):
    path = matrix(tmp_path / "b.tsv", betas)
    more = probes | {"cg50000000": ("chr21", 60)}
    check(read(genome, path, illumina(tmp_path / "m.csv", more)), expected(probes, betas))
    assert "left out 1 probe on 1 chromosome that the genome lacks: 21" in caplog.text
    bare = {n: (c[3:], p) for n, (c, p) in probes.items()}
    with pytest.raises(InputFileError, match="the names differ by the 'chr' prefix"):
        read(genome, path, sesame(tmp_path / "m.tsv.gz", bare))
