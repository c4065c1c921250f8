"""Sequences as they are, predicted once each, before what changes them is.

Groups are the same wherever work on them begins, so that a run that was stopped makes the same
calls of the model, and with them the same bytes, as one that was not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfepi.spec import Condition
from tfepi.variants.alleles import Window
from tfepi.variants.alternatives import Alternatives, Evaluator, References
from tfepi.variants.mutagenesis_scores import Comparison
from tfepi.variants.mutagenesis_sites import conditions
from tfrecords_tools.genome import Genome

_GROUP_BASES = 1 << 15


@dataclass(frozen=True)
class Group:
    """Sequences that are predicted together.

    Attributes:
        numbers: of the sequences, among all.
        bases: base indices uint8 [sequences, length].
        references: predictions, and what their evaluator keeps.
    """

    numbers: range
    bases: np.ndarray
    references: References

    @cached_property
    def comparison(self) -> Comparison:
        """The sequences, to compare changed ones with."""
        return Comparison(self.references.predictions)

    @cached_property
    def finite(self) -> np.ndarray:
        """Whether all predictions for a sequence are finite numbers: bool [sequences]."""
        return np.isfinite(self.references.predictions).all(axis=(1, 2))

    @cached_property
    def defined(self) -> bool:
        """Whether any prediction is a finite number."""
        return bool(np.isfinite(self.references.predictions).any())

    def undefined(self, changed: Alternatives) -> int:
        """Return how many changed sequences have, or are compared with, undefined predictions."""
        finite = np.isfinite(changed.values).all(axis=(1, 2)) & self.finite[changed.of]
        return int((~finite).sum())


def group_size(changes: int, evaluator: Evaluator, length: int) -> int:
    """Return how many sequences a group has, so that calls of the model are filled.

    Of long sequences it is one, since what an evaluator keeps of each may be large; but there are
    always as many as have a batch of changes.

    Args:
        changes: of each sequence, at least 1.
        evaluator: which says how many sequences a call is best asked for.
        length: of a sequence, bp.
    """
    size = evaluator.windows
    fit = min(size, _GROUP_BASES // length)
    return max(1, min(size, evaluator.changes // max(1, changes)), fit)


class ReferenceGroups:
    """The groups of many sequences, of which the one that was asked for last is kept.

    Args:
        evaluator: predicts them.
        count: number of sequences.
        size: of a group.
        sequence: takes a number and returns its base indices, uint8 [length].
        further: takes numbers and returns the inputs besides the sequence, by name; None for none.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        count: int,
        size: int,
        sequence: Callable[[int], np.ndarray],
        further: Callable[[range], dict[str, np.ndarray]] | None = None,
    ):
        self._evaluator, self._count, self.size = evaluator, count, size
        self._sequence, self._further = sequence, further
        self._held: Group | None = None

    def group(self, number: int) -> Group:
        """Return the group of a number, counted from 0."""
        low = number * self.size
        numbers = range(low, min(low + self.size, self._count))
        if self._held is None or self._held.numbers != numbers:
            self._held = None  # before the next takes as much memory
            bases = np.stack([self._sequence(n) for n in numbers])
            further = {} if self._further is None else self._further(numbers)
            references = self._evaluator.references(further | {"sequence": bases})
            self._held = Group(numbers, bases, references)
        return self._held


def site_groups(
    evaluator: Evaluator,
    genome: Genome,
    window: Window,
    sites: Sequence,
    size: int,
    condition: Condition | None = None,
) -> ReferenceGroups:
    """Return the groups of sites, with the further inputs of their windows of the genome.

    Args:
        evaluator: predicts them.
        genome: the FASTA.
        window: of the model.
        sites: with `chrom`, `window`, `strand` and `sequence`, as `mutagenesis_sites.Site`.
        size: of a group.
        condition: the model's inputs besides the sequence, or None.
    """
    return ReferenceGroups(
        evaluator,
        len(sites),
        size,
        lambda number: sites[number].sequence(genome, window),
        lambda numbers: conditions(condition, [sites[n] for n in numbers], window.length),
    )
