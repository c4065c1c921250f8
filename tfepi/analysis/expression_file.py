"""genes.tsv and expression.h5: the start sites of genes and what is predicted there."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.sense import SensePair, sense_values
from tfepi.analysis.tss import StartSite
from tfepi.prediction.parts import PredictedParts
from tfepi.prediction.windows import Site
from tfepi.variants.hdf5 import written_hdf5
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing, write_text
from tfrecords_tools.targets import Target

NAME, TABLE = "expression.h5", "genes.tsv"
FORMAT = "tfepi-gene-expression"
FORMAT_VERSION = 1
VALUES = ("tss_bin", "with_neighbours")
_OVER_SITES = {"sum": np.add, "max": np.maximum}
_CHUNK_BYTES = 1 << 20
_COLUMNS = (
    *("gene", "name", "type", "chrom", "tss", "strand", "transcripts", "canonical"),
    *("bin_start", "bin_end", "outside"),
)


def write_gene_table(
    path: Path, sites: Sequence[StartSite], site: Site, lengths: Mapping[str, int]
) -> None:
    """Write genes.tsv, a line per start site, places 0-based.

    Args:
        path: of the file.
        sites: in the order of expression.h5.
        site: the bins that are kept of a window.
        lengths: chromosome → length, bp.
    """
    lines = ["\t".join(_COLUMNS)]
    for s in sites:
        window = s.position - site.seq_length // 2
        start = window + site.offset + site.bins // 2 * site.bin_width
        beyond = max(0, -window) + max(0, window + site.seq_length - lengths[s.chrom])
        cells = (s.gene, s.name, s.type, s.chrom, s.position, s.strand, ",".join(s.transcripts))
        more = (int(s.canonical), start, start + site.bin_width, min(beyond, site.seq_length))
        lines.append("\t".join(map(str, (*cells, *more))))
    write_text(path, "\n".join(lines) + "\n")


def write_expression(
    path: Path,
    parts: PredictedParts,
    sites: Sequence[StartSite],
    site: Site,
    targets: Sequence[Target],
    pairs: Sequence[SensePair],
    options: object,
) -> None:
    """Write expression.h5.

    Args:
        path: of the file.
        parts: predictions of all bins that are kept of each start site.
        sites: start sites, gene by gene.
        site: which bins those are; the TSS's is in the middle.
        targets: what was predicted.
        pairs: of strands among them, each of which becomes a track more.
        options: a dataclass, for the record.
    """
    tracks = len(targets) + len(pairs)
    strands = [s.strand for s in sites]
    genes = np.array([s.number for s in sites], np.int32)
    several = len(sites) > genes[-1] + 1
    with written_hdf5(path) as (file, check):
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["bin_width"] = site.bin_width
        file.attrs["neighbours"] = site.bins // 2
        file.attrs["options"] = json.dumps(asdict(options))
        file["number"] = genes
        file["position"] = np.array([s.position for s in sites], np.int64)
        for name in ("gene", "name", "chrom", "strand"):
            file[name] = _bytes([getattr(s, name) for s in sites])
        of_tracks = zip(("ids", "labels", "strand"), _track_names(targets, pairs), strict=True)
        for name, texts in of_tracks:
            file[f"track_{name}"] = _bytes(texts)
        for name in VALUES:
            _make(file, name, (len(sites), tracks))
        tables = {}
        if several:
            for name in VALUES:
                for over in _OVER_SITES:
                    made = _make(file, f"genes/{name}_{over}", (int(genes[-1]) + 1, tracks))
                    tables[name, over] = _OverSites(made, _OVER_SITES[over])
        for first, bins in parts.rows():
            rows = slice(first, first + len(bins))
            for name, values in zip(VALUES, _two_values(bins), strict=True):
                extra = sense_values(values, strands[rows], pairs)
                values = np.concatenate([values, extra], axis=1)
                file[name][rows] = values
                for over in _OVER_SITES if several else ():
                    tables[name, over].add(genes[rows], values)
                check()


def _two_values(bins: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return float64 [sites, targets] of the middle bin, and of all bins' sum."""
    bins = bins.astype(np.float64)
    return bins[:, bins.shape[1] // 2], bins.sum(axis=1)


def _track_names(
    targets: Sequence[Target], pairs: Sequence[SensePair]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return identifiers, descriptions and strands of targets, then of pairs."""
    strands = ["."] * len(targets) + ["sense"] * len(pairs)
    for pair in pairs:
        strands[pair.forward], strands[pair.reverse] = "+", "-"
    names = (*(t.identifier for t in targets), *(p.name for p in pairs))
    labels = (*(t.description or t.identifier for t in targets), *(p.label for p in pairs))
    return names, labels, tuple(strands)


def _make(file: h5py.File, name: str, shape: tuple[int, int]) -> h5py.Dataset:
    rows = max(1, min(shape[0], _CHUNK_BYTES // (4 * shape[1])))
    return file.create_dataset(name, shape, np.float32, chunks=(rows, shape[1]))


def _bytes(values: Sequence[str]) -> np.ndarray:
    return np.array([v.encode() for v in values])


class _OverSites:
    """A table of genes, of which the sites come in order, stretch by stretch."""

    def __init__(self, table: h5py.Dataset, join: np.ufunc):
        self._table, self._join = table, join
        self._last, self._row = -1, np.zeros(0)

    def add(self, genes: np.ndarray, values: np.ndarray) -> None:
        """Take the values of sites, float64 [sites, tracks], with the number of each one's gene."""
        begins = np.flatnonzero(np.r_[True, genes[1:] != genes[:-1]])
        joined = self._join.reduceat(values, begins, axis=0)
        if genes[0] == self._last:  # the gene goes on from the stretch before
            joined[0] = self._join(joined[0], self._row)
        self._table[genes[0] : genes[-1] + 1] = joined
        self._last, self._row = genes[-1], joined[-1]


@dataclass(frozen=True)
class Expression:
    """What an expression.h5 holds, but its values, which stay on disk.

    Attributes:
        path: of the file.
        genes: identifier of each gene, str [genes].
        names: its name.
        chrom: its chromosome.
        position: of its first start site, 0-based, int64 [genes].
        tracks: identifier of each track.
        labels: description of each.
        strands: "+", "-" or "." of each track; "sense" where it is a pair's value on the gene's own
            strand.
        several: whether some gene has several start sites.
    """

    path: Path
    genes: tuple[str, ...]
    names: tuple[str, ...]
    chrom: tuple[str, ...]
    position: np.ndarray
    tracks: tuple[str, ...]
    labels: tuple[str, ...]
    strands: tuple[str, ...]
    several: bool

    @classmethod
    def read(cls, path: str | Path) -> "Expression":
        """Read the names of expression.h5, or of a folder's.

        Raises:
            InputFileError: missing, damaged, or of another format.
        """
        path = Path(path) / NAME if Path(path).is_dir() else Path(path)
        try:
            with h5py.File(existing(path, "predicted expression"), "r") as file:
                found = (file.attrs.get("format"), file.attrs.get("format_version"))
                if found != (FORMAT, FORMAT_VERSION):
                    raise InputFileError(
                        f"{path} has format {found[0]!r} version {found[1]}, want {FORMAT!r} "
                        f"version {FORMAT_VERSION}: name what tfepi_genes.py wrote"
                    )
                begin = np.unique(file["number"][()], return_index=True)[1]

                def texts(name: str, rows=slice(None)) -> tuple[str, ...]:
                    return tuple(v.decode() for v in file[name][()][rows].tolist())

                of_genes = (texts(name, begin) for name in ("gene", "name", "chrom"))
                of_tracks = (texts(f"track_{name}") for name in ("ids", "labels", "strand"))
                place = file["position"][()][begin]
                return cls(path, *of_genes, place, *of_tracks, "genes" in file)
        except (OSError, KeyError) as error:
            raise InputFileError(f"{path} is damaged ({error}): predict again") from None

    @classmethod
    def expected(
        cls,
        path: Path,
        sites: Sequence[StartSite],
        targets: Sequence[Target],
        pairs: Sequence[SensePair],
    ) -> "Expression":
        """Return what a file will hold, before it is there."""
        first = [i for i, s in enumerate(sites) if not i or s.number != sites[i - 1].number]
        of_genes = (tuple(getattr(sites[i], k) for i in first) for k in ("gene", "name", "chrom"))
        place = np.array([sites[i].position for i in first], np.int64)
        return cls(path, *of_genes, place, *_track_names(targets, pairs), len(sites) > len(first))

    def blocks(self, value: str, values: int = 1 << 22) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (first gene, float32 [genes, tracks]), summed over start sites.

        Args:
            value: one of `VALUES`.
            values: rough number of values at once.
        """
        name = f"genes/{value}_sum" if self.several else value
        with h5py.File(self.path, "r") as file:
            step = max(1, values // len(self.tracks))
            for low in range(0, len(self.genes), step):
                yield low, file[name][low : low + step]

    def columns(self, value: str, tracks: Sequence[int]) -> np.ndarray:
        """Return float32 [genes, tracks] of some tracks, summed over start sites."""
        out = np.empty((len(self.genes), len(tracks)), np.float32)
        for low, block in self.blocks(value):
            out[low : low + len(block)] = block[:, list(tracks)]
        return out
