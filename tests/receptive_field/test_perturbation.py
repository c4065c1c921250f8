"""The field by perturbation, against predicting every sequence by itself."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfepi.receptive_field import perturbation
from tfepi.receptive_field.asked import Asked
from tfepi.receptive_field.field import spec_of
from tfepi.receptive_field.grid import OutputGrid
from tfepi.receptive_field.perturbation import measure, scan
from tfepi.receptive_field.places import Phases
from tfepi.spec import CallablePredictor
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_models.py"))))

RNG = np.random.default_rng(5)
KERNEL = RNG.uniform(0.5, 1, (7, 4, 2))  # 3 before, 3 after; two values


def convolved(codes):
    """Outputs of a convolution written out, [batch, length, 2]; no letter weighs as another."""
    length = codes.shape[1]
    padded = np.pad(codes, ((0, 0), (3, 3), (0, 0)))
    parts = [padded[:, i : i + length] @ KERNEL[i] for i in range(7)]
    return np.tanh(np.sum(parts, axis=0) / 10)


def drawn(seed, repeat, changes, length):
    """The sequence and the letters of a repeat, as they are drawn."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(repeat,)))
    return rng.integers(0, 4, length, dtype=np.uint8), rng.integers(1, 4, changes, dtype=np.uint8)


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_effects_are_those_of_single_predictions(batch_size):
    places = [Phases.at("centre", 40, 4), Phases.at("left", 40, 4, 2)]
    found = measure(convolved, 40, places, repeats=3, batch_size=batch_size, seed=9)
    at = [p for place in places for p in place.positions]
    effects = np.zeros((3, len(at), 40))
    for repeat in range(3):
        sequence, letters = drawn(9, repeat, len(at), 40)
        own = convolved(one_hot(sequence[None]))[0]
        for number, position in enumerate(at):
            changed = sequence.copy()
            changed[position] = (changed[position] + letters[number]) % 4
            assert changed[position] != sequence[position]
            other = convolved(one_hot(changed[None]))[0]
            effects[repeat, number] = np.abs(other - own).max(axis=1)
    centre, left = found
    assert centre.at.tolist() == [20, 21, 22, 23]
    assert left.phases.tolist() == [0, 3]
    np.testing.assert_allclose(centre.mean, effects[:, :4].mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(left.most, effects[:, 4:].max(axis=0), atol=1e-9)
    assert (centre.spans == 7).all()
    assert centre.first[0].tolist() == [17, 17, 17]
    assert left.spans.tolist() == [[4] * 3, [7] * 3]  # cut by the end, and not
    assert (centre.floor, centre.place) == (0, "centre")


def test_nothing_is_presupposed():
    """A function that sees further than any convolution: found all the same."""

    def far(codes):
        return codes[:, :, :1] * 0.1 + codes[:, 10:11, 1:2]

    found = measure(far, 64, [Phases("centre", 1, (0,), (10,))], repeats=8)[0]
    assert found.union.tolist() == [64]


def test_the_whole_batch_is_of_one_size_and_the_reference_twice_in_it():
    sizes, seen = [], []

    def spy(codes):
        sizes.append(len(codes))
        seen.append(codes)
        return convolved(codes)

    measure(spy, 40, [Phases.at("centre", 40, 10)], repeats=2, batch_size=5)
    assert set(sizes) == {4}
    assert sum(sizes) == perturbation.passes(10, 2, 5) == 24
    reference = seen[0][0]
    assert sum((row == reference).all() for batch in seen[:3] for row in batch) == 2


def test_noise_between_rows_is_measured():
    def noisy(codes):
        return convolved(codes) + 1e-6 * np.arange(len(codes))[:, None, None]

    found = measure(noisy, 40, repeats=2, batch_size=4)[0]
    assert found.floor == pytest.approx(2e-6, rel=1e-6)
    assert (found.spans == 7).all()
    assert (found.most > 0).sum() > 7  # the noise itself is kept


def test_bins_and_the_grid():
    model = SMALL.local_model(64, pool=4, crop=2)
    predict = CallablePredictor(lambda x: model({"sequence": x}).numpy(), spec_of(model))
    grid = OutputGrid(64, 12, 4, 8)
    found = measure(predict, None, [Phases.at("centre", 64, 4)], grid=grid, repeats=2)[0]
    assert found.positions.tolist() == list(range(8, 56, 4))
    assert found.anchor.tolist() == [32] * 4
    # 5 and 3: a base reaches 3 positions to either side before they are pooled.
    for row, position in enumerate((32, 33, 34, 35)):
        low, high = (position - 3) // 4 * 4, (position + 3) // 4 * 4 + 4
        assert found.union[row] == high - low
    with pytest.raises(ConfigError, match="predicts 12 bins, 64 are expected"):
        measure(predict, None, grid=OutputGrid(64, 64, 1, 0))


def test_a_scan_is_the_transpose():
    found = scan(convolved, 41, repeats=3)
    assert (found.spans == 7).all()
    assert found.at.tolist() == [20]
    assert np.flatnonzero(found.most[0]).tolist() == list(range(17, 24))
    one = scan(convolved, 41, repeats=3, bin_number=2)
    assert np.flatnonzero(one.most[0]).tolist() == list(range(6))
    coarse = scan(convolved, 41, repeats=3, step=3)
    assert coarse.positions.tolist() == list(range(2, 41, 3))
    assert np.flatnonzero(coarse.most[0]).tolist() == [5, 6, 7]  # 17, 20, 23
    assert coarse.union.tolist() == [7]


def test_inputs_besides_the_sequence():
    held = []

    def predict(inputs):
        held.append(inputs["tracks"])
        return inputs["tracks"].mean(axis=(1, 2))[:, None, None] * one_hot(inputs["sequence"])

    measure(Asked(predict, 16, {"tracks": (5, 2)}), repeats=2)
    first, second = (np.unique(h.reshape(len(h), -1), axis=0) for h in held)
    assert len(first) == len(second) == 1  # the same for all rows of a repeat
    assert (first != second).any()
    assert (first >= 0).all()
    assert (first < 1).all()
    held.clear()
    measure(Asked(predict, 16, {"tracks": (5, 2)}, "zero"), repeats=1)
    assert not held[0].any()


def test_one_target_of_several():
    def two(codes):
        return np.concatenate([codes[..., :1] + codes[..., 1:2] * 2, 0 * codes[..., :1]], axis=2)

    predict = Asked.of(two, 8)
    for target, span in ((0, 1), (1, 0)):
        only = Asked(predict.predict, 8, target=target)
        found = measure(only, repeats=16)[0]
        assert found.spans.max() == span
    with pytest.raises(ConfigError, match="target 2 is none of the model's 2"):
        measure(Asked(predict.predict, 8, target=2))


def test_random_weights_of_a_u_net_reach_the_theoretical_span():
    model = SMALL.small_unet(2, 512)
    predict = CallablePredictor(lambda x: model({"sequence": x}).numpy(), spec_of(model))
    found = measure(predict, None, [Phases.at("centre", 512, 4)], repeats=8)[0]
    assert found.union.tolist() == [124] * 4
    assert found.floor == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: measure(convolved), "says nothing of its sequence"),
        (lambda: measure(3, 40), "a int cannot be asked"),
        (lambda: measure(convolved, 40, repeats=0), "repeats is 0: want at least 1"),
        (lambda: measure(convolved, 40, batch_size=0), "batch_size is 0"),
        (lambda: measure(convolved, 1), "the sequence has 1 bp"),
        (
            lambda: measure(convolved, 40, [Phases("centre", 1, (0,), (40,))]),
            "positions 40 to 40 are changed, the sequence has 40 bp",
        ),
        (lambda: measure(lambda x: x[:, 0], 40), r"shape \(3, 4\) of 3 sequences"),
        (lambda: measure(lambda x: x * np.nan, 40), "not finite"),
        (lambda: scan(convolved, 40, step=0), "step is 0"),
        (lambda: scan(convolved, 40, bin_number=40), "bin 40 is none of the model's 40"),
        (lambda: Asked(convolved, 40, fill="ones"), "unknown fill 'ones'"),
    ],
)
def test_what_cannot_be_measured(call, message):
    with pytest.raises(ConfigError, match=message):
        call()
