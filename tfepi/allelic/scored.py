"""Ratios of alleles that `tfepi_variants.py --stats REF_RATIO` scored already."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfepi.allelic.counts import Sites
from tfepi.allelic.run import Source
from tfepi.variants.manifest import Manifest
from tfepi.variants.numbered import NAME
from tfepi.variants.score_file import ScoreFile
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.target_query import query_targets
from tfrecords_tools.targets import Target, read_targets, select

STAT = "REF_RATIO"
_ROWS = 1 << 14
_log = logging.getLogger(__name__)


def scored_ratios(
    path: str | Path, sites: Sites, targets: Sequence[Target] | None = None
) -> tuple[np.ndarray, tuple[Target, ...]]:
    """Return REF / (REF + ALT) of sites from a folder of scores.

    Args:
        path: folder of `tfepi_variants.py`, or its scores.h5.
        sites: looked up by place and alleles.
        targets: only these, by identifier; None for all.

    Returns:
        float64 [sites, targets], NaN where a site was not scored, and the targets.

    Raises:
        InputFileError, UnfinishedError: as `ScoreFile.of`; or none of the sites is there.
        ConfigError: scores without REF_RATIO, or an unknown target.
    """
    scores = _file_of(path)
    columns = list(range(len(scores.targets)))
    if targets is not None:
        columns = list(select(scores.targets, [t.identifier for t in targets]))
    wanted: dict[tuple, list[int]] = {}
    keys = (sites.chrom.tolist(), sites.position.tolist(), sites.ref.tolist(), sites.alt.tolist())
    for row, (chrom, position, ref, alt) in enumerate(zip(*keys, strict=True)):
        wanted.setdefault((chrom, position + 1, ref, alt), []).append(row)
    found = np.full((len(sites), len(columns)), np.nan)
    there = np.zeros(len(sites), bool)
    for low, values in scores.scores(_ROWS):
        named = scores.variants(low, low + len(values))
        places = zip(named["chrom"], named["pos"], named["ref"], named["alt"], strict=True)
        for value, place in zip(values, places, strict=True):
            for row in wanted.get(place, ()):
                found[row], there[row] = value[columns] + 0.5, True
    if not there.any():
        raise InputFileError(
            f"{path} scored none of the {len(sites)} sites: score the sites.vcf that this command "
            "writes without a model, on the same genome"
        )
    if not there.all():
        _log.warning("%s: %d of %d sites were not scored", path, int((~there).sum()), len(sites))
    _warn_of_edge(scores)
    return found, tuple(scores.targets[c] for c in columns)


def scores_source(
    path: str | Path, table: str | Path | None = None, query: str | None = None
) -> tuple[Source, Path]:
    """Return a source of predictions that looks them up.

    Args:
        path: folder of `tfepi_variants.py`, or its scores.h5.
        table: targets table, of the targets wanted; None for all.
        query: of the targets wanted (`target_query`), or None.

    Returns:
        The source, and the file that is read.

    Raises:
        InputFileError, ConfigError: as `scored_ratios`.
    """
    scores = _file_of(path)
    targets = read_targets(table) if table else scores.targets
    if query is not None:
        chosen = query_targets(targets, query, f"scores {path}", "score with a targets table")
        targets = tuple(targets[i] for i in chosen)
    select(scores.targets, [t.identifier for t in targets])  # raises of an unknown one

    def look_up(sites: Sites) -> tuple[np.ndarray, list[str]]:
        ratios, found = scored_ratios(path, sites, targets)
        return ratios, [t.identifier for t in found]

    names = tuple(t.identifier for t in targets)
    return Source(scored=look_up, names=names), scores.path


def _file_of(path: str | Path) -> ScoreFile:
    try:
        return ScoreFile.of(path, STAT)
    except ConfigError as error:
        raise ConfigError(f"{error} ({STAT} is what allelic imbalance reads)") from None


def _warn_of_edge(scores: ScoreFile) -> None:
    """Log a warning if sites lay at the end of their bin."""
    if not (scores.path.parent / NAME).exists():
        return
    window = Manifest.read(scores.path.parent).window
    why = f"windows lay on a grid of {window.step} bp" if window.step else ""
    if (window.index - window.crop) % window.bin_width == window.bin_width - 1:
        why = why or "of an even number of bins the middle lies between two"
    if why:
        _log.warning(
            "%s: sites did not lie in the middle of their bin (%s): predict with the model itself "
            "to have them there",
            scores.path,
            why,
        )
