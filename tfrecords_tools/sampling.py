"""Which windows are trained on, and whose tracks may decide it.

A cell type that is to be predicted without training on it must not choose the windows either:
the tracks of cell types that are held out do not count here.
"""

from collections.abc import Sequence

from tfrecords_tools import regions
from tfrecords_tools.build_options import BuildOptions
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.intervals import Interval, Regions
from tfrecords_tools.targets import Target
from tfrecords_tools.tracks import is_bed
from tfrecords_tools.variable_regions import compared, variable_regions
from tfrecords_tools.windows import HELD_OUT_LABELS


def counted(rows: Sequence[Target], options: BuildOptions) -> tuple[Target, ...]:
    """Return the tracks that may decide which windows are trained on: not those held out."""
    return tuple(row for row in rows if row.cell not in options.hold_out)


def positive_targets(targets: Sequence[Target], options: BuildOptions) -> tuple[Target, ...]:
    """Return the targets whose bins above 0 are positives: with a threshold, or BED files."""
    return tuple(t for t in counted(targets, options) if t.threshold is not None or is_bed(t.file))


def check_sampling(
    options: BuildOptions, targets: Sequence[Target], tracks: Sequence[Target]
) -> None:
    """Check the cell types held out, and that tracks are left for what is to count of them.

    Args:
        options: of the build.
        targets: of the targets table.
        tracks: input tracks.

    Raises:
        ConfigError: no target or track is of a cell type held out, or none is left.
    """
    cells = dict.fromkeys(t.cell for t in (*targets, *tracks) if t.cell is not None)
    for cell in options.hold_out:
        if cell not in cells:
            raise unknown("cell", cell, list(cells), "of --hold_out")
    if options.regions == "variable":
        compared(targets, tracks, options.hold_out)
    elif (options.regions != "all" or options.peaks_only) and not counted(targets, options):
        raise ConfigError(
            f"--hold_out {','.join(options.hold_out)} leaves no target whose peaks count: hold "
            "out fewer cells, or leave --peaks and --regions out"
        )
    if options.positive_share is not None and not positive_targets(targets, options):
        raise ConfigError(
            f"--positive_share {options.positive_share:g} wants targets that are positive or not: "
            "give targets of cells that are not held out a threshold, or BED files"
        )


def training_regions(
    targets: Sequence[Target],
    tracks: Sequence[Target],
    parts: dict[str, list[Interval]],
    options: BuildOptions,
) -> Regions:
    """Return the regions that a training window must touch.

    Args:
        targets: of the targets table.
        tracks: input tracks.
        parts: label → contigs.
        options: of the build, whose `regions` is not "all".
    """
    if options.regions != "variable":
        return regions.training_regions(
            options.regions,
            counted(targets, options),
            [c for part in parts.values() for c in part],
            options.bin_width,
            options.ubiquitous_share,
            options.ubiquitous_bed,
        )
    chosen = [label for label in parts if label in options.region_labels]
    training = [label for label in chosen if label not in HELD_OUT_LABELS] or chosen
    return variable_regions(
        compared(targets, tracks, options.hold_out),
        [c for label in training for c in parts[label]],
        [c for label in chosen if label not in training for c in parts[label]],
        options.bin_width,
        options.variable_share,
    )
