import numpy as np
import pytest

from tfepi.analysis.element_pairs import Pair, check_width, match, read_pairs
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import TssWindow
from tfrecords_tools.errors import ConfigError, InputFileError

WINDOW = TssWindow(256, 8, 32, 24, 3)
SITES = [
    StartSite("chr1", 1000, "+", "ENSG01.2", "ONE"),
    StartSite("chr1", 1100, "+", "ENSG01.2", "ONE"),
    StartSite("chr1", 1000, "-", "ENSG02.1", "TWO"),
    StartSite("chr2", 1000, "-", "ENSG03.1", "ONE"),
]
GOOD = (
    "#gene\tchrom\tstart\tend\tlabel\tnote\n"
    "ONE\tchr1\t990\t1010\t1\tx\n\nENSG02\tchr1\t5\t9\t0\ty\n"
)


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "pairs.tsv"
        path.write_text(text)
        return path

    return write


def test_read(table):
    assert read_pairs(table(GOOD)) == [
        Pair("ONE", None, "chr1", 990, 1010, True, 2),
        Pair("ENSG02", None, "chr1", 5, 9, False, 4),
    ]
    text = "chrom\tstart\tend\ttss\tgene\nchr1\t1\t2\t1000\t\nchr1\t3\t4\t\tONE\n"
    assert read_pairs(table(text)) == [
        Pair("", 1000, "chr1", 1, 2, None, 2),
        Pair("ONE", None, "chr1", 3, 4, None, 3),
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("#gene", "name", "lacks the columns gene or tss: it has name, chrom"),
        ("start", "begin", "lacks the columns start"),
        ("note", "label", "names column 'label' more than once"),
        ("\tx\n", "\n", "line 2 has 5 columns, the header has 6"),
        ("990", "9.5", "line 2: start is '9.5', want a whole number, from 0"),
        ("990", "-1", "start is '-1'"),
        ("1010", "990", "line 2 has start 990 and end 990: want start < end"),
        ("ONE", "", "line 2 names no gene and no tss"),
        ("\t1\tx", "\tyes\tx", "line 2: label is 'yes', want 0 or 1"),
        ("\t0\ty", "\t\ty", "line 4 has no label, others have"),
        (GOOD, "gene\tchrom\tstart\tend\n", "has no rows below its header"),
    ],
)
def test_bad_tables(table, old, new, message):
    assert GOOD.count(old) >= 1
    with pytest.raises(InputFileError, match=message):
        read_pairs(table(GOOD.replace(old, new, 1)))


def test_no_table(tmp_path):
    with pytest.raises(InputFileError, match="does not exist"):
        read_pairs(tmp_path / "none.tsv")


@pytest.mark.parametrize(
    ("gene", "tss", "chrom", "found"),
    [
        ("ONE", None, "chr1", [0, 1]),
        ("ENSG01.2", None, "chr1", [0, 1]),
        ("ENSG01", None, "chr1", [0, 1]),
        ("ONE", 1100, "chr1", [1]),
        ("", 1000, "chr1", [0, 2]),
        ("TWO", 1000, "chr1", [2]),
        ("ONE", None, "chr2", [3]),
    ],
)
def test_which_sites_a_pair_names(gene, tss, chrom, found):
    sites, elements = match([Pair(gene, tss, chrom, 1000, 1010)], SITES, WINDOW, 0)
    assert sites == [SITES[n] for n in found]
    assert [(e.pair, e.site) for e in elements] == [(0, n) for n in range(len(found))]


def test_places_against_sets_of_bases():
    rng = np.random.default_rng(1)
    starts = rng.integers(600, 1400, 60)
    pairs = [
        Pair(str(rng.choice(["ONE", "TWO"])), None, "chr1", int(s), int(s + rng.integers(1, 90)))
        for s in starts
    ]
    for width in (0, 1, 40, 41):
        sites, elements = match(pairs, SITES, WINDOW, width)
        assert sites == SITES[:3]
        for element in elements:
            pair, site = pairs[element.pair], sites[element.site]
            middle = (pair.start + pair.end) // 2
            bases = set(range(pair.start, pair.end))
            if width:
                bases = {middle - width // 2 + i for i in range(width)}
            window = range(site.position - 128, site.position + 128)
            inside = sorted(b - window.start for b in bases if b in window)
            assert list(range(element.low, element.high)) == inside
            assert element.inside == pytest.approx(len(inside) / len(bases))
            sign = -1 if site.strand == "-" else 1
            assert element.distance == sign * (middle - site.position)


def test_outside_is_told_of(caplog):
    match([Pair("ONE", None, "chr1", 2000, 2010)], SITES, WINDOW, 0)
    assert "2 of 2 elements lie outside the window of their TSS (256 bp)" in caplog.text


def test_genes_that_are_not_there():
    pairs = [Pair(g, None, "chr1", 1, 2, None, n) for n, g in enumerate(["ONE", "SIX"])]
    with pytest.raises(InputFileError, match=r"1 of 2 pairs name .* SIX on chr1 \(line 1\); leave"):
        match(pairs, SITES, WINDOW)
    with pytest.raises(InputFileError, match=r"5 on chr1 \(line 0\)"):
        match([Pair("", 5, "chr1", 1, 2)], SITES, WINDOW)


def test_bad_width():
    with pytest.raises(ConfigError, match="width is -1 bp"):
        check_width(-1)
