"""Tracks of both strands of one experiment, and which of the two is a gene's own.

A targets table says which tracks pair (`strand_pair`), but not which is the forward strand: the
identifiers do, by + and - at their end.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.number_text import number_of
from tfrecords_tools.targets import Target

_ENDS = (("+", "-"), ("plus", "minus"), ("pos", "neg"), ("fwd", "rev"), ("forward", "reverse"))
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SensePair:
    """Two tracks of one experiment.

    Attributes:
        name: what both identifiers begin with; with "_sense" where a track has that name.
        label: their description.
        forward: place of the forward strand's among the targets.
        reverse: of the reverse strand's.
    """

    name: str
    label: str
    forward: int
    reverse: int


def sense_pairs(targets: Sequence[Target]) -> tuple[SensePair, ...]:
    """Return the pairs of strands among targets, in their order.

    A pair of which only one track is there is left out; one whose identifiers do not tell the
    strands apart, too, with a warning.
    """
    place = {t.index: i for i, t in enumerate(targets)}
    taken = {t.identifier for t in targets}
    found, unclear = [], []
    for number, target in enumerate(targets):
        other = place.get(target.strand_pair, -1)
        if other <= number:  # none, itself, or seen before
            continue
        for forward, reverse in ((number, other), (other, number)):
            stem = _stem(targets[forward].identifier, targets[reverse].identifier)
            if stem:
                name = stem
                while name in taken:
                    name += "_sense"
                taken.add(name)
                found.append(SensePair(name, target.description or stem, forward, reverse))
                break
        else:
            unclear.append(f"{target.identifier} and {targets[other].identifier}")
    if unclear:
        _log.warning(
            "no sense values of %s, whose identifiers do not end in + and -: %s",
            number_of(len(unclear), "pair of strands", "pairs of strands"),
            unclear[0],
        )
    return tuple(found)


def _stem(forward: str, reverse: str) -> str | None:
    """Return what two identifiers begin with, if their ends say forward and reverse."""
    for end, opposite in _ENDS:
        stem = forward.removesuffix(end)
        if stem != forward and reverse == stem + opposite:
            return stem.rstrip("_.-") or None
    return None


def sense_values(
    values: np.ndarray, strands: Sequence[str], pairs: Sequence[SensePair]
) -> np.ndarray:
    """Return each pair's value on a gene's own strand.

    Args:
        values: of all targets, float [genes, targets].
        strands: "+", "-" or "." of each gene.
        pairs: among the targets.

    Returns:
        float [genes, pairs]; NaN for a gene without strand.
    """
    strand = np.asarray(strands)[:, None]
    forward = values[:, [p.forward for p in pairs]]
    reverse = values[:, [p.reverse for p in pairs]]
    missing = np.asarray(np.nan, values.dtype)
    return np.where(strand == "+", forward, np.where(strand == "-", reverse, missing))
