"""Models that take more than the sequence."""

import json

import h5py
import numpy as np
import pytest

from tfepi.prediction.options import Request
from tfepi.prediction.run import predict_windows
from tfepi.prediction.windows import Place
from tfepi.spec import Head
from tfrecords_tools.errors import ConfigError, UnfinishedError
from tfrecords_tools.targets import Target

LENGTH = 64


def places_as_tracks(places):
    """Channel 0 is the position of each base on the chromosome, channel 1 says which it is."""
    positions = np.stack([np.arange(start, end) for _, start, end in places])
    chrom = [[int(name[3:])] * LENGTH for name, *_ in places]
    tracks = np.stack([positions, chrom], axis=2).astype(np.float32)
    return {"tracks": tracks, "unused": np.zeros(1)}


class TracksPredictor:
    """Returns its tracks; notes the names of what it was given."""

    def __init__(self, spec):
        self.spec, self.names = spec, set()

    def predict(self, inputs):
        self.names |= set(inputs)
        assert len(inputs["sequence"]) == len(inputs["tracks"])
        return {"main": inputs["tracks"].astype(np.float32)}


@pytest.fixture
def conditioned(toy):
    heads = (Head("main", (Target(0, "position"), Target(1, "chromosome"))),)
    inputs = {"sequence": (LENGTH, 4), "tracks": (LENGTH, 2)}
    return TracksPredictor(toy.spec(bin_width=1, crop=0, heads=heads, inputs=inputs))


@pytest.fixture
def run(conditioned, fasta, tmp_path):
    def predict(place=None, condition=places_as_tracks, spec=None, name="out", **options):
        return predict_windows(
            lambda: conditioned,
            spec or conditioned.spec,
            place or Place(phases=2, edge=10),
            fasta,
            tmp_path / name,
            Request(batch_size=4),
            **{"condition": condition, "quiet": True, "part_windows": 3} | options,
        )

    return predict


@pytest.mark.parametrize("phases", [1, 2])
def test_the_condition_is_asked_for_the_windows_of_the_sequence(run, conditioned, toy, phases):
    folder = run(Place(phases=phases), name="phases")
    assert conditioned.names == {"sequence", "tracks"}
    with h5py.File(folder / "predict.h5") as file:
        for chrom, start, preds in zip(file["chrom"], file["start"], file["preds"], strict=True):
            kept = np.isfinite(preds).all(axis=1)
            known = min(64, toy.chroms[chrom.decode()] - start)
            assert kept[:known].all()
            np.testing.assert_array_equal(preds[kept, 0], start + np.flatnonzero(kept))
            assert (preds[kept, 1] == int(chrom[3:])).all()


def test_the_files_of_a_condition_are_part_of_the_plan(run, tmp_path):
    tracks = tmp_path / "tracks.txt"
    tracks.write_text("a")
    given = {"model_files": {"tracks": tracks}}
    folder = run(**given)
    assert "tracks" in json.loads((folder / "manifest.json").read_text())["inputs"]
    run(resume=True, **given)
    tracks.write_text("b")
    with pytest.raises(UnfinishedError, match="input tracks changed since"):
        run(resume=True, **given)


def test_bad_conditions(run, toy, conditioned, tmp_path):
    with pytest.raises(ConfigError, match="model toy takes tracks besides the sequence: name the"):
        run(condition=None)
    with pytest.raises(ConfigError, match="model toy takes the sequence alone: leave the tracks"):
        run(Place(), spec=toy.spec())
    assert not (tmp_path / "out").exists()
    for give, message in (
        (lambda places: {}, r"tracks of shape \(4, 64, 2\) for 4 windows, .* tracks give none"),
        (
            lambda places: {"tracks": places_as_tracks(places)["tracks"][:, :-1]},
            r"the cell's tracks give shape \(4, 63, 2\): use tracks as in its training",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            run(condition=give, overwrite=True)
