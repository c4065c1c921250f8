"""Tracks of fragments against counting base by base, and against published yeast tracks."""

import gzip
import json
import logging

import numpy as np
import pyBigWig
import pytest

from tfrecords_tools import fragments, normalize_runs
from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.fragment_clusters import read_clusters
from tfrecords_tools.fragment_signal import FragmentOptions
from tfrecords_tools.fragment_tracks import write_fragment_tracks
from tfrecords_tools.input_tracks import read_tracks

CHROMS = {"chr2": 900, "chr10": 1500, "chrM": 300}
RAW = FragmentOptions(scale="none")


@pytest.fixture(scope="module")
def rows():
    """(chromosome, start, end, barcode, duplicates), sorted; chrM has none."""
    rng = np.random.default_rng(3)
    found = [
        ("chr10", 0, 7, "AC-1", 1),
        ("chr10", 1493, 1500, "GT-1", 1),
        ("chr2", 3, 4, "AC-1", 2),
    ]
    for _ in range(160):
        chrom = ("chr2", "chr10")[rng.integers(2)]
        start = int(rng.integers(0, CHROMS[chrom] - 260))
        end = start + int(rng.integers(1, 260))
        barcode = ("AC-1", "GT-1", "CC-1", "NN-1")[rng.integers(4)]
        found.append((chrom, start, end, barcode, int(rng.integers(1, 9))))
    return sorted(found)


@pytest.fixture
def folder(tmp_path, rows):
    """fragments.tsv as 10x writes it, chrom.sizes, and clusters.tsv without NN-1."""
    lines = ["\t".join(map(str, row)) + "\n" for row in rows]
    (tmp_path / "fragments.tsv").write_text("# id=sample\n# description=\n" + "".join(lines))
    (tmp_path / "chrom.sizes").write_text("".join(f"{c}\t{n}\n" for c, n in CHROMS.items()))
    text = "barcode\tcluster\nAC-1\tB cell\nGT-1\tT\nCC-1\tB cell\nTT-1\tempty\n"
    (tmp_path / "clusters.tsv").write_text(text)
    return tmp_path


def write(folder, options=RAW, name="out", paths=("fragments.tsv",), clusters=None, **more):
    return write_fragment_tracks(
        [folder / p for p in paths],
        folder / "chrom.sizes",
        folder / name,
        options,
        clusters and folder / clusters,
        **({"quiet": True} | more),
    )


def read(path):
    track = pyBigWig.open(str(path))
    assert track.chroms() == CHROMS
    return {c: track.values(c, 0, n, numpy=True) for c, n in CHROMS.items()}


def oracle(rows, options, barcodes=None):
    """Counts of every base, one base at a time."""
    counts = {c: [0] * n for c, n in CHROMS.items()}
    for chrom, start, end, barcode, _ in rows:
        length = end - start
        if options.shift:
            start, end = start + 4, end - 5
        if (
            (barcodes and barcode not in barcodes)
            or not options.min_length <= length <= (options.max_length or length)
            or start >= end
        ):
            continue
        spans = {
            "cuts": [(start, start), (end - 1, end - 1)],
            "coverage": [(start, end - 1)],
            "midpoints": [((start + end) // 2, (start + end) // 2)],
        }[options.signal]
        for first, last in spans:
            for base in range(first - options.spread, last + options.spread + 1):
                if 0 <= base < CHROMS[chrom]:
                    counts[chrom][base] += 1
    return counts


@pytest.mark.parametrize("signal", ["cuts", "coverage", "midpoints"])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"shift": True},
        {"spread": 10},
        {"spread": 35, "min_length": 100, "max_length": 200},
        {"max_length": 12, "shift": True, "spread": 2},
    ],
)
def test_every_base_is_counted(folder, rows, signal, options, monkeypatch):
    if signal == "coverage":
        options = {k: v for k, v in options.items() if k != "spread"}
    options = FragmentOptions(signal, scale="none", **options)
    wanted = oracle(rows, options)
    monkeypatch.setattr(normalize_runs, "STRETCH", 113)
    found = read(write(folder, options) / "all.bw")
    for chrom in ("chr2", "chr10"):
        np.testing.assert_array_equal(found[chrom], wanted[chrom])
    assert max(wanted["chr10"]) > 0
    assert np.isnan(found["chrM"]).all()  # no fragment at all: not 0 but unknown


def test_clusters_are_scaled_to_a_million(folder, rows, caplog):
    caplog.set_level(logging.INFO)
    out = write(folder, FragmentOptions(spread=3), clusters="clusters.tsv")
    assert sorted(p.name for p in out.glob("*.bw")) == ["B_cell.bw", "T.bw"]
    for name, barcodes in (("B_cell", ("AC-1", "CC-1")), ("T", ("GT-1",))):
        counts = oracle(rows, FragmentOptions(spread=3), barcodes)
        number = sum(r[3] in barcodes for r in rows)
        found = read(out / f"{name}.bw")
        for chrom in ("chr2", "chr10"):
            wanted = np.array(counts[chrom]) * 1e6 / (2 * number)
            np.testing.assert_allclose(found[chrom], wanted, rtol=1e-7)
    strange = sum(r[3] == "NN-1" for r in rows)
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings[0].startswith(f"{strange} of 163 fragments (")
    assert "clusters.tsv does not list: left out" in warnings[0]
    assert warnings[1:] == ["no fragment counts for cluster empty: no track"]
    assert "no fragment on 1 chromosome, so no value there in any track" in caplog.messages
    value = json.loads((out / "fragments.json").read_text())
    assert (value["format"], value["format_version"]) == ("tfepi-fragments", 1)
    assert value["fragments"] == 163
    assert value["left_out"]["barcodes of no cluster"] == strange
    assert sum(c["fragments"] for c in value["clusters"]) == 163 - strange
    assert value["clusters"][2] == {"cluster": "empty", "fragments": 0, "factor": None}
    tracks = read_tracks(out / "tracks.txt")
    assert [(t.cell, t.assay, t.file) for t in tracks] == [
        ("B cell", "ATAC", "B_cell.bw"),
        ("T", "ATAC", "T.bw"),
    ]


@pytest.mark.parametrize("signal", ["coverage", "midpoints"])
def test_a_million_is_of_fragments_where_these_are_counted(folder, rows, signal):
    counts = oracle(rows, FragmentOptions(signal))
    found = read(write(folder, FragmentOptions(signal)) / "all.bw")
    np.testing.assert_allclose(found["chr2"], np.array(counts["chr2"]) * 1e6 / 163, rtol=1e-7)


def test_order_packing_and_blocks_make_no_difference(folder, rows, monkeypatch):
    wanted = (write(folder, clusters="clusters.tsv") / "B_cell.bw").read_bytes()
    lines = (folder / "fragments.tsv").read_text().splitlines(keepends=True)[2:]
    np.random.default_rng(0).shuffle(lines)
    with gzip.open(folder / "some.bed.gz", "wt") as handle:
        handle.writelines(["track name=x\n", *lines[:70]])
    with gzip.open(folder / "more.tsv.gz", "wt") as handle:
        handle.writelines(lines[70:])
    monkeypatch.setattr(fragments, "_BLOCK", 9)
    paths = ("some.bed.gz", "more.tsv.gz")
    out = write(folder, name="other", paths=paths, clusters="clusters.tsv")
    assert (out / "B_cell.bw").read_bytes() == wanted


def test_three_columns_are_enough(folder, rows):
    text = "".join(f"{c}\t{s}\t{e}\n" for c, s, e, *_ in rows)
    (folder / "three.bed").write_text(text)
    found = read(write(folder, name="three", paths=("three.bed",)) / "all.bw")
    np.testing.assert_array_equal(found["chr10"], oracle(rows, RAW)["chr10"])


def test_chosen_chromosomes(folder, rows):
    with open(folder / "fragments.tsv", "a") as handle:
        handle.write("scaffold\t5\t90\tAC-1\t1\n")
    with pytest.raises(InputFileError, match=r"no chromosome 'scaffold'.*--chroms"):
        write(folder)
    options = FragmentOptions(scale="none", chroms=("chr2",))
    out = write(folder, options, overwrite=True)
    track = pyBigWig.open(str(out / "all.bw"))
    assert track.chroms() == {"chr2": 900}
    values = track.values("chr2", 0, 900, numpy=True)
    np.testing.assert_array_equal(values, oracle(rows, RAW)["chr2"])
    left = json.loads((out / "fragments.json").read_text())["left_out"]
    assert left["other chromosomes"] == 1 + sum(r[0] == "chr10" for r in rows)
    with pytest.raises(InputFileError, match="has no chromosome 'chr3'"):
        write(folder, FragmentOptions(chroms=("chr3",)), name="x")


def test_a_genome_may_be_a_fasta(folder, rows):
    text = "".join(f">{c}\n{'A' * n}\n" for c, n in CHROMS.items())
    (folder / "genome.fa").write_text(text)
    out = write_fragment_tracks(
        [folder / "fragments.tsv"], folder / "genome.fa", folder / "out", RAW, quiet=True
    )
    np.testing.assert_array_equal(read(out / "all.bw")["chr2"], oracle(rows, RAW)["chr2"])


def test_a_stopped_run_goes_on(folder, monkeypatch):
    whole = write(folder, name="whole", clusters="clusters.tsv")
    real = normalize_runs.write_bigwig

    def stop(path, *args):
        if path.name == "T.bw":
            raise KeyboardInterrupt
        real(path, *args)

    monkeypatch.setattr("tfrecords_tools.fragment_tracks.write_bigwig", stop)
    with pytest.raises(KeyboardInterrupt):
        write(folder, clusters="clusters.tsv")
    monkeypatch.undo()
    out = folder / "out"
    assert sorted(p.name for p in out.iterdir()) == [
        ".tfepi",
        "B_cell.bw",
        "fragments.json",
        "run.json",
    ]
    with pytest.raises(UnfinishedError, match="scale changed since"):
        write(folder, FragmentOptions(), clusters="clusters.tsv", resume=True)
    before = (out / "B_cell.bw").stat().st_mtime_ns
    write(folder, clusters="clusters.tsv", resume=True)
    assert (out / "B_cell.bw").stat().st_mtime_ns == before
    for path in whole.iterdir():
        if path.name != "run.json":
            assert (out / path.name).read_bytes() == path.read_bytes()
    record = (out / "run.json").read_bytes()
    write(folder, clusters="clusters.tsv", resume=True)  # a finished run is left alone
    assert (out / "run.json").read_bytes() == record


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr2\t9\t9\tAC-1\t1", "fragment chr2:9-9 has no length: want 0 <= start < end"),
        ("chr2\t-3\t9\tAC-1\t1", "fragment chr2:-3-9 has no length"),
        ("chr2\t890\t901\tAC-1\t1", "chr2:890-901 ends beyond chr2, which is 900 bp in .*sizes"),
        ("2\t5\t9\tAC-1\t1", "no chromosome '2' but has 'chr2'.*prefix"),
        ("chr2\t5\tx\tAC-1\t1", "line 166 is no BED interval: 'chr2.*x"),
        ("chr2\t5", "line 166 is no BED interval"),
        ("chr2\t5\t19", "fragment chr2:5-19 has no barcode in column 4"),
        ("chr2\t5\t19\t\t1", "fragment chr2:5-19 has no barcode in column 4"),
        ("chr2 5 19 AC-1 1", "tsv is no tab-separated table of fragments"),
    ],
)
def test_bad_fragments_are_named(folder, line, message):
    with open(folder / "fragments.tsv", "a") as handle:
        handle.write(line + "\n")
    with pytest.raises(InputFileError, match=message):
        write(folder, clusters="clusters.tsv")
    assert not list((folder / "out").glob("*.bw"))
    assert not list((folder / "out").glob(".*.part*"))


def test_files_that_hold_no_fragments(folder):
    (folder / "none.tsv").write_text("# nothing\n")
    (folder / "noise.tsv").write_bytes(b"chr2\t\xff\xfe\n")
    data = gzip.compress((folder / "fragments.tsv").read_bytes())
    (folder / "cut.tsv.gz").write_bytes(data[: len(data) // 2])
    for name, message in (
        ("none.tsv", "none.tsv holds no fragment"),
        ("noise.tsv", "noise.tsv is no text"),
        ("cut.tsv.gz", "cut.tsv.gz is damaged gzip"),
        ("absent.tsv", "absent.tsv does not exist"),
    ):
        with pytest.raises(InputFileError, match=message):
            write(folder, paths=(name,), overwrite=True)


def test_nothing_that_counts(folder):
    (folder / "other.tsv").write_text("AC\tB\nGT\tT\n")
    with pytest.raises(InputFileError, match=r"no barcode of .*other.tsv .*'AC', they have '..-1'"):
        write(folder, clusters="other.tsv")
    with pytest.raises(
        InputFileError, match=r"none of 163 fragments counts \(163 below --min_length\): change"
    ):
        write(folder, FragmentOptions(min_length=500), overwrite=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signal": "cut"}, "unknown --signal 'cut': did you mean 'cuts'"),
        ({"scale": "rpm"}, "unknown --scale 'rpm': did you mean 'cpm'"),
        ({"spread": -1}, "--spread is -1: want 0 or more bp"),
        ({"spread": 5, "signal": "coverage"}, "--spread 5 does not go with --signal coverage"),
        ({"min_length": 0}, "--min_length is 0: want at least 1 bp"),
        ({"min_length": 9, "max_length": 8}, "--max_length is 8, below --min_length 9"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ConfigError, match=message):
        FragmentOptions(**options)


def test_tables_of_clusters(tmp_path):
    path = tmp_path / "clusters.tsv"
    wanted = {"AC-1": "B cell", "GT-1": "2"}
    for text in (
        "AC-1\tB cell\nGT-1\t2\n",
        "Barcode,Cluster\nAC-1,B cell\nGT-1,2\n",
        "\tleiden\nAC-1\tB cell\n\nGT-1\t2\tx\nAC-1\tB cell\n",
        '"barcode"\t"cluster"\n"AC-1"\t"B cell"\n"GT-1"\t"2"\n',
    ):
        path.write_text(text)
        assert read_clusters(path) == wanted
    for data, message in (
        (b"", "lists no barcode"),
        (b"barcode\tcluster\n", "lists no barcode"),
        (b"AC-1\tB\nGT-1\n", "line 2 is 'GT-1': want barcode and cluster"),
        (b"AC-1\tB\nGT-1\t \n", "line 2 is 'GT-1,': want barcode and cluster"),
        (b"AC-1\tB\nAC-1\tT\n", "line 2 puts barcode 'AC-1' in 'T', a line before in 'B'"),
        (b"\xff\xfe", "is no text"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputFileError, match=message):
            read_clusters(path)


def test_clusters_that_share_a_file(folder):
    (folder / "clusters.tsv").write_text("AC-1\tB cell\nGT-1\tB_cell\n")
    with pytest.raises(ConfigError, match="would both be written to B_cell"):
        write(folder, clusters="clusters.tsv")
    assert not (folder / "out").exists()


@pytest.mark.parametrize(
    ("published", "options"),
    [
        ("atac_open", FragmentOptions("cuts", 10, max_length=119, scale="none")),
        (
            "atac_nucleosome",
            FragmentOptions("midpoints", 35, min_length=150, max_length=250, scale="none"),
        ),
    ],
)
def test_published_yeast_tracks_come_out_base_by_base(test_data, tmp_path, published, options):
    """No shift, scale 1: the published counts themselves, uncovered bases there being 0."""
    folder = test_data / "data" / "yeast"
    paths = ([folder / "atac_fragments.bed.gz"], folder / "sacCer3.fa.gz")
    out = write_fragment_tracks(*paths, tmp_path / "out", options, quiet=True)
    ours = pyBigWig.open(str(out / "all.bw"))
    theirs = pyBigWig.open(str(folder / f"{published}.bw"))
    assert len(theirs.chroms()) == 10
    for chrom, length in theirs.chroms().items():
        wanted = np.nan_to_num(theirs.values(chrom, 0, length, numpy=True))
        found = ours.values(chrom, 0, length, numpy=True)
        np.testing.assert_array_equal(found, wanted)  # largest difference 0, so correlation 1
        assert wanted.max() > 20
    assert ours.intervals("chrXI") is None
