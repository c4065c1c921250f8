"""Numbered parts: the scores of one run of consecutive VCF records each, in HDF5."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from tfepi.variants.alleles import AllelePair
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.manifest import Manifest
from tfepi.variants.numbered import FOLDER
from tfepi.variants.scores import PREDICTIONS
from tfrecords_tools.errors import InputFileError

FORMAT_VERSION = 1
_SKIPPED = "skipped"


def part_path(folder: Path, number: int) -> Path:
    """Return the path of a part in a run's or a shard's folder."""
    return folder / FOLDER / f"{number:07d}.h5"


def score_shape(manifest: Manifest, name: str) -> tuple[int, ...]:
    """Return the shape of one row of a statistic: (targets,), or (bins, targets)."""
    targets = len(manifest.targets)
    return (manifest.window.bins, targets) if name in PREDICTIONS else (targets,)


def strings(values: Sequence[str], width: int) -> np.ndarray:
    """Return fixed-width bytes, as Basenji's files hold names."""
    return np.array([v.encode() for v in values], dtype=f"S{width}")


def write_rows(
    file: h5py.File, manifest: Manifest, number: int, pairs: Sequence[AllelePair], skipped: str
) -> None:
    """Begin a part: what it belongs to, which rows it has and what was skipped."""
    file.attrs["format"] = f"{manifest.FORMAT}-part"
    file.attrs["format_version"] = FORMAT_VERSION
    file.attrs["manifest"] = manifest.digest
    file.attrs["number"] = number
    widths = manifest.survey.widths
    file["record"] = np.array([p.row for p in pairs], np.int64)
    file["number"] = np.array([p.number for p in pairs], np.int32)
    file["pos"] = np.array([p.position + 1 for p in pairs], np.uint32)
    file["chr"] = strings([p.chrom for p in pairs], widths["chrom"])
    file["snp"] = strings([p.id for p in pairs], widths["id"])
    for name in ("ref", "alt"):
        file.create_dataset(
            f"{name}_allele",
            data=strings([getattr(p, name) for p in pairs], widths[name]),
            **({"compression": "gzip", "chunks": True} if pairs else {}),
        )
    file[_SKIPPED] = np.frombuffer(skipped.encode(), np.uint8)


class PartWriter:
    """An open part: pairs and skipped lines at once, scores as they come."""

    def __init__(
        self,
        file: h5py.File,
        check: Callable[[], None],
        manifest: Manifest,
        number: int,
        pairs: Sequence[AllelePair],
        skipped: str,
    ):
        self._file = file
        self._check = check
        self._row = 0
        self._undefined = 0
        write_rows(file, manifest, number, pairs, skipped)
        for name in manifest.scoring.stats:
            file.create_dataset(name, (len(pairs), *score_shape(manifest, name)), np.float32)

    def write(self, scores: dict[str, np.ndarray], undefined: int) -> None:
        """Append rows of every statistic, in the order of the pairs.

        Args:
            scores: float32 arrays by statistic, equally long.
            undefined: how many of the rows come from predictions that are not finite.
        """
        count = len(next(iter(scores.values())))
        for name, values in scores.items():
            self._file[name][self._row : self._row + count] = values
        self._check()
        self._row += count
        self._undefined += undefined
        self._file.attrs["undefined"] = self._undefined


@contextlib.contextmanager
def written_part(
    folder: Path, manifest: Manifest, number: int, pairs: Sequence[AllelePair], skipped: str
) -> Iterator[PartWriter]:
    """Yield a writer of a part that is there, whole, only if the block succeeds."""
    path = part_path(folder, number)
    path.parent.mkdir(exist_ok=True)
    with written_hdf5(path) as (file, check):
        yield PartWriter(file, check, manifest, number, pairs, skipped)


def is_whole(folder: Path, manifest: Manifest, number: int) -> bool:
    """Tell whether a part is there and belongs to the manifest."""
    path = part_path(folder, number)
    if not path.exists():
        return False
    try:
        with h5py.File(path, "r") as file:
            return (
                file.attrs.get("format_version") == FORMAT_VERSION
                and file.attrs.get("manifest") == manifest.digest
                and file.attrs.get("number") == number
            )
    except OSError:
        return False


@contextlib.contextmanager
def opened_part(folder: Path, manifest: Manifest, number: int) -> Iterator[h5py.File]:
    """Yield an open part.

    Raises:
        InputFileError: missing, damaged, or of another run.
    """
    if not is_whole(folder, manifest, number):
        raise InputFileError(
            f"part {part_path(folder, number)} is missing or damaged: run the command that "
            "writes it again with --resume"
        )
    with h5py.File(part_path(folder, number), "r") as file:
        yield file


def skipped_lines(file: h5py.File) -> str:
    """Return a part's lines of skipped.tsv."""
    return file[_SKIPPED][()].tobytes().decode()


def texts(file: h5py.File, name: str) -> list[str]:
    """Return a part's column of names or alleles."""
    return [v.decode() for v in file[name][()].tolist()]
