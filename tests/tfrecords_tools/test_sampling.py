"""Which windows are trained on: drawn, at variable regions, with a share of positives."""

import logging
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tfrecords_tools import regions
from tfrecords_tools import variable_regions as variable_regions_module
from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.estimate import describe
from tfrecords_tools.files import read_json
from tfrecords_tools.intervals import Interval
from tfrecords_tools.plan import make_plan
from tfrecords_tools.regions import called_peaks
from tfrecords_tools.targets import Target
from tfrecords_tools.variable_regions import compared, variable_regions
from tfrecords_tools.windows import Windowing, random_windows

CHROMS = {"chr1": 64_000, "chr2": 8_000, "chr3": 8_000}
OPTIONS = {"seq_length": 256, "bin_width": 32, "valid": "chr2", "test": "chr3", "nan": "keep"}


def write_bigwig(path, values):
    import pyBigWig

    with pyBigWig.open(str(path), "w") as track:
        track.addHeader([(c, len(x)) for c, x in values.items()])
        for chrom, x in values.items():
            at = np.flatnonzero(~np.isnan(x))
            ends, of = (at + 1).tolist(), x[at].astype(float).tolist()
            if len(at):
                track.addEntries([chrom] * len(at), at.tolist(), ends=ends, values=of)


@pytest.fixture(scope="module")
def values():
    """Cell → chromosome → signal: 0 but for 100-bp elements, most of which a cell has alone."""
    found = {}
    for number, cell in enumerate(("A", "B", "C")):
        rng = np.random.default_rng(number)
        found[cell] = {}
        for chrom, length in CHROMS.items():
            x = np.zeros(length, np.float32)
            for start in (rng.integers(0, length // 500, length // 4000) * 500).tolist():
                x[start : start + 100] = 8
            x[5_000:5_300] = 50  # in every cell, and so not variable
            found[cell][chrom] = x
    found["A"]["chr2"][2_048:2_304] = 9  # as variable as anything
    found["B"]["chr1"][20_000:24_000] = np.nan
    found["C"]["chr2"][:] = np.nan
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("sampling")
    rng = np.random.default_rng(12)
    fasta = "".join(f">{c}\n{''.join(rng.choice(list('ACGT'), n))}\n" for c, n in CHROMS.items())
    (folder / "genome.fa").write_text(fasta)
    for cell, by_chrom in values.items():
        write_bigwig(folder / f"{cell}.bw", by_chrom)
    rows = [f"{n}\t{c}\t{c}.bw\tmean\t{c}\tm" for n, c in enumerate("ABC")]
    (folder / "targets.txt").write_text(
        "\tidentifier\tfile\tsum_stat\tcell\tmark\tthreshold\n"
        + "".join(f"{row}\t2\n" for row in rows)
    )
    (folder / "plain.txt").write_text(
        "\tidentifier\tfile\tsum_stat\tcell\tmark\n" + "".join(f"{row}\n" for row in rows)
    )
    (folder / "tracks.txt").write_text(
        "\tidentifier\tfile\tcell\n0\ta\tA.bw\tA\n1\tb\tB.bw\tB\n2\tc\tC.bw\tC\n"
        "3\tm\tA.bw\taverage\n"
    )
    return folder


def planned(folder, table="targets.txt", **changes):
    options = BuildOptions(**(OPTIONS | changes))
    return make_plan(folder / "genome.fa", folder / table, options)


def test_drawn_windows_are_any_of_those_that_fit():
    windowing = Windowing(10, bin_width=5, snap=2)
    contigs = [Interval("a", 3, 15), Interval("b", 0, 9), Interval("c", 7, 31)]
    every = {("a", 4), *(("c", s) for s in range(8, 22, 2))}
    found = random_windows(contigs, "train", windowing, 1, 8)
    assert {(w.chrom, w.start) for w in found} == every
    assert all(len(w) == 10 and w.label == "train" for w in found)
    counts = Counter(
        (w.chrom, w.start)
        for seed in range(400)
        for w in random_windows(contigs, "train", windowing, seed, 2)
    )
    assert set(counts) == every
    assert all(60 < n < 145 for n in counts.values())  # 100 each, 5 standard deviations
    again = random_windows(contigs, "train", windowing, 7, 3)
    assert again == random_windows(contigs, "train", windowing, 7, 3)
    assert again != random_windows(contigs, "fold0", windowing, 7, 3)
    with pytest.raises(ConfigError, match="--random is 9, but the contigs of train hold 8 windows"):
        random_windows(contigs, "train", windowing, 1, 9)


def test_valid_and_test_are_tiled_all_the_same(folder):
    tiled, drawn = planned(folder), planned(folder, random_windows=300, snap=4)
    assert Counter(w.label for w in drawn.windows) == {"train": 300, "valid": 31, "test": 31}
    assert {w for w in tiled.windows if w.label != "train"} == {
        w for w in drawn.windows if w.label != "train"
    }
    starts = [w.start for w in drawn.windows if w.label == "train"]
    assert len(set(starts)) == 300
    assert all(s % 4 == 0 for s in starts)
    assert {w.chrom for w in drawn.windows if w.label == "train"} == {"chr1"}
    assert abs(np.mean(starts) - 32_000) < 5 * 18_500 / 300**0.5
    folds = planned(folder, folds=2, contig_limit=9_000, random_windows=20)
    assert Counter(w.label for w in folds.windows) == {"fold0": 20, "fold1": 20}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"random_windows": 0}, "--random is 0, want at least 1"),
        ({"random_windows": 5, "stride_train": 0.5}, "--random 5 draws .* --stride 0.5"),
        ({"random_windows": 5, "compat": "hound", "nan": "zero"}, "--compat hound has no --random"),
        ({"positive_share": 0.5, "compat": "hound", "nan": "zero"}, "has no --positive_share"),
        ({"positive_share": 0.0}, "--positive_share is 0.0, want above 0 and at most 1"),
        ({"positive_share": 1.5}, "--positive_share is 1.5"),
        ({"variable_share": 0.0}, "--variable_share is 0.0"),
        ({"variable_share": 1.0}, "--variable_share is 1.0"),
    ],
)
def test_bad_options_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        BuildOptions(**(OPTIONS | changes))


def spread(values, cells, chrom, start):
    """A 128-bp bin's largest log mean less its smallest, in plain numbers."""
    found = []
    for cell in cells:
        x = values[cell][chrom][start : start + 128].astype(np.float64)
        x = x[~np.isnan(x)]
        if len(x):
            found.append(np.log(1 + x.mean()))
    return max(found) - min(found) if found else 0.0


def test_variable_regions_are_the_bins_that_differ_most(folder, values):
    rows = [Target(n, c, file=str(folder / f"{c}.bw"), cell=c) for n, c in enumerate("ABC")]
    training = [Interval("chr1", 100, 64_000)]
    others = [Interval("chr2", 0, 8_000)]
    for share, cells in ((0.1, "ABC"), (0.03, "AB")):
        chosen = [r for r in rows if r.cell in cells]
        found = variable_regions([chosen], training, others, 32, share)
        starts = list(range(100, 64_000 - 127, 128))
        scores = [spread(values, cells, "chr1", s) for s in starts]
        threshold = max(np.quantile(scores, 1 - share), 0)
        want = {s for s, score in zip(starts, scores, strict=True) if score > threshold}
        assert 3 < len(want) < 2 * share * len(starts)
        inside = {s for s in starts for a, b in found["chr1"].tolist() if a <= s < b}
        assert inside == want
        assert not any(a < 5_300 and b > 5_000 for a, b in found["chr1"].tolist())
        other = {s for s in range(0, 7_900, 128) if spread(values, cells, "chr2", s) > threshold}
        assert {
            s for s in range(0, 7_900, 128) for a, b in found["chr2"].tolist() if a <= s < b
        } == (other)


def test_a_contig_whose_end_holds_no_bin(folder, monkeypatch):
    """Chunks of two bins, and 100 bp of a third: nothing is read of these."""
    rows = [Target(n, c, file=str(folder / f"{c}.bw"), cell=c) for n, c in enumerate("ABC")]
    contigs = [Interval("chr1", 0, 6_500), Interval("chr1", 7_000, 7_050)]
    whole = variable_regions([rows], contigs, [], 128, 0.5)
    peaks = called_peaks(rows[0], contigs, 128)
    for module in (variable_regions_module, regions):
        monkeypatch.setattr(module, "_CHUNK", 256)
    np.testing.assert_array_equal(
        variable_regions([rows], contigs, [], 128, 0.5)["chr1"], whole["chr1"]
    )
    np.testing.assert_array_equal(called_peaks(rows[0], contigs, 128)["chr1"], peaks["chr1"])
    assert len(whole["chr1"])
    assert len(peaks["chr1"])


def test_variable_regions_of_several_marks_are_those_of_any(folder):
    rows = [Target(n, c, file=str(folder / f"{c}.bw"), cell=c) for n, c in enumerate("ABC")]
    contigs = [Interval("chr1", 0, 64_000)]
    both = variable_regions([rows[:2], rows[1:]], contigs, [], 256, 0.5)
    ab, bc = (variable_regions([g], contigs, [], 256, 0.5) for g in (rows[:2], rows[1:]))
    starts = {s for r in (ab, bc) for a, b in r["chr1"].tolist() for s in range(a, b, 256)}
    assert {s for a, b in both["chr1"].tolist() for s in range(a, b, 256)} == starts


def test_what_is_compared_leaves_out_the_average_and_what_is_held_out():
    targets = [Target(n, f"{c}{m}", cell=c, mark=m) for n, (c, m) in enumerate(["Ax", "Bx", "Ay"])]
    tracks = [Target(n, c, cell=c) for n, c in enumerate(("A", "B", "C", "average"))]
    assert compared(targets, ()) == [targets[:2]]
    assert compared(targets, tracks) == [tracks[:3]]
    assert compared(targets, tracks, ["B"]) == [[tracks[0], tracks[2]]]
    with pytest.raises(ConfigError, match="and the targets without B have no two of them"):
        compared(targets, (), ["B"])
    with pytest.raises(ConfigError, match="--tracks without A, B have no two"):
        compared(targets, tracks, ["A", "B"])
    with pytest.raises(ConfigError, match="name each track's in a column 'cell'"):
        compared([Target(0, "a"), Target(1, "b")], ())


def test_windows_at_variable_regions_are_kept(folder, values):
    everything = planned(folder, "plain.txt")
    variable = planned(folder, "plain.txt", regions="variable")
    kept = {w for w in variable.windows if w.label == "train"}
    assert {w for w in variable.windows if w.label == "test"} == {
        w for w in everything.windows if w.label == "test"
    }
    starts = list(range(0, 64_000 - 127, 128))
    scores = np.array([spread(values, "ABC", "chr1", s) for s in starts])
    chosen = {s for s, x in zip(starts, scores > np.quantile(scores, 0.9), strict=True) if x}
    assert kept == {
        w
        for w in everything.windows
        if w.label == "train" and any(s in chosen for s in (w.start, w.start + 128))
    }
    assert variable.dropped["regions"] > 150
    by_track = planned(folder, "plain.txt", regions="variable", tracks=str(folder / "tracks.txt"))
    assert by_track.windows == variable.windows


def test_a_held_out_cell_does_not_choose_windows(folder, values, tmp_path):
    """Whatever its signal is, the same windows are trained on."""
    changed = tmp_path / "C.bw"
    rng = np.random.default_rng(5)
    write_bigwig(changed, {c: rng.gamma(0.5, 9, n).astype(np.float32) for c, n in CHROMS.items()})
    other = (folder / "targets.txt").read_text()
    for cell in "AB":
        other = other.replace(f"\t{cell}.bw", f"\t{folder}/{cell}.bw")
    (tmp_path / "targets.txt").write_text(other)
    for how in (
        {"regions": "variable"},
        {"regions": "peaks"},
        {"peaks_only": True},
        {"positive_share": 0.9},
    ):
        found = []
        for number, table in enumerate((folder / "targets.txt", tmp_path / "targets.txt")):
            for hold_out in (("C",), ()):
                options = BuildOptions(**(OPTIONS | how | {"hold_out": hold_out}))
                plan = make_plan(folder / "genome.fa", with_peaks(table, tmp_path), options)
                windows = [w for w in plan.windows if w.label == "train"]
                if "positive_share" in how:
                    out = tmp_path / f"{number}{len(hold_out)}"
                    build(plan, out, quiet=True)
                    windows = Data.open(out).windows("train")
                found.append(windows)
        assert found[0] == found[2]
        assert found[1] != found[3]


def with_peaks(table, folder):
    """Write a table's copy in whose C the peaks lie where its track lies."""
    lines = table.read_text().splitlines()
    at = 40_000 if table.parent == folder else 1_000
    (folder / "peaks.bed").write_text(f"chr1\t{at}\t{at + 900}\nchr2\t100\t900\nchr3\t100\t900\n")
    (folder / "common.bed").write_text("chr1\t9000\t9900\nchr2\t100\t900\nchr3\t100\t900\n")
    rows = [lines[0] + "\tpeaks"]
    for line in lines[1:]:
        cells = line.split("\t")
        cells[2] = str(table.parent / cells[2])
        bed = "peaks.bed" if cells[1] == "C" else "common.bed"
        rows.append("\t".join([*cells, str(folder / bed)]))
    path = folder / "with_peaks.txt"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_share_of_training_windows_has_a_positive(folder, values, tmp_path):
    everything = planned(folder)
    positive = {
        w
        for w in everything.windows
        for cell in "ABC"
        if (values[cell][w.chrom][w.start : w.end].reshape(-1, 32).mean(axis=1) > 2).any()
    }
    counts = {}
    for share in (0.8, 0.5, 1.0, 0.01):
        out = tmp_path / f"{share}"
        build(planned(folder, positive_share=share, records_per_shard=40), out, quiet=True)
        data = Data.open(out)
        train = data.windows("train")
        assert {label: data.counts[label] for label in ("valid", "test")} == {
            "valid": 31,
            "test": 31,
        }
        of_train = {w for w in positive if w.label == "train"}
        assert of_train < set(train) or share == 1
        negatives = min(int(len(of_train) * (1 - share) / share), 250 - len(of_train))
        assert len(train) == len(of_train) + negatives
        assert read_json(out / "statistics.json")["train_seqs"] == len(train)
        manifest = read_json(out / "manifest.json")
        assert manifest["dropped"].get("balance", 0) == 250 - len(train)
        counts[share] = len(train)
        for window, (_, target) in zip(train, data.records("train"), strict=True):
            assert (np.nan_to_num(target) > 0).any() == (window in positive)
            for column, cell in enumerate("ABC"):
                x = values[cell][window.chrom][window.start : window.end].reshape(-1, 32)
                seen = ~np.isnan(x).any(axis=1)
                np.testing.assert_array_equal(target[seen, column], x[seen].mean(axis=1) > 2)
    assert counts[1.0] < counts[0.8] < counts[0.5] < counts[0.01] == 250
    assert "before --positive_share 0.5 leaves some out" in describe(
        planned(folder, positive_share=0.5)
    )


def test_a_balanced_build_resumes_and_keeps_what_is_stored(folder, tmp_path):
    """Unmappable bins and input tracks go with the windows that stay."""
    (tmp_path / "u.bed").write_text("chr1\t0\t64\nchr1\t40000\t40060\n")
    changes = {
        "positive_share": 0.6,
        "unmappable": str(tmp_path / "u.bed"),
        "unmappable_store": True,
        "tracks": str(folder / "tracks.txt"),
        "track_width": 64,
    }
    whole, part, all_ = tmp_path / "whole", tmp_path / "part", tmp_path / "all"
    build(planned(folder, **changes), whole, quiet=True, workers=2)
    build(planned(folder, **changes | {"positive_share": None}), all_, quiet=True)
    kept, every = Data.open(whole), Data.open(all_)
    features = {
        w: f for w, (_, _, f) in zip(every.windows("train"), every.frames("train"), strict=True)
    }
    assert kept.counts["train"] < every.counts["train"]
    for window, (_, _, found) in zip(kept.windows("train"), kept.frames("train"), strict=True):
        assert found == features[window]
        assert {"umap", "tracks"} < set(found)
    assert any(max(f["umap"]) for f in features.values())
    (whole / "manifest.json").rename(tmp_path / "manifest.json")
    build(planned(folder, **changes), whole, quiet=True, resume=True)
    build(planned(folder, **changes), part, quiet=True)
    assert (whole / "manifest.json").read_bytes() == (part / "manifest.json").read_bytes()
    assert (whole / "sequences.bed").read_bytes() == (part / "sequences.bed").read_bytes()
    build(planned(folder, **changes), part, quiet=True, resume=True)  # complete already


def test_bed_targets_are_positives_too(folder, tmp_path):
    (tmp_path / "sites.bed").write_text("chr1\t1000\t1010\nchr1\t30000\t30010\n")
    (tmp_path / "t.txt").write_text(
        f"\tidentifier\tfile\n0\tsites\tsites.bed\n1\tsignal\t{folder}/A.bw\n"
    )
    plan = planned(folder, tmp_path / "t.txt", positive_share=0.5)
    build(plan, tmp_path / "d", quiet=True)
    data = Data.open(tmp_path / "d")
    assert data.counts["train"] == 4
    assert {768, 29952} < {w.start for w in data.windows("train")}


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        ("plain.txt", {"positive_share": 0.5}, "--positive_share 0.5 wants targets that are"),
        ("targets.txt", {"positive_share": 0.5, "hold_out": ("A", "B", "C")}, "of cells that are"),
        ("targets.txt", {"hold_out": ("D",)}, "unknown cell 'D' of --hold_out"),
        ("targets.txt", {"regions": "peaks", "hold_out": ("A", "B", "C")}, "leaves no target"),
        ("targets.txt", {"peaks_only": True, "hold_out": ("A", "B", "C")}, "leaves no target"),
        ("targets.txt", {"regions": "variable", "hold_out": ("A", "B")}, "no two of them"),
    ],
)
def test_nothing_is_left_to_choose_by(folder, table, changes, message):
    with pytest.raises(ConfigError, match=message):
        planned(folder, table, **changes)


def test_a_label_without_positives_names_the_targets(folder, tmp_path):
    text = (folder / "targets.txt").read_text().replace("m\t2\n", "m\t999\n")
    (tmp_path / "t.txt").write_text(text.replace("\t2\n", "\t999\n"))
    for cell in "ABC":
        text = (tmp_path / "t.txt").read_text()
        (tmp_path / "t.txt").write_text(text.replace(f"\t{cell}.bw", f"\t{folder}/{cell}.bw"))
    plan = planned(folder, tmp_path / "t.txt", positive_share=0.5)
    with pytest.raises(ConfigError, match="no window of train has a positive bin of A, B, C, so"):
        build(plan, tmp_path / "d", quiet=True)


def test_a_target_without_value_is_told(folder, tmp_path, caplog, values):
    with caplog.at_level(logging.WARNING):
        build(planned(folder), tmp_path / "d", quiet=True)
    told = [r.message for r in caplog.records if "nothing to score" in r.message]
    assert told == ["C: no value in any window of valid, which leaves nothing to score there"]
    nothing = {c: np.full(n, np.nan, np.float32) for c, n in CHROMS.items()}
    nothing["chr1"][:10] = 1
    write_bigwig(tmp_path / "none.bw", nothing)
    plan = planned(folder)
    plan = replace(
        plan, targets=(plan.targets[0], Target(1, "none", file=str(tmp_path / "none.bw")))
    )
    with pytest.raises(
        InputFileError, match=r"target 'none' \(.*none.bw\) has no value in any window, so that"
    ):
        build(plan, tmp_path / "e", quiet=True)
    plan = replace(plan, targets=plan.targets[:1])
    build(plan, tmp_path / "e", quiet=True)  # needs no --overwrite


def test_a_threshold_that_tells_nothing_apart_is_told(folder, tmp_path, caplog):
    plan = planned(folder)
    high, low = (replace(t, threshold=x) for t, x in zip(plan.targets, (1e6, -1), strict=False))
    with caplog.at_level(logging.WARNING):
        build(replace(plan, targets=(high, low, plan.targets[2])), tmp_path / "d", quiet=True)
    told = [r.message for r in caplog.records if "threshold" in r.message]
    assert [m.split(", so that")[0] for m in told] == [
        f"target {high.identifier}: no bin is above its threshold 1e+06",
        f"target {low.identifier}: every bin is above its threshold -1",
    ]
