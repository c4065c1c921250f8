"""The same bins and records as existing tools, for the same genome, tracks and options."""

import shlex
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfrecords_tools import compat, compat_layout, coverage, signal_jobs
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import read_json
from tfrecords_tools.framing import read_frames
from tfrecords_tools.intervals import merged, read_bed
from tfrecords_tools.pooling import BLACKLIST_MARGIN, Pooling, window_values
from tfrecords_tools.records import parse_example
from tfrecords_tools.signal_jobs import SignalJob
from tfrecords_tools.targets import Target, read_targets
from tfrecords_tools.tracks import open_track

STATISTICS = ("sum", "mean", "avg", "max", "sum_sqrt", "mean_sqrt", "peak", "sum_exp75")
MODES = ("plain", "interp", "opts")
OLD_STATISTICS = ("sum", "sum_sqrt", "mean_sqrt")
CLIPS = {"clip": 64.0, "clip_soft": 32.0, "scale": 2.0}
HALF_ULP = 2.0**-11
FOLDERS = ("basenji_full", "hound_full", "basenji_folds")
TOOL_BINS = [
    (tool, statistic, mode)
    for tool in ("basenji", "hound")
    for statistic in STATISTICS
    for mode in MODES
    if (tool, statistic) != ("basenji", "sum_exp75")  # which the tool does not know
]
COMPAT_BINS = TOOL_BINS + [("houndold", statistic, "opts") for statistic in OLD_STATISTICS]
STOPPED = {"basenji_median_plain": "median", "basenji_sum_exp75_plain": "sum_exp75"}


@pytest.fixture(scope="module")
def fixture(test_data):
    return test_data / "fixtures" / "basenji"


def blacklisted(fixture, chrom, start, end):
    """Spans that touch a window, in its coordinates."""
    spans = merged(read_bed(fixture / "blacklist.bed")).get(chrom, np.empty((0, 2), int))
    spans = spans + np.array([-BLACKLIST_MARGIN, BLACKLIST_MARGIN])
    return spans[(spans[:, 0] < end) & (spans[:, 1] > start)] - start


@pytest.fixture(scope="module")
def windows(fixture):
    """Signal of t1.bw and blacklist of each window of the fixture."""
    track = open_track(fixture / "t1.bw")
    found = []
    for line in (fixture / "basenji_full" / "sequences.bed").read_text().splitlines():
        chrom, start, end, _ = line.split()
        span = (chrom, int(start), int(end))
        found.append((track.values(*span), blacklisted(fixture, *span)))
    track.close()
    return found


@pytest.mark.parametrize(("tool", "statistic", "mode"), TOOL_BINS)
def test_bins(fixture, windows, tool, statistic, mode):
    with h5py.File(fixture / "stats" / f"{tool}_{statistic}_{mode}.h5") as file:
        wanted = file["targets"][:]
    target = Target(0, "t1", sum_stat=statistic, **(CLIPS if mode == "opts" else {}))
    pooling = Pooling(128, target, "interpolate" if mode == "interp" else "zero")
    # Basenji clips in float16; a power's last bit depends on the library.
    rounded = statistic == "sum_exp75" or (tool, statistic, mode) == ("basenji", "max", "opts")
    compared = 0
    for (signal, spans), theirs in zip(windows, wanted, strict=True):
        spans = spans if mode == "opts" else spans[:0]
        if len(spans) and spans[0, 0] < 0:
            ours = window_values(signal, pooling, spans[spans[:, 0] >= 0])  # as the tools do
        else:
            ours = window_values(signal, pooling, spans)
        np.testing.assert_allclose(ours, theirs, rtol=4 * HALF_ULP if rounded else 0, atol=0)
        compared += 1
    assert compared == 179


def compat_bins(fixture, folder, bed, target, nan, blacklist, tool):
    """A track's bins over a BED's windows, through the build's own stage: float16 [n, bins]."""
    windows = read_bed(fixture / bed)
    order = sorted(range(len(windows)), key=lambda i: windows[i])
    (folder / "signal").mkdir()
    job = SignalJob(
        track=0,
        block=0,
        file=str(fixture / "t1.bw"),
        pooling=Pooling(128, target, nan),
        chroms=signal_jobs._runs([windows[i].chrom for i in order]),
        starts=np.array([windows[i].start for i in order]),
        ranks=np.array(order),
        length=len(windows[0]),
        total=len(windows),
        blacklist=blacklist,
        folder=folder,
        compat=tool,
    )
    marker = coverage.run_job(job)
    limit = np.float16(coverage.summarise([job], [marker])[0].limit)
    bins = np.fromfile(job.path, np.float16)
    return np.clip(bins.reshape(len(windows), job.bins), -limit, limit)


@pytest.mark.parametrize(("tool", "statistic", "mode"), COMPAT_BINS)
def test_compat_gives_every_bin_of_the_tool(fixture, tmp_path, tool, statistic, mode):
    with h5py.File(fixture / "stats" / f"{tool}_{statistic}_{mode}.h5") as file:
        wanted = file["targets"][:]
    target = Target(0, "t1", sum_stat=statistic, **(CLIPS if mode == "opts" else {}))
    blacklist = {}
    if mode == "opts" and tool != "houndold":  # whose files were made without
        blacklist = compat_layout.blacklist(read_bed(fixture / "blacklist.bed"))
    bed = "basenji_full/sequences.bed"
    nan = "interpolate" if mode == "interp" else "zero"
    name = tool.replace("houndold", "hound_old")
    got = compat_bins(fixture, tmp_path, bed, target, nan, blacklist, name)
    assert got.shape == wanted.shape == (179, 96)
    power = statistic == "sum_exp75" or (tool == "houndold" and statistic != "sum")
    if power and (got != wanted).any():
        # The last bit of a float32 power depends on the processor's instructions, in the tool as
        # here: it may move a value that lies between two float16 numbers to the other.
        differ = got != wanted
        assert differ.sum() == 1
        assert np.nextafter(got[differ], wanted[differ]) == wanted[differ]
    else:
        np.testing.assert_array_equal(got, wanted)


def test_compat_takes_an_empty_clip_for_none(fixture, tmp_path):
    with h5py.File(fixture / "stats" / "clip_nan.h5") as file:
        wanted = file["targets"][:]
    (tmp_path / "targets.txt").write_text("\tidentifier\tfile\tclip\n0\tT1\tt1.bw\t\n")
    (target,) = read_targets(tmp_path / "targets.txt")
    target = compat.given(target, "basenji")
    got = compat_bins(fixture, tmp_path, "five.bed", target, "zero", {}, "basenji")
    assert got.shape == (5, 96)
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", STOPPED)
def test_compat_refuses_what_the_tool_stops_at(fixture, tmp_path, name):
    """It left a file without data behind."""
    with h5py.File(fixture / "stats" / f"{name}.h5") as file:
        assert list(file) == []
    table = tmp_path / "targets.txt"
    table.write_text(f"\tidentifier\tfile\tsum_stat\n0\tT1\tt1.bw\t{STOPPED[name]}\n")
    with pytest.raises(ConfigError, match=f"sum_stat '{STOPPED[name]}'"):
        compat.given(read_targets(table)[0], "basenji")


def test_every_file_of_bins_is_compared(fixture):
    compared = {"_".join(case) for case in COMPAT_BINS} | {"clip_nan", *STOPPED}
    assert {p.stem for p in (fixture / "stats").glob("*.h5")} == compared


def shards(folder: Path) -> dict[str, list[dict[str, bytes]]]:
    """Return file name → features of each record."""
    return {
        path.name: [parse_example(data) for data in read_frames(path)]
        for path in sorted((folder / "tfrecords").glob("*.tfr"))
    }


def records(folder: Path) -> dict:
    """Return (chrom, start, end) of the cropped window → features of its record."""
    rows = [line.split() for line in (folder / "sequences.bed").read_text().splitlines()]
    read, found = shards(folder), {}
    for label in dict.fromkeys(row[3] for row in rows):
        spans = [(c, int(s), int(e)) for c, s, e, name in rows if name == label]
        names = [name for name in read if name.startswith(f"{label}-")]
        names.sort(key=lambda name: int(Path(name).stem.split("-")[1]))
        found |= dict(zip(spans, [f for name in names for f in read[name]], strict=True))
    return found


def command(fixture: Path, name: str) -> tuple[str, list[str]]:
    """Return the tool that made a folder, and its arguments without the output."""
    script, *arguments = shlex.split((fixture / f"{name}.cmd.txt").read_text())
    if "-o" in arguments:
        at = arguments.index("-o")
        del arguments[at : at + 2]
    return script.removesuffix("_data.py"), arguments


def built(fixture, tmp_path, run_script, monkeypatch, name, *extra):
    """Build with the command that made a folder; return the new folder."""
    monkeypatch.chdir(fixture)
    _, arguments = command(fixture, name)
    run_script("tfepi_data.py", "-q", *arguments, *extra, "-o", tmp_path / "ours")
    return tmp_path / "ours"


@pytest.mark.parametrize(("name", "common"), list(zip(FOLDERS, (179, 179, 501), strict=True)))
def test_records(fixture, tmp_path, run_script, monkeypatch, name, common):
    ours = records(built(fixture, tmp_path, run_script, monkeypatch, name))
    theirs = records(fixture / name)
    both = sorted(ours.keys() & theirs.keys())
    # They drop a contig (docs/formats.md) and so cut others at other places.
    assert len(both) == common
    left_out = 0
    for window in both:
        assert ours[window]["sequence"] == theirs[window]["sequence"]
        assert ours[window].get("umap") == theirs[window].get("umap")
        spans = blacklisted(fixture, *window)
        if name != "basenji_folds" and len(spans) and spans[0, 0] < 0:
            left_out += 1  # theirs skip a blacklisted interval that starts before the window
            continue
        assert ours[window]["target"] == theirs[window]["target"]
    assert left_out == (0 if name == "basenji_folds" else 3)


@pytest.mark.parametrize(("name", "count"), list(zip(FOLDERS, (179, 179, 557), strict=True)))
def test_compat_gives_every_record_of_the_tool(
    fixture, tmp_path, run_script, monkeypatch, name, count
):
    tool, _ = command(fixture, name)
    ours = built(fixture, tmp_path, run_script, monkeypatch, name, "--compat", tool)
    for file in ("sequences.bed", "contigs.bed"):
        assert (ours / file).read_bytes() == (fixture / name / file).read_bytes()
    stated = read_json(ours / "statistics.json")
    assert stated == read_json(fixture / name / "statistics.json")
    got, wanted = shards(ours), shards(fixture / name)
    assert {n: len(f) for n, f in got.items()} == {n: len(f) for n, f in wanted.items()}
    compared = 0
    for file, features in wanted.items():
        for mine, theirs in zip(got[file], features, strict=True):
            targets = [np.frombuffer(f.pop("target"), np.float16) for f in (mine, theirs)]
            np.testing.assert_array_equal(*targets)
            assert mine == theirs  # the sequence, and umap where it is stored
            compared += 1
    assert compared == count
