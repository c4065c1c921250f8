"""The R tree of a bigWig, which finds the blocks that hold a stretch (Kent et al. 2010)."""

import struct

import numpy as np

_MAGIC = 0x2468ACE0
_INDEX = struct.Struct("<IIQIIIIQII")
_NODE = struct.Struct("<BBH")
_CHILDREN = 256
_PLACE = [(n, "<u4") for n in ("chrom", "start", "last_chrom", "end")]
LEAF = np.dtype([*_PLACE, ("offset", "<u8"), ("size", "<u8")])
_BRANCH = np.dtype([*_PLACE, ("offset", "<u8")])


def write_index(file, leaves: np.ndarray, slot: int) -> int:
    """Append the tree of sorted blocks.

    Args:
        file: at its end.
        leaves: `LEAF` [blocks].
        slot: most items of a block.

    Returns:
        The byte at which it starts.
    """
    at, end = file.tell(), file.tell()
    levels = [leaves]
    while len(levels[0]) > _CHILDREN:
        below = levels[0]
        firsts = np.arange(0, len(below), _CHILDREN)
        lasts = np.minimum(firsts + _CHILDREN, len(below)) - 1
        above = np.empty(len(firsts), _BRANCH)
        for name in ("chrom", "start"):
            above[name] = below[name][firsts]
        for name in ("last_chrom", "end"):
            above[name] = below[name][lasts]
        levels.insert(0, above)
    bounds = (0, 0, 0, 0)
    if len(leaves):
        first, last = leaves[0], leaves[-1]
        bounds = (first["chrom"], first["start"], last["last_chrom"], last["end"])
    file.write(_INDEX.pack(_MAGIC, _CHILDREN, len(leaves), *map(int, bounds), end, slot, 0))
    place = file.tell()
    for depth, level in enumerate(levels):
        leaf = depth == len(levels) - 1
        nodes = [level[i : i + _CHILDREN] for i in range(0, max(len(level), 1), _CHILDREN)]
        place += len(nodes) * _NODE.size + level.nbytes
        if not leaf:  # children come next, one node per item
            below = levels[depth + 1]
            sizes = [
                _NODE.size + below[i : i + _CHILDREN].nbytes
                for i in range(0, len(below), _CHILDREN)
            ]
            level["offset"] = place + np.cumsum([0, *sizes[:-1]])
        for node in nodes:
            file.write(_NODE.pack(leaf, 0, len(node)) + node.tobytes())
    return at
