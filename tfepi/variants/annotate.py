"""The VCF that came in, with scores in INFO: bgzip-compressed, tabix-indexed."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pysam

from tfepi.variants.disk import full_disk
from tfepi.variants.manifest import Manifest
from tfepi.variants.output import PartFolder
from tfepi.variants.parts import opened_part
from tfepi.variants.scores import NO_EFFECT, PREDICTIONS
from tfepi.variants.vcf import header_text, records
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path

ANNOTATED = "scores.vcf.gz"
_TAG = "TFEPI_"
_TABIX_LIMIT = 1 << 29
_INFO = 7

Notes = Mapping[int, Mapping[tuple[str, int], str]]
"""Record → (field, number of the ALT) → text; what is left out is "."."""


@dataclass(frozen=True)
class InfoField:
    """A field of INFO with one value per ALT.

    Attributes:
        name: its ID.
        kind: Float, Integer or String.
        description: in words.
    """

    name: str
    kind: str
    description: str


def index_name(manifest: Manifest, vcf: str = ANNOTATED) -> str:
    """Return the index's name: .tbi, or .csi where a chromosome is beyond tabix's 512 Mb."""
    longest = max(manifest.survey.chroms.values())
    return f"{vcf}.csi" if longest > _TABIX_LIMIT else f"{vcf}.tbi"


def write_annotated(path: Path, manifest: Manifest, folder: PartFolder, vcf: str | Path) -> None:
    """Write the VCF with each ALT's score in the target where it is largest, and that target.

    For each statistic but REF and ALT: `TFEPI_<STAT>` (Float) and `TFEPI_<STAT>_TARGET`
    (String).

    Raises:
        InputFileError: the VCF ends before the scores do.
    """
    stats = [s for s in manifest.scoring.stats if s not in PREDICTIONS]
    names = [info_text(t.identifier) for t in manifest.targets]
    fields = []
    for stat in stats:
        about = f"{stat}, ALT against REF, of the target with the largest effect"
        fields.append(InfoField(f"{_TAG}{stat}", "Float", about))
        fields.append(InfoField(f"{_TAG}{stat}_TARGET", "String", f"Target of {_TAG}{stat}"))
    write_info(
        path, manifest, folder, vcf, _TAG, fields, lambda part: _score_notes(part, stats, names)
    )


def write_info(
    path: Path,
    manifest: Manifest,
    folder: PartFolder,
    vcf: str | Path,
    tag: str,
    fields: Sequence[InfoField],
    notes: Callable[[h5py.File], Notes],
) -> None:
    """Write the VCF with more in INFO.

    Fields of an earlier run, which begin with the tag, are replaced; everything else stays as it
    was.

    Args:
        path: of the file; its index lies beside it.
        manifest: of the run.
        folder: which folder holds a part.
        vcf: what came in.
        tag: what every field's name begins with.
        fields: what is added, to records that have notes.
        notes: what a part says of its records.

    Raises:
        InputFileError: the VCF ends before the parts do.
    """
    incoming = records(vcf)
    with atomic_path(path) as temporary, full_disk(path):
        with pysam.BGZFile(str(temporary), "wb") as out:
            out.write(_header(header_text(vcf), manifest, tag, fields).encode())
            for number in range(manifest.chunks):
                with opened_part(folder(number), manifest, number) as part:
                    found = notes(part)
                first = number * manifest.chunk_records
                last = min(first + manifest.chunk_records, manifest.survey.records)
                for row in range(first, last):
                    record = next(incoming, None)
                    if record is None:
                        raise InputFileError(f"{vcf} ends after {row} records: it has changed")
                    out.write(_line(record, found.get(row), tag, fields).encode())
        index = path.with_name(index_name(manifest, path.name))
        with atomic_path(index) as temporary_index:
            pysam.tabix_index(
                str(temporary),
                preset="vcf",
                force=True,
                keep_original=True,
                index=str(temporary_index),
                csi=index.suffix == ".csi",
            )


def _header(text: str, manifest: Manifest, tag: str, fields: Sequence[InfoField]) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(f"##INFO=<ID={tag}")]
    columns = lines.pop()
    for chrom, length in manifest.survey.chroms.items():
        if not any(re.match(rf"##contig=<ID={re.escape(chrom)}[,>]", line) for line in lines):
            lines.append(f"##contig=<ID={chrom},length={length}>")
    for f in fields:
        about = f'Number=A,Type={f.kind},Description="{f.description}"'
        lines.append(f"##INFO=<ID={f.name},{about}>")
    return "\n".join([*lines, columns]) + "\n"


def _score_notes(part: h5py.File, stats: list[str], names: list[str]) -> Notes:
    found: dict[int, dict[tuple[str, int], str]] = {}
    keys = list(zip(part["record"][()].tolist(), part["number"][()].tolist(), strict=True))
    for stat in stats:
        values = part[stat][()]
        sizes = np.where(np.isnan(values), -1, np.abs(values - NO_EFFECT.get(stat, 0)))
        best = sizes.argmax(axis=1)
        for i, (record, number) in enumerate(keys):
            notes, value = found.setdefault(record, {}), values[i, best[i]]
            if not np.isnan(value):
                notes[f"{_TAG}{stat}", number] = f"{value:.6g}"
                notes[f"{_TAG}{stat}_TARGET", number] = names[best[i]]
    return found


def _line(
    record: pysam.VariantRecord,
    notes: Mapping[tuple[str, int], str] | None,
    tag: str,
    fields: Sequence[InfoField],
) -> str:
    columns = str(record).rstrip("\n").split("\t")
    info = [f for f in columns[_INFO].split(";") if f != "." and not f.startswith(tag)]
    if notes is not None:
        for f in fields:
            cells = (notes.get((f.name, n), ".") for n in range(len(record.alts)))
            info.append(f"{f.name}=" + ",".join(cells))
    columns[_INFO] = ";".join(info) or "."
    return "\t".join(columns) + "\n"


def info_text(text: str) -> str:
    """Return a text without what separates INFO fields."""
    return re.sub(r"[\s;,=]", "_", text)
