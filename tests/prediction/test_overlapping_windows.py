"""Predictions of overlapping windows against means that are worked out base by base."""

import json
import tracemalloc

import h5py
import numpy as np
import pyBigWig
import pytest

from tfepi.prediction import run as run_module
from tfepi.prediction.options import Request, default_part_windows
from tfepi.prediction.run import predict_windows
from tfepi.prediction.windows import Place, Site
from tfepi.spec import Head
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import Genome, encode, one_hot
from tfrecords_tools.targets import Target

TRACKS = Request(tracks=None, hdf5=False, batch_size=4)
TWO = (Target(0, "a"), Target(1, "b"))


def unet_values(sequences):
    """A value per base: of the base, its neighbours, and how far from the window's edge it is."""
    length = sequences.shape[1]
    code = (sequences @ np.float32([1, 2, 3, 4])).astype(np.float32)
    near = np.pad(code, ((0, 0), (2, 2)))
    sums = sum(near[:, i : i + length] * (i + 1) for i in range(5))
    edge = np.minimum(np.arange(length), np.arange(length)[::-1]).astype(np.float32)
    return np.stack([sums + 0.5 * edge, code - edge**2 / 64], axis=2).astype(np.float32)


@pytest.fixture
def unet(toy):
    """The contract of a model of 64 bp with an output per base, and the model."""
    spec = toy.spec(bin_width=1, crop=0, heads=(Head("main", TWO),))
    return lambda function=unet_values, **options: toy.predictor(function, spec, **options)


@pytest.fixture
def run(tmp_path, fasta):
    def predict(model, place=None, request=TRACKS, name="out", **options):
        options = {"quiet": True, "part_windows": 3} | options
        place = place or Place(phases=2, edge=10)
        genome = options.pop("genome", fasta)
        return predict_windows(
            lambda: model, model.spec, place, genome, tmp_path / name, request, **options
        )

    predict.out = tmp_path / "out"
    return predict


def plain(letters, spec, function, count, edge):
    """Float64 [bases, targets] of a chromosome: the mean over all windows, one at a time."""
    width, length, crop = spec.bin_width, spec.seq_length, spec.crop
    span = length - 2 * crop
    bins = -(-len(letters) // width) * width
    last = max(0, bins - span)
    padded = "N" * length + letters + "N" * length
    total = np.zeros((bins, len(spec.head().targets)))
    seen = np.zeros((bins, 1))
    starts = {
        k * (span // width) // count * width + n * span for k in range(count) for n in range(99)
    }
    for start in sorted({min(s, last) for s in starts}):
        window = padded[length + start - crop :][:length]
        values = np.repeat(function(one_hot(encode(window))[None])[0], width, axis=0)
        low = edge if start > 0 else 0
        high = span - (edge if start < last else 0)
        high = min(high, bins - start)
        total[start + low : start + high] += values[low:high]
        seen[start + low : start + high] += 1
    return (total / seen)[: len(letters)]


def tracks(folder, chroms):
    """Chromosome → float [bases, targets] of all tracks of a folder."""
    found = {}
    for path in sorted((folder / "bigwig").iterdir()):
        with pyBigWig.open(str(path)) as file:
            for chrom, length in chroms.items():
                found.setdefault(chrom, []).append(file.values(chrom, 0, length, numpy=True))
    return {chrom: np.stack(values, axis=1) for chrom, values in found.items()}


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


@pytest.mark.parametrize(("count", "edge"), [(2, 0), (2, 10), (2, 16), (3, 20), (5, 0)])
def test_every_base_has_the_mean_of_its_windows(run, unet, letters, toy, count, edge):
    model = unet()
    found = tracks(run(model, Place(phases=count, edge=edge)), toy.chroms)
    for chrom, text in letters.items():
        wanted = plain(text, model.spec, unet_values, count, edge)
        np.testing.assert_allclose(found[chrom], wanted, rtol=1e-6, atol=1e-5)


def test_bins_crops_and_sites(run, toy, letters):
    """Bins of 8 bp, of which a model gives 6 in the middle of 64 bp, and 4 of those."""
    model = toy.predictor()
    found = tracks(run(model, Place(phases=3, edge=9)), toy.chroms)
    for chrom, text in letters.items():
        wanted = plain(text, model.spec, toy.values, 3, 16)
        np.testing.assert_allclose(found[chrom], wanted, rtol=1e-5)
    request = Request(tracks=None, site_length=32, batch_size=3)
    folder = run(model, Place(phases=2, edge=8), request, "site")
    found = tracks(folder, toy.chroms)
    spec = toy.spec(crop=16, inputs={"sequence": (64, 4)})
    for chrom, text in letters.items():
        wanted = plain(text, spec, lambda s: toy.values(s)[:, 1:5], 2, 8)
        np.testing.assert_allclose(found[chrom], wanted, rtol=1e-5)
    with h5py.File(folder / "predict.h5") as file:
        preds, start = file["preds"][()], file["start"][()]
        ends = start + 32
    assert start[:3].tolist() == [0, 32, 64]
    at_end = np.flatnonzero(ends > 1003)[0]
    np.testing.assert_allclose(np.repeat(preds[1], 8, 0), found["chr2"][32:64], rtol=1e-6)
    assert np.isnan(preds[at_end]).any(axis=1).tolist() == [False, False, True, True]


def test_parts_and_batches_change_nothing(run, unet, toy, bed):
    values = {}
    for part in (1, 4, 100):
        request = Request(tracks=None, hdf5=False, batch_size=part)
        folder = run(unet(), request=request, name=str(part), part_windows=part)
        values[part] = {p.name: p.read_bytes() for p in (folder / "bigwig").iterdir()}
    assert values[1] == values[4] == values[100]


@pytest.mark.parametrize(
    ("regions", "tiles"),
    [
        (
            [("chr2", 130, 200), ("chr2", 1000, 1003), ("chr10", 70, 71)],
            [("chr2", 128, 256), ("chr2", 960, 1003), ("chr10", 64, 128)],
        ),
        # The second chromosome's tile begins where that of the first ends.
        ([("chr2", 0, 1), ("chr10", 64, 65)], [("chr2", 0, 64), ("chr10", 64, 128)]),
    ],
)
def test_a_stretch_has_the_values_of_the_genome(run, unet, toy, bed, regions, tiles):
    whole = tracks(run(unet(), name="whole"), toy.chroms)
    place = Place(limit=bed(*regions), phases=2, edge=10)
    some = tracks(run(unet(), place, name="some"), toy.chroms)
    for chrom, length in toy.chroms.items():
        inside = np.zeros(length, bool)
        for name, low, high in tiles:
            inside[low:high] |= name == chrom
        assert np.isnan(some[chrom][~inside]).all()
        assert (some[chrom][inside] == whole[chrom][inside]).all()


def test_other_chromosomes_do_not_matter(run, unet, toy, tmp_path, letters):
    whole = tracks(run(unet(), name="whole"), toy.chroms)
    alone = tmp_path / "alone.fa"
    alone.write_text(f">chr10\n{letters['chr10']}\n")
    other = tracks(run(unet(), name="other", genome=alone), {"chr10": 300})
    assert (other["chr10"] == whole["chr10"]).all()


def test_windows_are_asked_for_once_but_at_seams(run, unet):
    model = unet()
    run(model, Place(chroms=("chr2",), phases=2, edge=10), part_windows=100)
    assert model.sequences == 31  # 0, 32, …, 928 and the end
    again = unet()
    run(again, Place(chroms=("chr2",), phases=2, edge=10), name="seams")
    assert again.sequences == 31 + 5 + 1  # one at each seam, and at the last also that of the end


def test_undefined_values_are_left_out_of_means(run, unet, letters, toy, caplog):
    def some(sequences):
        values = unet_values(sequences)
        values[:, 12:20, 0] = np.nan
        values[:, 15, 1] = np.inf
        return values

    folder = run(unet(some))
    found = tracks(folder, toy.chroms)
    for chrom in toy.chroms:  # one window covers the beginning
        assert np.isnan(found[chrom][12:20, 0]).all()
        assert np.isnan(found[chrom][:, 1]).nonzero()[0].tolist() == [15]
        assert np.isfinite(found[chrom][20:]).all()
    assert json.loads((folder / "run.json").read_text())["undefined_windows"] == 3
    assert "3 windows have predictions that are not finite" in caplog.text
    window = unet_values(one_hot(encode(letters["chr2"][32:96]))[None])[0]
    assert found["chr2"][64 + 15].tolist() == window[32 + 15].tolist()
    broken = unet(lambda s: unet_values(s) * np.nan)
    with pytest.raises(InputFileError, match="no finite number for windows 1 to 3: its weights"):
        run(broken, name="broken")


def test_a_stopped_run_goes_on_to_the_same_bytes(run, unet):
    whole = contents(run(unet(), name="whole"))
    with pytest.raises(KeyboardInterrupt):
        run(unet(stop_after=20), name="stopped")
    with pytest.raises(UnfinishedError, match="phases changed since its parts were written"):
        run(unet(), Place(phases=2, edge=11), name="stopped", resume=True)
    with pytest.raises(UnfinishedError, match="phases changed since its parts were written"):
        run(unet(), Place(), name="stopped", resume=True)
    left = len(list((run.out.parent / "stopped" / "parts").glob("*.npy")))
    assert left > 1
    again = unet()
    folder = run(again, name="stopped", resume=True)
    assert contents(folder) == whole
    assert 0 < again.sequences < 40
    assert json.loads(whole["manifest.json"])["facts"]["phases"]["edge"] == 10


def test_parts_hold_the_targets_that_are_drawn(run, unet, toy):
    both = tracks(run(unet(), name="both"), toy.chroms)
    request = Request(tracks=("b",), hdf5=False, batch_size=4)
    with pytest.raises(KeyboardInterrupt):
        run(unet(stop_after=20), request=request)
    part = np.load(run.out / "parts" / "0000000.npy", mmap_mode="r")
    assert part.shape == (1, 3, 64)
    folder = run(unet(), request=request, resume=True)
    assert [path.name for path in (folder / "bigwig").iterdir()] == ["t1.bw"]
    for chrom, values in tracks(folder, toy.chroms).items():
        np.testing.assert_array_equal(values[:, 0], both[chrom][:, 1])


def test_a_run_stopped_between_its_tracks_goes_on(run, unet, monkeypatch):
    whole = contents(run(unet(), name="whole"))
    write = run_module.write_tracks

    def stop(parts, windows, width, targets, *rest):
        write(parts, windows, width, targets[:1], *rest)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "write_tracks", stop)
        with pytest.raises(KeyboardInterrupt):
            run(unet())
    idle = unet(stop_after=0)
    assert contents(run(idle, resume=True)) == whole


def test_memory_does_not_grow_with_the_genome(unet, tmp_path, monkeypatch):
    for name, value in (("overlaps._BINS", 4096), ("bigwig._BATCH", 4096), ("bigwig._ITEMS", 128)):
        monkeypatch.setattr(f"tfrecords_tools.{name}", value)

    def peak(tiles):
        fasta = tmp_path / f"{tiles}.fa"
        fasta.write_text(">chr1\n" + "ACGT" * (16 * tiles) + "\n")
        Genome(fasta).close()  # makes the index
        model, out = unet(), tmp_path / str(tiles)
        request = Request(tracks=("a",), hdf5=False, batch_size=64)
        tracemalloc.start()
        predict_windows(
            lambda: model,
            model.spec,
            Place(phases=2, edge=10),
            fasta,
            out,
            request,
            part_windows=128,
            quiet=True,
        )
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(100)
    few, many = peak(500), peak(4_000)
    assert many - few < 3_500 * 64 * 4 / 4  # a quarter of one track of them


def test_parts_fill_batches(unet):
    spec = unet().spec
    leopard = Site(0, 0, 10_240, 1, 10_240)
    assert default_part_windows(spec, leopard, 6, 64, 2) == 255  # 511 windows: 8 batches
    assert default_part_windows(spec, leopard, 6, 64, 3) == 255  # 767
    assert default_part_windows(spec, leopard, 6, 1 << 20, 2) == 273
    assert default_part_windows(spec, Site(0, 0, 1 << 24, 1, 1 << 24), 6, 2, 2) == 1


def test_bad_requests(run, unet, bed, tmp_path):
    for place, request, message in (
        (Place(edge=10), TRACKS, "edge is 10 bp: 1 phases of windows of 64 bp would leave bases"),
        (Place(phases=2, edge=17), TRACKS, "want an edge of at most 16 bp"),
        (Place(phases=0), TRACKS, "phases are 0"),
        (Place(phases=2), Request(sum=True), "--sum is of windows side by side"),
    ):
        with pytest.raises(ConfigError, match=message):
            run(unet(), place, request)
    path = bed(("chr2", 5, 9))
    for values in ({"phases": 2}, {"edge": 5}):
        with pytest.raises(ConfigError, match="are for windows along the genome, not around"):
            Place(bed=path, **values)
    assert not run.out.exists()
