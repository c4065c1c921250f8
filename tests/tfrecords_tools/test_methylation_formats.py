"""Files of methylation by position against sums written one row at a time."""

import gzip
import logging
import re
from collections import defaultdict

import numpy as np
import pytest

from tfrecords_tools import builds
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation import text_blocks
from tfrecords_tools.methylation.formats import SiteFile
from tfrecords_tools.methylation.samples import Sample, read_samples
from tfrecords_tools.methylation.store import SiteSettings, collect

CHROMS = {"chr1": 6000, "chr2": 2500}
ALL = SiteSettings(min_coverage=0)


@pytest.fixture(scope="module")
def sequences():
    """Letters of two chromosomes, of both cases, with N; the last base of chr1 is a C."""
    rng = np.random.default_rng(5)
    found = {}
    for chrom, length in CHROMS.items():
        letters = rng.choice(list("ACGTacgt"), length)
        letters[300:340] = "N"
        letters[-1] = "C"
        found[chrom] = "".join(letters)
    return found


@pytest.fixture(scope="module")
def genome(sequences, tmp_path_factory):
    path = tmp_path_factory.mktemp("methylation") / "genome.fa"
    path.write_text("".join(f">{c}\n{s}\n" for c, s in sequences.items()))
    return Genome(path)


@pytest.fixture(scope="module")
def calls(sequences):
    """(chromosome, position, strand, methylated, coverage) of both cytosines of every CpG."""
    rng = np.random.default_rng(6)
    found = []
    for chrom, sequence in sequences.items():
        for match in re.finditer("CG", sequence.upper()):
            for strand, position in zip("+-", (match.start(), match.start() + 1), strict=True):
                coverage = int(rng.integers(0, 12))
                found.append(
                    (chrom, position, strand, int(rng.integers(0, coverage + 1)), coverage)
                )
    return found


def merged(calls, strands="+-"):
    """(chromosome, position of the C) → [methylated, coverage], a row at a time."""
    sums = defaultdict(lambda: [0.0, 0.0])
    for chrom, position, strand, methylated, coverage in calls:
        if strand in strands:
            cpg = sums[chrom, position - (strand == "-")]
            cpg[0] += methylated
            cpg[1] += coverage
    return {k: v for k, v in sums.items() if v[1] > 0}


def encode(chrom, position, strand, methylated, coverage, percent=None):
    percent = round(100 * methylated / max(coverage, 1)) if percent is None else percent
    start, end = position, position + 1
    return (
        f"{chrom}\t{start}\t{end}\t.\t{min(coverage, 1000)}\t{strand}\t{start}\t{end}\t0,255,0\t"
        f"{coverage}\t{percent}"
    )


def modkit(chrom, position, strand, methylated, coverage, code="m", other=0):
    bed = f"{chrom}\t{position}\t{position + 1}\t{code}\t{coverage}\t{strand}\t{position}"
    canonical = coverage - methylated - other
    percent = f"{100 * methylated / max(coverage, 1):.2f}"
    counts = f"{coverage}\t{percent}\t{methylated}\t{canonical}\t{other}\t0\t1\t2\t0"
    return f"{bed}\t{position + 1}\t255,0,0\t{counts}"


def cov(chrom, position, strand, methylated, coverage):
    percent = 100 * methylated / max(coverage, 1)
    at = position + 1
    return f"{chrom}\t{at}\t{at}\t{percent}\t{methylated}\t{coverage - methylated}"


def report(chrom, position, strand, methylated, coverage, context="CG"):
    other = coverage - methylated
    return f"{chrom}\t{position + 1}\t{strand}\t{methylated}\t{other}\t{context}\t{context}A"


def bedgraph(chrom, position, strand, methylated, coverage):
    return f"{chrom}\t{position}\t{position + 1}\t{methylated / coverage:.6f}"


def written(path, lines):
    text = "".join(f"{line}\n" for line in lines)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def read(genome, path, settings=ALL, **columns):
    """Return (chromosome, position) → (beta, coverage) of a store of one file."""
    sample = Sample("S", str(path), **columns)
    number = len(list(path.parent.iterdir()))
    store = collect((sample,), genome, path.parent / f"store{number}", settings, quiet=True)
    found = {}
    for chrom in store.chroms:
        coverage = store.coverage(chrom)
        for row, position in enumerate(store.positions(chrom).tolist()):
            reads = None if coverage is None else float(coverage[row, 0])
            found[chrom, position] = (float(store.beta(chrom)[row, 0]), reads)
    return found


def same(found, sums):
    assert list(found) == sorted(sums)
    for key, (methylated, coverage) in sums.items():
        assert found[key] == pytest.approx((methylated / coverage, coverage), rel=1e-6), key


@pytest.mark.parametrize("row", [modkit, cov, report])
@pytest.mark.parametrize("name", ["file.txt", "file.txt.gz"])
def test_counts(genome, calls, tmp_path, row, name):
    path = written(tmp_path / name, [row(*c) for c in calls])
    same(read(genome, path), merged(calls))


def test_encode(genome, calls, tmp_path):
    path = written(tmp_path / "file.bed.gz", ["#head", *(encode(*c) for c in calls)])
    whole = [(*c[:3], round(100 * c[3] / max(c[4], 1)) / 100 * c[4], c[4]) for c in calls]
    same(read(genome, path), merged(whole))
    genotypes = [encode(*c) + "\tCG\tCC\t60" for c in calls]
    same(read(genome, written(tmp_path / "genotypes.bed", genotypes)), merged(whole))


def test_bedgraph_is_the_mean_of_strands(genome, calls, tmp_path):
    covered = [c for c in calls if c[4]]
    lines = ["track type=bedGraph", *(bedgraph(*c) for c in covered)]
    found = read(genome, written(tmp_path / "file.bedGraph", lines))
    betas = merged([(*c[:3], c[3] / c[4], 1) for c in covered])
    assert list(found) == sorted(betas)
    for key, (total, count) in betas.items():
        assert found[key][0] == pytest.approx(total / count, abs=2e-6)
        assert found[key][1] is None


def test_bedgraph_of_percent_and_of_whole_cpgs(genome, calls, tmp_path):
    forward = [c for c in calls if c[4] and c[2] == "+"]
    lines = [f"{c[0]}\t{c[1]}\t{c[1] + 2}\t{100 * c[3] / c[4]}" for c in forward]
    found = read(genome, written(tmp_path / "file.bedGraph", lines), scale=0.01)
    sums = merged(forward)
    assert list(found) == sorted(sums)
    for key, (methylated, coverage) in sums.items():
        assert found[key][0] == pytest.approx(methylated / coverage, rel=1e-6)


@pytest.mark.parametrize("zero", [False, True])
@pytest.mark.parametrize("whole", [False, True])
def test_other_coverage_files_of_bismark(genome, calls, tmp_path, zero, whole):
    """.zero.cov starts at 0; of merged CpGs the end is that of the G."""
    used = [c for c in calls if c[2] == "+"] if whole else calls
    lines = [
        f"{c[0]}\t{c[1] + 1 - zero}\t{c[1] + 1 + whole}\t0\t{c[3]}\t{c[4] - c[3]}" for c in used
    ]
    same(read(genome, written(tmp_path / "file.cov", lines)), merged(used))


def test_modkit_codes_motifs_and_spaces(genome, calls, tmp_path, caplog):
    lines = []
    for c in calls:
        other = c[4] - c[3]
        lines += [modkit(*c, code="m,CG,0"), modkit(*c[:3], other, c[4], "h", c[3])]
    lines.append(modkit(*calls[0], code="m,CGCG,2"))
    caplog.set_level(logging.INFO)
    same(read(genome, written(tmp_path / "file.bed", lines)), merged(calls))
    assert f"{len(calls):,} rows of modified base h" in caplog.text
    assert "1 rows of modified base m,CGCG,2" in caplog.text
    h = merged([(*c[:3], c[4] - c[3], c[4]) for c in calls])
    same(read(genome, tmp_path / "file.bed", SiteSettings(0, code="h")), h)
    spaced = [re.sub("\t", " ", line[::-1], count=8)[::-1] for line in lines]
    assert spaced[0].count("\t") == 9
    same(read(genome, written(tmp_path / "spaced.bed", spaced)), merged(calls))


def test_modkit_combined_strands(genome, calls, tmp_path):
    sums = merged(calls)
    lines = [modkit(c, p, ".", int(m), int(n)) for (c, p), (m, n) in sums.items()]
    same(read(genome, written(tmp_path / "file.bed", lines)), sums)


def test_report_passes_over_other_contexts(genome, calls, sequences, tmp_path, caplog):
    lines = [report(*c) for c in calls]
    others = [m.start() for m in re.finditer("C[ACT]", sequences["chr1"].upper())]
    lines += [report("chr1", p, "+", 1, 3, "CHH") for p in others[::2]]
    lines += [report("chr1", p, "+", 1, 3, "CHG") for p in others[1::2]]
    caplog.set_level(logging.INFO)
    same(read(genome, written(tmp_path / "file.txt", lines)), merged(calls))
    assert f"{len(others[::2]):,} rows of context CHH" in caplog.text


def test_order_blocks_and_line_ends_change_nothing(genome, calls, tmp_path, monkeypatch):
    rng = np.random.default_rng(1)
    lines = [cov(*c) for c in calls]
    mixed = [lines[i] for i in rng.permutation(len(lines))]
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 500)
    same(read(genome, written(tmp_path / "mixed.cov", mixed)), merged(calls))
    (tmp_path / "crlf.cov").write_bytes("\r\n".join(lines).encode())
    same(read(genome, tmp_path / "crlf.cov"), merged(calls))
    half = len(lines) // 2
    parts = ("".join(f"{line}\n" for line in part) for part in (lines[:half], [*lines[half:], ""]))
    (tmp_path / "two.cov.gz").write_bytes(b"".join(gzip.compress(p.encode()) for p in parts))
    same(read(genome, tmp_path / "two.cov.gz"), merged(calls))


def test_forward_strand_alone(genome, calls, tmp_path):
    path = written(tmp_path / "file.cov", [cov(*c) for c in calls])
    same(read(genome, path, SiteSettings(0, merge_strands=False)), merged(calls, "+"))


def test_blocks_know_their_lines(calls, tmp_path, monkeypatch):
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 700)
    lines = ["#a", "#b", *(encode(*c) for c in calls)]
    blocks = [*SiteFile(Sample("S", str(written(tmp_path / "f.bed", lines)))).blocks()]
    assert len(blocks) > 10
    assert np.concatenate([b.line for b in blocks]).tolist() == [*range(3, len(lines) + 1)]
    position = np.concatenate([b.position for b in blocks])
    assert position.tolist() == [c[1] for c in calls]


def test_progress_is_told_of_every_byte(calls, tmp_path):
    path = written(tmp_path / "file.cov.gz", [cov(*c) for c in calls])
    told = []
    for _ in SiteFile(Sample("S", str(path))).blocks(told.append):
        pass
    assert sum(told) == path.stat().st_size


GOOD = ("chr1", 100, "+", 2, 4)
BAD_ROWS = {
    "percent 101": (encode(*GOOD, percent=101), r"line 3: coverage is 4, percent methylated 101"),
    "coverage -1": (encode(*GOOD[:3], 0, -1, 0), r"line 3: coverage is -1"),
    "above coverage": (modkit(*GOOD[:3], 5, 4), r"line 3: 5 methylated of 4 reads"),
    "below none": (modkit(*GOOD[:3], -1, 4), r"line 3: -1 methylated of 4 reads"),
    "unmethylated": (cov(*GOOD[:3], 5, 4), r"line 3: 5 methylated and -1 unmethylated"),
    "beta": ("chr1\t100\t101\t-0.5", r"line 3: beta is -0.5, want 0 to 1$"),
    "percent": ("chr1\t100\t101\t87.5", r"line 3: beta is 87.5, .*scale to 0.01"),
    "far": ("chr1\t100\t101\t870", r"line 3: beta is 870, want 0 to 1$"),
    "wide": ("chr1\t100\t150\t0.5", r"line 3: 100 to 150 is 50 bp"),
    "wide cov": ("chr1\t100\t110\t0\t1\t1", r"line 3: start 100 and end 110"),
    "strand": (report("chr1", 100, "x", 2, 4), r"line 3: strand is 'x'"),
    "columns": ("chr1\t100\t101\t0.5\t7", r"line 3 has 5 columns, want 4: chrom, start, end"),
    "word": ("chr1\tten\t101\t0.5", r"line 3: start is 'ten', want a whole number"),
    "no number": ("chr1\t100\t101\tNA", r"line 3: beta is 'NA', want a number"),
    "NaN": (encode(*GOOD, percent="nan"), r"line 3: coverage is 4, percent methylated nan"),
    "empty": ("chr1\t100\t101\t", r"line 3: beta is empty, want a value"),
    "broken": ("chr1\t1e99999999999\t101\t", r"line 3: start is '1e99999999999'"),
}
LIKE = {4: bedgraph, 5: bedgraph, 6: cov, 7: report, 11: encode, 18: modkit}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_bad_rows(genome, calls, tmp_path, name):
    row, message = BAD_ROWS[name]
    like = LIKE[row.count("\t") + 1]
    first = [like(*c) for c in calls if c[4]]
    path = written(tmp_path / "file.txt", [*first[:2], row, *first[2:]])
    with pytest.raises(InputFileError, match=message) as error:
        read(genome, path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_scales(genome, calls, tmp_path):
    covered = [c for c in calls if c[4]]
    path = written(
        tmp_path / "file.bedGraph", ["chr1\t5\t6\t101", *(bedgraph(*c) for c in covered)]
    )
    with pytest.raises(InputFileError, match=r"line 1: beta is 101, times scale 0.01 is 1.01"):
        read(genome, path, scale=0.01)
    path = written(tmp_path / "file.cov", [cov(*c) for c in calls])
    with pytest.raises(ConfigError, match=r"scale is 0.01, but a Bismark coverage file has counts"):
        read(genome, path, scale=0.01)


def test_repeated_positions(genome, calls, tmp_path, monkeypatch):
    lines = [cov(*c) for c in calls]
    path = written(tmp_path / "near.cov", [*lines[:7], lines[3], *lines[7:]])
    message = rf"line 8: chr1:{calls[3][1]} \(0-based\) stands in an earlier line too"
    with pytest.raises(InputFileError, match=message):
        read(genome, path)
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 500)
    path = written(tmp_path / "far.cov", [*lines, lines[3]])
    with pytest.raises(InputFileError, match=rf"line {len(lines) + 1}: chr1:{calls[3][1]} "):
        read(genome, path)


def test_unknown_layouts(genome, calls, tmp_path):
    path = written(tmp_path / "file.bed", ["chr1\t1\t2\tx\t3"])
    with pytest.raises(InputFileError, match=r"line 1 has 5 tab-separated columns.*bedGraph has 4"):
        read(genome, path)
    path = written(tmp_path / "file.cov", [cov(*c) for c in calls])
    with pytest.raises(InputFileError, match=r"6 tab-separated columns, which is not format 'bedg"):
        read(genome, path, format="bedgraph")
    same(read(genome, path, format="bismark_cov"), merged(calls))


def test_files_without_rows(genome, calls, tmp_path):
    path = written(tmp_path / "file.bed", [])
    with pytest.raises(InputFileError, match="is empty"):
        read(genome, path)
    path = written(tmp_path / "file.bed", ["track type=bedGraph", ""])
    with pytest.raises(InputFileError, match="has no rows"):
        read(genome, path)
    path = written(tmp_path / "h.bed", [modkit(*c, code="h") for c in calls])
    with pytest.raises(
        InputFileError, match=r"no row of modified base 'm': it has [\d,]+ rows of modified base h"
    ):
        read(genome, path)
    path = written(tmp_path / "chh.txt", [report(*c, context="CHH") for c in calls])
    with pytest.raises(
        InputFileError, match=r"no row of context CG: it has [\d,]+ rows of context CHH"
    ):
        read(genome, path)


def test_damaged_files(genome, calls, tmp_path):
    whole = gzip.compress("".join(f"{cov(*c)}\n" for c in calls).encode())
    for name, data in (("cut", whole[:-30]), ("end", whole[:-4]), ("start", whole[:12])):
        path = tmp_path / f"{name}.cov.gz"
        path.write_bytes(data)
        with pytest.raises(InputFileError, match=f"{name}.cov.gz is damaged or truncated gzip"):
            read(genome, path)
    (tmp_path / "file.bb").write_bytes(b"\x87\x89\xf2\x00\n")
    with pytest.raises(InputFileError, match="is no text"):
        read(genome, tmp_path / "file.bb")
    (tmp_path / "latin.cov").write_bytes(cov(*calls[0]).encode().replace(b"chr1", b"chr\xff"))
    with pytest.raises(InputFileError, match="cannot be read as a table of text"):
        read(genome, tmp_path / "latin.cov")


@pytest.mark.parametrize(("row", "moved"), [(encode, 1), (cov, -1), (report, 1), (bedgraph, 1)])
def test_offset_that_would_fit(genome, calls, tmp_path, row, moved):
    used = [c for c in calls if c[4] and c[1] > 0]
    path = written(tmp_path / "file", [row(c[0], c[1] + moved, *c[2:]) for c in used])
    with pytest.raises(InputFileError, match=f"set offset to {-moved} in the") as error:
        read(genome, path)
    assert f" 100.0% would be the C of a CpG {-moved:+d} bp from there: " in str(error.value)
    assert re.search(r"line \d+: chr1:\d+ \(0-based\) is [ACGTN] in the genome", str(error.value))
    assert list(read(genome, path, offset=-moved)) == sorted(merged(used))
    with pytest.raises(InputFileError, match=f"set offset to {-moved} in the"):
        read(genome, path, offset=-moved + 1)


def test_another_build(genome, sequences, tmp_path, monkeypatch):
    rng = np.random.default_rng(2)
    places = np.sort(rng.choice(5900, 300, replace=False)).tolist()
    path = written(tmp_path / "file.cov", [cov("chr1", p, "+", 1, 2) for p in places])
    letters = sequences["chr1"].upper()
    misfits = [p for p in places if letters[p] not in "CG"]
    with pytest.raises(
        InputFileError, match="file and FASTA look like different genome builds; use two of"
    ) as error:
        read(genome, path)
    line = places.index(misfits[0]) + 1
    assert f"line {line}: chr1:{misfits[0]} (0-based) is {letters[misfits[0]]}" in str(error.value)
    assert f"{len(misfits) / 300:.1%} of 300 positions are no cytosine" in str(error.value)
    monkeypatch.setitem(builds.FIRST_CHROMOSOME, CHROMS["chr1"], "small1 (S1)")
    with pytest.raises(InputFileError, match=r"builds \(the FASTA is of small1 \(S1\)\); use"):
        read(genome, path)


def test_stranded_positions_are_held_to_their_strand(genome, calls, tmp_path):
    turned = [(c[0], c[1], "-" if c[2] == "+" else "+", *c[3:]) for c in calls]
    path = written(tmp_path / "file.txt", [report(*c) for c in turned])
    with pytest.raises(InputFileError, match="is C in the genome, want a C on the reverse strand"):
        read(genome, path)


def test_misfits_are_found_early(genome, calls, tmp_path, monkeypatch):
    """A file of another build is not read to its end."""
    monkeypatch.setattr(text_blocks, "BLOCK_BYTES", 2000)
    monkeypatch.setattr("tfrecords_tools.methylation.sites._EARLY_ROWS", 100)
    path = written(tmp_path / "file.bed", [encode(c[0], c[1] + 3, *c[2:]) for c in calls])
    with pytest.raises(InputFileError, match="are no cytosine") as error:
        read(genome, path)
    assert int(re.search(r"of (\d+) positions", str(error.value))[1]) < 300


def test_few_misfits_are_left_out(genome, calls, sequences, tmp_path, caplog):
    at = sequences["chr2"].upper().index("AT")
    lines = [cov(*c) for c in calls] + [cov("chr2", at, "+", 1, 2)]
    same(read(genome, written(tmp_path / "file.cov", lines)), merged(calls))
    assert f"left out 1 of {len(lines)} positions that are no cytosine" in caplog.text
    assert f"line {len(lines)}: chr2:{at} (0-based) is A in the genome" in caplog.text


def test_cytosines_outside_cpgs(genome, calls, sequences, tmp_path, caplog):
    letters = sequences["chr1"].upper()
    others = [m.start() for m in re.finditer("C[ACT]", letters)]
    others += [m.end() - 1 for m in re.finditer("[AGT]G", letters)]
    lines = [cov("chr1", p, "+", 1, 2) for p in sorted(others)]
    with pytest.raises(
        InputFileError, match=rf"has no CpG: {len(others):,} of its {len(others):,} "
    ):
        read(genome, written(tmp_path / "others.cov", lines))
    caplog.set_level(logging.INFO)
    path = written(tmp_path / "all.cov", [*lines, *(cov(*c) for c in calls)])
    same(read(genome, path), merged(calls))
    assert f"{len(others):,} cytosines outside CpGs" in caplog.text


def test_chromosomes_that_the_genome_lacks(genome, calls, tmp_path, caplog):
    lines = [cov(*c) for c in calls]
    bare = [line.removeprefix("chr") for line in lines]
    message = (
        r"line 1: FASTA .* has no chromosome '1' but has 'chr1': the names differ by the 'chr'"
    )
    with pytest.raises(InputFileError, match=message):
        read(genome, written(tmp_path / "bare.cov", bare))
    with pytest.raises(InputFileError, match=r"has no chromosome of the genome.*'scaffold1'"):
        read(genome, written(tmp_path / "none.cov", [x.replace("chr", "scaffold") for x in lines]))
    path = written(tmp_path / "alt.cov", [*lines, "chr1_alt\t5\t5\t0\t1\t1", "chr9\t5\t5\t0\t1\t1"])
    same(read(genome, path), merged(calls))
    assert (
        "left out 2 positions on 2 chromosomes that the genome lacks: chr1_alt, chr9" in caplog.text
    )


@pytest.mark.parametrize(
    ("position", "message"),
    [
        (-1, r"lies before the chromosome: does the file count from 0 .* raise offset by 1"),
        (CHROMS["chr1"], "lies beyond chr1 of the FASTA, of 6,000 bp: file and FASTA look like"),
    ],
)
def test_positions_beyond_the_chromosome(genome, calls, tmp_path, position, message):
    lines = [cov(*calls[0]), cov("chr1", position, "+", 1, 2)]
    with pytest.raises(InputFileError, match=rf"line 2: chr1:{position} \(0-based\) {message}"):
        read(genome, written(tmp_path / "file.cov", lines))


def table(folder, *rows, header="index\tidentifier\tfile\tformat\tcolumn\tmanifest\tscale\toffset"):
    (folder / "a.bed").write_text("x")
    path = folder / "samples.txt"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_sample_table(tmp_path):
    path = table(
        tmp_path,
        "0\tA\ta.bed\tbedgraph\t\t\t0.01\t-1",
        f"1\tB\t{tmp_path / 'a.bed'}\t\tc\ta.bed\t\t",
    )
    a, b = read_samples(path)
    assert (a.identifier, a.file, a.format) == ("A", str(tmp_path / "a.bed"), "bedgraph")
    assert (a.scale, a.offset, a.tissue, a.manifest) == (0.01, -1, None, None)
    assert (b.format, b.column, b.manifest) == ("array", "c", str(tmp_path / "a.bed"))
    assert b.where == f"sample table {path} line 3"
    path = table(tmp_path, "A\ta.bed\tbrain\tof a", header="identifier\tfile\ttissue\tdescription")
    assert read_samples(path)[0].tissue == "brain"
    path = table(tmp_path, "0\tA\ta.bed", header="identifier\tfile")
    assert read_samples(path)[0].identifier == "A"


BAD_TABLES = {
    "unknown column": (["0\tA\ta.bed\tx"], "\tidentifier\tfile\ttisue", "did you mean 'tissue'"),
    "column twice": (["0\tA\ta.bed\tx"], "\tidentifier\tfile\tfile", "'file' more than once"),
    "no identifier": (["0\ta.bed"], "\tfile", "has no column 'identifier'"),
    "no file": (["0\tA"], "\tidentifier", "has no column 'file'"),
    "short row": (["0\tA\ta.bed", "1\tB"], "\tidentifier\tfile", r"line 3 has 1 columns, the hea"),
    "empty cell": (["0\tA\t"], "\tidentifier\tfile", "line 2 has no file"),
    "missing file": (["0\tA\tb.bed"], "\tidentifier\tfile", r"line 2: file .*b.bed does not exist"),
    "twice": (["0\tA\ta.bed", "1\tA\ta.bed"], "\tidentifier\tfile", "line 3 .*'A', as line 2"),
    "format": (["0\tA\ta.bed\tbed"], "\tidentifier\tfile\tformat", "unknown format 'bed'"),
    "scale": (["0\tA\ta.bed\t0"], "\tidentifier\tfile\tscale", "scale is 0.0, want a positive"),
    "word": (["0\tA\ta.bed\tx"], "\tidentifier\tfile\tscale", "scale is 'x', want a number"),
    "offset": (["0\tA\ta.bed\t.5"], "\tidentifier\tfile\toffset", "offset is '.5', want a whole"),
    "array": (["0\tA\ta.bed\tarray"], "\tidentifier\tfile\tformat", "names no manifest"),
    "column": (["0\tA\ta.bed\tx"], "\tidentifier\tfile\tcolumn", "has a column, which only"),
    "no rows": ([], "\tidentifier\tfile", "has no rows"),
}


@pytest.mark.parametrize("name", BAD_TABLES)
def test_bad_sample_tables(tmp_path, name):
    rows, header, message = BAD_TABLES[name]
    with pytest.raises((InputFileError, ConfigError), match=message):
        read_samples(table(tmp_path, *rows, header=header))
