"""Params and tables that are not of the model that is converted, through the command."""

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tfepi.models import make_model
from tfepi.params import parse_params
from tfepi.predictors import read_spec
from tfepi.pretrained.basenji import write_h5
from tfepi.serving.agreement import check_own_params, check_params, with_table
from tfepi.spec import Head, ModelSpec
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target, numbered

import_tensorflow()
ROOT = Path(__file__).parents[2]
MODEL = {
    "seq_length": 64,
    "trunk": [{"name": "conv_dna", "filters": 4, "kernel_size": 5, "pool_size": 8}],
    "norm_type": "batch",
    "head": {"name": "final", "units": 2, "activation": "softplus"},
}
NAMES = (Target(0, "first", description="CAGE:a"), Target(1, "second", description="CAGE:b"))
TABLE = "\tidentifier\tfile\tdescription\n0\tone\ta.bw\tliver\n1\ttwo\tb.bw\tbrain\n"


def parsed(**changes):
    return parse_params({"train": {"loss": "poisson"}, "model": MODEL | changes})


def spec_of(*heads, length=64):
    return ModelSpec("basenji", {"sequence": (length, 4)}, 8, 0, heads)


@pytest.fixture
def made(tmp_path):
    """A params.json, a run folder of its model, and a table of its two outputs."""
    (tmp_path / "params.json").write_text(json.dumps(parsed().source))
    (tmp_path / "table.txt").write_text(TABLE)
    run = tmp_path / "run"
    run.mkdir()
    spec_of(Head("output", NAMES)).write(run / "model.json")
    make_model(parsed().model, None).save(run / "model_best.keras")
    return tmp_path / "params.json", run, tmp_path / "table.txt"


@pytest.fixture
def here(capsys):
    """Return a function that runs a script's main: status, stdout, lines of stderr."""

    def call(script, *args):
        status = runpy.run_path(str(ROOT / "scripts" / script))["main"]([*map(str, args)])
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return call


def refused(here, *args):
    """The only line of stderr of a command that is refused."""
    status, out, lines = here("tfepi_convert.py", *args, "-q")
    assert (status, out, len(lines)) == (2, "", 1)
    return lines[0]


def test_params_of_another_model_are_refused_before_anything_is_written(here, made, tmp_path):
    params, run, _ = made
    told = "seq_length is 524288 in params.json and 64 in the model: give the params.json the model"
    for out in ("new/x.keras", "saved", "x.h5"):
        assert told in refused(here, "borzoi", run, tmp_path / out)
    assert not {"new", "saved", "x.h5"} & {p.name for p in tmp_path.iterdir()}
    # beside the right params.json, too, where the folder is not to blame
    assert told in refused(here, "borzoi", run / "model_best.keras", tmp_path / "x.keras")
    assert not (tmp_path / "model.json").exists()
    assert here("tfepi_convert.py", params, run, tmp_path / "new/x.keras", "-q")[0] == 0


def test_refusals_need_no_tensorflow(made, tmp_path):
    params, run, table = made
    code = (
        "import runpy, sys\n"
        "assert runpy.run_path(sys.argv[1])['main'](sys.argv[2:]) == 2\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)\n"
    )
    script = ROOT / "scripts/tfepi_convert.py"
    for args in (("borzoi", run), (params, run, "-t", table)):
        args = (*args[:2], tmp_path / "x.keras", *args[2:])
        subprocess.run(
            [sys.executable, "-c", code, script, *args],
            check=True,
            capture_output=True,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )


@pytest.mark.parametrize(
    ("params", "heads", "message"),
    [
        ({}, (Head("output", NAMES),), None),
        ({"seq_length": 128}, (Head("output", NAMES),), "seq_length is 128 in params.json and 64"),
        (
            {},
            (Head("output", numbered(3)),),
            "units of head 'output' are 2 in params.json, its targets in the model 3: give the",
        ),
        ({}, (Head("human", NAMES),), "the model has the head 'human', params.json the heads outp"),
    ],
)
def test_what_is_compared(params, heads, message):
    if message is None:
        check_params(parsed(**params), spec_of(*heads))
    else:
        with pytest.raises(ConfigError, match=message):
            check_params(parsed(**params), spec_of(*heads))


def test_params_with_another_inside_are_refused_where_the_models_own_are_known(
    here, made, tmp_path
):
    params, run, _ = made
    other = tmp_path / "other.json"
    shutil.copy(params, run / "params.json")
    trunk = [MODEL["trunk"][0] | {"filters": 5}]
    for changes, message in (
        ({"trunk": trunk}, "model.trunk of params.json is not that of"),
        ({"norm_type": "layer"}, "('layer' and 'batch'), which lies beside the model: give that"),
        ({"bn_momentum": 0.5}, "(0.5 and None), which lies beside"),
    ):
        other.write_text(json.dumps(parsed(**changes).source))
        for model in (run, run / "model_best.keras"):
            assert message in refused(here, other, model, tmp_path / "new/x.keras")
    assert not (tmp_path / "new").exists()
    assert here("tfepi_convert.py", params, run, tmp_path / "new/x.keras", "-q")[0] == 0


def test_the_inside_of_a_function_with_its_defaults(tmp_path):
    section = {"name": "enformer", "channels": 48, "input_length": 1024, "heads": ["a"]}
    (tmp_path / "params.json").write_text(json.dumps({"model": section}))
    for changes, message in (
        ({}, None),
        ({"channels": 1536}, r"model.channels .* \(1536 and 48\)"),
        ({"dropout": 0.4}, None),
        ({"dropout": 0.1}, r"model.dropout .* \(0.1 and 0.4\)"),
        ({"input_length": 2048}, r"model.input_length .* \(2048 and 1024\)"),
    ):
        given = parse_params({"model": section | changes})
        if message is None:
            check_own_params(given, tmp_path)
        else:
            with pytest.raises(ConfigError, match=message):
                check_own_params(given, tmp_path / "x.keras")
    # what is left out are the defaults, but for the lengths, which the data have
    left_out = parse_params({"model": {"name": "enformer", "channels": 48}})
    check_own_params(left_out, tmp_path)
    with pytest.raises(ConfigError, match=r"\(1536 and 48\)"):
        check_own_params(parse_params({"model": {"name": "enformer"}}), tmp_path)


def test_heads_of_a_function():
    spec = ModelSpec("enformer", {"sequence": (1024, 4)}, 128, 0, (Head("a", NAMES),))
    for heads in ("tissue", ["a", "b"], None):
        named = {} if heads is None else {"heads": heads}
        check_params(parse_params({"model": {"name": "enformer"} | named}), spec)
    other = parse_params({"model": {"name": "enformer", "heads": ["b", "c"]}})
    with pytest.raises(
        ConfigError, match=r"the model has the head 'a', params.json the heads b, c"
    ):
        check_params(other, spec)
    with pytest.raises(ConfigError, match=r"name is basset in params.json and enformer in the mod"):
        check_params(parse_params({"model": {"name": "basset"}}), spec)


def test_a_table_for_a_model_that_has_its_own(here, made, tmp_path):
    params, run, table = made
    line = refused(here, params, run, tmp_path / "new/x.keras", "-t", table)
    assert line.endswith(f"model {run} has 2 targets of its own: leave -t out")
    line = refused(here, params, run, tmp_path / "x.h5", "-t", table)
    assert line.endswith("x.h5 holds weights alone, no targets: leave -t out")
    assert not (tmp_path / "new").exists()


def test_a_table_names_what_had_numbers(here, made, tmp_path):
    """Converted without the table, and converted again with it."""
    params, _, table = made
    h5, first, second = tmp_path / "x.h5", tmp_path / "first", tmp_path / "second/x.keras"
    write_h5(make_model(parsed().model, None), h5)
    assert here("tfepi_convert.py", params, h5, first / "x.keras", "-q")[0] == 0
    args = ("tfepi_convert.py", params, first / "x.keras", second)
    assert here(*args, "-t", table, "-q", "--compare", 1)[0] == 0
    names = [t.identifier for t in read_spec(second).head().targets]
    assert names == ["one", "two"]


def test_which_heads_table_it_is(tmp_path):
    named, bare = Head("a", NAMES), Head("b", numbered(1))
    rest = (tmp_path / "run", parsed(), tmp_path / "x.keras")
    found = with_table(spec_of(named, bare), [Target(0, "x")], "b", *rest)
    assert found.heads == (named, Head("b", (Target(0, "x"),)))
    for heads, head, message in (
        ((named, bare), None, "the model has the heads a, b: name one with --head"),
        ((named, bare), "a", "has 2 targets of its own: leave -t out"),
        ((named, Head("b", NAMES[:1])), None, "has 3 targets of its own"),
        ((Head("b", NAMES[:1]),), None, "has 1 target of its own"),
        ((bare,), "c", "head 'c' is not one of the model's heads"),
        ((bare,), None, "indexes up to 1; the model has 1 output:"),
    ):
        with pytest.raises(ConfigError, match=message):
            with_table(spec_of(*heads), NAMES, head, *rest)
