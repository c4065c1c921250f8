"""Which final files the scores of a VCF's variants get."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfepi.variants.annotate import ANNOTATED, index_name, write_annotated
from tfepi.variants.manifest import Manifest
from tfepi.variants.output import TABLE, PartFolder, write_scores, write_table
from tfepi.variants.summary_table import NAME as SUMMARY
from tfepi.variants.summary_table import write_summary
from tfepi.variants.zarr_output import NAME as ZARR
from tfepi.variants.zarr_output import check_zarr, write_zarr
from tfrecords_tools.errors import ConfigError, unknown

DEFAULT = ("h5", "parquet", "vcf")


@dataclass(frozen=True)
class Format:
    """A final file.

    Attributes:
        names: manifest → its name, and those of what lies beside it.
        write: (path, manifest, part folder, VCF) → writes it.
    """

    names: Callable[[Manifest], tuple[str, ...]]
    write: Callable[[Path, Manifest, PartFolder, str | Path], None]


def _only(name: str, write: Callable[[Path, Manifest, PartFolder], None]) -> Format:
    """Return a format of one file, for which the VCF is not needed."""
    return Format(lambda m: (name,), lambda path, m, folder, vcf: write(path, m, folder))


FORMATS = {
    "h5": Format(lambda m: (m.scoring.file,), lambda p, m, folder, vcf: write_scores(p, m, folder)),
    "parquet": _only(TABLE, write_table),
    "vcf": Format(lambda m: (ANNOTATED, index_name(m)), write_annotated),
    "zarr": _only(ZARR, write_zarr),
    "summary": _only(SUMMARY, write_summary),
}


def parse_formats(text: str) -> tuple[str, ...]:
    """Return the formats of a text "h5,parquet".

    Raises:
        ConfigError: as `check_formats`.
    """
    names = tuple(name.strip() for name in text.split(","))
    check_formats(names)
    return names


def check_formats(names: Sequence[str]) -> None:
    """Check names of formats, and that what writes them is installed.

    Raises:
        ConfigError: none, an unknown one, one named twice, or zarr where it is not installed.
    """
    for name in names:
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if not names or len(set(names)) < len(names):
        raise ConfigError(f"formats are {','.join(names)!r}: want different ones, as h5,parquet")
    if "zarr" in names:
        check_zarr()
