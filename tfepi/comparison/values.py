"""The compared score of every variant, read from each model's folder and laid side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from tfepi.comparison.options import LOG_RATIO, UNSIGNED, Comparing
from tfepi.comparison.scored import Scored, least_covered
from tfepi.comparison.series import Series
from tfepi.comparison.spans import overlap_shares
from tfepi.methylation.variant_tables import VARIANTS
from tfepi.variants.score_file import ScoreFile
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.targets import select

KEYS = ("chrom", "pos", "id", "ref", "alt")
_BYTES = 64 << 20


@dataclass(frozen=True)
class Values:
    """The compared scores of one model.

    Attributes:
        rows: the variants, columns `KEYS`; pos is 1-based.
        scores: float64 [rows, series]; NaN where there is none.
        off: whose window runs beyond its chromosome, bool [rows].
        signed: whether scores have a direction.
        level: of each column of a profile, mean signal of REF per bin; None without profiles.
    """

    rows: pd.DataFrame
    scores: np.ndarray
    off: np.ndarray
    signed: bool
    level: np.ndarray | None = None


def common_span(found: Sequence[Scored], span: int | None) -> int | None:
    """Return the bp around a variant that all models predict; None where none has profiles.

    Raises:
        ConfigError: a span that is longer than what a model predicts.
    """
    covered = {s.name: s.manifest.window.covered for s in found if s.profiles}
    least = least_covered(covered, span)
    return least if span is None or least is None else span


def read_values(
    one: Scored, series: Sequence[Series], comparing: Comparing, span: int | None
) -> Values:
    """Return a model's scores.

    A log ratio is log2((ALT + c) / (REF + c)) of the signal in the span; c is `pseudo` times REF's
    mean over the variants, target by target, so that it does not depend on units or bin width;
    where a sum is not positive there is none.
    Of methylation the score is the largest |ALT − REF| over CpGs.

    Args:
        one: the scores.
        series: what is compared; of several targets the mean over those that are defined.
        comparing: the options.
        span: of a log ratio, bp.

    Raises:
        InputFileError: a damaged file.
        ConfigError: a target that the folder lacks.
    """
    columns = [
        select(
            one.manifest.targets, list(s.targets[one.name]), f"of the scores of model {one.name}"
        )
        for s in series
    ]
    level = None
    if one.of_methylation:
        rows, scores = _methylation(one)
    elif comparing.stat == LOG_RATIO:
        rows, signal, level = _signal(one, span)
        off = _beyond(one, rows)
        base = signal[0][~off] if not off.all() else signal[0]
        added = comparing.pseudo * np.nanmean(np.maximum(base, 0), axis=0)
        # Of two negative sums the ratio would be defined, and say nothing.
        ref, alt = (np.where(v + added > 0, v + added, np.nan) for v in signal)
        scores = np.log2(alt / ref)
    else:
        file = ScoreFile.of(one.folder, comparing.stat)
        rows = pd.DataFrame(file.variants(0, file.rows))
        step = max(1, _BYTES // (8 * len(file.targets)))
        scores = np.concatenate([values for _, values in file.scores(step)])
    scores = np.where(np.isfinite(scores), scores, np.nan)
    with np.errstate(invalid="ignore"):
        found = [_mean(scores[:, list(c)]) for c in columns]
    signed = not one.of_methylation and comparing.stat not in UNSIGNED
    return Values(rows, np.stack(found, axis=1), _beyond(one, rows), signed, level)


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean over columns that are not missing; NaN where all are."""
    seen = ~np.isnan(values)
    count = seen.sum(axis=1)
    total = np.where(seen, values, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _beyond(one: Scored, rows: pd.DataFrame) -> np.ndarray:
    """Tell whose window runs beyond its chromosome."""
    first, stop = one.sees
    position = rows.pos.to_numpy() - 1
    length = rows.chrom.map(one.manifest.survey.chroms).to_numpy()
    return (position + first < 0) | (position + stop > length)


def _methylation(one: Scored) -> tuple[pd.DataFrame, np.ndarray]:
    path = one.folder / VARIANTS
    names = [f"{t.identifier}_score" for t in one.manifest.targets]
    try:
        table = pq.read_table(path, columns=[*KEYS, *names]).to_pandas()
    except (OSError, ValueError) as error:
        raise InputFileError(f"{path} is missing or damaged ({error}): score again") from None
    return table[list(KEYS)], table[names].to_numpy(np.float64)


def profiles(one: Scored) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yield (first row, REF, ALT) of a folder: float32 [rows, bins, targets] some rows at a time.

    Raises:
        InputFileError: a damaged file.
    """
    path = one.folder / one.manifest.scoring.file
    try:
        with h5py.File(path, "r") as file:
            count, *shape = file["REF"].shape
            step = max(1, _BYTES // (8 * int(np.prod(shape))))
            for low in range(0, count, step):
                yield low, file["REF"][low : low + step], file["ALT"][low : low + step]
    except (OSError, KeyError) as error:
        raise InputFileError(f"{path} is damaged ({error}): score the variants again") from None


def span_start(span: int) -> int:
    """Return where a span around a window's middle begins, bp from the variant's first base.

    That base is the last one before the middle (`alleles.Window`).
    """
    return 1 - span // 2


def _signal(one: Scored, span: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return variants, REF and ALT summed over the span [2, rows, targets], REF's mean per bin."""
    window = one.manifest.window
    shares = overlap_shares(
        window.crop - window.index, window.bin_width, window.bins, span_start(span), span
    )[0]
    used = np.flatnonzero(shares)
    sums, total, count = [[], []], 0.0, 0
    for _, *alleles in profiles(one):
        for kept, values in zip(sums, alleles, strict=True):
            kept.append(np.einsum("rbt,b->rt", values[:, used].astype(np.float64), shares[used]))
        finite = np.isfinite(alleles[0])
        total = total + np.where(finite, alleles[0], 0).sum(axis=(0, 1), dtype=np.float64)
        count = count + finite.sum(axis=(0, 1))
    with np.errstate(invalid="ignore", divide="ignore"):
        level = total / count
    rows = pd.DataFrame(_rows(one.folder / one.manifest.scoring.file))
    return rows, np.stack([np.concatenate(s) for s in sums]), level


def _rows(path: Path) -> dict[str, list]:
    names = {"chrom": "chr", "id": "snp", "ref": "ref_allele", "alt": "alt_allele"}
    with h5py.File(path, "r") as file:
        found = {k: [v.decode() for v in file[n][()].tolist()] for k, n in names.items()}
        return {k: file["pos"][()].astype(np.int64) if k == "pos" else found[k] for k in KEYS}


def side_by_side(values: Sequence[Values]) -> tuple[pd.DataFrame, list[np.ndarray]]:
    """Return all variants of the models, and where each model has them.

    A variant that comes twice is told apart by which time it is.

    Args:
        values: of each model.

    Returns:
        Columns `KEYS` of every variant that any model scored, and of each model the row of each
        variant, int64 [variants]; -1 where it has none.
    """
    tables = []
    for one in values:
        table = one.rows[list(KEYS)].copy()
        table["time"] = table.groupby(list(KEYS), sort=False).cumcount()
        tables.append(table)
    every = pd.concat(tables).drop_duplicates(ignore_index=True)
    index = pd.MultiIndex.from_frame(every)
    places = [pd.MultiIndex.from_frame(t).get_indexer(index) for t in tables]
    return every[list(KEYS)], places
