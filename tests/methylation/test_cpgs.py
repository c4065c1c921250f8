import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.methylation.cpgs import KINDS, find_cpgs, haplotype, trimmed
from tfepi.variants.alleles import AllelePair
from tfrecords_tools.genome import decode, encode

FLANK = 40


def reader(sequence):
    padded = np.concatenate([np.full(99, 4, np.uint8), encode(sequence), np.full(99, 4, np.uint8)])
    return lambda chrom, start, end: padded[start + 99 : end + 99]


def pair(pos, ref, alt, host=None):
    return AllelePair("c", pos - 1, ".", ref, alt, host or ref, 0, 0)


def found(sequence, pos, ref, alt, reach=20, host=None):
    """Return [(kind, 1-based place)] and both sequences at each."""
    row = pair(pos, ref, alt, host)
    sides = [haplotype(reader(sequence), row, a, FLANK) for a in (ref, alt)]
    cpgs = find_cpgs(*sides, row, FLANK, reach)
    kinds = [KINDS[k] for k in cpgs.kind]
    letters = [
        (decode(sides[0].bases[i : i + 2]), decode(sides[1].bases[j : j + 2]))
        for i, j in zip(cpgs.ref, cpgs.alt, strict=True)
    ]
    return list(zip(kinds, (cpgs.position + 1).tolist(), strict=True)), letters


@pytest.mark.parametrize(
    ("ref", "alt", "wanted"),
    [
        ("A", "C", (0, 1, 1)),
        ("CA", "C", (1, 1, 0)),
        ("CAA", "CA", (1, 1, 0)),
        ("C", "CGG", (1, 0, 2)),
        ("ACT", "AGT", (1, 1, 1)),
        ("ACT", "TCA", (0, 3, 3)),
        ("AA", "AA", (0, 0, 0)),
        ("AC", "GTC", (0, 1, 2)),
    ],
)
def test_trimmed(ref, alt, wanted):
    assert trimmed(ref, alt) == wanted


@pytest.mark.parametrize(
    ("sequence", "pos", "ref", "alt", "wanted"),
    [
        ("AACGAATTCGAA", 6, "A", "G", [("kept", 3), ("kept", 9)]),
        ("AACGAATTCGAA", 3, "C", "T", [("destroyed", 3), ("kept", 9)]),
        ("AACGAATTCGAA", 4, "G", "T", [("destroyed", 3), ("kept", 9)]),
        ("AACAAATTCGAA", 4, "A", "G", [("created", 3), ("kept", 9)]),
        ("AAAGAATTCGAA", 3, "A", "C", [("created", 3), ("kept", 9)]),
        # An insertion between C and G, and one that leaves G behind that C.
        ("AACGAATT", 3, "C", "CTT", [("destroyed", 3)]),
        ("AACGAATT", 3, "C", "CGT", [("kept", 3)]),
        # An insertion that brings CpGs: all lie in the place of the base behind it.
        ("AATTAATT", 4, "T", "TCGCG", [("created", 5), ("created", 5)]),
        # A deletion that joins C and G, and one that takes a CpG away.
        ("AACTTGAA", 3, "CTT", "C", [("created", 3)]),
        ("AACGTTCGAA", 2, "ACGT", "A", [("destroyed", 3), ("kept", 7)]),
        # Several bases replaced by as many: what stays in its place is kept.
        ("AATCGTAA", 3, "TCGT", "ACGA", [("kept", 4)]),
        ("AATCGTAA", 3, "TCG", "CGA", [("created", 3), ("destroyed", 4)]),
        ("CGAAAACG", 4, "A", "T", [("kept", 1), ("kept", 7)]),
        ("AAAAAAAC", 8, "C", "G", []),
    ],
)
def test_kinds(sequence, pos, ref, alt, wanted):
    assert found(sequence, pos, ref, alt)[0] == wanted


def test_reach_counts_from_the_changed_bases_to_the_c():
    sequence = "T" * 30 + "CG" + "T" * 8 + "ATTA" + "T" * 7 + "CG" + "T" * 20
    # The changed bases are 42 and 43 of 41-44, so 11 bp from the C of 31 and 9 from that of 52.
    row = (41, "ATTA", "AGCA")
    assert found(sequence, *row, reach=11)[0] == [("kept", 31), ("kept", 52)]
    assert found(sequence, *row, reach=10)[0] == [("kept", 52)]
    assert found(sequence, *row, reach=8)[0] == []
    # In front of 42 an insertion: 10 bp from 41 to 51, as far as from the base on its right.
    insertion = (41, "A", "AGG")
    assert found(sequence, *insertion, reach=11)[0] == [("kept", 31), ("kept", 52)]
    assert found(sequence, *insertion, reach=10)[0] == []


letters = st.text("ACG", min_size=1, max_size=6)


@settings(max_examples=150, deadline=None)
@given(st.text("ACG", min_size=30, max_size=60), st.integers(1, 25), st.integers(1, 5), letters,
       st.integers(2, 20))  # fmt: skip
def test_equal_to_plain_text(cpg_toy, sequence, pos, length, alt, reach):
    ref = sequence[pos - 1 : pos - 1 + length]
    got, both = found(sequence, pos, ref, alt, reach)
    plain = cpg_toy.plain_cpgs(sequence, pos, ref, alt, reach)
    assert got == [(c["kind"], c["cpg"]) for c in plain]
    half = cpg_toy.HALF
    assert both == [tuple(w[half : half + 2] for w in c["windows"]) for c in plain]
    # Seen from the other allele, what is created is what is destroyed.
    edited = sequence[: pos - 1] + alt + sequence[pos - 1 + len(ref) :]
    swapped = [kind for kind, _ in found(edited, pos, alt, ref, reach)[0]]
    kinds = [kind for kind, _ in got]
    assert [swapped.count(k) for k in ("kept", "created", "destroyed")] == [
        kinds.count(k) for k in ("kept", "destroyed", "created")
    ]


def test_an_allele_that_the_genome_lacks_beside_one_it_has():
    """Under ref_policy swap the genome may hold another ALT; places behind it are the genome's."""
    genome = "AAACGTTTTTACGAA"
    got, both = found(genome, 7, "C", "G", host="TTTT")
    assert got == [("kept", 4), ("kept", 12)]
    assert both == [("CG", "CG")] * 2


def test_windows_that_the_published_programs_leave_empty():
    sequence = "ACGTACGTACGTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTTT"
    row = pair(5, "A", "T")
    ref, alt = (haplotype(reader(sequence), row, a, FLANK, True) for a in (row.ref, row.alt))
    at = np.array([FLANK - 3, FLANK + 5])  # the Cs of 2 and 10
    assert [decode(w) for w in ref.windows(at, 4)] == ["NNNNNNNNN", "ACGTACGTT"[:0] + "CGTACGTTT"]
    assert [decode(w) for w in alt.windows(at, 4)] == ["NNNNNNNTN", "CGTACGTTT"]
