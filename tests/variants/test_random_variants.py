"""Random variants: in the genome, evenly, and in the contexts that were asked for."""

from collections import Counter

import numpy as np
import pysam
import pytest

from tfepi.variants.checks import survey
from tfepi.variants.random_variants import Sampling, sample_variants
from tfepi.variants.sequence_contexts import context_classes
from tfepi.variants.vcf import read_variants
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.genome import Genome, encode

COMPLEMENT = str.maketrans("ACGT", "TGCA")


@pytest.fixture
def draw(fasta, tmp_path):
    def make(name="x.vcf", overwrite=False, count=400, **options):
        matched = sample_variants(fasta, tmp_path / name, Sampling(count, **options), overwrite)
        found = list(read_variants(tmp_path / name))
        return [(v.chrom, v.position, v.ref, v.alts[0]) for v in found], matched

    return make


def folded(letters, chrom, position, ref, alt):
    """Trinucleotide and change, of the strand whose middle is C or T."""
    three = letters[chrom][position - 1 : position + 2]
    if ref in "AG":
        three = three.translate(COMPLEMENT)[::-1]
        alt = alt.translate(COMPLEMENT)
    return three + alt


def gc(letters, chrom, position):
    near = letters[chrom][max(0, position - 100) : position + 101].replace("N", "")
    return min(19, int(20 * sum(b in "GC" for b in near) / len(near)))


def test_what_is_drawn_is_there(draw, letters, fasta, tmp_path):
    found, matched = draw()
    assert matched == 0
    assert len({(c, p) for c, p, _, _ in found}) == 400
    for chrom, position, ref, alt in found:
        assert letters[chrom][position].upper() == ref
        assert alt in set("ACGT") - {ref}
    with Genome(fasta) as genome:
        assert survey(genome, tmp_path / "x.vcf", "error").rows == 400


def test_all_positions_once(draw, letters):
    """As many as there are: every base that is a letter."""
    known = [(c, i) for c, text in letters.items() for i, b in enumerate(text) if b != "N"]
    found, _ = draw(count=len(known))
    assert [(c, p) for c, p, _, _ in found] == known
    with pytest.raises(InputFileError, match=f"{len(known)} positions are there, 5691 are wanted"):
        draw("y.vcf", count=5691)


def test_even_over_positions_and_changes(draw):
    seen, changes = Counter(), Counter()
    for seed in range(30):
        found, _ = draw(seed=seed, overwrite=True)
        seen.update((c, p // 500) for c, p, _, _ in found)
        changes.update((r, a) for _, _, r, a in found)
    counts = [seen["chrA", i] for i in range(1, 10)]
    assert min(counts) > 0.85 * np.mean(counts)
    assert max(counts) < 1.15 * np.mean(counts)
    assert len(changes) == 12
    assert max(changes.values()) < 1.25 * min(changes.values())


def test_same_seed_same_bytes(draw, tmp_path):
    draw("a.vcf")
    draw("b.vcf")
    draw("c.vcf", seed=5)
    a, b, c = (tmp_path / f"{n}.vcf" for n in "abc")
    assert a.read_bytes() == b.read_bytes() != c.read_bytes()
    draw("a.vcf.gz")
    with pysam.BGZFile(str(tmp_path / "a.vcf.gz")) as file:
        assert file.read() == a.read_bytes()


def test_stretches_do_not_show(draw, tmp_path, monkeypatch, vcf):
    for context in (None, "trinucleotide", "gc"):
        options = {} if context is None else {"match": vcf, "context": context, "count": 30}
        whole, _ = draw(f"a{context}.vcf", **options)
        monkeypatch.setattr("tfepi.variants.random_variants._STRETCH", 77)
        pieces, _ = draw(f"b{context}.vcf", **options)
        monkeypatch.undo()
        assert {v[:2] for v in whole} == {v[:2] for v in pieces}


def test_regions_and_chromosomes(draw, tmp_path):
    bed = tmp_path / "x.bed"
    bed.write_text("chrA\t1000\t1100\nchrA\t1050\t1200\nchrB\t5\t50\n")
    found, _ = draw("a.vcf", bed=bed, count=245)
    inside = [("chrA", i) for i in range(1000, 1200)] + [("chrB", i) for i in range(5, 50)]
    assert [v[:2] for v in found] == inside
    found, _ = draw("b.vcf", bed=bed, chroms=("chrB",), count=45)
    assert {v[0] for v in found} == {"chrB"}
    found, _ = draw("c.vcf", chroms=("chrB",), count=45)
    assert {v[0] for v in found} == {"chrB"}


@pytest.fixture
def skewed(make_vcf, letters, toy):
    """A VCF of which two of three variants are C>T or G>A, and none follows G."""
    rows = []
    for i in range(100, 4900, 13):
        ref = letters["chrA"][i]
        if letters["chrA"][i - 1] in "GN" or ref == "N":
            continue
        alt = {"C": "T", "G": "A"}.get(ref)
        if alt is None and i % 3:
            continue
        rows.append(("chrA", i + 1, ".", ref, alt or toy.other_base(ref)))
    return make_vcf(rows)


def test_trinucleotides_of_others(draw, letters, skewed):
    given = [(v.chrom, v.position, v.ref, v.alts[0]) for v in read_variants(skewed)]
    wanted = Counter(folded(letters, *v) for v in given)
    found, matched = draw(match=skewed, count=3 * len(given))
    assert matched == len(given)
    got = Counter(folded(letters, *v) for v in found)
    assert got == {k: 3 * n for k, n in wanted.items()}
    assert not {v[:2] for v in found} & {v[:2] for v in given}
    uneven, _ = draw("y.vcf", match=skewed, count=100)
    got = Counter(folded(letters, *v) for v in uneven)
    for kind, count in wanted.items():
        assert abs(got[kind] - 100 * count / len(given)) < 1
    assert sum(got.values()) == 100


def test_gc_of_others(draw, letters, skewed):
    given = [(v.chrom, v.position) for v in read_variants(skewed)]
    wanted = Counter(gc(letters, *v) for v in given)
    found, matched = draw(match=skewed, context="gc", count=2 * len(given))
    assert matched == len(given)
    assert Counter(gc(letters, c, p) for c, p, _, _ in found) == {
        k: 2 * n for k, n in wanted.items()
    }
    assert len(wanted) > 2


def test_classes_of_both_strands():
    text = "ACGTNACCA"
    found = context_classes(encode("G" + text + "G"), "trinucleotide").tolist()
    turned = "G" + text.translate(COMPLEMENT)[::-1] + "G"
    both = context_classes(encode(turned), "trinucleotide").tolist()
    assert found[1:3] == [0 * 16 + 1 * 4 + 2] * 2  # ACG, and CGT, which is its other strand
    assert found[3:6] == [-1] * 3
    assert found[1:-1] == both[1:-1][::-1]
    assert context_classes(encode("ANT"), None).tolist() == [0, -1, 0]


def test_what_cannot_be_matched_is_left_out(draw, make_vcf, letters, toy):
    a = letters["chrA"]
    rows = [
        ("chrA", 100, ".", toy.other_base(a[99]), a[99]),  # REF is not the genome's
        ("chrA", 200, ".", a[199], a[199] + "A"),
        ("chrA", 400, ".", a[399], f"{toy.other_base(a[399])},{toy.other_base(a[399], 2)},<DEL>"),
        ("chrC", 1, ".", "A", "C"),
    ]
    found, matched = draw(match=make_vcf(rows), count=2)
    assert matched == 2
    assert {folded(letters, *v)[:3] for v in found} == {
        folded(letters, "chrA", 399, a[399], toy.other_base(a[399]))[:3]
    }
    with pytest.raises(InputFileError, match="has no single-base variant whose REF is the genome"):
        draw("y.vcf", match=make_vcf(rows[:2]))


def test_too_few_of_a_kind(draw, make_vcf, letters, toy, tmp_path):
    at = letters["chrA"].index("CGA", 400) + 1
    one = make_vcf([("chrA", at + 1, ".", "G", "T")])
    count = sum(
        text[i : i + 3] in ("CGA", "TCG") for text in letters.values() for i in range(len(text))
    )
    with pytest.raises(InputFileError, match=f"{count - 1} positions of TCG are there, 2000 are"):
        draw(match=one, count=2000)
    with pytest.raises(InputFileError, match=r"positions with \d+ to \d+ % of G and C are there"):
        draw(match=one, count=5000, context="gc")
    assert not list(tmp_path.glob("*.vcf*"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "count is 0: want at least 1"),
        ({"match": "x", "context": "hexamer"}, "unknown context 'hexamer'"),
        ({"context": "gc"}, "--context gc is of other variants: name them, --match"),
        ({"chroms": ("chrZ",)}, "chrZ"),
        ({"match": "nosuch"}, "VCF nosuch does not exist"),
        ({"bed": "nosuch"}, "BED file nosuch does not exist"),
        ({"name": "x.bcf"}, r"x\.bcf: want a name that ends in \.vcf"),
        ({"name": "no/x.vcf"}, "does not exist, make it first"),
    ],
)
def test_refused(draw, tmp_path, options, message):
    with pytest.raises(TfepiError, match=message):
        draw(**options)
    assert not list(tmp_path.glob("*.vcf*"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chrZ\t1\t2", "chrZ"),
        ("chrA\t1\t6000", "reaches 6000 on chrA, which has 5000 bp: is it of another build"),
        ("chrA\t7\t7", "has no region on the chromosomes that are used"),
    ],
)
def test_regions_that_do_not_fit(draw, tmp_path, line, message):
    bed = tmp_path / "x.bed"
    bed.write_text(line + "\n")
    with pytest.raises(InputFileError, match=message):
        draw(bed=bed)


def test_a_file_that_is_there(draw, tmp_path):
    draw()
    before = (tmp_path / "x.vcf").read_bytes()
    with pytest.raises(UnfinishedError, match=r"x\.vcf is there: use --overwrite"):
        draw(seed=3)
    assert (tmp_path / "x.vcf").read_bytes() == before
    draw(seed=3, overwrite=True)
    assert (tmp_path / "x.vcf").read_bytes() != before
    with pytest.raises(ConfigError):
        draw(count=-1, overwrite=True)
