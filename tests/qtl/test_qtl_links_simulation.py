"""A simulated table has the truth that it says, and the command finds it."""

import numpy as np
import pytest

from tfepi.qtl.bins import GenomeBins
from tfepi.qtl.connect_options import Options
from tfepi.qtl.connect_run import connect_tables
from tfepi.simulate.qtl_links import HG38, LinkSimulation, write_links
from tfrecords_tools.errors import ConfigError

LENGTHS = {"chr1": 9_004_000, "chr2": 5_000_000, "chrX": 4_999_999}
SMALL = LinkSimulation(
    links=30_000,
    regions=400,
    qtl_bins=5_000,
    duplicates=300,
    insignificant=500,
    across=200,
    far=100,
    lengths=LENGTHS,
)


def connected(tmp_path, settings, resamples=0):
    truth = write_links(tmp_path / "t.txt", settings)
    sizes = tmp_path / "sizes"
    sizes.write_text("".join(f"{n}\t{v}\n" for n, v in settings.lengths.items()))
    kept = []
    value = connect_tables(
        [str(tmp_path / "t.txt")],
        sizes,
        tmp_path / "o",
        Options(resamples=resamples),
        quiet=True,
        draw=lambda results, _: kept.append(results["t"]),
    )
    return truth, value["tables"]["t"], kept[0]


def test_the_truth_is_found(tmp_path):
    truth, summary, result = connected(tmp_path, SMALL)
    np.testing.assert_array_equal(result.found.connected, truth.connected)
    np.testing.assert_array_equal(result.found.binned, truth.binned)
    assert truth.connected.sum() == summary["rows"]["links"] == 30_000
    assert truth.binned.sum() == 5_000
    assert (truth.connected > 0).sum() == 400
    assert len(truth.connected) == len(GenomeBins.of(LENGTHS))
    counts = summary["rows"]
    assert counts["rows"] == truth.rows
    for name, wanted in (
        *(("duplicates", 300), ("not_significant", 500), ("across_chromosomes", 200)),
        ("too_far", 100),
    ):
        assert counts[name] == pytest.approx(wanted, abs=5)  # shared among chromosomes, rounded
    assert truth.rows == 30_000 + sum(v for k, v in counts.items() if k not in ("rows", "links"))


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        write_links(tmp_path / name, SMALL)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_planted_power_law_of_degrees(tmp_path):
    settings = LinkSimulation(
        links=None, regions=1200, qtl_bins=4_000, alpha=2.5, xmin=2, lengths=LENGTHS
    )
    _, summary, _ = connected(tmp_path, settings, 40)
    found = summary["scale_free"]["connected"]
    low, high = found["alpha_interval"]
    assert low <= 2.5 <= high
    assert found["p"] > 0.1
    assert found["verdict"].startswith("a power law is not rejected in its tail")


def test_planted_lognormal_degrees(tmp_path):
    settings = LinkSimulation(links=60_000, regions=1200, qtl_bins=9_000, lengths=LENGTHS)
    _, summary, _ = connected(tmp_path, settings)
    over_all = summary["scale_free"]["connected"]["whole"]["alternatives"]["lognormal"]
    assert over_all["favours"] == "lognormal"
    assert over_all["parameters"]["sigma"] == pytest.approx(0.8, abs=0.06)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": 10_000}, "regions is 10000: there are 1899 bins"),
        ({"links": 10}, "10 cannot be shared among 400"),
        ({"qtl_bins": 400_000}, r"400000 cannot be shared among 400 \(up to"),
    ],
)
def test_what_cannot_be_simulated(tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        write_links(tmp_path / "t", LinkSimulation(**vars(SMALL) | changes))


def test_shape_of_the_report():
    settings = LinkSimulation()
    assert (settings.links, settings.regions, settings.qtl_bins) == (12_771_939, 53_278, 1_735_453)
    assert settings.lengths == HG38
