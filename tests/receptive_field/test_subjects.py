"""The models of a command line, and the published ones by name."""

import json

import pytest

from tfepi.params import parse_params, read_params
from tfepi.receptive_field.published import NAMES, published
from tfepi.receptive_field.subjects import (
    _own_name,
    build,
    check_names,
    read_subject,
    read_subjects,
)
from tfepi.receptive_field.theory import theory_of
from tfrecords_tools.errors import ConfigError, InputFileError


def test_names_and_params():
    one, two, three = read_subjects(["leopard", "u=dsg_model_a", "basset_small"])
    assert [s.name for s in (one, two, three)] == ["leopard", "u", "basset_small"]
    assert one.params.model.name == "leopard_unet"
    assert one.states == ("untrained", "randomised")
    assert set(one.files) == {"params"}


def test_a_path_names_the_model_by_its_stem(tmp_path):
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({"model": {"name": "leopard_unet", "depth": 2}}))
    assert read_subject(str(path)).name == "mine"
    assert read_subject(f"x={path}").name == "x"


def test_a_name_that_says_nothing_is_passed_over(tmp_path):
    folder = tmp_path / "yeast" / "run"
    folder.mkdir(parents=True)
    for path in (folder / "params.json", tmp_path / "small.json"):
        path.write_text(json.dumps({"model": {"name": "leopard_unet", "depth": 2}}))
    assert read_subject(str(folder / "params.json")).name == "yeast"
    assert _own_name("params.json", str(folder)) == "yeast"
    assert _own_name("params.json", str(folder / "params.json")) == "yeast"
    assert _own_name(str(tmp_path / "small.json"), str(folder)) == "small"
    assert _own_name("basset_small", str(folder)) == "basset_small"
    assert _own_name("basset_small", str(tmp_path / "yeast")) == "yeast"
    assert _own_name("params.json", "run") == "run"  # nothing there says more


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("leopart", "unknown preset 'leopart': did you mean 'leopard'"),
        ("nowhere.json", "nowhere.json does not exist"),
        ("a b=leopard", "a model is named 'a b'"),
        (",run", "want [NAME=]PARAMS[,MODEL]"),
        ("leopard,", "want [NAME=]PARAMS[,MODEL]"),
        ("leopard,nowhere", "model nowhere does not exist"),
    ],
)
def test_what_names_no_model(text, message):
    with pytest.raises((ConfigError, InputFileError)) as error:
        read_subject(text)
    assert message in str(error.value)


def test_a_model_without_params(tmp_path):
    with pytest.raises(ConfigError, match="is wanted too before it"):
        read_subject(str(tmp_path))
    (tmp_path / "params.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"for instance .*/params.json,"):
        read_subject(str(tmp_path))


def test_names_must_differ():
    with pytest.raises(ConfigError, match="two models are named 'leopard': name them apart"):
        check_names(read_subjects(["leopard", "leopard"]))
    with pytest.raises(ConfigError, match="no model is named"):
        check_names([])


def test_published_models_by_name():
    assert [s.name for s in published("all")] == list(NAMES)
    assert [s.name for s in published("unet2-4, basset,unet3")] == [
        "unet2",
        "unet3",
        "unet4",
        "basset",
    ]
    for text, message in (
        ("unet8", "unknown published model 'unet8' in --published"),
        ("unet3-9", "unknown published model 'unet3-9'"),
        ("enformr", "did you mean 'enformer'"),
        (" , ", "want all, or some of unet1"),
    ):
        with pytest.raises(ConfigError, match=message):
            published(text)


def test_reduced_models_see_as_far_as_published():
    for name, span in (("interact", 2001), ("basenji2", 44_422)):
        [reduced], [full] = published(name), published(name, full=True)
        assert (reduced.note, full.note) == ("reduced", "")
        theory = theory_of(build(reduced.params.model, 1))
        assert theory.needed.spans == (span,)
        assert full.params.source["model"] != reduced.params.source["model"]
    [interact] = published("interact", full=True)
    assert interact.params.source == read_params("interact_pretrain", training=False).source


@pytest.mark.parametrize(
    ("section", "outputs"),
    [
        ({"name": "basset", "tower_filters": [4], "dense_units": 4}, {None: 1}),
        ({"name": "state_unet", "filters": 4, "input_length": 128}, {None: 2}),
        ({"name": "leopard_unet", "depth": 1, "outputs": 2}, {None: 2}),
        (
            {"name": "interact", "kernels": 4, "hidden": 8, "layers": 1, "heads": ["a", "b"]},
            {"a": 1, "b": 1},
        ),
    ],
)
def test_what_the_data_would_say_is_filled_in(section, outputs):
    model = build(parse_params({"model": section}).model, 1)
    found = model.output if isinstance(model.output, dict) else {None: model.output}
    assert {name: out.shape[2] for name, out in found.items()} == outputs


def test_an_unknown_model_function():
    with pytest.raises(ConfigError, match="unknown model 'unett'"):
        build(parse_params({"model": {"name": "unett"}}).model, 1)
