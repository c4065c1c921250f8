import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfrecords_tools.build import build
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError, TfepiError, UnfinishedError
from tfrecords_tools.fasta_index import FastaIndex
from tfrecords_tools.files import read_json
from tfrecords_tools.framing import read_frames
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import intersect_array, merged, read_bed
from tfrecords_tools.plan import make_plan
from tfrecords_tools.pooling import Pooling, window_values
from tfrecords_tools.records import parse_example
from tfrecords_tools.tracks import open_track

OPTIONS = {
    "seq_length": 256,
    "bin_width": 32,
    "crop": 64,
    "stride_train": 128,
    "stride_test": 128,
    "valid": "chr2",
    "test": "chr3",
    "records_per_shard": 100,
}


def make(folder, out, workers=1, **changes):
    options = BuildOptions(**(OPTIONS | changes))
    plan = make_plan(folder / "genome.fa", folder / "targets.txt", options)
    build(plan, out, workers=workers, quiet=True)
    return plan


def content(folder):
    """Bytes of every file but run.json."""
    return {
        str(p.relative_to(folder)): p.read_bytes()
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "run.json"
    }


def test_every_record_is_the_window_read_plainly(genome_folder, tmp_path):
    changes = {
        "blacklist": str(genome_folder / "blacklist.bed"),
        "gaps": str(genome_folder / "gaps.bed"),
        "crop": 0,
    }
    plan = make(genome_folder, tmp_path / "d", **changes)
    data = Data.open(tmp_path / "d")
    assert data.counts == {"train": 458, "valid": 311, "test": 186}
    black = merged(
        type(i)(i.chrom, i.start - 20, i.end + 20)
        for i in read_bed(genome_folder / "blacklist.bed")
    )
    genome = Genome(genome_folder / "genome.fa")
    tracks = [open_track(t.file) for t in plan.targets]
    limits = [t["extreme_limit"] for t in read_json(tmp_path / "d" / "manifest.json")["tracks"]]
    for label in data.labels:
        windows = data.windows(label)
        for window, (sequence, target) in zip(windows, data.records(label), strict=True):
            assert (sequence == genome.indices(window.chrom, window.start, window.end)).all()
            span = np.array([[window.start, window.end]])
            spans = black.get(window.chrom, np.zeros((0, 2), int))
            inside = intersect_array(span, spans) - window.start
            for number, track in enumerate(tracks):
                values = track.values(window.chrom, window.start, window.end)
                want = window_values(values, Pooling(32, plan.targets[number]), inside)
                want = np.clip(want, -np.float16(limits[number]), np.float16(limits[number]))
                np.testing.assert_array_equal(target[:, number], want)


def test_crop_extends_the_sequence_past_chromosome_ends(genome_folder, tmp_path):
    make(genome_folder, tmp_path / "d")
    data = Data.open(tmp_path / "d")
    for window, (sequence, _) in zip(data.windows("test"), data.records("test"), strict=True):
        assert len(window) == 128
        if window.start == 0:
            assert (sequence[:64] == 4).all()
            break
    else:
        pytest.fail("no window at a chromosome's start")


def test_workers_do_not_change_the_bytes(genome_folder, tmp_path):
    make(genome_folder, tmp_path / "one")
    make(genome_folder, tmp_path / "two", workers=2)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_no_process_imports_tensorflow(genome_folder, tmp_path):
    """A TensorFlow that cannot be imported, nor Keras, stands before the real ones."""
    for name in ("tensorflow", "keras"):
        (tmp_path / "path" / name).mkdir(parents=True)
        (tmp_path / "path" / name / "__init__.py").write_text("raise SystemExit('imported')\n")
    root = Path(__file__).parents[2]
    script = root / "scripts" / "tfepi_data.py"
    options = [
        "-q",
        "-p",
        "2",
        "-l",
        "256",
        "-w",
        "32",
        "-r",
        "100",
        "-v",
        "chr2",
        "-t",
        "chr3",
        "genome.fa",
        "targets.txt",
    ]
    done = subprocess.run(
        [sys.executable, script, *options, "-o", tmp_path / "data"],
        cwd=genome_folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path / "path"), str(root)])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert Data.open(tmp_path / "data").counts["train"] > 0


def test_statistics_and_manifest_tell_what_is_there(small_data):
    stats = read_json(small_data / "statistics.json")
    assert stats == {
        "num_targets": 3,
        "seq_length": 256,
        "seq_1hot": True,
        "pool_width": 32,
        "crop_bp": 64,
        "target_length": 4,
        "train_seqs": 468,
        "valid_seqs": 312,
        "test_seqs": 187,
    }
    manifest = read_json(small_data / "manifest.json")
    assert sum(s["records"] for s in manifest["shards"]) == 468 + 312 + 187
    assert all(s["records"] > 0 for s in manifest["shards"])
    assert set(manifest["inputs"]) == {"genome", "track T0", "track T1", "track T2"}
    data = Data.open(small_data)
    values = np.concatenate([data.arrays(label)[1] for label in data.labels]).astype(float)
    for number, target in enumerate(manifest["tracks"]):
        assert target["mean"] == pytest.approx(values[..., number].mean(), rel=1e-3)
        assert target["sd"] == pytest.approx(values[..., number].std(), rel=1e-3)


@pytest.mark.parametrize("records", [1, 39, 78, 468, 1000])
def test_no_shard_is_empty(genome_folder, tmp_path, records):
    make(genome_folder, tmp_path / "d", records_per_shard=records, limit=None, sample=0.5)
    manifest = read_json(tmp_path / "d" / "manifest.json")
    assert all(0 < s["records"] <= records for s in manifest["shards"])


def test_packed_records_hold_the_same(genome_folder, tmp_path, small_data):
    make(genome_folder, tmp_path / "d", encoding="packed")
    plain, packed = Data.open(small_data), Data.open(tmp_path / "d")
    assert (packed.encoding, packed.compressed) == ("packed", False)
    for label in plain.labels:
        for a, b in zip(plain.arrays(label), packed.arrays(label), strict=True):
            np.testing.assert_array_equal(a, b)


def test_missing_values_are_kept(genome_folder, tmp_path):
    make(genome_folder, tmp_path / "d", nan="keep")
    data = Data.open(tmp_path / "d")
    targets = np.concatenate([data.arrays(label)[1] for label in data.labels])
    share = np.isnan(targets).mean(axis=(0, 1))
    assert share[0] == share[2] == 0
    assert 0.01 < share[1] < 0.05
    manifest = read_json(tmp_path / "d" / "manifest.json")
    assert manifest["tracks"][1]["missing_share"] == pytest.approx(share[1])


def test_unmappable_windows_are_dropped_and_counted(genome_folder, tmp_path):
    changes = {"unmappable": str(genome_folder / "umap.bed"), "unmappable_store": True}
    plan = make(genome_folder, tmp_path / "d", unmappable_clip=0.5, **changes)
    assert plan.dropped["unmappable"] == sum(
        8000 - 64 <= s <= 9500 - 64 for s in range(0, 60000, 128)
    )
    assert Data.open(tmp_path / "d").counts["train"] == 468 - plan.dropped["unmappable"]


def test_folds_and_fractions(genome_folder, tmp_path):
    make(genome_folder, tmp_path / "f", folds=3, contig_limit=5000)
    assert set(Data.open(tmp_path / "f").counts) == {"fold0", "fold1", "fold2"}
    make(genome_folder, tmp_path / "p", valid="0.2", test="0.2", contig_limit=2000)
    counts = Data.open(tmp_path / "p").counts
    assert all(100 < counts[label] < 300 for label in ("valid", "test"))


def test_a_split_bed_names_the_labels(genome_folder, tmp_path):
    bed = tmp_path / "s.bed"
    bed.write_text("chr1\t0\t9000\ttrain\nchr1\t9000\t20000\tood\nchr2\t0\t9000\tvalid\n")
    plan = make(genome_folder, tmp_path / "d", split_bed=str(bed))
    assert plan.labels == ["train", "valid", "ood"]
    assert all(w.chrom == "chr1" and w.start >= 9000 for w in plan.windows if w.label == "ood")


def test_training_regions_touch_peaks(genome_folder, tmp_path):
    everything = make(genome_folder, tmp_path / "a")
    peaks = make(genome_folder, tmp_path / "p", regions="peaks")
    some = make(genome_folder, tmp_path / "n", regions="non-ubiquitous", ubiquitous_share=0.5)
    count = [sum(w.label == "train" for w in p.windows) for p in (everything, peaks, some)]
    assert count[0] > count[1] > count[2] > 0
    assert sum(w.label == "test" for w in peaks.windows) == 187
    assert set(some.windows) < set(peaks.windows) < set(everything.windows)


@pytest.mark.parametrize(
    ("split", "labels", "message"),
    [
        ({"folds": 3}, None, "unknown label 'train' .*choose from fold0, fold1, fold2"),
        ({"split_bed": True}, None, "unknown label 'train' .*did you mean 'training'"),
        ({}, ("train", "vaild"), "unknown label 'vaild' .*did you mean 'valid'"),
        ({}, (), "unknown label ''"),
    ],
)
def test_training_regions_of_labels_that_are_not_there(
    genome_folder, tmp_path, split, labels, message
):
    changes = {"regions": "peaks", "contig_limit": 5000} | split
    if "split_bed" in changes:
        changes["split_bed"] = str(tmp_path / "s.bed")
        (tmp_path / "s.bed").write_text("chr1\t0\t9000\ttraining\nchr2\t0\t9000\tvalid\n")
    if labels is not None:
        changes["region_labels"] = labels
    options = BuildOptions(**(OPTIONS | changes))
    with pytest.raises(ConfigError, match=message) as raised:
        make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    assert "--region_labels" in str(raised.value)


def test_training_regions_apply_to_the_folds_that_are_named(genome_folder):
    def counts(**changes):
        options = BuildOptions(**(OPTIONS | {"folds": 3, "contig_limit": 5000} | changes))
        plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
        return [len(plan.rows(label)) for label in plan.labels]

    every = counts()
    some = counts(regions="peaks", region_labels=("fold0", "fold2"))
    assert [a > b for a, b in zip(every, some, strict=True)] == [True, False, True]


def test_training_regions_by_default_need_no_valid(genome_folder):
    options = BuildOptions(**(OPTIONS | {"regions": "peaks", "valid": "0"}))
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    assert plan.dropped["regions"] > 0


def test_a_folder_with_results_is_refused(genome_folder, tmp_path):
    make(genome_folder, tmp_path / "d")
    with pytest.raises(UnfinishedError, match="has results"):
        make(genome_folder, tmp_path / "d")


def start(genome_folder, out, *extra):
    script = os.path.join(os.path.dirname(__file__), "..", "..", "scripts", "tfepi_data.py")
    root = os.path.join(os.path.dirname(__file__), "..", "..")
    arguments = ["-l", "256", "-w", "32", "-c", "64", "--stride", "8", "--stride_test", "8"]
    arguments += ["-v", "chr2", "-t", "chr3", "-r", "50", "-q", "-o", str(out), *extra]
    arguments += [str(genome_folder / "genome.fa"), str(genome_folder / "targets.txt")]
    return subprocess.Popen(
        [sys.executable, script, *arguments],
        env=os.environ | {"PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def test_a_killed_build_resumes_to_the_same_bytes(genome_folder, tmp_path):
    whole = start(genome_folder, tmp_path / "whole")
    began = time.monotonic()
    assert whole.wait(60) == 0
    took = time.monotonic() - began
    rng = np.random.default_rng(3)
    interrupted = 0
    for number in range(4):
        out = tmp_path / f"k{number}"
        for _ in range(2):
            process = start(genome_folder, out, "--resume")
            time.sleep(took * rng.uniform(0.2, 1.0))
            process.send_signal(signal.SIGKILL)
            process.wait()
            interrupted += not (out / "manifest.json").exists()
        last = start(genome_folder, out, "--resume")
        assert last.wait(60) == 0, last.stderr.read()
        assert content(out) == content(tmp_path / "whole")
    assert interrupted > 0


def test_a_kill_after_the_manifest_leaves_only_tidying(genome_folder, small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "d")
    (tmp_path / "d" / ".build" / "done").mkdir(parents=True)
    options = BuildOptions(**OPTIONS)
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    build(plan, tmp_path / "d", resume=True, quiet=True)
    assert content(tmp_path / "d") == content(small_data)


@pytest.mark.skipif(not shutil.which("pgrep"), reason="pgrep is not installed")
def test_workers_end_with_a_killed_parent(genome_folder, tmp_path):
    process = start(genome_folder, tmp_path / "d", "-p", "2", "--stride", "1")

    def workers():
        listed = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True)
        return set(map(int, listed.stdout.split())) - {process.pid}

    deadline = time.monotonic() + 30
    while len(workers()) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(workers()) >= 3  # the fork server, the resource tracker, a worker
    process.send_signal(signal.SIGKILL)
    process.wait()
    while workers() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not workers()


def unfinished(genome_folder, out, **changes):
    """Begin a build and stop it after the first stage's first job."""
    from tfrecords_tools import coverage

    options = BuildOptions(**(OPTIONS | changes))
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    real, calls = coverage.run_job, []

    def stopping(job):
        if calls:
            raise KeyboardInterrupt
        calls.append(job)
        return real(job)

    coverage.run_job = stopping
    try:
        with pytest.raises(KeyboardInterrupt):
            build(plan, out, quiet=True)
    finally:
        coverage.run_job = real
    return plan


def test_an_unfinished_build_is_not_data_and_not_overwritten(genome_folder, tmp_path):
    plan = unfinished(genome_folder, tmp_path / "d")
    begun = read_json(tmp_path / "d" / ".build" / "plan.json")
    assert (begun["format"], begun["format_version"]) == ("tfepi-build", 1)
    with pytest.raises(UnfinishedError, match="unfinished build"):
        build(plan, tmp_path / "d", quiet=True)
    with pytest.raises(InputFileError, match="unfinished build"):
        Data.open(tmp_path / "d")


def test_other_options_or_inputs_do_not_resume(genome_folder, tmp_path):
    copy = tmp_path / "g"
    shutil.copytree(genome_folder, copy)
    unfinished(copy, tmp_path / "d")
    options = BuildOptions(**(OPTIONS | {"records_per_shard": 7}))
    other = make_plan(copy / "genome.fa", copy / "targets.txt", options)
    with pytest.raises(UnfinishedError, match="records_per_shard was 100"):
        build(other, tmp_path / "d", resume=True, quiet=True)
    shutil.copy(copy / "t0.bw", copy / "t1.bw")
    same = make_plan(copy / "genome.fa", copy / "targets.txt", BuildOptions(**OPTIONS))
    with pytest.raises(UnfinishedError, match=r"track T1 .* has changed"):
        build(same, tmp_path / "d", resume=True, quiet=True)


def broken(folder, kind):
    """Change a copy of the inputs; return changed options."""
    if kind == "truncated bigWig":
        data = (folder / "t1.bw").read_bytes()
        (folder / "t1.bw").write_bytes(data[: len(data) // 2])
    if kind == "no bigWig":
        (folder / "t1.bw").write_text("hello")
    if kind == "missing bigWig":
        (folder / "t1.bw").unlink()
    if kind == "other build":
        from_lines = (folder / "genome.fa").read_text()
        (folder / "genome.fa").write_text(from_lines + "ACGT\n")
        (folder / "genome.fa.fai").unlink(missing_ok=True)
    if kind == "absent chromosome":
        (folder / "genome.fa").write_text(
            (folder / "genome.fa").read_text() + ">chr9\n" + "ACGT" * 200 + "\n"
        )
        (folder / "genome.fa.fai").unlink(missing_ok=True)
    if kind == "chr prefix":
        (folder / "genome.fa").write_text((folder / "genome.fa").read_text().replace("chr", ""))
        (folder / "genome.fa.fai").unlink(missing_ok=True)
        return {"valid": "2", "test": "3"}
    if kind == "bed beyond the end":
        (folder / "blacklist.bed").write_text("chr3\t23000\t25000\n")
        return {"blacklist": str(folder / "blacklist.bed")}
    if kind == "BED track beyond the end":
        bed_track(folder, "chr1\t10\t500000\n")
    if kind == "empty BED track":
        bed_track(folder, "")
    if kind.startswith("no interval in"):
        (folder / "empty.bed").write_text("# nothing\n")
        return {kind.split()[-1]: str(folder / "empty.bed")}
    if kind == "track of text":
        with h5py.File(folder / "text.h5", "w") as file:
            for chrom, length in (("chr1", 60_000), ("chr2", 40_000), ("chr3", 24_000)):
                file[chrom] = np.full(length, b"x")
        (folder / "targets.txt").write_text("\tidentifier\tfile\n0\tT0\ttext.h5\n")
    if kind == "peaks beyond the end":
        (folder / "peaks.bed").write_text("chr1\t10\t500000\n")
        (folder / "targets.txt").write_text("\tidentifier\tfile\tpeaks\n0\tT0\tt0.bw\tpeaks.bed\n")
        return {"regions": "peaks"}
    if kind == "no file":
        (folder / "targets.txt").write_text("\tidentifier\n0\tT0\n")
    if kind == "short contigs":
        return {"contig_limit": 100}
    if kind == "contigs of 0":
        return {"contig_limit": 0}
    if kind == "many folds":
        return {"folds": 1000}
    if kind == "negative share":
        return {"valid": "-1", "test": "0.1"}
    if kind == "no workers":
        return {"workers": 0}
    if kind == "empty split":
        return {"valid": "0.05", "test": "0.05"}
    if kind == "too long":
        return {"seq_length": 1 << 17}
    if kind == "unknown chromosome":
        return {"chroms": ("chrZ",)}
    return {}


def bed_track(folder, text):
    (folder / "peaks.bed").write_text(text)
    (folder / "targets.txt").write_text("\tidentifier\tfile\n0\tT0\tpeaks.bed\n")


def test_long_windows_suit_the_default_contig_limit(tmp_path):
    """Contigs that are divided by chromosome are joined again."""
    (tmp_path / "g.fa").write_text("".join(f">c{i}\n{'ACGT' * 200_000}\n" for i in (1, 2, 3)))
    (tmp_path / "peaks.bed").write_text("c1\t0\t10\n")
    (tmp_path / "targets.txt").write_text("\tidentifier\tfile\n0\tT0\tpeaks.bed\n")
    options = BuildOptions(seq_length=800_000, bin_width=100, valid="c2", test="c3")
    plan = make_plan(tmp_path / "g.fa", tmp_path / "targets.txt", options)
    assert [len(w) for w in plan.windows] == [800_000] * 3


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated bigWig", "t1.bw is truncated"),
        ("no bigWig", "no bigWig"),
        ("missing bigWig", "t1.bw does not exist"),
        ("other build", "chr3 is 24000 bp, in the genome 24004 bp"),
        ("absent chromosome", "no chromosome 'chr9'"),
        ("chr prefix", "'chr' prefix"),
        ("bed beyond the end", "ends beyond chr3"),
        ("BED track beyond the end", "chr1:10-500000 ends beyond chr1, which is 60000 bp"),
        ("empty BED track", "peaks.bed has no interval"),
        (
            "no interval in limit",
            "--limit .*empty.bed has no interval, which leaves no window: want",
        ),
        ("no interval in split_bed", "--split_bed .*empty.bed has no interval"),
        ("track of text", r"text.h5: dataset 'chr1' is of type \|S1, want one number"),
        ("peaks beyond the end", "peaks.bed: chr1:10-500000 ends beyond chr1"),
        ("no file", "line 1 has no column 'file'"),
        ("short contigs", "--break is 100, want at least 128 bp"),
        ("contigs of 0", "--break is 0, want"),
        ("many folds", r"^no window for (fold\d+, ){6}… \(\d+ in all\) .{,300}$"),
        ("negative share", "-v/-t has '-1': want two shares"),
        ("no workers", r"\(-p\) is 0, want at least 1"),
        ("empty split", "no window for valid, test"),
        ("too long", "no contig holds a window"),
        ("unknown chromosome", "no chromosome 'chrZ'"),
    ],
)
def test_bad_input_stops_before_any_output(genome_folder, tmp_path, kind, message):
    copy = tmp_path / "g"
    shutil.copytree(genome_folder, copy)
    changes = broken(copy, kind)
    with pytest.raises(TfepiError, match=message):
        make(copy, tmp_path / "d", **changes)
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"regions": "peak"}, "did you mean 'peaks'"),
        ({"nan": "keeep"}, "did you mean 'keep'"),
        ({"encoding": "onehot"}, "unknown encoding"),
        ({"records_per_shard": 0}, "records per shard"),
        ({"unmappable_share": 2.0}, "unmappable_share"),
        ({"folds": 3, "split_bed": "x"}, "exclude each other"),
        ({"decimals": 99}, "decimals .* is 99, want 0 to 6"),
        ({"decimals": -1}, "decimals .* is -1"),
        ({"stride_train": 0.0}, "--stride is 0.0, want above 0"),
        ({"stride_train": -1.0}, "--stride is -1.0"),
        ({"stride_train": float("nan")}, "--stride is nan"),
        ({"stride_test": float("inf")}, "--stride_test is inf"),
        ({"stride_test": 0.0}, "--stride_test is 0.0"),
        ({"stride_test": 1e-6}, "--stride_test is 1e-06"),  # 0 bp, which would be "not given"
        ({"unmappable_store": True}, "name it with -u"),
        ({"compat": "basenij"}, "unknown tool 'basenij' of --compat: did you mean 'basenji'"),
        ({"compat": "hound", "nan": "keep"}, "'keep', which --compat hound does not have"),
    ],
)
def test_bad_options_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        BuildOptions(**changes)


def test_negative_values_under_a_root_are_named(
    genome_folder, genome_values, write_bigwig, tmp_path
):
    copy = tmp_path / "g"
    shutil.copytree(genome_folder, copy)
    write_bigwig(copy / "t2.bw", {c: -v for c, v in genome_values[1][2].items()})
    with pytest.raises(InputFileError, match=r"t2.bw gives a bin of -.*sum_sqrt"):
        make(copy, tmp_path / "d")


def test_data_that_disagrees_is_refused(small_data, tmp_path):
    import json

    copy = tmp_path / "d"
    shutil.copytree(small_data, copy)
    stats = read_json(copy / "statistics.json")
    (copy / "statistics.json").write_text(json.dumps(stats | {"target_length": 5, "crop_bp": 48}))
    with pytest.raises(InputFileError, match="target of 24 bytes"):
        Data.open(copy)
    (copy / "statistics.json").write_text(json.dumps(stats | {"seq_length": 264}))
    with pytest.raises(InputFileError, match="sequence of 256 bytes"):
        Data.open(copy)
    (copy / "statistics.json").write_text(json.dumps(stats))
    shard = copy / "tfrecords" / "valid-1.tfr"
    shard.write_bytes(shard.read_bytes()[:-5])
    with pytest.raises(InputFileError, match=r"valid-1.tfr has .* bytes, the manifest says"):
        Data.open(copy)
    shard.unlink()
    with pytest.raises(InputFileError, match=r"valid-1.tfr is missing"):
        Data.open(copy)
    with pytest.raises(ConfigError, match="did you mean 'train'"):
        Data.open(small_data).shards("trian")


def test_a_disk_that_is_full_is_said(small_data, genome_folder, tmp_path, monkeypatch):
    import errno

    from tfrecords_tools import command, records

    def full(self, features):
        raise OSError(errno.ENOSPC, "No space left on device", "shard")

    monkeypatch.setattr(records.RecordWriter, "write", full)
    assert command.run(lambda: make(genome_folder, tmp_path / "d")) == 2
    monkeypatch.undo()
    options = BuildOptions(**OPTIONS)
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    build(plan, tmp_path / "d", resume=True, quiet=True)
    assert content(tmp_path / "d") == content(small_data)


def test_a_short_write_is_a_full_disk(genome_folder, small_data, tmp_path, monkeypatch):
    import errno

    real, calls = os.pwrite, []

    def short(file, data, offset):
        calls.append(offset)
        return real(file, data[:1] if len(calls) == 700 else data, offset)

    monkeypatch.setattr(os, "pwrite", short)
    with pytest.raises(OSError, match="space") as raised:
        make(genome_folder, tmp_path / "d")
    assert raised.value.errno == errno.ENOSPC
    monkeypatch.undo()
    options = BuildOptions(**OPTIONS)
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    build(plan, tmp_path / "d", resume=True, quiet=True)
    assert content(tmp_path / "d") == content(small_data)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mounted, capture_output=True).returncode:
        pytest.skip("a small file system cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_full_disk_gives_one_line(genome_folder, small_disk, tmp_path, processes):
    extra = ("-p", processes)
    process = start(genome_folder, small_disk / "d", *extra)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.count(b"\n") == 1
    assert said.startswith(b"error: no space left on the device")
    subprocess.run(["mount", "-o", "remount,size=50m", str(small_disk)], check=True)
    again = start(genome_folder, small_disk / "d", *extra, "--resume")
    assert again.wait(60) == 0, again.stderr.read()
    assert start(genome_folder, tmp_path / "whole").wait(60) == 0
    assert content(small_disk / "d") == content(tmp_path / "whole")


def test_a_killed_worker_gives_one_line(genome_folder, tmp_path):
    from concurrent.futures import Executor, Future
    from concurrent.futures.process import BrokenProcessPool

    class Broken(Executor):
        def submit(self, function, job):
            future = Future()
            future.set_exception(BrokenProcessPool())
            return future

    options = BuildOptions(**OPTIONS)
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    with pytest.raises(TfepiError, match=r"worker process was killed .* --resume"):
        build(plan, tmp_path / "d", executor=Broken(), quiet=True)


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("tfrecords/valid-1.tfr", "missing"),
        ("tfrecords/valid-1.tfr", "short"),
        ("tfrecords/valid-1.tfr", "flipped"),
        ("targets.txt", "missing"),
        ("statistics.json", "missing"),
    ],
)
def test_resume_makes_a_finished_build_whole(genome_folder, small_data, tmp_path, name, harm):
    copy = tmp_path / "d"
    shutil.copytree(small_data, copy)
    if harm == "missing":
        (copy / name).unlink()
    else:
        data = (copy / name).read_bytes()
        (copy / name).write_bytes(data[:-1] + (b"\0" if harm == "flipped" else b""))
    options = BuildOptions(**OPTIONS)
    plan = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    build(plan, copy, resume=True, quiet=True)
    assert content(copy) == content(small_data)


@pytest.mark.parametrize("geometry", [(620, 100, 260), (1344, 1344, 0)])
def test_one_bin_and_its_map_are_read(genome_folder, tmp_path, geometry):
    """The dataset slices records at offsets that are computed, not found."""
    length, width, crop = geometry
    changes = {"seq_length": length, "bin_width": width, "crop": crop, "unmappable_store": True}
    make(genome_folder, tmp_path / "d", unmappable=str(genome_folder / "umap.bed"), **changes)
    data = Data.open(tmp_path / "d")
    frames = [f for p in data.shards("train") for f in read_frames(p)]
    for name, (offset, size) in data.layout.items():
        for frame in frames:
            assert frame[offset : offset + size] == parse_example(frame)[name]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9999])
def test_a_track_that_is_mostly_negative_is_kept(genome_folder, write_bigwig, tmp_path, share):
    """`share` of the bases are 0, the others below."""
    copy = tmp_path / "g"
    shutil.copytree(genome_folder, copy)
    rng = np.random.default_rng(1)
    lengths = {"chr1": 60_000, "chr2": 40_000, "chr3": 24_000}
    values = {
        c: np.where(rng.random(n) < share, 0, -rng.integers(1, 9, n)).astype(np.float32)
        for c, n in lengths.items()
    }
    write_bigwig(copy / "t0.bw", values)
    make(copy, tmp_path / "d", crop=0)
    data = Data.open(tmp_path / "d")
    _, targets = data.arrays("train")
    for window, bins in zip(data.windows("train"), targets, strict=True):
        want = values[window.chrom][window.start : window.end].reshape(-1, 32).sum(axis=1)
        np.testing.assert_array_equal(bins[:, 0], want.astype(np.float16))


def test_a_genome_that_cannot_be_indexed_beside_is_indexed_once(
    genome_folder, small_data, tmp_path, monkeypatch
):
    copy = tmp_path / "g"
    shutil.copytree(genome_folder, copy)
    (copy / "genome.fa.fai").unlink(missing_ok=True)
    plan = make_plan(copy / "genome.fa", copy / "targets.txt", BuildOptions(**OPTIONS))
    (copy / "genome.fa.fai").unlink()
    real_access, real_index, indexed = os.access, FastaIndex._write, []
    monkeypatch.setattr(os, "access", lambda p, m: real_access(p, m) and m != os.W_OK)
    monkeypatch.setattr(
        FastaIndex, "_write", lambda self, *files: (indexed.append(files), real_index(self, *files))
    )
    build(plan, tmp_path / "d", quiet=True)
    assert len(plan.shards()) > 5
    assert len(indexed) == 1
    assert not (copy / "genome.fa.fai").exists()
    records = {k: v for k, v in content(small_data).items() if k.endswith((".tfr", ".bed"))}
    assert {k: v for k, v in content(tmp_path / "d").items() if k in records} == records


COMPAT = {"compat": "basenji", "contig_limit": 30_000}


def test_another_compat_does_not_resume(genome_folder, tmp_path):
    unfinished(genome_folder, tmp_path / "d", **COMPAT)
    options = BuildOptions(**(OPTIONS | COMPAT | {"compat": "hound"}))
    other = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    with pytest.raises(UnfinishedError, match=r"compat was 'basenji' when .* now 'hound'"):
        build(other, tmp_path / "d", resume=True, quiet=True)
    options = BuildOptions(**(OPTIONS | COMPAT | {"compat": None}))
    other = make_plan(genome_folder / "genome.fa", genome_folder / "targets.txt", options)
    with pytest.raises(UnfinishedError, match=r"compat was 'basenji' when .* now None"):
        build(other, tmp_path / "d", resume=True, quiet=True)


def test_compat_resumes_and_works_in_parallel_to_the_same_bytes(genome_folder, tmp_path):
    changes = COMPAT | {"blacklist": str(genome_folder / "blacklist.bed")}
    plan = unfinished(genome_folder, tmp_path / "d", **changes)
    build(plan, tmp_path / "d", workers=2, resume=True, quiet=True)
    make(genome_folder, tmp_path / "whole", **changes)
    assert content(tmp_path / "d") == content(tmp_path / "whole")
    assert read_json(tmp_path / "d" / "manifest.json")["options"]["compat"] == "basenji"


def test_compat_counts_before_the_unmappable_filter(genome_folder, tmp_path):
    (tmp_path / "umap.bed").write_text("chr1\t38000\t39500\n")
    plan = make(genome_folder, tmp_path / "d", unmappable=str(tmp_path / "umap.bed"), **COMPAT)
    written = sum(s["records"] for s in read_json(tmp_path / "d" / "manifest.json")["shards"])
    stats = read_json(tmp_path / "d" / "statistics.json")
    counted = sum(v for k, v in stats.items() if k.endswith("_seqs"))
    assert written == len(plan.windows)
    assert counted - written == plan.dropped["unmappable"] > 0


def test_hound_wants_a_base_behind_a_window(genome_folder, tmp_path):
    """chr3's 24,000 bp hold 187.5 windows of 128 bp, chr2's last contig of 20,096 bp 157."""
    gaps = tmp_path / "gaps.bed"
    gaps.write_text("chr2\t20096\t40000\n")
    plans = [
        make_plan(
            genome_folder / "genome.fa",
            genome_folder / "targets.txt",
            BuildOptions(**(OPTIONS | COMPAT | {"compat": tool, "gaps": str(gaps)})),
        )
        for tool in ("basenji", "hound")
    ]
    assert [len(p.rows("test")) for p in plans] == [187, 187]
    assert [len(p.rows("valid")) for p in plans] == [157, 156]


@pytest.mark.parametrize(
    ("table", "changes", "message"),
    [
        ("t0.bw\tsum_exp75", {}, "'T0' has sum_stat 'sum_exp75', which --compat basenji does"),
        ("t0.bw\tmedian", {}, "unknown sum_stat 'median'"),
        ("peaks.bed\tsum", {"bin_width": 16}, "peaks.bed is a BED: --compat basenji takes"),
        ("peaks.bed\tsum", {"stride_train": 64}, "windows .* overlap: with a blacklist"),
        ("t0.bw\tsum", {"contig_limit": 786_432, "chroms": ("chr1",)}, "is the only one: use a"),
    ],
)
def test_what_basenji_stops_at_is_refused(genome_folder, tmp_path, table, changes, message):
    copy = tmp_path / "g"
    shutil.copytree(genome_folder, copy)
    bed_track(copy, "chr1\t10\t500\nchr2\t10\t500\nchr3\t10\t500\n")
    (copy / "targets.txt").write_text(f"\tidentifier\tfile\tsum_stat\n0\tT0\t{table}\n")
    black = {"blacklist": str(copy / "blacklist.bed")}
    with pytest.raises(ConfigError, match=message):
        make(copy, tmp_path / "d", **(COMPAT | black | changes))
    assert not (tmp_path / "d").exists()


def data_command(*arguments):
    """Parse tfepi_data.py's arguments into options."""
    from tfrecords_tools import build_arguments, command

    parser = command.Parser()
    build_arguments.add_arguments(parser)
    return build_arguments.options(parser.parse_args([*arguments, "genome.fa", "targets.txt"]))


@pytest.mark.parametrize(
    ("arguments", "compat", "width"),
    [
        ((), None, 128),
        (("--compat", "basenji"), "basenji", 128),
        (("--compat", "hound"), "hound", 32),
        (("--compat", "hound", "--transform_old", "-w", "64"), "hound_old", 64),
    ],
)
def test_compat_on_the_command_line(arguments, compat, width):
    options = data_command(*arguments)
    assert (options.compat, options.bin_width) == (compat, width)


@pytest.mark.parametrize("tool", [(), ("--compat", "basenji")])
def test_old_transforms_are_hounds(tool):
    with pytest.raises(ConfigError, match=r"--transform_old is given .* add --compat hound"):
        data_command("--transform_old", *tool)


def test_a_split_alone_is_written_and_gone_on_with(genome_folder, small_data, tmp_path):
    stride = ("--stride", "128", "--stride_test", "128", "-r", "100")
    split = start(genome_folder, tmp_path / "d", *stride, "--st")
    assert split.wait(60) == 0, split.stderr.read()
    assert set(content(tmp_path / "d")) == {".tfepi", "contigs.bed"}
    again = start(genome_folder, tmp_path / "d", *stride)
    assert again.wait(60) == 2
    assert b"has results" in again.stderr.read()
    last = start(genome_folder, tmp_path / "d", *stride, "--restart")
    assert last.wait(60) == 0, last.stderr.read()
    found, wanted = content(tmp_path / "d"), content(small_data)
    found.pop("manifest.json"), wanted.pop("manifest.json")  # which has strides as they were given
    assert found == wanted


def test_the_output_folder_has_the_originals_default(
    genome_folder, tmp_path, run_script, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    inputs = (genome_folder / "genome.fa", genome_folder / "targets.txt")
    options = ("-l", 256, "-w", 32, "-v", "chr2", "-t", "chr3")
    run_script("tfepi_data.py", "-q", "--st", *options, *inputs)
    assert (tmp_path / "data_out" / "contigs.bed").is_file()


# SHA-256 of what data folders held before records could have input tracks; of the records
# uncompressed, since deflaters differ.
EARLIER = {
    "index": {
        "records": "58f26fe2ace3bbb9b9b037b6cee4555218ab48f6ce117b491b0e16f757794ea5",
        "statistics.json": "ae42325ebecd50e260703ba6a7abd761b1c453431b42d0d5fb50210530c6efcc",
    },
    "packed": {
        "records": "f1e886d2ef5408600a382573369640e80d5b47e1b9f596487d91c6e7ecea35ec",
        "statistics.json": "27d5a9eb69541ee9a8dc3e277859c21739d535cac4cfa52cb1d9405fb57cd055",
    },
    "both": {
        "sequences.bed": "1daded6bc1e9866655bd9fe03fe537f1c7c388fa3c405f416ddcab11d56b963b",
        "contigs.bed": "e2dcd77be05d0d6837b6a7444fe0129b7d463972377e718a6230abc11aebfa2c",
        "targets.txt": "cf95eb7b5639ea448a6c8940b7e1d7d826d8b0065470eef76ac0364dad90e055",
    },
}


@pytest.mark.parametrize("encoding", ["index", "packed"])
def test_data_without_later_options_are_what_they_were(
    genome_folder, tmp_path, monkeypatch, encoding
):
    monkeypatch.chdir(genome_folder)  # so that targets.txt has the same paths
    out = tmp_path / "d"
    make(Path(), out, encoding=encoding, nan="keep")
    records = hashlib.sha256()
    for path in sorted((out / "tfrecords").iterdir()):
        data = path.read_bytes()
        records.update(zlib.decompress(data) if encoding == "index" else data)
    assert records.hexdigest() == EARLIER[encoding]["records"]
    files = EARLIER["both"] | {"statistics.json": EARLIER[encoding]["statistics.json"]}
    for name, digest in files.items():
        assert hashlib.sha256((out / name).read_bytes()).hexdigest() == digest, name
    assert sorted(p.name for p in out.iterdir()) == [
        ".tfepi",
        *sorted([*files, "manifest.json", "run.json"]),
        "tfrecords",
    ]
    manifest = read_json(out / "manifest.json")
    assert list(manifest) == [
        *("format", "format_version", "versions", "statistics", "dropped", "tracks", "shards"),
        *("options", "targets", "windows", "inputs"),
    ]
    assert list(manifest["options"])[-5:] == [
        *("contig_limit", "records_per_shard", "encoding", "seed", "compat")
    ]
    assert manifest["windows"] == EARLIER["both"]["sequences.bed"]
    assert manifest["targets"][1] == {
        "index": 1,
        "identifier": "T1",
        "file": "t1.bw",
        "clip": 64.0,
        "clip_soft": 32.0,
        "scale": 2.0,
        "sum_stat": "mean",
        "description": "second",
    }


def test_later_options_are_told_where_they_are_set():
    options = BuildOptions(**OPTIONS, tracks="t.txt", hold_out=("A",), positive_share=0.5)
    found = options.to_json()
    assert (found["tracks"], found["hold_out"], found["positive_share"]) == ("t.txt", ["A"], 0.5)
    assert not {"track_width", "track_context", "random_windows", "variable_share"} & set(found)


def test_a_threshold_is_not_limited_by_unmappable_bins(genome_folder):
    table = genome_folder / "labels.txt"
    table.write_text("\tidentifier\tfile\tthreshold\n0\tT0\tt0.bw\t2\n")
    changes = {"unmappable": str(genome_folder / "umap.bed"), "unmappable_clip": 0.5}
    with pytest.raises(ConfigError, match=r"'T0' has a threshold, and --umap_clip 0.5 would limit"):
        make_plan(genome_folder / "genome.fa", table, BuildOptions(**(OPTIONS | changes)))
    make_plan(genome_folder / "genome.fa", table, BuildOptions(**OPTIONS))


def test_every_later_option_is_one_of_the_command_line():
    arguments = ["--tracks", "t.txt", "--track_width", "16", "--track_context", "32"]
    arguments += ["--random", "9", "--regions", "variable", "--variable_share", "0.2"]
    arguments += ["--positive_share", "0.5", "--hold_out", "A,B", "-l", "512"]
    found = data_command(*arguments)
    assert (found.tracks, found.input_bin_width, found.track_context) == ("t.txt", 16, 32)
    assert (found.random_windows, found.regions, found.variable_share) == (9, "variable", 0.2)
    assert (found.positive_share, found.hold_out) == (0.5, ("A", "B"))
