"""Methylation at CpGs to TFRecord shards: resumable, parallel, the same bytes however it ran.

First the sites of every file are collected in one tidy store, then independent jobs write the
shards. What was done stays done when a build is killed.
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path

from tfrecords_tools.build_folder import WORK, check_same, check_unbegun, claim_build
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import (
    atomic_path,
    read_json,
    remove_parts,
    write_json,
)
from tfrecords_tools.genome import Genome
from tfrecords_tools.manifest import FORMAT, FORMAT_VERSION, read_manifest, write_contigs
from tfrecords_tools.methylation import forecast
from tfrecords_tools.methylation.chosen import Chosen, choose
from tfrecords_tools.methylation.plan import MethylationPlan
from tfrecords_tools.methylation.shard_jobs import ShardJob, summaries, write_shard
from tfrecords_tools.methylation.store import SiteStore, collect
from tfrecords_tools.output import check_room, run_record, versions
from tfrecords_tools.targets import Target, write_targets
from tfrecords_tools.workers import check_workers, run_jobs, worker_pool

_PLAN = "plan.json"  # of the shards; written before the first of them
log = logging.getLogger(__name__)


def build(
    plan: MethylationPlan,
    out: str | Path,
    workers: int = 1,
    executor: Executor | None = None,
    resume: bool = False,
    overwrite: bool = False,
    quiet: bool = False,
    dry_run: bool = False,
    tell: Callable[[str], object] = lambda text: None,
) -> dict | None:
    """Write a data folder.

    Args:
        plan: what to write.
        out: the folder.
        workers: processes, unless an executor is given; 1 works in this process.
        executor: any concurrent.futures.Executor whose workers see the same file system.
        resume: go on where a build of the same plan stopped; before the first shard was begun,
            of the same samples.
        overwrite: remove what is there.
        quiet: no progress bars.
        dry_run: collect the sites, forecast the rest, and stop; `resume` goes on from there.
        tell: called with text for a person: the forecast, then what was written and how fast.

    Returns:
        The manifest, or None of a dry run.

    Raises:
        UnfinishedError: the folder has results, or a build that was stopped, and neither
            resume nor overwrite was asked for; or resume with other inputs or options.
        InputFileError: a file of a sample or the genome cannot be read.
        ConfigError: workers is below 1, a label without CpG, coverage to store where no file has
            counts, or a disk without room.
    """
    check_workers(workers)
    out = Path(out)
    check_unbegun(out, resume, overwrite)
    fingerprint = plan.fingerprint()
    if done := claim_build(out, fingerprint, resume, overwrite):
        tell(f"{out} is complete already")
        return done
    work = out / WORK
    with run_record(out, fingerprint["inputs"], seed=plan.options.seed, workers=workers):
        work.mkdir(exist_ok=True)
        begun = (work / _PLAN).exists()
        if begun:
            check_same(read_json(work / _PLAN), fingerprint, out)
        else:  # of another plan perhaps, unlike the sites, which know what they are of
            (work / "rows.json").unlink(missing_ok=True)
        for folder in (out, out / "tfrecords", work, work / "done", work / "windows"):
            remove_parts(folder)
        store = _collected(plan, work, quiet)
        chosen = choose(plan, store, work)
        _check(plan, store, chosen)
        for folder in (out / "tfrecords", work / "done", work / "windows"):
            folder.mkdir(exist_ok=True)
        jobs = [
            ShardJob.of(plan, chosen, shard, len(store.samples), out) for shard in chosen.shards()
        ]
        measured = forecast.measure(jobs)
        tell(forecast.describe(plan, store, chosen, len(jobs), measured))
        if dry_run:
            tell(f"the sites are kept in {work}: --resume goes on, also with another split")
            return None
        waiting = sum(len(j) for j in jobs if not j.marker.exists())
        check_room(out, waiting * measured.bytes_per_window)
        if not begun:
            write_json(work / _PLAN, {"format": "tfepi-build", "format_version": 1} | fingerprint)
        began = time.monotonic()
        with worker_pool(executor, workers) as pool:
            run_jobs(pool, write_shard, jobs, "records", "record", quiet)
        remove_parts(out / "tfrecords")  # of workers that were lost
        took = time.monotonic() - began
        _write_rest(plan, store, chosen, jobs, out, fingerprint)
        if waiting:
            tell(forecast.outcome(out, jobs, waiting, took))
        shutil.rmtree(work)
    return read_manifest(out)


def _collected(plan: MethylationPlan, work: Path, quiet: bool) -> SiteStore:
    """Return the sites of every sample; what was collected before a kill is used again."""
    with Genome(plan.fasta, work) as genome:  # indexed here once, if it must be
        return collect(plan.samples, genome, work / "sites", plan.options.settings(), quiet)


def _check(plan: MethylationPlan, store: SiteStore, chosen: Chosen) -> None:
    if plan.options.store_coverage and not store.has_coverage:
        raise ConfigError(
            "--store_coverage is given, but not every column has counts of reads: leave it out, "
            "or name only files of a format with counts (bedMethyl, Bismark's)"
        )
    empty = [label for label, count in chosen.counts.items() if not count]
    if empty:
        had = ", ".join(f"{label} {count:,}" for label, count in chosen.counts.items())
        left_out = ", ".join(f"{n:,} {why}" for why, n in chosen.dropped.items() if n)
        raise ConfigError(
            f"no CpG for {', '.join(empty)} ({had}; left out: {left_out or 'none'}): use other "
            "-v/-t values or regions with --resume, which keeps the sites; 0 leaves a label out"
        )


def _write_rest(
    plan: MethylationPlan,
    store: SiteStore,
    chosen: Chosen,
    jobs: list[ShardJob],
    out: Path,
    fingerprint: dict,
) -> None:
    """Write what makes the shards a data folder, the manifest last."""
    digest = hashlib.sha256()
    with atomic_path(out / "sequences.bed") as part, open(part, "wb") as file:
        for job in jobs:
            rows = job.windows_file.read_bytes()
            digest.update(rows)
            file.write(rows)
    write_contigs(out, plan)
    targets = _targets(store)
    write_targets(out / "targets.txt", targets)
    statistics = _statistics(plan, chosen, len(targets))
    write_json(out / "statistics.json", statistics)
    found = [read_json(job.marker) for job in jobs]
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "versions": {k: v for k, v in versions().items() if k not in ("tensorflow", "keras")},
        "statistics": statistics,
        "dropped": {why: n for why, n in chosen.dropped.items() if n},
        "tracks": summaries(store.samples, found),
        "sites": store.summary,
        "shards": [marker["shard"] for marker in found],
        "targets": [target.to_json() for target in targets],
        "windows": digest.hexdigest(),
        **fingerprint,
    }
    write_json(out / "manifest.json", manifest)


def _targets(store: SiteStore) -> tuple[Target, ...]:
    columns = zip(store.samples, store.descriptions, store.tissues, strict=True)
    return tuple(
        Target(n, name, sum_stat="mean", description=description, tissue=tissue)
        for n, (name, description, tissue) in enumerate(columns)
    )


def _statistics(plan: MethylationPlan, chosen: Chosen, columns: int) -> dict:
    """Return statistics.json's value."""
    options = plan.options
    found: dict[str, object] = {"num_targets": columns, "seq_length": options.seq_length}
    if options.encoding == "index":
        found["seq_1hot"] = True
    else:
        found["encoding"] = options.encoding
    found |= {"pool_width": 1, "crop_bp": options.half, "target_length": 1, "kind": "methylation"}
    if options.store_coverage:
        found["coverage"] = True
    return found | {f"{label}_seqs": count for label, count in chosen.counts.items()}
