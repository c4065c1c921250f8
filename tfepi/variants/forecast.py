"""How large the results of scoring will be, before any work."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tfepi.variants.annotate import ANNOTATED
from tfepi.variants.manifest import Manifest
from tfepi.variants.output import TABLE
from tfepi.variants.parts import score_shape
from tfepi.variants.percentiles import PERCENTILES
from tfepi.variants.scores import PREDICTIONS
from tfrecords_tools.output import check_room, shown_size

_PART_OVERHEAD = 20_000
_COMPRESSION = 0.2  # bgzip of the records' own text
_NOTE_BYTES = 6  # per ALT and statistic, compressed

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forecast:
    """Expected sizes.

    Attributes:
        rows: pairs of REF and ALT.
        files: name → bytes of the final files.
        part: bytes of one part, on average.
    """

    rows: int
    files: dict[str, int]
    part: int

    @classmethod
    def of(cls, manifest: Manifest) -> "Forecast":
        """Return the sizes a manifest leads to."""
        survey, targets = manifest.survey, len(manifest.targets)
        stats = manifest.scoring.stats
        cells = dict.fromkeys(stats, 4)
        for name in stats:
            for size in score_shape(manifest, name):
                cells[name] *= size
        tabled = [name for name in stats if name not in PREDICTIONS]
        names = sum(survey.widths.values())
        text = 4 + min(names, 64)
        scores = survey.rows * (sum(cells.values()) + text)
        percentiles = len(tabled) * targets * len(PERCENTILES) * 4
        size = manifest.inputs["vcf"]["size"]
        plain = size * (1 if manifest.vcf.endswith(("gz", "bcf")) else _COMPRESSION)
        return cls(
            rows=survey.rows,
            files={
                manifest.scoring.file: scores + percentiles + _PART_OVERHEAD,
                TABLE: survey.rows * (sum(cells[n] for n in tabled) + text) + _PART_OVERHEAD,
                ANNOTATED: round(plain + survey.rows * len(tabled) * _NOTE_BYTES),
            },
            part=scores // manifest.chunks + _PART_OVERHEAD,
        )

    def report(self, folder: Path, manifest: Manifest, todo: int, final: bool) -> None:
        """Log the forecast, and refuse a disk that is too small.

        Args:
            folder: where the results go.
            manifest: of the run.
            todo: parts still to write.
            final: whether the final files are written too.

        Raises:
            ConfigError: too small a disk, with both sizes.
        """
        log_parts(manifest, todo, self.part)
        check_sizes(folder, todo * self.part, self.files if final else {})


def log_parts(manifest, todo: int, part: float) -> None:
    """Log how many records and rows there are, and the parts to write.

    Args:
        manifest: of the run, with `survey` and `chunks`.
        todo: parts still to write.
        part: bytes of each.
    """
    survey = manifest.survey
    _log.info(
        "%d records, %d rows to score, %d skipped; %d of %d parts to write, %s each",
        survey.records,
        survey.rows,
        survey.skipped,
        todo,
        manifest.chunks,
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
