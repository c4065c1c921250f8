"""Clusters and scores as annotation files for LD score regression, with the commands to run."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfepi.association.annot_file import write_annot
from tfepi.association.joining import by_chromosome
from tfepi.association.reference_snps import Chromosome
from tfepi.heritability.assembly import Assembly
from tfepi.heritability.ldsc_commands import CHROMOSOMES, LdscInputs, command_script
from tfepi.heritability.reference import check_bims, reference_chromosomes, scored_chromosomes
from tfepi.heritability.regions import NamedRegions, read_regions, safe_name
from tfepi.heritability.score_columns import ScoreColumns
from tfepi.specificity.cluster_file import cluster_table
from tfepi.variants.numbered import NAME as PLAN
from tfepi.variants.numbered import Plan, remove_all_parts
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity, read_json, write_json, write_text
from tfrecords_tools.intervals import iterate
from tfrecords_tools.output import check_folder, run_record
from tfrecords_tools.progress import progress

FORMAT, NAME = "tfepi-heritability-annotation", "annotation.json"
FORMAT_VERSION = 1
SETS = ("joint", "each")
_log = logging.getLogger(__name__)
_ODD = 2  # times more or fewer SNPs than bases: worth a warning
_EXPECTED = 100  # SNPs, below which that may be chance


@dataclass(frozen=True)
class Request:
    """What is annotated, and how the files are laid out.

    Attributes:
        assembly: of peaks, scores and .bim files.
        prefix: of file names.
        sets: "joint": all annotations in one regression; "each": one regression for each, beside
            a control of all regions, or of all scored SNPs.
        thin: files without the SNPs' places.
        ldsc: what else LDSC is given. With a baseline model there is no column "base".
    """

    assembly: Assembly
    prefix: str = "clusters"
    sets: str = "joint"
    thin: bool = False
    ldsc: LdscInputs = field(default_factory=LdscInputs)

    def __post_init__(self):
        if self.sets not in SETS:
            raise ConfigError(f"sets is {self.sets!r}: want {' or '.join(SETS)}")
        if safe_name(self.prefix) != self.prefix:
            raise ConfigError(f"prefix is {self.prefix!r}: want a name without spaces and slashes")


def annotate(
    out: str | Path,
    bims: Iterable[str | Path],
    request: Request,
    clusters: str | Path | None = None,
    beds: Mapping[str, str | Path] | None = None,
    scores: ScoreColumns | None = None,
    inputs: Mapping[str, str | Path] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict:
    """Write ldsc/PREFIX.CHR.annot.gz, bed/NAME.bed, commands.sh and annotation.json.

    Args:
        out: output folder.
        bims: .bim files of the LD reference, one for each chromosome.
        request: layout.
        clusters: table of peaks with clusters, or the folder that holds it.
        beds: name → BED file, annotations like clusters.
        scores: annotations of scored variants.
        inputs: label → further files that these came from.
        resume: keep a finished run of the same; one that was stopped starts again.
        overwrite: remove results first.
        quiet: no progress bar.

    Returns:
        The value of annotation.json.

    Raises:
        InputFileError: a file that cannot be used, another assembly, no SNP in any region.
        ConfigError: nothing to annotate, names that clash, or too few annotations for "each".
        UnfinishedError: results are there, or were made from something else.
    """
    folder, bims, beds = check_folder(out, resume, overwrite), check_bims(bims), dict(beds or {})
    if clusters is None and not beds and scores is None:
        raise ConfigError("nothing to annotate: give --clusters, --bed or --scores")
    clusters = None if clusters is None else cluster_table(clusters)
    regions = read_regions(clusters, beds, request.assembly)
    if both := set(regions.names) & set(scores.columns if scores else ()):
        raise ConfigError(f"a region and a score would both be called {min(both)}: rename one")
    layout = _sets(request, regions, scores)
    files = {f"bim {n}": path for n, path in enumerate(bims, 1)} | dict(inputs or {})
    files |= {"clusters": clusters} if clusters else {}
    files |= {f"bed {name}": path for name, path in beds.items()}
    facts = {
        "assembly": request.assembly.name,
        "prefix": request.prefix,
        "sets": layout,
        "thin": request.thin,
        "thresholds": scores.thresholds if scores else {},
        "ldsc": vars(request.ldsc),
    }
    plan = Plan(FORMAT, {k: identity(p) for k, p in files.items()}, facts, 0, "")
    if resume and any((folder / name).exists() for name in (NAME, PLAN)):
        plan.check_same(folder)
        if (folder / NAME).exists():
            return read_json(folder / NAME)
    scored = scored_chromosomes(bims, scores.variants if scores else None)

    def chromosomes(label: str):
        found = reference_chromosomes(bims, request.assembly, scored)
        return progress(found, total=len(bims), unit="chromosome", label=label, quiet=quiet)

    counts = _Counts(regions)  # all is read and checked before a file is written
    for chrom, _, chromosome in chromosomes("check"):
        counts.add(request.assembly, chrom, chromosome)
    counts.check()
    plan.claim(folder, resume, overwrite)
    remove_all_parts(folder)
    with run_record(folder, dict(plan.inputs)):
        for name in ("ldsc", "bed"):
            (folder / name).mkdir(exist_ok=True)
        for name, places in regions.regions.items():
            lines = (f"{i.chrom}\t{i.start}\t{i.end}\t{name}\n" for i in iterate(places))
            write_text(folder / "bed" / f"{name}.bed", "".join(lines))
        found, centimorgans = {}, True
        for chrom, path, chromosome in chromosomes("write"):
            snps, found[chrom] = chromosome.snps, path.resolve()
            columns = regions.inside(chrom, snps["pos"].to_numpy())
            if scores:
                columns |= scores.of(chromosome.row)
                columns["scored"] = (chromosome.row >= 0).astype(np.int8)
            columns["all_regions"] = _any(columns, regions.names, len(snps))
            columns["base"] = np.ones(len(snps), np.int8)
            centimorgans &= bool((snps["cm"] != 0).any())
            for prefix, names in layout.items():
                target = folder / f"{prefix}{chrom}.annot.gz"
                write_annot(target, snps, {n: columns[n] for n in names}, request.thin)
        if passed := [c for c in found if c not in map(str, CHROMOSOMES)]:
            _log.warning("LDSC estimates heritability on chromosomes 1 to 22: not on %s", passed)
        script = command_script(list(layout), found, request.ldsc, request.thin, centimorgans)
        write_text(folder / "commands.sh", script)
        result = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "assembly": request.assembly.name,
            "clusters": regions.names,
            "disjoint": not counts.shared,
            "baseline": request.ldsc.baseline,
            "thin": request.thin,
            "sets": [{"prefix": p, "annotations": names} for p, names in layout.items()],
            "thresholds": scores.thresholds if scores else {},
            "chromosomes": list(found),
            "snps": counts.total,
            "snps_scored": counts.scored,
            "snps_in_several_clusters": counts.shared,
            "regions": counts.rows(),
        }
        write_json(folder / NAME, result)
    return result


def _sets(
    request: Request, regions: NamedRegions, scores: ScoreColumns | None
) -> dict[str, list[str]]:
    """Return prefix → annotations of each set of files."""
    base = [] if request.ldsc.baseline else ["base"]
    of_scores = list(scores.columns) if scores else []
    stem = f"ldsc/{request.prefix}."
    if request.sets == "joint":
        return {stem: [*base, *regions.names, *of_scores]}
    if len(regions) == 1:
        raise ConfigError(
            "with one cluster the control of all regions would be that cluster: use --sets joint"
        )
    own = {name: [*base, "all_regions", name] for name in regions.names}
    own |= {name: [*base, "scored", name] for name in of_scores}
    return {f"{stem}{name}.": names for name, names in own.items()}


def _any(columns: Mapping[str, np.ndarray], names: Iterable[str], count: int) -> np.ndarray:
    """Return which SNPs lie in any of some regions: int8."""
    found = np.zeros(count, np.int8)
    for name in names:
        found |= columns[name]
    return found


class _Counts:
    """SNPs and bases of each region, and what looks wrong with them."""

    def __init__(self, regions: NamedRegions):
        self.regions = regions
        self.snps = dict.fromkeys(regions.names, 0)
        self.bases = dict.fromkeys(regions.names, 0)
        self.total = self.length = self.shared = self.scored = 0

    def add(self, assembly: Assembly, chrom: str, chromosome: Chromosome) -> None:
        """Count a chromosome."""
        columns = self.regions.inside(chrom, chromosome.snps["pos"].to_numpy())
        for name, bases in self.regions.bases(chrom).items():
            self.bases[name] += bases
            self.snps[name] += int(columns[name].sum())
        self.total += len(chromosome.snps)
        self.scored += int((chromosome.row >= 0).sum())
        self.length += by_chromosome(assembly.lengths, chrom, 0)
        if len(columns):
            self.shared += int((sum(c.astype(np.int64) for c in columns.values()) > 1).sum())

    def share(self, name: str) -> float | None:
        """Return which share of the reference's bases a region covers."""
        return self.bases[name] / self.length if self.length else None

    def rows(self) -> list[dict]:
        """Return the counts of each region as JSON."""
        return [
            {
                "name": name,
                "bases": self.bases[name],
                "share_of_bases": self.share(name),
                "snps": self.snps[name],
                "share_of_snps": self.snps[name] / self.total,
            }
            for name in self.regions.names
        ]

    def check(self) -> None:
        """Refuse regions that hold no SNP at all; warn of one without, and of odd shares."""
        if self.regions.names and not any(self.snps.values()):
            raise InputFileError(
                "no SNP of the .bim files lies in any region: are they of the same chromosomes and "
                "of the same assembly?"
            )
        for name, snps in self.snps.items():
            if not snps:
                _log.warning(
                    "no SNP lies in %s: LDSC cannot use an annotation of zeros; leave it out", name
                )
                continue
            expected = (self.share(name) or 0) * self.total
            if expected > _EXPECTED and not expected / _ODD < snps < expected * _ODD:
                _log.warning(
                    "%s covers %.3g%% of bases but %.3g%% of SNPs: are the regions of the "
                    "reference's assembly?",
                    *(name, 100 * self.share(name), 100 * snps / self.total),
                )
        if self.shared:
            _log.warning(
                "%d SNPs lie in more than one cluster: their heritability counts in each, so that "
                "shares of clusters may not be added up",
                self.shared,
            )
