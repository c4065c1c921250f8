"""Heterozygous sites, and the ratio of their alleles as the models of every procedure predict it.

Source: Kathail et al. (2023), section 3.4 and B.2.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.allelic.analysis import Analysis, Predicted, analyse, with_mean
from tfepi.allelic.counts import Sites, read_sites
from tfepi.allelic.genome_check import sites_of_genome
from tfepi.allelic.positives import Cut
from tfepi.allelic.prediction import Prediction, predicted_ratios
from tfepi.allelic.seen_sites import ALL, SEEN, seen_sites
from tfepi.allelic.testing import HowTested, SitesTested, sites_tested
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.specificity.cluster_file import PeakClusters
from tfepi.specificity.procedure_aurocs import Aurocs
from tfepi.specificity.procedure_runs import Job
from tfepi.specificity.procedures import Plan
from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError, why_unread
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval
from tfrecords_tools.progress import progress

_BATCH = 64


@dataclass(frozen=True)
class Variants:
    """Heterozygous sites with reads of either allele, and the genome they lie on.

    Attributes:
        path: of the counts (`allelic.counts.read_sites`).
        fasta: the genome.
        tested: sample → its sites with reads enough. A sample has the name of a cell type, or is
            "", all of them added up.
        left_out: reason → rows that are no such sites.
        label: sample → "train" and the like of the windows that hold a site, or "".
    """

    path: Path
    fasta: Path
    tested: dict[str, SitesTested]
    left_out: dict[str, int]
    label: dict[str, np.ndarray]

    @classmethod
    def read(
        cls,
        path: str | Path,
        fasta: str | Path,
        data: Data,
        labels: Sequence[str],
        base: int | None = None,
        reads: int = 20,
    ) -> "Variants":
        """Read the counts and check them against the genome.

        Samples are kept apart where each is named after one of the data's cell types.

        Args:
            path: of the counts.
            fasta: the genome.
            data: data folder that models learn from.
            labels: of its training, validation and test windows.
            base: of a column pos (`read_sites`).
            reads: sites with more are used.

        Raises:
            InputFileError, ConfigError: as `read_sites`, `sites_of_genome`, `sites_tested`.
        """
        cells = {t.identifier for t in data.targets}
        sites = read_sites(path, base, sum_samples=False)
        if not set(sites.sample.tolist()) <= cells:
            sites = read_sites(path, base)
        with Genome(fasta) as genome:
            sites, gone = sites_of_genome(sites, genome)
        windows = _stretches(data, labels)
        tested, label = {}, {}
        for name in np.unique(sites.sample).tolist():
            tested[name] = sites_tested(sites.rows(sites.sample == name), HowTested(reads))
            label[name] = seen_sites(tested[name].sites, windows).label
        return cls(Path(path), Path(fasta), tested, dict(sites.left_out) | gone, label)

    @property
    def files(self) -> dict[str, Path]:
        """Label → path of what is read."""
        return {"sites": self.path, "fasta": self.fasta}

    def score(
        self,
        jobs: Sequence[Job],
        plan: Plan,
        clusters: PeakClusters,
        out: Path,
        quiet: bool = False,
    ) -> Aurocs:
        """Predict every site with every model, and tell how well each procedure does.

        Predictions are kept in out/variants and not made again.

        Args:
            jobs: the models, trained.
            plan: of the experiment.
            clusters: peaks.
            out: folder of the experiment.
            quiet: no progress bar.

        Raises:
            InputFileError: predictions that are damaged.
        """
        analyses = {}
        ratios = {}
        with progress(total=len(jobs), unit="model", label="variants", quiet=quiet) as bar:
            for job in jobs:
                for name, values in self._ratios(job, out / "variants", plan.shifts).items():
                    ratios[job.model.procedure, job.model.seed, job.model.cell_type, name] = values
                bar.update(1)
        for seed in plan.seeds:
            for procedure in dict.fromkeys(job.model.procedure for job in jobs):
                for name, tested in self.tested.items():
                    parts = plan.alone if procedure.alone else (None,)
                    values = [ratios[procedure, seed, part, name] for part in parts]
                    cells = plan.alone if procedure.alone else plan.cell_types
                    own = _own(np.concatenate(values, axis=1), cells, name)
                    if own is not None:
                        of = _names(tested.sites, clusters)
                        analyses[procedure, seed, name] = self._analyse(name, own, of)
        return Aurocs(analyses, self.left_out, self.label)

    def _analyse(self, name: str, predicted: Predicted, cluster: np.ndarray) -> Analysis:
        tested = self.tested[name]
        held = ~np.isin(self.label[name], SEEN)
        every = np.ones(len(tested.sites), bool)
        subsets = {ALL: every} if held.all() or not held.any() else {ALL: every, "held_out": held}
        return analyse(tested, Cut(), Bootstrap(0, 0), subsets, predicted, cluster)

    def _ratios(self, job: Job, folder: Path, shifts: tuple[int, ...]) -> dict[str, np.ndarray]:
        """Return sample → REF / (REF + ALT) by a model, float64 [sites, cell types]."""
        path = job.model.path(folder)
        path = path.with_name(f"{path.name}.npy")
        sizes = [len(t.sites) for t in self.tested.values()]
        if not path.exists():
            from tfepi.predictors import load_predictor

            predictor = load_predictor(job.run_folder, _BATCH)
            how = Prediction(rc=True, shifts=shifts, incremental="off", batch_size=_BATCH)
            path.parent.mkdir(parents=True, exist_ok=True)
            with Genome(self.fasta) as genome:
                values = [
                    predicted_ratios(predictor, genome, t.sites, how) for t in self.tested.values()
                ]
            with atomic_path(path) as part, open(part, "wb") as handle:
                np.save(handle, np.concatenate(values), allow_pickle=False)
        try:
            values = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            why = why_unread(error)
            raise InputFileError(f"cannot read {path} ({why}): remove it, and --resume") from None
        if len(values) != sum(sizes):
            raise InputFileError(
                f"{path} has {len(values)} sites, {self.path} {sum(sizes)}: remove the folder "
                f"{folder} and run again with --resume"
            )
        return dict(zip(self.tested, np.split(values, np.cumsum(sizes)[:-1]), strict=True))


def _own(ratios: np.ndarray, cells: Sequence[str], sample: str) -> Predicted | None:
    """Return predictions for a sample: its own cell type's, or of none the mean of all."""
    if sample and sample not in cells:
        return None
    if sample:
        return Predicted((sample,), ratios[:, [cells.index(sample)]], sample)
    found = with_mean(ratios, cells, None)
    return Predicted((found.proxy,), found.column(found.proxy)[:, None], found.proxy)


def _names(sites: Sites, clusters: PeakClusters) -> np.ndarray:
    of = clusters.at(sites.chrom, sites.position)
    return np.where(of >= 0, np.asarray(clusters.names)[of], "")


def _stretches(data: Data, labels: Sequence[str]) -> list[Interval]:
    """Return the stretches of sequence that models are given: "train", "valid" and "test"."""
    found = []
    for kind, label in zip((*SEEN, "test"), labels, strict=True):
        for name in label.split(","):
            for w in data.windows(name):
                start, end = max(0, w.start - data.crop_bp), w.end + data.crop_bp
                found.append(Interval(w.chrom, start, end, kind))
    return found
