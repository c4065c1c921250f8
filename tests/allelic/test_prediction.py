"""Predicted ratios against predictions of whole sequences, one site and one strand at a time."""

from dataclasses import replace

import numpy as np
import pytest

from tfepi.allelic.counts import Sites
from tfepi.allelic.prediction import CentreBin, Prediction, allele_ratio, predicted_ratios
from tfepi.allelic.seen_sites import SeenSites, seen_sites, training_windows
from tfepi.spec import METHYLATION, CallablePredictor, Head, ModelSpec
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import Genome, decode, encode, one_hot
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

LENGTH, WIDTH = 96, 16
TARGETS = tuple(Target(i, f"t{i}", strand_pair=p) for i, p in enumerate((1, 0, 2)))


def linear_model(crop: int = 0):
    """Return a predictor whose bins depend on every base, each by its own weight."""
    bins = (LENGTH - 2 * crop) // WIDTH
    weights = np.random.default_rng(3).normal(0, 0.1, (LENGTH * 4, bins * len(TARGETS)))
    spec = ModelSpec("toy", {"sequence": (LENGTH, 4)}, WIDTH, crop, (Head("main", TARGETS),))

    def predict(sequence):
        return np.exp(sequence.reshape(len(sequence), -1) @ weights).reshape(-1, bins, 3)

    return CallablePredictor(predict, spec)


@pytest.fixture
def genome(genome_folder):
    with Genome(genome_folder / "genome.fa") as found:
        yield found


@pytest.fixture
def sites(genome):
    """Sites of two chromosomes, near an end too; one with two ALTs, one in two samples."""
    rows = []
    for chrom, starts in (("chr2", (700, 30_000)), ("chr1", (20, 5_100, 59_980))):
        for start in starts:
            letters = decode(genome.indices(chrom, start, start + 12))
            at = next(i for i, x in enumerate(letters) if x != "N")
            others = [b for b in "ACGT" if b != letters[at]]
            rows += [(chrom, start + at, letters[at], alt) for alt in others[:2]]
    rows.append(rows[0])
    chrom, position, ref, alt = map(np.array, zip(*rows, strict=True))
    ones = np.ones(len(rows), np.int64)
    sample = np.array(["a"] * (len(rows) - 1) + ["b"])
    return Sites(chrom, position, ref, alt, 20 * ones, 10 * ones, 1.0 * ones, sample)


def slow(predictor, genome, sites, rc, shifts):
    """Return the ratios by definition: each allele's window, shift and strand by itself."""
    spec, found = predictor.spec, []
    number = spec.target_length // 2
    index = spec.crop + number * WIDTH + (WIDTH - 1) // 2
    for chrom, position, alt in zip(sites.chrom, sites.position, sites.alt, strict=True):
        start = position - index
        window = decode(genome.indices(chrom, start, start + LENGTH))
        values = []
        for allele in (window[index], alt):
            letters = window[:index] + allele + window[index + 1 :]
            each = []
            for shift in shifts:
                pad = "N" * abs(shift)
                moved = (pad + letters)[:LENGTH] if shift >= 0 else (letters + pad)[-LENGTH:]
                for strand in (False, True) if rc else (False,):
                    code = one_hot(encode(moved))
                    code = code[::-1, ::-1] if strand else code
                    out = predictor.predict({"sequence": code[None]})["main"][0]
                    each.append(out[::-1][number, [1, 0, 2]] if strand else out[number])
            values.append(np.mean(each, axis=0))
        found.append(values[0] / (values[0] + values[1]))
    return np.array(found)


@pytest.mark.parametrize("crop", [0, 24])  # six bins, three bins
@pytest.mark.parametrize(("rc", "shifts"), [(False, (0,)), (True, (1, 0, -2))])
def test_ratios_are_those_of_each_allele_by_itself(genome, sites, crop, rc, shifts):
    predictor = linear_model(crop)
    how = Prediction(rc=rc, shifts=shifts, batch_size=4)
    found = predicted_ratios(predictor, genome, sites, how)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, slow(predictor, genome, sites, rc, shifts), rtol=2e-6)
    assert np.abs(found - 0.5).max() > 0.01
    np.testing.assert_array_equal(found[0], found[-1])
    some = predicted_ratios(predictor, genome, sites, how, (TARGETS[2], TARGETS[0]))
    np.testing.assert_array_equal(some, found[:, [2, 0]])


def test_the_site_is_in_the_middle_of_the_middle_bin():
    odd, even = linear_model(24).spec, linear_model(0).spec
    assert CentreBin.of(odd) == CentreBin(1, LENGTH // 2 - 1)  # as tfepi_variants.py has it
    assert CentreBin.of(even) == CentreBin(3, 48 + 7)
    with pytest.raises(ConfigError, match="methylation of one CpG"):
        CentreBin.of(replace(odd, extra={"kind": METHYLATION}))


def test_a_keras_model_gives_the_same_incrementally(genome, sites):
    from tfepi.startup import import_tensorflow

    import_tensorflow()
    import keras

    from tfepi.predictors import KerasPredictor

    keras.utils.set_random_seed(1)
    sequence = keras.Input((LENGTH, 4), name="sequence")
    x = keras.layers.Conv1D(6, 5, padding="same", activation="relu")(sequence)
    x = keras.layers.MaxPooling1D(WIDTH)(x)
    x = keras.layers.Dense(3, activation="softplus", name="main")(x)
    model = keras.Model({"sequence": sequence}, {"main": x})
    predictor = KerasPredictor(model, linear_model().spec, 4)
    whole, changed = (
        predicted_ratios(predictor, genome, sites, Prediction(rc=True, incremental=word))
        for word in ("off", "on")
    )
    np.testing.assert_allclose(changed, whole, rtol=1e-5)
    np.testing.assert_allclose(whole, slow(predictor, genome, sites, True, (0,)), rtol=1e-5)


def test_what_is_no_ratio_is_missing():
    ref = np.array([1.0, 0.0, -0.1, np.nan, 3.0, np.inf])
    alt = np.array([3.0, 0.0, 0.5, 1.0, 0.0, 1.0])
    found = allele_ratio(ref, alt)
    np.testing.assert_array_equal(found, [0.25, np.nan, np.nan, np.nan, 1.0, np.nan])


def test_a_model_without_positive_numbers_is_refused(genome, sites):
    spec = linear_model().spec
    broken = CallablePredictor(lambda s: np.full((len(s), 6, 3), -1.0), spec)
    with pytest.raises(InputFileError, match="no positive finite numbers"):
        predicted_ratios(broken, genome, sites)


def test_bad_predictions():
    with pytest.raises(ConfigError, match="shifts"):
        Prediction(shifts=(1, 1))
    with pytest.raises(ConfigError, match="untransform"):
        Prediction(untransform="none")
    with pytest.raises(ConfigError, match="incremental"):
        Prediction(incremental="yes")


def place(*rows):
    chrom, position = map(np.array, zip(*rows, strict=True))
    n = len(rows)
    text = np.full(n, "A")
    return Sites(chrom, position, text, text, position, position, np.ones(n), np.full(n, ""))


def test_sites_are_marked_by_the_windows_that_hold_them():
    windows = [
        Interval("c1", 10, 20, "train"),
        Interval("c1", 15, 30, "test"),
        Interval("c1", 40, 50, "valid"),
        Interval("c2", 0, 10, "test"),
    ]
    sites = place(("c1", 9), ("c1", 10), ("c1", 19), ("c1", 20), ("c1", 49), ("c2", 5), ("c3", 5))
    seen = seen_sites(sites, windows)
    assert seen.label.tolist() == ["", "train", "train", "test", "valid", "test", ""]
    assert seen.contig.tolist() == [True] * 5 + [False, False]
    subsets = seen.subsets()
    assert subsets["all"].all()
    assert np.flatnonzero(subsets["held_out"]).tolist() == [0, 3, 5, 6]
    assert np.flatnonzero(subsets["other_contigs"]).tolist() == [5, 6]
    none = SeenSites(np.array(["test", ""]), np.array([False, False])).subsets()
    assert all(which.all() for which in none.values())
    assert list(none) == ["all", "held_out", "other_contigs"]


def test_training_windows_of_a_bed_and_of_a_data_folder(tmp_path, small_data):
    bed = tmp_path / "train.bed"
    bed.write_text("chr1\t5\t9\nchr1\t20\t30\ttest\n")
    sites = place(("chr1", 6), ("chr1", 25), ("chr1", 40))
    assert seen_sites(sites, training_windows(bed)).label.tolist() == ["train", "test", ""]
    windows = training_windows(data=small_data)
    assert {w.label for w in windows} == {"train", "valid", "test"}
    assert {w.chrom for w in windows if w.label == "test"} == {"chr3"}
    # With the flanks, not the 128 bp of the bins; beyond the chromosome there is nothing.
    assert {len(w) for w in windows if w.start} == {256}
    for given in ({}, {"regions": bed, "data": small_data}):
        with pytest.raises(ConfigError, match="give one"):
            training_windows(**given)
