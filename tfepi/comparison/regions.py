"""Predictions of the same regions by several models, in the same bins, and what was observed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.comparison.agreement import LEAST, Draws, correlations
from tfepi.comparison.options import Comparing
from tfepi.comparison.scored import targets_of
from tfepi.comparison.series import Series
from tfepi.comparison.sources import Source
from tfepi.comparison.spans import overlap_shares
from tfepi.evaluation.bootstrap import Bootstrap
from tfepi.prediction.options import Request
from tfepi.prediction.output import NAME
from tfepi.prediction.run import predict_windows
from tfepi.prediction.windows import Place
from tfepi.spec import Predictor
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval, read_bed
from tfrecords_tools.tracks import is_bed, open_track

_ROWS = 256


@dataclass(frozen=True)
class Grid:
    """The bins around the middle of every region.

    Attributes:
        start: of the first bin, bp from the middle.
        width: bp.
        bins: how many.
    """

    start: int
    width: int
    bins: int

    @classmethod
    def of(cls, sources: Sequence[Source], span: int | None = None) -> "Grid":
        """Return the bins of several models: as wide as the widest, over what all predict.

        Where that is shorter than the widest bin, it is one bin.

        Args:
            sources: models of coverage.
            span: bp around the middle; None for the shortest output.

        Raises:
            ConfigError: a span longer than that.
        """
        specs = [s.model.asked for s in sources]
        least = min(s.target_length * s.bin_width for s in specs)
        span = least if span is None else span
        if span > least:
            raise ConfigError(
                f"--span is {span} bp, and the shortest output among the models {least}: want no "
                "more"
            )
        width = min(span, max(s.bin_width for s in specs))
        bins = span // width
        return cls(-(bins * width // 2), width, bins)

    def brought(self, source: Source, values: np.ndarray) -> np.ndarray:
        """Return a model's predictions in these bins.

        Args:
            source: the model.
            values: of all its bins, float [regions, bins, …].

        Returns:
            float64 [regions, grid bins, …].
        """
        spec = source.model.asked
        first = spec.crop - spec.seq_length // 2
        given = first, spec.bin_width, spec.target_length
        shares = overlap_shares(*given, self.start, self.width, self.bins)
        return np.einsum("gb,rb...->rg...", shares, values.astype(np.float64))


def predicted_regions(
    source: Source,
    series: Sequence[Series],
    bed: str | Path,
    fasta: str | Path,
    out: Path,
    comparing: Comparing,
    grid: Grid,
    load: Callable[[], Predictor] | None = None,
    quiet: bool = False,
) -> np.ndarray:
    """Return a model's predictions around the middles of a BED's intervals.

    Args:
        source: a model of coverage.
        series: what is compared; of several targets the mean, each relative to its own mean.
        bed: the regions.
        fasta: the genome.
        out: folder of the predictions, made or gone on with.
        comparing: the options.
        grid: the bins.
        load: returns the model; None for `source.model.load`.
        quiet: no progress bar.

    Returns:
        float64 [regions, bins, series].

    Raises:
        InputFileError, ConfigError: as `predict_windows`.
    """
    model, targets = source.model, targets_of(source, series)
    request = Request(
        rc=source.rc,
        shifts=comparing.shifts,
        head=model.head.name,
        untransform=source.untransform,
        batch_size=model.batch_size,
    )
    folder = predict_windows(
        load or model.load,
        model.asked,
        Place(bed),
        fasta,
        out,
        request,
        model_files=model.files,
        targets=targets,
        condition=model.condition,
        resume=True,
        quiet=quiet,
    )
    path = folder / NAME
    try:
        with h5py.File(path, "r") as file:
            data = file["preds"]
            parts = [
                grid.brought(source, data[low : low + _ROWS]) for low in range(0, len(data), _ROWS)
            ]
    except (OSError, KeyError) as error:
        raise InputFileError(f"{path} is damaged ({error}): remove {folder}") from None
    values = np.concatenate(parts)
    place = {t.identifier: i for i, t in enumerate(targets)}
    found = []
    for s in series:
        columns = values[:, :, [place[name] for name in s.targets[source.name]]]
        if columns.shape[2] > 1:
            with np.errstate(invalid="ignore", divide="ignore"):
                columns = columns / np.nanmean(columns, axis=(0, 1))
        found.append(columns.mean(axis=2))
    return np.stack(found, axis=2)


def observed_regions(
    track: str | Path, middles: Sequence[tuple[str, int]], grid: Grid
) -> np.ndarray:
    """Return what a track holds in the bins: sums over bp, where no value is 0.

    Args:
        track: bigWig, BED or HDF5.
        middles: chromosome and middle of each region, 0-based.
        grid: the bins.

    Returns:
        float64 [regions, bins]; NaN of a region that runs beyond its chromosome.

    Raises:
        InputFileError: a track that cannot be read.
    """
    opened = open_track(track)
    length = grid.width * grid.bins
    found = np.full((len(middles), grid.bins), np.nan)
    for row, (chrom, middle) in enumerate(middles):
        start, size = middle + grid.start, opened.chroms.get(chrom)
        if start < 0 or (size is not None and start + length > size):
            continue
        values = np.nan_to_num(opened.values(chrom, start, start + length).astype(np.float64))
        found[row] = values.reshape(grid.bins, grid.width).sum(axis=1)
    opened.close()
    return found


def check_track(track: str | Path, intervals: Sequence[Interval]) -> None:
    """Check that a track has the chromosomes of regions.

    Raises:
        InputFileError: a track that cannot be read, or lacks one.
    """
    opened = open_track(existing(track, "track"))
    chroms = opened.chroms
    opened.close()
    for interval in intervals:
        if interval.chrom not in chroms and not is_bed(track):  # which is 0 there
            raise InputFileError(
                f"track {track} has no chromosome {interval.chrom}, which a region is on: leave "
                "such regions out, or name a track of the same genome"
            )


def region_agreement(
    named: Mapping[str, np.ndarray],
    usable: Mapping[str, np.ndarray],
    intervals: Sequence[Interval],
    pairs: Sequence[tuple[str, str]],
    bootstrap: Bootstrap,
) -> list[dict]:
    """Return correlations over the bins of regions, pair by pair.

    Args:
        named: by model, or "observed": float64 [regions, bins].
        usable: by the same names, which regions count, bool [regions].
        intervals: the regions.
        pairs: of names.
        bootstrap: how intervals are made.

    Returns:
        Per pair "first", "second", "regions" and "bins", which are compared, and of the other
        regions "beyond_chromosome", not usable by both, and "undefined", without a value of both;
        "pearsonr", "spearmanr" and "pearsonr_log2", of log2(x / mean + 1), so that units do not
        matter, which fewer than three bins lack.
    """
    found = []
    for first, second in pairs:
        both = usable[first] & usable[second]
        values = named[first][both], named[second][both]
        seen = np.isfinite(values[0]) & np.isfinite(values[1])
        compared = int(seen.any(axis=1).sum())
        entry = {"first": first, "second": second, "regions": compared, "bins": int(seen.sum())}
        entry["beyond_chromosome"] = int((~both).sum())
        entry["undefined"] = int(both.sum()) - compared
        if seen.sum() >= LEAST:
            rows = np.repeat(np.flatnonzero(both), seen.sum(axis=1))
            draws = Draws.of([intervals[r] for r in rows.tolist()], bootstrap)
            one, two = (v[seen] for v in values)
            entry |= correlations(one, two, draws)
            if min(one.min(), two.min()) >= 0 and one.any() and two.any():
                scaled = (v / v.mean() for v in (one, two))
                logged = correlations(*scaled, draws, ("pearsonr_log2",))
                entry["pearsonr_log2"] = logged["pearsonr_log2"]
        found.append(entry)
    return found


def regions_of(bed: str | Path, sources: Sequence[Source], fasta: str | Path):
    """Return regions, and of each model those whose window lies on the chromosome.

    Args:
        bed: the regions.
        sources: models of coverage.
        fasta: the genome.

    Returns:
        The intervals, and bool [regions] by model.

    Raises:
        InputFileError: a file that cannot be used, or a BED without intervals.
        ConfigError: a chromosome that the genome lacks.
    """
    intervals = list(read_bed(bed))
    if not intervals:
        raise InputFileError(
            f"{bed} holds no regions: want a line of chromosome, start and end for each, or leave "
            "--regions out"
        )
    with Genome(fasta) as genome:
        lengths = np.array([genome.length(i.chrom) for i in intervals], np.int64)
    middle = np.array([(i.start + i.end) // 2 for i in intervals], np.int64)
    inside = {}
    for source in sources:
        length = source.model.asked.seq_length
        start = middle - length // 2
        inside[source.name] = (start >= 0) & (start + length <= lengths)
    return intervals, inside
