"""What is said where theory and measurement differ, and of which cause."""

import numpy as np

from tfepi.receptive_field.agreement import Agreement, compare, warnings
from tfepi.receptive_field.profile import Collector
from tfepi.receptive_field.theory import Reach


def measured_of(effects, method="perturbation", floor=0.0, scale=1.0, step=1, extent=1):
    repeats, count = effects.shape
    collector = Collector(1, np.arange(count) * step, step, extent, repeats)
    for repeat, effect in enumerate(effects):
        collector.add(0, repeat, effect, floor)
    return collector.measured(method, "centre", (0,), (50,), (50,), floor, scale)


def effects_from(low, high, size=1e-3, repeats=4, count=100):
    effects = np.zeros((repeats, count))
    effects[:, low:high] = size
    return effects


def reach(low, high):
    return Reach("centre", (0,), (50,), (low,), (high,))


def lines(measured, wanted, zeros=(), drawn=None):
    return warnings("m", "untrained", measured, compare(measured, wanted), zeros, drawn)


def test_agreement_says_nothing():
    measured = measured_of(effects_from(30, 70))
    found = compare(measured, reach(30, 70))
    assert found == Agreement((40, 40), 1.0, 0.0, 0)
    assert lines(measured, reach(30, 70)) == []
    assert lines(measured_of(effects_from(31, 69)), reach(30, 70)) == []  # nine tenths are enough
    assert found.to_json()["share_of_theory"] == 1


def test_an_effect_outside_is_never_hidden():
    effects = effects_from(30, 70)
    effects[2, 90] = 1e-9
    measured = measured_of(effects)
    found = compare(measured, reach(30, 70))
    assert (found.beyond, found.beyond_bp) == (1e-9, 21)
    [line] = lines(measured, reach(30, 70))
    assert "an effect of 1e-09 lies 21 bp outside the theoretical field" in line
    assert "arithmetic does not hold" in line
    assert lines(measured_of(effects, floor=1e-9), reach(30, 70)) == []  # no more than noise
    assert compare(measured_of(effects_from(20, 70)), reach(30, 70)).beyond_bp == 10


def test_zero_initialised_variables_are_the_cause():
    measured = measured_of(effects_from(48, 53))
    full, half = Agreement((100, 100), 0.98, 0, 0), Agreement((100, 100), 0.5, 0, 0)
    zeros = ("a/output_kernel", "b/output_kernel", "c/output_kernel")
    [line] = lines(measured, reach(0, 100), zeros, full)
    assert "5 bp are affected of 100 that theory has" in line
    assert "zero-initialised variables a/output_kernel, b/output_kernel, … (3 in all)" in line
    assert "hide the rest: with them drawn at random 98% of it is reached" in line
    [line] = lines(measured, reach(0, 100), zeros[:1], half)
    assert "a/output_kernel hide a part: with them drawn at random 50% is reached" in line
    near = measured_of(effects_from(8, 93))
    by_chance = Agreement((100, 100), 0.92, 0, 0)  # less than three quarters of the gap are closed
    [line] = lines(near, reach(0, 100), zeros[:1], by_chance)
    assert "zero-initialised" not in line
    [line] = lines(measured, reach(0, 100), zeros[:1])
    assert "the variables a/output_kernel are zero and pass nothing on" in line


def test_other_causes():
    wanted = reach(0, 100)
    assert "neither zeros, rounding nor few" in lines(measured_of(effects_from(40, 60)), wanted)[0]
    tiny = effects_from(40, 60)
    tiny[:, 40] = 1e-7
    assert "float32's rounding of predictions of 1" in lines(measured_of(tiny), wanted)[0]
    assert "rounding of" not in lines(measured_of(tiny, "gradient", scale=np.nan), wanted)[0]
    growing = effects_from(40, 60)
    growing[3, 30:70] = 1e-3
    [line] = lines(measured_of(growing), wanted)
    assert "still grows with the number of random sequences" in line
    [line] = lines(measured_of(effects_from(40, 60, repeats=1)), wanted)
    assert "one random sequence says little: raise --repeats" in line
    [line] = lines(measured_of(np.zeros((4, 100))), wanted)
    assert "no effect at all: outputs are saturated, dead" in line


def test_a_scan_is_as_sharp_as_its_step():
    effects = np.ones((2, 34))  # every third of 100 bases
    measured = measured_of(effects, "scan", step=3)
    assert compare(measured, reach(0, 102)).share == 1
    assert compare(measured, reach(0, 200)).share < 0.6


def test_nothing_in_theory():
    found = compare(measured_of(np.zeros((1, 10))), reach(0, 0))
    assert np.isnan(found.share)
    assert not found.is_short
    assert found.to_json()["share_of_theory"] is None
