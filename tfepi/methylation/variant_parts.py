"""Numbered parts of methylation effects, in HDF5: one run of consecutive VCF records each.

Beside what every part has (`tfepi.variants.parts`), by row: `cpgs`, `destroyed`, `created` (how
many); `destroyed_max`, `destroyed_cpg`, `created_max`, `created_cpg`; and of the CpG with the
largest effect on each task `cpg`, `pred_ref`, `pred_alt` [rows, tasks]. Positions are 1-based, 0
where there is none. With the predictions of every pair, one row each: `pair_row` (row of the part),
`pair_cpg`, `pair_kind`, `pair_ref`, `pair_alt` [pairs, tasks].
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from tfepi.methylation.cpgs import CREATED, DESTROYED, KEPT
from tfepi.methylation.variant_effects import Effect
from tfepi.methylation.variant_manifest import MethylationManifest
from tfepi.variants.alleles import AllelePair
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.parts import part_path, write_rows

COUNTED = ("pairs", "destroyed_pairs", "created_pairs", "windows", "skipped")
_BY_ROW = {"cpgs": KEPT, "destroyed": DESTROYED, "created": CREATED}
_PAIR_CHUNK = 1024
_HELD_PAIRS = 4096


class PartWriter:
    """An open part; effects come row by row.

    Args:
        file: new.
        check: raises what writing failed with.
        manifest: of the run.
        number: of the part.
        pairs: its rows.
        skipped: its lines of skipped.tsv.
    """

    def __init__(
        self,
        file: h5py.File,
        check: Callable[[], None],
        manifest: MethylationManifest,
        number: int,
        pairs: Sequence[AllelePair],
        skipped: str,
    ):
        write_rows(file, manifest, number, pairs, skipped)
        self._file, self._check, self._row = file, check, 0
        rows, tasks = len(pairs), len(manifest.targets)
        self._columns = {name: np.zeros(rows, np.int32) for name in _BY_ROW} | {
            "cpg": np.zeros((rows, tasks), np.int64),
            "pred_ref": np.full((rows, tasks), np.nan, np.float32),
            "pred_alt": np.full((rows, tasks), np.nan, np.float32),
        }
        for name in ("destroyed", "created"):
            self._columns[f"{name}_max"] = np.full(rows, np.nan, np.float32)
            self._columns[f"{name}_cpg"] = np.zeros(rows, np.int64)
        self._skipped = skipped.count("\n")
        self._held: dict[str, list[np.ndarray]] = {}
        self._count = 0
        if manifest.scoring.pairs:
            for name, shape, kind in (
                ("pair_row", (), np.int32),
                ("pair_cpg", (), np.int64),
                ("pair_kind", (), np.uint8),
                ("pair_ref", (tasks,), np.float32),
                ("pair_alt", (tasks,), np.float32),
            ):
                self._held[name] = []
                chunks = (_PAIR_CHUNK, *shape)
                more = {"maxshape": (None, *shape), "chunks": chunks, "compression": "gzip"}
                file.create_dataset(name, (0, *shape), kind, **more)

    def write(self, effect: Effect) -> None:
        """Append the effects of the next row."""
        row, columns = self._row, self._columns
        self._row += 1
        for name, kind in _BY_ROW.items():
            columns[name][row] = effect.cpgs.counts[kind]
        for name in ("destroyed", "created"):
            highest, position = effect.highest(_BY_ROW[name])
            columns[f"{name}_max"][row] = highest
            columns[f"{name}_cpg"][row] = position + 1
        best = effect.largest()
        task = np.flatnonzero(best >= 0)
        best = best[task]
        columns["cpg"][row, task] = effect.cpgs.position[best] + 1
        columns["pred_ref"][row, task] = effect.ref[best, task]
        columns["pred_alt"][row, task] = effect.alt[best, task]
        if self._held:
            self._keep(row, effect)

    def _keep(self, row: int, effect: Effect) -> None:
        count = len(effect.ref)
        for name, values in {
            "pair_row": np.full(count, row, np.int32),
            "pair_cpg": effect.cpgs.position + 1,
            "pair_kind": effect.cpgs.kind,
            "pair_ref": effect.ref,
            "pair_alt": effect.alt,
        }.items():
            self._held[name].append(values)
        self._count += count
        if self._count >= _HELD_PAIRS:
            self._append()

    def _append(self) -> None:
        for name, values in self._held.items():
            dataset = self._file[name]
            start = len(dataset)
            dataset.resize(start + self._count, axis=0)
            if self._count:
                dataset[start:] = np.concatenate(values)
            values.clear()
        self._count = 0
        self._check()

    def finish(self, windows: int) -> None:
        """Write what is held, and how many windows were predicted."""
        if self._held:
            self._append()
        for name, values in self._columns.items():
            self._file[name] = values
        totals = (int(self._columns[name].sum()) for name in _BY_ROW)
        for name, count in zip(COUNTED, (*totals, windows, self._skipped), strict=True):
            self._file.attrs[name] = count


@contextlib.contextmanager
def written_part(
    folder: Path,
    manifest: MethylationManifest,
    number: int,
    pairs: Sequence[AllelePair],
    skipped: str,
) -> Iterator[PartWriter]:
    """Yield a writer of a part that is there, whole, only if the block succeeds."""
    path = part_path(folder, number)
    path.parent.mkdir(exist_ok=True)
    with written_hdf5(path) as (file, check):
        yield PartWriter(file, check, manifest, number, pairs, skipped)


def counted(parts: Iterator[h5py.File]) -> dict[str, int]:
    """Return the sums of what parts count (`COUNTED`)."""
    totals: Counter[str] = Counter()
    for part in parts:
        totals.update({name: int(part.attrs[name]) for name in COUNTED})
    return {name: totals[name] for name in COUNTED}
