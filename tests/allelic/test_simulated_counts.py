"""Simulated counts hold what was planted, and nothing else."""

import numpy as np
import pytest
from scipy.special import expit, logit

from tfepi.simulate.allelic_counts import AllelicDesign, simulate_counts
from tfrecords_tools.errors import ConfigError


def test_planted_shares_are_in_the_counts():
    design = AllelicDesign(20_000, 0.2, 1.0, reads=50.0, bias=0.3, dosages=(2.0,), rho=0.01)
    found = simulate_counts(design)
    sites, effect = found.sites, found.effect
    assert (effect != 0).mean() == pytest.approx(0.2, abs=0.01)
    assert set(effect.round(9)) == {-1, 0, 1}
    for value in (-1, 0, 1):
        rows = effect == value
        wanted = expit(0.3 + value + np.log(2) * np.array([-1, 1])).mean()
        share = (sites.ref_reads[rows] / sites.reads[rows]).mean()
        assert share == pytest.approx(wanted, abs=0.012)
    noise = logit(found.predicted) - effect
    assert noise.mean() == pytest.approx(0, abs=0.03)
    assert noise.std() == pytest.approx(1, abs=0.03)
    assert np.median(sites.reads) == pytest.approx(50, rel=0.03)


def test_sites_are_sorted_distinct_changes_and_always_the_same():
    first, again = (simulate_counts(AllelicDesign(1500), 3) for _ in range(2))
    np.testing.assert_array_equal(first.sites.ref_reads, again.sites.ref_reads)
    other = simulate_counts(AllelicDesign(1500), 4)
    assert not np.array_equal(first.sites.ref_reads, other.sites.ref_reads)
    assert (first.sites.ref != first.sites.alt).all()
    one = first.sites.position[first.sites.chrom == "chr1"]
    assert len(one) == 1000
    assert (np.diff(one) > 0).all()


@pytest.mark.parametrize(
    ("design", "message"),
    [
        ({"imbalanced": 1.0}, r"imbalanced is 1\.0"),
        ({"rho": -0.1}, r"rho is -0\.1"),
        ({"sites": 0}, "0 sites"),
        ({"reads": 0.0}, r"0\.0 reads"),
        ({"dosages": (0.5,)}, "dosages of 1 or more"),
    ],
)
def test_bad_designs(design, message):
    with pytest.raises(ConfigError, match=message):
        AllelicDesign(**design)
