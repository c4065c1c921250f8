"""One annotation as GTF, GFF3 and BED: the same genes; and everything that is none."""

import gzip

import pytest

from tfepi.analysis.gene_files import Gene, Transcript, read_genes
from tfrecords_tools.errors import InputFileError

# chrom, start, end (1-based, closed, as GTF has them)
GTF = """\
#!genome-build test
chr1\tx\tgene\t101\t900\t.\t+\t.\tOF gene_type "protein_coding"; level 2; gene_name "ABC";
chr1\tx\ttranscript\t101\t800\t.\t+\t.\tOF transcript_id "T1"; tag "basic";
chr1\tx\texon\t101\t200\t.\t+\t.\tOF transcript_id "T1"; tag "basic";
chr1\tx\ttranscript\t151\t900\t.\t+\t.\tOF transcript_id "T2"; tag "a"; tag "Ensembl_canonical";
chr1\tx\tCDS\t160\t170\t.\t+\t0\tOF transcript_id "T2";
chr2\tx\tgene\t1\t50\t.\t-\t.\tgene_id "G2"; gene_biotype "lncRNA";
""".replace("OF ", 'gene_id "ENSG01.3"; ')
GFF = """\
##gff-version 3
chr1\tx\tregion\t1\t5000\t.\t.\t.\tID=region:1
chr1\tx\tgene\t101\t900\t.\t+\t.\tID=gene:ENSG01;Name=ABC;biotype=protein_coding;gene_id=ENSG01.3
chr1\tx\tmRNA\t101\t800\t.\t+\t.\tID=transcript:T1;Parent=gene:ENSG01;tag=basic
chr1\tx\tlnc_RNA\t151\t900\t.\t+\t.\tID=transcript:T2;Parent=gene:ENSG01;tag=basic,Ensembl%5Fcanonical
chr1\tx\texon\t101\t200\t.\t+\t.\tParent=transcript:T1
chr2\tx\tncRNA_gene\t1\t50\t.\t-\t.\tID=G2;biotype=lncRNA
###
##FASTA
>chr1
ACGT\tAC
"""
GENES = [
    Gene(
        "ENSG01.3",
        "ABC",
        "chr1",
        "+",
        100,
        900,
        "protein_coding",
        (Transcript("T1", 100, 800), Transcript("T2", 150, 900, True)),
    ),
    Gene("G2", "G2", "chr2", "-", 0, 50, "lncRNA"),
]


@pytest.fixture
def write(tmp_path):
    def make(text, name="in.gtf"):
        path = tmp_path / name
        data = text if isinstance(text, bytes) else text.encode()
        path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return path

    return make


@pytest.mark.parametrize(
    ("text", "name"),
    [(GTF, "a.gtf"), (GTF, "a.v1.GTF.gz"), (GFF, "a.gff3"), (GFF, "a.gff"), (GFF, "a.gff3.gz")],
)
def test_gtf_and_gff3_give_the_same_genes(write, text, name):
    assert read_genes(write(text, name)) == GENES


def test_a_gtf_without_lines_of_genes_or_transcripts(write):
    """Their spans are those of transcripts, and of these those of exons."""
    only_transcripts = "".join(
        line for line in GTF.splitlines(keepends=True) if "\tgene\t1" not in line
    )
    [gene] = read_genes(write(only_transcripts))
    assert (gene.id, gene.name, gene.start, gene.end) == ("ENSG01.3", "ENSG01.3", 100, 900)
    assert gene.transcripts == GENES[0].transcripts
    exons = "".join(
        f"c\tx\texon\t{start}\t{end}\t.\t-\t.\tgene_id g; transcript_id {name};{tag}\n"
        for name, start, end, tag in (
            ("a", 11, 20, ""),
            ("b", 31, 40, ""),
            ("a", 51, 60, ' tag "MANE_Select";'),
            ("a", 5, 9, ""),
        )
    )
    assert read_genes(write(exons)) == [
        Gene("g", "g", "c", "-", 4, 60, "", (Transcript("a", 4, 60, True), Transcript("b", 30, 40)))
    ]
    late = exons + 'c\tx\ttranscript\t3\t70\t.\t-\t.\tgene_id "g"; transcript_id "a";\n'
    [gene] = read_genes(write(late))
    assert (gene.start, gene.end) == (2, 70)
    assert set(gene.transcripts) == {Transcript("a", 2, 70), Transcript("b", 30, 40)}


def test_one_name_in_several_places_is_several_genes(write):
    line = 'chr{}\tx\tgene\t{}\t20\t.\t{}\t.\tgene_id "g"\n'
    places = (("1", 1, "+"), ("2", 1, "+"), ("1", 5, "-"))
    genes = read_genes(write("".join(line.format(*place) for place in places)))
    assert [(g.chrom, g.start, g.strand) for g in genes] == [
        ("chr1", 0, "+"),
        ("chr2", 0, "+"),
        ("chr1", 4, "-"),
    ]
    text = "".join(
        f"{c}\tx\t{kind}\t{s}\t90\t.\t+\t.\t{what}\n"
        for c, kind, s, what in (
            ("X", "gene", 1, "ID=gene-A"),
            ("Y", "gene", 3, "ID=gene-A"),
            ("Y", "primary_transcript", 5, "ID=r;Parent=gene-A"),
            ("Y", "mRNA", 5, "ID=lost;Parent=none"),
        )
    )
    first, second = read_genes(write(text, "x.gff"))
    assert (first.id, first.transcripts) == ("A", ())
    assert second.transcripts == (Transcript("r", 4, 90),)


def test_bed(write):
    text = (
        "track name=x\nchr1\t100\t800\tABC\t.\t+\nchr1\t150\t900\tABC\t0\t+\n"
        "chr2\t0\t50\tG2\t.\t-\nchr3\t7\t8\n"
    )
    assert read_genes(write(text, "in.bed.gz")) == [
        Gene("ABC", "ABC", "chr1", "+", 100, 900, "", (t("ABC", 100, 800), t("ABC", 150, 900))),
        Gene("G2", "G2", "chr2", "-", 0, 50, "", (t("G2", 0, 50),)),
        Gene("chr3:7-8", "chr3:7-8", "chr3", ".", 7, 8, "", (t("chr3:7-8", 7, 8),)),
    ]


def t(name, start, end):
    return Transcript(name, start, end)


LINE = 'chr1\tx\tgene\t{}\t.\t+\t.\tgene_id "g"\n'


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (GTF, "a.txt", "of no known kind: want .gtf, .gff3 or .bed"),
        (GTF, "gtf", "of no known kind"),
        ("# nothing\n", "a.gtf", "has no genes: is it of the kind"),
        (GFF.replace("gene\t1", "geen\t1"), "a.gff3", "has no genes"),
        ("", "a.bed", "has no genes"),
        (GTF.replace("\t", " "), "a.gtf", "line 2 has 1 tab-separated columns: want the 9"),
        (LINE.format("0\t9"), "a.gtf", "line 1 goes from '0' to '9': want whole numbers from 1"),
        (LINE.format("10\t9"), "a.gtf", "line 1 goes from '10' to '9'"),
        (LINE.format("x\t9"), "a.gff", "line 1 goes from 'x' to '9'"),
        (GFF, "a.gtf", "at chr1:101 has no gene_id: is it GTF"),
        (LINE.format("1\t9"), "a.gff", "a gene at chr1:1 has no ID: is it GFF3"),
        (b"\x1f\x8b\x08\x00garbage", "a.gtf", "is damaged gzip"),
        (b"chr1\xff\xfe", "a.gff", "is no text"),
        ("chr1\t1\t5\tg\t0\tx\n", "a.bed", "strand of chr1:1-5 is 'x', want"),
        ("chr1\t5\t5\tg\t0\t+\n", "a.bed", "chr1:5-5 has no base"),
        ("chr1\tx\t5\n", "a.bed", "line 1 is no BED interval"),
    ],
)
def test_what_is_no_annotation(write, text, name, message):
    with pytest.raises(InputFileError, match=message):
        read_genes(write(text, name))


def test_a_missing_file(tmp_path):
    with pytest.raises(InputFileError, match=r"gene annotation .* does not exist"):
        read_genes(tmp_path / "x.gtf")


def test_yeast(test_data):
    genes = read_genes(test_data / "data/yeast/genes.bed.gz")
    assert len(genes) == 6600
    assert (genes[2].name, genes[2].start, genes[2].end, genes[2].strand) == (
        "YAL068C",
        1806,
        2169,
        "-",
    )
