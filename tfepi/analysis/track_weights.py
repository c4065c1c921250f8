"""How much each track counts in the expression of a gene."""

from collections.abc import Sequence

import numpy as np

from tfepi.analysis.sense import sense_pairs
from tfepi.analysis.tss import StartSite
from tfepi.spec import Head
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target


def check_sense(targets: Sequence[Target]) -> None:
    """Check that tracks have strands.

    Raises:
        ConfigError: no two of them are the strands of one experiment.
    """
    if not sense_pairs(targets):
        raise ConfigError(
            f"--sense takes of two strands the gene's own, but none of the {len(targets)} tracks "
            "pairs with another by strand_pair: leave --sense out, or choose others"
        )


def track_weights(
    targets: Sequence[Target], sites: Sequence[StartSite], sense: bool = False
) -> np.ndarray:
    """Return the weights with which tracks are averaged: float32 [sites, targets], with sum 1.

    Args:
        targets: that are averaged.
        sites: start sites.
        sense: of two strands of one experiment take the gene's own alone; of a gene without
            strand both.
    """
    weights = np.ones((len(sites), len(targets)))
    for pair in sense_pairs(targets) if sense else ():
        for number, site in enumerate(sites):
            if site.strand in ("+", "-"):
                weights[number, pair.reverse if site.strand == "+" else pair.forward] = 0
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def of_head(weights: np.ndarray, head: Head, columns: Sequence[int] | None) -> np.ndarray:
    """Return weights of all targets of a head, 0 for those that are not averaged.

    Args:
        weights: of those that are, [sites, chosen].
        head: the model's output.
        columns: their places among its targets; None for all.

    Returns:
        float32 [sites, targets].
    """
    if columns is None:
        return weights
    out = np.zeros((len(weights), len(head.targets)), np.float32)
    out[:, columns] = weights
    return out
