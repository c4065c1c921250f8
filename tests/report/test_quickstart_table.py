"""The quickstart's closing table from small files whose numbers are known."""

import json

import h5py
import numpy as np
import pytest

from tfepi.report.quickstart_table import correlation, main, read_effects, report
from tfrecords_tools.errors import InputFileError

TARGETS = ("cell1", "cell2")


@pytest.fixture
def folder(tmp_path):
    """A quickstart's folder: 50 variants, the first target predicted twice too high."""
    rng = np.random.default_rng(1)
    for name in ("genome", "test", "variants"):
        (tmp_path / name).mkdir()
    true = rng.normal(size=(50, 2))
    predicted = np.stack([2 * true[:, 0], rng.normal(size=50)], axis=1)
    ids = [f"sim{i}" for i in range(50)]
    lines = ["id\tdiff_cell2\tdiff_cell1"]
    lines += [f"{i}\t{b:.17g}\t{a:.17g}" for i, (a, b) in zip(ids, true, strict=True)]
    (tmp_path / "genome" / "effects.tsv").write_text("\n".join([lines[0], *lines[:0:-1]]) + "\n")
    with h5py.File(tmp_path / "variants" / "scores.h5", "w") as file:
        file["snp"] = np.array(ids, "S")
        file["target_ids"] = np.array(TARGETS, "S")
        file["SAD"] = predicted.astype(np.float32)
    entry = {"value": 0.9, "interval": [0.8, 0.95]}
    metrics = {
        "label": "test",
        "windows": 1234,
        "bootstrap": {"level": 0.95},
        "across_positions": {"targets": [{"identifier": "cell1", "pearsonr": entry}]},
    }
    (tmp_path / "test" / "metrics.json").write_text(json.dumps(metrics))
    return tmp_path


def test_effects_are_matched_by_id_and_target(folder):
    found = read_effects(folder / "variants" / "scores.h5", folder / "genome" / "effects.tsv")
    assert found.targets == TARGETS
    np.testing.assert_allclose(found.predicted[:, 0], 2 * found.true[:, 0], rtol=1e-6)


def test_table_and_figures(folder):
    text = report(folder)
    rows = {line.split()[0]: line for line in text.splitlines() if line.startswith("cell")}
    assert "0.900 [0.800, 0.950]" in rows["cell1"]
    assert "1.000 [1.000, 1.000]" in rows["cell1"]
    assert "undefined" in rows["cell2"]
    assert "1,234 windows" in text
    assert "variants (50)" in text
    for suffix in ("svg", "png"):
        assert (folder / "variants" / f"effects.{suffix}").stat().st_size > 1000
    assert str(folder / "variants" / "effects.svg") in text


def test_correlation_is_numpys_and_its_interval_that_of_plain_resampling():
    rng = np.random.default_rng(3)
    x = rng.normal(size=200)
    y = 0.5 * x + rng.normal(size=200)
    found = correlation(x, y)
    assert found["value"] == pytest.approx(np.corrcoef(x, y)[0, 1])
    drawn = rng.integers(0, 200, (2000, 200))
    plain = np.quantile([np.corrcoef(x[d], y[d])[0, 1] for d in drawn], [0.025, 0.975])
    np.testing.assert_allclose(found["interval"], plain, atol=0.03)


@pytest.mark.parametrize(("x", "y"), [([], []), ([1.0], [2.0]), ([1.0, 1, 1], [1.0, 2, 3])])
def test_correlation_of_nothing_is_undefined(x, y):
    assert correlation(np.array(x), np.array(y)) == {"value": None, "interval": None}


def test_an_unknown_variant_is_refused(folder):
    with h5py.File(folder / "variants" / "scores.h5", "a") as file:
        file["snp"][7] = b"rs1"
    with pytest.raises(InputFileError, match="'rs1'"):
        report(folder)


def test_an_unknown_target_is_refused(folder):
    with h5py.File(folder / "variants" / "scores.h5", "a") as file:
        file["target_ids"][1] = b"cell9"
    with pytest.raises(InputFileError, match="diff_cell9"):
        report(folder)


def test_a_file_without_scores_is_refused(folder):
    with h5py.File(folder / "variants" / "scores.h5", "a") as file:
        del file["SAD"]
    with pytest.raises(InputFileError, match="no scores file with SAD"):
        report(folder)


def test_command(folder, capsys):
    assert main([str(folder)]) == 0
    assert "cell1" in capsys.readouterr().out
    assert main([str(folder / "absent")]) == 2
    assert "does not exist" in capsys.readouterr().err
    assert main([]) == 2
