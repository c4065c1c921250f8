"""tfepi_residuals.py on predictions that were saved: tables, figures, which loss fits."""

import json
import re

import numpy as np
import pytest

from tfepi.analysis.loss_fit import UNDETERMINED, LossFit
from tfepi.analysis.variance_laws import LAWS, Law
from tfepi.evaluation.predictions import Layout, PredictionParts
from tfepi.report.residuals_of_saved import loss_table
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

SCRIPT = "tfepi_residuals.py"


@pytest.fixture
def test_folder(tmp_path):
    """preds.h5 and targets.h5 of 400 windows of 4 bins: counts with and without dispersion."""
    rng = np.random.default_rng(0)
    windows = tuple(Interval("chr1", 512 * n, 512 * (n + 1)) for n in range(400))
    layout = Layout(windows, 4, 128, (Target(3, "nb"), Target(8, "poisson", description="x")))
    mean = rng.gamma(1, 8, (400, 4, 2)) + 0.5
    truth = rng.poisson(mean).astype(np.float32)
    truth[..., 0] = rng.negative_binomial(2, 1 / (1 + 0.5 * mean[..., 0]))
    folder = tmp_path / "test"
    parts = PredictionParts(folder, layout)
    parts.claim()
    parts.write(0, truth, mean.astype(np.float32))
    parts.save(folder)
    return folder


def test_command(run_script, test_folder, tmp_path):
    done = run_script(SCRIPT, test_folder, "-o", tmp_path / "out", "-q")
    header, first, second, last = done.stdout.splitlines()
    assert header.split()[:2] == ["target", "loss"]
    assert first.split()[:3] == ["nb", "negative_binomial", "-"]
    assert second.split()[:3] == ["poisson", "poisson", "negative_binomial"]
    assert re.search(r"gaussian 0\.\d+ less \[0\.\d+, 0\.\d+\]", second)
    assert "+" not in second
    assert (
        last == f"wrote {tmp_path / 'out'}: residuals.tsv, residuals.json, residuals_t*.png, .svg"
    )
    names = {p.name for p in (tmp_path / "out").iterdir()} - {".tfepi"}
    figures = {f"residuals_t{n}.{kind}" for n in (3, 8) for kind in ("png", "svg")}
    assert names == figures | {"residuals.tsv", "residuals.json", "run.json"}
    value = json.loads((tmp_path / "out/residuals.json").read_text())
    assert (value["format"], value["format_version"]) == ("tfepi-residuals", 2)
    assert [t["fit"]["best"] for t in value["targets"]] == ["negative_binomial", "poisson"]
    assert set(json.loads((tmp_path / "out/run.json").read_text())["inputs"]) == {
        "preds",
        "targets",
    }


def test_one_target_and_errors(here, test_folder, tmp_path):
    out = tmp_path / "one"
    status, printed, _ = here(SCRIPT, test_folder, "-o", out, "-q", "-t", "poisson")
    assert status == 0
    assert len(printed.splitlines()) == 3
    assert here(SCRIPT, test_folder, "-o", out, "-q", "-t", "poisson")[0] == 2
    assert here(SCRIPT, test_folder, "-o", out, "-q", "-t", "nb", "--overwrite")[0] == 0
    for more, message in (
        (["-t", "poison"], "unknown target 'poison' in -t, of test"),
        (["--block_bp", "-5"], "block_bp is -5"),
        (["--block_bp", "0"], "block_bp is 0"),
        (["--block_bp", "1000000"], "leaves 1 block of the genome"),
    ):
        status, _, errors = here(SCRIPT, test_folder, "-o", tmp_path / "bad", "-q", *more)
        assert (status, len(errors)) == (2, 1)
        assert message in errors[0]
        assert not (tmp_path / "bad").exists()
    status, _, errors = here(SCRIPT, tmp_path, "-o", tmp_path / "bad", "-q")
    assert status == 2
    assert "preds.h5" in errors[0] or "targets.h5" in errors[0]
    (tmp_path / "file").write_text("")
    for name, what in (("nowhere", "does not exist"), ("file", "is a file")):
        status, _, errors = here(SCRIPT, tmp_path / name, "-o", tmp_path / "bad", "-q")
        assert (status, len(errors)) == (2, 1)
        assert f"{name} {what}: name the folder of -o of tfepi_test.py --save" in errors[0]
    assert not (tmp_path / "bad").exists()


def test_how_other_laws_score_is_said_in_words():
    def margin(value, *ends):
        return {"value": value, "interval": list(ends) or None}

    margins = {"negative_binomial": margin(-0.025, -0.073, 0.033)}
    margins |= {"gaussian": margin(0.79, 0.59, 0.98), "gaussian_log1p": margin(0.5)}
    fit = LossFit(dict.fromkeys(LAWS, Law("poisson", 1.0)), {}, "poisson", margins, None)
    _, line, note = loss_table({"open": fit}).splitlines()
    assert line.endswith(
        "negative_binomial 0.025 more [-0.033, 0.073]; gaussian 0.790 less [0.590, 0.980]; "
        "gaussian_log1p 0.500 less"
    )
    assert note.startswith("open: the negative binomial scores more than Poisson")
    del margins["negative_binomial"]
    assert len(loss_table({"open": fit}).splitlines()) == 2


def test_an_undetermined_divisor_is_said():
    laws = dict.fromkeys(LAWS, Law("negative_binomial", 7e-7, 9.8, determined=False))
    fit = LossFit(laws, {}, "negative_binomial", {}, None)
    _, line, note = loss_table({"open": fit}).splitlines()
    assert "negative_binomial, divisor undetermined" in line
    assert note == f"open: {UNDETERMINED}"
