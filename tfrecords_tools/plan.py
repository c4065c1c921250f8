"""What a build will do: options checked, inputs compared, windows laid out, before any coverage.

A `Plan` is a function of the inputs and options alone; `fingerprint` tells whether a later run
would do the same.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfrecords_tools import compat, compat_layout, splits
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.division import (
    check_region_labels,
    divide,
    refuse_empty,
    wanted_labels,
)
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import identity
from tfrecords_tools.genome import Genome, missing_chrom
from tfrecords_tools.input_tracks import check_cells_have_tracks, read_tracks
from tfrecords_tools.intervals import Interval, merged, read_bed
from tfrecords_tools.pooling import BLACKLIST_MARGIN
from tfrecords_tools.regions import near_peaks
from tfrecords_tools.sampling import check_sampling, counted, training_regions
from tfrecords_tools.targets import Target, read_targets, resolve
from tfrecords_tools.tracks import BedTrack, check_chroms, check_ends, open_track
from tfrecords_tools.windows import make_windows, overlapping, unmappable_bins


@dataclass(frozen=True)
class Plan:
    """Inputs and the windows to write.

    Attributes:
        fasta: path of the genome.
        targets: the table's rows, with paths resolved.
        options: the options.
        windows: all labels' windows, label by label, in record order.
        contigs: label → contigs.
        unmappable: bool [windows, bins], or None.
        blacklist: regions with margin, merged unless --compat, or {}.
        laid: label → windows before any were left out.
        dropped: windows left out by the unmappable filter and by training regions.
        tracks: the rows of the table of input tracks, with paths resolved; () without.
        chroms: chromosome → length, bp, of those that windows lie on.
    """

    fasta: str
    targets: tuple[Target, ...]
    options: BuildOptions
    windows: tuple[Interval, ...]
    contigs: dict[str, list[Interval]]
    unmappable: np.ndarray | None
    blacklist: dict[str, np.ndarray]
    laid: dict[str, int]
    dropped: dict[str, int]
    tracks: tuple[Target, ...] = ()
    chroms: dict[str, int] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """Labels that have windows, in order."""
        return list(dict.fromkeys(w.label for w in self.windows))

    def rows(self, label: str) -> range:
        """Return the rows of a label's windows."""
        index = [i for i, w in enumerate(self.windows) if w.label == label]
        return range(index[0], index[-1] + 1)

    def shards(self) -> list[tuple[str, str, int, int]]:
        """Return (file name, label, first row, end row) of every shard."""
        size = self.options.records_per_shard
        return [
            (f"{label}-{i}.tfr", label, start, min(start + size, rows.stop))
            for label in self.labels
            for rows in [self.rows(label)]
            for i, start in enumerate(range(rows.start, rows.stop, size))
        ]

    def inputs(self) -> dict[str, str]:
        """Return label → path of every input file besides the targets table."""
        return input_files(self.fasta, self.targets, self.options, self.tracks)

    def fingerprint(self, identify: Callable[[str], dict] = identity) -> dict:
        """Return what must be equal for a build to be continued.

        Args:
            identify: returns what identifies the input at a path.
        """
        digest = hashlib.sha256()
        for w in self.windows:
            digest.update(f"{w.chrom}\t{w.start}\t{w.end}\t{w.label}\n".encode())
        found = {
            "options": self.options.to_json(),
            "targets": [t.to_json() for t in self.targets],
            "windows": digest.hexdigest(),
            "inputs": {label: identify(path) for label, path in self.inputs().items()},
        }
        if self.tracks:
            found["track_table"] = [t.to_json() for t in self.tracks]
        return found


def input_files(
    fasta: str,
    targets: Sequence[Target],
    options: BuildOptions,
    tracks: Sequence[Target] = (),
) -> dict[str, str]:
    """Return label → path of every input file of a build besides the tables of tracks."""
    found = {"genome": fasta}
    for name in ("split_bed", "gaps", "blacklist", "unmappable", "limit", "ubiquitous_bed"):
        if getattr(options, name):
            found[name] = getattr(options, name)
    for t in targets:
        found[f"track {t.identifier}"] = t.file
        if t.peaks:
            found[f"peaks {t.identifier}"] = t.peaks
    return found | {f"input track {t.identifier}": t.file for t in tracks}


def make_plan(fasta: str | Path, targets_file: str | Path, options: BuildOptions) -> Plan:
    """Check the inputs against each other and lay out the windows.

    Raises:
        InputFileError: a file is missing, damaged, or of another build.
        ConfigError: an option out of range, no window, or a label left empty.
    """
    windowing, tool = options.windowing(), options.compat
    targets = resolve(read_targets(targets_file, with_files=True), targets_file)
    _check_thresholds(targets, options)
    if tool:
        targets = tuple(compat.given(t, tool) for t in targets)
    tracks = ()
    if options.tracks:
        tracks = resolve(read_tracks(options.tracks), options.tracks)
        check_cells_have_tracks(targets, tracks)
    check_sampling(options, targets, tracks)
    with Genome(fasta) as genome:
        chroms = dict(genome.chroms)
    for chrom in options.chroms:
        if chrom not in chroms:
            raise ConfigError(missing_chrom(chrom, chroms, f"--chroms: FASTA {fasta}"))
    beds = {
        name: _bed(getattr(options, name), chroms)
        for name in ("gaps", "blacklist", "unmappable", "limit", "split_bed", "ubiquitous_bed")
    }
    if options.peaks_only or options.regions != "all":
        for path in dict.fromkeys(t.peaks for t in targets if t.peaks):
            _bed(path, chroms)
    for name in ("limit", "split_bed"):
        if beds[name] == []:
            raise InputFileError(
                f"--{name} {getattr(options, name)} has no interval, which leaves no window: want "
                "lines of chromosome, start, end; or leave the option out"
            )
    contigs = lay_contigs(chroms, targets, options, beds["gaps"], beds["limit"])
    needed = {c.chrom: chroms[c.chrom] for c in contigs}
    bed_tracks = False
    for target in targets:
        track = open_track(target.file)
        check_chroms(track, needed)
        bed_tracks |= isinstance(track, BedTrack)
        if tool:
            compat.check_track(target, track, windowing.target_length, tool)
        track.close()
    for row in tracks:
        track = open_track(row.file)
        check_chroms(track, needed)
        track.close()
    parts = {
        label: splits.rejoin(part)
        for label, part in divide(contigs, options, beds["split_bed"]).items()
        if part
    }
    wanted = wanted_labels(options, beds["split_bed"])
    if options.regions != "all":
        check_region_labels(options.region_labels, wanted)
    spare = compat_layout.SPARE[tool] if tool else 0
    windows = make_windows(
        parts, windowing, options.seed, options.sample, spare, options.random_windows
    )
    if tool == "basenji" and bed_tracks and beds["blacklist"]:
        compat_layout.refuse_overlap(windows)
    laid = dict(Counter(w.label for w in windows))
    refuse_empty(windows, wanted, options, windowing)
    dropped = {}
    unmappable = None
    if beds["unmappable"] is not None:
        if tool:
            find, spans = compat_layout.unmappable_bins, beds["unmappable"]
        else:
            find, spans = unmappable_bins, merged(beds["unmappable"])
        unmappable = find(windows, spans, options.bin_width)
        keep = unmappable.mean(axis=1, dtype=np.float64) < options.unmappable_share
        dropped["unmappable"] = int((~keep).sum())
        windows = [w for w, k in zip(windows, keep, strict=True) if k]
        unmappable = unmappable[keep]
    if options.regions != "all":
        touched = overlapping(windows, training_regions(targets, tracks, parts, options))
        keep = touched | np.array([w.label not in options.region_labels for w in windows])
        dropped["regions"] = int((~keep).sum())
        windows = [w for w, k in zip(windows, keep, strict=True) if k]
        unmappable = None if unmappable is None else unmappable[keep]
    refuse_empty(windows, wanted, options, windowing)
    black = (compat_layout.blacklist if tool else _widened)(beds["blacklist"] or ())
    return Plan(
        str(fasta),
        targets,
        options,
        tuple(windows),
        parts,
        unmappable,
        black,
        laid,
        dropped,
        tracks,
        needed,
    )


def _check_thresholds(targets: Sequence[Target], options: BuildOptions) -> None:
    for target in targets:
        if target.threshold is not None and options.unmappable_clip < 1:
            raise ConfigError(
                f"target {target.identifier!r} has a threshold, and --umap_clip "
                f"{options.unmappable_clip:g} would limit its ones: leave one of the two out, or "
                "store unmappable bins with --umap_tfr"
            )


def lay_contigs(
    chroms: dict[str, int],
    targets: Sequence[Target],
    options: BuildOptions,
    gaps: Sequence[Interval] | None,
    limit: list[Interval] | None,
) -> list[Interval]:
    """Return the stretches that windows may lie in, before they are divided among labels.

    Args:
        chroms: chromosome → length, bp, of the whole genome.
        targets: whose peaks count where the options ask for them.
        options: the options.
        gaps, limit: what their BEDs hold.

    Raises:
        ConfigError: no contig is as long as a window.
    """
    windowing = options.windowing()
    shortest = min(windowing.window_length, splits.CONTIG_LIMIT)  # the default suits any window
    if options.contig_limit is not None and options.contig_limit < shortest:
        raise ConfigError(
            f"--break is {options.contig_limit}, want at least {shortest} bp: shorter contigs "
            "hold no window"
        )
    used = {c: n for c, n in chroms.items() if not options.chroms or c in options.chroms}
    if options.compat:
        cuts = [] if limit is None else [limit]
        if options.peaks_only:
            found = near_peaks(counted(targets, options), windowing, None, chroms)
            cuts.append(found)
        return compat_layout.make_contigs(
            used, windowing.window_length, gaps or (), cuts, options.contig_limit
        )
    if options.peaks_only:
        limit = near_peaks(counted(targets, options), windowing, limit, chroms)
    return splits.make_contigs(
        used, windowing.window_length, gaps or (), limit, options.contig_limit
    )


def _bed(path: str | None, chroms: dict[str, int]) -> list[Interval] | None:
    if path is None:
        return None
    found = read_bed(path)
    if found and not any(i.chrom in chroms for i in found):
        raise InputFileError(missing_chrom(found[0].chrom, chroms, f"the genome, read for {path},"))
    check_ends(path, found, chroms)
    return found


def _widened(blacklist: Sequence[Interval]) -> dict[str, np.ndarray]:
    return merged(
        Interval(i.chrom, max(0, i.start - BLACKLIST_MARGIN), i.end + BLACKLIST_MARGIN)
        for i in blacklist
    )
