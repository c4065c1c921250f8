"""The VCF that came in, with scores in INFO: bgzip-compressed, tabix-indexed."""

import re
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
INDEX = f"{ANNOTATED}.tbi"
_TAG = "TFEPI_"
_TABIX_LIMIT = 1 << 29
_INFO = 7


def index_name(manifest: Manifest) -> str:
    """Return the index's name: .tbi, or .csi where a chromosome is beyond tabix's 512 Mb."""
    longest = max(manifest.survey.chroms.values())
    return f"{ANNOTATED}.csi" if longest > _TABIX_LIMIT else INDEX


def write_annotated(path: Path, manifest: Manifest, folder: PartFolder, vcf: str | Path) -> None:
    """Write the VCF with each ALT's score in the target where it is largest, and that target.

    For each statistic but REF and ALT: `TFEPI_<STAT>` (Number=A, Float) and
    `TFEPI_<STAT>_TARGET` (Number=A, String); "." for an ALT that was not scored. Such fields
    of an earlier run are replaced; everything else stays as it was.

    Raises:
        InputFileError: the VCF ends before the scores do.
    """
    stats = [s for s in manifest.scoring.stats if s not in PREDICTIONS]
    names = [_info_text(t.identifier) for t in manifest.targets]
    incoming = records(vcf)
    with atomic_path(path) as temporary, full_disk(path):
        with pysam.BGZFile(str(temporary), "wb") as out:
            out.write(_header(header_text(vcf), manifest, stats).encode())
            for number in range(manifest.chunks):
                with opened_part(folder(number), manifest, number) as part:
                    notes = _notes(part, stats, names)
                first = number * manifest.chunk_records
                last = min(first + manifest.chunk_records, manifest.survey.records)
                for row in range(first, last):
                    record = next(incoming, None)
                    if record is None:
                        raise InputFileError(f"{vcf} ends after {row} records: it has changed")
                    out.write(_line(record, notes.get(row, {}), stats).encode())
        index = path.with_name(index_name(manifest))
        with atomic_path(index) as temporary_index:
            pysam.tabix_index(
                str(temporary),
                preset="vcf",
                force=True,
                keep_original=True,
                index=str(temporary_index),
                csi=index.suffix == ".csi",
            )


def _header(text: str, manifest: Manifest, stats: list[str]) -> str:
    lines = [line for line in text.splitlines() if not line.startswith(f"##INFO=<ID={_TAG}")]
    columns = lines.pop()
    for chrom, length in manifest.survey.chroms.items():
        if not any(re.match(rf"##contig=<ID={re.escape(chrom)}[,>]", line) for line in lines):
            lines.append(f"##contig=<ID={chrom},length={length}>")
    for stat in stats:
        lines.append(
            f"##INFO=<ID={_TAG}{stat},Number=A,Type=Float,"
            f'Description="{stat}, ALT against REF, of the target with the largest effect">'
        )
        lines.append(
            f"##INFO=<ID={_TAG}{stat}_TARGET,Number=A,Type=String,"
            f'Description="Target of TFEPI_{stat}">'
        )
    return "\n".join([*lines, columns]) + "\n"


def _notes(
    part: h5py.File, stats: list[str], names: list[str]
) -> dict[int, dict[tuple[str, int], tuple[str, str]]]:
    """Return record → (statistic, ALT number) → its score and target, as INFO text."""
    found: dict[int, dict[tuple[str, int], tuple[str, str]]] = {}
    keys = list(zip(part["record"][()].tolist(), part["number"][()].tolist(), strict=True))
    for stat in stats:
        values = part[stat][()]
        sizes = np.where(np.isnan(values), -1, np.abs(values - NO_EFFECT.get(stat, 0)))
        best = sizes.argmax(axis=1)
        for i, (record, number) in enumerate(keys):
            value = values[i, best[i]]
            text = (".", ".") if np.isnan(value) else (f"{value:.6g}", names[best[i]])
            found.setdefault(record, {})[stat, number] = text
    return found


def _line(
    record: pysam.VariantRecord,
    notes: dict[tuple[str, int], tuple[str, str]],
    stats: list[str],
) -> str:
    fields = str(record).rstrip("\n").split("\t")
    info = [f for f in fields[_INFO].split(";") if f != "." and not f.startswith(_TAG)]
    if notes:
        missing = (".", ".")
        for stat in stats:
            cells = [notes.get((stat, n), missing) for n in range(len(record.alts))]
            info.append(f"{_TAG}{stat}=" + ",".join(c[0] for c in cells))
            info.append(f"{_TAG}{stat}_TARGET=" + ",".join(c[1] for c in cells))
    fields[_INFO] = ";".join(info) or "."
    return "\t".join(fields) + "\n"


def _info_text(text: str) -> str:
    """Return a text without what separates INFO fields."""
    return re.sub(r"[\s;,=]", "_", text)
