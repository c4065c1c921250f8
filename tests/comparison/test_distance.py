from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tfepi.comparison.distance import DistanceSums, distance_edges, distance_sums, effect_table
from tfepi.comparison.options import Comparing
from tfepi.comparison.run import compare_models
from tfepi.comparison.scored import Scored
from tfepi.comparison.series import Series
from tfepi.comparison.sources import read_manifest
from tfepi.comparison.values import read_values
from tfepi.evaluation.bootstrap import Bootstrap

SPAN = 96


@pytest.fixture(scope="module")
def scores(wide, narrow, source_of, vcf, fasta, tmp_path_factory):
    """Folder of a comparison whose scores/ hold both models'."""
    out = tmp_path_factory.mktemp("distance") / "out"
    models = {"wide": wide, "narrow": narrow}
    sources = [source_of(name, model) for name, model in models.items()]
    loads = {name: (lambda m=m: m) for name, m in models.items()}
    options = Comparing(field_repeats=0)
    quick = Bootstrap(40, 40)
    compare_models(sources, out, vcf, fasta, options, loads=loads, quiet=True, bootstrap=quick)
    return out, dict(zip(models, sources, strict=True))


def sums_of(scores, name, series, rows=None):
    out, sources = scores
    folder = out / "scores" / name
    one = Scored(sources[name], folder, read_manifest(folder))
    values = read_values(one, series, Comparing(), SPAN)
    rows = ~values.off if rows is None else rows
    return distance_sums(one, values, series, rows), values


def plain(toys, model, letters, snvs):
    """Distance → |ALT − REF| [targets] of every bin of every variant within its chromosome."""
    found, level = defaultdict(list), []
    length, width, crop = model.spec.seq_length, model.spec.bin_width, model.spec.crop
    for chrom, pos, ref, alt in snvs:
        start = pos - length // 2
        both = toys.alleles(model, letters[chrom], pos, ref, alt)
        level.append(both[0])
        if start < 0 or start + length > len(letters[chrom]):
            continue
        for b, size in enumerate(np.abs(both[1] - both[0])):
            bases = range(start + crop + b * width, start + crop + (b + 1) * width)
            found[min(abs(base - (pos - 1)) for base in bases)].append(size)
    return found, np.mean(level, axis=(0, 1))


@pytest.mark.parametrize("name", ["wide", "narrow"])
def test_sums_by_distance(scores, toys, request, letters, snvs, name):
    model = request.getfixturevalue(name)
    series = [Series(t, {name: (t,)}) for t in toys.NAMES]
    sums, _ = sums_of(scores, name, series)
    wanted, _ = plain(toys, model, letters, snvs)
    assert sums.distance.tolist() == sorted(wanted)
    np.testing.assert_array_equal(sums.count.sum(axis=0), [len(wanted[d]) for d in sums.distance])
    totals = np.array([np.sum(wanted[d], axis=0) for d in sums.distance])
    np.testing.assert_allclose(sums.total.sum(axis=0), totals, rtol=1e-3, atol=1e-4)


def test_the_mean_over_targets_is_relative_to_their_level(scores, toys, wide, letters, snvs):
    series = [Series("chosen", {"wide": toys.NAMES})]
    sums, _ = sums_of(scores, "wide", series)
    wanted, level = plain(toys, wide, letters, snvs)
    totals = [(np.sum(wanted[d], axis=0) / level).mean() for d in sums.distance]
    np.testing.assert_allclose(sums.total.sum(axis=0)[:, 0], totals, rtol=1e-3)


def test_a_curve_and_its_widths(scores, toys, narrow, letters, snvs):
    series = [Series("open", {"narrow": ("open",)})]
    sums, _ = sums_of(scores, "narrow", series)
    wanted, _ = plain(toys, narrow, letters, snvs)
    centre = np.mean(wanted[0], axis=0)[0]
    frame, widths = effect_table(sums, "narrow", series, 16, Bootstrap(40, 40))
    for row in frame.itertuples():
        inside = [v[0] for d in wanted if row.low <= d < row.high for v in wanted[d]]
        assert row.relative == pytest.approx(np.mean(inside) / centre, rel=1e-3, abs=1e-6)
        assert row.relative_low <= row.relative <= row.relative_high
    linear = frame[frame.grid == "linear"]
    assert linear.low.tolist() == [0, *range(1, 81, 16)]
    assert (frame.groupby("grid").low.apply(lambda v: v.iloc[0]) == 0).all()
    # The kernel reaches 20 bp: nothing beyond.
    assert frame[frame.low > 20].relative.max() < 1e-6
    mass = pd.Series({d: np.sum([v[0] for v in wanted[d]]) for d in sorted(wanted)}).cumsum()
    for share, found in widths[0]["within"].items():
        assert found["value"] == mass.index[(mass >= float(share) * mass.iloc[-1]).argmax()]
        assert found["interval"][0] <= found["value"] <= found["interval"][1]


def test_one_bin_has_no_distance(source_of, toys, narrow, vcf, fasta, tmp_path):
    single = toys.Toy(128, 96, 16)
    sources = [source_of("single", single), source_of("narrow", narrow)]
    loads = {"single": lambda: single, "narrow": lambda: narrow}
    options = Comparing(field_repeats=0)
    quick = Bootstrap(0, 0)
    found = compare_models(
        sources, tmp_path / "out", vcf, fasta, options, loads=loads, quiet=True, bootstrap=quick
    )
    assert {w["model"] for w in found["distance"]} == {"narrow"}


def test_no_variants_no_curve(scores, toys):
    series = [Series("open", {"wide": ("open",)})]
    _, values = sums_of(scores, "wide", series)
    assert sums_of(scores, "wide", series, np.zeros(len(values.rows), bool))[0] is None


@given(
    st.lists(st.integers(0, 300), min_size=1, max_size=9, unique=True).map(sorted),
    st.integers(1, 40),
    st.integers(0, 9),
)
def test_bins_of_distance_leave_nothing_out(distance, width, seed):
    rng = np.random.default_rng(seed)
    sums = DistanceSums(
        np.array(distance),
        rng.random((3, len(distance), 2)),
        rng.integers(1, 5, (3, len(distance))),
    )
    drawn = np.array([[1, 1, 1], [3, 0, 0]])
    centre = sums.centre
    for edges in distance_edges(sums, width).values():
        assert (np.diff(edges) > 0).all()
        assert edges[0] == 0
        assert edges[1] == 1
        assert edges[-1] > distance[-1]
        together = sums.relative(edges)
        resampled = sums.relative(edges, drawn)
        np.testing.assert_allclose(resampled[0], together)
        for low, high, values in zip(edges, edges[1:], resampled[1], strict=False):
            here = (sums.distance >= low) & (sums.distance < high)
            if not here.any():
                assert np.isnan(values).all()
                continue
            own = sums.total[0, centre].sum(axis=0) / sums.count[0, centre].sum()
            mean = sums.total[0, here].sum(axis=0) / sums.count[0, here].sum()
            np.testing.assert_allclose(values, mean / own)
    for share in (0.5, 0.99):
        both = sums.within(share, drawn)
        np.testing.assert_array_equal(both[0], sums.within(share))


def test_no_effect_has_no_width():
    sums = DistanceSums(np.array([0, 5]), np.zeros((1, 2, 1)), np.ones((1, 2)))
    assert np.isnan(sums.within(0.5)).all()
