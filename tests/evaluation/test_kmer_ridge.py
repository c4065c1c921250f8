"""k-mer counts against strings, the fit against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from tfepi.evaluation.kmer_ridge import KmerCounter, fit_ridge
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import decode, encode, reverse_complement

COMPLEMENT = str.maketrans("ACGT", "TGCA")


def string_counts(letters, words, k):
    counts = dict.fromkeys(words, 0)
    for i in range(len(letters) - k + 1):
        word = letters[i : i + k]
        if "N" not in word:
            counts[min(word, word.translate(COMPLEMENT)[::-1])] += 1
    return [counts[w] for w in words]


@settings(max_examples=40, deadline=None)
@given(st.text("ACGTN", min_size=12, max_size=40), st.integers(1, 5))
def test_counts_equal_a_loop_over_strings(letters, k):
    counter = KmerCounter(k, centre=(3, 11))
    found = counter.count(encode(letters)[None])[0]
    words = counter.words
    want = string_counts(letters[3:11], words, k) + string_counts(letters, words, k)
    np.testing.assert_array_equal(found, want)
    assert counter.features == len(want)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_counts_do_not_know_the_strand(seed):
    sequence = np.random.default_rng(seed).integers(0, 5, (3, 50), dtype=np.uint8)
    counter = KmerCounter(4, centre=(20, 30))
    np.testing.assert_array_equal(
        counter.count(sequence), counter.count(reverse_complement(sequence))
    )


def test_six_mers_make_2080_classes():
    counter = KmerCounter()
    assert counter.features == 2080
    assert counter.words[0] == "AAAAAA"
    assert KmerCounter(6, (10, 20)).features == 4160


def test_a_window_shorter_than_a_word_counts_nothing():
    assert KmerCounter(6).count(encode("ACG")[None]).sum() == 0
    found = KmerCounter(6, (4, 8)).count(encode("ACGTACGTACGT")[None])[0]
    assert found[:2080].sum() == 0
    assert found[2080:].sum() == 7


def make(seed=0, n=240, length=60, targets=2):
    rng = np.random.default_rng(seed)
    sequence = rng.integers(0, 4, (n, length), dtype=np.uint8)
    sequence[rng.random(sequence.shape) < 0.005] = 4
    counts = KmerCounter(2, (20, 40)).count(sequence)
    rate = np.exp(counts @ rng.normal(0, 0.1, (counts.shape[1], targets)))
    return sequence, rng.poisson(5 * rate).astype(np.float32)


def batched(sequence, target, size=50):
    return lambda: (
        (sequence[i : i + size], target[i : i + size]) for i in range(0, len(sequence), size)
    )


def sklearn_fit(counter, train, y, valid, penalty):
    scaler = StandardScaler().fit(counter.count(train).astype(float))
    model = Ridge(penalty).fit(scaler.transform(counter.count(train).astype(float)), y)
    return model.predict(scaler.transform(counter.count(valid).astype(float)))


@pytest.mark.parametrize("log1p", [False, True])
def test_fit_equals_scikit_learn_with_missing_values(log1p):
    counter = KmerCounter(2, (20, 40))
    sequence, target = make()
    target[:40, 1] = np.nan
    penalties = (1.0, 30.0, 1000.0)
    train, valid = slice(0, 160), slice(160, 240)
    ridge = fit_ridge(
        counter,
        batched(sequence[train], target[train]),
        batched(sequence[valid], target[valid]),
        log1p,
        penalties,
    )
    scale, back = (np.log1p, np.expm1) if log1p else (lambda y: y, lambda y: y)
    for t in range(2):
        seen = ~np.isnan(target[train, t])
        scores, predictions = [], []
        for penalty in penalties:
            y = scale(target[train, t][seen])
            p = sklearn_fit(counter, sequence[train][seen], y, sequence[valid], penalty)
            scores.append(np.corrcoef(p, scale(target[valid, t]))[0, 1])
            predictions.append(back(p))
        np.testing.assert_allclose(ridge.validation[:, t], scores, atol=1e-6)
        best = int(np.argmax(scores))
        assert ridge.penalty[t] == penalties[best]
        found = ridge.predict(sequence[valid])[:, t]
        np.testing.assert_allclose(found, predictions[best], rtol=1e-5, atol=1e-6)


def test_batches_change_nothing():
    sequence, target = make(1)
    target[::11, 0] = np.nan
    fits = [
        fit_ridge(KmerCounter(2), batched(sequence, target, s), batched(sequence, target, s))
        for s in (7, 240)
    ]
    np.testing.assert_allclose(fits[0].weights, fits[1].weights, rtol=1e-9, atol=1e-12)


def test_a_feature_that_never_varies_weighs_nothing():
    sequence, target = make(2)
    sequence[sequence == 3] = 0  # no T: many words never occur
    sequence[:, :20] = sequence[:, 40:] = 1
    ridge = fit_ridge(KmerCounter(1, (0, 20)), *[batched(sequence, target)] * 2)
    assert ridge.counter.words == ["A", "C"]
    np.testing.assert_array_equal(ridge.weights[:2], 0)  # the centre is all C
    assert np.isfinite(ridge.weights).all()
    assert decode(sequence[0, :3]) == "CCC"


def test_errors():
    sequence, target = make(3, n=30)
    good = batched(sequence, target)

    def fit(train=good, valid=good, **more):
        return fit_ridge(KmerCounter(1), train, valid, **more)

    with pytest.raises(ConfigError, match="k is 9"):
        KmerCounter(9)
    with pytest.raises(ConfigError, match="penalties"):
        fit(penalties=())
    with pytest.raises(ConfigError, match="penalties"):
        fit(penalties=(0.0,))
    with pytest.raises(ConfigError, match="number 0 has no observed"):
        fit(batched(sequence, np.full_like(target, np.nan)))
    constant = target.copy()
    constant[:, 1] = 3
    with pytest.raises(ConfigError, match="number 1 has constant training"):
        fit(batched(sequence, constant))
    with pytest.raises(ConfigError, match="number 1 is constant or missing on the validation"):
        fit(valid=batched(sequence, constant))
    with pytest.raises(ConfigError, match="no validation windows"):
        fit(valid=lambda: iter(()))
    with pytest.raises(ConfigError, match="needs more than -1"):
        fit(batched(sequence, target - 1))
