"""Which scored variants are positives and candidates, with whose effect, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pysam
import pytest

from tfepi.qtl.exam_table import COLUMNS, QtlTable
from tfepi.qtl.exam_variants import Limits, label_variants
from tfrecords_tools.errors import ConfigError, InputFileError

SCORES = pd.DataFrame(
    [
        ("chr1", 100, "A", "G"),  # 0: causal as written
        ("chr1", 200, "C", "T"),  # 1: causal, effect of REF
        ("chr1", 300, "A", "G"),  # 2: causal, other strand
        ("chr1", 400, "C", "A"),  # 3: not causal
        ("chr1", 100, "A", "C"),  # 4: not causal, in the place of a positive
        ("chr1", 500, "C", "A"),  # 5: neither
        ("chr1", 600, "C", "A"),  # 6: not fine-mapped
        ("chr2", 100, "A", "G"),  # 7: causal in one row, not in another
        ("chr2", 98, "TTT", "T"),  # 8: spans a positive
        ("chr2", 700, "G", "A"),  # 9: not causal
    ],
    columns=["chrom", "pos", "ref", "alt"],
).assign(id=".")
ROWS = [
    ("1", 100, "G", "A", 0.95, 1.0, 0.1),
    ("1", 200, "C", "T", 0.95, 2.0, 0.7),
    ("1", 300, "C", "T", 0.99, 3.0, 0.3),
    ("1", 400, "A", "C", 0.001, 9.0, 0.2),
    ("1", 100, "C", "A", 0.001, 9.0, 0.2),
    ("1", 500, "A", "C", 0.5, 9.0, 0.2),
    ("2", 100, "A", "G", 0.91, 7.0, None),
    ("2", 100, "G", "A", 0.005, 5.0, 0.4),
    ("2", 98, "T", "TTT", 0.001, 5.0, 0.4),
    ("2", 700, "A", "G", 0.0, None, 0.4),
    ("2", 701, "A", "G", 0.99, 1.0, 0.4),  # not scored
    ("2", 400, "A", "C", 0.99, 1.0, 0.4),  # not scored
    ("9", 1, "A", "G", 0.99, 1.0, 0.4),  # no such chromosome
    ("1", 600, "A", "G", 0.003, 1.0, 0.4),  # other alleles
]


def table_of(rows):
    names = ["chrom", "pos", "a1", "a2", "pip", "effect", "frequency"]
    table = pd.DataFrame(rows, columns=names).assign(distance=np.nan, ld_score=np.nan, gene="g")
    table.index += 2
    for column in ("chrom", "a1", "a2"):
        table[column] = table[column].astype("category")
    return QtlTable(Path("q.tsv"), table[list(COLUMNS)], {}, {"rows": len(rows), "variants": 0})


def label(rows=ROWS, scores=SCORES, **options):
    return label_variants(scores, table_of(rows), **options)


def test_positives_candidates_and_their_effects():
    found = label()
    table = found.table.set_index("row")
    assert table.index[table["positive"]].tolist() == [0, 1, 2, 7]
    assert table.index[~table["positive"]].tolist() == [3, 9]
    effects = table.loc[[0, 1, 2, 7], "effect"].tolist()
    assert effects == [1, -2, 3, -7]  # of the row with the highest PIP, turned to ALT
    assert table.index[table["swapped"] & table["positive"]].tolist() == [1, 7]
    np.testing.assert_allclose(table.loc[[0, 1, 2, 3], "frequency"], [0.1, 0.3, 0.3, 0.2])
    assert {k: found.counts[k] for k in ("positives", "candidates", "with_effect", "turned")} == {
        "positives": 4,
        "candidates": 2,
        "with_effect": 4,
        "turned": 2,
    }
    assert found.counts["scored"] == 10
    assert found.counts["unknown_chromosome"] == 1
    assert found.counts["not_scored"] == 2
    assert found.counts["other_alleles"] == 1
    assert found.counts["other_strand"] == 1
    assert found.counts["beside_positives"] == 2


def test_the_place_of_a_positive_without_score_has_no_negatives():
    rows = [*ROWS, ("1", 399, "A", "CC", 0.99, 1.0, 0.4)]
    assert 3 not in label(rows).table["row"].tolist()


def test_a_background_of_all_scores_adds_those_that_are_not_fine_mapped():
    found = label(background="scores")
    assert found.table.loc[~found.table["positive"], "row"].tolist() == [3, 6, 9]
    assert found.counts["of_background"] == 1
    unclear = [*ROWS[:-1], (*ROWS[-1][:4], 0.3, 1.0, 0.4)]
    assert label(unclear, background="scores").counts["of_background"] == 0


@pytest.mark.parametrize("kind", ["vcf", "vcf.gz", "tsv"])
def test_a_background_file_adds_variants_and_frequencies(tmp_path, kind):
    path = tmp_path / f"b.{kind}"
    if kind == "tsv":
        path.write_text("chrom\tpos\tref\talt\taf\n1\t600\tC\tA\t0.8\n2\t100\tA\tG\t0.3\n")
    else:
        plain = tmp_path / "plain.vcf"
        plain.write_text(
            "##fileformat=VCFv4.2\n##contig=<ID=chr1>\n##contig=<ID=chr2>\n"
            '##INFO=<ID=AF,Number=A,Type=Float,Description="f">\n'
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
            "chr1\t600\t.\tC\tT,A\t.\t.\tAF=0.1,0.8\nchr2\t100\t.\tA\tG\t.\t.\tAF=0.3\n"
        )
        if kind == "vcf.gz":
            pysam.tabix_compress(str(plain), str(path))
        else:
            plain.rename(path)
    table = label(background=path).table.set_index("row")
    assert table.index[~table["positive"]].tolist() == [3, 6, 9]
    np.testing.assert_allclose(table.loc[[6, 7], "frequency"], [0.2, 0.3], rtol=1e-6)


def test_a_table_without_alleles_finds_places_but_no_effects():
    rows = [(c, p, None, None, pip, b, f) for c, p, _, _, pip, b, f in ROWS[1:4]]
    found = label(rows)
    assert found.table["row"].tolist() == [1, 2, 3]
    assert found.table["effect"].isna().all()
    assert found.no_effects.startswith("the QTL table has no alleles, so that it is not known")
    rows = [(*row[:5], None, row[6]) for row in ROWS]
    assert label(rows).no_effects.startswith("the QTL table has no effects; name their column")
    assert label().no_effects is None


def test_strands_that_are_mixed_leave_out_what_cannot_be_told(caplog):
    scores = SCORES.assign(ref="A", alt="C")
    scores.loc[1, ["ref", "alt"]] = "A", "T"
    rows = [("1", 100, "G", "T", 0.99, 1.0, 0.1), ("1", 200, "T", "A", 0.99, 1.0, 0.1)]
    found = label(rows, scores)
    assert found.table["row"].tolist() == [0]
    assert found.counts["ambiguous_dropped"] == 1
    assert "1 A/T and C/G variants are left out" in caplog.text


def many(shift=0, chrom="chr1"):
    place = np.arange(100, 5000, 97)
    scores = pd.DataFrame({"chrom": "chr1", "pos": place, "id": ".", "ref": "A", "alt": "C"})
    rows = [(chrom, int(p) + shift, "C", "A", 0.95, 1.0, 0.2) for p in place]
    return rows, scores


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (many(-1), r"0 of 51 positives lie where .*51 would with positions moved by \+1.*--base 0"),
        (many(1), r"51 would with positions moved by -1: they are one too high"),
        (many(40), r"none of 51 positives lies where a variant is scored: .*assembly"),
        (many(0, "chr7"), r"its variants are on chr7 …, those with a score on chr1 …"),
        ((many()[0], many()[1].assign(alt="G")), "none of its 51 variants .* alleles"),
    ],
)
def test_tables_that_do_not_fit(case, message):
    with pytest.raises(InputFileError, match=message):
        label(*case)


def test_some_positives_on_unknown_chromosomes_are_told_of(caplog):
    label()
    assert "1 of 7 positives are on chromosomes without scored variants (9 …)" in caplog.text


@pytest.mark.parametrize("turned", [0, 40, 51])
def test_tables_whose_alleles_are_all_turned_are_told_of(caplog, turned):
    rows, scores = many()
    rows = [(*r[:2], *("AC" if n < turned else "CA"), *r[4:]) for n, r in enumerate(rows)]
    found = label(rows, scores)
    assert found.counts["turned"] == turned
    told = "in 51 of 51 variants the allele of the effect is the scored REF, so that the effect's s"
    assert (told in caplog.text) is (turned == 51)


def test_few_variants_may_all_be_turned(caplog):
    rows, scores = many()
    label([(c, p, "A", "C", *r) for c, p, _, _, *r in rows[:19]], scores)
    assert "scored REF" not in caplog.text


def test_limits():
    with pytest.raises(ConfigError, match=r"no variant of q.tsv has a PIP of 1 or more .*is 0.99"):
        label(limits=Limits(1.0))
    assert label(limits=Limits(0.5, 0.5)).counts["positives"] == 5
    for limits in ((0.9, 0.95), (1.1, 0.1), (0.9, -0.1), (0, 0)):
        with pytest.raises(ConfigError, match="want 0 <= negative <= positive <= 1"):
            Limits(*limits)


def test_a_background_that_does_not_fit(tmp_path):
    path = tmp_path / "b.tsv"
    path.write_text("chrom\tpos\tref\talt\n1\t77\tC\tA\n")
    with pytest.raises(InputFileError, match="none of its 1 variants has a score"):
        label(background=path)
    with pytest.raises(InputFileError, match="does not exist"):
        label(background=tmp_path / "none.vcf")
