"""Promoters and bodies of genes, on their strand."""

import pytest

from tfepi.analysis.gene_stretches import GeneParts, gene_stretches
from tfepi.analysis.tss import GeneChoice
from tfepi.variants.stretches import Stretch
from tfrecords_tools.errors import ConfigError

CHROMS = {"chr1": 1000}
GTF = """\
chr1\tx\tgene\t101\t200\t.\t+\t.\tgene_id "g1"; gene_name "one";
chr1\tx\ttranscript\t101\t200\t.\t+\t.\tgene_id "g1"; transcript_id "t1";
chr1\tx\ttranscript\t151\t200\t.\t+\t.\tgene_id "g1"; transcript_id "t2";
chr1\tx\tgene\t301\t400\t.\t-\t.\tgene_id "g2"; gene_name "two";
chr1\tx\tgene\t3\t30\t.\t+\t.\tgene_id "g3"; gene_name "edge";
"""


@pytest.fixture
def genes(tmp_path):
    path = tmp_path / "genes.gtf"
    path.write_text(GTF)
    return path


def found(genes, parts, **choice):
    return gene_stretches(GeneChoice(genes, **choice), parts, CHROMS, "the genome")


def test_promoters_lie_before_the_first_base_on_the_strand(genes):
    assert found(genes, GeneParts(10, 5)) == [
        Stretch("chr1", 90, 105, "+", "one"),
        Stretch("chr1", 395, 410, "-", "two"),  # the first base is 399, 0-based
        Stretch("chr1", 0, 7, "+", "edge"),
    ]
    assert found(genes, GeneParts(1, 0))[:2] == [
        Stretch("chr1", 99, 100, "+", "one"),
        Stretch("chr1", 400, 401, "-", "two"),
    ]
    assert found(genes, GeneParts(0, 1))[1] == Stretch("chr1", 399, 400, "-", "two")


def test_bodies_once_and_each_start_site(genes):
    stretches = found(genes, GeneParts(2, 1, True), names=("one",), which="each")
    assert stretches == [
        Stretch("chr1", 98, 101, "+", "one"),
        Stretch("chr1", 100, 200, "+", "one"),
        Stretch("chr1", 148, 151, "+", "one"),
    ]
    assert found(genes, GeneParts(0, 0, True), names=("two",)) == [
        Stretch("chr1", 300, 400, "-", "two")
    ]


def test_parts_of_a_command_line():
    assert GeneParts.parse(None, False) == GeneParts(500, 200, False)
    assert GeneParts.parse(None, True) == GeneParts(0, 0, True)
    assert GeneParts.parse("30,0", True) == GeneParts(30, 0, True)
    for text in ("30", "a,b", "1,2,3"):
        with pytest.raises(ConfigError, match="want bp before and after the start site"):
            GeneParts.parse(text, False)
    with pytest.raises(ConfigError, match="promoter is -1 bp before"):
        GeneParts(-1, 5)
    with pytest.raises(ConfigError, match="neither promoter nor body is asked for"):
        GeneParts(0, 0)
