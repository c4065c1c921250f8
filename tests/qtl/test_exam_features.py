"""Distances, frequencies and LD scores of variants against plain loops."""

import gzip

import numpy as np
import pandas as pd
import pytest

from tfepi.qtl.exam_features import FREQUENCY, LD, PEAK, TSS, FeatureFiles, features_of, nearest
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval

TABLE = pd.DataFrame(
    {
        "chrom": ["chr1", "chr1", "chr2", "chr9"],
        "pos": [101, 506, 30, 4],
        "id": ["rs1", "rs2", ".", "rs4"],
        "distance": [5.0, None, 7.0, 8.0],
        "frequency": [0.1, 0.2, None, 0.4],
        "ld_score": np.nan,
    }
)


def plain(table, places):
    found = []
    for row in table.itertuples():
        own = [p for p in places if p.chrom.removeprefix("chr") == row.chrom.removeprefix("chr")]
        base = row.pos - 1
        away = [max(p.start - base, base - (p.end - 1), 0) for p in own if p.end > p.start]
        found.append(min(away, default=np.nan))
    return found


def test_the_nearest_interval():
    rng = np.random.default_rng(3)
    for _ in range(30):
        table = pd.DataFrame({"chrom": rng.choice(["chr1", "chr2", "3"], 40)})
        table["pos"] = rng.integers(1, 2000, 40)
        start = rng.integers(0, 2000, 9)
        places = [
            Interval(c, s, s + w)
            for c, s, w in zip(
                rng.choice(["1", "chr2"], 9), start, rng.integers(0, 90, 9), strict=True
            )
        ]
        if not {p.chrom for p in places if p.end > p.start}:
            continue
        np.testing.assert_array_equal(nearest(table, places, "x"), plain(table, places))


def test_features_are_columns_or_files(tmp_path):
    found = features_of(TABLE, FeatureFiles())
    assert list(found) == [TSS, FREQUENCY]
    np.testing.assert_array_equal(found[TSS], [5, np.nan, 7, 8])
    (tmp_path / "genes.bed").write_text(
        "chr1\t110\t300\tG1\t0\t+\nchr1\t10\t400\tG2\t0\t-\n2\t28\t29\tsite\n9\t0\t50\tG3\t0\t.\n"
    )
    (tmp_path / "peaks.bed").write_text("chr1\t90\t120\nchr2\t5\t10\n")
    found = features_of(
        TABLE, FeatureFiles(str(tmp_path / "genes.bed"), str(tmp_path / "peaks.bed"))
    )
    assert list(found) == [TSS, PEAK, FREQUENCY]
    np.testing.assert_array_equal(found[TSS], [10, 106, 1, np.nan])
    np.testing.assert_array_equal(found[PEAK], [0, 386, 20, np.nan])


def test_every_transcript_of_a_gtf_has_a_start_site(tmp_path):
    line = 'chr1\tx\t{}\t{}\t{}\t.\t+\t.\tgene_id "G1"; transcript_id "T{}";\n'
    rows = ("gene", 50, 900, 0), ("transcript", 50, 900, 1), ("transcript", 500, 900, 2)
    (tmp_path / "genes.gtf").write_text("".join(line.format(*r) for r in rows))
    found = features_of(TABLE, FeatureFiles(tss=str(tmp_path / "genes.gtf")))
    np.testing.assert_array_equal(found[TSS], [51, 6, np.nan, np.nan])


def ld_file(path, text):
    path.write_bytes(gzip.compress(text.encode()))
    return str(path)


def test_ld_scores_are_found_by_position_or_by_name(tmp_path):
    one = ld_file(
        tmp_path / "1.l2.ldscore.gz", "CHR\tSNP\tBP\tL2\n1\trs7\t101\t4\n1\trs2\t505\t5\n"
    )
    two = ld_file(tmp_path / "2.l2.ldscore.gz", "CHR SNP BP CM MAF other\n2 rs3 30 0 0.1 6\n")
    found = features_of(TABLE, FeatureFiles(ld_scores=(one, two)))
    np.testing.assert_array_equal(found[LD], [4, np.nan, 6, np.nan])
    named = ld_file(
        tmp_path / "3.l2.ldscore.gz",
        "CHR SNP BP baseL2 CodingL2\n1 rs1 9 1 0\n1 rs2 9 2 0\n1 rs4 506 3 0\n",
    )
    found = features_of(TABLE, FeatureFiles(ld_scores=(named,)))
    np.testing.assert_array_equal(found[LD], [1, 2, np.nan, 3])


def test_what_is_refused(tmp_path):
    with pytest.raises(InputFileError, match=r"nothing on the chromosomes .* but on 7"):
        nearest(TABLE, [Interval("chr7", 1, 2)], "x.bed")
    (tmp_path / "genes.bed").write_text("chr1\t110\t300\tG1\n")
    with pytest.raises(InputFileError, match="no gene has a strand"):
        features_of(TABLE, FeatureFiles(tss=str(tmp_path / "genes.bed")))
    for text, error, message in (
        ("CHR BP L2\n1 101 3\n", InputFileError, "have no column SNP"),
        ("CHR SNP BP aL2 bL2\n1 r 101 3 3\n", ConfigError, "2 columns of scores and none is"),
        ("CHR SNP BP L2\n1 r 77 3\n", InputFileError, "no variant is there"),
    ):
        path = ld_file(tmp_path / "x.l2.ldscore.gz", text)
        with pytest.raises(error, match=message):
            features_of(TABLE, FeatureFiles(ld_scores=(path,)))
    with pytest.raises(InputFileError, match=r"peaks .* does not exist"):
        FeatureFiles(peaks=str(tmp_path / "none.bed")).files()
    assert set(FeatureFiles(ld_scores=(path,)).files()) == {"ld_scores 1"}
