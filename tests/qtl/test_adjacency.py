"""The adjacency of bins in a file."""

import numpy as np
import pytest
from scipy import sparse

from tfepi.qtl.adjacency import Adjacency, load_adjacency, write_adjacency
from tfepi.qtl.bins import GenomeBins
from tfrecords_tools.errors import InputFileError

BINS = GenomeBins.of({"chr1": 35, "chrX": 12}, 10)


@pytest.fixture
def path(tmp_path):
    dense = np.zeros((6, 6), np.int32)
    dense[1, 0], dense[1, 3], dense[5, 4] = 2, 1, 7
    write_adjacency(tmp_path / "a.npz", Adjacency(sparse.csr_array(dense), BINS, "GRCh38", "start"))
    return tmp_path / "a.npz"


def test_round_trip(path):
    found = load_adjacency(path)
    assert found.matrix.toarray()[1].tolist() == [2, 0, 0, 1, 0, 0]
    assert found.matrix.dtype == np.int32
    assert (found.assembly, found.place, found.bins) == ("GRCh38", "start", BINS)
    chrom, start, end = found.coordinates()
    assert chrom.tolist() == ["chr1"] * 4 + ["chrX"] * 2
    assert start.tolist() == [0, 10, 20, 30, 0, 10]
    assert end.tolist() == [10, 20, 30, 35, 10, 12]


def test_edges_lead_from_source_to_target(path):
    edges, weight, nodes = load_adjacency(path).edge_index()
    assert edges.tolist() == [[0, 3, 4], [1, 1, 5]]
    assert weight.tolist() == [2, 1, 7]
    assert edges.dtype == np.int64
    assert nodes.tolist() == list(range(6))


def test_edges_of_connected_bins_alone(path):
    edges, weight, nodes = load_adjacency(path).edge_index(connected_only=True)
    assert nodes.tolist() == [0, 1, 3, 4, 5]
    assert nodes[edges].tolist() == [[0, 3, 4], [1, 1, 5]]
    assert weight.tolist() == [2, 1, 7]


def test_scipy_reads_it_too(path):
    matrix = sparse.load_npz(path)
    assert matrix.shape == (6, 6)
    assert matrix.sum() == 10


def test_no_pickle_is_read(tmp_path):
    np.savez(tmp_path / "a.npz", tfepi_format=np.array([{"a": 1}], object))
    with pytest.raises(InputFileError, match=r"a.npz cannot be read: it holds no plain arrays"):
        load_adjacency(tmp_path / "a.npz")


def changed(path, **changes):
    with np.load(path) as file:
        held = dict(file.items()) | changes
    np.savez(path, **{k: v for k, v in held.items() if v is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tfepi_format": "other"}, "is no tfepi-qtl-adjacency of version 1: want adjacency.npz"),
        ({"tfepi_format_version": 2}, "is no tfepi-qtl-adjacency of version 1"),
        ({"tfepi_format_version": None}, "is no tfepi-qtl-adjacency of version 1"),
        ({"lengths": None, "place": None}, "lacks lengths, place: write it again"),
        ({"lengths": np.array([35, 40])}, r"has shape \[6, 6\] and 8 bins: write it again"),
        ({"indices": np.array([0, 3, 9], np.int32)}, "holds no matrix of its shape"),
    ],
)
def test_files_that_are_none(path, changes, message):
    with pytest.raises(InputFileError, match=message):
        load_adjacency(changed(path, **changes))


def test_a_file_that_is_no_archive(tmp_path):
    (tmp_path / "a.npz").write_text("no")
    with pytest.raises(InputFileError, match="cannot be read"):
        load_adjacency(tmp_path / "a.npz")
    np.save(tmp_path / "b.npy", np.zeros(3))
    with pytest.raises(InputFileError, match="is no tfepi-qtl-adjacency"):
        load_adjacency(tmp_path / "b.npy")
