"""Fine-mapping tables of every layout, and what is refused."""

import gzip

import numpy as np
import pandas as pd
import pytest

from tfepi.qtl import exam_table
from tfepi.qtl.exam_columns import find_columns, parsed_variants
from tfepi.qtl.exam_table import read_qtls
from tfrecords_tools.errors import ConfigError, InputFileError

OWN = pd.DataFrame(
    {
        "chrom": ["1", "1", "chrX", "2", "1"],
        "pos": [100, 100, 7, 5, 100],
        "ref": ["A", "A", "CT", "G", "a"],
        "alt": ["G", "G", "C", "T", "g"],
        "pip": [0.2, 0.95, 0.003, None, 0.5],
        "beta": [-3, 0.5, None, 1, 9],
        "tss_distance": [-40, 30, 2, 1, 1],
        "maf": [0.1, 0.1, 0.4, 0.2, 0.1],
        "gene": ["a", "b", "c", "d", "e"],
    }
)


@pytest.fixture
def written(tmp_path):
    def write(table, name="qtls.tsv"):
        path = tmp_path / name
        if isinstance(table, str):
            path.write_text(table)
        elif name.endswith(".parquet"):
            table.to_parquet(path)
        else:
            table.to_csv(path, sep="," if ".csv" in name else "\t", index=False, na_rep="NA")
        return path

    return write


def found(table):
    return table.astype(object).where(table.notna(), None).to_dict("records")


@pytest.mark.parametrize("name", ["q.tsv", "q.tsv.gz", "q.csv", "q.parquet"])
@pytest.mark.parametrize("rows", [2, 500_000])
def test_each_variant_has_the_row_of_its_highest_pip(written, monkeypatch, name, rows):
    monkeypatch.setattr(exam_table, "_ROWS", rows)
    read = read_qtls(written(OWN, name))
    first = {"chrom": "1", "pos": 100, "a1": "G", "a2": "A", "pip": 0.95, "effect": 0.5}
    first |= {"distance": 30.0, "frequency": 0.1, "ld_score": None, "gene": "b"}
    second = {"chrom": "chrX", "pos": 7, "a1": "C", "a2": "CT", "pip": 0.003, "effect": None}
    second |= {"distance": 2.0, "frequency": 0.4, "ld_score": None, "gene": "c"}
    assert found(read.table) == [first, second]
    assert read.counts == {"rows": 5, "left_out": 0, "incomplete": 1, "variants": 2}
    assert read.columns["effect"] == "beta"
    assert read.table.index.tolist() == ([2, 3] if name.endswith("parquet") else [3, 4])


EQTL_CATALOGUE = """\
molecular_trait_id gene_id cs_id variant rsid cs_size pip pvalue beta se z cs_min_r2 region
E1 G1 E1_L1 chr19_226776_C_T rs1 2 0.97 1e-9 0.4 0.1 4 0.8 chr19:1-9
E1 G1 E1_L1 chr19_226776_C_T rs2 2 0.97 1e-9 0.4 0.1 4 0.8 chr19:1-9
"""
WANG = """\
chromosome start end variant variant_hg38 allele1 allele2 maf method tissue gene z pip\
 beta_marginal beta_posterior
chr1 11 12 chr1_12_G_A chr1_226776_C_T_b38 C T 0.02 SUSIE Liver G2.1 1.8 0.97 0.7 0.4
chr1 11 12 chr1_12_G_A chr1_226776_C_T_b38 C T 0.02 FINEMAP Liver G2.1 1.8 0.99 0.7 9
"""
CAVIAR = """\
TISSUE GENE eQTL CHROM POS Probability
Liver G2.1 1_226776 1 226776 0.97
Lung G2.1 1_226776 1 226776 0.1
"""
DAPG = """\
tissue_id gene_id cluster_id cluster_pip variant_id variant_pip
Liver G2.1 1 1.0 chr1_226776_C_T_b38 0.97
"""
TENSORQTL = "phenotype_id variant_id pip af cs_id\nG2.1 chr1:226776:C:T 0.97 0.98 1\n"


@pytest.mark.parametrize(
    ("text", "only", "chrom", "alleles", "effect"),
    [
        (EQTL_CATALOGUE, (), "chr19", ["T", "C"], 0.4),
        (WANG, ("method=SUSIE",), "chr1", ["T", "C"], 0.4),
        (CAVIAR, (), "1", [None, None], None),
        (CAVIAR.replace("1_226776", "chr1_226776_C_T_b38"), (), "chr1", ["T", "C"], None),
        (DAPG, (), "chr1", ["T", "C"], None),
        (TENSORQTL, (), "chr1", ["T", "C"], None),
    ],
)
@pytest.mark.parametrize("separator", [" ", "\t"])
def test_layouts(written, text, only, chrom, alleles, effect, separator):
    read = read_qtls(written(text.replace(" ", separator)), only=only)
    (row,) = found(read.table)
    assert (row["chrom"], row["pos"], row["pip"]) == (chrom, 226776, 0.97)
    assert [row["a1"], row["a2"]] == alleles
    assert row["effect"] == effect


@pytest.mark.parametrize(
    ("change", "alleles"),
    [
        ({"effect_allele": "A"}, ["A", "G"]),
        ({"effect_allele": "g"}, ["G", "A"]),
        ({"effect_allele": "T"}, [None, None]),
    ],
)
def test_the_effect_is_of_the_allele_that_the_table_names(written, change, alleles):
    row = found(read_qtls(written(OWN[:2].assign(**change))).table)[0]
    assert [row["a1"], row["a2"]] == alleles


def test_effect_and_other_allele_without_ref_and_alt(written):
    table = OWN[:2].rename(columns={"ref": "effect_allele", "alt": "other_allele"})
    row = found(read_qtls(written(table)).table)[0]
    assert (row["a1"], row["a2"]) == ("A", "G")


def test_a_table_of_places_alone_has_no_alleles_and_counts_from_0_if_said(written):
    table = OWN[["chrom", "pos", "pip"]].assign(pos=OWN["pos"] - 1)
    rows = found(read_qtls(written(table), first=0).table)
    assert [(r["pos"], r["a1"], r["pip"]) for r in rows] == [(100, None, 0.95), (7, None, 0.003)]


def test_names_of_columns_and_rows_that_are_chosen(written):
    table = OWN.rename(columns={"pip": "how_sure", "gene": "Trait"})
    path = written(table)
    read = read_qtls(path, ["pip=HOW_SURE", "gene=trait"], ["trait=a", "TRAIT=c"])
    assert read.table["gene"].tolist() == ["a", "c"]
    assert read.counts["left_out"] == 3
    assert read.table["pip"].tolist() == [0.2, 0.003]


def test_without_pips_every_pip_is_0(written):
    assert read_qtls(written(OWN.drop(columns="pip")), pips=False).table["pip"].eq(0).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pip": 3.0}, r"line 2 has pip 3: want a probability, 0 to 1"),
        ({"pip": -0.1}, r"pip -0.1"),
        ({"pip": "high"}, r"line 2 has pip 'high': want a number"),
        ({"pos": 0}, r"line 2 has pos 0: want a position counted from 1 .*--base 0"),
        ({"pos": -3}, r"line 2 has pos -3: want 1 or more$"),
        ({"pos": 1.5}, r"pos 1.5: want a whole number"),
        ({"maf": 7}, r"frequency 7: want a probability"),
        ({"beta": "inf"}, r"effect inf: want a finite number"),
        ({"tss_distance": "-inf"}, r"distance inf: want a finite number"),
        ({"pip": None}, r"no row that has a place and a PIP, of 5"),
    ],
)
def test_values_that_are_refused(written, change, message):
    with pytest.raises(InputFileError, match=message):
        read_qtls(written(OWN.assign(**change)))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("pos ref alt pip", r"does not say where its variants lie.*it has pos, ref"),
        ("chrom pos p", r"has no PIP: p says what is associated"),
        ("chrom pos pval_nominal qvalue beta", r"has no PIP: pval_nominal, qvalue say"),
        ("chrom pos score", r"has no PIP; give fine-mapped QTLs"),
    ],
)
def test_columns_that_are_not_there(columns, message):
    with pytest.raises(InputFileError, match=message):
        find_columns(columns.split(), "file")


@pytest.mark.parametrize("name", ["p", "P-value", "pvalue", "log10p", "FDR", "p_beta", "qval"])
def test_p_values_are_no_pips_whatever_they_are_called(name):
    with pytest.raises(InputFileError, match="holds p-values or FDR"):
        find_columns(["chrom", "pos", name], "file", {"pip": name})


def test_options_that_are_refused(written):
    path = written(OWN)
    with pytest.raises(ConfigError, match=r"unknown column 'pips' of .*mean 'pip'"):
        read_qtls(path, ["pips=pip"])
    with pytest.raises(ConfigError, match=r"unknown column 'pips' in .*did you mean 'pip'"):
        read_qtls(path, ["pip=pips"])
    with pytest.raises(ConfigError, match="unknown column 'tissue'"):
        read_qtls(path, only=["tissue=x"])
    with pytest.raises(ConfigError, match=r"--only is 'gene=': want COLUMN=VALUE, as tissue=Liver"):
        read_qtls(path, only=["gene="])
    with pytest.raises(ConfigError, match=r"--columns is 'pip': want OURS=THEIRS, as pip=prob"):
        read_qtls(path, ["pip"])
    with pytest.raises(ConfigError, match="count from 2: want 1 or 0"):
        read_qtls(path, first=2)
    with pytest.raises(InputFileError, match="no row with gene=z"):
        read_qtls(path, only=["gene=z"])


def test_several_names_in_one_text(written):
    path = written(OWN.rename(columns={"pip": "a", "beta": "b,c"}))
    assert read_qtls(path, ["pip=a,effect=b,c"]).columns["effect"] == "b,c"


def test_a_vcf_has_no_pips(tmp_path):
    path = tmp_path / "v.txt"
    path.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    message = r"v.txt is a VCF, which has no PIPs: want .*tfepi_variants.py.*--background"
    with pytest.raises(InputFileError, match=message):
        read_qtls(path)


def test_parquet_has_rows_and_text_has_lines(written, tmp_path):
    bad = OWN.assign(pip=[0.5, *OWN["pip"][1:-1], 3.0])
    bad.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputFileError, match=rf"t.parquet row {len(OWN)} has pip 3"):
        read_qtls(tmp_path / "t.parquet")
    with pytest.raises(InputFileError, match=rf"line {len(OWN) + 1} has pip 3"):
        read_qtls(written(bad))


def test_damaged_files(written, tmp_path):
    with pytest.raises(InputFileError, match="does not exist"):
        read_qtls(tmp_path / "none.tsv")
    with pytest.raises(InputFileError, match="no row that has a place"):
        read_qtls(written("chrom\tpos\tpip\n"))
    whole = gzip.compress(OWN.to_csv(sep="\t", index=False).encode() * 99)
    (tmp_path / "cut.tsv.gz").write_bytes(whole[:-40])
    with pytest.raises(InputFileError, match="damaged gzip"):
        read_qtls(tmp_path / "cut.tsv.gz")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1" + bytes(40))
    with pytest.raises(InputFileError, match="damaged Parquet"):
        read_qtls(tmp_path / "cut.parquet")
    with pytest.raises(InputFileError, match="no table"):
        read_qtls(written('chrom\tpos\tpip\n1\t"2\t3\n'))


def test_names_of_variants():
    names = ["chr1_12_A_GT", "X:12:a:g", "chr1_KI270706v1_random_5_A_C_b38", "7_12", "rs12", None]
    parts = parsed_variants(pd.Series(names))
    assert parts["chrom"].fillna("").tolist() == [
        *("chr1", "X", "chr1_KI270706v1_random", "7", "", "")
    ]
    assert parts["pos"].fillna("").tolist() == ["12", "12", "5", "12", "", ""]
    assert parts["alt"].fillna("").tolist() == ["GT", "g", "C", "", "", ""]
    assert np.array_equal(parts["ref"].isna(), [False, False, False, True, True, True])
