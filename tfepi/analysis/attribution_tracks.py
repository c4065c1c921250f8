"""Contributions along the genome: a bigWig per output."""

from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.attribution import contributions
from tfepi.analysis.attribution_file import NAME, read_outputs
from tfepi.prediction.bigwig import write_track
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import remove_parts
from tfrecords_tools.genome import Genome
from tfrecords_tools.overlaps import averaged

FOLDER = "bigwig"


def write_tracks(folder: Path, genome: Genome) -> list[Path]:
    """Write the contribution of each base; where windows overlap, their mean.

    Windows with another allele than the genome's are left out.

    Args:
        folder: with attributions.h5.
        genome: the FASTA.

    Returns:
        The files.

    Raises:
        InputFileError: every window has another allele.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(folder / FOLDER)
    paths = []
    with h5py.File(folder / NAME, "r") as file:
        if file["altered"][()].all():
            raise InputFileError(
                "every window holds another allele than the genome: there is nothing for a bigWig"
            )
        for number, (_, stem) in enumerate(read_outputs(folder / NAME)):
            paths.append(folder / FOLDER / f"{stem}.bw")
            write_track(paths[-1], dict(genome.chroms), averaged(_blocks(file, number), 1), 1)
    return paths


def _blocks(file: h5py.File, output: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield chromosome, start and contributions of each window in the order of the genome."""
    chroms, starts = file["chr"][()], file["start"][()]
    altered, strands = file["altered"][()], file["strand"][()]
    for i in np.lexsort((starts, chroms)).tolist():
        if altered[i]:
            continue
        values = contributions(file["seqs"][i], file["hypothetical"][i, :, :, output])
        if strands[i] == b"-":
            values = values[::-1]
        yield chroms[i].decode(), starts[i : i + 1], values[None]
