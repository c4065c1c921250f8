"""Which CpGs become records, and the order in which they do.

CpGs are known by their rows: the place of each among all of a store, chromosome by chromosome.
Rows are kept in a file, so that memory does not grow with them.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from tfrecords_tools.files import atomic_path, read_json, write_json
from tfrecords_tools.methylation.plan import MethylationPlan
from tfrecords_tools.methylation.store import SiteStore

RUN = 64  # neighbours on the genome that stay together until they are shuffled within a shard
_CHUNK = 1 << 18  # CpGs looked at at once
_SAMPLE, _RUNS, _SHARD = range(3)  # streams of random numbers


@dataclass(frozen=True)
class Shard:
    """A shard's records.

    Attributes:
        label: of them.
        number: of the shard among the label's.
        runs: int64 [runs], the first of each run among the label's rows.
        records: how many.
    """

    label: str
    number: int
    runs: np.ndarray
    records: int

    @property
    def name(self) -> str:
        """The file's."""
        return f"{self.label}-{self.number}.tfr"


@dataclass(frozen=True)
class Chosen:
    """The CpGs of each label.

    Attributes:
        path: of the file of their rows, int64, label by label in genome order.
        counts: label → how many.
        dropped: reason → CpGs that are left out for it.
        seed: of the order.
        most: records of a shard at most.
    """

    path: Path
    counts: dict[str, int]
    dropped: dict[str, int]
    seed: int
    most: int

    @property
    def run(self) -> int:
        """CpGs of a run; about as many fill a shard whatever its size."""
        return self.most // -(-self.most // RUN)

    @cached_property
    def _firsts(self) -> dict[str, int]:
        """Label → place of its first row in the file."""
        ends = np.cumsum(list(self.counts.values())).tolist()
        return dict(zip(self.counts, (0, *ends), strict=False))

    def shards(self) -> Iterator[Shard]:
        """Yield every shard: runs of neighbours from anywhere in the label's part of the genome."""
        each = self.most // self.run
        for label, count in self.counts.items():
            runs = np.arange(0, count, self.run)
            self._rng(_RUNS, label).shuffle(runs)
            for number, first in enumerate(range(0, len(runs), each)):
                part = runs[first : first + each]
                records = int(np.minimum(count - part, self.run).sum())
                yield Shard(label, number, part, records)

    def rows(self, shard: Shard) -> np.ndarray:
        """Return the rows of a shard's records, in their order: int64 [records]."""
        first, count = self._firsts[shard.label], self.counts[shard.label]
        every = np.memmap(self.path, np.int64, "r")[first : first + count]
        rows = np.concatenate([every[at : at + self.run] for at in shard.runs.tolist()])
        self._rng(_SHARD, shard.label, shard.number).shuffle(rows)
        return rows

    def _rng(self, purpose: int, label: str, number: int = 0) -> np.random.Generator:
        key = (purpose, zlib.crc32(label.encode()), number)
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=key))


class Places:
    """Where the rows of a store lie, and their values.

    Args:
        store: of the sites.
    """

    def __init__(self, store: SiteStore):
        self._store = store
        self.chroms = tuple(store.chroms)
        self.firsts = np.r_[0, np.cumsum(list(store.chroms.values()), dtype=np.int64)]

    def by_chrom(self, rows: np.ndarray) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield (chromosome, which of the rows lie on it, their places there)."""
        which = np.searchsorted(self.firsts, rows, "right") - 1
        for number in np.unique(which).tolist():
            mine = np.flatnonzero(which == number)
            yield self.chroms[number], mine, rows[mine] - self.firsts[number]


def choose(plan: MethylationPlan, store: SiteStore, folder: Path) -> Chosen:
    """Find the CpGs of each label, once: what was found before is used again.

    Args:
        plan: of the build.
        store: its sites.
        folder: where to keep the rows.
    """
    options = plan.options
    path, marker = folder / "rows", folder / "rows.json"
    if not marker.exists():
        with atomic_path(path) as part, open(part, "wb") as file:
            counts, dropped = _write(plan, store, file)
        write_json(marker, {"counts": counts, "dropped": dropped})
    found = read_json(marker)
    return Chosen(path, found["counts"], found["dropped"], options.seed, options.records_per_shard)


def _write(plan: MethylationPlan, store: SiteStore, file) -> tuple[dict[str, int], dict[str, int]]:
    """Write the rows of every label; return how many, and how many are left out for what."""
    places = Places(store)
    first_row = dict(zip(places.chroms, places.firsts.tolist(), strict=False))
    counts = dict.fromkeys(plan.contigs, 0)
    inside = edges = sampled = unmeasured = 0
    for label, contig, low, high in plan.centres():
        if contig.chrom not in first_row:
            continue
        positions = store.positions(contig.chrom)
        start, end = np.searchsorted(positions, (contig.start, contig.end)).tolist()
        first, last = np.searchsorted(positions, (low, high)).tolist()
        inside += end - start
        edges += end - start - (last - first)
        for rows, drawn, measured in _looked_at(plan, store, contig.chrom, first, last):
            kept = rows[drawn & measured]
            file.write((kept + first_row[contig.chrom]).tobytes())
            counts[label] += len(kept)
            unmeasured += int((~measured).sum())
            sampled += int((measured & ~drawn).sum())
    dropped = {
        "outside the labels' contigs": int(places.firsts[-1]) - inside,
        "window reaches beyond its label's contig": edges,
        "no value in any column": unmeasured,
        "not drawn by --sample": sampled,
    }
    return counts, dropped


def _looked_at(
    plan: MethylationPlan, store: SiteStore, chrom: str, first: int, last: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield (places on the chromosome, whether each is drawn, whether it has a value)."""
    share, seed = plan.options.sample, plan.options.seed
    beta = store.beta(chrom)
    for chunk in range(first // _CHUNK, -(-last // _CHUNK)):
        low, high = max(first, chunk * _CHUNK), min(last, (chunk + 1) * _CHUNK)
        drawn = np.ones(high - low, bool)
        if share < 1:  # a CpG's draw does not depend on the division among labels
            key = (_SAMPLE, zlib.crc32(chrom.encode()), chunk)
            rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))
            drawn = rng.random(_CHUNK)[low - chunk * _CHUNK : high - chunk * _CHUNK] < share
        yield np.arange(low, high), drawn, (~np.isnan(beta[low:high])).any(axis=1)
