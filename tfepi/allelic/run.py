"""A run of `tfepi_allelic.py`: counts in, tests, predictions, tables and figures out."""

import logging
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tfepi.allelic.analysis import MEAN, Analysis, analyse, with_mean
from tfepi.allelic.counts import Sites
from tfepi.allelic.genome_check import sites_of_genome
from tfepi.allelic.positives import Cut, warn_of_sets
from tfepi.allelic.prediction import CentreBin, Prediction, predicted_ratios
from tfepi.allelic.results import summary, write_results, write_vcf
from tfepi.allelic.seen_sites import ALL, SeenSites, seen_sites
from tfepi.allelic.tasks import DRAWS
from tfepi.allelic.testing import HowTested, SitesTested, sites_tested, warn
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.evaluation.named_model import NamedModel
from tfepi.spec import check_shifts
from tfepi.specificity.cluster_file import PeakClusters
from tfepi.variants.head_targets import HeadTargets
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_folder, claim_folder, run_record

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    """What decides results, besides the inputs.

    Attributes:
        testing: how imbalance is tested.
        cut: what makes a site imbalanced or balanced.
        bootstrap: of the intervals.
        draws: of matched clusters.
        proxy: target that stands for the counts' cell type; None for the mean of all.
    """

    testing: HowTested = field(default_factory=HowTested)
    cut: Cut = field(default_factory=Cut)
    bootstrap: Bootstrap = field(default_factory=Bootstrap)
    draws: int = DRAWS
    proxy: str | None = None

    def __post_init__(self):
        if self.draws < 1:
            raise ConfigError(f"draws is {self.draws}: want at least 1")


@dataclass(frozen=True)
class Source:
    """Where predictions come from: a model, scores that are there, or neither.

    Attributes:
        model: to ask, or None.
        how: it is asked.
        scored: function of sites that returns their ratios [sites, targets] and the names of the
            targets, or None.
        names: of the targets; () without predictions.
    """

    model: NamedModel | None = None
    how: Prediction = field(default_factory=Prediction)
    scored: Callable[[Sites], tuple[np.ndarray, list[str]]] | None = None
    names: tuple[str, ...] = ()

    @classmethod
    def of_model(cls, model: NamedModel, how: Prediction) -> "Source":
        """Return what asks a model, after checking that it has a bin in the middle."""
        CentreBin.of(model.asked)
        check_shifts(model.asked, how.shifts)
        chosen = HeadTargets.of(model.asked, how.head, model.targets, how.untransform)
        return cls(model, how, names=tuple(t.identifier for t in chosen.targets))

    def ratios(self, sites: Sites, fasta: str | Path | None, quiet: bool) -> np.ndarray:
        """Return predicted ratios, float64 [sites, targets]."""
        if self.model is None:
            return self.scored(sites)[0]
        with Genome(fasta) as genome:
            arguments = (self.how, self.model.targets, self.model.condition, quiet)
            return predicted_ratios(self.model.load(), genome, sites, *arguments)


def run(
    sites: Sites,
    out: str | Path,
    options: Options,
    *,
    inputs: dict,
    fasta: str | Path | None = None,
    source: Source = Source(),
    clusters: PeakClusters | None = None,
    windows: Sequence[Interval] | None = None,
    figures: bool = True,
    overwrite: bool = False,
    quiet: bool = False,
) -> dict[str, Analysis]:
    """Write tests, sets and accuracies of the sites of a file, of each sample that it keeps apart.

    Args:
        sites: as read.
        out: folder to make.
        options: what decides results.
        inputs: label → path of what was read, for run.json.
        fasta: the genome; None leaves REF unchecked.
        source: of predictions.
        clusters: of peaks, or None.
        windows: of training, or None where they are not known.
        figures: draw them.
        overwrite: remove earlier results first.
        quiet: no progress bar.

    Returns:
        Sample → what was found; "" without samples.

    Raises:
        InputFileError: counts of another genome, no deep sites, a damaged model.
        ConfigError: an option that does not suit the counts or the model.
        UnfinishedError: results are there.
    """
    check_folder(out, None, overwrite, inputs)
    if options.proxy is not None and options.proxy not in (MEAN, *source.names):
        raise unknown("target as proxy", options.proxy, (MEAN, *source.names))
    if MEAN in source.names and len(source.names) > 1:
        raise ConfigError(
            f"a target is called {MEAN!r}, as the mean of all targets is: leave it out with --query"
        )
    left_out, chroms = dict(sites.left_out), None
    with Genome(fasta) if fasta else nullcontext() as genome:
        if genome is not None:
            sites, gone = sites_of_genome(sites, genome)
            left_out |= gone
            chroms = {c: n for c, n in genome.chroms.items() if c in set(sites.chrom.tolist())}
    for why, count in left_out.items():
        _log.info("%s left out: %s", number_of(count, "row"), why)
    if fasta is None:
        _log.info("REF was not compared with a genome: give one with -f")
    names = np.unique(sites.sample).tolist()
    tested = {n: _tested(sites, n, options.testing) for n in names}
    places = {n: _folder(Path(out), n) for n in names}
    cluster = {n: None if clusters is None else _cluster(tested[n].sites, clusters) for n in names}
    deep = sites.rows(_deep(sites, options.testing))
    ratios = None
    if source.model is None and source.names:  # looked up: what is refused leaves no folder
        ratios = source.ratios(deep, fasta, quiet)
    folder = claim_folder(out, None, overwrite, inputs)
    facts = {"options": asdict(options), "seed": options.bootstrap.seed}
    with run_record(folder, inputs, **facts) as record:
        write_vcf(folder / "sites.vcf", deep, chroms)
        if source.model is not None:
            ratios = source.ratios(deep, fasta, quiet)
        if ratios is not None:
            record["undefined_ratios"] = int(np.isnan(ratios).sum())
        found = {}
        for name in names:
            own = sites.rows(sites.sample == name)
            predicted = None
            if ratios is not None:
                rows = deep.sample == name
                predicted = with_mean(ratios[rows], source.names, options.proxy)
            subsets, seen = _subsets(own, tested[name], windows, options.testing)
            arguments = (options.cut, options.bootstrap, subsets, predicted, cluster[name])
            found[name] = analyse(tested[name], *arguments, options.draws)
            warnings = warn(tested[name], options.testing, name)
            warnings += warn_of_sets(tested[name], found[name].sets[ALL], name)
            places[name].mkdir(parents=True, exist_ok=True)
            arguments = (options.testing, options.cut, left_out, warnings, fasta is not None)
            value = summary(found[name], *arguments)
            write_results(places[name], own, found[name], seen, {"sample": name} | value)
            if figures:
                from tfepi.report.allelic_figures import draw_allelic

                draw_allelic(found[name], places[name])
    return found


def _tested(sites: Sites, name: str, testing: HowTested) -> SitesTested:
    try:
        return sites_tested(sites.rows(sites.sample == name), testing)
    except (InputFileError, ConfigError) as error:
        raise type(error)(f"sample {name}: {error}" if name else str(error)) from None


def _deep(sites: Sites, testing: HowTested) -> np.ndarray:
    return sites.reads > testing.reads


def _folder(folder: Path, name: str) -> Path:
    """Return a sample's folder, the results' own where samples are added up."""
    if not name:
        return folder
    if Path(name).name != name or name.startswith("."):
        raise ConfigError(f"sample {name!r} cannot be the name of a folder: rename it")
    return folder / "samples" / name


def _subsets(
    sites: Sites, tested: SitesTested, windows: Sequence[Interval] | None, testing: HowTested
) -> tuple[dict[str, np.ndarray], SeenSites | None]:
    """Return subsets of the tested sites, and where all sites lie beside training windows."""
    if windows is None:
        return {ALL: np.ones(len(tested.sites), bool)}, None
    seen = seen_sites(sites, windows)
    deep = _deep(sites, testing)
    return SeenSites(seen.label[deep], seen.contig[deep]).subsets(), seen


def _cluster(sites: Sites, clusters: PeakClusters) -> np.ndarray:
    of = clusters.at(sites.chrom, sites.position)
    found = np.where(of >= 0, np.asarray(clusters.names)[of], "")
    if not (of >= 0).any():
        raise InputFileError(
            f"none of {number_of(len(sites), 'site')} lies in a peak of the clusters, as on "
            f"{clusters.chrom[0]}: are they of the same genome?"
        )
    return found
