"""Tests of sites with planted effects: what is found is there, and doubts are told."""

import logging

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import binom

from tfepi.allelic import testing
from tfepi.allelic.counts import from_frame
from tfepi.allelic.null import q_values
from tfepi.allelic.positives import CHOICE, Cut, imbalance_sets, matching_text, warn_of_sets
from tfepi.simulate.allelic_counts import AllelicDesign, simulate_counts
from tfrecords_tools.errors import ConfigError, InputFileError

how = testing.HowTested


def results_of(design, seed=1, **options):
    """Return simulated counts, those with more than 20 reads, tested, and their true effects."""
    counts = simulate_counts(AllelicDesign(**design), seed)
    return testing.sites_tested(counts.sites, how(**options)), counts.effect[
        counts.sites.reads > 20
    ]


def share_wrong(found, effect, fdr=0.01):
    chosen = found.q < fdr
    return int((chosen & (effect == 0)).sum()), int(chosen.sum())


@pytest.mark.parametrize(
    ("design", "options"),
    [
        ({}, {}),
        ({"dosages": (1, 2, 3)}, {}),
        ({"bias": 0.2}, {"centre": "observed"}),
        ({"rho": 0.02, "effect": 1.5}, {"test": "betabinomial"}),
        ({"rho": 0.02, "effect": 1.8, "dosages": (1, 2)}, {"test": "betabinomial"}),
    ],
)
def test_false_discoveries_are_no_more_than_asked_for(design, options):
    wrong = found = 0
    for seed in range(2):
        w, f = share_wrong(*results_of(design | {"sites": 2500}, seed, **options), fdr=0.05)
        wrong, found = wrong + w, found + f
    assert found > 100
    assert wrong <= binom.ppf(0.995, found, 0.05)  # within the interval of the nominal level


def test_power_is_that_of_the_binomial():
    design = {"sites": 4000, "deviation": 0.0, "reads": 60.0, "imbalanced": 0.2, "effect": 1.1}
    found, effect = results_of(design)
    limit = found.p[found.q < 0.01].max()
    k = np.arange(61)
    p = np.array(
        [found.p[found.sites.ref_reads == i][0] if i in found.sites.ref_reads else 1 for i in k]
    )
    power = binom.pmf(k, 60, expit(1.1))[p <= limit].sum()
    seen = found.q[effect != 0] < 0.01
    assert abs(seen.mean() - power) < 3 * np.sqrt(power * (1 - power) / len(seen))


def test_what_binomial_tests_of_overdispersed_counts_claim_is_false():
    design = {"sites": 4000, "rho": 0.05, "imbalanced": 0.0}
    found, _ = results_of(design)
    assert (found.q < 0.01).sum() > 50
    honest, _ = results_of(design, test="betabinomial")
    assert (honest.q < 0.01).sum() == 0


def test_an_overdispersion_of_each_dosage():
    one = simulate_counts(AllelicDesign(1500, 0.0, rho=0.005), 3).sites
    two = simulate_counts(AllelicDesign(1500, 0.0, rho=0.08, dosages=(2.0,)), 4).sites
    rows = pd.concat([one.table(), two.table().assign(chrom="chrX")])
    both = from_frame(rows)
    found = testing.sites_tested(both, how(test="betabinomial", per_dosage=True))
    for dosage, rho in ((1.0, 0.005), (2.0, 0.08)):
        low, high = found.by_dosage[dosage].interval
        assert low < rho < high
        assert (found.p[found.sites.dosage == dosage] < 0.05).mean() == pytest.approx(
            0.05, abs=0.015
        )
    together = testing.sites_tested(both, how(test="betabinomial"))
    assert (together.p[together.sites.dosage == 1] < 0.05).mean() < 0.03


def test_dosage_can_be_left_out():
    design = {"sites": 1500, "dosages": (3.0,), "imbalanced": 0.0}
    assert (results_of(design)[0].q < 0.01).sum() == 0
    blind = results_of(design, dosage=False)[0]
    assert (blind.q < 0.01).mean() > 0.9
    assert set(blind.sites.dosage) == {1}


def test_doubts_are_told(caplog):
    def told(design, **options):
        caplog.clear()
        found, _ = results_of({"sites": 1500} | design, **options)
        said = testing.warn(found, how(**options), "liver")
        assert [f"liver: {s}" for s in said] == caplog.messages
        return " ".join(said)

    with caplog.at_level(logging.WARNING):
        assert told({}) == ""
        assert "--test betabinomial" in told({"rho": 0.02})
        assert told({"rho": 0.02}, test="betabinomial") == ""
        assert told({"dosages": (1, 2, 4)}) == ""
        biased = told({"bias": 0.2})
        assert "towards REF" in biased
        assert "WASP" in biased
        assert "--centre observed" in biased
        assert told({"bias": 0.2}, centre="observed") == ""
        assert told({"bias": 0.2}, centre=float(expit(0.2))) == ""
        assert "not mixed up" in told({"bias": -0.2})


def test_few_sites_and_reads():
    sites = simulate_counts(AllelicDesign(12), 1).sites
    found = testing.sites_tested(sites, how())
    assert found.overdispersion is None
    assert found.bias is None
    assert testing.warn(found, how()) == []
    np.testing.assert_allclose(found.q, q_values(found.p))
    with pytest.raises(ConfigError, match="use --test binomial"):
        testing.sites_tested(sites, how(test="betabinomial"))
    with pytest.raises(ConfigError, match="leave --centre out"):
        testing.sites_tested(sites, how(centre="observed"))
    with pytest.raises(InputFileError, match="has more than 100000 reads: the deepest has"):
        testing.sites_tested(sites, how(reads=100_000))


def test_more_than_twenty_reads():
    sites = simulate_counts(AllelicDesign(40), 1).sites
    reads = np.arange(1, 41)
    even = type(sites)(
        *(getattr(sites, k) for k in ("chrom", "position", "ref", "alt")),
        reads // 2,
        reads - reads // 2,
        sites.dosage,
        sites.sample,
    )
    found = testing.sites_tested(even, how())
    assert found.sites.reads.min() == 21
    assert found.few_reads == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reads": -1}, "reads is -1"),
        ({"test": "t"}, "unknown test 't'"),
        ({"centre": 1.5}, r"centre is 1\.5"),
        ({"centre": "seen"}, "centre is 'seen'"),
        ({"dispersion": "none"}, "unknown dispersion 'none'"),
        ({"per_dosage": True}, "only used by --test betabinomial"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        how(**options)


def test_sets_are_matched_in_reads():
    found, _ = results_of({"sites": 6000, "effect": 0.6})  # deeper sites are found more often
    sets = imbalance_sets(found)
    assert not (sets.positive & sets.candidate).any()
    assert not (sets.negative & ~sets.candidate).any()
    assert (found.q[sets.positive] < 0.01).all()
    assert (found.p[sets.negative] > 0.1).all()
    assert sets.ratio == pytest.approx(sets.negative.sum() / sets.positive.sum())
    table = {(r["when"], r["feature"]): r["difference"] for r in sets.balance}
    assert table["before", "log10 reads"] > 0.5
    assert abs(table["after", "log10 reads"]) < 0.1
    counts = {name: int((sets.label == name).sum()) for name in ("imbalanced", "balanced")}
    assert counts == {"imbalanced": sets.positive.sum(), "balanced": sets.negative.sum()}
    assert (sets.label == "unmatched").sum() == (sets.candidate & ~sets.negative).sum()
    half = np.arange(len(found.p)) % 2 == 0
    assert not imbalance_sets(found, Cut(), half).positive[~half].any()


def test_sets_without_positives_or_without_others(caplog):
    found, _ = results_of({"sites": 500, "imbalanced": 0.0})
    none = imbalance_sets(found)
    assert (none.positive.sum(), none.negative.sum(), none.ratio) == (0, 0, None)
    assert warn_of_sets(found, none) == []
    assert matching_text(none) == "none to match"
    design = {"sites": 400, "imbalanced": 0.5, "effect": 1.0, "reads": 60.0, "deviation": 1.0}
    found, _ = results_of(design)
    with caplog.at_level(logging.WARNING):
        single = imbalance_sets(found, Cut(bins=1))
        [one] = warn_of_sets(found, single, "liver")
        assert "are not matched in reads: there is one bin for" in one
        assert "log reads differ by" in one
        assert caplog.messages == [f"liver: {one}"]
        assert matching_text(single).startswith("not matched in reads: ")
        deepest = found.sites.reads >= np.sort(found.sites.reads[found.q < 0.01])[-12]
        apart = imbalance_sets(found, Cut(bins=12), deepest | (found.sites.reads < 40))
        assert (apart.negative.sum(), apart.ratio) == (0, 0)
        assert "none of" in warn_of_sets(found, apart)[0]
        text = matching_text(apart)
        assert text.startswith("none matches in reads: of ")
        assert text.endswith(" there are 0 balanced ones")
    found, _ = results_of({"sites": 3000})
    sets = imbalance_sets(found)
    assert warn_of_sets(found, sets) == []
    assert matching_text(sets).endswith(f"({sets.ratio:.2f} for each, in 10 bins)")


@pytest.mark.parametrize(("positives", "bins"), [(1, 1), (9, 1), (10, 2), (49, 9), (200, 10)])
def test_a_bin_for_every_five_imbalanced_sites(positives, bins):
    found, _ = results_of({"sites": 4000, "effect": 1.0})
    rows = np.flatnonzero(found.q < 0.01)[:positives]
    among = found.p > 0.1
    among[rows] = True
    sets = imbalance_sets(found, Cut(), among)
    assert (sets.positive.sum(), sets.bins) == (positives, bins)
    assert "one for every 5" in CHOICE


def test_the_scarcest_reads_are_told():
    found, _ = results_of({"sites": 3000, "effect": 1.0})
    reads = found.sites.reads
    first = imbalance_sets(found, Cut(bins=4))
    ends = np.round(10**first.matched.edges).astype(int)
    gap = (found.p > 0.1) & (reads >= ends[0]) & (reads < ends[1])
    sets = imbalance_sets(found, Cut(bins=4), ~gap)
    there = first.positive & (reads >= ends[0]) & (reads < ends[1])
    assert matching_text(sets) == (
        f"none matches in reads: of {there.sum()} imbalanced sites with reads from {ends[0]} to "
        f"{ends[1] - 1} there are 0 balanced ones"
    )


def test_imbalanced_sites_that_favour_neither_allele(caplog):
    # At a dosage of 3 shares of 1/4 and 3/4 are expected, so that 1/2 of many reads is rare.
    rows = [(f"chr{i}", i, "A", "C", 200, 200, 3.0, "") for i in range(4)]
    rows += [("chr9", i, "A", "C", 300 + i, 100 - i, 3.0, "") for i in range(30)]
    rows += [("chr8", 0, "A", "C", 396, 4, 3.0, "")]
    names = ["chrom", "position", "ref", "alt", "ref_reads", "alt_reads", "dosage", "sample"]
    found = testing.sites_tested(from_frame(pd.DataFrame(rows, columns=names)), how())
    sets = imbalance_sets(found)
    assert found.favouring(sets.positive)["none"] == 4
    assert found.favouring(sets.positive)["REF"] == sets.positive.sum() - 4
    assert sum(found.favouring().values()) == 35
    assert found.dosages() == {3.0: 35}
    told = warn_of_sets(found, sets)[-1]
    assert told.startswith(f"4 of {sets.positive.sum()} imbalanced sites favour neither allele")
    assert told in caplog.text


@pytest.mark.parametrize(
    "options", [{"fdr": 0}, {"null_p": 1.0}, {"bins": 0}], ids=lambda o: next(iter(o))
)
def test_bad_cuts(options):
    with pytest.raises(ConfigError, match="want"):
        Cut(**options)
