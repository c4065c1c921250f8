"""tfepi_rf.py as a user runs it: tables, warnings, states, resuming, what is refused."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = "tfepi_rf.py"
TINY = {"name": "leopard_unet", "input_length": 256, "filters": 4, "depth": 2, "width_factor": 1}
ENFORMER = {
    "name": "enformer",
    "input_length": 4096,
    "channels": 48,
    "width_rounding": 8,
    "transformer_layers": 1,
    "key_size": 4,
    "target_length": 20,
    "heads": ["fly", "worm"],
}


@pytest.fixture
def params(tmp_path):
    """Return a function that writes a params.json of a model section."""

    def write(name, section):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps({"model": section}))
        return path

    return write


def rows_of(path):
    with open(path) as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


def test_models_side_by_side(here, params, tmp_path, caplog):
    out = tmp_path / "rf"
    also = f"far={params('enformer', ENFORMER)}"
    measuring = ("--at", "centre,edges", "--edge", 100, "--repeats", 2, "--phases", 2)
    measuring += ("--method", "perturbation")
    caplog.set_level("INFO")
    arguments = (params("tiny", TINY), "--also", also, "-o", out, "--no_figures", *measuring)
    arguments += ("--head", "worm")
    status, text, _ = here(SCRIPT, *arguments)
    assert status == 0
    assert text.splitlines()[0].split() == [
        *("model", "state", "method", "place", "theory", "cut", "by", "longest", "mean"),
        *(">", "1e-2", ">", "1e-4", "90%", "within", "resolution"),
    ]
    assert text.endswith(f"wrote {out}\n")
    ends = "far, perturbation: the field ends where the output does, which has 2,560 bp; --method"
    assert text.count(ends) == 1
    assert "tiny (untrained): 2 random sequences; 2 of 4 phases changed" in caplog.text
    assert "with zeros drawn it would be the same as untrained" in caplog.text
    [said] = [r for r in caplog.records if "--head" in r.getMessage()]
    wanted = "tiny has one output: --head worm is of models with several"
    assert (said.levelname, said.getMessage()) == ("WARNING", wanted)
    assert ["far", "zeros", "drawn"] in [line.split()[:3] for line in text.splitlines()]
    assert "randomised" not in text + caplog.text

    rows = rows_of(out / "widths.tsv")
    assert {(r["model"], r["state"]) for r in rows} == {
        ("tiny", "untrained"),
        ("far", "untrained"),
        ("far", "randomised"),
    }
    every = {(r["model"], r["state"], r["method"], r["place"]): r for r in rows if r["at"] == ""}
    field = every["tiny", "untrained", "perturbation", "centre"]
    assert (field["theory_min"], field["theory_max"], field["phase"]) == ("124", "124", "all")
    assert 110 <= int(field["union"]) <= 124
    assert field["cut_by"] == ""
    # The attention of an untrained Enformer is closed: the cause is named, and the rest measured.
    closed = every["far", "untrained", "perturbation", "centre"]
    opened = every["far", "randomised", "perturbation", "centre"]
    assert int(closed["span_max"]) <= 6 * 128 < int(closed["theory_max"]) == 20 * 128
    assert int(opened["span_max"]) == 20 * 128
    assert closed["cut_by"] == opened["cut_by"] == "output"
    result = json.loads((out / "rf.json").read_text())
    assert (result["format"], result["format_version"]) == ("tfepi-receptive-field", 1)
    tiny, far = result["models"]
    assert (tiny["head"], far["head"]) == ("output", "worm")  # of several heads alone
    assert tiny["states"][1] == {"state": "randomised", "same_as": "untrained"}
    assert far["theory"]["global_from"] == ["transformer0_attention"]
    assert far["states"][1]["drawn"] == ["transformer0_attention/output_kernel"]
    lines = [w for w in result["warnings"] if "perturbation at centre" in w]
    assert len(lines) == 1
    assert "far (untrained)" in lines[0]
    assert "zero-initialised variables transformer0_attention/output_kernel hide" in lines[0]
    assert lines[0] in caplog.text
    layers = {(r["model"], r["layer"]): r for r in rows_of(out / "layers.tsv")}
    assert layers["far", "tower6_pool"]["needed_max"] == "646"
    assert layers["far", "head_worm"]["global"] == "yes"
    with np.load(out / "profiles" / "far.randomised.npz", allow_pickle=False) as file:
        assert file["perturbation/left/mean"].shape == (2, 20)
    assert json.loads((out / "run.json").read_text())["outcome"] == "finished"


def test_trained_against_untrained_and_resumed(here, model, tmp_path):
    out = tmp_path / "rf"
    arguments = (f"mine={model / 'params.json'}", model, "-o", out, "-q", "--no_figures")
    arguments += ("--repeats", 2, "--target", "t1", "--scan_step", 2)
    status, text, lines = here(SCRIPT, *arguments)
    assert (status, lines) == (0, [])
    rows = rows_of(out / "widths.tsv")
    assert [(r["state"], r["method"]) for r in rows] == [
        ("trained", "scan"),
        ("trained", "gradient"),
        ("untrained", "scan"),
        ("untrained", "gradient"),
    ]
    assert {(r["theory_max"], r["cut_by"]) for r in rows} == {("256", "input")}
    assert "mine, scan: every 2 bp is changed, so widths are multiples of that" in text
    table = (out / "widths.tsv").read_bytes()
    (out / "profiles" / "mine.untrained.npz").unlink()
    (out / "widths.tsv").unlink()
    status, again, _ = here(SCRIPT, *arguments, "--resume")
    assert (status, again) == (0, text)
    assert (out / "widths.tsv").read_bytes() == table
    status, _, lines = here(SCRIPT, *arguments)
    assert status == 2
    assert "has results: use --resume" in lines[0]
    status, _, lines = here(SCRIPT, *arguments, "--resume", "--seed", 3)
    assert status == 2
    assert "asked changed since its parts were written" in lines[0]


def test_a_field_that_the_ends_cut(here, params, tmp_path, caplog):
    caplog.set_level("INFO")
    short = params("short", TINY | {"input_length": 64})
    arguments = (short, "-o", tmp_path / "rf", "--repeats", 1, "--phases", 1)
    status, *_ = here(SCRIPT, *arguments, "--method", "perturbation")
    assert status == 0
    assert "shorter than the field, which its ends cut" in caplog.text
    result = json.loads((tmp_path / "rf" / "rf.json").read_text())
    assert result["models"][0]["theory"]["cut_by_the_ends"]
    assert (tmp_path / "rf" / "figures" / "short_perturbation.png").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--also": "enformr"}, "unknown preset 'enformr': did you mean 'enformer'"),
        ({"--also": "MODEL"}, "is a model, and its params.json is wanted too"),
        ({"--published": "unet9"}, "unknown published model 'unet9' in --published: did you"),
        ({"--others": "ones"}, "unknown word 'ones' in --others"),
        ({"model": "nowhere"}, "model nowhere does not exist"),
    ],
)
def test_refused_before_tensorflow(refused, model, tmp_path, change, message):
    change = {k: str(model) if v == "MODEL" else v for k, v in change.items()}
    refused(SCRIPT, [model / "params.json", model, "-o", tmp_path / "out"], change, message)


def test_refused_with_nothing_to_measure(here, model, tmp_path):
    out = ("-o", tmp_path / "out", "-q")
    for arguments, message in (
        ((), "no model is named"),
        (("leopard", "--full"), "--full is of --published"),
        ((model / "params.json", model, "--target", "t9"), "unknown target 't9' in --target"),
        (("leopard", "--also", "leopard"), "two models are named 'leopard'"),
        (("leopard", "--target", "open"), "--target is 'open', and the targets of leopard, which"),
        (("leopard", "--method", "gradient", "--at", "edges"), "--at edges is of perturbation"),
    ):
        status, _, lines = here(SCRIPT, *arguments, *out)
        assert status == 2
        assert message in lines[-1]
        assert not (tmp_path / "out").exists()


def test_a_wrong_wish_leaves_nothing_in_the_way(here, params, tmp_path):
    arguments = (params("tiny", TINY), "-o", tmp_path / "rf", "-q", "--no_figures")
    measuring = ("--method", "perturbation", "--repeats", 1, "--phases", 1)
    status, _, lines = here(SCRIPT, *arguments, *measuring, "--at", "edges", "--edge", 200)
    assert status == 2
    assert "--edge is 200 bp, the sequence has 256" in lines[-1]
    assert {p.name for p in (tmp_path / "rf").iterdir()} == {".tfepi", "run.json"}
    assert here(SCRIPT, *arguments, *measuring)[0] == 0


def test_one_bin_has_no_edges(here, model, tmp_path, caplog):
    arguments = (model / "params.json", model, "-o", tmp_path / "rf", "--no_figures")
    arguments += ("--at", "centre,edges", "--repeats", 1, "--head", "other")
    status, text, lines = here(SCRIPT, *arguments, "--scan_step", 256)
    assert (status, lines[-1].partition(": want")[0]) == (
        2,
        "error: --scan_step is 256 bp, the sequence has 256",
    )
    caplog.clear()
    status, text, _ = here(SCRIPT, *arguments, "--scan_step", 64, "--method", "perturbation")
    assert status == 0
    assert caplog.text.count("--at edges is not followed: the output is one bin") == 1
    assert "has one head, main: --head other is not of it" in caplog.text
    [trained] = [line for line in text.splitlines() if " trained" in line]
    assert trained.split()[2:6] == ["scan", "centre", "256", "input"]
    [value] = json.loads((tmp_path / "rf" / "rf.json").read_text())["models"]
    assert "--at edges is not followed" in value["states"][0]["effort"]
    assert value["states"][0]["measured"][0]["cut_by"] == "input"


def test_tensorflow_starts_silently(params, tmp_path):
    """The messages of its native code come whatever the log level, unless its import is quiet."""
    arguments = (params("tiny", TINY), "-o", tmp_path / "rf", "-q", "--no_figures")
    arguments += ("--method", "perturbation", "--repeats", 1, "--phases", 1)
    loud = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, root / "scripts" / SCRIPT, *map(str, arguments)],
        capture_output=True,
        text=True,
        env=loud | {"PYTHONPATH": str(root)},
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_an_unknown_head_of_a_model_that_has_several(here, params, tmp_path):
    arguments = (params("far", ENFORMER), "--head", "rat", "-q", "-o", tmp_path / "rf")
    status, _, lines = here(SCRIPT, *arguments)
    assert status == 2
    assert "unknown head 'rat' of far, in --head: choose from fly, worm" in lines[-1]
