"""What a block needs to know of the model it stands in."""

import re
from dataclasses import dataclass, field

import keras

from tfepi.layers import FactorInverse

_NAME = re.compile(r"(?P<section>.*)_(?P<block>\d+)_\D.*?(?P<number>\d*)")


@dataclass
class Context:
    """Where a block stands: precision, earlier representations, and names.

    Attributes:
        dtype: precision policy of the layers.
        prefix: start of the names of the block's layers ("trunk_3_conv_tower").
        representations: outputs of the trunk's blocks, and of the steps of its towers, in
            order; U-Net blocks look for theirs among these.
    """

    dtype: str = "float32"
    prefix: str = ""
    representations: list = field(default_factory=list)
    _taken: dict[str, int] = field(default_factory=dict)

    def name(self, part: str) -> str:
        """Return a layer name of this block; a part named again gets a number.

        Layers of one kind have one part name within a block: `creation_order` relies on it.
        """
        name = f"{self.prefix}_{part}"
        self._taken[name] = count = self._taken.get(name, 0) + 1
        return name if count == 1 else f"{name}{count}"


def creation_order(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers whose weights Basenji stores, in their order of creation.

    Per kind of layer this is the order in which Basenji creates its own, so that weights can
    be assigned by kind and place. It is read from the names, so it holds for a loaded model.

    Args:
        model: made by `tfepi.models.basenji`.
    """
    heads = list(model.output) if isinstance(model.output, dict) else []

    def place(layer):
        found = _NAME.fullmatch(layer.name)
        head = found["section"].removeprefix("head_")
        rank = heads.index(head) if head in heads else 0
        return found["section"] != "trunk", rank, int(found["block"]), int(found["number"] or 1)

    stored = [x for x in model.layers if x.weights and not isinstance(x, FactorInverse)]
    return sorted(stored, key=place)
