import runpy
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from tfepi.analysis.attention_readout import (
    Profiles,
    background,
    coverage,
    element_attention,
    ratio,
)
from tfepi.analysis.tss_windows import TssWindow
from tfepi.layers import MultiheadAttention
from tfepi.models import attention_weights
from tfepi.spec import shift_sequence
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_attention.py"))))
LENGTH, BIN = SMALL.LENGTH, SMALL.BIN
TOKENS = LENGTH // BIN
WINDOW = TssWindow.of(SMALL.spec())


@pytest.fixture(scope="module")
def sequences():
    found = np.random.default_rng(3).integers(0, 4, (3, LENGTH)).astype(np.uint8)
    found[0, 100:140] = 4
    return found


@pytest.fixture(scope="module")
def made():
    return SMALL.model()


@pytest.fixture(scope="module")
def weights(made):
    """Attention between all tokens of sequences, mean over heads: {layer: [batch, T, T]}."""
    model = attention_weights(made)

    def run(sequences):
        found = model({"sequence": one_hot(sequences)}, training=False)
        return {n: np.asarray(v).mean(axis=1) for n, v in found.items() if n != "main"}

    return run


def shares(attention, ways):
    """A(Q → K) of the stretches of bases (q, k), by loops over bases."""
    token = np.arange(LENGTH) // BIN
    found = []
    for q, k in ways:
        total = 0.0
        for looking in range(*q):
            row = attention[token[looking]]
            total += sum(row[token[seen]] / BIN for seen in range(*k))
        found.append(total / (q[1] - q[0]))
    return found


@pytest.mark.parametrize("tokens", [4, 16, 64])
@pytest.mark.parametrize(("low", "high"), [(0, 64), (5, 6), (3, 41), (-9, 12), (60, 99), (70, 80)])
def test_coverage_against_a_loop(tokens, low, high):
    width = 64 // tokens
    slow = [
        sum(low <= base < high for base in range(t * width, (t + 1) * width)) / width
        for t in range(tokens)
    ]
    np.testing.assert_allclose(coverage(low, high, tokens, 64), slow)


def test_profiles_and_elements_against_loops_over_bases(made, sequences, weights):
    profiles = Profiles(made, WINDOW)
    assert profiles.tokens == {"attention0": TOKENS, "attention1": TOKENS}
    found = profiles(sequences)
    elements = [(0, 8), (3, 29), (200, 256), (120, 136), (41, 42)]
    for layer, attention in weights(sequences).items():
        assert found[layer].shape == (3, 2, TOKENS)
        np.testing.assert_allclose(found[layer][:, 0].sum(axis=1), 1, rtol=1e-5)
        for row in range(3):
            for element in elements:
                slow = shares(attention[row], [(WINDOW.span, element), (element, WINDOW.span)])
                mine = element_attention(found[layer][row], *element, LENGTH)
                np.testing.assert_allclose(mine, slow, rtol=1e-4)


def test_tss_bins_that_are_no_whole_tokens(made, sequences, weights):
    window = TssWindow.of(SMALL.spec(bin_width=12, crop=34), 1)
    assert window.span[0] % BIN
    found = Profiles(made, window)(sequences)
    for layer, attention in weights(sequences).items():
        slow = shares(attention[1], [(window.span, (3, 29)), ((3, 29), window.span)])
        np.testing.assert_allclose(
            element_attention(found[layer][1], 3, 29, LENGTH), slow, rtol=1e-4
        )


def test_strands_and_shifts(made, sequences, weights):
    found = Profiles(made, WINDOW, True, (0, 5))(sequences)
    element = (16, 48)
    other = (LENGTH - 48, LENGTH - 16)
    tss = (LENGTH - WINDOW.span[1], LENGTH - WINDOW.span[0])
    for layer in found:
        slow = []
        for shift in (0, 5):
            plain = weights(shift_sequence(sequences, shift))[layer][2]
            turned = weights(shift_sequence(sequences, shift, True))[layer][2]
            slow.append(shares(plain, [(WINDOW.span, element), (element, WINDOW.span)]))
            slow.append(shares(turned, [(tss, other), (other, tss)]))
        mine = element_attention(found[layer][2], *element, LENGTH)
        np.testing.assert_allclose(mine, np.mean(slow, axis=0), rtol=1e-4)


def test_nothing_inside_the_window_has_no_value():
    profile = np.ones((2, TOKENS), np.float32)
    assert np.isnan(element_attention(profile, 256, 256, LENGTH)).all()


def test_background_is_of_other_genes():
    profiles = np.random.default_rng(0).random((4, 2, 5)).astype(np.float32)
    total = profiles.sum(axis=0, dtype=float)
    for own, others in (([0, 2], [1, 3]), ([3], [0, 1, 2])):
        wanted = profiles[others].mean(axis=0, dtype=float)
        np.testing.assert_allclose(background(total, profiles[own], 4), wanted)


def test_what_is_not_expected_has_no_ratio():
    found = ratio(np.array([1.0, 1, 0, np.nan]), np.array([4.0, 0, 0, 1]))
    np.testing.assert_array_equal(found, [0.25, np.nan, np.nan, np.nan])


def test_models_without_attention_or_equal_tokens():
    with pytest.raises(ConfigError, match="has no attention layers"):
        Profiles(SMALL.model(linear=True), WINDOW)
    with pytest.raises(ConfigError, match="layer 'own' has 7 tokens for 256 bp"):
        Profiles(one_layer(36), WINDOW)


def one_layer(width):
    """A model of one output and one attention layer, with tokens of so many bp."""
    sequence = keras.Input((LENGTH, 4), name="sequence")
    x = keras.layers.AveragePooling1D(width)(sequence)
    x = MultiheadAttention(heads=2, key_size=4, value_size=3, name="own")(x)
    return keras.Model({"sequence": sequence}, keras.layers.Dense(3, name="main")(x))


def test_a_model_of_one_output(sequences):
    found = Profiles(one_layer(16), WINDOW)(sequences)
    assert {name: v.shape for name, v in found.items()} == {"own": (3, 2, 16)}
    np.testing.assert_allclose(found["own"][:, 0].sum(axis=1), 1, rtol=1e-5)
