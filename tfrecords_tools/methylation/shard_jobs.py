"""One shard of methylation records: its sequences, values and windows, and what they sum to."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfrecords_tools.build_folder import WORK
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import Genome
from tfrecords_tools.manifest import shard_entry
from tfrecords_tools.methylation.chosen import Chosen, Places, Shard
from tfrecords_tools.methylation.options import MethylationOptions
from tfrecords_tools.methylation.plan import MethylationPlan
from tfrecords_tools.methylation.store import SiteStore
from tfrecords_tools.records import RecordWriter, sequence_features
from tfrecords_tools.shard_jobs import SEQUENCE_BYTES
from tfrecords_tools.workers import absolute

_MOST = np.float32(np.finfo(np.float16).max)


@dataclass(frozen=True)
class ShardJob:
    """What a worker needs to write a shard.

    Attributes:
        path: of the shard.
        shard: its records.
        chosen: the rows of all.
        options: of the build.
        fasta: the genome.
        folder: the build's working folder, which holds the sites.
        columns: of values.
    """

    path: Path
    shard: Shard
    chosen: Chosen
    options: MethylationOptions
    fasta: str
    folder: Path
    columns: int

    @classmethod
    def of(
        cls, plan: MethylationPlan, chosen: Chosen, shard: Shard, columns: int, out: Path
    ) -> "ShardJob":
        """Return the job of a shard of a data folder."""
        out = out.absolute()
        chosen = replace(chosen, path=chosen.path.absolute())
        path, fasta = out / "tfrecords" / shard.name, absolute(plan.fasta)
        return cls(path, shard, chosen, plan.options, fasta, out / WORK, columns)

    def __len__(self) -> int:
        return self.shard.records

    @property
    def marker(self) -> Path:
        """File with the shard's manifest entry, the sums of its values and the time it took."""
        return self.folder / "done" / f"{self.path.name}.json"

    @property
    def windows_file(self) -> Path:
        """File with the shard's part of sequences.bed."""
        return self.folder / "windows" / f"{self.path.name}.bed"


def write_shard(job: ShardJob) -> dict:
    """Write one shard and its windows; return what its marker tells."""
    began = time.process_time()
    sums = write_records(job)
    entry = shard_entry(job.path, job.shard.label, len(job))
    took = time.process_time() - began
    return {"shard": entry, "sums": sums, "cpu_seconds": took}


def write_records(job: ShardJob) -> list[list[float]]:
    """Write a shard and its windows.

    Returns:
        Per column: how many values are not missing, their sum, and that of their squares.
    """
    options, half = job.options, job.options.half
    chroms, centres, target, coverage = _values(job)
    group = max(1, SEQUENCE_BYTES // options.seq_length)
    with (
        Genome(job.fasta, job.folder) as genome,
        atomic_path(job.windows_file) as windows,
        open(windows, "w") as bed,
        atomic_path(job.path) as part,
        RecordWriter(part, compressed=options.encoding == "index") as writer,
    ):
        for row in range(len(job)):
            if row % group == 0:
                near = zip(chroms[row : row + group], centres[row : row + group], strict=True)
                sequences = genome.windows([(c, at - half, at + half + 1) for c, at in near])
            features = sequence_features(sequences[row % group], options.encoding)
            features["target"] = target[row].tobytes()
            if coverage is not None:
                features["coverage"] = coverage[row].tobytes()
            writer.write(features)
            at = centres[row]
            bed.write(f"{chroms[row]}\t{at}\t{at + 1}\t{job.shard.label}\n")
    values = target.astype(np.float64)
    found = ~np.isnan(values)
    known = np.where(found, values, 0)
    sums = (found.sum(axis=0), known.sum(axis=0), np.square(known).sum(axis=0))
    return [part.tolist() for part in sums]


def _values(job: ShardJob) -> tuple[list[str], list[int], np.ndarray, np.ndarray | None]:
    """Return chromosomes, positions of the C's, and float16 [records, columns] of both values."""
    store = SiteStore.open(job.folder / "sites")
    rows = job.chosen.rows(job.shard)
    chroms, centres = np.empty(len(rows), object), np.empty(len(rows), np.int64)
    target = np.empty((len(rows), job.columns), np.float16)
    coverage = np.empty_like(target) if job.options.store_coverage else None
    for chrom, mine, places in Places(store).by_chrom(rows):
        chroms[mine] = chrom
        centres[mine] = store.positions(chrom)[places]
        beta = store.beta(chrom)[places]
        target[mine] = beta
        if coverage is not None:
            reads = np.minimum(store.coverage(chrom)[places], _MOST)
            coverage[mine] = np.where(np.isnan(beta), 0, reads)
    return chroms.tolist(), centres.tolist(), target, coverage


def summaries(names: Sequence[str], markers: Sequence[dict]) -> list[dict]:
    """Return what the values of every column are like, from the markers of all shards."""
    count, total, squares = np.sum([marker["sums"] for marker in markers], axis=0)
    records = sum(marker["shard"]["records"] for marker in markers)
    mean = total / np.maximum(count, 1)
    sd = np.sqrt(np.maximum(squares / np.maximum(count, 1) - mean**2, 0))
    return [
        {
            "identifier": name,
            "mean": float(mean[n]),
            "sd": float(sd[n]),
            "missing_share": 1 - float(count[n]) / records,
            "clipped_bins": 0,
        }
        for n, name in enumerate(names)
    ]
