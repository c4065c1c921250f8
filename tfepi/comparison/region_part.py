"""The regions of a comparison: predicted by each model, compared pair by pair and with a track."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

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
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.spec import Predictor
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.intervals import Interval

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
    ) -> "RegionPart":
        """Return the part, checked before any model is loaded.

        Args:
            sources: the models.
            series: what is compared.
            bed: the regions.
            fasta: the genome.
            observed: label of a series, or None for the only one → track.
            comparing: the options.

        Raises:
            ConfigError: fewer models than are compared, a track of no series, or a span that does
                not suit the bins.
            InputFileError: a file that is missing or damaged.
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
        return cls(bed, fasta, intervals, inside, grid, series, tracks, left_out, comparing)

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
        every = np.ones(len(middles), bool)
        usable = dict(self.inside) if self.comparing.edges == "drop" else {}
        usable = {name: usable.get(name, every) for name in predictions} | {OBSERVED: every}
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
            "pairs": found,
        }
