"""Training regions: all, any peak, or peaks that are not ubiquitous (Kathail et al.).

Regions that differ between cell types are found in `variable_regions`.

Peaks come from the targets table's `peaks` column or, for a track without one, are called by
one rule for all tracks: bins above the track's own threshold, neighbours merged. The threshold
is the `PEAK_QUANTILE` quantile of the track's bins, so that each track gets about the same
share of the genome.
"""

from collections.abc import Sequence

import numpy as np

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import (
    Interval,
    Regions,
    intersect_array,
    merge_array,
    merged,
    read_bed,
)
from tfrecords_tools.targets import Target
from tfrecords_tools.tracks import open_track
from tfrecords_tools.windows import Windowing

REGIONS = ("all", "peaks", "non-ubiquitous", "variable")
PEAK_QUANTILE = 0.95
UBIQUITOUS_SHARE = 0.8
_CHUNK = 1 << 22


def called_peaks(target: Target, contigs: Sequence[Interval], bin_width: int) -> Regions:
    """Return a track's peaks: bins whose mean is above the track's threshold, merged.

    Args:
        target: the track.
        contigs: where to look; bins start at each contig's start.
        bin_width: bp.

    Returns:
        Merged regions. A bin must be above the quantile and above 0.
    """
    track = open_track(target.file)
    means, starts = [], []
    for contig in contigs:
        last = contig.end - bin_width + 1  # what is left at the end may hold no whole bin
        for low in range(contig.start, last, _CHUNK // bin_width * bin_width):
            high = min(low + _CHUNK // bin_width * bin_width, contig.end)
            bins = (high - low) // bin_width
            x = np.nan_to_num(track.values(contig.chrom, low, low + bins * bin_width))
            means.append(x.reshape(bins, bin_width).mean(axis=1))
            starts.append((contig.chrom, low, bins))
    track.close()
    threshold = max(0.0, float(np.quantile(np.concatenate(means), PEAK_QUANTILE)))
    spans: dict[str, list[np.ndarray]] = {}
    for values, (chrom, low, _) in zip(means, starts, strict=True):
        at = low + np.flatnonzero(values > threshold) * bin_width
        spans.setdefault(chrom, []).append(np.stack([at, at + bin_width], axis=1))
    return {c: m for c, s in spans.items() if len(m := merge_array(np.concatenate(s)))}


def track_peaks(
    targets: Sequence[Target], contigs: Sequence[Interval], bin_width: int
) -> list[Regions]:
    """Return each track's peaks: from its BED where the table names one, else called."""
    return [
        merged(read_bed(t.peaks)) if t.peaks else called_peaks(t, contigs, bin_width)
        for t in targets
    ]


def near_peaks(
    targets: Sequence[Target],
    windowing: Windowing,
    limit: list[Interval] | None,
    chroms: dict[str, int],
) -> list[Interval]:
    """Return the targets' BED peaks widened to a bin plus crop, merged, whole bins long.

    Args:
        targets: their `peaks`, or else their files, are the BEDs.
        windowing: geometry.
        limit: if given, only what lies in these.
        chroms: chromosome → length, bp.
    """
    width, crop = windowing.bin_width, windowing.crop
    wide = []
    for t in targets:
        name = t.peaks or t.file
        for p in read_bed(name):
            start, end = p.start, p.end
            if end - start < width:
                start = (start + end) // 2 - width // 2
                end = start + width
            wide.append(Interval(p.chrom, max(0, start - crop), end + crop))
    rounded = []
    for chrom, spans in merged(wide).items():
        for start, end in spans.tolist():
            bins = max(1, round((end - start) / width))
            low = max(0, (start + end) // 2 - bins * width // 2)
            rounded.append(Interval(chrom, low, min(low + bins * width, chroms.get(chrom, 0))))
    if limit is None:
        return rounded
    allowed = merged(limit)
    return [
        Interval(i.chrom, s, e)
        for i in rounded
        if i.chrom in allowed
        for s, e in intersect_array(np.array([[i.start, i.end]]), allowed[i.chrom]).tolist()
    ]


def ubiquitous(peaks: Sequence[Regions], share: float = UBIQUITOUS_SHARE) -> Regions:
    """Return merged peaks in which at least `share` of the tracks have a peak.

    Raises:
        ConfigError: share not in (0, 1], or fewer than two tracks.
    """
    if not 0 < share <= 1:
        raise ConfigError(f"the ubiquitous share is {share}, want above 0 and at most 1")
    if len(peaks) < 2:
        raise ConfigError(
            "ubiquitous peaks need at least two tracks: name a BED with --ubiquitous_bed"
        )
    out = {}
    for chrom, spans in union(peaks).items():
        count = np.zeros(len(spans), int)
        for regions in peaks:
            if chrom in regions:
                touched = intersect_array(spans, regions[chrom])
                count[np.unique(np.searchsorted(spans[:, 0], touched[:, 0], side="right") - 1)] += 1
        kept = spans[count >= share * len(peaks)]
        if len(kept):
            out[chrom] = kept
    return out


def union(peaks: Sequence[Regions]) -> Regions:
    """Return the merged union of several sets of regions."""
    chroms = dict.fromkeys(c for regions in peaks for c in regions)
    return {c: merge_array(np.concatenate([r[c] for r in peaks if c in r])) for c in chroms}


def training_regions(
    kind: str,
    targets: Sequence[Target],
    contigs: Sequence[Interval],
    bin_width: int,
    share: float = UBIQUITOUS_SHARE,
    ubiquitous_bed: str | None = None,
) -> Regions:
    """Return the regions a training window must touch for `kind` "peaks" or "non-ubiquitous".

    Non-ubiquitous: merged peaks that touch no ubiquitous one.
    """
    peaks = track_peaks(targets, contigs, bin_width)
    every = union(peaks)
    if kind == "peaks":
        return every
    common = merged(read_bed(ubiquitous_bed)) if ubiquitous_bed else ubiquitous(peaks, share)
    out = {}
    for chrom, spans in every.items():
        if chrom in common:
            touched = intersect_array(spans, common[chrom])
            hit = np.unique(np.searchsorted(spans[:, 0], touched[:, 0], side="right") - 1)
            spans = np.delete(spans, hit, axis=0)
        if len(spans):
            out[chrom] = spans
    return out
