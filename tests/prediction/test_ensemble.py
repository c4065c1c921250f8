from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfepi.prediction import ensemble
from tfepi.prediction.options import Request
from tfepi.prediction.run import predict_windows
from tfepi.prediction.windows import Place
from tfepi.spec import Head, ModelSpec, Predictor
from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target


@dataclass
class Model:
    """What NamedModel is, of a model in memory."""

    path: str
    spec: ModelSpec
    files: dict[str, Path]
    predictor: Predictor

    @property
    def asked(self):
        return self.predictor.spec

    def load(self):
        return self.predictor


@pytest.fixture
def model(toy, tmp_path):
    def named(name, function=None, **changes):
        spec = toy.spec(**changes)
        files = {"model": tmp_path / f"{name}.keras", "spec": tmp_path / f"{name}.json"}
        for path in files.values():
            path.write_text(name)
        return Model(name, spec, files, toy.predictor(function or toy.values, spec))

    return named


def test_predictions_are_the_mean(model, toy, fasta, tmp_path):
    functions = (toy.values, lambda s: toy.values(s) ** 2, lambda s: 1 / (1 + toy.values(s)))
    models = [model(f"m{i}", f) for i, f in enumerate(functions)]
    load, spec, files = ensemble.together(models)
    assert files == {
        f"{kind}{n + 1}": m.files[kind] for n, m in enumerate(models) for kind in ("model", "spec")
    }
    request = Request(rc=True, batch_size=5)
    place = Place(phases=2, edge=8)
    options = {"model_files": files, "quiet": True}
    folder = predict_windows(load, spec, place, fasta, tmp_path / "out", request, **options)
    with h5py.File(folder / "predict.h5") as file:
        found = file["preds"][()]
    alone = []
    for n, one in enumerate(models):
        folder = predict_windows(
            one.load, spec, place, fasta, tmp_path / f"out{n}", request, quiet=True
        )
        with h5py.File(folder / "predict.h5") as file:
            alone.append(file["preds"][()])
    np.testing.assert_allclose(found, np.mean(alone, axis=0), rtol=1e-5)
    files["model2"].write_text("another")
    with pytest.raises(ValueError, match="input model2 changed since its parts were written"):
        predict_windows(load, spec, place, fasta, tmp_path / "out", request, resume=True, **options)


def test_inputs_and_predictions_of_the_members_are_left_as_they_are(model, toy):
    given = np.ones((2, 6, 3), np.float32)
    models = [model(name, lambda _: given) for name in "ab"]
    load, *_ = ensemble.together(models)
    found = load().predict({"sequence": np.zeros((2, 64, 4), np.float32)})["main"]
    assert (found == 1).all()
    assert (given == 1).all()
    assert found.dtype == np.float32


def test_one_model_is_itself(model):
    one = model("m")
    load, spec, files = ensemble.together([one])
    assert (load(), spec, files) == (one.predictor, one.spec, one.files)


def test_where_data_lay_does_not_matter(model, toy):
    targets = tuple(replace(t, file="/x/y.bw", description="-") for t in toy.spec().head().targets)
    ensemble.together([model("a"), model("b", heads=(Head("main", targets),), data="0" * 64)])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bin_width": 4}, "models a and b differ in their bin width, 8 and 4: an ensemble is of"),
        ({"crop": 0}, "differ in their crop, 8 and 0"),
        (
            {"inputs": {"sequence": (128, 4)}},
            r"differ in their inputs, {'sequence': \(64, 4\)} and {'sequence': \(128, 4\)}",
        ),
        (
            {"inputs": {"sequence": (64, 4), "tracks": (64, 2)}},
            r"differ in their inputs, {'tracks': None} and {'tracks': \(64, 2\)}",
        ),
        ({"heads": (Head("body", ()),)}, r"differ in their heads, \['main'\] and \['body'\]"),
        ({"heads": (Head("main", (), "z"),)}, "units of main, coverage and z"),
        ({"heads": (Head("main", ()),)}, "number of targets of main, 3 and 0"),
        (
            {"heads": (Head("main", (Target(10, "T0"), Target(11, "T7"), Target(12, "T2"))),)},
            "target 1 of main, {'identifier': 'T1'} and {'identifier': 'T7'}",
        ),
        (
            {"heads": (Head("main", (Target(10, "T0", clip=2.0), *[Target(1, "x")] * 2)),)},
            "target 0 of main, {'clip': None} and {'clip': 2.0}",
        ),
        (
            {"conditioning": Conditioning(("x",), ("T0",), "cells")},
            "their conditioning, None and {'cells': ",
        ),
    ],
)
def test_models_that_differ(model, changes, message):
    with pytest.raises(ConfigError, match=message):
        ensemble.together([model("a"), model("c"), model("b", **changes)])


def test_models_of_other_cells_differ(model):
    one, other = (Conditioning((cell,), ("T0",)) for cell in "xy")
    with pytest.raises(ConfigError, match=r"conditioning, {'cells': \['x'\]} and {'cells': \['y'"):
        ensemble.together([model("a", conditioning=one), model("b", conditioning=other)])


def test_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ensemble.paths("run") == ["run"]
    assert ensemble.paths("a,b/c,d.keras") == ["a", "b/c", "d.keras"]
    (tmp_path / "a,b").mkdir()
    assert ensemble.paths("a,b") == ["a,b"]
    with pytest.raises(ConfigError, match=r"models a,c,\./a name one more than once"):
        ensemble.paths("a,c,./a")
    with pytest.raises(ConfigError, match="model is ',': name a run folder, or several"):
        ensemble.paths(",")
