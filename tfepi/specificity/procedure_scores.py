"""Accuracy and overcorrelation of every procedure and seed on the same test windows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.specificity.accuracy import (
    GENOME,
    PEAKS,
    SPECIFIC,
    Correlations,
    correlations,
    groups,
)
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.height_matching import Matching, height_edges, height_matched_resamples
from tfepi.specificity.overcorrelation import Overcorrelation, overcorrelation
from tfepi.specificity.procedure_runs import Job
from tfepi.specificity.procedure_windows import Measured
from tfepi.specificity.procedures import Procedure
from tfrecords_tools.errors import InputFileError, why_unread

CLUSTERS = "specific clusters"
"""The mean over every specific cluster and cell type."""
OWN = "own clusters"
"""The mean over every specific cluster in the cell types it is open in."""
MEANS = (GENOME, PEAKS, SPECIFIC, CLUSTERS, OWN, UBIQUITOUS)
OVER = "overcorrelation"
MATCHED = "sampled"
"""The matching of peak heights that is the paper's (`height_matching`)."""


@dataclass
class Scores:
    """What every procedure and seed reaches.

    Attributes:
        correlations: (procedure, seed) → accuracy by group and cell type.
        over: (procedure, seed, group) → overcorrelation; of single-task models among theirs.
        over_drawn: (procedure, seed, "specific" or "ubiquitous", cell types) → resamples of the
            mean overcorrelation of their pairs over blocks of the genome, of a procedure's cell
            types and of those trained alone; float64 [resamples].
        matched: (procedure, seed) → accuracy at the same peak heights (`height_matched`).
        matched_drawn: (procedure, seed, "specific" or "ubiquitous") → resamples of its mean over
            cell types, float64 [resamples].
        cell_types: procedure → its cell types.
        belongs: specific cluster → the cell types it is open in; {} where not known.
    """

    correlations: dict[tuple[Procedure, int], Correlations] = field(default_factory=dict)
    over: dict[tuple[Procedure, int, str], Overcorrelation] = field(default_factory=dict)
    over_drawn: dict[tuple[Procedure, int, str, tuple[str, ...]], np.ndarray] = field(
        default_factory=dict
    )
    matched: dict[tuple[Procedure, int], pd.DataFrame] = field(default_factory=dict)
    matched_drawn: dict[tuple[Procedure, int, str], np.ndarray] = field(default_factory=dict)
    cell_types: dict[Procedure, tuple[str, ...]] = field(default_factory=dict)
    belongs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds in order."""
        return tuple(dict.fromkeys(seed for _, seed in self.correlations))

    def mean(
        self, procedure: Procedure, group: str, cells: Sequence[str]
    ) -> tuple[dict[int, float], np.ndarray]:
        """Return the mean correlation of a group over cell types, by seed.

        Args:
            procedure: which.
            group: one of `MEANS` or a cluster.
            cells: of the procedure.

        Returns:
            Seed → mean; and its resamples over blocks of the genome, of the mean over seeds,
            float64 [resamples].
        """
        values, resampled = {}, []
        for seed in self.seeds:
            found = self.correlations[procedure, seed]
            values[seed], drawn = found.mean(self.pairs(found, group, cells))
            resampled.append(drawn)
        return values, np.mean(resampled, axis=0)

    def pairs(self, found: Correlations, group: str, cells: Sequence[str]) -> list[tuple[str, str]]:
        """Return the clusters and cell types whose mean a group's is."""
        if group not in (CLUSTERS, OWN):
            return [(group, c) for c in cells]
        clusters = [g for g in found.groups if g not in (SPECIFIC, PEAKS, GENOME, UBIQUITOUS)]
        own = {g: cells if group == CLUSTERS else self.belongs.get(g, ()) for g in clusters}
        return [(g, c) for g in clusters for c in cells if c in own[g]]

    def mean_matched(
        self, procedure: Procedure, group: str, cells: Sequence[str]
    ) -> dict[int, float]:
        """Return the mean accuracy over cell types at the same peak heights, by seed.

        Args:
            procedure: which.
            group: "specific" or "ubiquitous".
            cells: of the procedure.
        """
        found = {}
        for seed in self.seeds:
            table = self.matched[procedure, seed]
            chosen = (table["set"] == SPECIFIC) & (table["matching"] == MATCHED)
            values = table[chosen & table["cell_type"].isin(cells)][group].dropna()
            found[seed] = float(values.mean()) if len(values) else np.nan
        return found

    def mean_over(
        self, procedure: Procedure, group: str, cells: Sequence[str]
    ) -> dict[str, dict[int, float]]:
        """Return means over pairs of cell types, by seed.

        Returns:
            "experimental", "predicted" and "overcorrelation" → seed → mean; NaN where no pair is
            defined or there are no pairs.
        """
        own = self.cell_types[procedure]
        rows = [own.index(c) for c in cells]
        upper = np.triu_indices(len(rows), 1)
        found: dict[str, dict[int, float]] = {}
        for seed in self.seeds:
            of = self.over.get((procedure, seed, group))
            for kind, name in (
                ("experimental", "experimental"),
                ("predicted", "predicted"),
                ("over", "overcorrelation"),
            ):
                values = np.zeros(0)
                if of is not None:
                    values = getattr(of, kind)[np.ix_(rows, rows)][upper]
                seen = values[~np.isnan(values)]
                mean = float(seen.mean()) if len(seen) else np.nan
                found.setdefault(name, {})[seed] = mean
        return found

    def drawn_over(
        self, procedure: Procedure, group: str, cells: Sequence[str]
    ) -> np.ndarray | None:
        """Return resamples of the mean over pairs and seeds of the overcorrelation, or None."""
        keys = [(procedure, seed, group, tuple(cells)) for seed in self.seeds]
        return _mean_drawn([self.over_drawn.get(key) for key in keys])

    def drawn_matched(
        self, procedure: Procedure, group: str, cells: Sequence[str]
    ) -> np.ndarray | None:
        """Return resamples of `mean_matched` over seeds, or None: they are of all cell types."""
        if tuple(cells) != self.cell_types[procedure]:
            return None
        keys = [(procedure, seed, group) for seed in self.seeds]
        return _mean_drawn([self.matched_drawn.get(key) for key in keys])


def _mean_drawn(drawn: Sequence[np.ndarray | None]) -> np.ndarray | None:
    """Return the mean over seeds of resamples of the same blocks; None where one has none."""
    if any(d is None or not len(d) for d in drawn):
        return None
    return np.mean(drawn, axis=0)


def predictions_of(
    jobs: Sequence[Job], tested: Measured
) -> Iterator[tuple[Procedure, int, tuple[str, ...], np.ndarray]]:
    """Yield procedure, seed, cell types and predictions [bins, cell types], one seed at a time.

    Raises:
        InputFileError: predictions that are missing, damaged or of other windows.
    """
    runs: dict[tuple[Procedure, int], list[Job]] = {}
    for job in jobs:
        runs.setdefault((job.model.procedure, job.model.seed), []).append(job)
    for (procedure, seed), of in runs.items():
        parts = [_read(job, len(tested.truth)) for job in of]
        alone = tuple(job.model.cell_type for job in of)
        cells = alone if procedure.alone else tested.cell_types
        values = np.concatenate(parts, axis=1)
        if values.shape[1] != len(cells):
            raise InputFileError(
                f"{of[0].predictions} has {values.shape[1]} cell types, want {len(cells)}: remove "
                "it and run again with --resume"
            )
        yield procedure, seed, cells, values


def _read(job: Job, bins: int) -> np.ndarray:
    path = job.predictions
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = why_unread(error)
        raise InputFileError(f"cannot read {path} ({reason}): remove it, and --resume") from None
    values = values.reshape(-1, values.shape[-1])
    if len(values) != bins:
        raise InputFileError(
            f"{path} has {len(values)} bins, the test windows {bins}: remove it and run again with "
            "--resume"
        )
    return values


def score(
    jobs: Sequence[Job],
    tested: Measured,
    bootstrap: Bootstrap | None = None,
    belongs: Mapping[str, Sequence[str]] | None = None,
) -> Scores:
    """Correlate the predictions of every procedure and seed with what was measured.

    Args:
        jobs: all predicted.
        tested: the test windows.
        bootstrap: of blocks of the genome; None: the defaults.
        belongs: specific cluster → the cell types it is open in, or None.

    Raises:
        InputFileError: as `predictions_of`.
    """
    found = Scores(belongs=dict(belongs or {}))
    members = groups(tested.cluster, tested.names)
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log2(tested.truth[members[PEAKS]].astype(np.float64) + 1)
    matching = Matching(height_edges(heights[np.isfinite(heights)]))
    alone = tuple(dict.fromkeys(j.model.cell_type for j in jobs if j.model.cell_type is not None))
    for procedure, seed, cells, predicted in predictions_of(jobs, tested):
        truth = tested.truth[:, [tested.cell_types.index(c) for c in cells]]
        found.cell_types[procedure] = cells
        arguments = (truth, predicted, tested.cluster, tested.names, cells, tested.blocks)
        found.correlations[procedure, seed] = correlations(*arguments, bootstrap)
        table, drawn = height_matched_resamples(*arguments, bootstrap, matching)
        found.matched[procedure, seed] = table
        for group, resampled in zip((SPECIFIC, UBIQUITOUS), drawn[SPECIFIC, MATCHED], strict=False):
            found.matched_drawn[procedure, seed, group] = resampled
        if len(cells) < 2:
            continue
        for group, rows in members.items():
            values = truth[rows], predicted[rows]
            if group not in (SPECIFIC, UBIQUITOUS):
                found.over[procedure, seed, group] = overcorrelation(*values)
                continue
            blocks = replace(tested.blocks, index=tested.blocks.index[rows])
            own = overcorrelation(*values, blocks, bootstrap)
            found.over[procedure, seed, group] = own
            found.over_drawn[procedure, seed, group, cells] = own.resampled[OVER]
            if 1 < len(alone) < len(cells):
                at = [cells.index(c) for c in alone]
                of = overcorrelation(*(v[:, at] for v in values), blocks, bootstrap)
                found.over_drawn[procedure, seed, group, alone] = of.resampled[OVER]
    return found
