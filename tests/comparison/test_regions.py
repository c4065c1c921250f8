import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from tfepi.comparison.options import Comparing
from tfepi.comparison.region_part import RegionPart
from tfepi.comparison.regions import Grid, observed_regions
from tfepi.comparison.run import compare_models
from tfepi.comparison.series import Series
from tfepi.comparison.table import summary
from tfepi.evaluation.bootstrap import Bootstrap
from tfrecords_tools.errors import ConfigError, InputFileError

OPTIONS = Comparing(field_repeats=0, top=(10,))
QUICK = Bootstrap(40, 40, block_bp=1000)


@pytest.fixture(scope="module")
def regions():
    found = [("chrA", s, s + 51 + s % 7) for s in range(5, 8900, 301)]
    return [*found, *(("chrB", s, s + 80) for s in range(200, 3700, 253))]


@pytest.fixture(scope="module")
def bed(tmp_path_factory, regions):
    path = tmp_path_factory.mktemp("bed") / "regions.bed"
    path.write_text("".join(f"{c}\t{s}\t{e}\n" for c, s, e in regions))
    return path


@pytest.fixture(scope="module")
def signal(letters):
    rng = np.random.default_rng(3)
    return {
        c: np.round(rng.gamma(0.6, 3, len(s)), 2).astype(np.float32) for c, s in letters.items()
    }


@pytest.fixture(scope="module")
def track(tmp_path_factory, signal):
    import pyBigWig

    path = tmp_path_factory.mktemp("bw") / "open.bw"
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([(c, len(v)) for c, v in signal.items()])
        for chrom, values in signal.items():
            at = np.flatnonzero(values > 0.05)
            ends = (at + 1).tolist()
            file.addEntries(
                [chrom] * len(at), at.tolist(), ends=ends, values=values[at].astype(float).tolist()
            )
    return path


@pytest.fixture(scope="module")
def compare(vcf, fasta, wide, narrow, source_of):
    sources = [source_of("wide", wide), source_of("narrow", narrow)]
    loads = {"wide": lambda: wide, "narrow": lambda: narrow}

    def run(out, options=OPTIONS, sources=sources, **changes):
        given = {"vcf": vcf, "fasta": fasta, "loads": loads, "bootstrap": QUICK, "quiet": True}
        return compare_models(sources, out, comparing=options, **(given | changes))

    run.sources, run.fasta = sources, fasta
    return run


def plain(toys, model, letters, regions, bins, width):
    """Signal of each region in bins around its middle; NaN where the window leaves the contig."""
    found = []
    for chrom, start, end in regions:
        middle, length = (start + end) // 2, model.spec.seq_length
        first = middle - length // 2
        values = model.of_letters(toys.window(letters[chrom], first, length))
        bases = np.repeat(values.astype(float) / model.spec.bin_width, model.spec.bin_width, axis=0)
        low = len(bases) // 2 - bins * width // 2
        rows = bases[low : low + bins * width].reshape(bins, width, -1).sum(axis=1)
        inside = first >= 0 and first + length <= len(letters[chrom])
        found.append(rows if inside else np.full_like(rows, np.nan))
    return np.array(found)


def test_every_number(compare, bed, track, toys, wide, narrow, letters, regions, signal, tmp_path):
    observed = {"open": track}
    result = compare(tmp_path / "out", regions=bed, observed=observed)
    found = result["regions"]
    assert (found["count"], found["bins"], found["bin_width"]) == (len(regions), 6, 16)
    values = {
        name: plain(toys, model, letters, regions, 6, 16)
        for name, model in (("wide", wide), ("narrow", narrow))
    }
    assert found["beyond_chromosome"] == {
        name: int(np.isnan(v[:, 0, 0]).sum()) for name, v in values.items()
    }
    middles = [(c, (s + e) // 2) for c, s, e in regions]
    truth = []
    for chrom, middle in middles:
        bases = np.where(signal[chrom] > 0.05, signal[chrom].astype(float), 0)
        rows = [bases[b : b + 16].sum() for b in range(middle - 48, middle + 48, 16)]
        truth.append(rows if middle >= 48 else [np.nan] * 6)
    values["observed"] = np.array(truth)[:, :, None]
    pairs = [(p["series"], p["first"], p["second"]) for p in found["pairs"]]
    assert pairs == [
        ("open", "wide", "narrow"),
        ("open", "wide", "observed"),
        ("open", "narrow", "observed"),
        ("closed", "wide", "narrow"),
    ]
    for pair in found["pairs"]:
        column = {"open": 0, "closed": 1}[pair["series"]]
        one, two = (
            v[:, :, min(column, v.shape[2] - 1)].ravel()
            for v in (values[pair["first"]], values[pair["second"]])
        )
        seen = ~np.isnan(one) & ~np.isnan(two)
        one, two = one[seen], two[seen]
        assert pair["bins"] == seen.sum()
        assert pair["pearsonr"]["value"] == pytest.approx(pearsonr(one, two)[0], abs=1e-5)
        assert pair["spearmanr"]["value"] == pytest.approx(spearmanr(one, two)[0], abs=1e-4)
        logs = [np.log2(v / v.mean() + 1) for v in (one, two)]
        assert pair["pearsonr_log2"]["value"] == pytest.approx(pearsonr(*logs)[0], abs=1e-5)
        assert pair["pearsonr"]["interval"] is not None
    table = pd.read_csv(tmp_path / "out" / "compare.tsv", sep="\t")
    rows = table[table.part == "regions"]
    assert len(rows) == 6 * len(pairs)
    for pair in found["pairs"]:
        one, two = (values[pair[k]][:, 0, 0] for k in ("first", "second"))
        assert pair["regions"] == (~np.isnan(one) & ~np.isnan(two)).sum() < len(regions)
        assert pair["regions"] + pair["beyond_chromosome"] + pair["undefined"] == len(regions)
        of = rows[(rows.series == pair["series"]) & (rows["first"] == pair["first"])]
        of = of[of.second == pair["second"]].set_index("measure").value
        for name in ("regions", "beyond_chromosome", "undefined"):
            assert of[name] == pair[name]
    text, pair = summary(result), found["pairs"][0]
    assert f" of {len(regions)} regions, bins 6 x 16 bp" in text
    assert f"wide, narrow: {pair['beyond_chromosome']} of {len(regions)} regions left out" in text
    again = compare(tmp_path / "out", regions=bed, observed=observed, resume=True)
    assert again == result


def test_regions_that_cannot_be_compared_are_refused_before_anything_is_scored(
    compare, track, wide, tmp_path
):
    bed, before = tmp_path / "some.bed", wide.sequences
    for text, observed, message in (
        ("# none\n\n", {}, r"some.bed holds no regions: want a line of chromosome, start and end"),
        (
            "chrA\t5\t30\n",
            {},
            r"models wide and narrow both predict 0 of 1 region of .*, 0 bins, want at least 3 "
            r"bins to compare; a window runs beyond the chromosome around 1 \(--edges keep",
        ),
        # Of the window of 200 bp alone.
        ("chrA\t60\t90\n", {"open": track}, "models wide and narrow both predict 0 of 1 region"),
    ):
        bed.write_text(text)
        with pytest.raises(InputFileError, match=message):
            compare(tmp_path / "out", regions=bed, observed=observed)
    bed.write_text("chrA\t5\t30\n")
    with pytest.raises(InputFileError, match="model wide predicts 0 of 1 region"):
        RegionPart.of(
            compare.sources[:1],
            [Series("open", {"wide": ("open",)})],
            bed,
            compare.fasta,
            {"open": track},
            OPTIONS,
        )
    bed.write_text("chrA\t500\t530\n")
    with pytest.raises(ConfigError, match="block_bp 1000 leaves 1 block of the genome"):
        compare(tmp_path / "out", regions=bed)
    assert not (tmp_path / "out").exists()
    assert wide.sequences == before
    bed.write_text("chrA\t5\t30\nchrA\t500\t600\n")
    kept = Comparing(field_repeats=0, top=(10,), edges="keep", targets=("open",))
    found = compare(tmp_path / "out", kept, regions=bed, bootstrap=Bootstrap(0, 0))
    assert [p["regions"] for p in found["regions"]["pairs"]] == [2]
    assert "\n2 regions, bins 6 x 16 bp\n" in summary(found)


def test_scores_of_other_strands_than_regions_are_said(compare, bed, tmp_path):
    from dataclasses import replace

    both = [replace(s, rc=True) for s in compare.sources]
    result = compare(tmp_path / "both", sources=both, regions=bed)
    assert "strand" not in summary(result)
    sources = [replace(s, folder=tmp_path / "both/scores" / s.name) for s in compare.sources]
    result = compare(tmp_path / "out", sources=sources, regions=bed)
    assert result["regions"]["ways"]["wide"] == {"rc": False, "shifts": [0]}
    lines = summary(result).splitlines()
    wanted = "scores are of both strands, predictions of regions of one strand; give --rc"
    assert [
        w for w in ("wide", "narrow") if any(x.startswith(f"{w}: {wanted}") for x in lines)
    ] == [
        "wide",
        "narrow",
    ]
    assert not any(x.startswith("scores differ") for x in lines)


def test_a_shorter_span(compare, bed, tmp_path):
    options = Comparing(field_repeats=0, span=40)
    found = compare(tmp_path / "out", options, regions=bed)
    assert found["span"] == 40
    assert (found["regions"]["bins"], found["regions"]["bin_width"]) == (2, 16)
    with pytest.raises(ConfigError, match="--span is 100 bp, and model wide predicts 96: want no"):
        compare(tmp_path / "none", Comparing(span=100), regions=bed)
    with pytest.raises(ConfigError, match="--span is 100 bp, and the shortest output among the"):
        compare(tmp_path / "none", Comparing(span=100, stat="SAD"), regions=bed)
    assert not (tmp_path / "none").exists()


def test_a_span_within_the_widest_bin(compare):
    assert Grid.of(compare.sources, 11) == Grid(-5, 11, 1)
    assert Grid.of(compare.sources) == Grid(-48, 16, 6)


def test_the_mean_over_targets_is_relative_to_their_own(
    compare, source_of, bed, toys, wide, narrow, letters, regions, tmp_path
):
    sources = [source_of("wide", wide, mean=True), source_of("narrow", narrow, mean=True)]
    found = compare(tmp_path / "out", sources=sources, regions=bed)["regions"]["pairs"][0]
    both = []
    for model in (wide, narrow):
        values = plain(toys, model, letters, regions, 6, 16)
        both.append((values / np.nanmean(values, axis=(0, 1))).mean(axis=2).ravel())
    seen = ~np.isnan(both[0]) & ~np.isnan(both[1])
    wanted = pearsonr(both[0][seen], both[1][seen])[0]
    assert found["pearsonr"]["value"] == pytest.approx(wanted, abs=0.01)  # means count ends too


def test_what_cannot_be_compared(compare, bed, track, tmp_path, fasta):
    out = tmp_path / "out"
    for changes, error, message in (
        ({"observed": {None: track}}, ConfigError, "--observed is of regions"),
        (
            {"regions": bed, "observed": {None: track}},
            ConfigError,
            "2 targets are compared, so say of which it is, as open=",
        ),
        ({"regions": bed, "observed": {"opne": track}}, ConfigError, "did you mean 'open'"),
        ({"regions": bed, "observed": {"open": "no.bw"}}, InputFileError, "no.bw does not exist"),
        ({"regions": "no.bed"}, InputFileError, "no.bed does not exist"),
        ({"regions": bed, "fasta": None}, ConfigError, "and the genome with -f"),
    ):
        with pytest.raises(error, match=message):
            compare(out, **changes)
    assert not out.exists()


def test_models_without_bins_are_left_out(compare, bed, tmp_path):
    from dataclasses import replace

    compare(tmp_path / "all")
    sources = [
        *compare.sources,
        replace(
            compare.sources[0], name="old", model=None, folder=tmp_path / "all" / "scores" / "wide"
        ),
    ]
    found = compare(tmp_path / "out", sources=sources, regions=bed)["regions"]
    assert found["left_out"] == {"old": "a folder of scores predicts no regions"}
    assert {p["second"] for p in found["pairs"]} == {"narrow"}
    with pytest.raises(ConfigError, match="1 of the models can predict regions, want two, or one"):
        compare(tmp_path / "few", sources=sources[1:], regions=bed)


def test_tracks_at_the_ends(tmp_path, track, letters):
    bed = tmp_path / "peaks.bed"
    bed.write_text("chrA\t10\t30\n")
    grid, middles = Grid(-10, 10, 2), [("chrA", 20), ("chrA", 5), ("chrB", 50)]
    found = observed_regions(bed, middles, grid)
    np.testing.assert_array_equal(found, [[10, 10], [np.nan, np.nan], [0, 0]])
    end = observed_regions(track, [("chrB", len(letters["chrB"]) - 5)], grid)
    assert np.isnan(end).all()


def test_a_track_of_another_genome(compare, bed, tmp_path):
    import pyBigWig

    path = tmp_path / "other.bw"
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader([("chrA", 9000)])
        file.addEntries(["chrA"], [10], ends=[20], values=[1.0])
    with pytest.raises(InputFileError, match=r"other\.bw has no chromosome chrB, which a region"):
        compare(tmp_path / "out", regions=bed, observed={"open": path})
