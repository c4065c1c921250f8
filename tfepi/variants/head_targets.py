"""The targets of a model's head that are worked on, and their predictions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.spec import ModelSpec
from tfepi.variants.untransform import check_style, untransform
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.targets import Target, is_numbered, select


@dataclass(frozen=True)
class HeadTargets:
    """Some targets of a head, or all.

    Attributes:
        head: name of the model's output.
        bins: how many it has.
        targets: in the order of the last axis.
        columns: their places among the head's; None for all.
        style: undo their transforms (`untransform.STYLES`), or None.
    """

    head: str
    bins: int
    targets: tuple[Target, ...]
    columns: list[int] | None
    style: str | None

    @classmethod
    def of(
        cls,
        spec: ModelSpec,
        head: str | None,
        targets: Sequence[Target] | None,
        style: str | None,
    ) -> "HeadTargets":
        """Return the targets of a head, of which `targets`, found by identifier, may be some.

        Raises:
            ConfigError: an unknown head or target, one that cannot be untransformed, or targets
                of a model whose outputs have no names.
        """
        found = spec.head(head)
        chosen, columns = found.targets, None
        if targets is not None:
            names = {t.identifier for t in chosen}
            if all(map(is_numbered, chosen)) and not names.issuperset(
                t.identifier for t in targets
            ):
                raise ConfigError(
                    "the model came without a targets table, so that its outputs are only numbered "
                    "and cannot be found by name: convert it again with the table "
                    "(tfepi_convert.py -t), or leave -t out"
                )
            columns = list(select(chosen, [t.identifier for t in targets]))
            chosen = tuple(targets)
        if style:
            check_style(style, chosen)
        return cls(found.name, spec.target_length, chosen, columns, style)

    def values(
        self, predictions: Mapping[str, np.ndarray], first: int = 0, bins: int | None = None
    ) -> np.ndarray:
        """Return float32 [windows, bins, targets] of what a model predicts.

        Args:
            predictions: of all heads.
            first: first bin to return.
            bins: how many; None for all.

        Raises:
            ConfigError: another number of bins than the model's contract says.
        """
        values = predictions[self.head]
        if values.shape[1] != self.bins:
            raise ConfigError(
                f"the model gives {values.shape[1]} bins, its contract says {self.bins}: export "
                "it again, or give the params.json it was trained with"
            )
        if bins is not None:
            values = values[:, first : first + bins]
        if self.columns is not None:
            values = values[:, :, self.columns]
        return untransform(values, self.targets, self.style) if self.style else values
