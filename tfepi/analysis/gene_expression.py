"""Predicted expression of genes: what a model gives in the bins at their start sites.

A window is centred on each transcription start site (TSS), which is at index L // 2 of the model's
sequence. Enformer's paper (Avsec et al. 2021, Methods) sums CAGE over the TSS's bin and one on
either side, and over the sites of a gene; both numbers are given, the bin's and the sum's.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from tfepi.analysis.expression_file import (
    NAME,
    TABLE,
    Expression,
    write_expression,
    write_gene_table,
)
from tfepi.analysis.sense import sense_pairs
from tfepi.analysis.tss import GeneChoice, StartSite
from tfepi.analysis.tss_windows import TssWindow
from tfepi.prediction.filling import EachWindow
from tfepi.prediction.options import default_part_windows
from tfepi.prediction.parts import PredictedParts
from tfepi.prediction.run import write_parts
from tfepi.prediction.site_values import SiteValues, check_condition
from tfepi.prediction.windows import Site
from tfepi.spec import (
    METHYLATION,
    AveragedPredictor,
    Condition,
    ModelSpec,
    Predictor,
    check_shifts,
)
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.numbered import Plan, remove_all_parts
from tfepi.variants.options import check_predicting
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, check_room, run_record, shown_size
from tfrecords_tools.targets import Target

FORMAT = "tfepi-genes"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """The options that decide predictions at start sites.

    Attributes:
        neighbours: bins on either side of the TSS's that are summed with it.
        rc: average over both strands.
        shifts: average over these shifts, bp.
        head: the model's output; None where it has one.
        untransform: undo the targets' transforms (`untransform.STYLES`), or None.
        batch_size: sequences per call of the model.

    Raises:
        ConfigError: an unknown name or a value out of range.
    """

    neighbours: int = 1
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    head: str | None = None
    untransform: str | None = None
    batch_size: int = 64

    def __post_init__(self):
        if self.neighbours < 0:
            raise ConfigError(f"neighbours is {self.neighbours}: want 0 or more bins")
        check_predicting(self.shifts, self.untransform, self.batch_size)


def tss_site(spec: ModelSpec, neighbours: int) -> Site:
    """Return the bins of a model that are kept: the TSS's and its neighbours.

    Args:
        spec: the model's contract.
        neighbours: bins on either side.

    Raises:
        ConfigError: a model of single CpGs, or more bins than it has around the TSS.
    """
    if spec.kind == METHYLATION:
        raise ConfigError(
            f"the model {spec.name} predicts the methylation of one CpG, nothing at start sites"
        )
    window = TssWindow.around(spec, 2 * neighbours + 1)
    middle = window.first + neighbours
    most = min(middle, window.total - 1 - middle)
    if most < 0:
        raise ConfigError(f"the model {spec.name} has no bin in the middle of its sequence")
    if neighbours > most:
        raise ConfigError(
            f"neighbours is {neighbours}: the TSS is in bin {middle} of the model's "
            f"{window.total}, want at most {most}"
        )
    return Site(window.span[0], window.first, window.count, window.bin_width, window.length)


class AtStartSites:
    """Windows whose sequence has a start site in the middle (`prediction.windows.Windows`).

    Args:
        sites: where.
        site: the bins that are kept of each window.
    """

    def __init__(self, sites: Sequence[StartSite], site: Site):
        self.chroms = tuple(dict.fromkeys(s.chrom for s in sites))
        place = {name: i for i, name in enumerate(self.chroms)}
        self._chrom = np.array([place[s.chrom] for s in sites], np.int32)
        position = np.array([s.position for s in sites], np.int64)
        self._start = position - site.seq_length // 2 + site.offset

    def __len__(self) -> int:
        return len(self._start)

    def block(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the chromosome, by its place in `chroms`, and the start of the bins, 0-based."""
        return self._chrom[numbers], self._start[numbers]


def predict_genes(
    load: Callable[[], Predictor],
    spec: ModelSpec,
    genes: GeneChoice,
    fasta: str | Path,
    out: str | Path,
    request: Request = Request(),
    *,
    model_files: dict[str, str | Path] | None = None,
    targets: Sequence[Target] | None = None,
    condition: Condition | None = None,
    check: Callable[[Expression], object] | None = None,
    part_windows: int | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
) -> Path:
    """Predict the expression of genes and write expression.h5 and genes.tsv.

    Args:
        load: returns the model.
        spec: the model's contract.
        genes: which, and which of their start sites; by default sites of a gene are so far apart
            that no base counts twice in the sum over them.
        fasta: the genome, plain or bgzip; beyond a chromosome's ends is N.
        out: output folder.
        request: the options.
        model_files: label → path of the files whose content is the model, and of the list that
            `genes.names` are from.
        targets: predict only these of the head's, by identifier.
        condition: what the model takes besides the sequence, by place.
        check: told what expression.h5 will hold, before there is anything.
        part_windows: start sites per part; None for a number that suits the model.
        resume: go on in a folder with results.
        overwrite: remove results first.
        quiet: no progress bars.

    Returns:
        The folder written.

    Raises:
        InputFileError: a FASTA, annotation or model that cannot be used, or only NaN predicted.
        ConfigError: an unknown gene or target, or an option that does not suit the model.
        UnfinishedError: results are there, or were made from something else.
    """
    folder = check_folder(out, resume, overwrite)
    site = tss_site(spec, request.neighbours)
    chosen = HeadTargets.of(spec, request.head, targets, request.untransform)
    check_shifts(spec, request.shifts)
    check_condition(spec, condition is not None)
    if part_windows is None:
        part_windows = default_part_windows(spec, site, len(chosen.targets), request.batch_size)
    if part_windows < 1:
        raise ConfigError(f"part_windows is {part_windows}: want at least 1")
    apart = site.length if genes.apart is None else genes.apart
    files = {"fasta": fasta, "genes": genes.path, **(model_files or {})}
    with Genome(fasta) as genome:
        sites = genes.sites(genome.chroms, f"FASTA {fasta}", apart)
        windows = AtStartSites(sites, site)
        plan = Plan(
            FORMAT,
            {label: identity(path) for label, path in files.items()},
            {
                "options": asdict(request),
                "genes": {"type": genes.type, "which": genes.which, "apart": apart},
                "names": list(genes.names),
                "site": asdict(site),
                "targets": [t.to_json() for t in chosen.targets],
                "part_windows": part_windows,
            },
            -(-len(sites) // part_windows),
            ".npy",
        )
        pairs = sense_pairs(chosen.targets)
        if check is not None:
            check(Expression.expected(folder / NAME, sites, chosen.targets, pairs))
        _forecast(folder, sites, len(chosen.targets), len(pairs), site)
        # A model that cannot be loaded must not cost results, nor leave a folder behind.
        predictor = load() if overwrite or not folder.exists() else None
        plan.claim(folder, resume, overwrite)
        if (folder / NAME).exists() and (folder / TABLE).exists():
            remove_all_parts(folder)
            return folder
        parts = PredictedParts(folder, plan, len(sites), part_windows)
        with run_record(folder, {}, genes=sites[-1].number + 1, start_sites=len(sites)) as record:
            record["inputs"] = dict(plan.inputs)
            todo = plan.missing(folder)
            if todo:
                averaged = AveragedPredictor(predictor or load(), request.rc, request.shifts)
                values = SiteValues(averaged, genome, site, chosen, condition)
                filler = EachWindow(values, windows, request.batch_size)
                undefined = write_parts(filler, parts, todo, site.bins, quiet, "start sites")
                record["undefined_start_sites"] = undefined
            write_gene_table(folder / TABLE, sites, site, genome.chroms)
            write_expression(folder / NAME, parts, sites, site, chosen.targets, pairs, request)
            remove_all_parts(folder)
    return folder


def _forecast(
    folder: Path, sites: Sequence[StartSite], targets: int, pairs: int, site: Site
) -> None:
    """Log what will be written, and refuse a disk that is too small."""
    genes = sites[-1].number + 1
    columns = targets + pairs
    need = 4 * len(sites) * (targets * site.bins + 2 * columns)
    if genes < len(sites):
        need += 4 * genes * 4 * columns
    _log.info(
        "%s of %s, %s of %d bp each, %s; up to %s on disk",
        number_of(len(sites), "start site"),
        number_of(genes, "gene"),
        number_of(site.bins, "bin"),
        site.bin_width,
        number_of(columns, "track"),
        shown_size(need),
    )
    check_room(folder, need)
