"""Summaries over subsets of tracks, each chosen by a query.

The mean of a variant's scores, the mean of their magnitudes, the largest of these with its score
and its track, and how many reach a threshold. Scores count from what is no effect, which is 0 but
for REF_RATIO (0.5).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.target_query import query_targets
from tfrecords_tools.targets import Target

ALL = "all"


@dataclass(frozen=True)
class Subset:
    """Tracks that are summarised together.

    Attributes:
        name: of the columns.
        query: that chose them, or "" for all.
        tracks: their places.
    """

    name: str
    query: str
    tracks: tuple[int, ...]


def parse_subsets(texts: Sequence[str], targets: Sequence[Target]) -> tuple[Subset, ...]:
    """Return all tracks, and the subsets of texts NAME=QUERY.

    Args:
        texts: see `target_query` for queries.
        targets: that were scored.

    Raises:
        ConfigError: a text of another form, a name that is no word or used twice, or a query that
            matches nothing.
    """
    found = [Subset(ALL, "", tuple(range(len(targets))))]
    for text in texts:
        name, sign, query = (part.strip() for part in text.partition("="))
        if not sign or not query:
            raise ConfigError(f"subset is {text!r}: want NAME=QUERY, as liver='CAGE: & liver'")
        if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII):
            raise ConfigError(f"subset {text!r}: its name is {name!r}, want letters, digits and _")
        if re.fullmatch(r"PC\d+", name) or name in (s.name for s in found):
            raise ConfigError(f"subset {name!r} is there already: give it another name")
        found.append(Subset(name, query, query_targets(targets, query, "the scores")))
    return tuple(found)


def subset_fields(name: str, above: float | None = None) -> list[pa.Field]:
    """Return the columns of a subset, in the order of `subset_columns`."""
    numbers = ("mean", "mean_abs", "max", "max_abs")
    fields = [pa.field(f"{name}_{n}", pa.float32()) for n in numbers]
    fields.append(pa.field(f"{name}_max_track", pa.string()))
    if above is not None:
        fields.append(pa.field(f"{name}_above", pa.int32()))
    return fields


def subset_columns(
    scores: np.ndarray, subset: Subset, names: Sequence[str], above: float | None = None
) -> dict[str, np.ndarray]:
    """Return the columns of a subset; what is missing counts for nothing.

    Args:
        scores: float64 [variants, tracks]; NaN is missing.
        subset: of the tracks.
        names: of all tracks.
        above: count tracks whose magnitude is at least this; None for no such column.

    Returns:
        NAME_mean, NAME_mean_abs, NAME_max (the score whose magnitude is largest), NAME_max_abs
        (that magnitude), float32, NAME_max_track, the first track that has it; NaN and None where
        every score is missing; NAME_above, int32.
    """
    values = scores[:, list(subset.tracks)]
    seen = ~np.isnan(values)
    count = seen.sum(axis=1)
    size = np.where(seen, np.abs(values), -1.0)
    place = size.argmax(axis=1)
    rows = np.arange(len(size))
    with np.errstate(invalid="ignore"):
        mean = np.where(seen, values, 0).sum(axis=1) / count
        mean_abs = np.where(seen, size, 0).sum(axis=1) / count
    track = np.array([names[i] for i in subset.tracks], object)[place]
    track[count == 0] = None
    columns = {
        "mean": mean.astype(np.float32),
        "mean_abs": mean_abs.astype(np.float32),
        "max": values[rows, place].astype(np.float32),
        "max_abs": np.where(count, size[rows, place], np.nan).astype(np.float32),
        "max_track": track,
    }
    if above is not None:
        columns["above"] = (size >= above).sum(axis=1).astype(np.int32)
    return {f"{subset.name}_{name}": column for name, column in columns.items()}


def check_above(above: float | None) -> None:
    """Check a threshold of magnitudes.

    Raises:
        ConfigError: not above 0, or no finite number.
    """
    if above is not None and not 0 < above < float("inf"):
        raise ConfigError(f"above is {above}: want a magnitude of scores, as 0.5")
