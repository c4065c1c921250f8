"""Start sites: which base, which of several, and which genes are meant."""

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfepi.analysis.gene_files import Gene, Transcript
from tfepi.analysis.tss import (
    GeneChoice,
    StartSite,
    gene_bounds,
    listed_genes,
    start_sites,
    unversioned,
)
from tfrecords_tools.errors import ConfigError, InputFileError

CHROMS = {"chr1": 1000, "chr2": 60}
TRANSCRIPTS = (
    Transcript("a", 100, 800),
    Transcript("b", 150, 900),
    Transcript("c", 103, 700),
    Transcript("d", 150, 850),
)


def gene(strand, transcripts=TRANSCRIPTS, canonical=()):
    made = tuple(Transcript(t.id, t.start, t.end, t.id in canonical) for t in transcripts)
    return Gene("g", "G", "chr1", strand, 100, 900, "x", made)


def found(*args, **options):
    return [(s.position, s.transcripts, s.canonical) for s in start_sites(*args, **options)]


@pytest.mark.parametrize(
    ("strand", "canonical", "wanted"),
    [
        ("+", (), (100, ("a",), False)),
        ("-", (), (899, ("b",), False)),
        (".", (), (100, ("a",), False)),
        ("+", ("d", "c"), (103, ("c",), True)),
        ("+", ("d",), (150, ("b", "d"), True)),
        ("-", ("d",), (849, ("d",), True)),
    ],
)
def test_canonical(strand, canonical, wanted):
    assert found(gene(strand, canonical=canonical)) == [wanted]


@pytest.mark.parametrize(
    ("strand", "apart", "canonical", "wanted"),
    [
        ("+", 0, (), [(100, ("a",)), (103, ("c",)), (150, ("b", "d"))]),
        ("+", 3, (), [(100, ("a",)), (103, ("c",)), (150, ("b", "d"))]),
        ("+", 4, (), [(100, ("a", "c")), (150, ("b", "d"))]),
        ("+", 4, ("c",), [(103, ("a", "c")), (150, ("b", "d"))]),
        ("+", 48, ("c",), [(103, ("a", "b", "c", "d"))]),
        ("-", 0, (), [(899, ("b",)), (849, ("d",)), (799, ("a",)), (699, ("c",))]),
        ("-", 51, (), [(899, ("b", "d")), (799, ("a",)), (699, ("c",))]),
        ("-", 51, ("d",), [(849, ("a", "b", "d")), (699, ("c",))]),
    ],
)
def test_each(strand, apart, canonical, wanted):
    sites = found(gene(strand, canonical=canonical), "each", apart)
    assert [s[:2] for s in sites] == wanted
    assert [s[2] for s in sites] == [bool(canonical)] + [False] * (len(sites) - 1)


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=8),
    st.integers(0, 20),
    st.sampled_from("+-"),
    st.booleans(),
)
def test_sites_are_apart_and_leave_none_out(starts, apart, strand, tagged):
    made = tuple(
        Transcript(str(i), s, s + 100, tagged and i == len(starts) // 2)
        for i, s in enumerate(starts)
    )
    sites = start_sites(Gene("g", "g", "c", strand, 0, 200, "", made), "each", apart)
    places = [s.position for s in sites]
    assert len(set(places)) == len(places)
    for i, place in enumerate(places):
        assert all(abs(place - other) >= apart for other in places[:i])
    for t in made:
        at = t.start if strand == "+" else t.end - 1
        assert at in places or min(abs(at - p) for p in places) < apart
    assert sorted(t for s in sites for t in s.transcripts) == sorted(t.id for t in made)


def test_a_gene_without_transcripts_has_its_own_end():
    assert found(gene("-", ()), "each") == [(899, (), False)]


BED = (
    "chr1\t100\t200\tA\t.\t+\nchr1\t150\t300\tA\t.\t+\nchr2\t0\t50\tB\t.\t-\n"
    "chr1\t500\t600\tC\t.\t.\nchrUn\t1\t9\tD\t.\t+\n"
)
GTF = "".join(
    f'{chrom}\tx\tgene\t{start}\t{end}\t.\t+\t.\tgene_id "{i}"; gene_name "{n}"; {more}\n'
    for chrom, start, end, i, n, more in (
        ("chr1", 1, 9, "ENSG1.2", "ABC", 'gene_type "protein_coding";'),
        ("chr1", 11, 19, "ENSG2.1_PAR_Y", "ABC", 'gene_type "lncRNA";'),
        ("chr2", 60, 70, "ENSG3", "XYZ", ""),
    )
)


@pytest.fixture
def choice(tmp_path):
    def make(text=BED, name="in.bed", **options):
        path = tmp_path / name
        path.write_text(text)
        return GeneChoice(path, **options)

    return make


def test_sites_of_an_annotation(choice, caplog):
    with caplog.at_level(logging.WARNING):
        sites = choice(which="each").sites(CHROMS, "FASTA x")
    assert sites == [
        StartSite("chr1", 100, "+", "A", "A", "", 0, ("A",)),
        StartSite("chr1", 150, "+", "A", "A", "", 0, ("A",)),
        StartSite("chr2", 49, "-", "B", "B", "", 1, ("B",)),
    ]
    assert gene_bounds(sites) == [0, 2, 3]
    assert [r.getMessage().partition(": ")[2] for r in caplog.records] == [
        "1 of 4 genes have no strand, so that it is not known where they begin: left out",
        "1 of 3 genes lie on chromosomes that FASTA x lacks (chrUn, …): left out",
    ]
    assert [s.position for s in choice(which="each").sites(CHROMS, "x", 60)] == [100, 49]
    assert [s.position for s in choice(which="each", apart=0).sites(CHROMS, "x", 60)] == [
        100,
        150,
        49,
    ]
    assert [s.position for s in choice().sites(CHROMS, "x")] == [100, 49]
    assert [s.position for s in choice(names=("B",)).sites(CHROMS, "x")] == [49]


def test_genes_by_name_and_type(choice):
    def ids(**options):
        return [s.gene for s in choice(GTF, "in.gtf", **options).sites(CHROMS, "FASTA x")]

    assert ids() == ["ENSG1.2", "ENSG2.1_PAR_Y", "ENSG3"]
    assert ids(names=("ABC",)) == ["ENSG1.2", "ENSG2.1_PAR_Y"]
    assert ids(names=("ENSG1", "XYZ")) == ["ENSG1.2", "ENSG3"]
    assert ids(names=("ENSG1.2", "ENSG1")) == ["ENSG1.2"]
    assert ids(type="lncRNA") == ["ENSG2.1_PAR_Y"]
    assert ids(type="lncRNA", names=("ABC",)) == ["ENSG2.1_PAR_Y"]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (GTF, {"names": ("ABCD",)}, "unknown gene 'ABCD' in .*: did you mean 'ABC'"),
        (GTF, {"names": ("p", "q", "r", "s", "ABC")}, "lacks 4 of the 5 genes named: p, q, r, …"),
        (GTF, {"type": "protein_codin"}, "unknown gene type .*did you mean 'protein_coding'"),
        (GTF, {"type": "x", "names": ("XYZ",)}, "gives genes no type: leave --gene_type out"),
        (GTF.replace("60\t70", "61\t70"), {}, r"gene ENSG3 begins at chr2:61, past its end \(60"),
        (GTF.replace("chr", ""), {}, "FASTA x has no chromosome '1' but has 'chr1'"),
        (GTF.replace("chr2", "q"), {"names": ("XYZ",)}, "FASTA x has no chromosome 'q'"),
        (GTF.replace("\t+\t", "\t.\t"), {}, "3 of 3 genes have no strand, .*; want [+] or - as"),
        (GTF.replace("9\t.\t+", "9\t.\t."), {"names": ("ABC",)}, "2 of 2 genes have no strand"),
    ],
)
def test_genes_that_cannot_be_meant(choice, text, options, message):
    with pytest.raises((ConfigError, InputFileError), match=message):
        choice(text, "in.gtf", **options).sites(CHROMS, "FASTA x")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"which": "canonicl"}, "unknown choice of start sites .*did you mean 'canonical'"),
        ({"apart": -1}, "distance between start sites is -1 bp"),
    ],
)
def test_choices_that_are_none(options, message):
    with pytest.raises(ConfigError, match=message):
        GeneChoice("x.gtf", **options)


def test_lists_of_genes(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("A\n\n B \nA\n")
    assert listed_genes(None) == ((), {})
    assert listed_genes(" A,B ,,A") == (("A", "B"), {})
    assert listed_genes(f"@{path}") == (("A", "B"), {"genes_listed": path})
    with pytest.raises(ConfigError, match="--genes , names none"):
        listed_genes(",")
    with pytest.raises(InputFileError, match=r"list of genes .* does not exist"):
        listed_genes("@nosuch")
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputFileError, match="is no text: want one name a line"):
        listed_genes(f"@{path}")


def test_versions_are_those_of_ensembl():
    assert unversioned("ENSG00000139618.15") == "ENSG00000139618"
    assert unversioned("ENSMUSG01.2_PAR_Y") == "ENSMUSG01_PAR_Y"
    assert unversioned("YAL1.2") == "YAL1.2"
