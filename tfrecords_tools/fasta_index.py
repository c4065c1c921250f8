"""The index of a FASTA, made where it is missing or older than the FASTA."""

import contextlib
import gzip
import logging
import os
import tempfile
import zlib
from pathlib import Path

import pysam

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.htslib import quiet_htslib

log = logging.getLogger(__name__)


class FastaIndex:
    """The .fai of a FASTA and, of a bgzip, the .gzi.

    Args:
        path: the FASTA.
        packed: whether it is a bgzip.
        scratch: folder for an index that cannot lie beside the FASTA; else a temporary one.

    Attributes:
        fai: path.
        gzi: path, or None.

    Raises:
        InputFileError: a FASTA that cannot be indexed, or is truncated against its index;
            duplicate names.
    """

    def __init__(self, path: Path, packed: bool, scratch: Path | None = None):
        self._path, self._packed = path, packed
        self._made: list[Path] = []
        files = self._files(self._path.parent)
        current = self._current(files)
        if not current and not os.access(self._path.parent, os.W_OK):
            if scratch is None:
                self._temporary = tempfile.TemporaryDirectory(prefix="tfepi-fai-")
                scratch = Path(self._temporary.name)
            files = self._files(scratch)
            current = self._current(files)
        if not current:
            self._write(*files)
            self._made = files
        if not packed and not self._matches(files[0]):
            raise InputFileError(
                f"{self._path} does not have the size its index {files[0]} says: the FASTA is "
                "truncated or the index is another file's; fetch the FASTA again or remove the "
                "index"
            )
        self.fai, self.gzi = str(files[0]), str(files[1]) if packed else None

    def remove(self) -> None:
        """Remove what was made."""
        for index in self._made:
            index.unlink(missing_ok=True)

    def _files(self, folder: Path) -> list[Path]:
        suffixes = (".fai", ".gzi") if self._packed else (".fai",)
        return [folder / f"{self._path.name}{suffix}" for suffix in suffixes]

    def _current(self, files: list[Path]) -> bool:
        """Tell whether an index is there and none of its files is older than the FASTA."""
        if not all(f.exists() for f in files):
            return False
        written = self._path.stat().st_mtime_ns
        older = [f for f in files if f.stat().st_mtime_ns < written]
        if older:
            log.info("%s is older than its FASTA: indexing that again", older[0])
        return not older

    def _write(self, fai: Path, gzi: Path | None = None) -> None:
        """Write the index; htslib drops repeated names with a warning only, here it is an error."""
        with contextlib.ExitStack() as stack:
            part = stack.enter_context(atomic_path(fai))
            extra = ["--gzi-idx", str(stack.enter_context(atomic_path(gzi)))] if gzi else []
            try:
                with quiet_htslib():
                    pysam.faidx("--fai-idx", str(part), *extra, str(self._path))
            except pysam.SamtoolsError:
                raise InputFileError(
                    f"cannot index FASTA {self._path}: its lines are of unequal length or the file "
                    "is truncated or damaged; fetch it again"
                ) from None
            headers = self._headers()
            indexed = len(part.read_text().splitlines())
            if headers != indexed:
                raise InputFileError(
                    f"{self._path} has {headers} sequences but only {indexed} different names: "
                    "rename the duplicates"
                )
        written = self._path.stat().st_mtime_ns
        for file in filter(None, (fai, gzi)):  # a FASTA may be dated ahead of this clock
            if file.stat().st_mtime_ns < written:
                os.utime(file, ns=(written, written))

    def _headers(self) -> int:
        """Count the lines that begin a sequence."""
        headers, last = 0, b"\n"
        try:
            with (gzip.open if self._packed else open)(self._path, "rb") as handle:
                while chunk := handle.read(1 << 24):
                    headers += (last + chunk).count(b"\n>")
                    last = chunk[-1:]
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise InputFileError(f"FASTA {self._path} is damaged: fetch it again") from None
        return headers

    def _matches(self, fai: Path) -> bool:
        """Tell whether a plain file's size agrees with its index."""
        size = os.path.getsize(self._path)
        end = 0
        with open(fai) as handle:
            for line in handle:
                try:
                    length, offset, bases, width = map(int, line.split("\t")[1:5])
                except ValueError:
                    return False
                if length:
                    end = max(
                        end, offset + (length - 1) // bases * width + (length - 1) % bases + 1
                    )
        return end <= size <= end + 64  # a few empty lines may follow
