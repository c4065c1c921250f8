import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyBigWig
import pytest

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.record_bigwig import file_names, write_bigwigs
from tfrecords_tools.targets import Target
from tfrecords_tools.transforms import inverse


def plainly(data, column, length, style=None):
    """Per base, the mean over the windows that cover it, one window and bin at a time."""
    total, count = np.zeros(length), np.zeros(length)
    for label in data.labels:
        for window, (_, y) in zip(data.windows(label), data.records(label), strict=True):
            for row, value in enumerate(y[:, column].astype(np.float64)):
                if style:
                    value = float(inverse(value, data.targets[column], style))
                if not np.isnan(value):
                    start = window.start + row * data.pool_width
                    total[start : start + data.pool_width] += value
                    count[start : start + data.pool_width] += 1
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)


def test_every_base_has_its_bin(write_records, tmp_path):
    data = write_records(starts=[64 + 400 * n for n in (7, 2, 9, 0, 11, 4, 3, 8, 1, 5, 6, 12)])
    files = write_bigwigs(data, tmp_path / "out", quiet=True)
    assert [f.name for f in files] == ["plus.bw", "minus.bw", "dnase.bw", "top.bw"]
    for column, file in enumerate(files):
        found = pyBigWig.open(str(file))
        length = found.chroms()["chr1"]
        assert length == 64 + 400 * 12 + 384
        wanted = plainly(data, column, length)
        np.testing.assert_array_equal(found.values("chr1", 0, length, numpy=True), wanted)
    run = json.loads((tmp_path / "out/run.json").read_text())
    assert (run["outcome"], run["overlapping_windows"]) == ("finished", 0)
    assert sorted(p.name for p in (tmp_path / "out").iterdir() if p.name[0] != ".") == sorted(
        [f.name for f in files] + ["run.json"]
    )


def test_overlapping_windows_are_averaged(write_records, tmp_path, caplog):
    """Also where their bins are out of step, and where some have no value."""

    def values(row):
        rng = np.random.default_rng(row)
        y = rng.gamma(0.5, 9, (24, 4)).astype(np.float16)
        y[rng.random((24, 4)) < 0.3] = np.nan
        return y

    starts = [64, 64, 80, 117, 300, 448, 460, 900, 1284, 1290, 64, 5000]
    data = write_records(starts=starts, values=values)
    caplog.set_level("INFO")
    files = write_bigwigs(data, tmp_path / "out", style="current", quiet=True)
    assert "bins are means where windows overlap the one before: 8 windows" in caplog.text
    for column, file in enumerate(files):
        wanted = plainly(data, column, 5384, "current")
        found = pyBigWig.open(str(file)).values("chr1", 0, 5384, numpy=True)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)


def test_several_chromosomes_labels_and_targets(write_records, tmp_path):
    data = write_records({"train": 4, "valid": 2})
    bed = data.folder / "sequences.bed"
    rows = bed.read_text().splitlines()
    chroms = ["chr2", "chr10", "chr2", "chr1", "chr10", "chrX"]
    bed.write_text(
        "".join(r.replace("chr1", c, 1) + "\n" for r, c in zip(rows, chroms, strict=True))
    )
    sizes = tmp_path / "genome.fa.fai"
    sizes.write_text("".join(f"{c}\t9000\t6\t60\t61\n" for c in ("chrX", "chr1", "chr2", "chr10")))
    (tmp_path / "genome.fa").write_text(">chrX\n")
    for place in (sizes, tmp_path / "genome.fa"):
        files = write_bigwigs(
            data, tmp_path / "out", "dnase,0", ["train"], place, overwrite=True, quiet=True
        )
        assert [f.name for f in files] == ["dnase.bw", "plus.bw"]
        found = pyBigWig.open(str(files[0]))
        assert set(found.chroms().items()) == {(c, 9000) for c in ("chrX", "chr1", "chr2", "chr10")}
        assert found.intervals("chrX") is None
        for window, (_, y) in zip(data.windows("train"), data.records("train"), strict=True):
            bins = found.values(window.chrom, window.start, window.end, numpy=True)
            np.testing.assert_array_equal(bins, np.repeat(y[:, 2], 16).astype(np.float32))


def test_clipped_bins_are_told_when_undone(write_records, tmp_path, caplog):
    data = write_records({"train": 2}, values=lambda row: np.full((24, 4), 32, np.float16))
    write_bigwigs(data, tmp_path / "a", quiet=True)
    assert "hard clip" not in caplog.text
    write_bigwigs(data, tmp_path / "b", style="current", quiet=True)
    assert "dnase: 48 bins at the hard clip" in caplog.text


def test_file_names():
    names = ["a+", "a b/c", "..x", "GTEX-1.1"]
    targets = tuple(Target(i, n) for i, n in enumerate(names))
    assert file_names(targets) == ["a+.bw", "a_b_c.bw", "x.bw", "GTEX-1.1.bw"]
    with pytest.raises(ConfigError, match=r"'a b/c' and 'a_b_c' would both be written to a_b_c"):
        file_names((*targets, Target(9, "a_b_c")))


def test_refused(write_records, tmp_path, monkeypatch):
    data, out, sizes = write_records(), tmp_path / "out", tmp_path / "sizes"
    sizes.write_text("chr2 100000\n")
    with pytest.raises(InputFileError, match="has no chromosome 'chr1'"):
        write_bigwigs(data, out, sizes=sizes, quiet=True)
    sizes.write_text("chr1 1000\n")
    with pytest.raises(InputFileError, match=r"window chr1:832-1216 ends beyond chr1, .* 1000 bp"):
        write_bigwigs(data, out, sizes=sizes, quiet=True)
    with pytest.raises(ConfigError, match="unknown target 'tip'"):
        write_bigwigs(data, out, "tip", quiet=True)
    with pytest.raises(ConfigError, match="unknown label 'test'"):
        write_bigwigs(data, out, labels=["test"], quiet=True)
    with pytest.raises(ConfigError, match="unknown untransform style 'new'"):
        write_bigwigs(data, out, style="new", quiet=True)
    peaks = replace(data, targets=(*data.targets[:3], Target(3, "p", sum_stat="peak")))
    with pytest.raises(ConfigError, match="'p': sum_stat 'peak' has no inverse"):
        write_bigwigs(peaks, out, style="current", quiet=True)
    with pytest.raises(ConfigError, match="overlap: name another"):
        write_bigwigs(data, data.folder, quiet=True)
    assert not out.exists()
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=100))
    with pytest.raises(
        ConfigError, match=r"out needs .* kB, its disk has 100 B: choose fewer --targets"
    ):
        write_bigwigs(data, out, quiet=True)
    monkeypatch.undo()
    write_bigwigs(data, out, "top", quiet=True)
    with pytest.raises(UnfinishedError, match="has results"):
        write_bigwigs(data, out, "top", quiet=True)


def test_places_that_are_not_known(write_records, tmp_path):
    data = write_records()
    bed = data.folder / "sequences.bed"
    bed.write_text("".join(bed.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(InputFileError, match="lists 2 windows of valid, its shards hold 3 records"):
        write_bigwigs(data, tmp_path / "out", quiet=True)
    assert not list((tmp_path / "out").glob("*.bw"))


def test_older_windows_with_their_crop(write_records, tmp_path):
    data = write_records()
    wanted = write_bigwigs(data, tmp_path / "a", "top", quiet=True)[0]
    bed = data.folder / "sequences.bed"
    rows = [r.split("\t") for r in bed.read_text().splitlines()]
    bed.write_text("".join(f"{c}\t{int(s) - 64}\t{int(e) + 64}\t{n}\n" for c, s, e, n in rows))
    found = write_bigwigs(Data.open(data.folder), tmp_path / "b", "top", quiet=True)[0]
    length = 64 + 12 * 384
    assert pyBigWig.open(str(found)).chroms() == {"chr1": length}
    ours, theirs = (pyBigWig.open(str(p)).intervals("chr1") for p in (wanted, found))
    assert ours == theirs


def test_the_tracks_of_human_records(test_data, tmp_path):
    human = test_data / "data/human"
    data = Data.open(human / "basenji_records")
    [file] = write_bigwigs(data, tmp_path / "out", "ENCFF136DBS", ["valid"], quiet=True)
    found, given = (pyBigWig.open(str(p)) for p in (file, human / "dnase/HepG2.bw"))
    rows = (human / "windows_contigs.tsv").read_text().splitlines()[1:]
    contigs = {(r.split("\t")[1], int(r.split("\t")[2])): r.split("\t")[0] for r in rows}
    for window in data.windows("valid"):
        name = contigs[window.chrom, window.start - data.crop_bp]
        np.testing.assert_array_equal(
            found.values(window.chrom, window.start, window.end, numpy=True),
            given.values(name, data.crop_bp, data.crop_bp + len(window), numpy=True),
        )


def ones_but(row, column, value):
    """Return a function from a record's row to ones, in that of row 1 with another value."""

    def values(record):
        y = np.ones((24, 4), np.float16)
        y[row, column] = value if record == 1 else 1
        return y

    return values


def test_infinite_bins_are_left_out_and_told(write_records, tmp_path, caplog):
    data = write_records({"train": 3}, values=ones_but(5, 2, np.inf))
    write_bigwigs(data, tmp_path / "out", quiet=True)
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == [
        "dnase: left out 1 infinite bin"
    ]
    start = 64 + 384 + 5 * 16
    found = pyBigWig.open(str(tmp_path / "out/dnase.bw"))
    assert np.isnan(found.values("chr1", start, start + 16)).all()
    assert found.header()["sumData"] == 3 * 384 - 16


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [(2, -np.inf, "'dnase' has an infinite value"), (0, -1.5, "'plus' has a value of -1.5")],
)
def test_values_that_transforms_cannot_give(write_records, tmp_path, column, value, message):
    data = write_records({"train": 2}, values=ones_but(3, column, value))
    write_bigwigs(data, tmp_path / "as_stored", quiet=True)
    with pytest.raises(InputFileError, match=f"train-0.tfr record 1: target {message}"):
        write_bigwigs(data, tmp_path / "out", style="current", quiet=True)
