"""The experiment: four procedures trained, tested on the same windows, and their results."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.specificity.accuracy import GENOME, Correlations, few_bins
from tfepi.specificity.accuracy import PEAKS as IN_PEAKS
from tfepi.specificity.cluster_file import PeakClusters
from tfepi.specificity.peak_values import NO_OWN
from tfepi.specificity.procedure_aurocs import Aurocs
from tfepi.specificity.procedure_data import (
    ALL,
    REGIONS,
    TRAIN,
    VALID,
    check_counts,
    on_regions,
    write_regions,
)
from tfepi.specificity.procedure_directions import differences, directions
from tfepi.specificity.procedure_runs import Job, epochs_of, jobs_of
from tfepi.specificity.procedure_scores import Scores, score
from tfepi.specificity.procedure_tables import (
    FORMAT,
    FORMAT_VERSION,
    long_table,
    matched,
    means,
    overcorrelations,
)
from tfepi.specificity.procedure_variants import Variants
from tfepi.specificity.procedure_windows import Measured
from tfepi.specificity.procedures import PROCEDURES, SINGLE, Plan, changed
from tfepi.startup import import_tensorflow
from tfepi.training.side_by_side import run_jobs
from tfrecords_tools.data import Data
from tfrecords_tools.errors import UnfinishedError
from tfrecords_tools.files import atomic_path, identity, read_json, write_json
from tfrecords_tools.joined import pool_labels
from tfrecords_tools.output import check_folder, claim_folder, run_record
from tfrecords_tools.targets import Target

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compared:
    """What a comparison found.

    Attributes:
        value: of procedures.json.
        scores: every accuracy and overcorrelation.
        tested: the test windows.
        jobs: the models, trained.
        ceiling: correlation between donors, or None.
        aurocs: of variants, or None.
    """

    value: dict
    scores: Scores
    tested: Measured
    jobs: list[Job]
    ceiling: Correlations | None = None
    aurocs: Aurocs | None = None


@dataclass(frozen=True)
class Sets:
    """Which windows each procedure learns from.

    Attributes:
        rows: regions → "train" and "valid" → which windows, bool.
        counts: regions → "train" and "valid" → how many.
    """

    rows: Mapping[str, Mapping[str, np.ndarray]]
    counts: Mapping[str, Mapping[str, int]]

    @classmethod
    def of(cls, plan: Plan, data: Data, clusters: PeakClusters) -> "Sets":
        """Find the windows; see `procedure_data.check_counts` for what is refused."""
        labels = dict(zip((TRAIN, VALID), plan.labels, strict=False))
        rows = {
            regions: {
                kind: on_regions(data, label, clusters, regions) for kind, label in labels.items()
            }
            for regions in REGIONS
        }
        return cls(rows, check_counts(rows, data, plan.params.train.batch_size))


def compare(
    plan: Plan,
    data: Data,
    clusters: PeakClusters,
    cluster_path: str | Path,
    out: str | Path,
    bootstrap: Bootstrap | None = None,
    processes: int = 1,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    belongs: Mapping[str, Sequence[str]] | None = None,
    replicates: Mapping[str, list[Target]] | None = None,
    variants: Variants | None = None,
) -> Compared:
    """Train, test and compare the four procedures; write tables and results.

    Args:
        plan: params, seeds, cell types.
        data: of all of them.
        clusters: the peaks.
        cluster_path: their file.
        out: folder: data/, models/, predictions/, plan.json, procedures.tsv, procedures.json.
        bootstrap: of blocks of the test windows.
        processes: trainings side by side (`side_by_side.run_jobs`).
        resume: go on with what is there.
        overwrite: remove what is there.
        quiet: no progress bars.
        belongs: specific cluster → the cell types it is open in, or None.
        replicates: cell type → donors' tracks (`read_replicates`), or None.
        variants: heterozygous sites, or None.

    TensorFlow is imported once the data and the clusters are checked.

    Raises:
        UnfinishedError: the folder has results, or those of another plan, and says what differs.
        ConfigError: as `Sets.of` and `Job.check`.
    """
    inputs = {"data": data.folder / "statistics.json", "clusters": Path(cluster_path)}
    inputs |= {} if variants is None else variants.files
    for cell, donors in (replicates or {}).items():
        inputs |= {f"replicate {cell} {t.identifier}": Path(t.file) for t in donors}
    out = check_folder(out, resume, overwrite, inputs)
    begun = {"format": "tfepi-procedures-plan", "format_version": 1, "plan": plan.to_json()}
    begun |= {"data": data.manifest_sha256, "clusters": identity(cluster_path)["sha256"]}
    if not overwrite:
        _check_begun(out, begun)
    tested = Measured.read(pool_labels(data, plan.labels), plan.labels[2], clusters)
    sets = Sets.of(plan, data, clusters)
    import_tensorflow(deterministic=True)
    whole = jobs_of(plan, {}, data, out, quiet or processes > 1)
    parameters = {}
    for job in whole[: len(plan.models()) // len(plan.seeds)]:
        if job.model.procedure.name not in parameters:
            parameters[job.model.procedure.name] = job.check()
    ceiling = tested.ceiling(replicates, bootstrap, quiet) if replicates else None
    claim_folder(out, resume, overwrite, inputs)
    notes = few_bins({g: n for g, n in tested.counts().items() if g not in (GENOME, IN_PEAKS)})
    notes += [NO_OWN] if belongs is None else []
    for note in notes:
        _log.warning("%s", note)
    with run_record(out, inputs, data_sha256=data.manifest_sha256):
        write_json(out / "plan.json", begun)
        folders = _folders(plan, data, sets, out, begun, quiet)
        jobs = jobs_of(plan, folders, data, out, quiet or processes > 1)
        waiting = [job for job in jobs if not job.predictions.exists()]
        run_jobs(waiting, processes, len(jobs) - len(waiting), quiet)
        found = score(jobs, tested, bootstrap, belongs)
        value = {"format": FORMAT, "format_version": FORMAT_VERSION, "plan": plan.to_json()}
        value |= {"parameters": parameters, "training": training(plan, jobs, sets)}
        value |= {"test_bins": tested.counts(), "blocks": tested.blocks.count}
        value |= {"means": means(found, ceiling), "differences": differences(found)}
        value |= {"height_matched": matched(found), "overcorrelation": overcorrelations(found)}
        aurocs = None
        if variants is not None:
            aurocs = variants.score(jobs, plan, clusters, out, quiet)
            value["variants"] = aurocs.to_json()
        of_sites = {}
        if aurocs is not None:
            of_sites = {"aurocs": aurocs.matched(), "no_aurocs": aurocs.why_unmatched()}
        value |= {"directions": directions(found, **of_sites), "notes": notes}
        with atomic_path(out / "procedures.tsv") as part:
            rows = aurocs.rows() if aurocs else []
            long_table(found, rows).to_csv(part, sep="\t", index=False, float_format="%.6g")
        write_json(out / "procedures.json", value)
    return Compared(value, found, tested, jobs, ceiling, aurocs)


def _check_begun(out: Path, begun: dict) -> None:
    """Check that what is in a folder was begun as it is to go on.

    Raises:
        UnfinishedError: naming what is not the same.
    """
    if not (out / "plan.json").exists():
        return
    there = read_json(out / "plan.json")
    if there != begun:
        raise UnfinishedError(
            f"{out} holds an experiment with {'; '.join(changed(there, begun))}: give what it was "
            "begun with, or use --overwrite or another folder"
        )


def _folders(
    plan: Plan, data: Data, sets: Sets, out: Path, begun: dict, quiet: bool
) -> dict[str, Data]:
    """Return the data folder of each set of peaks, written where it is not there yet."""
    origin = {"folder": str(data.folder), "clusters": begun["clusters"]}
    return {
        regions: write_regions(
            data,
            plan.labels[:2],
            rows,
            out / "data" / regions,
            origin | {"regions": regions},
            quiet,
        )
        for regions, rows in sets.rows.items()
        if regions != ALL
    }


def training(plan: Plan, jobs: list[Job], sets: Sets) -> dict[str, dict]:
    """Return what each procedure learned from, and for how long.

    Returns:
        Procedure → "windows" and "valid_windows"; "models": per model "seed", "cell_type",
        "epochs", "best_epoch" (from 1) and "steps" of an epoch; "mean_steps" of a training.
    """
    found = {}
    for procedure in PROCEDURES:
        own = [job for job in jobs if job.model.procedure == procedure]
        each = [{"seed": j.model.seed, "cell_type": j.model.cell_type} | epochs_of(j) for j in own]
        counts = sets.counts[procedure.regions]
        found[procedure.name] = {
            "windows": counts[TRAIN],
            "valid_windows": counts[VALID],
            "models": each,
            "mean_steps": sum(m["epochs"] * m["steps"] for m in each) / len(each),
        }
    if found[SINGLE.name]["models"]:
        found[SINGLE.name]["cell_types"] = list(plan.alone)
    return found
