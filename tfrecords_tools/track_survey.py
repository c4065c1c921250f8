"""How much of each chromosome a track covers, and what its bins will be."""

from dataclasses import dataclass, field, replace

import numpy as np

from tfrecords_tools.pooling import FLOAT16_MAX, Pooling, stretch_values
from tfrecords_tools.targets import Target
from tfrecords_tools.tracks import Track

STRETCH = 1 << 20
SAMPLED_BP = 300_000_000
_NO_REGIONS = np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class Coverage:
    """A track over one chromosome; shares are of the bases looked at.

    Attributes:
        chrom: chromosome.
        bases: how many bases were looked at.
        covered: share with a value.
        nan: share without.
        zero: share whose value is 0.
        mean: of the bases with a value, NaN if there are none.
        largest: value, NaN if there are none.
        smallest: value, NaN if there are none.
    """

    chrom: str
    bases: int
    covered: float
    nan: float
    zero: float
    mean: float
    largest: float
    smallest: float


@dataclass(frozen=True)
class TrackSurvey:
    """What was seen of one track.

    Attributes:
        identifier: of the target.
        file: path.
        bins: how many bins were pooled.
        largest_bin: the largest bin before clipping, as float16 holds it.
        overflowing: bins that float16 cannot hold and clipping does not lower.
        overflowing_bases: bases with a value beyond float16's range.
        clipped: share of bins that `clip` or `clip_soft` lowers.
        examined: share of the genome's bases looked at.
        coverage: per chromosome.
    """

    identifier: str
    file: str
    bins: int = 0
    largest_bin: float = 0.0
    overflowing: int = 0
    overflowing_bases: int = 0
    clipped: float = 0.0
    examined: float = 1.0
    coverage: tuple[Coverage, ...] = field(default=())


@dataclass
class _Sums:
    bases: int = 0
    covered: int = 0
    zero: int = 0
    total: float = 0.0
    largest: float = -np.inf
    smallest: float = np.inf

    def add(self, values: np.ndarray) -> None:
        observed = values[~np.isnan(values)]
        self.bases += len(values)
        self.covered += len(observed)
        if len(observed):
            self.zero += int((observed == 0).sum())
            self.total += float(observed.sum(dtype=np.float64))
            self.largest = max(self.largest, float(observed.max()))
            self.smallest = min(self.smallest, float(observed.min()))

    def coverage(self, chrom: str) -> Coverage:
        n, empty = max(self.bases, 1), not self.covered
        return Coverage(
            chrom=chrom,
            bases=self.bases,
            covered=self.covered / n,
            nan=1 - self.covered / n,
            zero=self.zero / n,
            mean=np.nan if empty else self.total / self.covered,
            largest=np.nan if empty else self.largest,
            smallest=np.nan if empty else self.smallest,
        )


def survey_track(
    track: Track,
    target: Target,
    chroms: dict[str, int],
    bin_width: int,
    sampled_bp: int = SAMPLED_BP,
) -> TrackSurvey:
    """Return a track's shares and bins, read in stretches of about 1 Mb.

    Of a genome above `sampled_bp` only every k-th stretch is read.

    Args:
        track: the open file.
        target: its row of the targets table.
        chroms: chromosome → length in bp to look at; those the file lacks are left out.
        bin_width: bp per bin; bins start at a stretch's start.
        sampled_bp: at most about so many bases are read.
    """
    every = max(1, -(-sum(chroms.values()) // sampled_bp))
    size = max(bin_width, STRETCH // bin_width * bin_width)
    bare = Pooling(bin_width, replace(target, clip=None, clip_soft=None))
    clipping = Pooling(bin_width, target)
    found, number = [], 0
    bins = clipped = overflowing = overflowing_bases = 0
    largest_bin = 0.0
    for chrom, length in chroms.items():
        known = track.chroms.get(chrom, 0)
        end = length if known is None else min(length, known)
        sums = _Sums()
        for start in range(0, end, size):
            number += 1
            if (number - 1) % every and end > size:
                continue
            values = track.values(chrom, start, min(start + size, end))
            sums.add(values)
            with np.errstate(invalid="ignore"):
                overflowing_bases += int((np.abs(values) > FLOAT16_MAX).sum())
                offsets = np.arange(0, len(values) - bin_width + 1, bin_width)
                if not len(offsets):
                    continue
                before = stretch_values(values, offsets, bin_width, bare, _NO_REGIONS)
            bins += len(before)
            largest_bin = max(largest_bin, float(np.nanmax(before)))
            after = before
            if target.clip is not None or target.clip_soft is not None:
                after = stretch_values(values, offsets, bin_width, clipping, _NO_REGIONS)
            clipped += int((after < before).sum())
            overflowing += int((np.abs(after.astype(np.float32)) >= FLOAT16_MAX).sum())
        found.append(sums.coverage(chrom))
    return TrackSurvey(
        identifier=target.identifier,
        file=target.file,
        bins=bins,
        largest_bin=largest_bin,
        overflowing=overflowing,
        overflowing_bases=overflowing_bases,
        clipped=clipped / max(bins, 1),
        examined=sum(c.bases for c in found) / max(sum(chroms.values()), 1),
        coverage=tuple(found),
    )
