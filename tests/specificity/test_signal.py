"""Signal in peaks: from tracks and from records, against plain sums over bases."""

import numpy as np
import pytest

from tfepi.specificity.named_peaks import named_peaks, named_signal
from tfepi.specificity.options_given import split_names
from tfepi.specificity.peak_calls import CallRule
from tfepi.specificity.record_signal import RecordSignal
from tfepi.specificity.track_signal import TrackSignal
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.targets import Target

LENGTH, WIDTH = 2000, 16


@pytest.fixture
def values():
    """Two cell types' values of each base, float16 numbers; NaN where nothing is known."""
    rng = np.random.default_rng(8)
    found = np.repeat(rng.gamma(1, 2, (2, LENGTH // 4)), 4, axis=1).astype(np.float16).astype(float)
    found[1, 800:900] = np.nan
    return found


@pytest.fixture
def tracks(tmp_path, write_bigwig, values):
    """A targets table of two bigWigs, each with a scale, a clip and a statistic of its own."""
    for i in range(2):
        write_bigwig(tmp_path / f"t{i}.bw", {"chr1": values[i]})
    table = tmp_path / "targets.txt"
    table.write_text(
        "\tidentifier\tfile\tscale\tclip\tsum_stat\tpeaks\n"
        "0\ta\tt0.bw\t2\t\tmean\ta.bed\n"
        "1\tb\tt1.bw\t1\t100\tsum\tb.bed\n"
    )
    (tmp_path / "a.bed").write_text("chr1\t100\t150\nchr1\t140\t180\n")
    (tmp_path / "b.bed").write_text("chr1\t790\t860\n")
    return table


def test_signal_of_tracks(tracks, values):
    source = named_signal(tracks)
    found = source.at([Interval("chr1", 100, 160), Interval("chr1", 790, 860)])
    assert source.cell_types == ("a", "b")
    mean = [2 * values[0, 100:160].mean(), 2 * values[0, 790:860].mean()]
    assert found[:, 0] == pytest.approx(mean, rel=2e-3)
    total = [values[1, 100:160].sum(), np.nansum(values[1, 790:860])]
    assert found[:, 1] == pytest.approx(np.minimum(total, 100), rel=2e-3)  # clipped; NaN is 0


def test_missing_values_stay_missing_if_asked(tracks):
    found = named_signal(tracks, nan="keep").at([Interval("chr1", 790, 860)])
    assert np.isnan(found).tolist() == [[False, True]]


def test_bins_called_from_tracks(tracks, values):
    source = named_signal(tracks, names=["a"])
    [found], [limit] = source.calls(CallRule(0.9, width=WIDTH))
    bins = 2 * values[0].reshape(-1, WIDTH).mean(axis=1)
    opened = np.flatnonzero(bins > limit)
    covered = np.concatenate([np.arange(a, b) for a, b in found["chr1"]])
    assert limit == pytest.approx(np.quantile(bins, 0.9, method="inverted_cdf"), rel=2e-3)
    assert (
        covered.tolist()
        == np.concatenate([np.arange(i * WIDTH, (i + 1) * WIDTH) for i in opened]).tolist()
    )
    assert (
        source.calls(CallRule(width=WIDTH), ["chr1"])[1] == source.calls(CallRule(width=WIDTH))[1]
    )


def test_tracks_without_lengths(tmp_path):
    (tmp_path / "a.bed").write_text("chr1\t5\t9\n")
    source = TrackSignal([Target(0, "a", file=str(tmp_path / "a.bed"))])
    assert source.at([Interval("chr1", 0, 10)]).tolist() == [[4.0]]
    with pytest.raises(InputFileError, match="give peaks with --peaks"):
        source.calls(CallRule())


@pytest.fixture
def data(write_records):
    """Records of windows of 4 bins of 16 bp, in no order, two of which overlap."""
    rng = np.random.default_rng(2)
    kept = {}

    def values(row):
        kept[row] = rng.gamma(1, 2, (4, 2)).astype(np.float16)
        if row == 1:
            kept[row][2:, 1] = np.nan
        return kept[row]

    targets = (Target(0, "a", sum_stat="mean"), Target(1, "b", sum_stat="mean"))
    starts = [256, 64, 96, 640]
    sizes = {"seq_length": 128, "crop": 32, "width": WIDTH}
    made = write_records(
        {"train": 3, "test": 1}, starts=starts, targets=targets, values=values, **sizes
    )
    return made, dict(zip(starts, (kept[r] for r in range(4)), strict=True))


def test_signal_of_records(data):
    made, kept = data
    peaks = [
        Interval("chr1", 70, 150),
        Interval("chr1", 264, 280),
        Interval("chr1", 690, 800),
        Interval("chr2", 0, 9),
    ]
    found = RecordSignal(made).at(peaks)
    for row, peak in enumerate(peaks):
        total, weight = np.zeros(2), np.zeros(2)
        for start, value in kept.items():
            for b in range(4):
                low = start + b * WIDTH
                shared = min(low + WIDTH, peak.end) - max(low, peak.start)
                if peak.chrom == "chr1" and shared > 0:
                    seen = ~np.isnan(value[b])
                    total += shared * np.where(seen, value[b], 0).astype(float)
                    weight += shared * seen
        expected = np.where(weight >= len(peak) / 2, total / np.maximum(weight, 1), np.nan)
        np.testing.assert_allclose(found[row], expected, rtol=1e-5)
    assert np.isnan(found[2]).all()  # of 110 bp only 14 lie in a window
    assert np.isnan(found[3]).all()


def test_bins_called_from_records(data):
    made, kept = data
    found, limits = RecordSignal(made, [1]).calls(CallRule(0.5, width=999))
    opened = set()
    for start, value in kept.items():
        for b in np.flatnonzero(value[:, 1].astype(float) > limits[0]):
            opened |= set(range(start + b * WIDTH, start + (b + 1) * WIDTH))
    assert {int(p) for a, b in found[0]["chr1"] for p in range(a, b)} == opened
    with pytest.raises(InputFileError, match=r"no window of .* lies on chr9: .* are on chr1;"):
        RecordSignal(made).calls(CallRule(), ["chr9"])
    everything = np.concatenate([v[:, 1] for v in kept.values()]).astype(float)
    assert limits[0] == np.quantile(everything[everything > 0], 0.5, method="inverted_cdf")


def test_records_that_are_not_as_many_as_windows(data):
    made, _ = data
    path = made.folder / "sequences.bed"
    lines = path.read_text().splitlines(keepends=True)
    for kept, count in ((lines[1:], 2), ([*lines, lines[0]], 4)):
        path.write_text("".join(kept))
        with pytest.raises(InputFileError, match=f"has 3 records, sequences.bed lists {count}"):
            RecordSignal(made).at([Interval("chr1", 0, 10)])


def test_peaks_of_a_command_line(tracks, tmp_path):
    source = named_signal(tracks)
    sets, files = named_peaks(None, source)  # the table's own
    assert sets["a"]["chr1"].tolist() == [[100, 180]]
    assert set(files) == {"peaks a", "peaks b"}
    a, b = tmp_path / "a.bed", tmp_path / "b.bed"
    assert named_peaks([str(a)], source)[0]["chr1"].tolist() == [[100, 180]]
    assert set(named_peaks([f"b={b}", f"a={a}"], source)[0]) == {"a", "b"}
    for given, message in (
        ([str(a), str(b)], "is of no named cell type"),
        ([f"a={a}", f"c={b}"], "unknown cell type 'c'"),
        ([f"a={a}", f"a={b}"], "names 'a' twice"),
        ([f"a={a}"], "b of 2 cell types have no peaks"),
    ):
        with pytest.raises(ConfigError, match=message):
            named_peaks(given, source)


def test_signal_that_is_not_there(tmp_path, tracks):
    with pytest.raises(InputFileError, match="name a targets table or a data folder"):
        named_signal(tmp_path / "none")
    with pytest.raises(ConfigError, match="unknown NaN policy 'drop'"):
        named_signal(tracks, nan="drop")


def test_peaks_of_another_genome(data, tracks):
    for source in (RecordSignal(data[0]), named_signal(tracks)):
        with pytest.raises(InputFileError, match=r"chr9.*chr1"):
            source.at([Interval("chr9", 0, 10)])
    with pytest.raises(InputFileError, match=r"track of a: .* no chromosome 'chr9': .*--chroms"):
        named_signal(tracks).calls(CallRule(), ["chr9"])


def test_names_with_commas(tracks, tmp_path):
    assert named_signal(tracks, names=["b,a"]).cell_types == ("b", "a")
    assert named_signal(tracks, names=["b", "a"]).cell_types == ("b", "a")
    with pytest.raises(ConfigError, match="',' has no name"):
        named_signal(tracks, names=[","])
    targets = (Target(0, "liver, adult"), Target(1, "lung"))
    assert split_names(["liver, adult", "lung"], targets) == ["liver, adult", "lung"]
    assert split_names(None, targets) == []
    table = tmp_path / "a,b.txt"
    table.touch()
    assert split_names([str(table)], targets) == [str(table)]


def test_peaks_are_called_where_no_table_names_them(data):
    source = named_signal(data[0].folder, ["b"])
    assert source.cell_types == ("b",)
    assert named_peaks(None, source) == (None, {})
