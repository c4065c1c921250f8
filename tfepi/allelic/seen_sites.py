"""Which sites a model may have seen in training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfepi.allelic.counts import Sites
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.files import existing_folder
from tfrecords_tools.intervals import Interval, merged, read_bed

SEEN = ("train", "valid")
"""Labels of windows that shaped a model: by its weights, or by which epoch was kept."""
ALL, HELD_OUT, OTHER_CONTIGS = "all", "held_out", "other_contigs"


@dataclass(frozen=True)
class SeenSites:
    """Where sites lie beside the windows of training.

    Attributes:
        label: "train", "valid" or another label of the windows that hold a site, "train" before
            "valid" before others; "" where none does; str [sites].
        contig: whether any training or validation window lies on the same sequence of the FASTA,
            bool [sites].
    """

    label: np.ndarray
    contig: np.ndarray

    def subsets(self) -> dict[str, np.ndarray]:
        """Return name → which sites: all, those in no seen window, those on no such contig.

        Two may be the same sites, and one may have none.
        """
        held = ~np.isin(self.label, SEEN)
        every = np.ones(len(held), bool)
        return {ALL: every, HELD_OUT: held, OTHER_CONTIGS: held & ~self.contig}


def seen_sites(sites: Sites, windows: Sequence[Interval]) -> SeenSites:
    """Return where sites lie beside windows.

    Args:
        sites: to mark.
        windows: of sequence that a model was given, by label; an unlabelled one is "train".
    """
    by_label: dict[str, list[Interval]] = {}
    for window in windows:
        by_label.setdefault(window.label or SEEN[0], []).append(window)
    label = np.full(len(sites), "", f"U{max((len(n) for n in by_label), default=1)}")
    order = sorted(by_label, key=lambda n: (SEEN.index(n) if n in SEEN else len(SEEN), n))
    for name in reversed(order):
        for chrom, spans in merged(by_label[name]).items():
            rows = np.flatnonzero(sites.chrom == chrom)
            at = np.searchsorted(spans[:, 0], sites.position[rows], side="right") - 1
            inside = (at >= 0) & (sites.position[rows] < spans[np.maximum(at, 0), 1])
            label[rows[inside]] = name
    contigs = {w.chrom for name in SEEN for w in by_label.get(name, ())}
    return SeenSites(label, np.isin(sites.chrom, sorted(contigs)))


def training_windows(
    regions: str | Path | None = None, data: str | Path | None = None
) -> list[Interval]:
    """Return the stretches of sequence that a model was trained on.

    Args:
        regions: BED, whose column 4 may name labels (train, valid, test).
        data: a data folder instead; its windows are taken with the flanks that models see.

    Raises:
        ConfigError: both, or neither.
        InputFileError: no such file, or not in its format.
    """
    if (regions is None) == (data is None):
        raise ConfigError("training regions come from a BED or from a data folder: give one")
    if regions is not None:
        return read_bed(regions)
    from tfrecords_tools.data import Data

    opened = Data.open(existing_folder(data, "data folder"))
    found = []
    for label in opened.labels:
        for window in opened.windows(label):
            middle, half = (window.start + window.end) // 2, opened.seq_length // 2
            found.append(Interval(window.chrom, max(0, middle - half), middle + half, label))
    return found
