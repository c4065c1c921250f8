"""Normalised tracks, average and deltas against the formula base by base."""

import json
import logging
from itertools import pairwise

import numpy as np
import pyBigWig
import pytest

from tfrecords_tools import normalize_runs
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.input_tracks import read_tracks
from tfrecords_tools.normalize import normalize
from tfrecords_tools.normalize_survey import QuantileOptions
from tfrecords_tools.normalize_tracks import read_cells, stems
from tfrecords_tools.quantile import sample_positions

CHROMS = {"chr1": 4100, "chr10": 900, "chr2": 2050}
HEADER = "\tidentifier\tfile\tcell\tassay\n"
OPTIONS = QuantileOptions(interval=10, seed=5)


def steps(rng, length, size, rate):
    """Signal in steps of `size` bp, many of them 0."""
    count = length // size + 1
    values = np.where(rng.random(count) < 0.5, 0, rng.gamma(0.6, rate, count))
    return np.repeat(np.round(values, 2), size)[:length].astype(np.float32)


@pytest.fixture(scope="module")
def signal():
    """Per track and chromosome; b has a gap, and two replicates."""
    rng = np.random.default_rng(2)
    shape = {"a": (25, 3), "b1": (1, 1), "b2": (8, 2), "c": (5, 9)}
    found = {
        name: {chrom: steps(rng, n, *shape[name]) for chrom, n in CHROMS.items()} for name in shape
    }
    found["b1"]["chr1"][500:900] = np.nan
    found["b2"]["chr1"][700:1000] = np.nan
    found["c"]["chr2"][100:120] = 200
    return found


@pytest.fixture
def table(tmp_path, signal, write_bigwig):
    for name, values in signal.items():
        write_bigwig(tmp_path / f"{name}.bw", values)
    path = tmp_path / "tracks.txt"
    path.write_text(
        HEADER + "0\ta\ta.bw\tA\tDNase\n1\tb1\tb1.bw\tB\tDNase\n2\tb2\tb2.bw\tB\tDNase\n"
        "3\tc\tc.bw\tC\tDNase\n"
    )
    return path


def read(path):
    track = pyBigWig.open(str(path))
    assert track.chroms() == CHROMS
    return {c: track.values(c, 0, n, numpy=True) for c, n in CHROMS.items()}


def summed(signal, nan):
    """Each cell's track: replicates summed, what is missing in all of them 0 or NaN."""
    found = {"A": signal["a"], "C": signal["c"], "B": {}}
    for chrom in CHROMS:
        both = np.stack([signal[r][chrom] for r in ("b1", "b2")]).astype(float)
        found["B"][chrom] = np.nansum(both, axis=0)
        if nan == "keep":
            found["B"][chrom][np.isnan(both).all(axis=0)] = np.nan
    return found


def oracle(tracks, averaged, reference):
    """Normalised tracks of cells without missing values, by NumPy's own interp and polyfit."""
    samples = {
        cell: np.sort(
            np.concatenate([v[c][sample_positions(c, n, 10, 5)] for c, n in CHROMS.items()])
        ).astype(float)
        for cell, v in tracks.items()
    }
    mean = np.mean([samples[c] for c in averaged], axis=0)
    goal = mean if reference == "mean" else samples[reference]
    found = {}
    for cell, sample in samples.items():
        distinct = np.unique(sample)[1:]
        x = [0, *distinct]
        y = [0, *(goal[sample == d].mean() for d in distinct)]
        line = np.polyfit(sample[-10:], goal[-10:], 1)
        found[cell] = {
            c: np.where(v > sample[-1], np.polyval(line, v), np.interp(v, x, y)).astype(np.float32)
            for c, v in tracks[cell].items()
        }
    return found


@pytest.mark.parametrize(("reference", "held"), [("mean", ()), ("mean", ("C",)), ("A", ("C",))])
def test_every_base_is_the_formulas(table, signal, tmp_path, reference, held):
    options = QuantileOptions(reference, held, seed=5, interval=10)
    out = normalize(table, tmp_path / "out", options, quiet=True)
    averaged = [c for c in "ABC" if c not in held]
    wanted = oracle(summed(signal, "zero"), averaged, reference)
    average = read(out / "average.bw")
    for chrom in CHROMS:
        mean = np.mean([wanted[c][chrom] for c in averaged], axis=0)
        np.testing.assert_allclose(average[chrom], mean, rtol=1e-6, atol=1e-7)
    for cell in "ABC":
        track, delta = read(out / f"{cell}.bw"), read(out / f"{cell}_delta.bw")
        for chrom in CHROMS:
            np.testing.assert_allclose(track[chrom], wanted[cell][chrom], rtol=1e-6)
            np.testing.assert_array_equal(delta[chrom], track[chrom] - average[chrom])
    if reference == "A":
        for chrom in CHROMS:  # its own reference: itself
            np.testing.assert_allclose(read(out / "A.bw")[chrom], signal["a"][chrom], rtol=1e-6)
    value = json.loads((out / "normalize.json").read_text())
    assert (value["format"], value["format_version"]) == ("tfepi-normalize", 1)
    assert [c["held_out"] for c in value["cells"]] == [c in held for c in "ABC"]
    assert value["cells"][1]["tracks"] == ["b1", "b2"]
    assert value["positions"] == 410 + 90 + 205
    knots = value["cells"][0]["knots"]
    assert (knots["signal"][0], knots["normalised"][0]) == (0, 0)
    assert knots["count"] == len(knots["signal"])
    assert len(value["inputs"]["track c"]["sha256"]) == 64


def test_the_table_is_one_of_input_tracks(table, tmp_path):
    out = normalize(table, tmp_path / "out", OPTIONS, quiet=True)
    rows = read_tracks(out / "tracks.txt")
    assert [(r.cell, r.assay, r.file, r.sum_stat) for r in rows] == [
        (c, "DNase", f"{c}.bw", "mean") for c in "ABC"
    ]


def test_missing_bases_are_kept(table, signal, tmp_path):
    options = QuantileOptions(interval=10, seed=5, nan="keep")
    out = normalize(table, tmp_path / "out", options, quiet=True)
    tracks = summed(signal, "keep")
    gap = np.isnan(tracks["B"]["chr1"])
    assert gap.sum() == 200
    a, b, c = (read(out / f"{cell}.bw")["chr1"] for cell in "ABC")
    np.testing.assert_array_equal(np.isnan(b), gap)
    assert not np.isnan(a).any()
    average = read(out / "average.bw")["chr1"]
    np.testing.assert_allclose(average[gap], (a[gap] + c[gap]) / 2, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(read(out / "B_delta.bw")["chr1"]), gap)
    value = json.loads((out / "normalize.json").read_text())
    sampled = [cell["sampled"] for cell in value["cells"]]
    places = sample_positions("chr1", CHROMS["chr1"], 10, 5)
    assert sampled == [705, 705 - gap[places].sum(), 705]


@pytest.mark.parametrize("nan", ["zero", "keep"])
def test_stretches_of_any_length_give_the_same(table, tmp_path, monkeypatch, nan):
    options = QuantileOptions(interval=10, nan=nan)
    whole = normalize(table, tmp_path / "whole", options, quiet=True)
    monkeypatch.setattr(normalize_runs, "STRETCH", 131)
    parts = normalize(table, tmp_path / "parts", options, quiet=True)
    for path in whole.glob("*.bw"):
        one, other = pyBigWig.open(str(path)), pyBigWig.open(str(parts / path.name))
        for chrom in CHROMS:
            assert one.intervals(chrom) == other.intervals(chrom)
    assert len(list(whole.glob("*.bw"))) == 7


def test_runs_of_equal_values_stay_whole(table, signal, tmp_path):
    out = normalize(table, tmp_path / "out", OPTIONS, quiet=True)
    for chrom, length in CHROMS.items():
        found = pyBigWig.open(str(out / "A.bw")).intervals(chrom)
        assert len(found) <= 1 + np.count_nonzero(np.diff(signal["a"][chrom]))
        assert all(before[2] != after[2] for before, after in pairwise(found))
        assert (found[0][0], found[-1][1]) == (0, length)


def test_a_scale_holds_before_replicates_are_summed(table, signal, tmp_path):
    text = table.read_text().splitlines()
    lines = [f"{line}\t{s}" for line, s in zip(text, ("scale", "", "3", "", ""), strict=True)]
    table.write_text("\n".join(lines) + "\n")
    options = QuantileOptions("A", seed=5, interval=10)
    out = normalize(table, tmp_path / "out", options, quiet=True)
    signal = signal | {"b1": {c: 3 * v.astype(float) for c, v in signal["b1"].items()}}
    wanted = oracle(summed(signal, "zero"), "ABC", "A")
    np.testing.assert_allclose(read(out / "B.bw")["chr2"], wanted["B"]["chr2"], rtol=1e-6)


def test_chosen_chromosomes_and_one_track(table, signal, tmp_path):
    table.write_text(HEADER + "0\ta\ta.bw\tA\t\n")
    out = normalize(table, tmp_path / "out", QuantileOptions(interval=10, chroms=("chr2",)))
    track = pyBigWig.open(str(out / "A.bw"))
    assert track.chroms() == {"chr2": 2050}
    values = track.values("chr2", 0, 2050, numpy=True)
    np.testing.assert_allclose(values, signal["a"]["chr2"], rtol=1e-6)
    delta = pyBigWig.open(str(out / "A_delta.bw"))
    assert delta.intervals("chr2") == ((0, 2050, 0.0),)


def test_a_stopped_run_goes_on(table, tmp_path, monkeypatch):
    whole = normalize(table, tmp_path / "whole", OPTIONS, quiet=True)
    monkeypatch.setattr("tfrecords_tools.normalize._mean", lambda *_: 1 / 0)
    out = tmp_path / "out"
    with pytest.raises(ZeroDivisionError):
        normalize(table, out, OPTIONS, quiet=True)
    monkeypatch.undo()
    assert sorted(p.name for p in out.glob("*.bw")) == ["A.bw", "B.bw", "C.bw"]
    assert not list(out.glob("*.part*"))
    before = (out / "A.bw").stat().st_mtime_ns
    with pytest.raises(UnfinishedError, match="--resume"):
        normalize(table, out, OPTIONS, quiet=True)
    with pytest.raises(UnfinishedError, match="seed changed since"):
        normalize(table, out, QuantileOptions(interval=10, seed=6), resume=True)
    normalize(table, out, OPTIONS, resume=True, quiet=True)
    assert (out / "A.bw").stat().st_mtime_ns == before
    for path in whole.iterdir():
        if path.name != "run.json":
            assert (out / path.name).read_bytes() == path.read_bytes()
    record = (out / "run.json").read_bytes()
    normalize(table, out, OPTIONS, resume=True, quiet=True)  # a finished run is left alone
    assert (out / "run.json").read_bytes() == record


def test_another_input_is_not_gone_on_with(table, signal, tmp_path, write_bigwig):
    out = normalize(table, tmp_path / "out", OPTIONS, quiet=True)
    write_bigwig(tmp_path / "c.bw", signal["a"])
    with pytest.raises(UnfinishedError, match="input track c changed"):
        normalize(table, out, OPTIONS, resume=True, quiet=True)
    normalize(table, out, OPTIONS, overwrite=True, quiet=True)
    assert (out / "A.bw").read_bytes() == (out / "C.bw").read_bytes()


def test_two_assays_are_warned_of(table, tmp_path, caplog):
    normalize(table, tmp_path / "one", OPTIONS, quiet=True)
    assert not caplog.records
    table.write_text(table.read_text().replace("C\tDNase", "C\tATAC"))
    normalize(table, tmp_path / "two", OPTIONS, quiet=True)
    [record] = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.getMessage().startswith("DNase and ATAC tracks are mixed (ATAC: C; DNase: A, B)")
    assert "\n" not in record.getMessage()


@pytest.mark.parametrize(
    ("chrom", "value", "message"),
    [
        ("chr2", -1.5, "track 'a' .*a.bw. has the value -1.5 at chr2:40: accessibility is finite"),
        ("chr10", np.inf, "track 'a' .*a.bw. has the value inf at chr10:40: "),
    ],
)
def test_bad_signal_is_named(table, signal, tmp_path, write_bigwig, chrom, value, message):
    values = {c: v.copy() for c, v in signal["a"].items()}
    values[chrom][40:44] = value
    write_bigwig(tmp_path / "a.bw", values)
    with pytest.raises(InputFileError, match=message):
        normalize(table, tmp_path / "out", OPTIONS, quiet=True)
    assert not (tmp_path / "out").exists()


def test_tracks_without_signal_or_on_another_assembly(table, signal, tmp_path, write_bigwig):
    def refused(values, message, **options):
        write_bigwig(tmp_path / "b2.bw", values)
        with pytest.raises(InputFileError, match=message):
            normalize(table, tmp_path / "out", QuantileOptions(**({"interval": 10} | options)))
        assert not (tmp_path / "out").exists()

    a = signal["a"]
    refused(
        a | {"chr2": a["chr2"][:2000]},
        "b2.bw: chr2 is 2,000 bp, in .*a.bw 2,050 bp: the tracks are of two genome builds",
    )
    refused({c: a[c] for c in ("chr1", "chr2")}, "b2.bw has no chromosome 'chr10'.*--chroms")
    refused(a | {"chrM": a["chr2"]}, "a.bw has no chromosome 'chrM'.* but .*b2.bw has it")
    refused(a, "a.bw has no chromosome 'chr7'.*--chroms", chroms=("chr7",))
    table.write_text(table.read_text().replace("2\tb2\tb2.bw\tB", "2\tb2\tb2.bw\tD"))
    message = "the track of cell 'D' has only the value 4 .* smaller --interval"
    refused({c: np.full(n, 4.0) for c, n in CHROMS.items()}, message)
    message = "the track of cell 'D' has only the value 0 "
    none = {c: np.r_[0, np.full(n - 1, np.nan)] for c, n in CHROMS.items()}
    refused(none, message)
    refused(none, "the track of cell 'D' has no value", nan="keep", interval=900)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reference": "a"}, "unknown cell 'a' of --reference: did you mean|choose from"),
        ({"reference": "Abc"}, "unknown cell 'Abc' of --reference"),
        ({"hold_out": ("D",)}, "unknown cell 'D' in --hold_out: choose from A, B, C"),
        ({"hold_out": ("A", "B", "C")}, "--hold_out names every cell"),
        ({"reference": "A", "hold_out": ("A",)}, "--reference 'A' is held out"),
        ({"interval": 0}, "--interval is 0: want at least 1"),
        ({"nan": "zeros"}, "unknown --nan 'zeros': did you mean 'zero'"),
    ],
)
def test_bad_options(table, tmp_path, options, message):
    with pytest.raises(ConfigError, match=message):
        normalize(table, tmp_path / "out", QuantileOptions(**({"interval": 10} | options)))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("0\ta\ta.bw\t\tDNase\n", "track 'a' has no cell"),
        ("0\ta\ta.bw\taverage\tDNase\n", "track 'a' has the cell 'average', which means"),
        ("0\ta\ta.bw\tmean\tDNase\n", "track 'a' has the cell 'mean'"),
        ("0\ta\ta.bw\tA\tDnase\n", "unknown assay 'Dnase' of 'a' .*: did you mean 'DNase'"),
        ("0\ta\ta.bw\tA\tDNase\n1\tb\tb.bw\tA\t\n", "cell 'A' have the assays DNase and None"),
    ],
)
def test_bad_tables(tmp_path, rows, message):
    path = tmp_path / "t.txt"
    path.write_text(HEADER + rows)
    with pytest.raises(TfepiError, match=message):
        read_cells(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("clip", "5", "track 'a' has clip 5, but ranks are taken of the signal as it is"),
        ("threshold", "2", "track 'a' has threshold 2"),
        ("scale", "-1", "track 'a' has scale -1: want a number above 0"),
    ],
)
def test_columns_that_do_not_go_with_ranks(tmp_path, column, value, message):
    path = tmp_path / "t.txt"
    path.write_text(f"\tidentifier\tfile\tcell\t{column}\n0\ta\ta.bw\tA\t{value}\n")
    with pytest.raises(ConfigError, match=message):
        read_cells(path)


def test_a_bed_is_no_signal(table, tmp_path):
    (tmp_path / "p.bed").write_text("chr1\t5\t9\n")
    table.write_text(HEADER + "0\ta\tp.bed\tA\tDNase\n")
    with pytest.raises(InputFileError, match=r"p.bed of 'a' is a BED, which holds no signal"):
        normalize(table, tmp_path / "out", quiet=True)


def test_names_of_files():
    assert stems(["CD4 T/cell", ".x", "K562+"]) == {
        "CD4 T/cell": "CD4_T_cell",
        ".x": "x",
        "K562+": "K562+",
    }
    for names in (["a b", "a_b"], ["a", "a_delta"], ["average"]):
        with pytest.raises(ConfigError, match=r"would both be written to .*\.bw: rename one"):
            stems(names, ["average"])


def test_a_folder_of_something_else(table, tmp_path):
    out = normalize(table, tmp_path / "out", OPTIONS, quiet=True)
    value = json.loads((out / "normalize.json").read_text())
    (out / "normalize.json").write_text(json.dumps(value | {"format_version": 2}))
    with pytest.raises(UnfinishedError, match="has format 'tfepi-normalize' version 2, want"):
        normalize(table, out, OPTIONS, resume=True, quiet=True)
    (out / "normalize.json").unlink()
    with pytest.raises(UnfinishedError, match=r"but no normalize.json: it holds other results"):
        normalize(table, out, OPTIONS, resume=True, quiet=True)


def test_mixed_tracks_of_yeast(test_data, tmp_path, caplog):
    """Cut sites as ATAC with nucleosomes as DNase: both get the distribution of the mean."""
    folder = test_data / "data" / "yeast"
    table = tmp_path / "tracks.txt"
    table.write_text(
        HEADER + f"0\topen\t{folder}/atac_open.bw\topen\tATAC\n"
        f"1\tnucleosome\t{folder}/atac_nucleosome.bw\tnucleosome\tDNase\n"
    )
    seen = []
    options = QuantileOptions(interval=100, chroms=("chrIX", "chrX"))
    out = normalize(
        table, tmp_path / "out", options, lambda cells, where: seen.append((cells, where))
    )
    assert "DNase and ATAC tracks are mixed" in caplog.text
    [(cells, where)] = seen
    assert where == out
    # Counts of 0 … 60, tied in long ranks: what share reaches a signal agrees to a rank's width.
    tops = [np.interp(0.005, c.share, c.after) for c in cells]
    assert tops[0] == pytest.approx(tops[1], rel=0.05)
    assert cells[0].before[0] > 1.3 * cells[1].before[0]
    assert cells[0].after[0] == pytest.approx(cells[1].after[0])
    files = {name: pyBigWig.open(str(out / f"{name}.bw")) for name in ("open", "average")}
    source = pyBigWig.open(str(folder / "atac_open.bw"))
    for chrom in ("chrIX", "chrX"):
        length = source.chroms()[chrom]
        before = np.nan_to_num(source.values(chrom, 0, length, numpy=True))
        after = files["open"].values(chrom, 0, length, numpy=True)
        assert not np.isnan(after).any()
        assert ((after == 0) == (before == 0)).all()
        rising = np.argsort(before, kind="stable")
        inside = before[rising] <= 40
        assert (np.diff(after[rising][inside]) >= 0).all()
    assert len(files["open"].intervals("chrX")) < 60_000
    assert len(files["average"].intervals("chrX")) < 90_000
