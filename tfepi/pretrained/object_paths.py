"""Variables of TensorFlow's object-based checkpoints by their path through the objects.

`tf.train.Checkpoint` stores with the variables the graph of the objects that hold them: which
attribute of which object leads to which. A path such as `_trunk/_layers/0/_layers/0/w` is found
in that graph, so the key that a variable was stored under does not matter: it differs with the
name of the root's attribute, and where a variable can be reached on two ways.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

import numpy as np

from tfepi.pretrained.state_dict import StateDict
from tfrecords_tools.errors import InputFileError

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_VALUE = "VARIABLE_VALUE"
_SUFFIX = f"/.ATTRIBUTES/{_VALUE}"
_ATTRIBUTES = "/.ATTRIBUTES/"
_SLOT = "/.OPTIMIZER_SLOT/"
# What training keeps beside a model: its counters, and an optimiser with its own.
_OF_TRAINING = ("global_step", "optimizer", "save_counter", "step")
_SHOWN = 4


class ObjectArrays(StateDict):
    """Arrays by path, without those that training keeps beside a model.

    These are `global_step`, `save_counter` and `step`, `optimizer` and what is below it, as
    attributes of the object or of the root, and the slots of optimisers.

    Args:
        source: the file, or what else the arrays are of, for messages.
        keys: path → key that the array is stored under.
        stored: keys of all arrays that there are.
        read: returns the array of a key.

    Attributes:
        beside: names of the arrays that are of other objects.
    """

    def __init__(
        self,
        source: str | Path,
        keys: Mapping[str, str],
        stored: Collection[str],
        read: Callable[[str], np.ndarray],
    ):
        self._keys = {path: key for path, key in keys.items() if not _is_of_training(path)}
        self._stored, self._read_key = stored, read
        super().__init__(source, self._keys, lambda path: read(self._keys[path]))
        reached = set(keys.values())
        names = [key.removesuffix(_SUFFIX) for key in stored if key not in reached]
        # Other attributes than values are texts and states of iterators.
        self.beside = tuple(n for n in names if not (_is_of_training(n) or _ATTRIBUTES in n))

    def below(self, members: Collection[str]) -> "ObjectArrays":
        """Return the arrays below some attributes of the object."""
        keys = {p: key for p, key in self._keys.items() if p.partition("/")[0] in members}
        return ObjectArrays(self.source, keys, self._stored, self._read_key)

    def ways_to(self, paths: Collection[str]) -> set[str]:
        """Return the paths, and others that lead to the same variables."""
        reached = {self._keys[path] for path in paths if path in self._keys}
        return {path for path, key in self._keys.items() if key in reached}


def read_checkpoint(prefix: str | Path, member: str) -> ObjectArrays:
    """Open a checkpoint, or the variables of a SavedModel, which are one.

    Args:
        prefix: path without `.index` and `.data-00000-of-00001`.
        member: an attribute that the wanted object has; paths start at the object nearest to the
            root that has it.

    Returns:
        Arrays by path, of all that can be reached from that object, read when asked for; and the
        names of what else is stored.

    Raises:
        InputFileError: missing, damaged, or no object has that attribute.
    """
    from tfepi.startup import import_tensorflow

    tf = import_tensorflow()
    # The reader turns some of TensorFlow's errors into Python's.
    failures = (tf.errors.OpError, ValueError, RuntimeError, IndexError)
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        stored = sorted(reader.get_variable_to_shape_map())
        keys = _keys_of_graph(reader.get_tensor(_GRAPH), member) if _GRAPH in stored else {}
    except failures as error:
        raise _damaged(prefix, error) from None
    # A checkpoint of TensorFlow 1 has no graph, and its keys may have been made after the paths.
    keys = keys or _plain_keys(stored, member)
    if not keys:
        shown = [name for name in stored if name != _GRAPH][:_SHOWN]
        raise InputFileError(
            f"{prefix} has no object with an attribute {member!r}: its variables are "
            f"{', '.join(shown) or 'none'}{', …' if len(stored) > _SHOWN else ''}; name another "
            "checkpoint"
        )

    def read(key: str) -> np.ndarray:
        try:
            return reader.get_tensor(key)
        except failures as error:
            raise _damaged(prefix, error) from None

    return ObjectArrays(prefix, keys, stored, read)


def by_object_path(arrays: Mapping[str, np.ndarray], member: str, where: str) -> ObjectArrays:
    """Return arrays whose names are a checkpoint's keys by their paths.

    Args:
        arrays: by key, with or without `/.ATTRIBUTES/VARIABLE_VALUE`, and with or without the
            path from the root to the object that has `member`.
        member: as of `read_checkpoint`.
        where: the arrays are of, for messages.

    Raises:
        InputFileError: no key has that attribute in it.
    """
    keys = _plain_keys(list(arrays), member)
    if not keys:
        raise InputFileError(
            f"{where} has no key with {member!r} in it but {', '.join(list(arrays)[:_SHOWN])}: "
            f"want names such as module/{member}/…{_SUFFIX}"
        )
    return ObjectArrays(where, keys, list(arrays), arrays.__getitem__)


def _is_of_training(name: str) -> bool:
    """Tell whether a path or key is of what training keeps beside a model."""
    return name == _GRAPH or _SLOT in name or name.partition("/")[0] in _OF_TRAINING


def _plain_keys(stored: list[str], member: str) -> dict[str, str]:
    """Return path → key of keys that are paths themselves, from the root nearest to the top.

    Of several as near it is the one that has most keys.
    """
    pattern = re.compile(rf"(.*?/)??{re.escape(member)}/.*")
    matches = (pattern.fullmatch(key) for key in stored if _SLOT not in key)
    roots = Counter(match[1] or "" for match in matches if match)
    if not roots:
        return {}
    root = min(roots, key=lambda r: (r.count("/"), -roots[r], r))
    return {
        key.removeprefix(root).removesuffix(_SUFFIX): key
        for key in stored
        if key.startswith(root) and key != _GRAPH and _SLOT not in key
    }


def _keys_of_graph(serialised: bytes, member: str) -> dict[str, str]:
    """Return path → key of the variables below the nearest object that has a member."""
    from tensorflow.core.protobuf import trackable_object_graph_pb2

    graph = trackable_object_graph_pb2.TrackableObjectGraph()
    graph.ParseFromString(serialised)
    root = _nearest(graph.nodes, member)
    return {} if root is None else dict(_variables(graph.nodes, root, "", frozenset()))


def _nearest(nodes, member: str) -> int | None:
    """Return the number of the object nearest to the root, 0, that has a member."""
    reached = [0] if nodes else []
    for node in reached:  # which grows meanwhile
        children = nodes[node].children
        if any(child.local_name == member for child in children):
            return node
        reached += [c.node_id for c in children if c.node_id not in reached]
    return None


def _variables(nodes, node: int, path: str, above: frozenset[int]) -> Iterator[tuple[str, str]]:
    """Yield (path, key) of every variable below an object, on each way that leads to it once."""
    for attribute in nodes[node].attributes:
        if attribute.name == _VALUE:
            yield path, attribute.checkpoint_key
    above |= {node}
    for child in nodes[node].children:
        if child.node_id not in above:  # objects may refer to those that hold them
            below = f"{path}/{child.local_name}" if path else child.local_name
            yield from _variables(nodes, child.node_id, below, above)


def _damaged(prefix: str | Path, error: Exception) -> InputFileError:
    reason = (getattr(error, "message", "") or str(error) or type(error).__name__).splitlines()[0]
    return InputFileError(
        f"cannot read checkpoint {prefix}: it is truncated or damaged ({reason[:160]}); copy its "
        ".index and .data files again"
    )
