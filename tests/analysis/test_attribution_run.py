"""Runs of attribution: files against plain computations, resuming, refusals."""

import json
import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pyBigWig
import pytest

from tfepi.analysis import attribution_parts, attribution_run
from tfepi.analysis.attribution_file import NAME, read_outputs, read_windows
from tfepi.analysis.attribution_gradient import AveragedScalar
from tfepi.analysis.attribution_modisco import write_modisco
from tfepi.analysis.attribution_options import AttributionOptions
from tfepi.analysis.attribution_outputs import Bins, outputs_of
from tfepi.analysis.attribution_report import report_seqlets
from tfepi.analysis.attribution_run import attribute
from tfepi.analysis.attribution_tracks import write_tracks
from tfepi.report.attribution_windows import draw_windows, window_figure
from tfepi.spec import Head, ModelSpec
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.genome import Genome, one_hot, reverse_complement
from tfrecords_tools.targets import Target

SMALL = SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("small_attention.py"))))
SPEC, LENGTH, KEPT = SMALL.spec(), SMALL.LENGTH, 100
BED = (
    "c1\t390\t410\tfirst\t0\t+\n"
    "c2\t200\t231\tsecond\t0\t-\n"
    "c1\t20\t30\tedge\n"  # begins before the chromosome, even the part that is kept
    "c1\t430\t450\tagain\t0\t.\n"  # overlaps the first
)
PLACES = [("c1", 400, "+"), ("c2", 215, "-"), ("c1", 25, "+"), ("c1", 440, "+")]
CORRECTED = AttributionOptions("corrected", length=KEPT, bins="8-16", rc=True, batch_size=3)
EXPECTED = AttributionOptions("expected", shuffles=4, length=KEPT, batch_size=3)


@pytest.fixture(scope="module")
def fasta(tmp_path_factory):
    rng = np.random.default_rng(8)
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    sequences = ("".join(rng.choice(list("ACGTN"), n, p=[0.24] * 4 + [0.04])) for n in (800, 430))
    path.write_text("".join(f">c{i}\n{s}\n" for i, s in enumerate(sequences, 1)))
    return path


@pytest.fixture(scope="module")
def model():
    return SMALL.model()


@pytest.fixture
def run(tmp_path, fasta, model):
    bed = tmp_path / "in.bed"
    bed.write_text(BED)

    def done(options=CORRECTED, name="out", each=True, regions=bed, load=lambda: model, **more):
        outputs = outputs_of(SPEC, targets=SMALL.TARGETS[1:], each=each)
        arguments = (load, SPEC, outputs, regions, fasta, tmp_path / name, options)
        return attribute(*arguments, head="main", quiet=True, **more)

    return done


def window(genome, chrom, middle, strand):
    found = genome.indices(chrom, middle - LENGTH // 2, middle + LENGTH // 2)
    return found if strand == "+" else reverse_complement(found)


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "run.json")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_file_against_the_gradient_of_each_window(run, fasta, model):
    folder = run()
    bins = Bins.parse("8-16", SMALL.BINS)
    scalar = AveragedScalar.of(model, SPEC, "main", bins, True)
    outputs = outputs_of(SPEC, targets=SMALL.TARGETS[1:], each=True)
    assert read_outputs(folder / NAME) == [("cage-", "t1"), ("dnase", "t2")]
    low = (LENGTH - KEPT) // 2
    with Genome(fasta) as genome, h5py.File(folder / NAME) as file:
        assert file.attrs["format"] == "tfepi-attributions"
        assert file.attrs["format_version"] == 1
        assert json.loads(file.attrs["options"])["method"] == "corrected"
        assert file["hypothetical"].dtype == np.float32
        assert np.isnan(file["baseline"][()]).all()
        for number, found in enumerate(read_windows(folder / NAME)):
            chrom, middle, strand = PLACES[number]
            sequence = window(genome, chrom, middle, strand)
            codes = one_hot(sequence[None])
            np.testing.assert_array_equal(found.own, codes[0, low : low + KEPT] > 0)
            assert (found.chrom, found.strand, found.altered) == (chrom, strand, False)
            assert (found.start, found.end) == (middle - KEPT // 2, middle + KEPT // 2)
            assert found.label == ("first", "second", "edge", "again")[number]
            for column, output in enumerate(outputs):
                value, gradient = scalar.gradient(codes, output)
                centred = gradient[0] - gradient[0].mean(axis=1, keepdims=True)
                slow = centred[low : low + KEPT]
                scale = np.abs(centred).max()
                near = {"rtol": 0, "atol": 1e-5 * scale}
                np.testing.assert_allclose(found.hypothetical[:, :, column], slow, **near)
                assert file["prediction"][number, column] == pytest.approx(value[0], rel=1e-5)
                total = (centred * codes[0]).sum(dtype=float)  # of the whole window
                assert file["attributed"][number, column] == pytest.approx(total, rel=1e-3)
                own = np.where(found.own, slow, 0).sum(axis=1)
                np.testing.assert_allclose(found.of(column), own, **near)
            # positions along the sequence are where the genome has the letter
            for i in np.flatnonzero(found.own.any(axis=1))[:20]:
                letter = genome.indices(chrom, found.place(i, 1), found.place(i, 1) + 1)[0]
                own = found.own[i].argmax()
                assert own == (letter if strand == "+" else 3 - letter)
    record = json.loads((folder / "run.json").read_text())
    assert (record["outcome"], record["windows"]) == ("finished", 4)
    assert set(record["inputs"]) == {"regions", "fasta"}
    names = {p.name for p in folder.iterdir()}
    assert names == {".tfepi", NAME, "windows.tsv", "manifest.json", "run.json"}


def test_completeness_is_told(run, caplog):
    folder = run(AttributionOptions("integrated", steps=40, length=KEPT))
    table = pd.read_csv(folder / "windows.tsv", sep="\t")
    assert len(table) == 8
    difference = table["prediction"] - table["baseline"]
    np.testing.assert_allclose(table["gap"], table["attributed"] - difference, atol=2e-4)
    assert (table["gap"].abs() < 0.02 * difference.abs() + 1e-3).all()
    assert table["output"].tolist()[:2] == ["cage-", "dnase"]
    assert not [r for r in caplog.records if r.levelno == logging.WARNING]
    record = json.loads((folder / "run.json").read_text())
    relative = (table["gap"] / difference).abs().median()
    assert record["median_relative_gap"] == pytest.approx(relative, rel=0.05)
    rough = AttributionOptions("expected", shuffles=1, length=KEPT)
    run(rough, "rough")
    assert "use more --shuffles" in caplog.text
    gradient = run(AttributionOptions("gradient", length=KEPT), "plain")
    table = pd.read_csv(gradient / "windows.tsv", sep="\t")
    assert table["gap"].isna().all()


@pytest.mark.parametrize("options", [CORRECTED, EXPECTED], ids=["corrected", "expected"])
def test_resumed_is_the_same_bytes(run, tmp_path, monkeypatch, options):
    monkeypatch.setattr(attribution_run, "_MOST_PART", 2)
    whole = contents(run(options))
    made = attribution_parts.AttributionParts._check

    def stop(self, arrays, numbers):
        made(self, arrays, numbers)
        if numbers.start:
            raise KeyboardInterrupt

    monkeypatch.setattr(attribution_parts.AttributionParts, "_check", stop)
    with pytest.raises(KeyboardInterrupt):
        run(options, "stopped")
    folder = tmp_path / "stopped"
    assert [p.name for p in (folder / "parts").iterdir()] == ["0000000.npz"]
    monkeypatch.setattr(attribution_parts.AttributionParts, "_check", made)
    with pytest.raises(UnfinishedError, match="use --resume to go on"):
        run(options, "stopped")
    run(options, "stopped", resume=True)
    assert contents(folder) == whole
    with pytest.raises(UnfinishedError, match="options changed"):
        run(AttributionOptions("gradient"), "stopped", resume=True)
    with pytest.raises(UnfinishedError, match="outputs, targets changed"):
        run(options, "stopped", resume=True, each=False)
    run(options, "stopped", resume=True, load=None)  # a finished run asks for no model


def test_a_damaged_part(run, tmp_path, monkeypatch):
    def stop(self, plan, folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(attribution_parts.AttributionParts, "write_file", stop)
        with pytest.raises(KeyboardInterrupt):
            run()
    part = tmp_path / "out" / "parts" / "0000000.npz"
    part.write_bytes(part.read_bytes()[:99])
    with pytest.raises(InputFileError, match=r"part .*0000000.npz is missing or damaged"):
        run(resume=True)


def test_damaged_weights(run, tmp_path):
    import keras

    damaged = SMALL.model()
    [last] = [w for w in damaged.weights if "main" in w.path and "bias" in w.path]
    last.assign(keras.ops.full(last.shape, np.nan))
    with pytest.raises(InputFileError, match="no finite prediction for the window at c1:272"):
        run(load=lambda: damaged)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length": 257}, "-l is 257 bp: want 1 to 256"),
        ({"length": 0}, "-l is 0 bp: want 1 to 256"),
        ({"bins": "0-25"}, "bins are '0-25' of a model with 24"),
        ({"shifts": (128,)}, "shifts reach 128 bp"),
    ],
)
def test_options_that_do_not_suit_the_model(run, tmp_path, change, message):
    with pytest.raises(ConfigError) as error:
        run(AttributionOptions("gradient", **change), load=None)
    assert message in str(error.value)
    assert not (tmp_path / "out").exists()


def test_alleles_of_a_vcf(run, tmp_path, fasta):
    with Genome(fasta) as genome:
        bases = genome.indices("c1", 0, 800)
    place = int(np.flatnonzero((bases[:-1] < 4) & (bases[1:] < 4) & (np.arange(799) > 300))[0])
    ref, alt = "ACGT"[bases[place]], "ACGT"[(bases[place] + 1) % 4]
    vcf = tmp_path / "in.vcf"
    vcf.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"c1\t{place + 1}\trs1\t{ref}\t{alt}\t.\t.\t.\n"
    )
    folder = run(AttributionOptions("gradient", length=10), regions=vcf)
    one, other = read_windows(folder / NAME)
    assert (one.altered, other.altered) == (False, True)
    assert (one.label, other.label) == (f"rs1_{ref}", f"rs1_{alt}")
    assert (one.own != other.own).any(axis=1).sum() == 1
    assert (folder / "skipped.tsv").exists()
    with Genome(fasta) as genome:
        write_modisco(folder, genome)
        write_tracks(folder, genome)
    assert np.load(folder / "modisco" / "ohe.npz")["arr_0"].shape == (1, 4, 10)


def test_modisco_arrays(run, fasta, caplog):
    folder = run()
    with Genome(fasta) as genome:
        paths = write_modisco(folder, genome)
        assert [p.name for p in paths] == ["attributions_t1.npz", "attributions_t2.npz"]
        letters = np.load(folder / "modisco" / "ohe.npz", allow_pickle=False)["arr_0"]
        scores = [np.load(p, allow_pickle=False)["arr_0"] for p in paths]
        bed = (folder / "modisco" / "windows.bed").read_text().splitlines()
        windows = [w for w in read_windows(folder / NAME) if w.label != "edge"]
        assert "left out 1 window beyond the chromosome or of another allele" in caplog.text
        assert letters.shape == (3, 4, KEPT)
        assert letters.dtype == scores[0].dtype == np.float32
        for number, (line, found) in enumerate(zip(bed, windows, strict=True)):
            chrom, start, end, label, _, strand = line.split("\t")
            assert (label, strand) == (found.label, found.strand)
            # arrays are of the forward strand, whatever the window's
            codes = one_hot(genome.indices(chrom, int(start), int(end)))
            np.testing.assert_array_equal(letters[number], codes.T)
            for column, score in enumerate(scores):
                slow = found.hypothetical[:, :, column]
                slow = slow[::-1, ::-1] if strand == "-" else slow
                np.testing.assert_array_equal(score[number], slow.T)
    run(CORRECTED, "sum", each=False)
    with Genome(fasta) as genome:
        [path] = write_modisco(folder.with_name("sum"), genome)
    assert path.name == "attributions.npz"


def test_nothing_for_modisco(run, tmp_path, fasta):
    bed = tmp_path / "edge.bed"
    bed.write_text("c1\t20\t30\n")
    folder = run(regions=bed)
    with Genome(fasta) as genome, pytest.raises(InputFileError, match="nothing to give to modisco"):
        write_modisco(folder, genome)


def test_tracks(run, fasta):
    folder = run()
    with Genome(fasta) as genome:
        paths = write_tracks(folder, genome)
    assert [p.name for p in paths] == ["t1.bw", "t2.bw"]
    total, count = np.zeros((2, 800)), np.zeros((2, 800))
    for found in read_windows(folder / NAME):
        for i in range(KEPT):
            place = found.place(i, 1)
            if place >= 0:
                row = int(found.chrom == "c2")
                total[row, place] += found.of(1)[i]
                count[row, place] += 1
    assert (count == 2).sum() == 60
    with pyBigWig.open(str(paths[1])) as track:
        for row, (chrom, length) in enumerate((("c1", 800), ("c2", 430))):
            values = track.values(chrom, 0, length, numpy=True)
            covered = count[row, :length] > 0
            np.testing.assert_array_equal(np.isnan(values), ~covered)
            slow = total[row, :length][covered] / count[row, :length][covered]
            np.testing.assert_allclose(values[covered], slow, atol=1e-6)


def test_no_window_as_the_genome_has_it(run, tmp_path, fasta):
    folder = run()
    with h5py.File(folder / NAME, "r+") as file:
        file["altered"][...] = True
    with Genome(fasta) as genome, pytest.raises(InputFileError, match="nothing for a bigWig"):
        write_tracks(folder, genome)


def test_windows_of_cpgs(tmp_path):
    import keras

    path, length = tmp_path / "g.fa", 9
    path.write_text(">c\nTTGCATACGTTAAGNNCAAA\n")
    inputs = keras.Input((length, 4), name="sequence")
    out = keras.layers.Dense(1, activation="sigmoid", name="main")(
        keras.layers.Reshape((1, 4 * length))(inputs)
    )
    model = keras.Model({"sequence": inputs}, out)
    head = Head("main", (Target(0, "a"),))
    more = {"extra": {"kind": "methylation"}}
    spec = ModelSpec("m", {"sequence": (length, 4)}, 1, length // 2, (head,), **more)
    bed, options = tmp_path / "in.bed", AttributionOptions("integrated", steps=3, rc=True)

    def done(line):
        bed.write_text(line)
        arguments = (lambda: model, spec, outputs_of(spec), bed, path, tmp_path / "out", options)
        return attribute(*arguments, head="main", quiet=True)

    for line in ("c\t8\t9\n", "c\t7\t8\tx\t0\t-\n", "c\t7\t9\n", "c\t19\t20\n"):
        with pytest.raises(InputFileError, match="the forward strand has none at c:"):
            done(line)
    [found] = read_windows(done("c\t7\t8\n") / NAME)
    assert found.own[4:6].argmax(axis=1).tolist() == [1, 2]


def test_windows_of_n_contribute_nothing(run, tmp_path, fasta):
    path = tmp_path / "n.fa"
    path.write_text(">c1\n" + "N" * 600 + "\n>c2\n" + "N" * 430 + "\n")
    bed = tmp_path / "n.bed"
    bed.write_text("c1\t300\t301\n")
    for options in (CORRECTED, EXPECTED, AttributionOptions("integrated", steps=2)):
        out = tmp_path / options.method
        arguments = (SMALL.model, SPEC, outputs_of(SPEC), bed, path, out, options)
        folder = attribute(*arguments, head="main", quiet=True)
        [found] = read_windows(folder / NAME)
        assert not found.of(0).any()
        assert report_seqlets(folder, quiet=True).seqlets == 0
        assert draw_windows(folder, 1, quiet=True) == 1
        with Genome(path) as genome:
            write_modisco(folder, genome)
            write_tracks(folder, genome)


def test_other_files(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.attrs["format"] = "tfepi-attribution"
    with pytest.raises(InputFileError, match="want 'tfepi-attributions'"):
        list(read_windows(path))
    path.write_text("no HDF5")
    with pytest.raises(InputFileError, match="make it again"):
        list(read_windows(path))


def test_figures(run):
    folder = run()
    assert draw_windows(folder, 2, quiet=True) == 2
    names = {p.name for p in (folder / "figures").iterdir()}
    assert len(names) == 4
    found = next(read_windows(folder / NAME))
    marks = pd.DataFrame(
        {"start": [360, 420], "end": [375, 435], "score": [1.0, -1], "motif": ["Reb1", "NA"]}
    )
    figure = window_figure(found, 0, "cage-", marks)
    assert len(figure.axes) == 1
    lines = [line for line in figure.axes[0].lines if line.get_linewidth() == 2]
    assert [line.get_xdata()[0] for line in lines] == [9.6, 69.6]
    assert [t.get_text() for t in figure.axes[0].texts] == ["Reb1"]
    second = list(read_windows(folder / NAME))[1]
    labels = [t.get_text() for t in window_figure(second, 0, "x").axes[0].get_xticklabels()]
    assert labels == ["260", "240", "220", "200", "180"]
    with pytest.raises(ConfigError, match="there are no bases to draw"):
        window_figure(SimpleNamespace(own=np.zeros((0, 4))), 0, "x")
