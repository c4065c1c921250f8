"""Links between bins as a sparse matrix in a file, for graph models."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import sparse

from tfepi.qtl.bins import GenomeBins
from tfrecords_tools.errors import InputFileError, why_unread
from tfrecords_tools.files import atomic_path, existing

FORMAT = "tfepi-qtl-adjacency"
FORMAT_VERSION = 1
_KEYS = ("data", "indices", "indptr", "shape", "chroms", "lengths", "width", "assembly", "place")


@dataclass(frozen=True)
class Adjacency:
    """Links between the bins of a genome.

    Attributes:
        matrix: number of links, int32 [target bins, source bins].
        bins: of the genome.
        assembly: of the positions, or "".
        place: which bin a target belongs to ("midpoint", "start", "overlap").
    """

    matrix: sparse.csr_array
    bins: GenomeBins
    assembly: str = ""
    place: str = "midpoint"

    def coordinates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return chromosome (text), start and end (0-based, half-open) of each bin."""
        chrom, start, end = self.bins.coordinates()
        return np.array(self.bins.chroms)[chrom], start, end

    def edge_index(self, connected_only: bool = False) -> tuple[np.ndarray, ...]:
        """Return edges as graph libraries take them, from source to target bin.

        Args:
            connected_only: number only the bins that have an edge, from 0 in order.

        Returns:
            Source and target bins int64 [2, edges], links of each edge float32 [edges], and the
            bin that each node is, int64 [nodes].
        """
        coo = self.matrix.tocoo()
        edges = np.stack([coo.col, coo.row]).astype(np.int64)
        nodes = np.arange(len(self.bins))
        if connected_only:
            nodes, flat = np.unique(edges, return_inverse=True)
            edges = flat.reshape(edges.shape)
        return edges, coo.data.astype(np.float32), nodes


def write_adjacency(path: str | Path, adjacency: Adjacency) -> None:
    """Write a compressed .npz, atomically; `scipy.sparse.load_npz` reads its matrix too."""
    m, bins = adjacency.matrix, adjacency.bins
    with atomic_path(path) as part:
        np.savez_compressed(
            part,
            format=np.array("csr"),  # which is what SciPy asks for
            data=m.data,
            indices=m.indices,
            indptr=m.indptr,
            shape=np.array(m.shape),
            chroms=np.array(bins.chroms),
            lengths=np.array(bins.lengths),
            width=np.array(bins.width),
            assembly=np.array(adjacency.assembly),
            place=np.array(adjacency.place),
            tfepi_format=np.array(FORMAT),
            tfepi_format_version=np.array(FORMAT_VERSION),
        )


def load_adjacency(path: str | Path) -> Adjacency:
    """Read what `write_adjacency` wrote.

    Raises:
        InputFileError: missing, damaged, or another file.
    """
    path = existing(path, "adjacency")
    try:
        file = np.load(path, allow_pickle=False)
        held = {}
        if isinstance(file, np.lib.npyio.NpzFile):
            with file:
                held = dict(file.items())
    except Exception as error:  # NumPy raises many kinds
        raise InputFileError(f"adjacency {path} cannot be read: {why_unread(error)}") from None
    version = held.get("tfepi_format_version", 0)
    if str(held.get("tfepi_format", "")) != FORMAT or version != FORMAT_VERSION:
        raise InputFileError(
            f"{path} is no {FORMAT} of version {FORMAT_VERSION}: want adjacency.npz of "
            "`tfepi_qtl.py connect`"
        )
    bins = _bins(path, held)
    parts = (held["data"], held["indices"], held["indptr"])
    try:
        matrix = sparse.csr_array(parts, shape=(len(bins), len(bins)))
        matrix.check_format()
    except ValueError as error:
        raise InputFileError(
            f"adjacency {path} holds no matrix of its shape ({error}): write it again"
        ) from None
    return Adjacency(matrix, bins, str(held["assembly"]), str(held["place"]))


def _bins(path: Path, held: Mapping[str, np.ndarray]) -> GenomeBins:
    lacking = [key for key in _KEYS if key not in held]
    if lacking:
        raise InputFileError(f"adjacency {path} lacks {', '.join(lacking)}: write it again")
    lengths = tuple(held["lengths"].tolist())
    bins = GenomeBins(tuple(held["chroms"].tolist()), lengths, int(held["width"]))
    if tuple(held["shape"].tolist()) != (len(bins), len(bins)):
        raise InputFileError(
            f"adjacency {path} has shape {held['shape'].tolist()} and {len(bins)} bins: write it "
            "again"
        )
    return bins
