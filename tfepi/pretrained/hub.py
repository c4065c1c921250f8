"""Enformer's SavedModel, as TensorFlow Hub and Kaggle have it, as a Predictor."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tfepi.models.enformer import HEADS
from tfepi.pretrained.enformer import LENGTH, TARGET_LENGTH, enformer_spec
from tfepi.pretrained.sources import (
    SAVED_MODEL,
    SAVED_MODEL_SPEC,
    published_at,
    saved_model_folder,
)
from tfepi.sequences import model_inputs
from tfepi.spec import ModelSpec
from tfepi.startup import import_tensorflow
from tfrecords_tools.errors import ConfigError, InputFileError, unknown
from tfrecords_tools.genome import UNKNOWN, one_hot

_FUNCTION = "predict_on_batch"
# What has the function, from the root: as the released code saves it, and as published.
_OWNERS = ((), ("model",))


@dataclass(frozen=True)
class Signature:
    """What the function of a SavedModel takes and gives, as far as it says.

    Attributes:
        owner: path of attributes from the root to the object that has the function.
        length: bp of its input, or None.
        outputs: head, sorted → (bins, targets), each or None.
    """

    owner: tuple[str, ...]
    length: int | None
    outputs: dict[str, tuple[int | None, int | None]]


def enformer_hub(
    path_or_handle: str | Path,
    batch_size: int = 1,
    tracks: Mapping[str, Sequence[int]] | None = None,
    spec: ModelSpec | None = None,
) -> "HubPredictor":
    """Load Enformer's SavedModel, published at kaggle.com/models/deepmind/enformer.

    Args:
        path_or_handle: unpacked folder, or an address, which is looked up in the cache of
            TensorFlow Hub ($TFHUB_CACHE_DIR) and else fetched with tensorflow_hub.
        batch_size: sequences per call of the model.
        tracks: outputs to return, by head and number from 0; heads left out are not returned.
            None: all of all heads.
        spec: the contract [`hub_spec`].

    Raises:
        InputFileError: missing, damaged, no SavedModel of Enformer, or one that was exported here
            (`tfepi.predictors.load_predictor` loads that).
        ConfigError: an unknown head, a track out of range, or tensorflow_hub is needed and missing.
    """
    spec = spec or hub_spec(path_or_handle)
    return HubPredictor(saved_model_folder(path_or_handle), spec, batch_size, tracks)


def hub_spec(path_or_handle: str | Path, sizes: Mapping[str, int] | None = None) -> ModelSpec:
    """Return the contract of Enformer's SavedModel, whose outputs are numbered.

    The published one takes 393,216 bp and uses the middle 196,608, which are its sequence here.

    Args:
        path_or_handle: as of `enformer_hub`.
        sizes: input_length, bp that the model uses, and target_length, bins, where the SavedModel
            has others than the published.

    Raises:
        InputFileError: missing, damaged, or no SavedModel of Enformer.
        ConfigError: sizes that do not fit the SavedModel's.
    """
    signature = read_signature(saved_model_folder(path_or_handle))
    sizes = sizes or {}
    taken = signature.length or LENGTH
    length = sizes.get("input_length", LENGTH if taken == 2 * LENGTH else taken)
    bins = {b for b, _ in signature.outputs.values()} - {None}
    target_length = sizes.get("target_length", min(bins) if bins else TARGET_LENGTH)
    heads = {}
    for head, (_, targets) in signature.outputs.items():
        heads[head] = targets or HEADS.get(head)
        if not heads[head]:
            raise InputFileError(
                f"SavedModel {path_or_handle} does not say how many tracks {head!r} has, which is "
                "no head of the published one: convert its checkpoint instead"
            )
    spec = enformer_spec(length, target_length, heads)
    if length > taken or (taken - length) % 2:
        raise ConfigError(
            f"input_length is {length} bp, SavedModel {path_or_handle} takes {taken}: want at most "
            "that, and as many left out at either end"
        )
    if bins - {target_length}:
        raise ConfigError(
            f"target_length is {target_length}, SavedModel {path_or_handle} gives {min(bins)} bins"
        )
    return spec


def read_signature(folder: str | Path) -> Signature:
    """Return what the function of a SavedModel takes and gives, without loading its variables.

    Args:
        folder: of the SavedModel.

    Raises:
        InputFileError: damaged, without the function, or exported here.
    """
    if (Path(folder) / SAVED_MODEL_SPEC).exists():
        raise InputFileError(
            f"SavedModel {folder} was exported here and has its contract, {SAVED_MODEL_SPEC}: load "
            "it with tfepi.predictors.load_predictor, or name it in a command with the params.json "
            "that it was trained with"
        )
    import_tensorflow()
    from tensorflow.core.protobuf import saved_model_pb2

    stored = (Path(folder) / "saved_model.pb").read_bytes()
    content = saved_model_pb2.SavedModel()
    try:
        content.ParseFromString(stored)
        graph = content.meta_graphs[0].object_graph_def
    except Exception:  # of protobuf, which is TensorFlow's affair
        raise InputFileError(
            f"SavedModel {folder} is damaged: saved_model.pb cannot be read; copy it again"
        ) from None
    for owner in _OWNERS:
        node = _follow(graph.nodes, (*owner, _FUNCTION))
        names = [] if node is None else node.function.concrete_functions
        for name in names:
            function = graph.concrete_functions[name]
            inputs = [shape for _, shape in _tensors(function.canonicalized_input_signature)]
            outputs = dict(_tensors(function.output_signature))
            if len(inputs) == 1 and len(inputs[0]) == 3 and outputs and "" not in outputs:
                known = {k: (*v, None, None, None)[1:3] for k, v in sorted(outputs.items())}
                return Signature(owner, inputs[0][1], known)
    found = ", ".join(c.local_name for c in graph.nodes[0].children[:6]) if graph.nodes else ""
    raise InputFileError(
        f"SavedModel {folder} has no model.{_FUNCTION} from sequences to a dict by head, but "
        f"{found or 'nothing'}: {published_at(SAVED_MODEL)}"
    )


def _follow(nodes, path: Sequence[str]):
    """Return the object that attributes lead to from the root, or None."""
    node = nodes[0] if nodes else None
    for name in path:
        inner = [c.node_id for c in node.children if c.local_name == name]
        if not inner:
            return None
        node = nodes[inner[0]]
    return node


def _tensors(value, name: str = "") -> Iterator[tuple[str, tuple[int | None, ...]]]:
    """Yield (key of the innermost dict, shape) of the tensors in a structure of a SavedModel."""
    kind = value.WhichOneof("kind")
    if kind == "tensor_spec_value":
        sizes = value.tensor_spec_value.shape.dim
        yield name, tuple(d.size if d.size >= 0 else None for d in sizes)
    elif kind == "dict_value":
        for key, inner in value.dict_value.fields.items():
            yield from _tensors(inner, key)
    elif kind in ("tuple_value", "list_value"):
        for inner in getattr(value, kind).values:
            yield from _tensors(inner, name)


class HubPredictor:
    """A Predictor of Enformer's SavedModel.

    A sequence is `spec.seq_length` bp, or as long as the SavedModel takes; the shorter is given
    N on both sides, which the published model crops.

    Args:
        folder: of the SavedModel.
        spec: its contract (`hub_spec`).
        batch_size: sequences per call.
        tracks: as of `enformer_hub`.

    Raises:
        InputFileError: damaged, or no SavedModel of Enformer.
        ConfigError: an unknown head, or a track out of range.
    """

    def __init__(
        self,
        folder: str | Path,
        spec: ModelSpec,
        batch_size: int = 1,
        tracks: Mapping[str, Sequence[int]] | None = None,
    ):
        self._counts = {h.name: (spec.target_length, len(h.targets)) for h in spec.heads}
        self._tracks = None if tracks is None else {k: list(v) for k, v in tracks.items()}
        self.spec = spec if tracks is None else _selected(spec, self._tracks)
        self.batch_size = batch_size
        self._folder = folder
        tf = import_tensorflow()
        signature = read_signature(folder)
        self._length = signature.length or spec.seq_length
        try:
            self._loaded = tf.saved_model.load(str(folder))  # kept: functions do not keep it
        except (ValueError, OSError, KeyError, IndexError, tf.errors.OpError) as error:
            reason = getattr(error, "message", "") or str(error) or type(error).__name__
            raise InputFileError(
                f"cannot load SavedModel {folder}: {reason.splitlines()[0][:200]}; copy it again"
            ) from None
        owner = self._loaded
        for name in signature.owner:
            owner = getattr(owner, name)
        self._function = getattr(owner, _FUNCTION)

    def predict(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return {head: float32 [batch, bins, targets]}.

        Args:
            inputs: {"sequence": uint8 base indices [batch, length], one-hot [batch, length, 4], or
                DNA letters, a text or a list of texts}; any batch.

        Raises:
            ConfigError: another length (both), or else as of `tfepi.sequences.model_inputs`.
            InputFileError: the SavedModel gives other than its contract says.
        """
        lengths = dict.fromkeys((self.spec.seq_length, self._length))
        sequences = model_inputs(inputs, self.spec.inputs, tuple(lengths))["sequence"]
        parts: dict[str, list[np.ndarray]] = {head.name: [] for head in self.spec.heads}
        for low in range(0, len(sequences), self.batch_size):
            batch = sequences[low : low + self.batch_size]
            found = self._function(self._padded(batch))
            for name, values in parts.items():
                values.append(self._chosen(name, np.asarray(found[name]), len(batch)))
        return {k: np.concatenate(v) for k, v in parts.items()}

    def _padded(self, batch: np.ndarray) -> np.ndarray:
        """Return sequences as one-hot codes of the length that the SavedModel takes."""
        side = (self._length - batch.shape[1]) // 2
        if batch.ndim == 2:
            return one_hot(np.pad(batch, ((0, 0), (side, side)), constant_values=UNKNOWN))
        return np.pad(batch, ((0, 0), (side, side), (0, 0)))

    def _chosen(self, head: str, values: np.ndarray, count: int) -> np.ndarray:
        if values.shape != (count, *self._counts[head]):
            raise InputFileError(
                f"SavedModel {self._folder} gives {list(values.shape)} for head {head!r}, want "
                f"{[count, *self._counts[head]]}: it is not the published one; give its lengths as "
                "input_length and target_length"
            )
        values = values.astype(np.float32, copy=False)
        return values if self._tracks is None else values[:, :, self._tracks[head]]


def _selected(spec: ModelSpec, tracks: Mapping[str, Sequence[int]]) -> ModelSpec:
    heads = {head.name: head for head in spec.heads}
    chosen = []
    for name, numbers in tracks.items():
        if name not in heads:
            raise unknown("head", name, heads)
        targets = heads[name].targets
        for number in numbers:
            if not 0 <= number < len(targets):
                raise ConfigError(
                    f"track {number} of head {name!r} is out of range: it has {len(targets)}, want "
                    f"0 to {len(targets) - 1}"
                )
        chosen.append(replace(heads[name], targets=tuple(targets[i] for i in numbers)))
    return replace(spec, heads=tuple(chosen))
