import pytest

from tfepi.variants.checks import SKIPPED_COLUMNS, check, skipped_header, skipped_text, survey
from tfepi.variants.vcf import Variant, read_variants
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome


def other_base(base: str, step: int = 1) -> str:
    return "ACGT"[("ACGT".index(base) + step) % 4]


@pytest.fixture(scope="module")
def genome(fasta):
    with Genome(fasta) as opened:
        yield opened


def one(genome, policy, chrom, pos, ref, *alts):
    return check(genome, [Variant(chrom, pos - 1, "x", ref, alts, 0)], policy)


def test_lower_case_and_swap_free_pairs(genome, letters):
    ref = letters["chrB"][99]
    (pair, second), skipped = one(genome, "error", "chrB", 100, ref.lower(), "c", "tt")
    assert not skipped
    assert (pair.ref, pair.alt, pair.host, pair.number) == (ref, "C", ref, 0)
    assert (second.alt, second.number) == ("TT", 1)


@pytest.mark.parametrize(
    ("chrom", "pos", "ref", "alts", "reason"),
    [
        ("chrZ", 5, "A", ["C"], "the FASTA has no chromosome 'chrZ': it has chrA, chrB"),
        ("A", 5, "A", ["C"], "the names differ by the 'chr' prefix"),
        ("chrA", 0, "A", ["C"], "position 0 lies before the chromosome"),
        ("chrB", 701, "A", ["C"], "REF ends at 701, past the end of chrB (700 bp)"),
        ("chrB", 699, "ACG", ["C"], "REF ends at 701, past the end of chrB (700 bp)"),
        ("chrA", 9, "A", [], "no ALT allele"),
        ("chrA", 9, "R", ["C"], "REF 'R' has letters other than A, C, G, T"),
    ],
)
def test_records_without_place(genome, chrom, pos, ref, alts, reason):
    pairs, (skipped,) = one(genome, "skip", chrom, pos, ref, *alts)
    assert not pairs
    assert reason in skipped.reason
    assert skipped.kind == ""


@pytest.mark.parametrize(
    ("alt", "reason"),
    [
        ("<DEL>", "ALT '<DEL>' is symbolic"),
        ("*", "deleted by another record"),
        ("A[chrB:5[", "is a breakend"),
        ("A.", "is a breakend"),
        ("Y", "ALT 'Y' has letters other than"),
        ("<" + "I" * 50 + ">", "ALT <" + "I" * 19 + "…(52 letters) is symbolic"),
    ],
)
def test_one_alt_is_skipped_and_the_others_stay(genome, letters, alt, reason):
    ref = letters["chrA"][49]
    good = other_base(ref)
    (pair,), (skipped,) = one(genome, "skip", "chrA", 50, ref, alt, good)
    assert (pair.alt, pair.number) == (good, 1)
    assert reason in skipped.reason
    assert skipped.alt == alt


def test_swap_takes_the_longest_alt_the_genome_has(genome, letters):
    held = letters["chrA"][49:53]
    ref = other_base(held[0])
    for policy, hosts in (("skip", []), ("swap", [held[:3]] * 3)):
        pairs, skipped = one(genome, policy, "chrA", 50, ref, held[0], held[:3], ref + "T")
        assert [p.host for p in pairs] == hosts
        assert len(skipped) == (policy == "skip")
    (other,) = one(genome, "swap", "chrA", 50, ref, other_base(held[0], 2))[1]
    assert other.kind == "REF"
    assert f"REF is '{ref}', the genome has '{held[0]}', and no ALT equals it" in other.reason


def test_n_is_no_allele(genome, letters):
    """Where the genome holds N too there is nothing to compare with; so with N inside an indel."""
    for policy in ("skip", "swap"):
        for ref, alt in (("N", "C"), ("n", "C"), ("NN", "N")):
            pairs, (skipped,) = one(genome, policy, "chrA", 305, ref, alt)
            assert not pairs
            assert skipped.reason == f"REF '{ref}' has letters other than A, C, G, T"
    assert one(genome, "skip", "chrA", 305, "A", "C")[1][0].kind == "REF"
    ref = letters["chrA"][299]
    _, (skipped,) = one(genome, "skip", "chrA", 300, f"{ref}N", ref)
    assert skipped.reason.startswith(f"REF '{ref}N' has letters")
    (pair,), (skipped,) = one(genome, "skip", "chrA", 300, ref, "N", f"{ref}A")
    assert (pair.alt, skipped.alt) == (f"{ref}A", "N")
    assert skipped.reason == "ALT 'N' has letters other than A, C, G, T"


def test_n_is_counted_or_refused(genome, make_vcf, rows):
    path = make_vcf([("chrA", 305, "gap", "N", "C"), ("chrA", 306, ".", "N", "G"), rows[-1]])
    found = survey(genome, path, "skip")
    assert (found.records, found.rows, found.skipped) == (3, 1, 2)
    with pytest.raises(InputFileError, match=r"record 1 \(chrA:305 gap\): REF 'N' .* skip"):
        survey(genome, path, "error")


def test_unknown_policy(genome):
    with pytest.raises(ConfigError, match="unknown ref_policy 'ignore'"):
        check(genome, [], "ignore")


def test_skipped_table(genome):
    _, skipped = one(genome, "skip", "chrZ", 5, "A", "C", "G")
    assert skipped_header().split() == list(SKIPPED_COLUMNS)
    fields = skipped_text(skipped).rstrip("\n").split("\t")
    assert fields[:6] == ["1", "chrZ", "5", "x", "A", "C,G"]


def test_survey_counts(genome, vcf, rows):
    found = survey(genome, vcf, "error")
    assert found.records == len(rows)
    assert found.rows == sum(len(r[4].split(",")) for r in rows)
    assert found.skipped == 0
    assert found.chroms == {"chrA": 5000, "chrB": 700}
    longest = max(len(a) for r in rows for a in r[4].split(","))
    assert found.widths == {
        "chrom": 4,
        "id": max(len(r[2]) for r in rows),
        "ref": max(len(r[3]) for r in rows),
        "alt": longest,
    }
    assert sum(1 for _ in read_variants(vcf)) == len(rows)


def bad_record(letters, kind):
    ref = letters["chrA"][4899]
    return {
        "mismatch": ("chrA", 4900, "bad", other_base(ref), other_base(ref, 2)),
        "symbolic": ("chrA", 4900, "bad", ref, "<DUP>"),
        "past": ("chrB", 701, "bad", "A", "C"),
        "chrom": ("chrQ", 1, "bad", "A", "C"),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("mismatch", r"record 2 \(chrA:4900 bad\): REF is .*--ref_policy skip"),
        ("symbolic", r"record 2 \(chrA:4900 bad\): ALT '<DUP>' is symbolic.*--ref_policy skip"),
        ("past", r"record 2 \(chrB:701 bad\): REF ends at 701, past the end"),
        ("chrom", r"record 2 \(chrQ:1 bad\): the FASTA has no chromosome 'chrQ'"),
    ],
)
def test_error_policy(genome, make_vcf, letters, rows, kind, message):
    path = make_vcf([rows[0], bad_record(letters, kind)])
    with pytest.raises(InputFileError, match=message):
        survey(genome, path, "error")
    for policy in ("skip", "swap"):
        assert survey(genome, path, policy).skipped == 1


def test_nothing_left_to_score(genome, make_vcf, letters):
    path = make_vcf([bad_record(letters, "symbolic")])
    with pytest.raises(InputFileError, match="no record can be scored"):
        survey(genome, path, "skip")


def test_long_alleles_are_shortened(genome):
    (skipped,) = one(genome, "skip", "chrA", 20, "ACGT" * 500, "C")[1]
    assert skipped.reason.startswith("REF is ACGTACGTACGTACGTACGT…(2000 bp), the genome has ")
    assert len(skipped.reason) < 150


def test_lengths_of_the_header_are_compared(genome, make_vcf, rows, caplog):
    contigs = "##contig=<ID=chrA,length=4999>\n##contig=<ID=chrB,length=700>\n"
    header = f"##fileformat=VCFv4.2\n{contigs}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    survey(genome, make_vcf(rows[:1], header=header), "error")
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "its header says chrA has 4999 bp, FASTA" in record.getMessage()
    assert "has 5000 bp; is it of another build?" in record.getMessage()
    caplog.clear()
    survey(genome, make_vcf(rows[:1], header=header.replace("4999", "5000")), "error")
    assert not caplog.records


def test_no_record(genome, make_vcf):
    with pytest.raises(InputFileError, match="holds no record"):
        survey(genome, make_vcf([]), "skip")


def test_wrong_build_is_named(genome, make_vcf, letters):
    shifted = [("chrA", p, ".", other_base(letters["chrA"][p]), "N") for p in range(400, 440)]
    with pytest.raises(InputFileError, match=r"REF differs in \d\d of 40 .* another genome build"):
        survey(genome, make_vcf(shifted), "error")


@pytest.mark.parametrize("policy", ["error", "skip"])
def test_prefix_is_always_an_error(genome, make_vcf, letters, policy):
    path = make_vcf([("A", 5, ".", letters["chrA"][4], "N")])
    with pytest.raises(InputFileError, match=r"in.vcf: FASTA .* differ by the 'chr' prefix"):
        survey(genome, path, policy)
