"""How large the results of scoring will be, before any work."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tfepi.variants import formats
from tfepi.variants.manifest import Manifest
from tfepi.variants.output import tabled
from tfepi.variants.parts import score_shape
from tfepi.variants.percentiles import PERCENTILES
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_room, shown_size

_PART_OVERHEAD = 20_000
_COMPRESSION = 0.2  # bgzip of the records' own text
_NOTE_BYTES = 6  # per ALT and statistic, compressed
_SUMMARY_BYTES = 20  # per row and statistic: four numbers, and which target

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forecast:
    """Expected sizes, before compression of numbers: files are a little smaller.

    Attributes:
        rows: pairs of REF and ALT.
        files: name → bytes of the final files.
        part: bytes of one part, on average.
        parts: how many there are.
    """

    rows: int
    files: dict[str, int]
    part: int
    parts: int = 0

    @classmethod
    def of(cls, manifest: Manifest, chosen: Sequence[str] = formats.DEFAULT) -> "Forecast":
        """Return the sizes a manifest leads to.

        Args:
            manifest: of the run.
            chosen: formats of the final files.
        """
        survey, targets = manifest.survey, len(manifest.targets)
        stats = manifest.scoring.stats
        cells = dict.fromkeys(stats, 4)
        for name in stats:
            for size in score_shape(manifest, name):
                cells[name] *= size
        numbers = tabled(manifest)
        names = sum(survey.widths.values())
        text = 4 + min(names, 64)
        scores = survey.rows * (sum(cells.values()) + text)
        percentiles = len(numbers) * targets * len(PERCENTILES) * 4
        size = manifest.inputs["vcf"]["size"]
        plain = size * (1 if manifest.vcf.endswith(("gz", "bcf")) else _COMPRESSION)
        sizes = {
            "h5": scores + percentiles + _PART_OVERHEAD,
            "parquet": survey.rows * (sum(cells[n] for n in numbers) + text) + _PART_OVERHEAD,
            "vcf": round(plain + survey.rows * len(numbers) * _NOTE_BYTES),
            "zarr": scores + _PART_OVERHEAD,
            "summary": survey.rows * (_SUMMARY_BYTES * len(numbers) + text) + _PART_OVERHEAD,
        }
        return cls(
            rows=survey.rows,
            files={formats.FORMATS[name].names(manifest)[0]: sizes[name] for name in chosen},
            part=scores // manifest.chunks + _PART_OVERHEAD,
            parts=manifest.chunks,
        )

    @property
    def peak(self) -> int:
        """Bytes on disk when the last file is written: parts are removed after it."""
        return self.part * self.parts + sum(self.files.values())

    def text(self) -> str:
        """Return the forecast for a person, a line per file."""
        lines = [f"{number_of(self.rows, 'row')} to score"]
        lines += [f"{name}\t{shown_size(size)}" for name, size in self.files.items()]
        lines.append(f"parts, until the end\t{shown_size(self.part * self.parts)}")
        lines.append(f"in all\t{shown_size(self.peak)}")
        return "\n".join(lines)

    def report(self, folder: Path, manifest: Manifest, todo: int, final: bool) -> float:
        """Log the forecast, and refuse a disk that is too small.

        Args:
            folder: where the results go.
            manifest: of the run.
            todo: parts still to write.
            final: whether the final files are written too.

        Returns:
            Bytes of what is left in the end: the final files, or a shard's parts.

        Raises:
            ConfigError: too small a disk, with both sizes.
        """
        log_parts(manifest, todo, self.part)
        check_sizes(folder, todo * self.part, self.files if final else {})
        return sum(self.files.values()) if final else todo * self.part


def log_parts(manifest, todo: int, part: float) -> None:
    """Log how many records and rows there are, and the parts to write.

    Args:
        manifest: of the run, with `survey` and `chunks`.
        todo: parts still to write.
        part: bytes of each.
    """
    survey = manifest.survey
    _log.info(
        "%s, %s to score, %d skipped; %d of %s to write, %s each",
        number_of(survey.records, "record"),
        number_of(survey.rows, "row"),
        survey.skipped,
        todo,
        number_of(manifest.chunks, "part"),
        shown_size(part),
    )


def check_sizes(folder: Path, parts: float, files: Mapping[str, float]) -> None:
    """Log the sizes of the final files, and refuse a disk that cannot hold them and the parts.

    Args:
        folder: where they go.
        parts: bytes of the parts still to write.
        files: name → bytes; none where only parts are written.

    Raises:
        ConfigError: too small a disk, with both sizes.
    """
    if files:
        sizes = ", ".join(f"{name} {shown_size(size)}" for name, size in files.items())
        _log.info("expected sizes: %s", sizes)
    check_room(folder, parts + sum(files.values()))
