import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfrecords_tools.genome import Genome

SCRIPT = "tfepi_variants.py"


@pytest.fixture
def vcf(tmp_path, genome_folder) -> Path:
    path = tmp_path / "in.vcf"
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    with Genome(genome_folder / "genome.fa") as genome:
        for chrom in ("chr1", "chr2"):
            for number, start in enumerate(range(1500, 20_000, 997)):
                bases = genome.indices(chrom, start, start + 3)
                if (bases > 3).any():
                    continue
                ref, more, _ = ("ACGT"[b] for b in bases)
                alt = "ACGT"[(bases[0] + 1) % 4]
                ref, alt = ((ref, alt), (ref, ref + "GG"), (ref + more, ref))[number % 3]
                lines.append(f"{chrom}\t{start + 1}\trs{start}\t{ref}\t{alt}\t.\t.\t.")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def bed_of(tmp_path):
    """Return a function that writes a BED of one interval of 10 bp of chr1, and its path."""

    def write(start: int) -> Path:
        path = tmp_path / "in.bed"
        path.write_text(f"chr1\t{start}\t{start + 10}\n")
        return path

    return write


@pytest.fixture
def arguments(model, vcf, genome_folder, tmp_path):
    return [
        *(model / "params.json", model, vcf),
        *("-f", genome_folder / "genome.fa", "-o", tmp_path / "out"),
    ]


def test_scores_shards_and_resume(run_script, run_main, arguments, tmp_path):
    options = ["--rc", "--shifts", "1,0,-1", "--stats", "SAD,REF,ALT", "--chunk_records", 7, "-q"]
    done = run_script(SCRIPT, *arguments, *options)
    assert done.stdout == f"wrote {tmp_path / 'out'}\n"
    out = tmp_path / "out"
    with h5py.File(out / "scores.h5") as file:
        sad = file["SAD"][()]
        assert len(sad) > 20
        assert np.isfinite(sad).all()
        assert np.abs(sad).max() > 0
        change = (file["ALT"][()] - file["REF"][()])[:, 0]
        np.testing.assert_allclose(sad, change, atol=1e-6)
        assert file["target_labels"][()].tolist() == [b"first", b"t1"]
    record = json.loads((out / "run.json").read_text())
    assert {"vcf", "fasta", "model", "spec"} <= set(record["inputs"])
    assert record["outcome"] == "finished"
    arguments[-1] = tmp_path / "split"
    for shard in ("1/2", "2/2"):
        run_main(SCRIPT, *arguments, *options, "--shard", shard)
    done = run_main(SCRIPT, "--merge", "-o", tmp_path / "split")
    assert done.stdout == f"merged {tmp_path / 'split'}\n"
    run_main(SCRIPT, "--merge", "--resume", *arguments, *options)  # as a script for SLURM does
    for name in ("scores.h5", "scores.parquet", "scores.vcf.gz", "skipped.tsv"):
        assert (tmp_path / "split" / name).read_bytes() == (out / name).read_bytes()


def test_the_manifest_has_the_step_of_windows(here, arguments, tmp_path):
    for step in (0, 32):
        arguments[-1] = tmp_path / f"step{step}"
        assert here(SCRIPT, *arguments, "--window_step", step, "-q")[0] == 0
        manifest = json.loads((arguments[-1] / "manifest.json").read_text())
        assert manifest["window"]["step"] == manifest["scoring"]["window_step"] == step


def test_divergences_of_one_bin_are_told_once(here, arguments, bed_of, tmp_path, caplog):
    told = "JS: 0 whatever changes, since the model predicts one bin"
    options = ("--stats", "SAD,JS", "-q")
    for more in (("--dry_run",), ()):
        caplog.clear()
        assert here(SCRIPT, *arguments, *options, *more)[0] == 0
        assert caplog.text.count(told) == 1
    with h5py.File(tmp_path / "out" / "scores.h5") as file:
        assert file["SAD"][()].any()
        assert not file["JS"][()].any()
    regions = [*arguments[:2], bed_of(1500), *arguments[3:5], "-o"]
    for operation, out in (((), "ism"), (("delete",), "deleted")):
        caplog.clear()
        call = (*operation, *regions, tmp_path / out, "--no_plots", *options)
        assert here("tfepi_ism.py", *call)[0] == 0
        assert caplog.text.count(told) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"-f": None}, "want params.json, model, in.vcf and -f genome.fa"),
        ({"--stats": "SADD"}, "unknown statistic 'SADD': did you mean 'SAD'"),
        ({"--shifts": "a"}, "shifts 'a'"),
        ({"--shard": "3/2"}, "shard is 3/2"),
        ({"--ref_policy": "none"}, "unknown ref_policy 'none'"),
        ({"--head": "body"}, "head 'body' is not one of the model's heads: main"),
        ({"params": {"name": "tiny", "seq_length": 1344}}, "seq_length is 1344 in params.json"),
        ({"vcf": "symbolic"}, "record 2 (chr1:40000): ALT '<DEL>' is symbolic"),
        ({"vcf": "unsorted"}, "is not sorted: record"),
        ({"vcf": "truncated"}, "truncated"),
        ({"vcf": "prefix"}, "differ by the 'chr' prefix"),
        ({"model": "none"}, "model none does not exist"),
    ],
)
def test_bad_input_is_one_line_before_tensorflow(refused, arguments, vcf, change, message):
    if "vcf" in change:
        lines = vcf.read_text().splitlines(keepends=True)
        letter = _letter(arguments[4], "chr1", 39_999)
        bodies = {
            "symbolic": [*lines[:3], f"chr1\t40000\t.\t{letter}\t<DEL>\t.\t.\t.\n"],
            "unsorted": [*lines, lines[2]],
            "truncated": [*lines[:-1], lines[-1][:-3]],
            "prefix": [*lines[:2], lines[2].removeprefix("chr")],
        }
        change = {"vcf": "".join(bodies[change["vcf"]])}
    refused(SCRIPT, arguments, change, message, {"vcf": vcf})


def _letter(fasta, chrom, position):
    with Genome(fasta) as genome:
        return "ACGTN"[genome.indices(chrom, position, position + 1)[0]]


def test_a_merge_compares_what_it_is_told(here, arguments, tmp_path):
    options = ["--stats", "SAD,REF", "--chunk_records", 7, "-q"]
    assert here(SCRIPT, *arguments, *options, "--shard", "1/1")[0] == 0
    out = ["--merge", "-o", tmp_path / "out"]
    for told, message in (
        (["--stats", "SADD"], "unknown statistic 'SADD'"),
        (["--stats", "REF"], "1-of-1: option stats changed"),
        (["--rc"], "1-of-1: option rc changed"),
        (["--chunk_records", 8], "1-of-1: option chunk_records changed"),
        (["--head", "main"], "--merge has main, but not all it would be compared with"),
        ([*arguments, "--stats", "SAD,REF"], "1-of-1: option chunk_records changed"),
        ([*arguments, "--chunk_records", 7], "1-of-1: option stats changed"),
        (["--shard", "1/1"], "--merge joins shards that are there: leave --shard out"),
    ):
        status, _, errors = here(SCRIPT, *out, *told)
        assert (status, message in errors[-1]) == (2, True), errors
    assert not (tmp_path / "out" / "scores.h5").exists()
    assert here(SCRIPT, *out, *options)[0] == 0
    assert here(SCRIPT, *out, "--resume", *arguments[:3])[0] == 0  # as where the VCF has moved
    assert here(SCRIPT, *out, *arguments, *options, "--resume")[0] == 0
    status, _, errors = here(SCRIPT, *arguments, *options, "--shard", "1/2")
    assert (status, "has shards of another split, as 1/1" in errors[-1]) == (2, True)


@pytest.mark.parametrize("more", [["--strategy", "mirrored"], ["--logical_devices", "2"]])
def test_devices_and_a_cluster_exclude_each_other(here, arguments, more):
    status, _, errors = here(SCRIPT, *arguments, "--cluster", "tcp://127.0.0.1:1", *more)
    message = f"{' '.join(more)} and --cluster tcp://127.0.0.1:1 exclude each other"
    assert (status, message in errors[-1]) == (2, True)


def test_merge_without_shards(run_main, tmp_path):
    done = run_main(SCRIPT, "--merge", "-o", tmp_path, check=False)
    assert done.returncode == 2
    assert "has no shards" in done.stderr
