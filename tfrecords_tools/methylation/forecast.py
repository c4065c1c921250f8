"""What a build of methylation records costs: measured on a few windows before, on all after."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfrecords_tools.files import read_json
from tfrecords_tools.methylation.chosen import Chosen
from tfrecords_tools.methylation.plan import MethylationPlan
from tfrecords_tools.methylation.shard_jobs import ShardJob, write_records
from tfrecords_tools.methylation.store import SiteStore
from tfrecords_tools.output import shown_size

HUMAN_CPGS = 26_000_000  # of a human genome with whole-genome bisulfite sequencing
_MEASURED = 512  # windows


@dataclass(frozen=True)
class Cost:
    """What a window costs.

    Attributes:
        windows: on which it was measured.
        cpu_seconds: of each.
        bytes_per_window: on disk.
    """

    windows: int
    cpu_seconds: float
    bytes_per_window: float


def measure(jobs: Sequence[ShardJob]) -> Cost:
    """Write a few windows of the first shard, aside, and return what each costs."""
    job = jobs[0]
    few = job.shard.runs[: max(1, _MEASURED // job.chosen.run)]
    last = job.chosen.counts[job.shard.label]
    records = sum(min(job.chosen.run, last - at) for at in few.tolist())
    trial = replace(
        job,
        path=job.folder / "trial.tfr",
        shard=replace(job.shard, runs=few, records=records),
    )
    began = time.process_time()
    write_records(trial)
    took = time.process_time() - began
    size = trial.path.stat().st_size
    trial.path.unlink()
    trial.windows_file.unlink()
    return Cost(records, took / records, size / records)


def describe(
    plan: MethylationPlan, store: SiteStore, chosen: Chosen, shards: int, cost: Cost
) -> str:
    """Return the forecast as lines for a person."""
    total = sum(chosen.counts.values())
    counts = ", ".join(f"{label} {n:,}" for label, n in chosen.counts.items())
    dropped = "".join(f"; {n:,} dropped ({why})" for why, n in chosen.dropped.items() if n)
    return (
        f"CpGs      {sum(store.chroms.values()):,} on {len(store.chroms)} chromosomes; columns: "
        f"{len(store.samples)}, one per {plan.options.per}\n"
        f"windows   {counts}{dropped}\n"
        f"shards    {shards:,} of up to {chosen.most:,} records\n"
        f"{_scaled(total, cost)}\n"
        f"{_human(cost)}"
    )


def outcome(out: Path, jobs: Sequence[ShardJob], written: int, seconds: float) -> str:
    """Return what was written and how fast, as lines for a person.

    Args:
        out: the data folder.
        jobs: of all its shards.
        written: windows that were written in this run.
        seconds: it took for these.
    """
    windows = sum(map(len, jobs))
    markers = [read_json(job.marker) for job in jobs]
    size = sum(marker["shard"]["bytes"] for marker in markers)
    cpu = sum(marker["cpu_seconds"] for marker in markers)
    cost = Cost(windows, cpu / windows, size / windows)
    return (
        f"wrote {out}: {windows:,} records of {shown_size(cost.bytes_per_window)} each, "
        f"{written / seconds:,.0f} windows/s ({1 / cost.cpu_seconds:,.0f} per CPU-second)\n"
        f"{_human(cost)}"
    )


def _scaled(windows: int, cost: Cost) -> str:
    return (
        f"size      about {shown_size(windows * cost.bytes_per_window)}\n"
        f"time      about {windows * cost.cpu_seconds:,.0f} CPU-seconds: "
        f"{1 / cost.cpu_seconds:,.0f} windows per CPU-second, measured on {cost.windows}"
    )


def _human(cost: Cost) -> str:
    hours = HUMAN_CPGS * cost.cpu_seconds / 3600
    return (
        f"at this rate {HUMAN_CPGS // 1_000_000} million CpGs take about {hours:.2g} CPU-hours and "
        f"{shown_size(HUMAN_CPGS * cost.bytes_per_window)}"
    )
