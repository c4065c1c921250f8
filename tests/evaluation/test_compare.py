"""Baseline and comparison against resampling the data themselves."""

import json

import numpy as np
import pytest
from scipy.stats import pearsonr

from tfepi.evaluation import baseline, compare, testing
from tfepi.evaluation.bootstrap import Bootstrap, genome_blocks, multiplicities
from tfepi.evaluation.kmer_ridge import KmerCounter, fit_ridge
from tfepi.evaluation.predictions import SavedPredictions
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval

FEW = Bootstrap(resamples=50, rank_resamples=20, block_bp=640, seed=9)
OPTIONS = baseline.RidgeOptions(k=2, penalties=(1.0, 10.0, 100.0))


@pytest.fixture
def both(tmp_path, make_data, make_predictor):
    """A model's test folder and a ridge's, of the same data."""
    data = make_data(missing=0.02)
    request = testing.Request(bootstrap=FEW, save=True)
    testing.run_test(make_predictor(data), data, tmp_path / "model", request)
    baseline.run_baseline(data, tmp_path / "ridge", OPTIONS, bootstrap=FEW)
    return data, tmp_path / "model", tmp_path / "ridge"


def test_difference_equals_plain_resampling():
    rng = np.random.default_rng(0)
    truth = rng.gamma(1, 2, 120)
    first, second = truth + rng.gamma(1, 1, 120), truth + rng.gamma(1, 4, 120)
    truth[::8] = np.nan
    first[1] = np.nan
    block = np.sort(rng.integers(0, 6, 120))
    drawn = multiplicities(6, 40, 1)
    found = compare.paired_difference(truth, first, second, block, drawn)
    want = []
    seen = ~(np.isnan(truth) | np.isnan(first))
    for row in drawn:
        rows = np.concatenate([np.tile(np.flatnonzero(block == k), row[k]) for k in range(6)])
        rows = rows.astype(int)[seen[rows.astype(int)]]
        want.append(pearsonr(truth[rows], first[rows])[0] - pearsonr(truth[rows], second[rows])[0])
    result = found["pearsonr"]["difference"]
    assert result["interval"] == pytest.approx(np.quantile(want, [0.025, 0.975]), abs=1e-12)
    assert result["value"] == pytest.approx(
        found["pearsonr"]["first"]["value"] - found["pearsonr"]["second"]["value"]
    )
    width = np.ptp(result["interval"])
    assert width < np.ptp(found["pearsonr"]["second"]["interval"])  # what pairing is for


def test_baseline_is_the_ridge_of_the_centre_bin(both):
    data, _, ridge_folder = both
    centre = (16 + 2 * 16, 16 + 3 * 16)

    def batches(label):
        return [(data.sequences[label], data.values[label][:, 2])]

    ridge = fit_ridge(
        KmerCounter(2, centre),
        lambda: batches("train"),
        lambda: batches("valid"),
        True,
        OPTIONS.penalties,
    )
    want = ridge.predict(data.sequences["test"])
    saved = SavedPredictions(ridge_folder)
    assert saved.layout.bins == 1
    assert saved.layout.bin_width == 16
    for t in range(3):
        truth, prediction = saved.column(t)
        np.testing.assert_allclose(prediction[:, 0], want[:, t], rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(truth[:, 0], data.values["test"][:, 2, t].astype("f4"))
    described = json.loads((ridge_folder / "ridge.json").read_text())
    assert described["centre_bp"] == list(centre)
    assert [t["penalty"] for t in described["targets"]] == ridge.penalty.tolist()
    metrics = json.loads((ridge_folder / "metrics.json").read_text())
    assert metrics["across_positions"]["targets"][0]["pearsonr"]["value"] > 0.3
    assert (ridge_folder / "acc.txt").exists()


def test_comparison_brings_bins_to_the_baselines(both):
    data, model, ridge = both
    found = compare.compare_tests(model, ridge, "centre", FEW)
    saved = [SavedPredictions(f) for f in (model, ridge)]
    for t, entry in enumerate(found["targets"]):
        truth, first = (v[:, 2].astype(float) for v in saved[0].column(t))
        second = saved[1].column(t)[1][:, 0]
        block = genome_blocks(data.places["test"], 640)
        drawn = multiplicities(block.count, 50, 9)
        want = compare.paired_difference(truth, first, second, block.index, drawn)
        assert {k: entry[k] for k in want} == want
        seen = ~np.isnan(truth)
        value = pearsonr(truth[seen], first[seen])[0]
        assert entry["pearsonr"]["first"]["value"] == pytest.approx(value, abs=1e-9)
    table = compare.comparison_table(found)
    assert table.splitlines()[0].split() == ["target", "statistic", "model", "ridge", "difference"]
    assert len(table.splitlines()) == 1 + 3 * 2


def test_the_sum_over_bins(both, tmp_path):
    data, model, _ = both
    options = baseline.RidgeOptions(k=1, bin="sum", log1p=False, penalties=(1.0,))
    outcome = baseline.run_baseline(data, tmp_path / "sum", options, ["b"], FEW)
    assert outcome.predictions.layout.bin_width == 64
    truth, _ = outcome.predictions.column(0)
    want = data.values["test"][:, :, 1].astype(float).sum(axis=1)
    np.testing.assert_allclose(truth[:, 0], want, rtol=1e-6)
    assert np.isnan(truth).any()
    found = compare.compare_tests(model, tmp_path / "sum", "sum", FEW)
    assert [e["identifier"] for e in found["targets"]] == ["b"]
    with pytest.raises(InputFileError, match=r"observed other values of 'b'.*bin rule"):
        compare.compare_tests(model, tmp_path / "sum", "centre", FEW)


def test_folds_are_joined(tmp_path, make_data):
    data = make_data({"fold0": 100, "fold1": 90, "fold2": 80, "fold3": 60})
    options = baseline.RidgeOptions(
        k=1, penalties=(1.0,), train="fold0,fold1", valid="fold2", test="fold3"
    )
    outcome = baseline.run_baseline(data, tmp_path, options, bootstrap=FEW)
    assert outcome.metrics["label"] == "fold3"
    assert outcome.metrics["windows"] == 60


def test_bin_values():
    values = np.arange(24.0).reshape(2, 4, 3)
    np.testing.assert_array_equal(baseline.bin_value(values, "centre"), values[:, 2])
    values[0, 1, 1] = np.nan
    assert np.isnan(baseline.bin_value(values, "sum")[0]).tolist() == [False, True, False]
    with pytest.raises(ConfigError, match=r"unknown bin rule 'center'.*'centre'"):
        baseline.bin_value(values, "center")


def test_the_end_of_the_penalties_is_warned_of(tmp_path, make_data, caplog):
    data = make_data()
    options = baseline.RidgeOptions(k=1, penalties=(1e6, 1e7))
    baseline.run_baseline(data, tmp_path, options, bootstrap=FEW)
    assert "at the end of those tried" in caplog.text


def test_errors(both, tmp_path, make_data):
    data, model, ridge = both
    with pytest.raises(ConfigError, match="unknown bin rule 'mean'"):
        baseline.RidgeOptions(bin="mean")
    with pytest.raises(ConfigError, match="want numbers separated by commas"):
        baseline.parse_penalties("1,two")
    assert baseline.parse_penalties("1,1e3") == (1.0, 1000.0)
    with pytest.raises(ConfigError, match="unknown label 'folds'"):
        baseline.run_baseline(data, tmp_path / "x", baseline.RidgeOptions(k=1, train="folds"))
    with pytest.raises(ConfigError, match="unknown target 'zz'"):
        baseline.run_baseline(data, tmp_path / "x", OPTIONS, ["zz"])
    with pytest.raises(ConfigError, match="unknown statistic 'spearman'"):
        compare.compare_tests(model, ridge, "centre", FEW, ["spearman"])
    with pytest.raises(ConfigError, match="needs an interval"):
        compare.compare_tests(model, ridge, "centre", Bootstrap(resamples=0))
    with pytest.raises(InputFileError, match=r"has no targets.h5"):
        compare.compare_tests(tmp_path, ridge)
    data.places["test"] = [Interval("chr9", 64 * i, 64 * i + 64) for i in range(130)]
    baseline.run_baseline(data, tmp_path / "moved", OPTIONS, bootstrap=FEW)
    with pytest.raises(InputFileError, match="test other windows"):
        compare.compare_tests(model, tmp_path / "moved", "centre", FEW)
    only = [tmp_path / n for n in ("a", "b")]
    for folder in only:
        baseline.run_baseline(make_data(), folder, OPTIONS, [folder.name], FEW)
    with pytest.raises(ConfigError, match="no target in common"):
        compare.compare_tests(*only, "centre", FEW)
