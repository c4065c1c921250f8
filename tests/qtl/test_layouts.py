"""Layouts of QTL tables by their headers."""

import pytest

from tfepi.qtl.layouts import BLUEPRINT, detect, has_no_header, lacking, read_roles
from tfrecords_tools.errors import ConfigError, InputFileError

HEADERS = {
    "blueprint": BLUEPRINT,
    "matrix_eqtl": ("SNP", "gene", "beta", "t-stat", "p-value", "FDR"),
    "tensorqtl": (
        *("phenotype_id", "variant_id", "start_distance", "end_distance", "af", "ma_samples"),
        *("ma_count", "pval_nominal", "slope", "slope_se"),
    ),
    "gtex": (
        *("variant_id", "gene_id", "tss_distance", "ma_samples", "ma_count", "maf"),
        *("pval_nominal", "slope", "slope_se", "pval_nominal_threshold", "min_pval_nominal"),
        "pval_beta",
    ),
    "fastqtl": ("gene_id", "variant_id", "tss_distance", "pval_nominal", "slope"),
    "eqtl_catalogue": (
        *("molecular_trait_id", "chromosome", "position", "ref", "alt", "variant", "ma_samples"),
        *("maf", "pvalue", "beta", "se", "type", "ac", "an", "r2", "molecular_trait_object_id"),
        *("gene_id", "median_tpm", "rsid"),
    ),
    "qtltools": ("phe_id", "phe_chr", "phe_from", "phe_to", "var_id", "var_chr", "var_from"),
    "generic": ("chrom", "pos", "target_start", "target_end", "fdr"),
}
ROLES = {
    "blueprint": {"snp": "chr:pos_ref_alt", "target": "phenotypeID", "fdr": "FDR", "p": "p.value"},
    "matrix_eqtl": {"snp": "SNP", "target": "gene", "fdr": "FDR", "p": "p-value"},
    "tensorqtl": {"snp": "variant_id", "target": "phenotype_id", "distance": "start_distance"},
    "gtex": {"target": "gene_id", "threshold": "pval_nominal_threshold", "p": "pval_nominal"},
    "fastqtl": {"distance": "tss_distance", "p": "pval_nominal"},
    "eqtl_catalogue": {"target": "molecular_trait_id", "pos": "position", "p": "pvalue"},
    "qtltools": {"target": "phe_id", "pos": "var_from", "target_start": "phe_from"},
    "generic": {"chrom": "chrom", "target_end": "target_end", "fdr": "fdr"},
}


@pytest.mark.parametrize("name", HEADERS)
def test_layouts_and_roles(name):
    layout = detect("t", HEADERS[name])
    assert layout.name == name
    assert layout.assembly == ("GRCh38" if name == "eqtl_catalogue" else None)
    assert {role: layout.columns[role] for role in ROLES[name]} == ROLES[name]


def test_blueprint_without_header():
    row = ["10:90164_C_G", "rs1", "10:1016421:1019322", *("0.7", "0.1", "1", "0.6", "0.1", "0.2")]
    assert has_no_header(row)
    assert not has_no_header(list(BLUEPRINT))
    assert not has_no_header(row[:8])


def test_roles_that_are_named():
    named = read_roles("target=peak,fdr=my q")
    assert named == {"target": "peak", "fdr": "my q"}
    layout = detect("t", ("chrom", "pos", "fdr", "my q", "peak"), named)
    assert layout.columns["fdr"] == "my q"
    assert read_roles(None) == {}


@pytest.mark.parametrize("text", ["fdr", "fdr=", "fdr=a,fdr=b"])
def test_roles_that_cannot_be_read(text):
    with pytest.raises(ConfigError, match="want ROLE=COLUMN, each role once"):
        read_roles(text)


def test_an_unknown_role():
    with pytest.raises(ConfigError, match="unknown role of a column 'fdrs' in --columns"):
        read_roles("fdrs=q")


def test_columns_that_are_not_there_or_twice():
    with pytest.raises(
        InputFileError, match="t has no column 'q' for --columns fdr=q: it has a, b"
    ):
        detect("t", ("a", "b"), {"fdr": "q"})
    with pytest.raises(InputFileError, match="t has the column 'a' twice"):
        detect("t", ("a", "a"))


def test_what_is_lacking_names_what_was_found_and_what_is_wanted():
    error = str(lacking("t", ("a", "b"), "p-value", "p"))
    assert error.startswith(
        "t has no column for the p-value: it has a, b; names that are known are (p: pval_"
    )
    assert error.endswith("others are named with --columns p=COLUMN")
    error = str(lacking("t", ("a",), "place", "snp", "chrom,pos"))
    assert error.endswith("with --columns snp=COLUMN or chrom=COLUMN,pos=COLUMN")
    assert "; pos: position, pos, bp" in error


def test_a_vcf_is_no_table_of_qtls():
    header = ("CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", "s1")
    with pytest.raises(InputFileError, match=r"t.vcf is a VCF, which has no targets: want a table"):
        detect("t.vcf", header)
