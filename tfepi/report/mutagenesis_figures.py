"""The figures of a folder of saturation mutagenesis: which are drawn, and from what.

What draws takes seconds to import, so it waits until there is something to draw.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from tfepi.variants.mutagenesis_output import NAME, first_statistic
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import remove_parts
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target, select

if TYPE_CHECKING:
    from tfepi.report.logos import Changes

FOLDER = "figures"
MOST_SEQUENCES = 12  # drawn without being asked
MOST_BP = 600
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plots:
    """Which figures are wanted.

    Attributes:
        most: draw nothing if there are more sequences; None: draw all.
        targets: places among the scored targets; None: the one with the largest effect.
    """

    most: int | None = MOST_SEQUENCES
    targets: tuple[int, ...] | None = None

    @classmethod
    def of(cls, every: bool, none: bool, names: str | None, targets: Sequence[Target]) -> "Plots":
        """Return the choice of a command's options.

        Args:
            every: of all sequences.
            none: no figures.
            names: identifiers or indexes of targets, comma-separated.
            targets: the scored ones.

        Raises:
            ConfigError: all and none at once, or an unknown target.
        """
        if none and (every or names):
            raise ConfigError("--no_plots is given with what to plot: want one of the two")
        places = select(tuple(targets), names.split(",")) if names else None
        return cls(0 if none else None if every else MOST_SEQUENCES, places)


def draw_mutagenesis(folder: str | Path, plots: Plots = Plots(), quiet: bool = False) -> int:
    """Draw the sequences of a folder with scores.h5 into its figures/; return how many figures.

    Figures are of the first statistic, and of the middle 600 bp of longer sequences.

    Args:
        folder: of `mutagenesis.mutate`.
        plots: which.
        quiet: no progress bar.
    """
    from tfepi.report.figures import save_figure
    from tfepi.report.logos import mutagenesis_figure

    folder = Path(folder)
    with h5py.File(folder / NAME, "r") as file:
        count = len(file["start"])
        if plots.most is not None and count > plots.most:
            if plots.most:
                _log.info("no figures: there are %d sequences; --plots draws them all", count)
            return 0
        (folder / FOLDER).mkdir(exist_ok=True)
        remove_parts(folder / FOLDER)
        drawn = 0
        for number in progress(
            range(count), total=count, unit="sequences", label="draw", quiet=quiet
        ):
            for place in plots.targets or (_strongest(file, number),):
                stem = folder / FOLDER / f"seq{number}_t{file['target_index'][place]}"
                save_figure(mutagenesis_figure(read_changes(file, number, place)), stem)
                drawn += 1
    return drawn


def _mutated(file: h5py.File, number: int) -> tuple[int, int]:
    """Return the first position of a sequence that is mutated, and the one behind the last."""
    if "mutated" not in file:
        return 0, file["seqs"].shape[1]
    places = np.flatnonzero(file["mutated"][number])
    return int(places[0]), int(places[-1]) + 1


def _middle(file: h5py.File, number: int) -> slice:
    """Return the positions that are drawn."""
    first, stop = _mutated(file, number)
    low = max(first, (first + stop) // 2 - MOST_BP // 2)
    return slice(low, min(stop, low + MOST_BP))


def _strongest(file: h5py.File, number: int) -> int:
    """Return the target in which the sequence's changes reach furthest."""
    scores = file[first_statistic(file)][number, _middle(file, number)]
    spread = np.ptp(np.nan_to_num(scores), axis=(0, 1))
    return int(spread.argmax())


def read_changes(file: h5py.File, number: int, place: int) -> "Changes":
    """Return one sequence's scores of one target, of its middle where it is long.

    Args:
        file: an open scores.h5.
        number: of the sequence.
        place: of the target.
    """
    from tfepi.report.figures import short
    from tfepi.report.logos import Changes

    part, stat = _middle(file, number), first_statistic(file)
    own = file["seqs"][number, part]
    strand = file["strand"][number].decode()
    start, end = int(file["start"][number]), int(file["end"][number])
    low = start + part.start if strand == "+" else end - part.stop
    first, stop = _mutated(file, number)
    start, end = (start + first, start + stop) if strand == "+" else (end - stop, end - first)
    chrom = file["chr"][number].decode()
    label = file["label"][number].decode() if "label" in file else "."
    name = f"{chrom}:{start:,}–{end:,} ({strand})" + (f"  {short(label)}" if label != "." else "")
    if len(own) < end - start:
        name += f", middle {len(own)} bp"
    return Changes(
        file[stat][number, part, :, place],
        own,
        chrom,
        low,
        strand,
        stat,
        f"{name}\n{short(file['target_labels'][place].decode(), 60)}",
    )
