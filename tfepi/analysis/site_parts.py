"""Work on the windows of start sites in numbered parts, each of some sites."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import h5py
import numpy as np

from tfepi.analysis.element_pairs import Pair
from tfepi.analysis.tss import StartSite
from tfepi.analysis.tss_windows import TssWindow
from tfepi.predictors import KerasPredictor
from tfepi.spec import ModelSpec, Predictor
from tfepi.variants.numbered import Plan, unreadable_part
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome
from tfrecords_tools.progress import progress

SUFFIX = ".npz"
_BATCH_BASES = 1 << 18  # a gradient keeps what a prediction forgets: one window of Enformer
_PART_BASES = 1 << 21
_MOST_PART = 256


def default_batch(spec: ModelSpec) -> int:
    """Return windows per call of a model whose gradient or attention is asked for."""
    return max(1, min(64, _BATCH_BASES // spec.seq_length))


def check_sites(sites: Sequence[StartSite], genome: Genome) -> None:
    """Check that the genome has the start sites.

    Raises:
        InputFileError: none, an unknown chromosome, or a site beyond its end.
    """
    if not sites:
        raise InputFileError("there are no start sites: name a GTF, GFF3 or BED that has some")
    for site in sites:
        length = genome.length(site.chrom)
        if not 0 <= site.position < length:
            raise InputFileError(
                f"the TSS of {site.gene} at {site.chrom}:{site.position} lies beyond the end of "
                f"{site.chrom} ({length} bp in {genome.path}): is it of another build?"
            )


def check_pairs(pairs: Sequence[Pair], genome: Genome) -> None:
    """Check that candidate elements lie in the genome.

    Raises:
        InputFileError: one that ends beyond its chromosome.
    """
    for pair in pairs:
        length = genome.length(pair.chrom)
        if pair.end > length:
            raise InputFileError(
                f"the element {pair.chrom}:{pair.start}-{pair.end} (line {pair.line} of the pairs) "
                f"ends beyond {pair.chrom} ({length} bp in {genome.path}): is it of another build?"
            )


def sites_digest(sites: Sequence[StartSite]) -> dict:
    """Return what identifies start sites, as a fact of a plan."""
    lines = "\n".join(f"{s.chrom}\t{s.position}\t{s.strand}\t{s.gene}\t{s.name}" for s in sites)
    return {"count": len(sites), "sha256": hashlib.sha256(lines.encode()).hexdigest()}


def keras_model(predictor: Predictor, what: str):
    """Return the Keras model of a predictor.

    Args:
        predictor: any.
        what: is asked of it, for the message.

    Raises:
        ConfigError: it has none.
    """
    if not isinstance(predictor, KerasPredictor):
        raise ConfigError(
            f"the model is no Keras model and has no {what}: name the run folder or .keras file it "
            "was exported from, or convert it with tfepi_convert.py"
        )
    return predictor.model


@dataclass(frozen=True)
class SiteParts:
    """Start sites in parts.

    Attributes:
        sites: all of them, in order.
        window: how their windows lie.
        size: sites per part.
        batch_size: windows per call of the model.
    """

    sites: Sequence[StartSite]
    window: TssWindow
    size: int
    batch_size: int

    @classmethod
    def of(cls, sites: Sequence[StartSite], window: TssWindow, batch_size: int) -> "SiteParts":
        """Return parts that lose minutes in a kill, of whole batches.

        Raises:
            ConfigError: a batch of none.
        """
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}: want at least 1")
        size = min(_MOST_PART, _PART_BASES // window.length)
        return cls(sites, window, max(1, size // batch_size) * batch_size, batch_size)

    @property
    def count(self) -> int:
        """Number of parts."""
        return -(-len(self.sites) // self.size)

    def numbers(self, part: int) -> range:
        """Return the numbers of a part's sites."""
        return range(part * self.size, min((part + 1) * self.size, len(self.sites)))

    def sequences(self, genome: Genome, numbers: Sequence[int]) -> np.ndarray:
        """Return the windows of sites: base indices, uint8 [sites, length]."""
        starts = [(self.sites[n].chrom, self.window.start(self.sites[n].position)) for n in numbers]
        return genome.windows([(c, start, start + self.window.length) for c, start in starts])

    def write(
        self,
        plan: Plan,
        folder: Path,
        genome: Genome,
        function: Callable[[np.ndarray, range], dict[str, np.ndarray]],
        label: str,
        quiet: bool = False,
    ) -> None:
        """Write the parts that are missing.

        Args:
            plan: of the run.
            folder: of the results.
            genome: the FASTA.
            function: of base indices uint8 [batch, length] and the sites' numbers, to arrays
                [batch, …] by name.
            label: of the progress bar.
            quiet: no progress bar.

        Raises:
            InputFileError: a value that is no finite number.
        """
        todo = plan.missing(folder)
        total = len(self.sites)
        done = total - sum(len(self.numbers(n)) for n in todo)
        with progress(total=total, unit="genes", label=label, quiet=quiet, initial=done) as bar:
            for number in todo:
                found = []
                numbers = self.numbers(number)
                for low in range(numbers.start, numbers.stop, self.batch_size):
                    batch = range(low, min(low + self.batch_size, numbers.stop))
                    found.append(function(self.sequences(genome, batch), batch))
                    bar.update(len(batch))
                arrays = {k: np.concatenate([f[k] for f in found]) for k in found[0]}
                for name, values in arrays.items():
                    bad = ~np.isfinite(values.reshape(len(values), -1)).all(axis=1)
                    if bad.any():
                        site = self.sites[numbers[int(np.flatnonzero(bad)[0])]]
                        raise InputFileError(
                            f"the model gives no finite {name} for {site.gene} "
                            f"({site.chrom}:{site.position}): its weights are damaged"
                        )
                with atomic_path(plan.part(folder, number)) as path:
                    np.savez(path, **arrays)

    def read(self, plan: Plan, folder: Path) -> Iterator[tuple[range, dict[str, np.ndarray]]]:
        """Yield the numbers of each part's sites, and its arrays by name.

        Raises:
            InputFileError: a part that is missing or damaged.
        """
        for number in range(plan.parts):
            path = plan.part(folder, number)
            try:
                with np.load(path, allow_pickle=False) as file:
                    arrays = {name: file[name] for name in file.files}
            except (OSError, ValueError, EOFError, BadZipFile) as error:
                raise unreadable_part(path, error) from None
            yield self.numbers(number), arrays


def write_sites(file: h5py.File, sites: Sequence[StartSite], window: TssWindow) -> None:
    """Write chrom, tss, strand, gene, name and start (of the window) of sites.

    Args:
        file: open for writing.
        sites: in order.
        window: how their windows lie.
    """
    for name in ("chrom", "strand", "gene", "name"):
        file[name] = np.array([str(getattr(s, name)).encode() for s in sites])
    file["tss"] = np.array([s.position for s in sites], np.int64)
    file["start"] = np.array([window.start(s.position) for s in sites], np.int64)
