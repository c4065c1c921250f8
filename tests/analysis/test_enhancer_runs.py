import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest

from tfepi.analysis import attention_run, contribution_run, scramble_run, site_parts
from tfepi.analysis.attention_readout import Profiles, element_attention
from tfepi.analysis.attention_run import AttentionOptions, read_attention
from tfepi.analysis.contribution_run import ContributionOptions, contribute
from tfepi.analysis.contributions import Averaged, contributions, log_gradient
from tfepi.analysis.element_pairs import Pair, match
from tfepi.analysis.pair_options import PairOptions
from tfepi.analysis.scramble import Replacement, log2_ratio, tiles
from tfepi.analysis.scramble_run import ScrambleOptions, scramble
from tfepi.analysis.site_run import SiteRun
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import TssWindow
from tfepi.predictors import KerasPredictor
from tfepi.spec import AveragedPredictor, CallablePredictor
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import Genome

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_attention.py"))))
SPEC, WINDOW = SMALL.spec(), TssWindow.of(SMALL.spec())
SITES = [
    StartSite("c1", 400, "+", "A", "a"),
    StartSite("c1", 60, "-", "B", "b"),
    StartSite("c2", 330, "-", "C", "c"),
    StartSite("c1", 520, "+", "A", "a"),
    StartSite("c1", 610, ".", "D", "d"),
]
PAIRS = [
    Pair(gene, None, "c2" if gene == "C" else "c1", start, start + 20, label)
    for gene, start, label in (
        ("A", 420, True),
        ("A", 490, False),
        ("B", 100, True),
        ("B", 130, False),
        ("C", 300, False),
        ("C", 150, True),
        ("D", 640, True),
    )
]
TARGETS = SMALL.TARGETS[:2]


@pytest.fixture(scope="module")
def fasta(tmp_path_factory):
    rng = np.random.default_rng(8)
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    sequences = ("".join(rng.choice(list("ACGTN"), n, p=[0.24] * 4 + [0.04])) for n in (800, 400))
    path.write_text("".join(f">c{i}\n{s}\n" for i, s in enumerate(sequences, 1)))
    return path


class Counting(KerasPredictor):
    """Counts the sequences that it is asked for."""

    sequences = 0

    def predict(self, inputs):
        self.sequences += len(inputs["sequence"])
        return super().predict(inputs)


@pytest.fixture(scope="module")
def model():
    return SMALL.model()


@pytest.fixture
def predictor(model):
    return Counting(model, SPEC, 4)


@pytest.fixture
def windows(fasta):
    with Genome(fasta) as genome:
        starts = [(s.chrom, s.position - 128) for s in SITES]
        return genome.windows([(c, start, start + 256) for c, start in starts])


def never():
    raise AssertionError("the model was loaded")


def cut(monkeypatch, bases=512):
    monkeypatch.setattr(site_parts, "_PART_BASES", bases)
    monkeypatch.setattr(scramble_run, "_PART_BASES", bases)


def stop_after(calls, function):
    """Return the function, which is interrupted at a later call than `calls`."""
    count = 0

    def counted(*arguments, **keywords):
        nonlocal count
        count += 1
        if count > calls:
            raise KeyboardInterrupt
        return function(*arguments, **keywords)

    return counted


def files(folder):
    """The bytes of a folder's results."""
    skipped = ("run.json", ".tfepi")
    paths = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.name not in skipped)
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


@pytest.mark.parametrize("log", [False, True])
def test_contributions(tmp_path, predictor, model, fasta, windows, log):
    options = ContributionOptions(
        rc=True, shifts=(0, 3), sense=True, log=log, centred=not log, gradients=True, batch_size=2
    )
    sites, elements = match(PAIRS, SITES, WINDOW, 41)
    assert sites == SITES
    asked = (PAIRS, elements, PairOptions(41, 9.0))
    run = SiteRun(lambda: predictor, SPEC, SITES, fasta, tmp_path / "out", {}, *asked, quiet=True)
    rows = contribute(run, options, targets=TARGETS, tracks=2)
    weights = np.array(
        [{"+": [1, 0, 0], "-": [0, 1, 0]}.get(s.strand, [0.5, 0.5, 0]) for s in SITES]
    )
    averaged = Averaged.of(model, SPEC.head(), WINDOW, True, (0, 3))
    value, gradient = averaged(windows, weights.astype(np.float32))
    if log:
        gradient = log_gradient(value, gradient, 1.0)
    with h5py.File(tmp_path / "out" / "contributions.h5") as file:
        assert (file.attrs["format"], file.attrs["format_version"]) == ("tfepi-contributions", 1)
        assert json.loads(file.attrs["options"])["log"] is log
        np.testing.assert_array_equal(file["sequence"][()], windows)
        np.testing.assert_allclose(file["prediction"][()], value, rtol=1e-5)
        np.testing.assert_allclose(file["gradient"][()], gradient, atol=1e-6)
        found = file["contributions"][()]
        assert found.dtype == np.float32
        assert file["start"][()].tolist() == [s.position - 128 for s in SITES]
        assert file["strand"][()].tolist() == [b"+", b"-", b"-", b"+", b"."]
        assert file["target_ids"][()].tolist() == [b"cage+", b"cage-"]
    for row, sequence in enumerate(windows):
        slow = contributions(sequence, gradient[row], not log)
        np.testing.assert_allclose(found[row], slow, atol=1e-6)
    assert not found[windows == 4].any()
    names = sorted(p.name for p in (tmp_path / "out" / "bigwig").iterdir())
    assert names == ["00000_A.bw", "00001_B.bw"]
    with pyBigWig.open(str(tmp_path / "out" / "bigwig" / names[1])) as track:
        assert track.chroms() == {"c1": 800}
        np.testing.assert_array_equal(track.values("c1", 0, 188), found[1][68:])
        assert track.stats("c1", 200, 800) == [None]
    table = pd.read_csv(tmp_path / "out" / "pairs.tsv", sep="\t")
    assert len(table) == len(elements) == 9  # A has two start sites
    for row, element in zip(table.itertuples(), elements, strict=True):
        site, pair = SITES[element.site], PAIRS[element.pair]
        assert (row.gene, row.tss, row.start, row.label) == (
            *(site.gene, site.position, pair.start),
            int(pair.label),
        )
        assert row.distance == element.distance
        if pair.start == 150:
            assert np.isnan(row.contribution)
            continue
        middle = pair.start + 10 - (site.position - 128)
        total = sum(
            abs(found[element.site][i]) * np.exp(-0.5 * ((i - middle) / 9) ** 2)
            for i in range(max(0, middle - 20), min(256, middle + 21))
        )
        assert row.contribution == pytest.approx(total, rel=1e-4)
        assert row.prediction == pytest.approx(value[element.site], rel=1e-4)
    written = pd.read_csv(tmp_path / "out" / "accuracy.tsv", sep="\t")
    assert len(written) == len(rows) == 2 * 5 * 2
    assert written["pairs"].max() == 6  # the pair outside its window has no score
    assert not (tmp_path / "out" / "parts").exists()
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert (record["outcome"], record["sites"], record["pairs"]) == ("finished", 5, 7)


def run_contributions(predictor, fasta, out, **changes):
    options = changes.pop("options", ContributionOptions(batch_size=2))
    load = changes.pop("load", lambda: predictor)
    return contribute(
        SiteRun(load, SPEC, SITES, fasta, out, quiet=True, **changes), options, tracks=1
    )


def run_attention(predictor, fasta, out, **changes):
    options = changes.pop("options", AttentionOptions(batch_size=2))
    load = changes.pop("load", lambda: predictor)
    return read_attention(SiteRun(load, SPEC, SITES, fasta, out, quiet=True, **changes), options)


def run_tiles(predictor, fasta, out, **changes):
    options = changes.pop(
        "options", ScrambleOptions(replacement=Replacement(scrambles=2), batch_size=2)
    )
    load = changes.pop("load", lambda: predictor)
    run = SiteRun(load, SPEC, SITES, fasta, out, quiet=True, **changes)
    return scramble(run, options, tiles=tiles(WINDOW, 40))


@pytest.mark.parametrize(
    ("run", "module", "name", "calls"),
    [
        (run_contributions, contribution_run, "contributions", 3),
        (run_attention, site_parts.Genome, "windows", 2),
        (run_tiles, scramble_run.Replacement, "apply", 25),
    ],
    ids=["contributions", "attention", "tiles"],
)
def test_stopped_and_resumed(tmp_path, monkeypatch, predictor, fasta, run, module, name, calls):
    cut(monkeypatch)
    run(predictor, fasta, tmp_path / "whole")
    with monkeypatch.context() as stopping:
        stopping.setattr(module, name, stop_after(calls, getattr(module, name)))
        with pytest.raises(KeyboardInterrupt):
            run(predictor, fasta, tmp_path / "out")
    parts = sorted(p.name for p in (tmp_path / "out" / "parts").iterdir())
    assert parts
    with pytest.raises(UnfinishedError, match="use --resume"):
        run(predictor, fasta, tmp_path / "out")
    asked = predictor.sequences
    run(predictor, fasta, tmp_path / "out", resume=True)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    if run is run_tiles:
        whole = len(SITES) * (1 + 2 * len(tiles(WINDOW, 40)))
        assert 0 < predictor.sequences - asked < whole / 2
    # A finished run is left alone, and made again from nothing else.
    run(predictor, fasta, tmp_path / "out", resume=True, load=never)
    assert files(tmp_path / "out") == files(tmp_path / "whole")
    run(predictor, fasta, tmp_path / "out", overwrite=True)
    assert files(tmp_path / "out") == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("run", "options"),
    [
        (run_contributions, ContributionOptions(batch_size=2, rc=True)),
        (run_attention, AttentionOptions(batch_size=2, rc=True)),
        (run_tiles, ScrambleOptions(replacement=Replacement(scrambles=2, seed=1))),
    ],
)
def test_other_options_are_another_run(tmp_path, predictor, fasta, run, options):
    run(predictor, fasta, tmp_path / "out")
    with pytest.raises(UnfinishedError, match="options changed since its parts were written"):
        run(predictor, fasta, tmp_path / "out", options=options, resume=True)


@pytest.mark.parametrize("run", [run_contributions, run_tiles])
def test_damaged_parts_and_models(tmp_path, monkeypatch, predictor, fasta, run):
    cut(monkeypatch)
    with monkeypatch.context() as stopping:
        stopping.setattr(site_parts.SiteParts, "read", stop_after(0, None))
        stopping.setattr(scramble_run, "expressions", stop_after(0, None))
        with pytest.raises(KeyboardInterrupt):
            run(predictor, fasta, tmp_path / "out")
    part = sorted((tmp_path / "out" / "parts").iterdir())[1]
    whole = part.read_bytes()
    for damaged in (b"no", whole[: len(whole) // 2], b"PK\x03\x04", b""):
        part.write_bytes(damaged)
        with pytest.raises(InputFileError, match=rf"{part.name} is missing or damaged"):
            run(predictor, fasta, tmp_path / "out", resume=True, load=never)
    broken = SMALL.model()
    broken.weights[0].assign(np.full(broken.weights[0].shape, np.nan))
    with pytest.raises(InputFileError, match=r"finite .* A \(c1:400\): its weights are damaged"):
        run(KerasPredictor(broken, SPEC), fasta, tmp_path / "new")


@pytest.mark.parametrize(
    ("run", "what"), [(run_contributions, "gradients"), (run_attention, "attention weights")]
)
def test_models_without_gradients(tmp_path, fasta, run, what):
    plain = CallablePredictor(lambda x: np.zeros((len(x), 24, 3)), SPEC)
    with pytest.raises(ConfigError, match=f"the model is no Keras model and has no {what}"):
        run(plain, fasta, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("sites", "message"),
    [
        ([], "there are no start sites"),
        ([StartSite("c9", 5, "+", "A", "a")], "has no chromosome 'c9'"),
        ([StartSite("c2", 400, "+", "A", "a")], "TSS of A at c2:400 lies beyond the end of c2"),
    ],
)
def test_bad_sites(tmp_path, fasta, sites, message):
    with pytest.raises(InputFileError, match=message):
        contribute(SiteRun(never, SPEC, sites, fasta, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("chrom", "end"), [("c1", 801), ("c2", 401)])
def test_elements_of_another_build(tmp_path, fasta, chrom, end):
    pairs = [Pair("A", None, "c1", 10, 800), Pair("A", None, chrom, 300, end, None, 3)]
    run = SiteRun(never, SPEC, SITES, fasta, tmp_path / "out", pairs=pairs)
    message = rf"{chrom}:300-{end} \(line 3 of the pairs\) ends beyond {chrom} \({end - 1} bp in"
    with pytest.raises(InputFileError, match=message):
        contribute(run)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"shifts": (1, 1)}, r"shifts are \[1, 1\]"),
        ({"shifts": (128,)}, "shifts reach 128 bp"),
        ({"pseudocount": -1.0}, "pseudocount is -1"),
        ({"bins": 4}, "bins is 4"),
        ({"sense": True}, "of 1 track none pairs with another"),
    ],
)
def test_bad_options(tmp_path, fasta, options, message):
    for made, run in ((ContributionOptions, contribute), (ScrambleOptions, scramble)):
        asked = SiteRun(never, SPEC, SITES, fasta, tmp_path / "out")
        with pytest.raises(ConfigError, match=message):
            run(asked, made(**options), targets=SMALL.TARGETS[2:])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("with_background", [False, True])
def test_attention(tmp_path, predictor, model, fasta, windows, with_background):
    _, elements = match(PAIRS, SITES, WINDOW, 41)
    options = AttentionOptions(rc=True, background=with_background, batch_size=2)
    keywords = {"pairs": PAIRS, "elements": elements, "of_pairs": PairOptions(41)}
    rows = run_attention(predictor, fasta, tmp_path / "out", options=options, **keywords)
    profiles = Profiles(model, WINDOW, True)(windows)
    with h5py.File(tmp_path / "out" / "attention.h5") as file:
        assert (file.attrs["format"], file.attrs["length"]) == ("tfepi-attention", 256)
        found = {n: file["profiles"][n][()] for n in file["layers"].asstr()[()]}
    assert list(found) == ["attention0", "attention1"]
    for name, values in profiles.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4)
    table = pd.read_csv(tmp_path / "out" / "pairs.tsv", sep="\t")
    layers = pd.read_csv(tmp_path / "out" / "layers.tsv", sep="\t")
    assert len(layers) == 2 * len(table) == 18
    gene = np.array([0, 1, 2, 0, 3])
    for number, element in enumerate(elements):
        place = (element.low, element.high, 256)
        slow = [element_attention(v[element.site], *place) for v in profiles.values()]
        if element.low == element.high:
            assert np.isnan(table["from_tss"][number])
            continue
        found = layers[["from_tss", "to_tss"]][2 * number : 2 * number + 2]
        np.testing.assert_allclose(found, slow, rtol=1e-4)
        mean = np.mean(slow, axis=0)
        np.testing.assert_allclose(table[["from_tss", "to_tss"]].iloc[number], mean, rtol=1e-4)
        if with_background:
            others = [v[gene != gene[element.site]].mean(axis=0) for v in profiles.values()]
            usual = np.mean([element_attention(v, *place) for v in others], axis=0)
            columns = ["from_tss_expected", "to_tss_expected"]
            np.testing.assert_allclose(table[columns].iloc[number], usual, rtol=1e-4)
            columns = ["from_tss_ratio", "to_tss_ratio"]
            np.testing.assert_allclose(table[columns].iloc[number], mean / usual, rtol=1e-3)
    scores = {r["score"] for r in rows} - {"1/distance"}
    ratios = {"from_tss_ratio", "to_tss_ratio"} if with_background else set()
    assert scores == {"from_tss", "to_tss"} | ratios


def test_a_background_of_one_gene(tmp_path, fasta):
    sites = [SITES[0], SITES[3]]
    with pytest.raises(ConfigError, match="--background compares genes: name at least two"):
        read_attention(
            SiteRun(never, SPEC, sites, fasta, tmp_path / "out"), AttentionOptions(background=True)
        )


def slow_expression(model, sequences, options, weights):
    averaged = AveragedPredictor(KerasPredictor(model, SPEC, 64), options.rc, options.shifts)
    values = averaged.predict({"sequence": sequences})["main"][:, WINDOW.first :]
    return (values[:, : WINDOW.count].astype(float).sum(axis=1) * weights).sum(axis=1)


@pytest.mark.parametrize("kind", ["shuffle", "n", "mean"])
def test_scrambled_elements(tmp_path, predictor, model, fasta, windows, kind):
    _, elements = match(PAIRS, SITES, WINDOW, 0)
    replacement = Replacement(kind, 3, 5)
    options = ScrambleOptions(
        rc=True, shifts=(0, -2), pseudocount=0.5, replacement=replacement, batch_size=4
    )
    where = (fasta, tmp_path / "out", {}, PAIRS, elements)
    run = SiteRun(lambda: predictor, SPEC, SITES, *where, quiet=True)
    found = scramble(run, options, targets=SMALL.TARGETS[1:])
    count = 3 if kind == "shuffle" else 1
    inside = [e for e in elements if e.low < e.high]
    assert len(inside) == 8
    # Each window is predicted once as it is; the model is asked for four strands and shifts.
    assert predictor.sequences == 4 * (len(SITES) + count * len(inside))
    weights = np.array([0, 0.5, 0.5])
    own = slow_expression(model, windows, options, weights)
    table = pd.read_csv(tmp_path / "out" / "pairs.tsv", sep="\t")
    for number, element in enumerate(elements):
        row = table.iloc[number]
        assert row["prediction"] == pytest.approx(own[element.site], rel=1e-4)
        if element.low == element.high:
            assert np.isnan(row["log2_ratio"])
            continue
        site = SITES[element.site]
        start = site.position - 128
        changed = replacement.apply(
            windows[element.site], element.low, element.high, site.chrom, start
        )
        values = slow_expression(model, changed, options, weights)
        ratio = log2_ratio(own[element.site], values, 0.5)
        wanted = (values.mean(), values.mean() - own[element.site], ratio.mean())
        columns = ["replaced", "difference", "log2_ratio"]
        np.testing.assert_allclose(row[columns].astype(float), wanted, rtol=2e-3, atol=1e-6)
        if count > 1:
            spread = (values.std(ddof=1), ratio.std(ddof=1))
            columns = ["difference_sd", "log2_ratio_sd"]
            np.testing.assert_allclose(row[columns].astype(float), spread, rtol=2e-2, atol=1e-6)
        else:
            assert np.isnan(row["log2_ratio_sd"])
        assert found.effects["log2_ratio"][number] == pytest.approx(ratio.mean(), abs=1e-5)
    with h5py.File(tmp_path / "out" / "scrambles.h5") as file:
        assert file.attrs["format"] == "tfepi-scrambles"
        assert file["replaced"].shape == (9, count)
        np.testing.assert_allclose(file["prediction"][()], own, rtol=1e-5)
    assert {r["score"] for r in found.accuracy} == {"loss", "1/distance"}
    assert found.by_distance is None


def test_tiles(tmp_path, predictor, model, fasta, windows):
    stretches = tiles(WINDOW, 40)
    options = ScrambleOptions(replacement=Replacement("n"), pseudocount=0)
    run = SiteRun(lambda: predictor, SPEC, SITES, fasta, tmp_path / "out", quiet=True)
    found = scramble(run, options, tiles=stretches)
    assert predictor.sequences == len(SITES) * (1 + len(stretches))
    table = pd.read_csv(tmp_path / "out" / "tiles.tsv", sep="\t")
    assert len(table) == len(SITES) * len(stretches)
    weights = np.full(3, 1 / 3)
    own = slow_expression(model, windows, options, weights)
    rows = table.to_dict("records")
    for n, site in enumerate(SITES):
        changed = np.repeat(windows[n : n + 1], len(stretches), axis=0)
        for sequence, tile in zip(changed, stretches, strict=True):
            sequence[tile.low : tile.high] = 4
        values = slow_expression(model, changed, options, weights)
        for value, tile in zip(values, stretches, strict=True):
            row = rows.pop(0)
            assert row["log2_ratio"] == pytest.approx(np.log2(value / own[n]), abs=2e-5)
            assert (row["start"], row["end"]) == (
                site.position - 128 + tile.low,
                site.position - 128 + tile.high,
            )
            assert row["distance"] == (-1 if site.strand == "-" else 1) * tile.offset
    facts = json.loads((tmp_path / "out" / "distance.json").read_text())
    assert facts["format"] == "tfepi-effect-distance"
    assert facts["at_tss"] == 0  # the tile of 40 bp holds the three bins of 8 bp
    distances = pd.read_csv(tmp_path / "out" / "distance.tsv", sep="\t")
    assert distances["distance"].tolist() == found.by_distance.distance.tolist()
    assert distances["count"].sum() == len(table)
    assert distances["cumulative"].iloc[-1] == pytest.approx(1)


def test_tiles_beside_the_tss_are_at_it(tmp_path, predictor, fasta):
    run = SiteRun(lambda: predictor, SPEC, SITES[:1], fasta, tmp_path / "out", quiet=True)
    scramble(run, ScrambleOptions(replacement=Replacement("n")), tiles=tiles(WINDOW, 6))
    # The bins are [120, 144) of the window, and the tile [143, 149) is the last that touches them.
    assert json.loads((tmp_path / "out" / "distance.json").read_text())["at_tss"] == 18


def test_elements_or_tiles(tmp_path, fasta):
    with pytest.raises(ConfigError, match="elements or tiles are replaced"):
        scramble(SiteRun(never, SPEC, SITES, fasta, tmp_path / "out"))


def test_names_of_files():
    assert contribution_run.track_name(7, "HLA-A/../x y") == "00007_HLA-A_.._x_y"
    assert len(contribution_run.track_name(7, "x" * 300)) == 66
    assert attention_run.NAME == "attention.h5"
