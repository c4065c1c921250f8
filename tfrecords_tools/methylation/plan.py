"""What a build of methylation records will do: options and inputs checked, the genome divided.

Which CpGs there are is known once the sites have been collected (`chosen`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tfrecords_tools import splits
from tfrecords_tools.division import divide, wanted_labels
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome, missing_chrom
from tfrecords_tools.intervals import Interval, read_bed
from tfrecords_tools.methylation.options import MethylationOptions
from tfrecords_tools.methylation.samples import Sample, read_samples
from tfrecords_tools.tracks import check_ends

_BEDS = ("gaps", "limit", "split_bed")


@dataclass(frozen=True)
class MethylationPlan:
    """Inputs, and what part of the genome each label has.

    Attributes:
        fasta: path of the genome.
        samples: the table's rows, with paths resolved.
        options: the options.
        contigs: label → contigs.
        chroms: chromosome → length, bp, of the genome.
    """

    fasta: str
    samples: tuple[Sample, ...]
    options: MethylationOptions
    contigs: dict[str, list[Interval]]
    chroms: dict[str, int]

    def inputs(self) -> dict[str, str]:
        """Return label → path of every input file besides the sample table."""
        found = {"genome": self.fasta}
        found |= {name: path for name in _BEDS if (path := getattr(self.options, name))}
        for sample in self.samples:
            name = " ".join(filter(None, (sample.identifier, sample.column)))
            found[f"sample {name}"] = sample.file
            if sample.manifest:
                found[f"manifest {name}"] = sample.manifest
        return found

    def fingerprint(self) -> dict:
        """Return what must be equal for a build to be continued."""
        paths = self.inputs()
        known = {path: identity(path) for path in set(paths.values())}  # columns share a file
        return {
            "options": self.options.to_json(),
            "samples": [_to_json(sample) for sample in self.samples],
            "inputs": {label: known[path] for label, path in paths.items()},
        }

    def centres(self) -> Iterator[tuple[str, Interval, int, int]]:
        """Yield (label, contig, first, end): the C's from first to end have windows within it.

        A window may reach beyond the ends of a chromosome.
        """
        half = self.options.half
        for label, contigs in self.contigs.items():
            for c in contigs:
                first = c.start + half if c.start else 0
                end = c.end - half if c.end < self.chroms[c.chrom] else c.end
                yield label, c, first, max(first, end)


def make_plan(
    fasta: str | Path, samples_file: str | Path, options: MethylationOptions
) -> MethylationPlan:
    """Check the inputs against each other and divide the genome.

    Raises:
        InputFileError: a file is missing, damaged, or of another build.
        ConfigError: a chromosome that the genome lacks, samples without tissue where they are
            to be grouped by it, or a label left empty.
    """
    samples = read_samples(samples_file)
    if options.per == "tissue":
        for sample in samples:
            if not sample.tissue:
                raise ConfigError(
                    f"sample table {samples_file}: sample {sample.identifier!r} has no tissue, by "
                    "which --per tissue groups: fill in the column 'tissue', or use --per sample"
                )
    with Genome(fasta) as genome:
        chroms = dict(genome.chroms)
    for chrom in options.chroms:
        if chrom not in chroms:
            raise ConfigError(missing_chrom(chrom, chroms, f"--chroms: FASTA {fasta}"))
    beds = {name: _bed(getattr(options, name), name, chroms) for name in _BEDS}
    contigs = _contigs(chroms, options, beds["gaps"], beds["limit"])
    parts = divide(contigs, options, beds["split_bed"])
    for label in wanted_labels(options, beds["split_bed"]):
        if not parts.get(label):
            raise ConfigError(
                f"no part of the genome is left for {label}: use other -v/-t values, more contigs "
                "(--break), or other --limit, --gaps or --split_bed; 0 leaves a label out"
            )
    parts = {label: splits.rejoin(part) for label, part in parts.items() if part}
    return MethylationPlan(str(fasta), samples, options, parts, chroms)


def _contigs(
    chroms: dict[str, int],
    options: MethylationOptions,
    gaps: Sequence[Interval] | None,
    limit: Sequence[Interval] | None,
) -> list[Interval]:
    """Return what is left of the genome, in contigs of any length: windows reach beyond ends."""
    used = {c: n for c, n in chroms.items() if not options.chroms or c in options.chroms}
    try:
        return splits.make_contigs(used, 1, gaps or (), limit, options.contig_limit)
    except ConfigError:
        raise ConfigError(
            "nothing of the genome is left by --chroms, --gaps and --limit: change one of them"
        ) from None


def _bed(path: str | None, name: str, chroms: dict[str, int]) -> list[Interval] | None:
    if path is None:
        return None
    found = read_bed(path)
    if not found and name != "gaps":
        raise InputFileError(
            f"--{name} {path} has no interval, which leaves no window: want lines of chromosome, "
            "start, end; or leave the option out"
        )
    if found and not any(i.chrom in chroms for i in found):
        raise InputFileError(missing_chrom(found[0].chrom, chroms, f"the genome, read for {path},"))
    check_ends(path, found, chroms)
    return found


def _to_json(sample: Sample) -> dict:
    """Return the fields that are set, as JSON values; files are among the inputs."""
    return {
        k: v
        for k, v in asdict(sample).items()
        if k not in ("file", "manifest", "where") and v not in (None, "")
    }
