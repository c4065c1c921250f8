"""How a store is made: each file read once, then each chromosome joined, both resumable."""

import json
import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from tfrecords_tools.errors import ConfigError, InputFileError, UnfinishedError
from tfrecords_tools.files import identity, read_json, remove_parts, write_json
from tfrecords_tools.genome import Genome
from tfrecords_tools.methylation.array_matrix import ArrayFile
from tfrecords_tools.methylation.formats import SiteFile
from tfrecords_tools.methylation.join import Column, joined, write_chromosome
from tfrecords_tools.methylation.samples import Sample
from tfrecords_tools.methylation.settings import FORMAT, FORMAT_VERSION, NAME, SiteSettings
from tfrecords_tools.methylation.sites import GenomeCpgs, Placement
from tfrecords_tools.methylation.strands import Part, StrandSums
from tfrecords_tools.progress import progress

_PLAN, _WORK = "plan.json", "work"
log = logging.getLogger(__name__)


class Source(Protocol):
    """A file to read.

    Attributes:
        samples: that it gives.
        places: which of the table's rows that name the file each sample is of.
        counts: whether it counts reads.
        size: bytes.
    """

    samples: tuple[Sample, ...]
    places: tuple[int, ...]
    counts: bool
    size: int

    def read(self, cpgs: GenomeCpgs, folder: Path, merge: bool, advance: Callable) -> dict:
        """Write the file's `Part`s to a folder; return what was passed over, as JSON values."""


@dataclass
class PositionSource:
    """A file of methylation by position, of one sample."""

    file: SiteFile

    def __post_init__(self):
        self.samples, self.places = (self.file.sample,), (0,)
        self.counts, self.size = self.file.layout.counts, self.file.table.size

    def read(self, cpgs: GenomeCpgs, folder: Path, merge: bool, advance: Callable) -> dict:
        """Write the file's `Part`s to a folder; return what was passed over, as JSON values."""
        where = str(self.file.path)
        placement = Placement(cpgs, where, self.file.sample.offset)
        sums = StrandSums(folder, cpgs, where, merge)
        for block in self.file.blocks(advance):
            for placed in placement.place(block):
                sums.add(placed, block)
        placement.finish()
        sums.finish()
        others = dict(self.file.passed_over)
        if placement.other:
            others["cytosines outside CpGs"] = placement.other
        if sums.reverse_left_out:
            others["calls of the reverse strand"] = sums.reverse_left_out
        if others:
            shown = ", ".join(f"{n:,} {what}" for what, n in others.items())
            log.info("%s: passed over %s", where, shown)
        return {"merged": sums.merged, "misfits": placement.misfits, "passed_over": others}


def collect_store(
    samples: Sequence[Sample], genome: Genome, folder: Path, settings: SiteSettings, quiet: bool
) -> None:
    """Make the store that `SiteStore.open` reads; see `store.collect`."""
    if not samples:
        raise ConfigError("there are no samples: the sample table is empty")
    sources, order = _sources(samples, genome, settings)
    columns = _columns(sources, order, settings.per)
    folder.mkdir(parents=True, exist_ok=True)
    _claim(folder, _plan(samples, genome, settings))
    if (folder / NAME).exists():
        return
    work = folder / _WORK
    work.mkdir(exist_ok=True)
    for place in (folder, work):
        remove_parts(place)
    cpgs = GenomeCpgs(genome, work)
    found = _read(sources, cpgs, work, settings, quiet)
    coverage = all(c.counts for c in columns)
    if not coverage and any(c.counts for c in columns):
        without = next(c.name for c in columns if not c.counts)
        log.warning("%s has no counts of reads: the store has no coverage", without)
    chroms = _join(sources, columns, cpgs, folder, settings, coverage, quiet)
    if not chroms:
        raise InputFileError(
            f"no CpG has a value in any sample at a minimum coverage of "
            f"{settings.min_coverage:g}: lower it"
        )
    value = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "columns": [_described(c, sources) for c in columns],
        "chroms": [{n: c[n] for n in ("name", "number", "cpgs")} for c in chroms],
        "coverage": coverage,
        "settings": asdict(settings),
        "summary": _summary(columns, chroms, found),
        "files": found,
    }
    write_json(folder / NAME, value)
    shutil.rmtree(work)


def _sources(
    samples: Sequence[Sample], genome: Genome, settings: SiteSettings
) -> tuple[list[Source], list[tuple[int, int]]]:
    """Return the files to read, and where each sample of the table is found, in its order.

    Returns:
        The files; (place of the file, place among the file's samples) of each sample.
    """
    groups: dict[tuple, list[int]] = {}
    for number, sample in enumerate(samples):
        matrix = (sample.file, sample.manifest, sample.scale, sample.offset)
        groups.setdefault(matrix if sample.format == "array" else (number,), []).append(number)
    sources: list[Source] = []
    order = []
    for numbers in groups.values():
        rows = tuple(samples[n] for n in numbers)
        if rows[0].format == "array":
            source = ArrayFile(rows, genome)
        else:
            source = PositionSource(SiteFile(rows[0], settings.code))
        order += [(numbers[p], len(sources), n) for n, p in enumerate(source.places)]
        sources.append(source)
    return sources, [(file, place) for _, file, place in sorted(order)]


def _columns(sources: list[Source], order: list[tuple[int, int]], per: str) -> list[Column]:
    """Return the columns of the store, in the order of samples, or of tissues' first samples."""
    groups: dict[str, list[tuple[int, int, Sample]]] = {}
    for file, place in order:
        sample = sources[file].samples[place]
        if per == "tissue" and not sample.tissue:
            raise ConfigError(
                f"{sample.where or sample.identifier} has no tissue, by which columns are "
                "grouped: fill it in for every sample"
            )
        name = sample.tissue if per == "tissue" else sample.identifier
        groups.setdefault(name, []).append((file, place, sample))
    columns = []
    for name, of in groups.items():
        counts = {sources[file].counts for file, _, _ in of}
        if per == "sample" and len(of) > 1:
            places = " and ".join(s.where or s.file for _, _, s in of[:2])
            raise ConfigError(f"{places} both give sample {name!r}: identifiers must be unique")
        if len(counts) > 1:
            raise ConfigError(
                f"tissue {name!r} has samples with counts of reads and samples without, which "
                "have no common mean: give them tissues of their own"
            )
        columns.append(Column(name, tuple((f, p) for f, p, _ in of), counts.pop()))
    return columns


def _plan(samples: Sequence[Sample], genome: Genome, settings: SiteSettings) -> dict:
    """Return everything that decides the store."""
    files = sorted({s.file for s in samples} | {s.manifest for s in samples if s.manifest})
    rows = [{k: v for k, v in asdict(s).items() if k != "where"} for s in samples]
    value = {
        "format": "tfepi-methylation-plan",
        "format_version": FORMAT_VERSION,
        "genome": identity(genome.path),
        "files": {path: identity(path) for path in files},
        "samples": rows,
        "settings": asdict(settings),
    }
    return json.loads(json.dumps(value))


def _claim(folder: Path, plan: dict) -> None:
    """Make the folder that of a plan, or refuse it if it is that of another."""
    path = folder / _PLAN
    if path.exists():
        old = read_json(path, "plan of a methylation store")
        for name in plan:
            if old.get(name) != plan[name]:
                raise UnfinishedError(
                    f"{folder} holds a methylation store of other {name}: use --overwrite, or "
                    "name another folder"
                )
        return
    if (folder / NAME).exists() or (folder / _WORK).exists():
        raise UnfinishedError(f"{folder} has files but no {_PLAN}: name another folder")
    write_json(path, plan)


def _read(sources, cpgs: GenomeCpgs, work: Path, settings: SiteSettings, quiet: bool) -> list[dict]:
    """Read the files that were not read before; return what each held."""
    found = []
    bar = progress(total=sum(s.size for s in sources), unit="B", label="reading", quiet=quiet)
    with bar:
        for number, source in enumerate(sources):
            folder = work / str(number)
            marker = folder / "read.json"
            if marker.exists():
                bar.update(source.size)
            else:
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                facts = source.read(cpgs, folder, settings.merge_strands, bar.update)
                write_json(marker, {"file": source.samples[0].file, **facts})
            found.append(read_json(marker))
    return found


def _join(sources, columns, cpgs: GenomeCpgs, folder: Path, settings, coverage, quiet):
    """Join the chromosomes that were not joined before; return what each holds."""
    found = []
    folders = [folder / _WORK / str(number) for number in range(len(sources))]
    for chrom in progress(cpgs.genome.chroms, unit="chromosomes", label="joining", quiet=quiet):
        number = cpgs.number(chrom)
        parts = [p if (p := Part(f, number)).exists() else None for f in folders]
        if not any(parts):
            continue
        marker = folder / _WORK / f"joined.{number}.json"
        if not marker.exists():
            positions = cpgs.positions(chrom)
            blocks = joined(parts, columns, len(positions), settings.min_coverage, settings.calls)
            stem = folder / str(number)
            value = write_chromosome(stem, positions, blocks, len(columns), coverage)
            write_json(marker, {"name": chrom, "number": number, **value})
        value = read_json(marker)
        if value["cpgs"]:
            found.append(value)
    return found


def _described(column: Column, sources: Sequence[Source]) -> dict:
    samples = [sources[file].samples[place] for file, place in column.of]
    tissues = {s.tissue for s in samples}
    return {
        "name": column.name,
        "tissue": tissues.pop() if len(tissues) == 1 else None,
        "files": list(dict.fromkeys(s.file for s in samples)),
        "description": samples[0].description if len(samples) == 1 else "",
        "counts": column.counts,
    }


def _summary(columns: Sequence[Column], chroms: list[dict], files: list[dict]) -> list[dict]:
    """Return what `SiteStore.summary` says of each column."""
    rows = sum(c["cpgs"] for c in chroms)
    summary = []
    for number, column in enumerate(columns):
        known, beta, coverage, low = (
            sum(c[name][number] for c in chroms) for name in ("known", "beta", "coverage", "low")
        )
        summary.append(
            {
                "sample": column.name,
                "cpgs": int(known),
                "mean_beta": beta / known if known else None,
                "mean_coverage": coverage / known if known and column.counts else None,
                "missing_share": 1 - known / rows,
                "dropped_low_coverage": int(low),
                "merged_strands": sum(files[f]["merged"] for f, _ in column.of),
            }
        )
    return summary
