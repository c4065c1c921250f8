"""Records with input tracks: against a plain oracle, killed, in parallel, and from bad input."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfrecords_tools import data_writer
from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.estimate import forecast
from tfrecords_tools.files import read_json
from tfrecords_tools.input_tracks import read_tracks, track_windows
from tfrecords_tools.joined import join
from tfrecords_tools.plan import make_plan
from tfrecords_tools.record_info import as_text, describe
from tfrecords_tools.rewindow import RewindowOptions, rewindow
from tfrecords_tools.select_records import SelectOptions, select_records
from tfrecords_tools.tracks import open_track
from tfrecords_tools.validate import validate

CHROMS = {"chr1": 14_000, "chr2": 6_100, "chr3": 5_000}
OPTIONS = {
    "seq_length": 512,
    "bin_width": 32,
    "crop": 64,
    "stride_train": 256,
    "stride_test": 256,
    "valid": "chr2",
    "test": "chr3",
    "records_per_shard": 20,
    "nan": "keep",
    "track_width": 16,
    "track_context": 320,
}
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def values():
    """Cell → chromosome → per-base accessibility, with gaps in the second cell's."""
    rng = np.random.default_rng(11)
    found = {}
    for cell in ("A", "B", "average"):
        found[cell] = {
            c: np.repeat(rng.integers(0, 256, -(-n // 4)), 4)[:n].astype(np.float32) / 4
            for c, n in CHROMS.items()
        }
    for x in found["B"].values():
        x[:41] = np.nan
        x[1000:1100] = np.nan
        x[1107] = np.nan
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory, values):
    """Folder with genome.fa, a bigWig per cell, targets.txt, tracks.txt."""
    import pyBigWig

    folder = tmp_path_factory.mktemp("cells")
    rng = np.random.default_rng(12)
    fasta = "".join(f">{c}\n{''.join(rng.choice(list('ACGT'), n))}\n" for c, n in CHROMS.items())
    (folder / "genome.fa").write_text(fasta)
    for cell, by_chrom in values.items():
        with pyBigWig.open(str(folder / f"{cell}.bw"), "w") as track:
            track.addHeader(list(CHROMS.items()))
            for chrom, x in by_chrom.items():
                at = np.flatnonzero(~np.isnan(x))
                ends, of = (at + 1).tolist(), x[at].astype(float).tolist()
                track.addEntries([chrom] * len(at), at.tolist(), ends=ends, values=of)
    (folder / "targets.txt").write_text(
        "\tidentifier\tfile\tsum_stat\tcell\tmark\tthreshold\n"
        "0\ta\tA.bw\tmean\tA\tH3K27ac\t30\n1\tb\tB.bw\tmean\tB\tH3K27ac\t\n"
    )
    (folder / "tracks.txt").write_text(
        "\tidentifier\tfile\tcell\tassay\tsum_stat\n"
        "0\tda\tA.bw\tA\tDNase\t\n1\tdb\tB.bw\tB\tATAC\tmax\n2\tmean\taverage.bw\taverage\t\t\n"
    )
    return folder


def planned(folder, **changes):
    options = OPTIONS | {"tracks": str(folder / "tracks.txt")} | changes
    return make_plan(folder / "genome.fa", folder / "targets.txt", BuildOptions(**options))


@pytest.fixture(scope="module")
def built(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "data"
    build(planned(folder), out, quiet=True)
    return Data.open(out)


def content(folder):
    """Bytes of every file but run.json."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


def plainly(values, window, width, context, statistic):
    """Bins of one track around one window's sequence, base by base."""
    start, end = window.start - 64 - context, window.end + 64 + context
    bins = []
    for low in range(start, end, width):
        seen = [
            values[window.chrom][at]
            for at in range(low, low + width)
            if 0 <= at < CHROMS[window.chrom] and not np.isnan(values[window.chrom][at])
        ]
        bins.append(statistic(seen) if 2 * len(seen) >= width else np.nan)
    return np.array(bins, np.float32).astype(np.float16)


@pytest.mark.parametrize(
    ("encoding", "width", "context"),
    [("index", 16, 320), ("packed", 16, 320), ("index", 1, 0), ("packed", 64, 2048)],
)
def test_every_record_has_the_tracks_read_plainly(
    folder, values, tmp_path, encoding, width, context
):
    changes = {"encoding": encoding, "track_width": width, "track_context": context}
    build(planned(folder, **changes), tmp_path / "d", quiet=True)
    data = Data.open(tmp_path / "d")
    length = (512 + 2 * context) // width
    assert (data.track_width, data.track_length) == (width, length)
    assert [t.cell for t in data.tracks] == ["A", "B", "average"]
    assert data.layout["tracks"][1] == 2 * 3 * length
    statistics = (np.mean, np.max, np.mean)
    ends = set()
    for label in ("valid", "test"):
        windows = data.windows(label)
        records = data.records_with_tracks(label)
        for row, (window, (sequence, target, tracks)) in enumerate(
            zip(windows, records, strict=True)
        ):
            assert tracks.dtype == np.float16
            assert tracks.shape == (length, 3)
            reaches = window.start - 64 - context < 0, window.end + 64 + context > 5_000
            if row % 8 and not any(reaches):
                continue
            ends |= {n for n, r in enumerate(reaches) if r}
            for column, (cell, statistic) in enumerate(zip(values, statistics, strict=True)):
                want = plainly(values[cell], window, width, context, statistic)
                np.testing.assert_array_equal(np.isnan(tracks[:, column]), np.isnan(want))
                np.testing.assert_allclose(tracks[:, column], want, rtol=1e-3)
            plain = data.arrays(label, row, row + 1)
            np.testing.assert_array_equal(plain[0][0], sequence)
            np.testing.assert_array_equal(plain[1][0], target)
    assert ends == {0, 1}  # windows at both ends of a chromosome were among them


def test_a_prediction_reads_the_same_bins(folder, built):
    row = replace(read_tracks(folder / "tracks.txt")[1], file=str(folder / "B.bw"))
    track = open_track(row.file)
    windows = built.windows("test")
    margin = 64 + 320
    places = [(w.chrom, w.start - margin, w.end + margin) for w in windows]
    found = track_windows(track, row, places, 16, CHROMS)
    track.close()
    for bins, (_, _, tracks) in zip(found, built.records_with_tracks("test"), strict=True):
        np.testing.assert_array_equal(bins, tracks[:, 1])


def test_the_files_tell_of_the_tracks(folder, built):
    stats = read_json(built.folder / "statistics.json")
    assert [stats[n] for n in ("num_tracks", "track_width", "track_length")] == [3, 16, 72]
    manifest = read_json(built.folder / "manifest.json")
    values = np.concatenate(
        [t for label in built.labels for _, _, t in built.records_with_tracks(label)]
    ).astype(np.float64)
    assert [t["identifier"] for t in manifest["input_tracks"]] == ["da", "db", "mean"]
    assert [t["cell"] for t in manifest["track_table"]] == ["A", "B", "average"]
    for column, told in enumerate(manifest["input_tracks"]):
        assert told["mean"] == pytest.approx(np.nanmean(values[:, column]))
        assert told["sd"] == pytest.approx(np.nanstd(values[:, column]))
        assert told["missing_share"] == pytest.approx(np.isnan(values[:, column]).mean())
        assert "extreme_limit" not in told
    assert manifest["options"]["track_context"] == 320
    assert manifest["inputs"]["input track da"]["path"].endswith("A.bw")
    assert len(manifest["tracks"]) == 2
    assert read_tracks(built.folder / "tracks.txt") == built.tracks


def test_targets_with_a_threshold_are_labels(built, values):
    """Bins of 32 bp of quarters: their float32 mean is exact, and so is the comparison."""
    for window, (_, target) in zip(built.windows("test"), built.records("test"), strict=True):
        x = values["A"][window.chrom][window.start : window.end].reshape(-1, 32)
        np.testing.assert_array_equal(target[:, 0], x.mean(axis=1) > 30)
    manifest = read_json(built.folder / "manifest.json")
    assert manifest["tracks"][0]["extreme_limit"] == 1
    assert manifest["targets"][0]["threshold"] == 30


def test_tracks_change_nothing_else(folder, built, tmp_path):
    options = BuildOptions(**OPTIONS | {"track_width": None, "track_context": 0})
    plan = make_plan(folder / "genome.fa", folder / "targets.txt", options)
    build(plan, tmp_path / "d", quiet=True)
    without = Data.open(tmp_path / "d")
    assert (without.tracks, without.track_width, without.track_length) == ((), 0, 0)
    assert not (tmp_path / "d" / "tracks.txt").exists()
    for label in built.labels:
        assert without.windows(label) == built.windows(label)
        for (_, _, ours), (_, _, theirs) in zip(
            without.frames(label), built.frames(label), strict=True
        ):
            assert "tracks" not in ours
            assert ours == {n: v for n, v in theirs.items() if n != "tracks"}
    with pytest.raises(ConfigError, match="has no input tracks: build it with --tracks"):
        next(without.records_with_tracks("test"))
    assert forecast(planned(folder))["working_bytes"] == 2 * len(plan.windows) * (12 * 2 + 72 * 3)


def test_workers_do_not_change_the_bytes(folder, built, tmp_path):
    build(planned(folder), tmp_path / "two", workers=2, quiet=True)
    assert content(tmp_path / "two") == content(built.folder)


_KILLED = """
import json, os, signal, sys
from tfrecords_tools import build, build_options, coverage, plan
left = [int(sys.argv[1])]
def counting(function):
    def run(job):
        if not left[0]:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1
        return function(job)
    return run
coverage.run_job, build.write_shard = counting(coverage.run_job), counting(build.write_shard)
options = build_options.BuildOptions(**json.loads(sys.argv[3]))
folder = sys.argv[2]
planned = plan.make_plan(folder + "/genome.fa", folder + "/targets.txt", options)
build.build(planned, sys.argv[4], resume=True, quiet=True)
"""


@pytest.mark.parametrize("jobs", [1, 4, 7])
def test_a_killed_build_resumes_to_the_same_bytes(folder, built, tmp_path, jobs):
    """Killed before a target's bins, an input track's, and a shard are there."""
    options = json.dumps(OPTIONS | {"tracks": str(folder / "tracks.txt")})
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(jobs), folder, options, tmp_path / "d"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == -9, done.stderr
    markers = sorted(p.name for p in (tmp_path / "d" / ".build" / "done").iterdir())
    assert len(markers) == jobs
    build(planned(folder), tmp_path / "d", resume=True, quiet=True)
    assert content(tmp_path / "d") == content(built.folder)
    build(planned(folder), tmp_path / "d", resume=True, quiet=True)
    (tmp_path / "d" / "tracks.txt").unlink()
    build(planned(folder), tmp_path / "d", resume=True, quiet=True)
    assert content(tmp_path / "d") == content(built.folder)


def test_other_tracks_do_not_resume(folder, built, tmp_path):
    for changes, message in (
        ({"tracks": None, "track_width": None, "track_context": 0}, "option track.* was"),
        ({"track_context": 0}, "option track_context was 320 .* now None"),
        ({"track_width": 32}, "option track_width was 16 .* now 32"),
    ):
        with pytest.raises(UnfinishedError, match=message):
            build(planned(folder, **changes), built.folder, resume=True, quiet=True)
    table = (folder / "tracks.txt").read_text().replace("max", "mean")
    other = tmp_path / "tracks.txt"
    other.write_text(table.replace("\tA.bw", f"\t{folder}/A.bw").replace("B.bw", f"{folder}/B.bw"))
    other.write_text(other.read_text().replace("average.bw", f"{folder}/average.bw"))
    plan = planned(folder, tracks=str(other))
    plan = replace(plan, options=replace(plan.options, tracks=str(folder / "tracks.txt")))
    with pytest.raises(UnfinishedError, match="the tracks differ from when"):
        build(plan, built.folder, resume=True, quiet=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"track_width": 48}, "sequence of 512 bp is not a multiple of --track_width 48"),
        ({"track_width": 0}, "--track_width is 0, want at least 1"),
        ({"track_context": 8}, "--track_context is 8, want a multiple of --track_width 16"),
        ({"track_context": -16}, "--track_context is -16"),
        ({"tracks": None}, "name them with --tracks"),
        ({"compat": "hound", "nan": "zero"}, "--compat hound has no input tracks"),
    ],
)
def test_bad_options_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        BuildOptions(**OPTIONS | {"tracks": "tracks.txt"} | changes)


def test_the_width_is_by_default_the_targets():
    options = BuildOptions(seq_length=512, bin_width=32, tracks="t", track_context=64)
    assert (options.input_bin_width, options.track_length) == (32, 20)
    assert BuildOptions(seq_length=512, bin_width=32).track_length == 0


def write_bigwig(path, chroms, value):
    import pyBigWig

    with pyBigWig.open(str(path), "w") as track:
        track.addHeader(list(chroms.items()))
        for chrom, length in chroms.items():
            track.addEntries([chrom], [0], ends=[length], values=[value])


@pytest.mark.parametrize(
    ("chroms", "value", "row", "kind", "message"),
    [
        (CHROMS, 1.0, "C", ConfigError, "cell 'B' of target 'b' has no accessibility track"),
        (CHROMS | {"chr2": 6_000}, 1.0, "B", InputFileError, "chr2 is 6000 bp, in the genome 6100"),
        ({"1": 14_000}, 1.0, "B", InputFileError, "differ by the 'chr' prefix"),
        (CHROMS, -2.0, "B", InputFileError, r"track 'x' .* has the value -2 at chr1:0"),
        (CHROMS, float("inf"), "B", InputFileError, r"track 'x' .* has the value inf at chr1:0"),
    ],
)
def test_bad_tracks_get_a_clear_line(folder, tmp_path, chroms, value, row, kind, message):
    write_bigwig(tmp_path / "x.bw", chroms, value)
    (tmp_path / "tracks.txt").write_text(
        f"\tidentifier\tfile\tcell\n0\ta\t{folder}/A.bw\tA\n1\tx\tx.bw\t{row}\n"
    )

    def work():
        build(planned(folder, tracks=str(tmp_path / "tracks.txt")), tmp_path / "d", quiet=True)

    with pytest.raises(kind, match=message) as raised:
        work()
    assert "\n" not in str(raised.value)


def copy_of(data, tmp_path, name="copy"):
    shutil.copytree(data.folder, tmp_path / name)
    return tmp_path / name


def test_a_folder_that_contradicts_its_tracks_is_refused(built, tmp_path):
    folder = copy_of(built, tmp_path)
    text = (folder / "tracks.txt").read_text()
    (folder / "tracks.txt").write_text("\n".join(text.splitlines()[:3]) + "\n")
    with pytest.raises(InputFileError, match=r"has 2 tracks, statistics.json says 3"):
        Data.open(folder)
    (folder / "tracks.txt").unlink()
    with pytest.raises(InputFileError, match="table of input tracks"):
        Data.open(folder)
    (folder / "tracks.txt").write_text(text)
    path = folder / "statistics.json"
    stats = read_json(path)
    for changes, message in (
        ({"track_length": 40}, "record 0 has a tracks of 432 bytes; statistics.json makes it 240"),
        ({"track_length": 31}, "31 bins of input tracks of 16 bp, which do not lie evenly"),
        ({"track_length": 33}, "33 bins of input tracks of 16 bp, which do not lie evenly"),
        ({"track_length": 0}, "track_length = 0: want a whole number from 1"),
    ):
        path.write_text(json.dumps(stats | changes))
        with pytest.raises(InputFileError, match=message):
            Data.open(folder)
    path.write_text(json.dumps({k: v for k, v in stats.items() if k != "track_width"}))
    with pytest.raises(InputFileError, match="lacks track_width"):
        Data.open(folder)


def problems(folder):
    """What validate tells but for the targets' gaps, with the first detail of each kind."""
    found = validate(folder, quiet=True).problems
    return {key: e[1][0]["detail"] for key, e in found.items() if key != ("note", "NaN")}


def test_validate_looks_at_the_tracks(built, tmp_path):
    assert problems(built.folder) == {}
    folder = copy_of(built, tmp_path)
    (folder / "manifest.json").unlink()
    data = Data.open(folder)
    windowing = planned_windowing()

    def written(change, name):
        out = tmp_path / name
        out.mkdir()
        with data_writer.DataWriter(
            out, windowing, data.targets, "index", 20, "current", data.tracks, 16, 72
        ) as writer:
            for window, (_, _, features) in zip(
                data.windows("test"), data.frames("test"), strict=True
            ):
                writer.write("test", window, change(dict(features)))
            writer.finish({"made_by": "test", "options": {}, "inputs": {}, "source": {}})
        return problems(out)

    def negative(features):
        x = np.frombuffer(features["tracks"], np.float16).copy()
        x[3 * 5 + 1] = -1
        return features | {"tracks": x.tobytes()}

    def fraction(features):
        y = np.frombuffer(features["target"], np.float16).copy()
        y[4] = 0.5
        return features | {"target": y.tobytes()}

    assert written(lambda f: f, "same") == {}
    assert written(negative, "negative") == {
        ("error", "input track"): "1 bins are infinite or negative; first track db bin 5, -1.0"
    }
    found = written(fraction, "fraction")
    assert list(found) == [("error", "label")]
    assert "1 bins of 1 targets are neither 0 nor 1" in found["error", "label"]
    short = written(lambda f: f | {"tracks": f["tracks"][:-6]}, "short")
    assert "statistics.json makes it 432 (72 bins of 3" in short["error", "size"]
    (folder / "tracks.txt").write_text("no table\n")
    assert ("error", "table of input tracks") in problems(folder)


def planned_windowing():
    return BuildOptions(**OPTIONS | {"tracks": "t"}).windowing()


def test_select_keeps_the_tracks(built, tmp_path):
    for encoding in (None, "packed"):
        out = tmp_path / f"out-{encoding}"
        options = SelectOptions((1,), labels=("test",), encoding=encoding)
        manifest = select_records(built, out, options, quiet=True)
        made = Data.open(out)
        assert made.tracks == built.tracks
        assert "3 input tracks" in data_writer.describe(out, manifest)
        for (_, _, ours), (_, _, theirs) in zip(
            made.records_with_tracks("test"), built.records_with_tracks("test"), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)
        assert [t["identifier"] for t in manifest["input_tracks"]] == ["da", "db", "mean"]
        assert problems(out) == {}


def test_rewindow_crops_the_tracks_with_the_window(folder, built, tmp_path):
    """The new windows' tracks are those that a build of such windows would hold."""
    target = select_records(built, tmp_path / "b", SelectOptions((1,)), quiet=True)
    assert target["statistics"]["num_targets"] == 1
    old = Data.open(tmp_path / "b")
    rewindow(old, tmp_path / "r", RewindowOptions(128, 32, 32, shuffle_mib=0), quiet=True)
    made = Data.open(tmp_path / "r")
    assert (made.track_width, made.track_length) == (16, (128 + 640) // 16)
    row = replace(read_tracks(folder / "tracks.txt")[1], file=str(folder / "B.bw"))
    track = open_track(row.file)
    windows = made.windows("test")
    margin = 32 + 320
    places = [(w.chrom, w.start - margin, w.end + margin) for w in windows]
    want = track_windows(track, row, places, 16, CHROMS)
    track.close()
    for bins, (_, _, tracks) in zip(want, made.records_with_tracks("test"), strict=True):
        np.testing.assert_array_equal(tracks[:, 1], bins)
    with pytest.raises(ConfigError, match=r"a sequence 136 does not suit .* bins of 16 bp"):
        rewindow(old, tmp_path / "x", RewindowOptions(136, 32, 4), quiet=True)
    with pytest.raises(ConfigError, match="starts at base 56 does not suit"):
        rewindow(old, tmp_path / "x", RewindowOptions(112, 32, 8), quiet=True)
    with pytest.raises(ConfigError, match=r"cannot untransform target 'a': .* threshold 30"):
        rewindow(built, tmp_path / "x", RewindowOptions(128, 32, 32), quiet=True)


def test_info_tells_of_the_tracks(built, small_data):
    found = describe(built, quiet=True)
    assert found["features"]["tracks"] == 432
    assert found["tracks"][1] == {"identifier": "db", "cell": "B", "assay": "ATAC"}
    assert (
        "3 input tracks, of cells A, B, average: 72 bins of 16 bp, 320 bp beyond the sequence "
        "on either side"
    ) in as_text(found)
    plain = describe(Data.open(small_data), quiet=True)
    assert "tracks" not in plain
    assert "input tracks" not in as_text(plain)


def test_joined_folders_have_the_same_tracks(built, tmp_path):
    other = Data.open(copy_of(built, tmp_path))
    both = join([built, other])
    assert (both.tracks, both.layout) == (built.tracks, built.layout)
    assert sum(1 for _ in both.records_with_tracks("test")) == 2 * built.counts["test"]
    a, b, c = other.tracks
    for changes, message in (
        ({"track_width": 32}, "track_width is 16 in .* and 32 in"),
        ({"tracks": ()}, "has tracks da, db, mean, .* has none: want the same"),
        ({"tracks": (b, a, c)}, "want the same in the same order"),
        ({"tracks": (replace(a, cell="Z"), b, c)}, "cell of track 'da' is A in .* and Z in"),
        ({"targets": (replace(built.targets[0], threshold=2.0), built.targets[1])}, "threshold of"),
    ):
        with pytest.raises(ConfigError, match=message):
            join([built, replace(other, **changes)])


def test_tracks_that_are_hardly_covered_are_told(folder, tmp_path, caplog):
    import pyBigWig

    with pyBigWig.open(str(tmp_path / "x.bw"), "w") as track:
        track.addHeader(list(CHROMS.items()))
        track.addEntries(["chr1"], [0], ends=[2_000], values=[1.0])
    (tmp_path / "tracks.txt").write_text(
        f"\tidentifier\tfile\tcell\tnan\n0\ta\t{folder}/A.bw\tA\t\n1\tx\tx.bw\tB\tkeep\n"
        "2\ty\tx.bw\tC\tzero\n"
    )
    build(planned(folder, tracks=str(tmp_path / "tracks.txt")), tmp_path / "d", quiet=True)
    told = [r.getMessage() for r in caplog.records if "not measured" in r.getMessage()]
    assert len(told) == 1
    assert told[0].startswith("input track x: 9")
    _, _, tracks = next(Data.open(tmp_path / "d").records_with_tracks("test"))
    assert np.isnan(tracks[:, 1]).all()
    assert not np.isnan(tracks[30:, 2]).any()


def test_the_commands_take_input_tracks(folder, built, tmp_path, run_script):
    windows = ["-l", "512", "-w", "32", "-c", "64", "--stride", "256", "--stride_test", "256"]
    tracks = ["--tracks", folder / "tracks.txt", "--track_width", "16", "--track_context", "320"]
    rest = ["-v", "chr2", "-t", "chr3", "-r", "20", "--nan", "keep", "-q"]
    inputs = [*windows, *tracks, *rest, folder / "genome.fa", folder / "targets.txt"]
    done = run_script("tfepi_data.py", "-o", tmp_path / "d", *inputs)
    assert done.stdout.splitlines()[-1].endswith(": 96 records")
    made, there = content(tmp_path / "d"), content(built.folder)
    for found in (made, there):
        del found["manifest.json"]  # which says 256.0 where the fixture says 256
    assert made == there
    checked = run_script("tfepi_check.py", *inputs)
    assert "db (input)" in checked.stdout
    assert "different assays are mixed (DNase of A; ATAC of B)" in checked.stderr
    text = (folder / "tracks.txt").read_text().replace("\tB\t", "\tD\t")
    (tmp_path / "tracks.txt").write_text(text.replace("\tA.bw", f"\t{folder}/A.bw"))
    inputs[inputs.index(folder / "tracks.txt")] = tmp_path / "tracks.txt"
    refused = run_script("tfepi_data.py", "-o", tmp_path / "e", *inputs, check=False)
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert "cell 'B' of target 'b' has no accessibility track" in refused.stderr
    assert not (tmp_path / "e" / "run.json").exists()
