"""Letters and hypothetical contributions as tfmodisco-lite reads them, and a BED of the windows.

`modisco motifs -s ohe.npz -a attributions.npz` takes one array of each file, `arr_0`, float32
[windows, 4, length]. It knows nothing of strands, so that all windows are written as the forward
strand has them, and its reports count bases from the BED's starts: windows that reach beyond a
chromosome or hold another allele than the genome are left out of arrays and BED alike.
"""

import logging
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from tfepi.analysis.attribution_file import (
    NAME,
    AttributedWindow,
    read_outputs,
    read_windows,
)
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path, remove_parts
from tfrecords_tools.genome import Genome
from tfrecords_tools.number_text import number_of

FOLDER, LETTERS, BED = "modisco", "ohe.npz", "windows.bed"
_log = logging.getLogger(__name__)


def write_modisco(folder: Path, genome: Genome) -> list[Path]:
    """Write modisco/: ohe.npz, an .npz of hypothetical contributions per output, windows.bed.

    Memory holds one window.

    Args:
        folder: with attributions.h5.
        genome: the FASTA, for the lengths of chromosomes.

    Returns:
        The .npz files of contributions.

    Raises:
        InputFileError: no window lies within its chromosome as the genome has it.
    """
    out = folder / FOLDER
    outputs = read_outputs(folder / NAME)
    kept, left = [], 0
    length = 0
    for window in read_windows(folder / NAME):
        if window.altered or window.start < 0 or window.end > genome.length(window.chrom):
            left += 1
        else:
            kept.append(window.number)
            length = len(window.own)
    if not kept:
        raise InputFileError(
            "no window lies within its chromosome as the genome has it: there is nothing to give "
            "to modisco; shorten them with -l"
        )
    if left:
        _log.warning(
            "modisco: left out %s beyond the chromosome or of another allele",
            number_of(left, "window"),
        )
    out.mkdir(exist_ok=True)
    remove_parts(out)
    names = [
        "attributions.npz" if len(outputs) == 1 else f"attributions_{stem}.npz"
        for _, stem in outputs
    ]
    shape = (len(kept), 4, length)
    wanted = set(kept)
    with ExitStack() as files:
        parts = [files.enter_context(atomic_path(out / name)) for name in (LETTERS, *names, BED)]
        letters, *scores = (files.enter_context(_array(part, shape)) for part in parts[:-1])
        with open(parts[-1], "w") as bed:
            for window in read_windows(folder / NAME):
                if window.number not in wanted:
                    continue
                own, hypothetical = _forward(window)
                letters.write(own.T.astype(np.float32).tobytes())
                for number, score in enumerate(scores):
                    score.write(hypothetical[:, :, number].T.tobytes())
                bed.write(
                    f"{window.chrom}\t{window.start}\t{window.end}\t{window.label}\t0\t"
                    f"{window.strand}\n"
                )
        # Archives are complete when they are closed, which comes before the renaming.
    return [out / name for name in names]


def _forward(window: AttributedWindow) -> tuple[np.ndarray, np.ndarray]:
    if window.strand == "+":
        return window.own, window.hypothetical
    return window.own[::-1, ::-1], window.hypothetical[::-1, ::-1]


@contextmanager
def _array(path: Path, shape: tuple[int, ...]) -> Iterator:
    """Yield a file that takes the bytes of the one array of an .npz, float32 in C order."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(zipfile.ZipInfo("arr_0.npy"), "w", force_zip64=True) as file,
    ):
        np.lib.format.write_array_header_1_0(file, header)
        yield file
