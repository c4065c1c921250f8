"""attributions.h5: hypothetical contributions of windows, their letters and where they lie."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from tfepi.analysis.attribution import contributions
from tfepi.analysis.attribution_outputs import Output
from tfepi.variants.hdf5 import written_hdf5
from tfepi.variants.mutagenesis_sites import Site, Span
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path

NAME, TABLE = "attributions.h5", "windows.tsv"
FORMAT, FORMAT_VERSION = "tfepi-attributions", 1
_CHUNK_BYTES = 1 << 20
_COLUMNS = ("chrom", "start", "end", "strand", "label", "output", "prediction")
_SUMS = ("baseline", "attributed", "gap")


@dataclass(frozen=True)
class AttributedWindow:
    """One window of attributions.h5.

    Attributes:
        number: of the window, from 0.
        chrom: chromosome.
        start: lowest position, 0-based; negative before the chromosome.
        strand: "-" where the sequence is the reverse complement.
        label: of its region or allele, or ".".
        altered: whether it holds another allele than the genome.
        own: its letters, bool [length, 4].
        hypothetical: contributions of each letter, float32 [length, 4, outputs].
    """

    number: int
    chrom: str
    start: int
    strand: str
    label: str
    altered: bool
    own: np.ndarray
    hypothetical: np.ndarray

    @property
    def end(self) -> int:
        """The position behind the highest."""
        return self.start + len(self.own)

    def of(self, output: int) -> np.ndarray:
        """Return what each base contributes to an output: float32 [length]."""
        return contributions(self.own, self.hypothetical[:, :, output])

    def place(self, first: int, length: int) -> int:
        """Return the lowest position of a stretch of the window, 0-based.

        Args:
            first: of its bases, counted along the sequence.
            length: bp.
        """
        return self.start + first if self.strand == "+" else self.end - first - length


@contextmanager
def written_attributions(
    path: Path, sites: Sequence[Site], span: Span, outputs: Sequence[Output], options: dict
) -> Iterator[Callable[[int, dict[str, np.ndarray]], None]]:
    """Yield the function that writes consecutive windows into a new file.

    It takes the number of the first of them, and arrays of seqs, hypothetical, prediction,
    baseline and attributed by name.

    Args:
        path: of the file.
        sites: all windows.
        span: the part of each that is kept.
        outputs: what the last axis holds.
        options: kept as an attribute, JSON.
    """
    count, length, number = len(sites), span.length, len(outputs)
    with written_hdf5(path) as (file, check):
        file.attrs["format"] = FORMAT
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["options"] = json.dumps(options)
        for name, texts in (
            ("chr", [s.chrom for s in sites]),
            ("strand", [s.strand for s in sites]),
            ("label", [s.label or "." for s in sites]),
            ("outputs", [o.name for o in outputs]),
            ("stems", [o.stem for o in outputs]),
        ):
            file[name] = np.array([t.encode() for t in texts])
        file["altered"] = np.array([s.key is not None and s.key.host != "" for s in sites])
        file["start"] = np.array([s.start(span) for s in sites], np.int64)
        file["end"] = file["start"][()] + length
        file.create_dataset("seqs", (count, length, 4), bool)
        rows = max(1, min(length, _CHUNK_BYTES // (16 * number)))
        shape, chunks = (count, length, 4, number), (1, rows, 4, number)
        file.create_dataset("hypothetical", shape, np.float32, chunks=chunks)
        for name in ("prediction", *_SUMS[:2]):
            file.create_dataset(name, (count, number), np.float32)

        def write(first: int, arrays: dict[str, np.ndarray]) -> None:
            part = slice(first, first + len(arrays["seqs"]))
            for name, values in arrays.items():
                file[name][part] = values
            check()

        yield write


def read_windows(path: str | Path) -> Iterator[AttributedWindow]:
    """Yield the windows of an attributions.h5, one at a time.

    Raises:
        InputFileError: another file, or a damaged one.
    """
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("format") != FORMAT:
                raise InputFileError(
                    f"{path} has format {file.attrs.get('format')!r}, want {FORMAT!r}: name the "
                    f"{NAME} of tfepi_attribute.py"
                )
            for i, altered in enumerate(file["altered"][()].tolist()):
                chrom, strand, label = (file[n][i].decode() for n in ("chr", "strand", "label"))
                yield AttributedWindow(
                    i,
                    chrom,
                    int(file["start"][i]),
                    strand,
                    label,
                    altered,
                    file["seqs"][i],
                    file["hypothetical"][i],
                )
    except (OSError, KeyError) as error:
        raise InputFileError(f"cannot read {path} ({error}): make it again") from None


def read_outputs(path: str | Path) -> list[tuple[str, str]]:
    """Return name and stem of the outputs of an attributions.h5."""
    with h5py.File(path, "r") as file:
        return [
            (n.decode(), s.decode()) for n, s in zip(file["outputs"], file["stems"], strict=True)
        ]


def write_table(folder: Path) -> float | None:
    """Write windows.tsv: predictions, and how far contributions sum to their difference.

    Args:
        folder: with attributions.h5.

    Returns:
        The median of |gap| / |prediction − baseline|; None where there are no baselines.
    """
    relative = []
    with (
        h5py.File(folder / NAME, "r") as file,
        atomic_path(folder / TABLE) as part,
        open(part, "w") as table,
    ):
        table.write("\t".join((*_COLUMNS, *_SUMS)) + "\n")
        names = [n.decode() for n in file["outputs"]]
        for i in range(len(file["start"])):
            texts = [file[n][i].decode() for n in ("chr", "strand", "label")]
            where = [texts[0], str(file["start"][i]), str(file["end"][i]), *texts[1:]]
            values = (file[n][i].astype(float) for n in ("prediction", *_SUMS[:2]))
            for name, prediction, baseline, total in zip(names, *values, strict=True):
                gap = total - (prediction - baseline)
                if abs(prediction - baseline) > 0:
                    relative.append(abs(gap / (prediction - baseline)))
                cells = map(_shown, (prediction, baseline, total, gap))
                table.write("\t".join([*where, name, *cells]) + "\n")
    return float(np.median(relative)) if relative else None


def _shown(value: float) -> str:
    return "NA" if np.isnan(value) else f"{value:.6g}"
