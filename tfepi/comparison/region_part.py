"""The regions of a comparison: predicted by each model, compared pair by pair and with a track."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.comparison.agreement import LEAST
from tfepi.comparison.options import Comparing
from tfepi.comparison.regions import (
    Grid,
    check_track,
    observed_regions,
    predicted_regions,
    region_agreement,
    regions_of,
)
from tfepi.comparison.series import Series
from tfepi.comparison.sources import Source
from tfepi.comparison.ways import region_way
from tfepi.evaluation.bootstrap import Bootstrap, genome_blocks
from tfepi.spec import Predictor
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.intervals import Interval
from tfrecords_tools.number_text import number_of

OBSERVED = "observed"


@dataclass(frozen=True)
class RegionPart:
    """Regions and what of them is compared.

    Attributes:
        bed: of the regions.
        fasta: the genome.
        intervals: the regions.
        inside: by model, whose window lies on its chromosome, bool [regions].
        grid: the bins.
        series: what is compared.
        observed: label of a series → track.
        left_out: models that predict no bins here, and why.
        ways: by model, over what its predictions are means (`ways.region_way`).
        comparing: the options.
    """

    bed: str | Path
    fasta: str | Path
    intervals: Sequence[Interval]
    inside: dict[str, np.ndarray]
    grid: Grid
    series: Sequence[Series]
    observed: dict[str, str | Path]
    left_out: dict[str, str]
    ways: dict[str, dict]
    comparing: Comparing

    @classmethod
    def of(
        cls,
        sources: Sequence[Source],
        series: Sequence[Series],
        bed: str | Path,
        fasta: str | Path,
        observed: Mapping[str | None, str | Path],
        comparing: Comparing,
        bootstrap: Bootstrap | None = None,
    ) -> "RegionPart":
        """Return the part, checked before any model is loaded.

        Args:
            sources: the models.
            series: what is compared.
            bed: the regions.
            fasta: the genome.
            observed: label of a series, or None for the only one → track.
            comparing: the options.
            bootstrap: whose blocks of the genome must be enough for an interval; None for none.

        Raises:
            ConfigError: fewer models than are compared, a track of no series, a span that does
                not suit the bins, or a block size that leaves too few blocks.
            InputFileError: a file that is missing or damaged, a BED without intervals, or one
                with too few that two models predict.
        """
        left_out, models = {}, []
        for source in sources:
            if source.model is None:
                left_out[source.name] = "a folder of scores predicts no regions"
            elif source.of_methylation:
                left_out[source.name] = "predicts CpGs, not bins"
            else:
                models.append(source)
        if len(models) < (1 if observed else 2):
            raise ConfigError(
                f"{len(models)} of the models can predict regions, want two, or one and "
                "--observed: name them as NAME=PARAMS,MODEL, or leave --regions out"
            )
        labels = [s.label for s in series]
        tracks: dict[str, str | Path] = {}
        for label, track in observed.items():
            if label is None and len(labels) > 1:
                raise ConfigError(
                    f"--observed {track}: {len(labels)} targets are compared, so say of which it "
                    f"is, as {labels[0]}={track}"
                )
            if label is not None and label not in labels:
                raise unknown("target", label, labels, "of --observed")
            tracks[label or labels[0]] = track
        intervals, inside = regions_of(bed, models, fasta)
        for track in tracks.values():
            check_track(track, intervals)
        grid = Grid.of(models, comparing.span)
        ways = {source.name: region_way(source, comparing) for source in models}
        part = cls(bed, fasta, intervals, inside, grid, series, tracks, left_out, ways, comparing)
        part._check_enough(bootstrap.block_bp if bootstrap and bootstrap.resamples else None)
        return part

    def _usable(self, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Return by model which regions count, bool [regions]; all of what was observed."""
        every = np.ones(len(self.intervals), bool)
        usable = dict(self.inside) if self.comparing.edges == "drop" else {}
        return {name: usable.get(name, every) for name in names} | {OBSERVED: every}

    def _check_enough(self, block_bp: int | None) -> None:
        """Refuse regions of which two models, or one and a track, have next to none in common."""
        names, usable = list(self.inside), self._usable(self.inside)
        pairs = list(itertools.combinations(names, 2))
        pairs += [(name, OBSERVED) for name in names] if self.observed else []
        for first, second in pairs:
            both = usable[first] & usable[second]
            bins = int(both.sum()) * self.grid.bins
            if bins >= LEAST:
                genome_blocks([self.intervals[i] for i in np.flatnonzero(both)], block_bp)
                continue
            who = f"model {first} predicts"
            if second != OBSERVED:
                who = f"models {first} and {second} both predict"
            why = ""
            if not both.all():
                why = (
                    f"; a window runs beyond the chromosome around {int((~both).sum())} (--edges "
                    "keep lets them count)"
                )
            raise InputFileError(
                f"{who} {int(both.sum())} of {number_of(len(both), 'region')} of {self.bed}, "
                f"{number_of(bins, 'bin')}, want at least {LEAST} bins to compare{why}: give more "
                "regions"
            )

    def predict(
        self, source: Source, out: Path, load: Callable[[], Predictor], quiet: bool
    ) -> np.ndarray:
        """Return a model's predictions, float64 [regions, bins, series]."""
        return predicted_regions(
            source, self.series, self.bed, self.fasta, out, self.comparing, self.grid, load, quiet
        )

    def agreement(self, predictions: Mapping[str, np.ndarray], bootstrap: Bootstrap) -> dict:
        """Return how far the models agree on the regions, each with the others and with tracks."""
        middles = [(i.chrom, (i.start + i.end) // 2) for i in self.intervals]
        usable = self._usable(predictions)
        pairs = list(itertools.combinations(predictions, 2))
        found = []
        for number, s in enumerate(self.series):
            values = {name: p[:, :, number] for name, p in predictions.items()}
            among = list(pairs)
            if s.label in self.observed:
                values[OBSERVED] = observed_regions(self.observed[s.label], middles, self.grid)
                among += [(name, OBSERVED) for name in predictions]
            entries = region_agreement(values, usable, self.intervals, among, bootstrap)
            found += [{"series": s.label} | entry for entry in entries]
        return {
            "count": len(middles),
            "bin_width": self.grid.width,
            "bins": self.grid.bins,
            "beyond_chromosome": {n: int((~v).sum()) for n, v in self.inside.items()},
            "left_out": self.left_out,
            "ways": self.ways,
            "pairs": found,
        }
