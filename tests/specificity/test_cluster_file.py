"""The table of peaks with clusters: read, written, looked up."""

import numpy as np
import pytest

from tfepi.specificity.cluster_file import (
    cluster_table,
    peak_clusters,
    read_clusters,
    write_clusters,
)
from tfrecords_tools.errors import ConfigError, InputFileError


def peaks():
    chrom = ["chr2", "chr1", "chr1", "chr1"]
    return peak_clusters(chrom, [5, 100, 0, 40], [9, 150, 10, 60], ["b", "a", "ubiquitous", "b"])


def test_written_and_read_again(tmp_path):
    path = tmp_path / "clusters.tsv"
    write_clusters(path, peaks(), {"height": np.arange(4.0)})
    found = read_clusters(path)
    assert found.names == ("ubiquitous", "a", "b")
    assert len(found) == 4
    assert found.cluster.tolist() == [0, 2, 1, 2]
    assert found.start.tolist() == [0, 40, 100, 5]
    assert found.specific().tolist() == [False, True, True, True]
    assert str(found.intervals()[1]) == str(peaks().intervals()[1])


def test_the_folder_of_a_clustering_is_read_as_its_table(tmp_path):
    table = tmp_path / "clusters.tsv"
    write_clusters(table, peaks())
    assert read_clusters(tmp_path).names == read_clusters(table).names
    assert cluster_table(tmp_path) == table
    assert cluster_table(table) == table
    table.rename(tmp_path / "other.tsv")
    with pytest.raises(InputFileError, match=r"folder .* has no clusters\.tsv: give a folder that"):
        read_clusters(tmp_path)
    with pytest.raises(InputFileError, match=r"table of clusters .* does not exist"):
        cluster_table(tmp_path / "none")


def test_the_cluster_at_a_position():
    found = peaks()
    chrom = ["chr1"] * 7 + ["chr2", "chr3"]
    position = [0, 9, 10, 40, 59, 60, 149, 8, 8]
    expected = [0, 0, -1, 2, 2, -1, 1, 2, -1]
    assert found.at(chrom, position).tolist() == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrom\tstart\tend\n", "want chrom, start, end, cluster"),
        ("chrom\tstart\tend\tcluster\n", "no peaks"),
        ("chrom\tstart\tend\tcluster\nchr1\t5\t5\ta\n", "line 2: peak chr1:5-5 is no interval"),
        ("chrom\tstart\tend\tcluster\nchr1\t1.5\t5\ta\n", "start holds other values"),
        ("chrom\tstart\tend\tcluster\nchr1\t1\t5\t\n", "line 2: an empty cell"),
        ("", "clusters.tsv is empty: want chrom, start, end, cluster, as"),
        ("\n\n", "clusters.tsv is empty: want"),
        ('{\n  "format": "x"\n}\n', r"is a JSON file: want chrom, .* writes them to clusters.tsv"),
        ("a\tb\n1\t2\n1\t2\t3\n", r"cannot read clusters from .* \(Expected 2 .* 3\): want chrom"),
    ],
)
def test_a_table_that_cannot_be_used(tmp_path, text, message):
    path = tmp_path / "clusters.tsv"
    path.write_text(text)
    with pytest.raises(InputFileError, match=message):
        read_clusters(path)


def test_no_peaks():
    with pytest.raises(ConfigError, match="no peaks"):
        peak_clusters([], [], [], [])
