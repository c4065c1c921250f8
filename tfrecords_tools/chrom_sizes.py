"""Tables of chromosomes and their lengths."""

from pathlib import Path

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing


def read_sizes(path: str | Path) -> dict[str, int]:
    """Return chromosome → length of a two-column table, a .fai, or a FASTA that has one.

    Raises:
        InputFileError: missing, a line that is none, or two lengths of a chromosome.
    """
    path = existing(path, "table of chromosome lengths")
    index = path.with_name(path.name + ".fai")
    path = index if index.exists() else path
    sizes = {}
    with open(path, encoding="utf-8", errors="replace") as handle:
        for number, line in enumerate(handle, 1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) < 2 or not fields[1].isdecimal() or not int(fields[1]):
                raise InputFileError(
                    f"{path} line {number} is no chromosome and length: {line.strip()[:60]!r}; "
                    "want a .fai or a chrom.sizes table"
                )
            name, length = fields[0], int(fields[1])
            if sizes.setdefault(name, length) != length:
                raise InputFileError(
                    f"{path} line {number} says {name} has {length} bp, a line before "
                    f"{sizes[name]}: keep one"
                )
    if not sizes:
        raise InputFileError(f"{path} has no chromosome")
    return sizes
