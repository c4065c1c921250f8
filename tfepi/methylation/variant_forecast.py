"""How much there is to predict and to write, before any work."""

import logging
from collections.abc import Sequence
from pathlib import Path

from tfepi.methylation.cpgs import CREATED, KEPT, find_cpgs, haplotype
from tfepi.methylation.variant_manifest import MethylationManifest
from tfepi.variants.alleles import AllelePair, Stretches
from tfepi.variants.forecast import check_sizes, log_parts
from tfrecords_tools.genome import Genome

_SAMPLED = 32  # rows of each few thousand
_PART_OVERHEAD = 30_000
_TEXT_BYTES = 0.6  # of a table as compressed text, by those of its numbers
_NOTE_BYTES = 20  # per ALT, compressed
_log = logging.getLogger(__name__)


class Forecast:
    """Expected numbers of pairs of variant and CpG, from rows sampled while a VCF is read.

    Args:
        genome: the FASTA.
        reach: bp from a changed base to the C.
    """

    def __init__(self, genome: Genome, reach: int):
        self._genome, self._reach = genome, reach
        self._sampled = 0
        self._pairs = self._cpgs = self._windows = 0

    def look(self, pairs: Sequence[AllelePair]) -> None:
        """Count the CpGs of some of these rows, and those the row before does not reach."""
        flank = self._reach + 1
        step = max(1, len(pairs) // _SAMPLED)
        some = range(0, len(pairs), step)
        spans = (
            (p.chrom, p.position - flank, p.position + len(p.host) + flank)
            for p in (pairs[i] for i in some)
        )
        read = Stretches(self._genome, spans)
        for i in some:
            pair = pairs[i]
            sides = (haplotype(read, pair, a, flank) for a in (pair.ref, pair.alt))
            cpgs = find_cpgs(*sides, pair, flank, self._reach)
            before = pairs[i - 1] if i else None
            fresh = cpgs.kind != CREATED
            if before is not None and before.chrom == pair.chrom:
                fresh &= cpgs.position > before.position + self._reach
            self._sampled += 1
            self._pairs += int(cpgs.counts[KEPT])
            self._cpgs += len(cpgs.kind)
            self._windows += int(cpgs.counts[KEPT] + cpgs.counts[CREATED] + fresh.sum())

    def report(self, folder: Path, manifest: MethylationManifest, todo: int, final: bool) -> None:
        """Log the forecast, and refuse a disk that is too small.

        Args:
            folder: where the results go.
            manifest: of the run.
            todo: parts still to write.
            final: whether the final files are written too.

        Raises:
            ConfigError: too small a disk, with both sizes.
        """
        survey, tasks = manifest.survey, len(manifest.targets)
        rows, share = survey.rows, todo / max(1, manifest.chunks)
        times = rows / max(1, self._sampled)
        names = min(sum(survey.widths.values()), 64)
        table = rows * (names + 50 + 16 * tasks)
        held = rows * (names + 50 + 16 * tasks)
        sizes = {"variants.parquet": table, "variants.tsv.gz": _TEXT_BYTES * table}
        if manifest.scoring.pairs:
            sizes["pairs.parquet"] = self._cpgs * times * (16 + 12 * tasks)
            held += self._cpgs * times * (16 + 8 * tasks)
        sizes["variants.vcf.gz"] = manifest.inputs["vcf"]["size"] + rows * _NOTE_BYTES
        part = held / max(1, manifest.chunks) + _PART_OVERHEAD
        log_parts(manifest, todo, part)
        _log.info(
            "about %.3g pairs of variant and CpG, %.3g windows to predict",
            self._pairs * times * share,
            self._windows * times * share,
        )
        check_sizes(folder, todo * part, sizes if final else {})
