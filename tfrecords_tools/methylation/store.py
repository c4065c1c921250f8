"""The tidy store: CpGs with the beta and coverage of every sample, chromosome by chromosome."""

from pathlib import Path

import numpy as np

from tfrecords_tools.errors import InputFileError, unknown
from tfrecords_tools.files import read_json
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation.collecting import collect_store
from tfrecords_tools.methylation.samples import Sample
from tfrecords_tools.methylation.settings import FORMAT, FORMAT_VERSION, NAME, SiteSettings

__all__ = ["SiteSettings", "SiteStore", "collect"]


def collect(
    samples: tuple[Sample, ...],
    genome: Genome,
    folder: str | Path,
    settings: SiteSettings | None = None,
    quiet: bool = False,
) -> "SiteStore":
    """Read every file once and join the samples by position, in memory that does not grow.

    A run that was stopped goes on where it was: with the files that were not read to the end,
    then with the chromosomes that were not joined.

    Args:
        samples: rows of the sample table.
        genome: the reference, which decides on which strand a cytosine lies.
        folder: for the store; made if it is not there.
        settings: what becomes of the values.
        quiet: no progress.

    Raises:
        InputFileError: a file that is damaged, holds values out of range, or does not fit the
            genome.
        ConfigError: samples whose columns or names do not go together.
        UnfinishedError: the folder has a store of other files or settings.
    """
    collect_store(samples, genome, Path(folder), settings or SiteSettings(), quiet)
    return SiteStore.open(folder)


class SiteStore:
    """A finished store.

    Attributes:
        folder: of the store.
        samples: names of the columns, samples or tissues.
        tissues: of each column, or None.
        files: of each column, those it was read from.
        descriptions: of each column.
        chroms: chromosome → number of CpGs, in the order of the genome; those that have any.
        has_coverage: whether every column has counts of reads.
        settings: JSON values of the `SiteSettings`.
        summary: per column a dictionary of `sample`, `cpgs`, `mean_beta`, `mean_coverage` (None
            without counts), `missing_share` (of the store's CpGs), `dropped_low_coverage` and
            `merged_strands` (CpGs).
    """

    def __init__(self, folder: Path, value: dict):
        self.folder = folder
        columns = value["columns"]
        self.samples: tuple[str, ...] = tuple(c["name"] for c in columns)
        self.tissues: tuple[str | None, ...] = tuple(c["tissue"] for c in columns)
        self.files: tuple[tuple[str, ...], ...] = tuple(tuple(c["files"]) for c in columns)
        self.descriptions: tuple[str, ...] = tuple(c["description"] for c in columns)
        self.chroms: dict[str, int] = {c["name"]: c["cpgs"] for c in value["chroms"]}
        self._numbers = {c["name"]: c["number"] for c in value["chroms"]}
        self.has_coverage: bool = value["coverage"]
        self.settings: dict = value["settings"]
        self.summary: list[dict] = value["summary"]

    @classmethod
    def open(cls, folder: str | Path) -> "SiteStore":
        """Open a store that `collect` has finished.

        Raises:
            InputFileError: no such folder, unfinished, or of another version.
        """
        path = Path(folder) / NAME
        if not path.exists():
            raise InputFileError(
                f"{folder} has no {NAME}: it holds no methylation store, or one that is "
                "unfinished; collect it again"
            )
        value = read_json(path, "methylation store")
        if (value.get("format"), value.get("format_version")) != (FORMAT, FORMAT_VERSION):
            raise InputFileError(
                f"{path} is of format {value.get('format')!r} version "
                f"{value.get('format_version')!r}, want {FORMAT!r} version {FORMAT_VERSION}: "
                "collect it again"
            )
        return cls(Path(folder), value)

    def positions(self, chrom: str) -> np.ndarray:
        """Return the 0-based positions of the C of each CpG: int32 [n], ascending, read-only."""
        return self._mapped(chrom, "positions", np.int32, (self.chroms.get(chrom, 0),))

    def beta(self, chrom: str) -> np.ndarray:
        """Return the share of methylation: float32 [n, samples], NaN where missing, read-only."""
        return self._mapped(chrom, "beta", np.float32, self._shape(chrom))

    def coverage(self, chrom: str) -> np.ndarray | None:
        """Return the reads: float32 [n, samples], 0 where missing, read-only.

        None unless every column has counts.
        """
        if not self.has_coverage:
            return None
        return self._mapped(chrom, "coverage", np.float32, self._shape(chrom))

    def _shape(self, chrom: str) -> tuple[int, int]:
        return self.chroms.get(chrom, 0), len(self.samples)

    def _mapped(self, chrom: str, name: str, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
        if chrom not in self.chroms:
            raise unknown("chromosome", chrom, self.chroms, f"of {self.folder}")
        path = self.folder / f"{self._numbers[chrom]}.{name}.bin"
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if not path.is_file() or path.stat().st_size != size:
            raise InputFileError(f"{path} is missing or truncated: collect the store again")
        return np.memmap(path, dtype, "r", shape=shape)
