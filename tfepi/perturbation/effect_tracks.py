"""Mean effects of saturation mutagenesis as bigWig tracks.

The effect at a base is the mean over its three other letters of the change in the statistic. Bases
of several sequences have the mean of theirs; N, and what is not mutated, has none.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from tfepi.prediction.bigwig import FOLDER, track_path, write_track
from tfepi.variants.mutagenesis_output import NAME, first_statistic
from tfrecords_tools.errors import unknown
from tfrecords_tools.files import remove_parts
from tfrecords_tools.genome import Genome
from tfrecords_tools.overlaps import averaged, windows_at_once
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

MEAN, EACH = "mean", "each"
TRACKS = (MEAN, EACH)


def check_tracks(which: str | None) -> None:
    """Check which tracks are asked for; None is none.

    Raises:
        ConfigError: neither mean nor each.
    """
    if which is not None and which not in TRACKS:
        raise unknown("choice of tracks", which, TRACKS)


def mean_effect(scores: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the mean over the three other letters of the change: float64 [positions, …].

    Args:
        scores: float [positions, 4, …].
        own: the sequence, bool [positions, 4]; no letter for N, whose effect is NaN.
    """
    exact = scores.astype(np.float64)
    at = own.reshape(*own.shape, *(1,) * (scores.ndim - 2))
    here = np.where(at, exact, 0).sum(axis=1)
    others = np.where(at, 0, exact).sum(axis=1) / 3
    return np.where(at.any(axis=1), others - here, np.nan)


def write_effect_tracks(
    folder: str | Path,
    fasta: str | Path,
    which: str | None,
    targets: Sequence[Target],
    quiet: bool = False,
) -> int:
    """Write bigwig/mean.bw or bigwig/t{index}.bw of a folder with scores.h5; return how many.

    Tracks are of the first statistic, whole or not at all; those that are there are left alone.

    Args:
        folder: of `mutagenesis.mutate`, of regions.
        fasta: the genome.
        which: "mean" over targets, "each" of them, or None for no track.
        targets: that were scored, in order.
        quiet: no progress bar.

    Raises:
        ConfigError: as `check_tracks`.
        InputFileError: no value is a finite number.
    """
    check_tracks(which)
    if which is None:
        return 0
    folder = Path(folder)
    (folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(folder / FOLDER)
    tracks = {track_path(folder, t): n for n, t in enumerate(targets)}
    if which == MEAN:
        tracks = {folder / FOLDER / "mean.bw": slice(None)}
    with Genome(fasta) as genome:
        lengths = dict(genome.chroms)
    with h5py.File(folder / NAME, "r") as file:
        todo = {path: place for path, place in tracks.items() if not path.exists()}
        total = len(todo) * len(file["start"])
        with progress(total=total, unit="sequences", label="bigWig", quiet=quiet) as bar:
            for path, place in todo.items():
                write_track(path, lengths, averaged(_blocks(file, place, bar.update), 1), 1)
    return len(tracks)


def _blocks(
    file: h5py.File, place: int | slice, advance
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield chromosome, starts and effects [sequences, positions], by chromosome and start."""
    chrom, start, reverse = file["chr"][()], file["start"][()], file["strand"][()] == b"-"
    scores, seqs = file[first_statistic(file)], file["seqs"]
    order = np.lexsort((start, chrom))
    most = windows_at_once(seqs.shape[1], True)
    low = 0
    while low < len(order):
        here = order[low : low + most]
        here = here[chrom[here] == chrom[here[0]]]
        rows = []
        for number in here.tolist():
            found = mean_effect(scores[number, :, :, place], seqs[number])
            found = found if found.ndim == 1 else found.mean(axis=1)
            rows.append(found[::-1] if reverse[number] else found)
            advance(1)
        yield chrom[here[0]].decode(), start[here], np.stack(rows)
        low += len(here)
