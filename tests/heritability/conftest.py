"""A small reference in .bim files, clusters of peaks, and scores of some of its SNPs."""

import json
import runpy
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest

LENGTHS = {"1": 5000, "2": 3000}


def write_bim(path, chrom, positions, cm=0.5):
    rows = (f"{chrom}\trs{chrom}_{p}\t{cm}\t{p}\tA\tG\n" for p in positions)
    path.write_text("".join(rows))
    return path


@pytest.fixture
def bim():
    """Return the function (path, chromosome, positions) that writes a .bim, alleles A and G."""
    return write_bim


@pytest.fixture
def bims(tmp_path):
    """Two .bim files with a SNP at every tenth base."""
    return [
        write_bim(tmp_path / f"ref.{chrom}.bim", chrom, range(10, length, 10))
        for chrom, length in LENGTHS.items()
    ]


@pytest.fixture
def sizes(tmp_path):
    """Table of the chromosomes' lengths."""
    path = tmp_path / "chrom.sizes"
    path.write_text("".join(f"chr{c}\t{n}\n" for c, n in LENGTHS.items()))
    return path


@pytest.fixture
def clusters(tmp_path):
    """Table of peaks with clusters: T, B and ubiquitous, disjoint."""
    path = tmp_path / "clusters.tsv"
    path.write_text(
        "chrom\tstart\tend\tcluster\n"
        "chr1\t100\t200\tT\n"
        "chr1\t300\t410\tubiquitous\n"
        "chr1\t1009\t1010\tB\n"
        "chr2\t0\t500\tB\n"
        "chr2\t500\t700\tT\n"
        "chr2\t2000\t2100\tubiquitous\n"
    )
    return path


@pytest.fixture
def scores(tmp_path):
    """Folder with scores.h5 of 40 SNPs of chromosome 1, two targets; one score is missing."""
    rng = np.random.default_rng(2)
    folder = tmp_path / "scores"
    folder.mkdir()
    values = rng.normal(size=(40, 2)).astype(np.float32)
    values[7, 0] = np.nan
    pos = np.arange(10, 410, 10)
    with h5py.File(folder / "scores.h5", "w") as file:
        file.attrs["format"], file.attrs["format_version"] = "tfepi-variant-scores", 1
        file.attrs["scoring"] = json.dumps({})
        file["SAD"] = values
        file["chr"] = np.array([b"chr1"] * 40)
        file["pos"] = pos.astype(np.uint32)
        file["snp"] = np.array([f"rs{p}".encode() for p in pos])
        file["ref_allele"] = np.array([b"A", b"G"] * 20)  # either way round
        file["alt_allele"] = np.array([b"G", b"A"] * 20)
        file["target_ids"] = np.array([b"T cells", b"B"])
        file["target_labels"] = np.array([b" ", b" "])
    return folder


@pytest.fixture
def ldsc():
    """What ldsc.py wrote of a trait: HEADER, RESULTS, PART_DELETE."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("ldsc_output.py"))))


@pytest.fixture
def trait_file(tmp_path, ldsc):
    """Return a function that writes a trait's files; it takes the name and changes of the text."""

    def write(name="trait", jackknife=True, results=ldsc.RESULTS, deleted=ldsc.PART_DELETE):
        path = tmp_path / f"{name}.results"
        path.write_text(results)
        if jackknife:
            path.with_suffix(".part_delete").write_text(deleted)
        return path

    return write
