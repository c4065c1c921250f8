"""A model asked for sites of a genome: the sequence read, and what else the model takes."""

from collections.abc import Sequence

import numpy as np

from tfepi.prediction.windows import Site
from tfepi.spec import Condition, ModelSpec, Predictor
from tfepi.variants.head_targets import HeadTargets
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import Genome

"""From (chromosome, start, end) of sequences, which may reach beyond a chromosome's ends, to what
a model takes besides them, by name of the input, one row per sequence."""


def check_condition(spec: ModelSpec, given: bool) -> None:
    """Check that a model that takes more than the sequence gets it, and no other does.

    Raises:
        ConfigError: it is missing, or given without use.
    """
    further = ", ".join(name for name in spec.inputs if name != "sequence")
    if further and not given:
        raise ConfigError(
            f"model {spec.name} takes {further} besides the sequence: name the tracks and the cell"
        )
    if given and not further:
        raise ConfigError(
            f"model {spec.name} takes the sequence alone: leave the tracks and the cell out"
        )


class SiteValues:
    """A model asked for the bins of sites.

    Args:
        predictor: the model.
        genome: where the sites lie.
        site: the stretch of a window that is kept.
        chosen: the targets.
        condition: gives what the model takes besides the sequence.
    """

    def __init__(
        self,
        predictor: Predictor,
        genome: Genome,
        site: Site,
        chosen: HeadTargets,
        condition: Condition | None = None,
    ):
        self._predictor, self._genome, self._chosen = predictor, genome, chosen
        self._condition = condition
        self.site, self.targets = site, len(chosen.targets)

    def __call__(self, chroms: Sequence[str], starts: np.ndarray) -> np.ndarray:
        """Return float32 [sites, bins, targets].

        Args:
            chroms: name of each site's chromosome.
            starts: of the sites, bp.

        Raises:
            ConfigError: the condition gives other arrays than the model takes.
        """
        begin = (starts - self.site.offset).tolist()
        length = self.site.seq_length
        spans = [(name, b, b + length) for name, b in zip(chroms, begin, strict=True)]
        inputs = {"sequence": self._genome.windows(spans)}
        if self._condition is not None:
            inputs |= _taken(self._predictor.spec, self._condition(spans), len(spans))
        predictions = self._predictor.predict(inputs)
        return self._chosen.values(predictions, self.site.first, self.site.bins)


def _taken(spec: ModelSpec, given: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Return the further inputs that the model names, in the shapes it names."""
    found = {name: given.get(name) for name in spec.inputs if name != "sequence"}
    for name, values in found.items():
        want = (count, *spec.inputs[name])
        if values is None or values.shape != want:
            got = "none" if values is None else f"shape {values.shape}"
            raise ConfigError(
                f"model {spec.name} takes {name} of shape {want} for {count} windows, the cell's "
                f"tracks give {got}: use tracks as in its training"
            )
    return found
