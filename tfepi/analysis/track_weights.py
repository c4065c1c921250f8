"""How much each track counts in the expression of a gene."""

from collections.abc import Mapping, Sequence

import numpy as np

from tfepi.analysis.gene_files import STRANDS
from tfepi.analysis.sense import sense_pairs
from tfepi.spec import Head
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.number_text import number_of
from tfrecords_tools.targets import Target


def check_sense(targets: Sequence[Target]) -> None:
    """Check that tracks have strands.

    Raises:
        ConfigError: no two of them are the strands of one experiment.
    """
    if not sense_pairs(targets):
        tracks = number_of(len(targets), "track")
        raise ConfigError(
            f"--sense takes of two strands the gene's own, but of {tracks} none "
            "pairs with another by strand_pair: leave --sense out, or choose others"
        )


def track_weights(targets: Sequence[Target], sense: bool = False) -> dict[str, np.ndarray]:
    """Return the weights with which tracks are averaged, by a gene's strand ("+", "-", ".").

    Args:
        targets: that are averaged.
        sense: of two strands of one experiment take the gene's own alone; of a gene without
            strand both.

    Returns:
        Strand → float32 [targets], with sum 1.
    """
    weights = {strand: np.ones(len(targets)) for strand in (*STRANDS, ".")}
    for pair in sense_pairs(targets) if sense else ():
        weights["+"][pair.reverse] = weights["-"][pair.forward] = 0
    return {strand: (w / w.sum()).astype(np.float32) for strand, w in weights.items()}


def of_head(
    weights: Mapping[str, np.ndarray], head: Head, columns: Sequence[int] | None
) -> Mapping[str, np.ndarray]:
    """Return weights of all targets of a head, 0 for those that are not averaged.

    Args:
        weights: by strand, of those that are, [chosen].
        head: the model's output.
        columns: their places among its targets; None for all.

    Returns:
        Strand → float32 [targets].
    """
    if columns is None:
        return weights
    out = {strand: np.zeros(len(head.targets), np.float32) for strand in weights}
    for strand, values in weights.items():
        out[strand][columns] = values
    return out
