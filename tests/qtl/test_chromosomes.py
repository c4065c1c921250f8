"""Chromosomes that are counted, their names and their assembly."""

import pytest

from tfepi.qtl.chromosomes import OTHER, UNKNOWN, Names, assembly_of, chosen, same_assembly
from tfrecords_tools.errors import ConfigError

HUMAN = {"chr1": 900, "chr10": 500, "chrX": 300, "chrY": 100, "chrM": 16, "chrUn_1": 5}
YEAST = {"chrI": 200, "chrX": 100, "chrM": 80}


def test_numbered_and_x_are_counted_where_there_is_a_chromosome_1():
    assert chosen(HUMAN) == {"chr1": 900, "chr10": 500, "chrX": 300}
    assert chosen({"1": 9, "X": 3, "MT": 1}) == {"1": 9, "X": 3}
    assert chosen(YEAST) == YEAST  # chrX is the tenth here


def test_chromosomes_by_name():
    assert chosen(HUMAN, ("Y", "chr1")) == {"chrY": 100, "chr1": 900}
    assert chosen(HUMAN, ("all",)) == HUMAN


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("chr11",), "unknown chromosome 'chr11' in --chroms: did you mean 'chr1"),
        (("chr1", "1"), "--chroms is chr1,1: want each chromosome once"),
    ],
)
def test_chromosomes_that_cannot_be_counted(names, message):
    with pytest.raises(ConfigError, match=message):
        chosen(HUMAN, names)


def test_a_chromosome_that_is_too_long():
    with pytest.raises(ConfigError, match="chr1 has 2147483648 bp: want fewer than 2"):
        chosen({"chr1": 1 << 31})


def test_numbers_with_and_without_chr():
    names = Names(HUMAN, list(chosen(HUMAN)))
    assert [names.number(n) for n in ("chr10", "10", "X", "chrY", "MT", "M", "chr2")] == [
        *(1, 1, 2, OTHER, OTHER, OTHER, None),
    ]
    assert names.numbers(["1", "7", "Y"]).tolist() == [0, UNKNOWN, OTHER]
    error = names.unknown("7", "here: it")
    assert str(error).startswith(
        "here: it is on chromosome '7', which the lengths do not have (chr1"
    )


def test_names_that_the_lengths_write_otherwise():
    names = Names(HUMAN, ["chr1"])
    assert names.renamed(["chr1", "chr9", "10", "MT"]) == "10 is chr10"
    assert names.renamed(["MT"]) == "MT is chrM"
    assert names.renamed(["chr1", "9"]) is None


def test_assemblies():
    assert assembly_of({"chr1": 248_956_422}) == "hg38 (GRCh38)"
    assert assembly_of({"chr1": 5}) is None
    assert same_assembly("GRCh38", "hg38 (GRCh38)")
    assert same_assembly("hg38", "b38")
    assert not same_assembly("hg19", "hg38 (GRCh38)")
