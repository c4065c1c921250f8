"""What variants are matched on: distance to the nearest TSS or peak, allele frequency, LD score."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.analysis.gene_files import STRANDS, read_genes
from tfepi.analysis.tss import start_sites
from tfepi.association.columns import header, parse
from tfepi.association.joining import plain_chromosome, positions
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.intervals import Interval, merged, read_bed

TSS, PEAK, FREQUENCY, LD = "TSS distance", "peak distance", "allele frequency", "LD score"
_LD_NAMES = ("l2", "basel2", "ld", "ldscore", "ld_score")
_NO_SCORE = ("chr", "snp", "bp", "cm", "maf")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureFiles:
    """Files that say where variants lie.

    Attributes:
        tss: GTF, GFF3 or BED of genes.
        peaks: BED.
        ld_scores: tables of LD scores, .l2.ldscore.gz.
    """

    tss: str | None = None
    peaks: str | None = None
    ld_scores: tuple[str, ...] = ()

    def files(self) -> dict[str, Path]:
        """Return label → path of every file, which exists."""
        found = {n: existing(p, n) for n, p in (("tss", self.tss), ("peaks", self.peaks)) if p}
        tables = {f"ld_scores {n}": p for n, p in enumerate(self.ld_scores, 1)}
        return found | {n: existing(p, "LD scores") for n, p in tables.items()}


def features_of(table: pd.DataFrame, files: FeatureFiles) -> dict[str, np.ndarray]:
    """Return the features of variants that are known of any, float64 [variants], NaN where not.

    Distances are in bp from the variant's first base to the nearest start site of any transcript,
    or to the nearest base of a peak (0 inside). A file takes the place of a column.

    Args:
        table: columns chrom, pos (1-based), id, distance, frequency, ld_score.
        files: of start sites, peaks and LD scores.
    """
    found = {}
    if files.tss is not None:
        found[TSS] = nearest(table, _starts(files.tss), files.tss)
    elif table["distance"].notna().any():
        found[TSS] = table["distance"].to_numpy(float)
    if files.peaks is not None:
        found[PEAK] = nearest(table, read_bed(files.peaks), files.peaks)
    if table["frequency"].notna().any():
        found[FREQUENCY] = table["frequency"].to_numpy(float)
    if files.ld_scores:
        found[LD] = _ld_scores(table, files.ld_scores)
    elif table["ld_score"].notna().any():
        found[LD] = table["ld_score"].to_numpy(float)
    return found


def nearest(table: pd.DataFrame, places: Iterable[Interval], where: object) -> np.ndarray:
    """Return how far variants' first bases are from the nearest interval: float64 [variants], bp.

    Args:
        table: columns chrom, pos (1-based).
        places: intervals; those without a base are left out.
        where: they are from, for messages.

    Returns:
        0 inside, 1 at the next base, NaN on a chromosome without any.

    Raises:
        InputFileError: on no chromosome of the variants is there an interval.
    """
    regions = merged(Interval(plain_chromosome(i.chrom), i.start, i.end) for i in places)
    found = np.full(len(table), np.nan)
    chrom, pos = table["chrom"].astype("category").cat, table["pos"].to_numpy(np.int64) - 1
    for number, name in enumerate(chrom.categories):
        rows = np.flatnonzero(chrom.codes == number)
        spans = regions.get(plain_chromosome(name))
        if spans is None or not len(rows):
            continue
        after = np.searchsorted(spans[:, 0], pos[rows], side="right")
        left = np.where(after > 0, pos[rows] - spans[np.maximum(after - 1, 0), 1] + 1, 1 << 40)
        behind = spans[np.minimum(after, len(spans) - 1), 0] - pos[rows]
        right = np.where(after < len(spans), behind, 1 << 40)
        found[rows] = np.minimum(np.maximum(left, 0), right)
    if np.isnan(found).all():
        ours = ", ".join(map(str, chrom.categories[:3]))
        raise InputFileError(
            f"{where} has nothing on the chromosomes of the variants ({ours} …), but on "
            f"{', '.join(list(regions)[:3])} …: is it of the same genome?"
        )
    return found


def _starts(path: str) -> list[Interval]:
    genes = read_genes(path)
    known = [g for g in genes if g.strand in STRANDS or g.end - g.start == 1]
    if not known:
        raise InputFileError(
            f"{path}: no gene has a strand, so that it is not known where it begins: want + or - "
            "(column 6 of a BED)"
        )
    if len(known) < len(genes):
        _log.warning(
            "%s: %d of %d genes have no strand and are left out",
            *(path, len(genes) - len(known), len(genes)),
        )
    sites = (s for g in known for s in start_sites(g, "each"))
    return [Interval(s.chrom, s.position, s.position + 1) for s in sites]


def _ld_scores(table: pd.DataFrame, paths: Sequence[str]) -> np.ndarray:
    """Return LD scores by name of the SNP or by position, whichever finds more."""
    scores = pd.concat([_ld_table(path) for path in paths])
    named = scores.drop_duplicates("snp").set_index("snp")["ld_score"]
    by_name = named.reindex(table["id"].astype("str")).to_numpy(float)
    ours, theirs = positions(table, scores)
    placed = pd.Series(scores["ld_score"].to_numpy(), theirs)
    by_place = placed[~placed.index.duplicated()].reindex(ours).to_numpy(float)
    names, places = (int(np.isfinite(v).sum()) for v in (by_name, by_place))
    if not max(names, places):
        raise InputFileError(
            f"LD scores {paths[0]} …: no variant is there, by name or position: are they of the "
            "same assembly, or have the scored variants names (rs…)?"
        )
    _log.info(
        "LD scores: %d of %d variants found by %s",
        *(max(names, places), len(table), "name" if names > places else "position"),
    )
    return by_name if names > places else by_place


def _ld_table(path: str) -> pd.DataFrame:
    names, separator, line = header(existing(path, "LD scores"))
    lower = [n.lower() for n in names]
    missing = [n.upper() for n in ("chr", "snp", "bp") if n not in lower]
    if missing:
        raise InputFileError(
            f"LD scores {path} have no column {', '.join(missing)}: want CHR, SNP, BP, L2 as "
            "LD score regression writes them"
        )
    others = [n for n in lower if n not in _NO_SCORE]
    own = next((n for n in _LD_NAMES if n in others), others[0] if len(others) == 1 else None)
    if own is None:
        raise ConfigError(
            f"LD scores {path} have {len(others)} columns of scores and none is called L2 or "
            "baseL2: give those of all SNPs"
        )
    read = {"chrom": "chr", "snp": "snp", "pos": "bp", "ld_score": own}
    return parse(Path(path), {n: lower.index(c) for n, c in read.items()}, separator, line)
