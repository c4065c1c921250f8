"""What the names of layers tell: heads, and the groups that depth is counted in."""

import re


def is_head(name: str) -> bool:
    """Tell whether a layer belongs to a head, by its name."""
    return name.startswith("head")


def layer_group(name: str) -> str:
    """Return the group of a layer: "conv1_norm" → "conv1", "trunk_3_conv" → "trunk_3".

    It is the name up to its first part with a digit, or the first part if none has; all heads
    are the group "head".
    """
    if is_head(name):
        return "head"
    parts = name.split("_")
    for count, part in enumerate(parts, 1):
        if re.search(r"\d", part):
            return "_".join(parts[:count])
    return parts[0]
