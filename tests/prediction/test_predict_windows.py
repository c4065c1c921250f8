import json
import tracemalloc

import h5py
import numpy as np
import pyBigWig
import pytest

from tfepi.prediction import run as run_module
from tfepi.prediction.options import Request, default_part_windows, names
from tfepi.prediction.run import predict_windows
from tfepi.prediction.windows import Place, Site
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.genome import Genome
from tfrecords_tools.targets import Target

INTERVALS = (("chr2", 500, 601), ("chr10", 0, 1), ("chr2", 10, 12), ("chr2", 541, 542))


@pytest.fixture
def run(tmp_path, fasta, toy):
    def predict(place, request=Request(batch_size=3), name="out", model=None, **options):  # noqa: B008
        model = model or toy.predictor()
        options = {"quiet": True, "part_windows": 4} | options
        return predict_windows(
            lambda: model, toy.spec(), place, fasta, tmp_path / name, request, **options
        )

    predict.out = tmp_path / "out"
    return predict


def read(folder):
    with h5py.File(folder / "predict.h5") as file:
        return {name: file[name][()] for name in file} | dict(file.attrs)


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_bed_is_predicted_as_one_window_at_a_time(run, bed, alone):
    found = read(run(Place(bed(*INTERVALS))))
    starts = [550 - 32, -32, 11 - 32, 541 - 32]
    for row, (start, (chrom, *_)) in enumerate(zip(starts, INTERVALS, strict=True)):
        np.testing.assert_allclose(found["preds"][row], alone(chrom, start), rtol=1e-6)
        assert found["chrom"][row].decode() == chrom
        assert (found["start"][row], found["end"][row]) == (start + 8, start + 56)
    assert found["preds"].dtype == np.float32
    assert found["target_ids"].tolist() == [b"T0", b"T1", b"T2"]
    assert found["target_labels"].tolist() == [b"track 0", b"track 1", b"track 2"]
    assert (found["format"], found["format_version"]) == ("tfepi-window-predictions", 1)
    assert found["bin_width"] == 8


def test_strands_shifts_targets_and_sites(run, bed, alone, toy):
    request = Request(rc=True, shifts=(0, 2, -1), site_length=32, batch_size=2)
    chosen = (Target(2, "T2", description="two", scale=2.0), Target(0, "T0"))
    place = Place(bed(*INTERVALS))
    found = read(run(place, request, targets=chosen))
    mean = np.mean(
        [alone("chr2", 550 - 32, rc, shift) for rc in (False, True) for shift in (0, 2, -1)], axis=0
    )
    np.testing.assert_allclose(found["preds"][0], mean[1:5, [2, 0]], rtol=1e-5)
    assert (found["start"][0], found["end"][0]) == (550 - 16, 550 + 16)
    assert found["target_labels"].tolist() == [b"two", b"T0"]
    request = Request(rc=True, shifts=(0, 2, -1), site_length=32, sum=True, untransform="current")
    summed = read(run(place, request, "sums", targets=chosen))
    np.testing.assert_allclose(summed["preds"][0], mean[1:5, [2, 0]].sum(0) / [2, 1], rtol=1e-5)
    assert summed["preds"].shape == (4, 2)


def test_sums_are_the_same_beside_tracks(run, bed):
    place = Place(bed(*INTERVALS))
    plain = read(run(place, Request(sum=True)))
    beside = run(place, Request(sum=True, tracks=("T1",)), "beside")
    np.testing.assert_allclose(plain["preds"], read(beside)["preds"], rtol=1e-6)
    with pyBigWig.open(str(beside / "bigwig" / "t11.bw")) as file:
        assert file.header()["nBasesCovered"] == (48 + 9) + 24 + 35  # overlapping, cut at 0


def test_a_genome_is_predicted_in_bins(run, alone, toy, tmp_path):
    folder = run(Place(genome=True), Request(tracks=None, batch_size=5))
    assert sorted(p.name for p in (folder / "bigwig").iterdir()) == ["t10.bw", "t11.bw", "t12.bw"]
    found = read(folder)
    row = 0
    with pyBigWig.open(str(folder / "bigwig" / "t12.bw")) as file:
        for chrom, length in toy.chroms.items():
            track = file.values(chrom, 0, length, numpy=True)
            for start in range(0, length, 48):
                wanted = alone(chrom, start - 8)
                np.testing.assert_allclose(found["preds"][row], wanted, rtol=1e-6)
                inside = np.repeat(wanted[:, 2], 8)[: length - start]
                np.testing.assert_allclose(track[start : start + 48], inside, rtol=1e-6)
                row += 1
    assert row == len(found["preds"])


def test_tracks_of_overlapping_windows_are_means(run, bed, alone, caplog):
    caplog.set_level("INFO")
    folder = run(Place(bed(*INTERVALS)), Request(tracks=("11",), hdf5=False))
    assert "1 of 4 windows begin inside an earlier one: tracks hold the mean of both" in caplog.text
    assert json.loads((folder / "run.json").read_text())["overlapping_windows"] == 1
    assert not (folder / "predict.h5").exists()
    values = {}
    for start in (550 - 32, 541 - 32):
        for base in range(48):
            value = alone("chr2", start)[base // 8, 1]
            values.setdefault(start + 8 + base, []).append(value)
    with pyBigWig.open(str(folder / "bigwig" / "t11.bw")) as file:
        assert list(file.chroms()) == ["chr1", "chr10", "chr2"]
        track = file.values("chr2", 400, 700, numpy=True)
        np.testing.assert_allclose(
            [track[b - 400] for b in values], [np.mean(v) for v in values.values()], rtol=1e-6
        )
        assert np.isfinite(track).sum() == len(values)


def test_a_stopped_run_goes_on_to_the_same_bytes(run, toy):
    request = Request(tracks=("T0", "T2"), batch_size=3)
    whole = contents(run(Place(), request, "whole"))
    with pytest.raises(KeyboardInterrupt):
        run(Place(), request, "stopped", model=toy.predictor(stop_after=13))
    with pytest.raises(UnfinishedError, match="has results: use --resume"):
        run(Place(), request, "stopped")
    again = toy.predictor()
    folder = run(Place(), request, "stopped", model=again, resume=True)
    assert contents(folder) == whole
    assert again.sequences == 29 - 12
    assert not (folder / "parts").exists()
    idle = toy.predictor(stop_after=0)
    run(Place(), request, "stopped", model=idle, resume=True)
    assert contents(folder) == whole


def test_a_run_stopped_between_its_files_goes_on(run, monkeypatch):
    request = Request(tracks=("T0",))
    whole = contents(run(Place(), request, "whole"))

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "write_tracks", stop)
        with pytest.raises(KeyboardInterrupt):
            run(Place(), request)
    assert contents(run(Place(), request, resume=True)) == whole


def test_resuming_with_something_else_is_refused(run, toy, bed):
    with pytest.raises(KeyboardInterrupt):
        run(Place(), model=toy.predictor(stop_after=13))
    with pytest.raises(UnfinishedError, match=r"cannot go on in .*: options changed since"):
        run(Place(), Request(rc=True, batch_size=3), resume=True)
    with pytest.raises(UnfinishedError, match="input bed"):
        run(Place(bed(*INTERVALS)), resume=True)
    done = run(Place(), Request(rc=True), overwrite=True)
    assert read(done)["preds"].shape == (29, 6, 3)


def test_memory_does_not_grow_with_the_windows(toy, tmp_path, monkeypatch):
    for name, value in (("overlaps._BINS", 4096), ("bigwig._BATCH", 4096), ("bigwig._ITEMS", 128)):
        monkeypatch.setattr(f"tfrecords_tools.{name}", value)

    def peak(tiles):
        fasta = tmp_path / f"{tiles}.fa"
        fasta.write_text(">chr1\n" + "ACGT" * (12 * tiles) + "\n")
        Genome(fasta).close()  # makes the index
        model, out = toy.predictor(), tmp_path / str(tiles)
        request = Request(tracks=("T0",), batch_size=256)
        tracemalloc.start()
        predict_windows(
            lambda: model, toy.spec(), Place(), fasta, out, request, part_windows=512, quiet=True
        )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    few, many = peak(2_000), peak(20_000)
    assert many - few < 18_000 * toy.bins * 4 / 2  # half of one track of them


def test_undefined_predictions(run, toy, bed, caplog):
    def some(sequences):
        values = toy.values(sequences)
        values[values.sum(axis=(1, 2)) > np.median(values.sum(axis=(1, 2)))] = np.nan
        return values

    folder = run(Place(chroms=("chr2",)), model=toy.predictor(some), part_windows=100)
    bad = np.isnan(read(folder)["preds"]).any(axis=(1, 2)).sum()
    assert bad == json.loads((folder / "run.json").read_text())["undefined_windows"] > 0
    assert f"{bad} windows have predictions that are not finite" in caplog.text
    broken = toy.predictor(lambda s: toy.values(s) * np.nan)
    with pytest.raises(InputFileError, match="no finite number for windows 1 to 4: its weights"):
        run(Place(bed(*INTERVALS)), name="broken", model=broken)


def test_another_number_of_bins_is_refused(run, toy):
    with pytest.raises(ConfigError, match="the model gives 5 bins, its contract says 6"):
        run(Place(), model=toy.predictor(lambda s: toy.values(s)[:, 1:]))


def test_bad_requests(run, toy, bed, tmp_path):
    for values, message in (
        ({"shifts": ()}, "shifts are"),
        ({"shifts": (1, 1)}, "shifts are"),
        ({"untransform": "curent"}, "did you mean 'current'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"hdf5": False}, "neither predict.h5 nor a bigWig"),
    ):
        with pytest.raises(ConfigError, match=message):
            Request(**values)
    for request, options, message in (
        (Request(tracks=("T7",)), {}, "unknown target 'T7'"),
        (Request(shifts=(40,)), {}, "shifts reach 40 bp"),
        (Request(), {"part_windows": 0}, "part_windows is 0"),
        (Request(), {"targets": (Target(0, "T9"),)}, "unknown target 'T9'"),
        (Request(head="body"), {}, "head 'body' is not one"),
        (
            Request(untransform="current"),
            {"targets": (Target(0, "T0", sum_stat="peak"),)},
            "cannot untransform target 'T0'",
        ),
    ):
        with pytest.raises(ConfigError, match=message):
            run(Place(), request, **options)
    assert not (tmp_path / "out").exists()


def test_a_small_disk_is_refused(run, monkeypatch, tmp_path):
    class Small:
        free = 100

    monkeypatch.setattr("shutil.disk_usage", lambda _: Small)
    with pytest.raises(TfepiError, match=r"out needs .* kB, its disk has 100 B: free some space"):
        run(Place())
    assert not (tmp_path / "out").exists()


def test_a_damaged_part_is_named(run, toy):
    with pytest.raises(KeyboardInterrupt):
        run(Place(), model=toy.predictor(stop_after=13))
    parts = sorted((run.out / "parts").iterdir())
    assert [p.name for p in parts] == ["0000000.npy", "0000001.npy", "0000002.npy"]
    whole = parts[1].read_bytes()
    for damaged in (whole[:50], whole[: len(whole) // 2], b"PK\x03\x04", b""):
        parts[1].write_bytes(damaged)
        with pytest.raises(InputFileError, match=r"part .*0000001.npy is missing or damaged"):
            run(Place(), resume=True)
    parts[1].unlink()
    run(Place(), resume=True)


def test_parts_fit_memory_and_batches(toy):
    spec = toy.spec()
    assert default_part_windows(spec, Site.of(spec), 3, 64) == 1 << 15
    assert default_part_windows(spec, Site.of(spec), 100_000, 64) == 27
    assert default_part_windows(spec, Site.of(spec), 100_000, 4) == 24
    long = toy.spec(inputs={"sequence": (524_288, 4)}, crop=0)
    assert default_part_windows(long, Site.of(long, 8), 3, 48) == 48


def test_names():
    assert names(None) == names("") == ()
    assert names("a,b") == ("a", "b")
    assert names("all", every="all") is None
