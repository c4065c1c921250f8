"""Which cluster is ubiquitous, and what the others are called.

Of a cluster's mean profile (the mean over its peaks of log2(x + 1), each peak's divided by its
highest) the index tau says how specific it is. A cluster is ubiquitous if its tau is at most 0.4
and its mean profile is at least a third of its highest in every cell type: flat, and open
everywhere. Several such clusters are joined, so that peaks do not become specific because one
more cluster was made. Any other is named by the cell types whose mean profile is at least 0.7 of
its highest, highest first; of several clusters with the same cell types the largest has the plain
name, and the others are "A.cluster2", "A.cluster3" and so on.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.specificity.accuracy import GENOME, MEAN, PEAKS, SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.profiles import tau
from tfrecords_tools.errors import ConfigError

_RESERVED = (UBIQUITOUS, SPECIFIC, PEAKS, GENOME, MEAN)
_NAMED = 3  # cell types in a name


@dataclass(frozen=True)
class Rule:
    """When a cluster is ubiquitous, and which cell types are its own.

    Attributes:
        flat: highest tau of a ubiquitous cluster.
        open: least share of its highest that its mean profile has in every cell type.
        belongs: least share of its highest in a cell type that is a cluster's own.
    """

    flat: float = 0.4
    open: float = 1 / 3
    belongs: float = 0.7

    def __post_init__(self):
        for name in ("flat", "open", "belongs"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: want a number from 0 to 1")


@dataclass(frozen=True)
class Named:
    """A cluster.

    Attributes:
        name: "ubiquitous", cell types joined by "+", or "broad".
        peaks: how many.
        tau: of its mean profile.
        profile: mean over its peaks of the share of each peak's highest, float64 [cell types].
        logged: mean over its peaks of log2(x + 1), normalised, float64 [cell types].
        cell_types: its own, highest first; of the ubiquitous one all.
    """

    name: str
    peaks: int
    tau: float
    profile: np.ndarray
    logged: np.ndarray
    cell_types: tuple[str, ...]


def named(
    of: np.ndarray,
    share: np.ndarray,
    logged: np.ndarray,
    cell_types: Sequence[str],
    rule: Rule | None = None,
) -> tuple[np.ndarray, list[Named], int]:
    """Return clusters with their names, ubiquitous ones joined.

    Args:
        of: cluster of each peak, int64 [peaks], from 0 without gaps.
        share: profiles [peaks, cell types], 0 to 1.
        logged: log2(x + 1), normalised [peaks, cell types].
        cell_types: names.
        rule: thresholds; None: the defaults.

    Returns:
        Each peak's number among the clusters, int64 [peaks]; these; and how many of those given
        are ubiquitous.
    """
    rule = rule or Rule()
    means = _means(of, share)
    everywhere = tau(means) <= rule.flat
    everywhere &= (means / means.max(axis=1, keepdims=True)).min(axis=1) >= rule.open
    if everywhere.any():
        first = int(np.flatnonzero(everywhere)[0])
        of = np.where(everywhere[of], first, of)
        _, of = np.unique(of, return_inverse=True)
        means = _means(of, share)
    heights, index = _means(of, logged), tau(means)
    relative = means / means.max(axis=1, keepdims=True)
    ubiquitous = first if everywhere.any() else -1  # no cluster before it was joined away
    sizes = np.bincount(of)
    taken = {name.lower() for name in _RESERVED}
    found: dict[int, Named] = {}
    for c in sorted(range(len(sizes)), key=lambda c: (-sizes[c], c)):  # the largest: plain name
        order = np.argsort(-relative[c], kind="stable")
        own = tuple(cell_types[i] for i in order if relative[c, i] >= rule.belongs)
        if c == ubiquitous:
            name, own = UBIQUITOUS, tuple(cell_types)
        else:
            name = _unique(_name(own, len(cell_types)), taken)
        found[c] = Named(name, int(sizes[c]), float(index[c]), means[c], heights[c], own)
    return of.astype(np.int64), [found[c] for c in range(len(sizes))], int(everywhere.sum())


def _means(of: np.ndarray, values: np.ndarray) -> np.ndarray:
    return np.stack([values[of == c].mean(axis=0) for c in range(int(of.max()) + 1)])


def _name(own: Sequence[str], cell_types: int) -> str:
    if len(own) > max(_NAMED, cell_types / 2):
        return "broad"
    name = "+".join(re.sub(r"[^A-Za-z0-9._-]+", "_", c).strip(".") or "_" for c in own[:_NAMED])
    return name if len(own) <= _NAMED else f"{name}+{len(own) - _NAMED}_more"


def _unique(name: str, taken: set[str]) -> str:
    """Return the name, numbered if it is taken; file systems may not tell cases apart.

    The number follows a word, so that it is not taken for a part of a cell type's name.
    """
    found, number = name, 1
    while found.lower() in taken:
        number += 1
        found = f"{name}.cluster{number}"
    taken.add(found.lower())
    return found
