"""Summaries over subsets of tracks, each chosen by a query.

The mean of a variant's scores, the mean and the largest of their magnitudes, and the track that has
the largest. Scores count from what is no effect, which is 0 but for REF_RATIO (0.5).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

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


def subset_columns(
    scores: np.ndarray, subset: Subset, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return the columns of a subset; what is missing counts for nothing.

    Args:
        scores: float64 [variants, tracks]; NaN is missing.
        subset: of the tracks.
        names: of all tracks.

    Returns:
        NAME_mean, NAME_mean_abs, NAME_max_abs, float32, and NAME_max_track, the first track that
        has the largest magnitude; NaN and None where every score is missing.
    """
    values = scores[:, list(subset.tracks)]
    seen = ~np.isnan(values)
    count = seen.sum(axis=1)
    size = np.where(seen, np.abs(values), -1.0)
    place = size.argmax(axis=1)
    largest = size[np.arange(len(size)), place]
    with np.errstate(invalid="ignore"):
        mean = np.where(seen, values, 0).sum(axis=1) / count
        mean_abs = np.where(seen, size, 0).sum(axis=1) / count
    track = np.array([names[i] for i in subset.tracks], object)[place]
    track[count == 0] = None
    columns = {
        "mean": mean.astype(np.float32),
        "mean_abs": mean_abs.astype(np.float32),
        "max_abs": np.where(count, largest, np.nan).astype(np.float32),
        "max_track": track,
    }
    return {f"{subset.name}_{name}": column for name, column in columns.items()}
