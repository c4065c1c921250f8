"""Averages, the check before use, and which evaluator is chosen."""

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tfepi.cell_predictor import CellPredictor
from tfepi.models import basset, interact, leopard_unet
from tfepi.predictors import KerasPredictor
from tfepi.spec import AveragedPredictor, CallablePredictor, Head, ModelSpec
from tfepi.variants.alternatives import Along, FullEvaluator, Stretch
from tfepi.variants.averaged import averaged
from tfepi.variants.evaluators import make_evaluator
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.self_check import CheckedEvaluator
from tfrecords_tools.conditioning import Conditioning
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target

RANDOM = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("random_weights.py"))))
LENGTH = 512


@pytest.fixture(scope="module")
def predictor():
    """A U-Net of three tracks, of which the first two are strands of one."""
    model = RANDOM.randomise(leopard_unet(input_length=LENGTH, depth=2, filters=6, outputs=3))
    targets = (Target(0, "a+", strand_pair=1), Target(1, "a-", strand_pair=0), Target(2, "b"))
    heads = (Head("main", targets),)
    spec = ModelSpec("leopard_unet", {"sequence": (LENGTH, 4)}, 1, 0, heads)
    return KerasPredictor(model, spec, 8)


def windows(count=2):
    return np.random.default_rng(5).integers(0, 4, (count, LENGTH)).astype(np.uint8)


def chosen_of(predictor, columns=None, style=None):
    head = predictor.spec.head()
    targets = head.targets if columns is None else tuple(head.targets[c] for c in columns)
    return HeadTargets(head.name, predictor.spec.target_length, targets, columns, style)


@pytest.mark.parametrize("incremental", ["on", "off"])
@pytest.mark.parametrize("columns", [None, [2, 0]])
def test_averages_over_strands_and_shifts(predictor, incremental, columns):
    chosen = chosen_of(predictor, columns)
    shifts = (0, 1, -2)
    evaluator = make_evaluator(predictor, predictor.spec, chosen, True, shifts, incremental, 8)
    plain = AveragedPredictor(predictor, True, shifts)
    own = windows()
    of = np.array([0, 1, 1, 0, 0])
    changed = RANDOM.substituted(own[of], np.array([200, 256, 300, 0, LENGTH - 1]))
    references = evaluator.references({"sequence": own})
    found = evaluator.alternatives(references, of, changed)
    wanted = chosen.values(plain.predict({"sequence": own}))
    np.testing.assert_allclose(references.predictions, wanted, atol=2e-6)
    wanted = chosen.values(plain.predict({"sequence": changed}))
    np.testing.assert_allclose(found.whole(references), wanted, atol=2e-6)
    beside = found.beside(references)
    rows = np.arange(5)[:, None]
    np.testing.assert_array_equal(beside, references.predictions[of][rows, found.bins])


def test_bins_of_the_other_strand_are_turned_round(predictor):
    evaluator = make_evaluator(predictor, predictor.spec, chosen_of(predictor), True, (0,), "on")
    own = windows(1)
    changed = own.copy()
    changed[0, 256:] = np.roll(own[0, 256:], 3)
    references = evaluator.references({"sequence": own})
    found = evaluator.alternatives(references, np.zeros(1, int), changed, np.array([[0, 257]]))
    assert found.values.shape[1] < LENGTH - 100
    plain = AveragedPredictor(predictor, True).predict({"sequence": changed})["main"]
    np.testing.assert_allclose(found.whole(references)[:, :257], plain[:, :257], atol=2e-6)


def test_windows_of_a_stretch_on_both_strands(predictor):
    evaluator = make_evaluator(predictor, predictor.spec, chosen_of(predictor), True, (3,), "on")
    stretch = np.random.default_rng(8).integers(0, 4, LENGTH + 16).astype(np.uint8)
    starts = np.array([4, 16])
    own = stretch[starts[:, None] + np.arange(LENGTH)]
    shared = evaluator.references({"sequence": own}, Along(Stretch(stretch), starts))
    plain = AveragedPredictor(predictor, True, (3,)).predict({"sequence": own})["main"]
    np.testing.assert_allclose(shared.predictions, plain, atol=2e-6)


def test_the_check_is_told(predictor, caplog):
    evaluator = make_evaluator(predictor, predictor.spec, chosen_of(predictor), incremental="auto")
    references = evaluator.references({"sequence": windows(1)})
    with caplog.at_level(logging.INFO):
        changed = RANDOM.substituted(windows(1), np.array([30]))
        evaluator.alternatives(references, np.zeros(1, int), changed)
        evaluator.alternatives(references, np.zeros(1, int), changed)
    told = [r.message for r in caplog.records if "compared with whole" in r.message]
    assert len(told) == 1
    assert "fewer multiply-adds" in told[0]


@keras.saving.register_keras_serializable(package="tests")
class Liar(keras.layers.Layer):
    """Says that it looks at one position, and subtracts the mean of all."""

    geometry = "pointwise"

    def call(self, x):
        return x - keras.ops.mean(x, axis=1, keepdims=True)


def test_a_layer_that_is_not_what_it_says_is_found_out(caplog):
    inputs = keras.Input((256, 4), name="sequence")
    x = Liar()(keras.layers.Conv1D(4, 5, padding="same", activation="relu")(inputs))
    model = RANDOM.randomise(keras.Model({"sequence": inputs}, keras.layers.Dense(1)(x)))
    evaluator = CheckedEvaluator(RANDOM.evaluator_of(model))
    references = evaluator.references(RANDOM.random_inputs(evaluator))
    of = np.zeros(3, int)
    changed = RANDOM.substituted(references.inputs["sequence"][of], np.array([9, 99, 200]))
    found = evaluator.alternatives(references, of, changed).whole(references)
    np.testing.assert_array_equal(found, evaluator._evaluator.whole({"sequence": changed}))
    assert "every sequence is predicted as a whole" in caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_agrees_too(value):
    model = RANDOM.randomise(basset(targets=1))
    model.layers[-1].bias.assign([value])
    evaluator = CheckedEvaluator(RANDOM.evaluator_of(model))
    references = evaluator.references(RANDOM.random_inputs(evaluator))
    changed = RANDOM.substituted(references.inputs["sequence"], np.array([700]))
    found = evaluator.alternatives(references, np.zeros(1, int), changed)
    assert not np.isfinite(found.values).any()
    assert evaluator._agrees


def test_little_to_save_and_no_layers(caplog):
    model = interact(
        input_length=101, kernels=4, hidden=64, layers=2, attention_heads=2, feed_forward=256
    )
    spec = ModelSpec("interact", {"sequence": (101, 4)}, 101, 0, (Head("m", (Target(0, "t"),)),))
    chosen = HeadTargets("m", 1, (Target(0, "t"),), None, None)
    with caplog.at_level(logging.INFO):
        plain = make_evaluator(KerasPredictor(model, spec, 4), spec, chosen)
    assert isinstance(plain.passes[0].evaluator, FullEvaluator)
    assert "from layer 'conv1_norm' (LayerNormalization) on" in caplog.text
    on = make_evaluator(KerasPredictor(model, spec, 4), spec, chosen, incremental="on")
    assert isinstance(on.passes[0].evaluator, CheckedEvaluator)
    with caplog.at_level(logging.INFO):
        make_evaluator(CallablePredictor(lambda x: x, spec), spec, chosen)
    assert "a CallablePredictor shows no layers to go through" in caplog.text
    with pytest.raises(ConfigError, match="incremental"):
        make_evaluator(KerasPredictor(model, spec, 4), spec, chosen, incremental="maybe")


@pytest.mark.parametrize("cell", ["c2", "unseen"])
def test_a_conditioned_model_of_one_cell_type(cell):
    model = RANDOM.randomise(
        leopard_unet(input_length=LENGTH, input_channels=5, depth=2, filters=6, outputs=4)
    )
    cells, marks = ("c1", "c2"), ("m1", "m2")
    conditioning = Conditioning(
        cells=cells, marks=marks, absent=(("c1", "m2"),), outputs="cells", pooling=None
    )
    targets = tuple(
        Target(n, f"{c}_{m}", cell=c, mark=m)
        for n, (c, m) in enumerate((c, m) for c in cells for m in marks)
    )
    spec = ModelSpec(
        "leopard_unet",
        {"sequence": (LENGTH, 4), "tracks": (LENGTH, 1)},
        1,
        0,
        (Head("main", targets),),
        conditioning=conditioning,
    )
    predictor = CellPredictor(KerasPredictor(model, spec, 8), cell)
    chosen = HeadTargets.of(predictor.spec, None, predictor.spec.head().targets[1:], None)
    evaluator = make_evaluator(predictor, predictor.spec, chosen, rc=True, incremental="on")
    tracks = np.random.default_rng(3).random((2, LENGTH, 1)).astype(np.float32)
    own, of = windows(), np.array([1, 0, 1])
    references = evaluator.references({"sequence": own, "tracks": tracks})
    changed = RANDOM.substituted(own[of], np.array([250, 260, 5]))
    found = evaluator.alternatives(references, of, changed).whole(references)
    plain = AveragedPredictor(predictor, True)
    wanted = chosen.values(plain.predict({"sequence": changed, "tracks": tracks[of]}))
    np.testing.assert_allclose(found, wanted, atol=2e-6)


def test_full_evaluators_average_the_same_way(predictor):
    chosen = chosen_of(predictor)
    whole = averaged(
        lambda c: FullEvaluator(predictor, chosen, c), predictor.spec, chosen, True, (0, 2)
    )
    wanted = AveragedPredictor(predictor, True, (0, 2)).predict({"sequence": windows()})["main"]
    found = whole.references({"sequence": windows()}).predictions
    np.testing.assert_array_equal(found, wanted)


def test_few_changes_are_predicted_as_a_whole(predictor, caplog):
    asked = (predictor, predictor.spec, chosen_of(predictor), False, (0,))
    with caplog.at_level(logging.INFO):
        few = make_evaluator(*asked, "auto", 8, 20)
    assert isinstance(few.passes[0].evaluator, FullEvaluator)
    assert "too few changes for this model to prepare: 20 changes" in caplog.text
    for incremental, changes in (("auto", 10**7), ("on", 20)):
        many = make_evaluator(*asked, incremental, 8, changes)
        assert isinstance(many.passes[0].evaluator, CheckedEvaluator)
