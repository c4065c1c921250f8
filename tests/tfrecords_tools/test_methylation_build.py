"""Methylation at CpGs to records: against a plain reading of the same files, and bad input."""

import logging
import os
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

from tfrecords_tools import joined
from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import DataWriter
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.files import read_json, write_json
from tfrecords_tools.intervals import Interval, read_bed
from tfrecords_tools.methylation import build as building
from tfrecords_tools.methylation import chosen
from tfrecords_tools.methylation.build import build
from tfrecords_tools.methylation.options import MethylationOptions
from tfrecords_tools.methylation.plan import make_plan
from tfrecords_tools.record_windows import stream_windows
from tfrecords_tools.rewindow import RewindowOptions, rewindow
from tfrecords_tools.select_records import SelectOptions, select_records
from tfrecords_tools.targets import Target
from tfrecords_tools.validate import validate
from tfrecords_tools.windows import Windowing

SCRIPT = Path(__file__).parents[2] / "scripts" / "tfepi_data.py"
LENGTH, HALF, LEAST = 61, 30, 5
CHROMS = {"chr1": 15_000, "chr2": 9_000, "chr3": 6_000}
OPTIONS = {
    "seq_length": LENGTH,
    "valid": "chr2",
    "test": "chr3",
    "contig_limit": None,
    "records_per_shard": 200,
}


@pytest.fixture(scope="module")
def sequences(genome_values):
    """The beginnings of the shared genome's chromosomes."""
    return {chrom: genome_values[0][chrom][:length] for chrom, length in CHROMS.items()}


@pytest.fixture(scope="module")
def cpgs(sequences):
    """Chromosome → positions of the C of each CpG, found letter by letter."""
    return {
        chrom: [i for i in range(len(s) - 1) if s[i : i + 2].upper() == "CG"]
        for chrom, s in sequences.items()
    }


@pytest.fixture(scope="module")
def reads(cpgs):
    """Sample → (chromosome, position) → (methylated, unmethylated) reads."""
    rng = np.random.default_rng(11)
    found = {}
    for sample in ("a", "b", "c"):
        found[sample] = {
            (chrom, at): tuple(rng.integers(0, 9, 2).tolist())
            for chrom, positions in cpgs.items()
            for at in positions
            if rng.random() < 0.7
        }
    return found


@pytest.fixture(scope="module")
def tables(tmp_path_factory, reads, sequences):
    """Folder of genome.fa, samples' files, and tables: counts (a, b, c), mixed (a, g without)."""
    folder = tmp_path_factory.mktemp("methylation")
    (folder / "genome.fa").write_text("".join(f">{c}\n{s}\n" for c, s in sequences.items()))
    for sample, sites in reads.items():
        lines = [
            f"{c}\t{at + 1}\t{at + 1}\t0\t{m}\t{u}\n" for (c, at), (m, u) in sites.items() if m + u
        ]
        (folder / f"{sample}.cov").write_text("".join(lines))
    lines = [f"{c}\t{at}\t{at + 1}\t0.25\n" for c, at in reads["a"]]
    (folder / "g.bedgraph").write_text("".join(lines))
    header = "\tidentifier\tfile\tformat\ttissue\tdescription\n"
    rows = [
        f"{n}\t{s}\t{s}.cov\tbismark_cov\t{tissue}\tsample {s}\n"
        for n, (s, tissue) in enumerate((("a", "brain"), ("b", "blood"), ("c", "brain")))
    ]
    (folder / "samples.txt").write_text(header + "".join(rows))
    (folder / "mixed.txt").write_text(header + rows[0] + "1\tg\tg.bedgraph\tbedgraph\t\t\n")
    return folder


@pytest.fixture(scope="module")
def make(tables):
    """Return a function that builds a data folder."""

    def make(
        out, table="samples.txt", workers=1, resume=False, dry_run=False, tell=None, **changes
    ):
        options = MethylationOptions(**(OPTIONS | changes))
        plan = make_plan(tables / "genome.fa", tables / table, options)
        told = [] if tell is None else tell
        how = {"resume": resume, "quiet": True, "dry_run": dry_run, "tell": told.append}
        return build(plan, out, workers, **how)

    return make


@pytest.fixture(scope="module")
def made(make, tmp_path_factory):
    """A data folder with coverage."""
    out = tmp_path_factory.mktemp("made") / "data"
    make(out, store_coverage=True)
    return out


def content(folder):
    """Bytes of every file but run.json."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


def expected(reads, least=LEAST):
    """CpG → (betas, reads) of the three samples, of those with any value."""
    found = {}
    for place in sorted({p for sites in reads.values() for p in sites}):
        counts = [sum(reads[s].get(place, (0, 0))) for s in "abc"]
        kept = [n >= max(least, 1) for n in counts]
        if any(kept):
            betas = [
                reads[s][place][0] / n if k else np.nan
                for s, n, k in zip("abc", counts, kept, strict=True)
            ]
            found[place] = betas, [n * k for n, k in zip(counts, kept, strict=True)]
    return found


def base_codes(sequence):
    return np.array(["ACGT".find(letter) % 5 for letter in sequence.upper()], np.uint8)


def test_every_record_is_the_window_read_plainly(made, reads, sequences):
    data, sites = Data.open(made), expected(reads)
    assert (data.kind, data.has_coverage, data.compressed) == ("methylation", True, True)
    chroms = {"train": "chr1", "valid": "chr2", "test": "chr3"}
    beyond = 0
    for label, chrom in chroms.items():
        codes = base_codes("N" * HALF + sequences[chrom] + "N" * HALF)
        windows = data.windows(label)
        assert sorted(w.start for w in windows) == [at for c, at in sites if c == chrom]
        for window, (shard, number, features) in zip(windows, data.frames(label), strict=True):
            at = window.start
            assert (window.chrom, window.end) == (chrom, at + 1)
            sequence = data.sequence(features, shard, number)
            assert (sequence == codes[at : at + LENGTH]).all()
            assert sequence[HALF : HALF + 2].tolist() == [1, 2]
            betas, counts = sites[chrom, at]
            target = data.target(features, shard, number)
            assert np.array_equal(target, np.array([betas], np.float16), equal_nan=True)
            coverage = data.coverage(features, shard, number)
            assert (coverage == np.array([counts], np.float16)).all()
            beyond += at < HALF
    assert beyond  # windows that reach beyond a chromosome's start are there


def test_statistics_and_manifest_tell_what_is_there(made, reads):
    sites = expected(reads)
    counts = [sum(c == f"chr{n}" for c, _ in sites) for n in (1, 2, 3)]
    assert read_json(made / "statistics.json") == {
        "num_targets": 3,
        "seq_length": 61,
        "seq_1hot": True,
        "pool_width": 1,
        "crop_bp": 30,
        "target_length": 1,
        "kind": "methylation",
        "coverage": True,
        "train_seqs": counts[0],
        "valid_seqs": counts[1],
        "test_seqs": counts[2],
    }
    manifest = read_json(made / "manifest.json")
    assert manifest["dropped"] == {}
    assert manifest["options"]["min_coverage"] == 5
    assert set(manifest["inputs"]) == {"genome", "sample a", "sample b", "sample c"}
    assert manifest["shards"][0]["records"] == 200
    betas = np.array([b for b, _ in sites.values()], np.float16).astype(np.float64)
    for n, (summary, sample) in enumerate(zip(manifest["tracks"], manifest["sites"], strict=True)):
        assert summary["mean"] == pytest.approx(np.nanmean(betas[:, n]))
        assert summary["sd"] == pytest.approx(np.nanstd(betas[:, n]))
        assert summary["missing_share"] == pytest.approx(np.isnan(betas[:, n]).mean())
        low = sum(0 < sum(v) < LEAST for v in reads["abc"[n]].values())
        assert (sample["sample"], sample["dropped_low_coverage"]) == ("abc"[n], low)
    targets = Data.open(made).targets
    assert [(t.identifier, t.tissue, t.description) for t in targets] == [
        ("a", "brain", "sample a"),
        ("b", "blood", "sample b"),
        ("c", "brain", "sample c"),
    ]
    assert not (made / ".build").exists()


def test_no_window_straddles_two_labels(make, tmp_path, reads):
    told = []
    make(tmp_path / "d", valid="0.2", test="0.2", contig_limit=1000, tell=told)
    contigs = read_bed(tmp_path / "d" / "contigs.bed")
    wanted = {"train": set(), "valid": set(), "test": set()}
    left_out = 0
    for chrom, at in expected(reads):
        (home,) = (c for c in contigs if c.chrom == chrom and c.start <= at < c.end)
        low, high = max(0, at - HALF), min(CHROMS[chrom], at + HALF + 1)
        if home.start <= low and high <= home.end:
            wanted[home.label].add((chrom, at))
        else:
            left_out += 1
    found = {label: set() for label in wanted}
    for window in stream_windows(tmp_path / "d"):
        assert (window.chrom, window.start) not in found[window.label]
        found[window.label].add((window.chrom, window.start))
    assert found == wanted
    assert all(len(places) > 100 for places in found.values())
    reason = "window reaches beyond its label's contig"
    assert read_json(tmp_path / "d" / "manifest.json")["dropped"] == {reason: left_out}
    assert left_out > 30
    assert f"{left_out:,} dropped ({reason})" in told[0]


def test_gaps_limits_and_split_beds(make, tmp_path, reads):
    bed = tmp_path / "split.bed"
    bed.write_text("chr1\t0\t9000\ttrain\nchr1\t9000\t12000\tood\nchr2\t0\t9000\tvalid\n")
    (tmp_path / "gaps.bed").write_text("chr1\t1000\t1300\n")
    (tmp_path / "limit.bed").write_text("chr1\t500\t15000\nchr2\t0\t9000\n")
    names = {"gaps": str(tmp_path / "gaps.bed"), "limit": str(tmp_path / "limit.bed")}
    make(tmp_path / "d", split_bed=str(bed), **names)
    data = Data.open(tmp_path / "d")
    assert data.labels == ["train", "valid", "ood"]
    found = sorted(w.start for w in data.windows("train"))
    inside = [at for c, at in expected(reads) if c == "chr1" and 500 + HALF <= at < 9000 - HALF]
    assert found == [at for at in inside if not 1000 - HALF <= at < 1300 + HALF]
    make(tmp_path / "f", folds=3, contig_limit=1000)
    assert set(Data.open(tmp_path / "f").counts) == {"fold0", "fold1", "fold2"}
    make(tmp_path / "c", chroms=("chr1", "chr3"), valid="0")
    assert set(Data.open(tmp_path / "c").counts) == {"train", "test"}


def test_shards_mix_neighbours_from_everywhere(tmp_path):
    rows = np.arange(0, 300_000, 3)
    rows.tofile(tmp_path / "rows")
    counts = {"train": 90_001, "test": 9_999}
    some = chosen.Chosen(tmp_path / "rows", counts, {}, 44, 8192)
    found = {label: [] for label in counts}
    for shard in some.shards():
        found[shard.label].append(some.rows(shard))
        assert len(found[shard.label][-1]) == shard.records <= 8192
    for label, of_label in (("train", rows[:90_001]), ("test", rows[90_001:])):
        np.testing.assert_array_equal(np.sort(np.concatenate(found[label])), of_label)
    assert [len(f) for f in found["train"]] == [8192] * 10 + [8081]
    first = found["train"][0]
    assert np.ptp(first) > 0.95 * np.ptp(rows[:90_001])
    assert np.abs(np.diff(first)).mean() > 0.2 * np.ptp(first)  # a third when all is shuffled
    assert np.median(np.diff(np.sort(first))) == 3  # neighbours, so that FASTA is read in stretches


def test_the_order_is_the_seeds(make, made, tmp_path):
    make(tmp_path / "other", seed=1)
    ours, other = (list(stream_windows(folder)) for folder in (made, tmp_path / "other"))
    assert ours != other
    assert sorted(ours) == sorted(other)


def test_workers_and_shard_size_do_not_change_what_is_written(make, made, tmp_path):
    make(tmp_path / "two", workers=2, store_coverage=True)
    assert content(tmp_path / "two") == content(made)
    make(tmp_path / "small", records_per_shard=70)
    entries = read_json(tmp_path / "small" / "manifest.json")["shards"]
    assert max(s["records"] for s in entries) == 70
    assert len(entries) > 20
    windows = [set(stream_windows(folder)) for folder in (made, tmp_path / "small")]
    assert windows[0] == windows[1]


def test_packed_records_hold_the_same(make, made, tmp_path):
    make(tmp_path / "p", encoding="packed", store_coverage=True)
    plain, packed = Data.open(made), Data.open(tmp_path / "p")
    assert (packed.encoding, packed.compressed) == ("packed", False)
    for label in plain.labels:
        for a, b in zip(plain.arrays(label), packed.arrays(label), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_sample_is_drawn(make, made, tmp_path):
    make(tmp_path / "d", sample=0.3)
    everything, some = Data.open(made), Data.open(tmp_path / "d")
    for label in everything.labels:
        assert 0.25 < some.counts[label] / everything.counts[label] < 0.35
        assert set(some.windows(label)) < set(everything.windows(label))
    dropped = read_json(tmp_path / "d" / "manifest.json")["dropped"]
    assert sum(dropped.values()) == sum(everything.counts.values()) - sum(some.counts.values())


def test_chunks_do_not_change_what_is_chosen(make, made, tmp_path, monkeypatch):
    monkeypatch.setattr(chosen, "_CHUNK", 100)
    make(tmp_path / "d", store_coverage=True)
    assert content(tmp_path / "d") == content(made)


def test_calls_are_0_1_or_missing(make, tmp_path, reads):
    make(tmp_path / "d", calls=(0.25, 0.5), store_coverage=True)
    data, sites = Data.open(tmp_path / "d"), expected(reads)
    seen = 0
    for window, (shard, number, features) in zip(
        data.windows("test"), data.frames("test"), strict=True
    ):
        betas, counts = sites[window.chrom, window.start]
        wanted = [0.0 if b <= 0.25 else 1.0 if b >= 0.5 else np.nan for b in betas]
        np.testing.assert_array_equal(data.target(features, shard, number)[0], wanted)
        coverage = np.where(np.isnan(wanted), 0, counts)
        np.testing.assert_array_equal(data.coverage(features, shard, number)[0], coverage)
        seen += 1
    between = [
        all(not (b <= 0.25 or b >= 0.5) for b in v[0]) for k, v in sites.items() if k[0] == "chr3"
    ]
    assert seen == len(between) - sum(between)
    assert sum(between)


def test_a_column_per_tissue(make, tmp_path, reads):
    make(tmp_path / "d", per="tissue")
    data = Data.open(tmp_path / "d")
    assert [(t.identifier, t.tissue) for t in data.targets] == [
        ("brain", "brain"),
        ("blood", "blood"),
    ]
    assert not data.has_coverage
    rows = data.windows("test"), data.records("test")
    sites = {w.start: t for w, (_, t) in zip(*rows, strict=True)}
    place = next(p for p in reads["b"] if p[0] == "chr3" and sum(reads["b"][p]) >= LEAST)
    methylated, other = reads["b"][place]
    assert sites[place[1]][0, 1] == np.float16(methylated / (methylated + other))


class Stopped(Exception):
    pass


@pytest.mark.parametrize("after", [0, 1, 4])
def test_a_stopped_build_goes_on_to_the_same_bytes(make, made, tmp_path, monkeypatch, after):
    calls = []

    def stopping(job):
        if len(calls) == after:
            (job.path.parent / ".x.tfr.123.part.tfr").touch()  # left by a kill
            raise Stopped
        calls.append(job)
        return building_write(job)

    building_write = building.write_shard
    monkeypatch.setattr(building, "write_shard", stopping)
    with pytest.raises(Stopped):
        make(tmp_path / "d", store_coverage=True)
    with pytest.raises(InputFileError, match="unfinished build"):
        Data.open(tmp_path / "d")
    with pytest.raises(UnfinishedError, match="unfinished build: use --resume"):
        make(tmp_path / "d", store_coverage=True)
    with pytest.raises(UnfinishedError, match="option seed was 44"):
        make(tmp_path / "d", store_coverage=True, seed=1, resume=True)
    monkeypatch.setattr(building, "write_shard", building_write)
    collected = []
    monkeypatch.setattr(building, "choose", lambda *a: collected.append(a) or chosen.choose(*a))
    make(tmp_path / "d", store_coverage=True, resume=True)
    assert content(tmp_path / "d") == content(made)
    assert len(collected) == 1


def test_a_build_stopped_before_its_manifest_goes_on(make, made, tmp_path, monkeypatch):
    def stopped(*args):
        raise Stopped

    monkeypatch.setattr(building, "write_contigs", stopped)
    with pytest.raises(Stopped):
        make(tmp_path / "d", store_coverage=True)
    monkeypatch.undo()
    make(tmp_path / "d", store_coverage=True, resume=True)
    assert content(tmp_path / "d") == content(made)


def test_a_whole_folder_is_not_built_again(make, made, tmp_path):
    shutil.copytree(made, tmp_path / "d")
    (tmp_path / "d" / ".build" / "done").mkdir(parents=True)  # killed while it was removed
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "d").rglob("*.*") if p.is_file()}
    told = []
    assert make(tmp_path / "d", store_coverage=True, resume=True, tell=told)["shards"]
    assert told == [f"{tmp_path / 'd'} is complete already"]
    assert {p: p.stat().st_mtime_ns for p in before} == before
    assert content(tmp_path / "d") == content(made)
    (tmp_path / "d" / "tfrecords" / "train-1.tfr").unlink()
    make(tmp_path / "d", store_coverage=True, resume=True)
    assert content(tmp_path / "d") == content(made)
    with pytest.raises(UnfinishedError, match="has results"):
        make(tmp_path / "d", store_coverage=True)


def test_resume_with_other_inputs_is_refused(make, made, tables, tmp_path):
    shutil.copytree(made, tmp_path / "d")
    with pytest.raises(UnfinishedError, match=r"input sample g .* has changed"):
        make(tmp_path / "d", "mixed.txt", store_coverage=True, resume=True)
    text = (tables / "samples.txt").read_text().replace("brain", "liver")
    (tables / "tissues.txt").write_text(text)
    with pytest.raises(UnfinishedError, match="the samples differ"):
        make(tmp_path / "d", "tissues.txt", store_coverage=True, resume=True)
    shutil.copytree(tables, tmp_path / "moved")
    plan = make_plan(
        tables / "genome.fa",
        tmp_path / "moved" / "samples.txt",
        MethylationOptions(**OPTIONS, store_coverage=True),
    )
    assert build(plan, tmp_path / "d", resume=True, quiet=True)["shards"]


def test_a_dry_run_forecasts_and_is_gone_on_with(make, made, tmp_path):
    told = []
    assert make(tmp_path / "d", store_coverage=True, dry_run=True, tell=told) is None
    forecast = "\n".join(told)
    counts = Data.open(made).counts
    assert f"train {counts['train']:,}, valid {counts['valid']:,}" in forecast
    assert "windows per CPU-second, measured on 200\n" in forecast
    assert "26 million CpGs take about" in forecast
    assert "--resume goes on" in forecast
    assert not (tmp_path / "d" / "tfrecords").exists() or not list(
        (tmp_path / "d" / "tfrecords").iterdir()
    )
    size = sum(s["bytes"] for s in read_json(made / "manifest.json")["shards"])
    told.clear()
    make(tmp_path / "d", store_coverage=True, resume=True, tell=told)
    assert content(tmp_path / "d") == content(made)
    each = size / sum(counts.values())
    assert f"{sum(counts.values()):,} records of {each:.3g} B each" in told[-1]
    assert "per CPU-second" in told[-1]


def test_sites_are_kept_for_another_split(make, made, tmp_path):
    (tmp_path / "limit.bed").write_text("chr1\t0\t9000\nchr2\t0\t9000\nchr3\t100\t150\n")
    limit = {"limit": str(tmp_path / "limit.bed"), "store_coverage": True}
    with pytest.raises(ConfigError, match="with --resume, which keeps the sites"):
        make(tmp_path / "d", **limit)
    store = tmp_path / "d" / ".build" / "sites" / "store.json"
    before = store.stat().st_mtime_ns
    make(tmp_path / "d", resume=True, dry_run=True, folds=2, contig_limit=1000)
    assert store.stat().st_mtime_ns == before
    with pytest.raises(UnfinishedError):
        make(tmp_path / "d", resume=True, min_coverage=6)
    make(tmp_path / "d", store_coverage=True, resume=True)
    assert content(tmp_path / "d") == content(made)


def test_windows_are_not_read_to_open_a_folder(made, tmp_path):
    shutil.copytree(made, tmp_path / "d")
    (tmp_path / "d" / "sequences.bed").write_text("no interval\n")
    assert Data.open(tmp_path / "d").counts == Data.open(made).counts


def test_the_folder_is_valid_until_it_is_damaged(made, tmp_path):
    assert validate(made, quiet=True).count("error") == 0
    source = Data.open(made)
    (tmp_path / "d").mkdir()
    windowing = Windowing(LENGTH, HALF, 1)
    kind = {"kind": "methylation", "coverage": True}
    wrong = [
        ([np.nan, 1.25, 0.5], [0, 7, 7]),
        ([-0.0, 0.5, 0.5], [7, 7, -1]),
        ([-0.25, 0.5, 0.5], [7, np.nan, np.inf]),
    ]
    with DataWriter(tmp_path / "d", windowing, source.targets, "index", **kind) as writer:
        for betas, counts in wrong:
            features = {"sequence": bytes(LENGTH)}
            features["target"] = np.array(betas, np.float16).tobytes()
            features["coverage"] = np.array(counts, np.float16).tobytes()
            writer.write("train", Interval("chr1", 50, 51, "train"), features)
        writer.finish({"made_by": "test", "options": {}, "inputs": {}, "source": {}})
    report = validate(tmp_path / "d", quiet=True)
    found = {
        kind: count for (level, kind), (count, _) in report.problems.items() if level == "error"
    }
    assert found == {"beta": 2, "coverage": 2}
    assert report.targets == {"a": {"nan": 1, "beta": 1}, "b": {"beta": 1}}
    assert any("2 numbers of reads are negative or not finite" in x for x in report.lines())
    assert "1 below 0 or above 1" in report.summary()


def test_selected_targets_keep_their_coverage(made, tmp_path):
    data = Data.open(made)
    options = SelectOptions((2, 0), ("test",), encoding="packed")
    select_records(data, tmp_path / "s", options, quiet=True)
    some = Data.open(tmp_path / "s")
    assert (some.kind, some.has_coverage) == ("methylation", True)
    assert [t.tissue for t in some.targets] == ["brain", "brain"]
    for (*old, before), (*new, after) in zip(data.frames("test"), some.frames("test"), strict=True):
        for read in ("target", "coverage"):
            wanted = getattr(data, read)(before, *old)[:, [2, 0]]
            np.testing.assert_array_equal(getattr(some, read)(after, *new), wanted)


def test_shorter_windows_stay_on_their_cpg(made, tmp_path):
    data = Data.open(made)
    options = RewindowOptions(21, 1, 10, shuffle_mib=0)
    rewindow(data, tmp_path / "r", options, ["test"], quiet=True)
    short = Data.open(tmp_path / "r")
    assert (short.kind, short.has_coverage) == ("methylation", True)
    assert short.windows("test") == data.windows("test")
    for (*old, before), (*new, after) in zip(
        data.frames("test"), short.frames("test"), strict=True
    ):
        np.testing.assert_array_equal(
            short.sequence(after, *new), data.sequence(before, *old)[20:41]
        )
        assert (after["target"], after["coverage"]) == (before["target"], before["coverage"])
    with pytest.raises(ConfigError, match="no window of 20 bp"):
        rewindow(data, tmp_path / "e", RewindowOptions(20, 1, 9), quiet=True)


def test_kinds_are_not_joined(made, make, tmp_path):
    make(tmp_path / "plain")
    with pytest.raises(ConfigError, match="has_coverage is True"):
        joined.join([Data.open(made), Data.open(tmp_path / "plain")])


def test_coverage_that_is_not_there(make, tmp_path):
    make(tmp_path / "d", valid="0", test="0")
    data = Data.open(tmp_path / "d")
    with pytest.raises(ConfigError, match="has no coverage: build it with --store_coverage"):
        data.coverage(*reversed(next(data.frames("train"))))
    folder = tmp_path / "d"
    statistics = read_json(folder / "statistics.json")
    for change, error, message in (
        ({"coverage": True}, InputFileError, "has no bytes feature 'coverage'"),
        ({"coverage": "yes"}, InputFileError, "coverage = 'yes': want true or false"),
        ({"kind": "methylatoin"}, ConfigError, "did you mean 'methylation'"),
    ):
        write_json(folder / "statistics.json", statistics | change)
        with pytest.raises(error, match=message):
            Data.open(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seq_length": 60}, "-l is 60 bp, want an odd number"),
        ({"seq_length": 1}, "-l is 1 bp, want an odd number from 3"),
        ({"min_coverage": -1}, "minimum coverage is -1"),
        ({"per": "tisue"}, "did you mean 'tissue'"),
        ({"calls": (0.5, 0.5)}, "calls are 0.5 and 0.5"),
        ({"calls": (-0.1, 0.5)}, "calls are -0.1"),
        ({"calls": (0.1, 1.5)}, "0.1 and 1.5"),
        ({"sample": 0}, "sample is 0"),
        ({"records_per_shard": 0}, "records per shard is 0"),
        ({"folds": 3, "split_bed": "x"}, "exclude each other"),
        ({"contig_limit": 60}, "--break is 60, want at least 61"),
        ({"chroms": ("chr9",)}, "--chroms: .* has no chromosome 'chr9'"),
        ({"valid": "chr9"}, "'chr9' of -v/-t has no contig"),
        ({"valid": "0.5", "test": "0.6"}, "valid plus test"),
        ({"gaps": "all.bed"}, "nothing of the genome is left"),
        ({"limit": "none.bed"}, "--limit .*none.bed has no interval"),
        ({"limit": "far.bed"}, "ends beyond chr1"),
        ({"limit": "other.bed"}, "has no chromosome 'chr9'"),
        ({"valid": "0.001", "test": "0.1"}, "no part of the genome is left for valid"),
        ({"table": "mixed.txt", "per": "tissue"}, "sample 'g' has no tissue"),
        ({"table": "mixed.txt", "store_coverage": True}, "not every column has counts"),
        ({"limit": "short.bed"}, r"no CpG for test \(train .*reaches beyond its label's contig"),
        ({"min_coverage": 90}, "no CpG has a value"),
    ],
)
def test_bad_input_gets_a_line(make, tmp_path, changes, message):
    beds = {
        "all.bed": "chr1\t0\t15000\nchr2\t0\t9000\nchr3\t0\t6000\n",
        "none.bed": "",
        "far.bed": "chr1\t0\t70000\n",
        "other.bed": "chr9\t0\t70\n",
        "short.bed": "chr1\t0\t9000\nchr2\t0\t9000\nchr3\t100\t150\n",
    }
    for name, text in beds.items():
        (tmp_path / name).write_text(text)
    for name in ("gaps", "limit"):
        if name in changes:
            changes = changes | {name: str(tmp_path / changes[name])}
    with pytest.raises(TfepiError, match=message) as raised:
        make(tmp_path / "d", **changes)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "d" / "manifest.json").exists()
    assert not (tmp_path / "d" / ".build" / "plan.json").exists()


@pytest.fixture
def command(tables, monkeypatch, capsys):
    """Return a function that runs tfepi_data.py and returns (status, stdout, stderr lines)."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    main = runpy.run_path(str(SCRIPT))["main"]

    def run(*arguments, table=tables / "samples.txt"):
        capsys.readouterr()
        try:
            status = main([*map(str, arguments), str(tables / "genome.fa"), str(table)])
        except SystemExit as end:
            status = end.code
        out, err = capsys.readouterr()
        return status, out, err.splitlines()

    return run


def test_the_command_builds_what_the_function_does(command, made, tmp_path):
    kind = ("-q", "--kind", "methylation", "-o", tmp_path / "d")
    options = ("-l", LENGTH, "-v", "chr2", "-t", "chr3", "-r", 200, "--store_coverage")
    status, out, err = command(*kind, *options, "--break", 100_000)
    assert (status, err) == (0, [])
    assert "windows   train " in out
    assert f"wrote {tmp_path / 'd'}: " in out
    found, wanted = content(tmp_path / "d"), content(made)
    found.pop("manifest.json"), wanted.pop("manifest.json")  # which has --break
    assert found == wanted
    status, out, _ = command(*kind, *options, "--break", 100_000, "--resume")
    assert (status, out) == (0, f"{tmp_path / 'd'} is complete already\n")
    assert command(*kind, *options)[0] == 2


def test_a_split_alone_is_written(command, tmp_path):
    kind = ("--kind", "methylation", "-o", tmp_path / "d", "-v", "chr2", "-t", "chr3")
    assert command(*kind, "--st")[0] == 0
    assert set(content(tmp_path / "d")) == {".tfepi", "contigs.bed"}


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (("--kind", "methylation", "-w", "128", "--nan=zero"), ("--kind methylation", "-w, --nan")),
        (("--kind", "methylation", "-i", "--umap_tfr"), ("does not take -i, --umap_tfr",)),
        (("--calls", "0.2,0.8"), ("--kind coverage does not take --calls", "--kind methylation")),
        (("--store_coverage",), ("does not take --store_coverage",)),
        (("--kind", "methylatoin"), ("'methylatoin'", "did you mean 'methylation'")),
        (
            ("--kind", "methylation", "--calls", "0.2"),
            ("'0.2' is not two numbers",),
        ),
        (("--kind", "methylation", "--calls", "0.8,0.2"), ("calls are 0.8 and 0.2",)),
        (("--kind", "methylation", "-l", "2000"), ("-l is 2000 bp, want an odd number",)),
        (("--kind", "methylation", "-p", "0"), ("processes (-p) is 0",)),
        (("--kind", "methylation", "third.txt"), ("unrecognized arguments: ",)),
    ],
)
def test_options_that_do_not_go_together(command, tmp_path, arguments, wanted):
    status, _, err = command("-o", tmp_path / "d", *arguments)
    assert (status, len(err)) == (2, 1)
    for text in wanted:
        assert text in err[0]
    assert not (tmp_path / "d").exists()


def test_tissues_are_kept_in_the_targets_table(tmp_path):
    from tfrecords_tools.targets import read_targets, write_targets

    targets = (Target(0, "x", tissue="brain"), Target(1, "y"))
    write_targets(tmp_path / "t.txt", targets)
    assert read_targets(tmp_path / "t.txt") == targets
    write_targets(tmp_path / "u.txt", targets[1:])
    assert "tissue" not in (tmp_path / "u.txt").read_text()
    assert os.linesep not in targets[0].to_json()["tissue"]
