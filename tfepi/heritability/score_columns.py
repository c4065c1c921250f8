"""Annotations of variant scores: how large a variant's predicted effect is, and whether it is high.

A SNP that was not scored has 0 everywhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from tfepi.heritability.regions import safe_name
from tfepi.variants.score_file import ScoreFile
from tfrecords_tools.errors import ConfigError, unknown

MOST_TARGETS = 50  # annotations that one regression takes, or more than it can tell apart
_ROWS = 1 << 20


@dataclass(frozen=True)
class ScoreColumns:
    """Scored variants and their annotations.

    Attributes:
        variants: columns chrom (category), pos (1-based), id, ref, alt; one row each.
        columns: name → value of each variant; 0 and 1 in int8, sizes of effects in float32.
        thresholds: name of a binary annotation → smallest |score| in it.
        known: which variants have a score of every chosen target, bool [variants].
    """

    variants: pd.DataFrame
    columns: dict[str, np.ndarray]
    thresholds: dict[str, float]
    known: np.ndarray

    def of(self, row: np.ndarray) -> dict[str, np.ndarray]:
        """Return the columns for SNPs, by the row of each one's variant, −1 for none: [SNPs]."""
        return {
            name: np.where(row >= 0, values[row], values.dtype.type(0))
            for name, values in self.columns.items()
        }


def read_score_columns(
    path: str | Path,
    stat: str,
    targets: Sequence[str],
    tops: Sequence[float],
    sizes: bool = False,
) -> ScoreColumns:
    """Read the scores of a folder of `tfepi_variants.py` as annotations.

    Args:
        path: of the folder, or its scores.h5.
        stat: which statistic.
        targets: identifiers; none: all.
        tops: shares of the variants with the largest |score|, a binary annotation each.
        sizes: |score| itself is an annotation too.

    Raises:
        ConfigError: an unknown target, too many, a share out of range, or nothing to annotate.
        InputFileError: as `ScoreFile.of`.
    """
    if any(not 0 < top < 1 for top in tops):
        raise ConfigError(f"top shares are {tuple(tops)}: want numbers between 0 and 1")
    if not (tops or sizes):
        raise ConfigError("scores have no annotation without top shares and sizes: give one")
    file = ScoreFile.of(path, stat)
    chosen = list(dict.fromkeys(targets)) or file.names
    for name in chosen:
        if name not in file.names:
            raise unknown("target", name, file.names, f"of {file.path}")
    if len(chosen) > MOST_TARGETS:
        raise ConfigError(
            f"{file.path} has {len(chosen)} targets, more annotations than one regression can tell "
            f"apart (at most {MOST_TARGETS}): name some with --targets"
        )
    columns, thresholds, known = {}, {}, np.ones(file.rows, bool)
    for name, score in _sizes(file, chosen):
        known &= ~np.isnan(score)
        if not (score > 0).any():
            raise ConfigError(f"no variant of {file.path} has a {stat} of {name} other than 0")
        safe = safe_name(name)
        for top in tops:
            label = f"{safe}_top{100 * top:g}"
            thresholds[label] = float(np.nanquantile(score, 1 - top))
            columns[label] = ((score >= thresholds[label]) & (score > 0)).astype(np.int8)
        if sizes:
            columns[safe] = np.nan_to_num(score)
    wanted = len(chosen) * (len(set(tops)) + sizes)
    if len(columns) < wanted:
        raise ConfigError("two targets would give annotations with one name: choose one of them")
    return ScoreColumns(_variants(file), columns, thresholds, known)


def _sizes(file: ScoreFile, chosen: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield each target's |score| of all variants, float32, reading tracks that lie together."""
    together = max(1, file.tracks_per_chunk)
    for low in range(0, len(file.targets), together):
        tracks = range(low, min(low + together, len(file.targets)))
        names = [n for n in file.names[tracks.start : tracks.stop] if n in chosen]
        if not names:
            continue
        held = np.empty((file.rows, len(names)), np.float32)
        at = [file.names.index(n) - low for n in names]
        for row, values in file.columns(tracks):
            held[row : row + len(values)] = np.abs(values[:, at])
        yield from zip(names, held.T, strict=True)


def _variants(file: ScoreFile) -> pd.DataFrame:
    parts = [
        pd.DataFrame(file.variants(low, min(low + _ROWS, file.rows)))
        for low in range(0, file.rows, _ROWS)
    ]
    kinds = {"chrom": "category", "ref": "category", "alt": "category"}
    return pd.concat(parts, ignore_index=True).astype(kinds)
