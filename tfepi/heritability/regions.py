"""The regions that become annotations: clusters of peaks and BED files, by name."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.association.joining import by_chromosome, plain_chromosome
from tfepi.heritability.assembly import Assembly
from tfepi.specificity.cluster_file import read_clusters
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.intervals import Interval, Regions, covered_bases, merged, read_bed

_RESERVED = ("base", "all_regions", "scored", "CHR", "BP", "SNP", "CM")


@dataclass(frozen=True)
class NamedRegions:
    """Merged regions of each name.

    Attributes:
        regions: name → chromosome as first written → starts and ends, 0-based half-open [n, 2].
    """

    regions: Mapping[str, Regions]

    def __len__(self) -> int:
        return len(self.regions)

    @property
    def names(self) -> list[str]:
        """The names, in order."""
        return list(self.regions)

    def inside(self, chrom: str, position: np.ndarray) -> dict[str, np.ndarray]:
        """Return name → which SNPs of a chromosome lie in its regions: int8 [SNPs].

        Args:
            chrom: of the SNPs; "1" and "chr1" are the same.
            position: of the SNPs, 1-based as in a .bim; base p of it is base p − 1 here, so that
                a region [start, end) holds the positions start + 1 to end.
        """
        found = {}
        for name, regions in self.regions.items():
            spans = by_chromosome(_plain(regions), chrom, np.zeros((0, 2), np.int64))
            at = np.searchsorted(spans[:, 0], position - 1, side="right") - 1
            ends = np.r_[spans[:, 1], 0]  # the last is of positions before the first region
            found[name] = (position - 1 < ends[at]).astype(np.int8)
        return found

    def bases(self, chrom: str) -> dict[str, int]:
        """Return name → bases of a chromosome that it covers."""
        nothing = np.zeros((0, 2), np.int64)
        spans = {n: by_chromosome(_plain(r), chrom, nothing) for n, r in self.regions.items()}
        return {name: int((s[:, 1] - s[:, 0]).sum()) for name, s in spans.items()}

    def check_ends(self, assembly: Assembly, what: str) -> None:
        """Refuse regions beyond the end of a chromosome.

        Raises:
            InputFileError: as `Assembly.check_end`.
        """
        for name, regions in self.regions.items():
            for chrom, spans in regions.items():
                assembly.check_end(chrom, int(spans[:, 1].max()), f"{what} ({name})")

    def shared_bases(self) -> int:
        """Return how many bases lie in regions of more than one name, each pair of names apart."""
        names, total = self.names, 0
        for i, first in enumerate(names):
            for second in names[i + 1 :]:
                others = _plain(self.regions[second])
                for chrom, spans in _plain(self.regions[first]).items():
                    if chrom in others:
                        total += int(covered_bases(spans, others[chrom]).sum())
        return total


def read_regions(
    clusters: str | Path | None, beds: Mapping[str, str | Path], assembly: Assembly
) -> NamedRegions:
    """Read a table of clusters, and BED files by name.

    Args:
        clusters: as `tfepi_specificity.py clusters` writes it, or None.
        beds: name → BED file.
        assembly: that all are of.

    Raises:
        InputFileError: a file that cannot be read, is empty, or is of another assembly.
        ConfigError: two names that are the same in file and column names.
    """
    found: dict[str, Regions] = {}

    def add(name: str, intervals: Sequence[Interval], path: str | Path) -> None:
        safe = safe_name(name)
        if safe in found:
            raise ConfigError(f"two annotations would be called {safe!r}: rename one")
        regions = _one_name_each(intervals)
        if not regions:
            raise InputFileError(f"{path} has no interval of a base or more: nothing is annotated")
        found[safe] = regions
        NamedRegions({safe: regions}).check_ends(assembly, str(path))

    if clusters is not None:
        peaks = read_clusters(clusters)
        places = peaks.intervals()
        for number, name in enumerate(peaks.names):
            add(name, [places[i] for i in np.flatnonzero(peaks.cluster == number)], clusters)
    for name, path in beds.items():
        add(name, read_bed(path), path)
    return NamedRegions(found)


def safe_name(name: str) -> str:
    """Return a name as part of file names and as a column's name: other signs become "_".

    Raises:
        ConfigError: nothing is left, or the name is one that files have already.
    """
    safe = re.sub(r"[^\w.+-]+", "_", name.strip()).lstrip("._-")
    if not safe or safe in _RESERVED:
        raise ConfigError(f"{name!r} cannot be the name of an annotation: rename it")
    return safe


def _one_name_each(intervals: Sequence[Interval]) -> Regions:
    """Return merged regions, of chromosomes that are written in two ways under the first."""
    first: dict[str, str] = {}
    renamed = (
        Interval(first.setdefault(plain_chromosome(i.chrom), i.chrom), i.start, i.end)
        for i in intervals
    )
    return merged(renamed)


def _plain(regions: Regions) -> Regions:
    return {plain_chromosome(chrom): spans for chrom, spans in regions.items()}
