"""Conditioned models asked about one cell type."""

from dataclasses import replace

import numpy as np
import pytest

from tfepi.cell_predictor import CellPredictor, PredictedAccessibility, cell_spec, cell_values
from tfepi.spec import CallablePredictor, Head, ModelSpec
from tfrecords_tools.cell_states import CellStates
from tfrecords_tools.conditioning import Conditioning, track_channels
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

CELLS, MARKS = ("a", "b", "c"), ("K", "M")


def spec(outputs, mode=None, **pooling):
    sizes = (4, 8 if mode else 0)
    conditioning = Conditioning(CELLS, MARKS, outputs, mode, False, *sizes, pooling=pooling or None)
    if outputs == "marks":
        targets = tuple(Target(n, m, mark=m) for n, m in enumerate(MARKS))
    else:
        pairs = [(c, m) for c in CELLS for m in MARKS]
        targets = tuple(Target(n, f"{c}_{m}", cell=c, mark=m) for n, (c, m) in enumerate(pairs))
    inputs = {"sequence": (32, 4)} | ({"tracks": (8, 2)} if mode else {})
    head = Head("output", targets, "probability")
    return ModelSpec("toy", inputs, 4, 0, (head,), conditioning=conditioning)


class Toy:
    """A Predictor of a function of all inputs."""

    def __init__(self, spec, function):
        self.spec, self._function = spec, function

    def predict(self, inputs):
        return {"output": self._function(inputs)}


def test_outputs_of_a_seen_cell_are_its_own_and_of_another_their_mean():
    values = np.random.default_rng(1).random((3, 8, 6)).astype(np.float32)
    predictor = Toy(spec("cells"), lambda inputs: values)
    for number, cell in enumerate(CELLS):
        asked = CellPredictor(predictor, cell)
        found = asked.predict({})["output"]
        np.testing.assert_array_equal(found, values[:, :, 2 * number : 2 * number + 2])
        names = [t.identifier for t in asked.spec.head().targets]
        assert names == [f"{cell}_K", f"{cell}_M"]
    found = CellPredictor(predictor, "z").predict({})["output"]
    for mark in range(2):
        np.testing.assert_allclose(found[:, :, mark], values[:, :, mark::2].mean(axis=2), rtol=1e-6)


def test_heads_that_were_never_trained_have_no_part_in_the_mean():
    values = np.random.default_rng(1).random((3, 8, 6)).astype(np.float32)
    made = replace(spec("cells").conditioning, absent=(("b", "M"),))
    found = cell_values(values, made, "z")
    np.testing.assert_allclose(found[:, :, 0], values[:, :, [0, 2, 4]].mean(axis=2), rtol=1e-6)
    np.testing.assert_allclose(found[:, :, 1], values[:, :, [1, 5]].mean(axis=2), rtol=1e-6)


def test_outputs_by_mark_are_of_whichever_cell():
    values = np.ones((2, 8, 2), np.float32)
    assert cell_values(values, spec("marks", "delta").conditioning, "z") is values
    targets = cell_spec(spec("marks", "delta"), "z").head().targets
    assert [(t.identifier, t.cell, t.mark) for t in targets] == [
        ("z_K", "z", "K"),
        ("z_M", "z", "M"),
    ]


def test_a_model_without_cell_types_is_refused():
    with pytest.raises(ConfigError, match="--cell a: the model 'toy' is not conditioned"):
        cell_spec(replace(spec("marks"), conditioning=None), "a")


def accessibility(cells=("c", "b", "a", "z"), **changes):
    """A model whose accessibility is the mean of G over a bin, times 1, 2, 3, … by cell type."""
    head = Head("output", tuple(Target(n, c, cell=c) for n, c in enumerate(cells)))
    other = replace(ModelSpec("acc", {"sequence": (32, 4)}, 4, 0, (head,)), **changes)

    def predict(sequence):
        bins = sequence[..., 2].reshape(len(sequence), 8, 4).mean(axis=2)
        return bins[..., None] * np.arange(1, len(cells) + 1)

    return CallablePredictor(predict, other)


def test_accessibility_is_predicted_from_the_sequence():
    made = spec("marks", "delta")
    toy = Toy(made, lambda inputs: inputs["tracks"])
    predictor = PredictedAccessibility(toy, accessibility(), "z")
    assert set(predictor.spec.inputs) == {"sequence"}
    sequence = np.random.default_rng(2).integers(0, 4, (5, 32)).astype(np.uint8)
    found = CellPredictor(predictor, "z").predict({"sequence": sequence})["output"]
    bins = (sequence == 2).reshape(5, 8, 4).mean(axis=2)
    values = (bins[..., None] * [1, 2, 3, 4]).astype(np.float32)
    wanted = track_channels(values, 3, np.array([2, 1, 0]), made.conditioning)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    np.testing.assert_allclose(found[..., 1], bins * 2, rtol=1e-6)  # 4 less the mean of 1, 2, 3


def test_a_given_average_and_a_vector_are_used_beside_predicted_accessibility():
    made = spec("marks", "average")
    states = CellStates({"z": (1.0, 2.0)})
    made = replace(made, conditioning=replace(made.conditioning, given_average=True, states=states))
    other = accessibility(("average", "z"))
    toy = Toy(made, lambda inputs: np.concatenate([inputs["tracks"][..., 1:]] * 2, axis=2))
    sequence = np.full((2, 32), 2, np.uint8)
    found = PredictedAccessibility(toy, other, "z").predict({"sequence": sequence})["output"]
    np.testing.assert_array_equal(found, 1)  # the average's own target, not the mean
    asked = Toy(made, lambda inputs: inputs["cell_state"])
    found = PredictedAccessibility(asked, other, "z").predict({"sequence": sequence})["output"]
    np.testing.assert_array_equal(found, [[1, 2]] * 2)


@pytest.mark.parametrize(
    ("made", "other", "message"),
    [
        (spec("marks"), accessibility(), "takes no accessibility"),
        (spec("marks", "delta"), accessibility(("a", "b", "z")), "no target of cell type 'c'"),
        (spec("marks", "delta"), accessibility((*"abcz", "a")), "has 5 targets of 4 cell types"),
        (spec("marks", "delta"), accessibility(("a", "b", "c")), "no target of cell type 'z'"),
        (
            spec("marks", "delta", sum_stat="mean"),
            accessibility(),
            "sum_stat of 'z' is 'sum' in the accessibility model and 'mean'",
        ),
        (
            spec("marks", "delta"),
            accessibility(heads=(replace(accessibility().spec.heads[0], units="probability"),)),
            "predicts probabilities",
        ),
        (spec("marks", "delta"), accessibility(bin_width=8), "bin width of the tracks: 4"),
        (spec("marks", "delta"), accessibility(crop=4), "number of bins of the tracks: 8"),
        (
            spec("marks", "delta"),
            accessibility(inputs={"sequence": (64, 4)}),
            "sequence: 32 is wanted",
        ),
        (
            spec("marks", "delta"),
            accessibility(inputs={"sequence": (32, 4), "tracks": (8, 2)}),
            "number of inputs: 1",
        ),
    ],
)
def test_models_that_do_not_fit(made, other, message):
    with pytest.raises(ConfigError, match=message):
        PredictedAccessibility(Toy(made, None), other, "z")
