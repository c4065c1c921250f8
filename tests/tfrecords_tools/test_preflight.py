"""Preflight: surveys against plain numpy, and one broken input per finding."""

import contextlib
import json
import os
import shutil
from dataclasses import replace

import h5py
import numpy as np
import pyBigWig
import pytest

from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.builds import wrong_build_hint
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import Genome
from tfrecords_tools.preflight import input_files, preflight
from tfrecords_tools.preflight_table import as_json, as_text
from tfrecords_tools.targets import Target
from tfrecords_tools.track_survey import survey_track
from tfrecords_tools.tracks import open_track
from tfrecords_tools.variant_survey import VariantSource, survey_variants

OPTIONS = BuildOptions(seq_length=1024, bin_width=64, valid="chr2", test="chr3")


def check(folder, options=OPTIONS, targets="targets.txt", fasta="genome.fa", **more):
    return preflight(str(folder / fasta), str(folder / targets), options, **more)


def messages(found, level="error"):
    return [p.message for p in found.problems if p.level == level]


@pytest.fixture
def folder(tmp_path, genome_folder):
    shutil.copytree(genome_folder, tmp_path, dirs_exist_ok=True)
    return tmp_path


def write_bigwig(path, values):
    """Write chromosome → per-base values; NaN is left uncovered."""
    with pyBigWig.open(str(path), "w") as track:
        track.addHeader([(c, len(v)) for c, v in values.items()])
        for chrom, v in values.items():
            at = np.flatnonzero(~np.isnan(v))
            starts = at[np.diff(at, prepend=-2) > 1]
            ends = at[np.diff(at, append=len(v) + 1) > 1] + 1
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                track.addEntries(chrom, start, values=v[start:end].astype(float), span=1, step=1)


def one_target(folder, **columns):
    """Write one.bw's table with further columns and return its name."""
    header = ["", "identifier", "file", *columns]
    row = ["0", "one", "one.bw", *map(str, columns.values())]
    (folder / "one.txt").write_text("\t".join(header) + "\n" + "\t".join(row) + "\n")
    return "one.txt"


def flat(folder, value=1.0, **chroms):
    """Write one.bw with random values up to `value`; chroms name other lengths."""
    rng = np.random.default_rng(1)
    with Genome(folder / "genome.fa") as genome:
        lengths = genome.chroms | chroms
    values = {c: value * rng.integers(0, 5, n) / 4 for c, n in lengths.items() if n}
    write_bigwig(folder / "one.bw", values)


class TestGoodInput:
    def test_nothing_is_found(self, folder):
        found = check(folder)
        assert not messages(found)
        assert not found.failed
        assert sum(found.forecast["windows"].values()) > 50
        assert set(found.forecast["windows"]) == {"train", "valid", "test"}

    def test_shares_are_those_of_the_sequence_and_the_values(self, folder, genome_values):
        sequences, tracks = genome_values
        found = check(folder)
        for chromosome in found.chromosomes:
            text = sequences[chromosome.name].upper()
            assert chromosome.length == len(text)
            acgt = sum(text.count(b) for b in "ACGT")
            assert chromosome.n_fraction == pytest.approx(1 - acgt / len(text))
        for survey, track in zip(found.tracks, tracks, strict=True):
            for c in survey.coverage:
                v = track[c.chrom]
                assert c.bases == len(v)
                assert c.nan == pytest.approx(np.isnan(v).mean())
                assert c.covered == pytest.approx(1 - np.isnan(v).mean())
                assert c.zero == pytest.approx((v == 0).mean())
                assert c.mean == pytest.approx(np.nanmean(v), rel=1e-5)
                assert c.largest == np.nanmax(v)
                assert c.smallest == np.nanmin(v)

    def test_unused_chromosomes_may_be_absent(self, folder):
        flat(folder, chr3=0)
        options = BuildOptions(
            seq_length=1024, bin_width=64, valid="chr2", test="0", chroms=("chr1", "chr2")
        )
        found = check(folder, options, one_target(folder))
        assert not messages(found)
        assert [c.used for c in found.chromosomes] == [True, True, False]

    def test_table_and_json_hold_the_findings(self, folder):
        found = check(folder)
        text = as_text(found)
        for word in ("chr1", "T1", "train", "covered", "NaN"):
            assert word in text
        value = json.loads(json.dumps(as_json(found), allow_nan=False))
        assert (value["format"], value["format_version"]) == ("tfepi-check", 1)
        assert value["failed"] is False
        assert value["tracks"][1]["coverage"][0]["chrom"] == "chr1"
        assert value["forecast"]["windows"] == found.forecast["windows"]

    def test_a_huge_genome_is_sampled(self, folder):
        track = open_track(folder / "t0.bw")
        chroms = {"chr1": 60_000, "chr2": 40_000}
        sizes = [
            survey_track(track, Target(0, "t"), chroms, 64, sampled_bp=bp).examined
            for bp in (10**9, 100_000)
        ]
        assert sizes == [1.0, 1.0]  # a chromosome within one stretch is always read
        track.close()

    def test_sampling_reads_every_kth_stretch(self, tmp_path):
        values = {"chr1": np.arange(6 << 20) >> 20}
        write_bigwig(tmp_path / "x.bw", {"chr1": values["chr1"].astype(float)})
        track = open_track(tmp_path / "x.bw")
        found = survey_track(track, Target(0, "t"), {"chr1": 6 << 20}, 64, sampled_bp=3 << 20)
        track.close()
        assert found.examined == pytest.approx(0.5)
        assert found.coverage[0].largest == 4  # stretches 0, 2 and 4


class TestBrokenFiles:
    def test_all_problems_are_told_at_once(self, folder):
        (folder / "t0.bw").unlink()
        whole = (folder / "t1.bw").read_bytes()
        (folder / "t1.bw").write_bytes(whole[: len(whole) // 2])
        (folder / "t2.bw").write_bytes(b"no bigwig at all")
        (folder / "bad.bed").write_text("chr1\tfive\t6\n")
        errors = messages(check(folder, beds=[str(folder / "bad.bed")]))
        assert len(errors) == 4
        for text in ("does not exist", "truncated", "is no bigWig", "is no BED interval"):
            assert sum(text in e for e in errors) == 1

    def test_damage_inside_a_bigwig(self, folder):
        data = bytearray((folder / "t0.bw").read_bytes())
        data[len(data) // 3 : len(data) // 3 + 2000] = b"\xff" * 2000
        (folder / "t0.bw").write_bytes(data)
        assert any("damaged" in e for e in messages(check(folder)))

    def test_the_bigwig_library_is_silent(self, folder, capfd):
        self.test_damage_inside_a_bigwig(folder)
        assert capfd.readouterr().err == ""

    def test_nothing_but_a_read_is_silent(self, folder, capfd):
        with contextlib.closing(open_track(folder / "t0.bw")) as track:
            track.values("chr1", 0, 10)
        os.write(2, b"heard")
        assert capfd.readouterr().err == "heard"

    @pytest.mark.parametrize("name", ["genome.fa", "t0.bw"])
    def test_empty_files(self, folder, name):
        (folder / name).write_bytes(b"")
        assert any(f"{name} is empty" in e for e in messages(check(folder)))

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("chr1\t10\t500000\n", "chr1:10-500000 ends beyond chr1, which is 60000 bp"),
            ("", "has no interval"),
        ],
    )
    def test_bed_tracks(self, folder, text, error):
        (folder / "one.bed").write_text(text)
        (folder / "one.txt").write_text("\tidentifier\tfile\n0\tone\tone.bed\n")
        assert [error in e for e in messages(check(folder, targets="one.txt"))] == [True]

    def test_an_hdf5_of_text(self, folder):
        with h5py.File(folder / "one.h5", "w") as file:
            for chrom, length in (("chr1", 60_000), ("chr2", 40_000), ("chr3", 24_000)):
                file[chrom] = np.full(length, b"x")
        (folder / "one.txt").write_text("\tidentifier\tfile\n0\tone\tone.h5\n")
        errors = messages(check(folder, targets="one.txt"))
        assert len(errors) == 1
        assert "dataset 'chr1' is of type |S1" in errors[0]

    def test_damage_inside_an_hdf5(self, folder):
        with h5py.File(folder / "one.h5", "w") as file:
            values = np.random.default_rng(1).random(60_000)
            file.create_dataset("chr1", data=values, compression="gzip", chunks=(60_000,))
            at = file["chr1"].id.get_chunk_info(0).byte_offset
        with open(folder / "one.h5", "r+b") as handle:
            handle.seek(at)
            handle.write(bytes(4000))
        with (
            contextlib.closing(open_track(folder / "one.h5")) as track,
            pytest.raises(InputFileError, match="cannot read chr1:0-9 of HDF5"),
        ):
            track.values("chr1", 0, 9)

    def test_missing_genome_still_checks_the_rest(self, folder):
        (folder / "t0.bw").unlink()
        errors = messages(check(folder, fasta="absent.fa"))
        assert any("absent.fa does not exist" in e for e in errors)
        assert any("t0.bw does not exist" in e for e in errors)

    def test_bad_targets_table(self, folder):
        (folder / "targets.txt").write_text("\tidentifier\tfile\n0\ta\tx.bw\n1\ta\ty.bw\n")
        found = check(folder)
        assert any("more than once" in e for e in messages(found))
        assert found.chromosomes


class TestChromosomes:
    def test_prefix(self, folder):
        write_bigwig(folder / "one.bw", {c: np.ones(n) for c, n in (("1", 60_000), ("2", 40_000))})
        errors = messages(check(folder, targets=one_target(folder)))
        assert len(errors) == 1
        assert "'chr' prefix" in errors[0]

    def test_some_absent(self, folder):
        flat(folder, chr3=0)
        errors = messages(check(folder, targets=one_target(folder)))
        assert len(errors) == 1
        assert "lacks 1 of the 3 chromosomes" in errors[0]
        assert "chr3" in errors[0]

    @pytest.mark.parametrize("length", [50_000, 70_000])
    def test_another_length(self, folder, length):
        flat(folder, chr1=length)
        errors = messages(check(folder, targets=one_target(folder)))
        assert len(errors) == 1
        assert f"chr1 has {length} bp, in the genome 60000 bp" in errors[0]
        assert "another genome build" in errors[0]

    def test_known_builds_are_named(self):
        hint = wrong_build_hint({"1": 249_250_621}, {"chr1": 248_956_422})
        assert hint == "the file is of hg19 (GRCh37), the genome is hg38 (GRCh38)"
        assert "hg19" in wrong_build_hint({"chr1": 249_250_621}, {"chr1": 5})
        assert "another genome build" in wrong_build_hint({"chr1": 4}, {"chr2": 5})

    def test_bed_names_and_ends(self, folder):
        (folder / "other.bed").write_text("1\t0\t10\n")
        (folder / "some.bed").write_text("chr1\t0\t10\nchrUn\t0\t10\n")
        (folder / "beyond.bed").write_text("chr1\t0\t10\nchr3\t23999\t24001\n")
        (folder / "empty.bed").write_text("")
        names = ("other", "some", "beyond", "empty")
        found = check(folder, beds=[str(folder / f"{n}.bed") for n in names])
        errors, warnings = messages(found), messages(found, "warning")
        assert len(errors) == 2
        assert "'chr' prefix" in errors[0]
        assert "chr3:23999-24001" in errors[1]
        assert any("chrUn" in w for w in warnings)
        assert any("no interval" in w for w in warnings)

    def test_beds_of_options_and_peaks_are_checked(self, folder):
        (folder / "beyond.bed").write_text("chr3\t0\t99999\n")
        flat(folder)
        bed = str(folder / "beyond.bed")
        assert messages(check(folder, targets=one_target(folder, peaks=bed)))
        options = BuildOptions(
            seq_length=1024, bin_width=64, valid="chr2", test="chr3", blacklist=bed
        )
        assert messages(check(folder, options, one_target(folder)))


class TestValues:
    def test_no_value_anywhere(self, folder):
        with Genome(folder / "genome.fa") as genome:
            values = {c: np.full(n, np.nan) for c, n in genome.chroms.items()}
        values["chr3"][100:200] = 1
        write_bigwig(folder / "one.bw", values)
        options = BuildOptions(
            seq_length=1024, bin_width=64, valid="chr2", test="0", chroms=("chr1", "chr2")
        )
        errors = messages(check(folder, options, one_target(folder)))
        assert any("no value on any chromosome" in e for e in errors)

    @pytest.mark.parametrize(
        ("value", "columns", "text"),
        [
            (1e5, {}, "bases above 65504"),
            (5000.0, {}, "bins above 65504"),
            (-3.0, {}, "negative values (smallest -3)"),
            (0.0, {}, "one value everywhere"),
            (1e-5, {}, "few digits"),
        ],
    )
    def test_warnings(self, folder, value, columns, text):
        flat(folder, value)
        found = check(folder, targets=one_target(folder, **columns))
        assert not messages(found)
        assert sum(text in w for w in messages(found, "warning")) == 1

    @pytest.mark.parametrize("columns", [{"clip": 384}, {"sum_stat": "mean"}, {"scale": 0.01}])
    def test_what_lowers_bins_is_heeded(self, folder, columns):
        flat(folder, 5000.0)
        found = check(folder, targets=one_target(folder, **columns))
        assert not messages(found, "warning")
        assert (found.tracks[0].clipped > 0.9) == ("clip" in columns)

    def test_no_value_on_one_chromosome(self, folder):
        with Genome(folder / "genome.fa") as genome:
            values = {c: np.arange(n) % 3.0 for c, n in genome.chroms.items()}
        values["chr2"][:] = np.nan
        write_bigwig(folder / "one.bw", values)
        found = check(folder, targets=one_target(folder))
        assert not messages(found)
        assert any("no value on chr2" in w for w in messages(found, "warning"))

    @pytest.mark.parametrize(("threshold", "told"), [(1.0, False), (9.5, True)])
    def test_a_threshold_above_every_value(self, folder, threshold, told):
        flat(folder, 9.0)
        table = one_target(folder, threshold=threshold, sum_stat="max")
        warned = messages(check(folder, targets=table), "warning")
        found = [w for w in warned if "no bin above its threshold 9.5" in w and "one" in w]
        assert bool(found) == told

    def test_one_file_twice(self, folder):
        (folder / "two.txt").write_text("\tidentifier\tfile\n0\ta\tt0.bw\n1\tb\tt0.bw\n")
        assert any("same file" in w for w in messages(check(folder, targets="two.txt"), "warning"))


class TestPlan:
    @pytest.mark.parametrize(
        ("options", "text"),
        [
            ({"seq_length": 70_400, "bin_width": 64}, "no contig holds a window"),
            ({"seq_length": 1000, "bin_width": 64}, "not a multiple of the bin width"),
            ({"chroms": ("chrX",)}, "chrX"),
            ({"valid": "chr9"}, "chr9"),
        ],
    )
    def test_what_a_build_would_refuse(self, folder, options, text):
        values = {"seq_length": 1024, "bin_width": 64, "valid": "chr2", "test": "chr3"} | options
        found = check(folder, BuildOptions(**values))
        assert [e for e in messages(found) if text in e]
        assert found.forecast is None


class Record:
    def __init__(self, chrom, position, ref, *alts):
        self.chrom, self.position, self.ref, self.alts = chrom, position, ref, alts


def source(records, header=""):
    return VariantSource("in.vcf", lambda path: header, lambda path: iter(records))


OTHER = {"A": "C", "C": "A", "G": "T", "T": "G"}
PARTNER = {"A": "T", "T": "A", "C": "G", "G": "C"}


class TestVariants:
    @pytest.fixture
    def places(self, genome_values):
        """Positions of chr1 whose base and right neighbour are letters that differ."""
        text = genome_values[0]["chr1"].upper()
        return [
            (i, text[i], text[i + 1])
            for i in range(2000, 4000)
            if text[i] in OTHER and text[i + 1] in OTHER and text[i] != text[i + 1]
        ][:200]

    def judged(self, folder, records, header="", **more):
        return check(folder, variants=source(records, header), **more)

    def test_all_match(self, folder, places):
        found = self.judged(folder, [Record("chr1", i, b, OTHER[b]) for i, b, _ in places])
        assert found.variants.match_rate == 1
        assert not messages(found)
        assert "100.00%" in as_text(found)

    @pytest.mark.parametrize(
        ("record", "text"),
        [
            (lambda i, b, right: Record("chr1", i, OTHER[b], b), "--ref_policy swap"),
            (lambda i, b, right: Record("chr1", i, right, OTHER[right]), "look 0-based"),
            (lambda i, b, right: Record("chr1", i, PARTNER[b], OTHER[b]), "other strand"),
            (
                lambda i, b, right: Record("chr1", i, "ACGT"[i % 4] * 3, "G"),
                "of another genome build",
            ),
        ],
    )
    def test_low_match_rate_is_explained(self, folder, places, record, text):
        errors = messages(self.judged(folder, [record(*p) for p in places]))
        assert len(errors) == 1
        assert text in errors[0]

    def test_one_mismatch_is_an_error_under_the_policy_error_alone(self, folder, places):
        records = [Record("chr1", i, b, OTHER[b]) for i, b, _ in places]
        i, b, _ = places[0]
        records[0] = Record("chr1", i, OTHER[b], PARTNER[b])
        found = self.judged(folder, records)
        assert "199 of 200 records" in messages(found)[0]
        assert f"chr1:{i + 1}" in messages(found)[0]
        found = self.judged(folder, records, ref_policy="skip")
        assert not messages(found)
        assert "199 of 200 records" in messages(found, "warning")[0]

    @pytest.mark.parametrize(
        ("record", "text"),
        [
            (Record("chr1", 59_999, "AC", "A"), "beyond their chromosome"),
            (Record("chr1", 10, "A", "<DEL>"), "no sequence"),
            (Record("chr1", 10, "A", "*"), "no sequence"),
            (Record("chr1", 10, "A", "N"), "no sequence"),
            (Record("chr1", 10, "A"), "name no ALT"),
            (Record("1", 10, "A", "C"), "'chr' prefix"),
            (Record("chrUn", 10, "A", "C"), "no chromosome 'chrUn'"),
        ],
    )
    def test_records_that_cannot_be_scored(self, folder, places, record, text):
        records = [Record("chr1", i, b, OTHER[b]) for i, b, _ in places]
        assert any(text in e for e in messages(self.judged(folder, [*records, record])))

    def test_long_alleles_are_shortened(self, folder):
        error = messages(self.judged(folder, [Record("chr1", 2000, "ACGT" * 500, "A")]))[0]
        assert "has REF ACGTACGTACGTACGTACGT…(2000 bp), the genome " in error
        assert len(error) < 400

    def test_no_record(self, folder):
        assert any("holds no record" in e for e in messages(self.judged(folder, [])))

    def test_lengths_of_the_header(self, folder, places):
        header = "##fileformat=VCFv4.2\n##contig=<ID=chr1,assembly=x,length=249250621>\n"
        header += "##contig=<length=40000,ID=chr2>\n##contig=<ID=chr3>\n"
        records = [Record("chr1", i, b, OTHER[b]) for i, b, _ in places]
        found = self.judged(folder, records, header)
        assert found.variants.contigs == {"chr1": 249_250_621, "chr2": 40_000}
        warnings = messages(found, "warning")
        assert len(warnings) == 1
        assert "hg19" in warnings[0]

    def test_stops_after_so_many(self, folder, places):
        records = [Record("chr1", i, b, OTHER[b]) for i, b, _ in places]
        with Genome(folder / "genome.fa") as genome:
            some = survey_variants(source(records), genome, max_records=7)
            every = survey_variants(source(records), genome, max_records=len(records))
        assert (some.records, some.whole) == (7, False)
        assert (every.records, every.whole) == (200, True)

    def test_indels_are_compared_whole(self, folder, genome_values):
        text = genome_values[0]["chr2"].upper()
        start = next(i for i in range(2000, 9000) if "N" not in text[i : i + 4])
        records = [
            Record("chr2", start, text[start : start + 4], text[start]),
            Record("chr2", start, text[start], text[start : start + 4]),
        ]
        found = self.judged(folder, records)
        assert found.variants.matched == 2
        assert found.variants.swapped == 0


def cells(folder, tracks, targets=None):
    """Write tables of cell types and return the options that name the input tracks."""
    (folder / "targets.txt").write_text(
        targets or "\tidentifier\tfile\tcell\tmark\n0\tT0\tt0.bw\tA\tm\n1\tT1\tt1.bw\tB\tm\n"
    )
    (folder / "tracks.txt").write_text("\tidentifier\tfile\tcell\tassay\tnan\n" + tracks)
    return replace(OPTIONS, tracks=str(folder / "tracks.txt"))


def test_input_tracks_are_looked_at_too(folder):
    options = cells(folder, "0\ta\tt1.bw\tA\tDNase\t\n1\tb\tt2.bw\tB\tDNase\t\n")
    found = check(folder, options)
    assert not found.failed
    assert not [m for m in messages(found, "warning") if "input track" in m]
    assert [t.identifier for t in found.tracks] == ["T0", "T1", "a (input)", "b (input)"]
    assert "b (input)" in as_text(found)
    plain = check(folder, replace(options, tracks=None))
    assert found.forecast["bytes"] > plain.forecast["bytes"]
    assert {"tracks", "input track a", "input track b"} < set(
        input_files(str(folder / "genome.fa"), str(folder / "targets.txt"), options)
    )


@pytest.mark.parametrize(
    ("tracks", "level", "message"),
    [
        (
            "0\ta\tt1.bw\tA\tDNase\t\n1\tb\tt2.bw\tB\tATAC\t\n",
            "warning",
            "different assays are mixed (DNase of A; ATAC of B)",
        ),
        ("0\ta\tt1.bw\tA\t\t\n", "error", "cell 'B' of target 'T1' has no accessibility track"),
        ("0\ta\tt1.bw\t\t\t\n", "error", "track 'a' has no cell"),
        (
            "0\ta\tt1.bw\tA\t\t\n1\tb\tt1.bw\tB\t\t\n",
            "warning",
            "input tracks 'a' and 'b' are of the same file",
        ),
    ],
)
def test_tables_of_input_tracks(folder, tracks, level, message):
    found = check(folder, cells(folder, tracks))
    assert any(message in m for m in messages(found, level)), found.problems
    assert found.failed == (level == "error")


@pytest.mark.parametrize(
    ("change", "level", "message"),
    [
        (lambda x: np.where(x > 5, -x, x), "error", "has the value -"),
        (lambda x: np.where(x > 5, np.inf, x), "error", "has the value inf: accessibility is"),
        (lambda x: np.where(x > 5, 1e5, x), "warning", "bases above 65504"),
        (lambda x: np.where(x > 0.01, np.nan, x), "warning", "write zero into the column nan"),
        (lambda x: x * np.nan, "error", "has no value on any chromosome"),
    ],
)
def test_values_of_input_tracks(folder, genome_values, change, level, message):
    with h5py.File(folder / "x.h5", "w") as track:  # a bigWig's writer refuses infinity
        for chrom, x in genome_values[1][0].items():
            track[chrom] = change(x).astype(np.float32)
    options = cells(folder, "0\ta\tt0.bw\tA\t\t\n1\tx\tx.h5\tB\t\t\n")
    found = check(folder, options)
    told = [m for m in messages(found, level) if message in m]
    assert len(told) == 1, found.problems
    assert told[0].startswith("input track 'x'")
    json.dumps(as_json(found), allow_nan=False)
    assert not any("input track 'a'" in p.message for p in found.problems)


def test_what_is_not_covered_may_mean_zero(folder, genome_values):
    values = {c: np.where(x > 0.5, np.nan, x) for c, x in genome_values[1][0].items()}
    write_bigwig(folder / "x.bw", values)
    found = check(folder, cells(folder, "0\ta\tx.bw\tA\t\tzero\n1\tb\tt2.bw\tB\t\t\n"))
    assert not [m for m in messages(found, "warning") if "column nan" in m]


def test_input_tracks_of_another_build(folder, genome_values):
    values = {c: x[:-100] for c, x in genome_values[1][0].items()}
    write_bigwig(folder / "x.bw", values)
    found = check(folder, cells(folder, "0\ta\tx.bw\tA\t\t\n1\tb\tt2.bw\tB\t\t\n"))
    assert any("input track 'a'" in m and "of another length" in m for m in messages(found))
