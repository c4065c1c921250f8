"""Which rows are significant."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import false_discovery_control

from tfepi.qtl.layouts import detect
from tfepi.qtl.significance import Asked, Significance, is_p, largest_significant
from tfrecords_tools.errors import ConfigError, InputFileError


def kept(columns, **asked):
    header = tuple(columns)
    by = Significance.of("t", header, detect("t", header), Asked(**asked))
    layout = detect("t", header)
    rows = pa.table(
        {role: pa.array(columns[layout.columns[role]], pa.float64()) for role in by.roles}
    )
    found, missing = by.of_rows(rows, np.arange(2, 2 + rows.num_rows))
    return found.tolist(), missing.tolist(), by


def test_fdr_is_below_its_limit():
    found, missing, by = kept({"FDR": [0.05, 0.0499, None], "p.value": [0, 0, 0]})
    assert found == [False, True, False]
    assert missing == [False, False, True]
    assert by.words == "FDR < 0.05"
    assert kept({"FDR": [0.05, 0.2]}, fdr=0.1)[0] == [True, False]


def test_p_values_that_are_called_fdr_are_told_of(caplog):
    header = ("snp", "pvalue")
    by = Significance.of("t", header, detect("t", header, {"fdr": "pvalue"}), Asked())
    assert by.words == "pvalue (read as FDR) < 0.05"
    assert "pvalue, which is named as a p-value, is read as FDR; --pvalue P" in caplog.text
    caplog.clear()
    kept({"FDR": [0.01], "pvalue": [0.01]})
    assert not caplog.text


@pytest.mark.parametrize("name", ["p", "P-value", "p.value", "pval_nominal", "nom_pval"])
def test_names_of_p_values(name):
    assert is_p(name)


@pytest.mark.parametrize("name", ["FDR", "qval", "padj", "p.adjust", "pvalue_adj", "pip", "adj_p"])
def test_names_that_are_none_of_p_values(name):
    assert not is_p(name)


def test_p_values_when_asked():
    found, _, by = kept({"FDR": [0.5, 0.5], "p.value": [1e-4, 1e-2]}, pvalue=1e-3)
    assert found == [True, False]
    assert by.words == "p.value < 0.001"


def test_thresholds_of_a_list_of_significant_pairs():
    columns = {"pval_nominal": [1e-4, 1e-4, 2e-4], "pval_nominal_threshold": [1e-4, 1e-5, None]}
    found, missing, by = kept(columns)
    assert found == [True, False, False]
    assert missing == [False, False, True]
    assert by.words == "p up to pval_nominal_threshold of the row (the study's own FDR)"
    with pytest.raises(ConfigError, match=r"--fdr is 0.01, and t gives each gene's threshold"):
        kept(columns, fdr=0.01)


def test_p_values_where_fdr_is_asked():
    message = r"t has p-values \(pval_nominal\) and no FDR, which is asked for \(--fdr 0.05\): name"
    with pytest.raises(InputFileError, match=message):
        kept({"pval_nominal": [0.1]})


def test_no_column_at_all():
    with pytest.raises(InputFileError, match="no column for the false discovery rate: it has x"):
        kept({"x": [0.1]})
    with pytest.raises(InputFileError, match="no column for the p-value: it has FDR"):
        kept({"FDR": [0.1]}, pvalue=0.1)


@pytest.mark.parametrize("value", [-0.1, 1.5, np.inf])
def test_values_out_of_range(value):
    with pytest.raises(InputFileError, match=r"t line 3 has FDR .*: want 0 to 1; −log10"):
        kept({"FDR": [0.1, value]})
    with pytest.raises(InputFileError, match="t line 2 has its p-value"):
        kept({"p": [value], "pval_nominal_threshold": [0.1]})


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"fdr": 0}, "--fdr is 0: want a number above 0, up to 1"),
        ({"pvalue": 2}, "--pvalue is 2: want"),
        ({"pvalue": 0.1, "bh": True}, "--pvalue and --bh are both given"),
        ({"tests": 5}, "--tests is 5: want a number from 1, with --bh"),
        ({"tests": 0, "bh": True}, "--tests is 0: want"),
    ],
)
def test_what_cannot_be_asked(asked, message):
    with pytest.raises(ConfigError, match=message):
        Asked(**asked)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fdr", [0.01, 0.05, 0.3])
def test_benjamini_hochberg_against_scipy(seed, fdr):
    rng = np.random.default_rng(seed)
    p = np.concatenate([rng.random(500), rng.random(60) ** 6, [0.02, 0.02]])
    rng.shuffle(p)
    want = false_discovery_control(p) < fdr
    limit = largest_significant(p[p < fdr], len(p), fdr)
    np.testing.assert_array_equal(p <= limit, want)


def test_benjamini_hochberg_of_nothing():
    assert largest_significant(np.zeros(0), 10, 0.05) == -1
    assert largest_significant(np.array([0.04, 0.03]), 1000, 0.05) == -1


def test_tests_that_are_not_all_listed():
    _, _, by = kept({"p": [0.1]}, bh=True)
    assert by.words == "FDR of p (Benjamini-Hochberg) < 0.05"
    assert by.check_tests(10, 0.95) == 10
    with pytest.raises(InputFileError, match=r"t has no p-value above 0.05, so that not all tests"):
        by.check_tests(10, 0.05)
    _, _, by = kept({"p": [0.1]}, bh=True, tests=50)
    assert by.check_tests(10, 0.05) == 50
    with pytest.raises(ConfigError, match="--tests is 50, and t lists 51 tests"):
        by.check_tests(51, 0.05)
