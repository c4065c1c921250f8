"""Which column of a QTL table says what, by the layouts that programs and projects write.

Published layouts: BLUEPRINT (Chen et al. 2016, no header, spaces), Matrix eQTL, tensorQTL and
FastQTL, GTEx's significant pairs, the eQTL Catalogue, QTLtools. Any other table works whose columns
have one of the names in `ALIASES`, or are named by role.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tfepi.qtl.table_lines import is_vcf
from tfrecords_tools.errors import ConfigError, InputFileError, unknown

ALIASES = {
    "snp": "chr:pos_ref_alt chr.pos_ref_alt variant_id variant var_id snp snps snp_id snpid "
    "variantid rsid",
    "chrom": "chromosome chrom chr snp_chrom snp_chr variant_chrom variant_chr var_chr snpchr",
    "pos": "position pos bp snp_pos snp_position variant_pos variant_position var_from snppos",
    "ref": "ref reference_allele allele_ref",
    "alt": "alt alternative_allele allele_alt",
    "target": "phenotype_id phenotypeid molecular_trait_id gene_id gene target target_id phe_id "
    "trait trait_id probe peak peak_id feature feature_id",
    "target_chrom": "target_chrom target_chr phenotype_chrom phenotype_chr peak_chrom peak_chr "
    "gene_chrom gene_chr phe_chr",
    "target_start": "target_start target_pos phenotype_start phenotype_pos peak_start gene_start "
    "phe_from tss",
    "target_end": "target_end phenotype_end peak_end gene_end phe_to",
    "distance": "start_distance tss_distance",
    "end_distance": "end_distance",
    "fdr": "fdr qvalue q_value q-value qval padj p_adj adj_p p.adjust fdr_bh",
    "p": "pval_nominal pvalue p-value p.value p_value pval p nom_pval nominal_p",
    "threshold": "pval_nominal_threshold",
}
"""Role of a column → the names it may have (any case), the best one first."""

BLUEPRINT = (
    *("chr:pos_ref_alt", "rsid", "phenotypeID", "p.value", "beta", "Bonferroni.p.value", "FDR"),
    *("alt_allele_frequency", "std.error_of_beta"),
)
"""Columns of BLUEPRINT's tables, which have no header, by their README."""

GENERIC = "generic"
"""Layout of tables that are of no published one."""

_SIGNATURES = (
    ("blueprint", {"chr:pos_ref_alt", "phenotypeid"}),
    ("blueprint", {"chr.pos_ref_alt", "phenotypeid"}),
    ("eqtl_catalogue", {"molecular_trait_id", "chromosome", "position"}),
    ("gtex", {"variant_id", "gene_id", "pval_nominal_threshold"}),
    ("tensorqtl", {"variant_id", "phenotype_id"}),
    ("fastqtl", {"variant_id", "gene_id", "tss_distance"}),
    ("qtltools", {"phe_id", "var_id"}),
    ("matrix_eqtl", {"snp", "gene", "fdr"}),
    ("matrix_eqtl", {"snps", "gene", "fdr"}),
)
_ASSEMBLIES = {"eqtl_catalogue": "GRCh38"}
_DISTRIBUTED = {"blueprint": "GRCh37"}
_HEADER = 300  # characters of one that are shown
_PLACED_SNP = re.compile(r"[^\s:_]+:\d+[:_][A-Za-z<>*\-,.]+[:_][A-Za-z<>*\-,.]+")


@dataclass(frozen=True)
class Layout:
    """What a table's columns are.

    Attributes:
        name: "blueprint", "gtex", … or `GENERIC`.
        columns: role (of `ALIASES`) → name of the column in the file.
        assembly: of the layout's positions, where all its tables are of one; else None.
        distributed: that of the project's own files, which lifted ones look like, or None.
    """

    name: str
    columns: Mapping[str, str] = field(default_factory=dict)
    assembly: str | None = None
    distributed: str | None = None

    def has(self, *roles: str) -> bool:
        """Tell whether all these roles have a column."""
        return all(role in self.columns for role in roles)


def has_no_header(cells: Sequence[str]) -> bool:
    """Tell whether a table's first line is already a row of a BLUEPRINT table."""
    return len(cells) == len(BLUEPRINT) and bool(_PLACED_SNP.fullmatch(cells[0]))


def read_roles(text: str | None) -> dict[str, str]:
    """Return role → column of a list ROLE=COLUMN,ROLE=COLUMN…

    Raises:
        ConfigError: an unknown role, one named twice, or an entry without "=".
    """
    roles: dict[str, str] = {}
    for item in filter(None, (text or "").split(",")):
        role, equals, column = item.partition("=")
        if role not in ALIASES:
            raise unknown("role of a column", role, ALIASES, "in --columns")
        if not equals or not column or role in roles:
            raise ConfigError(f"--columns has {item!r}: want ROLE=COLUMN, each role once")
        roles[role] = column
    return roles


def detect(path: object, header: Sequence[str], named: Mapping[str, str] | None = None) -> Layout:
    """Return the layout of a table.

    Args:
        path: of the table, for messages.
        header: names of its columns.
        named: role → column, instead of what the names say.

    Raises:
        InputFileError: a column that was named is not there, a name is there twice, or a VCF.
    """
    if is_vcf(header):
        raise InputFileError(
            f"{path} is a VCF, which has no targets: want a table of QTLs, a row for each SNP and "
            "target"
        )
    lower = [name.lower() for name in header]
    twice = [n for n in header if header.count(n) > 1]
    if twice:
        raise InputFileError(f"{path} has the column {twice[0]!r} twice: rename one")
    columns = {}
    for role, aliases in ALIASES.items():
        there = [a for a in aliases.split() if a in lower]
        if there:
            columns[role] = header[lower.index(there[0])]
    for role, column in (named or {}).items():
        if column not in header:
            raise InputFileError(
                f"{path} has no column {column!r} for --columns {role}={column}: it has "
                f"{', '.join(header)}"
            )
        columns[role] = column
    name = next((n for n, wanted in _SIGNATURES if wanted <= set(lower)), GENERIC)
    return Layout(name, columns, _ASSEMBLIES.get(name), _DISTRIBUTED.get(name))


def lacking(path: object, header: Sequence[str], what: str, *roles: str) -> InputFileError:
    """Return the error for a table without a column that is needed.

    Args:
        path: of the table.
        header: names of its columns.
        what: is lacking ("place of the target").
        roles: any of which would do; "chrom,pos": both together.
    """
    named = [",".join(f"{r}=COLUMN" for r in role.split(",")) for role in roles]
    single = [r for role in roles for r in role.split(",")]
    wanted = "; ".join(f"{role}: {', '.join(ALIASES[role].split())}" for role in single)
    return InputFileError(
        f"{path} has no column for the {what}: it has {', '.join(header)[:_HEADER]}; names that "
        f"are known are ({wanted}); others are named with --columns {' or '.join(named)}"
    )
