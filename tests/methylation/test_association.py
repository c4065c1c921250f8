"""Readers of association tables, and the join by alleles against a plain loop."""

import gzip
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tfepi.methylation import association
from tfepi.methylation.association import check_match, join_alleles, read_gwas, read_scores
from tfrecords_tools.errors import ConfigError, InputFileError

GWAS = "SNP\tCHR\tPOS\tA1\tA2\tFRQ\tBETA\tSE\tP\tN\n"
ROW = "rs1\t1\t100\tA\tG\t0.25\t0.5\t0.1\t1e-6\t1000\n"
COMPLEMENT = dict(zip("ACGT", "TGCA", strict=True))


def written(tmp_path, text, name="t.tsv"):
    path = tmp_path / name
    if name.endswith(".gz"):
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def scored(rows, tasks=()):
    """Return scores of (chrom, pos, ref, alt, score) as read_scores gives them."""
    frame = pd.DataFrame(rows, columns=["chrom", "pos", "ref", "alt", "score"])
    frame["id"] = [f"id{i}" for i in range(len(frame))]
    return frame


def associated(rows):
    return pd.DataFrame(rows, columns=["chrom", "pos", "a1", "a2", "beta", "frq"])


def test_gwas(tmp_path):
    found = read_gwas(written(tmp_path, GWAS + ROW + "rs2\tX\t7\tAT\tA\tNA\t-1\t.2\t0\t5\n"))
    assert list(found) == ["snp", "chrom", "pos", "a1", "a2", "frq", "beta", "se", "p", "n"]
    assert found.index.tolist() == [2, 3]
    assert found["snp"].tolist() == ["rs1", "rs2"]
    assert found["chrom"].tolist() == ["1", "X"]
    assert found["a1"].tolist() == ["A", "AT"]
    np.testing.assert_allclose(
        found[["pos", "beta", "se", "p", "n"]].to_numpy(float).T,
        [[100, 7], [0.5, -1], [0.1, 0.2], [1e-6, 0], [1000, 5]],
    )
    assert found["frq"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("header", "row", "separator"),
    [
        (
            "hm_rsid chromosome base_pair_location effect_allele other_allele odds_ratio p_value",
            0,
            "\t",
        ),
        ("#CHROM POS ID ALT REF A1_FREQ OBS_CT OR LOG(OR)_SE P", 1, "\t"),
        ("MarkerName Chr BP Allele1 Allele2 OR P-value", 0, ","),
        ("SNP CHR BP A1 A2 OR PVAL", 0, "   "),
        ("SNP CHR BP A1 A2 FRQ_A_1234 FRQ_U_99 OR P", 2, " "),
        ("CHROM GENPOS ID ALLELE0 ALLELE1 OR LOG10P", 3, " "),
    ],
)
def test_names_and_separators(tmp_path, header, row, separator):
    rows = [
        "rs1 chr2 55 A G 2 0.01",
        "chr2 55 rs1 A G 0.3 1000 2 0.1 0.01",
        "rs1 chr2 55 A G 0.9 0.3 2 0.01",
        "chr2 55 rs1 G A 2 2",
    ]
    text = "".join(separator.join(line.split()) + "\n" for line in (header, rows[row]))
    found = read_gwas(written(tmp_path, "##comes first\n" + text, "g.txt.gz")).iloc[0]
    assert (found["snp"], found["chrom"], found["pos"]) == ("rs1", "chr2", 55)
    assert (found["a1"], found["a2"]) == ("A", "G")
    np.testing.assert_allclose([found["beta"], found["p"]], [np.log(2), 0.01])
    assert np.isnan(found["frq"]) if row in (0, 3) else found["frq"] == 0.3


def test_beta_goes_before_odds_ratio_and_names_are_made(tmp_path):
    text = "CHR\tBP\tA1\tA2\tOR\tBETA\tP\n3\t9\tC\tT\t2\t0.1\t1\n"
    found = read_gwas(written(tmp_path, text)).iloc[0]
    assert (found["beta"], found["snp"]) == (0.1, "3:9")


def test_incomplete_lines_are_left_out_and_counted(tmp_path, caplog):
    text = GWAS + ROW + "\n" + ROW.replace("1e-6", "NA") + ROW.replace("\tA\tG", "\t.\tG") + "rs9\n"
    found = read_gwas(written(tmp_path, text))
    assert found.index.tolist() == [2]
    assert "4 of 5 lines are left out" in caplog.text
    assert "the first is line 3" in caplog.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no header"),
        (GWAS, "no rows below its header"),
        (GWAS.replace("P\tN", "Z\tN") + ROW, "no column P: it may be called p, pval"),
        (GWAS.replace("\tA1", "\tfirst") + ROW, "no column A1: it may be called a1, effect_allele"),
        (GWAS + ROW + ROW.replace("1e-6", "1.5"), "line 3 has P 1.5: want 0 to 1"),
        (GWAS + ROW.replace("1e-6", "-0.1"), "line 2 has P -0.1: want 0 to 1"),
        (GWAS + ROW.replace("1e-6", "5E--8"), "line 2 has P '5E--8': want a number"),
        (GWAS + ROW + "\n" + ROW.replace("100", "x"), "line 4 has POS 'x': want a number"),
        (GWAS + ROW.replace("\t100\t", "\t0\t"), "counted from 1 (this file looks 0-based)"),
        (GWAS + ROW.replace("\t100\t", "\t1.5\t"), "line 2 has POS 1.5: want a whole number"),
        (GWAS + ROW.replace("0.25", "25"), "line 2 has FRQ 25: want 0 to 1"),
        (GWAS + ROW.replace("\t0.1\t", "\t-0.1\t"), "line 2 has SE -0.1: want 0 or more"),
        (GWAS + ROW.replace("1e-6", "NA"), "no line with all of chrom, pos, a1, a2, p"),
        (GWAS + ROW + '"' + ROW, "is no table"),
        ("CHR\tPOS\tAllele1\tAllele2\tAF_Allele2\tp.value\n1\t1\tA\tC\t.1\t1\n", "SAIGE"),
    ],
)
def test_bad_gwas(tmp_path, text, said):
    with pytest.raises(InputFileError) as error:
        read_gwas(written(tmp_path, text))
    assert said in str(error.value)


def test_damaged_files(tmp_path):
    path = written(tmp_path, GWAS + ROW * 2000, "g.tsv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputFileError, match="damaged gzip"):
        read_gwas(path)
    (tmp_path / "b").write_bytes(GWAS.encode() + b"\xff\xfe\xff\n")
    with pytest.raises(InputFileError, match="is no text"):
        read_gwas(tmp_path / "b")
    with pytest.raises(InputFileError, match="does not exist"):
        read_gwas(tmp_path / "none")


def test_needed_is_the_callers(tmp_path):
    path = written(tmp_path, "CHR\tBP\tP\n1\t5\t0.5\n")
    assert read_gwas(path, needed=("chrom", "pos", "p"))["a1"].isna().all()
    with pytest.raises(
        InputFileError, match=r"no column BETA: it may be called beta, .*odds_ratio"
    ):
        read_gwas(path, needed=("pos", "beta"))


def test_credible_sets_and_mqtls(tmp_path):
    path = written(tmp_path, "LOCUS\tSNP\tCHR\tPOS\tPIP\nL1\trs1\t1\t5\t0.5\n")
    found = association.read_credible_sets(path)
    assert found["a1"].isna().all()
    assert found.loc[2, ["locus", "pip"]].tolist() == ["L1", 0.5]
    path.write_text("LOCUS\tSNP\tCHR\tPOS\tPIP\nL1\trs1\t1\t5\t1.2\n")
    with pytest.raises(InputFileError, match=r"line 2 has PIP 1.2: want 0 to 1"):
        association.read_credible_sets(path)
    path.write_text("CHR\tPOS\tA1\tA2\tCPG_POS\tFDR\tTISSUE\n1\t5\tA\tC\t9\t0.01\tbrain\n")
    assert association.read_mqtls(path).loc[2, ["cpg_pos", "tissue"]].tolist() == [9, "brain"]


SCORES = pd.DataFrame(
    {
        "chrom": ["chr1", "chr1", "chr2"],
        "pos": [5, 9, 5],
        "id": ["a", ".", "c"],
        "ref": ["A", "C", "G"],
        "alt": ["T", "CA", "C"],
        "cpgs": [3, 0, 1],
        "score": [0.5, np.nan, 0.25],
        "score_task": ["brain", None, "blood"],
        "score_cpg": [7, np.nan, 8],
        "score_diff": [-0.5, np.nan, 0.25],
        "brain_score": [0.5, np.nan, 0.1],
        "blood_score": [0.2, np.nan, 0.25],
    }
)


@pytest.mark.parametrize("name", ["variants.parquet", "variants.tsv.gz"])
def test_scores(tmp_path, name, caplog):
    twice = pd.concat([SCORES, SCORES[:1]])
    if name.endswith("parquet"):
        twice.to_parquet(tmp_path / name)
    else:
        twice.to_csv(tmp_path / name, sep="\t", index=False, na_rep="")
    for path in (tmp_path, tmp_path / name):
        assert association.score_tasks(path) == ("brain", "blood")
        found = read_scores(path, ["blood"])
        assert len(found) == 3
        assert found["chrom"].tolist() == ["chr1", "chr1", "chr2"]
        np.testing.assert_array_equal(found["score"], np.float32([0.5, np.nan, 0.25]))
        np.testing.assert_array_equal(found["blood_score"], np.float32([0.2, np.nan, 0.25]))
        assert "brain_score" not in found
        assert found["score_task"].tolist()[::2] == ["brain", "blood"]
        assert found["pos"].dtype == np.int64
    assert "lists 1 variants more than once" in caplog.text
    with pytest.raises(ConfigError, match=r"unknown task 'blod'.*did you mean 'blood'"):
        read_scores(tmp_path, ["blod"])


def test_bad_scores(tmp_path):
    with pytest.raises(InputFileError, match=r"neither variants.parquet nor variants.tsv.gz"):
        read_scores(tmp_path)
    path = tmp_path / "s.parquet"
    SCORES.drop(columns="ref").to_parquet(path)
    with pytest.raises(InputFileError, match="no column ref"):
        read_scores(path)
    SCORES.assign(score=-1.0).to_parquet(path)
    with pytest.raises(InputFileError, match="line 1 has SCORE -1: want 0 or more"):
        read_scores(path)
    SCORES.assign(brain_score=[0.1, 0.2, 0.3]).to_parquet(path)
    assert len(read_scores(path)) == 3
    with pytest.raises(InputFileError, match="brain_score is missing for variants with a score"):
        read_scores(path, ["brain"])
    path.write_text("no")
    with pytest.raises(InputFileError, match="no Parquet file"):
        read_scores(path)


def plain_join(scores, table):
    """Return (line, variant, sign) of each row that matches, by a loop over all pairs."""
    found = []
    for line, row in zip(table.index, table.itertuples(), strict=True):
        best = None
        for number, variant in enumerate(scores.itertuples()):
            if variant.chrom.removeprefix("chr") != row.chrom.removeprefix("chr"):
                continue
            if variant.pos != row.pos:
                continue
            flipped = [COMPLEMENT.get(a) for a in (row.a1, row.a2)]
            for order, (pair, sign) in enumerate(
                (((row.a1, row.a2), 1), ((row.a2, row.a1), -1), (flipped, 1), (flipped[::-1], -1))
            ):
                if tuple(pair) == (variant.alt, variant.ref) and (best is None or order < best[0]):
                    best = (order, number, sign)
        if best:
            found.append((line, best[1], best[2]))
    return found


ALLELES = st.sampled_from([*itertools.permutations("ACGT", 2), ("AT", "A"), ("A", "AT")])
PLACES = st.tuples(st.sampled_from(["chr1", "2"]), st.integers(1, 6), ALLELES)


@settings(deadline=None, max_examples=30)
@given(st.lists(PLACES, max_size=25), st.lists(PLACES, min_size=1, max_size=25))
def test_join_equals_a_loop(ours, theirs):
    scores = scored([(c, p, *a, 0.5) for c, p, a in ours])
    values = np.linspace(0.1, 0.9, len(theirs))
    table = associated([(c, p, *a, v, v) for (c, p, a), v in zip(theirs, values, strict=True)])
    table.index += 2
    joined = join_alleles(scores, table, ambiguous="keep", unique=None)
    expected = plain_join(scores, table)
    found = joined.table
    assert list(zip(found.index, found["row"], strict=True)) == [(a, b) for a, b, _ in expected]
    sign = np.array([s for _, _, s in expected])
    beta = table["beta"].loc[found.index]
    np.testing.assert_array_equal(found["beta"], beta * sign)
    np.testing.assert_allclose(found["frq"], np.where(sign > 0, beta, 1 - beta))
    assert found["a1"].tolist() == [scores["alt"][b] for _, b, _ in expected]
    counts = joined.counts
    assert counts["matched"] == len(expected)
    missed = counts["no_position"] + counts["other_alleles"]
    assert counts["rows"] == len(table) == missed + len(expected)


def test_ambiguous_alleles():
    scores = scored([("1", i, "A", alt, 0.5) for i, alt in enumerate("GTTT", 1)])
    table = associated([("1", 1, "C", "T", 1, 0.1), *(("1", i, "A", "T", 1, 0.1) for i in (2, 3))])
    joined = join_alleles(scores, table)
    assert joined.strands_mixed
    assert joined.table["row"].tolist() == [0]
    assert joined.table["beta"].tolist() == [1]
    assert (joined.counts["ambiguous"], joined.counts["ambiguous_dropped"]) == (2, 2)
    joined = join_alleles(scores, table.assign(a1=["G", "A", "A"], a2=["A", "T", "T"]))
    assert joined.table["beta"].tolist() == [1, -1, -1]
    assert joined.table["ambiguous"].tolist() == [False, True, True]
    assert not joined.strands_mixed
    assert len(join_alleles(scores, table, ambiguous="keep").table) == 3
    with pytest.raises(ConfigError, match="ambiguous is 'never'"):
        join_alleles(scores, table, ambiguous="never")


def test_names_of_chromosomes():
    scores = scored([("chrX", 1, "A", "G", 1), ("chrM", 2, "A", "G", 1), ("chr1", 3, "A", "G", 1)])
    names = ["23", "MT", "CHR1", "9"]
    table = associated([(c, i, "G", "A", 1, 0.1) for i, c in enumerate(names, 1)])
    assert join_alleles(scores, table).table["row"].tolist() == [0, 1, 2]


def test_tables_without_alleles():
    scores = scored([("1", 1, "A", "G", 1), ("1", 2, "A", "G", 1), ("1", 2, "A", "C", 1)])
    table = pd.DataFrame(
        {"chrom": "1", "pos": [1, 2, 2], "snp": ["any", "id2", "id9"], "beta": 1.0}
    )
    joined = join_alleles(scores, table, unique=None)
    assert joined.table["row"].tolist() == [0, 2]
    assert joined.table["beta"].isna().all()
    assert joined.counts["several_alleles"] == 1


def test_duplicates():
    scores = scored([("1", 1, "A", "G", 1), ("1", 2, "A", "C", 1)])
    same = [("1", 1, "G", "A", 0.5, 0.3), ("1", 1, "A", "G", -0.5, 0.7), ("1", 2, "A", "C", 1, 0.1)]
    joined = join_alleles(scores, associated(same))
    assert joined.table["row"].tolist() == [0, 1]
    assert joined.counts["duplicates"] == 1
    other = associated([*same, ("1", 1, "G", "A", 0.6, 0.3)])
    with pytest.raises(InputFileError, match=r"gwas lists 1 variants .* in lines 0 and 1"):
        join_alleles(scores, other, "gwas")
    joined = join_alleles(scores, other.assign(locus=list("abcd")), unique=["locus"])
    assert joined.counts["duplicates"] == 0


def made(shift=0, count=200, chrom="1"):
    rng = np.random.default_rng(0)
    places = np.sort(rng.choice(10_000, count, replace=False)) * 50 + 100
    scores = scored([("chr1", p, "A", "G", 1) for p in places])
    return scores, associated([(chrom, p + shift, "G", "A", 1, 0.1) for p in places])


@pytest.mark.parametrize(
    ("shift", "chrom", "said"),
    [
        (-1, "1", "positions moved by +1: the table is 0-based"),
        (1, "1", "moved by -1: subtract 1"),
        (1017, "1", "0.0% of positions (0 of 200) are among .* another assembly"),
        (0, "NC_1", "its chromosomes are called NC_1 …, those of the scores chr1"),
    ],
)
def test_another_assembly(shift, chrom, said):
    scores, table = made(shift, chrom=chrom)
    with pytest.raises(InputFileError) as error:
        check_match(join_alleles(scores, table), scores, table, "GWAS g.tsv")
    for part in said.split(" .* "):
        assert part in str(error.value)


def test_other_alleles_and_good_matches():
    scores, table = made()
    check_match(join_alleles(scores, table), scores, table)
    few = table[:3]  # of a few loci
    check_match(join_alleles(scores, few), scores, few)
    wrong = table.assign(a1="C")
    with pytest.raises(
        InputFileError, match=r"100.0% of positions .* only 0 have the same alleles"
    ):
        check_match(join_alleles(scores, wrong), scores, wrong)


@pytest.mark.parametrize(("wrong", "warned"), [(30, False), (150, True)])
def test_many_other_alleles_are_told(wrong, warned, caplog):
    rng = np.random.default_rng(2)
    scores = pd.DataFrame({"chrom": "chr1", "pos": np.arange(200) * 50 + 7, "ref": "A", "alt": "G"})
    table = scores.rename(columns={"alt": "a1", "ref": "a2"})
    table = table.assign(beta=rng.normal(size=200), frq=0.3)
    table.loc[: wrong - 1, "a1"] = "AC"
    check_match(join_alleles(scores, table), scores, table, "GWAS g.tsv")
    said = f"GWAS g.tsv: only {200 - wrong} of the 200 rows at positions of scored variants"
    assert (said in caplog.text) == warned
