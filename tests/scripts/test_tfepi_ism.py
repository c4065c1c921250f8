import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from tfrecords_tools.genome import Genome

SCRIPT = "tfepi_ism.py"


@pytest.fixture
def bed(tmp_path) -> Path:
    path = tmp_path / "in.bed"
    path.write_text("chr1\t1500\t1700\tone\t0\t+\nchr3\t20990\t21000\ttwo\t0\t-\n")
    return path


@pytest.fixture
def arguments(model, bed, genome_folder, tmp_path):
    return [
        *(model / "params.json", model, bed),
        *("-f", genome_folder / "genome.fa", "-o", tmp_path / "out"),
    ]


def test_regions_and_variants(run_script, here, arguments, model, genome_folder, tmp_path):
    options = ["-l", 6, "--stats", "SAD,sum", "--rc", "--plot_targets", "t1", "-q"]
    done = run_script(SCRIPT, *arguments, *options)
    assert done.stdout == f"wrote {tmp_path / 'out'}: scores.h5, 2 figures\n"
    assert (tmp_path / "out" / "figures" / "seq1_t1.png").stat().st_size > 1000
    with h5py.File(tmp_path / "out" / "scores.h5") as file:
        sad, total = file["SAD"][()], file["sum"][()]
        assert sad.shape == (2, 6, 4, 2)
        assert np.abs(sad[~file["seqs"][()]]).min() > 0
        assert not sad[file["seqs"][()]].any()
        np.testing.assert_allclose(total, sad - sad.mean(axis=2, keepdims=True), atol=1e-6)
        assert (file["start"][0], file["strand"][1]) == (1597, b"-")
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert {"regions", "fasta", "model", "spec"} <= set(record["inputs"])

    genome = genome_folder / "genome.fa"
    with Genome(genome) as opened:
        bases = opened.indices("chr1", 3000, 3100)
    place = int(np.flatnonzero(bases < 4)[0])
    ref, alt = "ACGT"[bases[place]], "ACGT"[(bases[place] + 1) % 4]
    vcf = tmp_path / "in.vcf"
    vcf.write_text(
        "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        f"chr1\t{3001 + place}\trs1\t{ref}\t{alt}\t.\t.\t.\n"
    )
    more = ["-f", genome, "-o", tmp_path / "vcf", "-u", 2, "--no_plots", "-q"]
    assert here(SCRIPT, *arguments[:2], vcf, *more)[0] == 0
    with h5py.File(tmp_path / "vcf" / "scores.h5") as file:
        assert file["label"][()].tolist() == [f"rs1_{ref}".encode(), f"rs1_{alt}".encode()]
        assert file["sum"].shape == (2, 2, 4, 2)
        assert file["seqs"][:, 1].argmax(-1).tolist() == ["ACGT".index(ref), "ACGT".index(alt)]
    assert not (tmp_path / "vcf" / "figures").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--stats": "SADD"}, "unknown statistic 'SADD': did you mean 'SAD'"),
        ({"--shifts": "a"}, "shifts 'a'"),
        ({"-l": "257"}, "-l is 257 bp: want 1 to 256, the model's window"),
        ({"-l": "-5"}, "-l is -5 bp: want 1 to 256"),
        ({"-l": "0"}, "-l is 0 bp: want 1 to 256"),
        ({"-u": "200"}, "200 bp before and 0 bp after the middle do not fit into the model's"),
        ({"-u": "-2"}, "are to be mutated: want neither below 0"),
        ({"--head": "body"}, "head 'body' is not one of the model's heads: main"),
        ({"--plot_targets": "t2"}, "unknown target 't2'"),
        ({"--ref_policy": "none"}, "unknown ref_policy 'none'"),
        ({"params": {"name": "tiny", "seq_length": 1344}}, "seq_length is 1344 in params.json"),
        ({"bed": "chr1\t5\tx\n"}, "line 1 is no BED interval"),
        ({"bed": "##fileformat=VCFv4.2\nchr1\t5\n"}, "is no VCF or BCF"),
        ({"bed": "1\t5\t7\n"}, "differ by the 'chr' prefix"),
        ({"model": "none"}, "model none does not exist"),
    ],
)
def test_bad_input_is_one_line_before_tensorflow(refused, arguments, bed, change, message):
    refused(SCRIPT, arguments, change, message, {"bed": bed})


def test_two_lengths_are_refused(refused, arguments):
    refused(SCRIPT, [*arguments, "-l", "4"], {"-u": "2"}, "give -l alone, or -u and -d")
